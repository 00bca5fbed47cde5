import type { Citation } from '../../conversation/events.ts';
import { isRecord, itemsOf, textOr } from './loose.ts';

export type Link = Citation['links'][number];

const MAX_LINKS = 20;
const MAX_URL_LENGTH = 4096;
const MAX_TITLE_LENGTH = 300;
/** Nothing of a URL that could end it early or hide in it. */
const UNFIT_IN_URL = /[\s\p{Cc}\p{Cs}<>"\uE200-\uE206]/u;
const UNFIT_IN_TITLE = /[\s\p{Cc}\p{Cs}\u2028\u2029\uE200-\uE206]+/gu;

/** Null unless the URL is one of the web. A source without a title goes by its host. */
export function toLink(title: unknown, url: unknown): Link | null {
  if (typeof url !== 'string' || url.length > MAX_URL_LENGTH || UNFIT_IN_URL.test(url)) return null;
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) return null;
  const clean = textOr(title, '').slice(0, MAX_TITLE_LENGTH).replace(UNFIT_IN_TITLE, ' ').trim();
  return { title: clean === '' ? new URL(url).host : clean, url };
}

/** The links among `items`, each address once. */
export function toLinks(items: unknown): Link[] {
  const links = new Map<string, Link>();
  for (const item of itemsOf(items, MAX_LINKS)) {
    const link = isRecord(item) ? toLink(item['title'], item['url']) : null;
    if (link !== null && !links.has(link.url)) links.set(link.url, link);
  }
  return [...links.values()];
}
