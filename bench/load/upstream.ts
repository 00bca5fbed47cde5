import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { answerDeltas } from '../_util/answer.ts';
import { v1Frames } from '../_util/backend-stream.ts';
import type { Answer, Plan, Question } from './protocol.ts';

// A stand-in for the backend that costs next to nothing: what it says is put together once per plan.
// It checks nothing, asks for no proof and streams in the encoding v1.

const HEAD_END = Buffer.from('\r\n\r\n');
const LANDING = whole('text/html', '<html data-build="bench"><script src="/sdk.js"></script></html>');
const REQUIREMENTS = whole(
  'application/json',
  JSON.stringify({ persona: 'chatgpt-noauth', token: 'bench', proofofwork: { required: false } }),
);
const STREAM_HEAD = Buffer.from(
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n',
);
const STREAM_END = Buffer.from('0\r\n\r\n');

/** An answer ready for the socket. */
interface Script {
  /** What comes at once: the head and all before the second delta, or everything. */
  readonly opening: Buffer;
  readonly steps: readonly Buffer[];
  readonly intervalMs: number;
}

let script = toScript({ deltas: 1, deltasPerSecond: null });

process.on('message', (question: Question) => {
  if (question.type !== 'plan') return;
  script = toScript(question.plan);
  process.send?.({ type: 'planned' } satisfies Answer);
});

const server = createServer(serve).listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ port })}\n`);
});

function toScript({ deltas, deltasPerSecond }: Plan): Script {
  const frames = v1Frames(answerDeltas(deltas)).map(toChunk);
  if (deltasPerSecond === null) {
    return { opening: Buffer.concat([STREAM_HEAD, ...frames, STREAM_END]), steps: [], intervalMs: 0 };
  }
  const firstDelta = 3;
  const lastDelta = firstDelta + deltas - 1;
  return {
    opening: Buffer.concat([STREAM_HEAD, ...frames.slice(0, firstDelta)]),
    steps: [...frames.slice(firstDelta, lastDelta), Buffer.concat([...frames.slice(lastDelta), STREAM_END])],
    intervalMs: 1000 / deltasPerSecond,
  };
}

function toChunk(frame: string): Buffer {
  return Buffer.from(`${Buffer.byteLength(frame).toString(16)}\r\n${frame}\r\n`);
}

function whole(contentType: string, body: string): Buffer {
  const head = `HTTP/1.1 200 OK\r\ncontent-type: ${contentType}\r\ncontent-length: ${Buffer.byteLength(body)}`;
  return Buffer.from(`${head}\r\n\r\n${body}`);
}

/** One request after the other on each connection. */
function serve(socket: Socket): void {
  let received = Buffer.alloc(0);
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    const request = takeRequest(received);
    if (request === null) return;
    received = received.subarray(request.bytes);
    answer(request.path, socket);
  });
}

function takeRequest(received: Buffer): { path: string; bytes: number } | null {
  const headBytes = received.indexOf(HEAD_END) + HEAD_END.length;
  if (headBytes < HEAD_END.length) return null;
  const head = received.toString('latin1', 0, headBytes);
  const bytes = headBytes + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  return received.length < bytes ? null : { path: head.split(' ', 2)[1] ?? '', bytes };
}

function answer(path: string, socket: Socket): void {
  if (path.endsWith('/conversation')) play(script, socket);
  else socket.write(path.endsWith('/chat-requirements') ? REQUIREMENTS : LANDING);
}

function play({ opening, steps, intervalMs }: Script, socket: Socket): void {
  socket.write(opening);
  if (steps.length === 0) return;
  const startedAt = performance.now();
  let next = 0;
  const timer = setInterval(() => {
    // Timers have whole milliseconds and may be late: what is due is sent, each delta on its own.
    const due = Math.min(steps.length, Math.floor((performance.now() - startedAt) / intervalMs));
    while (next < due) socket.write(steps[next++] as Buffer);
    if (next === steps.length || socket.destroyed) clearInterval(timer);
  }, intervalMs);
}
