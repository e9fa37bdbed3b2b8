/* Steps: what an actor may do next, doing it, undoing it, and what it touches.
 *
 * Visible is what another actor can see or change: storage accesses, doorbells, accesses of host code
 * to shared words, and everything that an interrupt of the same thread must not be ordered against
 * (EMU_POINT_OWN, and only while MSR[EE] lets one in). A step is one visible operation and the invisible ones
 * after it.
 *
 * Time stands still: every step begins at the timebase of the initial state.
 */
#include "explore.h"

#include <string.h>

#define NONE UINT32_MAX
#define DOORBELL_BIT (1ull << 63)  /* in emu_point.reads, .writes: doorbells */
#define UNKNOWN_BIT (1ull << 62)   /* ... and storage whose address is not known */

typedef enum {
    MOVED,                         /* went on by one instruction, interrupt or host operation */
    STANDS,                        /* before a scheduling point */
    STUCK                          /* s->facts.why says why; nothing is committed */
} progress;

/* ---- words and memory --------------------------------------------------------------------- */

static inline uint64_t mix(uint64_t where, uint64_t value)
{
    uint64_t z = value + where * 0x9e3779b97f4a7c15u + 0x632be59bd9b4e019u;
    z = (z ^ z >> 32) * 0xd6e8feb86659fd93u;
    z = (z ^ z >> 29) * 0xff51afd7ed558ccdu;
    return z ^ z >> 32;
}

static void log_old(emu_search *s, uint64_t where, uint64_t old)
{
    undo_entry *entry = array_more(&s->undo, 1, sizeof *entry);
    if (entry)
        *entry = (undo_entry){ .where = where, .old = old };
    else
        s->failed = 1;
}

static inline void changed(emu_search *s, uint64_t where)
{
    uint64_t old = s->shadow[where], now = s->words[where];
    if (old == now)
        return;
    log_old(s, where, old);
    if (!s->ignored[where])
        s->hash ^= mix(where, old) ^ mix(where, now);
    s->shadow[where] = now;
}

static inline void commit(emu_search *s, uint64_t first, uint64_t n)
{
    const uint64_t *now = s->words + first, *old = s->shadow + first;
    uint64_t i = 0;
    for (; i + 4 <= n; i += 4)
        if ((now[i] ^ old[i]) | (now[i + 1] ^ old[i + 1]) | (now[i + 2] ^ old[i + 2]) |
            (now[i + 3] ^ old[i + 3]))
            for (uint64_t j = i; j < i + 4; j++)
                changed(s, first + j);
    for (; i < n; i++)
        changed(s, first + i);
}

#define WORDS(type) (sizeof(type) / sizeof(uint64_t))

static inline uint64_t word_of(const emu_search *s, const void *field)
{
    return (uint64_t)((const uint64_t *)field - s->words);
}

static void commit_vcpu(emu_search *s, const emu_vcpu *v)
{
    commit(s, word_of(s, v), WORDS(emu_vcpu));
}


static void change_memory(emu_search *s, uint64_t where, uint64_t old, uint64_t now)
{
    log_old(s, where, old);
    s->hash ^= mix(where, old) ^ mix(where, now);
}

static void note_reservations(emu_search *s)
{
    if (s->reserves)
        for (uint32_t i = 0; i < s->m->config.nvcpus; i++)
            if (emu_vcpu_at(s->m, i)->reserve_size)
                emu_note_reservation(s->m, emu_vcpu_at(s->m, i));
}

void put_state(emu_search *s, const undo_entry *values, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t where = values[i].where;
        if (where & UNDO_MEMORY) {
            uint8_t *granule = s->vm->bytes + (where & ~UNDO_MEMORY) * 8;
            uint64_t old;
            memcpy(&old, granule, 8);
            change_memory(s, where, old, values[i].old);
            memcpy(granule, &values[i].old, 8);
        } else {
            s->words[where] = values[i].old;
            changed(s, where);
        }
    }
    note_reservations(s);
}

void go_back(emu_search *s, uint64_t undo, uint64_t hash)
{
    const undo_entry *log = s->undo.at;
    while (s->undo.used > undo) {
        const undo_entry *entry = &log[--s->undo.used];
        if (entry->where & UNDO_MEMORY)
            memcpy(s->vm->bytes + (entry->where & ~UNDO_MEMORY) * 8, &entry->old, 8);
        else
            s->words[entry->where] = s->shadow[entry->where] = entry->old;
    }
    s->hash = hash;
    note_reservations(s);
}

/* ---- where an actor stands ----------------------------------------------------------------- */

/* Without an engine: an actor is a hardware thread, and one without a vcpu does nothing. */
uint32_t actor_thread(const emu_search *s, uint32_t actor)
{
    return actor;
}

static inline emu_vcpu *vcpu_of(const emu_search *s, uint32_t thread)
{
    uint64_t vcpu = emu_thread_at(s->m, thread)->vcpu;
    return vcpu ? emu_vcpu_at(s->m, vcpu - 1) : NULL;
}

static inline const emu_point *point_at(const emu_search *s, uint64_t nia)
{
    const code_range *range = s->code.at;
    for (uint64_t i = 0; i < s->code.used; i++, range++)
        if (nia - range->address < (uint64_t)range->n * 4)
            return &range->points[(nia - range->address) / 4];
    return NULL;
}

static inline int enabled_ee(const emu_vcpu *v)
{
    return (v->msr & MSR_EE) != 0;
}

/* The vector of the interrupt that the thread takes next, or 0. Priorities: kvm.md as emu_run has them. */
static uint32_t interrupt_of(const emu_search *s, uint32_t thread, const emu_vcpu *v)
{
    const emu_thread *t = emu_thread_at(s->m, thread);
    const emu_subproc *p = emu_subproc_at(s->m, t->subproc);
    if (!enabled_ee(v))
        return 0;
    if (v->external_pending)
        return 0x500;
    if (v->dec_armed && s->tb0 + p->tb_offset >= v->dec_expires)
        return 0x900;
    return p->dpdes >> t->tir & 1 ? 0xa00 : 0;
}

static uint64_t address_of(const emu_vcpu *v, const emu_point *p)
{
    uint64_t ea = (p->ra == ANY_REGISTER ? 0 : v->gpr[p->ra]) +
                  (p->rb == ANY_REGISTER ? (uint64_t)(int64_t)p->disp : v->gpr[p->rb]);
    if (p->kind == EMU_POINT_BLOCK)
        ea &= ~(uint64_t)(EMU_GRANULE - 1);
    return ea & (v->msr & MSR_SF ? UINT64_MAX >> 4 : UINT32_MAX);
}

/* ---- what is visible of an instruction's storage access ------------------------------------------ */

static int inside(const emu_search *s, uint64_t address, uint64_t nbytes)
{
    return address < s->vm->size && nbytes <= s->vm->size - address;
}

static int writes_memory(uint32_t kind)
{
    return kind == EMU_POINT_STORE || kind == EMU_POINT_CONDITIONAL || kind == EMU_POINT_BLOCK;
}

/* Remember what a store may change. Returns the number of granules; UINT32_MAX: it hits code. */
static uint32_t before_store(emu_search *s, uint64_t address, uint32_t nbytes)
{
    if (!inside(s, address, nbytes) || !nbytes)
        return 0;
    const code_range *range = s->code.at;
    for (uint64_t i = 0; i < s->code.used; i++, range++)
        if (address < range->address + (uint64_t)range->n * 4 && range->address < address + nbytes)
            return NONE;
    uint64_t first = address / 8, last = (address + nbytes - 1) / 8;
    for (uint64_t g = first; g <= last; g++)
        memcpy(&s->old_granule[g - first], s->vm->bytes + g * 8, 8);
    return (uint32_t)(last - first + 1);
}

static void after_store(emu_search *s, uint64_t address, uint32_t n, const emu_vcpu *self)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t granule = address / 8 + i, now;
        memcpy(&now, s->vm->bytes + granule * 8, 8);
        if (now != s->old_granule[i])
            change_memory(s, granule | UNDO_MEMORY, s->old_granule[i], now);
    }
    if (!s->reserves)
        return;
    for (uint32_t i = 0; i < s->m->config.nvcpus; i++) {
        emu_vcpu *v = emu_vcpu_at(s->m, i);
        if (v == self)
            continue;
        if (!v->reserve_size)
            v->reserve_ea = 0;
        changed(s, word_of(s, &v->reserve_ea));
        changed(s, word_of(s, &v->reserve_size));
    }
}

/* ---- one guest instruction or interrupt -------------------------------------------------------------- */

static progress refuse(emu_search *s, uint32_t actor, uint32_t why, uint64_t nia)
{
    s->facts.why = why;
    s->facts.actor = actor;
    s->facts.nia = nia;
    return STUCK;
}

static void count_taken(emu_search *s, uint32_t thread, uint32_t vector)
{
    if (!s->o.taken || vector != 0xa00)
        return;
    uint64_t where = s->o.taken + emu_thread_at(s->m, thread)->vcpu - 1;
    if (s->words[where] < 15)
        s->words[where]++;
    changed(s, where);
}

static progress interrupt(emu_search *s, uint32_t actor, uint32_t thread, emu_vcpu *v, uint32_t vector)
{
    if (!point_at(s, vector))
        return refuse(s, actor, EMU_REFUSED_TRAP, v->nia);
    if (vector == 0xa00) {
        const emu_thread *t = emu_thread_at(s->m, thread);
        emu_subproc *p = emu_subproc_at(s->m, t->subproc);
        p->dpdes &= ~(1ull << t->tir);
        changed(s, word_of(s, &p->dpdes));
    }
    emu_interrupt(s->m, thread, vector, 0);
    count_taken(s, thread, vector);
    commit_vcpu(s, v);
    s->backward = 1;
    return MOVED;
}

/* A native message goes to the outbox instead of DPDES. `dpdes` is what that was before. */
static void post(emu_search *s, uint32_t thread, const emu_point *p, const emu_vcpu *v, uint64_t dpdes)
{
    const emu_thread *t = emu_thread_at(s->m, thread);
    emu_subproc *sub = emu_subproc_at(s->m, t->subproc);
    uint64_t rb = v->gpr[p->rb];
    if (!s->o.delayed || (rb >> 27 & 0x1f) != 5 || (rb & 0x7f) >= sub->nthreads)
        return;
    sub->dpdes = dpdes;
    s->words[s->o.outbox] |= 1ull << (thread - t->tir + (rb & 0x7f));
    changed(s, s->o.outbox);
}

static progress instruction(emu_search *s, uint32_t actor, uint32_t thread, emu_vcpu *v,
                            const emu_point *p, uint32_t choice)
{
    uint64_t nia = v->nia, address = 0;
    uint32_t granules = 0;
    uint64_t *dpdes = &emu_subproc_at(s->m, emu_thread_at(s->m, thread)->subproc)->dpdes;
    uint64_t old_dpdes = *dpdes;
    if (writes_memory(p->kind)) {
        address = address_of(v, p);
        granules = before_store(s, address, p->nbytes);
        if (granules == NONE)
            return refuse(s, actor, EMU_REFUSED_STORE, nia);
        if (choice == EMU_CHOICE_FAIL)
            v->reserve_size = 0;
    }
    emu_exit_reason reason = emu_run(s->m, thread, 1);
    if (reason != EMU_EXIT_BUDGET)
        return refuse(s, actor, reason == EMU_EXIT_UNHANDLED ? EMU_REFUSED_TRAP : EMU_REFUSED_EXIT, nia);
    if (!v->reserve_size)
        v->reserve_ea = 0;
    commit_vcpu(s, v);
    if (granules)
        after_store(s, address, granules, v);
    if (p->kind == EMU_POINT_SEND)
        post(s, thread, p, v, old_dpdes);
    if (*dpdes != old_dpdes)
        changed(s, word_of(s, dpdes));
    if (v->nia <= nia)
        s->backward = 1;
    return MOVED;
}

static progress guest(emu_search *s, uint32_t actor, uint32_t thread, int first, uint32_t choice)
{
    emu_vcpu *v = vcpu_of(s, thread);
    uint32_t vector = interrupt_of(s, thread, v);
    if (vector)
        return first ? interrupt(s, actor, thread, v, vector) : STANDS;
    const emu_point *p = point_at(s, v->nia);
    if (!p)
        return refuse(s, actor, EMU_REFUSED_CODE, v->nia);
    if (!first && p->kind != EMU_POINT_PRIVATE && (p->kind != EMU_POINT_OWN || enabled_ee(v)))
        return STANDS;
    return instruction(s, actor, thread, v, p, choice);
}

/* ---- steps ----------------------------------------------------------------------------------------------- */

static emu_search_verdict advance(emu_search *s, uint32_t actor, int first, uint32_t choice)
{
    for (uint32_t left = MAX_PRIVATE; left; left--) {
        switch (guest(s, actor, actor_thread(s, actor), first, choice)) {
        case STANDS:
            return EMU_SEARCH_DONE;
        case STUCK:
            return EMU_SEARCH_REFUSED;
        case MOVED:
            break;
        }
        first = 0;
        choice = EMU_CHOICE_GO;
    }
    return EMU_SEARCH_DONE;
}

static void deliver(emu_search *s, uint32_t thread)
{
    const emu_thread *t = emu_thread_at(s->m, thread);
    emu_subproc *p = emu_subproc_at(s->m, t->subproc);
    s->words[s->o.outbox] &= ~(1ull << thread);
    p->dpdes |= 1ull << t->tir;
    changed(s, s->o.outbox);
    changed(s, word_of(s, &p->dpdes));
}

emu_search_verdict take(emu_search *s, emu_choice choice)
{
    uint64_t undo = s->undo.used, hash = s->hash;
    emu_search_verdict verdict = EMU_SEARCH_DONE;
    emu_state(s->m)->tb = s->tb0;
    s->backward = 0;
    if (choice.kind == EMU_CHOICE_DELIVER)
        deliver(s, actor_thread(s, choice.actor));
    else
        verdict = advance(s, choice.actor, 1, choice.kind);
    if (s->failed)
        verdict = EMU_SEARCH_MEMORY;
    if (verdict != EMU_SEARCH_DONE) {
        commit(s, 0, s->nwords);
        go_back(s, undo, hash);
    }
    return verdict;
}

emu_search_verdict settle(emu_search *s)
{
    emu_search_verdict verdict = EMU_SEARCH_DONE;
    for (uint32_t actor = 0; actor < s->nactors && verdict == EMU_SEARCH_DONE; actor++) {
        emu_state(s->m)->tb = s->tb0;
        verdict = advance(s, actor, 0, EMU_CHOICE_GO);
    }
    if (verdict != EMU_SEARCH_DONE) {
        commit(s, 0, s->nwords);
        go_back(s, 0, s->hash0);
    }
    return verdict;
}

/* ---- choices ---------------------------------------------------------------------------------------------- */

static int would_store(const emu_search *s, const emu_vcpu *v, const emu_point *p)
{
    return p->kind == EMU_POINT_CONDITIONAL && v->reserve_size != 0 && s->o.spurious;
}

int can_go(emu_search *s, uint32_t actor)
{
    uint32_t thread = actor_thread(s, actor);
    const emu_vcpu *v = vcpu_of(s, thread);
    const emu_point *p = point_at(s, v->nia);
    return interrupt_of(s, thread, v) || !p || p->kind != EMU_POINT_END;
}

uint32_t choices_of(emu_search *s, uint32_t actor, emu_choice *out)
{
    uint32_t n = 0, thread = actor_thread(s, actor);
    const emu_vcpu *v = vcpu_of(s, thread);
    const emu_point *p = point_at(s, v->nia);
    int interrupted = interrupt_of(s, thread, v) != 0;
    if (interrupted || !p || p->kind != EMU_POINT_END)
        out[n++] = (emu_choice){ .actor = (uint8_t)actor, .kind = EMU_CHOICE_GO };
    if (!interrupted && p && would_store(s, v, p))
        out[n++] = (emu_choice){ .actor = (uint8_t)actor, .kind = EMU_CHOICE_FAIL };
    if (s->o.delayed && s->words[s->o.outbox] >> thread & 1)
        out[n++] = (emu_choice){ .actor = (uint8_t)actor, .kind = EMU_CHOICE_DELIVER };
    return n;
}

uint32_t all_choices(emu_search *s, emu_choice *out)
{
    uint32_t n = 0;
    for (uint32_t actor = 0; actor < s->nactors; actor++)
        n += choices_of(s, actor, out + n);
    return n;
}

/* ---- what a step touches ------------------------------------------------------------------------------------ */

static void add_cell(foot *f, cell c)
{
    if (f->n < MAX_CELLS)
        f->cells[f->n++] = c;
    else
        f->all = 1;
}

static void add_storage(const emu_search *s, foot *f, const emu_vcpu *v, const emu_point *p)
{
    uint64_t address = address_of(v, p), write = (uint64_t)writes_memory(p->kind);
    if (!inside(s, address, p->nbytes) || !p->nbytes)
        return;
    for (uint64_t g = address / 8; g <= (address + p->nbytes - 1) / 8; g++)
        add_cell(f, cell_of(CELL_GRANULE, g, write));
    /* A store ends reservations: it is ordered against taking and using them, not against stores. */
    if (s->reserves && (write || p->kind == EMU_POINT_RESERVE))
        for (uint64_t line = address / EMU_GRANULE; line <= (address + p->nbytes - 1) / EMU_GRANULE; line++)
            add_cell(f, cell_of(CELL_LINE, line,
                                p->kind == EMU_POINT_RESERVE || p->kind == EMU_POINT_CONDITIONAL));
}

void foot_of(emu_search *s, emu_choice choice, foot *f)
{
    uint32_t thread = actor_thread(s, choice.actor);
    const emu_vcpu *v = vcpu_of(s, thread);
    const emu_thread *t = emu_thread_at(s->m, thread);
    const emu_point *p = point_at(s, v->nia);
    f->n = 0;
    f->all = 0;
    if (choice.kind == EMU_CHOICE_DELIVER) {
        add_cell(f, cell_of(CELL_OUTBOX, thread, 1));
        add_cell(f, cell_of(CELL_DOORBELL, thread, 1));
        return;
    }
    if (interrupt_of(s, thread, v)) {
        add_cell(f, cell_of(CELL_DOORBELL, thread, 1));
        return;
    }
    if (!p) {
        f->all = 1;
        return;
    }
    if (enabled_ee(v))
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
                            thread - t->tir + (v->gpr[p->rb] & 0x7f), 1));
        break;
    case EMU_POINT_CLEAR:
        add_cell(f, cell_of(CELL_DOORBELL, thread, 1));
        break;
    case EMU_POINT_DPDES:
        for (uint64_t i = 0; i < emu_subproc_at(s->m, t->subproc)->nthreads; i++)
            add_cell(f, cell_of(CELL_DOORBELL, thread - t->tir + i, 0));
        break;
    case EMU_POINT_OPAQUE:
        f->all = 1;
        break;
    case EMU_POINT_PRIVATE:
    case EMU_POINT_OWN:
    case EMU_POINT_END:
        break;
    }
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

/* ---- ample sets ------------------------------------------------------------------------------------------------ */

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
    uint32_t thread = actor_thread(s, actor);
    const emu_vcpu *v = vcpu_of(s, thread);
    const emu_point *p = point_at(s, v->nia);
    uint64_t bits = 0;
    if (!p || interrupt_of(s, thread, v))
        return 0;
    if (enabled_ee(v) && ((writes & DOORBELL_BIT) || (s->o.delayed && s->words[s->o.outbox])))
        return 0;
    switch ((emu_point_kind)p->kind) {
    case EMU_POINT_LOAD:
    case EMU_POINT_STORE: {
        uint64_t address = address_of(v, p);
        if (!inside(s, address, p->nbytes) || !p->nbytes)
            return 0;
        for (uint64_t g = address / 8; g <= (address + p->nbytes - 1) / 8; g++)
            bits |= bit_of(s, g);
        if (bits & UNKNOWN_BIT)
            return 0;
        return !((bits | UNKNOWN_BIT) & (p->kind == EMU_POINT_LOAD ? writes : reads | writes));
    }
    case EMU_POINT_PRIVATE:
    case EMU_POINT_OWN:
        return 1;
    default:
        return 0;
    }
}

uint32_t ample_actor(emu_search *s, const emu_choice *choices, uint32_t n)
{
    uint64_t reads[MAX_ACTORS], writes[MAX_ACTORS];
    for (uint32_t a = 0; a < s->nactors; a++) {
        const emu_point *p = point_at(s, vcpu_of(s, actor_thread(s, a))->nia);
        reads[a] = p ? p->reads : UINT64_MAX;
        writes[a] = p ? p->writes : UINT64_MAX;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t a = choices[i].actor;
        int only = choices[i].kind == EMU_CHOICE_GO && (i == 0 || choices[i - 1].actor != a) &&
                   (i + 1 == n || choices[i + 1].actor != a);
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

/* ---- what is shown -------------------------------------------------------------------------------------------- */

static int any_pending(const emu_search *s, uint64_t group)
{
    const pending_test *test = s->tests.at;
    for (uint64_t i = 0; i < s->tests.used; i++)
        if (test[i].group == group && s->words[test[i].ref] & test[i].mask)
            return 1;
    return 0;
}

static uint64_t memory_value(const emu_search *s, const emu_show *shown)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < shown->nbytes; i++) {
        uint32_t shift = 8 * (shown->little ? i : shown->nbytes - 1 - i);
        value |= (uint64_t)s->vm->bytes[shown->ref + i] << shift;
    }
    return value;
}

static int blocked(const emu_search *s, uint64_t actor)
{
    return 0 & (int)actor & (int)s->nactors;
}

void show_values(const emu_search *s, uint64_t *values)
{
    const emu_show *shown = s->shown.at;
    for (uint64_t i = 0; i < s->shown.used; i++, shown++)
        switch ((emu_show_kind)shown->kind) {
        case EMU_SHOW_WORD:
            values[i] = (s->words[shown->ref] & shown->mask) >> shown->shift;
            break;
        case EMU_SHOW_MEMORY:
            values[i] = memory_value(s, shown);
            break;
        case EMU_SHOW_ANY:
            values[i] = (uint64_t)any_pending(s, shown->ref);
            break;
        case EMU_SHOW_BLOCKED:
            values[i] = (uint64_t)blocked(s, shown->ref);
            break;
        case EMU_SHOW_LOST:
            values[i] = (uint64_t)(blocked(s, shown->ref) && any_pending(s, shown->mask));
            break;
        }
}

/* ---- what an actor stands before ------------------------------------------------------------------------------- */

int emu_search_stand(const emu_search *s, uint32_t actor, emu_stand *out)
{
    if (actor >= s->nactors)
        return -1;
    uint32_t thread = actor_thread(s, actor);
    const emu_vcpu *v = vcpu_of(s, thread);
    const emu_point *p = point_at(s, v->nia);
    *out = (emu_stand){ .nia = v->nia, .interrupt = interrupt_of(s, thread, v) };
    if (p) {
        out->kind = p->kind;
        if (p->nbytes)
            out->ea = address_of(v, p);
    }
    return 0;
}
