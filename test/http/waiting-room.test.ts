import fc from 'fast-check';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { ChatError } from '../../src/errors.ts';
import { createWaitingRoom } from '../../src/http/waiting-room.ts';
import type { Ticket } from '../../src/http/waiting-room.ts';
import { createPressure, pressureReason } from '../../src/pressure.ts';
import { askChat, chatBytes, errorOf, IDLE, settled, startProgram } from '../helpers/program.ts';
import { startUpstream } from '../helpers/upstream.ts';
import { dial, until } from './serve.ts';

t.test('who comes first is served first, and who leaves the queue is passed over', async (t) => {
  const room = createWaitingRoom({ places: 1, maxWaiting: 3, timeoutMs: 10_000 });
  const first = room.enter();
  await first.entered;
  const entered: string[] = [];
  const queue = ['b', 'c', 'd'].map((name) => {
    const ticket = room.enter();
    ticket.entered?.then(
      () => entered.push(name),
      () => undefined,
    );
    return ticket;
  }) as [Ticket, Ticket, Ticket];
  t.throws(() => room.enter(), { code: 'proxy_overloaded', retryAfterS: 1 });
  queue[1].leave();
  first.leave();
  first.leave();
  await queue[0].entered;
  t.same([entered, room.inside, room.waiting], [['b'], 1, 1]);
  queue[0].leave();
  await queue[2].entered;
  queue[2].leave();
  t.same([entered, room.inside, room.waiting], [['b', 'd'], 0, 0]);
});

t.test('when it is dismissed, those who wait are told so, and who is inside stays', async (t) => {
  const room = createWaitingRoom({ places: 1, maxWaiting: 2, timeoutMs: 10_000 });
  const inside = room.enter();
  const queue = [room.enter(), room.enter()];
  room.dismiss(new ChatError('shutting_down', 'Bye.'));
  for (const { entered } of queue) await t.rejects(entered as Promise<void>, { code: 'shutting_down' });
  for (const ticket of queue) ticket.leave();
  t.same([room.inside, room.waiting], [1, 0]);
  inside.leave();
  t.same([room.inside, room.waiting], [0, 0]);
});

t.test('who waits too long is refused and leaves nothing behind', async (t) => {
  const room = createWaitingRoom({ places: 1, maxWaiting: 1, timeoutMs: 20 });
  const inside = room.enter();
  const late = room.enter();
  await t.rejects(late.entered as Promise<void>, { code: 'proxy_overloaded', message: /QUEUE_TIMEOUT_MS/ });
  late.leave();
  t.same([room.inside, room.waiting], [1, 0]);
  inside.leave();
  t.equal(room.inside, 0);
});

t.test('whatever the order of coming and going, the counts balance', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(7), { maxLength: 80 }), async (moves) => {
      const room = createWaitingRoom({ places: 2, maxWaiting: 3, timeoutMs: 10_000 });
      const tickets: Ticket[] = [];
      for (const move of moves) {
        if (move < 3) tickets.at(move * 7 - 10)?.leave();
        else if (room.inside < 2 || room.waiting < 3) tickets.push(room.enter());
        if (room.inside > 2 || room.waiting > 3) return false;
        if (room.waiting > 0 && room.inside < 2) return false;
      }
      for (const ticket of tickets) ticket.leave();
      return room.inside === 0 && room.waiting === 0;
    }),
  );
});

t.test('a pause is no pressure, lateness that lasts is', async (t) => {
  const pressure = createPressure();
  t.teardown(() => pressure.stop());
  const block = (ms: number): void => {
    for (const endsAt = performance.now() + ms; performance.now() < endsAt;);
  };
  const before = pressure.sample;
  await until(() => pressure.sample !== before);
  block(1_300);
  const after = pressure.sample;
  await until(() => pressure.sample !== after);
  t.equal(pressure.reason(), null, `a look that saw ${pressure.sample.loopDelayMs} ms`);
  const blocking = setInterval(() => block(900), 1);
  t.teardown(() => clearInterval(blocking));
  t.ok(await until(() => pressure.reason() !== null, 15_000));
  t.match(pressure.reason(), /runs \d+ ms late/);
});

t.test('only what lasts counts as pressure', (t) => {
  const calm = { loopDelayMs: 100, heapShare: 0.5, memoryShare: 0 };
  t.equal(pressureReason(calm), null);
  t.match(pressureReason({ ...calm, loopDelayMs: 900 }), /900 ms late/);
  t.match(pressureReason({ ...calm, heapShare: 0.95 }), /95 %/);
  t.match(pressureReason({ ...calm, memoryShare: 0.99 }), /99 %/);
  t.end();
});

t.test('the program lets chats wait, drops those whose client left, and serves the rest', async (t) => {
  const upstream = await startUpstream(t);
  const env = { MAX_INFLIGHT: '1', MAX_QUEUE: '2', QUEUE_TIMEOUT_MS: '20000', RETRY_TIMES: '0' };
  const program = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin, ...env });
  const holder = await dial(t, program.port);
  holder.socket.write(chatBytes().slice(0, -1));
  await until(() => program.app.inflight.requests === 1);
  const leaver = await dial(t, program.port);
  leaver.socket.write(chatBytes());
  await until(() => program.app.inflight.requests === 2);
  const served = askChat(program.port);
  await until(() => program.app.inflight.requests === 3);
  const refused = await askChat(program.port);
  t.match([refused.status, errorOf(refused)?.code], [503, 'proxy_overloaded']);
  t.equal(refused.headers['retry-after'], '1');
  leaver.socket.destroy();
  await until(() => program.app.inflight.requests === 2);
  await sleep(20);
  holder.socket.destroy();
  t.equal((await served).status, 200);
  t.same(await settled(program), IDLE);
});
