import { ChatError, toChatError } from '../errors.ts';
import type { CompleteTurn, Trace } from '../chat/ports.ts';
import type { Caller } from '../conversation/turn.ts';
import { resolveModel } from '../openai/models.ts';
import type { Encoding } from '../openai/models.ts';
import { parseChatRequest } from '../openai/request.ts';
import type { ChatRequest } from '../openai/request.ts';
import type { Tokenizer } from '../openai/tokenizer.ts';
import { countPromptTokens } from '../openai/usage.ts';
import { authenticate } from './auth.ts';
import { ChoiceSink } from './choice-sink.ts';
import type { AnswerOutput } from './choice-sink.ts';
import { parseJson } from './json-body.ts';
import { readBody } from './read-body.ts';
import type { Reply } from './reply.ts';
import type { Route } from './router.ts';
import { StreamOutput } from './stream-output.ts';
import { WholeOutput } from './whole-output.ts';

export interface ChatRouteOptions {
  readonly complete: CompleteTurn;
  loadTokenizer(encoding: Encoding): Promise<Tokenizer>;
  /** The operator's keys; empty: the door is open. */
  readonly keys: readonly string[];
  readonly historyDisabled: boolean;
  readonly uploadByUrl: boolean;
  readonly maxBodyBytes: number;
  /** Chats at once; beyond them 503. */
  readonly maxInflight: number;
  readonly slowClientTimeoutMs: number;
  /** For what went wrong on our side and is told to the client only as `internal_error`. */
  onInternalError(requestId: string, error: unknown): void;
}

/** `POST /v1/chat/completions`: who asks, what they ask, the answer. */
export function chatRoute(options: ChatRouteOptions): Route {
  let inflight = 0;
  return {
    method: 'POST',
    path: '/v1/chat/completions',
    handler: async (request, reply) => {
      const caller = authenticate(
        request.header('authorization'),
        request.header('chatgpt-account-id'),
        options.keys,
      );
      if (inflight >= options.maxInflight) throw overloaded(options.maxInflight);
      inflight += 1;
      reply.onClose(() => (inflight -= 1));
      const body = await readBody(reply, request, options.maxBodyBytes);
      const chat = parseChatRequest(parseJson(body), options);
      await answer(options, chat, withAccount(caller, chat.accountId), reply);
    },
  };
}

function overloaded(maxInflight: number): ChatError {
  return new ChatError(
    'proxy_overloaded',
    `This proxy already serves ${maxInflight} chats, its limit. Try again in a moment, or ask its operator to raise MAX_INFLIGHT.`,
    { retryAfterS: 1 },
  );
}

/** The body's account id overrides the header's. */
function withAccount(caller: Caller, accountId: string | null): Caller {
  return accountId === null ? caller : { ...caller, accountId };
}

/** Runs the `n` turns side by side into one answer; the first failure ends them all. */
async function answer(
  options: ChatRouteOptions,
  chat: ChatRequest,
  caller: Caller,
  reply: Reply,
): Promise<void> {
  const counts = !chat.stream || chat.includeUsage || chat.maxTokens !== null;
  const tokenizer = counts ? await options.loadTokenizer(resolveModel(chat.requestedModel).encoding) : null;
  const limits = { stop: chat.stop, tokens: tokenizer && { tokenizer, max: chat.maxTokens } };
  const output = createOutput(options, chat, reply);
  const turns = new AbortController();
  reply.onClose(() => turns.abort());
  output.onShutdown((error) => turns.abort(error));
  const traces = Array.from({ length: chat.n }, newTrace);
  // The first choice speaks for all in the log.
  reply.note({ model: chat.turn.model.slug, trace: traces[0] as Trace });
  const sinks = traces.map((_, index) => new ChoiceSink(index, output, limits));
  try {
    const [promptTokens] = await Promise.all([
      tokenizer === null || !countsPrompt(chat)
        ? 0
        : countPromptTokens(chat.turn.messages, tokenizer, breathing(turns.signal)),
      ...sinks.map((sink, at) =>
        options.complete(chat.turn, caller, sink, turns.signal, traces[at] as Trace),
      ),
    ]);
    output.finish(
      promptTokens,
      sinks.reduce((sum, sink) => sum + sink.completionTokens, 0),
    );
  } catch (thrown) {
    turns.abort();
    if (reply.closed) return;
    const error = toChatError(thrown);
    if (error.code === 'internal_error') options.onInternalError(reply.requestId, error.cause ?? error);
    output.fail(error);
  }
}

function countsPrompt(chat: ChatRequest): boolean {
  return !chat.stream || chat.includeUsage;
}

/** Lets waiting events run; rejects once nobody wants the answer any more. */
function breathing(signal: AbortSignal): () => Promise<void> {
  return () =>
    new Promise((resolve, reject) =>
      setImmediate(() => (signal.aborted ? reject(signal.reason as Error) : resolve())),
    );
}

function newTrace(): Trace {
  return {
    startedAt: Date.now(),
    attempts: 0,
    leasedMs: null,
    clearedMs: null,
    openedMs: null,
    firstTextMs: null,
  };
}

function createOutput(options: ChatRouteOptions, chat: ChatRequest, reply: Reply): AnswerOutput {
  const kept = chat.turn.keepHistory;
  const model = chat.responseModel;
  if (!chat.stream) return new WholeOutput(reply, { model, kept });
  const { slowClientTimeoutMs } = options;
  return new StreamOutput(reply, { model, kept, includeUsage: chat.includeUsage, slowClientTimeoutMs });
}
