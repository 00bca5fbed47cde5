/**
 * Writes the Keccak-f[1600] permutation out as AssemblyScript, for one state in 64-bit integers or for
 * two states side by side in 128-bit vectors.
 *
 * Two rounds make the body of a loop, from one half of the state's memory to the other and back. All 24
 * in a row are slower by a third: their 30 KB of machine code fit neither the first-level instruction
 * cache nor that of decoded instructions. Each round takes the state row by row and sums up the columns
 * that the next one needs as it goes, so that few values wait at a time; with all 25 lanes in locals the
 * engine spills most of them, and is slower by a twentieth to a tenth.
 *
 * A round of two states is 184 vector instructions, of which 68 do what 24 rotations would: WebAssembly
 * has none for vectors. Three vector units need 61 cycles for that, 1,470 for the permutation, and the
 * loop comes within some 10 % of it. Two things that did not help: 128 states with their bits side by
 * side, where rotations cost nothing (a quarter slower, it lives on loads and stores), and a last round
 * that stops at the first lane (no difference).
 */

/** How one kind of lane is written. */
interface Lanes {
  readonly count: 1 | 2;
  readonly load: (address: string) => string;
  readonly store: (address: string, value: string) => string;
  /** The 64-bit word at the address, in every lane. */
  readonly loadAll: (address: string) => string;
  readonly xor: (left: string, right: string) => string;
  /** `left & ~right` */
  readonly andNot: (left: string, right: string) => string;
  readonly rotate: (value: string, bits: number) => string;
}

const SCALAR: Lanes = {
  count: 1,
  load: (address) => `load<u64>(${address})`,
  store: (address, value) => `store<u64>(${address}, ${value})`,
  loadAll: (address) => `load<u64>(${address})`,
  xor: (left, right) => `(${left} ^ ${right})`,
  andNot: (left, right) => `(${left} & ~${right})`,
  rotate: (value, bits) => `rotl<u64>(${value}, ${bits})`,
};

const SIMD: Lanes = {
  count: 2,
  load: (address) => `v128.load(${address})`,
  store: (address, value) => `v128.store(${address}, ${value})`,
  loadAll: (address) => `v128.load_splat<u64>(${address})`,
  xor: (left, right) => `v128.xor(${left}, ${right})`,
  andNot: (left, right) => `v128.andnot(${left}, ${right})`,
  rotate: rotateVector,
};

const ROUNDS = 24;
const RATE_LANES = 9;
const STATE_LANES = 25;
/** The distance between the two halves of a state's memory, in lanes. */
const HALF_LANES = 32;
const FIVE = [0, 1, 2, 3, 4] as const;
const ROTATIONS = rotations();

/** The module `keccak`: LANES, absorb(to, from, block), permute(state). A state that is permuted has room for two. */
export function keccakSource(simd: boolean): string {
  const lanes = simd ? SIMD : SCALAR;
  return [
    `export const LANES: i32 = ${lanes.count};`,
    `const CONSTANTS = memory.data<u64>([${roundConstants().map(toHex).join(', ')}]);`,
    absorbSource(lanes),
    permuteSource(lanes),
    '',
  ].join('\n');
}

function absorbSource(lanes: Lanes): string {
  const lines = Array.from({ length: STATE_LANES }, (_, lane) => {
    const old = lanes.load(at(lanes, 'from', lane));
    const value = lane < RATE_LANES ? lanes.xor(old, lanes.load(at(lanes, 'block', lane))) : old;
    return `  ${lanes.store(at(lanes, 'to', lane), value)};`;
  });
  return `export function absorb(to: usize, from: usize, block: usize): void {\n${lines.join('\n')}\n}`;
}

function permuteSource(lanes: Lanes): string {
  const column = (x: number): string =>
    FIVE.map((y) => lanes.load(at(lanes, 'state', x + 5 * y))).reduce(lanes.xor);
  return `export function permute(state: usize): void {
${FIVE.map((x) => `  let c${x} = ${column(x)};`).join('\n')}
  for (let constant = CONSTANTS; constant < CONSTANTS + ${ROUNDS * 8}; constant += 16) {
    {\n${roundLines(lanes, 0, HALF_LANES, 'constant')}\n    }
    {\n${roundLines(lanes, HALF_LANES, 0, 'constant + 8')}\n    }
  }
}`;
}

/** One round from the lanes at `from` to those at `to`; c0 to c4 are the sums of the columns, before and after. */
function roundLines(lanes: Lanes, from: number, to: number, constant: string): string {
  const { xor, andNot, rotate } = lanes;
  const lines = FIVE.map((x) => `const d${x} = ${xor(`c${(x + 4) % 5}`, rotate(`c${(x + 1) % 5}`, 1))};`);
  for (const row of FIVE) {
    for (const x of FIVE) {
      const [sourceX, sourceY] = sourceOf(x, row);
      const source = lanes.load(at(lanes, 'state', from + sourceX + 5 * sourceY));
      const turned = rotate(`s${row}${x}`, ROTATIONS[sourceX + 5 * sourceY] ?? 0);
      lines.push(`const s${row}${x} = ${xor(source, `d${sourceX}`)};`, `const b${row}${x} = ${turned};`);
    }
    for (const x of FIVE) {
      const mixed = xor(`b${row}${x}`, andNot(`b${row}${(x + 2) % 5}`, `b${row}${(x + 1) % 5}`));
      const result = x + 5 * row === 0 ? xor(mixed, lanes.loadAll(constant)) : mixed;
      lines.push(`const e${row}${x} = ${result};`);
      lines.push(`${lanes.store(at(lanes, 'state', to + x + 5 * row), `e${row}${x}`)};`);
      lines.push(row === 0 ? `c${x} = e${row}${x};` : `c${x} = ${xor(`c${x}`, `e${row}${x}`)};`);
    }
  }
  return lines.map((line) => `      ${line}`).join('\n');
}

/** Which lane the step pi moves to column x of the row. */
function sourceOf(x: number, row: number): [number, number] {
  const sourceX = FIVE.find((candidate) => (2 * candidate + 3 * x) % 5 === row) ?? 0;
  return [sourceX, x];
}

function at(lanes: Lanes, base: string, lane: number): string {
  return `${base} + ${lane * 8 * lanes.count}`;
}

/** Vectors know no rotation: two shifts, or for whole bytes one shuffle. */
function rotateVector(value: string, bits: number): string {
  if (bits === 0) return value;
  if (bits % 8 !== 0) {
    return `v128.or(v128.shl<i64>(${value}, ${bits}), v128.shr<u64>(${value}, ${64 - bits}))`;
  }
  const bytes = Array.from({ length: 16 }, (_, byte) => (byte & 8) | ((byte - bits / 8) & 7));
  return `v128.shuffle<u8>(${value}, ${value}, ${bytes.join(', ')})`;
}

/** FIPS 202, 3.2.2. */
function rotations(): readonly number[] {
  const bits: number[] = Array.from({ length: STATE_LANES }, () => 0);
  let [x, y] = [1, 0];
  for (let t = 0; t < ROUNDS; t += 1) {
    bits[x + 5 * y] = (((t + 1) * (t + 2)) / 2) % 64;
    [x, y] = [y, (2 * x + 3 * y) % 5];
  }
  return bits;
}

/** FIPS 202, 3.2.5. */
function roundConstants(): readonly bigint[] {
  let register = 1;
  return Array.from({ length: ROUNDS }, () => {
    let constant = 0n;
    for (let j = 0; j <= 6; j += 1) {
      if ((register & 1) !== 0) constant |= 1n << BigInt(2 ** j - 1);
      register = (register << 1) ^ ((register >> 7) * 0x171);
    }
    return constant;
  });
}

function toHex(value: bigint): string {
  return `0x${value.toString(16)}`;
}
