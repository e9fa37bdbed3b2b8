/* What a search went through: for coverage, and no part of any state. */
#include "explore.h"

#include <stdlib.h>
#include <string.h>

static uint64_t taken(const emu_search *s, uint32_t vector)
{
    uint64_t sum = 0;
    for (uint32_t vcpu = 0; vcpu < s->m->config.nvcpus; vcpu++)
        sum += emu_count(s->m, vcpu, EMU_DID_INTERRUPT, vector);
    return sum;
}

void reach_begin(emu_search *s)
{
    for (uint32_t i = 0; i < MAX_VECTORS; i++)
        s->taken[i] = taken(s, i * 0x20);
}

int emu_search_interrupted(const emu_search *s, uint32_t vector)
{
    return vector / 0x20 < MAX_VECTORS && taken(s, vector) != s->taken[vector / 0x20];
}

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
