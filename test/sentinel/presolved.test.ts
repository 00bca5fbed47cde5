import { setImmediate as turnOver } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import type { Clearance, Session, StreamControl, StreamReader } from '../../src/chat/ports.ts';
import type { Ask, Turn } from '../../src/conversation/turn.ts';
import { ChatError } from '../../src/errors.ts';
import type { ErrorCode } from '../../src/errors.ts';
import type { Prepared } from '../../src/sentinel/clearance.ts';
import { createPresolved } from '../../src/sentinel/presolved.ts';
import type { Presolved, PresolvedOptions } from '../../src/sentinel/presolved.ts';
import { createProofFeedback } from '../../src/sentinel/proof-feedback.ts';
import { createSearchOrder } from '../../src/sentinel/search-order.ts';
import type { ProofOutcome, Search, SearchOrder } from '../../src/sentinel/search-order.ts';

const never = new AbortController().signal;
const TURN: Turn = {
  model: { slug: 'auto', gizmoId: null },
  messages: [],
  keepHistory: false,
  conversationId: null,
  parentMessageId: null,
  hints: [],
};
const LIFETIME_MS = 540_000;

function sessionOf(token: string | null, deviceId = 'a-device', exit = 'direct'): Session {
  return { origin: 'http://a', identity: { token, accountId: null }, account: null, deviceId, exit };
}

interface Bench {
  readonly presolved: Presolved;
  /** The token of what the session was given; solved for the turn itself: `fresh`. */
  chat(session: Session): Promise<string | null>;
  /** What is prepared next; an error: rejected. */
  next: Prepared | null | Error | 'hangs';
  adopts: boolean;
  nowMs: number;
  prepared: number;
  mostAtOnce: number;
}

/** Presolving over a backend that is made up, by a clock that stands still. */
function open(options: Partial<PresolvedOptions> = {}): Bench {
  let atOnce = 0;
  const clearances: PresolvedOptions['clearances'] = {
    clear: () => Promise.resolve(clearanceOf('fresh')),
    async prepare(session, signal) {
      bench.prepared += 1;
      const number = bench.prepared;
      atOnce += 1;
      bench.mostAtOnce = Math.max(bench.mostAtOnce, atOnce);
      await turnOver();
      if (bench.next === 'hangs') {
        await new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
        });
      }
      atOnce -= 1;
      if (bench.next instanceof Error) throw bench.next;
      if (bench.next === null || bench.next === 'hangs') return null;
      const clearance = { ...clearanceOf(`${session.identity.token}-${number}`), deviceId: session.deviceId };
      return { ...bench.next, clearance };
    },
    adopt: ({ clearance }) => Promise.resolve(bench.adopts ? clearance : null),
  };
  const presolved = createPresolved({
    clearances,
    perAccount: 2,
    maxEntries: 100,
    maxAtOnce: 2,
    busyMs: 60_000,
    nowMs: () => bench.nowMs,
    ...options,
  });
  const bench: Bench = {
    presolved,
    async chat(session) {
      const { requirementsToken } = await presolved.clear(session, TURN, never);
      await settle();
      return requirementsToken;
    },
    next: {
      clearance: clearanceOf('made up'),
      persona: null,
      search: 'tail',
      lifetimeMs: LIFETIME_MS,
    },
    adopts: true,
    nowMs: 0,
    prepared: 0,
    mostAtOnce: 0,
  };
  return bench;
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await turnOver();
}

function clearanceOf(requirementsToken: string): Clearance {
  return { requirementsToken, proofToken: null, arkoseToken: null };
}

t.test('a busy account finds clearances ready, each once', async (t) => {
  const bench = open();
  t.equal(await bench.chat(sessionOf('x')), 'fresh');
  t.match(bench.presolved, { ready: 2, solving: 0 });
  t.equal(await bench.chat(sessionOf('x', 'another')), 'x-1');
  t.equal(await bench.chat(sessionOf('x')), 'x-2');
  const { deviceId } = await bench.presolved.clear(sessionOf('x', 'a third'), TURN, never);
  t.equal(deviceId, 'another', 'whoever takes it must be the device it was made for');
  t.equal(await bench.chat(sessionOf('y')), 'fresh', 'they are the account own');
  t.equal(await bench.chat(sessionOf('x', 'a-device', 'proxy')), 'fresh', 'and of one address');
  const both = await Promise.all([bench.chat(sessionOf('x')), bench.chat(sessionOf('x'))]);
  t.equal(new Set(both).size, 2);
});

t.test('switched off, and for visitors, nothing is asked that no chat needs', async (t) => {
  const off = open({ perAccount: 0 });
  t.equal(await off.chat(sessionOf('x')), 'fresh');
  t.equal(await off.chat(sessionOf('x')), 'fresh');
  const visitors = open();
  t.equal(await visitors.chat(sessionOf(null)), 'fresh');
  t.equal(off.prepared + visitors.prepared, 0);
});

t.test('what is about to expire is not used, and what does not keep is not prepared again', async (t) => {
  const bench = open();
  await bench.chat(sessionOf('x'));
  bench.nowMs = LIFETIME_MS - 60_000;
  t.equal(await bench.chat(sessionOf('x')), 'fresh');
  t.equal(bench.presolved.ready, 2);
  bench.adopts = false;
  t.equal(await bench.chat(sessionOf('x')), 'fresh', 'searched in a way that is no longer right');
  const short = open();
  short.next = { clearance: clearanceOf(''), persona: null, search: 'tail', lifetimeMs: 30_000 };
  for (let chats = 0; chats < 3; chats += 1) await short.chat(sessionOf('x'));
  t.match(short.presolved, { ready: 0, solving: 0 });
  t.ok(short.prepared <= 2);
  const arkose = open();
  arkose.next = null;
  for (let chats = 0; chats < 3; chats += 1) await arkose.chat(sessionOf('x'));
  t.ok(arkose.prepared <= 2);
});

t.test('nobody sees a preparation fail, and it is not tried again by itself', async (t) => {
  const bench = open({ perAccount: 1 });
  const { next } = bench;
  bench.next = new ChatError('rate_limit_exceeded', 'too fast');
  t.equal(await bench.chat(sessionOf('x')), 'fresh');
  await settle();
  t.equal(bench.prepared, 1);
  bench.next = next;
  t.equal(await bench.chat(sessionOf('x')), 'fresh');
  t.equal(await bench.chat(sessionOf('x')), 'x-2');
  bench.presolved.forget(sessionOf('x'));
  t.equal(bench.presolved.ready, 0, 'the account cools');
});

t.test('all of it is bounded, and ends', async (t) => {
  const bench = open({ maxEntries: 5, perAccount: 3 });
  for (const token of ['a', 'b', 'c', 'd']) await bench.chat(sessionOf(token));
  t.equal(bench.presolved.ready, 5);
  t.equal(bench.mostAtOnce, 2);
  bench.nowMs = 60_001;
  await bench.chat(sessionOf('e'));
  t.equal(await bench.chat(sessionOf('e')), 'e-6', 'who is not busy gives way');
  const asked = bench.prepared;
  bench.nowMs = 2 * LIFETIME_MS;
  await settle();
  t.equal(bench.prepared, asked, 'without chats nothing is prepared');
  bench.next = 'hangs';
  await bench.chat(sessionOf('f'));
  t.equal(bench.presolved.solving, 2);
  bench.presolved.close();
  await settle();
  t.match(bench.presolved, { ready: 0, solving: 0 });
});

t.test('property: never more than allowed, never the same twice', async (t) => {
  const step = fc.record({
    token: fc.constantFrom('a', 'b', 'c', 'd'),
    passesMs: fc.integer({ min: 0, max: 100_000 }),
    cools: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const bench = open({ maxEntries: 4 });
      const given = new Set<string>();
      for (const { token, passesMs, cools } of steps) {
        bench.nowMs += passesMs;
        const got = await bench.chat(sessionOf(token));
        if (got !== 'fresh') t.ok(got?.startsWith(`${token}-`) === true && !given.has(got));
        given.add(got ?? '');
        if (cools) bench.presolved.forget(sessionOf(token));
        t.ok(bench.presolved.ready <= 4);
      }
    }),
    { numRuns: 30 },
  );
});

interface Watched {
  readonly order: SearchOrder;
  readonly told: string[];
  nowMs: number;
  observe(outcomes: string, origin?: string): void;
}

/** `+` accepted, `-` refused, each under the search of the moment. */
function watch(preferred: Search = 'tail'): Watched {
  const told: string[] = [];
  const order = createSearchOrder({
    preferred,
    nowMs: () => watched.nowMs,
    onFallback: (origin) => told.push(origin),
  });
  const watched: Watched = {
    order,
    told,
    nowMs: 0,
    observe(outcomes, origin = 'a') {
      for (const sign of outcomes) {
        const outcome: ProofOutcome = sign === '+' ? 'accepted' : 'refused';
        order.observe(origin, order.choose(origin), outcome);
      }
    },
  };
  return watched;
}

t.test('two refusals in a row under tail make a gateway one for nonce', (t) => {
  const watched = watch();
  watched.observe('-+-+-');
  t.equal(watched.order.choose('a'), 'tail');
  watched.observe('-');
  t.equal(watched.order.choose('a'), 'nonce');
  t.equal(watched.order.choose('b'), 'tail', 'only that one');
  t.same(watched.told, ['a']);
  watched.order.observe('a', 'tail', 'refused');
  t.equal(watched.order.choose('a'), 'nonce');
  watched.order.observe('a', 'tail', 'accepted');
  t.equal(watched.order.choose('a'), 'tail', 'one under way proved the opposite');
  const original = watch('nonce');
  original.observe('-----');
  t.equal(original.order.choose('a'), 'nonce');
  t.same(original.told, []);
  t.end();
});

t.test('tail gets another chance: a real one when nonce did no better, a short one when it did', (t) => {
  const innocent = watch();
  innocent.observe('------');
  innocent.nowMs = 10 * 60_000;
  t.equal(innocent.order.choose('a'), 'tail');
  innocent.observe('-');
  t.equal(innocent.order.choose('a'), 'tail');
  innocent.observe('-');
  t.equal(innocent.order.choose('a'), 'nonce');
  const guilty = watch();
  guilty.observe('--+-+');
  guilty.nowMs = 10 * 60_000 - 1;
  t.equal(guilty.order.choose('a'), 'nonce');
  guilty.nowMs += 1;
  t.equal(guilty.order.choose('a'), 'tail');
  guilty.observe('-');
  t.equal(guilty.order.choose('a'), 'nonce');
  guilty.nowMs += 20 * 60_000 - 1;
  t.equal(guilty.order.choose('a'), 'nonce', 'the while is longer');
  guilty.nowMs += 1;
  guilty.observe('+');
  guilty.observe('-');
  t.equal(guilty.order.choose('a'), 'tail');
  t.same([...innocent.told, ...guilty.told], ['a', 'a'], 'each told once');
  t.end();
});

t.test("the conversation's beginning is the verdict, under the clearance's device", (t) => {
  const seen: [string, Search, ProofOutcome][] = [];
  const refused: Session[] = [];
  let asked: Session | null = null;
  let inner: StreamReader | null = null;
  const control: StreamControl = { askedIds: [], pause() {}, resume() {}, abort() {} };
  const converse = createProofFeedback({
    converse(session, _ask, _clearance, reader) {
      asked = session;
      inner = reader;
      return control;
    },
    searchOrder: { observe: (...all) => void seen.push(all) },
    onRefused: (session) => void refused.push(session),
  });
  const heard: string[] = [];
  const reader: StreamReader = {
    onOpen: () => void heard.push('open'),
    onBytes: () => void heard.push('bytes'),
    onEnd: () => void heard.push('end'),
    onFailure: ({ code }) => void heard.push(code),
  };
  const clearance: Clearance = { ...clearanceOf('r'), search: 'tail', deviceId: 'its-device' };
  const session = sessionOf('x');
  const begin = (given: Clearance): StreamReader => {
    t.equal(
      converse(session, { turn: TURN, uploads: new Map(), continued: null } as Ask, given, reader),
      control,
    );
    return inner as unknown as StreamReader;
  };
  const error = (code: ErrorCode, retryable = true): ChatError => new ChatError(code, code, { retryable });
  const first = begin(clearance);
  t.match(asked, { deviceId: 'its-device', origin: 'http://a' });
  first.onOpen();
  first.onBytes(new Uint8Array());
  first.onFailure(error('upstream_refused'));
  t.same(seen, [['http://a', 'tail', 'accepted']], 'what comes later is about something else');
  t.same(heard, ['open', 'bytes', 'upstream_refused']);
  begin(clearance).onFailure(error('upstream_refused'));
  t.same(seen[1], ['http://a', 'tail', 'refused']);
  t.same(refused, [session]);
  for (const code of ['upstream_challenge', 'upstream_unreachable', 'rate_limit_exceeded'] as const) {
    begin(clearance).onFailure(error(code));
  }
  begin(clearance).onFailure(error('upstream_refused', false));
  begin(clearanceOf('no proof')).onFailure(error('upstream_refused'));
  t.match(asked, { deviceId: 'a-device' });
  t.equal(seen.length, 2, 'none of these is about the proof');
  begin(clearance).onEnd();
  t.equal(heard.at(-1), 'end');
  t.end();
});
