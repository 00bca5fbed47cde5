import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { ChatError } from '../../src/errors.ts';
import type { Session } from '../../src/chat/ports.ts';
import type { Attachment, Turn, UploadedFile } from '../../src/conversation/turn.ts';
import { createExchange } from '../../src/outbound/exchange.ts';
import { createExits, DIRECT } from '../../src/outbound/exits.ts';
import { createFetchFile } from '../../src/outbound/fetch-file.ts';
import { createFileSource } from '../../src/upstream/file-source.ts';
import { createFiles } from '../../src/upstream/files.ts';
import { encodeTurn } from '../../src/upstream/protocol/encode-turn.ts';
import { extensionOf, mimeTypeOfName, useCaseOf } from '../../src/upstream/protocol/file-types.ts';

const TOKEN = 'eyJhbGciOi-canary-token';
const PARAM = 'messages[0].content[0].image_url.url';
const MIB = 1024 * 1024;
/** One red pixel. */
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';
const PNG_BYTES = Buffer.from(PNG, 'base64');

interface Listening {
  readonly origin: string;
  readonly sockets: ReadonlySet<Socket>;
}

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown;

async function serve(t: Test, listener: Listener): Promise<Listening> {
  const server = createServer((request, response) => void listener(request, response));
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets };
}

/** Polls; false when it did not come true in good time. */
async function until(check: () => boolean, timeoutMs = 5_000): Promise<boolean> {
  const endsAt = Date.now() + timeoutMs;
  while (!check() && Date.now() < endsAt) await sleep(5);
  return check();
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

type Step = 'announce' | 'put' | 'confirm' | 'index';

interface Call {
  readonly step: Step;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

interface Backend {
  readonly gateway: Listening;
  readonly store: Listening;
  readonly calls: Call[];
}

const json = (response: ServerResponse, body: object, status = 200): unknown =>
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

/** A gateway and its store on another port; `acts` replaces what a step does. */
async function backend(t: Test, acts: Partial<Record<Step, Listener>> = {}): Promise<Backend> {
  const calls: Call[] = [];
  let files = 0;
  const good: Record<Step, Listener> = {
    announce: (_request, response) => {
      files += 1;
      const upload_url = `${store.origin}/blob/${files}?sig=a%2Bb&x=1`;
      json(response, { status: 'success', upload_url, file_id: `file-SIM${files}` });
    },
    put: (_request, response) => response.writeHead(201).end(),
    confirm: (_request, response) => json(response, { status: 'success', download_url: 'https://x.test/' }),
    index: (_request, response) => json(response, { id: 'x', retrieval_index_status: 'success' }),
  };
  const answer = async (step: Step, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const act = acts[step];
    if (act !== undefined && step === 'put') return void act(request, response);
    const body = await bodyOf(request);
    calls.push({ step, url: request.url ?? '', headers: request.headers, body });
    (act ?? good[step])(request, response);
  };
  const store = await serve(t, (request, response) => answer('put', request, response).catch(() => {}));
  const gateway = await serve(t, (request, response) => {
    const path = request.url ?? '';
    const step = request.method === 'GET' ? 'index' : path.endsWith('/uploaded') ? 'confirm' : 'announce';
    return answer(step, request, response).catch(() => {});
  });
  return { gateway, store, calls };
}

interface AttachOptions {
  readonly token?: string | null;
  readonly maxBytes?: number;
  readonly spoolDirectory?: string;
  readonly authKey?: string;
  readonly signal?: AbortSignal;
  readonly indexWaitMs?: number;
}

/** Attaches one file as an account would. */
function attach(
  t: Test,
  origin: string,
  given: Partial<Attachment>,
  options: AttachOptions = {},
): Promise<UploadedFile> {
  const exits = createExits({ proxies: [], connectTimeoutMs: 5_000 });
  t.teardown(() => exits.destroy());
  const maxBytes = options.maxBytes ?? 100 * MIB;
  const fetchFile = createFetchFile({
    proxyUrl: null,
    userAgent: 'a-browser',
    maxBytes,
    connectTimeoutMs: 5_000,
    allowAddress: () => true,
  });
  const files = createFiles({
    exchange: createExchange(exits),
    openFile: createFileSource({ fetchFile, maxBytes, spoolDirectory: options.spoolDirectory ?? tmpdir() }),
    profile: { userAgent: 'a-browser', authKey: options.authKey ?? null },
    newId: () => 'a-uuid',
    indexIntervalMs: 10,
    indexWaitMs: options.indexWaitMs ?? 5_000,
  });
  const token = options.token === undefined ? TOKEN : options.token;
  const session: Session = {
    origin,
    account: null,
    identity: { token, accountId: token === null ? null : 'a-team' },
    deviceId: 'a-device',
    exit: DIRECT,
  };
  const attachment: Attachment = {
    source: { kind: 'base64', base64: PNG },
    mimeType: null,
    name: null,
    lowDetail: false,
    param: PARAM,
    ...given,
  };
  return files.attach(session, attachment, options.signal ?? new AbortController().signal);
}

const fileAt = (url: string): Partial<Attachment> => ({ source: { kind: 'url', url } });
const data = (bytes: Buffer | string, mimeType: string | null = null): Partial<Attachment> => ({
  source: { kind: 'base64', base64: Buffer.from(bytes).toString('base64') },
  mimeType,
});

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (error) {
    if (!(error instanceof ChatError)) return error;
    const { code, param, message, status, retryable } = error;
    return { code, param, message, status, retryable };
  }
}

t.test('an image: announced, stored, confirmed, in this order and with these headers', async (t) => {
  const { gateway, store, calls } = await backend(t);
  const file = await attach(t, gateway.origin, { mimeType: 'image/png' }, { authKey: 'a-gateway-key' });
  t.strictSame(file, {
    id: 'file-SIM1',
    name: 'a-uuid.png',
    mimeType: 'image/png',
    sizeBytes: PNG_BYTES.length,
    width: 1,
    height: 1,
  });
  t.strictSame(
    calls.map(({ step, url }) => `${step} ${url}`),
    [
      'announce /backend-api/files',
      'put /blob/1?sig=a%2Bb&x=1',
      'confirm /backend-api/files/file-SIM1/uploaded',
    ],
  );
  const [announce, put, confirm] = calls;
  t.strictSame(JSON.parse(String(announce?.body)), {
    file_name: 'a-uuid.png',
    file_size: PNG_BYTES.length,
    timezone_offset_min: -480,
    use_case: 'multimodal',
    reset_rate_limits: false,
  });
  for (const call of [announce, confirm]) {
    t.match(call?.headers, {
      authorization: `Bearer ${TOKEN}`,
      'chatgpt-account-id': 'a-team',
      'oai-device-id': 'a-device',
      'content-type': 'application/json',
      authkey: 'a-gateway-key',
    });
  }
  t.strictSame(JSON.parse(String(confirm?.body)), {});
  t.match(put?.headers, {
    accept: 'application/json, text/plain, */*',
    'content-type': 'image/png',
    'content-length': String(PNG_BYTES.length),
    'x-ms-blob-type': 'BlockBlob',
    'x-ms-version': '2020-04-08',
    origin: gateway.origin,
    'user-agent': 'a-browser',
    host: store.origin.slice('http://'.length),
  });
  for (const secret of ['authorization', 'authkey', 'oai-device-id', 'chatgpt-account-id', 'cookie']) {
    t.notOk(secret in (put?.headers ?? {}), `${secret} stays at home`);
  }
  t.ok(put?.body.equals(PNG_BYTES));
});

t.test('a document is waited for until the backend has read it', async (t) => {
  let asked = 0;
  const { gateway, calls } = await backend(t, {
    index: (_request, response) => {
      asked += 1;
      if (asked === 1) return json(response, { detail: 'soon' }, 500);
      return json(response, { retrieval_index_status: asked < 4 ? 'parsing' : 'success' });
    },
  });
  const file = await attach(t, gateway.origin, data('hello', 'application/pdf'), { token: TOKEN });
  t.match(file, { name: 'a-uuid.pdf', mimeType: 'application/pdf', sizeBytes: 5, width: null, height: null });
  t.strictSame(
    calls.map(({ step }) => step),
    ['announce', 'put', 'confirm', 'index', 'index', 'index', 'index'],
  );
  t.equal(calls.at(-1)?.url, '/backend-api/files/file-SIM1');

  const slow = await backend(t, {
    index: (_request, response) => json(response, { retrieval_index_status: 'parsing' }),
  });
  const started = Date.now();
  t.match(await attach(t, slow.gateway.origin, data('x', 'text/plain'), { indexWaitMs: 100 }), {
    id: 'file-SIM1',
  });
  t.ok(Date.now() - started < 5_000, 'not for ever');

  const failing = await backend(t, {
    index: (_request, response) => json(response, { retrieval_index_status: 'failed' }),
  });
  t.match(await failureOf(attach(t, failing.gateway.origin, data('x', 'text/plain'))), {
    code: 'invalid_attachment',
    param: PARAM,
  });
});

t.test('what becomes of each kind of file', async (t) => {
  const { gateway, calls } = await backend(t);
  const files = await serve(t, (request, response) => {
    if (request.url !== '/none.csv') response.setHeader('content-type', 'application/octet-stream');
    response.end(request.url === '/image' ? PNG_BYTES : 'text');
  });
  const bmp = Buffer.alloc(64);
  bmp.write('BM');
  bmp.writeUInt32LE(40, 14);
  bmp.writeInt32LE(3, 18);
  bmp.writeInt32LE(2, 22);
  const gif = Buffer.from('GIF89a\x05\x00\x04\x00rest', 'latin1');
  const cases: [Partial<Attachment>, string, string, string, number | null][] = [
    [data(gif, 'image/gif'), 'image/gif', 'a-uuid.gif', 'multimodal', 5],
    [data(PNG_BYTES, 'image/jpg'), 'image/jpeg', 'a-uuid.jpg', 'multimodal', 1],
    [data(PNG_BYTES), 'image/png', 'a-uuid.png', 'multimodal', 1],
    [data(PNG_BYTES, 'application/octet-stream'), 'image/png', 'a-uuid.png', 'multimodal', 1],
    [data(bmp, 'image/bmp'), 'image/bmp', 'a-uuid.bmp', 'ace_upload', 3],
    [data('<svg/>', 'image/svg+xml'), 'text/plain', 'a-uuid.txt', 'my_files', null],
    [data('x', 'application/x-unheard-of'), 'application/x-unheard-of', 'a-uuid', 'ace_upload', null],
    [{ ...data('x'), name: 'Report.PDF' }, 'application/pdf', 'a-uuid.pdf', 'my_files', null],
    [data('x'), 'application/octet-stream', 'a-uuid', 'ace_upload', null],
    [fileAt(`${files.origin}/image`), 'image/png', 'a-uuid.png', 'multimodal', 1],
    [fileAt(`${files.origin}/none.csv?x=y.png`), 'text/csv', 'a-uuid.csv', 'ace_upload', null],
    [fileAt(`${files.origin}/x`), 'application/octet-stream', 'a-uuid', 'ace_upload', null],
  ];
  for (const [given, mimeType, name, useCase, width] of cases) {
    calls.length = 0;
    t.match(await attach(t, gateway.origin, given), { mimeType, name, width }, name);
    t.match(JSON.parse(String(calls[0]?.body)), { use_case: useCase, file_name: name });
    t.equal(calls[1]?.headers['content-type'], mimeType);
    t.equal(
      calls.some(({ step }) => step === 'index'),
      useCase === 'my_files',
      `${mimeType} index`,
    );
  }
  t.equal(useCaseOf('text/x-c++'), 'my_files');
  t.equal(extensionOf('text/xml'), '.xml');
  t.equal(mimeTypeOfName('a.jpeg'), 'image/jpeg');
  t.equal(mimeTypeOfName('__proto__'), null);
});

t.test('the file itself can be at fault', async (t) => {
  const { gateway, calls } = await backend(t);
  const files = await serve(t, (request, response) => {
    if (request.url === '/empty') return response.end();
    return response.writeHead(404).end();
  });
  const cases: [Partial<Attachment>, AttachOptions, string, RegExp][] = [
    [data('no image at all', 'image/png'), {}, 'invalid_attachment', /no image\/png/],
    [data(PNG_BYTES.subarray(0, 20), 'image/webp'), {}, 'invalid_attachment', /no image\/webp/],
    [data(PNG_BYTES), { maxBytes: 10 }, 'request_too_large', /10 bytes.*MAX_FILE_BYTES/],
    [fileAt(`${files.origin}/empty`), {}, 'invalid_attachment', /empty/],
    [fileAt(`${files.origin}/x`), {}, 'invalid_attachment', /404/],
  ];
  for (const [given, options, code, message] of cases) {
    t.match(await failureOf(attach(t, gateway.origin, given, options)), {
      code,
      param: PARAM,
      message,
      retryable: false,
    });
  }
  t.equal(calls.length, 0, 'the backend hears nothing of them');
});

t.test('what the backend refuses, step by step', async (t) => {
  const says =
    (status: number, body: object): Listener =>
    (_request, response) =>
      json(response, body, status);
  const cases: [Partial<Record<Step, Listener>>, object][] = [
    [{ announce: says(401, { detail: 'token expired' }) }, { code: 'account_unauthorized' }],
    [
      { announce: says(429, { detail: { code: 'x', message: 'Too many uploads', clears_in: 60 } }) },
      { code: 'rate_limit_exceeded' },
    ],
    [{ announce: says(500, {}) }, { code: 'upstream_error', retryable: true }],
    [{ announce: says(403, { detail: 'Unusual activity' }) }, { code: 'upstream_refused' }],
    [
      {
        announce: (_request, response) =>
          response.writeHead(403, { 'content-type': 'text/html' }).end('cf_chl_opt'),
      },
      { code: 'upstream_challenge' },
    ],
    [
      { announce: says(413, { detail: 'File is too big' }) },
      { code: 'invalid_attachment', param: PARAM, message: /too big/ },
    ],
    [
      { announce: says(422, { detail: 'bad type' }) },
      { code: 'invalid_attachment', param: PARAM, message: /bad type/ },
    ],
    [
      { announce: says(200, { status: 'error', error_code: 'file_size_exceeds_limit' }) },
      { code: 'invalid_attachment', param: PARAM, message: /file_size_exceeds_limit/ },
    ],
    [{ announce: says(200, { status: 'success', file_id: 'file-1' }) }, { code: 'upstream_protocol_error' }],
    [
      { announce: says(200, { status: 'success', file_id: '../x', upload_url: 'http://a.test/' }) },
      { code: 'upstream_protocol_error' },
    ],
    [
      { announce: says(200, { status: 'success', file_id: 'file-1', upload_url: 'file:///etc/passwd' }) },
      { code: 'upstream_protocol_error' },
    ],
    [
      { put: (_request, response) => response.writeHead(200).end() },
      { code: 'upstream_error', message: /200 instead of 201/ },
    ],
    [
      { put: (_request, response) => response.writeHead(403).end('sig') },
      { code: 'upstream_error', retryable: true },
    ],
    [{ put: (request) => request.socket.destroy() }, { code: 'upstream_unreachable', retryable: true }],
    [{ confirm: says(200, { status: 'success', download_url: '' }) }, { code: 'upstream_protocol_error' }],
    [
      { confirm: says(200, { status: 'error', error_code: 'unsafe' }) },
      { code: 'invalid_attachment', message: /unsafe/ },
    ],
    [{ confirm: says(503, {}) }, { code: 'upstream_error' }],
  ];
  for (const [acts, expected] of cases) {
    const { gateway } = await backend(t, acts);
    const failed = await failureOf(attach(t, gateway.origin, {}));
    t.match(failed, expected, JSON.stringify(expected));
    t.notMatch(JSON.stringify(failed), 'canary');
  }
  const closed = await backend(t, { announce: says(401, { detail: 'Unauthorized' }) });
  t.match(await failureOf(attach(t, closed.gateway.origin, {}, { token: null })), {
    code: 'anonymous_unavailable',
    message: /no files without an account/,
    retryable: false,
  });
});

/** Serves `total` bytes that start like an image; `written` counts what left. */
async function largeFile(
  t: Test,
  total: number,
  isSizeKnown: boolean,
): Promise<Listening & { readonly written: () => number }> {
  const chunk = Buffer.alloc(64 * 1024, 7);
  let written = 0;
  function* bytes(): Generator<Buffer> {
    yield PNG_BYTES;
    for (written = PNG_BYTES.length; written < total; written += chunk.length) {
      yield chunk.subarray(0, Math.min(chunk.length, total - written));
    }
  }
  const files = await serve(t, (_request, response) => {
    response.setHeader('content-type', 'image/png');
    if (isSizeKnown) response.setHeader('content-length', total);
    return pipeline(Readable.from(bytes()), response).catch(() => {});
  });
  return { ...files, written: () => written };
}

t.test('a large file passes through at the pace of the store', async (t) => {
  const total = 50 * MIB;
  const files = await largeFile(t, total, true);
  let release = (): void => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  let stored = 0;
  const { gateway, calls } = await backend(t, {
    put: async (request, response) => {
      await released;
      for await (const chunk of request) stored += (chunk as Buffer).length;
      response.writeHead(201).end();
    },
  });
  const attached = attach(t, gateway.origin, fileAt(`${files.origin}/a.png`));
  t.ok(await until(() => files.written() > PNG_BYTES.length), 'the file is on its way');
  await sleep(500);
  // What the kernel's buffers of two connections hold, and our own part.
  t.ok(files.written() < 30 * MIB, `${files.written()} bytes under way while the store takes nothing`);
  t.ok(process.memoryUsage().arrayBuffers < 30 * MIB, 'nor are they here');
  release();
  t.match(await attached, { sizeBytes: total, width: 1 });
  t.equal(stored, total);
  t.match(JSON.parse(String(calls[0]?.body)), { file_size: total });
  t.ok(await until(() => files.sockets.size === 0), 'nothing stays open towards the server of the file');
});

t.test('a store that refuses before it has everything ends the transfer', async (t) => {
  const files = await largeFile(t, 20 * MIB, true);
  const { gateway } = await backend(t, {
    put: (_request, response) => response.writeHead(403, { connection: 'close' }).end('expired'),
  });
  // Which of the two it is depends on whether the answer or the end of the connection is seen first.
  const failed = await failureOf(attach(t, gateway.origin, fileAt(files.origin)));
  t.match(failed, { code: /^upstream_(error|unreachable|protocol_error)$/, retryable: true });
  t.ok(await until(() => files.sockets.size === 0));
});

t.test('a large file of unknown length waits on disk, and leaves nothing behind', async (t) => {
  const total = 5 * MIB + 17;
  const spoolDirectory = await mkdtemp(join(tmpdir(), 'spool-test-'));
  t.teardown(() => rm(spoolDirectory, { recursive: true }));
  const files = await largeFile(t, total, false);
  const { gateway, calls } = await backend(t);
  t.match(await attach(t, gateway.origin, fileAt(files.origin), { spoolDirectory }), { sizeBytes: total });
  t.equal(calls[1]?.body.length, total);
  t.ok(calls[1]?.body.subarray(0, PNG_BYTES.length).equals(PNG_BYTES));
  t.ok(calls[1]?.body.subarray(-17).every((byte) => byte === 7));
  t.match(
    await failureOf(attach(t, gateway.origin, fileAt(files.origin), { spoolDirectory, maxBytes: 4 * MIB })),
    {
      code: 'request_too_large',
      param: PARAM,
    },
  );
  t.strictSame(readdirSync(spoolDirectory), []);
});

t.test('a file in the request is sent slice by slice, unchanged', async (t) => {
  const { gateway, calls } = await backend(t);
  const bytes = Buffer.alloc(1_000_001);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = (at * 31) & 0xff;
  t.match(await attach(t, gateway.origin, data(bytes, 'application/zip')), { sizeBytes: bytes.length });
  t.ok(calls[1]?.body.equals(bytes));
  t.equal(calls[1]?.headers['content-length'], String(bytes.length));
});

t.test('a file that breaks off under way is named, not the store', async (t) => {
  const files = await serve(t, (_request, response) => {
    response.writeHead(200, { 'content-length': MIB, 'content-type': 'application/zip' });
    response.write(Buffer.alloc(MIB / 2));
    setTimeout(() => response.destroy(), 100);
  });
  const { gateway } = await backend(t);
  t.match(await failureOf(attach(t, gateway.origin, fileAt(files.origin))), {
    code: 'invalid_attachment',
    param: PARAM,
    message: /broke/,
  });
});

t.test('who leaves in the middle of a step frees all its connections', async (t) => {
  const gone = new Error('gone');
  for (const step of ['announce', 'put', 'confirm', 'index'] as const) {
    const files = await largeFile(t, 20 * MIB, true);
    let reached = (): void => {};
    const there = new Promise<void>((resolve) => (reached = resolve));
    // Reads and never answers.
    const { gateway, store } = await backend(t, {
      [step]: (request: IncomingMessage) => {
        request.resume();
        reached();
      },
    });
    const client = new AbortController();
    const given = step === 'index' ? data('x', 'text/plain') : fileAt(files.origin);
    const attached = failureOf(attach(t, gateway.origin, given, { signal: client.signal }));
    await there;
    client.abort(gone);
    t.equal(await attached, gone, step);
    t.ok(await until(() => files.sockets.size === 0), `${step}: the server of the file`);
    const { sockets } = step === 'put' ? store : gateway;
    t.ok(await until(() => sockets.size === 0), `${step}: the ${step === 'put' ? 'store' : 'gateway'}`);
    await sleep(30);
    t.equal(sockets.size, 0, `${step}: and nobody calls again`);
  }
});

t.test('files in the body of the conversation call', (t) => {
  const attachment = (param: string): Attachment => ({
    source: { kind: 'url', url: 'http://a.test' },
    mimeType: null,
    name: null,
    lowDetail: false,
    param,
  });
  const [cat, dog, paper] = [attachment('a'), attachment('b'), attachment('c')];
  const image = { mimeType: 'image/png', sizeBytes: 1234, width: 64, height: 32 };
  const uploads = new Map<Attachment, UploadedFile>([
    [cat, { ...image, id: 'file-SIM1', name: '1.png' }],
    [dog, { ...image, id: 'file_0002', name: '2.png' }],
    [
      paper,
      {
        id: 'file-SIM3',
        name: '3.pdf',
        mimeType: 'application/pdf',
        sizeBytes: 9,
        width: null,
        height: null,
      },
    ],
  ]);
  const part = (attachment: Attachment) => ({ type: 'attachment', attachment }) as const;
  const turn: Turn = {
    model: { slug: 'auto', gizmoId: null },
    messages: [
      {
        role: 'user',
        parts: [
          { type: 'text', text: 'one' },
          part(cat),
          part(dog),
          { type: 'text', text: 'two' },
          part(paper),
        ],
      },
      { role: 'user', parts: [part(paper)] },
      { role: 'user', parts: [] },
    ],
    keepHistory: false,
    conversationId: null,
    parentMessageId: 'p',
    hints: [],
  };
  let ids = 0;
  const newId = (): string => `id-${(ids += 1)}`;
  const { json, messageIds } = encodeTurn({ turn, uploads, continued: null }, newId);
  const size = { width: 64, height: 32 };
  const pointer = (asset_pointer: string): object => ({
    content_type: 'image_asset_pointer',
    asset_pointer,
    size_bytes: 1234,
    ...size,
  });
  const pdf = { id: 'file-SIM3', size: 9, name: '3.pdf', mime_type: 'application/pdf' };
  const body = JSON.parse(json) as Record<string, unknown>;
  t.strictSame(body['messages'], [
    {
      id: messageIds[0],
      author: { role: 'user' },
      content: {
        content_type: 'multimodal_text',
        parts: ['one', pointer('file-service://file-SIM1'), pointer('sediment://file_0002'), 'two'],
      },
      metadata: {
        attachments: [
          { id: 'file-SIM1', size: 1234, name: '1.png', mime_type: 'image/png', ...size },
          { id: 'file_0002', size: 1234, name: '2.png', mime_type: 'image/png', ...size },
          pdf,
        ],
      },
    },
    {
      id: messageIds[1],
      author: { role: 'user' },
      content: { content_type: 'multimodal_text', parts: [''] },
      metadata: { attachments: [pdf] },
    },
    {
      id: messageIds[2],
      author: { role: 'user' },
      content: { content_type: 'text', parts: [''] },
      metadata: {},
    },
  ]);
  t.throws(() => encodeTurn({ turn, uploads: new Map(), continued: null }, newId), /was not uploaded/);

  const continued = { conversationId: 'c-9', messageId: 'm-9' };
  const going = encodeTurn({ turn, uploads, continued }, newId);
  t.strictSame(going.messageIds, []);
  const goOn = JSON.parse(going.json) as Record<string, unknown>;
  t.match(goOn, { action: 'continue', conversation_id: 'c-9', parent_message_id: 'm-9', model: 'auto' });
  t.notOk('messages' in goOn);
  t.end();
});
