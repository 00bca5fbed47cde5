import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RequestRecord } from './recorder.ts';
import type { Refusal } from './refusals.ts';

/** The body of a request, read whole. */
export interface Body {
  readonly bytes: Buffer;
  /** The bytes as UTF-8. */
  readonly text: string;
  /** Undefined unless it was declared as JSON and is JSON. */
  readonly json: unknown;
}

/** One request and the place for its answer. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  /** The named parts of the path. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The Authorization header, or the empty text. */
  readonly authorization: string;
  readonly body: Body;
  readonly record: RequestRecord;
}

export type Handler = (exchange: Exchange) => Promise<void> | void;

/** Resolves to null when the body is longer than `maxBytes`; rejects when the client leaves half-way. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Body | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= maxBytes) chunks.push(chunk);
  }
  if (length > maxBytes) return null;
  const bytes = Buffer.concat(chunks);
  return {
    bytes,
    // Files are large and no text: only who wants it pays for it.
    get text() {
      return bytes.toString();
    },
    json: isJson(request.headers['content-type']) ? parseJson(bytes.toString()) : undefined,
  };
}

/** JSON with exactly `application/json`: clients tell JSON from text by comparing the whole header. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, { status, contentType: 'application/json', body: JSON.stringify(value) });
}

export function send(response: ServerResponse, { status, contentType, body }: Refusal): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

function isJson(contentType: string | undefined): boolean {
  return contentType?.split(';')[0]?.trim().toLowerCase() === 'application/json';
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
