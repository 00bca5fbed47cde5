/** The last frame of a complete stream, in OpenAI's dialect. */
export const DONE_FRAME = 'data: [DONE]\n\n';

/** What stands around the string in frames that differ in nothing but one JSON string. */
export interface StringFrame {
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** `json` must be one line, as JSON.stringify makes it. */
export function dataFrame(json: string): string {
  return `data: ${json}\n\n`;
}

/** `before` and `after`, with a JSON string between them, must be one line of JSON. */
export function stringFrame(before: string, after: string): StringFrame {
  return { before: Buffer.from(`data: ${before}`), after: Buffer.from(`${after}\n\n`) };
}

/** Clients ignore it; it opens the stream and keeps middle boxes from closing it. */
export function commentFrame(text: string): string {
  return `: ${text}\n\n`;
}
