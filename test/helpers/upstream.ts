import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';

/** One request that reached the backend, and its connection: what is written there is up to the test. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly socket: Socket;
  /** `performance.now()` when the connection was gone. */
  readonly closed: Promise<number>;
}

/** Answers one kind of call; `nth` counts that kind's calls from 1. */
type Play = (asked: Asked, nth: number) => void | Promise<void>;

export interface UpstreamParts {
  readonly landing?: Play;
  readonly requirements?: Play;
  readonly conversation?: Play;
}

export interface Upstream {
  readonly origin: string;
  readonly port: number;
  /** Every request so far, in order of arrival. */
  readonly asked: readonly Asked[];
  askedAt(end: string): readonly Asked[];
  /** Connections that are open now. */
  readonly sockets: number;
}

const PAGE = '<!doctype html><html data-build="b-1"><script src="/c/1/_/x.js"></script></html>';

/** A backend of which every byte is the test's; the parts left out behave well. */
export async function startUpstream(t: Test, parts: UpstreamParts = {}): Promise<Upstream> {
  const asked: Asked[] = [];
  const sockets = new Set<Socket>();
  const plays: readonly [string, Play][] = [
    ['/sentinel/chat-requirements', parts.requirements ?? ((one) => sendJson(one, 200, requirements()))],
    ['/conversation', parts.conversation ?? ((one) => sendAnswer(one, 'Hello there!'))],
    ['', parts.landing ?? ((one) => send(one, 200, 'text/html', PAGE))],
  ];
  const counts = new Map<string, number>();
  const receive = async (request: IncomingMessage): Promise<void> => {
    const { socket } = request;
    const body = await readText(request).catch(() => null);
    if (body === null) return;
    const path = request.url ?? '/';
    const [end, play] = plays.find(([suffix]) => path.endsWith(suffix)) as [string, Play];
    const closed = new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now())));
    const one = { method: request.method ?? '', path, headers: request.headers, body, socket, closed };
    asked.push(one);
    counts.set(end, (counts.get(end) ?? 0) + 1);
    await play(one, counts.get(end) as number);
  };
  const server = createServer((request) => void receive(request));
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    port,
    asked,
    askedAt: (end) => asked.filter(({ path }) => path.endsWith(end)),
    get sockets() {
      return sockets.size;
    },
  };
}

/** What the sentinel wants; without a difficulty no proof at all. */
export function requirements(difficulty?: string): object {
  const proofofwork = difficulty === undefined ? {} : { required: true, seed: '0.42', difficulty };
  return { persona: 'chatgpt-paid', token: 'gAAAAAB-requirements', proofofwork, arkose: { required: false } };
}

/** A whole answer, after which the connection closes. */
export function send(asked: Asked, status: number, type: string, body: string, ...headers: string[]): void {
  const lines = [
    `HTTP/1.1 ${status} X`,
    `content-type: ${type}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    ...headers,
  ];
  asked.socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}

export function sendJson(asked: Asked, status: number, value: unknown, ...headers: string[]): void {
  send(asked, status, 'application/json', JSON.stringify(value), ...headers);
}

/**
 * The head of an event stream whose end is the end of the connection or of its chunks. It says that the
 * connection will not be used again: no other request shall meet the way in which it ends.
 */
export function openStream({ socket }: Asked): void {
  const head = [
    'HTTP/1.1 200 OK',
    'content-type: text/event-stream; charset=utf-8',
    'transfer-encoding: chunked',
    'connection: close',
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
}

/** Bytes as one chunk; false: the connection is full. */
export function stream({ socket }: Asked, bytes: string): boolean {
  return socket.write(chunk(bytes));
}

export function chunk(bytes: string): string {
  return `${Buffer.byteLength(bytes).toString(16)}\r\n${bytes}\r\n`;
}

/** A clean end, said by the framing. */
export function endStream({ socket }: Asked): void {
  socket.end('0\r\n\r\n');
}

export const DONE = 'data: [DONE]\n\n';

/** The answer so far, as one event of the backend's first encoding. */
export function event(text: string, isLast = false): string {
  const message = {
    id: 'a-1',
    author: { role: 'assistant' },
    content: { content_type: 'text', parts: [text] },
    status: isLast ? 'finished_successfully' : 'in_progress',
    end_turn: isLast ? true : null,
    weight: 1,
    metadata: {},
    recipient: 'all',
  };
  return `data: ${JSON.stringify({ message, conversation_id: 'c-1', error: null })}\n\n`;
}

export function sendAnswer(asked: Asked, text: string): void {
  openStream(asked);
  stream(asked, event(text) + event(text, true) + DONE);
  endStream(asked);
}

export const LONG_EVENT_WORDS = 3_300;
const LONG_TEXT = 'word '.repeat(LONG_EVENT_WORDS);

/** An event that adds 16 KiB to the answer, as a message of its own. */
export function longEvent(index: number): string {
  return event(LONG_TEXT).replace('"a-1"', `"a-${index}"`);
}

export interface Flood {
  /** Bytes that left this process. */
  readonly taken: () => number;
}

const FLOOD_BYTES = 64 * 1024 * 1024;

/** Events of the backend's second encoding that are one message, to which each adds 16 KiB. */
export function longDelta(written: number): string {
  const first = event('')
    .replace('data: ', 'event: delta\ndata: {"p":"","o":"add","v":')
    .replace('\n\n', '}\n\n');
  const path = written === 0 ? '"p":"/message/content/parts/0","o":"append",' : '';
  return `${written === 0 ? first : ''}event: delta\ndata: {${path}"v":"${LONG_TEXT}"}\n\n`;
}

/** 64 MiB of answer, as fast as they are taken. */
export function flood(asked: Asked): Flood {
  return floodOf(asked, longEvent);
}

/** As `flood`. `next` is told how much came before. */
export function floodOf(asked: Asked, next: (written: number) => string): Flood {
  const { socket } = asked;
  openStream(asked);
  let written = 0;
  const more = (): void => {
    while (written < FLOOD_BYTES && !socket.destroyed) {
      const bytes = next(written);
      written += bytes.length;
      if (!stream(asked, bytes)) return;
    }
  };
  socket.on('drain', more);
  more();
  return { taken: () => socket.bytesWritten - socket.writableLength };
}

/** Waits until the count, once above 0, stays the same. */
export async function comesToRest(count: () => number): Promise<number> {
  for (let before = 0; ; await sleep(400)) {
    const now = count();
    if (now === before && now > 0) return now;
    before = now;
  }
}
