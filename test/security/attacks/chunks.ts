import type { Attack } from '../attack.ts';
import { chunked, json, post, smuggled } from './bytes.ts';
import type { Bytes } from './bytes.ts';

/** A chat whose chunks are written by `write`, and another behind it. */
function chunks(write: (size: string, text: string) => string): Bytes {
  return (mark) =>
    post(['Transfer-Encoding: chunked'], write(json(mark).length.toString(16), json(mark))) + smuggled(mark);
}

/** The parts of a chunked body. */
export const CHUNKS: readonly Attack[] = [
  {
    name: 'chunks (no attack)',
    bytes: (mark) => post(['Transfer-Encoding: chunked'], chunked(mark)),
    outcome: '200, closed, 1 upstream',
  },
  {
    name: 'zeros before the size',
    bytes: chunks((size, text) => `${'0'.repeat(40)}${size}\r\n${text}\r\n0\r\n\r\n`),
    requests: 2,
    outcome: 'silence, closed',
  },
  {
    name: 'a size of 2^64 + 5',
    bytes: chunks((_, text) => `10000000000000005\r\n${text}\r\n0\r\n\r\n`),
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  {
    name: 'a size of ffffffffffffffff',
    bytes: chunks((_, text) => `ffffffffffffffff\r\n${text}\r\n0\r\n\r\n`),
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  {
    name: 'a negative size',
    bytes: chunks((size, text) => `-${size}\r\n${text}\r\n0\r\n\r\n`),
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  {
    name: 'a size with a plus',
    bytes: chunks((size, text) => `+${size}\r\n${text}\r\n0\r\n\r\n`),
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  {
    name: 'a size with 0x',
    bytes: chunks((size, text) => `0x${size}\r\n${text}\r\n0\r\n\r\n`),
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  {
    name: 'no hexadecimal size',
    bytes: chunks((_, text) => `g\r\n${text}\r\n0\r\n\r\n`),
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  { name: 'no size', bytes: chunks((_, text) => `\r\n${text}\r\n0\r\n\r\n`), outcome: '400, closed' },
  {
    name: 'a space before the size',
    bytes: chunks((size, text) => ` ${size}\r\n${text}\r\n0\r\n\r\n`),
    outcome: '400, closed',
  },
  {
    name: 'a space after the size',
    bytes: chunks((size, text) => `${size} \r\n${text}\r\n0\r\n\r\n`),
    requests: 2,
    outcome: 'silence, closed',
  },
  {
    name: 'a chunk extension',
    bytes: chunks((size, text) => `${size};a=b\r\n${text}\r\n0\r\n\r\n`),
    requests: 2,
    outcome: 'silence, open',
  },
  {
    name: 'a chunk extension with a bare LF',
    bytes: chunks((size, text) => `${size};a\n${text}\r\n0\r\n\r\n`),
    outcome: 'silence, open',
  },
  {
    name: 'lines that end with LF only',
    bytes: chunks((size, text) => `${size}\n${text}\n0\n\n`),
    outcome: 'silence, closed',
  },
  {
    name: 'garbage after a chunk',
    bytes: chunks((size, text) => `${size}\r\n${text}XX\r\n0\r\n\r\n`),
    outcome: { current: '505, closed', older: '200, closed, 1 upstream' },
  },
  {
    name: 'two letters in place of the line end after a chunk',
    bytes: chunks((size, text) => `${size}\r\n${text}AA0\r\n\r\n`),
    outcome: 'silence, closed',
  },
  {
    name: 'two letters in place of the last line end',
    bytes: chunks((size, text) => `${size}\r\n${text}\r\n0\r\nAA`),
    outcome: 'silence, closed',
  },
  {
    name: 'a trailer',
    bytes: chunks((size, text) => `${size}\r\n${text}\r\n0\r\nX-Trailer: 1\r\n\r\n`),
    requests: 2,
    outcome: { current: '505, closed', older: '200, closed, 1 upstream' },
  },
  {
    name: 'a trailer that says `Content-Length`',
    bytes: chunks((size, text) => `${size}\r\n${text}\r\n0\r\nContent-Length: 30\r\n\r\n`),
    outcome: { current: '505, closed', older: '200, closed, 1 upstream' },
  },
  {
    name: 'a trailer that says `Authorization`',
    bytes: chunks((size, text) => `${size}\r\n${text}\r\n0\r\nAuthorization: Bearer x\r\n\r\n`),
    outcome: { current: '505, closed', older: '200, closed, 1 upstream' },
  },
  {
    name: 'a request in place of the trailers',
    bytes: (mark) =>
      post(
        ['Transfer-Encoding: chunked'],
        `${json(mark).length.toString(16)}\r\n${json(mark)}\r\n0\r\nAA${smuggled(mark)}`,
      ),
    outcome: 'silence, closed',
  },
  {
    name: 'a request in place of the trailers, in a later packet',
    bytes: (mark) => post(['Transfer-Encoding: chunked'], chunked(mark).slice(0, -2)),
    later: (mark) => `AA${smuggled(mark)}`,
    outcome: '200, closed, 1 upstream',
  },
  {
    name: 'the same behind a path that is not found',
    desyncs: true,
    bytes: (mark) =>
      `POST /v1/none HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nAA${smuggled(mark)}`,
    outcome: '404 200, open, 1 upstream',
  },
];
