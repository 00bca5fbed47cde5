import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { Transform } from 'node:stream';
import type { StreamReader } from '../chat/ports.ts';
import { ChatError } from '../errors.ts';
import { createBodyCollector, decompress } from '../outbound/exchange.ts';
import type { BodyReader, ResponseHeaders, SendControl } from '../outbound/send.ts';
import { toSafeText } from './protocol/safe-text.ts';
import { SpentBuffer } from './spent-buffer.ts';

/** What is done with the bytes of an answer once its head is known. Tells its reader one ending at most. */
export interface AnswerBody {
  /** Takes the bytes. */
  readonly reader: BodyReader;
  pause(): void;
  resume(): void;
  /** The reader left: nothing more is told, nothing is kept. */
  drop(): void;
}

const MAX_BAD_BODY_BYTES = 64 * 1024;
/** An error is told with what came of its body by then. */
const BAD_BODY_TIMEOUT_MS = 5_000;
/** On each side of a decoder. A chunk from the socket is as large, and less would pause after each. */
const DECODER_BUFFER_BYTES = 64 * 1024;
const DECODER_STEP_BYTES = 16 * 1024;

/** The stream as it comes; a reader keeps nothing of the bytes. */
export function createPlainBody(reader: StreamReader, control: SendControl): AnswerBody {
  const taker = reader.onOpen() ?? reader;
  const spent = new SpentBuffer();
  return {
    reader: {
      onBytes(chunk) {
        spent.followedBy(chunk);
        taker.onBytes(chunk);
      },
      onEnd: () => taker.onEnd(),
      onFailure: (error) => taker.onFailure(error),
    },
    pause: () => control.pause(),
    resume: () => {},
    drop: () => {},
  };
}

/** A stream that some gateway compressed although we ask for `identity`. */
export function createInflatedBody(encoding: string, reader: StreamReader, control: SendControl): AnswerBody {
  const decoder = createDecoder(encoding);
  let isOver = decoder === null;
  const fail = (error: ChatError): void => {
    if (isOver) return;
    isOver = true;
    decoder?.destroy();
    reader.onFailure(error);
  };
  if (decoder === null) {
    control.abort();
    reader.onFailure(broken(`is encoded as \`${toSafeText(encoding)}\`, which nobody asked for`));
  } else {
    reader.onOpen();
    decoder.on('data', (chunk: Buffer) => isOver || reader.onBytes(chunk));
    decoder.on('drain', () => control.resume());
    decoder.on('end', () => {
      if (isOver) return;
      isOver = true;
      reader.onEnd();
    });
    decoder.on('error', () => {
      control.abort();
      fail(broken(`is broken ${encoding}`));
    });
  }
  return {
    reader: {
      // The decoder's buffers are bounded; when they are full the connection waits.
      onBytes(chunk) {
        if (decoder?.write(chunk) === false) control.pause();
      },
      onEnd: () => decoder?.end(),
      onFailure: fail,
    },
    pause: () => decoder?.pause(),
    resume: () => decoder?.resume(),
    drop() {
      isOver = true;
      decoder?.destroy();
    },
  };
}

function createDecoder(encoding: string): Transform | null {
  const options = { chunkSize: DECODER_STEP_BYTES, highWaterMark: DECODER_BUFFER_BYTES };
  switch (encoding) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip(options);
    case 'deflate':
      return createInflate(options);
    case 'br':
      return createBrotliDecompress(options);
    default:
      return null;
  }
}

function broken(how: string): ChatError {
  return new ChatError('upstream_protocol_error', `The backend's stream ${how}.`);
}

/** An answer that is no stream: its first part is read and explained. */
export function createBadBody(
  reader: StreamReader,
  control: SendControl,
  headers: ResponseHeaders,
  explain: (body: string) => ChatError,
): AnswerBody {
  return createWholeBody(control, headers, (body) => reader.onFailure(explain(body)));
}

/** A small answer, told in one piece: all of it, or what came of it by then. */
export function createWholeBody(
  control: SendControl,
  headers: ResponseHeaders,
  onWhole: (body: string) => void,
): AnswerBody {
  const body = createBodyCollector(MAX_BAD_BODY_BYTES);
  let isOver = false;
  const conclude = (): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    control.abort();
    onWhole(decompress(body.bytes(), headers) ?? '');
  };
  const timer = setTimeout(conclude, BAD_BODY_TIMEOUT_MS);
  return {
    reader: {
      onBytes(chunk) {
        if (!isOver && !body.add(chunk)) conclude();
      },
      onEnd: conclude,
      // The status alone says more than that the rest of the body did not come.
      onFailure: conclude,
    },
    pause: () => {},
    resume: () => {},
    drop() {
      isOver = true;
      clearTimeout(timer);
    },
  };
}
