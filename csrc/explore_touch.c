/* What a step touches: for the algorithms that only try orders that can make a difference. */
#include "explore.h"

#define NONE UINT32_MAX
#define DOORBELL_BIT (1ull << 63)  /* in emu_point.reads, .writes: doorbells */
#define UNKNOWN_BIT (1ull << 62)   /* ... and storage whose address is not known */
#define WORDS(type) (sizeof(type) / sizeof(uint64_t))

static void add_cell(foot *f, cell c)
{
    if (f->n < MAX_CELLS)
        f->cells[f->n++] = c;
    else
        f->all = 1;
}

/* The doorbells of a sub-processor's threads. */
static void add_doorbells(const emu_search *s, foot *f, uint64_t subproc, uint64_t write)
{
    for (uint64_t i = 0; i < emu_subproc_at(s->m, subproc)->nthreads; i++)
        add_cell(f, cell_of(CELL_DOORBELL, subproc + i, write));
}

static void add_word(const emu_search *s, foot *f, uint64_t ref, uint64_t write)
{
    uint64_t dpdes = (uint64_t)(&emu_subproc_at(s->m, 0)->dpdes - s->words);
    if (ref >= dpdes && (ref - dpdes) % WORDS(emu_subproc) == 0 &&
        (ref - dpdes) / WORDS(emu_subproc) < s->m->config.nthreads)
        add_doorbells(s, f, (ref - dpdes) / WORDS(emu_subproc), write);
    else
        add_cell(f, cell_of(CELL_WORD, ref, write));
}

static void add_storage(const emu_search *s, foot *f, const emu_vcpu *v, const emu_point *p)
{
    uint64_t address = address_of(v, p), write = (uint64_t)writes_memory(p->kind);
    if (!p->nbytes || !inside(s, address, p->nbytes))
        return;
    for (uint64_t g = address / 8; g <= (address + p->nbytes - 1) / 8; g++)
        add_cell(f, cell_of(CELL_GRANULE, g, write));
    /* A store ends reservations: it is ordered against taking and using them, not against stores. */
    int reserves = p->kind == EMU_POINT_RESERVE || p->kind == EMU_POINT_CONDITIONAL;
    if (s->reserves && (write || reserves))
        for (uint64_t line = address / EMU_GRANULE; line <= (address + p->nbytes - 1) / EMU_GRANULE; line++)
            add_cell(f, cell_of(CELL_LINE, line, (uint64_t)reserves));
}

/* Native messages that the thread has sent: if it leaves the guest, they arrive before it does. */
static void add_sent(const emu_search *s, foot *f, uint32_t thread)
{
    for (uint64_t left = s->shadow[s->nwords + OWN_OUTBOX]; left; left &= left - 1) {
        uint64_t to = (uint64_t)__builtin_ctzll(left);
        if (s->shadow[s->nwords + OWN_SENDERS + to] >> thread & 1) {
            add_cell(f, cell_of(CELL_OUTBOX, to, 1));
            add_cell(f, cell_of(CELL_DOORBELL, to, 1));
        }
    }
}

static void host_foot(const emu_search *s, uint32_t actor, foot *f)
{
    const emu_node *n = emu_engine_at(s->e, (uint32_t)s->actors[actor].node);
    uint64_t refs[MAX_REFS];
    uint8_t writes[MAX_REFS];
    uint32_t count = refs_of(s, n, refs, writes);
    if (count == UINT32_MAX) {
        f->all = 1;
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        add_word(s, f, refs[i], writes[i]);
}

static void guest_foot(const emu_search *s, uint32_t thread, foot *f)
{
    const emu_vcpu *v = vcpu_of(s, thread);
    const emu_thread *t = emu_thread_at(s->m, thread);
    const emu_point *p = v ? point_at(s, v->nia) : NULL;
    if (!p) {
        f->all = 1;
        return;
    }
    if (s->e) {                    /* they decide whether the thread may, or must, leave the guest */
        add_word(s, f, (uint64_t)(&t->hdoorbell - s->words), 0);
        add_word(s, f, (uint64_t)(&t->xics_ipi - s->words), 0);
        add_word(s, f, (uint64_t)(&t->hdec_expires - s->words), 0);
        add_sent(s, f, thread);
    }
    if (interrupt_of(s, thread, v)) {
        add_cell(f, cell_of(CELL_DOORBELL, thread, 1));
        return;
    }
    if (v->msr & MSR_EE)
        add_cell(f, cell_of(CELL_DOORBELL, thread, 0));
    switch ((emu_point_kind)p->kind) {
    case EMU_POINT_LOAD:
    case EMU_POINT_STORE:
    case EMU_POINT_RESERVE:
    case EMU_POINT_CONDITIONAL:
    case EMU_POINT_BLOCK:
        add_storage(s, f, v, p);
        break;
    case EMU_POINT_SEND:
        add_cell(f, cell_of(s->o.delayed ? CELL_OUTBOX : CELL_DOORBELL,
                            t->subproc + (v->gpr[p->rb] & DBELL_TIRTAG), 1));
        break;
    case EMU_POINT_CLEAR:
        add_cell(f, cell_of(CELL_DOORBELL, thread, 1));
        break;
    case EMU_POINT_DPDES:
        add_doorbells(s, f, t->subproc, 0);
        break;
    case EMU_POINT_OPAQUE:
        f->all = 1;
        break;
    case EMU_POINT_PRIVATE:
    case EMU_POINT_OWN:
    case EMU_POINT_CLOCK:
    case EMU_POINT_HCALL:
    case EMU_POINT_MSR:
    case EMU_POINT_RETURN:
    case EMU_POINT_END:
        break;
    }
}

void foot_of(emu_search *s, emu_choice choice, foot *f)
{
    f->n = 0;
    f->all = 0;
    switch ((emu_choice_kind)choice.kind) {
    case EMU_CHOICE_DELIVER:
        add_cell(f, cell_of(CELL_OUTBOX, choice.actor, 1));
        add_cell(f, cell_of(CELL_DOORBELL, choice.actor, 1));
        return;
    case EMU_CHOICE_TIMER:
        f->all = 1;
        return;
    case EMU_CHOICE_LAND: {
        const emu_thread *t = emu_thread_at(s->m, actor_thread(s, choice.actor));
        add_word(s, f, (uint64_t)(&t->hdoorbell - s->words), 1);
        add_word(s, f, (uint64_t)(&t->xics_ipi - s->words), 1);
        add_sent(s, f, actor_thread(s, choice.actor));
        return;
    }
    default:
        break;
    }

    uint32_t thread = actor_thread(s, choice.actor);
    if (thread == NONE)
        host_foot(s, choice.actor, f);
    else
        guest_foot(s, thread, f);
}

int foot_conflict(const foot *a, const foot *b)
{
    if (a->all || b->all)
        return 1;
    for (uint32_t i = 0; i < a->n; i++)
        for (uint32_t j = 0; j < b->n; j++)
            if ((a->cells[i] | 1) == (b->cells[j] | 1) && ((a->cells[i] | b->cells[j]) & 1))
                return 1;
    return 0;
}

/* ---- ample sets ------------------------------------------------------------------------------------- */

known_cell *cell_slot(const emu_search *s, uint64_t granule)
{
    uint64_t i = granule * 0x9e3779b97f4a7c15u >> 32 & (s->cells_size - 1);
    while (s->cells[i].bit && s->cells[i].granule != granule)
        i = (i + 1) & (s->cells_size - 1);
    return &s->cells[i];
}

static uint64_t bit_of(const emu_search *s, uint64_t granule)
{
    const known_cell *known = s->ncells ? cell_slot(s, granule) : NULL;
    return known && known->bit ? known->bit : UNKNOWN_BIT;
}

/* Whether the actor's next step commutes with everything that all others may still do. */
static int may_move_alone(const emu_search *s, uint32_t actor, uint64_t reads, uint64_t writes)
{
    const emu_vcpu *v = vcpu_of(s, actor);
    const emu_point *p = point_at(s, v->nia);
    uint64_t bits = 0;
    if (!p || interrupt_of(s, actor, v))
        return 0;
    if (v->msr & MSR_EE && ((writes & DOORBELL_BIT) || s->shadow[s->nwords + OWN_OUTBOX]))
        return 0;
    switch ((emu_point_kind)p->kind) {
    case EMU_POINT_LOAD:
    case EMU_POINT_STORE: {
        uint64_t address = address_of(v, p);
        if (!p->nbytes || !inside(s, address, p->nbytes))
            return 0;
        for (uint64_t g = address / 8; g <= (address + p->nbytes - 1) / 8; g++)
            bits |= bit_of(s, g);
        if (bits & UNKNOWN_BIT)
            return 0;
        return !((bits | UNKNOWN_BIT) & (p->kind == EMU_POINT_LOAD ? writes : reads | writes));
    }
    case EMU_POINT_PRIVATE:
    case EMU_POINT_OWN:
    case EMU_POINT_CLOCK:
    case EMU_POINT_MSR:
    case EMU_POINT_RETURN:
        return 1;
    default:
        return 0;
    }
}

uint32_t ample_actor(emu_search *s, const emu_choice *choices, uint32_t n)
{
    uint64_t reads[MAX_ACTORS], writes[MAX_ACTORS];
    if (s->e)
        return NONE;
    for (uint32_t a = 0; a < s->nactors; a++) {
        const emu_point *p = point_at(s, vcpu_of(s, a)->nia);
        reads[a] = p ? p->reads : UINT64_MAX;
        writes[a] = p ? p->writes : UINT64_MAX;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t a = choices[i].actor;
        int only = choices[i].kind == EMU_CHOICE_GO && (i + 1 == n || choices[i + 1].actor != a ||
                                                        choices[i + 1].kind != EMU_CHOICE_FAIL);
        uint64_t r = 0, w = 0;
        if (!only)
            continue;
        for (uint32_t b = 0; b < s->nactors; b++)
            if (b != a) {
                r |= reads[b];
                w |= writes[b];
            }
        if (may_move_alone(s, a, r, w))
            return a;
    }
    return NONE;
}
