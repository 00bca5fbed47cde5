import { ANSWERS } from './attacks/answers.ts';
import { BODY_FRAMING } from './attacks/body-framing.ts';
import { CHUNKS } from './attacks/chunks.ts';
import { HEAD } from './attacks/head.ts';
import { PATHS } from './attacks/paths.ts';
import { REQUEST_LINE } from './attacks/request-line.ts';
import { expectedOutcome } from './attack.ts';
import type { Attack } from './attack.ts';

/** The attacks that depend on the build of uWebSockets.js, by what they are about. */
export const ATTACKS: readonly (readonly [title: string, attacks: readonly Attack[]])[] = [
  ['where a body ends', BODY_FRAMING],
  ['chunks', CHUNKS],
  ['lines of the head', HEAD],
  ['the request line', REQUEST_LINE],
];

/** All rows as Markdown. */
export function tables(): string {
  const ofBuilds = ATTACKS.map(([title, attacks]) =>
    table(
      title,
      ['attack', 'current build (20.57)', 'older build (20.30)'],
      attacks.map((one) => [
        one.name + (one.desyncs === true ? ' (!)' : ''),
        expectedOutcome(one, 'current'),
        expectedOutcome(one, 'older'),
      ]),
    ),
  );
  const paths = table(
    'paths',
    ['path', 'with `API_PREFIX=/secret`', 'without'],
    PATHS.map(({ path, prefixed, bare }) => [`\`${path}\``, prefixed, bare]),
  );
  const answers = table(
    'answers of upstream, through the gateway',
    ['answer', 'what the client gets'],
    ANSWERS.map(({ name, outcome }) => [name, outcome]),
  );
  return [...ofBuilds, paths, answers].join('\n');
}

function table(title: string, columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [columns, columns.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return `### ${title[0]?.toUpperCase()}${title.slice(1)}\n\n${lines.join('\n')}\n`;
}
