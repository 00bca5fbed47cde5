import { isHighSurrogate } from './segments.ts';
import { StopFilter } from './stop-filter.ts';
import { TokenMeter } from './token-meter.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface AnswerLimits {
  readonly stop: readonly string[];
  /** Null when nobody asked for usage or a limit: then no token is counted. */
  readonly tokens: { readonly tokenizer: Tokenizer; readonly max: number | null } | null;
}

/**
 * Stands between the backend's text and the client: ends the answer at a stop sequence or at
 * `max` tokens, whichever cuts first. What comes out, joined, depends on the whole text only and
 * not on how it was split; no character is split over two releases.
 */
export class AnswerCutter {
  readonly #stops: StopFilter | null;
  readonly #meter: TokenMeter | null;
  /** The first half of a character whose second half is still to come. */
  #halfCharacter = '';

  constructor(limits: AnswerLimits) {
    const { stop, tokens } = limits;
    this.#stops = stop.length === 0 ? null : new StopFilter(stop);
    this.#meter = tokens === null ? null : new TokenMeter(tokens.tokenizer, tokens.max ?? Infinity);
  }

  /** Why we cut the answer; null when it ends by itself. */
  get reason(): 'stop' | 'length' | null {
    if (this.#meter?.reached === true) return 'length';
    return this.#stops?.found === true ? 'stop' : null;
  }

  /** The client has all that it asked for. */
  get satisfied(): boolean {
    return this.reason !== null;
  }

  /** Tokens of all that was released; final once `satisfied` or after `end`. 0 when not counted. */
  get completionTokens(): number {
    return this.#meter?.tokens ?? 0;
  }

  /** Takes the next text of the backend; gives what may leave now, perhaps nothing. */
  push(delta: string): string {
    if (this.satisfied) return '';
    const text = this.#wholeCharacters(delta);
    const allowed = this.#stops === null ? text : this.#stops.push(text);
    const out = this.#meter === null ? allowed : this.#meter.push(allowed);
    return this.#stops?.found === true ? out + this.#endMeter() : out;
  }

  /** The backend has no more text; gives what was still held back. */
  end(): string {
    if (this.satisfied) return '';
    const last = this.#halfCharacter;
    this.#halfCharacter = '';
    const allowed = this.#stops === null ? last : this.#stops.push(last) + this.#stops.end();
    return this.#meter === null ? allowed : this.#meter.push(allowed) + this.#meter.end();
  }

  #endMeter(): string {
    return this.#meter === null ? '' : this.#meter.end();
  }

  #wholeCharacters(delta: string): string {
    const text = this.#halfCharacter === '' ? delta : this.#halfCharacter + delta;
    const isWhole = !isHighSurrogate(text.charCodeAt(text.length - 1));
    this.#halfCharacter = isWhole ? '' : text.slice(-1);
    return isWhole ? text : text.slice(0, -1);
  }
}
