import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import type { AppSeams } from '../../src/app.ts';
import type { Env } from '../../src/config.ts';
import { ask, askChat, errorOf, IDLE, settled, startProgram } from '../helpers/program.ts';
import type { Answer, Program } from '../helpers/program.ts';
import { PROXY_PASSWORD, startSwitchableProxy } from '../helpers/switchable-proxy.ts';
import type { ProxyMood, SwitchableProxy } from '../helpers/switchable-proxy.ts';
import { requirements, send, sendAnswer, sendJson, startUpstream } from '../helpers/upstream.ts';
import type { Asked, Upstream } from '../helpers/upstream.ts';

t.setTimeout(120_000);

/** What takes half a minute and more in service takes a second or two here. */
const SHORT = { failuresInRow: 3, ejectMs: 800, maxEjectMs: 800, slowStartMs: 300, latencyDecayMs: 800 };
const ADMIN_KEY = 'admin-key-canary';
const UNWELL = { detail: 'Something went wrong' };

async function start(t: Test, env: Env, seams: AppSeams = { waysPolicy: SHORT }): Promise<Program> {
  return startProgram(t, { CONNECT_TIMEOUT_MS: '400', ADMIN_KEY, PRESOLVE: '0', ...env }, seams);
}

/** So many chats, so many at a time. */
async function chats(program: Program, count: number, atOnce: number): Promise<Answer[]> {
  const answers: Answer[] = [];
  let begun = 0;
  const client = async (): Promise<void> => {
    while (begun < count) {
      begun += 1;
      answers.push(await askChat(program.port, { stream: begun % 2 === 0 }));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, client));
  return answers;
}

function served(answers: readonly Answer[]): number {
  return answers.filter(({ status, text }) => status === 200 && text.includes('Hello there!')).length;
}

function codes(answers: readonly Answer[]): string[] {
  return answers.flatMap((answer) => errorOf(answer)?.code ?? []);
}

interface Sights {
  readonly exits: readonly Sight[];
  readonly gateways: readonly Sight[];
}
interface Sight {
  readonly name: string;
  readonly state: string;
  readonly ejections: number;
}

async function sights({ port }: Program): Promise<Sights> {
  const headers = { authorization: `Bearer ${ADMIN_KEY}` };
  return JSON.parse((await ask(port, { method: 'GET', path: '/admin/exits', headers })).text) as Sights;
}

const takenOut = (program: Program): string[] =>
  program.logged().flatMap(({ msg, node }) => (msg === 'way taken out' ? (node ?? []) : []));

const growth = (proxies: readonly SwitchableProxy[], before: readonly number[]): number[] =>
  proxies.map(({ opened }, at) => opened - (before[at] ?? 0));

t.test('five outbound proxies, of which two are dead, one is slow and one comes and goes', async (t) => {
  const upstream = await startUpstream(t);
  const moods: readonly ProxyMood[] = ['refuses', 'silent', 'slow', 'well', 'well'];
  const proxies = await Promise.all(moods.map((mood) => startSwitchableProxy(t, mood)));
  const [refusing, silent, , flapping] = proxies as [
    SwitchableProxy,
    SwitchableProxy,
    SwitchableProxy,
    SwitchableProxy,
  ];
  const program = await start(t, {
    CHATGPT_BASE_URL: upstream.origin,
    PROXY_URL: proxies.map(({ url }) => url).join(', '),
    RETRY_TIMES: '3',
  });
  let isOver = false;
  const switching = (async () => {
    for (let isUp = true; !isOver; isUp = !isUp) {
      await flapping.become(isUp ? 'well' : 'resets');
      await sleep(250);
    }
  })();
  const answers = await chats(program, 300, 20);
  isOver = true;
  await switching;
  t.ok(served(answers) >= 285, `nearly all answered: ${served(answers)}, ${codes(answers).join(' ')}`);
  const out = takenOut(program);
  t.ok(out.includes('outbound proxy 1') && out.includes('outbound proxy 2'), 'the dead ones are taken out');
  t.notOk(out.includes('outbound proxy 3') || out.includes('outbound proxy 5'), 'the others are not');
  t.ok(silent.asked < 60, `little is asked of a dead one: ${silent.asked}`);

  await Promise.all([refusing, silent, flapping].map((proxy) => proxy.become('well')));
  const areWell = async (): Promise<boolean> => {
    await chats(program, 10, 5);
    return (await sights(program)).exits.every(({ state }) => state === 'well');
  };
  for (let tries = 0; tries < 60 && !(await areWell()); tries += 1) await sleep(100);
  t.match(await sights(program), { exits: proxies.map(() => ({ state: 'well' })) }, 'all are back');
  const before = proxies.map(({ opened }) => opened);
  t.equal(served(await chats(program, 150, 10)), 150);
  const load = growth(proxies, before);
  t.ok(
    [0, 1, 3, 4].every((at) => (load[at] ?? 0) >= 10),
    `all serve again: ${load.join(' ')}`,
  );
  t.notMatch(program.lines.join(''), PROXY_PASSWORD);
  t.same(await settled(program), IDLE);
});

type GatewayMood = 'well' | '5xx' | 'resets' | 'hangs';

for (const mood of ['5xx', 'resets', 'hangs'] as const) {
  t.test(`of two gateways one ${mood === '5xx' ? 'answers 5xx' : mood}`, async (t) => {
    let now: GatewayMood = mood;
    const acts: Readonly<Record<GatewayMood, (asked: Asked) => unknown>> = {
      well: (asked) => sendAnswer(asked, 'Hello there!'),
      '5xx': (asked) => sendJson(asked, 503, UNWELL),
      resets: ({ socket }) => socket.resetAndDestroy(),
      hangs: () => undefined,
    };
    const bad = await startUpstream(t, { conversation: (asked) => void acts[now](asked) });
    const good = await startUpstream(t);
    const program = await start(t, {
      CHATGPT_BASE_URL: `${bad.origin},${good.origin}`,
      RETRY_TIMES: '2',
      FIRST_TOKEN_TIMEOUT_MS: '400',
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

const DISLIKES: Readonly<Record<string, (asked: Asked) => void>> = {
  'no visitors (401)': (asked) => sendJson(asked, 401, { detail: 'Unauthorized' }),
  'a challenge page': (asked) => send(asked, 403, 'text/html', '<script>window._cf_chl_opt={}</script>'),
};

for (const [name, refuse] of Object.entries(DISLIKES)) {
  t.test(`one address of three is met by ${name}`, async (t) => {
    const disliked = '127.0.0.2';
    const upstream = await startUpstream(t, {
      requirements: (asked) => {
        if (asked.socket.remoteAddress?.endsWith(disliked) === true) return refuse(asked);
        sendJson(asked, 200, requirements());
      },
    });
    const proxies = await Promise.all(
      [disliked, '127.0.0.3', '127.0.0.4'].map((from) => startSwitchableProxy(t, 'well', from)),
    );
    const program = await start(t, {
      CHATGPT_BASE_URL: upstream.origin,
      PROXY_URL: proxies.map(({ url }) => url).join(),
      RETRY_TIMES: '2',
    });
    t.equal(served(await chats(program, 40, 3)), 40, 'nobody notices');
    const [first] = proxies as [SwitchableProxy];
    t.ok(first.opened > 0 && first.opened < 30, `${first.opened} were tried there`);
    t.match(await sights(program), { gateways: [{ state: 'well', ejections: 0 }] });
  });
}

t.test("an account's 401 is held against no proxy", async (t) => {
  const upstream = await startUpstream(t, {
    conversation: (asked) => sendJson(asked, 401, { detail: { code: 'token_expired', message: 'x' } }),
  });
  const proxies = await Promise.all([startSwitchableProxy(t), startSwitchableProxy(t)]);
  const program = await start(t, {
    CHATGPT_BASE_URL: upstream.origin,
    PROXY_URL: proxies.map(({ url }) => url).join(),
    RETRY_TIMES: '3',
  });
  for (let nth = 0; nth < 12; nth += 1) {
    const { status } = await askChat(program.port, { token: `eyJhbGciOi.expired-${nth}` });
    t.equal(status, 401);
  }
  t.equal(upstream.askedAt('conversation').length, 12, 'and is not tried again');
  const blameless = { state: 'well', failed: 0, ejections: 0 };
  t.match(await sights(program), { exits: [blameless, blameless], gateways: [blameless] });
});

t.test('all gateways down: not ready, with the reason, until one is back', async (t) => {
  let isDown = true;
  const parts = {
    conversation: (asked: Asked) =>
      isDown ? sendJson(asked, 500, UNWELL) : sendAnswer(asked, 'Hello there!'),
  };
  const [first, second] = [await startUpstream(t, parts), await startUpstream(t, parts)];
  const program = await start(t, { CHATGPT_BASE_URL: `${first.origin},${second.origin}`, RETRY_TIMES: '0' });
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
