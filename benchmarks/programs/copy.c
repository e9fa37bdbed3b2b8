/* Copying memory by 64-bit words: loads and stores, nothing else. */
#include "bench.h"

enum { WORDS = 4096, TIMES = 16 };

const char name[] = "copy";
const uint64_t expected = 0xc69ce2b5496c3ed4u;

static uint64_t from[WORDS], to[WORDS];

static __attribute__((noinline)) void copy(uint64_t *t, const uint64_t *f, size_t nwords)
{
    for (size_t i = 0; i < nwords; i++)
        t[i] = f[i];
}

uint64_t work(uint64_t round)
{
    uint64_t state = round;
    for (int i = 0; i < WORDS; i += 64)
        from[i] = next_random(&state);
    for (int k = 0; k < TIMES; k += 2) {
        copy(to, from, WORDS);
        copy(from, to + k, WORDS - (size_t)k);
    }
    uint64_t sum = 0;
    for (int i = 0; i < WORDS; i += 8)
        sum = fold(sum, to[i] + from[i]);
    return sum;
}
