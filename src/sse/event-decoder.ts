import type { Beginning, Repetition } from './beginning.ts';
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
  readonly #beginning: Beginning | null;
  readonly #onRest: ((rest: string) => void) | null;
  /** What follows the expected beginning, of an event with no other data so far. */
  #rest: string | null = null;

  constructor(
    onEvent: (event: SseEvent) => void,
    maxDataLength: number,
    repetition: Repetition | null = null,
  ) {
    this.#onEvent = onEvent;
    this.#maxDataLength = maxDataLength;
    this.#beginning = repetition?.beginning ?? null;
    this.#onRest = repetition?.onRest ?? null;
  }

  /** The next line is an event's first. */
  get isBetweenEvents(): boolean {
    return this.#data === null && this.#rest === null && this.#name === '';
  }

  /** Throws SseOverflow; the decoder must not be used after that. */
  pushLine(line: string): void {
    if (line === '') this.#dispatch();
    else if (line.startsWith('data:')) this.#addLine(line);
    else if (line.startsWith('event:')) this.#name = fieldValue(line, 6);
    else if (line === 'data') this.#addData('');
  }

  /** A line of data that begins as expected, and of which the rest is left. */
  pushRest(rest: string): void {
    if (this.#data === null && this.#rest === null) this.#rest = rest;
    else this.#addData(this.#expected() + rest);
  }

  /** The stream ended: an event without its blank line still counts. */
  end(): void {
    this.#dispatch();
  }

  #addLine(line: string): void {
    if (this.#beginning !== null) this.#beginning.field = line.charCodeAt(5) === 32 ? 'data: ' : 'data:';
    this.#addData(fieldValue(line, 5));
  }

  #expected(): string {
    return this.#beginning?.text ?? '';
  }

  #addData(value: string): void {
    if (this.#rest !== null) this.#data = this.#expected() + this.#rest;
    this.#rest = null;
    this.#data = this.#data === null ? value : `${this.#data}\n${value}`;
    if (this.#data.length > this.#maxDataLength) throw new SseOverflow();
  }

  #dispatch(): void {
    const rest = this.#rest;
    const data = this.#data;
    const name = this.#name;
    this.#rest = null;
    this.#data = null;
    this.#name = '';
    if (rest !== null) this.#onRest?.(rest);
    if (data !== null) this.#onEvent({ name, data });
  }
}

function fieldValue(line: string, colonEnd: number): string {
  return line.charCodeAt(colonEnd) === 32 ? line.slice(colonEnd + 1) : line.slice(colonEnd);
}
