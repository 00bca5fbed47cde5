import { AccountsSection } from './accounts.ts';
import { Api } from './api.ts';
import { browser } from './browser.ts';
import type { PageElement } from './browser.ts';
import { button, el, setAttribute, setText } from './element.ts';
import { keysSection } from './keys.ts';
import { Live } from './live.ts';
import { logInForm } from './log-in.ts';
import { Messages } from './messages.ts';
import { nodesSection } from './nodes.ts';
import { overview } from './overview.ts';
import type { PageContext, Section } from './section.ts';
import { PageState } from './state.ts';
import { TEXTS } from './texts.ts';
import type { Language } from './texts.ts';

/** Where the reader's choice of language is kept. */
const LANGUAGE_ITEM = 'chat2api.language';

const TICK_MS = 1_000;

/** The page: a head, and below it either the form that asks for the key or the sections. */
class App {
  readonly #state = new PageState(() => this.#update());
  readonly #api = new Api(() => this.#onLoggedOut());
  readonly #live = new Live(this.#state, this.#api);
  readonly #messages = new Messages(() => TEXTS[this.#language].cancel);
  readonly #main = el('main');
  readonly #head = el('header');
  readonly #connection = el('span', { class: 'connection', role: 'status' });
  #language = firstLanguage();
  #sections: readonly Section[] = [];
  #isLoggedIn = false;

  async start(): Promise<void> {
    browser.document.body.append(this.#head, this.#main, this.#messages.root);
    setInterval(() => this.#update(), TICK_MS);
    try {
      if (await this.#api.resume()) return this.#onLoggedIn();
    } catch (error) {
      this.#messages.complain(error, TEXTS[this.#language].unreachable);
    }
    this.#build();
  }

  get #context(): PageContext {
    return { state: this.#state, api: this.#api, messages: this.#messages, texts: TEXTS[this.#language] };
  }

  /** Anew from top to bottom: at the start, at log-in and log-out, and in another language. */
  #build(): void {
    const context = this.#context;
    const { texts } = context;
    setAttribute(browser.document.documentElement, 'lang', texts.language);
    browser.document.title = `${texts.title} · chat2api`;
    this.#sections = this.#isLoggedIn
      ? [overview(context), new AccountsSection(context), nodesSection(context), keysSection(context)]
      : [];
    this.#head.replaceChildren(...this.#headParts());
    const content = this.#isLoggedIn
      ? this.#sections.map(({ root }) => root)
      : [logInForm(context, () => this.#onLoggedIn())];
    this.#main.replaceChildren(...content);
    this.#update();
  }

  #headParts(): PageElement[] {
    const { texts } = this.#context;
    const language = button(texts.otherLanguage, 'quiet', () => this.#switchLanguage());
    language.setAttribute('lang', this.#language === 'en' ? 'zh-CN' : 'en');
    const brand = el(
      'h1',
      {},
      el('span', { class: 'brand' }, 'chat2api'),
      ' ',
      el('span', { class: 'page-name' }, texts.title),
    );
    const tools = [language];
    if (this.#isLoggedIn) {
      tools.unshift(this.#connection);
      tools.push(button(texts.logOut, 'quiet', () => void this.#logOut()));
    }
    return [brand, el('div', { class: 'buttons' }, ...tools)];
  }

  #update(): void {
    const { connection } = this.#state;
    setText(this.#connection, TEXTS[this.#language].connection[connection]);
    setAttribute(this.#connection, 'class', `connection ${connection}`);
    for (const section of this.#sections) section.update();
  }

  #switchLanguage(): void {
    this.#language = this.#language === 'en' ? 'zh' : 'en';
    browser.localStorage.setItem(LANGUAGE_ITEM, this.#language);
    this.#build();
  }

  #onLoggedIn(): void {
    this.#isLoggedIn = true;
    this.#live.start();
    this.#build();
  }

  #onLoggedOut(): void {
    if (!this.#isLoggedIn) return;
    this.#leave();
    this.#messages.say(TEXTS[this.#language].loggedOut, 'bad');
  }

  async #logOut(): Promise<void> {
    this.#live.stop();
    try {
      await this.#api.logOut();
      this.#leave();
    } catch (error) {
      this.#messages.complain(error, TEXTS[this.#language].unreachable);
      if (this.#isLoggedIn) this.#live.start();
    }
  }

  #leave(): void {
    this.#live.stop();
    this.#isLoggedIn = false;
    this.#state.forget();
    this.#build();
  }
}

function firstLanguage(): Language {
  const chosen = browser.localStorage.getItem(LANGUAGE_ITEM);
  if (chosen === 'en' || chosen === 'zh') return chosen;
  return browser.navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

await new App().start();
