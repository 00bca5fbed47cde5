import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { answerDeltas } from '../../_util/answer.ts';
import { legacyFrames, v1Frames } from '../../_util/backend-stream.ts';
import { parseScript } from './script.ts';
import type { Script } from './script.ts';
import { Wheel } from './wheel.ts';

// A stand-in for the backend that answers each chat as its question asks for, and waits for readers that
// have stopped. One timer for all streams: ten thousand of their own would be most of its work.

const HEAD_END = Buffer.from('\r\n\r\n');
const LANDING = whole('text/html', '<html data-build="soak"><script src="/sdk.js"></script></html>');
const STREAM_HEAD =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n';
const EASY_PROOF = { required: true, seed: '0.42', difficulty: '0fffff' };
/** Of so many chats one has to prove its work. */
const PROOF_EVERY = 10;
const FILLER = answerDeltas(400).join('').replaceAll('\n', ' ');

const wheel = new Wheel();
let asked = 0;

process.on('disconnect', () => process.exit());
const server = createServer(serve).listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ port })}\n`);
});

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
    answer(request.path, request.body, socket);
  });
}

function takeRequest(received: Buffer): { path: string; body: string; bytes: number } | null {
  const headBytes = received.indexOf(HEAD_END) + HEAD_END.length;
  if (headBytes < HEAD_END.length) return null;
  const head = received.toString('latin1', 0, headBytes);
  const bytes = headBytes + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  if (received.length < bytes) return null;
  return { path: head.split(' ', 2)[1] ?? '', body: received.toString('utf8', headBytes, bytes), bytes };
}

function answer(path: string, body: string, socket: Socket): void {
  if (path.endsWith('/conversation')) play(parseScript(body), socket);
  else socket.write(path.endsWith('/chat-requirements') ? requirements() : LANDING);
}

function requirements(): string {
  asked += 1;
  const proofofwork = asked % PROOF_EVERY === 0 ? EASY_PROOF : { required: false };
  return whole('application/json', JSON.stringify({ persona: 'chatgpt-noauth', token: 'soak', proofofwork }));
}

function whole(contentType: string, body: string): string {
  const head = `HTTP/1.1 200 OK\r\ncontent-type: ${contentType}\r\ncontent-length: ${Buffer.byteLength(body)}`;
  return `${head}\r\n\r\n${body}`;
}

function play(script: Script, socket: Socket): void {
  const { everyMs, startAfterMs } = script;
  const texts = createTexts(script);
  let sent = 0;
  const end = (): void => {
    if (script.ending === 'complete') socket.write(`${texts.end()}0\r\n\r\n`);
    else if (script.ending === 'reset') socket.resetAndDestroy();
  };
  const step = (dueMs: number): void => {
    if (socket.destroyed) return;
    const isTaken = socket.write((sent === 0 ? STREAM_HEAD : '') + texts.next(dueMs));
    sent += 1;
    if (sent >= script.events) return end();
    if (isTaken && everyMs === 0) return step(dueMs);
    if (isTaken) return wheel.at(dueMs + everyMs, step);
    socket.once('drain', () => step(Math.max(Date.now(), dueMs + everyMs)));
  };
  if (startAfterMs === 0) step(Date.now());
  else wheel.at(Date.now() + startAfterMs, step);
}

interface Texts {
  /** The chunk with the next text. */
  next(dueMs: number): string;
  /** What says that the answer is complete. */
  end(): string;
}

function createTexts({ encoding, characters }: Script): Texts {
  let soFar = '';
  let isFirst = true;
  const text = (dueMs: number): string => `${dueMs} ${filler(characters - 14)}`;
  if (encoding === 'legacy') {
    return {
      next(dueMs) {
        soFar += text(dueMs);
        isFirst = false;
        return toChunk(legacyFrames([soFar])[0] ?? '');
      },
      end: () => toChunk(legacyFrames([soFar]).slice(1).join('')),
    };
  }
  return {
    next(dueMs) {
      const frames = v1Frames([text(dueMs)]).slice(0, 3);
      const frame = `event: delta\ndata: ${JSON.stringify({ v: text(dueMs) })}\n\n`;
      const chunk = toChunk(isFirst ? frames.join('') : frame);
      isFirst = false;
      return chunk;
    },
    end: () => toChunk(v1Frames([]).slice(2).join('')),
  };
}

function filler(characters: number): string {
  if (characters <= 0) return '';
  return FILLER.repeat(Math.ceil(characters / FILLER.length)).slice(0, characters);
}

function toChunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}
