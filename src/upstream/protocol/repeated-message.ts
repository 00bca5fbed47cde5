import type { Beginning } from '../../sse/beginning.ts';
import { LoosePieces } from './loose-pieces.ts';
import { isRecord, textOr } from './loose.ts';
import { isComplete, textOf } from './message-kind.ts';
import type { WireEnvelope, WireMessage } from './wire.ts';

/** What an event of a legacy stream says beyond the one before. */
export interface Repeated {
  readonly envelope: WireEnvelope;
  /** Was added to the end of the message's text. */
  readonly appended: string;
  /** Nothing else of the envelope changed: it is the object that it was. */
  readonly isTextOnly: boolean;
}

/** Where a text may begin: right behind the match. */
const TEXT_BEGINNING = /"(?:parts"\s*:\s*\[|text"\s*:)\s*"/g;
const MAX_CANDIDATES = 8;
/** What a JSON string may not hold as it is: quotes, backslashes, control characters. */
const ESCAPED = /[^ !#-[\]-\uffff]/;
/** Types whose text is all that readers compare. */
const GROWING_TYPES: ReadonlySet<unknown> = new Set(['text', 'multimodal_text', 'code', 'execution_output']);
/** After so many events in a row that went on in another way, not every event is prepared for. */
const PATIENCE = 4;
const MAX_PAUSE = 32;

/**
 * The message that a legacy stream tells again and again, a bit longer each time:
 *
 *     {"message":{..,"content":{"content_type":"text","parts":["All that was said  before and more"]},..}}
 *     '---- head ---------------------------------------------''-- known raw ----''-- new --''-- tail --'
 *     '---- the beginning: compared as bytes ---------------------------------''---- rest ------------'
 *
 * The head ends within the text's string, which was verified by parsing; what a JSON string means does
 * not depend on where it is cut but for escapes, and the known text ends where a string ended. So the
 * rest alone says what is new. At the end of an answer of 10,000 tokens (40 KB) an event costs a twelfth of
 * splitting and parsing it, at the end of one of 100 tokens a third (bench decode).
 */
export class RepeatedMessage {
  readonly #beginning: Beginning;
  #head = '';
  #tail = '';
  #envelope: WireEnvelope = {};
  #text = '';
  #pieces = new LoosePieces('');
  #isUsed = true;
  #disappointments = 0;
  #pause = 0;

  constructor(beginning: Beginning) {
    this.#beginning = beginning;
  }

  /** An event was read whole: the next one may go on from it. */
  learn(data: string, envelope: WireEnvelope): void {
    this.#beginning.forget();
    const { message } = envelope;
    if (!isRecord(message) || isComplete(message) || !hasOneText(message) || this.#isInPause()) return;
    const place = findText(data, textOf(message));
    if (place === null || data.includes('\n')) return;
    this.#head = data.slice(0, place.start);
    this.#tail = data.slice(place.end);
    this.#envelope = envelope;
    this.#text = textOf(message);
    this.#pieces = new LoosePieces(this.#text);
    this.#isUsed = false;
    this.#beginning.expect(data.slice(0, place.end));
  }

  /** An event that began as expected; null: its rest is not what it should be, and it must be read whole. */
  goOn(rest: string): Repeated | null {
    const end = endOfString(rest, 0);
    const raw = rest.slice(0, end);
    const tail = rest.slice(end);
    const isTextOnly = tail === this.#tail;
    const envelope = isTextOnly ? this.#envelope : this.#parseShort(raw + tail);
    const appended = ESCAPED.test(raw) ? parseText(raw) : raw;
    if (envelope === null || appended === null) return null;
    if (!isTextOnly && textOf(envelope.message as WireMessage) !== appended) return null;
    this.#envelope = envelope;
    this.#tail = tail;
    this.#text += appended;
    this.#pieces.grewTo(this.#text);
    this.#isUsed = true;
    this.#beginning.extend(raw);
    setText(envelope.message as WireMessage, this.#text);
    return { envelope, appended, isTextOnly };
  }

  /** The event without the text that is known; null: it is not such an event any more. */
  #parseShort(rest: string): WireEnvelope | null {
    const envelope = parseRecord(this.#head + rest) as WireEnvelope | null;
    const message = envelope?.message;
    if (envelope === null || 'v' in envelope || !isRecord(message) || !hasOneText(message)) return null;
    return envelope;
  }

  /** A stream that changes more than the text from event to event is not worth the preparations. */
  #isInPause(): boolean {
    this.#disappointments = this.#isUsed ? 0 : this.#disappointments + 1;
    this.#isUsed = false;
    if (this.#pause > 0) {
      this.#pause -= 1;
      return true;
    }
    if (this.#disappointments > PATIENCE) this.#pause = Math.min(MAX_PAUSE, this.#disappointments);
    return false;
  }
}

function hasOneText({ content }: WireMessage): boolean {
  if (!isRecord(content) || !GROWING_TYPES.has(content.content_type)) return false;
  const { parts, text } = content;
  return Array.isArray(parts) ? parts.length === 1 && typeof parts[0] === 'string' : typeof text === 'string';
}

/** The reverse of `textOf` for a message that has one text. */
function setText({ content }: WireMessage, text: string): void {
  const own = content as { parts?: unknown; text?: unknown };
  if (Array.isArray(own.parts)) own.parts[0] = text;
  else own.text = text;
}

interface Range {
  readonly start: number;
  /** Of the closing quote. */
  readonly end: number;
}

/** Where in the JSON of an event the text of its message stands. */
function findText(data: string, text: string): Range | null {
  TEXT_BEGINNING.lastIndex = 0;
  for (let tries = 0; tries < MAX_CANDIDATES && TEXT_BEGINNING.test(data); tries += 1) {
    const start = TEXT_BEGINNING.lastIndex;
    const end = endOfString(data, start);
    if (isTextAt(data, start, end, text)) return { start, end };
    TEXT_BEGINNING.lastIndex = end;
  }
  return null;
}

/** Whether another text there becomes the text of the message. */
function isTextAt(data: string, start: number, end: number, text: string): boolean {
  const other = text === 'x' ? 'y' : 'x';
  const envelope = parseRecord(data.slice(0, start) + other + data.slice(end)) as WireEnvelope | null;
  const message = envelope?.message;
  return isRecord(message) && hasOneText(message) && textOf(message) === other;
}

/** Where the JSON string ends that `from` lies in; the end of `json` if it does not. */
function endOfString(json: string, from: number): number {
  for (let at = json.indexOf('"', from); at !== -1; at = json.indexOf('"', at + 1)) {
    if (!isEscaped(json, from, at)) return at;
  }
  return json.length;
}

function isEscaped(json: string, from: number, at: number): boolean {
  let backslashes = 0;
  while (at - backslashes > from && json.charCodeAt(at - backslashes - 1) === 0x5c) backslashes += 1;
  return backslashes % 2 === 1;
}

function parseText(raw: string): string | null {
  try {
    return textOr(JSON.parse(`"${raw}"`), null);
  } catch {
    return null;
  }
}

function parseRecord(json: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(json);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}
