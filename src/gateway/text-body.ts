import type { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib';
import type { RewriteStream } from './url-rewriter.ts';

/** Where bytes go. `write` false: no more until it says so elsewhere. */
export interface ByteSink {
  write(chunk: Uint8Array): boolean;
  end(): void;
}

/** A body on its way through us. */
export interface BodyStage extends ByteSink {
  /** The sink takes more. */
  resume(): void;
  /** Nothing more is wanted. */
  destroy(): void;
}

export interface TextBodyOptions {
  /** Empty: none. */
  readonly encoding: string;
  readonly rewriting: RewriteStream;
  readonly sink: ByteSink;
  /** `write` said false before, and takes more now. */
  readonly onTaken: () => void;
  /** What was compressed is not what it said. */
  readonly onBroken: (error: Error) => void;
}

type Decoder = Transform;

const DECODERS: Readonly<Record<string, (first: Uint8Array) => Decoder>> = {
  gzip: () => createGunzip(),
  'x-gzip': () => createGunzip(),
  br: () => createBrotliDecompress(),
  // Half of the world sends it without the wrapping that the standard asks for.
  deflate: ([first = 0]) => ((first & 0x0f) === 8 ? createInflate() : createInflateRaw()),
};

export function isDecodable(encoding: string): boolean {
  return encoding === '' || Object.hasOwn(DECODERS, encoding);
}

/** Decodes where needed, and rewrites. */
export function createTextBody(options: TextBodyOptions): BodyStage {
  return options.encoding === '' ? createPlainBody(options) : createCodedBody(options);
}

function createPlainBody({ rewriting, sink, onTaken }: TextBodyOptions): BodyStage {
  return {
    write(chunk) {
      const out = rewriting.push(chunk);
      return out.length === 0 || sink.write(out);
    },
    end() {
      const out = rewriting.end();
      if (out.length > 0) sink.write(out);
      sink.end();
    },
    resume: onTaken,
    destroy: () => {},
  };
}

function createCodedBody({ encoding, rewriting, sink, onTaken, onBroken }: TextBodyOptions): BodyStage {
  let decoder: Decoder | null = null;
  let isOver = false;

  function open(first: Uint8Array): Decoder {
    const opened = (DECODERS[encoding] ?? createGunzip)(first);
    opened.on('data', (chunk: Buffer) => {
      const out = rewriting.push(chunk);
      if (out.length > 0 && !sink.write(out)) opened.pause();
    });
    opened.on('drain', onTaken);
    opened.on('error', (error) => {
      if (!isOver) onBroken(error);
    });
    opened.on('end', finish);
    return opened;
  }

  function finish(): void {
    if (isOver) return;
    const out = rewriting.end();
    if (out.length > 0) sink.write(out);
    sink.end();
  }

  return {
    write: (chunk) => (decoder ??= open(chunk)).write(chunk),
    end() {
      if (decoder === null) finish();
      else decoder.end();
    },
    resume: () => void decoder?.resume(),
    destroy() {
      isOver = true;
      decoder?.destroy();
    },
  };
}
