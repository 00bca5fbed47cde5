import { EventDecoder } from '../sse/event-decoder.ts';
import { LineDecoder } from '../sse/line-decoder.ts';

export interface StreamChatOptions {
  /** Where `/v1` lives. */
  readonly base: string;
  readonly key: string;
  readonly question: string;
  readonly print: (text: string) => void;
}

interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content?: string } }[];
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number } | null;
  readonly error?: { readonly message: string };
}

const MAX_EVENT_BYTES = 1024 * 1024;

/** One chat as any client would hold it, printed as it arrives. Resolves to a line that sums it up. */
export async function streamChat(options: StreamChatOptions): Promise<string> {
  const startedAt = performance.now();
  let usage: Chunk['usage'] = null;
  let done = false;
  const bytes = await ask(options);
  const events = new EventDecoder(({ data }) => {
    if (data === '[DONE]') {
      done = true;
      return;
    }
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.error !== undefined) throw new Error(chunk.error.message);
    options.print(chunk.choices[0]?.delta.content ?? '');
    usage = chunk.usage ?? usage;
  }, MAX_EVENT_BYTES);
  const lines = new LineDecoder((line) => events.pushLine(line), MAX_EVENT_BYTES);
  for await (const chunk of bytes) lines.push(chunk);
  if (!done) throw new Error('the answer was cut off');
  return summary(performance.now() - startedAt, usage);
}

async function ask({ base, key, question }: StreamChatOptions): Promise<AsyncIterable<Uint8Array>> {
  const response = await fetch(`${base}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({
      model: 'gpt-4o',
      messages: [{ role: 'user', content: question }],
      stream: true,
      stream_options: { include_usage: true },
    }),
  });
  if (response.ok && response.body !== null) return response.body;
  throw new Error(`the proxy answered ${response.status}: ${await response.text()}`);
}

function summary(totalMs: number, usage: Chunk['usage']): string {
  const tokens = usage ? `${usage.prompt_tokens} tokens in, ${usage.completion_tokens} out, ` : '';
  return `${tokens}complete after ${Math.round(totalMs)} ms`;
}
