import type { PageElement } from './browser.ts';
import { el, field } from './element.ts';
import type { PageContext } from './section.ts';

/** Asks for the key; `onDone` when the server took it. */
export function logInForm({ api, messages, texts }: PageContext, onDone: () => void): PageElement {
  const key = el('input', { type: 'password', autocomplete: 'current-password', required: true });
  // Password managers file a key under a name.
  const name = el('input', { type: 'text', autocomplete: 'username', value: 'admin', hidden: true });
  const submit = el('button', { type: 'submit', class: 'primary' }, texts.logIn);
  const form = el(
    'form',
    { class: 'card log-in' },
    name,
    field(texts.keyLabel, key),
    el('p', { class: 'note' }, texts.keyHint),
    submit,
  );
  const send = async (): Promise<void> => {
    submit.disabled = true;
    try {
      await api.logIn(key.value);
      onDone();
    } catch (error) {
      messages.complain(error, texts.unreachable);
      key.select();
    } finally {
      submit.disabled = false;
    }
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void send();
  });
  return form;
}
