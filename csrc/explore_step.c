/* Steps: what can happen next, and making it happen.
 *
 * Visible is what another actor can see or change: storage accesses, doorbells, accesses of host code
 * to shared words, and everything that an interrupt of the same thread must not be ordered against
 * (EMU_POINT_OWN, and only while MSR[EE] lets one in). A step is one visible operation and the
 * private ones after it.
 *
 * Time stands still, but for EMU_CHOICE_TIMER: every step ends at the timebase that it began at.
 */
#include "explore.h"

#include <string.h>

#define NONE UINT32_MAX
#define WORDS(type) (sizeof(type) / sizeof(uint64_t))
#define MAX_COUNTED 16u
#define MORE_CLAIMS 256u           /* steps */

typedef enum {
    MOVED,                         /* went on by one instruction, interrupt or host operation */
    STANDS,                        /* before a scheduling point */
    STUCK,                         /* s->facts.why says why */
    UNLEARNED                      /* s->facts says which edge */
} progress;

static progress refuse(emu_search *s, uint32_t actor, uint32_t why, uint64_t nia)
{
    s->facts.why = why;
    s->facts.actor = actor;
    s->facts.nia = nia;
    return STUCK;
}

static inline uint64_t ref_of(const emu_search *s, const void *field)
{
    return (uint64_t)((const uint64_t *)field - s->words);
}

static void commit_vcpu(emu_search *s, const emu_vcpu *v)
{
    commit(s, ref_of(s, v), WORDS(emu_vcpu));
}

/* ---- where an actor stands ------------------------------------------------------------------------ */

static const emu_node *node_of(const emu_search *s, uint32_t actor)
{
    return emu_engine_at(s->e, (uint32_t)s->actors[actor].node);
}

/* Without an engine an actor is a hardware thread. */
uint32_t actor_thread(const emu_search *s, uint32_t actor)
{
    if (!s->e)
        return actor;
    const emu_node *n = s->actors[actor].node ? node_of(s, actor) : NULL;
    return n && n->op == EMU_OP_RUN ? (uint32_t)n->a : NONE;
}

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

uint32_t interrupt_of(const emu_search *s, uint32_t thread, const emu_vcpu *v)
{
    const emu_thread *t = emu_thread_at(s->m, thread);
    const emu_subproc *p = emu_subproc_at(s->m, t->subproc);
    if (!(v->msr & MSR_EE))
        return 0;
    if (v->external_pending || t->lpcr & LPCR_MER)
        return VECTOR_EXTERNAL;
    if (v->dec_armed && emu_to_decrementer(t, v, emu_state(s->m)->tb + p->tb_offset) == 0)
        return VECTOR_DECREMENTER;
    return p->dpdes >> (t->tir & 63) & 1 ? VECTOR_DOORBELL : 0;
}

/* What the hypervisor's interrupts do to a thread in the guest. */
typedef enum {
    STAYS,
    MAY_LEAVE,                     /* the interrupt has not arrived yet, but may */
    LEAVES_AFTER,                  /* after the guest's own interrupt, if one is pending */
    LEAVES
} pull;

static pull pull_of(const emu_search *s, uint32_t thread)
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

/* Whether others, or an interrupt of its own, must be able to come before an instruction. */
static int is_point(const emu_search *s, uint32_t actor, const emu_point *p, const emu_vcpu *v)
{
    switch ((emu_point_kind)p->kind) {
    case EMU_POINT_PRIVATE:
        return 0;
    case EMU_POINT_LOAD:
    case EMU_POINT_STORE:
        return (v->msr & MSR_EE && s->handlers) ||
               !own_storage(s, actor, address_of(v, p), p->nbytes, p->kind == EMU_POINT_STORE);
    case EMU_POINT_OWN:
    case EMU_POINT_CLOCK:
    case EMU_POINT_RETURN:
        return (v->msr & MSR_EE) != 0;
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

/* Remember what a store may change. Returns the number of granules; NONE: it hits code. */
static uint32_t before_store(emu_search *s, uint64_t address, uint32_t nbytes)
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

static void after_store(emu_search *s, uint64_t address, uint32_t n, const emu_vcpu *self)
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

/* What no future step of the guest reads becomes 0, so that states that differ only in that are one. */
static void bury(const emu_search *s, emu_vcpu *v)
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

/* ---- host code ---------------------------------------------------------------------------------------- */

/* The actor's operation is done: go on along the edge of its answer. */
static progress follow(emu_search *s, uint32_t actor, uint64_t answer)
{
    uint32_t at = (uint32_t)s->actors[actor].node;
    uint32_t next = emu_engine_follow(s->e, at, answer);
    if (next == EMU_UNKNOWN) {
        s->facts.actor = actor;
        s->facts.node = at;
        s->facts.answer = answer;
        return UNLEARNED;
    }
    s->actors[actor].node = next;
    reach_node(s, next);
    changed(s, ref_of(s, &s->actors[actor].node));
    const emu_node *n = next ? emu_engine_at(s->e, next) : NULL;
    if (n && n->op == EMU_OP_RUN && emu_thread_at(s->m, (uint32_t)n->a)->vcpu) {
        uint64_t vcpu = emu_thread_at(s->m, (uint32_t)n->a)->vcpu - 1;
        const scratch_word *word = s->scratch.at;
        for (uint64_t i = 0; i < s->scratch.used; i++)
            if (word[i].vcpu == vcpu) {
                s->words[word[i].ref] = 0;
                changed(s, word[i].ref);
            }
        bury(s, emu_vcpu_at(s->m, vcpu));
        commit_vcpu(s, emu_vcpu_at(s->m, vcpu));
    }
    return MOVED;
}

/* Everything that an operation may have written. */
static void commit_host(emu_search *s, const emu_node *n)
{
    switch ((emu_op_code)n->op) {
    case EMU_OP_READ:
    case EMU_OP_CHECK:
    case EMU_OP_COMPARE:
    case EMU_OP_AWAIT:
    case EMU_OP_TRACE:
    case EMU_OP_RELAX:
    case EMU_OP_RUN:
    case EMU_OP_CALL:
    case EMU_OP_COUNT:
        break;
    case EMU_OP_SCATTER:
        commit(s, n->a, 32);
        break;
    case EMU_OP_FETCH:
    case EMU_OP_ADVANCE:
        commit_vcpu(s, emu_vcpu_at(s->m, n->a));
        break;
    case EMU_OP_INJECT:
        commit_vcpu(s, vcpu_of(s, (uint32_t)n->a));
        break;
    case EMU_OP_RANDOM:
        changed(s, n->ref);
        changed(s, ref_of(s, &emu_state(s->m)->rng));
        break;
    case EMU_OP_GET_CHARS:
        changed(s, n->ref);
        changed(s, n->ref + 1);
        changed(s, n->ref2);
        changed(s, n->b);
        break;
    case EMU_OP_PUT_CHARS:
        s->eventful = 1;
        changed(s, n->b);
        break;
    case EMU_OP_STOP:
        changed(s, ref_of(s, &emu_state(s->m)->stopped));
        changed(s, ref_of(s, &emu_state(s->m)->status));
        break;
    default:
        changed(s, n->ref);
        break;
    }
}

/* Whether the operation touches what is not the actor's own. */
static int host_is_shared(const emu_search *s, uint32_t actor, const emu_node *n)
{
    uint64_t refs[MAX_REFS];
    uint8_t writes[MAX_REFS];
    uint32_t count = n->visible ? refs_of(s, n, refs, writes) : 0;
    for (uint32_t i = 0; count != NONE && i < count; i++)
        if (!own_word(s, actor, refs[i], writes[i]))
            return 1;
    return 0;
}

static int host_is_point(const emu_search *s, uint32_t actor, const emu_node *n)
{
    switch ((emu_op_code)n->op) {
    case EMU_OP_AWAIT:
    case EMU_OP_CALL:
    case EMU_OP_STOP:
    case EMU_OP_PUT_CHARS:
    case EMU_OP_GET_CHARS:
    case EMU_OP_RANDOM:
    case EMU_OP_COUNT:
        return 1;
    default:
        break;
    }
    if (takes_lock(s, n))
        return s->words[n->ref] || !own_word(s, actor, n->ref, 1);
    return !s->only_locked && !lets_go(s, actor, n) && host_is_shared(s, actor, n);
}

static void host_claim(emu_search *s, uint32_t actor, const emu_node *n)
{
    uint64_t refs[MAX_REFS];
    uint8_t writes[MAX_REFS];
    uint32_t count = n->visible ? refs_of(s, n, refs, writes) : 0;
    for (uint32_t i = 0; count != NONE && i < count; i++)
        claim_word(s, actor, refs[i], writes[i]);
}

/* A guest takes an interrupt that nobody handles: this is the end, and so a step of its own, before which
 * everybody else may go on. */
static progress unhandled(emu_search *s, uint32_t thread, uint32_t vector, uint64_t nia)
{
    set_own(s, s->nwords + OWN_TRAP, vector | emu_thread_at(s->m, thread)->vcpu << 32);
    set_own(s, s->nwords + OWN_TRAP_NIA, nia);
    commit_vcpu(s, vcpu_of(s, thread));
    s->backward = 1;               /* nobody moves alone into the end of all */
    return MOVED;
}

static progress host(emu_search *s, uint32_t actor, int first)
{
    if (!s->actors[actor].node)
        return STANDS;
    const emu_node *n = node_of(s, actor);
    uint64_t answer;
    if (!first) {
        if (host_is_point(s, actor, n) || (n->visible && s->crossed[actor] == MAX_CROSSED)) {
            /* Who waits looks all the time, and perhaps never again gets to see what would let it go on. */
            if (n->op == EMU_OP_AWAIT || takes_lock(s, n))
                host_claim(s, actor, n);
            return STANDS;
        }
        s->crossed[actor] += n->visible != 0;
    }
    s->only_locked = first ? takes_lock(s, n) : s->only_locked && !host_is_shared(s, actor, n);
    host_claim(s, actor, n);
    uint64_t address = n->op == EMU_OP_COUNT ? s->words[n->ref] : 0;
    uint32_t granules = before_store(s, address, address ? 4 : 0);
    if (granules == NONE)
        return refuse(s, actor, EMU_REFUSED_STORE, 0);
    switch (emu_engine_perform(s->e, s->m, actor, &answer)) {
    case EMU_PERFORMED:
        break;
    case EMU_PERFORMED_NOTHING:
        if (n->op == EMU_OP_AWAIT)
            return STANDS;
        if (n->op == EMU_OP_INJECT && !first) {
            s->crossed[actor] -= n->visible != 0;
            return STANDS;
        }
        if (n->op == EMU_OP_INJECT)
            return unhandled(s, (uint32_t)n->a, (uint32_t)n->b, vcpu_of(s, (uint32_t)n->a)->nia);
        return refuse(s, actor, EMU_REFUSED_CALL, 0);
    case EMU_PERFORMED_BADLY:
        s->failed = 1;
        return STANDS;
    }
    commit_host(s, n);
    note_lock(s, actor, n, answer);
    after_store(s, address, granules, NULL);
    return follow(s, actor, answer);
}

/* ---- native doorbells on their way ---------------------------------------------------------------------- */

static void deliver(emu_search *s, uint32_t thread)
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

static progress guest(emu_search *s, uint32_t actor, uint32_t thread, int first, uint32_t choice)
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

/* ---- steps ------------------------------------------------------------------------------------------------ */

/* An actor that goes round where nobody sees it is stopped where a step in the finest steps stops too. */
static emu_search_verdict advance(emu_search *s, uint32_t actor, int first, uint32_t choice)
{
    for (uint32_t left = EMU_MAX_PRIVATE; left; left--) {
        uint32_t thread = actor_thread(s, actor), crossed = s->crossed[actor];
        if (!first && (s->single || (s->hold && thread != NONE)))
            return EMU_SEARCH_DONE;
        progress p = thread == NONE ? host(s, actor, first) : guest(s, actor, thread, first, choice);
        if (p == STANDS)
            return EMU_SEARCH_DONE;
        if (p == STUCK)
            return EMU_SEARCH_REFUSED;
        if (p == UNLEARNED)
            return EMU_SEARCH_LEARN;
        if (is_over(s))
            return EMU_SEARCH_DONE;
        if (s->crossed[actor] != crossed)
            left = EMU_MAX_PRIVATE;
        first = 0;
        choice = EMU_CHOICE_GO;
    }
    return EMU_SEARCH_DONE;
}

/* The time at which the next thing is to happen; UINT64_MAX: nothing is. */
static uint64_t next_time(const emu_search *s)
{
    uint64_t now = emu_state(s->m)->tb, nearest = UINT64_MAX;
    for (uint32_t actor = 0; actor < s->nactors; actor++) {
        uint32_t thread = actor_thread(s, actor);
        uint64_t times[2] = { UINT64_MAX, UINT64_MAX };
        if (thread != NONE && vcpu_of(s, thread)) {
            const emu_thread *t = emu_thread_at(s->m, thread);
            const emu_vcpu *v = vcpu_of(s, thread);
            if (t->lpcr & LPCR_HDICE)
                times[0] = t->hdec_expires;
            if (v->dec_armed)      /* below zero by less than half its range: due already */
                times[1] = now + emu_to_decrementer(t, v, now + emu_subproc_at(s->m, t->subproc)->tb_offset);
        } else if (s->e && s->actors[actor].node && node_of(s, actor)->op == EMU_OP_AWAIT) {
            const emu_node *n = node_of(s, actor);
            const uint64_t *list = emu_engine_list(s->e, n);
            if (n->ref)
                times[0] = s->words[n->ref];
            for (uint32_t i = 0; i < n->list_len; i++)
                if (list[4 * i] == EMU_COND_PAST && s->words[list[4 * i + 1]] < times[1])
                    times[1] = s->words[list[4 * i + 1]];
        }
        for (int i = 0; i < 2; i++)
            if (times[i] > now && times[i] < nearest)
                nearest = times[i];
    }
    return nearest;
}

int time_may_pass(const emu_search *s)
{
    return next_time(s) != UINT64_MAX;
}

/* A claim was broken, so all will begin again: not at once, because others will break soon. */
static int begins_again(emu_search *s)
{
    if (!s->again)
        return 0;
    if (!s->again_at)
        s->again_at = s->facts.steps + s->facts.steps / 8 + MORE_CLAIMS;
    return s->facts.steps >= s->again_at;
}

emu_search_verdict take(emu_search *s, emu_choice choice)
{
    uint64_t undo = s->undo.used, hash = s->hash, timers = s->nwords + OWN_TIMERS;
    emu_machine_state *state = emu_state(s->m);
    uint64_t now = state->tb;
    emu_search_verdict verdict = EMU_SEARCH_DONE;
    s->backward = s->eventful = 0;
    s->crossed[choice.actor] = 0;
    s->only_locked = 0;
    switch ((emu_choice_kind)choice.kind) {
    case EMU_CHOICE_DELIVER:
        deliver(s, choice.actor);
        break;
    case EMU_CHOICE_TIMER:
        now = next_time(s);
        set_own(s, timers, s->shadow[timers] + 1);
        break;
    default:
        verdict = advance(s, choice.actor, 1, choice.kind);
        break;
    }
    s->only_locked = 0;
    state->tb = now;
    changed(s, ref_of(s, &state->tb));
    if (s->failed)
        verdict = EMU_SEARCH_MEMORY;
    if (verdict != EMU_SEARCH_DONE) {
        commit(s, 0, s->nwords);
        go_back(s, undo, hash);
    }
    return verdict == EMU_SEARCH_DONE && begins_again(s) ? EMU_SEARCH_AGAIN : verdict;
}

emu_search_verdict settle(emu_search *s)
{
    emu_machine_state *state = emu_state(s->m);
    uint64_t now = state->tb;
    emu_search_verdict verdict = EMU_SEARCH_DONE;
    for (uint32_t actor = 0; actor < s->nactors && verdict == EMU_SEARCH_DONE; actor++) {
        s->crossed[actor] = 0;
        verdict = advance(s, actor, 0, EMU_CHOICE_GO);
        state->tb = now;
    }
    if (verdict != EMU_SEARCH_DONE) {
        commit(s, 0, s->nwords);
        go_back(s, 0, s->hash0);
    }
    return verdict == EMU_SEARCH_DONE && s->again ? EMU_SEARCH_AGAIN : verdict;
}

/* ---- choices ---------------------------------------------------------------------------------------------- */

static uint32_t guest_choices(const emu_search *s, uint32_t actor, uint32_t thread, emu_choice *out)
{
    uint32_t n = 0;
    const emu_vcpu *v = vcpu_of(s, thread);
    const emu_point *p = v ? point_at(s, v->nia) : NULL;
    uint32_t vector = v ? interrupt_of(s, thread, v) : 0;
    pull pulled = pull_of(s, thread);
    int forced = vector || pulled >= LEAVES_AFTER;
    if (forced || !p || p->kind != EMU_POINT_END)
        out[n++] = (emu_choice){ .actor = (uint8_t)actor, .kind = EMU_CHOICE_GO };
    if (!forced && p && p->kind == EMU_POINT_CONDITIONAL && v->reserve_size && s->o.spurious)
        out[n++] = (emu_choice){ .actor = (uint8_t)actor, .kind = EMU_CHOICE_FAIL };
    if (pulled == MAY_LEAVE && !(vector && !emu_thread_at(s->m, thread)->xics_ipi))
        out[n++] = (emu_choice){ .actor = (uint8_t)actor, .kind = EMU_CHOICE_LAND };
    return n;
}

static uint32_t choices_of(emu_search *s, uint32_t actor, emu_choice *out)
{
    uint32_t thread = actor_thread(s, actor);
    if (thread != NONE)
        return guest_choices(s, actor, thread, out);
    if (!s->actors[actor].node)
        return 0;
    const emu_node *n = node_of(s, actor);
    if (n->op == EMU_OP_AWAIT && !emu_engine_enabled(s->e, s->m, actor))
        return 0;
    if (takes_lock(s, n) && s->words[n->ref])
        return 0;
    out[0] = (emu_choice){ .actor = (uint8_t)actor, .kind = EMU_CHOICE_GO };
    return 1;
}

int can_go(emu_search *s, uint32_t actor)
{
    emu_choice choices[MAX_ALTERNATIVES];
    return choices_of(s, actor, choices) && choices[0].kind != EMU_CHOICE_LAND;
}

int is_spent(const emu_search *s)
{
    uint64_t insns = 0;
    if (s->o.max_insns == UINT64_MAX)
        return 0;
    for (uint32_t i = 0; i < s->m->config.nvcpus; i++)
        insns += emu_vcpu_at(s->m, i)->ic;
    return insns >= s->o.max_insns;
}

uint32_t all_choices(emu_search *s, emu_choice *out)
{
    uint32_t n = 0;
    uint64_t outbox = s->shadow[s->nwords + OWN_OUTBOX];
    if (is_over(s) || is_spent(s))
        return 0;
    for (uint32_t actor = 0; actor < s->nactors; actor++)
        n += choices_of(s, actor, out + n);
    for (; outbox; outbox &= outbox - 1)
        out[n++] = (emu_choice){ .actor = (uint8_t)__builtin_ctzll(outbox), .kind = EMU_CHOICE_DELIVER };
    if (s->o.timers && next_time(s) != UINT64_MAX) {
        if (s->shadow[s->nwords + OWN_TIMERS] < s->o.timers)
            out[n++] = (emu_choice){ .actor = 0, .kind = EMU_CHOICE_TIMER };
        else
            s->facts.cut_timers++;
    }
    return n;
}

int emu_search_stands(const emu_search *s, uint32_t actor)
{
    if (actor >= s->nactors)
        return 1;
    uint32_t thread = actor_thread(s, actor);
    if (thread == NONE)
        return !s->actors[actor].node || host_is_point(s, actor, node_of(s, actor));
    const emu_vcpu *v = vcpu_of(s, thread);
    const emu_point *p = v ? point_at(s, v->nia) : NULL;
    return !p || interrupt_of(s, thread, v) || pull_of(s, thread) >= LEAVES_AFTER || is_point(s, actor, p, v);
}

/* ---- what an actor stands before -------------------------------------------------------------------------- */

int emu_search_stand(const emu_search *s, uint32_t actor, emu_stand *out)
{
    if (actor >= s->nactors)
        return -1;
    uint32_t thread = actor_thread(s, actor);
    *out = (emu_stand){ .host = thread == NONE };
    if (s->e)
        out->node = (uint32_t)s->actors[actor].node;
    if (thread == NONE) {
        out->kind = out->node ? node_of(s, actor)->op : 0;
        return 0;
    }
    const emu_vcpu *v = vcpu_of(s, thread);
    if (!v)
        return -1;
    const emu_point *p = point_at(s, v->nia);
    out->nia = v->nia;
    out->interrupt = interrupt_of(s, thread, v);
    if (p) {
        out->kind = p->kind;
        if (p->nbytes)
            out->ea = address_of(v, p);
    }
    return 0;
}
