import type { Attack } from '../attack.ts';
import { get, json, post, smuggled } from './bytes.ts';
import type { Bytes } from './bytes.ts';

function headed(...lines: readonly string[]): Bytes {
  return () => get(lines.join('\r\n'));
}

/** Lines of the head. */
export const HEAD: readonly Attack[] = [
  {
    name: 'bare LF as line ends',
    bytes: () => 'GET /healthz HTTP/1.1\nHost: x\n\n',
    outcome: { current: '505, closed', older: 'silence, open' },
  },
  {
    name: 'bare CR as line ends',
    bytes: () => 'GET /healthz HTTP/1.1\rHost: x\r\r',
    outcome: { current: '505, closed', older: 'silence, open' },
  },
  {
    name: 'a bare LF in a value',
    bytes: headed('X-A: a\nX-B: b'),
    outcome: { current: '400, closed', older: 'silence, open' },
  },
  { name: 'a bare CR in a value', bytes: headed('X-A: a\rX-B: b'), outcome: 'silence, open' },
  {
    name: 'NUL in a value',
    bytes: headed('X-A: a\x00b'),
    outcome: { current: '400, closed', older: 'silence, open' },
  },
  {
    name: 'a control character in a value',
    bytes: headed('X-A: a\x01b'),
    outcome: { current: '400, closed', older: 'silence, open' },
  },
  {
    name: 'NUL in a name',
    bytes: headed('X\x00A: b'),
    outcome: { current: '400, closed', older: 'silence, open' },
  },
  {
    name: 'a space before the colon',
    bytes: headed('X-A : b'),
    outcome: { current: '400, closed', older: 'silence, open' },
  },
  {
    name: 'a space in a name',
    bytes: headed('X A: b'),
    outcome: { current: '400, closed', older: 'silence, open' },
  },
  { name: 'no colon', bytes: headed('X-A'), outcome: { current: '400, closed', older: 'silence, open' } },
  { name: 'no name', bytes: headed(': b'), outcome: '200, open' },
  {
    name: 'no name, and a `Content-Length` behind it',
    desyncs: true,
    bytes: (mark) => post([': b', `Content-Length: ${smuggled(mark).length}`], smuggled(mark)),
    outcome: '400 200, open, 1 upstream',
  },
  {
    name: 'a folded line',
    bytes: headed('X-A: a\r\n b'),
    outcome: { current: '400, closed', older: 'silence, open' },
  },
  {
    name: 'a folded first line',
    bytes: () => 'GET /healthz HTTP/1.1\r\n Host: x\r\nX-A: b\r\n\r\n',
    outcome: { current: '400, closed', older: 'silence, open' },
  },
  {
    name: 'no `Host`',
    bytes: () => 'GET /healthz HTTP/1.1\r\nX-A: b\r\n\r\n',
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  { name: 'two `Host`', bytes: headed('Host: y'), outcome: '400, closed' },
  {
    name: 'two hosts in one',
    bytes: () => 'GET /healthz HTTP/1.1\r\nHost: x, y\r\n\r\n',
    outcome: '400, closed',
  },
  { name: '`Host: x@y`', bytes: () => 'GET /healthz HTTP/1.1\r\nHost: x@y\r\n\r\n', outcome: '400, closed' },
  { name: '`Host: x/y`', bytes: () => 'GET /healthz HTTP/1.1\r\nHost: x/y\r\n\r\n', outcome: '400, closed' },
  { name: 'an empty `Host`', bytes: () => 'GET /healthz HTTP/1.1\r\nHost:\r\n\r\n', outcome: '200, open' },
  {
    name: '60 headers',
    bytes: headed(...Array.from({ length: 60 }, (_, at) => `X-${at}: b`)),
    outcome: { current: '200, open', older: 'silence, open' },
  },
  {
    name: '10,000 headers',
    bytes: headed(...Array.from({ length: 10_000 }, (_, at) => `X-${at}: b`)),
    outcome: { current: '431, closed', older: 'silence, closed' },
  },
  {
    name: 'a header of 100 KB',
    bytes: headed(`X-A: ${'b'.repeat(100_000)}`),
    outcome: { current: '431, closed', older: '200, open' },
  },
  {
    name: 'a path of 100 KB',
    bytes: () => get('X-A: b', `/${'a'.repeat(100_000)}`),
    outcome: { current: '431, closed', older: '431, open' },
  },
  {
    name: 'a query of 10,000 parameters',
    bytes: () => get('X-A: b', `/healthz?${'a=1&'.repeat(10_000)}`),
    outcome: '200, open',
  },
  {
    name: '`X-HTTP-Method-Override: POST`',
    bytes: () => get('X-HTTP-Method-Override: POST', '/v1/chat/completions'),
    outcome: '405, open',
  },
  {
    name: 'no name, and `Authorization` behind it',
    bytes: (mark) =>
      post([`Content-Length: ${json(mark).length}`, ': b', 'Authorization: Bearer x'], json(mark)),
    outcome: '200, open, 1 upstream',
  },
];
