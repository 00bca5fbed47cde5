import type { Api } from './api.ts';
import type { PageElement } from './browser.ts';
import type { Messages } from './messages.ts';
import type { PageState } from './state.ts';
import type { Texts } from './texts.ts';

export interface PageContext {
  readonly state: PageState;
  readonly api: Api;
  readonly messages: Messages;
  readonly texts: Texts;
}

/** A part of the page, made once per language. */
export interface Section {
  readonly root: PageElement;
  /** Shows what the state now is; also called every second, since times tick. */
  update(): void;
}
