/* What the files of guests/lib share among themselves. */
#ifndef GUEST_LIB_H
#define GUEST_LIB_H

#include "guest.h"

struct dynamic;
void relocate(uint64_t offset, const struct dynamic *entry);
_Noreturn void start_first(const void *tree, uint64_t bare_cpus);
_Noreturn void start_other(void);
extern const char start_secondary[]; /* code, not a function for C to call */
void interrupt(frame *f);

static inline uint32_t to_big32(uint32_t value)
{
#ifdef __LITTLE_ENDIAN__
    return __builtin_bswap32(value);
#else
    return value;
#endif
}

#endif
