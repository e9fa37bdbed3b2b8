/* Whose turn it is, and for how long. */
#include "engine_parts.h"

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

emu_verdict engine_begin_turn(emu_engine *e, const view *m, emu_run_args *r)
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
    return engine_note_turn(e, next) ? EMU_WALK_PAUSE : EMU_WALK_MEMORY;
}

int emu_engine_enabled(const emu_engine *e, emu_machine *machine, uint32_t actor)
{
    view m = view_of(machine);
    return enabled(e, &m, actor);
}

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
