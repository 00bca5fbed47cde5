import type { KeyView } from '../desk.ts';
import { browser } from './browser.ts';
import type { PageElement } from './browser.ts';
import { button, el, field, setChildren, setText, tableHead } from './element.ts';
import { keyColumns, KeyRow } from './key-row.ts';
import type { PageContext, Section } from './section.ts';
import type { Texts } from './texts.ts';

/** The keys of clients: made here with their limits, shown once, taken away. */
export function keysSection(context: PageContext): Section {
  const { texts, state } = context;
  const body = el('tbody', { role: 'rowgroup' });
  const table = el('table', { role: 'table' }, tableHead(keyColumns(texts), texts.actions), body);
  const empty = el('p', { class: 'empty' });
  const fresh = el('div', { 'aria-live': 'polite' });
  let rows = new Map<string, KeyRow>();
  return {
    root: el(
      'section',
      { class: 'card', 'aria-label': texts.keys },
      el('div', { class: 'card-head' }, el('h2', {}, texts.keys)),
      el('p', { class: 'note' }, texts.keysHint),
      makeForm(context, fresh),
      fresh,
      table,
      empty,
    ),
    update: () => {
      const keys = state.rest?.keys ?? [];
      rows = showRows(context, body, rows, keys);
      table.hidden = keys.length === 0;
      empty.hidden = keys.length > 0;
      setText(empty, state.rest === null ? texts.loading : texts.noKeys);
    },
  };
}

function showRows(
  context: PageContext,
  body: PageElement,
  before: ReadonlyMap<string, KeyRow>,
  keys: readonly KeyView[],
): Map<string, KeyRow> {
  const rows = new Map<string, KeyRow>();
  for (const key of keys) {
    const row = before.get(key.id) ?? new KeyRow(context, key);
    row.update(key);
    rows.set(key.id, row);
  }
  const rootsOf = (each: ReadonlyMap<string, KeyRow>): PageElement[] =>
    [...each.values()].map(({ root }) => root);
  setChildren(body, rootsOf(before), rootsOf(rows));
  return rows;
}

function makeForm(context: PageContext, fresh: PageElement): PageElement {
  const { texts } = context;
  const name = el('input', { type: 'text', maxlength: 100, required: true, autocomplete: 'off' });
  const perMinute = limitInput(texts);
  const streams = limitInput(texts);
  const form = el(
    'form',
    { class: 'toolbar' },
    field(texts.keyName, name, 'field grow'),
    field(texts.perMinute, perMinute),
    field(texts.streams, streams),
    el('button', { type: 'submit', class: 'primary' }, texts.makeKey),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const key = {
      name: name.value,
      requests_per_minute: limitOf(perMinute),
      concurrent_streams: limitOf(streams),
    };
    void make(context, key, fresh, () => (name.value = ''));
  });
  return form;
}

function limitInput(texts: Texts): PageElement {
  return el('input', {
    type: 'number',
    min: 1,
    max: 1_000_000,
    step: 1,
    placeholder: texts.unlimited,
    class: 'short',
  });
}

function limitOf(input: PageElement): number | null {
  return input.value === '' ? null : Number(input.value);
}

async function make(
  { api, messages, texts }: PageContext,
  wanted: object,
  fresh: PageElement,
  onMade: () => void,
): Promise<void> {
  try {
    const { key } = await api.post<{ key: string }>('keys', wanted);
    fresh.replaceChildren(freshKey(key, messages.say.bind(messages), texts));
    onMade();
  } catch (error) {
    messages.complain(error, texts.unreachable);
  }
}

/** Without https the browser gives no clipboard: then the key is marked, ready to be copied by hand. */
function freshKey(key: string, say: (text: string) => void, texts: Texts): PageElement {
  const output = el('input', { type: 'text', readonly: true, class: 'code', value: key });
  const copy = async (): Promise<void> => {
    output.select();
    await browser.navigator.clipboard?.writeText(key);
    if (browser.navigator.clipboard) say(texts.copied);
  };
  const root = el(
    'div',
    { class: 'fresh' },
    el('div', { class: 'toolbar' }, field(texts.newKey, output, 'field grow')),
    el('p', { class: 'note' }, texts.newKeyHint),
  );
  const buttons = [
    button(texts.copy, 'primary', () => void copy().catch(() => undefined)),
    button(texts.cancel, 'quiet', () => root.remove()),
  ];
  root.append(el('div', { class: 'buttons' }, ...buttons));
  return root;
}
