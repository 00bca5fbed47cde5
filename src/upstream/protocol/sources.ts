import { isRecord, itemsOf, textOr } from './loose.ts';
import { toLink, toLinks } from './links.ts';
import type { Link } from './links.ts';
import type { WireCitation, WireMetadata, WireReference } from './wire.ts';

/** A marker in a message's text. `start` and `end` in code points from the beginning of the text. */
export interface Marker {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** What stands in a marker's place: ready-made text, or links, perhaps none. */
export type Replacement = { readonly text: string } | { readonly links: readonly Link[] };

const MAX_SOURCES = 2000;
/** References that never come to text or links: pictures beside the text, lists under it. */
const WORDLESS = new Set(['image_v2', 'image_inline', 'sources_footnote']);

/** What the message says about a marker so far; null: nothing yet. */
export function replacementOf(marker: Marker, metadata: WireMetadata | undefined): Replacement | null {
  if (!isRecord(metadata)) return null;
  return fromReferences(marker, metadata.content_references) ?? fromCitations(marker, metadata.citations);
}

function fromReferences(marker: Marker, references: unknown): Replacement | null {
  const found = findReference(marker, references);
  if (found === null) return null;
  const matched = found.matched_text as string;
  // One reference may stand for several markers in a row: the first of them is replaced.
  if (matched !== marker.text && !matched.trimStart().startsWith(marker.text)) return { links: [] };
  const alt = textOr(found.alt, '');
  if (alt !== '') return { text: alt };
  const links = linksOf(found);
  if (links.length > 0) return { links };
  return WORDLESS.has(textOr(found.type, '')) ? { links } : null;
}

/** By its text, for a text's marker always means the same; by its place where two share one text. */
function findReference(marker: Marker, references: unknown): WireReference | null {
  let found: WireReference | null = null;
  for (const reference of itemsOf(references, MAX_SOURCES)) {
    if (!isRecord(reference)) continue;
    const matched = reference['matched_text'];
    if (typeof matched !== 'string' || !matched.includes(marker.text)) continue;
    if (reference['start_idx'] === marker.start) return reference;
    found ??= reference;
  }
  return found;
}

function linksOf({ items, title, url }: WireReference): Link[] {
  const links = toLinks(items);
  if (links.length > 0) return links;
  const own = toLink(title, url);
  return own === null ? [] : [own];
}

function fromCitations(marker: Marker, citations: unknown): Replacement | null {
  const links: Link[] = [];
  let isKnown = false;
  for (const citation of itemsOf(citations, MAX_SOURCES)) {
    if (!isRecord(citation) || !covers(citation, marker)) continue;
    isKnown = true;
    const link = toCitedLink(citation);
    if (link !== null && links.every(({ url }) => url !== link.url)) links.push(link);
  }
  return isKnown ? { links } : null;
}

function covers({ start_ix: start, end_ix: end }: WireCitation, marker: Marker): boolean {
  return typeof start === 'number' && typeof end === 'number' && start < marker.end && end > marker.start;
}

function toCitedLink({ invalid_reason: invalid, metadata }: WireCitation): Link | null {
  if (typeof invalid === 'string' && invalid !== '') return null;
  return isRecord(metadata) ? toLink(metadata.title, metadata.url) : null;
}
