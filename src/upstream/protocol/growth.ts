/**
 * How much of a growing text was taken. By length, not by comparing: what was taken cannot be taken
 * back, so after an edit comes what the new text has beyond the old one's end.
 */
export class Growth {
  #length = 0;

  /** In UTF-16 units. */
  get taken(): number {
    return this.#length;
  }

  /**
   * The text beyond what was taken. `appended`: all that was added since the last call, when that is
   * known. A character of two units is never cut: as long as more is to come its first half waits.
   */
  take(text: string, appended: string | null, isComplete: boolean): string {
    if (text.length <= this.#length) return '';
    const tail = appended === null || appended === '' ? text : appended;
    const isHalf = !isComplete && isHighSurrogate(tail.charCodeAt(tail.length - 1));
    const end = isHalf ? text.length - 1 : text.length;
    const start = this.#length;
    this.#length = end;
    // No look into `text` where it can be avoided: it is put together anew for every delta.
    return !isHalf && tail.length === end - start ? tail : text.slice(start, end);
  }
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}
