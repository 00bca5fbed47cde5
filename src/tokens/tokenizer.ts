import type { Encoding } from '../openai/models.ts';
import type { Tokenizer } from '../openai/tokenizer.ts';

/** Special tokens in somebody's text are text. */
const AS_TEXT = { disallowedSpecial: new Set<string>() };

/** Merges remembered per encoding; the library's own 100,000 would keep that many pieces of users' text. */
const MERGE_CACHE_ENTRIES = 4096;

/** By token: the text or, where it is no valid UTF-8 by itself, the bytes that it stands for. */
type Vocabulary = readonly (string | readonly number[])[];

interface Codec {
  encode(text: string, options: typeof AS_TEXT): number[];
  countTokens(text: string, options: typeof AS_TEXT): number;
  setMergeCacheSize(entries: number): void;
}

/** A vocabulary takes some 50 MB and 0.1 to 0.3 s of the thread, so only those in use are loaded. */
const IMPORTS: Readonly<Record<Encoding, () => Promise<[Codec, { default: Vocabulary }]>>> = {
  o200k_base: () =>
    Promise.all([import('gpt-tokenizer/encoding/o200k_base'), import('gpt-tokenizer/bpeRanks/o200k_base')]),
  cl100k_base: () =>
    Promise.all([import('gpt-tokenizer/encoding/cl100k_base'), import('gpt-tokenizer/bpeRanks/cl100k_base')]),
};

const loaded = new Map<Encoding, Promise<Tokenizer>>();

/** Loads an encoding once per process, blocking the thread while its vocabulary is compiled. */
export function loadTokenizer(encoding: Encoding): Promise<Tokenizer> {
  const known = loaded.get(encoding);
  if (known !== undefined) return known;
  const loading = IMPORTS[encoding]().then(([codec, ranks]) => toTokenizer(codec, ranks.default));
  loaded.set(encoding, loading);
  return loading;
}

function toTokenizer(codec: Codec, vocabulary: Vocabulary): Tokenizer {
  codec.setMergeCacheSize(MERGE_CACHE_ENTRIES);
  return {
    count: (text) => codec.countTokens(text, AS_TEXT),
    tokenSizes: (text) => codec.encode(text, AS_TEXT).map((token) => sizeOf(vocabulary[token] ?? '')),
  };
}

function sizeOf(entry: string | readonly number[]): number {
  return typeof entry === 'string' ? Buffer.byteLength(entry) : entry.length;
}
