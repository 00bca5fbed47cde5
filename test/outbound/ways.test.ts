import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { ChatError } from '../../src/errors.ts';
import type { ErrorCode, ErrorDetails } from '../../src/errors.ts';
import { createExchange } from '../../src/outbound/exchange.ts';
import { createExits, DIRECT } from '../../src/outbound/exits.ts';
import type { NodeEvent } from '../../src/outbound/health.ts';
import type { SetPolicy } from '../../src/outbound/node-set.ts';
import { timedSend } from '../../src/outbound/timed-send.ts';
import type { Way, WayAsk, WayLease } from '../../src/outbound/way.ts';
import { createWays } from '../../src/outbound/ways.ts';

const ANY: WayAsk = { prefer: null, avoid: [] };
const dead = (): ChatError =>
  new ChatError('upstream_unreachable', 'refused', { place: 'exit', unsent: true });
const unwell = (): ChatError => new ChatError('upstream_error', '503');
const lost = (): ChatError => new ChatError('upstream_unreachable', 'reset');

/** A stream of numbers in [0, 1), the same for the same seed (mulberry32). */
function seeded(seed: number): () => number {
  let at = seed;
  return () => {
    at = (at + 0x6d2b79f5) | 0;
    let mixed = Math.imul(at ^ (at >>> 15), at | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Given {
  readonly exits?: number;
  readonly gateways?: number;
  readonly policy?: Partial<SetPolicy>;
}

function world({ exits = 3, gateways = 1, policy = {} }: Given = {}) {
  const events: NodeEvent[] = [];
  const clock = { now: 1_000_000 };
  const names = Array.from({ length: exits }, (_, at) => `outbound proxy ${at + 1}`);
  const origins = Array.from({ length: gateways }, (_, at) => `https://user:canary@g${at + 1}.example/base`);
  const ways = createWays({
    exits: names,
    gateways: origins.map((origin) => `${origin}/`),
    nowMs: () => clock.now,
    random: seeded(7),
    onEvent: (event) => void events.push(event),
    policy,
  });
  const way = (exit: number, gateway = 1): Way => ({
    exit: names[exit - 1] as string,
    origin: origins[gateway - 1] as string,
  });
  /** Goes that very way, wherever it stands. */
  const go = (to: Way, failure: ChatError | null, times = 1): void => {
    for (let time = 0; time < times; time += 1) {
      const others = names.filter((exit) => exit !== to.exit);
      const otherOrigins = origins.filter((origin) => origin !== to.origin);
      const avoid = [...others, ...otherOrigins].flatMap((name) => [{ exit: name, origin: name }]);
      const lease = ways.pick({ prefer: to, avoid });
      if (lease.way.exit !== to.exit || lease.way.origin !== to.origin) {
        lease.release(new ChatError('internal_error', 'not this one'));
        throw new Error(`the way through ${to.exit} was not to be had`);
      }
      lease.release(failure);
    }
  };
  const exit = (number: number) => ways.views().exits[number - 1];
  const gateway = (number: number) => ways.views().gateways[number - 1];
  /** Where so many requests go, all of which succeed at once. */
  const spread = (count: number, ask: WayAsk = ANY): Record<string, number> => {
    const counts: Record<string, number> = Object.fromEntries(names.map((name) => [name, 0]));
    for (let at = 0; at < count; at += 1) {
      const lease = ways.pick(ask);
      counts[lease.way.exit] = (counts[lease.way.exit] ?? 0) + 1;
      lease.release(null);
    }
    return counts;
  };
  return { ways, way, go, exit, gateway, events, clock, names, origins, spread };
}

t.test('hard failures in a row eject, a success between them saves, and events name no secrets', (t) => {
  const { go, way, exit, events, gateway, clock } = world();
  go(way(1), dead(), 4);
  go(way(1), null);
  go(way(1), dead(), 4);
  t.equal(exit(1)?.state, 'well');
  go(way(1), dead());
  t.match(exit(1), {
    state: 'ejected',
    reason: 'upstream_unreachable',
    ejections: 1,
    failed: 9,
    succeeded: 1,
  });
  t.equal(exit(1)?.untilMs, clock.now + 30_000);
  t.equal(gateway(1)?.name, 'g1.example/base');
  t.equal(gateway(1)?.failed, 0, "the exit's fault is not the gateway's");
  t.strictSame(events, [
    {
      node: 'outbound proxy 1',
      kind: 'ejected',
      reason: 'upstream_unreachable',
      untilMs: clock.now + 30_000,
    },
  ]);
  t.end();
});

t.test('what counts against nobody ejects nobody, and neither do soft failures alone', (t) => {
  const { go, way, exit, gateway } = world({ gateways: 2 });
  const codes: ErrorCode[] = [
    'rate_limit_exceeded',
    'account_unauthorized',
    'internal_error',
    'model_not_found',
  ];
  for (const code of codes) go(way(1), new ChatError(code, 'x'), 50);
  t.match(exit(1), { state: 'well', failed: 0, succeeded: 0, inFlight: 0 });
  go(way(1), new ChatError('anonymous_unavailable', 'x'), 50);
  t.match(exit(1), { state: 'well', failed: 50 }, 'strangers cannot close a way');
  t.equal(gateway(1)?.state, 'well');
  t.end();
});

t.test('a share of failures ejects once there is volume, however many successes are between', (t) => {
  for (const [minVolume, state] of [
    [10, 'ejected'],
    [1000, 'well'],
  ] as const) {
    const { go, way, exit, clock } = world({ policy: { minVolume } });
    for (let at = 0; at < 80 && exit(1)?.state === 'well'; at += 1) {
      go(way(1), at % 4 === 3 ? null : dead());
      clock.now += 25;
    }
    t.equal(exit(1)?.state, state, `minimum volume ${minVolume}`);
  }
  const { go, way, exit, clock } = world();
  for (let at = 0; at < 20; at += 1) {
    go(way(1), dead(), 3);
    go(way(1), null);
    clock.now += 31_000;
  }
  t.equal(exit(1)?.state, 'well', 'what is older than the window is forgotten');
  t.end();
});

t.test('a gateway that fails ejects no exit, and the other way round', (t) => {
  const { go, way, exit, gateway } = world({ exits: 3, gateways: 2 });
  for (let at = 0; at < 30; at += 1) {
    for (const number of [1, 2, 3]) if (gateway(1)?.state === 'well') go(way(number, 1), unwell());
  }
  t.equal(gateway(1)?.state, 'ejected');
  t.equal(gateway(2)?.state, 'well');
  for (const number of [1, 2, 3]) t.match(exit(number), { state: 'well', failed: 0 });
  t.end();
});

t.test('what may be the fault of either finds its culprit', (t) => {
  const one = world({ exits: 3 });
  for (let at = 0; at < 20 && one.exit(1)?.state === 'well'; at += 1) one.go(one.way(1), lost());
  t.equal(one.exit(1)?.state, 'ejected', 'one exit loses everything');
  t.equal(one.gateway(1)?.state, 'well', 'only through that exit');

  const other = world({ exits: 3 });
  for (let at = 0; at < 60; at += 1) other.go(other.way((at % 3) + 1), lost());
  t.equal(other.gateway(1)?.state, 'ejected', 'lost through every exit');
  for (const number of [1, 2, 3]) t.equal(other.exit(number)?.state, 'well');
  for (let minute = 0; minute < 30; minute += 1) {
    other.clock.now += 60_000;
    for (let at = 0; at < 9; at += 1) other.go(other.way((at % 3) + 1), lost());
  }
  for (const number of [1, 2, 3]) t.equal(other.exit(number)?.state, 'well', 'also after half an hour');
  t.end();
});

t.test('a challenge counts against the address that got it, which may be a gateway of its own', (t) => {
  const challenged = (): ChatError => new ChatError('upstream_challenge', 'prove it');
  const byExit = world({ exits: 3, gateways: 2 });
  for (let at = 0; at < 30; at += 1) {
    for (const exit of [1, 2, 3]) {
      if (byExit.exit(exit)?.state === 'well') {
        byExit.go(byExit.way(exit, (at % 2) + 1), exit === 2 ? challenged() : null);
      }
    }
  }
  t.strictSame(
    [1, 2, 3].map((exit) => byExit.exit(exit)?.state),
    ['well', 'ejected', 'well'],
  );
  t.strictSame(
    [1, 2].map((gateway) => byExit.gateway(gateway)?.state),
    ['well', 'well'],
  );

  const byGateway = world({ exits: 3, gateways: 2 });
  for (let at = 0; at < 30; at += 1) {
    for (const gateway of [1, 2]) {
      if (byGateway.gateway(gateway)?.state === 'well') {
        byGateway.go(byGateway.way((at % 3) + 1, gateway), gateway === 2 ? challenged() : null);
      }
    }
  }
  t.strictSame(
    [1, 2, 3].map((exit) => byGateway.exit(exit)?.state),
    ['well', 'well', 'well'],
  );
  t.strictSame(
    [1, 2].map((gateway) => byGateway.gateway(gateway)?.state),
    ['well', 'ejected'],
  );
  t.end();
});

t.test('a part of the nodes stays in use whatever they do, and the cap is what holds it', (t) => {
  const caps = { 1: 0, 2: 1, 3: 2, 4: 2, 5: 3, 10: 7 };
  for (const [count, cap] of Object.entries(caps)) {
    const { ways, events } = world({ exits: Number(count) });
    for (let at = 0; at < 400; at += 1) ways.pick(ANY).release(dead());
    t.equal(events.filter(({ kind }) => kind === 'ejected').length, cap, `${cap} of ${count}`);
  }
  const { ways, events } = world({ exits: 5, policy: { maxShare: 1 } });
  for (let at = 0; at < 400; at += 1) ways.pick(ANY).release(dead());
  t.equal(events.filter(({ kind }) => kind === 'ejected').length, 5, 'red without the cap');
  t.end();
});

t.test('in panic all are used, and the good ones preferred', (t) => {
  for (const [panicShare, least] of [
    [0.3, 1],
    [0, 0],
  ] as const) {
    const { ways, go, way, names } = world({ exits: 5, policy: { panicShare } });
    for (const number of [1, 2, 3, 4]) go(way(number), dead(), 5);
    const counts = new Map<string, number>();
    for (let at = 0; at < 1000; at += 1) {
      const lease = ways.pick(ANY);
      counts.set(lease.way.exit, (counts.get(lease.way.exit) ?? 0) + 1);
      lease.release(lease.way.exit === names[4] ? null : dead());
    }
    const good = counts.get(names[4] as string) ?? 0;
    t.ok(good >= 850, `${good} of 1000 went to the one that works`);
    t.equal(good < 1000, least === 1, 'and some to the others, in case the judgement is wrong');
  }
  t.end();
});

t.test('a node comes back by exactly one probe, and then slowly', (t) => {
  for (const maxProbes of [1, Infinity]) {
    const { ways, go, way, exit, events, clock, names } = world({ policy: { maxProbes } });
    go(way(2), dead(), 5);
    clock.now += 29_999;
    t.equal(exit(2)?.state, 'ejected');
    clock.now += 1;
    t.equal(exit(2)?.state, 'probing');
    const leases = Array.from({ length: 200 }, () => ways.pick(ANY));
    const probes = leases.filter((lease) => lease.way.exit === names[1]);
    t.equal(probes.length === 1, maxProbes === 1, `${probes.length} probes; a herd without the mechanism`);
    if (maxProbes !== 1) continue;
    probes[0]?.release(new ChatError('internal_error', 'The caller left.'));
    t.equal(exit(2)?.state, 'probing', 'who left tells nothing');
    const probe = ways.pick(ANY);
    t.equal(probe.way.exit, names[1], 'and the next one tries');
    probe.release(null);
    t.equal(exit(2)?.state, 'slow_start');
    t.strictSame(
      events.map(({ kind }) => kind),
      ['ejected', 'probing', 'returned'],
    );
    for (const lease of leases) lease.release(null);
    clock.now += 30_000;
    t.match(exit(2), { state: 'well', reason: null, untilMs: null });
  }
  t.end();
});

t.test("a probe's head is success enough: its answer may take half an hour", (t) => {
  const { ways, go, way, exit, clock, names } = world();
  go(way(2), dead(), 5);
  clock.now += 30_000;
  const probe = ways.pick(ANY);
  t.equal(probe.way.exit, names[1]);
  ways.observe(way(2), 30_001);
  t.equal(exit(2)?.state, 'probing', 'a head of a request from before the ejection tells nothing');
  clock.now += 80;
  ways.observe(probe.way, 80);
  t.match(exit(2), { state: 'slow_start', inFlight: 1 });
  probe.release(null);
  t.equal(exit(2)?.inFlight, 0);
  t.end();
});

t.test('ejections grow with their number to a cap, and are forgiven in good times', (t) => {
  const { ways, go, way, exit, clock } = world();
  const durations: number[] = [];
  go(way(2), dead(), 5);
  for (let round = 0; round < 13; round += 1) {
    const untilMs = exit(2)?.untilMs ?? 0;
    durations.push((untilMs - clock.now) / 1000);
    clock.now = untilMs;
    ways.pick(ANY).release(dead());
  }
  t.strictSame(durations, [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300, 300]);
  clock.now = exit(2)?.untilMs ?? 0;
  ways.pick(ANY).release(null);
  clock.now += 30 * 60_000;
  go(way(2), dead(), 5);
  t.equal(exit(2)?.untilMs, clock.now + 30_000, 'after half an hour it is as the first time');
  t.end();
});

t.test('slow start: the share rises over the window, and at once without it', (t) => {
  const shares = (slowStartMs: number): number[] => {
    const { ways, go, way, clock, spread, names } = world({ exits: 4, policy: { slowStartMs } });
    go(way(2), dead(), 5);
    clock.now += 30_000;
    ways.pick(ANY).release(null);
    return [1, 15_000, 15_000].map((ms) => {
      clock.now += ms;
      return (spread(4000)[names[1] as string] ?? 0) / 4000;
    });
  };
  const [first = 1, half = 0, whole = 0] = shares(30_000);
  t.ok(first < 0.08, `first ${first}`);
  t.ok(half > first && half < whole, `then ${half}`);
  t.ok(whole > 0.2 && whole < 0.3, `then ${whole}`);
  t.ok((shares(0)[0] ?? 0) > 0.2, 'red without slow start');
  t.end();
});

t.test('outcomes of requests from before an ejection are not judged after it', (t) => {
  const { ways, go, way, exit, clock } = world();
  const old = Array.from({ length: 20 }, () => ways.pick({ prefer: way(1), avoid: [] }));
  go(way(1), dead(), 5);
  clock.now += 30_000;
  ways.pick(ANY).release(null);
  for (const lease of old) lease.release(dead());
  t.match(exit(1), { state: 'slow_start', ejections: 1, failed: 25, inFlight: 0 });
  t.end();
});

t.test('load goes where there is little of it, and by latency', (t) => {
  const slowShare = (choices: number): number => {
    const { ways, way, clock, names } = world({ exits: 5, policy: { choices } });
    for (const number of [1, 2, 3, 4, 5]) ways.observe(way(number), number === 3 ? 2_000 : 100);
    let slow = 0;
    const open: { lease: WayLease; endsMs: number }[] = [];
    for (let at = 0; at < 5_000; at += 1) {
      clock.now += 2;
      for (const { lease } of open.splice(0, open.findIndex(({ endsMs }) => endsMs > clock.now) + 1 || 0)) {
        ways.observe(lease.way, lease.way.exit === names[2] ? 2_000 : 100);
        lease.release(null);
      }
      const lease = ways.pick(ANY);
      if (lease.way.exit === names[2]) slow += 1;
      open.push({ lease, endsMs: clock.now + (lease.way.exit === names[2] ? 2_000 : 100) });
      open.sort((a, b) => a.endsMs - b.endsMs);
    }
    return slow / 5_000;
  };
  const two = slowShare(2);
  const one = slowShare(1);
  t.ok(two < 0.08, `${two} of the load goes to the slow one of five`);
  t.ok(one > 0.15, `red with one choice: ${one}`);
  t.end();
});

t.test('one bad sample is believed at once and forgotten slowly', (t) => {
  const { ways, way, exit, clock, spread, names } = world({ exits: 2 });
  for (const number of [1, 2]) ways.observe(way(number), 100);
  ways.observe(way(1), 5_000);
  t.equal(exit(1)?.latencyMs, 5_000);
  t.equal(spread(100)[names[0] as string], 0);
  for (let second = 0; second < 60; second += 1) {
    clock.now += 1_000;
    ways.observe(way(2), 100);
  }
  t.ok((spread(100)[names[0] as string] ?? 0) > 0, 'after a minute it gets another chance');
  t.end();
});

t.test('who goes on stays where he was, as long as it is well there', (t) => {
  const { ways, go, way, clock, exit } = world({ exits: 3, gateways: 2 });
  const sticky = { prefer: way(2, 2), avoid: [] };
  for (let at = 0; at < 50; at += 1) t.strictSame(ways.pick(sticky).way, way(2, 2));
  go(way(2, 2), dead(), 5);
  for (let at = 0; at < 20; at += 1) {
    const lease = ways.pick(sticky);
    t.not(lease.way.exit, way(2).exit, 'the exit is out of order');
    t.equal(lease.way.origin, way(1, 2).origin, 'its gateway is not');
    lease.release(null);
  }
  clock.now += 30_000;
  const probe = ways.pick(ANY);
  t.equal(probe.way.exit, way(2).exit);
  t.not(ways.pick(sticky).way.exit, way(2).exit, 'a probe is under way');
  probe.release(null);
  t.equal(exit(2)?.state, 'slow_start');
  t.strictSame(ways.pick(sticky).way, way(2, 2), 'and back');
  t.equal(
    ways.pick({ prefer: { origin: 'https://gone', exit: 'gone' }, avoid: [] }).way.exit.length > 0,
    true,
  );
  t.end();
});

t.test('a failed way is kept clear of where there is another', (t) => {
  const { ways, way } = world({ exits: 3, gateways: 2 });
  for (let at = 0; at < 100; at += 1) {
    const lease = ways.pick({ prefer: way(1, 1), avoid: [way(1, 1), way(2, 1)] });
    t.strictSame(lease.way, way(3, 2));
    lease.release(null);
  }
  const all = [1, 2, 3].map((number) => way(number, 1));
  const lease = ways.pick({ prefer: null, avoid: all });
  t.ok(lease.way.exit, 'when none is left, any');
  t.equal(lease.way.origin, way(1, 2).origin);
  const single = world({ exits: 1, gateways: 1 });
  t.strictSame(single.ways.pick({ prefer: null, avoid: [single.way(1)] }).way, single.way(1));

  const rest = world({ exits: 2 });
  rest.go(rest.way(2), dead(), 5);
  const retry = { prefer: null, avoid: [rest.way(1)] };
  t.equal(rest.ways.pick(retry).way.exit, rest.way(1).exit, 'rather again than to one that is ejected');
  rest.clock.now += 30_000;
  t.equal(rest.ways.pick(retry).way.exit, rest.way(2).exit, 'unless that one waits to be tried');
  t.end();
});

t.test('a request that failed once is no probe as long as there are others', (t) => {
  const { ways, go, way, clock } = world({ exits: 3 });
  go(way(2), dead(), 5);
  clock.now += 30_000;
  t.equal(ways.pick({ prefer: null, avoid: [way(1)] }).way.exit, way(3).exit);
  t.equal(ways.pick(ANY).way.exit, way(2).exit);
  t.end();
});

t.test('unusable: only while every gateway or every exit is out of service', (t) => {
  const { ways, go, way, clock } = world({ exits: 2, gateways: 1 });
  t.equal(ways.unusable(), null);
  for (const number of [1, 2]) go(way(number), dead(), 5);
  t.equal(ways.unusable(), 'no way out is usable (upstream_unreachable)');
  clock.now += 30_000;
  t.equal(ways.unusable(), null, 'nobody would find out that they work again if nobody were let in');
  const single = world({ exits: 1 });
  single.go(single.way(1), unwell(), 5);
  t.equal(single.ways.unusable(), 'no gateway is usable (upstream_error)');
  t.match(single.gateway(1), { state: 'ejected', ejections: 0 });
  single.go(single.way(1), null);
  t.equal(single.ways.unusable(), null);
  t.strictSame(
    single.events.map(({ kind, node }) => `${node} ${kind}`),
    ['g1.example/base failing', 'g1.example/base returned'],
  );
  t.end();
});

t.test('who only looks takes a turn from nobody', (t) => {
  const { ways, clock } = world({ exits: 3 });
  const taken: string[] = [];
  for (let time = 0; time < 6; time += 1) {
    clock.now += 1;
    const seen = ways.look(ANY);
    clock.now += 1;
    const { way, release } = ways.pick(ANY);
    // Before the first round is over all that have not served are alike.
    if (time >= 3) t.same(way, seen, 'it is what was seen');
    taken.push(way.exit);
    release(null);
  }
  t.equal(new Set(taken.slice(0, 3)).size, 3);
  t.same(taken.slice(3), taken.slice(0, 3), 'their turns are even');
  t.end();
});

t.test('a lease counts until it is released, and once', (t) => {
  const { ways, exit, gateway, spread } = world({ exits: 1 });
  const lease = ways.pick(ANY);
  t.match([exit(1)?.inFlight, gateway(1)?.inFlight], [1, 1]);
  for (const failure of [null, dead(), null]) lease.release(failure);
  t.match(exit(1), { inFlight: 0, succeeded: 1, failed: 0 });
  spread(10);
  t.match(gateway(1), { inFlight: 0, succeeded: 11 });
  t.end();
});

t.test('no text of it carries a password', (t) => {
  const { ways, go, way, events } = world({ exits: 2, gateways: 2 });
  const details: ErrorDetails = {};
  for (let at = 0; at < 5; at += 1) go(way(1, 1), new ChatError('upstream_error', 'x', details));
  t.ok(events.length > 0);
  t.notMatch(JSON.stringify([events, ways.views(), ways.unusable()]), 'canary');
  t.end();
});

t.test('heads of successful answers are timed, of refusals and uploads not', async (t) => {
  const server = createServer((request, response) => {
    request.resume().once('end', () => {
      response.statusCode = request.url === '/unwell' ? 503 : 200;
      setTimeout(() => response.end('x'), 30);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const exits = createExits({ proxies: [], connectTimeoutMs: 5_000 });
  t.teardown(async () => {
    await exits.destroy();
    server.close();
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const seen: [string, string, number][] = [];
  const send = timedSend(
    (...call) => exits.send(...call),
    (way, ms) => void seen.push([way.exit, way.origin, ms]),
    () => performance.now(),
  );
  const exchange = createExchange({ send });
  const call = { exit: DIRECT, origin, headers: {}, body: null, timeoutMs: 5_000, step: 'a test' } as const;
  const never = new AbortController().signal;
  t.match(await exchange({ ...call, method: 'GET', path: '/unwell' }, never), { status: 503, text: 'x' });
  const upload = (async function* () {
    yield Buffer.from('abc');
  })();
  await exchange(
    { ...call, method: 'PUT', path: '/file', headers: { 'content-length': '3' }, body: upload },
    never,
  );
  t.strictSame(seen, []);
  t.match(await exchange({ ...call, method: 'GET', path: '/' }, never), { status: 200, text: 'x' });
  t.strictSame(
    seen.map(([exit, to, ms]) => [exit, to, ms > 20]),
    [[DIRECT, origin, true]],
  );
});

t.test('no request tries an exit and a gateway at once: whose fault would it be?', (t) => {
  const { ways, go, way, clock } = world({ exits: 3, gateways: 2 });
  go(way(1, 2), unwell(), 5);
  go(way(2, 1), dead(), 5);
  clock.now += 30_000;
  const first = ways.pick(ANY);
  t.equal(first.way.origin, way(1, 2).origin);
  t.not(first.way.exit, way(2).exit);
  t.strictSame(ways.pick(ANY).way, way(2, 1), 'the next one tries the exit');
  t.end();
});

t.test('who fails, or never answered, does not look better for it', (t) => {
  const silent = world({ exits: 2 });
  silent.ways.observe(silent.way(1), 100);
  t.ok((silent.spread(200)[silent.names[0] as string] ?? 0) > 50, 'no latency is not a short one');
  const failing = world({ exits: 2 });
  failing.go(failing.way(2), dead(), 4);
  t.equal(failing.exit(2)?.state, 'well');
  t.strictSame(failing.spread(100)[failing.names[1] as string], 0, 'avoided already before it is ejected');
  t.end();
});
