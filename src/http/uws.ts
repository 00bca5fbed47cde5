import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/**
 * What both builds of uWebSockets.js offer, and no more: a method that only the newer one has would
 * work in the container and fail elsewhere.
 */
export interface HttpRequest {
  getMethod(): string;
  getUrl(): string;
  getQuery(): string | undefined;
  getHeader(lowerCaseName: string): string;
  forEach(callback: (name: string, value: string) => void): void;
}

export interface HttpResponse {
  cork(callback: () => void): HttpResponse;
  writeStatus(status: string): HttpResponse;
  writeHeader(name: string, value: string): HttpResponse;
  /** Always takes the chunk; false means that it lies in memory. */
  write(chunk: string | Uint8Array): boolean;
  /** Not to be told to close after `write`: both builds would send a header line amid the chunks. */
  end(body?: string | Uint8Array, closeConnection?: boolean): HttpResponse;
  /** Both builds garble the head or hang when told a length; write `content-length` before. */
  endWithoutBody(): HttpResponse;
  /** [everything given was taken, the answer is complete] */
  tryEnd(chunk: string | Uint8Array, totalSize: number): [boolean, boolean];
  /** Counts bytes of `tryEnd` only; for chunked answers both builds leave it at 0. */
  getWriteOffset(): number;
  onWritable(handler: (offset: number) => boolean): HttpResponse;
  onAborted(handler: () => void): HttpResponse;
  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): HttpResponse;
  pause(): void;
  resume(): void;
  close(): HttpResponse;
  getRemoteAddressAsText(): ArrayBuffer;
  /** Answers 101; `open` is called before it returns. */
  upgrade(userData: object, key: string, protocol: string, extensions: string, context: UpgradeContext): void;
}

export type UpgradeContext = object;

/** Dead once `close` was called. */
export interface NativeSocket {
  getUserData(): object;
  /** 0: taken, but it lies in memory; 1: gone; 2: dropped. */
  send(message: string | Uint8Array, isBinary: boolean): number;
  /** Without a code the close frame is empty. */
  end(code?: number, reason?: string): void;
  close(): void;
}

export interface SocketBehavior {
  readonly maxPayloadLength: number;
  /** 0: none. */
  readonly maxBackpressure: number;
  /** Seconds. */
  readonly idleTimeout: number;
  upgrade(res: HttpResponse, req: HttpRequest, context: UpgradeContext): void;
  open(socket: NativeSocket): void;
  message(socket: NativeSocket, message: ArrayBuffer, isBinary: boolean): void;
  drain(socket: NativeSocket): void;
  close(socket: NativeSocket, code: number, reason: ArrayBuffer): void;
}

export type ListenSocket = object;

export interface TemplatedApp {
  any(pattern: string, handler: (res: HttpResponse, req: HttpRequest) => void): TemplatedApp;
  ws(pattern: string, behavior: SocketBehavior): TemplatedApp;
  listen(
    host: string,
    port: number,
    options: number,
    callback: (socket: ListenSocket | false) => void,
  ): TemplatedApp;
  close(): TemplatedApp;
}

export interface Uws {
  App(): TemplatedApp;
  us_listen_socket_close(socket: ListenSocket): void;
  us_socket_local_port(socket: ListenSocket): number;
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
}

/** One place where a native binary may lie. */
export interface NativeCandidate {
  /** For the start-up log and the error message. */
  readonly name: string;
  /** Absolute path of the `.node` file; throws when its package is not installed. */
  readonly file: () => string;
}

const require = createRequire(import.meta.url);
const binary = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;

/** Room for JWTs and cookies. Only the current build reads it; the older keeps to its fixed 4 KiB. */
const MAX_HEADER_BLOCK_BYTES = '65536';

/**
 * Best first. The files are named themselves and not their packages' entry points: the second
 * package's entry falls back to a slow JavaScript server without saying so.
 */
const CANDIDATES: readonly NativeCandidate[] = [
  {
    name: 'uWebSockets.js (20.57, glibc >= 2.38)',
    file: () => join(dirname(require.resolve('uWebSockets.js')), binary),
  },
  {
    name: 'uWebSockets.js-glibc227 (20.30, glibc >= 2.27)',
    file: () => join(dirname(require.resolve('uWebSockets.js-glibc227/package.json')), 'binaries', binary),
  },
];

/** The first binary that loads, and its name. Throws one Error that gives the reason for each refusal. */
export function loadUws(candidates: readonly NativeCandidate[] = CANDIDATES): {
  readonly uws: Uws;
  readonly nativeBuild: string;
} {
  process.env['UWS_HTTP_MAX_HEADERS_SIZE'] ??= MAX_HEADER_BLOCK_BYTES;
  const reasons: string[] = [];
  for (const { name, file } of candidates) {
    try {
      return { uws: require(file()) as Uws, nativeBuild: name };
    } catch (error) {
      reasons.push(`  ${name}: ${firstLine(error)}`);
    }
  }
  const machine = `Node.js ${process.version} on ${process.platform} ${process.arch}`;
  throw new Error(`No build of uWebSockets.js loads under ${machine}:\n${reasons.join('\n')}`);
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split('\n', 1)[0] ?? '';
}
