import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { askChat, IDLE, settled, startProgram } from '../helpers/program.ts';
import { requirements, sendJson, startUpstream } from '../helpers/upstream.ts';
import type { Asked, Upstream } from '../helpers/upstream.ts';
import { ACCESS_TOKEN, eventually, startWorld } from '../helpers/world.ts';

/** One red pixel. */
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';
const token = ACCESS_TOKEN;
const REQUIREMENTS = '/chat-requirements';
const DEVICE = 'oai-device-id';
const REQUIREMENTS_TOKEN = 'openai-sentinel-chat-requirements-token';

/** Each answer has a token of its own. */
function numbered(asked: Asked, nth: number): void {
  sendJson(asked, 200, { ...requirements('0fffff'), token: `gAAAAAB-${nth}` });
}

async function asked(upstream: Upstream, count: number): Promise<boolean> {
  return eventually(() => Promise.resolve(upstream.askedAt(REQUIREMENTS).length >= count));
}

t.test('PRESOLVE: an account finds its next clearance ready, under the device it was made for', async (t) => {
  const upstream = await startUpstream(t, { requirements: numbered });
  const program = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin, PRESOLVE: '1' });
  for (let chats = 1; chats <= 3; chats += 1) {
    t.equal((await askChat(program.port, { token })).status, 200);
    t.ok(await asked(upstream, chats + 1), 'the next one is under way at once');
    t.same(await settled(program), IDLE);
  }
  await sleep(50);
  t.equal(upstream.askedAt(REQUIREMENTS).length, 4);
  const devices = upstream.askedAt(REQUIREMENTS).map(({ headers }) => headers[DEVICE]);
  const told = upstream.askedAt('/conversation').map(({ headers }) => headers);
  t.same(
    told.map((headers) => headers[REQUIREMENTS_TOKEN]),
    ['gAAAAAB-1', 'gAAAAAB-2', 'gAAAAAB-3'],
  );
  t.same(
    told.map((headers) => headers[DEVICE]),
    devices.slice(0, 3),
  );
  t.equal((await askChat(program.port)).status, 200);
  t.equal((await askChat(program.port)).status, 200);
  t.same(await settled(program), IDLE);
  t.equal(upstream.askedAt(REQUIREMENTS).length, 6, 'visitors have none');
});

t.test('the sandbox, which checks devices, expiry and single use, takes them', async (t) => {
  const world = await startWorld(t, { env: { PRESOLVE: '2' } });
  for (let chats = 0; chats < 5; chats += 1) {
    t.equal((await askChat(world.port, { token })).status, 200);
    await sleep(20);
  }
});

t.test('without PRESOLVE a chat asks once', async (t) => {
  const upstream = await startUpstream(t, { requirements: numbered });
  const program = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin });
  for (let chats = 0; chats < 2; chats += 1) await askChat(program.port, { token });
  await sleep(100);
  t.same(await settled(program), IDLE);
  t.equal(upstream.askedAt(REQUIREMENTS).length, 2);
});

t.test('requirements are asked for while files go up', async (t) => {
  let release = (): void => {};
  const slow = createServer((request, response) => {
    request.resume();
    release = () => response.writeHead(201).end();
  });
  slow.listen(0, '127.0.0.1');
  await once(slow, 'listening');
  t.teardown(() => {
    slow.closeAllConnections();
    slow.close();
  });
  const upload_url = `http://127.0.0.1:${(slow.address() as AddressInfo).port}/blob`;
  const upstream = await startUpstream(t, {
    requirements: numbered,
    landing(one) {
      if (one.path.endsWith('/files'))
        return sendJson(one, 200, { status: 'success', file_id: 'f-1', upload_url });
      return sendJson(one, 200, { status: 'success', download_url: 'https://x.test/' });
    },
  });
  const program = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin });
  const content = [{ type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } }];
  const answer = askChat(program.port, { token, fields: { messages: [{ role: 'user', content }] } });
  await once(slow, 'request');
  t.ok(await asked(upstream, 1), 'the file is still on its way');
  t.equal(upstream.askedAt('/conversation').length, 0);
  release();
  t.equal((await answer).status, 200);
});
