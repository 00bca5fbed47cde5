import { SseOverflow } from './line-decoder.ts';

export interface SseEvent {
  /** The `event:` field, or '' when there was none. */
  readonly name: string;
  /** The `data:` lines joined by LF. */
  readonly data: string;
}

/** Lines to events: comments, ids and retry hints are dropped, a blank line dispatches. */
export class EventDecoder {
  readonly #onEvent: (event: SseEvent) => void;
  readonly #maxDataLength: number;
  #name = '';
  #data: string | null = null;

  constructor(onEvent: (event: SseEvent) => void, maxDataLength: number) {
    this.#onEvent = onEvent;
    this.#maxDataLength = maxDataLength;
  }

  /** Throws SseOverflow; the decoder must not be used after that. */
  pushLine(line: string): void {
    if (line === '') this.#dispatch();
    else if (line.startsWith('data:')) this.#addData(fieldValue(line, 5));
    else if (line.startsWith('event:')) this.#name = fieldValue(line, 6);
    else if (line === 'data') this.#addData('');
  }

  /** The stream ended: an event without its blank line still counts. */
  end(): void {
    this.#dispatch();
  }

  #addData(value: string): void {
    this.#data = this.#data === null ? value : `${this.#data}\n${value}`;
    if (this.#data.length > this.#maxDataLength) throw new SseOverflow();
  }

  #dispatch(): void {
    const data = this.#data;
    const name = this.#name;
    this.#data = null;
    this.#name = '';
    if (data !== null) this.#onEvent({ name, data });
  }
}

function fieldValue(line: string, colonEnd: number): string {
  return line.charCodeAt(colonEnd) === 32 ? line.slice(colonEnd + 1) : line.slice(colonEnd);
}
