const RATE_BYTES = 72;
const LANE = (1n << 64n) - 1n;

/** Offsets of FIPS 202's rho, by lane x + 5y. */
const ROTATIONS = [
  0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14,
];

const ROUND_CONSTANTS = roundConstants();

/** SHA3-512 in hexadecimal: browsers have no such function of their own. */
export function sha3of(bytes: Uint8Array): string {
  const padded = new Uint8Array((Math.floor(bytes.length / RATE_BYTES) + 1) * RATE_BYTES);
  padded.set(bytes);
  padded[bytes.length] = 0x06;
  padded[padded.length - 1] = (padded.at(-1) ?? 0) | 0x80;
  const view = new DataView(padded.buffer);
  let state = Array.from({ length: 25 }, () => 0n);
  for (let at = 0; at < padded.length; at += RATE_BYTES) {
    for (let lane = 0; lane < RATE_BYTES / 8; lane += 1) {
      state[lane] = (state[lane] ?? 0n) ^ view.getBigUint64(at + lane * 8, true);
    }
    for (const constant of ROUND_CONSTANTS) state = round(state, constant);
  }
  return state.slice(0, 8).map(toHex).join('');
}

function round(before: readonly bigint[], constant: bigint): bigint[] {
  const of = (lanes: readonly bigint[], x: number, y: number): bigint => lanes[(x % 5) + 5 * (y % 5)] ?? 0n;
  const columns = [0, 1, 2, 3, 4].map((x) => [0, 1, 2, 3, 4].reduce((sum, y) => sum ^ of(before, x, y), 0n));
  const moved: bigint[] = [];
  for (let x = 0; x < 5; x += 1) {
    const mixed = (columns[(x + 4) % 5] ?? 0n) ^ rotate(columns[(x + 1) % 5] ?? 0n, 1);
    for (let y = 0; y < 5; y += 1) {
      moved[y + 5 * ((2 * x + 3 * y) % 5)] = rotate(of(before, x, y) ^ mixed, ROTATIONS[x + 5 * y] ?? 0);
    }
  }
  return moved.map((lane, at) => {
    const [x, y] = [at % 5, Math.floor(at / 5)];
    const mixed = lane ^ (~of(moved, x + 1, y) & LANE & of(moved, x + 2, y));
    return at === 0 ? mixed ^ constant : mixed;
  });
}

function rotate(lane: bigint, by: number): bigint {
  return ((lane << BigInt(by)) | (lane >> BigInt(64 - by))) & LANE;
}

function roundConstants(): readonly bigint[] {
  let register = 1;
  return Array.from({ length: 24 }, () => {
    let constant = 0n;
    for (let power = 0; power <= 6; power += 1) {
      if (register & 1) constant |= 1n << BigInt(2 ** power - 1);
      register <<= 1;
      if (register & 0x100) register ^= 0x171;
    }
    return constant;
  });
}

function toHex(lane: bigint): string {
  const bytes = lane.toString(16).padStart(16, '0').match(/../g) ?? [];
  return bytes.toReversed().join('');
}
