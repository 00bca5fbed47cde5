import type { JsonObject } from '../json-shape.ts';
import type { Encoding } from '../scenario.ts';
import type { Passage, Source } from './passages.ts';

/** An answer as it stands at one moment. */
export interface Stand {
  readonly text: string;
  readonly metadata: JsonObject;
}

/** How one encoding names a source in the text and what its metadata say about it, at first and then. */
interface Style {
  readonly listName: string;
  /** `index`: of the source within the answer. */
  mark(index: number): string;
  first(source: Source, mark: string, text: string): readonly JsonObject[];
  settle(source: Source, mark: string, text: string, index: number): JsonObject;
}

const STYLES: Readonly<Record<Encoding, Style>> = {
  legacy: {
    listName: 'citations',
    mark: (index) => `【${index}†source】`,
    // The marker arrives as text; what it stands for follows in an event of its own.
    first: () => [],
    settle: toCitation,
  },
  v1: {
    listName: 'content_references',
    mark: (index) => `\ue200cite\ue202turn0search${index}\ue201`,
    first: (_, mark, text) => [{ ...toReference(mark, text), type: 'hidden' }],
    settle: toGroup,
  },
};

/**
 * The stands of an answer that names sources or changes its mind, as one encoding tells them,
 * from the empty one on.
 */
export function* standsOf(passages: readonly Passage[], encoding: Encoding): Generator<Stand> {
  const style = STYLES[encoding];
  let text = '';
  let list: readonly JsonObject[] = [];
  const toStand = (): Stand => ({ text, metadata: { [style.listName]: list } });
  let sources = 0;
  yield toStand();
  for (const passage of passages) {
    if (typeof passage === 'string') text += passage;
    else if ('takeBack' in passage) text = text.slice(0, text.length - passage.takeBack);
    else {
      const mark = style.mark(sources);
      text += mark;
      const earlier = list;
      list = [...earlier, ...style.first(passage.source, mark, text)];
      yield toStand();
      list = [...earlier, style.settle(passage.source, mark, text, sources)];
      yield toStand();
      sources += 1;
      continue;
    }
    yield toStand();
  }
}

function toCitation(source: Source, mark: string, text: string, index: number): JsonObject {
  const end = codePoints(text);
  return {
    start_ix: end - codePoints(mark),
    end_ix: end,
    citation_format_type: 'tether_og',
    invalid_reason: null,
    metadata: {
      type: 'webpage',
      title: source.title,
      url: source.url,
      text: source.snippet,
      pub_date: null,
      extra: { cited_message_idx: index, search_result_idx: null, evidence_text: 'source' },
      og_tags: null,
    },
  };
}

function toReference(mark: string, text: string): JsonObject {
  const end = codePoints(text);
  return { matched_text: mark, start_idx: end - codePoints(mark), end_idx: end, alt: null };
}

function toGroup({ title, url, snippet }: Source, mark: string, text: string): JsonObject {
  return {
    ...toReference(mark, text),
    type: 'grouped_webpages',
    items: [{ title, url, pub_date: null, snippet, attribution: new URL(url).hostname, refs: [] }],
    safe_urls: [url],
  };
}

function codePoints(text: string): number {
  return Array.from(text).length;
}
