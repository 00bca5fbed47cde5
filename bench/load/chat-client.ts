import { request } from 'node:http';
import type { Agent } from 'node:http';

/** An endpoint that streams chats, and how to read its events. */
export interface Endpoint {
  readonly port: number;
  readonly path: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The text that an event adds to the answer. */
  readonly readText: (event: unknown) => string;
}

export interface Chat {
  readonly firstTextMs: number;
  /** All that was received. */
  readonly stream: string;
}

const END = 'data: [DONE]\n\n';
/** Both dialects write the delta as a member of this kind; roles and snapshots have an empty text there. */
const TEXT = /"(?:content|v)":"[^"]/;

/** Holds one chat; rejects unless it came to its end. */
export function chat(endpoint: Endpoint, agent: Agent): Promise<Chat> {
  const { port, path, body } = endpoint;
  const length = { 'content-length': Buffer.byteLength(body) };
  const headers = { ...endpoint.headers, 'content-type': 'application/json', ...length };
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const asked = request({ agent, host: '127.0.0.1', port, path, method: 'POST', headers }, (answer) => {
      let stream = '';
      let firstTextMs = Number.NaN;
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => {
        stream += chunk;
        if (Number.isNaN(firstTextMs) && TEXT.test(chunk)) firstTextMs = performance.now() - startedAt;
      });
      answer.on('error', reject);
      answer.on('end', () => {
        if (stream.endsWith(END)) resolve({ firstTextMs, stream });
        else reject(new Error(`port ${port} answered ${answer.statusCode} and no whole chat`));
      });
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

/** The answer in a stream that was received. */
export function answerOf({ readText }: Endpoint, stream: string): string {
  return stream
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => readText(JSON.parse(line.slice('data: '.length))))
    .join('');
}
