import { createHash } from 'node:crypto';
import t from 'tap';
import type { Test } from 'tap';
import { cutConfig } from '../../src/sentinel/browser-config.ts';
import { passes } from '../../src/sentinel/proof.ts';
import { createProofPool } from '../../src/threads/pool.ts';
import type { ProofPool, ProofPoolOptions } from '../../src/threads/pool.ts';
import type { ProofPuzzle } from '../../src/threads/tasks.ts';

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
const never = new AbortController().signal;

function openPool(t: Test, options: Partial<ProofPoolOptions> = {}): ProofPool {
  const pool = createProofPool({
    threads: 1,
    maxQueue: 4,
    queueTimeoutMs: 30_000,
    timeoutMs: 30_000,
    ...options,
  });
  t.teardown(() => pool.destroy());
  return pool;
}

t.test('a thread finds what the verifier accepts', async (t) => {
  const pool = openPool(t);
  const answer = await pool.solve(EASY, never);
  const digest = createHash('sha3-512')
    .update(EASY.seed + answer.base64)
    .digest();
  t.ok(passes(digest, EASY.difficulty));
  t.match({ queued: pool.queued, running: pool.running }, { queued: 0, running: 0 });
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
  t.equal(pool.running, 0);
});

t.test('the queue is bounded, and what leaves it makes room', async (t) => {
  const pool = openPool(t, { maxQueue: 2 });
  const first = new AbortController();
  const second = new AbortController();
  const running = pool.solve(ENDLESS, first.signal);
  const queued = pool.solve(ENDLESS, second.signal);
  const last = pool.solve(EASY, never);
  t.match({ queued: pool.queued, running: pool.running }, { queued: 2, running: 1 });
  await t.rejects(pool.solve(EASY, never), { code: 'proxy_overloaded', retryAfterS: Number });
  second.abort();
  await t.rejects(queued, { name: 'AbortError' });
  t.equal(pool.queued, 1);
  first.abort();
  await t.rejects(running, { name: 'AbortError' });
  t.match(await last, { tries: Number });
  await t.rejects(pool.solve(EASY, AbortSignal.abort()), { name: 'AbortError' });
});

t.test('a deadline says whether a thread was missing or the proof too long', async (t) => {
  const pool = openPool(t, { timeoutMs: 1_500, queueTimeoutMs: 700 });
  const searching = pool.solve(ENDLESS, never);
  const waiting = pool.solve(ENDLESS, never);
  await Promise.all([
    t.rejects(searching, { code: 'upstream_timeout', message: /proof of work/ }),
    t.rejects(waiting, { code: 'proxy_overloaded' }),
  ]);
  t.match(await pool.solve(EASY, never), { tries: Number });
});

t.test('close finishes what was accepted, destroy does not; both may be called again', async (t) => {
  const closing = openPool(t);
  const accepted = [closing.solve(EASY, never), closing.solve(EASY, never)];
  const closed = closing.close();
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
