import type { Attack } from '../attack.ts';
import { chat, get, smuggled } from './bytes.ts';

/** The first line, versions, and several requests on one connection. */
export const REQUEST_LINE: readonly Attack[] = [
  {
    name: 'absolute form',
    bytes: () => get('X-A: b', 'http://x/healthz'),
    outcome: { current: '505, closed', older: 'silence, open' },
  },
  {
    name: "absolute form, another's host",
    bytes: () => get('X-A: b', 'https://other.example/healthz'),
    outcome: { current: '505, closed', older: 'silence, open' },
  },
  {
    name: 'authority form',
    bytes: () => get('X-A: b', 'other.example:80'),
    outcome: { current: '505, closed', older: 'silence, open' },
  },
  {
    name: '`CONNECT`',
    bytes: () => 'CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n',
    outcome: { current: '505, closed', older: 'silence, open' },
  },
  {
    name: '`OPTIONS *`',
    bytes: () => 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n',
    outcome: { current: '505, closed', older: 'silence, open' },
  },
  {
    name: 'no slash',
    bytes: () => get('X-A: b', 'healthz'),
    outcome: { current: '505, closed', older: 'silence, open' },
  },
  {
    name: 'a space in the path',
    bytes: () => get('X-A: b', '/health z'),
    outcome: { current: '505, closed', older: 'silence, open' },
  },
  {
    name: 'tabs for spaces',
    bytes: () => 'GET\t/healthz\tHTTP/1.1\r\nHost: x\r\n\r\n',
    outcome: { current: '505, closed', older: 'silence, open' },
  },
  {
    name: 'a space before the method',
    bytes: () => ` ${get('X-A: b')}`,
    outcome: { current: '505, closed', older: 'silence, open' },
  },
  { name: 'an empty line before', bytes: () => `\r\n${get('X-A: b')}`, outcome: 'silence, open' },
  {
    name: 'NUL in the path',
    bytes: () => get('X-A: b', '/healthz\x00'),
    outcome: { current: '505, closed', older: 'silence, open' },
  },
  {
    name: 'a method in lower case',
    bytes: () => get('X-A: b').replace('GET', 'get'),
    outcome: { current: '200, open', older: 'silence, closed' },
  },
  {
    name: 'a method that is none',
    bytes: () => get('X-A: b').replace('GET', 'G@T'),
    outcome: { current: '405, open', older: 'silence, closed' },
  },
  {
    name: 'HTTP/0.9',
    bytes: () => 'GET /healthz\r\n',
    outcome: { current: '505, closed', older: 'silence, open' },
  },
  {
    name: 'HTTP/1.0',
    bytes: () => 'GET /healthz HTTP/1.0\r\n\r\n',
    outcome: { current: '505, closed', older: 'silence, open' },
  },
  {
    name: 'HTTP/1.0 with `keep-alive`',
    bytes: () => 'GET /healthz HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n',
    outcome: { current: '505, closed', older: 'silence, open' },
  },
  {
    name: 'HTTP/1.2',
    bytes: () => 'GET /healthz HTTP/1.2\r\nHost: x\r\n\r\n',
    outcome: { current: '505, closed', older: 'silence, open' },
  },
  {
    name: 'the preface of HTTP/2',
    bytes: () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    outcome: { current: '505, closed', older: 'silence, open' },
  },
  {
    name: 'TLS',
    bytes: () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
    outcome: { current: '505, closed', older: 'silence, open' },
  },
  {
    name: 'two quick requests in one packet',
    bytes: () => get('X-A: b') + get('X-A: b'),
    requests: 2,
    outcome: '200 200, open',
  },
  {
    name: 'a refused request before a chat',
    bytes: (mark) => get('Host: y') + smuggled(mark),
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  {
    name: 'a chat before a quick request',
    bytes: (mark) => chat(mark) + get('X-A: b'),
    requests: 2,
    outcome: 'silence, closed',
  },
  { name: 'half a request', bytes: () => 'GET /healthz HTTP/1.1\r\nHos', outcome: 'silence, open' },
];
