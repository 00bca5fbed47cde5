import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { askChat, chatBytes, dataOf, IDLE, settled, startProcess, startProgram } from '../helpers/program.ts';
import {
  comesToRest,
  DONE,
  endStream,
  event,
  flood,
  floodOf,
  LONG_EVENT_WORDS,
  longDelta,
  longEvent,
  openStream,
  startUpstream,
  stream,
} from '../helpers/upstream.ts';
import type { Answer, ProgramProcess } from '../helpers/program.ts';
import type { Flood } from '../helpers/upstream.ts';
import { dial, until } from '../http/serve.ts';

const MIB = 1024 * 1024;
const GAUGE = new URL('./memory-gauge.script.js', import.meta.url).href;
/** What the kernel keeps on both legs of loopback, at its most generous. */
const KERNEL_BYTES = 24 * MIB;
const MEMORY_PER_STREAM = 512 * 1024;

t.test('a client that reads nothing stops its upstream, and is cut when its time is up', async (t) => {
  const floods: Flood[] = [];
  const upstream = await startUpstream(t, {
    conversation: async (asked) => {
      if (asked.headers.authorization !== undefined) return void floods.push(flood(asked));
      openStream(asked);
      for (let at = 1; at <= 10; at += 1) {
        stream(asked, event('word '.repeat(at), at === 10));
        await sleep(20);
      }
      stream(asked, DONE);
      endStream(asked);
    },
  });
  const program = await startProgram(t, {
    CHATGPT_BASE_URL: upstream.origin,
    SLOW_CLIENT_TIMEOUT_MS: '2500',
    IDLE_TIMEOUT_MS: '1000',
  });
  const startedAt = performance.now();
  const client = await dial(t, program.port);
  client.socket.pause();
  client.socket.write(chatBytes({ stream: true, token: 'eyJhbGciOi.slow' }));
  t.ok(await until(() => floods.length === 1));
  const taken = await comesToRest(() => floods[0]?.taken() ?? 0);
  t.comment(`upstream could write ${(taken / MIB).toFixed(1)} MiB of 64`);
  t.ok(taken < KERNEL_BYTES, 'upstream is not read any more');

  const normal = await askChat(program.port, { stream: true });
  t.equal(dataOf(normal.text).at(-1), '[DONE]', 'another stream is not held up');
  // The kernel may make its buffers larger meanwhile.
  t.ok((floods[0]?.taken() ?? Infinity) < KERNEL_BYTES, 'and upstream still waits');

  t.ok(await until(() => program.app.inflight.requests === 0, 30_000));
  t.comment(`cut after ${Math.round(performance.now() - startedAt)} ms`);
  t.ok(performance.now() - startedAt >= 2_500, 'not before its time');
  t.same(await settled(program), IDLE);
  t.ok(await until(() => upstream.askedAt('conversation')[0]?.socket.destroyed === true));
  t.match(program.logged().at(-1), { msg: 'request', outcome: 'slow_client', status: 200 });
});

t.test('a client that reads slowly but reads gets all of it', async (t) => {
  const upstream = await startUpstream(t, {
    conversation: async (asked) => {
      openStream(asked);
      for (let index = 0; index < 600; index += 1) stream(asked, longEvent(index));
      stream(asked, event('end', true) + DONE);
      endStream(asked);
    },
  });
  const program = await startProgram(t, {
    CHATGPT_BASE_URL: upstream.origin,
    SLOW_CLIENT_TIMEOUT_MS: '2500',
  });
  const client = await dial(t, program.port);
  client.socket.write(chatBytes());
  for (let rest = 0; rest < 8; rest += 1) {
    client.socket.pause();
    await sleep(400);
    client.socket.resume();
    await sleep(20);
  }
  t.ok(await until(() => client.text().endsWith('0\r\n\r\n'), 20_000));
  const texts = dataOf(client.text().replaceAll(/\r\n[0-9a-f]+\r\n/g, ''));
  t.equal(texts.at(-1), '[DONE]');
  const content = texts
    .slice(0, -1)
    .map((data) => contentOf(data))
    .join('');
  t.equal(content.split('word').length, 600 * LONG_EVENT_WORDS + 1, 'no text is lost');
  t.match(program.logged().at(-1), { outcome: 'ok' });
});

t.test('of many clients those who stop reading pause their own upstreams, and nobody else', async (t) => {
  const count = 16;
  const floods: Flood[] = [];
  const upstream = await startUpstream(t, {
    conversation: async (asked) => {
      if (asked.headers.authorization !== undefined) return void floods.push(flood(asked));
      openStream(asked);
      for (let at = 1; at <= 20; at += 1) {
        stream(asked, event('word '.repeat(at), at === 20));
        await sleep(20);
      }
      stream(asked, DONE);
      endStream(asked);
    },
  });
  const program = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin, IDLE_TIMEOUT_MS: '1000' });
  const live = (): Promise<Answer>[] =>
    Array.from({ length: 4 * count }, () => askChat(program.port, { stream: true }));
  const among = live();
  const stopped = await Promise.all(
    Array.from({ length: count }, async (_, at) => {
      const client = await dial(t, program.port);
      client.socket.pause();
      client.socket.write(chatBytes({ stream: true, token: `eyJhbGciOi.stopped-${at}` }));
      return client;
    }),
  );
  t.ok(await until(() => floods.length === count, 20_000));
  const total = (): number => floods.reduce((sum, { taken }) => sum + taken(), 0);

  const answers = await Promise.all([...among, ...live()]);
  t.ok(
    answers.every(({ text }) => dataOf(text).at(-1) === '[DONE]'),
    'those who read get all, begun before or after',
  );
  t.equal(program.app.inflight.requests, count, 'and those who do not are still there');
  const taken = await comesToRest(total);
  t.comment(`each of their upstreams could write ${(taken / count / MIB).toFixed(1)} MiB of 64`);
  t.ok(floods.every((one) => one.taken() < KERNEL_BYTES));

  const [first] = stopped;
  first?.socket.resume();
  t.ok(await until(() => total() > taken + MIB, 20_000), 'one that reads again gets on');
  for (const { socket } of stopped) socket.destroy();
  t.same(await settled(program), IDLE);
});

t.test(
  'what a stalled stream costs in memory is bounded',
  { skip: process.platform === 'win32' },
  async (t) => {
    const floods: Flood[] = [];
    // All that was taken is one text, to which a reader could be asked to go back.
    const upstream = await startUpstream(t, {
      conversation: (asked) => void floods.push(floodOf(asked, longDelta)),
    });
    const program = await startProcess(t, {
      CHATGPT_BASE_URL: upstream.origin,
      RETRY_TIMES: '0',
      NODE_OPTIONS: `--import=${GAUGE}`,
    });
    const held = (): Promise<number> => heldBytes(program);
    const stall = async (): Promise<void> => {
      const client = await dial(t, program.port);
      client.socket.pause();
      client.socket.write(chatBytes());
    };
    const total = (): number => floods.reduce((sum, { taken }) => sum + taken(), 0);
    // The first ones fill what is there only once: code, pools, the heap's young space.
    await Promise.all([stall(), stall(), stall(), stall()]);
    t.ok(await until(() => floods.length === 4));
    await comesToRest(total);
    // The vocabularies, some 50 MB, are loaded once the program listens: on a busy machine some time later.
    await grown(held);
    const count = 32;
    const before = await held();
    await Promise.all(Array.from({ length: count }, stall));
    t.ok(await until(() => floods.length === 4 + count));
    await comesToRest(total);
    const perStream = ((await held()) - before) / count;
    t.comment(`${Math.round(perStream / 1024)} KiB per stalled stream`);
    t.ok(perStream < MEMORY_PER_STREAM);
  },
);

function contentOf(data: string): string {
  const { choices } = JSON.parse(data) as { choices: readonly { delta: { content?: string } }[] };
  return choices[0]?.delta.content ?? '';
}

/** Resolves when the figure has grown no more for a while. */
async function grown(figure: () => Promise<number>): Promise<void> {
  let most = await figure();
  for (let quietMs = 0; quietMs < 2_000; quietMs += 200) {
    await sleep(200);
    const now = await figure();
    if (now < most + MIB) continue;
    most = now;
    quietMs = 0;
  }
}

/** What is alive in the program, in bytes: its heap and its buffers after a collection. */
async function heldBytes(program: ProgramProcess): Promise<number> {
  const told = (): string[] =>
    [...program.output().matchAll(/"heldBytes":(\d+)/g)].map(([, bytes = '']) => bytes);
  const before = told().length;
  program.child.kill('SIGUSR2');
  if (!(await until(() => told().length > before))) throw new Error('the program does not answer');
  return Number(told().at(-1));
}
