/* What a benchmark program gives and gets. Freestanding C; the same source runs natively, under
 * QEMU's user mode and on the bare machine (see start.c), and checks its own result.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

/* The work, `SCALE` times. Each round gets its number as a seed, so that no round can be skipped;
 * returns a value that depends on all that was computed. */
uint64_t work(uint64_t round);

/* What work(0) returns: the same on every machine. */
extern const uint64_t expected;

extern const char name[];

void *memcpy(void *restrict to, const void *restrict from, size_t nbytes);
void *memset(void *to, int value, size_t nbytes);

/* A multiplicative congruential generator (Knuth's MMIX constants): the upper half is good. */
static inline uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 32;
}

/* Order-dependent mix of a result into a checksum. */
static inline uint64_t fold(uint64_t sum, uint64_t value)
{
    return (sum << 7 | sum >> 57) ^ (value * 0x9e3779b97f4a7c15u);
}

#endif
