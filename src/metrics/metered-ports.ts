import type { ChatPorts, StreamControl, StreamReader } from '../chat/ports.ts';
import type { ChatError } from '../errors.ts';
import type { TurnMeter } from './turn-meter.ts';

/** In place of an error's code: the client left, which is nobody's failure. */
const CLIENT_GONE = 'client_gone';

/** The same ports; `meter` is told what happens at them. */
export function meterPorts(ports: ChatPorts, meter: TurnMeter): ChatPorts {
  return {
    ...ports,
    async lease(caller, turn, tried, signal) {
      const leave = meter.enter('account');
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
        leave();
      }
    },
    clear: (...ask) => during(meter.enter('clearance'), () => ports.clear(...ask)),
    attach: (...ask) => during(meter.enter('upload'), () => ports.attach(...ask)),
    converse(session, ask, clearance, reader) {
      const stream = new MeteredStream(reader, meter);
      return stream.steer(ports.converse(session, ask, clearance, stream));
    },
  };
}

async function during<T>(leave: () => void, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    leave();
  }
}

function codeOf(failure: ChatError | null, signal: AbortSignal): string {
  if (failure === null) return '';
  return signal.aborted && failure.code === 'internal_error' ? CLIENT_GONE : failure.code;
}

/** Passes a stream on, and counts the time between its parts: no garbage. */
class MeteredStream implements StreamReader {
  #reader: StreamReader;
  readonly #meter: TurnMeter;
  readonly #nowMs: () => number;
  #leave = (): void => {};
  /** Of the part before; 0: there was none, or the client kept us from reading on. */
  #lastMs = 0;

  constructor(reader: StreamReader, meter: TurnMeter) {
    this.#reader = reader;
    this.#meter = meter;
    this.#nowMs = meter.nowMs;
  }

  /** The call is under way, and nothing of it was heard yet. */
  steer(control: StreamControl): StreamControl {
    this.#leave = this.#meter.enter('answer');
    return {
      askedIds: control.askedIds,
      pause: () => {
        this.#lastMs = 0;
        control.pause();
      },
      resume: () => control.resume(),
      abort: () => {
        this.#leave();
        control.abort();
      },
    };
  }

  onOpen(): void {
    this.#leave();
    this.#leave = this.#meter.enter('streaming');
    this.#reader = this.#reader.onOpen() ?? this.#reader;
  }

  onBytes(chunk: Uint8Array): void {
    const nowMs = this.#nowMs();
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
}
