import { randomUUID } from 'node:crypto';
import t from 'tap';
import { readImageSize } from '../../src/sandbox/files/image-size.ts';
import { useCaseFor } from '../../src/sandbox/files/use-case.ts';
import { drawPicture } from '../../src/sandbox/picture.ts';
import {
  ACCESS_TOKEN,
  ANON,
  API,
  bytesOf,
  finalText,
  startSandbox,
  turn,
  BackendClient,
  type Headers,
  type Reply,
} from './backend-client.ts';

const PNG = drawPicture('upload', 64, 32);
const NOTES = Buffer.from('some notes\n');
const BLOB_HEADERS = { 'x-ms-blob-type': 'BlockBlob', 'x-ms-version': '2020-04-08' };

interface Granted {
  readonly file_id: string;
  readonly upload_url: string;
}

t.test('a file is put, seen, and had back', async (t) => {
  const client = await startSandbox(t);
  const granted = await announce(client, 'a.png', PNG.length, 'multimodal');
  t.match(granted, {
    status: 'success',
    file_id: /^file-[0-9a-f]+$/,
    upload_url: /^http:.*\/blob\/file-.*sig=/,
  });
  const put = await putBlob(client, granted, PNG, 'image/png');
  t.match([put.status, put.body], [201, '']);
  const done = await client.account('POST', `/files/${granted.file_id}/uploaded`, {});
  t.match(JSON.parse(done.body), { status: 'success', download_url: String, file_name: 'a.png' });

  const id = granted.file_id;
  const reply = await client.accountChat('what is this?', {
    messages: [withFiles([entry(id)], [pointer(id)])],
  });
  t.match(finalText(reply.body), `I see a 64x32 PNG image (a.png, ${PNG.length} bytes).`);
  for (const path of [`/files/${id}/download`, `/files/download/${id}`]) {
    const link = JSON.parse((await client.account('GET', path)).body) as { download_url: string };
    t.same(bytesOf(await client.call('GET', toPath(link.download_url))), PNG);
  }
  t.match((await client.records()).find(({ method }) => method === 'PUT')?.body, `${PNG.length} bytes`);
});

t.test('the storage service minds its headers and its signature', async (t) => {
  const client = await startSandbox(t);
  const granted = await announce(client, 'a.png', PNG.length, 'multimodal');
  const path = toPath(granted.upload_url);
  const good = { ...BLOB_HEADERS, 'content-type': 'image/png' };
  const refusals: [string, Headers, number, RegExp][] = [
    [path, { ...good, authorization: ACCESS_TOKEN }, 403, /AuthenticationFailed/],
    [path, without(good, 'x-ms-blob-type'), 400, /x-ms-blob-type/],
    [path, { ...good, 'x-ms-blob-type': 'PageBlob' }, 400, /x-ms-blob-type/],
    [path, without(good, 'x-ms-version'), 400, /x-ms-version/],
    [path, without(good, 'content-type'), 400, /content-type/],
    [path.replace(/sig=./, 'sig=x'), good, 403, /Signature/],
    [path.replace('sp=w', 'sp=r'), good, 403, /Signature/],
  ];
  for (const [to, headers, status, body] of refusals) {
    const reply = await client.call('PUT', to, headers, PNG);
    t.match([reply.status, reply.headers['content-type'], reply.body], [status, 'application/xml', body]);
  }
  t.equal((await client.call('GET', path)).status, 403, 'a link to write does not read');
});

t.test('an upload that does not keep its word is refused', async (t) => {
  const client = await startSandbox(t);
  const finish = async (name: string, size: number, useCase: string, bytes: Buffer | null, type: string) => {
    const granted = await announce(client, name, size, useCase);
    if (bytes !== null) await putBlob(client, granted, bytes, type);
    const reply = await client.account('POST', `/files/${granted.file_id}/uploaded`, {});
    return `${reply.status} ${reply.body}`;
  };
  t.match(await finish('a.png', PNG.length, 'multimodal', PNG, 'image/png'), /^200/);
  t.match(await finish('a.png', PNG.length, 'multimodal', null, ''), /^422.*no bytes were put/);
  t.match(await finish('a.png', 7, 'multimodal', PNG, 'image/png'), /^422.*7 bytes were announced/);
  t.match(await finish('a.png', PNG.length, 'my_files', PNG, 'image/png'), /^422.*is for multimodal/);
  t.match(
    await finish('a.zip', 1, 'my_files', Buffer.from('z'), 'application/zip'),
    /^422.*is for ace_upload/,
  );

  const bad: [object, string][] = [
    [{ file_name: 'a', file_size: 1 }, 'use_case'],
    [{ file_name: 'a', file_size: 0, use_case: 'my_files' }, 'file_size'],
    [{ file_name: 'a', file_size: 1, use_case: 'all' }, 'use_case'],
    [{ file_size: 1, use_case: 'my_files' }, 'file_name'],
  ];
  for (const [body, field] of bad) {
    const reply = await client.account('POST', '/files', body);
    t.match([reply.status, reply.body], [422, new RegExp(`"loc":\\["body","${field}"\\]`)]);
  }
  t.equal((await client.account('POST', '/files/file-none/uploaded', {})).status, 404);
});

t.test('an index is ready when it was asked for often enough', async (t) => {
  const client = await startSandbox(t);
  await client.scenario({ indexPolls: 2 });
  const id = await upload(client, 'notes.txt', NOTES, 'text/plain', 'my_files');
  const states = [];
  for (let poll = 0; poll < 3; poll += 1) {
    const state = JSON.parse((await client.account('GET', `/files/${id}`)).body) as Record<string, unknown>;
    states.push(state['retrieval_index_status']);
  }
  t.same(states, ['processing', 'processing', 'success']);
  const image = await upload(client, 'a.png', PNG, 'image/png', 'multimodal');
  t.match(JSON.parse((await client.account('GET', `/files/${image}`)).body), {
    retrieval_index_status: null,
  });
});

t.test('a message is held to the files that it names', async (t) => {
  const client = await startSandbox(t);
  const id = await upload(client, 'a.png', PNG, 'image/png', 'multimodal');
  const loose = (await announce(client, 'a.png', PNG.length, 'multimodal')).file_id;
  const send = async (
    attachments: unknown,
    parts: object[],
    authorization = ACCESS_TOKEN,
  ): Promise<string> => {
    const reply = await client.accountChat('', { messages: [withFiles(attachments, parts)] }, authorization);
    return `${reply.status} ${reply.status === 200 ? '' : reply.body}`;
  };
  t.match(await send([entry(id)], [pointer(id)]), /^200/);
  t.match(await send([entry(id)], [pointer(id)], 'Bearer eyJhbGciOi.other'), /^422.*file_not_found/);
  t.match(await send([entry('file-none')], []), /^422.*"attachments",0,"id"/);
  t.match(await send([entry(loose)], [pointer(loose)]), /^422.*file_not_found/);
  t.match(await send([], [pointer(id)]), /^422.*asset_pointer/);
  t.match(
    await send([entry(id)], [{ ...pointer(id), asset_pointer: `sediment://${id}` }]),
    /^422.*file_not_found/,
  );
  t.match(await send([entry(id)], [{ ...pointer(id), width: 65 }]), /^422.*"width".*should be 64/);
  t.match(await send([entry(id)], [{ ...pointer(id), height: 1 }]), /^422.*"height"/);
  t.match(await send([entry(id)], [{ ...pointer(id), size_bytes: 1 }]), /^422.*"size_bytes"/);
  t.match(await send([{ ...entry(id), name: 'b.png' }], []), /^422.*"name"/);
  t.match(await send([{ ...entry(id), mime_type: 'image/gif' }], []), /^422.*"mime_type"/);
  t.match(await send([{ ...entry(id), size: 1 }], []), /^422.*"size"/);
  t.match(await send({}, []), /^422.*list_type/);
  t.match(await send([{ id }], []), /^422.*"missing"/);
});

t.test('files of any kind are mentioned by name and size', async (t) => {
  const client = await startSandbox(t);
  const notes = await upload(client, 'notes.txt', NOTES, 'text/plain', 'my_files');
  await client.scenario({ fileIds: 'sediment' });
  const image = await upload(client, 'a.png', PNG, 'image/png', 'multimodal');
  t.match(image, /^file_/);
  const attached = { id: notes, size: NOTES.length, name: 'notes.txt', mimeType: 'text/plain' };
  const message = withFiles(
    [attached, entry(image)],
    [{ ...pointer(image), asset_pointer: `sediment://${image}` }],
  );
  const reply = await client.accountChat('', { messages: [message] });
  t.match(finalText(reply.body), 'I see the file notes.txt (text/plain, 11 bytes) and a 64x32 PNG image');
});

t.test('links can be for the session only, or not be there', async (t) => {
  const client = await startSandbox(t);
  const id = await upload(client, 'a.png', PNG, 'image/png', 'multimodal');
  const link = async (links: string): Promise<Reply> => {
    await client.scenario({ links });
    return client.account('GET', `/files/${id}/download`);
  };
  t.equal((await link('missing')).status, 404);
  t.match(JSON.parse((await link('pod_expired')).body), { status: 'error', error_code: 'ace_pod_expired' });
  const { download_url } = JSON.parse((await link('session')).body) as { download_url: string };
  const path = toPath(download_url);
  t.match(path, /^\/backend-api\/estuary\/content\?id=/);
  const session = { authorization: ACCESS_TOKEN, 'oai-device-id': client.deviceId };
  t.same(bytesOf(await client.call('GET', path, session)), PNG);
  const strangers: Headers[] = [
    {},
    without(session, 'authorization'),
    without(session, 'oai-device-id'),
    { ...session, authorization: 'Bearer eyJhbGciOi.other' },
  ];
  for (const headers of strangers) {
    const reply = await client.call('GET', path, headers);
    t.same([reply.status, reply.body], [403, '{"detail":"File stream access denied."}']);
  }
});

t.test('files belong to accounts and to anonymous devices', async (t) => {
  const client = await startSandbox(t);
  const id = await upload(client, 'a.png', PNG, 'image/png', 'multimodal');
  const get = async (base: string, headers: Headers) =>
    (await client.call('GET', `${base}/files/${id}/download`, client.headers(headers))).status;
  t.equal(await get(API, { authorization: ACCESS_TOKEN }), 200);
  t.equal(await get(API, { authorization: ACCESS_TOKEN, 'chatgpt-account-id': 'team' }), 404);
  t.equal(await get(ANON, {}), 404);

  const own = await announce(client, 'a.png', PNG.length, 'multimodal', ANON);
  await putBlob(client, own, PNG, 'image/png');
  const finish = (from: BackendClient) =>
    from.call('POST', `${ANON}/files/${own.file_id}/uploaded`, from.headers(), {});
  t.equal((await finish(new BackendClient(client.port))).status, 404);
  t.equal((await finish(client)).status, 200);
});

t.test('an account outlives its tokens', async (t) => {
  const client = await startSandbox(t);
  const token = (jti: string): string =>
    `Bearer eyJhbGciOiJSUzI1NiJ9.${Buffer.from(JSON.stringify({ sub: 'me', jti })).toString('base64url')}.x`;
  const id = await upload(client, 'a.png', PNG, 'image/png', 'multimodal', token('1'));
  t.equal((await client.account('GET', `/files/${id}/download`, undefined, token('2'))).status, 200);
});

t.test('errors strike at every call about files', async (t) => {
  const client = await startSandbox(t);
  const granted = await announce(client, 'a.png', PNG.length, 'multimodal');
  const calls: Record<string, () => Promise<Reply>> = {
    files: () => client.account('POST', '/files', { file_name: 'a', file_size: 1, use_case: 'my_files' }),
    blob: () => putBlob(client, granted, PNG, 'image/png'),
    uploaded: () => client.account('POST', `/files/${granted.file_id}/uploaded`, {}),
    file: () => client.account('GET', `/files/${granted.file_id}`),
    download: () => client.account('GET', `/files/${granted.file_id}/download`),
  };
  for (const [at, call] of Object.entries(calls)) {
    await client.scenario({ at, error: 'server_error', times: 1 });
    t.equal((await call()).status, 500, at);
    t.ok((await call()).status < 300, at);
  }
});

t.test('a lenient sandbox takes files as they come', async (t) => {
  const client = await startSandbox(t, { strict: false });
  const message = withFiles([entry('file-none')], [pointer('file-none')]);
  t.equal((await client.converse(turn('', { messages: [message] }))).status, 200);
  t.match((await client.records()).at(-1)?.warnings.join(), /File is unknown/);
});

t.test('types have their use, and the headers of images their size', (t) => {
  t.equal(useCaseFor('image/webp'), 'multimodal');
  t.equal(useCaseFor('text/plain; charset=utf-8'), 'my_files');
  t.equal(useCaseFor('image/bmp'), 'ace_upload');
  const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
  const images: [Buffer, string, number, number][] = [
    [PNG, 'PNG', 64, 32],
    [hex('474946383961 0a00 0500'), 'GIF', 10, 5],
    [hex('ffd8ffe0 0004 0000 ffc0 0011 08 0005 000a'), 'JPEG', 10, 5],
    [hex('52494646 00000000 57454250 56503820 00000000 000000 9d012a 0a00 0500'), 'WebP', 10, 5],
    [hex('52494646 00000000 57454250 5650384c 00000000 2f 09000100'), 'WebP', 10, 5],
    [hex('52494646 00000000 57454250 56503858 00000000 00000000 090000 040000'), 'WebP', 10, 5],
  ];
  for (const [bytes, format, width, height] of images)
    t.same(readImageSize(bytes), { format, width, height });
  t.equal(readImageSize(PNG.subarray(0, 18)), null);
  t.equal(readImageSize(hex('ffd8ffe0 0004')), null);
  t.equal(readImageSize(NOTES), null);
  t.end();
});

t.test('a picture follows from its prompt', (t) => {
  t.same(drawPicture('a', 8, 8), drawPicture('a', 8, 8));
  t.notSame(drawPicture('a', 8, 8), drawPicture('b', 8, 8));
  t.end();
});

async function announce(
  client: BackendClient,
  name: string,
  size: number,
  useCase: string,
  base = API,
  authorization = ACCESS_TOKEN,
): Promise<Granted> {
  const body = { file_name: name, file_size: size, timezone_offset_min: -480, use_case: useCase };
  const headers = client.headers(base === API ? { authorization } : {});
  return (await client.json('POST', `${base}/files`, headers, body)) as Granted;
}

function putBlob(
  client: BackendClient,
  { upload_url }: Granted,
  bytes: Buffer,
  type: string,
): Promise<Reply> {
  return client.call('PUT', toPath(upload_url), { ...BLOB_HEADERS, 'content-type': type }, bytes);
}

async function upload(
  client: BackendClient,
  name: string,
  bytes: Buffer,
  type: string,
  useCase: string,
  authorization = ACCESS_TOKEN,
): Promise<string> {
  const granted = await announce(client, name, bytes.length, useCase, API, authorization);
  await putBlob(client, granted, bytes, type);
  await client.account('POST', `/files/${granted.file_id}/uploaded`, {}, authorization);
  return granted.file_id;
}

function entry(id: string): object {
  return { id, size: PNG.length, name: 'a.png', mime_type: 'image/png', width: 64, height: 32 };
}

function pointer(id: string): object {
  return {
    content_type: 'image_asset_pointer',
    asset_pointer: `file-service://${id}`,
    size_bytes: PNG.length,
    width: 64,
    height: 32,
  };
}

function withFiles(attachments: unknown, parts: readonly object[]): object {
  return {
    id: randomUUID(),
    author: { role: 'user' },
    content: { content_type: 'multimodal_text', parts: ['what is this?', ...parts] },
    metadata: { attachments },
  };
}

function toPath(url: string): string {
  return url.replace(/^http:\/\/[^/]+/, '');
}

function without(headers: Headers, name: string): Headers {
  return Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name));
}
