import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { answerDeltas } from '../_util/answer.ts';
import { legacyFrames, v1Frames } from '../_util/backend-stream.ts';
import type { Peer } from './peer.ts';
import { peers } from './peers.ts';

// Installs and starts every gateway, or those whose name has one of the words given, and has one chat with
// each: `node build/bench/peers/check.script.js [word...]`.

type Choices = readonly { readonly delta: { readonly content?: string } }[];

/** Of a conversation, the part that matters here: the original names no encodings and gets the older one. */
interface Question {
  readonly supported_encodings?: readonly string[];
}

const DELTAS = answerDeltas(20);
const JSON_TYPE = 'application/json';
const REQUIREMENTS = JSON.stringify({
  persona: 'chatgpt-noauth',
  token: 'check',
  proofofwork: { required: false },
});

async function main(words: readonly string[]): Promise<void> {
  const wanted = peers().filter(
    ({ name }) => words.length === 0 || words.some((word) => name.includes(word)),
  );
  const standIn = createStandIn().listen(0, '127.0.0.1');
  await once(standIn, 'listening');
  const { port } = standIn.address() as AddressInfo;
  for (const peer of wanted) {
    const problem = await check(peer, `http://127.0.0.1:${port}`).catch((thrown: Error) => thrown.message);
    process.stdout.write(`${peer.name}: ${problem ?? 'ok'}\n`);
    if (problem !== null) process.exitCode = 1;
  }
  standIn.close();
  standIn.closeAllConnections();
}

/** Null: it passed the answer on to the letter. */
async function check(peer: Peer, origin: string): Promise<string | null> {
  const running = await peer.start(origin, 0);
  try {
    const { path, body, headers } = peer.ask;
    const answer = await fetch(`http://127.0.0.1:${running.port}${path}`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const stream = await answer.text();
    if (!answer.ok) return `answered ${answer.status}: ${stream}`;
    if (running.pids().length === 0) return 'has no process';
    return toText(stream) === DELTAS.join('') ? null : `the answer arrived changed: ${stream}`;
  } finally {
    await running.stop();
  }
}

/** Of a stream in either dialect. */
function toText(stream: string): string {
  return stream
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice('data: '.length)) as { v?: unknown; choices?: Choices })
    .map(({ v, choices }) => choices?.[0]?.delta.content ?? (typeof v === 'string' ? v : ''))
    .join('');
}

/** Both upstreams in one; wants no proof and looks at no credentials. */
function createStandIn(): Server {
  return createServer((request, response) => {
    const { method, url = '' } = request;
    if (method !== 'POST') response.end('<html><script src="/sdk.js"></script></html>');
    else if (url.endsWith('/chat-requirements'))
      response.setHeader('content-type', JSON_TYPE).end(REQUIREMENTS);
    else {
      response.setHeader('content-type', 'text/event-stream');
      void json(request).then((body) => response.end(toStream(url, body as Question)));
    }
  });
}

function toStream(url: string, { supported_encodings: encodings }: Question): string {
  if (url.startsWith('/v1/')) return openaiFrames(DELTAS).join('');
  const frames = encodings?.includes('v1') ? v1Frames(DELTAS) : legacyFrames(DELTAS);
  return frames.join('');
}

function openaiFrames(deltas: readonly string[]): string[] {
  const head = {
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1_750_000_000,
    model: 'gpt-4o-mini',
  };
  const chunk = (choice: object): string =>
    `data: ${JSON.stringify({ ...head, choices: [{ index: 0, ...choice }] })}\n\n`;
  return [
    ...deltas.map((content) => chunk({ delta: { content }, finish_reason: null })),
    chunk({ delta: {}, finish_reason: 'stop' }),
    'data: [DONE]\n\n',
  ];
}

await main(process.argv.slice(2));
