/* The sieve of Eratosthenes: byte stores in strides, byte loads in a row. */
#include "bench.h"

enum { LIMIT = 65536 };

const char name[] = "sieve";
const uint64_t expected = 6542; /* primes below 2^16 */

static uint8_t composite[LIMIT];

uint64_t work(uint64_t round)
{
    const uint32_t limit = LIMIT - (uint32_t)(round & 15);
    memset(composite, 0, sizeof composite);
    uint64_t count = 0;
    for (uint32_t i = 2; i < limit; i++) {
        if (composite[i])
            continue;
        count++;
        for (uint32_t j = 2 * i; j < limit; j += i)
            composite[j] = 1;
    }
    return count;
}
