import type { ChatPorts, Clearance, Session, StreamReader } from '../chat/ports.ts';
import type { Turn } from '../conversation/turn.ts';
import { headerText, mediaType } from '../outbound/exchange.ts';
import type { Exits } from '../outbound/exits.ts';
import type { OutboundRequest, ResponseHeaders, SendControl } from '../outbound/send.ts';
import { createBadBody, createInflatedBody, createPlainBody } from './answer-body.ts';
import type { AnswerBody } from './answer-body.ts';
import { baseHeaders, basePath } from './headers.ts';
import type { ClientProfile, Headers } from './headers.ts';
import { encodeTurn } from './protocol/encode-turn.ts';
import { toRefusal, toWrongAnswer } from './protocol/refusal.ts';

export interface UpstreamClientOptions {
  readonly exits: Pick<Exits, 'send'>;
  readonly profile: ClientProfile;
  /** Makes uuids. */
  readonly newId: () => string;
}

/** The conversation call. Has no deadlines of its own but CONNECT_TIMEOUT_MS: the spine has the others. */
export function createUpstreamClient(options: UpstreamClientOptions): Pick<ChatPorts, 'converse'> {
  const { exits, profile, newId } = options;
  return {
    converse(session, ask, clearance, reader) {
      let body: AnswerBody | null = null;
      const { json, messageIds } = encodeTurn(ask, newId);
      const control = exits.send(session.exit, toRequest(session, json, clearance, profile), {
        onHead(status, headers) {
          body = openBody({ status, headers, session, turn: ask.turn }, reader, control);
        },
        onBytes: (chunk) => body?.write(chunk),
        onEnd: () => body?.end(),
        onFailure: (error) => (body === null ? reader.onFailure(error) : body.fail(error)),
      });
      return {
        askedIds: messageIds,
        pause: () => (body === null ? control.pause() : body.pause()),
        resume() {
          control.resume();
          body?.resume();
        },
        abort() {
          control.abort();
          body?.drop();
        },
      };
    },
  };
}

function toRequest(
  session: Session,
  body: string,
  clearance: Clearance,
  profile: ClientProfile,
): OutboundRequest {
  return {
    origin: session.origin,
    method: 'POST',
    path: `${basePath(session)}/conversation`,
    headers: { ...baseHeaders(session, profile), accept: 'text/event-stream', ...toHeaders(clearance) },
    body,
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

function openBody(head: AnswerHead, reader: StreamReader, control: SendControl): AnswerBody {
  const { status, headers, session, turn } = head;
  const contentType = mediaType(headers);
  if (status !== 200 || contentType !== 'text/event-stream') {
    return createBadBody(reader, control, headers, (body) => {
      if (status >= 200 && status < 300) return toWrongAnswer(status, contentType, body);
      const retryAfter = headerText(headers, 'retry-after');
      const anonymous = session.caller.token === null;
      const model = turn.model.gizmoId ?? turn.model.slug;
      return toRefusal({ status, contentType, body, retryAfter, anonymous, at: 'conversation', model });
    });
  }
  const encoding = headerText(headers, 'content-encoding').trim().toLowerCase();
  if (encoding === '' || encoding === 'identity') return createPlainBody(reader, control);
  return createInflatedBody(encoding, reader, control);
}
