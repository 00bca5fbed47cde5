import type { ChatPorts, StreamControl, StreamReader } from '../chat/ports.ts';
import type { ChatError } from '../errors.ts';
import type { PhaseMeter } from './phase-meter.ts';
import type { TurnMeter } from './turn-meter.ts';

/** In place of an error's code: the client left, which is nobody's failure. */
const CLIENT_GONE = 'client_gone';

/** The same ports; `meter` is told what happens at them. */
export function meterPorts(ports: ChatPorts, meter: TurnMeter): ChatPorts {
  const { account, clearance, upload } = meter.phases;
  return {
    ...ports,
    async lease(caller, turn, tried, signal) {
      const sinceMs = account.enter();
      try {
        const lease = await ports.lease(caller, turn, tried, signal);
        let isReleased = false;
        return {
          ...lease,
          release(failure) {
            if (!isReleased) meter.attempted(codeOf(failure, signal));
            isReleased = true;
            lease.release(failure);
          },
        };
      } finally {
        account.leave(sinceMs);
      }
    },
    async clear(session, turn, signal) {
      const sinceMs = clearance.enter();
      try {
        return await ports.clear(session, turn, signal);
      } finally {
        clearance.leave(sinceMs);
      }
    },
    async attach(session, attachment, signal) {
      const sinceMs = upload.enter();
      try {
        return await ports.attach(session, attachment, signal);
      } finally {
        upload.leave(sinceMs);
      }
    },
    converse(session, ask, cleared, reader) {
      const stream = new MeteredStream(reader, meter);
      return stream.steer(ports.converse(session, ask, cleared, stream));
    },
  };
}

function codeOf(failure: ChatError | null, signal: AbortSignal): string {
  if (failure === null) return '';
  return signal.aborted && failure.code === 'internal_error' ? CLIENT_GONE : failure.code;
}

/** Passes a stream on, in both directions. */
class MeteredStream implements StreamReader, StreamControl {
  readonly #meter: TurnMeter;
  #reader: StreamReader;
  /** Null: the call is not under way. */
  #control: StreamControl | null = null;
  /** Null: in none. */
  #phase: PhaseMeter | null = null;
  #sinceMs = NaN;
  /** When the last part came; 0: there was none, or the client kept us from reading on. */
  #lastMs = 0;

  constructor(reader: StreamReader, meter: TurnMeter) {
    this.#reader = reader;
    this.#meter = meter;
  }

  /** The call is under way, and nothing of it was heard yet. */
  steer(control: StreamControl): StreamControl {
    this.#control = control;
    this.#enter(this.#meter.phases.answer);
    return this;
  }

  get askedIds(): readonly string[] {
    return this.#control?.askedIds ?? [];
  }

  pause(): void {
    this.#lastMs = 0;
    this.#control?.pause();
  }

  resume(): void {
    this.#control?.resume();
  }

  abort(): void {
    this.#leave();
    this.#control?.abort();
  }

  onOpen(): void {
    this.#leave();
    this.#enter(this.#meter.phases.streaming);
    this.#reader = this.#reader.onOpen() ?? this.#reader;
  }

  onBytes(chunk: Uint8Array): void {
    const nowMs = this.#meter.nowMs();
    if (this.#lastMs !== 0) this.#meter.gap(nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    this.#reader.onBytes(chunk);
  }

  onEnd(): void {
    this.#leave();
    this.#reader.onEnd();
  }

  onFailure(error: ChatError): void {
    this.#leave();
    this.#reader.onFailure(error);
  }

  #enter(phase: PhaseMeter): void {
    this.#phase = phase;
    this.#sinceMs = phase.enter();
  }

  #leave(): void {
    this.#phase?.leave(this.#sinceMs);
    this.#phase = null;
  }
}
