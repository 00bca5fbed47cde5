import '../helpers/bare-threads.ts';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import { passes } from '../../src/sentinel/proof.ts';
import { expectedTries } from '../../src/threads/expected-tries.ts';
import { Line } from '../../src/threads/line.ts';
import type { Queued, Urgency } from '../../src/threads/line.ts';
import { createProofPool } from '../../src/threads/pool.ts';
import type { ProofAnswer, ProofPool, ProofPoolOptions } from '../../src/threads/pool.ts';
import type { ProofPuzzle } from '../../src/threads/tasks.ts';
import { cutConfig } from '../helpers/cut-config.ts';

const TEXT = cutConfig([
  3000,
  'a date',
  1,
  'agent',
  'script',
  'build',
  'en-US',
  'en',
  'webdriver\u2212false',
]);
const EASY: ProofPuzzle = { seed: '0.5', difficulty: '00ffff', text: TEXT };
/** Nobody finds this one. */
const ENDLESS: ProofPuzzle = { seed: '0.5', difficulty: '0'.repeat(64), text: TEXT };
const FRAGILE = fileURLToPath(new URL('./fragile-worker.script.js', import.meta.url));
const never = new AbortController().signal;

function openPool(t: Test, options: Partial<ProofPoolOptions> = {}): ProofPool {
  const pool = createProofPool({
    threads: 1,
    maxQueue: 50,
    queueTimeoutMs: 30_000,
    timeoutMs: 30_000,
    ...options,
  });
  t.teardown(() => pool.destroy());
  return pool;
}

interface Leaving {
  readonly outcome: Promise<ProofAnswer>;
  leave(): Promise<void>;
}

/** A client that can leave. */
function ask(pool: ProofPool, puzzle: ProofPuzzle, urgency: Urgency = 'client'): Leaving {
  const leaving = new AbortController();
  const outcome = pool.solve(puzzle, leaving.signal, urgency);
  const gone = outcome.then(
    () => undefined,
    () => undefined,
  );
  return {
    outcome,
    leave() {
      leaving.abort();
      return gone;
    },
  };
}

async function atRest(pool: ProofPool): Promise<object> {
  for (let waits = 0; pool.running > 0 && waits < 1_000; waits += 1) await sleep(2);
  return { queued: pool.queued, running: pool.running, backlogMs: pool.backlogMs };
}

const REST = { queued: 0, running: 0, backlogMs: 0 };

/** More work than one thread can do in the time, once in many tries: a busy machine may lend a core for most of it. */
async function bothWereAtIt(pool: ProofPool): Promise<boolean> {
  for (let window = 0; window < 100; window += 1) {
    const before = { busyMs: pool.stats.busyMs, atMs: performance.now() };
    await sleep(200);
    const elapsedMs = performance.now() - before.atMs;
    // A slice that ended in this window may have begun before it.
    if (pool.stats.busyMs - before.busyMs > elapsedMs * 1.3) return true;
  }
  return false;
}

function isSolved({ seed, difficulty }: ProofPuzzle, { base64 }: ProofAnswer): boolean {
  return passes(
    createHash('sha3-512')
      .update(seed + base64)
      .digest(),
    difficulty,
  );
}

t.test('threads find what the verifier accepts, in common', async (t) => {
  const pool = openPool(t, { threads: 2 });
  const hard = { ...EASY, difficulty: '0003ff' };
  t.ok(isSolved(EASY, await pool.solve(EASY, never)));
  t.ok(isSolved(hard, await pool.solve(hard, never)));
  t.same(await atRest(pool), REST);
  t.match(pool.stats, { solved: 2, failed: 0, lostSlices: 0 });
  const endless = ask(pool, ENDLESS);
  t.match({ queued: pool.queued, running: pool.running }, { queued: 0, running: 1 });
  t.ok(await bothWereAtIt(pool), 'both were at it');
  await endless.leave();
  await atRest(pool);
});

t.test('a cancelled search stops and its thread goes on with the next', async (t) => {
  const pool = openPool(t);
  await pool.solve(EASY, never);
  const before = pool.threadIds;
  for (let round = 0; round < 5; round += 1) {
    const leaving = new AbortController();
    const endless = pool.solve(ENDLESS, leaving.signal);
    const reason = new Error('the client left');
    setTimeout(() => leaving.abort(reason), 20);
    await t.rejects(endless, reason);
    const startMs = performance.now();
    await pool.solve(EASY, never);
    t.ok(performance.now() - startMs < 1_000, 'the thread was free again');
  }
  t.same(pool.threadIds, before);
  t.same(await atRest(pool), REST);
});

t.test('an easy one does not wait for hard ones, and the oldest hard one gets its share', async (t) => {
  const pool = openPool(t);
  const hard = { ...EASY, difficulty: '000fff' };
  const oldest = pool.solve(hard, never);
  const endless = Array.from({ length: 5 }, () => ask(pool, { ...ENDLESS, difficulty: '0000000f' }));
  let easy = 0;
  let isFlooding = true;
  const flood = async (): Promise<void> => {
    for (; isFlooding; easy += 1) await pool.solve(EASY, never);
  };
  const floods = Array.from({ length: 3 }, flood);
  t.ok(isSolved(hard, await oldest));
  isFlooding = false;
  await Promise.all(floods);
  t.ok(easy > 0);
  t.equal(pool.queued + pool.running, 5, 'nobody else came to an end');
  await Promise.all(endless.map((one) => one.leave()));
  t.same(await atRest(pool), REST);
});

t.test('what nobody waits for gets the time that nobody wants', async (t) => {
  const pool = openPool(t, { timeoutMs: 1_000 });
  const background = ask(pool, EASY, 'background');
  t.ok(isSolved(EASY, await background.outcome));
  const endless = ask(pool, ENDLESS, 'background');
  t.ok(isSolved(EASY, await pool.solve(EASY, never)), 'a client comes before it');
  const client = pool.solve(ENDLESS, never);
  const waiting = pool.solve(EASY, never, 'background');
  const first = await Promise.race([client.catch(() => 'client'), waiting.then(() => 'background')]);
  t.equal(first, 'client');
  t.ok(isSolved(EASY, await waiting));
  await t.rejects(endless.outcome, { code: 'upstream_timeout' }, 'its time counts while it is searched only');
});

t.test('the queue is bounded, and what leaves it makes room', async (t) => {
  const pool = openPool(t, { maxQueue: 2 });
  const three = [ask(pool, ENDLESS), ask(pool, ENDLESS), ask(pool, ENDLESS)];
  await t.rejects(pool.solve(EASY, never), { code: 'proxy_overloaded', retryAfterS: 60 });
  t.equal(pool.backlogMs, 90_000);
  await three[1]?.leave();
  t.ok(isSolved(EASY, await pool.solve(EASY, never)));
  t.equal(pool.queued + pool.running, 2);
  await t.rejects(pool.solve(EASY, AbortSignal.abort()), { name: 'AbortError' });
  await Promise.all(three.map((one) => one.leave()));
  t.same(await atRest(pool), REST);
});

t.test('a deadline says whether a thread was missing or the proof too long', async (t) => {
  const pool = openPool(t, { timeoutMs: 1_500, queueTimeoutMs: 700 });
  while (pool.stats.solved === 0) await pool.solve(EASY, never).catch(() => 'still starting');
  const { failed, waitedMs } = pool.stats;
  const searching = pool.solve(ENDLESS, never);
  const waiting = pool.solve(ENDLESS, never);
  await Promise.all([
    t.rejects(searching, { code: 'upstream_timeout', message: /proof of work/ }),
    t.rejects(waiting, { code: 'proxy_overloaded' }),
  ]);
  t.ok(isSolved(EASY, await pool.solve(EASY, never)));
  t.equal(pool.stats.failed - failed, 2);
  t.ok(pool.stats.waitedMs - waitedMs >= 690);
});

t.test('a storm of clients that leave balances, whatever the order', async (t) => {
  const pool = openPool(t, { threads: 2, maxQueue: 10 });
  const step = fc.record({
    isHard: fc.boolean(),
    urgency: fc.constantFrom<Urgency>('client', 'background'),
    leavesMs: fc.option(fc.integer({ min: 0, max: 30 })),
    pauseMs: fc.integer({ min: 0, max: 5 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      const before = pool.stats;
      const outcomes = steps.map(async ({ isHard, urgency, leavesMs, pauseMs }, at) => {
        await sleep(pauseMs * at);
        const client = ask(pool, isHard ? ENDLESS : EASY, urgency);
        if (isHard || leavesMs !== null) void sleep(leavesMs ?? 5).then(() => client.leave());
        return client.outcome.then(
          (answer) => (isSolved(EASY, answer) ? 'solved' : 'wrong'),
          (error: Error) => error.name,
        );
      });
      const told = await Promise.all(outcomes);
      const count = (what: string): number => told.filter((one) => one === what).length;
      t.same(await atRest(pool), REST);
      t.equal(pool.stats.solved - before.solved, count('solved'));
      t.equal(pool.stats.failed - before.failed, count('ChatError'));
      t.equal(count('solved') + count('ChatError') + count('AbortError'), steps.length);
    }),
    { numRuns: 10 },
  );
});

t.test('a thread that dies costs no answer, and one puzzle cannot kill for ever', async (t) => {
  const pool = openPool(t, {
    worker: FRAGILE,
    threads: 2,
    resourceLimits: { maxOldGenerationSizeMb: 32 },
    queueTimeoutMs: 85_000,
    timeoutMs: 85_000,
  });
  await Promise.all([pool.solve(EASY, never), pool.solve(EASY, never)]);
  const before = pool.threadIds;
  const marks = t.testdir({});
  const neighbours = Array.from({ length: 4 }, () => pool.solve({ ...EASY, difficulty: '001fff' }, never));
  for (const death of ['exit', 'memory']) {
    const deadly = { ...EASY, seed: `${death} ${join(marks, death)}` };
    t.ok(isSolved(deadly, await pool.solve(deadly, never)), death);
  }
  t.equal(pool.stats.lostSlices, 2);
  await t.rejects(pool.solve({ ...EASY, seed: 'exit' }, never), {
    code: 'internal_error',
    message: /thread/,
  });
  t.equal((await Promise.all(neighbours)).length, 4);
  t.equal(pool.threadIds.length, 2);
  t.notSame(pool.threadIds, before);
  t.ok(isSolved(EASY, await pool.solve(EASY, never)));
  t.same(await atRest(pool), REST);
});

t.test('close finishes what was accepted, destroy does not; both may be called again', async (t) => {
  const closing = openPool(t);
  const accepted = [closing.solve(EASY, never), closing.solve(EASY, never)];
  const background = closing.solve(ENDLESS, never, 'background');
  const closed = closing.close();
  await t.rejects(background, { code: 'shutting_down' });
  await t.rejects(closing.solve(EASY, never), { code: 'shutting_down' });
  t.equal((await Promise.all(accepted)).length, 2);
  await closed;
  await closing.close();
  const killed = openPool(t);
  const lost = killed.solve(ENDLESS, never);
  void killed.destroy();
  await t.rejects(lost, { code: 'shutting_down' });
  await killed.destroy();
  await killed.close();
});

t.test('the line: easiest and oldest in turn, then the background', (t) => {
  const line = new Line<Queued & { readonly name: string }>();
  const entry = (name: string, tries: number, urgency: Urgency = 'client') => ({
    name,
    expectedTries: tries,
    urgency,
  });
  const [later, hard, alike, easy] = [
    entry('background', 1, 'background'),
    entry('hard', 3e5),
    entry('alike', 3.1e5),
    entry('easy', 40),
  ];
  const [inLater, inHard, inAlike, inEasy] = [later, hard, alike, easy].map((one) => line.add(one));
  const names = (): unknown[] => Array.from({ length: 4 }, () => line.next(() => true)?.name);
  t.same(names(), ['easy', 'hard', 'easy', 'hard']);
  t.equal(line.next((one) => one !== easy)?.name, 'hard', 'who has enough threads is passed over');
  t.equal(line.next((one) => one !== hard)?.name, 'alike');
  inEasy?.leave();
  inHard?.leave();
  t.same(names(), ['alike', 'alike', 'alike', 'alike']);
  inAlike?.leave();
  t.same(new Set(names()), new Set(['background']));
  inLater?.leave();
  t.equal(
    line.next(() => true),
    null,
  );
  t.end();
});

t.test('the tries that a difficulty takes', (t) => {
  t.equal(expectedTries('0fffff'), 16);
  t.equal(expectedTries('f'), 1);
  t.equal(Math.round(expectedTries('000032')), 328_965);
  t.equal(expectedTries('00'), 256);
  t.ok(Number.isFinite(expectedTries('0'.repeat(128))));
  t.ok(Number.isFinite(expectedTries('f'.repeat(128))));
  t.end();
});
