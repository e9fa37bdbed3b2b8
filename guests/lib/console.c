/* Text to the hypervisor's console. */

#include "guest.h"

static spinlock console_lock;

void console_put(const char *text, size_t nbytes)
{
    while (nbytes > 0) {
        /* Sixteen characters a call, in two registers: the first one in the highest byte. */
        const size_t now = nbytes < 16 ? nbytes : 16;
        uint64_t words[2] = {0, 0};
        for (size_t i = 0; i < now; i++)
            words[i / 8] |= (uint64_t)(uint8_t)text[i] << (56 - 8 * (i % 8));
        /* The vty may be full (H_BUSY): the same sixteen again. */
        if (hcall(H_PUT_TERM_CHAR, 0, now, words[0], words[1]).status == H_SUCCESS) {
            text += now;
            nbytes -= now;
        }
    }
}

typedef struct {
    char text[256];
    size_t used;
} line;

static void put(line *l, char c)
{
    if (l->used == sizeof l->text) {
        console_put(l->text, l->used);
        l->used = 0;
    }
    l->text[l->used++] = c;
}

static void put_padded(line *l, const char *text, size_t nbytes, int width, bool left, char pad)
{
    for (int i = (int)nbytes; !left && i < width; i++)
        put(l, pad);
    for (size_t i = 0; i < nbytes; i++)
        put(l, text[i]);
    for (int i = (int)nbytes; left && i < width; i++)
        put(l, ' ');
}

/* Digits of `value`, written towards the front of `end`; returns the first. */
static char *digits(char *end, uint64_t value, unsigned base)
{
    do {
        *--end = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    return end;
}

void print(const char *format, ...)
{
    line l = {.used = 0};
    char number[24];
    char *const end = number + sizeof number;
    va_list args;
    va_start(args, format);
    for (; *format; format++) {
        if (*format != '%') {
            put(&l, *format);
            continue;
        }
        const char *const start = format++;
        bool left = false;
        bool is_long = false;
        char pad = ' ';
        int width = 0;
        for (;; format++) {
            if (*format == '-')
                left = true;
            else if (*format == '0' && width == 0)
                pad = '0';
            else if (*format >= '0' && *format <= '9')
                width = width * 10 + *format - '0';
            else if (*format == 'l')
                is_long = true;
            else
                break;
        }
        char *first = end;
        switch (*format) {
        case 'c':
            *--first = (char)va_arg(args, int);
            break;
        case 's': {
            const char *const text = va_arg(args, const char *);
            put_padded(&l, text, strlen(text), width, left, ' ');
            continue;
        }
        case 'd': {
            const int64_t value = is_long ? va_arg(args, long) : va_arg(args, int);
            first = digits(first, value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
            if (value < 0)
                *--first = '-';
            break;
        }
        case 'u':
        case 'x':
            first = digits(first, is_long ? va_arg(args, unsigned long) : va_arg(args, unsigned),
                           *format == 'u' ? 10 : 16);
            break;
        case 'p':
            first = digits(first, (uint64_t)(uintptr_t)va_arg(args, void *), 16);
            break;
        default: /* unknown: as it stands; the text may end here */
            put_padded(&l, start, (size_t)(format - start), 0, false, ' ');
            format--;
            continue;
        }
        put_padded(&l, first, (size_t)(end - first), width, left, pad);
    }
    va_end(args);
    /* Lines of different cpus do not mix. An interrupt handler that prints while its own cpu holds
     * the lock would wait for ever: print with interrupts off, or not from handlers. */
    spin_lock(&console_lock);
    console_put(l.text, l.used);
    spin_unlock(&console_lock);
}
