/* A printf into memory: varargs, jump tables, strings. */
#include "freestanding.h"
#include <stdarg.h>

static char out[512];
static u64 used;

static void put(char c)
{
    if (used < sizeof out - 1)
        out[used++] = c;
}

static void number(u64 value, unsigned base, int width, char pad)
{
    static const char digits[] = "0123456789abcdef";
    char text[64];
    int n = 0;
    do
        text[n++] = digits[value % base];
    while ((value /= base) != 0);
    while (n < width)
        text[n++] = pad;
    while (n)
        put(text[--n]);
}

static int print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    for (; *format; format++) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        int width = 0, is_long = 0;
        char pad = ' ';
        if (*++format == '0')
            pad = *format++;
        while (*format >= '0' && *format <= '9')
            width = width * 10 + *format++ - '0';
        if (*format == 'l') {
            is_long = 1;
            format++;
        }
        switch (*format) {
        case 'd': {
            s64 value = is_long ? va_arg(args, s64) : va_arg(args, int);
            if (value < 0) {
                put('-');
                value = -value;
            }
            number((u64)value, 10, width, pad);
            break;
        }
        case 'u': number(is_long ? va_arg(args, u64) : va_arg(args, u32), 10, width, pad); break;
        case 'x': number(is_long ? va_arg(args, u64) : va_arg(args, u32), 16, width, pad); break;
        case 'o': number(va_arg(args, u32), 8, width, pad); break;
        case 'b': number(va_arg(args, u32), 2, width, pad); break;
        case 'p': put('0'); put('x'); number(va_arg(args, u64), 16, 16, '0'); break;
        case 'c': put((char)va_arg(args, int)); break;
        case 's': {
            const char *text = va_arg(args, const char *);
            for (text = text ? text : "(null)"; *text; text++)
                put(*text);
            break;
        }
        case '%': put('%'); break;
        default: put('?'); break;
        }
    }
    va_end(args);
    return (int)used;
}

int main(void)
{
    print("hello %s, %d %u %x\n", "world", -42, 42u, 0xdeadbeefu);
    print("%08x|%5d|%c|%%|%lx|%p\n", 0x1234, 7, 'z', 0x123456789abcdefUL, out);
    return print("%o %b %s %ld\n", 8, 5, (char *)0, -1L) == 89 ? 0 : 1;
}
