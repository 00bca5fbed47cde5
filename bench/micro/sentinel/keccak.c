/* How many Keccak-f[1600] permutations a core does: LANES states side by side, nothing around them. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef uint64_t lane __attribute__((vector_size(8 * LANES)));

static const uint64_t CONSTANTS[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
    0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
    0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
    0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008};

#define ROTATE(a, n) ((a) << ((n) & 63) | (a) >> ((64 - (n)) & 63))
#define TURNED(from, n) ROTATE(s[from] ^ d[(from) % 5], n)
#define ROW(to, s0, n0, s1, n1, s2, n2, s3, n3, s4, n4)                                  \
  {                                                                                      \
    lane b0 = TURNED(s0, n0), b1 = TURNED(s1, n1), b2 = TURNED(s2, n2), b3 = TURNED(s3, n3), \
         b4 = TURNED(s4, n4);                                                            \
    e[to] = b0 ^ (~b1 & b2), e[to + 1] = b1 ^ (~b2 & b3), e[to + 2] = b2 ^ (~b3 & b4);   \
    e[to + 3] = b3 ^ (~b4 & b0), e[to + 4] = b4 ^ (~b0 & b1);                            \
  }
#define COLUMN(x) (s[x] ^ s[x + 5] ^ s[x + 10] ^ s[x + 15] ^ s[x + 20])

static inline void turn(const lane *s, lane *e, uint64_t constant) {
  lane c0 = COLUMN(0), c1 = COLUMN(1), c2 = COLUMN(2), c3 = COLUMN(3), c4 = COLUMN(4);
  lane d[5] = {c4 ^ ROTATE(c1, 1), c0 ^ ROTATE(c2, 1), c1 ^ ROTATE(c3, 1), c2 ^ ROTATE(c4, 1), c3 ^ ROTATE(c0, 1)};
  ROW(0, 0, 0, 6, 44, 12, 43, 18, 21, 24, 14)
  ROW(5, 3, 28, 9, 20, 10, 3, 16, 45, 22, 61)
  ROW(10, 1, 1, 7, 6, 13, 25, 19, 8, 20, 18)
  ROW(15, 4, 27, 5, 36, 11, 10, 17, 15, 23, 56)
  ROW(20, 2, 62, 8, 55, 14, 39, 15, 41, 21, 2)
  e[0] ^= constant;
}

static void permute(lane s[25]) {
  lane e[25];
  for (int round = 0; round < 24; round += 2) {
    turn(s, e, CONSTANTS[round]);
    turn(e, s, CONSTANTS[round + 1]);
  }
}

/* <permutations>: prints the seconds of processor time they take and the first word, which is known for one. */
int main(int count, char **arguments) {
  lane s[25] = {0};
  struct timespec from, to;
  long rounds = count > 1 ? atol(arguments[1]) / LANES : 1;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
  for (long i = 0; i < rounds; i++) permute(s);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
  printf("%.9f %016llx\n", to.tv_sec - from.tv_sec + (to.tv_nsec - from.tv_nsec) / 1e9,
         (unsigned long long)s[0][0]);
}
