/* Runs one step after another and compares; see watch.abi.h. */
#include "watch.h"

#define LOG_ENTRIES 64u        /* more than one step can do */

static uint64_t value_of(emu_machine *m, const emu_watch *w)
{
    if (!w->vm)
        return w->at < m->nwords ? m->words[w->at] : 0;
    const uint8_t *bytes = emu_memory(m, (uint32_t)w->vm - 1);
    uint64_t size = emu_memory_size(m, (uint32_t)w->vm - 1), value = 0;
    if (!bytes || w->at >= size || w->nbytes > size - w->at)
        return 0;
    for (uint64_t i = 0; i < w->nbytes; i++)
        value = value << 8 | bytes[w->at + i];
    return value;
}

void emu_debug_look(const emu_engine *e, emu_machine *m, emu_debug *d)
{
    for (uint32_t i = 0; i < d->nwatches; i++)
        d->watches[i].value = value_of(m, &d->watches[i]);
    d->moved = 0;
    if (d->ready && d->ready <= m->config.nvcpus)
        d->moved = !emu_engine_in_guest(e, m, (uint32_t)d->ready - 1);
}

static int stop(emu_debug *d, emu_stopped_by by, uint32_t which)
{
    d->stopped_by = by;
    d->which = which;
    return 1;
}

static int watched_changed(emu_machine *m, emu_debug *d)
{
    int changed = 0;
    for (uint32_t i = 0; i < d->nwatches; i++) {
        uint64_t value = value_of(m, &d->watches[i]);
        if (value == d->watches[i].value)
            continue;
        d->watches[i].value = value;
        changed = changed || stop(d, EMU_STOPPED_BY_WATCH, i);
    }
    return changed;
}

static int concerns(const emu_debug *d, uint64_t vcpu)
{
    return (int)(d->vcpus >> (vcpu < 63 ? vcpu : 63) & 1);
}

/* Whether the step just done was the guest of a vcpu (counted from 1), or its leaving. */
static int was_its_guest(const emu_engine *e, emu_machine *m, const emu_run_args *r, uint64_t vcpu)
{
    if (r->last == EMU_STEP_GUEST)
        return emu_engine_guest(e, m, r->actor) == vcpu;
    return r->last == EMU_STEP_EXIT && emu_thread_at(m, emu_engine_at(e, r->last_node)->a)->vcpu == vcpu;
}

/* Whether the step just done was of a kind, or brought an event or exit, to stop after. */
static int step_stops(const emu_engine *e, emu_machine *m, emu_debug *d, const emu_run_args *r)
{
    if (r->last == EMU_STEP_NONE)
        return 0;
    if (r->last == EMU_STEP_HOST && d->events) {
        const emu_node *n = emu_engine_at(e, r->last_node);
        if (n->op == EMU_OP_TRACE && concerns(d, n->b) && d->events >> (n->a & 63) & 1)
            return stop(d, EMU_STOPPED_BY_EVENT, (uint32_t)n->a);
    }
    int concerned = !d->owner || d->owner == 1 + (uint64_t)r->actor || was_its_guest(e, m, r, d->owner);
    if (d->kinds >> r->last & 1 && concerned)
        return stop(d, EMU_STOPPED_BY_KIND, r->last);
    return 0;
}

static int exit_stops(const emu_engine *e, emu_machine *m, emu_debug *d, const emu_run_args *r)
{
    if (r->last != EMU_STEP_EXIT || !d->exits)
        return 0;
    const emu_node *n = emu_engine_at(e, r->last_node);
    uint64_t reason = m->words[n->ref] & 0xff;
    uint64_t vcpu = emu_thread_at(m, n->a)->vcpu;
    return vcpu && concerns(d, vcpu - 1) && d->exits >> (reason & 63) & 1
           && stop(d, EMU_STOPPED_BY_EXIT, (uint32_t)reason);
}

static int interrupt_stops(emu_machine *m, emu_debug *d)
{
    emu_log_entry entry;
    int stops = 0;
    while (emu_log_drain(m, &entry, 1)) {
        uint64_t number = entry.argument / 0x20;
        if (entry.deed == EMU_DID_INTERRUPT && number < EMU_VECTORS && concerns(d, entry.vcpu)
            && d->vectors[number / 64] >> number % 64 & 1)
            stops = stop(d, EMU_STOPPED_BY_VECTOR, (uint32_t)entry.argument);
    }
    return stops;
}

static int is_ready(const emu_engine *e, emu_machine *m, emu_debug *d)
{
    if (!d->moved || !emu_engine_in_guest(e, m, (uint32_t)d->ready - 1))
        return 0;
    d->moved = 0;
    if (d->passes) {
        d->passes--;
        return 0;
    }
    return stop(d, EMU_STOPPED_BY_READY, (uint32_t)d->ready - 1);
}

/* Whether the next step is an instruction to stop in front of. */
static int word_stops(const emu_engine *e, emu_machine *m, emu_debug *d)
{
    int64_t actor = d->nwords ? emu_engine_turn(e, m) : -1;
    uint64_t vcpu = actor < 0 ? 0 : emu_engine_guest(e, m, (uint32_t)actor);
    uint32_t word;
    if (!vcpu || !concerns(d, vcpu - 1) || emu_fetch(m, (uint32_t)vcpu - 1, &word))
        return 0;
    for (uint32_t i = 0; i < d->nwords; i++)
        if ((word & d->words[i].mask) == d->words[i].match)
            return stop(d, EMU_STOPPED_BY_WORD, i);
    return 0;
}

int emu_debug_before(const emu_engine *e, emu_machine *m, emu_debug *d)
{
    d->stopped_by = EMU_STOPPED_BY_NOTHING;
    return (d->ready && d->ready <= m->config.nvcpus && is_ready(e, m, d))
           || (d->first && word_stops(e, m, d));
}

/* All are asked: the watches have to keep up. */
static int done_stops(const emu_engine *e, emu_machine *m, const emu_run_args *r, emu_debug *d)
{
    int stops = r->steps && step_stops(e, m, d, r);
    stops |= r->steps && exit_stops(e, m, d, r);
    return stops;
}

/* An actor whose answer is to be learned (not `moved_on`) has not moved yet. */
static int ready_stops(const emu_engine *e, emu_machine *m, const emu_run_args *r, emu_debug *d, int moved_on)
{
    if (!d->ready || d->ready > m->config.nvcpus)
        return 0;
    if (r->steps && was_its_guest(e, m, r, d->ready))
        d->moved = 1;
    return moved_on && is_ready(e, m, d);
}

int emu_debug_after(const emu_engine *e, emu_machine *m, const emu_run_args *r, emu_debug *d)
{
    d->stopped_by = EMU_STOPPED_BY_NOTHING;
    int stops = done_stops(e, m, r, d);
    stops |= ready_stops(e, m, r, d, 1);
    stops |= watched_changed(m, d);
    return stops || word_stops(e, m, d);
}

emu_verdict emu_debug_run(emu_engine *e, emu_machine *m, emu_run_args *r, emu_debug *d)
{
    const uint64_t limit = r->max_steps;
    uint64_t max_steps = limit, max_insns = r->max_insns, max_nodes = r->max_nodes;
    uint64_t steps = 0, insns = 0;
    int vectors = d->vectors[0] || d->vectors[1];
    emu_verdict verdict = EMU_WALK_PAUSE;
    if (vectors && emu_log_size(m, LOG_ENTRIES))
        return EMU_WALK_MEMORY;
    if (emu_debug_before(e, m, d))
        max_steps = 0;
    while (steps < max_steps && insns < max_insns && steps < max_nodes) {
        r->max_steps = 1;
        r->max_insns = max_insns - insns;
        verdict = emu_engine_run(e, m, r);
        steps += r->steps;
        insns += r->insns;
        int stops = done_stops(e, m, r, d);
        stops |= vectors && interrupt_stops(m, d);
        stops |= ready_stops(e, m, r, d, verdict != EMU_WALK_LEARN);
        stops |= watched_changed(m, d);
        if (verdict != EMU_WALK_PAUSE || stops)
            break;
        if (word_stops(e, m, d))
            break;
    }
    if (vectors)
        emu_log_size(m, 0);
    r->steps = steps;
    r->insns = insns;
    r->max_steps = limit;
    r->max_insns = max_insns;
    return verdict;
}
