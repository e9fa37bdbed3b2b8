/* Steps in the guest: where a thread stands, its next instruction, its interrupts, its way out. */
#include "explore_step.h"

#include <string.h>

#define MAX_COUNTED 16u

/* ---- where an actor stands ------------------------------------------------------------------------ */

emu_vcpu *vcpu_of(const emu_search *s, uint32_t thread)
{
    uint64_t vcpu = emu_thread_at(s->m, thread)->vcpu;
    return vcpu ? emu_vcpu_at(s->m, vcpu - 1) : NULL;
}

const emu_point *point_at(const emu_search *s, uint64_t nia)
{
    const code_range *range = s->code.at;
    for (uint64_t i = 0; i < s->code.used; i++, range++)
        if (nia - range->address < (uint64_t)range->n * 4)
            return &range->points[(nia - range->address) / 4];
    return NULL;
}

/* The interrupt that the thread's guest takes as soon as MSR[EE] lets it, or 0. */
static uint32_t pending_of(const emu_search *s, uint32_t thread, const emu_vcpu *v)
{
    const emu_thread *t = emu_thread_at(s->m, thread);
    const emu_subproc *p = emu_subproc_at(s->m, t->subproc);
    if (v->external_pending || t->lpcr & LPCR_MER)
        return VECTOR_EXTERNAL;
    if (v->dec_armed && emu_to_decrementer(t, v, emu_state(s->m)->tb + p->tb_offset) == 0)
        return VECTOR_DECREMENTER;
    return p->dpdes >> (t->tir & 63) & 1 ? VECTOR_DOORBELL : 0;
}

uint32_t interrupt_of(const emu_search *s, uint32_t thread, const emu_vcpu *v)
{
    return v->msr & MSR_EE ? pending_of(s, thread, v) : 0;
}

pull pull_of(const emu_search *s, uint32_t thread)
{
    const emu_thread *t = emu_thread_at(s->m, thread);
    if (t->lpcr & LPCR_HDICE && emu_state(s->m)->tb >= t->hdec_expires)
        return LEAVES;
    if (!t->xics_ipi && !t->hdoorbell)
        return STAYS;
    if (s->o.landing)
        return MAY_LEAVE;
    return t->xics_ipi ? LEAVES : LEAVES_AFTER;
}

uint64_t address_of(const emu_vcpu *v, const emu_point *p)
{
    uint64_t ea = (p->ra == ANY_REGISTER ? 0 : v->gpr[p->ra]) +
                  (p->rb == ANY_REGISTER ? (uint64_t)(int64_t)p->disp : v->gpr[p->rb]);
    if (p->kind == EMU_POINT_BLOCK)
        ea &= ~(uint64_t)(EMU_GRANULE - 1);
    return ea & (v->msr & MSR_SF ? UINT64_MAX >> 4 : UINT32_MAX);
}

int inside(const emu_search *s, uint64_t address, uint64_t nbytes)
{
    return address < s->vm->size && nbytes <= s->vm->size - address;
}

int writes_memory(uint32_t kind)
{
    return kind == EMU_POINT_STORE || kind == EMU_POINT_CONDITIONAL || kind == EMU_POINT_BLOCK;
}

int is_point(const emu_search *s, uint32_t actor, const emu_point *p, const emu_vcpu *v)
{
    switch ((emu_point_kind)p->kind) {
    case EMU_POINT_PRIVATE:
        return 0;
    case EMU_POINT_LOAD:
    case EMU_POINT_STORE:
        return (v->msr & MSR_EE && s->handlers) ||
               !own_storage(s, actor, address_of(v, p), p->nbytes, p->kind == EMU_POINT_STORE);
    case EMU_POINT_MSR:
    case EMU_POINT_RETURN:
        /* Whether a doorbell that comes while the thread is pulled out finds MSR[EE] on, others can tell. */
        return v->msr & MSR_EE || s->e;
    case EMU_POINT_OWN:
    case EMU_POINT_CLOCK:
        /* An interrupt that waits for MSR[EE] will go before what pulls the thread out of the guest: that
         * must be able to come while it waits, and make one of two doorbells. */
        return v->msr & MSR_EE || (s->e && pending_of(s, actor_thread(s, actor), v));
    default:
        return 1;
    }
}

/* ---- counting ------------------------------------------------------------------------------------------ */

static void count(emu_search *s, uint32_t vcpu, uint32_t vector)
{
    const counter *c = s->counters.at;
    for (uint64_t i = 0; i < s->counters.used; i++)
        if (c[i].vcpu == vcpu && c[i].vector == vector && s->shadow[c[i].ref] < 15)
            set_own(s, c[i].ref, s->shadow[c[i].ref] + 1);
}

/* Interrupts that instructions cause: the core counts them. */
static void read_counts(const emu_search *s, uint64_t *counts)
{
    const counter *c = s->counters.at;
    for (uint64_t i = 0; i < s->counters.used && i < MAX_COUNTED; i++)
        counts[i] = emu_count(s->m, c[i].vcpu, EMU_DID_INTERRUPT, c[i].vector);
}

static void count_since(emu_search *s, const uint64_t *before)
{
    uint64_t now[MAX_COUNTED];
    const counter *c = s->counters.at;
    read_counts(s, now);
    for (uint64_t i = 0; i < s->counters.used && i < MAX_COUNTED; i++)
        if (now[i] != before[i] && s->shadow[c[i].ref] < 15)
            set_own(s, c[i].ref, s->shadow[c[i].ref] + 1);
}

static uint32_t exit_vector(emu_exit_reason why)
{
    switch (why) {
    case EMU_EXIT_HCALL:        return VECTOR_SYSTEM_CALL;
    case EMU_EXIT_HFAC_UNAVAIL: return VECTOR_HYPERVISOR_FACILITY_UNAVAILABLE;
    case EMU_EXIT_EMUL_ASSIST:  return VECTOR_EMULATION_ASSISTANCE;
    case EMU_EXIT_HDEC:         return VECTOR_HYPERVISOR_DECREMENTER;
    case EMU_EXIT_H_DOORBELL:   return VECTOR_HYPERVISOR_DOORBELL;
    case EMU_EXIT_EXTERNAL:     return VECTOR_EXTERNAL;
    default:                    return 0;
    }
}

/* ---- storage ------------------------------------------------------------------------------------------ */

int holds_code(const emu_search *s, uint64_t address, uint64_t nbytes)
{
    const code_range *range = s->code.at;
    for (uint64_t i = 0; i < s->code.used; i++, range++)
        if (address < range->address + (uint64_t)range->n * 4 && range->address < address + nbytes)
            return 1;
    return 0;
}

uint32_t before_store(emu_search *s, uint64_t address, uint32_t nbytes)
{
    if (!nbytes || !inside(s, address, nbytes))
        return 0;
    if (holds_code(s, address, nbytes))
        return NONE;
    uint64_t first = address / 8, last = (address + nbytes - 1) / 8;
    for (uint64_t g = first; g <= last; g++)
        memcpy(&s->old_granule[g - first], s->vm->bytes + g * 8, 8);
    return (uint32_t)(last - first + 1);
}

void after_store(emu_search *s, uint64_t address, uint32_t n, const emu_vcpu *self)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t now;
        memcpy(&now, s->vm->bytes + (address / 8 + i) * 8, 8);
        change_granule(s, address / 8 + i, s->old_granule[i], now);
    }
    if (!s->reserves || !n)
        return;
    for (uint32_t i = 0; i < s->m->config.nvcpus; i++) {
        emu_vcpu *v = emu_vcpu_at(s->m, i);
        if (v == self)
            continue;
        if (!v->reserve_size)
            v->reserve_ea = 0;
        changed(s, ref_of(s, &v->reserve_ea));
        changed(s, ref_of(s, &v->reserve_size));
    }
}

/* ---- dead registers ------------------------------------------------------------------------------------ */

void bury(const emu_search *s, emu_vcpu *v)
{
    const emu_point *p = s->o.dead ? point_at(s, v->nia) : NULL;
    if (!p || !p->dead)
        return;
    for (uint64_t gprs = (uint32_t)p->dead; gprs; gprs &= gprs - 1)
        v->gpr[__builtin_ctzll(gprs)] = 0;
    if (p->dead >> EMU_DEAD_CR & 1)
        v->cr = 0;
    if (p->dead >> EMU_DEAD_XER & 1)
        v->xer = 0;
    if (p->dead >> EMU_DEAD_LR & 1)
        v->lr = 0;
    if (p->dead >> EMU_DEAD_CTR & 1)
        v->ctr = 0;
}

/* ---- native doorbells on their way ---------------------------------------------------------------------- */

void deliver(emu_search *s, uint32_t thread)
{
    const emu_thread *t = emu_thread_at(s->m, thread);
    emu_subproc *p = emu_subproc_at(s->m, t->subproc);
    uint64_t outbox = s->nwords + OWN_OUTBOX;
    set_own(s, outbox, s->shadow[outbox] & ~(1ull << thread));
    set_own(s, s->nwords + OWN_SENDERS + thread, 0);
    p->dpdes |= 1ull << (t->tir & 63);
    changed(s, ref_of(s, &p->dpdes));
}

/* A thread that leaves the guest has waited for what it sent (ptesync): DPDES may be saved. */
static void deliver_from(emu_search *s, uint32_t sender)
{
    for (uint64_t left = s->shadow[s->nwords + OWN_OUTBOX]; left; left &= left - 1) {
        uint32_t thread = (uint32_t)__builtin_ctzll(left);
        if (s->shadow[s->nwords + OWN_SENDERS + thread] >> sender & 1)
            deliver(s, thread);
    }
}

/* ---- the guest ------------------------------------------------------------------------------------------ */

progress unhandled(emu_search *s, uint32_t thread, uint32_t vector, uint64_t nia)
{
    set_own(s, s->nwords + OWN_TRAP, vector | emu_thread_at(s->m, thread)->vcpu << 32);
    set_own(s, s->nwords + OWN_TRAP_NIA, nia);
    commit_vcpu(s, vcpu_of(s, thread));
    s->backward = 1;               /* nobody moves alone into the end of all */
    return MOVED;
}

static progress leave_guest(emu_search *s, uint32_t actor, uint32_t thread, int first, emu_exit_reason why)
{
    emu_vcpu *v = vcpu_of(s, thread);
    if (why == EMU_EXIT_UNHANDLED && !first) {
        memcpy(v, s->shadow + ref_of(s, v), sizeof *v);
        return STANDS;
    }
    const emu_thread *t = emu_thread_at(s->m, thread);
    deliver_from(s, thread);
    s->exits |= 1ull << why;
    if (why == EMU_EXIT_UNHANDLED)
        return unhandled(s, thread, (uint32_t)v->trap_vector, v->nia);
    if (!s->e)
        return refuse(s, actor, EMU_REFUSED_EXIT, v->nia);
    const emu_node *n = node_of(s, actor);
    s->words[n->ref] = emu_engine_trap(s->e, s->m, thread, why);
    changed(s, n->ref);
    count(s, (uint32_t)t->vcpu - 1, exit_vector(why));
    commit_vcpu(s, v);
    commit(s, ref_of(s, t), WORDS(emu_thread));
    commit(s, ref_of(s, emu_subproc_at(s->m, t->subproc)), WORDS(emu_subproc));
    return follow(s, actor, 0);
}

static progress take_interrupt(emu_search *s, uint32_t thread, emu_vcpu *v, uint32_t vector)
{
    uint64_t nia = v->nia;
    emu_thread *t = emu_thread_at(s->m, thread);
    if (vector == VECTOR_DOORBELL) {
        emu_subproc *p = emu_subproc_at(s->m, t->subproc);
        p->dpdes &= ~(1ull << (t->tir & 63));
        changed(s, ref_of(s, &p->dpdes));
    }
    if (emu_interrupt(s->m, thread, vector, 0) || !point_at(s, v->nia))
        return unhandled(s, thread, vector, nia);
    count(s, (uint32_t)t->vcpu - 1, vector);
    commit_vcpu(s, v);
    s->backward = 1;
    return MOVED;
}

/* A native message goes to the outbox instead of DPDES, which was `dpdes` before. */
static void post(emu_search *s, uint32_t thread, const emu_point *p, const emu_vcpu *v, uint64_t dpdes)
{
    const emu_thread *t = emu_thread_at(s->m, thread);
    emu_subproc *sub = emu_subproc_at(s->m, t->subproc);
    uint64_t rb = v->gpr[p->rb], outbox = s->nwords + OWN_OUTBOX;
    if (!s->o.delayed || (rb & DBELL_TYPE) >> DBELL_TYPE_SHIFT != DOORBELL_TYPE ||
        (rb & DBELL_TIRTAG) >= sub->nthreads)
        return;
    sub->dpdes = dpdes;
    uint64_t target = t->subproc + (rb & DBELL_TIRTAG), senders = s->nwords + OWN_SENDERS + target;
    set_own(s, outbox, s->shadow[outbox] | 1ull << target);
    set_own(s, senders, s->shadow[senders] | 1ull << thread);
}

static progress instruction(emu_search *s, uint32_t actor, uint32_t thread, emu_vcpu *v,
                            const emu_point *p, int first, uint32_t choice)
{
    uint64_t nia = v->nia, address = 0, counts[MAX_COUNTED];
    uint32_t granules = 0;
    emu_thread *t = emu_thread_at(s->m, thread);
    uint64_t *dpdes = &emu_subproc_at(s->m, t->subproc)->dpdes;
    uint64_t old_dpdes = *dpdes, hdoorbell = t->hdoorbell, xics_ipi = t->xics_ipi;
    reach_code(s, p);
    if (p->nbytes)
        claim_storage(s, actor, address_of(v, p), p->nbytes, p->kind != EMU_POINT_LOAD);
    if (writes_memory(p->kind)) {
        address = address_of(v, p);
        granules = before_store(s, address, p->nbytes);
        if (granules == NONE)
            return refuse(s, actor, EMU_REFUSED_STORE, nia);
        if (choice == EMU_CHOICE_FAIL)
            v->reserve_size = 0;
    }
    if (s->counters.used)
        read_counts(s, counts);
    t->hdoorbell = t->xics_ipi = 0;  /* they have not arrived */
    emu_exit_reason why = emu_run(s->m, thread, 1);
    t->hdoorbell = hdoorbell;
    t->xics_ipi = xics_ipi;
    if (why != EMU_EXIT_BUDGET)
        return leave_guest(s, actor, thread, first, why);
    if (!v->reserve_size)
        v->reserve_ea = 0;
    if (p->kind == EMU_POINT_RETURN && s->o.forget)
        v->srr0 = v->srr1 = 0;
    if (p->kind == EMU_POINT_SEND && v->nia == nia + 4)
        post(s, thread, p, v, old_dpdes);
    bury(s, v);
    commit_vcpu(s, v);
    if (granules)
        after_store(s, address, granules, v);
    if (*dpdes != old_dpdes)
        changed(s, ref_of(s, dpdes));
    if (p->kind == EMU_POINT_OPAQUE)
        commit(s, 0, WORDS(emu_machine_state));
    if (s->counters.used)
        count_since(s, counts);
    if (v->nia <= nia)
        s->backward = 1;
    if (p->kind == EMU_POINT_CLOCK)
        s->eventful = 1;
    return MOVED;
}

progress guest_step(emu_search *s, uint32_t actor, uint32_t thread, int first, uint32_t choice)
{
    emu_vcpu *v = vcpu_of(s, thread);
    s->only_locked = 0;
    if (!v)
        return refuse(s, actor, EMU_REFUSED_NO_VCPU, 0);
    uint32_t vector = interrupt_of(s, thread, v);
    pull pulled = pull_of(s, thread);
    if (choice == EMU_CHOICE_LAND) {
        claim_word(s, actor, ref_of(s, &emu_thread_at(s->m, thread)->hdoorbell), 1);
        claim_word(s, actor, ref_of(s, &emu_thread_at(s->m, thread)->xics_ipi), 1);
    }
    if (pulled == LEAVES)
        claim_word(s, actor, ref_of(s, &emu_thread_at(s->m, thread)->hdec_expires), 0);
    if (choice == EMU_CHOICE_LAND || pulled == LEAVES || (pulled == LEAVES_AFTER && !vector))
        return first ? leave_guest(s, actor, thread, first, emu_run(s->m, thread, 1)) : STANDS;
    if (vector)
        return first ? take_interrupt(s, thread, v, vector) : STANDS;
    const emu_point *p = point_at(s, v->nia);
    uint32_t crossed = s->crossed[actor];
    if (!p)
        return refuse(s, actor, EMU_REFUSED_CODE, v->nia);
    if (!first) {
        uint32_t fine = p->kind == EMU_POINT_LOAD || p->kind == EMU_POINT_STORE;
        if (is_point(s, actor, p, v) || (fine && s->crossed[actor] == MAX_CROSSED))
            return STANDS;
        s->crossed[actor] += fine;
    }
    progress done = instruction(s, actor, thread, v, p, first, choice);
    if (done == STANDS)
        s->crossed[actor] = crossed;
    return done;
}
