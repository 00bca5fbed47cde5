import type { NodeView } from '../desk.ts';
import type { PageElement } from './browser.ts';
import { el, tableCell, tableHead } from './element.ts';
import type { PageContext, Section } from './section.ts';
import { successRate } from './success-rate.ts';
import type { Texts } from './texts.ts';
import { until } from './times.ts';

/** Gateways and outbound proxies: which are well, which rest, and for how long. */
export function nodesSection({ state, texts }: PageContext): Section {
  const gateways = el('div');
  const proxies = el('div');
  let shown = '';
  return {
    root: el('div', { class: 'columns' }, card(texts.gateways, gateways), card(texts.proxies, proxies)),
    update: () => {
      if (state.rest === null) return;
      const { nowMs } = state;
      const lists = [state.rest.gateways, state.rest.exits].map((nodes) =>
        nodes.map((node) => lineOf(node, nowMs, texts)),
      );
      if (JSON.stringify(lists) === shown) return;
      shown = JSON.stringify(lists);
      gateways.replaceChildren(table(lists[0] ?? [], texts, '–'));
      proxies.replaceChildren(table(lists[1] ?? [], texts, texts.noProxies));
    },
  };
}

interface Line {
  readonly state: NodeView['state'];
  readonly note: string;
  readonly values: readonly string[];
}

function lineOf(node: NodeView, nowMs: number, texts: Texts): Line {
  const latency = node.latencyMs === null ? '–' : `${Math.round(node.latencyMs)} ms`;
  return {
    state: node.state,
    note: [node.reason ?? '', until(node.untilMs, nowMs, texts)].filter((part) => part !== '').join(' · '),
    values: [node.name, latency, successRate(node), String(node.inFlight), String(node.ejections)],
  };
}

function card(title: string, content: PageElement): PageElement {
  return el(
    'section',
    { class: 'card', 'aria-label': title },
    el('div', { class: 'card-head' }, el('h2', {}, title)),
    content,
  );
}

function table(lines: readonly Line[], texts: Texts, whenEmpty: string): PageElement {
  if (lines.length === 0) return el('p', { class: 'empty' }, whenEmpty);
  const names = [texts.name, texts.latency, texts.success, texts.inFlight, texts.ejections];
  return el(
    'table',
    { role: 'table' },
    tableHead([texts.state, ...names]),
    el('tbody', { role: 'rowgroup' }, ...lines.map((line) => row(line, names, texts))),
  );
}

function row({ state, note, values }: Line, names: readonly string[], texts: Texts): PageElement {
  const pill = el('span', { class: `pill ${state}` }, texts.nodeStates[state]);
  return el(
    'tr',
    { role: 'row' },
    tableCell(texts.state, pill, el('span', { class: 'note' }, note)),
    ...values.map((value, i) =>
      tableCell(names[i] ?? '', el('span', { class: i === 0 ? 'wrap' : 'number' }, value)),
    ),
  );
}
