/* Walks host code that Python has written and the automaton has learned; see engine.abi.h.
 *
 * The walk is the hypervisor's whole cost in a plain run, so it does nothing but look at words:
 * no allocation (console output and recordings aside), no call into Python.
 */
#include "engine_parts.h"

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
        if (!engine_put_chars(&e->consoles[n->a], w + n->ref, w[n->ref2], &w[n->b]))
            return EMU_PERFORMED_BADLY;
        break;
    case EMU_OP_GET_CHARS:
        w[n->ref2] = engine_get_chars(&e->consoles[n->a], w + n->ref, &w[n->b]);
        break;
    case EMU_OP_COUNT:
        count_in_memory(m->machine, (uint32_t)n->a, w[n->ref]);
        break;
    case EMU_OP_TRACE:
        engine_record(e, m, n, actor);
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
            emu_verdict begun = engine_begin_turn(e, m, r);
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
