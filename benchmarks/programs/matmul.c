/* A product of two matrices of integers: multiply and add in three nested loops. */
#include "bench.h"

enum { SIZE = 64 };

const char name[] = "matmul";
const uint64_t expected = 0x22fa1c4ad03b8f54u;

static int32_t a[SIZE][SIZE], b[SIZE][SIZE];
static int64_t c[SIZE][SIZE];

uint64_t work(uint64_t round)
{
    uint64_t state = round;
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            a[i][j] = (int32_t)(next_random(&state) >> 8);
            b[i][j] = (int32_t)(i * 131 - j * 17 + (int)round);
        }
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            int64_t sum = 0;
            for (int k = 0; k < SIZE; k++)
                sum += (int64_t)a[i][k] * b[k][j];
            c[i][j] = sum;
        }
    uint64_t sum = 0;
    for (int i = 0; i < SIZE; i++)
        sum = fold(sum, (uint64_t)c[i][SIZE - 1 - i]);
    return sum;
}
