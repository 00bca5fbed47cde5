import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { FILES_PATH } from '../../src/chat/file-ports.ts';
import type { FileHead, FilePart } from '../../src/chat/file-ports.ts';
import type { Session } from '../../src/chat/ports.ts';
import type { Asset } from '../../src/conversation/events.ts';
import { ChatError } from '../../src/errors.ts';
import { createExchange } from '../../src/outbound/exchange.ts';
import { createExits, DIRECT } from '../../src/outbound/exits.ts';
import { createDownloads } from '../../src/upstream/downloads.ts';
import { createFileLinks } from '../../src/upstream/file-links.ts';
import { createFileStreams } from '../../src/upstream/file-streams.ts';

const TOKEN = 'eyJhbGciOi-canary-token';
const AUTH_KEY = 'canary-auth-key';

interface Asked {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

interface Host {
  readonly origin: string;
  readonly asked: Asked[];
  /** Requests whose connection ended before their answer. */
  readonly gone: string[];
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function host(t: Test, answer: Answer, address = '127.0.0.1'): Promise<Host> {
  const asked: Asked[] = [];
  const gone: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    const { url = '', headers } = request;
    asked.push({ url, headers });
    response.on('close', () => {
      if (!response.writableFinished) gone.push(url);
    });
    answer(request, response);
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  });
  server.listen(0, address);
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { origin: `http://${address}:${(server.address() as AddressInfo).port}`, asked, gone };
}

const json = (response: ServerResponse, value: unknown, status = 200): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
};

function world(t: Test, origin: string, given: { idleMs?: number; maxLinks?: number } = {}) {
  const exits = createExits({ proxies: [], connectTimeoutMs: 5_000 });
  t.teardown(() => exits.destroy());
  const clock = { nowMs: 1_800_000_000_000 };
  const profile = { userAgent: 'Mozilla/5.0 test', authKey: AUTH_KEY };
  const links = createFileLinks({
    nowMs: () => clock.nowMs,
    ...(given.maxLinks === undefined ? {} : { maxLinks: given.maxLinks }),
  });
  const { link } = createDownloads({ exchange: createExchange(exits), profile, links });
  const files = createFileStreams({ exits, profile, links, idleMs: given.idleMs ?? 5_000 });
  const identity = { token: TOKEN, accountId: 'acc-1' };
  const session: Session = { origin, identity, account: null, deviceId: 'device-canary', exit: DIRECT };
  return { link, links, files, session, clock };
}

const never = new AbortController().signal;
const pointer = (name: string, conversationId: string | null = 'c-1'): Asset => ({
  kind: 'pointer',
  pointer: name,
  conversationId,
});
const WHOLE: FilePart = { range: null, ifRange: null };

t.test('each kind of asset is asked for where the backend keeps it', async (t) => {
  const upstream = await host(t, (_, response) =>
    json(response, { status: 'success', download_url: 'https://blob.example/x.png?sig=a%2Fb+c' }),
  );
  const { link, session } = world(t, upstream.origin);
  const assets: Asset[] = [
    pointer('file-service://file-SIMcat'),
    pointer('sediment://file_1'),
    pointer('sediment://file_1', null),
    { kind: 'sandbox', path: '/mnt/data/r ä&b.csv', messageId: 'm-1', conversationId: 'c-1' },
  ];
  for (const asset of assets) {
    t.equal(
      await link(session, asset, never),
      'https://blob.example/x.png?sig=a%2Fb+c',
      'given out as it is',
    );
  }
  const visitor = { ...session, identity: { token: null, accountId: null } };
  await link(visitor, pointer('file-service://file-2'), never);
  t.strictSame(
    upstream.asked.map(({ url }) => url),
    [
      '/backend-api/files/file-SIMcat/download',
      '/backend-api/conversation/c-1/attachment/file_1/download',
      '/backend-api/files/file_1/download',
      '/backend-api/conversation/c-1/interpreter/download?message_id=m-1&sandbox_path=%2Fmnt%2Fdata%2Fr+%C3%A4%26b.csv',
      '/backend-anon/files/file-2/download',
    ],
  );
  t.match(upstream.asked[0]?.headers, { authorization: `Bearer ${TOKEN}`, 'chatgpt-account-id': 'acc-1' });
  t.equal(upstream.asked[4]?.headers.authorization, undefined);
  t.equal(await link(session, pointer('blob://what'), never), null);
  t.equal(await link(session, { ...assets[3], conversationId: null } as Asset, never), null);
  t.equal(upstream.asked.length, 5, 'what cannot be asked for is not');
});

t.test('whatever goes wrong with a link, there is none', async (t) => {
  const answers: Record<string, Answer> = {
    expired: (_, response) => json(response, { status: 'error', error_code: 'ace_pod_expired' }),
    'error with URL': (_, response) =>
      json(response, { status: 'error', download_url: 'https://a.example/' }),
    none: (_, response) => json(response, { status: 'success' }),
    empty: (_, response) => json(response, { status: 'success', download_url: '' }),
    'no text': (_, response) => json(response, { download_url: 7 }),
    null: (_, response) => json(response, null),
    'no JSON': (_, response) => void response.end('<html>'),
    404: (_, response) => json(response, { download_url: 'https://a.example/' }, 404),
    script: (_, response) => json(response, { status: 'success', download_url: 'javascript:alert(1)' }),
    file: (_, response) => json(response, { status: 'success', download_url: 'file:///etc/passwd' }),
    cut: (request) => void request.socket.destroy(),
  };
  let current = '';
  const upstream = await host(t, (request, response) => answers[current]?.(request, response));
  const { link, session } = world(t, upstream.origin);
  for (const name of Object.keys(answers)) {
    current = name;
    t.equal(await link(session, pointer('file-service://file-1'), never), null, name);
  }
});

t.test('a client that leaves closes the call for the link', async (t) => {
  const upstream = await host(t, () => {});
  const { link, session } = world(t, upstream.origin);
  const client = new AbortController();
  const asking = link(session, pointer('file-service://file-1'), client.signal);
  while (upstream.asked.length === 0) await sleep(5);
  const gone = new Error('gone');
  client.abort(gone);
  await t.rejects(asking, gone);
  while (upstream.gone.length === 0) await sleep(5);
});

const estuary =
  (origin: string): Answer =>
  (request, response) => {
    if (request.url?.endsWith('/download')) {
      const download_url = `${origin}/backend-api/estuary/content?id=file_1&sig=s`;
      return json(response, {
        status: 'success',
        download_url,
        file_name: '/mnt/r.csv',
        mime_type: 'text/csv',
      });
    }
    response.end('content');
  };

t.test(
  'a link that needs the session becomes one of ours, which tells nothing and can be forged by nobody',
  async (t) => {
    const upstream = await host(t, (request, response) => estuary(upstream.origin)(request, response));
    const { link, links, files, session, clock } = world(t, upstream.origin);
    const own = (await link(session, pointer('sediment://file_1'), never)) ?? '';
    t.match(own, /^\/files\/[\w-]{22}\.[0-9a-z]+\.[\w-]{43}$/);
    for (const secret of ['canary', 'estuary', 'file_1', session.origin]) {
      t.notMatch(own, secret);
      t.notMatch(Buffer.from(own.slice(7), 'base64url').toString('latin1'), secret);
    }
    const token = own.slice(FILES_PATH.length);
    t.match(links.find(token), { path: '/backend-api/estuary/content?id=file_1&sig=s', name: '/mnt/r.csv' });

    const [id = '', end = '', signature = ''] = token.split('.');
    const later = (Number.parseInt(end, 36) + 3_600_000).toString(36);
    const flipped = (signature.startsWith('A') ? 'B' : 'A') + signature.slice(1);
    const forged = [
      `${id}.${later}.${signature}`,
      `${id}.${end}.${flipped}`,
      `${id}.${end}`,
      id,
      '',
      `${token}x`,
    ];
    for (const text of forged) t.equal(links.find(text), null, text);
    t.equal(createFileLinks({ nowMs: () => clock.nowMs }).find(token), null, "another process's");

    clock.nowMs += 3_599_999;
    t.ok(links.find(token));
    clock.nowMs += 1;
    t.equal(links.find(token), null, 'after an hour');
    t.equal(files.open(token, WHOLE, reader().reader), null);
  },
);

t.test('the table of links is bounded; the least recently used goes first', async (t) => {
  const { links, session } = world(t, 'http://127.0.0.1:1', { maxLinks: 2 });
  const keep = (path: string): string =>
    links.keep({ session, path, name: null, mimeType: null }).slice(FILES_PATH.length);
  const [a, b] = [keep('/a'), keep('/b')];
  t.ok(links.find(a));
  const c = keep('/c');
  t.strictSame(
    [a, b, c].map((token) => links.find(token)?.path),
    ['/a', undefined, '/c'],
  );
});

/** Everything that one file told its reader. */
function reader() {
  const heard = { head: null as FileHead | null, text: '', error: null as ChatError | null, ends: 0 };
  let onOver = (): void => {};
  const over = new Promise<void>((resolve) => (onOver = resolve));
  return {
    heard,
    over,
    reader: {
      onHead: (head: FileHead) => void (heard.head = head),
      onBytes: (chunk: Uint8Array) => void (heard.text += Buffer.from(chunk).toString()),
      onEnd() {
        heard.ends += 1;
        onOver();
      },
      onFailure(error: ChatError) {
        heard.error = error;
        onOver();
      },
    },
  };
}

t.test('the session goes to its gateway and nowhere else, redirects or not', async (t) => {
  const stranger = await host(
    t,
    (request, response) => {
      if (request.url === '/back')
        response.writeHead(302, { location: `${gateway.origin}/backend-api/secret` }).end();
      else response.writeHead(200, { 'set-cookie': 'a=b', 'x-ms-id': '1' }).end('blob');
    },
    '127.0.0.2',
  );
  const gateway: Host = await host(t, (request, response) => {
    const to: Record<string, string> = {
      '/backend-api/away': `${stranger.origin}/blob?sig=1`,
      '/backend-api/back': `${stranger.origin}/back`,
      '/backend-api/inside': '/backend-api/content',
      '/backend-api/outside': '/static/page',
      '/backend-api/circle': '/backend-api/circle',
      '/backend-api/script': 'javascript:alert(1)',
    };
    const location = to[request.url ?? ''];
    if (location === undefined) response.end('content');
    else response.writeHead(307, { location }).end();
  });
  const { links, files, session } = world(t, gateway.origin);
  const fetched = async (path: string) => {
    const { heard, over, reader: given } = reader();
    const own = links.keep({ session, path, name: null, mimeType: null });
    files.open(own.slice(FILES_PATH.length), { range: 'bytes=0-3', ifRange: null }, given);
    await over;
    return heard;
  };
  t.equal((await fetched('/backend-api/inside')).text, 'content');
  t.match(gateway.asked.at(-1)?.headers, {
    authorization: `Bearer ${TOKEN}`,
    authkey: AUTH_KEY,
    range: 'bytes=0-3',
  });

  const away = await fetched('/backend-api/away');
  t.equal(away.text, 'blob');
  t.strictSame(Object.keys(away.head?.headers ?? {}), ['content-type'], 'no cookies, nothing of its own');
  const told = JSON.stringify(stranger.asked);
  t.match(stranger.asked[0], { url: '/blob?sig=1', headers: { range: 'bytes=0-3' } });
  t.notMatch(told, /canary|authorization|acc-1|oai-|referer|origin/i);

  t.equal((await fetched('/backend-api/back')).text, 'content');
  t.match(gateway.asked.at(-1), { url: '/backend-api/secret' });
  t.notMatch(JSON.stringify(gateway.asked.at(-1)), 'canary', 'who left the session does not come back to it');

  await fetched('/backend-api/outside');
  t.match(gateway.asked.at(-1), { url: '/static/page' });
  t.notMatch(JSON.stringify(gateway.asked.at(-1)), 'canary', 'a page of the gateway that is no API');

  for (const path of ['/backend-api/circle', '/backend-api/script']) {
    t.match((await fetched(path)).error, { code: 'upstream_protocol_error' }, path);
  }
  t.equal(gateway.asked.filter(({ url }) => url === '/backend-api/circle').length, 6);
});

t.test('which links need the session', async (t) => {
  let download_url = '';
  const upstream = await host(t, (_, response) => json(response, { status: 'success', download_url }));
  const { link, links, session } = world(t, upstream.origin);
  const pathOf = async (url: string): Promise<string | null | undefined> => {
    download_url = url;
    const given = await link(session, pointer('file-service://file-1'), never);
    return given?.startsWith(FILES_PATH) === true ? links.find(given.slice(FILES_PATH.length))?.path : given;
  };
  t.equal(
    await pathOf(`${upstream.origin}/backend-anon/estuary/content?id=1`),
    '/backend-anon/estuary/content?id=1',
  );
  t.equal(await pathOf('/backend-api/estuary/content?id=1'), '/backend-api/estuary/content?id=1', 'relative');
  t.equal(
    await pathOf('https://chatgpt.com/backend-api/estuary/content?id=1'),
    '/backend-api/estuary/content?id=1',
  );
  t.equal(await pathOf(`${upstream.origin}/blob/1`), `${upstream.origin}/blob/1`);
  t.equal(await pathOf('/blob/1'), `${upstream.origin}/blob/1`);
  t.equal(await pathOf('https://evil.example/backend-api/x'), 'https://evil.example/backend-api/x');
  t.equal(await pathOf(`${upstream.origin}/x/../backend-api/y`), '/backend-api/y');
  t.equal(await pathOf('https://a.example/b c)"'), 'https://a.example/b%20c)%22');
});

t.test('what upstream says instead of a file becomes an honest error', async (t) => {
  let answer: Answer = () => {};
  const upstream = await host(t, (request, response) => answer(request, response));
  const { links, files, session } = world(t, upstream.origin, { idleMs: 50 });
  const codeFor = async (given: Answer): Promise<string | undefined> => {
    answer = given;
    const { heard, over, reader: listener } = reader();
    const own = links.keep({ session, path: '/backend-api/x', name: null, mimeType: null });
    files.open(own.slice(FILES_PATH.length), WHOLE, listener);
    await over;
    t.equal(heard.ends, 0);
    t.notMatch(heard.error?.message, 'canary');
    return heard.error?.code;
  };
  const status =
    (code: number): Answer =>
    (_, response) =>
      void response.writeHead(code).end('canary');
  t.equal(await codeFor(status(403)), 'upstream_refused');
  t.equal(await codeFor(status(401)), 'upstream_refused');
  t.equal(await codeFor(status(404)), 'unknown_url');
  t.equal(await codeFor(status(429)), 'rate_limit_exceeded');
  t.equal(await codeFor(status(503)), 'upstream_error');
  t.equal(await codeFor(status(204)), 'upstream_protocol_error');
  t.equal(await codeFor((request) => void request.socket.destroy()), 'upstream_unreachable');
  t.equal(await codeFor(() => {}), 'upstream_timeout');
  t.equal(
    await codeFor((_, response) => void response.writeHead(200, { 'content-length': 9 }).write('half')),
    'upstream_timeout',
    'silence within the body',
  );
  const cut: Answer = (request, response) => {
    response.writeHead(200, { 'content-length': 9 }).write('half');
    setTimeout(() => request.socket.destroy(), 10);
  };
  t.equal(await codeFor(cut), 'upstream_protocol_error');
});

t.test('all bytes behind a link, up to a cap', async (t) => {
  const upstream = await host(t, (request, response) => {
    if (request.url === '/missing') return void response.writeHead(404).end();
    if (request.url === '/hangs') return void response.write('x');
    if (request.url === '/zipped')
      return void response.writeHead(200, { 'content-encoding': 'gzip' }).end('x');
    if (request.url !== '/endless') return void response.end(Buffer.from([0, 255, 10]));
    const more = (): void => void (response.destroyed || response.write(Buffer.alloc(1024 * 1024), more));
    more();
  });
  const { links, files, session } = world(t, upstream.origin);
  const own = links.keep({ session, path: '/backend-api/x', name: null, mimeType: null });
  t.strictSame([...(await files.read(own, never))], [0, 255, 10]);
  t.equal(upstream.asked.at(-1)?.headers.authorization, `Bearer ${TOKEN}`);
  t.strictSame([...(await files.read(`${upstream.origin}/open`, never))], [0, 255, 10]);
  t.notMatch(JSON.stringify(upstream.asked.at(-1)), 'canary');
  const refused = (path: string): Promise<unknown> =>
    files.read(`${upstream.origin}${path}`, never).then(
      () => null,
      (error: unknown) => error,
    );
  t.match(await refused('/endless'), { code: 'upstream_protocol_error', message: /32 MiB/ });
  t.match(await refused('/missing'), { code: 'upstream_error' }, "the client's URL was right");
  t.match(await refused('/zipped'), { code: 'upstream_protocol_error' });
  await t.rejects(files.read('/files/unknown', never), ChatError);

  const client = new AbortController();
  const hanging = files.read(`${upstream.origin}/hangs`, client.signal);
  while (upstream.asked.at(-1)?.url !== '/hangs') await sleep(5);
  client.abort(new Error('gone'));
  await t.rejects(hanging, { message: 'gone' });
  while (!upstream.gone.includes('/hangs')) await sleep(5);
});
