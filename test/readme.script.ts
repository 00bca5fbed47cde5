import { readFileSync, writeFileSync } from 'node:fs';
import { settingsTable } from '../src/settings.ts';

// Rewrites the settings table of the README: `npm run readme`.
const path = 'README.md';
const text = readFileSync(path, 'utf8');
const between = /(?<=<!-- settings:start -->\n)[^]*?(?=<!-- settings:end -->)/;
if (!between.test(text)) throw new Error(`${path} has no settings:start and settings:end markers`);
writeFileSync(
  path,
  text.replace(between, () => `\n${settingsTable()}\n\n`),
);
