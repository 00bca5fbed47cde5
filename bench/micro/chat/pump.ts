import { strictEqual } from 'node:assert/strict';
import { hold } from '../../_util/contest.ts';
import type { Row } from '../../_util/table.ts';
import { Answer } from '../../../src/chat/answer.ts';
import type { StreamReader } from '../../../src/chat/ports.ts';
import { pump } from '../../../src/chat/pump.ts';
import { ChoiceSink } from '../../../src/http/choice-sink.ts';
import { Reply } from '../../../src/http/reply.ts';
import { StreamOutput } from '../../../src/http/stream-output.ts';
import type { HttpResponse } from '../../../src/http/uws.ts';
import { toUsage } from '../../../src/openai/usage.ts';
import { newText, payloadOf } from '../../_util/backend-reader.ts';

const MODEL = 'gpt-4o';
const ID = `chatcmpl-${'x'.repeat(29)}`;
/** Awaited it lets what waits for the end of a chunk run. */
const tick = Promise.resolve();
const DEADLINES = { firstTokenMs: 60_000, idleMs: 60_000, totalMs: 60_000 };

/** From upstream's bytes to what is handed to the socket, a tick for each chunk. `text`: of the whole answer. */
export async function passCase(
  name: string,
  chunks: readonly Buffer[],
  events: number,
  text: string,
): Promise<Row[]> {
  for (const pass of [passPlainly, passByPump]) {
    strictEqual((await pass(chunks)).text(), text, `${name}: the answer was changed`);
  }
  return hold<void>({
    name,
    unit: 'event',
    units: 'events',
    unitsPerRun: events,
    expected: undefined,
    floor: { name: 'bytes passed on unread', run: () => passUnread(chunks) },
    baseline: {
      name: "split('\\n\\n'), JSON.parse and JSON.stringify",
      run: () => passPlainly(chunks).then(forget),
    },
    ours: [{ name: 'our pump and output', run: () => passByPump(chunks).then(forget) }],
  });
}

async function passUnread(chunks: readonly Buffer[]): Promise<void> {
  const client = new SilentClient();
  for (const chunk of chunks) {
    client.write(chunk);
    await tick;
  }
}

/** What was told is checked before anything is timed. */
function forget(): void {}

/** Right for these streams only, with no regard to slow clients, deadlines, errors and markers. */
async function passPlainly(chunks: readonly Buffer[]): Promise<SilentClient> {
  const client = new SilentClient();
  const utf8 = new TextDecoder();
  let pending = '';
  let length = 0;
  for (const chunk of chunks) {
    const frames = (pending + utf8.decode(chunk, { stream: true })).split('\n\n');
    pending = frames.pop() ?? '';
    let out = '';
    for (const frame of frames) {
      const payload = payloadOf(frame);
      if (payload === '[DONE]') break;
      const content = newText(JSON.parse(payload), length);
      length += content.length;
      if (content !== '') out += `data: ${JSON.stringify(toChunk(content))}\n\n`;
    }
    if (out !== '') client.write(out);
    await tick;
  }
  return client;
}

function toChunk(content: string): object {
  const choice = { index: 0, delta: { content }, logprobs: null, finish_reason: null };
  return {
    id: ID,
    object: 'chat.completion.chunk',
    created: 1_750_000_000,
    model: MODEL,
    system_fingerprint: null,
    choices: [choice],
  };
}

async function passByPump(chunks: readonly Buffer[]): Promise<SilentClient> {
  const client = new SilentClient();
  const reply = new Reply(client as unknown as HttpResponse, {
    requestId: 'bench',
    method: 'POST',
    closesConnection: () => false,
    onEnd: () => {},
    onListenerError: (error) => {
      throw error;
    },
  });
  const output = new StreamOutput(reply, {
    model: { reported: MODEL, asked: MODEL },
    includeUsage: false,
    kept: false,
    slowClientTimeoutMs: 60_000,
  });
  const answer = new Answer(new ChoiceSink(0, output, { stop: [], tokens: null }), () => {});
  const readers: StreamReader[] = [];
  const done = pump(
    (reader) => {
      readers.push(reader);
      return { askedIds: [], pause: () => {}, resume: () => {}, abort: () => {} };
    },
    answer,
    new AbortController().signal,
    { link: () => Promise.resolve(null), deadlines: DEADLINES, trace: createTrace() },
  );
  await feed(readers[0] as StreamReader, chunks);
  await done;
  output.finish(toUsage(0, 0));
  return client;
}

async function feed(reader: StreamReader, chunks: readonly Buffer[]): Promise<void> {
  reader.onOpen();
  for (const chunk of chunks) {
    reader.onBytes(chunk);
    await tick;
  }
  reader.onEnd();
}

function createTrace(): Parameters<typeof pump>[3]['trace'] {
  return { startedAt: 0, attempts: 1, leasedMs: 0, clearedMs: 0, openedMs: 0, firstTextMs: 0 };
}

/** Takes everything at once, as the native response of a fast client. */
class SilentClient {
  readonly #chunks: (string | Uint8Array)[] = [];

  write(chunk: string | Uint8Array): boolean {
    // As the native one it keeps no hold on the caller's bytes.
    this.#chunks.push(typeof chunk === 'string' ? chunk : Buffer.from(chunk));
    return true;
  }

  cork(callback: () => void): this {
    callback();
    return this;
  }

  onAborted(): void {}
  onWritable(): void {}
  writeStatus(): void {}
  writeHeader(): void {}
  end(): void {}

  /** All content of the chunks. */
  text(): string {
    const contents = this.#chunks.join('').matchAll(/"content":("(?:[^"\\]|\\.)*")/g);
    return Array.from(contents, ([, json = '""']) => JSON.parse(json) as string).join('');
  }
}
