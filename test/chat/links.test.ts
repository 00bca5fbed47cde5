import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import { ChatError } from '../../src/errors.ts';
import type { Asset, DecodedEvent, TurnEvent } from '../../src/conversation/events.ts';
import { Answer } from '../../src/chat/answer.ts';
import { Links } from '../../src/chat/links.ts';
import { pump } from '../../src/chat/pump.ts';
import type { StreamReader, TurnSink } from '../../src/chat/ports.ts';
import type { StreamDecoder } from '../../src/upstream/protocol/stream-decoder.ts';

const asset = (name: string): Asset => ({ kind: 'pointer', pointer: name, conversationId: null });
const image = (name: string): DecodedEvent => ({ type: 'image', link: asset(name) });
const text = (words: string): DecodedEvent => ({ type: 'text-delta', text: words });
const end: DecodedEvent = { type: 'turn-end', reason: 'stop' };

/** Words for events: texts as they are, images as `[link]`. */
const shown = (event: TurnEvent): string => {
  switch (event.type) {
    case 'text-delta':
      return event.text;
    case 'image':
      return `[${event.link ?? 'none'}]`;
    default:
      return event.type;
  }
};

const nameOf = (wanted: Asset): string => (wanted.kind === 'pointer' ? wanted.pointer : wanted.path);

/** Links whose fetches the test answers by name. */
function byHand(
  options: { linkMs?: number; nowMs?: () => number; deliver?: (event: TurnEvent) => boolean } = {},
) {
  const out: string[] = [];
  const asked = new Map<
    string,
    { give: (link: string | null) => void; fail: () => void; signal: AbortSignal }
  >();
  const links: Links = new Links({
    link: (wanted, signal) =>
      new Promise((resolve, reject) =>
        asked.set(nameOf(wanted), { give: resolve, fail: () => reject(new Error('no')), signal }),
      ),
    deliver: (event) => {
      out.push(shown(event));
      return options.deliver?.(event) ?? true;
    },
    onReady: () => links.flush(),
    ...(options.linkMs === undefined ? {} : { linkMs: options.linkMs }),
    ...(options.nowMs === undefined ? {} : { nowMs: options.nowMs }),
  });
  const call = (name: string) => {
    const found = asked.get(name);
    if (found === undefined) throw new Error(`${name} was not asked for`);
    return found;
  };
  return { links, out, asked, call };
}

t.test('links come side by side, events leave in order', async (t) => {
  const { links, out, asked, call } = byHand();
  for (const event of [text('a'), image('one'), text('b'), image('two'), text('c'), end]) links.push(event);
  t.strictSame([...asked.keys()], ['one', 'two'], 'both are asked for at once');
  t.strictSame(out, ['a']);
  call('two').give('L2');
  await sleep(1);
  t.strictSame(out, ['a'], 'what follows an open link waits, its own link or not');
  call('one').fail();
  await sleep(1);
  t.strictSame(out, ['a', '[none]', 'b', '[L2]', 'c', 'turn-end']);
  t.ok(links.isEmpty);
  links.push(text('d'));
  t.equal(out.at(-1), 'd', 'and the way is free again');
});

t.test('whatever the order of answers, the order of events is kept', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ isImage: fc.boolean(), delay: fc.nat(3), fails: fc.boolean() }), {
        maxLength: 30,
      }),
      async (plan) => {
        const { links, out, call } = byHand();
        const expected = plan.map(({ isImage, fails }, at) => {
          if (!isImage) return String(at);
          return fails ? '[none]' : `[${at}]`;
        });
        plan.forEach(({ isImage }, at) => links.push(isImage ? image(String(at)) : text(String(at))));
        await Promise.all(
          plan.map(async ({ isImage, delay, fails }, at) => {
            if (!isImage) return;
            for (let turns = 0; turns < delay; turns++) await new Promise(setImmediate);
            if (fails) call(String(at)).fail();
            else call(String(at)).give(String(at));
          }),
        );
        await new Promise(setImmediate);
        t.strictSame(out, expected);
      },
    ),
    { numRuns: 30 },
  );
});

t.test('a link that does not come in time is none, and its fetch ends', async (t) => {
  const { links, out, call } = byHand({ linkMs: 20 });
  links.push(image('slow'));
  links.push(end);
  await sleep(60);
  t.strictSame(out, ['[none]', 'turn-end']);
  t.ok(call('slow').signal.aborted);
  call('slow').give('late');
  await sleep(1);
  t.equal(out.length, 2, 'one that comes later is too late');
});

t.test('the line is bounded, and a full sink stops the flush', async (t) => {
  let takes = 1;
  const { links, out, call } = byHand({ deliver: () => (takes -= 1) > 0 });
  links.push(image('one'));
  t.notOk(links.isFull);
  links.push(text('x'.repeat(64 * 1024)));
  t.ok(links.isFull, 'by characters');
  call('one').give('L');
  await sleep(1);
  t.strictSame(out, ['[L]'], 'the sink said no after one');
  takes = 2;
  links.flush();
  t.notOk(links.isFull);
  for (let at = 0; at < 16; at++) links.push(image(String(at)));
  t.ok(links.isFull, 'by links');
  links.cancel();
  t.ok(links.isEmpty);
  t.notOk(links.isFull);
  t.ok(call('15').signal.aborted);
  links.push(image('other'));
  for (let at = 0; at < 256; at++) links.push(text('.'));
  t.ok(links.isFull, 'by events');
  links.cancel();
});

type Listener = Parameters<Answer['listen']>[0];

class JsonDecoder {
  finished = false;
  readonly pending = null;
  readonly #emit: Listener;
  constructor(emit: Listener) {
    this.#emit = emit;
  }
  get complete(): boolean {
    return this.finished;
  }
  push({ data }: { data: string }): void {
    const event = JSON.parse(data) as DecodedEvent | { type: 'error' };
    if (event.type === 'error') throw new ChatError('upstream_refused', 'no more');
    if (event.type === 'turn-end') this.finished = true;
    this.#emit(event);
  }
  end(): void {
    if (!this.finished) throw new ChatError('upstream_protocol_error', 'cut off');
  }
}

/** An answer whose decoder takes the events themselves, as JSON. */
class JsonAnswer extends Answer {
  #told: Listener = () => {};
  override readonly decoder = new JsonDecoder((event) => this.#told(event)) as unknown as StreamDecoder;
  override listen(listener: Listener): void {
    this.#told = listener;
  }
}

class ListSink implements TurnSink {
  readonly committed = false;
  readonly out: string[] = [];
  satisfied = false;
  takes = true;
  drained: () => void = () => {};
  accepted(): void {}
  write(event: TurnEvent): boolean {
    this.out.push(shown(event));
    return this.takes;
  }
  onDrain(listener: () => void): void {
    this.drained = listener;
  }
}

const frames = (...events: (DecodedEvent | { type: 'error' })[]): Buffer =>
  Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''));

/** A running pump whose upstream and links the test plays. */
function running(given: { idleMs?: number } = {}) {
  const sink = new ListSink();
  const log: string[] = [];
  const gives: ((link: string | null) => void)[] = [];
  const signals: AbortSignal[] = [];
  const client = new AbortController();
  let upstream: StreamReader | null = null;
  const note = (word: string) => (): void => void log.push(word);
  const over = pump(
    (reader) => {
      upstream = reader;
      return { askedIds: [], pause: note('pause'), resume: note('resume'), abort: note('abort') };
    },
    new JsonAnswer(sink, () => {}),
    client.signal,
    {
      deadlines: { firstTokenMs: 5_000, idleMs: given.idleMs ?? 5_000, totalMs: 5_000 },
      trace: { startedAt: 0, attempts: 1, leasedMs: 0, clearedMs: 0, openedMs: null, firstTextMs: null },
      link: (_asset, signal) =>
        new Promise((resolve) => {
          gives.push(resolve);
          signals.push(signal);
        }),
    },
  ).then(
    () => 'done',
    (reason: unknown) => (reason instanceof ChatError ? reason.code : String(reason)),
  );
  const state = { over: null as string | null };
  void over.then((how) => (state.over = how));
  const give = async (at: number, link: string | null): Promise<void> => {
    gives[at]?.(link);
    await sleep(1);
  };
  return { sink, log, give, signals, client, over, state, upstream: upstream as unknown as StreamReader };
}

t.test('a turn ends when its last link has come, though upstream ended before', async (t) => {
  const { sink, log, give, over, state, upstream } = running();
  upstream.onOpen();
  upstream.onBytes(frames(text('a'), image('x'), text('b'), end));
  upstream.onEnd();
  await sleep(10);
  t.strictSame([sink.out, state.over], [['a'], null]);
  await give(0, 'L');
  t.equal(await over, 'done');
  t.strictSame(sink.out, ['a', '[L]', 'b', 'turn-end']);
  t.strictSame(log, [], 'upstream ended by itself');
});

t.test('an error of upstream comes after what came before it', async (t) => {
  for (const fault of ['event', 'cut', 'failure', 'silence']) {
    const { sink, log, give, over, state, upstream } = running({
      idleMs: fault === 'silence' ? 20 : 5_000,
    });
    upstream.onBytes(frames(image('x'), text('b')));
    if (fault === 'event') upstream.onBytes(frames({ type: 'error' }));
    if (fault === 'cut') upstream.onEnd();
    if (fault === 'failure') upstream.onFailure(new ChatError('upstream_error', 'no'));
    await sleep(60);
    t.strictSame([sink.out, state.over], [[], null], fault);
    t.strictSame(log, ['abort'], 'upstream is let go at once');
    await give(0, 'L');
    t.match(await over, /^upstream_/, fault);
    t.strictSame(sink.out, ['[L]', 'b']);
  }
});

t.test('a client that leaves ends the wait for links', async (t) => {
  for (const ended of [false, true]) {
    const { sink, log, signals, client, over, upstream } = running();
    upstream.onBytes(ended ? frames(image('x'), end) : frames(image('x')));
    client.abort(new Error('gone'));
    t.equal(await over, 'Error: gone');
    t.ok(signals[0]?.aborted);
    t.strictSame(sink.out, []);
    t.equal(log.includes('abort'), !ended);
  }
});

t.test('a full line and a full sink pause upstream until both have room', async (t) => {
  const { sink, log, give, over, upstream } = running();
  upstream.onBytes(frames(image('x'), text('y'.repeat(70_000))));
  t.strictSame(log, ['pause'], 'the line is full');
  sink.takes = false;
  await give(0, 'L');
  t.strictSame(sink.out, ['[L]'], 'the sink is full: the rest stays in line');
  t.strictSame(log, ['pause']);
  sink.takes = true;
  sink.drained();
  await sleep(60);
  t.equal(sink.out.join(''), `[L]${'y'.repeat(70_000)}`);
  t.strictSame(log, ['pause', 'resume']);
  upstream.onBytes(frames(end));
  upstream.onEnd();
  t.equal(await over, 'done');
});

t.test('a huge text takes many turns of the event loop, and all behind it waits', async (t) => {
  let nowMs = 0;
  let inTurn = 0;
  let most = 0;
  const nextTurn = (): void => {
    inTurn = 0;
    turning = setImmediate(nextTurn);
  };
  let turning = setImmediate(nextTurn);
  const { links, out } = byHand({
    nowMs: () => nowMs,
    deliver({ type, ...event }) {
      nowMs += 1;
      if (type === 'text-delta' && 'text' in event) inTurn += event.text.length;
      most = Math.max(most, inTurn);
      return true;
    },
  });
  const huge = 'ab \u{1F642} c\n'.repeat(130_000);
  for (const event of [text('a'), text(huge), text('b'), end]) links.push(event);
  t.ok(out.join('').length < huge.length / 20, 'some of it at once');
  t.ok(links.isFull);
  while (!links.isEmpty) await sleep(1);
  clearImmediate(turning);
  t.equal(out.join(''), `a${huge}bturn-end`);
  t.comment(`${out.length} slices, at most ${most} units in a turn`);
  t.ok(most < huge.length / 20, 'and never much of it: others were served meanwhile');
  t.notOk(
    out.some((slice) => /\p{Surrogate}/u.test(slice)),
    'no character was cut',
  );
});

t.test('a turn is not over before all of a huge text has left', async (t) => {
  const { sink, over, log, upstream } = running();
  const huge = 'word '.repeat(400_000);
  sink.takes = false;
  upstream.onBytes(frames(text('a'), text(huge), end));
  upstream.onEnd();
  await sleep(20);
  t.ok(sink.out.join('').length < huge.length / 2, 'a sink that is full gets no more');
  sink.takes = true;
  sink.drained();
  t.equal(await over, 'done');
  t.equal(sink.out.join(''), `a${huge}turn-end`);
  t.strictSame(log, [], 'upstream ended by itself');
});

t.test('a client that leaves within a huge text gets no more of it', async (t) => {
  const { sink, client, over, upstream } = running();
  sink.takes = false;
  upstream.onBytes(frames(text('x'.repeat(1e6))));
  const taken = sink.out.length;
  client.abort(new Error('gone'));
  t.equal(await over, 'Error: gone');
  sink.takes = true;
  sink.drained();
  await sleep(20);
  t.equal(sink.out.length, taken);
});

t.test('a sink that has enough does not wait for more', async (t) => {
  const { sink, log, give, signals, over, upstream } = running();
  upstream.onBytes(frames(image('x'), image('y')));
  sink.satisfied = true;
  await give(0, 'L');
  t.equal(await over, 'done');
  t.ok(signals[1]?.aborted);
  t.strictSame(log, ['abort']);
});
