/* Reads the flattened device tree (Devicetree Specification, chapter 5). */

#include "lib.h"

enum { FDT_BEGIN_NODE = 1, FDT_END_NODE = 2, FDT_PROP = 3, FDT_NOP = 4 };

struct header {
    uint32_t magic, totalsize, off_dt_struct, off_dt_strings;
};

void fdt_visit(const void *tree, fdt_visitor *visit, void *context)
{
    const struct header *const h = tree;
    const uint8_t *const base = tree;
    char path[256];
    size_t used = 0;
    CHECK(to_big32(h->magic) == 0xd00dfeed);
    const uint8_t *at = base + to_big32(h->off_dt_struct);
    const char *const strings = (const char *)base + to_big32(h->off_dt_strings);
    for (;;) {
        const uint32_t token = fdt_cell(at);
        at += 4;
        switch (token) {
        case FDT_BEGIN_NODE: {
            const size_t nbytes = strlen((const char *)at);
            CHECK(used + 1 + nbytes < sizeof path);
            if (nbytes > 0) { /* the root has no name */
                path[used++] = '/';
                memcpy(path + used, at, nbytes);
                used += nbytes;
            }
            path[used] = 0;
            at += (nbytes + 4) & ~(size_t)3;
            break;
        }
        case FDT_PROP: {
            const uint32_t nbytes = fdt_cell(at);
            visit(context, path, strings + fdt_cell(at + 4), at + 8, nbytes);
            at += 8 + ((nbytes + 3) & ~3u);
            break;
        }
        case FDT_END_NODE:
            while (used > 0 && path[--used] != '/')
                continue;
            path[used] = 0;
            break;
        case FDT_NOP:
            break;
        default:
            return;
        }
    }
}
