import type { LineVerdict } from '../desk.ts';
import type { PageElement } from './browser.ts';
import { button, el, field, setText } from './element.ts';
import type { PageContext } from './section.ts';
import type { Texts } from './texts.ts';

/** Of a large import, only so many lines are listed; the rejected come first. */
const SHOWN_LINES = 100;

type Added = { readonly data: readonly LineVerdict[] } & Readonly<Record<LineVerdict['outcome'], number>>;

export interface AddForm {
  readonly root: PageElement;
  toggle(): void;
  onToggle: (isOpen: boolean) => void;
}

/** Takes tokens by paste or file and shows what became of each line. */
export function addAccounts(context: PageContext): AddForm {
  const { texts } = context;
  const input = el('textarea', { rows: 6, spellcheck: 'false', autocomplete: 'off', class: 'code' });
  const file = el('input', { type: 'file', accept: '.txt,.csv,.json,.jsonl,text/plain' });
  const result = el('div', { class: 'result', 'aria-live': 'polite' });
  const submit = el('button', { type: 'submit', class: 'primary' }, texts.add);
  const root = el(
    'form',
    { class: 'add', hidden: true },
    el('p', { class: 'note' }, texts.addHint),
    field(texts.addLabel, input),
    field(texts.chooseFile, file),
    el(
      'div',
      { class: 'buttons' },
      submit,
      button(texts.cancel, 'quiet', () => form.toggle()),
    ),
    result,
  );
  const form: AddForm = {
    root,
    onToggle: () => undefined,
    toggle: () => {
      root.hidden = !root.hidden;
      form.onToggle(!root.hidden);
      if (!root.hidden) input.focus();
    },
  };
  file.addEventListener('change', () => void readInto(file, input));
  root.addEventListener('submit', (event) => {
    event.preventDefault();
    void send(context, { input, submit, result });
  });
  return form;
}

/** The file is read here and shown before anything is sent. */
async function readInto(file: PageElement, input: PageElement): Promise<void> {
  const chosen = file.files?.[0];
  if (chosen !== undefined) input.value = await chosen.text();
  input.focus();
}

interface Parts {
  readonly input: PageElement;
  readonly submit: PageElement;
  readonly result: PageElement;
}

async function send({ api, messages, texts }: PageContext, { input, submit, result }: Parts): Promise<void> {
  submit.disabled = true;
  setText(submit, texts.adding);
  try {
    const added = await api.post<Added>('accounts', { text: input.value });
    result.replaceChildren(...verdicts(added, texts));
    // Tokens need not stand on a screen for longer; what was rejected is still there to be mended.
    if (added.rejected === 0) input.value = '';
  } catch (error) {
    messages.complain(error, texts.unreachable);
  } finally {
    submit.disabled = false;
    setText(submit, texts.add);
  }
}

function verdicts(added: Added, texts: Texts): readonly PageElement[] {
  const rank = ({ outcome }: LineVerdict): number => (outcome === 'rejected' ? 0 : 1);
  const lines = added.data.toSorted((a, b) => rank(a) - rank(b) || a.line - b.line);
  const rest = lines.length - SHOWN_LINES;
  return [
    el('p', { class: 'strong' }, texts.added(added)),
    el('ul', { class: 'lines' }, ...lines.slice(0, SHOWN_LINES).map((line) => verdict(line, texts))),
    ...(rest > 0 ? [el('p', { class: 'note' }, texts.moreLines(rest))] : []),
  ];
}

function verdict({ line, outcome, id, message }: LineVerdict, texts: Texts): PageElement {
  return el(
    'li',
    {},
    el('span', { class: 'note line-number' }, `${texts.line} ${line}`),
    el('span', { class: `pill ${outcome}` }, texts.outcomes[outcome]),
    el('span', { class: 'id' }, id ?? ''),
    el('span', { class: 'note' }, message),
  );
}
