import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { ChatError } from '../errors.ts';
import type { Exits } from './exits.ts';
import type { OutboundRequest, ResponseHeaders, ResponseReader, SendControl } from './send.ts';

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
const DECODING = { maxOutputLength: MAX_ANSWER_BYTES };

export function createExchange(exits: Pick<Exits, 'send'>): Exchange {
  return (request, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) reject(signal.reason as Error);
      else new Call(request, signal, resolve, reject).begin(exits);
    });
}

/** One exchange under way. */
class Call implements ResponseReader {
  readonly #request: ExchangeRequest;
  readonly #signal: AbortSignal;
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #body = createBodyCollector();
  readonly #onAbort = (): void => this.#giveUp(this.#signal.reason);
  #timer: NodeJS.Timeout | undefined;
  #control: SendControl | null = null;
  #status = 0;
  #headers: ResponseHeaders = {};

  constructor(
    request: ExchangeRequest,
    signal: AbortSignal,
    resolve: (answer: Answer) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#request = request;
    this.#signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  begin(exits: Pick<Exits, 'send'>): void {
    const request = this.#request;
    this.#control = exits.send(request.exit, request, this);
    this.#timer = setTimeout(() => this.#giveUp(tookTooLong(request)), request.timeoutMs);
    this.#signal.addEventListener('abort', this.#onAbort);
  }

  onHead(status: number, headers: ResponseHeaders): void {
    this.#status = status;
    this.#headers = headers;
  }

  onBytes(chunk: Buffer): void {
    if (!this.#body.add(chunk)) this.#giveUp(tooLarge(this.#request.step));
  }

  onEnd(): void {
    const [status, headers] = [this.#status, this.#headers];
    const text = decompress(this.#body.bytes(), headers);
    if (text === null) return this.#giveUp(garbled(this.#request.step));
    this.#settle();
    this.#resolve({ status, headers, contentType: mediaType(headers), text });
  }

  onFailure(error: ChatError): void {
    this.#settle();
    this.#reject(error);
  }

  #giveUp(reason: unknown): void {
    this.#control?.abort();
    this.#settle();
    this.#reject(reason);
  }

  #settle(): void {
    clearTimeout(this.#timer);
    this.#signal.removeEventListener('abort', this.#onAbort);
  }
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
    bytes() {
      const [first] = chunks;
      // Most answers come in one piece.
      return chunks.length === 1 && first instanceof Buffer ? first : Buffer.concat(chunks);
    },
  };
}

/** A header as one text; empty when absent. */
export function headerText(headers: ResponseHeaders, name: string): string {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : (value ?? '');
}

export function mediaType(headers: ResponseHeaders): string {
  const text = headerText(headers, 'content-type');
  const end = text.indexOf(';');
  return (end === -1 ? text : text.slice(0, end)).trim().toLowerCase();
}

/** The text of a body; we ask for `identity`, yet some gateways compress all the same. Null: broken. */
export function decompress(body: Buffer, headers: ResponseHeaders): string | null {
  try {
    switch (headerText(headers, 'content-encoding').trim().toLowerCase()) {
      case '':
      case 'identity':
        return body.toString('utf8');
      case 'gzip':
      case 'x-gzip':
        return gunzipSync(body, DECODING).toString('utf8');
      case 'deflate':
        return inflateSync(body, DECODING).toString('utf8');
      case 'br':
        return brotliDecompressSync(body, DECODING).toString('utf8');
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
