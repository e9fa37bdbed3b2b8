/* A state machine: a switch that becomes a jump table, and a table of strings. */
#include "freestanding.h"

enum state { START, SIGN, DIGITS, POINT, FRACTION, EXPONENT, EXPONENT_SIGN, EXPONENT_DIGITS, BAD };

const char *const names[] = {
    "start", "sign", "digits", "point", "fraction", "exponent", "exponent sign", "exponent digits", "bad",
};
u32 visits[9];

static enum state step(enum state state, char c)
{
    int digit = c >= '0' && c <= '9';
    switch (state) {
    case START: return digit ? DIGITS : c == '-' || c == '+' ? SIGN : c == '.' ? POINT : BAD;
    case SIGN: return digit ? DIGITS : c == '.' ? POINT : BAD;
    case DIGITS: return digit ? DIGITS : c == '.' ? FRACTION : c == 'e' ? EXPONENT : BAD;
    case POINT: return digit ? FRACTION : BAD;
    case FRACTION: return digit ? FRACTION : c == 'e' ? EXPONENT : BAD;
    case EXPONENT: return digit ? EXPONENT_DIGITS : c == '-' ? EXPONENT_SIGN : BAD;
    case EXPONENT_SIGN: return digit ? EXPONENT_DIGITS : BAD;
    case EXPONENT_DIGITS: return digit ? EXPONENT_DIGITS : BAD;
    default: return BAD;
    }
}

static int length(const char *text)
{
    int n = 0;
    while (text[n])
        n++;
    return n;
}

static int cost(int kind, int value)
{
    switch (kind) {
    case 0: return value + 3;
    case 1: return value * 7;
    case 2: return value - 11;
    case 3: return value ^ 0x55;
    case 4: return value << 3;
    case 5: return value >> 1;
    case 6: return ~value;
    case 7: return -value;
    case 8: return value % 10;
    case 9: return value / 3;
    case 12: return value | 1;
    default: return 0;
    }
}

int main(void)
{
    static const char *const inputs[] = {"12.5e-3", "+7", ".", "x", "1e5", "-.25", "1e", "3.e+"};
    int good = 0, sum = 0;
    for (unsigned i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        enum state state = START;
        for (const char *c = inputs[i]; *c; c++) {
            state = step(state, *c);
            visits[state]++;
        }
        good += state == DIGITS || state == FRACTION || state == EXPONENT_DIGITS;
        sum += length(names[state]);
    }
    for (int kind = 0; kind < 14; kind++)
        sum += cost(kind, 1000 + kind);
    return !(good == 4 && sum != 0);
}
