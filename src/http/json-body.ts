import { ChatError } from '../errors.ts';

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** The body as JSON. Throws invalid_json; the body's text is not repeated in it. */
export function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(UTF8.decode(body));
  } catch (cause) {
    const what = cause instanceof TypeError ? 'not valid UTF-8' : 'not valid JSON';
    throw new ChatError('invalid_json', `The request body is ${what}. Send a JSON object encoded as UTF-8.`, {
      cause,
    });
  }
}
