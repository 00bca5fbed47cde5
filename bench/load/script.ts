import { answerDeltas } from '../_util/answer.ts';
import { legacyFrames, v1Frames } from '../_util/backend-stream.ts';
import { openaiFrames } from '../_util/openai-stream.ts';
import type { Dialect, Plan } from './protocol.ts';

/** An answer ready for the socket. */
export interface Script {
  /** What comes at once: the head and all up to the first text. */
  readonly opening: Buffer;
  /** One delta each, the last with the end of the stream; or, in batches, many in each. */
  readonly steps: readonly Buffer[];
  /** Null: each step as soon as the one before is taken. */
  readonly intervalMs: number | null;
}

const ENCODERS: Readonly<Record<Dialect, (deltas: readonly string[]) => string[]>> = {
  v1: v1Frames,
  legacy: legacyFrames,
  openai: openaiFrames,
};
/** How many frames there are until the first delta, that one included. */
const OPENING_FRAMES: Readonly<Record<Dialect, number>> = { v1: 3, legacy: 1, openai: 2 };
const HEAD = Buffer.from(
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n',
);
const END = Buffer.from('0\r\n\r\n');
const BATCH_BYTES = 64 * 1024;
const NO_BATCH = 1;

export function toScript(dialect: Dialect, plan: Plan): Script {
  const { deltasPerSecond } = plan;
  const texts = toTexts(plan);
  const frames = ENCODERS[dialect](texts).map(toChunk);
  const first = OPENING_FRAMES[dialect];
  const last = first + texts.length - 1;
  const opening = Buffer.concat([HEAD, ...frames.slice(0, first)]);
  const ending = Buffer.concat([...frames.slice(last), END]);
  if (deltasPerSecond !== null) {
    return { opening, steps: [...frames.slice(first, last), ending], intervalMs: 1000 / deltasPerSecond };
  }
  const batchBytes = plan.isBatched ? BATCH_BYTES : NO_BATCH;
  const [batch = END, ...steps] = toBatches([opening, ...frames.slice(first, last), ending], batchBytes);
  return { opening: batch, steps, intervalMs: null };
}

/** The texts of the events. */
function toTexts({ deltas, atOnce, perEvent = 1 }: Plan): string[] {
  const all = answerDeltas(deltas);
  const texts = [all.slice(0, atOnce).join('')];
  for (let at = atOnce; at < deltas; at += perEvent) texts.push(all.slice(at, at + perEvent).join(''));
  return texts;
}

function toChunk(frame: string): Buffer {
  return Buffer.from(`${Buffer.byteLength(frame).toString(16)}\r\n${frame}\r\n`);
}

function toBatches(pieces: readonly Buffer[], batchBytes: number): Buffer[] {
  const batches: Buffer[] = [];
  let batch: Buffer[] = [];
  let bytes = 0;
  for (const piece of pieces) {
    batch.push(piece);
    bytes += piece.length;
    if (bytes < batchBytes) continue;
    batches.push(Buffer.concat(batch));
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) batches.push(Buffer.concat(batch));
  return batches;
}
