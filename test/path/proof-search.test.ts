import t from 'tap';
import { ask, chatBody } from '../helpers/program.ts';
import { startWorld } from '../helpers/world.ts';
import type { World } from '../helpers/world.ts';

const chat = async (world: World): Promise<number> => {
  const headers = { 'content-type': 'application/json' };
  return (await ask(world.port, { headers, body: chatBody() })).status;
};

t.test('a gateway that refuses proofs of tail gets those of nonce, and the log says so once', async (t) => {
  const world = await startWorld(t, { scenario: { difficulty: '000fff' } });
  t.equal(await chat(world), 200);
  await world.scenario({ at: 'conversation', error: 'unusual_activity', times: 2, difficulty: '000fff' });
  t.equal(await chat(world), 403);
  t.equal(await chat(world), 403);
  t.equal(await chat(world), 200);
  t.equal(await chat(world), 200);
  t.equal(world.logLines.filter((line) => line.includes('POW_SEARCH=nonce')).length, 1);
});
