import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { Pacer } from './pacer.ts';
import type { Answer, Dialect, Plan, Question } from './protocol.ts';
import { toScript } from './script.ts';
import type { Script } from './script.ts';

// A stand-in for the backend that costs next to nothing: what it says is put together once per plan. It
// checks nothing and asks for no proof. The same answers are also to be had as OpenAI's API streams them.

const HEAD_END = Buffer.from('\r\n\r\n');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');
const LANDING = whole('text/html', '<html data-build="bench"><script src="/sdk.js"></script></html>');
const REQUIREMENTS = whole(
  'application/json',
  JSON.stringify({ persona: 'chatgpt-noauth', token: 'bench', proofofwork: { required: false } }),
);
const MODELS = whole(
  'application/json',
  JSON.stringify({
    object: 'list',
    data: [{ id: 'gpt-4o-mini', object: 'model', created: 0, owned_by: 'bench' }],
  }),
);
const BACKLOG = 4096;

/** What is said to whom. */
interface Play {
  readonly conversation: Script;
  readonly completion: Script;
  readonly pacer: Pacer | null;
}

const scripts = new Map<string, Script>();
let play = toPlay({ encoding: 'v1', deltas: 1, atOnce: 1, deltasPerSecond: null, isBatched: true });

process.on('message', (question: Question) => {
  if (question.type !== 'plan') return;
  play = toPlay(question.plan);
  process.send?.({ type: 'planned' } satisfies Answer);
});

const server = createServer({ noDelay: true }, serve).listen(0, '127.0.0.1', BACKLOG, () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ port })}\n`);
});

function toPlay(plan: Plan): Play {
  return {
    conversation: remember(plan.encoding, plan),
    completion: remember('openai', plan),
    pacer: plan.deltasPerSecond === null ? null : new Pacer(1000 / plan.deltasPerSecond),
  };
}

/** The longest takes seconds to put together, and each way is asked for the same. */
function remember(dialect: Dialect, plan: Plan): Script {
  const key = JSON.stringify([dialect, plan]);
  const known = scripts.get(key);
  if (known !== undefined) return known;
  const script = toScript(dialect, plan);
  scripts.set(key, script);
  return script;
}

function whole(contentType: string, body: string): Buffer {
  const head = `HTTP/1.1 200 OK\r\ncontent-type: ${contentType}\r\ncontent-length: ${Buffer.byteLength(body)}`;
  return Buffer.from(`${head}\r\n\r\n${body}`);
}

/** One request after the other on each connection. */
function serve(socket: Socket): void {
  let received = Buffer.alloc(0);
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
  const bytes = headBytes + bodyBytes(head, received, headBytes);
  return received.length < bytes ? null : { path: head.split(' ', 2)[1] ?? '', bytes };
}

function bodyBytes(head: string, received: Buffer, from: number): number {
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) {
    return Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  }
  const last = received.indexOf(LAST_CHUNK, from);
  return last < 0 ? Infinity : last + LAST_CHUNK.length - from;
}

function answer(path: string, socket: Socket): void {
  if (path.endsWith('/conversation')) stream(play.conversation, play.pacer, socket);
  else if (path.endsWith('/chat/completions')) stream(play.completion, play.pacer, socket);
  else if (path.endsWith('/chat-requirements')) socket.write(REQUIREMENTS);
  else socket.write(path.endsWith('/models') ? MODELS : LANDING);
}

function stream({ opening, steps }: Script, pacer: Pacer | null, socket: Socket): void {
  let next = 0;
  const step = (): boolean => {
    if (socket.destroyed) return false;
    socket.write(steps[next++] as Buffer);
    return next < steps.length;
  };
  const isTaken = socket.write(opening);
  if (steps.length === 0) return;
  if (pacer !== null) return pacer.add(step);
  const pour = (): void => {
    while (next < steps.length && socket.write(steps[next++] as Buffer));
    if (next < steps.length) socket.once('drain', pour);
  };
  if (isTaken) pour();
  else socket.once('drain', pour);
}
