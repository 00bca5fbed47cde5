import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** As much of a backend as a rehearsal needs: a page, requirements without a proof, one short answer. */
export interface Stage {
  /** Its origin, on loopback. Rejects where loopback cannot be listened on. */
  open(): Promise<string>;
  close(): void;
}

const ANSWER = [
  'event: delta_encoding\ndata: "v1"\n\n',
  toFrame({ p: '', o: 'add', v: { message: toMessage(), conversation_id: 'rehearsal', error: null }, c: 0 }),
  toFrame({ p: '/message/content/parts/0', o: 'append', v: 'Somebody' }),
  ...[' is', ' here', ',', ' and', ' says', ' so', '.'].map((v) => toFrame({ v })),
  toFrame({
    p: '',
    o: 'patch',
    v: [
      { p: '/message/status', o: 'replace', v: 'finished_successfully' },
      { p: '/message/end_turn', o: 'replace', v: true },
    ],
  }),
  'data: [DONE]\n\n',
].join('');

/** `onRequest` hears what is asked for. */
export function createStage(onRequest: (path: string) => void = () => {}): Stage {
  const server = createServer((request, response) => {
    onRequest(request.url ?? '');
    play(request, response);
  }).unref();
  return {
    open: () =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', () => {
          resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
        });
      }),
    close: () => void server.close(),
  };
}

function play(request: IncomingMessage, response: ServerResponse): void {
  const [contentType, body] = answerTo(request.url ?? '');
  request.resume();
  response.setHeader('content-type', contentType);
  response.end(body);
}

function answerTo(path: string): readonly [contentType: string, body: string] {
  if (path.endsWith('/conversation')) return ['text/event-stream', ANSWER];
  if (!path.endsWith('/chat-requirements')) return ['text/html', '<script src="/rehearsal.js"></script>'];
  const requirements = { persona: 'chatgpt-noauth', token: 'rehearsal', proofofwork: { required: false } };
  return ['application/json', JSON.stringify(requirements)];
}

function toMessage(): object {
  return {
    id: 'rehearsal',
    author: { role: 'assistant' },
    content: { content_type: 'text', parts: [''] },
    status: 'in_progress',
    recipient: 'all',
    metadata: {},
  };
}

function toFrame(change: object): string {
  return `event: delta\ndata: ${JSON.stringify(change)}\n\n`;
}
