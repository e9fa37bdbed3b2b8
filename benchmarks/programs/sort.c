/* Quicksort of 64-bit integers: compares, branches that are hard to predict, swaps. */
#include "bench.h"

enum { COUNT = 4000 };

const char name[] = "sort";
const uint64_t expected = 0x14efe8038820eebbu;

static int64_t numbers[COUNT];

static void sort(int64_t *low, int64_t *high) /* both inclusive */
{
    while (high - low > 12) {
        /* Median of three as the pivot, then Hoare's partition. */
        const int64_t a = *low, b = low[(high - low) / 2], c = *high;
        const int64_t pivot = a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
        int64_t *i = low;
        int64_t *j = high;
        while (i <= j) {
            while (*i < pivot)
                i++;
            while (*j > pivot)
                j--;
            if (i <= j) {
                const int64_t t = *i;
                *i++ = *j;
                *j-- = t;
            }
        }
        if (j - low < high - i) { /* the shorter part by recursion */
            sort(low, j);
            low = i;
        } else {
            sort(i, high);
            high = j;
        }
    }
    for (int64_t *i = low + 1; i <= high; i++) {
        const int64_t t = *i;
        int64_t *j = i;
        for (; j > low && j[-1] > t; j--)
            *j = j[-1];
        *j = t;
    }
}

uint64_t work(uint64_t round)
{
    uint64_t state = round;
    uint64_t before = 0;
    uint64_t after = 0;
    for (int i = 0; i < COUNT; i++) {
        numbers[i] = (int64_t)(next_random(&state) << 32 | next_random(&state));
        before += (uint64_t)numbers[i];
    }
    sort(numbers, numbers + COUNT - 1);
    uint64_t sum = 0;
    for (int i = 0; i < COUNT; i++) {
        after += (uint64_t)numbers[i];
        sum = fold(sum, (uint64_t)numbers[i]);
        if (i > 0 && numbers[i - 1] > numbers[i])
            return 0;
    }
    return before == after ? sum : 0;
}
