import type { AccountState, AccountView } from '../desk.ts';
import { AccountRow } from './account-row.ts';
import { addAccounts } from './add-accounts.ts';
import { browser } from './browser.ts';
import type { PageElement } from './browser.ts';
import { button, el, field, setAttribute, setChildren, setText, tableHead } from './element.ts';
import type { PageContext, Section } from './section.ts';
import { STATES } from './state.ts';
import type { Texts } from './texts.ts';

/** So many rows are in the page at once, however many accounts there are. */
const ROWS_PER_PAGE = 50;

/** The list of accounts with search, filter and pages, and the form that adds some. */
export class AccountsSection implements Section {
  readonly root: PageElement;
  readonly #context: PageContext;
  readonly #body = el('tbody', { role: 'rowgroup' });
  readonly #empty = el('p', { class: 'empty' });
  readonly #table: PageElement;
  readonly #filter: PageElement;
  readonly #range = el('span', { class: 'note', role: 'status' });
  readonly #previous: PageElement;
  readonly #next: PageElement;
  readonly #removeAll: PageElement;
  /** Of the page that is shown. */
  #rows = new Map<string, AccountRow>();

  constructor(context: PageContext) {
    this.#context = context;
    const { texts, state } = context;
    this.#filter = stateFilter(texts);
    this.#filter.addEventListener('change', () => {
      state.stateFilter = STATES.find((name) => name === this.#filter.value) ?? null;
      this.#turnTo(0);
    });
    this.#previous = button(texts.previous, 'quiet', () => this.#turnTo(state.page - 1));
    this.#next = button(texts.next, 'quiet', () => this.#turnTo(state.page + 1));
    this.#removeAll = button(texts.removeAll, 'quiet danger', () => void this.#clear());
    this.#table = el('table', { role: 'table' }, head(texts), this.#body);
    this.root = this.#build();
  }

  update(): void {
    const { state, texts } = this.#context;
    const matching = state.matching();
    const lastPage = Math.max(0, Math.ceil(matching.length / ROWS_PER_PAGE) - 1);
    state.page = Math.min(Math.max(0, state.page), lastPage);
    const from = state.page * ROWS_PER_PAGE;
    const shown = matching.slice(from, from + ROWS_PER_PAGE);
    this.#showRows(shown);
    this.#table.hidden = shown.length === 0;
    this.#empty.hidden = shown.length > 0;
    setText(this.#empty, this.#whyEmpty());
    setText(
      this.#range,
      shown.length === 0 ? '' : texts.range(from + 1, from + shown.length, matching.length),
    );
    this.#previous.disabled = state.page === 0;
    this.#next.disabled = state.page === lastPage;
    this.#previous.hidden = this.#next.hidden = lastPage === 0;
    this.#removeAll.hidden = state.accounts.size === 0;
    const wanted: AccountState | '' = state.stateFilter ?? '';
    if (this.#filter.value !== wanted) this.#filter.value = wanted;
  }

  #build(): PageElement {
    const { texts } = this.#context;
    const form = addAccounts(this.#context);
    const open = button(texts.addAccounts, 'primary', () => form.toggle());
    open.setAttribute('aria-expanded', 'false');
    form.onToggle = (isOpen) => setAttribute(open, 'aria-expanded', String(isOpen));
    return el(
      'section',
      { class: 'card', 'aria-label': texts.accounts },
      el('div', { class: 'card-head' }, el('h2', {}, texts.accounts), open),
      form.root,
      el(
        'div',
        { class: 'toolbar' },
        field(texts.search, this.#search(), 'field grow'),
        field(texts.state, this.#filter),
      ),
      this.#table,
      this.#empty,
      el(
        'div',
        { class: 'foot' },
        el('div', { class: 'pager' }, this.#previous, this.#range, this.#next),
        el('div', { class: 'buttons' }, ...exportLinks(texts), this.#removeAll),
      ),
    );
  }

  #search(): PageElement {
    const { state, texts } = this.#context;
    const input = el('input', { type: 'search', placeholder: texts.searchHint, autocomplete: 'off' });
    input.value = state.search;
    input.addEventListener('input', () => {
      state.search = input.value;
      this.#turnTo(0);
    });
    return input;
  }

  #showRows(accounts: readonly AccountView[]): void {
    const before = [...this.#rows.values()].map(({ root }) => root);
    const rows = new Map<string, AccountRow>();
    for (const account of accounts) {
      const row = this.#rows.get(account.id) ?? new AccountRow(this.#context, account);
      row.update(account);
      rows.set(account.id, row);
    }
    this.#rows = rows;
    setChildren(
      this.#body,
      before,
      [...rows.values()].map(({ root }) => root),
    );
  }

  #whyEmpty(): string {
    const { state, texts } = this.#context;
    if (state.rest === null) return texts.loading;
    return state.accounts.size === 0 ? texts.noAccounts : texts.noMatch;
  }

  #turnTo(page: number): void {
    this.#context.state.page = page;
    this.#context.state.touch();
  }

  async #clear(): Promise<void> {
    const { api, messages, state, texts } = this.#context;
    if (!browser.confirm(texts.confirmRemoveAll(state.accounts.size))) return;
    try {
      await api.remove('accounts?confirm=all');
      messages.say(texts.done);
    } catch (error) {
      messages.complain(error, texts.unreachable);
    }
  }
}

function head(texts: Texts): PageElement {
  const { state, account, limits, success, load, lastFailure, actions } = texts;
  const names = [state, account, limits, success, load, lastFailure];
  return tableHead(names, actions);
}

function stateFilter(texts: Texts): PageElement {
  const options = STATES.map((name) => el('option', { value: name }, texts.states[name]));
  return el('select', {}, el('option', { value: '' }, texts.allStates), ...options);
}

function exportLinks(texts: Texts): readonly PageElement[] {
  const link = (format: string, label: string): PageElement =>
    el('a', { class: 'quiet', href: `admin/accounts/export?format=${format}`, download: true }, label);
  return [link('csv', texts.exportCsv), link('jsonl', texts.exportJson)];
}
