import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { defaultOf, SETTINGS, settingsTable, type Setting } from '../src/settings.ts';

/** From build/test, where this runs, to the project. */
const pathOf = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));

/** What stands between the settings markers of a README. */
function settingsOf(text: string): string {
  return /<!-- settings:start -->\n([^]*?)<!-- settings:end -->/.exec(text)?.[1]?.trim() ?? '';
}

t.test('README.md has the settings table as the program would print it', (t) => {
  if (!existsSync(pathOf('README.md'))) t.fail('README.md is missing');
  else
    t.equal(settingsOf(readFileSync(pathOf('README.md'), 'utf8')), settingsTable(), 'if not: npm run readme');
  t.end();
});

t.test('README.zh-CN.md names every setting and its default', (t) => {
  if (!existsSync(pathOf('README.zh-CN.md'))) t.fail('README.zh-CN.md is missing');
  else checkTranslation(t, readFileSync(pathOf('README.zh-CN.md'), 'utf8'));
  t.end();
});

function checkTranslation(t: Test, text: string): void {
  const rows = text.split('\n').filter((line) => line.startsWith('|'));
  for (const setting of Object.values<Setting>(SETTINGS)) {
    const row = rows.find((line) => line.split('|')[1]?.includes(`\`${setting.name}\``));
    t.ok(row, setting.name);
    // Defaults in words are the translator's.
    const value = defaultOf(setting);
    if (value.startsWith('`') && setting.fallbackInWords === null)
      t.ok(row?.includes(value), `${setting.name}: ${value}`);
  }
}
