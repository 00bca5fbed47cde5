import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { createChunker } from './chunker.ts';
import type { LineEnd, Scenario } from './scenario.ts';

/** The way of one stream to its client. */
export interface Wire {
  /** True when the client has left: nothing more can be said. */
  readonly gone: boolean;
  /** Writes the lines of one event and the empty line behind it; resolves when more may be written. */
  send(lines: readonly string[]): Promise<void>;
  /** The first half of an event. */
  sendHalf(lines: readonly string[]): Promise<void>;
  sendBytes(bytes: Buffer): Promise<void>;
  ping(): Promise<void>;
  /** Waits, with a ping whenever nothing was said for the interval. Cut short when the client leaves. */
  pause(ms: number): Promise<void>;
  /** Says nothing more and resolves when the client has left. */
  stall(): Promise<void>;
  /** Ends the body as HTTP wants it ended. */
  end(): Promise<void>;
  /** Closes the connection in the middle of the body, once what was written is out. */
  cut(): Promise<void>;
}

const LINE_ENDS: Readonly<Record<LineEnd, string>> = { lf: '\n', crlf: '\r\n', cr: '\r' };

export function createWire(response: ServerResponse, scenario: Scenario, now: () => number): Wire {
  const left = new AbortController();
  const chunker = createChunker(scenario.chunking);
  const lineEnd = LINE_ENDS[scenario.lineEnd];
  if (response.destroyed) left.abort();
  response.once('close', () => left.abort());

  const write = async (chunks: readonly Buffer[]): Promise<void> => {
    for (const chunk of chunks) {
      if (left.signal.aborted) return;
      if (!response.write(chunk)) await unlessLeft(once(response, 'drain', { signal: left.signal }));
    }
  };
  const encode = (lines: readonly string[]): Buffer =>
    Buffer.from(lines.map((line) => line + lineEnd).join('') + lineEnd);
  const sendBytes = (bytes: Buffer): Promise<void> => write(chunker.cut(bytes));
  const ping = (): Promise<void> => sendBytes(encode([toPing(now())]));
  const wait = (ms: number): Promise<void> => unlessLeft(sleep(ms, undefined, { signal: left.signal }));

  return {
    get gone() {
      return left.signal.aborted;
    },
    send: (lines) => sendBytes(encode(lines)),
    async sendHalf(lines) {
      const bytes = encode(lines);
      await sendBytes(bytes.subarray(0, Math.ceil(bytes.length / 2)));
    },
    sendBytes,
    ping,
    async pause(ms) {
      const interval = scenario.pingIntervalMs || Infinity;
      for (let rest = ms; rest > 0 && !left.signal.aborted; rest -= interval) {
        await wait(Math.min(rest, interval));
        if (rest > interval) await ping();
      }
    },
    async stall() {
      await write(chunker.flush());
      if (!left.signal.aborted) await once(left.signal, 'abort');
    },
    async end() {
      await write(chunker.flush());
      response.end();
    },
    async cut() {
      await write(chunker.flush());
      response.socket?.destroySoon();
    },
  };
}

/** Pings look like a Python date: `2024-07-01 10:00:00.000000`. */
function toPing(nowMs: number): string {
  return `: ping - ${new Date(nowMs).toISOString().replace('T', ' ').replace('Z', '000')}`;
}

/** The client's leaving ends a wait; it is no error. */
async function unlessLeft(waiting: Promise<unknown>): Promise<void> {
  try {
    await waiting;
  } catch (error) {
    if (!(error instanceof Error && error.name === 'AbortError')) throw error;
  }
}
