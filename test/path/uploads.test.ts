import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { createApp } from '../../src/app.ts';
import { parseConfig } from '../../src/config.ts';
import type { Env } from '../../src/config.ts';
import '../helpers/bare-threads.ts';
import { newDataDir } from '../helpers/data-dir.ts';
import { createLog } from '../../src/log.ts';

/** One red pixel. */
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';

async function serve(
  t: Test,
  listener: (request: IncomingMessage, response: ServerResponse) => unknown,
): Promise<string> {
  const server = createServer((request, response) => void listener(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Seen {
  readonly conversations: Record<string, unknown>[];
  stored: number;
}

/** A backend that takes files and answers every question with "Seen." */
async function backend(t: Test): Promise<{ readonly origin: string; readonly seen: Seen }> {
  const seen: Seen = { conversations: [], stored: 0 };
  const origin = await serve(t, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const json = (body: object): unknown =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const path = request.url ?? '';
    if (request.method === 'PUT') {
      seen.stored += 1;
      return response.writeHead(201).end();
    }
    if (path.endsWith('/files')) {
      const upload_url = `${origin}/blob`;
      return json({ status: 'success', file_id: `file-${seen.stored}`, upload_url });
    }
    if (path.endsWith('/uploaded')) return json({ status: 'success', download_url: 'https://x.test/' });
    seen.conversations.push(JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>);
    const message = {
      id: 'a-1',
      author: { role: 'assistant' },
      content: { content_type: 'text', parts: ['Seen.'] },
      status: 'finished_successfully',
      end_turn: true,
      recipient: 'all',
    };
    return response
      .writeHead(200, { 'content-type': 'text/event-stream' })
      .end(`data: ${JSON.stringify({ message, conversation_id: 'c-1' })}\n\ndata: [DONE]\n\n`);
  });
  return { origin, seen };
}

/** The whole proxy before such a backend. `isOnLoopback`: URLs may lead to this machine. */
async function proxy(t: Test, env: Env, isOnLoopback: boolean): Promise<string> {
  const base = { HOST: '127.0.0.1', PORT: '0', CONVERSATION_ONLY: 'true', DATA_DIR: newDataDir(t) };
  const config = parseConfig({ ...base, ...env });
  const log = createLog({ level: 'silent', format: 'json' });
  const app = createApp(
    config,
    log,
    isOnLoopback ? { allowAddress: (address) => address === '127.0.0.1' } : {},
  );
  t.teardown(() => app.close());
  return `http://127.0.0.1:${(await app.listen()).port}`;
}

async function ask(
  base: string,
  content: unknown,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${base}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer eyJhbGciOi-a-token' },
    body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content }] }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

t.test('images in the request and by URL reach the model', async (t) => {
  const { origin, seen } = await backend(t);
  const files = await serve(t, (_request, response) =>
    response.writeHead(200, { 'content-type': 'image/png' }).end(Buffer.from(PNG, 'base64')),
  );
  const base = await proxy(t, { CHATGPT_BASE_URL: origin, UPLOAD_BY_URL: 'true' }, true);
  const { status, body } = await ask(base, [
    { type: 'text', text: 'What is this?' },
    { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } },
    { type: 'image_url', image_url: { url: `${files}/cat` } },
  ]);
  t.equal(status, 200);
  t.match(body, { choices: [{ message: { content: 'Seen.' } }] });
  t.ok((body['usage'] as { prompt_tokens: number }).prompt_tokens > 255 + 85);
  const pointer = { content_type: 'image_asset_pointer', width: 1, height: 1 };
  t.match(seen.conversations[0], {
    messages: [{ content: { content_type: 'multimodal_text', parts: ['What is this?', pointer, pointer] } }],
  });
  t.equal(seen.stored, 2);

  t.equal((await ask(base, `${files}/a.png ${files}/b.png Compare.`)).status, 200);
  t.match(seen.conversations[1], { messages: [{ content: { parts: ['Compare.', pointer, pointer] } }] });
});

t.test('by default no URL leads into this machine, and the chat does not begin', async (t) => {
  const { origin, seen } = await backend(t);
  const base = await proxy(t, { CHATGPT_BASE_URL: origin }, false);
  for (const host of [
    origin,
    origin.replace('127.0.0.1', 'localhost'),
    origin.replace('127.0.0.1', '[::1]'),
  ]) {
    const { status, body } = await ask(base, [{ type: 'image_url', image_url: { url: `${host}/blob` } }]);
    t.equal(status, 400);
    t.match(body, { error: { code: 'invalid_attachment', param: 'messages[0].content[0].image_url.url' } });
  }
  const limited = await proxy(t, { CHATGPT_BASE_URL: origin, MAX_FILE_BYTES: '10' }, false);
  const { status, body } = await ask(limited, [{ type: 'file', file: { file_data: PNG } }]);
  t.equal(status, 413);
  t.match(body, { error: { code: 'request_too_large', param: 'messages[0].content[0].file.file_data' } });
  t.equal(seen.conversations.length, 0);
});
