import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { ChatError } from '../errors.ts';
import type { Exits } from './exits.ts';
import type { OutboundRequest, ResponseHeaders } from './send.ts';

export interface ExchangeRequest extends OutboundRequest {
  readonly exit: string;
  readonly timeoutMs: number;
  /** For the error when the time is up: "the sentinel's requirements". */
  readonly step: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** Media type in lower case without parameters; empty when none was given. */
  readonly contentType: string;
  readonly text: string;
}

/** One request with a small answer. Rejects with a ChatError, or with the signal's reason at once. */
export type Exchange = (request: ExchangeRequest, signal: AbortSignal) => Promise<Answer>;

const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

export function createExchange(exits: Pick<Exits, 'send'>): Exchange {
  return (request, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const body = createBodyCollector();
      let status = 0;
      let headers: ResponseHeaders = {};

      const settle = (act: () => void): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        act();
      };
      const fail = (reason: unknown): void => {
        control.abort();
        settle(() => reject(reason));
      };
      const onAbort = (): void => fail(signal.reason);
      const control = exits.send(request.exit, request, {
        onHead(headStatus, headHeaders) {
          status = headStatus;
          headers = headHeaders;
        },
        onBytes(chunk) {
          if (!body.add(chunk)) fail(tooLarge(request.step));
        },
        onEnd() {
          const text = decompress(body.bytes(), headers);
          if (text === null) return fail(garbled(request.step));
          settle(() => resolve({ status, headers, contentType: mediaType(headers), text }));
        },
        onFailure: (error) => settle(() => reject(error)),
      });
      const timer = setTimeout(() => fail(tookTooLong(request)), request.timeoutMs);
      signal.addEventListener('abort', onAbort, { once: true });
    });
}

export interface BodyCollector {
  /** False, and nothing is kept, when the cap would be passed. */
  add(chunk: Uint8Array): boolean;
  bytes(): Buffer;
}

export function createBodyCollector(maxBytes = MAX_ANSWER_BYTES): BodyCollector {
  const chunks: Uint8Array[] = [];
  let size = 0;
  return {
    add(chunk) {
      if (size + chunk.length > maxBytes) return false;
      chunks.push(chunk);
      size += chunk.length;
      return true;
    },
    bytes: () => Buffer.concat(chunks),
  };
}

/** A header as one text; empty when absent. */
export function headerText(headers: ResponseHeaders, name: string): string {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : (value ?? '');
}

export function mediaType(headers: ResponseHeaders): string {
  return (headerText(headers, 'content-type').split(';')[0] ?? '').trim().toLowerCase();
}

/** The text of a body; we ask for `identity`, yet some gateways compress all the same. Null: broken. */
export function decompress(body: Buffer, headers: ResponseHeaders): string | null {
  const limit = { maxOutputLength: MAX_ANSWER_BYTES };
  try {
    switch (headerText(headers, 'content-encoding').trim().toLowerCase()) {
      case '':
      case 'identity':
        return body.toString('utf8');
      case 'gzip':
      case 'x-gzip':
        return gunzipSync(body, limit).toString('utf8');
      case 'deflate':
        return inflateSync(body, limit).toString('utf8');
      case 'br':
        return brotliDecompressSync(body, limit).toString('utf8');
      default:
        return null;
    }
  } catch {
    return null;
  }
}

function tookTooLong({ step, timeoutMs }: ExchangeRequest): ChatError {
  return new ChatError('upstream_timeout', `No answer within ${timeoutMs / 1000} s: ${step}.`, {
    retryable: true,
  });
}

function tooLarge(step: string): ChatError {
  return new ChatError('upstream_protocol_error', `The answer is larger than 4 MiB: ${step}.`);
}

function garbled(step: string): ChatError {
  return new ChatError('upstream_protocol_error', `The answer is in an encoding nobody asked for: ${step}.`);
}
