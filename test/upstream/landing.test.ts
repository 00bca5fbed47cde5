import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import type { Session } from '../../src/chat/ports.ts';
import { createExchange } from '../../src/outbound/exchange.ts';
import { createExits, DIRECT } from '../../src/outbound/exits.ts';
import { createLanding } from '../../src/upstream/landing.ts';
import type { Landing } from '../../src/upstream/landing.ts';
import { until } from '../helpers/loopback.ts';
import { send, startUpstream } from '../helpers/upstream.ts';
import type { Asked, Upstream } from '../helpers/upstream.ts';

const MINUTE_MS = 60_000;
const never = new AbortController().signal;

interface Bench {
  readonly landing: Landing;
  readonly upstream: Upstream;
  readonly session: Session;
  /** By a clock that stands still. */
  nowMs: number;
  /** What the next page's build is called; null: there is none. */
  build: string | null;
  /** Called before each answer. */
  before: () => Promise<void>;
}

async function open(t: Test): Promise<Bench> {
  const answer = async (asked: Asked): Promise<void> => {
    await bench.before();
    const page = `<html data-build="${bench.build}"><script src="/a.js"></script></html>`;
    send(asked, bench.build === null ? 503 : 200, 'text/html', page);
  };
  const upstream = await startUpstream(t, { landing: answer });
  const exits = createExits({ proxies: [], connectTimeoutMs: 2_000 });
  t.teardown(() => exits.destroy());
  const bench: Bench = {
    landing: createLanding({
      exchange: createExchange(exits),
      profile: { userAgent: 'Mozilla/5.0 (Test)', authKey: null },
      nowMs: () => bench.nowMs,
      timeoutMs: 5_000,
    }),
    upstream,
    session: {
      origin: upstream.origin,
      identity: { token: null, accountId: null },
      account: null,
      deviceId: 'a-device',
      exit: DIRECT,
    },
    nowMs: 1_000,
    build: 'one',
    before: async () => {},
  };
  return bench;
}

/** The build's name as a chat would send it now. */
async function buildOf({ landing, session }: Bench): Promise<string | null> {
  return (await landing.page(session, never)).buildId;
}

/** The same, where nobody has to wait for it; undefined: somebody has. */
function knownBuild({ landing, session }: Bench): string | null | undefined {
  const page = landing.page(session, never);
  return page instanceof Promise ? undefined : page.buildId;
}

t.test('a page that was fetched ahead is there at once, and fetched no more', async (t) => {
  const bench = await open(t);
  await bench.landing.fetchAhead(bench.session, never);
  bench.build = 'two';
  t.match(bench.landing.page(bench.session, never), { buildId: 'one', scripts: ['/a.js'] }, 'no promise');
  t.equal(bench.upstream.asked.length, 1);
  t.match(bench.upstream.asked[0], { method: 'GET', path: '/' });
});

t.test('a chat that comes while it is fetched ahead waits for the same', async (t) => {
  const bench = await open(t);
  const ahead = bench.landing.fetchAhead(bench.session, never);
  t.equal(await buildOf(bench), 'one');
  await ahead;
  t.equal(bench.upstream.asked.length, 1);
});

t.test('what a chat has fetched already is not fetched ahead', async (t) => {
  const bench = await open(t);
  t.equal(await buildOf(bench), 'one');
  await bench.landing.fetchAhead(bench.session, never);
  t.equal(bench.upstream.asked.length, 1);
});

t.test('what cannot be fetched ahead is left to the chat, which asks again', async (t) => {
  const bench = await open(t);
  bench.build = null;
  await bench.landing.fetchAhead(bench.session, never);
  bench.build = 'one';
  t.equal(await buildOf(bench), 'one');
  t.equal(bench.upstream.asked.length, 2);
});

t.test('a page that is due is fetched again while chats go on with it', async (t) => {
  const bench = await open(t);
  t.equal(await buildOf(bench), 'one');
  bench.nowMs += 15 * MINUTE_MS - 1;
  t.equal(await buildOf(bench), 'one');
  t.equal(bench.upstream.asked.length, 1, 'it was not due');
  let letGo = (): void => {};
  bench.before = () => new Promise((resolve) => (letGo = resolve));
  bench.build = 'two';
  bench.nowMs += 1;
  t.equal(knownBuild(bench), 'one', 'nobody waits');
  t.equal(knownBuild(bench), 'one');
  t.ok(await until(() => bench.upstream.asked.length === 2));
  letGo();
  t.ok(await until(() => knownBuild(bench) === 'two'));
  t.equal(bench.upstream.asked.length, 2, 'once for all of them');
});

t.test('a known page outlives a backend that has none, for an hour', async (t) => {
  const bench = await open(t);
  t.equal(await buildOf(bench), 'one');
  bench.build = null;
  for (let minute = 15; minute < 60; minute += 1) {
    bench.nowMs = 1_000 + minute * MINUTE_MS;
    const before = bench.upstream.asked.length;
    t.equal(knownBuild(bench), 'one', `minute ${minute}`);
    t.ok(await until(() => bench.upstream.asked.length === before + 1), 'it is tried once a minute');
    await sleep(5);
  }
  bench.nowMs += MINUTE_MS;
  t.equal(await buildOf(bench), null, 'the stand-in, as of one that was never had');
  bench.build = 'two';
  t.equal(await buildOf(bench), null, 'and not before every chat');
  bench.nowMs += MINUTE_MS;
  t.equal(await buildOf(bench), 'two');
});
