import { findAt, nextBeginning, withoutSigns } from './markers.ts';
import type { Marker, Replacement } from './sources.ts';
import type { Link } from './links.ts';

/** What a text is without upstream's markers. */
export interface MarkerOutput {
  text(text: string): void;
  citation(links: readonly Link[]): void;
  file(path: string): void;
  /** What stands in the marker's place; null: it is not known yet. */
  replacementOf(marker: Marker): Replacement | null;
}

/** How much text, in UTF-16 units, waits behind a marker that nothing is known about yet. */
const MAX_HELD = 2048;

/**
 * Takes upstream's markers out of a growing text and puts what they stand for in their place. The
 * text often comes before the source: from a marker on all is held until the source is known, no
 * more comes, or too much waits; in the last two cases the marker is dropped. What was let through is
 * never looked at again.
 */
export class MarkerFilter {
  readonly #out: MarkerOutput;
  #held = '';
  /** How much of `#held` is done with. */
  #at = 0;
  /** Code points before that place. */
  #offset = 0;
  /** Text to let through next. */
  #plain = '';

  constructor(out: MarkerOutput) {
    this.#out = out;
  }

  push(text: string): void {
    if (this.#held !== '' || nextBeginning(text, 0) < text.length) {
      this.#held += text;
      this.#drain(false);
      return;
    }
    this.#offset += codePoints(text);
    this.#out.text(text);
  }

  /** More may be known about the markers than before. */
  retry(): void {
    if (this.#held !== '') this.#drain(false);
  }

  /** No more text comes for now: nothing stays held. */
  release(): void {
    if (this.#held !== '') this.#drain(true);
  }

  #drain(isLast: boolean): void {
    while (this.#at < this.#held.length && this.#pass(isLast));
    this.#held = this.#held.slice(this.#at);
    this.#at = 0;
    this.#flush();
  }

  /** Goes on to behind the next thing that may be upstream's; false: it has to wait. */
  #pass(isLast: boolean): boolean {
    this.#keep(nextBeginning(this.#held, this.#at) - this.#at);
    if (this.#at === this.#held.length) return false;
    const found = findAt(this.#held, this.#at, isLast);
    switch (found.kind) {
      case 'undecided':
        return false;
      case 'marker':
        return this.#passMarker(found.length, isLast);
      case 'file':
        this.#keep(1);
        this.#flush();
        this.#out.file(found.path);
        this.#skip(found.length - 2);
        this.#keep(1);
        return true;
      case 'text':
        this.#keep(found.length);
        return true;
      case 'noise':
        this.#skip(found.length);
        return true;
    }
  }

  #passMarker(length: number, isLast: boolean): boolean {
    const text = this.#held.slice(this.#at, this.#at + length);
    const start = this.#offset;
    const replacement = this.#out.replacementOf({ text, start, end: start + codePoints(text) });
    if (replacement !== null) this.#replace(replacement);
    else if (!isLast && this.#held.length - this.#at <= MAX_HELD) return false;
    this.#skip(length);
    return true;
  }

  #replace(replacement: Replacement): void {
    if ('text' in replacement) {
      this.#plain += withoutSigns(replacement.text);
    } else if (replacement.links.length > 0) {
      this.#flush();
      this.#out.citation(replacement.links);
    }
  }

  #keep(length: number): void {
    const start = this.#at;
    this.#skip(length);
    this.#plain += this.#held.slice(start, this.#at);
  }

  #skip(length: number): void {
    this.#offset += codePoints(this.#held.slice(this.#at, this.#at + length));
    this.#at += length;
  }

  #flush(): void {
    const text = this.#plain;
    this.#plain = '';
    if (text !== '') this.#out.text(text);
  }
}

function codePoints(text: string): number {
  let count = text.length;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit >= 0xdc00 && unit <= 0xdfff) count -= 1;
  }
  return count;
}
