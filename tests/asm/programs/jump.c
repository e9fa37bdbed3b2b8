/* setjmp and longjmp of our own, in inline assembly. */
#include "freestanding.h"

typedef u64 jump_buffer[24];

__attribute__((noinline, returns_twice)) static int save(u64 *buffer)
{
    int result;
    __asm__ volatile("mflr 0\n\t"
                     "std 0, 0(%1)\n\t"
                     "std 1, 8(%1)\n\t"
                     "std 2, 16(%1)\n\t"
                     "mfcr 0\n\t"
                     "std 0, 24(%1)\n\t"
                     "li %0, 0\n"
                     "1:\tb 2f\n\t"
                     "nop\n"
                     "2:"
                     : "=&r"(result)
                     : "b"(buffer)
                     : "r0", "memory");
    return result;
}

static jump_buffer place;
static volatile int depth;

__attribute__((noinline)) static void dive(int levels)
{
    depth++;
    if (levels > 0)
        dive(levels - 1);
    else
        depth += 100;
    __asm__ volatile("" ::: "memory");
}

#define REPEAT(n) __asm__ volatile(".rept " #n "\n\tnop\n\t.endr")

int main(void)
{
    if (save(place) != 0)
        return 2;
    dive(5);
    REPEAT(3);
    return depth == 106 && place[1] != 0 ? 0 : 1;
}
