import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import type { AccountView, LineVerdict } from '../../src/admin/desk.ts';
import { ADMIN_KEY, operatorOf } from '../helpers/operator.ts';
import type { Operator } from '../helpers/operator.ts';
import { askChat, errorOf, IDLE, settled } from '../helpers/program.ts';
import type { Answer } from '../helpers/program.ts';
import { startWorld } from '../helpers/world.ts';
import type { World } from '../helpers/world.ts';

const CONCURRENCY = 2;
const KEYS = ['sk-greedy', 'sk-middle', 'sk-modest'] as const;
/** Requests at once for each key. */
const APPETITES = [60, 28, 12] as const;
const CHATS = 2_000;

/** How many of each fate; the sandbox reads the fate in the token. */
const FLEET = {
  good: 8,
  busy: 10,
  'limited-600': 15,
  expired: 10,
  deactivated: 10,
  flaky: 6,
  'r-good': 80,
  'r-busy': 21,
  'r-limited-600': 20,
  'r-revoked': 20,
} as const;

const access = (fate: string, number: number): string => `eyJhbGciOi.${fate}-${number}.x`;

/** A refresh token has 45 characters. */
const refresh = (fate: string, number: number): string => `${fate}-${number}-`.padEnd(45, '0');

interface Member {
  readonly fate: string;
  readonly token: string;
}

/** Well mixed: by what is, for each, far from its fate. */
const members: readonly Member[] = Object.entries(FLEET)
  .flatMap(([name, count]) => {
    const isRefresh = name.startsWith('r-');
    const fate = isRefresh ? name.slice(2) : name;
    return Array.from({ length: count }, (_, at) => ({
      fate: name,
      token: isRefresh ? refresh(fate, at) : access(fate, at),
      place: (at + 0.5) / count,
    }));
  })
  .sort((one, other) => one.place - other.place);

interface Fleet {
  readonly world: World;
  readonly operator: Operator;
  /** What became of each line of the import. */
  readonly verdicts: readonly LineVerdict[];
}

async function launch(t: Test, tokens: readonly string[], concurrency: string): Promise<Fleet> {
  const world = await startWorld(t, {
    maxRecords: 3 * CHATS,
    scenario: { checkSentinel: false, answer: 'Aye.', firstEventDelayMs: 30 },
    env: {
      CONVERSATION_ONLY: 'true',
      RETRY_TIMES: '3',
      AUTHORIZATION: KEYS.join(','),
      ADMIN_KEY,
      ACCOUNT_CONCURRENCY: concurrency,
      LOG_LEVEL: 'warn',
    },
  });
  const operator = operatorOf(world.port);
  return { world, operator, verdicts: await operator.add(tokens) };
}

interface Course {
  readonly key: string;
  readonly answer: Answer;
}

/** Each key keeps as many requests under way as it has appetite, until there were enough; in order of the answers. */
async function feast(port: number, chats: number): Promise<readonly Course[]> {
  const courses: Course[] = [];
  let left = chats;
  const eat = async (key: string): Promise<void> => {
    while (left > 0) {
      left -= 1;
      courses.push({ key, answer: await askPatiently(port, key, left % 2 === 0) });
    }
  };
  await Promise.all(KEYS.flatMap((key, at) => Array.from({ length: APPETITES[at] ?? 0 }, () => eat(key))));
  return courses;
}

/** On a machine that is too busy the program refuses work, and a client does as it is told. */
async function askPatiently(port: number, key: string, stream: boolean): Promise<Answer> {
  for (let tries = 1; ; tries += 1) {
    const answer = await askChat(port, { token: key, stream });
    if (!errorOf(answer)?.message.startsWith('This proxy is full') || tries === 20) return answer;
    await sleep(500);
  }
}

function tally(values: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

t.test('two hundred accounts of all fates carry two thousand chats', async (t) => {
  const { world, operator, verdicts } = await launch(
    t,
    members.map(({ token }) => token),
    String(CONCURRENCY),
  );
  /** By the id under which the program shows the account. */
  const fateOf = new Map(verdicts.map(({ id, line }) => [id ?? '', members[line - 1]?.fate ?? '']));
  t.equal(fateOf.size, members.length, 'everyone is aboard');
  const began = performance.now();
  const answers = (await feast(world.port, CHATS)).map(({ answer }) => answer);
  t.comment(`${answers.length} chats in ${Math.round(performance.now() - began)} ms`);
  const outcomes = tally(answers.map((answer) => errorOf(answer)?.code ?? String(answer.status)));
  t.comment(JSON.stringify(outcomes));

  t.equal(answers.length, CHATS, 'every request is answered');
  t.equal(answers.filter(({ isCut }) => isCut).length, 0);
  t.ok((outcomes['200'] ?? 0) >= 0.99 * CHATS, 'nearly all of them well');
  const { accounts: used } = await world.accounts();
  const beyond = used.filter(
    ({ name, highestOpen }) => highestOpen > (name.includes('busy') ? 1 : CONCURRENCY),
  );
  t.same(beyond, [], 'nobody had more at once than allowed');
  const pressed = used.filter(
    ({ limitsIgnored, refusals }) => limitsIgnored >= CONCURRENCY || (refusals.model_cap ?? 0) > CONCURRENCY,
  );
  t.same(pressed, [], 'a limit is asked about by what was under way and nobody else');

  const views = await operator.accounts();
  const byFate = (fate: string): readonly AccountView[] => views.filter(({ id }) => fateOf.get(id) === fate);
  const states = (fate: string): Record<string, number> => tally(byFate(fate).map(({ state }) => state));
  t.comment(JSON.stringify(Object.fromEntries(Object.keys(FLEET).map((fate) => [fate, states(fate)]))));
  t.same(states('good'), { ready: FLEET.good });
  t.same(states('deactivated'), { disabled: FLEET.deactivated });
  t.same(states('expired'), { quarantined: FLEET.expired });
  const { exchanges } = await world.accounts();
  const revoked = states('r-revoked');
  t.ok(exchanges.granted > 10 && exchanges.refused > 0, 'refresh tokens came to be needed');
  t.same(revoked, { quarantined: exchanges.refused, needs_refresh: FLEET['r-revoked'] - exchanges.refused });
  t.ok(
    [...byFate('r-good'), ...byFate('r-busy')].every(
      ({ state, succeeded }) => succeeded === 0 || state !== 'needs_refresh',
    ),
  );
  for (const fate of ['limited-600', 'r-limited-600']) {
    const asked = byFate(fate).filter(({ lastUsedMs }) => lastUsedMs !== null);
    t.ok(asked.length > 0);
    t.same(
      tally(asked.flatMap(({ limits }) => limits.map(({ model }) => model ?? '*'))),
      { 'gpt-4o': asked.length },
      `${fate}: cools for the model`,
    );
  }
  const takenOut = views.filter(({ id, state }) => {
    const fate = fateOf.get(id) ?? '';
    return state === 'quarantined' || state === 'disabled'
      ? !/expired|deactivated|revoked/.test(fate)
      : false;
  });
  t.same(takenOut, [], 'neither "one message at a time" nor failures of the backend take anybody out');

  const records = (await world.conversations()).map(({ headers }) => String(headers.authorization));
  for (const fate of ['expired', 'deactivated']) {
    const asked = tally(records.filter((authorization) => authorization.includes(`.${fate}-`)));
    t.ok(
      Object.values(asked).every((count) => count <= CONCURRENCY),
      `${fate}: nothing but what was under way`,
    );
  }
  t.same(await settled(world), IDLE);
  t.same(tally(views.map(({ inFlight }) => String(inFlight))), { 0: members.length });
  t.match(await operator.summary(), { inFlight: 0, waiting: 0 });
  const keys = await operator.keys();
  t.equal(
    keys.reduce((sum, { requests }) => sum + requests, 0),
    CHATS,
  );
  t.ok(keys.every(({ inFlight, waiting }) => inFlight === 0 && waiting === 0));
});

t.test('keys take turns however much each of them asks for', async (t) => {
  const { world } = await launch(t, ['good', 'good', 'busy', 'good'].map(access), '1');
  const courses = await feast(world.port, 400);
  t.same(tally(courses.map(({ answer }) => String(answer.status))), { 200: 400 });
  // At the beginning not all have come yet, at the end not all are there any more.
  const shares = tally(courses.slice(60, 300).map(({ key }) => key));
  t.comment(JSON.stringify(shares));
  t.ok(
    KEYS.every((key) => (shares[key] ?? 0) >= 60 && (shares[key] ?? 0) <= 100),
    'a third each',
  );
  const { accounts: used } = await world.accounts();
  t.same(tally(used.map(({ highestOpen }) => String(highestOpen))), { 1: 4 });
  t.same(await settled(world), IDLE);
});
