import type { AccountState } from '../desk.ts';
import type { PageElement } from './browser.ts';
import { el, setAttribute, setText } from './element.ts';
import type { PageContext, Section } from './section.ts';
import { STATES } from './state.ts';

interface Tile {
  readonly state: AccountState;
  readonly root: PageElement;
  readonly count: PageElement;
  readonly share: PageElement;
}

/** How many accounts are in which state, and what is under way. A press on a state filters by it. */
export function overview({ state, texts }: PageContext): Section {
  const tiles = STATES.map((name) => tile(name, texts.states[name], () => toggle(name)));
  const toggle = (name: AccountState): void => {
    state.stateFilter = state.stateFilter === name ? null : name;
    state.page = 0;
    state.touch();
  };
  const inFlight = figure(texts.inFlight);
  const waiting = figure(texts.waiting);
  const root = el(
    'section',
    { class: 'overview', 'aria-label': texts.summary },
    el('div', { class: 'shares', 'aria-hidden': 'true' }, ...tiles.map(({ share }) => share)),
    el('div', { class: 'tiles' }, ...tiles.map((each) => each.root), inFlight.root, waiting.root),
  );
  return {
    root,
    update: () => {
      const summary = state.rest?.summary;
      for (const each of tiles) {
        const count = summary?.accounts[each.state] ?? 0;
        setText(each.count, summary ? String(count) : '–');
        setAttribute(each.root, 'aria-pressed', String(state.stateFilter === each.state));
        each.share.style.setProperty('flex-grow', String(count));
      }
      setText(inFlight.count, summary ? String(summary.inFlight) : '–');
      setText(waiting.count, summary ? String(summary.waiting) : '–');
    },
  };
}

function tile(state: AccountState, label: string, onPress: () => void): Tile {
  const count = el('strong', {}, '–');
  const name = el('span', { class: `tile-name dot ${state}` }, label);
  const root = el('button', { type: 'button', class: 'tile', 'aria-pressed': 'false' }, count, name);
  root.addEventListener('click', onPress);
  return { state, root, count, share: el('span', { class: `share ${state}` }) };
}

function figure(label: string): { readonly root: PageElement; readonly count: PageElement } {
  const count = el('strong', {}, '–');
  return {
    root: el('div', { class: 'tile figure' }, count, el('span', { class: 'tile-name' }, label)),
    count,
  };
}
