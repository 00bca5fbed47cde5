import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import {
  chatBytes,
  dataOf,
  IDLE,
  settled,
  spawnProgram,
  startProcess,
  startProgram,
} from '../helpers/program.ts';
import {
  DONE,
  endStream,
  event,
  flood,
  openStream,
  requirements,
  sendJson,
  startUpstream,
  stream,
} from '../helpers/upstream.ts';
import type { Asked } from '../helpers/upstream.ts';
import { dial, get, until } from '../http/serve.ts';
import type { RawClient } from '../http/serve.ts';

/** A stream that goes on until it is told to end. */
function openAnswer(asked: Asked): () => void {
  openStream(asked);
  stream(asked, event('It began'));
  return () => {
    stream(asked, event('It began, and ended.', true) + DONE);
    endStream(asked);
  };
}

const body = (client: RawClient): string => client.text().replaceAll(/\r\n[0-9a-f]+\r\n/g, '');

/** The next answer on a connection that stays open, as far as it has come. */
async function answerOf(client: RawClient, request: string): Promise<string> {
  const before = client.text().length;
  client.socket.write(request);
  await until(() => client.text().slice(before).includes('\r\n\r\n'));
  await sleep(20);
  return client.text().slice(before);
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal}: what runs may finish, nothing new begins`, async (t) => {
    let finish = (): void => undefined;
    const upstream = await startUpstream(t, { conversation: (asked) => void (finish = openAnswer(asked)) });
    const program = await startProcess(t, { CHATGPT_BASE_URL: upstream.origin, DRAIN_TIMEOUT_MS: '20000' });
    const [running, health, chatting] = [
      await dial(t, program.port),
      await dial(t, program.port),
      await dial(t, program.port),
    ];
    t.match(await answerOf(health, get('/readyz')), '200 OK');
    t.match(await answerOf(chatting, get('/healthz')), '200 OK');
    running.socket.write(chatBytes());
    t.ok(await until(() => running.text().includes('It began')));

    program.child.kill(signal);
    t.ok(await until(() => program.output().includes('draining')));
    await refused(program.port);
    const ready = await answerOf(health, get('/readyz'));
    t.match(ready, /^HTTP\/1\.1 503 /);
    t.match(ready, 'draining');
    const late = await answerOf(chatting, chatBytes());
    t.match(late, /^HTTP\/1\.1 503 /);
    t.match(late, '"code":"shutting_down"');
    t.match(late, /\r\nretry-after: \d+\r\n/i);
    await chatting.closed;

    finish();
    await running.closed;
    t.equal(dataOf(body(running)).at(-1), '[DONE]');
    t.match(body(running), ', and ended.');
    t.equal(await program.exited, 0);
    t.match(program.output(), '"outcome":"ok"');
    t.match(program.output(), '"msg":"stopped"', 'the log is complete');
    t.equal(upstream.askedAt('conversation').length, 1);
  });
}

/** Nobody listens there any more. */
async function refused(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  if (error.code !== 'ECONNREFUSED') throw error;
}

t.test('when the time is up, streams end with an error frame and the rest with a status', async (t) => {
  const upstream = await startUpstream(t, {
    conversation: (asked, nth) => (nth === 1 ? void openAnswer(asked) : undefined),
  });
  const program = await startProcess(t, { CHATGPT_BASE_URL: upstream.origin, DRAIN_TIMEOUT_MS: '300' });
  const streaming = await dial(t, program.port);
  streaming.socket.write(chatBytes());
  t.ok(await until(() => streaming.text().includes('It began')));
  const waiting = await dial(t, program.port);
  waiting.socket.write(chatBytes({ stream: false }));
  t.ok(await until(() => upstream.askedAt('conversation').length === 2));
  const half = await dial(t, program.port);
  half.socket.write(chatBytes().slice(0, -5));
  await sleep(100);

  program.child.kill('SIGTERM');
  t.equal(await program.exited, 0);
  t.match(dataOf(body(streaming)).at(-1), '"code":"shutting_down"');
  t.notMatch(streaming.text(), '[DONE]');
  t.match(waiting.text(), /^HTTP\/1\.1 503 /);
  t.match(waiting.text(), '"code":"shutting_down"');
  t.ok(await until(() => upstream.sockets === 0), "upstream's connections are closed");
  await half.closed;
  t.match(program.output(), '"msg":"stopped"');
});

t.test('draining leaves nothing under way', async (t) => {
  const upstream = await startUpstream(t, {
    requirements: (asked, nth) =>
      sendJson(asked, 200, requirements(nth > 3 ? '00000000000000ff' : undefined)),
    conversation: (asked, nth) => [openAnswer, flood, () => undefined][nth % 3]?.(asked) as void,
  });
  const program = await startProgram(t, {
    CHATGPT_BASE_URL: upstream.origin,
    POW_DIFFICULTY: '0000000000000001',
    DRAIN_TIMEOUT_MS: '200',
  });
  for (let nth = 1; nth <= 5; nth += 1) {
    const client = await dial(t, program.port);
    if (nth === 2) client.socket.pause();
    client.socket.write(chatBytes());
    t.ok(await until(() => upstream.askedAt('requirements').length === nth));
  }
  t.ok(
    await until(() => program.app.inflight.proofsQueued === 1 && program.app.inflight.proofsRunning === 1),
  );
  t.match(program.app.inflight, { requests: 5, leases: 5 });
  await program.app.close();
  t.same(await settled(program), IDLE);
  t.ok(await until(() => upstream.sockets === 0));
  t.equal(program.logged().filter(({ msg }) => msg === 'request').length, 5);
});

t.test('a second signal ends it at once', async (t) => {
  const upstream = await startUpstream(t, { conversation: (asked) => void openAnswer(asked) });
  const program = await startProcess(t, { CHATGPT_BASE_URL: upstream.origin, DRAIN_TIMEOUT_MS: '60000' });
  const client = await dial(t, program.port);
  client.socket.write(chatBytes());
  t.ok(await until(() => client.text().includes('It began')));
  program.child.kill('SIGTERM');
  t.ok(await until(() => program.output().includes('draining')));
  program.child.kill('SIGTERM');
  t.equal(await program.exited, 130);
});

t.test('a port in use is told in one line; exit code 1', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  t.teardown(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { exited, output } = spawnProgram(t, { PORT: String(port) });
  t.equal(await exited, 1);
  t.match(output(), `cannot listen on 127.0.0.1:${port}; is it in use?`);
  t.notMatch(output(), /\n\s+at /, 'no stack');
});

t.test('clients that leave by the dozen do not end the process', async (t) => {
  const upstream = await startUpstream(t, { conversation: (asked) => void openAnswer(asked) });
  const program = await startProcess(t, { CHATGPT_BASE_URL: upstream.origin });
  for (let round = 0; round < 20; round += 1) {
    const client = await dial(t, program.port);
    client.socket.write(chatBytes());
    await sleep(round * 5);
    client.socket.resetAndDestroy();
  }
  t.ok(await until(() => upstream.sockets <= 1));
  const client = await dial(t, program.port);
  t.match(await answerOf(client, get('/healthz')), '200 OK');
  program.child.kill('SIGTERM');
  t.equal(await program.exited, 0);
});
