import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { PLAIN, STAMP, toQuestion } from './script.ts';
import type { Script } from './script.ts';

/** What one client asks for and how it behaves. */
export interface Manner {
  readonly script: Script;
  readonly stream: boolean;
  /** The credential; null: none. */
  readonly token: string | null;
  readonly includeUsage: boolean;
  /** Of what is said before the question: agents send whole files. */
  readonly priorCharacters: number;
  /** `stopped`: from its first text on it reads nothing. `slow`: 64 KiB at most every so often. */
  readonly reading: 'live' | 'stopped' | 'slow';
  /** It goes away then, wherever things are; null: it stays. */
  readonly leaveAfterMs: number | null;
}

export const LIVE: Manner = {
  script: PLAIN,
  stream: true,
  token: null,
  includeUsage: false,
  priorCharacters: 0,
  reading: 'live',
  leaveAfterMs: null,
};

/** `cut`: the connection ended within an answer, or before it. */
export type VisitEnd = 'complete' | 'refused' | 'cut' | 'left';

export interface VisitListener {
  onText(): void;
  onEnd(end: VisitEnd, status: number, texts: number): void;
}

const PAUSE_MS = 100;
const DONE = 'data: [DONE]\n';
const LAST_CHUNK = '\n0\r\n\r\n';

/** One chat over a connection of its own. */
export class Visit {
  readonly #socket: Socket;
  readonly #manner: Manner;
  readonly #listener: VisitListener;
  readonly #leaving: NodeJS.Timeout | null;
  #status = 0;
  #texts = 0;
  #rest = '';
  #isDone = false;
  #isOver = false;

  constructor(port: number, manner: Manner, listener: VisitListener) {
    this.#manner = manner;
    this.#listener = listener;
    const { leaveAfterMs } = manner;
    this.#leaving = leaveAfterMs === null ? null : setTimeout(() => this.leave(), leaveAfterMs);
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.write(toRequest(manner));
    this.#socket.on('data', (chunk) => this.#read(chunk.toString('latin1')));
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => this.#end('cut'));
  }

  leave(): void {
    this.#end('left');
  }

  #read(chunk: string): void {
    const text = this.#rest + chunk;
    if (this.#status === 0) this.#status = Number(text.slice(9, 12));
    const lines = text.slice(0, text.lastIndexOf('\n') + 1);
    this.#rest = text.slice(lines.length);
    for (const _ of lines.matchAll(STAMP)) {
      this.#texts += 1;
      this.#listener.onText();
    }
    if (lines.includes(DONE)) this.#isDone = true;
    if (`\n${lines}`.endsWith(LAST_CHUNK)) this.#end(this.#isDone ? 'complete' : 'cut');
    else if (!this.#manner.stream || this.#status !== 200) this.#readWhole(text);
    this.#slowDown();
  }

  /** An answer with its length. */
  #readWhole(text: string): void {
    this.#rest = text;
    const headEnd = text.indexOf('\r\n\r\n') + 4;
    if (headEnd < 4) return;
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? Number.NaN);
    if (text.length - headEnd >= length) this.#end(this.#status === 200 ? 'complete' : 'refused');
  }

  #slowDown(): void {
    if (this.#manner.reading === 'live' || this.#texts === 0) return;
    this.#socket.pause();
    if (this.#manner.reading === 'slow') setTimeout(() => this.#socket.resume(), PAUSE_MS);
  }

  #end(end: VisitEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#leaving !== null) clearTimeout(this.#leaving);
    this.#socket.destroy();
    this.#listener.onEnd(end, this.#status, this.#texts);
  }
}

function toRequest({ script, stream, token, includeUsage, priorCharacters }: Manner): string {
  const body = JSON.stringify({
    model: 'gpt-4o-mini',
    stream,
    ...(stream && includeUsage && { stream_options: { include_usage: true } }),
    messages: [
      ...(priorCharacters === 0 ? [] : [{ role: 'user', content: 'A word. '.repeat(priorCharacters / 8) }]),
      { role: 'user', content: toQuestion(script) },
    ],
  });
  const authorization = token === null ? '' : `authorization: Bearer ${token}\r\n`;
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: soak\r\ncontent-type: application/json\r\n${authorization}`;
  return `${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}
