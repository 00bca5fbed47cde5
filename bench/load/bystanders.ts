import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { spentCpuUs } from './process-usage.ts';

const JOIN_PER_SECOND = 250;
const STEP_MS = 20;
const LOOK_MS = 1_000;
/** Of one core: what a server spends that does nothing but keep what it has. */
const QUIET_SHARE = 0.05;
const TIMEOUT_MS = 60_000;

export interface Crowd {
  readonly port: number;
  readonly count: number;
  /** The body of a chat, JSON. */
  readonly body: string;
  /** What comes is forgotten; otherwise not a byte of it is ever read. */
  readonly isReading: boolean;
}

/** Clients beside those that are measured. */
export class Bystanders {
  readonly #sockets: Socket[] = [];
  readonly #crowd: Crowd;
  #closed = 0;

  private constructor(crowd: Crowd) {
    this.#crowd = crowd;
  }

  /** `serverPid`: the stopped are there when the server has nothing more to do for them. */
  static async join(crowd: Crowd, serverPid: number): Promise<Bystanders> {
    const all = new Bystanders(crowd);
    const atATime = (JOIN_PER_SECOND * STEP_MS) / 1_000;
    while (all.#sockets.length < crowd.count) {
      for (let one = 0; one < atATime && all.#sockets.length < crowd.count; one += 1) all.#join();
      await sleep(STEP_MS);
    }
    await (crowd.isReading ? all.#untilRead() : untilQuiet(serverPid));
    return all;
  }

  /** Those that were closed by the other side, until now. */
  get closed(): number {
    return this.#closed;
  }

  get bytesRead(): number {
    return this.#sockets.reduce((sum, { bytesRead }) => sum + bytesRead, 0);
  }

  leave(): void {
    for (const socket of this.#sockets) socket.removeAllListeners('close').destroy();
  }

  #join(): void {
    const { port, body, isReading } = this.#crowd;
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const head = 'POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json';
    socket.write(`${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    socket.on('error', () => undefined);
    socket.on('close', () => (this.#closed += 1));
    if (isReading) socket.resume();
    else socket.pause();
    this.#sockets.push(socket);
  }

  async #untilRead(): Promise<void> {
    const latest = performance.now() + TIMEOUT_MS;
    while (this.#sockets.some(({ bytesRead }) => bytesRead === 0)) {
      if (performance.now() > latest) throw new Error('there is no answer');
      await sleep(STEP_MS);
    }
  }
}

async function untilQuiet(pid: number): Promise<void> {
  const latest = performance.now() + TIMEOUT_MS;
  for (let before = spentCpuUs(pid); ;) {
    await sleep(LOOK_MS);
    const now = spentCpuUs(pid);
    if (now - before < LOOK_MS * 1_000 * QUIET_SHARE) return;
    if (performance.now() > latest) throw new Error('the server does not come to rest');
    before = now;
  }
}
