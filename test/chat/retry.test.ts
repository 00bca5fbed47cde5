import t from 'tap';
import { createComplete } from '../../src/chat/complete.ts';
import type { ChatPorts, Trace, TurnSink } from '../../src/chat/ports.ts';
import { createRetryBudget, retryDelayMs } from '../../src/chat/retry.ts';
import type { RetryBudget, RetryState } from '../../src/chat/retry.ts';
import type { Turn } from '../../src/conversation/turn.ts';
import { ChatError } from '../../src/errors.ts';
import type { ErrorDetails } from '../../src/errors.ts';

const state = (given: Partial<RetryState>): RetryState => ({
  attempt: 1,
  retryTimes: 3,
  hasOtherAccount: false,
  leftMs: 60_000,
  isKept: false,
  asked: true,
  opened: false,
  random: () => 0,
  ...given,
});

t.test('no retry begins that the deadline of the turn would cut', (t) => {
  const failure = new ChatError('upstream_error', 'busy', { retryAfterS: 1 });
  t.equal(retryDelayMs(failure, state({ leftMs: 1001 })), 1000);
  t.equal(retryDelayMs(failure, state({ leftMs: 1000 })), null);
  const limit = new ChatError('rate_limit_exceeded', 'limit');
  t.equal(retryDelayMs(limit, state({ hasOtherAccount: true, leftMs: 0 })), null);
  t.equal(retryDelayMs(limit, state({ hasOtherAccount: true, leftMs: 1 })), 0);
  t.end();
});

t.test('in a kept chat only what upstream cannot have begun is asked again', (t) => {
  const lost = new ChatError('upstream_unreachable', 'gone');
  const unsent = new ChatError('upstream_unreachable', 'refused', { unsent: true });
  const cut = new ChatError('upstream_protocol_error', 'cut');
  const unwell = new ChatError('upstream_error', '503');
  const rows: [string, ChatError, Partial<RetryState>, boolean][] = [
    ['requirements lost', lost, { asked: false }, true],
    ['requirements garbled', cut, { asked: false }, true],
    ['no connection', unsent, {}, true],
    ['refused by status', unwell, {}, true],
    ['refused in the stream', unwell, { opened: true }, true],
    ['no event stream', cut, {}, true],
    ['connection gone before the head', lost, {}, false],
    ['stream cut', cut, { opened: true }, false],
  ];
  for (const [name, failure, given, isRepeated] of rows) {
    t.equal(retryDelayMs(failure, state({ ...given, isKept: true })) !== null, isRepeated, name);
    t.not(retryDelayMs(failure, state(given)), null, `${name}, in a temporary chat`);
  }
  t.end();
});

t.test('the budget: a fifth of the active turns, and three at least', (t) => {
  const budget = createRetryBudget();
  const few = [budget.take(), budget.take(), budget.take(), budget.take()];
  t.strictSame(
    few.map((permit) => permit !== null),
    [true, true, true, false],
  );
  const leave = Array.from({ length: 25 }, () => budget.enter());
  few.push(budget.take(), budget.take(), budget.take());
  t.match(budget, { active: 25, retrying: 5 });
  for (const end of [...leave, ...few, ...leave, ...few]) end?.();
  t.match(budget, { active: 0, retrying: 0 }, 'and ending twice ends once');
  t.end();
});

const turn: Turn = {
  model: { slug: 'auto', gizmoId: null },
  messages: [],
  keepHistory: false,
  conversationId: null,
  parentMessageId: null,
  hints: [],
};
const sink: TurnSink = {
  committed: false,
  satisfied: false,
  accepted() {},
  write: () => true,
  onDrain() {},
};
const newTrace = (): Trace => ({
  startedAt: Date.now(),
  attempts: 0,
  leasedMs: null,
  clearedMs: null,
  openedMs: null,
  firstTextMs: null,
});

/** An upstream that refuses all requirements. */
function failingSpine(budget: RetryBudget, details: ErrorDetails = {}, totalMs = 60_000) {
  const given: { released: (string | null)[]; tried: number[]; most: number } = {
    released: [],
    tried: [],
    most: 0,
  };
  const unused = (): never => t.fail('nobody should come here') as never;
  const ports: ChatPorts = {
    lease: async (_caller, _turn, tried) => {
      given.tried.push(tried.length);
      given.most = Math.max(given.most, budget.retrying);
      return {
        session: {
          origin: 'http://x',
          identity: { token: null, accountId: null },
          account: null,
          deviceId: 'd',
          exit: 'e',
        },
        hasOtherAccount: false,
        lastMessageId: null,
        keep() {},
        release: (failure) => void given.released.push(failure?.code ?? null),
      };
    },
    clear: async () => {
      await new Promise(setImmediate);
      throw new ChatError('upstream_error', 'unwell', details);
    },
    attach: unused,
    converse: unused,
    drawing: unused,
    link: unused,
  };
  const deadlines = { firstTokenMs: 5000, idleMs: 5000, totalMs };
  const complete = createComplete(ports, { retryTimes: 3, deadlines, random: () => 0, budget });
  const run = (signal = new AbortController().signal, trace = newTrace()): Promise<unknown> =>
    complete(turn, { kind: 'visitor' }, sink, signal, trace).catch((error: unknown) => error);
  return { given, run };
}

t.test(
  'when everything fails, retries stay within the budget, and who gets none is told when to come',
  async (t) => {
    for (const [budget, isBound] of [
      [createRetryBudget(), true],
      [createRetryBudget({ share: 1, min: 3 }), false],
    ] as const) {
      const { given, run } = failingSpine(budget);
      const errors = await Promise.all(Array.from({ length: 50 }, () => run()));
      t.equal(given.most <= 10, isBound, isBound ? 'a fifth of 50' : 'red without the budget');
      const told = errors.filter((error) => (error as ChatError).retryAfterS === 1).length;
      t.equal(told >= 30, isBound, `${told} of 50 were told to come again`);
      for (const error of errors) t.match(error, { code: 'upstream_error', message: 'unwell' });
      t.match(budget, { active: 0, retrying: 0 });
    }
  },
);

t.test("upstream's own time survives the end of the budget", async (t) => {
  const budget = createRetryBudget({ share: 0, min: 0 });
  const { run, given } = failingSpine(budget, { retryAfterS: 2 });
  t.match(await run(), { code: 'upstream_error', retryAfterS: 2, retryable: true });
  t.strictSame(given.tried, [0]);
});

t.test('each retry tells where the ones before it failed', async (t) => {
  const { run, given } = failingSpine(createRetryBudget());
  await run();
  t.strictSame(given.tried, [0, 1, 2, 3]);
});

t.test('who leaves while a retry waits gives its place back, and counts against nobody', async (t) => {
  const budget = createRetryBudget();
  const { run, given } = failingSpine(budget, { retryAfterS: 2 });
  const client = new AbortController();
  const running = run(client.signal);
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.match(budget, { active: 1, retrying: 1 });
  client.abort(new Error('gone'));
  t.match(await running, { message: 'gone' });
  t.match(budget, { active: 0, retrying: 0 });
  const leaving = failingSpine(budget);
  const gone = new AbortController();
  const left = leaving.run(gone.signal);
  queueMicrotask(() => gone.abort(new Error('gone')));
  await left;
  t.strictSame(leaving.given.released, ['internal_error'], 'neither a failure of the way nor a success');
  t.strictSame(given.released, ['upstream_error']);
});

t.test('a deadline that is near ends the attempts with the honest error', async (t) => {
  const { run, given } = failingSpine(createRetryBudget(), { retryAfterS: 1.5 }, 1_000);
  t.match(await run(), { code: 'upstream_error', retryAfterS: 1.5 });
  t.strictSame(given.tried, [0]);
});
