import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { chatBytes, startProgram } from '../helpers/program.ts';
import { DONE, endStream, event, openStream, startUpstream, stream } from '../helpers/upstream.ts';
import { dial, until } from '../http/serve.ts';

const LAST_CHUNK = '\r\n0\r\n\r\n';

/** The chunks of a raw answer, in order. */
function chunksOf(answer: string): string[] {
  let rest = answer.slice(answer.indexOf('\r\n\r\n') + 4);
  const chunks: string[] = [];
  for (;;) {
    const end = rest.indexOf('\r\n');
    const size = Number.parseInt(rest.slice(0, end), 16);
    if (!(size > 0)) return chunks;
    chunks.push(rest.slice(end + 2, end + 2 + size));
    rest = rest.slice(end + 4 + size);
  }
}

/** What `packets` of events become, a while apart. */
async function chunksOfChat(t: Test, packets: readonly string[]): Promise<string[]> {
  const upstream = await startUpstream(t, {
    conversation: async (asked) => {
      openStream(asked);
      for (const packet of packets) {
        stream(asked, packet);
        await sleep(50);
      }
      endStream(asked);
    },
  });
  const { port } = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin });
  const client = await dial(t, port);
  client.socket.write(chatBytes());
  t.ok(await until(() => client.text().endsWith(LAST_CHUNK)));
  return chunksOf(client.text());
}

t.test('an answer that comes in one packet leaves as one chunk, with its end', async (t) => {
  const chunks = await chunksOfChat(t, [event('Hello') + event('Hello there', true) + DONE]);
  t.equal(chunks.length, 1);
  t.match(chunks[0], /"content":"Hello"[^]*"content":" there"[^]*"finish_reason":"stop"[^]*\[DONE\]/);
});

t.test('of one that comes in several each leaves as a chunk, and the last with the end', async (t) => {
  const chunks = await chunksOfChat(t, [event('a') + event('ab'), event('abc'), event('abcd', true) + DONE]);
  t.equal(chunks.length, 3);
  t.match(chunks[0], /"content":"a"[^]*"content":"b"/);
  t.match(chunks[1], /^[^\n]*"content":"c"[^\n]*\n\n$/);
  t.match(chunks[2], /"content":"d"[^]*"finish_reason":"stop"[^]*\[DONE\]/);
});
