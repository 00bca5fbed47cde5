import { ChatError, toChatError } from '../errors.ts';
import type { Asset, DecodedEvent, TurnEvent } from '../conversation/events.ts';
import { SseOverflow } from '../sse/line-decoder.ts';
import type { StreamDecoder } from '../upstream/protocol/stream-decoder.ts';
import type { Answer } from './answer.ts';
import { AnswerBytes } from './answer-bytes.ts';
import { Deadline, deadlinePassed } from './deadline.ts';
import type { Deadlines } from './deadline.ts';
import { Links } from './links.ts';
import type { LinksOwner } from './links.ts';
import type { StreamControl, StreamReader, Trace } from './ports.ts';

/**
 * A turn that upstream took and refuses after all is refused in its first events: only when the stream
 * has lived for so long may the client hear of it, who could not be given an honest status any more.
 */
const SETTLE_MS = 500;
/** Upstream marked the answer complete but neither ends nor says [DONE]: the client waits no longer. */
const TAIL_MS = 2000;
/** After [DONE] the response ends by itself, and its connection can be used again; it gets this long. */
const LINGER_MS = 1000;

/** What follows it runs when the packet at hand has been read: it often brings what a timer would wait for. */
const PACKET_READ = Promise.resolve();

export interface PumpOptions {
  /** As the port of this name, for the session that answers. */
  readonly link: (asset: Asset, signal: AbortSignal) => Promise<string | null>;
  readonly deadlines: Deadlines;
  readonly trace: Trace;
}

/**
 * Moves one stream of an answer from upstream's bytes to the sink's events, at the sink's pace.
 *
 *   bytes -> lines -> events -> decoded events -> links -> sink
 *   pause/resume  <-  drained  <-- the line is full <----- write() === false
 *
 * Resolves when the stream is complete or the sink has enough; rejects with a ChatError, or with
 * the signal's reason. Upstream's stream is closed then, or about to end by itself after [DONE].
 */
export function pump(
  open: (reader: StreamReader) => StreamControl,
  answer: Answer,
  signal: AbortSignal,
  options: PumpOptions,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const flow = new Pump(answer, signal, options, resolve, reject);
    flow.start(open);
  });
}

class Pump implements StreamReader, LinksOwner {
  readonly #sink: Answer;
  readonly #signal: AbortSignal;
  readonly #options: PumpOptions;
  readonly #resolve: () => void;
  readonly #reject: (reason: unknown) => void;
  readonly #bytes: AnswerBytes;
  readonly #decoder: StreamDecoder;
  readonly #links = new Links(this);
  /** Until the first text, then between any two parts. */
  readonly #silence: Deadline;
  readonly #onAbort = (): void => this.#fail(this.#signal.reason);
  #settling: Deadline | null = null;
  #tail: Deadline | null = null;
  #linger: Deadline | null = null;
  #control: StreamControl | null = null;
  #hasText = false;
  /** Upstream's response is over. */
  #hasEnded = false;
  /** The sink takes nothing until it has drained. */
  #refused = false;
  #paused = false;
  /** `closing`: upstream is done with; what waits for a link still has to go out. */
  #phase: 'streaming' | 'closing' | 'settled' = 'streaming';
  #failure: ChatError | null = null;

  constructor(
    answer: Answer,
    signal: AbortSignal,
    options: PumpOptions,
    resolve: () => void,
    reject: (reason: unknown) => void,
  ) {
    this.#sink = answer;
    this.#signal = signal;
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#decoder = answer.decoder;
    answer.listen((event) => this.#take(event));
    this.#bytes = new AnswerBytes(this.#decoder);
    this.#silence = new Deadline(options.deadlines.firstTokenMs, () => this.#onSilence());
  }

  start(open: (reader: StreamReader) => StreamControl): void {
    if (this.#signal.aborted) {
      this.#fail(this.#signal.reason);
      return;
    }
    this.#signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#sink.onDrain(() => this.#onDrain());
    const control = open(this);
    this.#control = control;
    for (const id of control.askedIds) this.#sink.askedIds.add(id);
    if (this.#phase !== 'streaming') control.abort();
  }

  onOpen(): void {
    if (this.#phase !== 'streaming') return;
    const { trace } = this.#options;
    if (trace.firstTextMs === null) trace.openedMs = Date.now() - trace.startedAt;
    this.#sink.opened();
    void PACKET_READ.then(() => this.#awaitSettling());
  }

  #awaitSettling(): void {
    if (this.#phase !== 'streaming' || this.#sink.committed) return;
    this.#settling = new Deadline(SETTLE_MS, () => this.#sink.accepted());
  }

  onBytes(chunk: Uint8Array): void {
    if (this.#phase !== 'streaming') return;
    if (this.#hasText) this.#silence.touch();
    try {
      this.#bytes.push(chunk);
    } catch (thrown) {
      this.#conclude(toStreamError(thrown));
      return;
    }
    this.#afterChunk();
  }

  onEnd(): void {
    this.#ended();
    if (this.#phase !== 'streaming') return;
    try {
      this.#bytes.end();
    } catch (thrown) {
      this.#conclude(toStreamError(thrown));
      return;
    }
    this.#conclude(null);
  }

  onFailure(error: ChatError): void {
    this.#ended();
    this.#giveUp(error);
  }

  #ended(): void {
    this.#hasEnded = true;
    this.#linger?.stop();
  }

  #take(event: DecodedEvent): void {
    if (this.#phase !== 'streaming' || this.#sink.satisfied) return;
    if (!this.#hasText && event.type !== 'turn-start') this.#onFirstToken();
    this.#links.push(event);
  }

  link(asset: Asset, signal: AbortSignal): Promise<string | null> {
    return this.#options.link(asset, signal);
  }

  deliver(event: TurnEvent): boolean {
    if (!this.#sink.satisfied && !this.#sink.write(event)) this.#refused = true;
    return !this.#refused;
  }

  #onFirstToken(): void {
    const { trace, deadlines } = this.#options;
    this.#hasText = true;
    trace.firstTextMs ??= Date.now() - trace.startedAt;
    this.#silence.restart(deadlines.idleMs);
  }

  #onSilence(): void {
    const { firstTokenMs, idleMs } = this.#options.deadlines;
    if (!this.#hasText)
      this.#giveUp(deadlinePassed('FIRST_TOKEN_TIMEOUT_MS', firstTokenMs, 'Upstream sent no text'));
    // It is upstream's fault only while we are listening.
    else if (this.#paused) this.#silence.touch();
    else this.#giveUp(deadlinePassed('IDLE_TIMEOUT_MS', idleMs, 'Upstream sent nothing more'));
  }

  /** Nothing more comes: a failure, unless the answer is complete or its picture comes another way. */
  #giveUp(error: ChatError): void {
    if (this.#decoder.complete || this.#decoder.pending !== null) this.onEnd();
    else this.#conclude(error);
  }

  #afterChunk(): void {
    if (this.#decoder.finished || this.#sink.satisfied) return this.#conclude(null);
    if (this.#decoder.complete) this.#tail ??= new Deadline(TAIL_MS, () => this.onEnd());
    if (!this.#refused && !this.#links.isFull) return;
    this.#paused = true;
    this.#control?.pause();
  }

  #onDrain(): void {
    this.#refused = false;
    this.onReady();
  }

  /** The line may have got shorter: more can leave, or come, or all is said. */
  onReady(): void {
    if (this.#phase === 'settled') return;
    if (!this.#refused) this.#links.flush();
    if (this.#sink.satisfied) this.#conclude(null);
    else if (this.#phase === 'closing') this.#settleOnceEmpty();
    else if (!this.#refused && !this.#links.isFull) this.#resume();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#hasText) this.#silence.touch();
    this.#control?.resume();
  }

  /** Upstream is done with. Null: it said all that was wanted of it. */
  #conclude(failure: ChatError | null): void {
    if (this.#phase === 'streaming') {
      this.#phase = 'closing';
      this.#failure = failure;
      this.#closeUpstream();
    }
    this.#settleOnceEmpty();
  }

  #settleOnceEmpty(): void {
    if (this.#phase === 'settled' || (!this.#links.isEmpty && !this.#sink.satisfied)) return;
    this.#settle();
    if (this.#failure === null || this.#sink.satisfied) this.#resolve();
    else this.#reject(this.#failure);
  }

  /** Nobody wants the answer any more. */
  #fail(reason: unknown): void {
    if (this.#phase === 'settled') return;
    if (this.#phase === 'streaming') this.#closeUpstream();
    this.#settle();
    this.#reject(reason);
  }

  #settle(): void {
    this.#phase = 'settled';
    this.#links.cancel();
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  #closeUpstream(): void {
    this.#silence.stop();
    this.#settling?.stop();
    this.#tail?.stop();
    if (!this.#decoder.finished) return this.#control?.abort();
    this.#resume();
    void PACKET_READ.then(() => this.#awaitEnd());
  }

  #awaitEnd(): void {
    if (!this.#hasEnded) this.#linger = new Deadline(LINGER_MS, () => this.#control?.abort());
  }
}

function toStreamError(thrown: unknown): ChatError {
  if (!(thrown instanceof SseOverflow)) return toChatError(thrown);
  return new ChatError('upstream_protocol_error', 'Upstream sent an event that is too large to read.', {
    cause: thrown,
  });
}
