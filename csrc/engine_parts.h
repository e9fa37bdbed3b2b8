/* The engine's own parts, between its files; nobody else looks inside. See engine.abi.h. */
#ifndef ENGINE_PARTS_H
#define ENGINE_PARTS_H

#include "engine.h"
#include "watch.h"

#define DIRECT 2               /* edges kept in the node itself */

typedef struct {
    emu_node is;
    uint64_t answer[DIRECT];
    uint32_t target[DIRECT];   /* EMU_UNKNOWN = not learned */
} node;

typedef struct {
    uint64_t answer;
    uint32_t node;             /* 0 = empty slot */
    uint32_t target;
} edge;

typedef struct {
    uint8_t *out, *in;
    uint64_t out_size, in_len;
} console;

struct emu_engine {
    node *nodes;               /* [0] is unused: node 0 means "returned" */
    uint32_t nnodes, nodes_size;
    uint64_t *pool;
    uint32_t npool, pool_size;
    edge *edges;               /* open addressing; what does not fit in DIRECT */
    uint32_t nedges, edges_size;
    uint64_t *hcalls;
    uint32_t nhcalls;
    uint64_t *counters;
    uint32_t nvcpus, nevents;
    emu_event *ring;
    uint32_t ring_size;
    uint64_t ring_put, ring_got, overrun;
    emu_turn *turns;
    uint64_t nturns, turns_size;
    int recording;
    console *consoles;
    uint32_t nconsoles;
};

/* The words that a run looks at all the time, found once. */
typedef struct {
    emu_machine *machine;
    uint64_t *w;
    emu_machine_state *state;
    emu_vcpu *vcpu;
    emu_thread *thread;
    emu_actor *actor;
    uint32_t nactors;
} view;

static inline view view_of(emu_machine *m)
{
    uint64_t *w = emu_words(m);
    uint64_t actors = m->area[EMU_AREA_ACTOR];
    return (view){
        .machine = m,
        .w = w,
        .state = (emu_machine_state *)(w + m->area[EMU_AREA_MACHINE]),
        .vcpu = (emu_vcpu *)(w + m->area[EMU_AREA_VCPU]),
        .thread = (emu_thread *)(w + m->area[EMU_AREA_THREAD]),
        .actor = (emu_actor *)(w + actors),
        .nactors = (uint32_t)((m->area[EMU_AREA_HOST] - actors) * sizeof *w / sizeof(emu_actor)),
    };
}

#define EMU_TURN_STEPS (UINT64_C(1) << EMU_TURN_STEPS_BIT)

static inline uint64_t random64(uint64_t *state)      /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* ---- engine_automaton.c ---- */

/* Where the edge of an answer is, or would be. Nearly all are in the node itself, and with this inlined
 * the walk, which is all that a trap costs, takes up to a fifth longer. */
__attribute__((noinline))
uint32_t engine_edge_slot(const emu_engine *e, uint32_t from, uint64_t answer);

static inline uint32_t follow(const emu_engine *e, const node *n, uint32_t from, uint64_t answer)
{
    for (int i = 0; i < DIRECT; i++)
        if (n->answer[i] == answer && n->target[i] != EMU_UNKNOWN)
            return n->target[i];
    if (n->target[DIRECT - 1] == EMU_UNKNOWN || !e->edges_size)
        return EMU_UNKNOWN;
    const edge *slot = &e->edges[engine_edge_slot(e, from, answer)];
    return slot->node ? slot->target : EMU_UNKNOWN;
}

/* ---- engine_observe.c ---- */

/* Counts the event of a node, and keeps it if events are kept. */
void engine_record(emu_engine *e, const view *m, const emu_node *n, uint32_t actor);
/* Keeps a turn that begins, if turns are recorded; 0 = out of memory. */
int engine_note_turn(emu_engine *e, emu_turn turn);
/* Writes up to 16 characters of hcall registers to a console; 0 = out of memory. */
int engine_put_chars(console *c, const uint64_t *chars, uint64_t count, uint64_t *end);
/* Reads up to 16 characters of a console's input into hcall registers; how many there were. */
uint64_t engine_get_chars(const console *c, uint64_t *chars, uint64_t *begin);

/* ---- engine_turns.c ---- */

static inline int holds(const uint64_t *w, uint64_t tb, const uint64_t *cond)
{
    uint64_t word = w[cond[1]];
    switch ((emu_cond_kind)cond[0]) {
    case EMU_COND_ANY:      return (word & cond[2]) != 0;
    case EMU_COND_NONE:     return (word & cond[2]) == 0;
    case EMU_COND_EQUAL:    return (word & cond[2]) == cond[3];
    case EMU_COND_AT_LEAST: return (word & cond[2]) >= cond[3];
    case EMU_COND_PAST:     return tb >= word;
    case EMU_COND_ALL_OUT:  return ((word ^ word >> 8) & 0xff) == 0;
    }
    return 0;
}

/* What an Await would answer now; EMU_UNKNOWN = it waits on. */
static inline uint32_t awaited(const emu_engine *e, const uint64_t *w, uint64_t tb, const emu_node *n)
{
    for (uint32_t i = 0; i < n->list_len; i++)
        if (holds(w, tb, e->pool + n->list + 4 * i))
            return i;
    return n->ref && tb >= w[n->ref] ? n->list_len : EMU_UNKNOWN;
}

/* Begins the next turn; EMU_WALK_PAUSE = somebody has it, and is machine.sched_last - 1. */
emu_verdict engine_begin_turn(emu_engine *e, const view *m, emu_run_args *r);

/* A slice that has been used up ends the turn at the guest, not in the host code before it. */
static inline int turn_is_over(const emu_engine *e, const emu_actor *a)
{
    return a->slice == 0 || a->node == 0
           || (a->slice == 1 && e->nodes[a->node].is.op == EMU_OP_RUN);
}

#endif
