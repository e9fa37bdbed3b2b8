/* Walks host code that Python has written and the automaton has learned; see engine.abi.h.
 *
 * The walk is the hypervisor's whole cost in a plain run, so it does nothing but look at words:
 * no allocation (console output and recordings aside), no call into Python.
 */
#include "engine.h"
#include "watch.h"

#include <stdlib.h>
#include <string.h>

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

/* Room for one more of `size` entries of `each` bytes: doubles; 0 = out of memory. */
static int room(void **array, uint64_t used, uint64_t *size, size_t each)
{
    if (used < *size)
        return 1;
    uint64_t larger = *size ? *size * 2 : 64;
    void *moved = realloc(*array, larger * each);
    if (!moved)
        return 0;
    *array = moved;
    *size = larger;
    return 1;
}

/* ---- the automaton ----------------------------------------------------------------------- */

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

static uint32_t edge_slot(const emu_engine *e, uint32_t from, uint64_t answer)
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
            e->edges[edge_slot(e, old[i].node, old[i].answer)] = old[i];
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
    edge *slot = &e->edges[edge_slot(e, from, answer)];
    if (!slot->node)
        e->nedges++;
    *slot = (edge){ .answer = answer, .node = from, .target = target };
    return 1;
}

static inline uint32_t follow(const emu_engine *e, const node *n, uint32_t from, uint64_t answer)
{
    for (int i = 0; i < DIRECT; i++)
        if (n->answer[i] == answer && n->target[i] != EMU_UNKNOWN)
            return n->target[i];
    if (n->target[DIRECT - 1] == EMU_UNKNOWN || !e->edges_size)
        return EMU_UNKNOWN;
    const edge *slot = &e->edges[edge_slot(e, from, answer)];
    return slot->node ? slot->target : EMU_UNKNOWN;
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

/* ---- observation ------------------------------------------------------------------------- */

int emu_engine_observe(emu_engine *e, uint32_t nvcpus, uint32_t nevents)
{
    uint64_t *counters = calloc((size_t)nvcpus * nevents + 1, sizeof *counters);
    if (!counters)
        return 0;
    free(e->counters);
    e->counters = counters;
    e->nvcpus = nvcpus;
    e->nevents = nevents;
    return 1;
}

uint64_t *emu_engine_counters(emu_engine *e)
{
    return e->counters;
}

int emu_engine_ring(emu_engine *e, uint32_t nentries)
{
    emu_event *ring = NULL;
    if (nentries & (nentries - 1))
        return 0;
    if (nentries && !(ring = malloc(nentries * sizeof *ring)))
        return 0;
    free(e->ring);
    e->ring = ring;
    e->ring_size = nentries;
    e->ring_put = e->ring_got = e->overrun = 0;
    return 1;
}

uint32_t emu_engine_drain(emu_engine *e, emu_event *out, uint32_t n)
{
    uint32_t taken = 0;
    while (taken < n && e->ring_got < e->ring_put)
        out[taken++] = e->ring[e->ring_got++ & (e->ring_size - 1)];
    return taken;
}

uint64_t emu_engine_overrun(const emu_engine *e)
{
    return e->overrun;
}

int emu_engine_record(emu_engine *e, int on)
{
    e->recording = on;
    e->nturns = 0;
    return 1;
}

uint64_t emu_engine_recorded(const emu_engine *e, emu_turn *out, uint64_t n)
{
    if (n > e->nturns)
        n = e->nturns;
    if (n)
        memcpy(out, e->turns, n * sizeof *out);
    return e->nturns;
}

int emu_engine_consoles(emu_engine *e, uint32_t n)
{
    console *consoles = calloc(n ? n : 1, sizeof *consoles);
    if (!consoles)
        return 0;
    for (uint32_t i = 0; i < e->nconsoles; i++) {
        free(e->consoles[i].out);
        free(e->consoles[i].in);
    }
    free(e->consoles);
    e->consoles = consoles;
    e->nconsoles = n;
    return 1;
}

int emu_engine_feed(emu_engine *e, uint32_t number, const uint8_t *bytes, uint64_t n)
{
    console *c = &e->consoles[number];
    uint8_t *in = realloc(c->in, c->in_len + n + 1);
    if (!in)
        return 0;
    memcpy(in + c->in_len, bytes, n);
    c->in = in;
    c->in_len += n;
    return 1;
}

const uint8_t *emu_engine_output(const emu_engine *e, uint32_t number)
{
    return e->consoles[number].out;
}

static int room_for_output(console *c, uint64_t end)
{
    if (end > c->out_size) {
        uint64_t larger = end * 2;
        uint8_t *moved = realloc(c->out, larger);
        if (!moved)
            return 0;
        c->out = moved;
        c->out_size = larger;
    }
    return 1;
}

int emu_engine_put(emu_engine *e, uint32_t number, uint64_t at, const uint8_t *bytes, uint64_t n)
{
    console *c = &e->consoles[number];
    if (!room_for_output(c, at + n))
        return 0;
    memcpy(c->out + at, bytes, n);
    return 1;
}

/* hcall registers hold characters most significant byte first, 8 a register. */
static int put_chars(console *c, const uint64_t *chars, uint64_t count, uint64_t *end)
{
    if (count > 16)
        count = 16;
    if (!room_for_output(c, *end + count))
        return 0;
    for (uint64_t i = 0; i < count; i++)
        c->out[*end + i] = (uint8_t)(chars[i / 8] >> (56 - i % 8 * 8));
    *end += count;
    return 1;
}

static uint64_t get_chars(const console *c, uint64_t *chars, uint64_t *begin)
{
    uint64_t count = *begin < c->in_len ? c->in_len - *begin : 0;
    if (count > 16)
        count = 16;
    chars[0] = chars[1] = 0;
    for (uint64_t i = 0; i < count; i++)
        chars[i / 8] |= (uint64_t)c->in[*begin + i] << (56 - i % 8 * 8);
    *begin += count;
    return count;
}

/* ---- conditions -------------------------------------------------------------------------- */

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
static uint32_t awaited(const emu_engine *e, const uint64_t *w, uint64_t tb, const emu_node *n)
{
    for (uint32_t i = 0; i < n->list_len; i++)
        if (holds(w, tb, e->pool + n->list + 4 * i))
            return i;
    return n->ref && tb >= w[n->ref] ? n->list_len : EMU_UNKNOWN;
}

/* ---- the machine's words ------------------------------------------------------------------ */

typedef struct {
    emu_machine *machine;
    uint64_t *w;
    emu_machine_state *state;
    emu_vcpu *vcpu;
    emu_thread *thread;
    emu_actor *actor;
    uint32_t nactors;
} view;

static view view_of(emu_machine *m)
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

/* ---- whose turn it is -------------------------------------------------------------------- */

static int enabled(const emu_engine *e, const view *m, uint32_t actor)
{
    uint64_t at = m->actor[actor].node;
    if (!at)
        return 0;
    const emu_node *n = &e->nodes[at].is;
    return n->op != EMU_OP_AWAIT || awaited(e, m->w, m->state->tb, n) != EMU_UNKNOWN;
}

/* The nearest time that any actor waits for; UINT64_MAX = none waits for a time. */
static uint64_t next_time(const emu_engine *e, const view *m)
{
    uint64_t nearest = UINT64_MAX;
    for (uint32_t a = 0; a < m->nactors; a++) {
        const emu_node *n = &e->nodes[m->actor[a].node].is;
        if (!m->actor[a].node || n->op != EMU_OP_AWAIT)
            continue;
        if (n->ref && m->w[n->ref] < nearest)
            nearest = m->w[n->ref];
        for (uint32_t i = 0; i < n->list_len; i++) {
            const uint64_t *cond = e->pool + n->list + 4 * i;
            if (cond[0] == EMU_COND_PAST && m->w[cond[1]] < nearest)
                nearest = m->w[cond[1]];
        }
    }
    return nearest;
}

static uint64_t random64(uint64_t *state)      /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* The first enabled actor after `last` in turn, or EMU_UNKNOWN. */
static uint32_t next_enabled(const emu_engine *e, const view *m, uint32_t last)
{
    for (uint32_t i = 1; i <= m->nactors; i++) {
        uint32_t a = (last + i) % m->nactors;
        if (enabled(e, m, a))
            return a;
    }
    return EMU_UNKNOWN;
}

static uint32_t random_enabled(const emu_engine *e, const view *m)
{
    uint32_t ready = 0;
    for (uint32_t a = 0; a < m->nactors; a++)
        ready += (uint32_t)enabled(e, m, a);
    if (!ready)
        return EMU_UNKNOWN;
    uint32_t which = (uint32_t)(random64(&m->state->sched_rng) % ready);
    uint32_t a = EMU_UNKNOWN;
    for (uint32_t i = 0; i <= which; i++)
        a = next_enabled(e, m, a == EMU_UNKNOWN ? m->nactors - 1 : a);
    return a;
}

#define FIRST_PRIORITY (UINT64_C(1) << 62)

/* A random permutation of numbers so high that there is always room for one more below. */
static void draw_priorities(const view *m)
{
    uint64_t *rng = &m->state->sched_rng;
    for (uint32_t a = 0; a < m->nactors; a++) {
        uint32_t other = (uint32_t)(random64(rng) % (a + 1));
        m->actor[a].priority = m->actor[other].priority;
        m->actor[other].priority = FIRST_PRIORITY + a;
    }
}

/* Below all others. */
static void fall(const view *m, uint32_t actor)
{
    uint64_t least = UINT64_MAX;
    for (uint32_t a = 0; a < m->nactors; a++)
        least = m->actor[a].priority < least ? m->actor[a].priority : least;
    m->actor[actor].priority = least - 1;
}

/* PCT (Burckhardt and others, A Randomized Scheduler with Probabilistic Guarantees of Finding
 * Bugs): whose turn is over although it could go on has come to a change point. */
static void change_priorities(const emu_engine *e, const view *m)
{
    uint64_t last = m->state->sched_last;
    if (!m->actor[0].priority)
        draw_priorities(m);
    else if (last && enabled(e, m, (uint32_t)last - 1))
        fall(m, (uint32_t)last - 1);
}

/* The enabled actor with the highest priority, or EMU_UNKNOWN. */
static uint32_t most_urgent(const emu_engine *e, const view *m)
{
    uint32_t first = EMU_UNKNOWN;
    for (uint32_t a = 0; a < m->nactors; a++)
        if (enabled(e, m, a) && (first == EMU_UNKNOWN || m->actor[a].priority > m->actor[first].priority))
            first = a;
    return first;
}

static uint32_t choose(const emu_engine *e, const view *m, uint32_t scheduler)
{
    uint64_t last = m->state->sched_last;
    uint32_t before = last ? (uint32_t)last - 1 : m->nactors - 1;
    switch (scheduler) {
    case EMU_SCHED_RANDOM:
        return random_enabled(e, m);
    case EMU_SCHED_PCT:
        return most_urgent(e, m);
    default:
        return next_enabled(e, m, before);
    }
}

#define EMU_TURN_STEPS (UINT64_C(1) << EMU_TURN_STEPS_BIT)

static int note_turn(emu_engine *e, emu_turn turn)
{
    if (!e->recording)
        return 1;
    if (!room((void **)&e->turns, e->nturns, &e->turns_size, sizeof *e->turns))
        return 0;
    e->turns[e->nturns++] = turn;
    return 1;
}

/* Begins the next turn; EMU_WALK_PAUSE = somebody has it, and is machine.sched_last - 1. */
static emu_verdict begin_turn(emu_engine *e, const view *m, emu_run_args *r)
{
    emu_machine_state *s = m->state;
    uint32_t a;
    if (r->scheduler == EMU_SCHED_PCT)
        change_priorities(e, m);
    for (;;) {
        a = choose(e, m, r->scheduler);
        if (a != EMU_UNKNOWN)
            break;
        uint64_t nearest = next_time(e, m);
        if (nearest == UINT64_MAX)
            return EMU_WALK_DEADLOCK;
        s->tb = nearest;
    }
    emu_turn next = { .actor = a, .slice = r->slice };
    if (r->scheduler == EMU_SCHED_RANDOM || r->scheduler == EMU_SCHED_PCT) {
        next.slice = 1 + random64(&s->sched_rng) % r->slice;
    } else if (r->scheduler == EMU_SCHED_REPLAY && r->next_turn < r->nturns) {
        const emu_turn *turn = &r->turns[r->next_turn++];
        if (turn->actor >= m->nactors || !enabled(e, m, (uint32_t)turn->actor)) {
            r->actor = (uint32_t)turn->actor;
            return EMU_WALK_DIVERGED;
        }
        next = *turn;
    }
    s->sched_last = 1 + next.actor;
    m->actor[next.actor].slice = next.steps ? EMU_TURN_STEPS | next.steps : 1 + next.slice;
    return note_turn(e, next) ? EMU_WALK_PAUSE : EMU_WALK_MEMORY;
}

/* ---- the walk ---------------------------------------------------------------------------- */

static void record(emu_engine *e, const view *m, const emu_node *n, uint32_t actor)
{
    e->counters[n->b * e->nevents + n->a]++;
    if (!e->ring_size)
        return;
    if (e->ring_put - e->ring_got == e->ring_size) {
        e->ring_got++;
        e->overrun++;
    }
    e->ring[e->ring_put++ & (e->ring_size - 1)] = (emu_event){
        .tb = m->state->tb, .actor = actor, .vcpu = (uint32_t)n->b, .event = n->a,
        .value = n->ref ? m->w[n->ref] : 0, .nia = m->vcpu[n->b].nia,
    };
}

static uint64_t exit_detail(const emu_engine *e, const view *m, uint32_t thread, emu_exit_reason why)
{
    if (why == EMU_EXIT_HFAC_UNAVAIL)
        return m->thread[thread].hfscr >> 56;
    if (why == EMU_EXIT_HCALL) {
        uint64_t number = m->vcpu[m->thread[thread].vcpu - 1].gpr[3];
        for (uint32_t i = 0; i < e->nhcalls; i++)
            if (e->hcalls[i] == number)
                return i + 1;
    }
    return 0;
}

static void count_in_memory(emu_machine *machine, uint32_t vm, uint64_t address)
{
    uint64_t size = emu_memory_size(machine, vm);
    if (!address || address > size || size - address < 4)
        return;
    const uint8_t *at = emu_memory(machine, vm) + address;
    uint32_t count = ((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]) + 1;
    const uint8_t bytes[4] = {
        (uint8_t)(count >> 24), (uint8_t)(count >> 16), (uint8_t)(count >> 8), (uint8_t)count,
    };
    emu_write(machine, vm, address, bytes, sizeof bytes);
}

/* Does what a node says, EMU_OP_RUN aside. */
static inline emu_performed perform(emu_engine *e, const view *m, uint32_t actor, const emu_node *n,
                                    uint64_t *answer)
{
    uint64_t *w = m->w;
    emu_machine_state *s = m->state;
    *answer = 0;
    switch ((emu_op_code)n->op) {
    case EMU_OP_READ: {
        uint64_t value = w[n->ref] >> n->ref2 & n->a;
        if (n->list_len) {
            uint32_t i = 0;
            while (i < n->list_len && e->pool[n->list + i] != value)
                i++;
            value = i;
        } else if (value > n->b) {
            value = n->b;
        }
        *answer = value;
        break;
    }
    case EMU_OP_CHECK:
        *answer = (uint64_t)holds(w, s->tb, e->pool + n->list);
        break;
    case EMU_OP_WRITE:
        w[n->ref] = n->a;
        break;
    case EMU_OP_COPY:
        w[n->ref] = w[n->ref2];
        break;
    case EMU_OP_CAS:
        *answer = w[n->ref] == n->a;
        if (*answer)
            w[n->ref] = n->b;
        break;
    case EMU_OP_OR:
        *answer = w[n->ref] < n->b;
        if (*answer)
            w[n->ref] |= n->a;
        break;
    case EMU_OP_OR_UNLESS:
        *answer = (w[n->ref] | n->a) != n->b;
        if (*answer)
            w[n->ref] |= n->a;
        break;
    case EMU_OP_AND:
        w[n->ref] &= n->a;
        break;
    case EMU_OP_ADD:
        *answer = w[n->ref] < n->b;
        if (*answer)
            w[n->ref] += n->a;
        break;
    case EMU_OP_SUM:
        w[n->ref] = w[n->ref2] + n->a;
        break;
    case EMU_OP_ACCUMULATE:
        w[n->ref] += w[n->ref2];
        break;
    case EMU_OP_MIN:
        if (w[n->ref2] < w[n->ref])
            w[n->ref] = w[n->ref2];
        break;
    case EMU_OP_GATHER:
        w[n->ref] = w[n->a + (w[n->ref2] >> n->b & 31)];
        break;
    case EMU_OP_SCATTER:
        w[n->a + (w[n->ref2] >> n->b & 31)] = w[n->ref];
        break;
    case EMU_OP_AWAIT: {
        uint32_t which = awaited(e, w, s->tb, n);
        if (which == EMU_UNKNOWN)
            return EMU_PERFORMED_NOTHING;
        *answer = which;
        break;
    }
    case EMU_OP_FETCH: {
        uint32_t word = 0;
        *answer = emu_fetch(m->machine, (uint32_t)n->a, &word) == 0;
        m->vcpu[n->a].exit_word = word;
        break;
    }
    case EMU_OP_INJECT:
        if (emu_interrupt(m->machine, (uint32_t)n->a, (uint32_t)n->b, n->ref2))
            return EMU_PERFORMED_NOTHING;
        break;
    case EMU_OP_ADVANCE:
        m->vcpu[n->a].nia += 4;
        break;
    case EMU_OP_RANDOM:
        w[n->ref] = random64(&s->rng);
        break;
    case EMU_OP_PUT_CHARS:
        if (!put_chars(&e->consoles[n->a], w + n->ref, w[n->ref2], &w[n->b]))
            return EMU_PERFORMED_BADLY;
        break;
    case EMU_OP_GET_CHARS:
        w[n->ref2] = get_chars(&e->consoles[n->a], w + n->ref, &w[n->b]);
        break;
    case EMU_OP_COUNT:
        count_in_memory(m->machine, (uint32_t)n->a, w[n->ref]);
        break;
    case EMU_OP_TRACE:
        record(e, m, n, actor);
        break;
    case EMU_OP_RELAX:
        break;
    case EMU_OP_STOP:
        s->stopped = 1;
        s->status = w[n->ref];
        break;
    case EMU_OP_EXTRACT:
        w[n->ref] = w[n->ref2] >> n->b & n->a;
        break;
    case EMU_OP_DEPOSIT:
        w[n->ref] = (w[n->ref] & ~(n->a << n->b)) | (w[n->ref2] & n->a) << n->b;
        break;
    case EMU_OP_COMPARE:
        *answer = w[n->ref] < w[n->ref2] ? 0 : w[n->ref] == w[n->ref2] ? 1 : 2;
        break;
    case EMU_OP_SWAP:
        *answer = w[n->ref] == w[n->ref2];
        if (*answer)
            w[n->ref] = w[n->a];
        break;
    case EMU_OP_RUN:
    case EMU_OP_CALL:
        return EMU_PERFORMED_NOTHING;
    }
    return EMU_PERFORMED;
}

static void step(emu_run_args *r, emu_step what, uint32_t at)
{
    r->steps++;
    r->last = what;
    r->last_node = at;
}

/* Whether an exit is the running instruction's doing, and not that of a timer or another thread. */
static int is_caused(emu_exit_reason why)
{
    return why != EMU_EXIT_HDEC && why != EMU_EXIT_H_DOORBELL && why != EMU_EXIT_EXTERNAL
           && why != EMU_EXIT_NO_VCPU;
}

/* Runs the guest for an actor's turn; EMU_WALK_PAUSE = it exited, and the word says why. */
static emu_verdict run_guest(const emu_engine *e, const view *m, emu_actor *me, const emu_node *n,
                             emu_run_args *r, int *exited)
{
    uint64_t budget = r->max_insns - r->insns;
    uint32_t thread = (uint32_t)n->a;
    *exited = 0;
    if (budget > me->slice - 1)
        budget = me->slice - 1;
    if (budget > r->max_steps - r->steps)
        budget = r->max_steps - r->steps;
    if (!budget)
        return EMU_WALK_PAUSE;
    uint64_t before = m->state->tb, paid = m->machine->paid;
    emu_exit_reason why = emu_run(m->machine, thread, budget);
    uint64_t used = m->state->tb - before;
    uint64_t done = used + (m->machine->paid - paid);
    r->insns += used;
    me->slice -= used;
    if (done) {
        r->steps += done;
        r->last = EMU_STEP_GUEST;
    }
    switch (why) {
    case EMU_EXIT_BUDGET:
        return EMU_WALK_PAUSE;
    case EMU_EXIT_UNHANDLED:
        if (!done)
            step(r, EMU_STEP_GUEST, 0);
        return EMU_WALK_TRAP;
    case EMU_EXIT_BREAKPOINT:
        return EMU_WALK_BREAK;
    default:
        break;
    }
    if (is_caused(why)) {
        r->last = EMU_STEP_EXIT;
        r->last_node = (uint32_t)me->node;
    } else {
        /* A tick of the slice, so that a guest which never completes an instruction does not keep
         * the others from running; whatever ran before, so that replays agree. */
        step(r, EMU_STEP_EXIT, (uint32_t)me->node);
        me->slice--;
    }
    m->w[n->ref] = (uint64_t)why | exit_detail(e, m, thread, why) << 8;
    *exited = 1;
    return EMU_WALK_PAUSE;
}

/* A slice that has been used up ends the turn at the guest, not in the host code before it. */
static int turn_is_over(const emu_engine *e, const emu_actor *a)
{
    return a->slice == 0 || a->node == 0
           || (a->slice == 1 && e->nodes[a->node].is.op == EMU_OP_RUN);
}

/* Host operations of an actor until it comes to its guest, waits, or Python is needed; EMU_WALK_PAUSE
 * and *at = where. What changes at each step is in locals: this loop is what a trap costs. */
static emu_verdict walk_host(emu_engine *e, const view *m, uint32_t actor, emu_run_args *r,
                             uint64_t *visits, uint32_t *at)
{
    emu_actor *me = &m->actor[actor];
    uint64_t room = r->max_steps - r->steps;
    if (room > *visits)
        room = *visits;
    uint64_t left = room;
    uint32_t here = *at, last = 0;
    int waits = 0;
    emu_verdict verdict = EMU_WALK_PAUSE;
    while (left) {
        const node *n = &e->nodes[here];
        uint32_t op = n->is.op;
        uint64_t answer;
        if (op == EMU_OP_RUN)
            break;
        emu_performed done = perform(e, m, actor, &n->is, &answer);
        if (UNLIKELY(done != EMU_PERFORMED)) {
            r->node = here;
            verdict = done == EMU_PERFORMED_BADLY ? EMU_WALK_MEMORY
                      : op == EMU_OP_CALL         ? EMU_WALK_CALL
                      : op == EMU_OP_INJECT       ? EMU_WALK_TRAP
                                                  : EMU_WALK_PAUSE;
            waits = op == EMU_OP_AWAIT || op == EMU_OP_INJECT;
            if (op == EMU_OP_AWAIT)
                me->slice = 0;
            break;
        }
        left--;
        last = here;
        if (UNLIKELY(op == EMU_OP_RELAX || op == EMU_OP_STOP))
            me->slice = 0;
        here = follow(e, n, here, answer);
        if (UNLIKELY(here == EMU_UNKNOWN)) {
            r->node = here = last;
            r->answer = answer;
            verdict = EMU_WALK_LEARN;
            break;
        }
        if (UNLIKELY(!here || !me->slice))
            break;
    }
    *visits -= room - left;
    *at = here;
    if (room != left) {
        r->steps += room - left;
        r->last = EMU_STEP_HOST;
        r->last_node = last;
    }
    if (waits)
        step(r, EMU_STEP_WAIT, here);
    return verdict;
}

/* Lets `actor` go on until its turn ends (EMU_WALK_PAUSE) or Python is needed. */
static emu_verdict walk(emu_engine *e, const view *m, uint32_t actor, emu_run_args *r, uint64_t *visits)
{
    emu_actor *me = &m->actor[actor];
    r->actor = actor;
    for (;;) {
        uint32_t at = (uint32_t)me->node;
        emu_verdict verdict = walk_host(e, m, actor, r, visits, &at);
        me->node = at;
        if (verdict != EMU_WALK_PAUSE || !at || !me->slice || e->nodes[at].is.op != EMU_OP_RUN)
            return verdict;
        if (!*visits || r->steps == r->max_steps)
            return EMU_WALK_PAUSE;
        --*visits;
        int exited;
        verdict = run_guest(e, m, me, &e->nodes[at].is, r, &exited);
        if (!exited)
            return verdict;
        uint32_t next = follow(e, &e->nodes[at], at, 0);
        if (next == EMU_UNKNOWN) {
            r->node = at;
            r->answer = 0;
            return EMU_WALK_LEARN;
        }
        me->node = next;
        if (!next || !me->slice)
            return EMU_WALK_PAUSE;
    }
}

/* The same in a turn that lasts a number of steps. What Python does for EMU_WALK_CALL is one. */
static emu_verdict walk_steps(emu_engine *e, const view *m, uint32_t actor, emu_run_args *r,
                              uint64_t *visits)
{
    emu_actor *me = &m->actor[actor];
    uint64_t left = me->slice & ~EMU_TURN_STEPS, before = r->steps, limit = r->max_steps;
    if (left < limit - before)
        r->max_steps = before + left;
    emu_verdict verdict = walk(e, m, actor, r, visits);
    r->max_steps = limit;
    uint64_t done = r->steps - before + (verdict == EMU_WALK_CALL);
    if (me->slice)
        me->slice = done < left ? EMU_TURN_STEPS | (left - done) : 0;
    return verdict;
}

/* ---- one operation at a time (engine.h) ----------------------------------------------------- */

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

uint64_t emu_engine_trap(const emu_engine *e, emu_machine *machine, uint32_t thread, emu_exit_reason why)
{
    view m = view_of(machine);
    return (uint64_t)why | exit_detail(e, &m, thread, why) << 8;
}

emu_performed emu_engine_perform(emu_engine *e, emu_machine *machine, uint32_t actor, uint64_t *answer)
{
    view m = view_of(machine);
    return perform(e, &m, actor, &e->nodes[m.actor[actor].node].is, answer);
}

int emu_engine_enabled(const emu_engine *e, emu_machine *machine, uint32_t actor)
{
    view m = view_of(machine);
    return enabled(e, &m, actor);
}

emu_verdict emu_engine_run(emu_engine *e, emu_machine *machine, emu_run_args *r)
{
    view of = view_of(machine);
    const view *m = &of;
    uint64_t steps = r->max_nodes;
    r->insns = r->steps = 0;
    r->last = EMU_STEP_NONE;
    for (;;) {
        if (m->state->stopped)
            return EMU_WALK_STOPPED;
        if (r->insns >= r->max_insns || !steps || r->steps >= r->max_steps)
            return EMU_WALK_PAUSE;
        uint32_t actor = (uint32_t)m->state->sched_last - 1;
        if (!m->state->sched_last || turn_is_over(e, &m->actor[actor])) {
            emu_verdict begun = begin_turn(e, m, r);
            if (begun != EMU_WALK_PAUSE)
                return begun;
            actor = (uint32_t)m->state->sched_last - 1;
            step(r, EMU_STEP_TURN, 0);
            if (r->steps == r->max_steps) {
                r->actor = actor;
                return EMU_WALK_PAUSE;
            }
        }
        int counted = m->actor[actor].slice >= EMU_TURN_STEPS;
        emu_verdict verdict = (counted ? walk_steps : walk)(e, m, actor, r, &steps);
        if (verdict != EMU_WALK_PAUSE)
            return verdict;
    }
}

/* ---- for debuggers (watch.abi.h) ------------------------------------------------------------ */

int64_t emu_engine_turn(const emu_engine *e, emu_machine *machine)
{
    view m = view_of(machine);
    uint64_t last = m.state->sched_last;
    if (!last || last > m.nactors || m.state->stopped || turn_is_over(e, &m.actor[last - 1]))
        return -1;
    return (int64_t)last - 1;
}

uint64_t emu_engine_guest(const emu_engine *e, emu_machine *machine, uint32_t actor)
{
    view m = view_of(machine);
    uint64_t at = actor < m.nactors ? m.actor[actor].node : 0;
    const emu_node *n = &e->nodes[at].is;
    return at && n->op == EMU_OP_RUN ? m.thread[n->a].vcpu : 0;
}

int emu_engine_in_guest(const emu_engine *e, emu_machine *machine, uint32_t vcpu)
{
    uint32_t nactors = view_of(machine).nactors;
    for (uint32_t a = 0; a < nactors; a++)
        if (emu_engine_guest(e, machine, a) == 1 + (uint64_t)vcpu)
            return 1;
    return 0;
}
