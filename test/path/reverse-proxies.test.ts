import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import t from 'tap';
import type { Test } from 'tap';
import { parse } from 'yaml';
import { createAuthority } from '../helpers/certificates.ts';
import type { KeyPair } from '../helpers/certificates.ts';
import { chatBody, IDLE, settled, startProgram } from '../helpers/program.ts';
import { startServer, whyNot, write } from '../helpers/real-proxies.ts';
import { DONE, endStream, event, openStream, startUpstream, stream } from '../helpers/upstream.ts';
import type { Asked } from '../helpers/upstream.ts';
import { until } from '../http/serve.ts';

const HOST = 'chat.test';
const PROJECT = new URL('../../../', import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, PROJECT), 'utf8');

/** As the README tells users to have it, but for names, ports and certificates. */
function nginxConfig(folder: string, port: number, behind: number, pair: KeyPair): string[] {
  const told = /^```nginx\n([^]*?)^```$/m.exec(read('README.md'))?.[1] ?? '';
  const site = told
    .replace('127.0.0.1:5005', `127.0.0.1:${behind}`)
    .replace('listen 443 ssl', `listen 127.0.0.1:${port} ssl`)
    .replace('chat.example.org;', `${HOST};`)
    .replace(/\/etc\/ssl\S+crt/, pair.certFile)
    .replace(/\/etc\/ssl\S+key/, pair.keyFile);
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  const lines = ['user root;', 'daemon off;', `pid ${folder}/pid;`, 'error_log stderr;', 'events {}'];
  return [...lines, 'http {', 'access_log off;', ...paths, site, '}'];
}

/** As compose.yaml has it, but for names, ports and certificates. */
function caddyConfig(port: number, behind: number, pair: KeyPair): string[] {
  const { content } = (parse(read('compose.yaml')) as { configs: { caddyfile: { content: string } } }).configs
    .caddyfile;
  const site = content
    .replace('{\n', '{\nadmin off\nauto_https off\n')
    .replace(/^\$\{DOMAIN[^ ]* \{/m, `https://${HOST}:${port} {\ntls ${pair.certFile} ${pair.keyFile}`)
    .replace(/chat2api:\S+/, `127.0.0.1:${behind}`);
  return [site];
}

const FRONTS = {
  nginx: (folder: string, port: number, behind: number, pair: KeyPair) => [
    '-p',
    folder,
    '-c',
    write(folder, 'nginx.conf', nginxConfig(folder, port, behind, pair)),
  ],
  caddy: (folder: string, port: number, behind: number, pair: KeyPair) => [
    'run',
    '--adapter',
    'caddyfile',
    '--config',
    write(folder, 'Caddyfile', caddyConfig(port, behind, pair)),
  ],
};

interface Question {
  readonly path: string;
  readonly body?: string;
}

async function world(t: Test, front: keyof typeof FRONTS) {
  const authority = createAuthority(t);
  const answers: Asked[] = [];
  const upstream = await startUpstream(t, { conversation: (asked) => void answers.push(asked) });
  const program = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin, TRUST_PROXY: '127.0.0.1' });
  const pair = authority.issue(`DNS:${HOST}`);
  const port = await startServer(t, front, (folder, at) => FRONTS[front](folder, at, program.port, pair));
  const ask = async ({ path, body }: Question): Promise<IncomingMessage> => {
    const request = httpsRequest({
      host: '127.0.0.1',
      port,
      ca: [...authority.ca],
      servername: HOST,
      method: body === undefined ? 'GET' : 'POST',
      path,
      headers: { host: `${HOST}:${port}`, 'content-type': 'application/json' },
      agent: false,
    });
    request.end(body);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return response;
  };
  const chat = (content: string): Promise<IncomingMessage> =>
    ask({
      path: '/v1/chat/completions',
      body: chatBody({ stream: true, fields: { messages: [{ role: 'user', content }] } }),
    });
  return { program, answers, ask, chat };
}

for (const front of ['nginx', 'caddy'] as const) {
  const skip = whyNot(front) ?? whyNot('openssl') ?? false;

  t.test(
    `${front}, as documented: every event comes through before the next is there`,
    { skip },
    async (t) => {
      const { answers, chat } = await world(t, front);
      const answering = chat('Hello!');
      t.ok(await until(() => answers.length === 1));
      const [asked] = answers as [Asked];
      openStream(asked);
      let told = '';
      stream(asked, event('one '));
      const response = await answering;
      t.equal(response.statusCode, 200);
      response.on('data', (part: Buffer) => void (told += part.toString()));
      for (const [text, sofar] of [
        ['two ', 'one two '],
        ['three', 'one two three'],
      ] as const) {
        t.ok(await until(() => told.includes(`"${sofar.slice(0, 4)}`)), 'the first');
        stream(asked, event(sofar));
        t.ok(await until(() => told.includes(`"${text}"`)), text);
      }
      stream(asked, event('one two three', true) + DONE);
      endStream(asked);
      await once(response, 'end');
      t.match(told, /data: \[DONE\]\n\n$/);
    },
  );

  t.test(`${front}: who leaves is missed, large bodies pass, the metrics do not`, { skip }, async (t) => {
    const { program, answers, ask, chat } = await world(t, front);
    const answering = chat('x'.repeat(20_000_000));
    t.ok(await until(() => answers.length === 1, 20_000));
    const [asked] = answers as [Asked];
    openStream(asked);
    stream(asked, event('one '));
    const response = await answering;
    response.destroy();
    await asked.closed;
    t.same(await settled(program), IDLE);
    t.equal((await ask({ path: '/healthz' })).statusCode, 200);
    t.equal((await ask({ path: '/metrics' })).statusCode, 404);
  });
}
