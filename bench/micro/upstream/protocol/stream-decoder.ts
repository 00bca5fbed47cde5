import { answerDeltas } from '../../../_util/answer.ts';
import { legacyFrames, v1Frames } from '../../../_util/backend-stream.ts';
import { hold } from '../../../_util/contest.ts';
import type { Report } from '../../../_util/report.ts';
import type { Row } from '../../../_util/table.ts';
import { EventDecoder } from '../../../../src/sse/event-decoder.ts';
import { LineDecoder } from '../../../../src/sse/line-decoder.ts';
import { StreamDecoder } from '../../../../src/upstream/protocol/stream-decoder.ts';
import type { WireDelta, WireEnvelope } from '../../../../src/upstream/protocol/wire.ts';

const DELTAS = 400;
const BIG_CHUNK_BYTES = 16 * 1024;
const MAX_EVENT_BYTES = 1024 * 1024;

/** From the bytes of a conversation's stream to its turn events. */
export async function benchDecode(): Promise<Report> {
  const deltas = answerDeltas(DELTAS);
  const text = deltas.join('');
  const legacy = legacyFrames(deltas);
  const v1 = v1Frames(deltas);
  const rows = [
    ...(await decodeCase('legacy, an event a chunk', legacy, eachAlone(legacy), text)),
    ...(await decodeCase('v1, an event a chunk', v1, eachAlone(v1), text)),
    ...(await decodeCase('v1, 16 KiB chunks', v1, cut(v1, BIG_CHUNK_BYTES), text)),
  ];
  return { title: `bytes to turn events, an answer of ${DELTAS} deltas`, rows };
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
  const events = new EventDecoder((event) => turn.push(event), MAX_EVENT_BYTES);
  const lines = new LineDecoder((line) => events.pushLine(line), MAX_EVENT_BYTES);
  for (const chunk of chunks) lines.push(chunk);
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

function newText(value: WireEnvelope & WireDelta, knownLength: number): string {
  if (typeof value.v === 'string') return value.v;
  const parts = value.message?.content?.parts;
  return Array.isArray(parts) ? String(parts[0]).slice(knownLength) : '';
}

function payloadOf(frame: string): string {
  return frame.slice(frame.indexOf('data: ') + 'data: '.length).trimEnd();
}
