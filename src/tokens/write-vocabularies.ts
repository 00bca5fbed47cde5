import { writeFileSync } from 'node:fs';
import cl100k from 'gpt-tokenizer/bpeRanks/cl100k_base';
import o200k from 'gpt-tokenizer/bpeRanks/o200k_base';
import { vocabularyFile } from './vocabulary-file.ts';
import type { Vocabulary } from './vocabulary-file.ts';

// A step of the build: the vocabularies in a form that loads in slices.

/** Some 2 ms of parsing. */
const ENTRIES_PER_LINE = 4096;

write('cl100k_base', cl100k);
write('o200k_base', o200k);

function write(encoding: 'cl100k_base' | 'o200k_base', vocabulary: Vocabulary): void {
  const lines: string[] = [];
  for (let from = 0; from < vocabulary.length; from += ENTRIES_PER_LINE) {
    lines.push(`${JSON.stringify(vocabulary.slice(from, from + ENTRIES_PER_LINE))}\n`);
  }
  writeFileSync(vocabularyFile(encoding), lines.join(''));
}
