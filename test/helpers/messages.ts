import { ChatError } from '../../src/errors.ts';
import type { DecodedEvent } from '../../src/conversation/events.ts';
import { StreamDecoder } from '../../src/upstream/protocol/stream-decoder.ts';

/** A message of the backend as a test cares for it. */
export interface MessageFields {
  id?: string;
  role?: string;
  name?: string | null;
  text?: string;
  content?: object;
  status?: string;
  end_turn?: boolean | null;
  metadata?: object;
  recipient?: string;
  channel?: string | null;
  weight?: number;
}

export interface Envelope {
  message: {
    id: string;
    content: Record<string, unknown>;
    metadata: Record<string, unknown>;
    [field: string]: unknown;
  };
  conversation_id: string;
  error: null;
}

export function envelope(given: MessageFields = {}): Envelope {
  return {
    message: {
      id: given.id ?? 'a-1',
      author: { role: given.role ?? 'assistant', name: given.name ?? null, metadata: {} },
      content: { ...(given.content ?? { content_type: 'text', parts: [given.text ?? ''] }) },
      weight: given.weight ?? 1,
      metadata: { ...given.metadata },
      recipient: given.recipient ?? 'all',
      channel: given.channel ?? null,
      status: given.status ?? 'in_progress',
      end_turn: given.end_turn ?? null,
    },
    conversation_id: 'c-1',
    error: null,
  };
}

/** The same message, finished; it hands over to another one unless `end_turn` says so. */
export function done(given: MessageFields = {}): Envelope {
  return envelope({ status: 'finished_successfully', end_turn: false, ...given });
}

export interface Reading {
  /** Neighbouring deltas of one kind are joined: how an answer is cut is not what it says. */
  events: DecodedEvent[];
  error: ChatError | null;
}

/** Decodes data payloads; the bytes end after the last one. */
export function read(payloads: readonly unknown[]): Reading {
  const events: DecodedEvent[] = [];
  const decoder = new StreamDecoder((event) => addJoined(events, event), new Set());
  try {
    for (const payload of payloads) {
      decoder.push({ name: '', data: typeof payload === 'string' ? payload : JSON.stringify(payload) });
    }
    decoder.end();
  } catch (thrown) {
    if (!(thrown instanceof ChatError)) throw thrown;
    return { events, error: thrown };
  }
  return { events, error: null };
}

function addJoined(events: DecodedEvent[], event: DecodedEvent): void {
  const last = events.at(-1);
  const isDelta =
    event.type === 'text-delta' || event.type === 'reasoning-delta' || event.type === 'block-delta';
  if (isDelta && last?.type === event.type)
    events[events.length - 1] = { ...last, text: last.text + event.text };
  else events.push(event);
}
