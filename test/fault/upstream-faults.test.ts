import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { startBrokenProxy } from '../helpers/proxy.ts';
import type { ProxyFault } from '../helpers/proxy.ts';
import { askChat, dataOf, errorOf, IDLE, settled, startProgram } from '../helpers/program.ts';
import type { Answer, Program } from '../helpers/program.ts';
import {
  chunk,
  DONE,
  endStream,
  event,
  openStream,
  requirements,
  send,
  sendAnswer,
  sendJson,
  startUpstream,
  stream,
} from '../helpers/upstream.ts';
import type { Asked, Upstream } from '../helpers/upstream.ts';

const RETRY_TIMES = 2;
const ALL = 1 + RETRY_TIMES;
/** So many may be retried at once however few are under way: more at a time would be denied their retries. */
const AT_ONCE = 3;
const TEXT = 'The answer began';

interface Fault {
  readonly name: string;
  /** What the backend does with the call. */
  readonly play: (asked: Asked) => unknown;
  readonly status: number;
  readonly code: string;
  /** How often the backend is asked. */
  readonly asked: number;
  readonly retryAfter?: string;
}

const refuses = (status: number, detail: unknown) => (asked: Asked) => sendJson(asked, status, { detail });
const refusesInHtml = (status: number, html: string) => (asked: Asked) =>
  send(asked, status, 'text/html; charset=UTF-8', html);
/** The stream opens, says this and ends as `end` does it. */
const says =
  (bytes: string, end: (asked: Asked) => unknown = endStream) =>
  (asked: Asked) => {
    openStream(asked);
    stream(asked, bytes);
    // Time for the bytes to be read before the connection breaks.
    setTimeout(() => end(asked), 60);
  };
/** Said before a hang-up, so that no other request is on that connection by then. */
const CLOSES = 'connection: close\r\n';
const raw = (bytes: string) => (asked: Asked) => asked.socket.end(bytes);
const reset = ({ socket }: Asked): unknown => socket.resetAndDestroy();
const close = ({ socket }: Asked): unknown => socket.destroy();
const inStream = (error: string): string => `data: ${JSON.stringify({ message: null, error })}\n\n${DONE}`;

t.setTimeout(120_000);
t.jobs = 4;

const unauthorized = { status: 401, code: 'account_unauthorized', asked: 1 };
const challenge = { status: 403, code: 'upstream_challenge', asked: ALL };
const refused = { status: 403, code: 'upstream_refused', asked: ALL };
const limited = { status: 429, code: 'rate_limit_exceeded', asked: 1 };
const unwell = { status: 502, code: 'upstream_error', asked: ALL };
const unreachable = { status: 502, code: 'upstream_unreachable', asked: ALL };
const broken = { status: 502, code: 'upstream_protocol_error', asked: ALL };
const brokenForGood = { ...broken, asked: 1 };
const noConversation = { status: 404, code: 'conversation_not_found', asked: 1 };
const tooLong = { status: 400, code: 'context_length_exceeded', asked: 1 };

const TRY_AGAIN = 'Something went wrong, please try reloading the conversation.';
const UNUSUAL = 'Unusual activity has been detected from your device. Try again later. (8a1b)';

/** May be the answer to either call. */
const REFUSALS: readonly Fault[] = [
  {
    name: '401 invalid_jwt',
    play: refuses(401, { message: 'Could not parse your authentication token.', code: 'invalid_jwt' }),
    ...unauthorized,
  },
  { name: '401 token_expired', play: refuses(401, { message: 'x', code: 'token_expired' }), ...unauthorized },
  { name: '401 deactivated', play: refuses(401, { code: 'account_deactivated' }), ...unauthorized },
  { name: '401 in one word', play: refuses(401, 'Unauthorized'), ...unauthorized },
  { name: '403 cf-please-wait', play: refusesInHtml(403, '<p id="cf-please-wait">'), ...challenge },
  { name: '403 cf-spinner', play: refusesInHtml(403, '<p id="cf-spinner-please-wait">'), ...challenge },
  { name: '403 cf_chl_opt', play: refusesInHtml(403, '<script>window._cf_chl_opt={}'), ...challenge },
  { name: '403 unusual activity', play: refuses(403, UNUSUAL), ...refused },
  {
    name: '429 cap',
    play: refuses(429, { clears_in: 9665, code: 'model_cap_exceeded', message: 'too many messages' }),
    ...limited,
    retryAfter: '9665',
  },
  { name: '429 text', play: refuses(429, 'Too many requests in 1 hour. Try again later.'), ...limited },
  // The same account may be free in a moment.
  { name: '429 one message', play: refuses(429, 'Only one message at a time.'), ...limited, asked: ALL },
  { name: '500', play: refuses(500, TRY_AGAIN), ...unwell },
  { name: '503', play: refuses(503, TRY_AGAIN), ...unwell },
  { name: '500 HTML', play: refusesInHtml(500, '<h1>500</h1>'), ...unwell },
  { name: '503 HTML', play: refusesInHtml(503, '<h1>503</h1>'), ...unwell },
  { name: '301', play: (asked) => send(asked, 301, 'text/html', '', 'location: /x'), ...brokenForGood },
  { name: '307', play: (asked) => send(asked, 307, 'text/html', '', 'location: /x'), ...brokenForGood },
  { name: '422', play: refuses(422, [{ type: 'missing', loc: ['body'], msg: 'x' }]), ...brokenForGood },
  { name: 'reset before headers', play: reset, ...unreachable },
  { name: 'close before headers', play: close, ...unreachable },
  { name: 'no HTTP', play: raw('SSH-2.0-OpenSSH_9.2\r\n'), ...broken },
];

const REQUIREMENTS_FAULTS: readonly Fault[] = [
  ...REFUSALS,
  { name: '200 HTML', play: refusesInHtml(200, '<h1>hi</h1>'), ...broken },
  { name: '200 list', play: (asked) => sendJson(asked, 200, []), ...broken },
  { name: '200 without a token', play: (asked) => sendJson(asked, 200, {}), ...broken },
  {
    name: 'too hard',
    play: (asked) => sendJson(asked, 200, requirements('000001')),
    ...refused,
    code: 'pow_difficulty_too_high',
  },
  {
    name: 'Arkose',
    play: (asked) => sendJson(asked, 200, { token: 'x', arkose: { required: true } }),
    status: 403,
    code: 'arkose_required',
    asked: 1,
  },
];

const CONVERSATION_FAULTS: readonly Fault[] = [
  ...REFUSALS,
  { name: '404 conversation', play: refuses(404, { code: 'conversation_not_found' }), ...noConversation },
  { name: '404 inaccessible', play: refuses(404, { code: 'conversation_inaccessible' }), ...noConversation },
  {
    name: '404 model',
    play: refuses(404, { code: 'model_not_found' }),
    ...noConversation,
    code: 'model_not_found',
  },
  { name: '413', play: refuses(413, { code: 'message_length_exceeds_limit' }), ...tooLong },
  { name: '200 stream, unusual activity', play: says(inStream(UNUSUAL)), ...refused },
  { name: '200 stream, too long', play: says(inStream('Please submit something shorter')), ...tooLong },
  { name: '200 HTML', play: refusesInHtml(200, '<h1>hi</h1>'), ...broken },
  { name: '200 HTML challenge', play: refusesInHtml(200, '<p id="cf-please-wait">'), ...challenge },
  { name: '200 JSON', play: (asked) => sendJson(asked, 200, {}), ...broken },
  { name: '200 JSON detail', play: refuses(200, UNUSUAL), ...refused },
  { name: '200 JSON web socket', play: (asked) => sendJson(asked, 200, { wss_url: 'wss://x' }), ...broken },
  { name: '200 text', play: (asked) => send(asked, 200, 'text/plain', event(TEXT, true)), ...broken },
  {
    name: '200 without a type',
    play: raw(`HTTP/1.1 200 OK\r\n${CLOSES}content-length: 2\r\n\r\nhi`),
    ...broken,
  },
  { name: '204', play: raw(`HTTP/1.1 204 No Content\r\n${CLOSES}\r\n`), ...broken },
  { name: 'nothing but [DONE]', play: says(DONE), ...broken },
  { name: 'an empty stream', play: says(': hi\n\n'), ...broken },
  { name: 'a reset before any event', play: says(': hi\n\n', reset), ...broken },
  { name: 'a line that is no JSON', play: says('data: {"message": nonsense}\n\n'), ...broken },
  { name: 'bad chunk framing', play: says(': hi\n\n', ({ socket }) => socket.write('zz\r\n')), ...broken },
];

/** What becomes of a stream whose first words are out. Nothing of it is ever asked twice. */
const LATE_FAULTS: readonly Fault[] = [
  { name: 'reset', play: says(event(TEXT), reset), ...brokenForGood },
  { name: 'close', play: says(event(TEXT), close), ...brokenForGood },
  {
    name: 'reset amid an event',
    play: says(event(TEXT) + event(`${TEXT} so`).slice(0, 40), reset),
    ...brokenForGood,
  },
  { name: 'an end without [DONE]', play: says(event(TEXT)), ...brokenForGood },
  { name: 'no JSON', play: says(`${event(TEXT)}data: {"message":\n\n`), ...brokenForGood },
  { name: 'binary', play: says(`${event(TEXT)}data: \u0000\u0001\uFFFD\n\n`), ...brokenForGood },
  {
    name: 'a huge line',
    play: says(`${event(TEXT)}data: ${'x'.repeat(9 * 1024 * 1024)}\n\n`),
    ...brokenForGood,
  },
  { name: 'bad framing', play: says(event(TEXT), ({ socket }) => socket.end('zz\r\n')), ...brokenForGood },
  { name: 'an error event', play: says(event(TEXT) + inStream(UNUSUAL)), ...refused, asked: 1 },
  { name: 'a text error', play: says(event(TEXT) + inStream(TRY_AGAIN)), ...unwell, asked: 1 },
];

interface World {
  readonly program: Program;
  readonly upstream: Upstream;
}

/** One backend that plays each fault for the token that names it, at one of its calls. */
async function start(t: Test, at: 'requirements' | 'conversation', faults: readonly Fault[]): Promise<World> {
  const play = (asked: Asked): void => {
    const index = /fault-(\d+)/.exec(asked.headers.authorization ?? '')?.[1];
    faults[Number(index)]?.play(asked);
  };
  const upstream = await startUpstream(t, { [at]: play });
  const program = await startProgram(t, {
    CHATGPT_BASE_URL: upstream.origin,
    RETRY_TIMES: String(RETRY_TIMES),
  });
  return { program, upstream };
}

const tokenOf = (index: number, form: string): string => `eyJhbGciOi.fault-${index}-${form}`;

function countAsked({ upstream }: World, end: string, token: string): number {
  return upstream.askedAt(end).filter(({ headers }) => headers.authorization === `Bearer ${token}`).length;
}

for (const [at, faults] of [
  ['requirements', REQUIREMENTS_FAULTS],
  ['conversation', CONVERSATION_FAULTS],
] as const) {
  for (const form of ['stream', 'whole'] as const) {
    t.test(`before the first byte, ${at}, ${form}: an honest status`, { buffered: true }, async (t) => {
      const world = await start(t, at, faults);
      const playFault = async (fault: Fault): Promise<void> => {
        const token = tokenOf(faults.indexOf(fault), form);
        const answer = await askChat(world.program.port, { stream: form === 'stream', token });
        isHonest(t, answer, fault);
        t.equal(countAsked(world, at, token), fault.asked, `${fault.name}: asked`);
      };
      // Side by side: what one does to its connection must not reach another.
      const left = [...faults];
      const playNext = async (): Promise<void> => {
        for (let fault = left.shift(); fault !== undefined; fault = left.shift()) await playFault(fault);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, playNext));
      t.same(await settled(world.program), IDLE);
    });
  }
}

function isHonest(t: Test, answer: Answer, { name, status, code, retryAfter }: Fault): void {
  t.equal(answer.status, status, `${name}: status`);
  t.equal(errorOf(answer)?.code, code, `${name}: code`);
  t.match(answer.headers, { 'content-type': 'application/json', 'x-request-id': /^req_/ }, name);
  if (retryAfter !== undefined) t.equal(answer.headers['retry-after'], retryAfter, name);
}

t.test('a line without an end', async (t) => {
  const endless: Fault = {
    name: 'a line without an end',
    play: says(`data: ${'x'.repeat(9 * 1024 * 1024)}`),
    ...broken,
  };
  const world = await start(t, 'conversation', [endless]);
  isHonest(t, await askChat(world.program.port, { token: tokenOf(0, 'whole') }), endless);
  t.equal(countAsked(world, 'conversation', tokenOf(0, 'whole')), endless.asked);
  const streamed = await askChat(world.program.port, { stream: true, token: tokenOf(0, 'stream') });
  // So much takes its time on a busy machine, and headers leave on their own after half a second.
  if (streamed.status === 200) t.notMatch(streamed.text, '[DONE]');
  else t.equal(countAsked(world, 'conversation', tokenOf(0, 'stream')), endless.asked);
  t.equal(errorOf(streamed)?.code, endless.code);
  t.same(await settled(world.program), IDLE);
});

t.test('after the first byte: an error frame, no [DONE], no second attempt', async (t) => {
  const world = await start(t, 'conversation', LATE_FAULTS);
  await Promise.all(
    LATE_FAULTS.map(async (fault, index) => {
      const token = tokenOf(index, 'stream');
      const answer = await askChat(world.program.port, { stream: true, token });
      t.equal(answer.status, 200, fault.name);
      t.match(answer.text, TEXT, `${fault.name}: what came is delivered`);
      t.equal(errorOf(answer)?.code, fault.code, `${fault.name}: ends with its error`);
      t.notMatch(answer.text, '[DONE]', `${fault.name}: does not look complete`);
      t.notMatch(answer.text, '"finish_reason":"', `${fault.name}: does not look finished`);
      t.equal(countAsked(world, 'conversation', token), 1, `${fault.name}: asked`);
      const whole = await askChat(world.program.port, { token: tokenOf(index, 'whole') });
      t.match([whole.status, errorOf(whole)?.code], [fault.status, fault.code], `${fault.name}: whole`);
      t.equal(countAsked(world, 'conversation', tokenOf(index, 'whole')), 1, `${fault.name}: asked, whole`);
    }),
  );
  t.same(await settled(world.program), IDLE);
});

t.test('headers that left before the first text bind as well', async (t) => {
  const late: Fault = {
    name: 'late',
    play: async (asked) => {
      openStream(asked);
      await sleep(1_200);
      reset(asked);
    },
    ...broken,
  };
  const world = await start(t, 'conversation', [late]);
  const streamed = await askChat(world.program.port, { stream: true, token: tokenOf(0, 'stream') });
  t.equal(streamed.status, 200);
  t.equal(errorOf(streamed)?.code, 'upstream_protocol_error');
  t.notMatch(streamed.text, '[DONE]');
  t.equal(countAsked(world, 'conversation', tokenOf(0, 'stream')), 1);
});

t.test('a complete answer needs no [DONE]', async (t) => {
  const endings = [endStream, reset, close];
  const upstream = await startUpstream(t, {
    conversation: (asked, nth) =>
      says(event(TEXT) + event(`${TEXT}, and ended.`, true), endings[nth % 3])(asked),
  });
  const program = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin, RETRY_TIMES: '0' });
  for (const _ of endings) {
    const { text } = await askChat(program.port, { stream: true });
    t.equal(dataOf(text).at(-1), '[DONE]');
    t.match(text, 'and ended.');
  }
});

t.test('a fault that passes is not seen by the client', async (t) => {
  const upstream = await startUpstream(t, {
    conversation: (asked, nth) => (nth < 3 ? reset(asked) : sendAnswer(asked, TEXT)) as void,
  });
  const program = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin, RETRY_TIMES: '2' });
  t.match(await askChat(program.port), { status: 200, text: TEXT });
  t.equal(program.logged().at(-1)?.attempts, 3);
});

t.test('nobody listens there', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  const program = await startProgram(t, { CHATGPT_BASE_URL: `http://127.0.0.1:${port}`, RETRY_TIMES: '2' });
  const answer = await askChat(program.port);
  t.match([answer.status, errorOf(answer)?.code], [502, 'upstream_unreachable']);
  t.equal(program.logged().at(-1)?.attempts, 3);
  t.same(await settled(program), IDLE);
});

t.test('visitors are not wanted', async (t) => {
  const upstream = await startUpstream(t, { requirements: refuses(401, 'Unauthorized') as never });
  const program = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin, RETRY_TIMES: '1' });
  const answer = await askChat(program.port, { stream: true });
  t.match([answer.status, errorOf(answer)?.code], [401, 'anonymous_unavailable']);
  t.equal(upstream.askedAt('requirements').length, 2, 'another address may be luckier');
});

const PROXY_FAULTS: readonly [ProxyFault, number, string][] = [
  ['says nothing', 504, 'upstream_timeout'],
  ['resets', 502, 'upstream_unreachable'],
  ['asks for a password', 502, 'upstream_unreachable'],
  ['speaks no HTTP', 502, 'upstream_unreachable'],
];

for (const [fault, status, code] of PROXY_FAULTS) {
  t.test(`an outbound proxy that ${fault}`, async (t) => {
    const upstream = await startUpstream(t);
    const port = await startBrokenProxy(t, fault);
    const program = await startProgram(t, {
      CHATGPT_BASE_URL: upstream.origin,
      PROXY_URL: `http://user:pass-canary@127.0.0.1:${port}`,
      CONNECT_TIMEOUT_MS: '400',
      RETRY_TIMES: '1',
    });
    const answer = await askChat(program.port);
    t.match([answer.status, errorOf(answer)?.code], [status, code]);
    if (status === 504) t.match(errorOf(answer)?.message, 'CONNECT_TIMEOUT_MS');
    t.notMatch(JSON.stringify(answer) + program.lines.join(''), 'pass-canary');
    t.equal(upstream.asked.length, 0, 'nothing goes around the proxy');
    t.same(await settled(program), IDLE);
  });
}

interface Stall {
  readonly name: string;
  readonly setting: string;
  readonly at?: 'requirements';
  readonly play: (asked: Asked) => unknown;
  /** The deadline passes after the client got something. */
  readonly isLate: boolean;
}

const drip = async (asked: Asked): Promise<void> => {
  openStream(asked);
  for (let text = TEXT; !asked.socket.destroyed; text += '.') {
    stream(asked, event(text));
    await sleep(100);
  }
};

const STALLS: readonly Stall[] = [
  { name: 'before headers', setting: 'FIRST_TOKEN_TIMEOUT_MS', play: () => undefined, isLate: false },
  {
    name: 'before the first token',
    setting: 'FIRST_TOKEN_TIMEOUT_MS',
    play: says(': x\n\n', () => 0),
    isLate: true,
  },
  { name: 'mid-stream', setting: 'IDLE_TIMEOUT_MS', play: says(event(TEXT), () => 0), isLate: true },
  {
    name: 'mid-event',
    setting: 'IDLE_TIMEOUT_MS',
    play: says(event(TEXT), ({ socket }) => socket.write(chunk('data: {"mess').slice(0, 9))),
    isLate: true,
  },
  { name: 'an answer without end', setting: 'TOTAL_TIMEOUT_MS', play: drip, isLate: true },
  {
    name: 'in the requirements',
    setting: 'TOTAL_TIMEOUT_MS',
    at: 'requirements',
    play: () => undefined,
    isLate: false,
  },
];

for (const { name, setting, at = 'conversation', play, isLate } of STALLS) {
  t.test(`a deadline names itself: ${name}`, async (t) => {
    const upstream = await startUpstream(t, { [at]: play });
    const program = await startProgram(t, { CHATGPT_BASE_URL: upstream.origin, [setting]: '1000' });
    const [streamed, whole] = await Promise.all([
      askChat(program.port, { stream: true }),
      askChat(program.port),
    ]);
    t.equal(streamed.status, isLate ? 200 : 504);
    t.equal(whole.status, 504);
    for (const answer of [streamed, whole]) {
      t.match(errorOf(answer), { code: 'upstream_timeout', message: setting });
      t.notMatch(answer.text, '[DONE]');
    }
    t.equal(upstream.askedAt(at).length, 2, 'one attempt each');
    t.same(await settled(program), IDLE);
    t.ok(
      upstream.askedAt(at).every(({ socket }) => socket.destroyed),
      "upstream's connections are closed",
    );
  });
}
