import { browser } from './browser.ts';
import type { PageElement } from './browser.ts';
import { button, el } from './element.ts';

export type Mood = 'good' | 'bad';

const GOOD_MS = 5_000;
const BAD_MS = 15_000;
const MAX_MESSAGES = 4;

/** Short messages at the edge of the page, read out by screen readers. They survive a change of language. */
export class Messages {
  readonly root = el('div', { class: 'messages', role: 'status', 'aria-live': 'polite' });
  readonly #closeLabel: () => string;
  #shown: PageElement[] = [];

  constructor(closeLabel: () => string) {
    this.#closeLabel = closeLabel;
  }

  say(text: string, mood: Mood = 'good'): void {
    const message = el('div', { class: `message ${mood}` }, el('span', {}, text));
    const close = button('×', 'close', () => this.#drop(message));
    close.setAttribute('aria-label', this.#closeLabel());
    message.append(close);
    this.#shown = [...this.#shown, message].slice(-MAX_MESSAGES);
    this.root.replaceChildren(...this.#shown);
    setTimeout(() => this.#drop(message), mood === 'good' ? GOOD_MS : BAD_MS);
  }

  /** Says why it failed. */
  complain(error: unknown, unreachable: string): void {
    // `fetch` throws a TypeError when nobody answers.
    const text = error instanceof TypeError || !(error instanceof Error) ? unreachable : error.message;
    this.say(text, 'bad');
  }

  #drop(message: PageElement): void {
    this.#shown = this.#shown.filter((other) => other !== message);
    if (message.contains(browser.document.activeElement)) browser.document.body.focus();
    message.remove();
  }
}
