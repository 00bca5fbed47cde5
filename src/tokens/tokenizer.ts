import { readFile } from 'node:fs/promises';
import { setImmediate as breathe } from 'node:timers/promises';
import type { Encoding } from '../openai/models.ts';
import type { Tokenizer } from '../openai/tokenizer.ts';
import { vocabularyFile } from './vocabulary-file.ts';
import type { Vocabulary, VocabularyEntry } from './vocabulary-file.ts';

/** Special tokens in somebody's text are text. */
const AS_TEXT = { disallowedSpecial: new Set<string>() };

/** Merges remembered per encoding; the library's own 100,000 would keep that many pieces of users' text. */
const MERGE_CACHE_ENTRIES = 4096;

const read = new Map<Encoding, Promise<Vocabulary>>();
const loaded = new Map<Encoding, Promise<Tokenizer>>();

/**
 * Loads an encoding once per process; a vocabulary takes some 50 MB. Blocks the thread for milliseconds
 * at a time, and once for as long as the library takes to index the vocabulary.
 */
export function loadTokenizer(encoding: Encoding): Promise<Tokenizer> {
  const known = loaded.get(encoding);
  if (known !== undefined) return known;
  const loading = load(encoding);
  loaded.set(encoding, loading);
  return loading;
}

/** What of that is done in slices: who has time does this first, and the rest in a quiet moment. */
export function readVocabulary(encoding: Encoding): Promise<Vocabulary> {
  const known = read.get(encoding);
  if (known !== undefined) return known;
  const reading = parseVocabulary(encoding);
  read.set(encoding, reading);
  return reading;
}

async function load(encoding: Encoding): Promise<Tokenizer> {
  const vocabulary = await readVocabulary(encoding);
  const { GptEncoding } = await import('gpt-tokenizer/GptEncoding');
  await breathe();
  const codec = GptEncoding.getEncodingApi(encoding, () => vocabulary);
  codec.setMergeCacheSize(MERGE_CACHE_ENTRIES);
  return {
    count: (text) => codec.countTokens(text, AS_TEXT),
    tokenSizes: (text) => codec.encode(text, AS_TEXT).map((token) => sizeOf(vocabulary[token] ?? '')),
  };
}

/**
 * Not the library's own modules: compiling one blocks the thread three times as long as it takes to parse
 * the same as JSON, and JSON can be read line by line.
 */
async function parseVocabulary(encoding: Encoding): Promise<Vocabulary> {
  const file = await readFile(vocabularyFile(encoding));
  const vocabulary: VocabularyEntry[] = [];
  for (let from = 0; from < file.length;) {
    const end = file.indexOf('\n', from);
    vocabulary.push(...(JSON.parse(file.toString('utf8', from, end)) as VocabularyEntry[]));
    from = end + 1;
    await breathe();
  }
  return vocabulary;
}

function sizeOf(entry: VocabularyEntry): number {
  return typeof entry === 'string' ? Buffer.byteLength(entry) : entry.length;
}
