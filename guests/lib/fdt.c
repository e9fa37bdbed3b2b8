/* Just enough of the flattened device tree (Devicetree Specification, chapter 5) to count cpus. */

#include "lib.h"

enum { FDT_BEGIN_NODE = 1, FDT_END_NODE = 2, FDT_PROP = 3, FDT_NOP = 4 };

struct header {
    uint32_t magic, totalsize, off_dt_struct, off_dt_strings;
};

unsigned fdt_cpu_threads(const void *tree)
{
    const struct header *const h = tree;
    const char *const base = tree;
    if (to_big32(h->magic) != 0xd00dfeed)
        return 1;
    const uint32_t *at = (const uint32_t *)(base + to_big32(h->off_dt_struct));
    const char *const strings = base + to_big32(h->off_dt_strings);
    unsigned count = 0;
    for (;;) {
        switch (to_big32(*at++)) {
        case FDT_BEGIN_NODE:
            at += strlen((const char *)at) / 4 + 1;
            break;
        case FDT_PROP: {
            const uint32_t nbytes = to_big32(at[0]);
            /* One cell for each thread; only cpu nodes have it. */
            if (strcmp(strings + to_big32(at[1]), "ibm,ppc-interrupt-server#s") == 0)
                count += nbytes / 4;
            at += 2 + (nbytes + 3) / 4;
            break;
        }
        case FDT_END_NODE:
        case FDT_NOP:
            break;
        default:
            return count ? count : 1;
        }
    }
}
