import t from 'tap';
import { askChat, chatBytes, IDLE, settled, startProgram } from '../helpers/program.ts';
import { startUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/loopback.ts';
import { shoot } from './attack.ts';

/** uWebSockets.js asks for 16 KiB a second of a body, looks at it every 10 s, and may be 4 s late. */
const CUT_WITHIN_MS = 50_000;

const WHOLE = chatBytes({ stream: false });
const HEAD_LENGTH = WHOLE.indexOf('\r\n\r\n') + 4;

t.test('who sends a byte at a time is cut off, and holds no place', { timeout: 80_000 }, async (t) => {
  const upstream = await startUpstream(t);
  const program = await startProgram(t, {
    CHATGPT_BASE_URL: upstream.origin,
    MAX_INFLIGHT: '4',
    MAX_QUEUE: '4',
  });
  const inHead = shoot(program.port, WHOLE.slice(0, 10));
  const inBody = [1, 2, 3].map(() => shoot(program.port, WHOLE.slice(0, HEAD_LENGTH)));
  const all = [inHead, ...inBody];
  let sent = 0;
  const drip = setInterval(() => {
    for (const shot of all) shot.send(sent % 2 === 0 ? ' ' : 'x');
    sent += 1;
  }, 500);
  t.teardown(() => clearInterval(drip));
  t.equal((await askChat(program.port)).status, 200, 'others are served meanwhile');
  t.ok(await until(() => inBody.every((shot) => shot.isClosed()), CUT_WITHIN_MS), 'slow bodies end');
  t.comment(`after ${sent / 2} s; the slow head is ${inHead.isClosed() ? 'cut' : 'still there'}`);
  for (const shot of all) shot.end();
  t.same(await settled(program), IDLE);
  t.equal(upstream.askedAt('/conversation').length, 1);
});
