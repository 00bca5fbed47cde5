/**
 * The search of a proof of work, in AssemblyScript: no call leaves it per try. LANES counters are tried
 * at a time. The message is kept as hash blocks whose 64-bit words alternate between the lanes:
 *
 *     seed | base64( JSON with digits ) | padding
 *     '-- outer --''-- middle --''-- inner --'
 *
 * Outer blocks hold no digit and are absorbed once; middle ones hold digits that change once in a
 * hundred tries or more; only the inner ones are absorbed for each try.
 */
import { LANES, absorb, permute } from './keccak';

const BLOCK_BYTES: i32 = 72;
const STATE_BYTES: i32 = 200 * LANES;
const BASE64 = memory.data<u8>([
  65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 97,
  98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119,
  120, 121, 122, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 43, 47,
]);
const EQUALS: i32 = 61;
const OUTER = memory.data(400, 64);
const MIDDLE = memory.data(400, 64);
const STATE = memory.data(1024, 64);
const DIGEST = memory.data(64, 64);
const INPUT: usize = (__heap_base + 63) & ~63;

let seedBytes: i32 = 0;
let jsonBytes: i32 = 0;
let blocks: i32 = 0;
let outerBlocks: i32 = 0;
let innerBlocks: i32 = 0;
let json: usize = 0;
let message: usize = 0;
let radix: i32 = 10;
let wholeAt: i32 = 0;
let wholeLast: i32 = 0;
/** Greater than halfLast where there is no second number. */
let halfAt: i32 = 0;
let halfLast: i32 = -1;
let target: u64 = 0;
/** 1 when the first lane's counter is odd. */
let odd: i32 = 0;
/** A digit of a middle block has changed. */
let stale: bool = false;

/** Makes room for a message; the address where its seed and then its JSON, with digits, are to be put. */
export function reserve(seed: i32, text: i32): usize {
  seedBytes = seed;
  jsonBytes = text;
  blocks = (seed + ((text + 2) / 3) * 4) / BLOCK_BYTES + 1;
  json = INPUT + seed;
  message = (json + LANES * text + 63) & ~63;
  const end = message + blocks * BLOCK_BYTES * LANES;
  const missing = <i32>((end + 65535) >>> 16) - memory.size();
  if (missing > 0 && memory.grow(missing) < 0) unreachable();
  return INPUT;
}

/**
 * Starts at the counter whose digits the text has. They are given as the place of the first in the JSON
 * and their number; `secondDigits` 0: there is no second number. `parity`: that of the counter. `most`:
 * the greatest first eight bytes of a digest that pass, the first byte on top.
 */
export function begin(
  firstAt: i32,
  firstDigits: i32,
  secondAt: i32,
  secondDigits: i32,
  base: i32,
  parity: i32,
  most: u64,
): void {
  wholeAt = firstAt;
  wholeLast = firstAt + firstDigits - 1;
  halfAt = secondAt;
  halfLast = secondAt + secondDigits - 1;
  radix = base;
  odd = parity;
  target = most;
  outerBlocks = placeOf(wholeAt / 3) / BLOCK_BYTES;
  // Two digits at least change in the inner blocks: the middle ones cost little then.
  innerBlocks = placeOf(max(wholeAt, wholeLast - 1) / 3) / BLOCK_BYTES;
  memory.fill(message, 0, blocks * BLOCK_BYTES * LANES);
  for (let lane = 0; lane < LANES; lane++) write(lane);
  absorbOuter();
  absorbMiddle();
}

/** How many counters fail before one passes; -1 when `tries` of them fail, rounded up to whole passes. */
export function search(tries: i32): i32 {
  for (let tried = 0; tried < tries; tried += LANES) {
    absorbBlocks(MIDDLE, innerBlocks, blocks);
    for (let lane = 0; lane < LANES; lane++) if (passes(lane)) return tried + lane;
    for (let lane = 0; lane < LANES; lane++) advance(lane, LANES);
    odd ^= LANES & 1;
    if (stale) absorbMiddle();
  }
  return -1;
}

/** The address of the 64 bytes of what `search` found. */
export function digest(tried: i32): usize {
  const lane = tried % LANES;
  for (let word = 0; word < 8; word++) {
    store<u64>(DIGEST + 8 * word, load<u64>(STATE + 8 * (word * LANES + lane)));
  }
  return DIGEST;
}

/** The whole message of a lane, whose counter is by as much greater as the lane's number. */
function write(lane: i32): void {
  if (lane > 0) memory.copy(json + lane * jsonBytes, json, jsonBytes);
  for (let at = 0; at < seedBytes; at++) put(lane, at, load<u8>(INPUT + at));
  const groups = (jsonBytes + 2) / 3;
  for (let group = 0; group < groups; group++) encode(lane, group);
  const last = blocks * BLOCK_BYTES - 1;
  const end = placeOf(groups);
  put(lane, end, 0x06);
  put(lane, last, end == last ? 0x86 : 0x80);
  advance(lane, lane);
}

function advance(lane: i32, by: i32): void {
  if (by == 0) return;
  const changed = add(lane, wholeAt, wholeLast, by);
  if (placeOf(changed / 3) < innerBlocks * BLOCK_BYTES) stale = true;
  if (halfAt <= halfLast) add(lane, halfAt, halfLast, (by + odd) >> 1);
}

/** Adds to a number in the JSON and encodes what changes; the place of its first digit that does. */
function add(lane: i32, first: i32, last: i32, by: i32): i32 {
  const text = json + lane * jsonBytes;
  let at = last;
  for (let carry = by; ; at--) {
    const sum = valueOf(load<u8>(text + at)) + carry;
    carry = i32(sum >= radix);
    store<u8>(text + at, digitOf(carry ? sum - radix : sum));
    if (carry == 0 || at == first) break;
  }
  for (let group = at / 3; group <= last / 3; group++) encode(lane, group);
  return at;
}

function valueOf(digit: i32): i32 {
  return digit < 97 ? digit - 48 : digit - 87;
}

function digitOf(value: i32): i32 {
  return value < 10 ? value + 48 : value + 87;
}

/** Three bytes of the JSON as four letters of the message. */
function encode(lane: i32, group: i32): void {
  const from = json + lane * jsonBytes + group * 3;
  const bytes = jsonBytes - group * 3;
  let bits = (<i32>load<u8>(from)) << 16;
  if (bytes > 1) bits |= (<i32>load<u8>(from + 1)) << 8;
  if (bytes > 2) bits |= <i32>load<u8>(from + 2);
  const to = placeOf(group);
  put(lane, to, letter(bits >> 18));
  put(lane, to + 1, letter(bits >> 12));
  put(lane, to + 2, bytes > 1 ? letter(bits >> 6) : EQUALS);
  put(lane, to + 3, bytes > 2 ? letter(bits) : EQUALS);
}

function letter(bits: i32): i32 {
  return load<u8>(BASE64 + (bits & 63));
}

/** Where the letters of a group begin in the message. */
function placeOf(group: i32): i32 {
  return seedBytes + group * 4;
}

function put(lane: i32, at: i32, byte: i32): void {
  store<u8>(message + ((at >> 3) * LANES + lane) * 8 + (at & 7), byte);
}

function absorbOuter(): void {
  memory.fill(OUTER, 0, STATE_BYTES);
  if (outerBlocks == 0) return;
  absorbBlocks(OUTER, 0, outerBlocks);
  memory.copy(OUTER, STATE, STATE_BYTES);
}

function absorbMiddle(): void {
  stale = false;
  memory.copy(MIDDLE, OUTER, STATE_BYTES);
  if (outerBlocks == innerBlocks) return;
  absorbBlocks(OUTER, outerBlocks, innerBlocks);
  memory.copy(MIDDLE, STATE, STATE_BYTES);
}

/** STATE becomes what `start` is after the blocks, of which there is at least one. */
function absorbBlocks(start: usize, from: i32, to: i32): void {
  let before = start;
  for (let block = from; block < to; block++) {
    absorb(STATE, before, message + block * BLOCK_BYTES * LANES);
    permute(STATE);
    before = STATE;
  }
}

function passes(lane: i32): bool {
  // Nearly all fail in their first byte, and turning eight of them round takes 15 instructions.
  if (<u64>load<u8>(STATE + 8 * lane) > target >> 56) return false;
  return bswap<u64>(load<u64>(STATE + 8 * lane)) <= target;
}
