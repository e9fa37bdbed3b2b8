/* Fibonacci numbers by plain recursion: calls, returns, and saving registers. */
#include "bench.h"

const char name[] = "fib";
const uint64_t expected = 17711; /* the 22nd */

static __attribute__((noinline)) uint64_t fib(uint64_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

uint64_t work(uint64_t round) { return fib(22 - (round & 1)); }
