import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import cl100k from 'gpt-tokenizer/bpeRanks/cl100k_base';
import o200k from 'gpt-tokenizer/bpeRanks/o200k_base';
import t from 'tap';
import { createLateMetrics } from '../src/late-metrics.ts';
import type { LateMetrics } from '../src/late-metrics.ts';
import type { MetricsSources } from '../src/metrics/sources.ts';
import { TurnMeter } from '../src/metrics/turn-meter.ts';
import { vocabularyFile } from '../src/tokens/vocabulary-file.ts';
import { parseConfig } from '../src/config.ts';
import { createStage } from '../src/rehearsal-stage.ts';
import { rehearse } from '../src/rehearsal.ts';
import { warmUp } from '../src/warm-up.ts';
import type { RehearsalOptions } from '../src/warm-up.ts';
import { until } from './helpers/loopback.ts';
import { askChat, startProgram } from './helpers/program.ts';
import { startUpstream } from './helpers/upstream.ts';

const STATIC_IMPORT = /^(?:import|export) (?:[\w*{},\s$]+ from )?'([^']+)'/gm;

/** Our own modules that are loaded before the program does anything, as paths, and packages by their names. */
function loadedAtStart(entry: string): Set<string> {
  const seen = new Set<string>();
  const visit = (url: URL): void => {
    if (seen.has(url.pathname)) return;
    seen.add(url.pathname);
    for (const [, specifier = ''] of readFileSync(url, 'utf8').matchAll(STATIC_IMPORT)) {
      if (specifier.startsWith('.')) visit(new URL(specifier, url));
      else seen.add(specifier);
    }
  };
  visit(new URL(entry, import.meta.url));
  return seen;
}

t.test('a start loads what listening needs, and nothing that can come later', async (t) => {
  const loaded = [...loadedAtStart('../src/main.js')];
  const has = (part: string): boolean => loaded.some((name) => name.includes(part));
  for (const needed of ['/src/app.js', '/src/http/server.js', '/src/accounts/store.js', 'libsql', 'pino']) {
    t.ok(has(needed), `${needed} is found`);
  }
  for (const late of ['ws', 'undici', 'prom-client', 'pino-pretty', 'gpt-tokenizer']) {
    t.notOk(loaded.includes(late), late);
  }
  for (const late of [
    '/src/sandbox/',
    '/src/demo/',
    '/src/metrics/metrics.js',
    'gpt-tokenizer/',
    'write-vocab',
  ]) {
    t.notOk(has(late), late);
  }
});

t.test("the built vocabularies are the library's", async (t) => {
  for (const [encoding, vocabulary] of [
    ['cl100k_base', cl100k],
    ['o200k_base', o200k],
  ] as const) {
    const lines = readFileSync(fileURLToPath(vocabularyFile(encoding)), 'utf8')
      .trimEnd()
      .split('\n');
    const built = lines.flatMap((line) => JSON.parse(line) as unknown[]);
    t.equal(JSON.stringify(built), JSON.stringify(vocabulary), encoding);
  }
});

const NO_SOURCES: MetricsSources = {
  chats: () => ({}),
  waiting: () => ({}),
  underWay: () => ({ requests: 0, leases: 0, upstreamCalls: 0 }),
  accounts: () => ({}),
  usableAccounts: () => 0,
  eachAccount: () => [],
  nodes: () => [],
  proofs: () => ({
    queued: 0,
    running: 0,
    backlogMs: 0,
    presolved: 0,
    solved: 0,
    failed: 0,
    tries: 0,
    busyMs: 0,
    waitedMs: 0,
    lostSlices: 0,
  }),
  retries: () => ({ made: 0, denied: 0, retrying: 0, allowed: 3 }),
  connections: () => ({ open: 0, opened: 0, reused: 0, requests: 0 }),
  pressure: () => ({ loopDelayMs: 0, heapShare: 0, memoryShare: 0 }),
};

const lateMetrics = (): LateMetrics =>
  createLateMetrics({ sources: NO_SOURCES, turns: new TurnMeter(() => 0) });

t.test('requests that end before the metrics are loaded are counted, once', async (t) => {
  const metrics = lateMetrics();
  const observe = (): void =>
    metrics.observe(
      {
        requestId: 'r',
        method: 'get',
        route: '/x',
        status: 200,
        outcome: 'ok',
        durationMs: 1,
        bytesOut: 0,
        notes: {},
      },
      1,
    );
  observe();
  observe();
  await metrics.load();
  observe();
  await metrics.load();
  t.match(await metrics.render(), /^chat2api_requests_total\{[^}]*route="\/x"[^}]*\} 3$/m);
  t.match(metrics.contentType, /^text\/plain/);
});

t.test('the warm-up waits for a quiet moment, and ends with the program', async (t) => {
  const metrics = lateMetrics();
  const loads: string[] = [];
  const watched = { ...metrics, load: async () => void loads.push(isBusy ? 'busy' : 'quiet') };
  const compileSearch = async (): Promise<void> => {};
  let isBusy = true;
  const closing = new AbortController();
  // The warm-up keeps no process alive.
  const alive = setInterval(() => {}, 1_000);
  t.teardown(() => clearInterval(alive));
  const warming = warmUp({ compileSearch, metrics: watched, isQuiet: () => !isBusy, signal: closing.signal });
  setTimeout(() => (isBusy = false), 300);
  await warming;
  t.same(loads, ['quiet']);

  isBusy = true;
  const ending = warmUp({ compileSearch, metrics: watched, isQuiet: () => !isBusy, signal: closing.signal });
  closing.abort();
  await ending;
  t.same(loads, ['quiet'], 'nothing is loaded any more');
});

/** What keeps this process busy or alive beyond what did before, by kind: the program's own threads may have come to rest. */
function heldBeyond(before: readonly string[]): string[] {
  const left = [...before];
  return process.getActiveResourcesInfo().filter((kind) => {
    const at = left.indexOf(kind);
    if (at !== -1) left.splice(at, 1);
    return at === -1;
  });
}

t.test('a rehearsal shows nowhere, and nothing is left of it', async (t) => {
  const asked: string[] = [];
  const real = createServer((request) => void asked.push(`the real one: ${request.url}`));
  await once(real.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => real.close());
  const origin = `http://127.0.0.1:${(real.address() as AddressInfo).port}`;
  const env = {
    CHATGPT_BASE_URL: origin,
    PROXY_URL: origin,
    ARKOSE_TOKEN_URL: origin,
    AUTHORIZATION: 'sk-operator',
    ADMIN_KEY: 'an-administrator-of-twenty-letters',
    ENABLE_GATEWAY: 'true',
    CHECK_MODEL: 'true',
  };
  const dataDir = join(t.testdir({}), 'data');
  const left: string[] = [];
  let rehearsals = 0;
  const { app, port, lines } = await startProgram(t, env, {
    rehearse: async ({ stream, pause }) => {
      const before = process.getActiveResourcesInfo();
      let chats = 0;
      const stage = createStage((path) => void asked.push(path.split('/').at(-1) ?? ''));
      const counted = async (): Promise<void> => {
        await pause();
        chats += 1;
      };
      await rehearse(parseConfig({ ...env, DATA_DIR: dataDir }), { stream, pause: counted }, stage);
      const conversations = asked
        .splice(0)
        .filter((name) => name === 'conversation' || name.startsWith('the real'));
      t.ok(chats > 1);
      t.same(
        conversations,
        Array.from({ length: chats }, () => 'conversation'),
        'each chat was held, on the stage',
      );
      if (!(await until(() => heldBeyond(before).length === 0))) left.push(...heldBeyond(before));
      rehearsals += 1;
    },
  });
  t.ok(await until(() => rehearsals === 2, 20_000));
  t.same(left, []);
  t.notOk(existsSync(dataDir), 'the disk was not touched');
  t.same(Object.values(app.inflight), [0, 0, 0, 0, 0]);
  t.same(lines, [], 'nothing was logged');
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  t.notMatch(metrics, 'completions', 'nothing was counted');
});

t.test('a rehearsal ends early when it has to, and never fails', async (t) => {
  const config = parseConfig({});
  const asked: string[] = [];
  const stage = createStage((path) => void asked.push(path));
  const before = process.getActiveResourcesInfo();
  await rehearse(config, { stream: true, pause: () => Promise.reject(new Error('not now')) }, stage);
  t.same(asked, []);
  const noLoopback = { open: () => Promise.reject(new Error('no loopback')), close: () => {} };
  await rehearse(config, { stream: true, pause: async () => {} }, noLoopback);
  t.ok(await until(() => heldBeyond(before).length === 0), heldBeyond(before).join());
});

t.test('nobody is rehearsed for while requests come all the time', async (t) => {
  const closing = new AbortController();
  const alive = setInterval(() => {}, 1_000);
  t.teardown(() => clearInterval(alive));
  let isQuiet = true;
  const seen: string[] = [];
  await warmUp({
    compileSearch: async () => {},
    metrics: { ...lateMetrics(), load: async () => void seen.push('metrics') },
    isQuiet: () => isQuiet,
    signal: closing.signal,
    rehearse: async ({ stream, pause }) => {
      await pause();
      if (stream) return;
      isQuiet = false;
      await t.rejects(pause());
      isQuiet = true;
      seen.push('ended');
    },
  });
  t.same(seen, ['ended', 'metrics']);
});

t.test('the gateway is asked for its page before the first chat wants it', async (t) => {
  const upstream = await startUpstream(t);
  const { app, port } = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin }, { opensPage: true });
  t.ok(await until(() => upstream.asked.length === 1));
  t.match(upstream.asked[0], { method: 'GET', path: '/', headers: { authorization: undefined } });
  t.ok(await until(() => app.inflight.upstreamCalls === 0));
  t.equal((await askChat(port)).status, 200);
  t.equal(upstream.asked.filter(({ path }) => path === '/').length, 1, 'it is not asked for again');
});

t.test('several gateways, and one that answers the challenges itself, are asked for no page', async (t) => {
  const [one, other] = [await startUpstream(t), await startUpstream(t)];
  for (const env of [
    { CHATGPT_BASE_URL: `${one.origin},${other.origin}` },
    { CHATGPT_BASE_URL: one.origin, CONVERSATION_ONLY: 'true' },
  ]) {
    let rehearsed = false;
    const rehearse = async ({ stream }: RehearsalOptions): Promise<void> => void (rehearsed = !stream);
    await startProgram(t, env, { opensPage: true, rehearse });
    t.ok(await until(() => rehearsed), 'that comes after the page');
    t.same([...one.asked, ...other.asked], []);
  }
});
