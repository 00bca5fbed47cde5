import type { AccountView, CheckVerdict } from '../desk.ts';
import { browser } from './browser.ts';
import type { PageElement } from './browser.ts';
import { button, el, setAttribute, setText, tableCell } from './element.ts';
import type { PageContext } from './section.ts';
import { successRate } from './success-rate.ts';
import type { Texts } from './texts.ts';
import { relative, until } from './times.ts';

/** More limits than these are only counted. */
const SHOWN_LIMITS = 3;

/** One account as a row, on a phone as a card. Its elements stay, so that a press or a selection survives news. */
export class AccountRow {
  readonly root: PageElement;
  readonly #context: PageContext;
  readonly #pill = el('span', { class: 'pill' });
  readonly #until = el('span', { class: 'note' });
  readonly #reason = el('span', { class: 'note reason' });
  readonly #details = el('span', { class: 'note' });
  readonly #limits = el('div', { class: 'limits' });
  readonly #rate = el('span', { class: 'number' });
  readonly #counts = el('span', { class: 'note number' });
  readonly #load = el('span', { class: 'number' });
  readonly #gauge = el('span', { class: 'gauge', 'aria-hidden': 'true' }, el('span'));
  readonly #failure = el('span', { class: 'code' });
  readonly #failedAt = el('span', { class: 'note' });
  readonly #toggle: PageElement;
  readonly #refresh: PageElement;
  #view: AccountView;
  #shownLimits = '';

  constructor(context: PageContext, view: AccountView) {
    this.#context = context;
    this.#view = view;
    const { texts } = context;
    this.#toggle = this.#action('', () => this.#post(this.#view.state === 'disabled' ? 'enable' : 'disable'));
    this.#refresh = this.#action(texts.refresh, () => this.#examine('refresh'));
    const id = el('span', { class: 'id' }, view.id);
    this.root = el(
      'tr',
      { role: 'row' },
      tableCell(texts.state, this.#pill, this.#until, this.#reason),
      tableCell(texts.account, id, this.#details),
      tableCell(texts.limits, this.#limits),
      tableCell(texts.success, this.#rate, this.#counts),
      tableCell(texts.load, this.#load, this.#gauge),
      tableCell(texts.lastFailure, this.#failure, this.#failedAt),
      el('td', { role: 'cell', class: 'actions' }, this.#actions()),
    );
  }

  update(view: AccountView): void {
    this.#view = view;
    const { texts, state } = this.#context;
    const { nowMs } = state;
    setAttribute(this.#pill, 'class', `pill ${view.state}`);
    setText(this.#pill, texts.states[view.state]);
    setText(this.#until, until(view.untilMs, nowMs, texts));
    setText(this.#reason, view.reason ?? '');
    setText(this.#details, detailsOf(view, nowMs, texts));
    this.#showLimits(nowMs);
    const attempts = view.succeeded + view.failed;
    setText(this.#rate, successRate(view));
    setText(this.#counts, attempts === 0 ? '' : `${view.succeeded} / ${attempts}`);
    setText(this.#load, `${view.inFlight} / ${view.concurrency}`);
    this.#gauge.style.setProperty(
      '--part',
      String(Math.min(1, view.inFlight / Math.max(1, view.concurrency))),
    );
    setText(this.#failure, view.lastFailure?.code ?? texts.never);
    setAttribute(this.#failure, 'class', view.lastFailure ? 'code' : 'note nothing');
    setText(this.#failedAt, view.lastFailure ? relative(view.lastFailure.atMs, nowMs, texts) : '');
    this.#name(this.#toggle, view.state === 'disabled' ? texts.enable : texts.disable);
    this.#refresh.hidden = view.kind !== 'refresh';
  }

  #showLimits(nowMs: number): void {
    const { texts } = this.#context;
    const limits = this.#view.limits.filter(({ untilMs }) => untilMs > nowMs);
    const lines = limits.slice(0, SHOWN_LIMITS).map(({ model, untilMs, reason }) => ({
      model: model ?? texts.allModels,
      when: until(untilMs, nowMs, texts),
      reason,
    }));
    const shown = JSON.stringify([lines, limits.length]);
    if (shown === this.#shownLimits) return;
    this.#shownLimits = shown;
    this.#limits.replaceChildren(
      ...lines.map(({ model, when, reason }) =>
        el(
          'div',
          { class: 'limit', title: reason },
          el('span', { class: 'code' }, model),
          ' ',
          el('span', { class: 'note' }, when),
        ),
      ),
      ...(limits.length > SHOWN_LIMITS ? [`+${limits.length - SHOWN_LIMITS}`] : []),
      ...(limits.length === 0 ? [el('span', { class: 'note nothing' }, texts.noLimits)] : []),
    );
  }

  #actions(): PageElement {
    const { texts } = this.#context;
    const clear = this.#action(texts.clear, () => this.#post('clear'));
    clear.setAttribute('title', texts.clearHint);
    return el(
      'div',
      { class: 'buttons' },
      this.#action(texts.test, () => this.#examine('check')),
      this.#refresh,
      clear,
      this.#toggle,
      this.#action(texts.remove, () => this.#remove(), 'quiet danger'),
    );
  }

  #action(label: string, run: () => Promise<void>, className = 'quiet'): PageElement {
    const element = button(label, className, () => void this.#run(element, run));
    this.#name(element, label);
    return element;
  }

  /** Read alone, "Remove" would not say what. */
  #name(element: PageElement, label: string): void {
    setText(element, label);
    setAttribute(element, 'aria-label', `${label}: ${this.#view.id}`);
  }

  async #run(element: PageElement, run: () => Promise<void>): Promise<void> {
    const { messages, texts } = this.#context;
    element.disabled = true;
    try {
      await run();
    } catch (error) {
      messages.complain(error, texts.unreachable);
    } finally {
      element.disabled = false;
    }
  }

  get #path(): string {
    return `accounts/${encodeURIComponent(this.#view.id)}`;
  }

  async #post(action: string): Promise<void> {
    await this.#context.api.post(`${this.#path}/${action}`);
    this.#say(this.#context.texts.done);
  }

  async #examine(action: 'check' | 'refresh'): Promise<void> {
    const verdict = await this.#context.api.post<CheckVerdict>(`${this.#path}/${action}`);
    this.#say(verdict.message || this.#context.texts.wellChecked, verdict.ok);
  }

  async #remove(): Promise<void> {
    const { api, texts } = this.#context;
    if (!browser.confirm(texts.confirmRemove(this.#view.id))) return;
    await api.remove(this.#path);
    this.#say(texts.done);
  }

  #say(text: string, isGood = true): void {
    this.#context.messages.say(`${this.#view.id}: ${text}`, isGood ? 'good' : 'bad');
  }
}

function detailsOf(view: AccountView, nowMs: number, texts: Texts): string {
  const { plan, kind, workspace, tokenExpiresMs } = view;
  const expiry = tokenExpiresMs === null ? null : expiryOf(tokenExpiresMs, nowMs, texts);
  return [plan, texts.kinds[kind], workspace, expiry].filter((part) => part !== null).join(' · ');
}

function expiryOf(atMs: number, nowMs: number, texts: Texts): string {
  const when = relative(atMs, nowMs, texts);
  return atMs >= nowMs ? texts.expires(when) : texts.expired(when);
}
