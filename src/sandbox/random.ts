/** Repeatable randomness: the same seed gives the same ids in the same order. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  hex(digits: number): string;
  /** A version 4 uuid. */
  uuid(): string;
  /** Starts the sequence over. */
  restart(): void;
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    return mix(state) / 2 ** 32;
  };
  const hex = (digits: number): string =>
    Array.from({ length: digits }, () => Math.floor(next() * 16).toString(16)).join('');
  return {
    next,
    hex,
    uuid: () => `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`,
    restart() {
      state = seed >>> 0;
    },
  };
}

/** The output function of mulberry32. */
function mix(state: number): number {
  let bits = Math.imul(state ^ (state >>> 15), state | 1);
  bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
  return (bits ^ (bits >>> 14)) >>> 0;
}
