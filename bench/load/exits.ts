import { equal } from 'node:assert/strict';
import { createExchange } from '../../src/outbound/exchange.ts';
import { createExits } from '../../src/outbound/exits.ts';
import type { Exits } from '../../src/outbound/exits.ts';
import { createAuthority } from '../../test/helpers/certificates.ts';
import type { Scope } from '../../test/helpers/certificates.ts';
import { startProxy, whyNot } from '../../test/helpers/real-proxies.ts';
import type { Report } from '../_util/report.ts';
import type { Row } from '../_util/table.ts';
import { startChild } from './child.ts';
import type { Child } from './child.ts';

/** A way to the upstream stand-in. */
interface Way {
  readonly name: string;
  /** As in PROXY_URL; none: straight. */
  readonly proxies: readonly string[];
  readonly ca?: readonly string[];
}

interface Load {
  /** Each holds one chat after the other. */
  readonly clients: number;
  /** What somebody would write at first: a new dispatcher for every request. */
  readonly isNewEachTime: boolean;
}

interface Drive {
  readonly seconds: number;
  readonly handshakes: number;
  /** One for each exchange, in ascending order. */
  readonly latencies: readonly number[];
}

/** The calls of a chat, in their order. */
const CHAT = [
  { method: 'GET', path: '/', body: null },
  { method: 'POST', path: '/backend-anon/sentinel/chat-requirements', body: '{}' },
  { method: 'POST', path: '/backend-anon/conversation', body: '{}' },
] as const;
const ROUNDS = 2;
const ROUND_MS = 450;
const CLIENTS = [1, 10];

/** The calls of chats, straight and through each kind of proxy, with connections kept and without. */
export async function benchExits(): Promise<Report> {
  const tidying: (() => unknown)[] = [];
  const scope: Scope = { teardown: (tidy) => void tidying.push(tidy) };
  try {
    const upstream = await start(scope, './upstream.js', {});
    const origin = `http://127.0.0.1:${upstream.port}`;
    const ways = await startWays(scope);
    for (const way of ways) await drive(way, origin, { clients: 1, isNewEachTime: false });
    const rows: Row[] = [];
    for (const clients of CLIENTS) rows.push(...(await driveAll(ways, origin, clients)));
    return { title: 'the calls of chats by each way out; all processes share the cores', rows };
  } finally {
    for (const tidy of tidying) await tidy();
  }
}

async function start(scope: Scope, program: string, env: NodeJS.ProcessEnv): Promise<Child> {
  const child = await startChild(program, env);
  scope.teardown(() => child.stop());
  return child;
}

/** Our own least proxies are always there; those of others where they are installed. */
async function startWays(scope: Scope): Promise<readonly Way[]> {
  const ways: Way[] = [{ name: 'direct', proxies: [] }];
  for (const kind of ['http', 'socks5']) {
    const { port } = await start(scope, './proxy-server.js', { KIND: kind });
    ways.push({ name: kind, proxies: [`${kind}://127.0.0.1:${port}`] });
  }
  if (whyNot('openssl') === null) {
    const authority = createAuthority(scope);
    const { key, cert } = authority.issue('IP:127.0.0.1');
    const { port } = await start(scope, './proxy-server.js', { KIND: 'https', KEY: key, CERT: cert });
    ways.push({ name: 'https', proxies: [`https://127.0.0.1:${port}`], ca: authority.ca });
  }
  for (const [program, scheme] of [
    ['tinyproxy', 'http'],
    ['microsocks', 'socks5'],
    ['danted', 'socks5'],
  ] as const) {
    if (whyNot(program) !== null) continue;
    const port = await startProxy(scope, program);
    ways.push({ name: `${scheme}, ${program}`, proxies: [`${scheme}://127.0.0.1:${port}`] });
  }
  return ways;
}

async function driveAll(ways: readonly Way[], origin: string, clients: number): Promise<Row[]> {
  const contests = ways.map((way) => ({ way, anew: null as Drive | null, kept: null as Drive | null }));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const entry of contests) {
      entry.anew = better(entry.anew, await drive(entry.way, origin, { clients, isNewEachTime: true }));
      entry.kept = better(entry.kept, await drive(entry.way, origin, { clients, isNewEachTime: false }));
    }
  }
  const direct = contests[0]?.kept ?? null;
  return contests.flatMap(({ way, anew, kept }) =>
    anew === null || kept === null || direct === null
      ? []
      : [
          toRow(clients, `${way.name}, new dispatcher each time (baseline)`, anew, anew, direct),
          toRow(clients, way.name, kept, anew, direct),
        ],
  );
}

/** The quieter round: whatever else the machine does can only slow it down. */
function better(before: Drive | null, now: Drive): Drive {
  return before === null || perSecond(now) > perSecond(before) ? now : before;
}

async function drive({ proxies, ca }: Way, origin: string, load: Load): Promise<Drive> {
  const create = (): Exits =>
    createExits({ proxies, connectTimeoutMs: 10_000, ...(ca === undefined ? {} : { ca }) });
  const kept = create();
  const latencies: number[] = [];
  let handshakes = 0;
  const count = (exits: Exits): void => void (handshakes += exits.stats()[0]?.handshakes ?? 0);
  const startedAt = performance.now();
  const runClient = async (): Promise<void> => {
    while (performance.now() - startedAt < ROUND_MS) {
      for (const call of CHAT) {
        const callAt = performance.now();
        const exits = load.isNewEachTime ? create() : kept;
        const status = await ask(exits, origin, call);
        latencies.push(performance.now() - callAt);
        equal(status, 200);
        if (!load.isNewEachTime) continue;
        count(exits);
        await exits.destroy();
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: load.clients }, runClient));
    const seconds = (performance.now() - startedAt) / 1000;
    count(kept);
    return { seconds, handshakes, latencies: latencies.toSorted((a, b) => a - b) };
  } finally {
    await kept.destroy();
  }
}

async function ask(exits: Exits, origin: string, call: (typeof CHAT)[number]): Promise<number> {
  const request = { ...call, exit: exits.pick(), origin, headers: {}, timeoutMs: 10_000, step: 'a call' };
  return (await createExchange(exits)(request, new AbortController().signal)).status;
}

function perSecond({ latencies, seconds }: Drive): number {
  return latencies.length / seconds;
}

function quantile({ latencies }: Drive, share: number): number {
  return latencies[Math.floor((latencies.length - 1) * share)] ?? Number.NaN;
}

function toRow(clients: number, way: string, driven: Drive, anew: Drive, direct: Drive): Row {
  return {
    case: clients === 1 ? '1 client' : `${clients} clients`,
    way,
    'handshakes/1,000 calls': (driven.handshakes / driven.latencies.length) * 1000,
    'calls/s': perSecond(driven),
    '× baseline': perSecond(driven) / perSecond(anew),
    '× direct': perSecond(driven) / perSecond(direct),
    'p50 ms': quantile(driven, 0.5),
    'p99 ms': quantile(driven, 0.99),
  };
}
