/* 128-bit arithmetic: carries, multiply high, shifts across words. */
#include "freestanding.h"

typedef unsigned __int128 u128;

u128 accumulator;
const u128 prime = ((u128)1 << 89) - 1;

__attribute__((noinline)) static u128 multiply(u128 a, u128 b)
{
    return a * b;
}

__attribute__((noinline)) static u128 modulo(u128 value)
{
    while (value > prime)
        value = (value & prime) + (value >> 89);
    return value == prime ? 0 : value;
}

__attribute__((noinline)) static u64 high(u64 a, u64 b)
{
    return (u64)((u128)a * b >> 64);
}

static u128 shifted(u128 value, int count)
{
    return value << count | value >> (128 - count);
}

int main(void)
{
    u128 value = 3;
    for (int i = 0; i < 50; i++) {
        value = modulo(multiply(value, value + (u128)i));
        accumulator += shifted(value, i + 1) - (u128)i;
    }
    __int128 negative = -(__int128)value;
    return !(high(~0UL, ~0UL) == ~0UL - 1 && negative < 0 && (u64)(accumulator >> 64) != 0);
}
