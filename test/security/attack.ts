import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadUws } from '../../src/http/uws.ts';
import { until } from '../helpers/loopback.ts';
import type { Upstream } from '../helpers/upstream.ts';

/** The two builds of uWebSockets.js that serve: one test run sees one of them. */
export type Build = 'current' | 'older';

/** Bytes thrown at the program over a connection of their own, and what must come of them. */
export interface Attack {
  readonly name: string;
  /**
   * One byte per character. `mark` makes the attack's requests known upstream: the first carries it, and one
   * that was smuggled in behind carries `smuggledMark(mark)`.
   */
  bytes(mark: string): string;
  /** Follows in a packet of its own, when the first bytes have been answered. */
  later?(mark: string): string;
  /** See `Outcome`; one for both builds, or one for each. */
  readonly outcome: string | Readonly<Record<Build, string>>;
  /** Complete requests among the bytes, for whoever reads them as the RFC has it; 1 when left out. */
  readonly requests?: number;
  /** Set where uWebSockets.js itself reads a request that is none, and what this program sees tells nothing of it. */
  readonly desyncs?: true;
}

/** What came of an attack. */
export interface Outcome {
  /**
   * What the client saw, and how often upstream was asked: `400, closed`; `200, open, 1 upstream`;
   * `silence, open`: nothing comes, and uWebSockets.js ends the connection when it has been idle for long.
   */
  readonly text: string;
  /** All that the client received. */
  readonly received: string;
  /** Final ones: 100 is none. */
  readonly answers: number;
  /** Requests that reached upstream on behalf of this attack. */
  readonly upstream: number;
  /** Those of them that were smuggled. */
  readonly smuggled: number;
}

/** Bytes sent over a connection of their own, and what has come back so far. */
export interface Shot {
  received(): string;
  isClosed(): boolean;
  send(bytes: string): void;
  end(): void;
}

/** For what must not happen to happen. */
const QUIET_MS = 700;
/** For what must happen, on a busy machine. */
const PATIENCE_MS = 15_000;

export function buildInUse(): Build {
  return loadUws().nativeBuild.includes('glibc227') ? 'older' : 'current';
}

export function smuggledMark(mark: string): string {
  return `${mark}-smuggled`;
}

export function expectedOutcome({ outcome }: Attack, build: Build): string {
  return typeof outcome === 'string' ? outcome : outcome[build];
}

/**
 * Attacks, waits for what is expected, and then for what is not. `mark` must not be the beginning of
 * another one.
 */
export async function attack(
  port: number,
  upstream: Upstream,
  one: Attack,
  mark: string,
  expected: string,
): Promise<Outcome> {
  const shot = shoot(port, one.bytes(mark));
  if (one.later !== undefined) {
    await until(() => shot.received() !== '', PATIENCE_MS);
    shot.send(one.later(mark));
  }
  await sleep(QUIET_MS);
  await until(() => outcomeOf(shot, upstream, mark).text === expected, PATIENCE_MS);
  await sleep(QUIET_MS);
  shot.end();
  return outcomeOf(shot, upstream, mark);
}

export function shoot(port: number, bytes: string): Shot {
  let received = '';
  let isClosed = false;
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.setEncoding('latin1');
  socket.on('data', (part: string) => (received += part));
  socket.on('error', () => undefined);
  socket.on('close', () => (isClosed = true));
  const send = (text: string): void => void (isClosed || socket.write(Buffer.from(text, 'latin1')));
  send(bytes);
  return { received: () => received, isClosed: () => isClosed, send, end: () => void socket.destroy() };
}

/** Of all that came back; bodies here contain no status line. */
export function statusesOf(received: string): string[] {
  return [...received.matchAll(/HTTP\/1\.1 (\d{3})\b/g)].map(([, status]) => status ?? '');
}

function outcomeOf(shot: Shot, upstream: Upstream, mark: string): Outcome {
  const received = shot.received();
  const statuses = statusesOf(received);
  const asked = upstream.asked.filter(({ body }) => body.includes(mark));
  const ends = shot.isClosed() ? 'closed' : 'open';
  const asks = asked.length === 0 ? [] : [`${asked.length} upstream`];
  return {
    text: [statuses.join(' ') || 'silence', ends, ...asks].join(', '),
    received,
    answers: statuses.filter((status) => status !== '100').length,
    upstream: asked.length,
    smuggled: asked.filter(({ body }) => body.includes(smuggledMark(mark))).length,
  };
}
