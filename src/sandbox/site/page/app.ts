import { converse } from './chat.ts';
import { browser } from './browser.ts';
import type { PageElement } from './browser.ts';

/** Absolute on purpose: a page that is served from elsewhere has to be led there. */
const SITE = 'https://chatgpt.com';
const SOCKET = 'wss://chatgpt.com/site/echo';

function element(id: string): PageElement {
  const found = browser.document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found;
}

function say(role: 'user' | 'assistant', text: string): PageElement {
  const line = browser.document.createElement('p');
  line.className = role;
  line.textContent = text;
  element('talk').append(line);
  return line;
}

async function send(question: string): Promise<void> {
  say('user', question);
  const answer = say('assistant', '');
  element('send').disabled = true;
  try {
    await converse(SITE, question, (text) => (answer.textContent = text));
    answer.setAttribute('data-done', 'true');
  } catch (error) {
    answer.textContent = String(error);
  } finally {
    element('send').disabled = false;
    element('question').focus();
  }
}

/** Follows a redirect to an absolute address, and shows what cookies came along. */
async function showVisitor(): Promise<void> {
  const response = await fetch(`${SITE}/site/visitor`);
  const { cookies } = (await response.json()) as { cookies: readonly string[] };
  element('visitor').textContent = `${cookies.length} cookies: ${cookies.join(', ')}`;
}

function openEcho(): void {
  const socket = new browser.WebSocket(SOCKET);
  socket.addEventListener('open', () => socket.send('over the wire and back'));
  socket.addEventListener('message', ({ data }) => {
    element('echo').textContent = data;
    socket.close();
  });
}

element('ask').addEventListener('submit', (event) => {
  event.preventDefault();
  const question = element('question').value.trim();
  element('question').value = '';
  if (question !== '') void send(question);
});
void showVisitor();
openEcho();
element('question').focus();
