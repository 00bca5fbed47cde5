import { readFileSync, writeFileSync } from 'node:fs';
import { tables } from './tables.ts';

/** Writes the tables of `test/security/README.md` from the rows that the tests run. */
const README = 'test/security/README.md';
const [before = '', , after = ''] = readFileSync(README, 'utf8').split(
  /(?<=<!-- attacks:begin -->\n)|(?=<!-- attacks:end -->)/,
);
writeFileSync(README, `${before}\n${tables()}\n${after}`);
