/** No fence is longer; what would need one is broken on purpose. */
const MAX_RUN = 256;
/** The only place where a run of backticks can end a block. */
const LINE_HEAD = /^ {0,3}(`{0,256})/;
const NAME = /^[a-z0-9][\w+#.-]{0,31}$/;

/**
 * A block of code in Markdown while it grows. The fence is opened before the text is known, so a line
 * of the text that would close it starts a second block with a longer fence: what the block shows
 * stays whole, and nothing after it is drawn in. Depends on the text only, not on how it came.
 */
export class FencedBlock {
  readonly #language: string;
  /** Backticks; 0: not opened yet. */
  #fence = 0;
  /** The beginning of a line, as long as it may become a fence. */
  #head = '';
  #inLine = false;

  constructor(language: string | null) {
    this.#language = language !== null && NAME.test(language) ? language : '';
  }

  push(text: string): string {
    let out = '';
    let rest = this.#head + text;
    this.#head = '';
    while (rest !== '') {
      const head = this.#inLine ? '' : (LINE_HEAD.exec(rest)?.[0] ?? '');
      if (!this.#inLine && head.length === rest.length && !head.endsWith('`'.repeat(MAX_RUN))) {
        this.#head = rest;
        break;
      }
      const end = rest.indexOf('\n', head.length) + 1 || rest.length;
      out += this.#guard(head) + rest.slice(0, end);
      this.#inLine = rest.charAt(end - 1) !== '\n';
      rest = rest.slice(end);
    }
    return out;
  }

  /** Nothing when the block held no text. */
  close(): string {
    const last = this.#head === '' ? '' : this.#guard(this.#head) + this.#head;
    const inLine = this.#inLine || last !== '';
    if (this.#fence === 0) return '';
    return `${last}${inLine ? '\n' : ''}${'`'.repeat(this.#fence)}`;
  }

  /** What must stand before a line that begins with `head`. */
  #guard(head: string): string {
    const run = head.trimStart().length;
    if (this.#fence > Math.max(run, 2)) return '';
    const before = this.#fence === 0 ? '' : `${'`'.repeat(this.#fence)}\n\n`;
    this.#fence = Math.max(3, run + 1);
    return `${before}${'`'.repeat(this.#fence)}${this.#language}\n`;
  }
}
