import type { KeyView } from '../desk.ts';
import { browser } from './browser.ts';
import type { PageElement } from './browser.ts';
import { button, el, setText, tableCell } from './element.ts';
import type { PageContext } from './section.ts';
import type { Texts } from './texts.ts';

interface Column {
  head(texts: Texts): string;
  value(key: KeyView, texts: Texts): string | number;
}

/** Those between name and buttons. */
const COLUMNS: readonly Column[] = [
  { head: ({ source }) => source, value: ({ source }, { sources }) => sources[source] },
  { head: ({ perMinute }) => perMinute, value: (key, texts) => key.requestsPerMinute ?? texts.unlimited },
  { head: ({ streams }) => streams, value: (key, texts) => key.concurrentStreams ?? texts.unlimited },
  { head: ({ inFlight }) => inFlight, value: ({ inFlight }) => inFlight },
  { head: ({ waiting }) => waiting, value: ({ waiting }) => waiting },
  { head: ({ requests }) => requests, value: ({ requests }) => requests },
  { head: ({ refused }) => refused, value: ({ refused }) => refused },
];

export function keyColumns(texts: Texts): readonly string[] {
  return [texts.keyName, ...COLUMNS.map((column) => column.head(texts))];
}

/** One key. Its elements stay while its counters run, so that a press on a button is never lost. */
export class KeyRow {
  readonly root: PageElement;
  readonly #context: PageContext;
  readonly #name = el('span');
  readonly #values = COLUMNS.map(() => el('span', { class: 'number' }));

  constructor(context: PageContext, key: KeyView) {
    this.#context = context;
    const [first = '', ...heads] = keyColumns(context.texts);
    this.root = el(
      'tr',
      { role: 'row' },
      tableCell(first, this.#name, el('span', { class: 'note id' }, key.id)),
      ...this.#values.map((value, i) => tableCell(heads[i] ?? '', value)),
      el('td', { role: 'cell', class: 'actions' }, el('div', { class: 'buttons' }, ...this.#actions(key))),
    );
  }

  update(key: KeyView): void {
    const { texts } = this.#context;
    setText(this.#name, key.name);
    for (const [i, column] of COLUMNS.entries()) {
      const element = this.#values[i];
      if (element) setText(element, String(column.value(key, texts)));
    }
  }

  /** A key of the environment or of a file can only be taken away there. */
  #actions(key: KeyView): readonly PageElement[] {
    if (key.source !== 'admin') return [];
    const { messages, texts } = this.#context;
    const element = button(texts.remove, 'quiet danger', () => {
      this.#remove(key).catch((error: unknown) => messages.complain(error, texts.unreachable));
    });
    element.setAttribute('aria-label', `${texts.remove}: ${key.name}`);
    return [element];
  }

  async #remove({ id, name }: KeyView): Promise<void> {
    const { api, messages, texts } = this.#context;
    if (!browser.confirm(texts.confirmRemoveKey(name))) return;
    await api.remove(`keys/${encodeURIComponent(id)}`);
    messages.say(`${name}: ${texts.done}`);
  }
}
