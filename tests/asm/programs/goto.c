/* Computed goto: an interpreter of a small stack machine. */
#include "freestanding.h"

enum { PUSH, ADD, MUL, SUB, DUP, SWAP, LOOP, HALT };

static const s64 code[] = {PUSH, 1, PUSH, 10, SWAP, PUSH, 3, MUL, SWAP, PUSH, 1, SUB, LOOP, 4, HALT};

static s64 execute(const s64 *program)
{
    static const void *const labels[] = {&&push, &&add, &&mul, &&sub, &&dup, &&swap, &&loop, &&halt};
    s64 stack[16], *top = stack;
    const s64 *at = program;
#define NEXT goto *labels[*at++]
    NEXT;
push:
    *top++ = *at++;
    NEXT;
add:
    top--;
    top[-1] += *top;
    NEXT;
mul:
    top--;
    top[-1] *= *top;
    NEXT;
sub:
    top--;
    top[-1] -= *top;
    NEXT;
dup:
    *top = top[-1];
    top++;
    NEXT;
swap: {
    s64 t = top[-1];
    top[-1] = top[-2];
    top[-2] = t;
}
    NEXT;
loop:
    if (top[-1]) {
        at = program + *at;
    } else {
        at++;
    }
    NEXT;
halt:
    return top[-2];
}

int main(void)
{
    return execute(code) != 59049;
}
