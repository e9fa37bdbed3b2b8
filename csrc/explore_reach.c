/* What a search went through: for coverage, and no part of any state. */
#include "explore.h"

#include <stdlib.h>
#include <string.h>

void reach_node(emu_search *s, uint32_t node)
{
    if (node >= s->reached_size) {
        uint32_t size = node < 512 ? 1024 : node * 2;
        uint8_t *larger = realloc(s->reached, size);
        if (!larger) {
            s->failed = 1;
            return;
        }
        memset(larger + s->reached_size, 0, size - s->reached_size);
        s->reached = larger;
        s->reached_size = size;
    }
    s->reached[node] = 1;
}

void reach_code(emu_search *s, const emu_point *p)
{
    const code_range *range = s->code.at;
    for (uint64_t i = 0; i < s->code.used; i++, range++)
        if (p >= range->points && p < range->points + range->n)
            range->executed[p - range->points] = 1;
}

void emu_search_reached(const emu_search *s, uint8_t *nodes, uint32_t n)
{
    uint32_t known = n < s->reached_size ? n : s->reached_size;
    memset(nodes, 0, n);
    if (known)
        memcpy(nodes, s->reached, known);
}

void emu_search_executed(const emu_search *s, uint64_t address, uint8_t *words, uint32_t n)
{
    memset(words, 0, n);
    const code_range *range = s->code.at;
    for (uint64_t i = 0; i < s->code.used; i++, range++)
        for (uint32_t j = 0; j < range->n; j++) {
            uint64_t at = range->address + 4ull * j - address;
            if (at / 4 < n && at % 4 == 0)
                words[at / 4] = range->executed[j];
        }
}

uint64_t emu_search_exits(const emu_search *s)
{
    return s->exits;
}
