import { toChatError } from '../errors.ts';
import type { CompleteTurn, OwnModels } from '../chat/ports.ts';
import type { Caller } from '../conversation/turn.ts';
import { isFixedName, resolveModel } from '../openai/models.ts';
import type { Encoding } from '../openai/models.ts';
import { parseChatRequest } from '../openai/request.ts';
import type { ChatRequest } from '../openai/request.ts';
import type { Tokenizer } from '../openai/tokenizer.ts';
import { countPromptTokens, toUsage } from '../openai/usage.ts';
import type { Admission } from './admission.ts';
import { ChoiceSink } from './choice-sink.ts';
import type { AnswerOutput } from './choice-sink.ts';
import { PublicLinks, publicBase } from './public-links.ts';
import type { PublicAddress } from './public-links.ts';
import type { Reply } from './reply.ts';
import type { Route } from './router.ts';
import { StreamOutput } from './stream-output.ts';
import { newTrace } from './trace.ts';
import { WholeOutput } from './whole-output.ts';

export interface ChatRouteOptions {
  readonly admit: Admission;
  readonly complete: CompleteTurn;
  readonly models: OwnModels;
  loadTokenizer(encoding: Encoding): Promise<Tokenizer>;
  readonly historyDisabled: boolean;
  readonly uploadByUrl: boolean;
  /** For the links in answers. */
  readonly address: PublicAddress;
  readonly slowClientTimeoutMs: number;
  /** For what went wrong on our side and is told to the client only as `internal_error`. */
  onInternalError(requestId: string, error: unknown): void;
}

/** `POST /v1/chat/completions`: who asks, what they ask, the answer. */
export function chatRoute(options: ChatRouteOptions): Route {
  return {
    method: 'POST',
    path: '/v1/chat/completions',
    handler: async (request, reply) => {
      const { caller, body } = await options.admit(request, reply);
      const asked = parseChatRequest(body, options);
      const account = withAccount(caller, asked.accountId);
      const chat = await withOwnModel(asked, account, options.models, reply);
      await answer(options, chat, account, publicBase(request, options.address), reply);
    },
  };
}

/** The body's account id overrides the header's. */
function withAccount(caller: Caller, accountId: string | null): Caller {
  if (accountId === null) return caller;
  switch (caller.kind) {
    case 'visitor':
      return caller;
    case 'own':
      return { kind: 'own', credential: { ...caller.credential, accountId } };
    case 'key':
      return { ...caller, accountId };
    default:
      return caller satisfies never;
  }
}

/** A name that is not everybody's may be a slug of the account's own. */
async function withOwnModel(
  chat: ChatRequest,
  caller: Caller,
  models: OwnModels,
  reply: Reply,
): Promise<ChatRequest> {
  if (caller.kind === 'visitor' || isFixedName(chat.requestedModel)) return chat;
  const own = (await models(caller, reply.signal)) ?? [];
  const { slug, gizmoId, responseModel } = resolveModel(chat.requestedModel, own);
  return { ...chat, responseModel, turn: { ...chat.turn, model: { slug, gizmoId } } };
}

/** Runs the `n` turns side by side into one answer; the first failure ends them all. */
async function answer(
  options: ChatRouteOptions,
  chat: ChatRequest,
  caller: Caller,
  base: string,
  reply: Reply,
): Promise<void> {
  const counts = !chat.stream || chat.includeUsage || chat.maxTokens !== null;
  const tokenizer = counts ? await options.loadTokenizer(resolveModel(chat.requestedModel).encoding) : null;
  const limits = { stop: chat.stop, tokens: tokenizer && { tokenizer, max: chat.maxTokens } };
  const output = createOutput(options, chat, reply);
  const turns = new AbortController();
  let isComplete = false;
  // Nobody listens any more when all is said, and an abort that gives no reason takes a stack trace: 13 us.
  reply.onClose(() => isComplete || turns.abort());
  output.onShutdown((error) => turns.abort(error));
  const trace = newTrace();
  // The first choice speaks for all in the log.
  reply.note({ model: chat.turn.model.slug, stream: chat.stream, trace });
  const sinks: ChoiceSink[] = [];
  while (sinks.length < chat.n) sinks.push(new ChoiceSink(sinks.length, output, limits));
  try {
    const [promptTokens] = await Promise.all([
      tokenizer === null || !countsPrompt(chat)
        ? 0
        : countPromptTokens(chat.turn.messages, tokenizer, breathing(turns.signal)),
      ...sinks.map((sink, at) =>
        options.complete(
          chat.turn,
          caller,
          new PublicLinks(sink, base),
          turns,
          at === 0 ? trace : newTrace(),
        ),
      ),
    ]);
    isComplete = true;
    output.finish(toUsage(promptTokens, sum(sinks, 'contentTokens'), sum(sinks, 'reasoningTokens')));
  } catch (thrown) {
    turns.abort();
    if (reply.closed) return;
    const error = toChatError(thrown);
    if (error.code === 'internal_error') options.onInternalError(reply.requestId, error.cause ?? error);
    output.fail(error);
  }
}

function sum(sinks: readonly ChoiceSink[], count: 'contentTokens' | 'reasoningTokens'): number {
  return sinks.reduce((total, sink) => total + sink[count], 0);
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

function createOutput(options: ChatRouteOptions, chat: ChatRequest, reply: Reply): AnswerOutput {
  const kept = chat.turn.keepHistory;
  const model = { reported: chat.responseModel, asked: chat.turn.model.slug };
  if (!chat.stream) return new WholeOutput(reply, { model, kept });
  const { slowClientTimeoutMs } = options;
  return new StreamOutput(reply, { model, kept, includeUsage: chat.includeUsage, slowClientTimeoutMs });
}
