import { FILES_PATH } from '../chat/file-ports.ts';
import type { FileControl, FilePart, FileReader, Files } from '../chat/file-ports.ts';
import { ChatError } from '../errors.ts';
import { createBodyCollector, headerText } from '../outbound/exchange.ts';
import type { Exits } from '../outbound/exits.ts';
import type { OutboundRequest, ResponseHeaders, SendControl } from '../outbound/send.ts';
import { toFileHead, toFileRefusal } from './file-head.ts';
import type { FileLinks } from './file-links.ts';
import { toRedirected } from './file-location.ts';
import type { FileLocation } from './file-location.ts';
import { baseHeaders } from './headers.ts';
import type { ClientProfile, Headers } from './headers.ts';

export interface FileStreamsOptions {
  readonly exits: Pick<Exits, 'pick' | 'send'>;
  readonly profile: ClientProfile;
  readonly links: Pick<FileLinks, 'find'>;
  /** Longest silence of upstream, before the head and within the body. */
  readonly idleMs: number;
}

interface FileOrigin {
  readonly source: FileLocation;
  readonly exit: string;
  readonly name: string | null;
  readonly mimeType: string | null;
}

const WHOLE: FilePart = { range: null, ifRange: null };
const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const MAX_READ_BYTES = 32 * 1024 * 1024;
const READ_MS = 60_000;

export function createFileStreams(options: FileStreamsOptions): Files {
  const { exits, links } = options;

  function originOf(token: string): FileOrigin | null {
    const file = links.find(token);
    if (file === null) return null;
    const { session, path, name, mimeType } = file;
    return { source: { kind: 'session', session, path }, exit: session.exit, name, mimeType };
  }

  return {
    open(token, part, reader) {
      const origin = originOf(token);
      return origin === null ? null : new FileStream(options, origin, part, reader);
    },
    read(link, signal) {
      if (link.startsWith(FILES_PATH)) {
        return readWhole(options, originOf(link.slice(FILES_PATH.length)), signal);
      }
      const source = { kind: 'open', url: link } as const;
      const origin = { source, exit: exits.pick(), name: null, mimeType: null };
      return readWhole(options, origin, signal);
    },
  };
}

/** One file on its way, over redirects if need be. The session's headers never leave its gateway. */
class FileStream implements FileControl {
  readonly #options: FileStreamsOptions;
  readonly #origin: FileOrigin;
  readonly #part: FilePart;
  readonly #reader: FileReader;
  readonly #idle: NodeJS.Timeout;
  #source: FileLocation;
  #redirects = 0;
  #control: SendControl;
  #isPaused = false;
  #isOver = false;

  constructor(options: FileStreamsOptions, origin: FileOrigin, part: FilePart, reader: FileReader) {
    this.#options = options;
    this.#origin = origin;
    this.#part = part;
    this.#reader = reader;
    this.#source = origin.source;
    this.#idle = setTimeout(() => this.#onIdle(), options.idleMs);
    this.#control = this.#send();
  }

  pause(): void {
    this.#isPaused = true;
    this.#control.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#idle.refresh();
    this.#control.resume();
  }

  abort(): void {
    this.#end(() => this.#control.abort());
  }

  #send(): SendControl {
    const control = this.#options.exits.send(this.#origin.exit, this.#request(), {
      onHead: (status, headers) => this.#onHead(status, headers),
      onBytes: (chunk) => {
        this.#idle.refresh();
        if (!this.#isOver) this.#reader.onBytes(chunk);
      },
      onEnd: () => this.#end(() => this.#reader.onEnd()),
      onFailure: (error) => this.#end(() => this.#reader.onFailure(error)),
    });
    if (this.#isPaused) control.pause();
    return control;
  }

  #request(): OutboundRequest {
    const { profile } = this.#options;
    const source = this.#source;
    const part = partHeaders(this.#part);
    if (source.kind === 'session') {
      const headers = { ...baseHeaders(source.session, profile), ...part };
      return { origin: source.session.origin, method: 'GET', path: source.path, headers, body: null };
    }
    const { origin, pathname, search } = new URL(source.url);
    const headers = { ...strangerHeaders(profile), ...part };
    return { origin, method: 'GET', path: pathname + search, headers, body: null };
  }

  #onHead(status: number, headers: ResponseHeaders): void {
    this.#idle.refresh();
    if (REDIRECTS.has(status)) return this.#follow(headerText(headers, 'location'));
    const head = toFileHead(status, headers, this.#origin);
    if (head === null) return this.#fail(toFileRefusal(status, headers));
    this.#reader.onHead(head);
    if (head.status === 416) {
      this.#end(() => this.#reader.onEnd());
      this.#control.abort();
    }
  }

  #follow(location: string): void {
    const next = toRedirected(location, this.#source);
    this.#redirects += 1;
    if (next === null || this.#redirects > MAX_REDIRECTS) return this.#fail(lost());
    this.#control.abort();
    this.#source = next;
    this.#control = this.#send();
  }

  /** Silence is upstream's fault only while we are listening. */
  #onIdle(): void {
    if (this.#isPaused) this.#idle.refresh();
    else this.#fail(tooSlow(this.#options.idleMs));
  }

  #fail(error: ChatError): void {
    this.#end(() => {
      this.#control.abort();
      this.#reader.onFailure(error);
    });
  }

  #end(act: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#idle);
    act();
  }
}

function partHeaders({ range, ifRange }: FilePart): Headers {
  return { ...(range === null ? {} : { range }), ...(ifRange === null ? {} : { 'if-range': ifRange }) };
}

/** For hosts that are not the session's gateway: nothing that tells who asks. */
function strangerHeaders({ userAgent }: ClientProfile): Headers {
  return { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': userAgent };
}

function readWhole(
  options: FileStreamsOptions,
  origin: FileOrigin | null,
  signal: AbortSignal,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    if (origin === null) return reject(gone());
    const body = createBodyCollector(MAX_READ_BYTES);
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const fail = (reason: unknown): void => {
      stream.abort();
      settle(() => reject(reason));
    };
    const onAbort = (): void => fail(signal.reason);
    const stream = new FileStream(options, origin, WHOLE, {
      onHead({ headers }) {
        if (headers['content-encoding'] !== undefined) fail(garbled());
      },
      onBytes(chunk) {
        if (!body.add(chunk)) fail(tooLarge());
      },
      onEnd: () => settle(() => resolve(body.bytes())),
      // No URL of the client's was wrong.
      onFailure: (error) => settle(() => reject(error.code === 'unknown_url' ? gone() : error)),
    });
    const timer = setTimeout(() => fail(tooSlow(READ_MS)), READ_MS);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

function gone(): ChatError {
  return new ChatError('upstream_error', 'The backend gave a link to a file that is not there. Try again.');
}

function lost(): ChatError {
  return new ChatError('upstream_protocol_error', 'The file cannot be found: it was moved in circles.');
}

function tooSlow(ms: number): ChatError {
  return new ChatError('upstream_timeout', `The file did not come within ${ms / 1000} s. Try again.`);
}

function tooLarge(): ChatError {
  return new ChatError('upstream_protocol_error', 'The file is larger than 32 MiB. Ask for its URL instead.');
}

function garbled(): ChatError {
  return new ChatError('upstream_protocol_error', 'The file is in an encoding nobody asked for.');
}
