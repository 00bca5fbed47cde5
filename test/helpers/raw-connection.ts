import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';

export interface RawAnswer {
  readonly status: number;
  /** Names in lower case; values of repeated ones joined by a comma. */
  readonly headers: ReadonlyMap<string, string>;
  /** Without the framing of chunks. */
  readonly body: string;
  /** False: the connection ended in the middle of a chunked body. */
  readonly complete: boolean;
}

/** One connection, read to the letter: answers in order, interim ones (100) too. */
export interface RawConnection {
  readonly socket: Socket;
  send(text: string): void;
  /** The next answer; rejects when it does not come within ten seconds. */
  answer(): Promise<RawAnswer>;
  /** Everything received so far that no answer has taken. */
  rest(): string;
}

interface Parsed {
  readonly answer: RawAnswer;
  readonly length: number;
}

const PATIENCE_MS = 10_000;

export async function connectRaw(t: Test, port: number): Promise<RawConnection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let received = Buffer.alloc(0);
  let ended = false;
  socket.on('data', (data) => (received = Buffer.concat([received, data])));
  socket.on('error', () => undefined);
  socket.on('close', () => (ended = true));
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return {
    socket,
    send: (text) => void socket.write(text),
    async answer() {
      const deadline = Date.now() + PATIENCE_MS;
      for (;;) {
        const parsed = parseAnswer(received, ended);
        if (parsed !== null) {
          received = received.subarray(parsed.length);
          return parsed.answer;
        }
        if (ended || Date.now() > deadline) throw new Error(`no whole answer in: ${received.toString()}`);
        await sleep(5);
      }
    },
    rest: () => received.toString(),
  };
}

/** Null: there is more to come. */
function parseAnswer(bytes: Buffer, ended: boolean): Parsed | null {
  const headLength = bytes.indexOf('\r\n\r\n') + 4;
  if (headLength < 4) return null;
  const [statusLine = '', ...lines] = bytes
    .subarray(0, headLength - 4)
    .toString('latin1')
    .split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1]);
  const headers = parseHeaders(lines);
  const body = parseBody(status, headers, bytes.subarray(headLength));
  if (body === null || (!body.complete && !ended)) return null;
  const { text, complete } = body;
  return { answer: { status, headers, body: text, complete }, length: headLength + body.length };
}

function parseHeaders(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name = '', value = ''] = /^([^:\s]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === '') throw new Error(`not a header: ${line}`);
    const known = headers.get(name.toLowerCase());
    headers.set(name.toLowerCase(), known === undefined ? value : `${known}, ${value}`);
  }
  return headers;
}

interface Body {
  readonly text: string;
  readonly length: number;
  readonly complete: boolean;
}

function parseBody(status: number, headers: ReadonlyMap<string, string>, bytes: Buffer): Body | null {
  if (headers.get('transfer-encoding') === 'chunked') return parseChunks(bytes);
  const length = status < 200 || status === 204 ? 0 : Number(headers.get('content-length'));
  if (Number.isNaN(length)) throw new Error('a body without a length');
  if (bytes.length < length) return null;
  return { text: bytes.subarray(0, length).toString(), length, complete: true };
}

function parseChunks(bytes: Buffer): Body {
  const chunks: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    const size = parseInt(bytes.subarray(at, lineEnd).toString('latin1'), 16);
    const next = lineEnd + 2 + size + 2;
    if (lineEnd < 0 || next > bytes.length) break;
    if (size === 0) return { text: Buffer.concat(chunks).toString(), length: next, complete: true };
    chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = next;
  }
  return { text: Buffer.concat(chunks).toString(), length: at, complete: false };
}
