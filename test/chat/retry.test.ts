import t from 'tap';
import { createComplete } from '../../src/chat/complete.ts';
import type { ChatPorts, StreamReader, Trace, TurnSink } from '../../src/chat/ports.ts';
import { createRetryBudget, needsNoPlace, retryDelayMs } from '../../src/chat/retry.ts';
import type { RetryBudget, RetryState } from '../../src/chat/retry.ts';
import type { Turn } from '../../src/conversation/turn.ts';
import { ChatError } from '../../src/errors.ts';
import type { ErrorCode, ErrorDetails } from '../../src/errors.ts';

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

t.test("one gateway's wish to be left alone does not bind another", (t) => {
  const unwell = new ChatError('upstream_error', 'busy', { retryAfterS: 60 });
  t.equal(retryDelayMs(unwell, state({})), null);
  t.equal(retryDelayMs(unwell, state({ hasOtherGateway: true })), 0);
  const limit = new ChatError('rate_limit_exceeded', 'limit', { retryAfterS: 60, limit: 'concurrency' });
  t.equal(retryDelayMs(limit, state({ hasOtherGateway: true })), null, "the account's own limit does");
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

t.test('what upstream did not hear of, and a hand-over, cost no place in the budget', (t) => {
  const alone = { hasOtherAccount: false };
  const failed = (details: ErrorDetails): ChatError => new ChatError('upstream_unreachable', 'x', details);
  t.ok(needsNoPlace(failed({ unsent: true, place: 'exit' }), alone), 'the outbound proxy failed');
  t.notOk(
    needsNoPlace(failed({ unsent: true, place: 'gateway' }), alone),
    'a gateway that is dialled has work',
  );
  const gone = failed({ unsent: true, place: 'gateway' });
  t.ok(needsNoPlace(gone, { ...alone, hasOtherGateway: true }), 'the next attempt leaves it alone');
  t.ok(needsNoPlace(failed({ unsent: true }), alone), 'which of the two is not known');
  t.notOk(needsNoPlace(failed({ place: 'exit' }), alone));
  const unauthorized = new ChatError('account_unauthorized', 'x');
  t.ok(needsNoPlace(unauthorized, { hasOtherAccount: true }));
  t.notOk(needsNoPlace(unauthorized, alone));
  const budget = createRetryBudget({ share: 0, min: 0 });
  t.not(budget.take(true), null);
  t.equal(budget.take(), null);
  t.same([budget.totals, budget.retrying], [{ made: 1, denied: 1 }, 0]);
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
interface Failing extends ErrorDetails {
  readonly code?: ErrorCode;
  readonly hasOtherAccount?: boolean;
}

function failingSpine(budget: RetryBudget, failing: Failing = {}, totalMs = 60_000) {
  const { code = 'upstream_error', hasOtherAccount = false, ...details } = failing;
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
        hasOtherAccount,
        lastMessageId: null,
        keep() {},
        release: (failure) => void given.released.push(failure?.code ?? null),
      };
    },
    clear: async () => {
      await new Promise(setImmediate);
      throw new ChatError(code, 'unwell', details);
    },
    attach: unused,
    converse: unused,
    drawing: unused,
    link: unused,
  };
  const deadlines = { firstTokenMs: 5000, idleMs: 5000, totalMs };
  const complete = createComplete(ports, { retryTimes: 3, deadlines, random: () => 0, budget });
  const run = (scope = new AbortController(), trace = newTrace()): Promise<unknown> =>
    complete(turn, { kind: 'visitor' }, sink, scope, trace).catch((error: unknown) => error);
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

t.test('what another account takes over needs no place in the budget', async (t) => {
  const budget = createRetryBudget({ share: 0, min: 0 });
  t.equal(budget.take(), null);
  const { run, given } = failingSpine(budget, { code: 'account_unauthorized', hasOtherAccount: true });
  t.match(await run(), { code: 'account_unauthorized', retryAfterS: null });
  t.strictSame(given.tried, [0, 1, 2, 3], 'as often as RETRY_TIMES allows');
  t.match(budget, { retrying: 0, totals: { made: 3, denied: 1 } });
});

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
  const running = run(client);
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.match(budget, { active: 1, retrying: 1 });
  client.abort(new Error('gone'));
  t.match(await running, { message: 'gone' });
  t.match(budget, { active: 0, retrying: 0 });
  const leaving = failingSpine(budget);
  const gone = new AbortController();
  const left = leaving.run(gone);
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

/** What upstream does with a question; the sink of its turn is committed by text. */
type Act = (reader: StreamReader) => void;

const text = (done: boolean): Buffer =>
  Buffer.from(
    `data: ${JSON.stringify({
      message: {
        id: 'a',
        author: { role: 'assistant' },
        content: { content_type: 'text', parts: [done ? 'Hello' : 'Hel'] },
        status: done ? 'finished_successfully' : 'in_progress',
        end_turn: done ? true : null,
        recipient: 'all',
      },
      conversation_id: 'c',
    })}\n\n${done ? 'data: [DONE]\n\n' : ''}`,
  );
const ACTS: Readonly<Record<string, Act>> = {
  'is unreachable': (reader) => reader.onFailure(new ChatError('upstream_unreachable', 'no')),
  'is unwell': (reader) => reader.onFailure(new ChatError('upstream_error', 'no')),
  'says nothing': (reader) => {
    reader.onOpen();
    reader.onEnd();
  },
  'is cut after the first text': (reader) => {
    reader.onOpen();
    reader.onBytes(text(false));
    reader.onFailure(new ChatError('upstream_protocol_error', 'cut', { place: 'either' }));
  },
  answers: (reader) => {
    reader.onOpen();
    reader.onBytes(text(true));
    reader.onEnd();
  },
};

t.test(
  'whatever upstream does to many turns at once: one answer each, and no retry after the first byte',
  async (t) => {
    const budget = createRetryBudget();
    const shown = { late: 0, twice: 0, most: 0, answered: 0, open: 0 };
    const acts = Object.values(ACTS);
    const runTurn = async (number: number): Promise<void> => {
      let received = '';
      let attempts = 0;
      const own: TurnSink = {
        get committed() {
          return received !== '';
        },
        satisfied: false,
        accepted() {},
        write(event) {
          if (event.type === 'text-delta') received += event.text;
          return true;
        },
        onDrain() {},
      };
      const ports: ChatPorts = {
        async lease() {
          if (received !== '') shown.late += 1;
          shown.open += 1;
          shown.most = Math.max(shown.most, budget.retrying);
          attempts += 1;
          const identity = { token: null, accountId: null };
          return {
            session: { origin: 'http://x', identity, account: null, deviceId: 'd', exit: 'e' },
            hasOtherAccount: false,
            lastMessageId: null,
            keep() {},
            release: () => void (shown.open -= 1),
          };
        },
        clear: () => Promise.resolve({ requirementsToken: null, proofToken: null, arkoseToken: null }),
        attach: () => Promise.reject(new Error('nothing to attach')),
        converse(_session, _ask, _clearance, reader) {
          const act = acts[(number * 7 + attempts * 3) % acts.length] as Act;
          setTimeout(() => act(reader), number % 5);
          return { askedIds: [], pause() {}, resume() {}, abort() {} };
        },
        drawing: () => Promise.resolve(null),
        link: () => Promise.resolve(null),
      };
      const deadlines = { firstTokenMs: 5_000, idleMs: 5_000, totalMs: 20_000 };
      const complete = createComplete(ports, { retryTimes: 3, deadlines, random: () => 0, budget });
      const error: unknown = await complete(
        turn,
        { kind: 'visitor' },
        own,
        new AbortController(),
        newTrace(),
      ).catch((reason: unknown) => reason);
      if (error === undefined) shown.answered += 1;
      if (!['', 'Hel', 'Hello'].includes(received)) shown.twice += 1;
      if ((error === undefined) !== (received === 'Hello')) shown.twice += 1;
    };
    await Promise.all(Array.from({ length: 300 }, (_, number) => runTurn(number)));
    t.match(shown, { late: 0, twice: 0, open: 0 });
    t.ok(shown.most <= 60, `${shown.most} retries at once of 300 turns`);
    t.ok(shown.answered >= 60 && shown.answered < 300, `${shown.answered} of 300 were answered`);
    t.match(budget, { active: 0, retrying: 0 });
  },
);
