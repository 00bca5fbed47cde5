import { smuggledMark } from '../attack.ts';

/** Makes bytes of which each request carries the mark. */
export type Bytes = (mark: string) => string;

/** A chat that says the mark. */
export function json(mark: string): string {
  return JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: mark }] });
}

/** A chat of which the caller writes the framing: headers, and the bytes behind the head. */
export function post(headers: readonly string[], body: string): string {
  const lines = [
    'POST /v1/chat/completions HTTP/1.1',
    'Host: x',
    'Content-Type: application/json',
    ...headers,
  ];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

export function chat(mark: string): string {
  return post([`Content-Length: ${json(mark).length}`], json(mark));
}

/** What an attacker wants to be taken for a request of its own. */
export function smuggled(mark: string): string {
  return chat(smuggledMark(mark));
}

/** The chat as one chunk and the end of the chunks. */
export function chunked(mark: string): string {
  return `${json(mark).length.toString(16)}\r\n${json(mark)}\r\n0\r\n\r\n`;
}

/** A request that needs no body, with a line of the attacker's. */
export function get(line: string, target = '/healthz'): string {
  return `GET ${target} HTTP/1.1\r\nHost: x\r\n${line}\r\n\r\n`;
}
