/* What the engine has learned of host code: its operations, and where their answers lead. */
#include "engine_parts.h"

#include <stdlib.h>
#include <string.h>

emu_engine *emu_engine_new(void)
{
    emu_engine *e = calloc(1, sizeof *e);
    if (e)
        e->nnodes = 1;
    return e;
}

void emu_engine_free(emu_engine *e)
{
    if (!e)
        return;
    for (uint32_t i = 0; i < e->nconsoles; i++) {
        free(e->consoles[i].out);
        free(e->consoles[i].in);
    }
    free(e->consoles);
    free(e->nodes);
    free(e->pool);
    free(e->edges);
    free(e->hcalls);
    free(e->counters);
    free(e->ring);
    free(e->turns);
    free(e);
}

uint32_t emu_engine_nodes(const emu_engine *e)
{
    return e->nnodes - 1;
}

uint32_t emu_engine_node(emu_engine *e, const emu_node *is, const uint64_t *list, uint32_t nwords)
{
    if (e->nnodes >= e->nodes_size) {
        uint32_t larger = e->nodes_size ? e->nodes_size * 2 : 256;
        node *moved = realloc(e->nodes, larger * sizeof *moved);
        if (!moved)
            return 0;
        e->nodes = moved;
        e->nodes_size = larger;
    }
    if (e->npool + nwords > e->pool_size) {
        uint32_t larger = (e->pool_size + nwords) * 2;
        uint64_t *moved = realloc(e->pool, larger * sizeof *moved);
        if (!moved)
            return 0;
        e->pool = moved;
        e->pool_size = larger;
    }
    node *n = &e->nodes[e->nnodes];
    n->is = *is;
    n->is.list = e->npool;
    for (int i = 0; i < DIRECT; i++) {
        n->answer[i] = 0;
        n->target[i] = EMU_UNKNOWN;
    }
    if (nwords)
        memcpy(e->pool + e->npool, list, nwords * sizeof *list);
    e->npool += nwords;
    return e->nnodes++;
}

uint32_t engine_edge_slot(const emu_engine *e, uint32_t from, uint64_t answer)
{
    uint64_t h = (answer + from * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu;
    uint32_t i = (uint32_t)(h >> 32) & (e->edges_size - 1);
    while (e->edges[i].node && (e->edges[i].node != from || e->edges[i].answer != answer))
        i = (i + 1) & (e->edges_size - 1);
    return i;
}

static int edges_grow(emu_engine *e)
{
    uint32_t old_size = e->edges_size;
    edge *old = e->edges;
    edge *larger = calloc(old_size ? old_size * 2 : 256, sizeof *larger);
    if (!larger)
        return 0;
    e->edges = larger;
    e->edges_size = old_size ? old_size * 2 : 256;
    for (uint32_t i = 0; i < old_size; i++)
        if (old[i].node)
            e->edges[engine_edge_slot(e, old[i].node, old[i].answer)] = old[i];
    free(old);
    return 1;
}

int emu_engine_edge(emu_engine *e, uint32_t from, uint64_t answer, uint32_t target)
{
    node *n = &e->nodes[from];
    for (int i = 0; i < DIRECT; i++)
        if (n->target[i] == EMU_UNKNOWN || n->answer[i] == answer) {
            n->answer[i] = answer;
            n->target[i] = target;
            return 1;
        }
    if (e->nedges * 2 >= e->edges_size && !edges_grow(e))
        return 0;
    edge *slot = &e->edges[engine_edge_slot(e, from, answer)];
    if (!slot->node)
        e->nedges++;
    *slot = (edge){ .answer = answer, .node = from, .target = target };
    return 1;
}

int emu_engine_hcalls(emu_engine *e, const uint64_t *numbers, uint32_t n)
{
    uint64_t *copy = malloc((n ? n : 1) * sizeof *copy);
    if (!copy)
        return 0;
    memcpy(copy, numbers, n * sizeof *copy);
    free(e->hcalls);
    e->hcalls = copy;
    e->nhcalls = n;
    return 1;
}

const emu_node *emu_engine_at(const emu_engine *e, uint32_t at)
{
    return &e->nodes[at].is;
}

const uint64_t *emu_engine_list(const emu_engine *e, const emu_node *n)
{
    return e->pool + n->list;
}

uint32_t emu_engine_follow(const emu_engine *e, uint32_t from, uint64_t answer)
{
    return follow(e, &e->nodes[from], from, answer);
}
