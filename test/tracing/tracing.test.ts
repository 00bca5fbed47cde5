import { setTimeout as sleep } from 'node:timers/promises';
import * as api from '@opentelemetry/api';
import t from 'tap';
import type { Test } from 'tap';
import type { Reply } from '../../src/http/reply.ts';
import type { RequestSnapshot } from '../../src/http/request.ts';
import { loadTracing } from '../../src/tracing/load-tracing.ts';
import { parentContext } from '../../src/tracing/trace-context.ts';
import type { Tracing } from '../../src/tracing/tracing.ts';
import { askChat, startProcess } from '../helpers/program.ts';
import { requirements, sendAnswer, sendJson, startUpstream } from '../helpers/upstream.ts';
import { eventually } from '../helpers/world.ts';
import { startCollector } from './collector.ts';
import type { CollectedSpan } from './collector.ts';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER_ID = '00f067aa0ba902b7';
const TOKEN = 'eyJhbGciOi.canary-token.x';
const PROMPT = 'canary-prompt';
const ANSWER = 'canary-answer';
const SERVER = 2;
const CLIENT = 3;
const ERROR = 2;

t.test('the spans of a chat that is tried twice, from a process of its own', async (t) => {
  const collector = await startCollector(t);
  const upstream = await startUpstream(t, {
    requirements: (asked) => sendJson(asked, 200, requirements('000fff')),
    conversation: (asked, nth) =>
      nth === 1 ? sendJson(asked, 500, { detail: 'canary' }) : sendAnswer(asked, ANSWER),
  });
  const { port, child, exited } = await startProcess(t, {
    CHATGPT_BASE_URL: upstream.origin,
    POW_DIFFICULTY: '000001',
    RETRY_TIMES: '2',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_BSP_SCHEDULE_DELAY: '50',
    OTEL_SERVICE_NAME: 'edge-1',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test',
  });
  const messages = [{ role: 'user', content: PROMPT }];
  const { status } = await askChat(port, {
    stream: true,
    token: TOKEN,
    headers: { traceparent: `00-${TRACE_ID}-${CALLER_ID}-01`, tracestate: 'vendor=1' },
    fields: { messages },
  });
  t.equal(status, 200);
  const find = (name: string): CollectedSpan[] => collector.spans.filter((span) => span.name === name);
  const route = 'POST /v1/chat/completions';
  t.ok(await eventually(async () => find(route).length > 0 && find('conversation').length > 1, 10_000));

  const [server] = find(route) as [CollectedSpan];
  t.match(server, { traceId: TRACE_ID, parentSpanId: CALLER_ID, kind: SERVER });
  t.match(server.attributes, {
    'http.route': '/v1/chat/completions',
    'http.response.status_code': 200,
    'chat2api.stream': true,
    'chat2api.outcome': 'ok',
    'chat2api.attempts': 2,
    'gen_ai.request.model': 'gpt-4o',
  });
  t.match(server.resource, { 'service.name': 'edge-1', 'deployment.environment': 'test' });

  const [chat] = find('chat') as [CollectedSpan];
  t.equal(chat.parentSpanId, server.spanId);
  const retry = { 'chat2api.attempt': 2, 'error.type': 'upstream_error', 'chat2api.fault': 'upstream' };
  t.match(chat.events, [{ name: 'retry', attributes: retry }]);

  for (const name of ['account', 'clearance', 'conversation']) {
    t.same(
      find(name).map(({ parentSpanId }) => parentSpanId),
      [chat.spanId, chat.spanId],
      name,
    );
  }
  const clearances = find('clearance').map(({ spanId }) => spanId);
  const required = collector.spans.filter(({ name }) => name.includes('requirements'));
  const proofs = find('proof');
  t.same(
    required.map(({ parentSpanId }) => parentSpanId),
    clearances,
  );
  t.same(
    proofs.map(({ parentSpanId }) => parentSpanId),
    clearances,
  );
  t.ok(proofs.every(({ attributes }) => Number(attributes['chat2api.proof.tries']) > 0));
  t.match(required[0], { kind: CLIENT, attributes: { 'http.response.status_code': 200 } });

  const [failed, answered] = find('conversation') as [CollectedSpan, CollectedSpan];
  t.match(failed, { status: { code: ERROR }, attributes: { 'error.type': 'upstream_error' } });
  t.same(
    answered.events.map(({ name }) => name),
    ['opened', 'first_text'],
  );
  t.ok(collector.spans.every((span) => BigInt(span.endTimeUnixNano) >= BigInt(span.startTimeUnixNano)));
  t.ok(collector.spans.every(({ traceId }) => traceId === TRACE_ID));
  t.notOk(
    upstream.asked.some(({ headers }) => 'traceparent' in headers),
    'upstream hears nothing of it',
  );

  const refused = await askChat(port, { token: TOKEN, fields: { messages: 'canary' } });
  t.equal(refused.status, 400);
  child.kill('SIGTERM');
  t.equal(await exited, 0);
  const last = find(route).at(-1);
  t.not(last?.traceId, TRACE_ID, 'a trace of its own, and sent before the end');
  t.match(last, { status: { code: ERROR }, attributes: { 'http.response.status_code': 400 } });
  t.notMatch(collector.received.join('\n'), /canary/i, 'no secret, and no words of the chat');
});

/** For NODE_OPTIONS: the packages are not there, or, by another code, must not be touched. */
function blocked(code: string): string {
  const hook = `export const resolve = (name, context, next) => {
    if (name.startsWith("@opentelemetry/")) throw Object.assign(new Error("blocked"), { code: "${code}" });
    return next(name, context);
  };`;
  const url = JSON.stringify(toDataUrl(hook));
  return `--import=${toDataUrl(`import { register } from "node:module"; register(${url});`)}`;
}

function toDataUrl(source: string): string {
  return `data:text/javascript,${encodeURIComponent(source)}`;
}

t.test('asked for without the packages: one warning, and the chats go on', async (t) => {
  const upstream = await startUpstream(t);
  const program = await startProcess(t, {
    CHATGPT_BASE_URL: upstream.origin,
    OTEL_TRACES_EXPORTER: 'otlp',
    NODE_OPTIONS: blocked('ERR_MODULE_NOT_FOUND'),
  });
  t.equal((await askChat(program.port)).status, 200);
  const warnings = program.output().match(/"level":"warn"[^\n]*/g);
  t.equal(warnings?.length, 1);
  t.match(
    warnings?.[0],
    /npm install --no-save @opentelemetry\/api.* @opentelemetry\/exporter-trace-otlp-proto/,
  );
});

t.test('not asked for: nothing of it is loaded', async (t) => {
  const upstream = await startUpstream(t);
  const program = await startProcess(t, {
    CHATGPT_BASE_URL: upstream.origin,
    OTEL_SERVICE_NAME: 'edge-1',
    NODE_OPTIONS: blocked('ERR_BLOCKED'),
  });
  t.equal((await askChat(program.port)).status, 200);
  t.notMatch(program.output(), /"level":"(warn|error)"/);
});

t.test('which variables ask, and which forbid', async (t) => {
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' };
  for (const [env, isWanted, told] of [
    [{}, false, null],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }, false, null],
    [{ OTEL_RESOURCE_ATTRIBUTES: 'a=b' }, false, null],
    [endpoint, true, null],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:1/v1/traces' }, true, null],
    [{ ...endpoint, OTEL_SDK_DISABLED: 'true' }, false, null],
    [{ ...endpoint, OTEL_TRACES_EXPORTER: 'none' }, false, null],
    [{ OTEL_TRACES_EXPORTER: 'otlp' }, true, null],
    [{ OTEL_TRACES_EXPORTER: 'console' }, true, null],
    [{ OTEL_TRACES_EXPORTER: 'zipkin' }, false, /OTEL_TRACES_EXPORTER may be otlp/],
    [{ ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, false, /PROTOCOL may be http\/protobuf/],
    [{ ...endpoint, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' }, true, null],
  ] as const) {
    const warnings: string[] = [];
    const tracing = await loadTracing(env, (message) => warnings.push(message));
    t.equal(tracing !== null, isWanted, JSON.stringify(env));
    t.equal(warnings.length, told === null ? 0 : 1);
    if (told !== null) t.match(warnings[0], told);
    await tracing?.close();
  }
});

/** The tracing that the variables make, and what it told of trouble. */
async function load(t: Test, env: Readonly<Record<string, string>>): Promise<[Tracing, string[]]> {
  for (const [name, value] of Object.entries(env)) process.env[name] = value;
  t.teardown(() => {
    for (const name of Object.keys(env)) delete process.env[name];
  });
  const warnings: string[] = [];
  const tracing = await loadTracing(process.env, (message) => warnings.push(message));
  return [tracing as Tracing, warnings];
}

/** One request that is answered at once. */
function serve(tracing: Tracing): void {
  const request = { id: 'r-1', method: 'GET', header: () => undefined } as unknown as RequestSnapshot;
  const listeners: (() => void)[] = [];
  const answered = { status: 200, outcome: 'ok', bytesOut: 2, notes: {} };
  const reply = { ...answered, onClose: (listener: () => void) => listeners.push(listener) };
  tracing.around('/v1/models', request, reply as unknown as Reply, () => {});
  for (const listener of listeners) listener();
}

t.test('spans in protobuf, to the address of its own', async (t) => {
  const collector = await startCollector(t);
  const [tracing] = await load(t, { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/here` });
  serve(tracing);
  await tracing.close();
  t.equal(collector.received.length, 1);
  t.ok(collector.received[0]?.startsWith('/here application/x-protobuf '));
  t.match(collector.received[0], 'GET /v1/models');
});

t.test('a sampler that takes none', async (t) => {
  const collector = await startCollector(t);
  const [tracing] = await load(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_TRACES_SAMPLER: 'always_off',
  });
  serve(tracing);
  await tracing.close();
  t.same(collector.received, []);
});

t.test('a collector that is not there holds nothing up and is told of once', async (t) => {
  const [tracing, warnings] = await load(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://user:canary-password@127.0.0.1:1',
    OTEL_BSP_SCHEDULE_DELAY: '10',
    OTEL_EXPORTER_OTLP_TIMEOUT: '100',
  });
  for (let round = 0; round < 5; round += 1) {
    serve(tracing);
    await sleep(60);
  }
  const startedAt = performance.now();
  await tracing.close();
  t.ok(performance.now() - startedAt < 10_000);
  t.equal(warnings.length, 1);
  t.notMatch(warnings[0], /canary/);
});

t.test('the context that callers send', (t) => {
  const read = (traceparent: string, tracestate?: string): api.SpanContext | undefined =>
    api.trace.getSpanContext(parentContext(api, traceparent, tracestate));
  const good = `00-${TRACE_ID}-${CALLER_ID}-01`;
  t.match(read(good, 'a=1,b=2'), { traceId: TRACE_ID, spanId: CALLER_ID, traceFlags: 1, isRemote: true });
  t.equal(read(good, 'a=1,b=2')?.traceState?.serialize(), 'a=1,b=2');
  t.equal(read(good, 'x'.repeat(10_000))?.traceState, undefined);
  t.equal(read(`00-${TRACE_ID}-${CALLER_ID}-00`)?.traceFlags, 0);
  t.equal(read(`cc-${TRACE_ID}-${CALLER_ID}-01-more`)?.traceId, TRACE_ID, 'of a later version');
  for (const bad of [
    '',
    'nonsense',
    `${good}-more`,
    good.toUpperCase(),
    `ff${good.slice(2)}`,
    `00-${'0'.repeat(32)}-${CALLER_ID}-01`,
    `00-${TRACE_ID}-${'0'.repeat(16)}-01`,
    `${good}, ${good}`,
  ]) {
    t.equal(read(bad), undefined, bad);
  }
  t.end();
});
