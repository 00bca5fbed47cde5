import type { WireDelta, WireEnvelope } from '../../src/upstream/protocol/wire.ts';

/** The data of a frame with one line of it. */
export function payloadOf(frame: string): string {
  return frame.slice(frame.indexOf('data: ') + 'data: '.length).trimEnd();
}

/** What an event of either encoding adds to an answer, of which `knownLength` is there. */
export function newText(value: WireEnvelope & WireDelta, knownLength: number): string {
  if (typeof value.v === 'string') return value.v;
  const parts = value.message?.content?.parts;
  return Array.isArray(parts) ? String(parts[0]).slice(knownLength) : '';
}
