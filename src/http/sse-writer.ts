import type { ChatError } from '../errors.ts';
import { FrameBatch } from '../sse/frame-batch.ts';
import type { StringFrame } from '../sse/frame.ts';
import type { HeaderList } from './headers.ts';
import type { Reply } from './reply.ts';

export interface SseOptions {
  /** After so much silence a comment keeps proxies on the way from giving up. */
  readonly keepAliveMs: number;
  /** How long a client may take no byte before it is cut. */
  readonly slowClientTimeoutMs: number;
}

const DEFAULTS: SseOptions = { keepAliveMs: 15_000, slowClientTimeoutMs: 60_000 };

const SSE_HEADERS: HeaderList = [
  ['content-type', 'text/event-stream; charset=utf-8'],
  ['cache-control', 'no-cache, no-transform'],
  ['x-accel-buffering', 'no'],
];

/** Comment frames; clients ignore them. */
const OPENING = ': ok\n\n';
const KEEP_ALIVE = ': keep-alive\n\n';
const NUDGE = ':\n\n';

/**
 * A batch of this many bytes leaves at once; it also bounds what waits here for a reader that stopped. With
 * the frame that makes it full it still fits the native buffer of 16 KiB: beyond, a write takes two system calls.
 */
const BATCH_BYTES = 15 * 1024;

/** What follows it runs after this callback, as with queueMicrotask, for a third of its 0.3 µs. */
const SETTLED = Promise.resolve();

/** How often a stalled client is looked at; shorter than the 10 s after which the native server cuts it. */
const STALL_CHECK_MS = 4_000;

/**
 * Server-sent events over a reply. Frames written in one go, without a microtask between them, leave as one corked write.
 *
 * The native `write` takes everything and says false when it had to keep some. From then on frames wait here,
 * so the producer must stop at the first false and go on when `onDrain`'s listener is called.
 */
export class SseWriter {
  readonly #reply: Reply;
  readonly #options: SseOptions;
  readonly #batch = new FrameBatch();
  /** The head waits for the frames that follow in one go. */
  #isOpening = false;
  #flushScheduled = false;
  /** What is batched waits for the microtasks of this tick. */
  #isHeld = false;
  /** The socket is full. */
  #refused = false;
  /** When the client last gave a sign of reading, on `performance.now`'s clock; meaningful while refused. */
  #stalledSince = 0;
  #drainListener: (() => void) | null = null;
  #silence: NodeJS.Timeout | null = null;
  #stallTimer: NodeJS.Timeout | null = null;

  readonly #onSettled = (): void => {
    if (this.#isHeld) process.nextTick(this.#flushNow);
    else this.#flushNow();
  };
  readonly #flushNow = (): void => {
    this.#flushScheduled = false;
    this.#isHeld = false;
    this.flush();
  };

  constructor(reply: Reply, options: Partial<SseOptions> = {}) {
    this.#reply = reply;
    this.#options = { ...DEFAULTS, ...options };
  }

  get closed(): boolean {
    return this.#reply.closed;
  }

  /** Body bytes handed to the socket so far. */
  get bytesOut(): number {
    return this.#reply.bytesOut;
  }

  /** The head has left, or is about to. */
  get opened(): boolean {
    return this.#isOpening || this.#reply.started;
  }

  /** Sends the head at once, with a comment: headers do not leave without a body. */
  open(): void {
    this.openWithFrames();
    if (this.#isOpening) this.flush();
  }

  /** The head leaves with the frames that follow in one go: a system call less. */
  openWithFrames(): void {
    if (this.opened) return;
    this.#isOpening = true;
    this.#batch.add(OPENING);
    this.#afterFrame();
  }

  /** Unless something is said before, the head leaves after `keepAliveMs`. */
  openOnSilence(): void {
    this.#watchSilence();
  }

  /** Frames come complete, with their blank line. False: write no more until `onDrain`. */
  write(frame: string): boolean {
    if (this.#reply.closed) return true;
    this.#batch.add(frame);
    return this.#afterFrame();
  }

  /** As `write`. */
  writeString(frame: StringFrame, text: string): boolean {
    if (this.#reply.closed) return true;
    this.#batch.addString(frame, text);
    return this.#afterFrame();
  }

  /**
   * Microtasks of this tick may end the stream: what is batched leaves with the end then, a system call less, and
   * else behind them.
   */
  hold(): void {
    this.#isHeld = true;
  }

  /** Sends what is batched now. */
  flush(): void {
    if (this.#refused || this.#batch.length === 0) return;
    if (!this.#sendBatch()) this.#stall();
  }

  /** One listener; called each time when writing may go on after `write` returned false. */
  onDrain(listener: () => void): void {
    this.#drainListener = listener;
  }

  /** One listener; the server goes away and the stream may say so with `fail`. */
  onShutdown(listener: (error: ChatError) => void): void {
    this.#reply.onShutdown(listener);
  }

  /** The stream is complete. What a slow reader has not taken yet follows on the native server's account. */
  end(lastFrame = ''): void {
    this.#finish(lastFrame, 'ok');
  }

  /** The stream ends early; `lastFrame` tells why. */
  fail(lastFrame = ''): void {
    this.#finish(lastFrame, 'error');
  }

  #finish(lastFrame: string, outcome: 'ok' | 'error'): void {
    if (this.#reply.closed) return;
    this.#batch.add(lastFrame);
    if (!this.#isOpening)
      return this.#reply.endStream(outcome, this.#batch.length > 0 ? this.#batch.bytes : null);
    this.#isOpening = false;
    this.#reply.sendStream(200, SSE_HEADERS, this.#batch.bytes, outcome);
    this.#release();
  }

  #afterFrame(): boolean {
    if (this.#refused) return false;
    if (this.#batch.length >= BATCH_BYTES) this.flush();
    else if (!this.#flushScheduled) this.#scheduleFlush();
    return !this.#refused;
  }

  #scheduleFlush(): void {
    this.#flushScheduled = true;
    void SETTLED.then(this.#onSettled);
  }

  #sendBatch(): boolean {
    const { bytes } = this.#batch;
    const taken = this.#isOpening ? this.#start(bytes) : this.#reply.writeChunk(bytes);
    this.#silence?.refresh();
    this.#batch.clear();
    return taken;
  }

  #start(first: Uint8Array): boolean {
    this.#isOpening = false;
    const taken = this.#reply.startStream(200, SSE_HEADERS, first);
    this.#reply.onWritable(() => this.#onWritable());
    this.#watchSilence();
    return taken;
  }

  #watchSilence(): void {
    if (this.#silence !== null || this.#reply.closed) return;
    this.#silence = setTimeout(() => this.#onSilence(), this.#options.keepAliveMs);
    this.#reply.onClose(() => this.#release());
  }

  /** Every sign that the client took something starts its time anew. */
  #stall(): void {
    this.#refused = true;
    this.#stalledSince = performance.now();
    if (this.#stallTimer === null) this.#watchStall();
  }

  /**
   * Native code empties its own buffer only when asked to write: with nothing to say, a bare comment does.
   * Also when nothing was refused: a small corked write reports its refusal to the next one only.
   */
  #onWritable(): void {
    if (this.#batch.length === 0) this.#batch.add(NUDGE);
    const taken = this.#sendBatch();
    if (!taken) return this.#stall();
    if (!this.#refused) return;
    this.#refused = false;
    this.#stopStallWatch();
    this.#drainListener?.();
  }

  #watchStall(): void {
    const leftMs = this.#stalledSince + this.#options.slowClientTimeoutMs - performance.now();
    if (leftMs <= 0) return this.#reply.cut('slow_client');
    this.#reply.extendPatience();
    this.#stallTimer = setTimeout(() => this.#watchStall(), Math.min(leftMs, STALL_CHECK_MS));
  }

  #stopStallWatch(): void {
    if (this.#stallTimer) clearTimeout(this.#stallTimer);
    this.#stallTimer = null;
  }

  #onSilence(): void {
    this.#silence?.refresh();
    if (!this.opened) this.open();
    else if (!this.#refused) this.write(KEEP_ALIVE);
  }

  #release(): void {
    if (this.#silence) clearTimeout(this.#silence);
    this.#stopStallWatch();
    this.#batch.clear();
    this.#drainListener = null;
  }
}
