import type { Encoding } from '../openai/models.ts';

/** By token: the text or, where it is no valid UTF-8 by itself, the bytes that it stands for. */
export type VocabularyEntry = string | readonly number[];
export type Vocabulary = readonly VocabularyEntry[];

/** Lines of JSON, each an array of entries, in their order. Written by the build. */
export function vocabularyFile(encoding: Encoding): URL {
  return new URL(`${encoding}.jsonl`, import.meta.url);
}
