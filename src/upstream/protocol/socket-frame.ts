import { isObject, parseObject } from './error-detail.ts';

/** Which answer is meant; at least one of the ids is known. */
export interface AnswerIds {
  readonly conversationId: string | null;
  readonly responseId: string | null;
}

/** The backend answers over a web socket instead of the conversation call's own body. */
export interface HandOver extends AnswerIds {
  readonly url: string;
}

/** A piece of an answer. `body`: base64 of bytes of an event stream; null when it is no text. */
export interface AnswerFrame extends AnswerIds {
  readonly body: string | null;
  readonly isLast: boolean;
}

/** What a text frame of the `json.reliable.webpubsub.azure.v1` protocol says. */
export type SocketEvent =
  | {
      readonly type: 'connected';
      readonly connectionId: string | null;
      readonly reconnectionToken: string | null;
    }
  | { readonly type: 'disconnected' }
  | { readonly type: 'answer'; readonly frame: AnswerFrame }
  | { readonly type: 'other' };

export interface SocketFrame {
  /** Counts the messages of one connection, from 1; null on what is not acknowledged. */
  readonly sequenceId: number | null;
  readonly event: SocketEvent;
}

/** Null: not a hand-over, or one without a web socket's address or without any id. */
export function parseHandOver(body: string): HandOver | null {
  const json = parseObject(body);
  const url = json === null ? null : toSocketUrl(json['wss_url']);
  if (json === null || url === null) return null;
  const ids = toIds(json);
  return ids.conversationId === null && ids.responseId === null ? null : { url, ...ids };
}

/** The answer to `register-websocket`: the address, or null. */
export function parseSocketUrl(body: string): string | null {
  return toSocketUrl(parseObject(body)?.['wss_url']);
}

/** Null: not of this protocol. Kinds that we do not know are `other`, and still acknowledged. */
export function parseSocketFrame(text: string): SocketFrame | null {
  const json = parseObject(text);
  return json === null ? null : { sequenceId: toSequenceId(json['sequenceId']), event: toEvent(json) };
}

/** At least one id agrees and none differs. */
export function isSameAnswer(one: AnswerIds, other: AnswerIds): boolean {
  const conversation = compare(one.conversationId, other.conversationId);
  const response = compare(one.responseId, other.responseId);
  return conversation !== 'differ' && response !== 'differ' && (conversation ?? response) !== null;
}

function compare(one: string | null, other: string | null): 'agree' | 'differ' | null {
  if (one === null || other === null) return null;
  return one === other ? 'agree' : 'differ';
}

function toEvent(json: Record<string, unknown>): SocketEvent {
  if (json['type'] === 'system') return toSystemEvent(json);
  const data = json['data'];
  if (json['type'] !== 'message' || !isObject(data)) return { type: 'other' };
  if (data['type'] !== 'http.response.body') return { type: 'other' };
  const body = data['body'] ?? '';
  return {
    type: 'answer',
    frame: {
      ...toIds(data),
      body: typeof body === 'string' ? body : null,
      isLast: data['more_body'] === false,
    },
  };
}

function toSystemEvent(json: Record<string, unknown>): SocketEvent {
  switch (json['event']) {
    case 'connected':
      return {
        type: 'connected',
        connectionId: toId(json['connectionId']),
        reconnectionToken: toId(json['reconnectionToken']),
      };
    case 'disconnected':
      return { type: 'disconnected' };
    default:
      return { type: 'other' };
  }
}

function toIds(json: Record<string, unknown>): AnswerIds {
  return { conversationId: toId(json['conversation_id']), responseId: toId(json['response_id']) };
}

function toId(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function toSequenceId(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : null;
}

function toSocketUrl(value: unknown): string | null {
  if (typeof value !== 'string' || !URL.canParse(value)) return null;
  const { protocol, hostname } = new URL(value);
  return (protocol === 'wss:' || protocol === 'ws:') && hostname !== '' ? value : null;
}
