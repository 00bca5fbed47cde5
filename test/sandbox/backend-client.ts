import { createHash, randomUUID } from 'node:crypto';
import { request, type IncomingHttpHeaders } from 'node:http';
import type { Test } from 'tap';
import { createSandbox, type SandboxOptions } from '../../src/sandbox/server.ts';

const USER_AGENT = 'Mozilla/5.0 (Test) Sim/1.0';
export const ACCESS_TOKEN = 'Bearer eyJhbGciOi.sandbox-paid.x';
export const ANON = '/backend-anon';
export const API = '/backend-api';

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The body as it came, one entry per HTTP chunk read. */
  readonly chunks: readonly Buffer[];
  /** False when the connection died before the body was whole. */
  readonly complete: boolean;
}

export type Headers = Record<string, string>;

/** A client of one sandbox, made by hand from the protocol. */
export class BackendClient {
  readonly port: number;
  readonly deviceId = randomUUID();

  constructor(port: number) {
    this.port = port;
  }

  headers(extra: Headers = {}): Headers {
    const origin = `http://127.0.0.1:${this.port}`;
    return {
      accept: '*/*',
      'content-type': 'application/json',
      'oai-device-id': this.deviceId,
      origin,
      referer: `${origin}/`,
      'user-agent': USER_AGENT,
      ...extra,
    };
  }

  /** Resolves also for answers that were cut; rejects when there was no answer at all. */
  call(method: string, path: string, headers: Headers = {}, body?: unknown): Promise<Reply> {
    const sent =
      typeof body === 'string' || Buffer.isBuffer(body)
        ? body
        : body === undefined
          ? ''
          : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { host: '127.0.0.1', port: this.port, method, path, headers, agent: false },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', () => {});
          response.on('close', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(chunks).toString(),
              chunks,
              complete: response.complete,
            }),
          );
        },
      );
      outgoing.on('error', reject);
      outgoing.end(sent);
    });
  }

  async json(method: string, path: string, headers: Headers = {}, body?: unknown): Promise<unknown> {
    return JSON.parse((await this.call(method, path, headers, body)).body);
  }

  scenario(scenario: unknown): Promise<Reply> {
    return this.call('POST', '/__sandbox/scenario', { 'content-type': 'application/json' }, scenario);
  }

  async records(): Promise<readonly SeenRequest[]> {
    return ((await this.json('GET', '/__sandbox/requests')) as { requests: SeenRequest[] }).requests;
  }

  requirements(base = ANON, extra: Headers = {}, body: unknown = { p: requirementsText() }): Promise<Reply> {
    return this.call('POST', `${base}/sentinel/chat-requirements`, this.headers(extra), body);
  }

  /** The headers that answer a fresh set of requirements. */
  async clearance(base = ANON, extra: Headers = {}): Promise<Headers> {
    const reply = await this.requirements(base, extra);
    if (reply.status !== 200) throw new Error(`requirements: ${reply.status} ${reply.body}`);
    const granted = JSON.parse(reply.body) as Granted;
    const headers: Headers = { 'openai-sentinel-chat-requirements-token': granted.token };
    if (granted.proofofwork.required) {
      const { seed, difficulty } = granted.proofofwork;
      headers['openai-sentinel-proof-token'] = `gAAAAAB${solve(seed, difficulty)}`;
    }
    if (granted.arkose.required) {
      headers['openai-sentinel-arkose-token'] = await this.arkoseToken(granted.arkose.dx);
    }
    return headers;
  }

  async arkoseToken(blob: string): Promise<string> {
    const reply = await this.json('POST', '/arkose/token', { 'content-type': 'application/json' }, { blob });
    return (reply as { token: string }).token;
  }

  converse(body: unknown, extra: Headers = {}, base = ANON): Promise<Reply> {
    const headers = this.headers({ accept: 'text/event-stream', ...extra });
    return this.call('POST', `${base}/conversation`, headers, body);
  }

  /** Requirements, proof and conversation, as a good client does them. */
  async chat(prompt: string, fields: object = {}): Promise<Reply> {
    return this.converse(turn(prompt, fields), await this.clearance());
  }

  /** The same under an account that pays, with its best model. */
  async accountChat(prompt: string, fields: object = {}, authorization = ACCESS_TOKEN): Promise<Reply> {
    const headers = { authorization, ...(await this.clearance(API, { authorization })) };
    return this.converse(turn(prompt, { model: 'gpt-4o', ...fields }), headers, API);
  }

  /** A call of that account beside the chat. */
  account(method: string, path: string, body?: unknown, authorization = ACCESS_TOKEN): Promise<Reply> {
    return this.call(method, `${API}${path}`, this.headers({ authorization }), body);
  }
}

/** The body as bytes. */
export function bytesOf(reply: Reply): Buffer {
  return Buffer.concat(reply.chunks);
}

export interface Granted {
  readonly persona: string;
  readonly token: string;
  readonly force_login?: boolean;
  readonly arkose: { readonly required: boolean; readonly dx: string };
  readonly turnstile: { readonly required: boolean; readonly dx: string | null };
  readonly proofofwork: { readonly required: boolean; readonly seed: string; readonly difficulty: string };
}

export interface SeenRequest {
  readonly path: string;
  readonly method: string;
  readonly connection: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
  readonly warnings: readonly string[];
  readonly status: number | null;
  readonly events: number;
  readonly playing: boolean;
  readonly outcome: string;
  readonly aborted: boolean;
  readonly endedAtMs: number | null;
}

/** A sandbox without delays, closed with the test, and a client of it. */
export async function startSandbox(t: Test, options: Partial<SandboxOptions> = {}): Promise<BackendClient> {
  const defaults = { eventDelayMs: 0, difficulty: '0fffff', ...options.defaults };
  const sandbox = createSandbox({ host: '127.0.0.1', port: 0, ...options, defaults });
  const { port } = await sandbox.listen();
  t.teardown(() => sandbox.close());
  return new BackendClient(port);
}

export function turn(prompt: string, fields: object = {}): Record<string, unknown> {
  return {
    action: 'next',
    conversation_mode: { kind: 'primary_assistant' },
    force_use_sse: true,
    history_and_training_disabled: true,
    messages: [
      {
        id: '11111111-1111-4111-8111-111111111111',
        author: { role: 'user' },
        content: { content_type: 'text', parts: [prompt] },
        metadata: {},
      },
    ],
    model: 'text-davinci-002-render-sha',
    parent_message_id: '22222222-2222-4222-8222-222222222222',
    suggestions: [],
    timezone_offset_min: -480,
    websocket_request_id: '33333333-3333-4333-8333-333333333333',
    ...fields,
  };
}

/** The facts of a browser with a nonce, in base64. */
export function encodeFacts(nonce: unknown, length = 15): string {
  const facts = [
    3016,
    'Mon Jul 01 2024 10:00:00 GMT-0500 (Eastern Standard Time)',
    4294705152,
    nonce,
    USER_AGENT,
    'https://cdn.oaistatic.com/_next/static/abc/_ssgManifest.js?dpl=0123456789abcdef',
    'dpl=0123456789abcdef',
    'en-US',
    'en-US,es-US,en,es',
    typeof nonce === 'number' ? nonce >> 1 : 0,
    'webdriver−false',
    'location',
    'window',
    12345.678,
    '00000000-0000-4000-8000-000000000001',
  ].slice(0, length);
  return Buffer.from(JSON.stringify(facts)).toString('base64');
}

export function requirementsText(): string {
  return `gAAAAAC${encodeFacts(0)}`;
}

/** The least solution; `wanted: false` finds the first attempt that fails instead. */
export function solve(seed: string, difficulty: string, wanted = true): string {
  for (let nonce = 0; ; nonce += 1) {
    const facts = encodeFacts(nonce);
    const digest = createHash('sha3-512').update(seed).update(facts).digest('hex');
    if (digest.slice(0, difficulty.length) <= difficulty === wanted) return facts;
  }
}

export interface SseEvent {
  readonly name: string;
  readonly data: string;
}

/** The events of a stream in any of the three line ends, without comments. */
export function parseEvents(body: string): readonly SseEvent[] {
  return body
    .replaceAll(/\r\n?/g, '\n')
    .split('\n\n')
    .map((block) => block.split('\n').filter((line) => line !== '' && !line.startsWith(':')))
    .filter((lines) => lines.length > 0)
    .map((lines) => ({
      name: lines.find((line) => line.startsWith('event: '))?.slice(7) ?? 'message',
      data: lines.find((line) => line.startsWith('data: '))?.slice(6) ?? '',
    }));
}

/** The JSON of every event that has some. */
export function parseData(body: string): readonly Record<string, unknown>[] {
  return parseEvents(body)
    .filter(({ data }) => data.startsWith('{'))
    .map(({ data }) => JSON.parse(data) as Record<string, unknown>);
}

interface LegacyDocument {
  readonly message?: {
    readonly id: string;
    readonly author: { readonly role: string };
    readonly status: string;
    readonly end_turn: boolean | null;
    readonly recipient: string;
    readonly content: { readonly parts: readonly string[] };
    readonly metadata: Record<string, unknown>;
  } | null;
  readonly conversation_id: string;
}

/** The states of the assistant's message in a legacy stream, in order. */
export function answersOf(body: string): readonly NonNullable<LegacyDocument['message']>[] {
  return parseData(body)
    .map((data) => (data as unknown as LegacyDocument).message)
    .filter((message) => message !== null && message !== undefined)
    .filter((message) => message.author.role === 'assistant');
}

/** The answer's text as the last event shows it. */
export function finalText(body: string): string | undefined {
  return answersOf(body).at(-1)?.content.parts[0];
}

/** The deltas of a stream; `anyName` when the events' names were taken off. */
export function deltasOf(body: string, anyName = false) {
  return parseEvents(body)
    .filter(({ name, data }) => (anyName ? data.startsWith('{') : name === 'delta'))
    .map(({ data }) => JSON.parse(data) as { p?: string; o?: string; v?: unknown; c?: number });
}

/** The last state of each message of a legacy stream, in order of appearance. */
export function lastDocuments(body: string): unknown[] {
  const documents = new Map<string, unknown>();
  for (const data of parseData(body)) {
    const message = (data as unknown as LegacyDocument).message;
    if (message) documents.set(message.id, data);
  }
  return [...documents.values()];
}

/** Resolves when the condition holds; rejects when it does not within ten seconds. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > deadlineMs) throw new Error(`never came true: ${String(holds)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
