import type { KeyView } from '../desk.ts';
import { browser } from './browser.ts';
import type { PageElement } from './browser.ts';
import { button, el, field } from './element.ts';
import type { PageContext, Section } from './section.ts';
import type { Texts } from './texts.ts';

/** The keys of clients: made here with their limits, shown once, taken away. */
export function keysSection(context: PageContext): Section {
  const { texts, state } = context;
  const list = el('div');
  const fresh = el('div', { 'aria-live': 'polite' });
  let shown: unknown = null;
  return {
    root: el(
      'section',
      { class: 'card', 'aria-label': texts.keys },
      el('div', { class: 'card-head' }, el('h2', {}, texts.keys)),
      el('p', { class: 'note' }, texts.keysHint),
      makeForm(context, fresh),
      fresh,
      list,
    ),
    update: () => {
      const keys = state.rest?.keys ?? null;
      if (keys === shown || JSON.stringify(keys) === JSON.stringify(shown)) return;
      shown = keys;
      list.replaceChildren(table(context, keys ?? []));
    },
  };
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

function table(context: PageContext, keys: readonly KeyView[]): PageElement {
  const { texts } = context;
  if (keys.length === 0) return el('p', { class: 'empty' }, texts.noKeys);
  const names = [
    texts.keyName,
    texts.source,
    texts.perMinute,
    texts.streams,
    texts.inFlight,
    texts.waiting,
    texts.requests,
    texts.refused,
    texts.actions,
  ];
  const heads = names.map((name) => el('th', { role: 'columnheader', scope: 'col' }, name));
  return el(
    'table',
    { role: 'table' },
    el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, ...heads)),
    el('tbody', { role: 'rowgroup' }, ...keys.map((key) => row(context, key, names))),
  );
}

function row(context: PageContext, key: KeyView, names: readonly string[]): PageElement {
  const { texts } = context;
  const values = [
    texts.sources[key.source],
    key.requestsPerMinute ?? texts.unlimited,
    key.concurrentStreams ?? texts.unlimited,
    key.inFlight,
    key.waiting,
    key.requests,
    key.refused,
  ];
  const name = el(
    'div',
    { class: 'cell' },
    el('span', {}, key.name),
    el('span', { class: 'note id' }, key.id),
  );
  return el(
    'tr',
    { role: 'row' },
    el('td', { role: 'cell', 'data-label': names[0] ?? '' }, name),
    ...values.map((value, i) =>
      el(
        'td',
        { role: 'cell', 'data-label': names[i + 1] ?? '' },
        el('div', { class: 'cell' }, String(value)),
      ),
    ),
    el('td', { role: 'cell', class: 'actions' }, el('div', { class: 'buttons' }, ...removal(context, key))),
  );
}

/** A key of the environment can only be taken away there. */
function removal({ api, messages, texts }: PageContext, key: KeyView): readonly PageElement[] {
  if (key.source === 'environment') return [];
  const remove = async (): Promise<void> => {
    if (!browser.confirm(texts.confirmRemoveKey(key.name))) return;
    await api.remove(`keys/${encodeURIComponent(key.id)}`);
    messages.say(`${key.name}: ${texts.done}`);
  };
  const element = button(texts.remove, 'quiet danger', () => {
    remove().catch((error: unknown) => messages.complain(error, texts.unreachable));
  });
  element.setAttribute('aria-label', `${texts.remove}: ${key.name}`);
  return [element];
}
