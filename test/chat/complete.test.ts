import t from 'tap';
import { ChatError } from '../../src/errors.ts';
import type { TurnEvent } from '../../src/conversation/events.ts';
import type { Ask, Attachment, Caller, Identity, Turn, UploadedFile } from '../../src/conversation/turn.ts';
import { createComplete } from '../../src/chat/complete.ts';
import type { CompletePolicy } from '../../src/chat/complete.ts';
import { retryDelayMs } from '../../src/chat/retry.ts';
import type { RetryState } from '../../src/chat/retry.ts';
import type { ChatPorts, StreamReader, Trace, TurnSink } from '../../src/chat/ports.ts';

const caller: Caller = { kind: 'visitor' };
const identity: Identity = { token: null, accountId: null };
const turn: Turn = {
  model: { slug: 'auto', gizmoId: null },
  messages: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }],
  keepHistory: false,
  conversationId: null,
  parentMessageId: null,
  hints: [],
};

interface Said {
  readonly id?: string;
  readonly finish?: string;
  readonly conversationId?: string | null;
}

const say = (text: string, done = false, { id = 'a-1', finish = 'stop', ...given }: Said = {}): string =>
  `data: ${JSON.stringify({
    message: {
      id,
      metadata: { finish_details: { type: finish } },
      author: { role: 'assistant' },
      content: { content_type: 'text', parts: [text] },
      status: done ? 'finished_successfully' : 'in_progress',
      end_turn: done ? true : null,
      recipient: 'all',
    },
    conversation_id: given.conversationId === undefined ? 'c-1' : given.conversationId,
  })}\n\n`;
const DONE = 'data: [DONE]\n\n';

/** What upstream does in one attempt. */
type Act = (reader: StreamReader, log: string[]) => void;

const answer =
  (...chunks: string[]): Act =>
  (reader) =>
    queueMicrotask(() => {
      reader.onOpen();
      for (const chunk of chunks) reader.onBytes(Buffer.from(chunk));
      reader.onEnd();
    });
const refuse =
  (code: ConstructorParameters<typeof ChatError>[0], details = {}): Act =>
  (reader) =>
    queueMicrotask(() => reader.onFailure(new ChatError(code, 'no', details)));
const whole = answer(say('Hel'), say('Hello', true), DONE);

interface Given {
  readonly hasOtherAccount?: boolean;
  readonly lastMessageId?: string;
  readonly turn?: Partial<Turn>;
  readonly clear?: ChatPorts['clear'];
  readonly attach?: ChatPorts['attach'];
  readonly link?: ChatPorts['link'];
  readonly drawing?: ChatPorts['drawing'];
}

function world(acts: Act[], given: Given = {}) {
  const log: string[] = [];
  const asks: Ask[] = [];
  let leases = 0;
  const ports: ChatPorts = {
    lease: () => {
      leases += 1;
      log.push('lease');
      const session = { origin: 'http://x', identity, account: null, deviceId: String(leases), exit: '' };
      return Promise.resolve({
        session,
        hasOtherAccount: given.hasOtherAccount ?? false,
        lastMessageId: given.lastMessageId ?? null,
        keep: (...ids) => void log.push(`keep ${ids.join(' ')}`),
        release: (failure) => void log.push(`release ${failure?.code ?? 'ok'}`),
      });
    },
    attach: given.attach ?? (() => Promise.reject(new Error('nothing to attach'))),
    link: given.link ?? (() => Promise.resolve(null)),
    drawing: given.drawing ?? (() => Promise.resolve(null)),
    clear:
      given.clear ?? (() => Promise.resolve({ requirementsToken: 'r', proofToken: null, arkoseToken: null })),
    converse: (_session, ask, _clearance, reader) => {
      asks.push(ask);
      const act = acts.shift();
      if (act === undefined) throw new Error('one attempt too many');
      act(reader, log);
      return {
        askedIds: ['u-1'],
        pause: () => void log.push('pause'),
        resume: () => void log.push('resume'),
        abort: () => void log.push('abort'),
      };
    },
  };
  return { ports, log, asks };
}

class ListSink implements TurnSink {
  committed = false;
  satisfied = false;
  readonly events: TurnEvent[] = [];
  accept = true;
  drained: () => void = () => {};
  enoughAfter = Infinity;
  accepted(): void {}
  write(event: TurnEvent): boolean {
    this.events.push(event);
    this.committed = true;
    if (event.type === 'text-delta') this.enoughAfter -= 1;
    this.satisfied = this.enoughAfter <= 0;
    return this.accept;
  }
  onDrain(listener: () => void): void {
    this.drained = listener;
  }
  get text(): string {
    return this.events.map((event) => (event.type === 'text-delta' ? event.text : '')).join('');
  }
}

const policy = (given: Partial<CompletePolicy['deadlines']> = {}, retryTimes = 3): CompletePolicy => ({
  retryTimes,
  deadlines: { firstTokenMs: 5000, idleMs: 5000, totalMs: 5000, ...given },
  random: () => 0,
});
const newTrace = (): Trace => ({
  startedAt: Date.now(),
  attempts: 0,
  leasedMs: null,
  clearedMs: null,
  openedMs: null,
  firstTextMs: null,
});

async function run(acts: Act[], given: Given & { policy?: CompletePolicy; sink?: ListSink } = {}) {
  const { ports, log, asks } = world(acts, given);
  const sink = given.sink ?? new ListSink();
  const trace = newTrace();
  const error: unknown = await createComplete(ports, given.policy ?? policy())(
    { ...turn, ...given.turn },
    caller,
    sink,
    new AbortController(),
    trace,
  ).then(
    () => null,
    (reason: unknown) => reason,
  );
  return { error, log, asks, sink, trace };
}

t.test('a whole answer arrives in order and everything is given back', async (t) => {
  const { error, log, sink, trace } = await run([whole]);
  t.equal(error, null);
  t.strictSame(
    sink.events.map((event) => event.type),
    ['turn-start', 'text-delta', 'text-delta', 'turn-end'],
  );
  t.strictSame(log, ['lease', 'release ok'], 'not aborted: after [DONE] the connection can be used again');
  t.match(trace, { attempts: 1, leasedMs: Number, clearedMs: Number, openedMs: Number, firstTextMs: Number });
});

t.test('before the first byte a failure that another attempt may cure is tried again', async (t) => {
  const { error, log, sink } = await run([
    refuse('upstream_error'),
    answer(DONE),
    refuse('upstream_unreachable'),
    whole,
  ]);
  t.equal(error, null);
  t.equal(sink.text, 'Hello');
  t.strictSame(
    log.filter((line) => line !== 'abort'),
    [
      'lease',
      'release upstream_error',
      'lease',
      'release upstream_protocol_error',
      'lease',
      'release upstream_unreachable',
      'lease',
      'release ok',
    ],
  );
});

t.test('RETRY_TIMES further attempts, then the last failure', async (t) => {
  const acts = [refuse('upstream_error'), refuse('upstream_error'), refuse('upstream_challenge'), whole];
  const { error, trace } = await run(acts, { policy: policy({}, 2) });
  t.match(error, { code: 'upstream_challenge' });
  t.equal(trace.attempts, 3);
});

t.test('nothing is retried after the first byte', async (t) => {
  const { error, log, sink } = await run([answer(say('Hel')), whole]);
  t.match(error, { code: 'upstream_protocol_error' });
  t.equal(sink.text, 'Hel');
  t.equal(log.filter((line) => line === 'lease').length, 1);
});

t.test('nor when the headers left while it waited for another attempt', async (t) => {
  const sink = new ListSink();
  setTimeout(() => (sink.committed = true), 30);
  const { error, trace } = await run([refuse('upstream_error', { retryAfterS: 0.1 }), whole], { sink });
  t.match(error, { code: 'upstream_error' });
  t.equal(trace.attempts, 1);
});

t.test("the request's own fault is never retried, nor an account's where there is no other", async (t) => {
  for (const code of [
    'context_length_exceeded',
    'model_not_found',
    'conversation_not_found',
    'account_unauthorized',
    'rate_limit_exceeded',
  ] as const) {
    const { error, trace } = await run([refuse(code), whole]);
    t.match(error, { code });
    t.equal(trace.attempts, 1, code);
  }
  const { error, trace } = await run([refuse('rate_limit_exceeded', { retryAfterS: 900 }), whole], {
    hasOtherAccount: true,
  });
  t.equal(error, null);
  t.equal(trace.attempts, 2);
});

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

t.test("upstream's own waiting time is honoured or handed on", (t) => {
  const busy = (retryAfterS: number): ChatError => new ChatError('upstream_error', 'busy', { retryAfterS });
  t.equal(retryDelayMs(busy(1), state({})), 1000);
  t.equal(retryDelayMs(busy(60), state({})), null);
  const plain = new ChatError('upstream_error', 'x');
  const delays = [1, 2, 3, 4, 5, 6].map((attempt) =>
    retryDelayMs(plain, state({ attempt, retryTimes: 9, random: () => 0.999 })),
  );
  t.ok(
    delays.every(
      (delay, at) => delay !== null && delay <= 2000 && (at === 0 || delay >= (delays[at - 1] as number)),
    ),
  );
  t.equal(retryDelayMs(plain, state({ attempt: 5, retryTimes: 9 })), 0, 'full jitter');
  t.end();
});

t.test('a sink that is full pauses upstream until it drains', async (t) => {
  const sink = new ListSink();
  sink.accept = false;
  let reader: StreamReader | null = null;
  const { ports, log } = world([(given) => void (reader = given)]);
  const running = createComplete(ports, policy())(turn, caller, sink, new AbortController(), newTrace());
  await new Promise(setImmediate);
  const upstream = reader as unknown as StreamReader;
  upstream.onOpen();
  upstream.onBytes(Buffer.from(say('one')));
  t.strictSame(log, ['lease', 'pause']);
  sink.accept = true;
  sink.drained();
  t.strictSame(log, ['lease', 'pause', 'resume']);
  upstream.onBytes(Buffer.from(say('one two', true) + DONE));
  upstream.onEnd();
  await running;
  t.equal(sink.text, 'one two');
});

t.test('a sink that has enough closes upstream', async (t) => {
  const sink = new ListSink();
  sink.enoughAfter = 1;
  const { error, log } = await run([answer(say('one'), say('one two'), say('one two three', true), DONE)], {
    sink,
  });
  t.equal(error, null);
  t.equal(sink.text, 'one');
  t.strictSame(log, ['lease', 'abort', 'release ok']);
});

t.test(
  'the client leaves in each phase: upstream is closed, the lease returned, nothing retried',
  async (t) => {
    const never = (): Promise<never> => new Promise(() => {});
    const gone = new Error('client gone');
    const silent: Act = () => {};
    const streaming: Act = (reader) => queueMicrotask(() => reader.onBytes(Buffer.from(say('Hel'))));
    const untilAbort = (_session: unknown, _turn: unknown, signal: AbortSignal): Promise<never> =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason as Error)),
      );
    const phases: Record<string, { acts: Act[]; clear?: ChatPorts['clear']; closes: boolean }> = {
      'proof running': { acts: [], clear: untilAbort, closes: false },
      'waiting for headers': { acts: [silent], closes: true },
      streaming: { acts: [streaming], closes: true },
      'waiting to retry': { acts: [refuse('upstream_error', { retryAfterS: 2 })], closes: true },
    };
    for (const [name, { acts, clear, closes }] of Object.entries(phases)) {
      const { ports, log } = world(acts, clear === undefined ? {} : { clear });
      const client = new AbortController();
      const running = createComplete(ports, policy())(turn, caller, new ListSink(), client, newTrace());
      await new Promise((resolve) => setTimeout(resolve, 20));
      client.abort(gone);
      t.equal(await Promise.race([running.catch((reason: unknown) => reason), never()]), gone, name);
      t.equal(log.includes('abort'), closes, name);
      t.equal(log.filter((line) => line.startsWith('release')).length, 1, name);
    }
  },
);

t.test('each deadline has its own name', async (t) => {
  const silent: Act = (reader) => queueMicrotask(() => reader.onOpen());
  const stalls: Act = (reader) => queueMicrotask(() => reader.onBytes(Buffer.from(say('Hel'))));
  const drips: Act = (reader, log) => {
    const timer = setInterval(() => {
      if (log.includes('abort')) clearInterval(timer);
      else reader.onBytes(Buffer.from(': ping\n\n'));
    }, 5);
  };
  const stallsThenPings: Act = (reader, log) => {
    stalls(reader, log);
    drips(reader, log);
  };
  const first = await run([silent], { policy: policy({ firstTokenMs: 40 }) });
  t.match(first.error, { code: 'upstream_timeout', message: /FIRST_TOKEN_TIMEOUT_MS/ });
  t.ok(first.log.includes('abort'));
  const pinged = await run([drips], { policy: policy({ firstTokenMs: 40 }) });
  t.match(pinged.error, { message: /FIRST_TOKEN_TIMEOUT_MS/ }, 'pings are no tokens');
  t.match((await run([stalls], { policy: policy({ idleMs: 40 }) })).error, { message: /IDLE_TIMEOUT_MS/ });
  t.match((await run([stallsThenPings], { policy: policy({ totalMs: 60 }) })).error, {
    message: /TOTAL_TIMEOUT_MS/,
  });
});

t.test(
  'silence before and after the first text is told apart, also where both may last as long',
  async (t) => {
    const policyOf80 = { policy: policy({ firstTokenMs: 80, idleMs: 80 }) };
    const silent: Act = (reader) => queueMicrotask(() => reader.onOpen());
    const stallsLate: Act = (reader) => {
      reader.onOpen();
      setTimeout(() => reader.onBytes(Buffer.from(say('Hel'))), 40);
      setTimeout(() => reader.onBytes(Buffer.from(say('Hello'))), 90);
    };
    t.match((await run([silent], policyOf80)).error, { message: /FIRST_TOKEN_TIMEOUT_MS/ });
    const { error, sink } = await run([stallsLate], policyOf80);
    t.match(error, { message: /IDLE_TIMEOUT_MS/ });
    t.equal(sink.text, 'Hello', 'each part starts the wait anew');
  },
);

t.test('headers leave after half a second of an open stream without text, and no sooner', async (t) => {
  const accepted: number[] = [];
  const sink = new ListSink();
  const openedAt = performance.now();
  sink.accepted = () => void accepted.push(performance.now() - openedAt);
  const late: Act = (reader) => {
    reader.onOpen();
    const later = setInterval(() => {
      if (accepted.length === 0) return;
      clearInterval(later);
      for (const chunk of [say('Hel'), say('Hello', true), DONE]) reader.onBytes(Buffer.from(chunk));
      reader.onEnd();
    }, 10);
  };
  const { error } = await run([late], { sink });
  t.equal(error, null);
  t.equal(accepted.length, 1);
  t.ok((accepted[0] as number) > 450);
});

t.test(
  'a stream that said [DONE] and does not end is closed after a while, one that ends is not',
  async (t) => {
    const stays: Act = (reader) =>
      queueMicrotask(() => {
        reader.onOpen();
        for (const chunk of [say('Hel'), say('Hello', true), DONE]) reader.onBytes(Buffer.from(chunk));
      });
    const [staying, ending] = await Promise.all([run([stays]), run([whole])]);
    t.equal(staying.error, null);
    t.notOk(staying.log.includes('abort'), 'it gets some time');
    while (!staying.log.includes('abort')) await new Promise((resolve) => setTimeout(resolve, 10));
    t.notOk(ending.log.includes('abort'));
  },
);

t.test('a complete answer whose stream stays open is delivered all the same', async (t) => {
  const hangs: Act = (reader) => queueMicrotask(() => reader.onBytes(Buffer.from(say('Hello', true))));
  const { error, sink, log } = await run([hangs]);
  t.equal(error, null);
  t.match(sink.events.at(-1), { type: 'turn-end', reason: 'stop' });
  t.ok(log.includes('release ok'));
});

t.test(
  'an adapter that throws what nobody foresaw gives internal_error, and the lease comes back',
  async (t) => {
    const clear = (): Promise<never> => Promise.reject(new TypeError('boom'));
    const { error, log } = await run([], { clear });
    t.match(error, { code: 'internal_error' });
    t.strictSame(log, ['lease', 'release internal_error']);
  },
);

const cut = { finish: 'max_tokens' };

t.test('an answer that upstream cut goes on, and the client sees one', async (t) => {
  const { error, sink, log, asks } = await run([
    answer(say('One'), say('One two', true, cut), DONE),
    answer(say('One two'), say('One two three'), say('One two three four', true, cut), DONE),
    answer(say(''), say('One two three four five'), say('One two three four five.', true), DONE),
  ]);
  t.equal(error, null);
  t.equal(sink.text, 'One two three four five.');
  t.equal(sink.events.filter(({ type }) => type === 'turn-start').length, 1);
  t.strictSame(
    sink.events.filter(({ type }) => type === 'turn-end'),
    [{ type: 'turn-end', reason: 'stop' }],
  );
  const continued = { conversationId: 'c-1', messageId: 'a-1' };
  t.strictSame(
    asks.map((ask) => ask.continued),
    [null, continued, continued],
  );
  t.strictSame(log, ['lease', 'release ok'], 'all on one session');
});

t.test('what is cut after three continuations is told as cut, and asked on no more', async (t) => {
  const acts = [1, 2, 3, 4, 5].map((count) => answer(say('ab'.repeat(count), true, cut), DONE));
  const { error, sink, asks } = await run(acts);
  t.equal(error, null);
  t.equal(sink.text, 'ab'.repeat(4));
  t.match(sink.events.at(-1), { type: 'turn-end', reason: 'length' });
  t.equal(asks.length, 4);
  const nameless = await run([answer(say('ab', true, { ...cut, conversationId: null }), DONE)]);
  t.match(nameless.sink.events.at(-1), { type: 'turn-end', reason: 'length' }, 'without ids it cannot be');
});

t.test("a sink that has enough has no answer continued: its own limit was the client's", async (t) => {
  const sink = new ListSink();
  sink.enoughAfter = 2;
  const { error, asks } = await run([answer(say('One'), say('One two', true, cut), DONE)], { sink });
  t.equal(error, null);
  t.equal(asks.length, 1);
  const later = new ListSink();
  later.enoughAfter = 2;
  const acts = [answer(say('One', true, cut), DONE), answer(say('One two'), say('One two three', true, cut))];
  const satisfied = await run(acts, { sink: later });
  t.equal(satisfied.error, null);
  t.equal(satisfied.sink.text, 'One two');
  t.equal(satisfied.asks.length, 2);
});

t.test('each continuation clears anew; the first-token deadline begins anew', async (t) => {
  let clearances = 0;
  const clear: ChatPorts['clear'] = () => {
    clearances += 1;
    return Promise.resolve({ requirementsToken: `r-${clearances}`, proofToken: null, arkoseToken: null });
  };
  const hangs: Act = (reader) => queueMicrotask(() => reader.onOpen());
  const { error, sink } = await run([answer(say('One', true, cut), DONE), hangs], {
    clear,
    policy: policy({ firstTokenMs: 40 }),
  });
  t.match(error, { code: 'upstream_timeout', message: /FIRST_TOKEN/ });
  t.equal(clearances, 2);
  t.equal(
    sink.events.filter(({ type }) => type === 'turn-end').length,
    0,
    'a broken continuation is an error',
  );
});

t.test(
  'a continuation that breaks is an error and not retried; one that is refused ends the answer',
  async (t) => {
    const first = answer(say('One', true, cut), DONE);
    const broken = await run([first, answer(say('One two')), whole]);
    t.match(broken.error, { code: 'upstream_protocol_error' });
    t.equal(broken.sink.text, 'One two');
    t.equal(broken.asks.length, 2);
    const refused = await run([first, refuse('upstream_error'), whole]);
    t.equal(refused.error, null);
    t.match(refused.sink.events.at(-1), { type: 'turn-end', reason: 'length' });
    t.equal(refused.asks.length, 2);
    t.ok(refused.log.includes('release upstream_error'), 'the account hears of it all the same');
    const bug = await run([answer(say('One', true, cut), DONE)]);
    t.match(bug.error, { code: 'internal_error' }, 'a fault of ours is not hidden');
  },
);

t.test('the client leaves during a continuation: upstream is closed', async (t) => {
  const { ports, log, asks } = world([answer(say('One', true, cut), DONE), () => {}]);
  const client = new AbortController();
  const running = createComplete(ports, policy())(turn, caller, new ListSink(), client, newTrace());
  while (asks.length < 2) await new Promise(setImmediate);
  client.abort(new Error('client gone'));
  await t.rejects(running, { message: 'client gone' });
  t.strictSame(
    log.filter((line) => !line.startsWith('release')),
    ['lease', 'abort'],
  );
});

t.test('a kept conversation is kept as soon as it has a name, and again with each message', async (t) => {
  const two = (): Act => answer(say('Hm.'), say('Yes.', true, { id: 'a-2' }), DONE);
  const kept = await run([two()], { turn: { keepHistory: true } });
  t.strictSame(kept.log, ['lease', 'keep c-1 a-1', 'keep c-1 a-2', 'release ok']);
  t.match(kept.sink.events[2], { type: 'message-start', conversationId: 'c-1', messageId: 'a-2' });
  const temporary = await run([two()]);
  t.strictSame(temporary.log, ['lease', 'release ok']);
});

t.test('without a parent the last message that we know of is one', async (t) => {
  const going = { keepHistory: true, conversationId: 'c-1' };
  const remembered = await run([whole], { lastMessageId: 'm-9', turn: going });
  t.equal(remembered.asks[0]?.turn.parentMessageId, 'm-9');
  const told = await run([whole], { lastMessageId: 'm-9', turn: { ...going, parentMessageId: 'm-1' } });
  t.equal(told.asks[0]?.turn.parentMessageId, 'm-1');
});

t.test('an upstream that answers anew when asked to go on is not heard twice', async (t) => {
  const anew = (id: string): Act =>
    answer(say('One', false, { id }), say('One two', true, { id, ...cut }), DONE);
  const { error, sink, asks, log } = await run([anew('a-1'), anew('a-2'), anew('a-3')], {
    turn: { keepHistory: true },
  });
  t.equal(error, null);
  t.equal(sink.text, 'One two');
  t.match(sink.events.at(-1), { type: 'turn-end', reason: 'length' });
  t.equal(asks.length, 2);
  t.strictSame(log, ['lease', 'keep c-1 a-1', 'abort', 'release ok']);
});

t.test('a continued message may be followed by others', async (t) => {
  const next = answer(say('One two', true), say('Three', true, { id: 'a-2' }), DONE);
  const { sink } = await run([answer(say('One', true, cut), DONE), next]);
  t.equal(sink.text, 'One twoThree');
  t.match(sink.events.at(-1), { type: 'turn-end', reason: 'stop' });
});

/** A turn that shows `count` files, one of them twice. */
function turnWithFiles(count: number): { readonly turn: Turn; readonly attachments: readonly Attachment[] } {
  const attachments = Array.from({ length: count }, (_, index): Attachment => ({
    source: { kind: 'url', url: 'http://a.test/' },
    mimeType: null,
    name: null,
    lowDetail: false,
    param: `messages[${index}]`,
  }));
  const parts = [...attachments, ...attachments.slice(0, 1)].map(
    (attachment) => ({ type: 'attachment', attachment }) as const,
  );
  return { turn: { ...turn, messages: [{ role: 'user', parts }] }, attachments };
}

const upload = (id: string): UploadedFile => ({
  id,
  name: 'x',
  mimeType: 'text/plain',
  sizeBytes: 1,
  width: null,
  height: null,
});

t.test('files go up while the challenges are answered, a few at a time, and each attempt anew', async (t) => {
  const { turn, attachments } = turnWithFiles(6);
  const uploaded: string[] = [];
  let underWay = 0;
  let most = 0;
  let isUploading = (): void => {};
  const uploading = new Promise<void>((resolve) => (isUploading = resolve));
  const { error, asks, trace } = await run([refuse('upstream_error'), whole], {
    turn,
    // Would wait for ever if the files waited for it.
    clear: async () => {
      await uploading;
      return { requirementsToken: 'r', proofToken: null, arkoseToken: null };
    },
    attach: async (session, { param }) => {
      isUploading();
      underWay += 1;
      most = Math.max(most, underWay);
      await new Promise(setImmediate);
      underWay -= 1;
      uploaded.push(`${session.deviceId} ${param}`);
      return upload(`${session.deviceId} ${param}`);
    },
  });
  t.equal(error, null);
  t.equal(trace.attempts, 2);
  t.equal(most, 4);
  t.strictSame(
    uploaded.toSorted(),
    ['1', '2'].flatMap((device) => attachments.map(({ param }) => `${device} ${param}`)).toSorted(),
    'each file once per attempt, under the identity of the attempt',
  );
  for (const [at, ask] of asks.entries()) {
    t.strictSame(
      attachments.map((attachment) => ask.uploads.get(attachment)?.id),
      attachments.map(({ param }) => `${at + 1} ${param}`),
    );
  }
});

t.test('a file that fails stops the other files and the proof, and is not tried again', async (t) => {
  const { turn } = turnWithFiles(3);
  const stopped: string[] = [];
  const untilStopped = (name: string, signal: AbortSignal): Promise<never> =>
    new Promise((_resolve, reject) =>
      signal.addEventListener('abort', () => {
        stopped.push(name);
        reject(signal.reason as Error);
      }),
    );
  const { error, log, trace } = await run([], {
    turn,
    clear: (_session, _turn, signal) => untilStopped('proof', signal),
    attach: (_session, { param }, signal) =>
      param === 'messages[1]'
        ? Promise.reject(new ChatError('invalid_attachment', 'no', { param }))
        : untilStopped(param, signal),
  });
  t.match(error, { code: 'invalid_attachment', param: 'messages[1]' });
  t.equal(trace.attempts, 1);
  t.strictSame(stopped.toSorted(), ['messages[0]', 'messages[2]', 'proof']);
  t.strictSame(log, ['lease', 'release invalid_attachment']);
});

t.test('a proof that fails stops the files', async (t) => {
  const { turn } = turnWithFiles(2);
  let stopped = 0;
  const { error } = await run([], {
    turn,
    policy: policy({}, 0),
    clear: () => Promise.reject(new ChatError('upstream_challenge', 'no')),
    attach: (_session, _attachment, signal) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => {
          stopped += 1;
          reject(signal.reason as Error);
        }),
      ),
  });
  t.match(error, { code: 'upstream_challenge' });
  t.equal(stopped, 2);
});

const toolEvent = (message: object): string =>
  `data: ${JSON.stringify({
    message: { id: 't-1', author: { role: 'tool', name: 'image_gen' }, recipient: 'all', ...message },
    conversation_id: 'c-1',
  })}\n\n`;
const promise = toolEvent({
  content: { content_type: 'text', parts: ['Wait.'] },
  status: 'finished_successfully',
  metadata: { image_gen_async: true },
});
const pointer = (id: string) => ({ kind: 'pointer', pointer: id, conversationId: 'c-1' }) as const;
const drawn = { messageId: 't-2', pictures: [pointer('sediment://file_1'), pointer('sediment://file_2')] };
const linkTo: ChatPorts['link'] = (_session, asset) =>
  Promise.resolve(asset.kind === 'pointer' ? `https://x/${asset.pointer.slice(-1)}` : null);
const IMAGES = ['https://x/1', 'https://x/2'].map((link): TurnEvent => ({ type: 'image', link }));
const END: TurnEvent = { type: 'turn-end', reason: 'stop' };

t.test('a drawing that is put off is waited for; the answer ends with it', async (t) => {
  const asked: unknown[] = [];
  const drawing: ChatPorts['drawing'] = (_session, pending) => {
    asked.push(pending);
    return Promise.resolve(drawn);
  };
  const given = { drawing, link: linkTo, turn: { keepHistory: true } };
  const { error, sink, log } = await run([answer(promise, DONE)], given);
  t.equal(error, null);
  t.strictSame(sink.events.slice(1), [
    { type: 'message-start', conversationId: 'c-1', messageId: 't-2' },
    ...IMAGES,
    END,
  ]);
  t.strictSame(asked, [{ conversationId: 'c-1', messageId: 't-1' }]);
  t.strictSame(log.slice(-2), ['keep c-1 t-2', 'release ok'], 'on the same session, from where it goes on');

  const cutOff = await run([answer(promise)], given);
  t.strictSame(cutOff.sink.events.slice(-3), [...IMAGES, END], 'also without a [DONE]');
  const silent: Act = (reader) =>
    queueMicrotask(() => {
      reader.onOpen();
      reader.onBytes(Buffer.from(promise));
    });
  const reset: Act = (reader, log) => {
    silent(reader, log);
    setTimeout(() => reader.onFailure(new ChatError('upstream_unreachable', 'reset')), 20);
  };
  t.strictSame((await run([reset], given)).sink.events.slice(-3), [...IMAGES, END], 'nor a clean end');
  const waited = await run([silent], { ...given, policy: policy({ firstTokenMs: 30 }) });
  t.strictSame(waited.sink.events.slice(-3), [...IMAGES, END], 'nor any end');
  const said = await run([answer(promise, say('Soon.', true), DONE)], given);
  t.strictSame(
    said.sink.events.map(({ type }) => type),
    ['turn-start', 'text-delta', 'message-start', 'image', 'image', 'turn-end'],
  );
});

t.test('a drawing that never comes is told, or is the failure', async (t) => {
  const said = await run([answer(promise, say('Soon.', true), DONE)]);
  t.equal(said.error, null);
  t.match(said.sink.text, /^Soon\..+did not come\.$/);
  t.strictSame(said.sink.events.at(-1), END);
  const sink = new ListSink();
  Object.defineProperty(sink, 'committed', { get: () => false, set: () => {} });
  const nothing = await run([answer(promise, DONE), whole], { sink });
  t.match(nothing.error, { code: 'upstream_protocol_error' });
  t.equal(nothing.trace.attempts, 1, 'another attempt would wait as long');
  t.ok(nothing.log.includes('release upstream_protocol_error'));
});

t.test('nobody waits for a drawing that nobody wants', async (t) => {
  const drawing: ChatPorts['drawing'] = () => Promise.reject(new Error('asked'));
  const sink = new ListSink();
  sink.enoughAfter = 1;
  t.equal((await run([answer(promise, say('Soon.', true), DONE)], { sink, drawing })).error, null);
  t.equal((await run([whole], { drawing })).error, null);
  const first = new ListSink();
  const write = first.write.bind(first);
  first.write = (event) => write(event) && !(first.satisfied = event.type === 'image');
  await run([answer(promise, DONE)], { sink: first, drawing: () => Promise.resolve(drawn), link: linkTo });
  t.strictSame(first.events.at(-1), IMAGES[0], 'one is enough');
});

t.test('the wait for a drawing ends with the client, and with the total deadline', async (t) => {
  const drawing: ChatPorts['drawing'] = (_session, _pending, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
  const late = await run([answer(promise, DONE)], { drawing, policy: policy({ totalMs: 100 }) });
  t.match(late.error, { code: 'upstream_timeout', message: /TOTAL_TIMEOUT_MS/ });
  const { ports, log } = world([answer(promise, DONE)], { drawing });
  const sink = new ListSink();
  let accepted = 0;
  sink.accepted = () => void (accepted += 1);
  const client = new AbortController();
  const running = createComplete(ports, policy())(turn, caller, sink, client, newTrace());
  while (accepted === 0) await new Promise(setImmediate);
  client.abort(new Error('client gone'));
  await t.rejects(running, { message: 'client gone' });
  t.ok(log.includes('release internal_error'), 'neither well nor a failure of anybody');
});
