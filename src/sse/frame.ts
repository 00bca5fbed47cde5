/** The last frame of a complete stream, in OpenAI's dialect. */
export const DONE_FRAME = 'data: [DONE]\n\n';

/** `json` must be one line, as JSON.stringify makes it. */
export function dataFrame(json: string): string {
  return `data: ${json}\n\n`;
}

/** Clients ignore it; it opens the stream and keeps middle boxes from closing it. */
export function commentFrame(text: string): string {
  return `: ${text}\n\n`;
}
