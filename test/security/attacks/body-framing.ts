import type { Attack } from '../attack.ts';
import { chat, chunked, get, json, post, smuggled } from './bytes.ts';
import type { Bytes } from './bytes.ts';

/** A whole chat with these length headers (N: its own), and another behind it. */
function lengths(...values: readonly string[]): Bytes {
  return (mark) =>
    post(
      values.map((value) => `Content-Length: ${value.replaceAll('N', String(json(mark).length))}`),
      json(mark),
    ) + smuggled(mark);
}

/** A whole chat in chunks under these headers, and another behind it. */
function codings(...headers: readonly string[]): Bytes {
  return (mark) => post(headers, chunked(mark)) + smuggled(mark);
}

/** Where a body ends: two lengths, a coding and a length, codings that one server knows and another does not. */
export const BODY_FRAMING: readonly Attack[] = [
  { name: 'a chat (no attack)', bytes: chat, outcome: '200, open, 1 upstream' },
  {
    name: 'two chats in one packet',
    bytes: (mark) => chat(mark) + smuggled(mark),
    requests: 2,
    outcome: 'silence, closed',
  },
  {
    name: '`Content-Length` and `Transfer-Encoding`',
    bytes: codings('Content-Length: 6', 'Transfer-Encoding: chunked'),
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  {
    name: '`Transfer-Encoding` and `Content-Length`',
    bytes: codings('Transfer-Encoding: chunked', 'Content-Length: 6'),
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  {
    name: 'the same, with a tab',
    bytes: codings('Transfer-Encoding:\tchunked', 'Content-Length: 6'),
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  {
    name: 'empty `Transfer-Encoding` and `Content-Length`',
    bytes: codings('Transfer-Encoding:', 'Content-Length: 6'),
    outcome: '400, closed',
  },
  {
    name: '`identity` and `Content-Length`',
    bytes: codings('Transfer-Encoding: identity', 'Content-Length: 6'),
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  {
    name: '`chunked` twice',
    bytes: codings('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
    outcome: 'silence, closed',
  },
  {
    name: '`chunked`, then `identity`',
    bytes: codings('Transfer-Encoding: chunked', 'Transfer-Encoding: identity'),
    outcome: 'silence, closed',
  },
  {
    name: '`chunked, identity`',
    bytes: codings('Transfer-Encoding: chunked, identity'),
    outcome: 'silence, closed',
  },
  { name: '`gzip, chunked`', bytes: codings('Transfer-Encoding: gzip, chunked'), outcome: 'silence, closed' },
  { name: '`xchunked`', bytes: codings('Transfer-Encoding: xchunked'), outcome: 'silence, closed' },
  { name: '`"chunked"`', bytes: codings('Transfer-Encoding: "chunked"'), outcome: 'silence, closed' },
  { name: '`identity`', bytes: codings('Transfer-Encoding: identity'), outcome: 'silence, closed' },
  { name: 'empty `Transfer-Encoding`', bytes: codings('Transfer-Encoding:'), outcome: '400, closed' },
  {
    name: '`Transfer-Encoding :`',
    bytes: codings('Transfer-Encoding : chunked'),
    outcome: { current: '400, closed', older: 'silence, open' },
  },
  {
    name: '`Transfer-Encoding` folded',
    bytes: codings('Transfer-Encoding:\r\n chunked'),
    outcome: { current: '400, closed', older: 'silence, open' },
  },
  {
    name: '`Transfer-Encoding` after a vertical tab',
    bytes: codings('Transfer-Encoding: \x0bchunked'),
    outcome: { current: '400, closed', older: 'silence, open' },
  },
  {
    name: '`Transfer_Encoding` and a length',
    bytes: (mark) => post(['Transfer_Encoding: chunked', `Content-Length: ${json(mark).length}`], json(mark)),
    outcome: { current: '200, open, 1 upstream', older: 'silence, open' },
  },
  {
    name: '`CHUNKED`',
    bytes: codings('Transfer-Encoding: CHUNKED'),
    outcome: 'silence, closed',
    requests: 2,
  },
  { name: '`Content-Length` twice, equal', bytes: lengths('N', 'N'), outcome: 'silence, closed' },
  { name: '`Content-Length` twice, the second 0', bytes: lengths('N', '0'), outcome: 'silence, closed' },
  { name: '`Content-Length` twice, the first 0', bytes: lengths('0', 'N'), outcome: 'silence, closed' },
  {
    name: '`Content-Length: N, N`',
    bytes: lengths('N, N'),
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  {
    name: '`Content-Length: N N`',
    bytes: lengths('N N'),
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  {
    name: '`Content-Length: +N`',
    bytes: lengths('+N'),
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  {
    name: '`Content-Length: -1`',
    bytes: lengths('-1'),
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  {
    name: '`Content-Length: 0x5`',
    bytes: lengths('0x5'),
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  {
    name: '`Content-Length: 5.0`',
    bytes: lengths('5.0'),
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  {
    name: '`Content-Length: 5e0`',
    bytes: lengths('5e0'),
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  { name: 'empty `Content-Length`', bytes: lengths(''), outcome: 'silence, closed' },
  {
    name: '`Content-Length` of 20 digits',
    bytes: lengths('99999999999999999999'),
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  {
    name: '`Content-Length` of 2^64 + 5',
    bytes: lengths('18446744073709551621'),
    outcome: { current: '400, closed', older: 'silence, closed' },
  },
  {
    name: '`Content-Length` of 2^32 + 5',
    bytes: lengths('4294967301'),
    outcome: { current: '413, closed', older: 'silence, closed' },
  },
  {
    name: '`Content-Length` with a zero before',
    bytes: lengths('0N'),
    outcome: 'silence, closed',
    requests: 2,
  },
  {
    name: '`Content-Length :`',
    bytes: (mark) => post([`Content-Length : ${json(mark).length}`], json(mark)),
    outcome: { current: '400, closed', older: 'silence, open' },
  },
  {
    name: '`Content-Length` folded',
    bytes: (mark) => post([`Content-Length:\r\n ${json(mark).length}`], json(mark)),
    outcome: { current: '400, closed', older: 'silence, open' },
  },
  {
    name: 'a body behind GET',
    bytes: (mark) => get(`Content-Length: ${smuggled(mark).length}`) + smuggled(mark),
    outcome: '200, open',
  },
  {
    name: '`Expect: 100-continue`',
    bytes: (mark) => post(['Expect: 100-continue', `Content-Length: ${json(mark).length}`], json(mark)),
    outcome: '100 200, open, 1 upstream',
  },
  {
    name: 'two equal lengths, the other request in a later packet',
    bytes: (mark) => post(Array<string>(2).fill(`Content-Length: ${json(mark).length}`), json(mark)),
    later: smuggled,
    outcome: '400, closed',
  },
  {
    name: '`xchunked`, the other request in a later packet',
    bytes: (mark) => post(['Transfer-Encoding: xchunked'], chunked(mark)),
    later: smuggled,
    outcome: '400, closed',
  },
];
