import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { ask, IDLE, settled } from '../helpers/program.ts';
import type { Answer, Program } from '../helpers/program.ts';
import { chats, codes, served, sights, startWary, takenOut } from '../helpers/outage.ts';
import { startSwitchableProxy } from '../helpers/switchable-proxy.ts';
import { sendAnswer, sendJson, startUpstream } from '../helpers/upstream.ts';
import type { Asked, Upstream } from '../helpers/upstream.ts';

t.setTimeout(120_000);

const UNWELL = { detail: 'Something went wrong' };

type GatewayMood = 'well' | '5xx' | 'asks for a minute' | 'resets' | 'hangs';

for (const mood of ['5xx', 'asks for a minute', 'resets', 'hangs'] as const) {
  t.test(`of two gateways one ${mood === '5xx' ? 'answers 5xx' : mood}`, async (t) => {
    let now: GatewayMood = mood;
    const acts: Readonly<Record<GatewayMood, (asked: Asked) => unknown>> = {
      well: (asked) => sendAnswer(asked, 'Hello there!'),
      '5xx': (asked) => sendJson(asked, 503, UNWELL),
      'asks for a minute': (asked) => sendJson(asked, 503, UNWELL, 'retry-after: 60'),
      resets: ({ socket }) => socket.resetAndDestroy(),
      hangs: () => undefined,
    };
    const bad = await startUpstream(t, { conversation: (asked) => void acts[now](asked) });
    const good = await startUpstream(t);
    const program = await startWary(t, {
      CHATGPT_BASE_URL: `${bad.origin},${good.origin}`,
      RETRY_TIMES: '2',
      FIRST_TOKEN_TIMEOUT_MS: '1000',
    });
    const answers = await chats(program, 60, 6);
    // A question that upstream took and does not answer is not asked again: it may still be at work on it.
    const lost = mood === 'hangs' ? 15 : 2;
    t.ok(served(answers) >= 60 - lost, `answered by the other: ${served(answers)}, ${codes(answers).join()}`);
    t.match(takenOut(program), [new URL(bad.origin).host]);
    t.notMatch(takenOut(program), [new URL(good.origin).host]);
    const asked = bad.askedAt('conversation').length;
    t.ok(asked < 25, `little is asked of it: ${asked}`);
    t.match((await sights(program)).exits, [{ name: 'direct', state: 'well', ejections: 0 }]);
    now = 'well';
    t.ok(await isBack(program, bad), 'it serves again');
    t.same(await settled(program), IDLE);
  });
}

t.test('one of two gateways is gone, or one of two outbound proxies: nobody notices', async (t) => {
  const good = await startUpstream(t);
  const gone = await startSwitchableProxy(t, 'refuses');
  const nobody = `http://127.0.0.1:${new URL(gone.url).port}`;
  for (const env of [
    { CHATGPT_BASE_URL: `${nobody},${good.origin}` },
    { CHATGPT_BASE_URL: good.origin, PROXY_URL: `${gone.url},${(await startSwitchableProxy(t)).url}` },
  ]) {
    const program = await startWary(t, { ...env, RETRY_TIMES: '3' });
    // All at once, before anything is known: more than the budget of retries has places for.
    const answers = await chats(program, 40, 40);
    t.equal(served(answers), 40, codes(answers).join());
    t.equal(takenOut(program).length > 0, true);
  }
});

/** Asks on until the gateway is well and has answered. */
async function isBack(program: Program, upstream: Upstream): Promise<boolean> {
  for (let tries = 0; tries < 60; tries += 1) {
    const before = upstream.askedAt('conversation').length;
    const answers = await chats(program, 12, 4);
    const hasAnswered = upstream.askedAt('conversation').length > before;
    const { gateways } = await sights(program);
    const { state } = gateways.find(({ name }) => upstream.origin.endsWith(name)) ?? {};
    if (served(answers) === 12 && state === 'well' && hasAnswered) return true;
    await sleep(100);
  }
  return false;
}

t.test('all gateways down: not ready, with the reason, until one is back', async (t) => {
  let isDown = true;
  const parts = {
    conversation: (asked: Asked) =>
      isDown ? sendJson(asked, 500, UNWELL) : sendAnswer(asked, 'Hello there!'),
  };
  const [first, second] = [await startUpstream(t, parts), await startUpstream(t, parts)];
  const program = await startWary(t, {
    CHATGPT_BASE_URL: `${first.origin},${second.origin}`,
    RETRY_TIMES: '0',
  });
  const ready = (): Promise<Answer> => ask(program.port, { method: 'GET', path: '/readyz' });
  t.equal((await ready()).status, 200);
  await chats(program, 20, 2);
  const unready = await ready();
  t.equal(unready.status, 503);
  t.match(JSON.parse(unready.text), {
    status: 'unready',
    reasons: [/^no gateway is usable \(upstream_error\)$/],
  });
  isDown = false;
  for (let tries = 0; tries < 60 && (await ready()).status !== 200; tries += 1) {
    await chats(program, 2, 1);
    await sleep(50);
  }
  t.equal((await ready()).status, 200);
  t.equal(served(await chats(program, 10, 2)), 10);
});
