import { browser } from './browser.ts';
import { solve } from './proof.ts';
import type { Challenge } from './proof.ts';

interface Requirements {
  readonly token: string;
  readonly proofofwork: Challenge;
}

interface StreamEvent {
  readonly message?: {
    readonly author: { readonly role: string };
    readonly content: { readonly parts?: readonly unknown[] };
  } | null;
}

const DEVICE = uuid();

/** Asks as a visitor, and shows the answer as it grows. Rejects when the site refuses. */
export async function converse(site: string, question: string, show: (text: string) => void): Promise<void> {
  const requirements = await post(`${site}/backend-anon/sentinel/chat-requirements`, {}, {});
  const { token, proofofwork } = (await requirements.json()) as Requirements;
  const proof = solve(proofofwork);
  const response = await post(
    `${site}/backend-anon/conversation`,
    {
      accept: 'text/event-stream',
      'openai-sentinel-chat-requirements-token': token,
      ...(proof !== null && { 'openai-sentinel-proof-token': proof }),
    },
    turn(question),
  );
  await readEvents(response, show);
}

async function post(url: string, headers: Record<string, string>, body: unknown): Promise<Response> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'oai-device-id': DEVICE, ...headers },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return response;
}

function turn(question: string): unknown {
  return {
    action: 'next',
    messages: [
      {
        id: uuid(),
        author: { role: 'user' },
        content: { content_type: 'text', parts: [question] },
        metadata: {},
      },
    ],
    parent_message_id: uuid(),
    model: 'auto',
    timezone_offset_min: 0,
    history_and_training_disabled: true,
    force_use_sse: true,
  };
}

/** Each event holds the whole text so far. */
async function readEvents(response: Response, show: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let pending = '';
  for (const reader = response.body?.getReader(); reader !== undefined;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (pending + decoder.decode(value, { stream: true })).split('\n\n');
    pending = events.pop() ?? '';
    for (const event of events) showEvent(event, show);
  }
}

function showEvent(event: string, show: (text: string) => void): void {
  const data = /^data: (\{.*)$/m.exec(event)?.[1];
  if (data === undefined) return;
  const { message } = JSON.parse(data) as StreamEvent;
  const text = message?.content.parts?.[0];
  if (message?.author.role === 'assistant' && typeof text === 'string') show(text);
}

function uuid(): string {
  const bytes = browser.crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
