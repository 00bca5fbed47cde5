import { browser } from './browser.ts';
import type { PageElement } from './browser.ts';

type Attributes = Readonly<Record<string, string | number | boolean | null>>;

/** An element; texts only ever become text. An attribute that is null or false is left out. */
export function el(
  tag: string,
  attributes: Attributes = {},
  ...children: readonly (PageElement | string)[]
): PageElement {
  const element = browser.document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
  element.append(...children);
  return element;
}

export function button(label: string, className: string, onClick: () => void): PageElement {
  const element = el('button', { type: 'button', class: className }, label);
  element.addEventListener('click', onClick);
  return element;
}

/** A label around its input. */
export function field(label: string, input: PageElement, className = 'field'): PageElement {
  return el('label', { class: className }, el('span', { class: 'field-name' }, label), input);
}

/** `last`: the name of a column of buttons, which stand at the edge. */
export function tableHead(names: readonly string[], last: string | null = null): PageElement {
  const head = (name: string, className: string): PageElement =>
    el('th', { role: 'columnheader', scope: 'col', class: className }, name);
  const cells = names.map((name) => head(name, ''));
  if (last !== null) cells.push(head(last, 'last'));
  return el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, ...cells));
}

/** A cell that, on a phone, shows its column's name itself. */
export function tableCell(label: string, ...children: readonly (PageElement | string)[]): PageElement {
  return el('td', { role: 'cell', 'data-label': label }, el('div', { class: 'cell' }, ...children));
}

/** Touches the page only when something changes: a rewritten text loses the reader's selection. */
export function setText(element: PageElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(
  element: PageElement,
  name: string,
  value: string | number | boolean | null,
): void {
  const text = value === true ? '' : String(value);
  if (value === null || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/** Puts the children there unless they are there already, and gives back the focus that moving them takes away. */
export function setChildren(
  parent: PageElement,
  before: readonly PageElement[],
  children: readonly PageElement[],
): void {
  if (before.length === children.length && before.every((child, i) => child === children[i])) return;
  const focused = browser.document.activeElement;
  const isWithin = parent.contains(focused);
  parent.replaceChildren(...children);
  if (isWithin && focused && parent.contains(focused)) focused.focus();
}
