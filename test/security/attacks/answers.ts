/** What upstream says to one request through the gateway, and what the client must get of it, the same with both builds. */
export interface AnswerAttack {
  readonly name: string;
  /** One byte per character. */
  readonly bytes: string;
  /** A status, whether the answer is `whole` or `cut`, and `body` where what upstream meant got through. */
  readonly outcome: string;
}

/** What an answer smuggled in by upstream would be known by. */
export const PLANTED = 'planted-answer';

const OK = 'HTTP/1.1 200 OK\r\n';
const PLANT = `${OK}Content-Length: ${PLANTED.length}\r\n\r\n${PLANTED}`;

export const ANSWERS: readonly AnswerAttack[] = [
  { name: 'a length (no attack)', bytes: `${OK}Content-Length: 4\r\n\r\nbody`, outcome: '200 whole body' },
  {
    name: 'chunks (no attack)',
    bytes: `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n`,
    outcome: '200 whole body',
  },
  {
    name: '`Content-Length` and `Transfer-Encoding`',
    bytes: `${OK}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n${PLANT}`,
    outcome: '502 whole',
  },
  {
    name: '`Content-Length` twice, equal',
    bytes: `${OK}Content-Length: 4\r\nContent-Length: 4\r\n\r\nbody${PLANT}`,
    outcome: '502 whole',
  },
  {
    name: '`Content-Length` twice, different',
    bytes: `${OK}Content-Length: 4\r\nContent-Length: 40\r\n\r\nbody${PLANT}`,
    outcome: '502 whole',
  },
  {
    name: '`Content-Length: -1`',
    bytes: `${OK}Content-Length: -1\r\n\r\nbody${PLANT}`,
    outcome: '502 whole',
  },
  {
    name: '`Content-Length: +4`',
    bytes: `${OK}Content-Length: +4\r\n\r\nbody${PLANT}`,
    outcome: '502 whole',
  },
  {
    name: '`Content-Length: 0x4`',
    bytes: `${OK}Content-Length: 0x4\r\n\r\nbody${PLANT}`,
    outcome: '502 whole',
  },
  {
    name: '`Content-Length: 4, 4`',
    bytes: `${OK}Content-Length: 4, 4\r\n\r\nbody${PLANT}`,
    outcome: '502 whole',
  },
  {
    name: '`Content-Length` of 20 digits',
    bytes: `${OK}Content-Length: 99999999999999999999\r\n\r\nbody${PLANT}`,
    outcome: '502 whole',
  },
  {
    name: '`xchunked`',
    bytes: `${OK}Transfer-Encoding: xchunked\r\n\r\nbody`,
    outcome: '200 cut body',
  },
  {
    name: '`chunked, identity`',
    bytes: `${OK}Transfer-Encoding: chunked, identity\r\n\r\nbody`,
    outcome: '200 cut body',
  },
  {
    name: 'a negative chunk',
    bytes: `${OK}Transfer-Encoding: chunked\r\n\r\n-4\r\nbody\r\n0\r\n\r\n${PLANT}`,
    outcome: '502 whole',
  },
  {
    name: 'a chunk of 2^64 + 4',
    bytes: `${OK}Transfer-Encoding: chunked\r\n\r\n10000000000000004\r\nbody\r\n0\r\n\r\n`,
    outcome: '502 whole',
  },
  {
    name: 'garbage after a chunk',
    bytes: `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nbodyXX\r\n0\r\n\r\n`,
    outcome: '200 cut body',
  },
  {
    name: 'a trailer',
    bytes: `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nSet-Cookie: a=b\r\nContent-Length: 9\r\n\r\n`,
    outcome: '200 cut body',
  },
  {
    name: 'another answer behind the body',
    bytes: `${OK}Content-Length: 4\r\n\r\nbody${PLANT}`,
    outcome: '200 whole body',
  },
  {
    name: 'another answer behind the chunks',
    bytes: `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n${PLANT}`,
    outcome: '200 whole body',
  },
  { name: 'an answer behind 204', bytes: `HTTP/1.1 204 No Content\r\n\r\n${PLANT}`, outcome: '204 whole' },
  {
    name: '204 with a length',
    bytes: `HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nbody`,
    outcome: '502 whole',
  },
  {
    name: 'an interim answer before',
    bytes: `HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${OK}Content-Length: 4\r\n\r\nbody`,
    outcome: '200 whole body',
  },
  {
    name: '101 unasked',
    bytes: 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nbody',
    outcome: '502 whole',
  },
  { name: 'status 999', bytes: 'HTTP/1.1 999 X\r\nContent-Length: 4\r\n\r\nbody', outcome: '999 whole body' },
  { name: 'status 99', bytes: 'HTTP/1.1 99 X\r\nContent-Length: 4\r\n\r\nbody', outcome: '502 whole' },
  {
    name: 'a status with a line end in its reason',
    bytes: `HTTP/1.1 200 OK\rX-Planted: ${PLANTED}\r\nContent-Length: 4\r\n\r\nbody`,
    outcome: '502 whole',
  },
  {
    name: 'a bare LF in a value',
    bytes: `${OK}Content-Length: 4\r\nX-A: a\nX-Planted: ${PLANTED}\r\n\r\nbody`,
    outcome: '502 whole',
  },
  {
    name: 'a bare CR in a value',
    bytes: `${OK}Content-Length: 4\r\nX-A: a\rX-Planted: ${PLANTED}\r\n\r\nbody`,
    outcome: '502 whole',
  },
  {
    name: 'NUL in a value',
    bytes: `${OK}Content-Length: 4\r\nX-A: a\x00b\r\n\r\nbody`,
    outcome: '502 whole',
  },
  {
    name: 'bytes above 127 in a value',
    bytes: `${OK}Content-Length: 4\r\nX-A: \xe5\x98\x8d\xe5\x98\x8aX-Planted: b\r\n\r\nbody`,
    outcome: '200 whole body',
  },
  {
    name: 'a folded value',
    bytes: `${OK}Content-Length: 4\r\nX-A: a\r\n b\r\n\r\nbody`,
    outcome: '502 whole',
  },
  {
    name: 'a name with a space',
    bytes: `${OK}Content-Length: 4\r\nX A: b\r\n\r\nbody`,
    outcome: '502 whole',
  },
  { name: 'no name', bytes: `${OK}Content-Length: 4\r\n: b\r\n\r\nbody`, outcome: '502 whole' },
  {
    name: 'names of prototypes',
    bytes: `${OK}Content-Length: 4\r\n__proto__: a\r\nconstructor: b\r\nhasOwnProperty: c\r\n\r\nbody`,
    outcome: '200 whole body',
  },
  {
    name: '100 KB of headers',
    bytes: `${OK}Content-Length: 4\r\n${'X-A: b\r\n'.repeat(15_000)}\r\nbody`,
    outcome: '200 whole body',
  },
  { name: 'HTTP/0.9', bytes: 'body', outcome: '502 whole' },
  {
    name: 'a body cut by the end',
    bytes: `${OK}Content-Length: 40\r\nConnection: close\r\n\r\nbody`,
    outcome: '200 cut body',
  },
];
