import { answerDeltas } from '../../../_util/answer.ts';
import { newText, payloadOf } from '../../../_util/backend-reader.ts';
import { legacyFrames, v1Frames } from '../../../_util/backend-stream.ts';
import { hold } from '../../../_util/contest.ts';
import type { Report } from '../../../_util/report.ts';
import type { Row } from '../../../_util/table.ts';
import { passCase } from '../../chat/pump.ts';
import { AnswerBytes } from '../../../../src/chat/answer-bytes.ts';
import { StreamDecoder } from '../../../../src/upstream/protocol/stream-decoder.ts';
import type { WireDelta, WireEnvelope } from '../../../../src/upstream/protocol/wire.ts';

const DELTAS = 400;
const BIG_CHUNK_BYTES = 16 * 1024;
/** Lengths of answers, in tokens, and how many of them are told one by one: what costs is the end of a long answer. */
const LENGTHS = [100, 1_000, 10_000];
const LAST_TOKENS = 400;

/** From the bytes of a conversation's stream to its turn events, and on to the bytes for the client. */
export async function benchDecode(): Promise<Report> {
  const deltas = answerDeltas(DELTAS);
  const text = deltas.join('');
  const legacy = legacyFrames(deltas);
  const v1 = v1Frames(deltas);
  const rows = [
    ...(await lengthCases()),
    ...(await decodeCase('legacy, an event a chunk', legacy, eachAlone(legacy), text)),
    ...(await decodeCase('v1, an event a chunk', v1, eachAlone(v1), text)),
    ...(await decodeCase('v1, 16 KiB chunks', v1, cut(v1, BIG_CHUNK_BYTES), text)),
    ...(await passCase('to client bytes: legacy, an event a chunk', eachAlone(legacy), legacy.length, text)),
    ...(await passCase('to client bytes: v1, an event a chunk', eachAlone(v1), v1.length, text)),
    ...(await passCase('to client bytes: v1, 16 KiB chunks', cut(v1, BIG_CHUNK_BYTES), v1.length, text)),
  ];
  return { title: `bytes to turn events, an answer of ${DELTAS} deltas where nothing else is said`, rows };
}

/** What an event costs when so much of the answer is there already: the first brings all that is not counted. */
async function lengthCases(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const length of LENGTHS) {
    const deltas = answerDeltas(length);
    const known = Math.max(0, length - LAST_TOKENS);
    const told = [deltas.slice(0, known).join(''), ...deltas.slice(known)];
    const frames = legacyFrames(told);
    const name = `legacy, the last ${length - known} of ${length} tokens`;
    rows.push(...(await decodeCase(name, frames, eachAlone(frames), deltas.join(''))));
  }
  return rows;
}

function decodeCase(
  name: string,
  frames: readonly string[],
  chunks: readonly Buffer[],
  expected: string,
): Promise<Row[]> {
  const payloads = frames.map(payloadOf).filter((payload) => payload !== '[DONE]');
  return hold<string>({
    name,
    unit: 'event',
    units: 'events',
    unitsPerRun: frames.length,
    expected,
    floor: { name: 'JSON.parse of texts already cut', run: () => payloads.map((text) => JSON.parse(text)) },
    baseline: { name: "split('\\n\\n') and JSON.parse", run: () => decodePlainly(chunks) },
    ours: [{ name: 'our decoders', run: () => decode(chunks) }],
  });
}

function eachAlone(frames: readonly string[]): Buffer[] {
  return frames.map((frame) => Buffer.from(frame));
}

function cut(frames: readonly string[], size: number): Buffer[] {
  const bytes = Buffer.from(frames.join(''));
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  return chunks;
}

/** The path of the spine's pump. Gives the answer's text. */
function decode(chunks: readonly Buffer[]): string {
  let text = '';
  const turn = new StreamDecoder((event) => {
    if (event.type === 'text-delta') text += event.text;
  }, new Set());
  const bytes = new AnswerBytes(turn);
  for (const chunk of chunks) bytes.push(chunk);
  if (!turn.finished) throw new Error('the decoders did not see the end');
  return text;
}

/** Right for these streams only: no CR, no carried-over paths but the text's, no echoes, no errors. */
function decodePlainly(chunks: readonly Buffer[]): string {
  const utf8 = new TextDecoder();
  let pending = '';
  let text = '';
  for (const chunk of chunks) {
    const frames = (pending + utf8.decode(chunk, { stream: true })).split('\n\n');
    pending = frames.pop() ?? '';
    for (const frame of frames) {
      const payload = payloadOf(frame);
      if (payload !== '[DONE]') text += newText(JSON.parse(payload) as WireEnvelope & WireDelta, text.length);
    }
  }
  return text;
}
