import type { ChatPorts, Clearance, Session, StreamControl, StreamReader } from '../chat/ports.ts';
import type { Turn } from '../conversation/turn.ts';
import type { ChatError } from '../errors.ts';
import { headerText, mediaType } from '../outbound/exchange.ts';
import type { Exits } from '../outbound/exits.ts';
import type {
  BodyReader,
  OutboundRequest,
  ResponseHeaders,
  ResponseReader,
  SendControl,
} from '../outbound/send.ts';
import { createBadBody, createInflatedBody, createPlainBody, createWholeBody } from './answer-body.ts';
import type { AnswerBody } from './answer-body.ts';
import { baseHeaders, basePath } from './headers.ts';
import type { ClientProfile, Headers } from './headers.ts';
import { encodeTurn } from './protocol/encode-turn.ts';
import { toRefusal, toWrongAnswer } from './protocol/refusal.ts';
import { parseHandOver } from './protocol/socket-frame.ts';
import { createQuestionBody } from './question-body.ts';
import type { QuestionBody } from './question-body.ts';
import { createWebSocketAnswers } from './web-socket.ts';
import type { SocketTicket } from './web-socket.ts';

export interface UpstreamClientOptions {
  readonly exits: Pick<Exits, 'send' | 'dial'>;
  readonly profile: ClientProfile;
  /** Makes uuids. */
  readonly newId: () => string;
  /** How long a web socket that several calls share may stand unused. */
  readonly socketIdleMs?: number;
}

/** The conversation call. Has no deadlines of its own but CONNECT_TIMEOUT_MS: the spine has the others. */
export function createUpstreamClient(options: UpstreamClientOptions): Pick<ChatPorts, 'converse'> {
  const { exits, profile, newId, socketIdleMs } = options;
  const sockets = createWebSocketAnswers({
    exits,
    profile,
    nowMs: Date.now,
    random: Math.random,
    ...(socketIdleMs !== undefined && { sharedIdleMs: socketIdleMs }),
  });
  return {
    converse(session, ask, clearance, reader) {
      const { json, messageIds } = encodeTurn(ask, newId);
      const question = createQuestionBody(json);
      const call = new Call({ session, turn: ask.turn, askedIds: messageIds, question, reader });
      const socket = sockets.prepare(session, () => {
        call.begin(exits.send(session.exit, toRequest(session, question, clearance, profile), call));
      });
      call.sit(socket);
      return call;
    },
  };
}

interface CallFacts {
  readonly session: Session;
  readonly turn: Turn;
  readonly askedIds: readonly string[];
  readonly question: QuestionBody;
  readonly reader: StreamReader;
}

/** One conversation call: its caller's control, and what is told of its answer until that has a reader. */
class Call implements StreamControl, ResponseReader {
  readonly #facts: CallFacts;
  #socket: SocketTicket | null = null;
  #control: SendControl | null = null;
  #body: AnswerBody | null = null;

  constructor(facts: CallFacts) {
    this.#facts = facts;
  }

  get askedIds(): readonly string[] {
    return this.#facts.askedIds;
  }

  /** It has been sent. */
  begin(control: SendControl): void {
    this.#control = control;
  }

  sit(socket: SocketTicket): void {
    this.#socket = socket;
  }

  onHead(status: number, headers: ResponseHeaders): BodyReader | void {
    const { question, reader, session, turn } = this.#facts;
    const [control, socket] = [this.#control, this.#socket];
    question.release();
    if (control === null || socket === null) return;
    this.#body = openBody({ status, headers, session, turn }, reader, control, socket);
    return this.#body.reader;
  }

  onBytes(): void {}

  onEnd(): void {}

  onFailure(error: ChatError): void {
    this.#socket?.decline(false);
    this.#facts.reader.onFailure(error);
  }

  pause(): void {
    this.#socket?.pause();
    if (this.#body === null) this.#control?.pause();
    else this.#body.pause();
  }

  resume(): void {
    this.#socket?.resume();
    this.#control?.resume();
    this.#body?.resume();
  }

  abort(): void {
    this.#socket?.abort();
    this.#control?.abort();
    this.#body?.drop();
  }
}

function toRequest(
  session: Session,
  question: QuestionBody,
  clearance: Clearance,
  profile: ClientProfile,
): OutboundRequest {
  return {
    origin: session.origin,
    method: 'POST',
    path: `${basePath(session)}/conversation`,
    headers: toHeaders(session, question, clearance, profile),
    body: question.sent,
  };
}

function toHeaders(
  session: Session,
  question: QuestionBody,
  { requirementsToken, proofToken, arkoseToken }: Clearance,
  profile: ClientProfile,
): Headers {
  const headers = baseHeaders(session, profile);
  headers['accept'] = 'text/event-stream';
  if (requirementsToken !== null) headers['openai-sentinel-chat-requirements-token'] = requirementsToken;
  if (proofToken !== null) headers['openai-sentinel-proof-token'] = proofToken;
  if (arkoseToken !== null) headers['openai-sentinel-arkose-token'] = arkoseToken;
  headers['content-length'] = String(question.bytes);
  return headers;
}

interface AnswerHead {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly session: Session;
  readonly turn: Turn;
}

function openBody(
  head: AnswerHead,
  reader: StreamReader,
  control: SendControl,
  socket: SocketTicket,
): AnswerBody {
  const { status, headers } = head;
  const contentType = mediaType(headers);
  if (status === 200 && contentType === 'text/event-stream') {
    socket.decline(true);
    return openStream(reader, control, headers);
  }
  if (status === 200 && contentType.includes('json')) {
    return createWholeBody(control, headers, (body) => {
      const handOver = parseHandOver(body);
      if (handOver !== null) return socket.take(handOver, reader);
      socket.decline(false);
      reader.onFailure(toWrongAnswer(status, contentType, body));
    });
  }
  socket.decline(false);
  return createBadBody(reader, control, headers, (body) => explain(head, contentType, body));
}

function openStream(reader: StreamReader, control: SendControl, headers: ResponseHeaders): AnswerBody {
  const encoding = headerText(headers, 'content-encoding').trim().toLowerCase();
  if (encoding === '' || encoding === 'identity') return createPlainBody(reader, control);
  return createInflatedBody(encoding, reader, control);
}

function explain(
  { status, headers, session, turn }: AnswerHead,
  contentType: string,
  body: string,
): ChatError {
  if (status >= 200 && status < 300) return toWrongAnswer(status, contentType, body);
  const retryAfter = headerText(headers, 'retry-after');
  const anonymous = session.identity.token === null;
  const model = turn.model.gizmoId ?? turn.model.slug;
  return toRefusal({ status, contentType, body, retryAfter, anonymous, at: 'conversation', model });
}
