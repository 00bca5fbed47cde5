import { AnswerBytes } from '../../src/chat/answer-bytes.ts';
import type { DecodedEvent } from '../../src/conversation/events.ts';
import { ChatError } from '../../src/errors.ts';
import { EventDecoder } from '../../src/sse/event-decoder.ts';
import { LineDecoder } from '../../src/sse/line-decoder.ts';
import { StreamDecoder } from '../../src/upstream/protocol/stream-decoder.ts';

/** What a stream of the backend says. */
export interface Reading {
  readonly events: readonly DecodedEvent[];
  readonly error: string | null;
  /** Events that took the watched short cut. */
  readonly short: number;
}

/** `texts`: v1 frames that are read without lines. `rests`: legacy events that are read without what they repeat. */
export type ShortCut = 'texts' | 'rests';

/** As in service: by whatever short cuts there are, in these chunks. */
export function readChunks(chunks: readonly Uint8Array[], watched: ShortCut): Reading {
  return reading((decoder, count) => {
    if (watched === 'texts') watchTexts(decoder, count);
    else watchRests(decoder, count);
    const bytes = new AnswerBytes(decoder);
    for (const chunk of chunks) {
      const own = Buffer.from(chunk);
      bytes.push(own);
      own.fill(0x7e); // a chunk belongs to the decoder for the call only
    }
    bytes.end();
  });
}

/** Every event by its lines and JSON.parse: the oracle of all short cuts. */
export function readWhole(bytes: Uint8Array): Reading {
  return reading((decoder) => {
    const events = new EventDecoder((event) => decoder.push(event), 1e8);
    const lines = new LineDecoder((line) => events.pushLine(line), 1e8);
    lines.push(bytes);
    lines.end();
    events.end();
    decoder.end();
  });
}

/** Of whatever `feed` tells the decoder. */
export function reading(feed: (decoder: StreamDecoder, count: () => void) => void): Reading {
  const events: DecodedEvent[] = [];
  const decoder = new StreamDecoder((event) => events.push(event), new Set());
  let short = 0;
  try {
    feed(decoder, () => (short += 1));
  } catch (thrown) {
    if (!(thrown instanceof ChatError)) throw thrown;
    return { events, error: thrown.code, short };
  }
  return { events, error: null, short };
}

function watchTexts(decoder: StreamDecoder, count: () => void): void {
  const pushText = decoder.pushText.bind(decoder);
  decoder.pushText = (text) => {
    const isTaken = pushText(text);
    if (isTaken) count();
    return isTaken;
  };
}

function watchRests(decoder: StreamDecoder, count: () => void): void {
  const pushRest = decoder.pushRest.bind(decoder);
  decoder.pushRest = (rest) => {
    count();
    pushRest(rest);
  };
}
