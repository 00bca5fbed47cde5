import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { chats, codes, served, sights, startWary, takenOut } from '../helpers/outage.ts';
import { askChat, IDLE, settled } from '../helpers/program.ts';
import { PROXY_PASSWORD, startSwitchableProxy } from '../helpers/switchable-proxy.ts';
import type { ProxyMood, SwitchableProxy } from '../helpers/switchable-proxy.ts';
import { requirements, send, sendJson, startUpstream } from '../helpers/upstream.ts';
import type { Asked } from '../helpers/upstream.ts';

t.setTimeout(120_000);

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
  const program = await startWary(t, {
    CHATGPT_BASE_URL: upstream.origin,
    PROXY_URL: proxies.map(({ url }) => url).join(', '),
    CONNECT_TIMEOUT_MS: '800',
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
    await chats(program, 6, 6);
    return (await sights(program)).exits.every(({ state }) => state === 'well');
  };
  for (let tries = 0; tries < 60 && !(await areWell()); tries += 1) await sleep(100);
  t.match(await sights(program), { exits: proxies.map(() => ({ state: 'well' })) }, 'all are back');
  const before = proxies.map(({ opened }) => opened);
  t.ok(served(await chats(program, 100, 10)) >= 98);
  const load = growth(proxies, before);
  t.ok(
    [0, 1, 3, 4].every((at) => (load[at] ?? 0) >= 6),
    `all serve again: ${load.join(' ')}`,
  );
  t.notMatch(program.lines.join(''), PROXY_PASSWORD);
  t.same(await settled(program), IDLE);
});

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
    const program = await startWary(t, {
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
  const program = await startWary(t, {
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
