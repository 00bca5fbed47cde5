import { ChatError, toChatError } from '../errors.ts';
import type { DecodedEvent, TurnEvent } from '../conversation/events.ts';
import { EventDecoder } from '../sse/event-decoder.ts';
import { LineDecoder, SseOverflow } from '../sse/line-decoder.ts';
import type { StreamDecoder } from '../upstream/protocol/stream-decoder.ts';
import type { Answer } from './answer.ts';
import { Deadline, deadlinePassed } from './deadline.ts';
import type { Deadlines } from './deadline.ts';
import type { StreamControl, StreamReader, Trace } from './ports.ts';

const MAX_EVENT_BYTES = 8 * 1024 * 1024;
/**
 * A turn that upstream took and refuses after all is refused in its first events: only when the stream
 * has lived for so long may the client hear of it, who could not be given an honest status any more.
 */
const SETTLE_MS = 500;
/** Upstream marked the answer complete but neither ends nor says [DONE]: the client waits no longer. */
const TAIL_MS = 2000;
/** After [DONE] the response ends by itself, and its connection can be used again; it gets this long. */
const LINGER_MS = 1000;

export interface PumpOptions {
  readonly deadlines: Deadlines;
  readonly trace: Trace;
}

/**
 * Moves one stream of an answer from upstream's bytes to the sink's events, at the sink's pace.
 *
 *   bytes -> lines -> events -> turn events -> sink
 *   pause/resume  <-  drained  <-------------- write() === false
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

class Pump implements StreamReader {
  readonly #sink: Answer;
  readonly #signal: AbortSignal;
  readonly #options: PumpOptions;
  readonly #resolve: () => void;
  readonly #reject: (reason: unknown) => void;
  readonly #lines: LineDecoder;
  readonly #events: EventDecoder;
  readonly #decoder: StreamDecoder;
  readonly #firstToken: Deadline;
  readonly #onAbort = (): void => this.#fail(this.#signal.reason);
  #settling: Deadline | null = null;
  #idle: Deadline | null = null;
  #tail: Deadline | null = null;
  #linger: Deadline | null = null;
  #control: StreamControl | null = null;
  #paused = false;
  #settled = false;

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
    answer.listen((event) => this.#write(withoutLink(event)));
    this.#events = new EventDecoder((event) => this.#decoder.push(event), MAX_EVENT_BYTES);
    this.#lines = new LineDecoder((line) => this.#events.pushLine(line), MAX_EVENT_BYTES);
    const { firstTokenMs } = options.deadlines;
    this.#firstToken = new Deadline(firstTokenMs, () => {
      this.#fail(deadlinePassed('FIRST_TOKEN_TIMEOUT_MS', firstTokenMs, 'Upstream sent no text'));
    });
  }

  start(open: (reader: StreamReader) => StreamControl): void {
    if (this.#signal.aborted) {
      this.#fail(this.#signal.reason);
      return;
    }
    this.#signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#sink.onDrain(() => this.#resume());
    const control = open(this);
    this.#control = control;
    for (const id of control.askedIds) this.#sink.askedIds.add(id);
    if (this.#settled) control.abort();
  }

  onOpen(): void {
    if (this.#settled) return;
    const { trace } = this.#options;
    if (trace.firstTextMs === null) trace.openedMs = Date.now() - trace.startedAt;
    this.#sink.opened();
    this.#settling = new Deadline(SETTLE_MS, () => this.#sink.accepted());
  }

  onBytes(chunk: Uint8Array): void {
    if (this.#settled) return;
    this.#idle?.touch();
    try {
      this.#lines.push(chunk);
    } catch (thrown) {
      this.#fail(toStreamError(thrown));
      return;
    }
    this.#afterChunk();
  }

  onEnd(): void {
    this.#linger?.stop();
    if (this.#settled) return;
    try {
      this.#lines.end();
      this.#events.end();
      this.#decoder.end();
    } catch (thrown) {
      this.#fail(toStreamError(thrown));
      return;
    }
    this.#succeed();
  }

  onFailure(error: ChatError): void {
    this.#linger?.stop();
    if (this.#decoder.complete) this.onEnd();
    else this.#fail(error);
  }

  #write(event: TurnEvent): void {
    if (this.#settled || this.#sink.satisfied) return;
    if (event.type !== 'turn-start' && this.#idle === null) this.#onFirstSign();
    if (!this.#sink.write(event)) this.#paused = true;
  }

  /** Text, or anything else that shows that upstream is at work: thoughts, code, a search. */
  #onFirstSign(): void {
    const { trace, deadlines } = this.#options;
    this.#firstToken.stop();
    trace.firstTextMs ??= Date.now() - trace.startedAt;
    this.#idle = new Deadline(deadlines.idleMs, () => this.#onIdle());
  }

  /** Silence is upstream's fault only while we are listening. */
  #onIdle(): void {
    if (this.#paused) this.#idle?.touch();
    else
      this.#fail(
        deadlinePassed('IDLE_TIMEOUT_MS', this.#options.deadlines.idleMs, 'Upstream sent nothing more'),
      );
  }

  #afterChunk(): void {
    if (this.#decoder.finished || this.#sink.satisfied) {
      this.#resume();
      this.#succeed();
      return;
    }
    if (this.#decoder.complete) this.#tail ??= new Deadline(TAIL_MS, () => this.onEnd());
    if (this.#paused) this.#control?.pause();
  }

  #resume(): void {
    if (!this.#paused || this.#settled) return;
    this.#paused = false;
    this.#idle?.touch();
    this.#control?.resume();
  }

  #succeed(): void {
    if (this.#settle()) this.#resolve();
  }

  #fail(reason: unknown): void {
    if (this.#settle()) this.#reject(reason);
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#firstToken.stop();
    this.#settling?.stop();
    this.#idle?.stop();
    this.#tail?.stop();
    this.#signal.removeEventListener('abort', this.#onAbort);
    if (this.#decoder.finished) this.#linger = new Deadline(LINGER_MS, () => this.#control?.abort());
    else this.#control?.abort();
    return true;
  }
}

/** Assets stay names here. */
function withoutLink(event: DecodedEvent): TurnEvent {
  return event.type === 'image' || event.type === 'file' ? { ...event, link: null } : event;
}

function toStreamError(thrown: unknown): ChatError {
  if (!(thrown instanceof SseOverflow)) return toChatError(thrown);
  return new ChatError('upstream_protocol_error', 'Upstream sent an event that is too large to read.', {
    cause: thrown,
  });
}
