/* What the files of guests/lib share among themselves. */
#ifndef GUEST_LIB_H
#define GUEST_LIB_H

#include "guest.h"

_Noreturn void start_first(const void *tree, uint64_t bare_cpus);
_Noreturn void start_other(void);
void start_secondary(void);
void interrupt(frame *f);

/* Threads of all cpus in a flattened device tree. */
unsigned fdt_cpu_threads(const void *tree);

static inline uint32_t to_big32(uint32_t value)
{
#ifdef __LITTLE_ENDIAN__
    return __builtin_bswap32(value);
#else
    return value;
#endif
}

#endif
