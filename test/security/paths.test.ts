import t from 'tap';
import { IDLE, settled, startProgram } from '../helpers/program.ts';
import { send, startUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/loopback.ts';
import { shoot, statusesOf } from './attack.ts';
import { PATHS } from './attacks/paths.ts';

/** What upstream answers with, and nobody else. */
const UPSTREAM = 203;

const PROGRAMS = { prefixed: 'secret', bare: '' } as const;

for (const kind of ['prefixed', 'bare'] as const) {
  t.test(`paths around the routes, ${kind}: ours, upstream's, or nobody's`, async (t) => {
    const upstream = await startUpstream(t, { landing: (asked) => send(asked, UPSTREAM, 'text/plain', '') });
    const program = await startProgram(t, {
      CHATGPT_BASE_URL: upstream.origin,
      API_PREFIX: PROGRAMS[kind],
      ADMIN_KEY: 'the-operator',
      ENABLE_GATEWAY: 'true',
    });
    const outcomes = await Promise.all(
      PATHS.map(async ({ path, [kind]: expected }, at) => {
        const shot = shoot(program.port, `GET ${path} HTTP/1.1\r\nHost: x\r\nX-Mark: ${at}\r\n\r\n`);
        const outcome = (): string =>
          [
            ...statusesOf(shot.received()),
            ...upstream.asked.filter(({ headers }) => headers['x-mark'] === `${at}`).map((one) => one.path),
          ].join(' ');
        await until(() => outcome() === expected, 10_000);
        shot.end();
        return outcome();
      }),
    );
    for (const [at, one] of PATHS.entries()) t.equal(outcomes[at], one[kind], one.path);
    const askedTwice = upstream.asked.length - outcomes.filter((text) => text?.includes('/')).length;
    t.equal(askedTwice, 0, 'upstream is asked for nothing else');
    t.same(await settled(program), IDLE);
  });
}
