/* Makes an image right that lies elsewhere than it was linked at.
 *
 * Runs before anything else in C: it may use no pointer that is stored in data.
 */

#include "lib.h"

struct dynamic {
    int64_t tag;
    uint64_t value;
};

typedef struct {
    uint64_t where, info, addend;
} relocation;

enum { DT_NULL = 0, DT_RELA = 7, DT_RELASZ = 8, R_PPC64_RELATIVE = 22 };

void relocate(uint64_t offset, const struct dynamic *entry)
{
    uint64_t table = 0;
    uint64_t nbytes = 0;
    for (; entry->tag != DT_NULL; entry++) {
        if (entry->tag == DT_RELA)
            table = entry->value + offset;
        if (entry->tag == DT_RELASZ)
            nbytes = entry->value;
    }
    const relocation *r = (const relocation *)table;
    for (uint64_t i = 0; i < nbytes / sizeof *r; i++)
        if ((uint32_t)r[i].info == R_PPC64_RELATIVE)
            *(volatile uint64_t *)(r[i].where + offset) = r[i].addend + offset;
}
