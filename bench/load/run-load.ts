import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { AnswerCheck } from './answer-check.ts';
import { Chat } from './chat.ts';
import { ChatConnection } from './chat-connection.ts';
import { ExpectedAnswer } from './expected-answer.ts';
import { UsageWatch } from './process-usage.ts';
import type { Load, LoadResult, Target } from './protocol.ts';
import { Tally } from './tally.ts';

const TICK_MS = 1;
const LOOK_MS = 5;
/** Of the clock that tells how late timers are. */
const RESOLUTION_MS = 1;

/** Asks for chats as the load says and checks every one. */
export async function runLoad(load: Load): Promise<LoadResult> {
  const run = new Run(load);
  const counted = countWindow(run, load);
  await arrive(run, load);
  const within = await counted;
  await run.finish();
  return { ...run.tally.counts(), ...within };
}

async function countWindow(
  run: Run,
  { window, watched }: Load,
): Promise<Pick<LoadResult, 'windowMs' | 'usage' | 'ownDelayMs'>> {
  await sleep(window.fromMs);
  const from = performance.now();
  const watch = new UsageWatch(watched);
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  run.tally.isCounting = true;
  await sleep(window.toMs - window.fromMs);
  run.tally.isCounting = false;
  delays.disable();
  const toMs = (ns: number): number => Math.max(0, ns / 1e6 - RESOLUTION_MS);
  return {
    usage: watch.read(),
    windowMs: performance.now() - from,
    ownDelayMs: {
      p50: toMs(delays.percentile(50)),
      p99: toMs(delays.percentile(99)),
      max: toMs(delays.max),
    },
  };
}

async function arrive(run: Run, { arrivals }: Load): Promise<void> {
  const startedAt = performance.now();
  if (arrivals.kind === 'closed') {
    run.closesAt = startedAt + arrivals.forMs;
    for (let client = 0; client < arrivals.clients; client += 1) run.begin(performance.now());
    await sleep(arrivals.forMs);
    return;
  }
  const all = Math.round((arrivals.perSecond * arrivals.forMs) / 1000);
  const dueAt = (number: number): number => startedAt + (number * 1000) / arrivals.perSecond;
  for (let number = 0; number < all; await sleep(TICK_MS)) {
    while (number < all && dueAt(number) <= performance.now()) run.begin(dueAt(number++));
  }
}

/** The chats of one load and the connections they run on. */
class Run {
  readonly tally: Tally;
  /** Until then a chat that ends is followed by another. */
  closesAt = 0;
  readonly #load: Load;
  readonly #expected: ExpectedAnswer;
  readonly #request: Buffer;
  readonly #idle: ChatConnection[] = [];
  readonly #busy = new Map<ChatConnection, Chat>();

  constructor(load: Load) {
    this.tally = new Tally(load);
    this.#load = load;
    this.#expected = new ExpectedAnswer(load.deltas);
    this.#request = toRequest(load.target);
  }

  /** The chat should have begun at that time. */
  begin(intendedAt: number): void {
    const connection = this.#takeIdle() ?? new ChatConnection(this.#load.target.port);
    const check = new AnswerCheck(this.#expected, this.#load.target.dialect);
    const chat = new Chat(intendedAt, check, this.#load, this.tally, () => this.#onEnd(connection));
    this.#busy.set(connection, chat);
    this.tally.began();
    connection.ask(this.#request, chat);
  }

  /** Waits for the chats that still run, as long as the load's patience lasts. */
  async finish(): Promise<void> {
    const patientUntil = performance.now() + this.#load.patienceMs;
    while (this.#busy.size > 0 && performance.now() < patientUntil) await sleep(LOOK_MS);
    for (const [connection, chat] of this.#busy) {
      chat.cut();
      connection.destroy();
    }
    for (const connection of this.#idle) connection.destroy();
  }

  #takeIdle(): ChatConnection | null {
    for (let last = this.#idle.pop(); last !== undefined; last = this.#idle.pop()) {
      if (last.usable) return last;
    }
    return null;
  }

  #onEnd(connection: ChatConnection): void {
    this.#busy.delete(connection);
    if (connection.usable) this.#idle.push(connection);
    else connection.destroy();
    // Not from within: who is refused at once would begin for ever, one inside the other.
    if (performance.now() < this.closesAt) setImmediate(() => this.begin(performance.now()));
  }
}

function toRequest({ port, path, headers, body }: Target): Buffer {
  const all = {
    host: `127.0.0.1:${port}`,
    'content-type': 'application/json',
    accept: 'text/event-stream',
    ...headers,
    'content-length': Buffer.byteLength(body),
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
}
