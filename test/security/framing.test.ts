import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { ask, IDLE, settled, startProgram } from '../helpers/program.ts';
import type { Program } from '../helpers/program.ts';
import { startUpstream } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';
import { attack, buildInUse, expectedOutcome } from './attack.ts';
import { ATTACKS, tables } from './tables.ts';

const build = buildInUse();
let upstream: Upstream;
let program: Program;

t.before(async () => {
  upstream = await startUpstream(t);
  program = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin, RETRY_TIMES: '0' });
});

for (const [title, attacks] of ATTACKS) {
  t.test(`${title} (${build} build)`, async (t) => {
    const outcomes = await Promise.all(
      attacks.map((one, at) => {
        const mark = `mark-${title.replaceAll(' ', '-')}-${at}.`;
        return attack(program.port, upstream, one, mark, expectedOutcome(one, build));
      }),
    );
    for (const [at, one] of attacks.entries()) {
      const {
        text,
        answers,
        upstream: asked,
        smuggled,
        received,
      } = outcomes[at] as (typeof outcomes)[number];
      t.equal(text, expectedOutcome(one, build), one.name);
      t.equal(
        answers > (one.requests ?? 1),
        one.desyncs === true,
        `${one.name}: answers to what was no request`,
      );
      t.ok(one.desyncs === true || smuggled === 0 || one.requests === 2, `${one.name}: nothing smuggled`);
      t.ok(asked <= (one.requests ?? 1), `${one.name}: upstream is asked no oftener than it should`);
      t.notMatch(received, 'internal_error');
    }
    t.same(await settled(program), IDLE);
    t.equal((await ask(program.port, { method: 'GET', path: '/healthz' })).status, 200);
  });
}

t.test('the tables of the README are these rows', { skip: !existsSync('test/security/README.md') }, (t) => {
  const readme = readFileSync('test/security/README.md', 'utf8');
  t.ok(readme.includes(tables()), 'npm run readme writes them');
  t.end();
});
