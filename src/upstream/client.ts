import type { ChatPorts, Clearance, Session, StreamReader } from '../chat/ports.ts';
import type { Turn } from '../conversation/turn.ts';
import type { ChatError } from '../errors.ts';
import { headerText, mediaType } from '../outbound/exchange.ts';
import type { Exits } from '../outbound/exits.ts';
import type { OutboundRequest, ResponseHeaders, SendControl } from '../outbound/send.ts';
import { createBadBody, createInflatedBody, createPlainBody, createWholeBody } from './answer-body.ts';
import type { AnswerBody } from './answer-body.ts';
import { baseHeaders, basePath, withHeaders } from './headers.ts';
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

const EVENT_STREAM: Headers = { accept: 'text/event-stream' };

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
      let body: AnswerBody | null = null;
      let control: SendControl | null = null;
      const { json, messageIds } = encodeTurn(ask, newId);
      const question = createQuestionBody(json);
      const call = (): SendControl =>
        exits.send(session.exit, toRequest(session, question, clearance, profile), {
          onHead(status, headers) {
            question.release();
            if (control === null) return;
            body = openBody({ status, headers, session, turn: ask.turn }, reader, control, socket);
            return body.reader;
          },
          onBytes() {},
          onEnd() {},
          onFailure(error) {
            socket.decline(false);
            reader.onFailure(error);
          },
        });
      const socket = sockets.prepare(session, () => {
        control = call();
      });
      return {
        askedIds: messageIds,
        pause() {
          socket.pause();
          if (body === null) control?.pause();
          else body.pause();
        },
        resume() {
          socket.resume();
          control?.resume();
          body?.resume();
        },
        abort() {
          socket.abort();
          control?.abort();
          body?.drop();
        },
      };
    },
  };
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
    headers: withHeaders(baseHeaders(session, profile), EVENT_STREAM, {
      ...toHeaders(clearance),
      'content-length': String(question.bytes),
    }),
    body: question.sent,
  };
}

function toHeaders({ requirementsToken, proofToken, arkoseToken }: Clearance): Headers {
  return {
    ...(requirementsToken === null ? {} : { 'openai-sentinel-chat-requirements-token': requirementsToken }),
    ...(proofToken === null ? {} : { 'openai-sentinel-proof-token': proofToken }),
    ...(arkoseToken === null ? {} : { 'openai-sentinel-arkose-token': arkoseToken }),
  };
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
