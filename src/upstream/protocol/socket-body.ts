const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
/** At the start of a line only: an answer's text may quote it inside its JSON. */
const DONE = /(?:^|[\r\n])data: ?\[DONE\]/;

/** The bytes of a frame's body; null when it is no base64. */
export function decodeSocketBody(body: string | null): Buffer | null {
  if (body === null || body.length % 4 === 1 || !BASE64.test(body)) return null;
  return Buffer.from(body, 'base64');
}

/** Does the stream's own end mark stand in these bytes? */
export function hasDoneMark(bytes: Buffer): boolean {
  return bytes.includes('[DONE]') && DONE.test(bytes.toString('latin1'));
}
