/* The memory and string routines of C that gcc may call by itself, and a few more. */

#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t nbytes);
void *memmove(void *to, const void *from, size_t nbytes);
void *memset(void *to, int value, size_t nbytes);
int memcmp(const void *a, const void *b, size_t nbytes);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);

typedef uint64_t __attribute__((may_alias, aligned(1))) word;

void *memcpy(void *restrict to, const void *restrict from, size_t nbytes)
{
    char *t = to;
    const char *f = from;
    for (; nbytes >= 8; nbytes -= 8, t += 8, f += 8)
        *(word *)t = *(const word *)f;
    while (nbytes-- > 0)
        *t++ = *f++;
    return to;
}

void *memmove(void *to, const void *from, size_t nbytes)
{
    char *t = to;
    const char *f = from;
    if (t <= f || t >= f + nbytes)
        return memcpy(to, from, nbytes);
    while (nbytes-- > 0)
        t[nbytes] = f[nbytes];
    return to;
}

void *memset(void *to, int value, size_t nbytes)
{
    char *t = to;
    const uint64_t eight = (uint8_t)value * 0x0101010101010101u;
    for (; nbytes >= 8; nbytes -= 8, t += 8)
        *(word *)t = eight;
    while (nbytes-- > 0)
        *t++ = (char)value;
    return to;
}

int memcmp(const void *a, const void *b, size_t nbytes)
{
    const uint8_t *x = a;
    const uint8_t *y = b;
    for (size_t i = 0; i < nbytes; i++)
        if (x[i] != y[i])
            return x[i] - y[i];
    return 0;
}

size_t strlen(const char *text)
{
    size_t n = 0;
    while (text[n])
        n++;
    return n;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (uint8_t)*a - (uint8_t)*b;
}
