import { cutIntoPieces } from '../pieces.ts';
import type { JsonObject } from '../json-shape.ts';
import type { Message, Step } from '../script.ts';
import type { Flow } from './flow.ts';
import type { Source } from './passages.ts';
import { begin, beginTool, grow, handOver, show, toCode, toText, type Scene } from './scene.ts';

const ICE: Source = {
  title: 'Why ice floats',
  url: 'https://physics.example/ice?from=search',
  snippet: 'Water expands by nine percent when it freezes.',
};
const LAKES: Source = {
  title: 'Lakes (in winter)',
  url: 'https://lakes.example/winter_(season)',
  snippet: 'Fish live on beneath the ice.',
};
const SOURCES = [ICE, LAKES];

/** A search of the web, which the two encodings tell in the ways of their years. */
export const BROWSING: Flow = {
  before: search,
  answer: () => [
    '🧊 Water expands when it freezes — by nine percent — so ice floats ',
    { source: ICE },
    '. Lakes therefore freeze from above ',
    { source: LAKES },
    { source: ICE },
    ', and fish live on below.',
  ],
};

function* search(scene: Scene): Generator<Step> {
  const query = queryOf(scene.prompt);
  for (const step of browse(scene, query)) yield { ...step, only: 'legacy' };
  for (const step of searchTheWeb(scene, query)) yield { ...step, only: 'v1' };
}

function* browse(scene: Scene, query: string) {
  const call = begin(scene, { recipient: 'browser' });
  yield* grow(call, cutIntoPieces(`search(${JSON.stringify(query)})`, 2), toCode('unknown'));
  yield show(handOver(toDisplay(scene, query)));
  for (const source of SOURCES) yield show(handOver(toQuote(scene, source)));
}

function toDisplay(scene: Scene, query: string): Message {
  return beginTool(scene, 'browser', {
    content: {
      content_type: 'tether_browsing_display',
      result: SOURCES.map(({ title, url }, index) => `# 【${index}†${title}†${new URL(url).hostname}】`).join(
        '\n',
      ),
      summary: null,
      assets: [],
      tether_id: null,
    },
    recipient: 'assistant',
    metadata: {
      _cite_metadata: {
        citation_format: { name: 'tether_og', regex: null },
        metadata_list: SOURCES.map(({ title, url, snippet }) => ({
          type: 'webpage',
          title,
          url,
          text: snippet,
        })),
        original_query: query,
      },
      command: 'search',
      args: [query],
      status: 'finished',
    },
  });
}

function toQuote(scene: Scene, { title, url, snippet }: Source): Message {
  const content = {
    content_type: 'tether_quote',
    url,
    domain: new URL(url).hostname,
    text: snippet,
    title,
    tether_id: null,
  };
  return beginTool(scene, 'browser', { content, recipient: 'assistant' });
}

function* searchTheWeb(scene: Scene, query: string) {
  const call = begin(scene, { recipient: 'web.run', channel: 'commentary' });
  yield* grow(call, cutIntoPieces(JSON.stringify({ search_query: [{ q: query }] }), 3), toCode('json'));
  const found = beginTool(scene, 'web.run', { content: toText(''), channel: 'commentary' });
  yield show(
    handOver(found, {
      search_result_groups: SOURCES.map(toResultGroup),
      search_queries: [{ type: 'search', q: query }],
    }),
  );
}

function toResultGroup({ title, url, snippet }: Source, index: number): JsonObject {
  const ref_id = { turn_index: 0, ref_type: 'search', ref_index: index };
  const domain = new URL(url).hostname;
  return {
    type: 'search_result_group',
    domain,
    entries: [{ type: 'search_result', url, title, snippet, ref_id, pub_date: null, attribution: domain }],
  };
}

function queryOf(prompt: string): string {
  return (/\b(?:search|look|browse)\b.*?\bfor\s+([^\n.!?]+)/i.exec(prompt)?.[1] ?? prompt)
    .trim()
    .slice(0, 200);
}
