import t from 'tap';
import { Account } from '../../src/accounts/account.ts';
import { accountRecord, refreshRecord } from '../helpers/account-record.ts';
import { ChatError, ERRORS } from '../../src/errors.ts';
import type { ErrorCode, ErrorDetails } from '../../src/errors.ts';

const START_MS = 1_800_000_000_000;
const RULES = { concurrency: 2, honoursLimits: true };

function world(record = accountRecord('a'), rules = RULES) {
  const clock = { ms: START_MS };
  const account = new Account(record, rules, clock.ms);
  const chat = (
    failure: ChatError | null,
    model = 'm',
    token: string | null = record.credential.token,
  ): void => {
    account.begin(clock.ms);
    account.end(failure, { model, token }, clock.ms);
  };
  const pass = (ms: number): void => {
    clock.ms += ms;
    account.settle(clock.ms);
  };
  return {
    account,
    clock,
    chat,
    pass,
    state: () => account.state(clock.ms),
    view: () => account.view(clock.ms),
  };
}

const failed = (code: ErrorCode, details: ErrorDetails = {}): ChatError => new ChatError(code, 'no', details);
const capped = (retryAfterS?: number): ChatError =>
  failed('rate_limit_exceeded', { limit: 'model', ...(retryAfterS === undefined ? {} : { retryAfterS }) });
const flooded = failed('rate_limit_exceeded', { limit: 'account' });
const oneAtATime = failed('rate_limit_exceeded', { limit: 'concurrency' });
const expired = failed('account_unauthorized', { account: 'expired' });

t.test('an account is busy with as many conversations as it may have', (t) => {
  const { account, clock, state, view } = world();
  t.equal(state(), 'ready');
  account.begin(clock.ms);
  t.equal(state(), 'ready');
  account.begin(clock.ms);
  t.equal(state(), 'busy');
  t.notOk(account.hasRoom(clock.ms));
  account.end(null, { model: 'm', token: null }, clock.ms);
  t.equal(state(), 'ready');
  t.match(view(), { inFlight: 1, concurrency: 2, succeeded: 1, failed: 0, lastUsedMs: clock.ms });
  t.end();
});

t.test('nothing but its own faults is held against an account', (t) => {
  const own = new Set<ErrorCode>(['account_unauthorized', 'rate_limit_exceeded']);
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    if (own.has(code)) continue;
    const { account, chat, state } = world();
    const before = account.record();
    for (let i = 0; i < 100; i += 1) chat(failed(code, { retryAfterS: 900 }));
    t.equal(state(), 'ready', code);
    t.equal(account.limitFor('m'), null, code);
    t.strictSame(account.record(), before, code);
  }
  const { chat, state } = world();
  chat(failed('rate_limit_exceeded', { retryAfterS: 900 }));
  t.equal(state(), 'ready', 'a limit on something beside the chats');
  t.end();
});

t.test('failures are counted, those of the request itself are not', (t) => {
  const { chat, clock, view } = world();
  chat(failed('upstream_error'));
  chat(failed('invalid_value'));
  t.match(view(), { succeeded: 0, failed: 1, lastFailure: { code: 'upstream_error', atMs: clock.ms } });
  t.end();
});

t.test('a limit closes one model until its time, and survives a restart', (t) => {
  const { account, chat, clock, pass, state } = world();
  chat(capped(9_665), 'gpt-4o');
  t.equal(state(), 'ready');
  t.equal(account.limitFor('gpt-4o')?.untilMs, clock.ms + 9_665_000);
  t.equal(account.limitFor('o1'), null);
  t.equal(account.changesMs(clock.ms), clock.ms + 9_665_000);
  chat(capped(10), 'gpt-4o');
  t.equal(account.limitFor('gpt-4o')?.untilMs, clock.ms + 9_665_000, 'the later end counts');

  const again = world(account.record());
  t.equal(again.account.limitFor('gpt-4o')?.untilMs, clock.ms + 9_665_000);
  pass(9_664_999);
  t.not(account.limitFor('gpt-4o'), null);
  pass(1);
  t.equal(account.limitFor('gpt-4o'), null);
  t.strictSame(account.record().limits, []);
  t.equal(new Account(again.account.record(), RULES, clock.ms).limitFor('gpt-4o'), null);
  t.end();
});

t.test('a limit without a time lasts a minute, doubled until something succeeds', (t) => {
  const { account, chat, clock, pass, state, view } = world();
  const waits: number[] = [];
  for (let i = 0; i < 9; i += 1) {
    chat(flooded);
    chat(flooded); // what was under way with it does not count again
    t.equal(state(), 'cooling');
    waits.push((account.limitFor('any')?.untilMs ?? 0) - clock.ms);
    t.match(view(), { untilMs: clock.ms + (waits.at(-1) ?? 0), reason: /too many requests/ });
    pass(waits.at(-1) ?? 0);
    t.equal(state(), 'ready');
  }
  t.strictSame(
    waits.map((ms) => ms / 60_000),
    [1, 2, 4, 8, 16, 32, 60, 60, 60],
  );
  chat(null);
  chat(flooded);
  t.equal(account.limitFor('any')?.untilMs, clock.ms + 60_000);
  t.end();
});

t.test('with ENABLE_LIMIT=false no limit is remembered, also none from before', (t) => {
  const limits = [{ model: 'm', untilMs: START_MS + 1e6, reason: 'r' }];
  const { account, chat, state } = world(accountRecord('a', { limits }), { ...RULES, honoursLimits: false });
  chat(capped(100));
  chat(flooded);
  t.equal(state(), 'ready');
  t.equal(account.limitFor('m'), null);
  t.end();
});

t.test('what an account remembers of models has an end', (t) => {
  const { account, chat } = world();
  for (let i = 0; i < 1_000; i += 1) chat(capped(100), `g-${i}`);
  t.equal(account.limits.length, 64);
  t.not(account.limitFor('g-999'), null);
  t.end();
});

t.test('"one message at a time" makes an account slower for a moment, and nothing else', (t) => {
  const { account, chat, clock, pass, state, view } = world(accountRecord('a'), { ...RULES, concurrency: 5 });
  chat(oneAtATime);
  chat(oneAtATime); // was under way with it
  t.equal(state(), 'busy');
  t.match(view(), { concurrency: 1, untilMs: clock.ms + 2_000, reason: /one message/ });
  t.equal(account.changesMs(clock.ms), clock.ms + 2_000);
  t.equal(account.record().concurrency, 1);
  t.strictSame(account.limits, []);
  pass(2_000);
  t.equal(state(), 'ready');
  const pauses = Array.from({ length: 7 }, () => {
    chat(oneAtATime);
    const ms = (view().untilMs ?? 0) - clock.ms;
    pass(ms);
    return ms / 1000;
  });
  t.strictSame(pauses, [4, 8, 16, 32, 60, 60, 60]);
  t.equal(world(account.record(), { ...RULES, concurrency: 5 }).view().concurrency, 1);
  t.end();
});

t.test('concurrency grows back after long good use, later each time that it proved wrong', (t) => {
  const hourMs = 3_600_000;
  const { account, chat, pass, view } = world(accountRecord('a'), { ...RULES, concurrency: 3 });
  const use = (times: number): void => {
    for (let i = 0; i < times; i += 1) chat(null);
  };
  chat(oneAtATime);
  pass(2_000);
  use(1_000);
  t.equal(view().concurrency, 1, 'much use alone is not enough');
  pass(hourMs);
  t.equal(view().concurrency, 1, 'nor is time');
  use(1);
  t.equal(view().concurrency, 2);
  use(49);
  pass(hourMs);
  t.equal(view().concurrency, 2);
  use(1);
  t.equal(view().concurrency, 3);
  t.equal(account.record().concurrency, null);

  chat(oneAtATime);
  t.equal(view().concurrency, 1);
  use(50);
  pass(2 * hourMs - 1);
  use(1);
  t.equal(view().concurrency, 1, 'twice the time');
  pass(1);
  use(1);
  t.equal(view().concurrency, 2);
  t.end();
});

t.test('a refused access token quarantines, a new import revives', (t) => {
  const { account, chat, clock, state, view } = world();
  chat(expired);
  t.equal(state(), 'quarantined');
  t.match(view(), { reason: 'no', untilMs: null, lastFailure: { code: 'account_unauthorized' } });
  t.match(account.record().standing, { kind: 'quarantined', sinceMs: clock.ms });
  t.equal(world(account.record()).state(), 'quarantined');
  account.renew(accountRecord('a', { credential: { kind: 'access', token: 'new', accountId: 't' } }));
  t.equal(state(), 'ready');
  chat(expired, 'm', 'token-a');
  t.equal(state(), 'ready', 'news of the old token');
  t.end();
});

t.test('a refused token of a refresh credential is exchanged first', (t) => {
  const { account, chat, state } = world(refreshRecord('a', 't1'));
  chat(expired, 'm', 't1');
  t.equal(state(), 'needs_refresh');
  t.equal(account.record().access, null);
  account.refreshed({ token: 't2', expiresMs: null });
  t.equal(state(), 'ready');
  chat(expired, 'm', 't1');
  t.equal(state(), 'ready', 'a conversation that began with the old token');
  chat(null, 'm', 't2');
  chat(expired, 'm', null);
  t.equal(state(), 'needs_refresh', 'it fetched its token itself');
  account.refreshed({ token: 't3', expiresMs: null });
  chat(expired, 'm', 't3');
  t.equal(state(), 'quarantined', 'a fresh token was refused, too');
  t.end();
});

t.test('a token that runs out must be exchanged', (t) => {
  const { account, clock, pass, state, view } = world(refreshRecord('a', 't1', START_MS + 10));
  t.equal(account.changesMs(clock.ms), START_MS + 10);
  t.equal(view().tokenExpiresMs, START_MS + 10);
  t.equal(account.accessAt(clock.ms)?.token, 't1');
  pass(10);
  t.equal(state(), 'needs_refresh');
  t.equal(account.accessAt(clock.ms), null);
  t.equal(world(refreshRecord('a', null)).state(), 'needs_refresh');
  t.end();
});

t.test('an exchange that fails: for now, or for good', (t) => {
  const { account, clock, state, view } = world(refreshRecord('a', null));
  account.refreshFailed('transient', 'unreachable', clock.ms);
  t.equal(state(), 'needs_refresh');
  t.equal(view().reason, 'unreachable');
  account.refreshFailed('refused', 'invalid_grant', clock.ms);
  t.equal(state(), 'quarantined');
  t.equal(view().reason, 'invalid_grant');
  account.refreshed({ token: 't', expiresMs: null });
  t.equal(state(), 'ready');
  t.end();
});

t.test('a deactivated account is disabled, until somebody says otherwise', (t) => {
  for (const record of [accountRecord('a'), refreshRecord('a', 'token-a')]) {
    const { account, chat, clock, state } = world(record);
    chat(failed('account_unauthorized', { account: 'deactivated' }));
    t.equal(state(), 'disabled');
    t.match(account.record().standing, { kind: 'disabled', by: 'upstream' });
    account.refreshed({ token: 'x', expiresMs: null });
    t.equal(state(), 'disabled');
    account.clearErrors(clock.ms);
    t.equal(state(), 'ready');
  }
  t.end();
});

t.test("the operator's word stands", (t) => {
  const { account, chat, clock, state, view } = world();
  account.disable('by hand', clock.ms);
  t.equal(state(), 'disabled');
  chat(failed('account_unauthorized', { account: 'deactivated' }));
  account.clearErrors(clock.ms);
  t.match(account.record().standing, { kind: 'disabled', by: 'operator', reason: 'by hand' });
  account.enable();
  t.equal(state(), 'ready');

  chat(flooded);
  chat(oneAtATime);
  account.clearErrors(clock.ms);
  t.match(view(), { state: 'ready', limits: [], concurrency: 2, failed: 0, lastFailure: null });
  chat(expired);
  account.clearErrors(clock.ms);
  t.equal(state(), 'ready');
  account.learnPlan('plus');
  account.learnPlan(null);
  t.equal(account.record().plan, 'plus');
  t.end();
});
