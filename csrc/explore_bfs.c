/* Every state once, in the order of fewest context switches, then fewest steps: the first schedule
 * that shows something is the shortest of its kind.
 *
 * A node is a state and who moved last. Nodes wait in buckets, one for each number of steps within the current
 * number of switches, as what differs from the initial state. A node is marked as seen when its turn comes, so that a
 * worse way to it never wins over a better one that was found later.
 */
#include "explore.h"

#include <stdlib.h>
#include <string.h>

#define NO_ACTOR UINT32_MAX

typedef struct {
    uint32_t parent;               /* link of the node before; its own number: the start */
    emu_choice by;
} link;

typedef struct {
    uint64_t hash;
    uint32_t link;
    uint32_t last;                 /* actor */
    uint64_t first;                /* of its differences, in the bucket's */
    uint32_t n;
} waiting;

typedef struct {
    array nodes;                   /* waiting */
    array differences;             /* undo_entry: where, and the value there */
    uint64_t next;
} bucket;

typedef struct {
    array links;                   /* link */
    bucket *layers[2];             /* this number of switches, and the next */
    uint64_t sizes[2];
    uint64_t steps;                /* of the bucket whose turn it is */
    uint64_t undo, hash;           /* of the initial state */
    uint32_t *stamps;              /* a number for each word: seen in this round */
    uint32_t round;
    array granules;                /* uint64_t: seen in this round */
    int again;                     /* the next node was begun before */
} bfs;

static void bfs_free(emu_search *s)
{
    bfs *b = s->own;
    for (int layer = 0; layer < 2; layer++) {
        for (uint64_t i = 0; i < b->sizes[layer]; i++) {
            free(b->layers[layer][i].nodes.at);
            free(b->layers[layer][i].differences.at);
        }
        free(b->layers[layer]);
    }
    free(b->links.at);
    free(b->stamps);
    free(b->granules.at);
    free(b);
    s->own = NULL;
}

static bucket *bucket_at(bfs *b, int layer, uint64_t steps)
{
    if (steps >= b->sizes[layer]) {
        uint64_t size = (steps + 1) * 2;
        bucket *moved = realloc(b->layers[layer], size * sizeof *moved);
        if (!moved)
            return NULL;
        memset(moved + b->sizes[layer], 0, (size - b->sizes[layer]) * sizeof *moved);
        b->layers[layer] = moved;
        b->sizes[layer] = size;
    }
    return &b->layers[layer][steps];
}

/* Whether `where` was not asked about in this round. */
static int first_time(bfs *b, uint64_t where)
{
    if (!(where & UNDO_MEMORY)) {
        int first = b->stamps[where] != b->round;
        b->stamps[where] = b->round;
        return first;
    }
    const uint64_t *seen = b->granules.at;
    for (uint64_t i = 0; i < b->granules.used; i++)
        if (seen[i] == where)
            return 0;
    uint64_t *more = array_more(&b->granules, 1, sizeof *more);
    if (more)
        *more = where;
    return 1;
}

static uint64_t value_at(const emu_search *s, uint64_t where)
{
    uint64_t value;
    if (!(where & UNDO_MEMORY))
        return word_at(s, where);
    memcpy(&value, s->vm->bytes + (where & ~UNDO_MEMORY) * 8, 8);
    return value;
}

/* The state of now waits for its turn. */
static int put(emu_search *s, bfs *b, int layer, uint64_t steps, uint32_t parent, emu_choice by, uint32_t last)
{
    bucket *to = bucket_at(b, layer, steps);
    waiting *node = to ? array_more(&to->nodes, 1, sizeof *node) : NULL;
    link *l = array_more(&b->links, 1, sizeof *l);
    if (!node || !l || b->links.used > UINT32_MAX)
        return 0;
    *l = (link){ .parent = parent, .by = by };
    *node = (waiting){ .hash = s->hash, .link = (uint32_t)b->links.used - 1, .last = last,
                       .first = to->differences.used };
    const undo_entry *log = s->undo.at;
    b->round++;
    b->granules.used = 0;
    for (uint64_t i = b->undo; i < s->undo.used; i++) {
        uint64_t now = value_at(s, log[i].where);
        if (!first_time(b, log[i].where) || now == log[i].old)
            continue;
        undo_entry *difference = array_more(&to->differences, 1, sizeof *difference);
        if (!difference)
            return 0;
        *difference = (undo_entry){ .where = log[i].where, .old = now };
        node->n++;
    }
    s->facts.frontier++;
    return 1;
}

/* The trail to a node, from its links. */
static int retrace(emu_search *s, const bfs *b, uint32_t at)
{
    const link *links = b->links.at;
    uint64_t length = 0;
    for (uint32_t i = at; links[i].parent != i; i = links[i].parent)
        length++;
    s->trail.used = 0;
    emu_choice *trail = array_more(&s->trail, length, sizeof *trail);
    if (!trail)
        return 0;
    for (uint32_t i = at; links[i].parent != i; i = links[i].parent)
        trail[--length] = links[i].by;
    return 1;
}

/* The node whose turn it is; NULL: none is left. */
static waiting *next_node(emu_search *s, bfs *b, bucket **from)
{
    for (;;) {
        for (; b->steps < b->sizes[0]; b->steps++) {
            bucket *at = &b->layers[0][b->steps];
            if (at->next < at->nodes.used) {
                *from = at;
                s->facts.frontier--;
                return (waiting *)at->nodes.at + at->next++;
            }
            free(at->nodes.at);
            free(at->differences.at);
            memset(at, 0, sizeof *at);
        }
        bucket *done = b->layers[0];
        uint64_t size = b->sizes[0];
        if (!b->sizes[1])
            return NULL;
        b->layers[0] = b->layers[1];
        b->sizes[0] = b->sizes[1];
        b->layers[1] = NULL;
        b->sizes[1] = 0;
        b->steps = 0;
        for (uint64_t i = 0; i < size; i++)
            free(done[i].nodes.at);
        free(done);
        s->facts.max_depth++;      /* switches */
    }
}

/* Everything that follows from the state of a node. */
static emu_search_verdict expand(emu_search *s, bfs *b, waiting node)
{
    emu_choice choices[MAX_CHOICES];
    uint32_t n = all_choices(s, choices);
    s->facts.states++;
    if (!retrace(s, b, node.link))
        return EMU_SEARCH_MEMORY;
    int news = check_state(s, !n);
    if (!n) {                      /* an end counts once, whoever moved last */
        int first = set_add(&s->set, s->hash ^ 0x6c62272e07bb0142u);
        if (first < 0 || (first && add_outcome(s) < 0))
            news = -1;
    }
    if (news < 0)
        return EMU_SEARCH_MEMORY;
    if (news && s->o.first)
        return EMU_SEARCH_FIRST;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t undo = s->undo.used, hash = s->hash;
        int wire = process_of(s, choices[i]) != choices[i].actor;
        int same = wire || choices[i].actor == node.last || node.last == NO_ACTOR;
        emu_search_verdict verdict = take(s, choices[i]);
        if (verdict != EMU_SEARCH_DONE)
            return verdict;
        s->facts.steps++;
        if (!put(s, b, !same, b->steps + 1, node.link, choices[i], wire ? node.last : choices[i].actor))
            return EMU_SEARCH_MEMORY;
        go_back(s, undo, hash);
    }
    return EMU_SEARCH_DONE;
}

static bfs *begin(emu_search *s)
{
    bfs *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    s->own = b;
    s->own_free = bfs_free;
    b->undo = s->undo.used;
    b->hash = s->hash;
    b->stamps = calloc(s->nshadow, sizeof *b->stamps);
    if (!b->stamps || !put(s, b, 0, 0, 0, (emu_choice){ .actor = 0 }, NO_ACTOR))
        return NULL;
    return b;
}

emu_search_verdict run_bfs(emu_search *s, uint64_t max_steps)
{
    bfs *b = s->own ? s->own : begin(s);
    if (!b)
        return EMU_SEARCH_MEMORY;
    uint64_t until = s->facts.steps + max_steps;
    while (s->facts.steps < until) {
        bucket *from;
        waiting *at = next_node(s, b, &from);
        if (!at)
            return EMU_SEARCH_DONE;
        waiting node = *at;
        int added = set_add(&s->set, node.hash ^ (node.last + 1) * 0xd6e8feb86659fd93u);
        if (added < 0)
            return EMU_SEARCH_MEMORY;
        if (!added && !b->again)
            continue;
        b->again = 0;
        put_state(s, (undo_entry *)from->differences.at + node.first, node.n);
        emu_search_verdict verdict = expand(s, b, node);
        go_back(s, b->undo, b->hash);
        if (verdict == EMU_SEARCH_LEARN) {
            s->facts.states--;     /* it waits on, to be expanded again */
            b->layers[0][b->steps].next--; /* `from` may have moved */
            s->facts.frontier++;
            b->again = 1;
        }
        if (verdict != EMU_SEARCH_DONE)
            return verdict;
        if (s->facts.states >= s->o.max_states)
            return EMU_SEARCH_LIMIT;
    }
    return EMU_SEARCH_PAUSE;
}
