/* One run of every class of equivalent runs: source sets and sleep sets (Abdulla, Aronis, Jonsson, Sagonas,
 * "Optimal Dynamic Partial Order Reduction", 2014). Stores no states but those of the run of now; shares with the
 * other algorithms nothing but the steps and what they touch.
 *
 * A run that comes back to a state that it has been in is cut there: it could go round for ever, and the races
 * of what would have followed are not seen. So with cycles a search ends, but it is not exhaustive.
 *
 * Runs are equivalent if they order all pairs of conflicting steps alike. Vector clocks say which
 * steps happen before which; two conflicting steps without a step in between race, and if nothing yet
 * explores the other order from where the first was taken, something that begins it is added there.
 */
#include "explore.h"

#include <stdlib.h>
#include <string.h>

#define MAX_BITS 64u

typedef uint64_t set_of;           /* of processes, a bit for each */

typedef struct {
    uint64_t undo, hash;           /* to stand before this step again */
    emu_choice choices[MAX_CHOICES];
    uint32_t nchoices;
    set_of enabled, backtrack, sleep, done;
    uint32_t process;              /* that is being explored ... */
    uint32_t alternative;          /* ... and which of its choices */
    foot touched;
    uint32_t number;               /* of this step among the process's, from 1 */
    uint32_t clock[MAX_BITS]; /* steps of each process that happen before this one, itself included */
    set_of woke;                   /* processes that this step made able to go on */
    int noted;                     /* the state is among those seen in this run because of this event */
} event;

typedef struct {
    uint64_t *seen;                /* hashes of the states of the run of now, open addressing; 0 = empty */
    uint64_t seen_size;
    event *events;
    uint64_t depth, size;          /* events[depth]: the state of now, its step not chosen yet */
    uint32_t nprocesses;
} dpor;

static void dpor_free(emu_search *s)
{
    free(((dpor *)s->own)->events);
    free(((dpor *)s->own)->seen);
    free(s->own);
    s->own = NULL;
}

static int make_room(dpor *d)
{
    if (d->depth + 1 < d->size)
        return 1;
    uint64_t size = d->size ? d->size * 2 : 64;
    event *moved = realloc(d->events, size * sizeof *moved);
    if (!moved)
        return 0;
    d->events = moved;
    d->size = size;
    return 1;
}

/* Where a hash is, or belongs. What is taken out was put in last, so probing never meets a gap. */
static uint64_t *seen_slot(const dpor *d, uint64_t hash)
{
    uint64_t at = hash * 0x9e3779b97f4a7c15u >> 20 & (d->seen_size - 1);
    while (d->seen[at] && d->seen[at] != hash)
        at = (at + 1) & (d->seen_size - 1);
    return &d->seen[at];
}

/* Note the state of now. 1: the run was not there before; 0: it was; -1: out of memory. */
static int note_state(emu_search *s, dpor *d)
{
    event *e = &d->events[d->depth];
    if ((d->depth + 1) * 2 >= d->seen_size) {
        uint64_t size = d->seen_size ? d->seen_size * 2 : 256;
        uint64_t *seen = calloc(size, sizeof *seen);
        if (!seen)
            return -1;
        free(d->seen);
        d->seen = seen;
        d->seen_size = size;
        for (uint64_t i = 0; i < d->depth; i++)
            *seen_slot(d, d->events[i].hash) = d->events[i].hash;
    }
    uint64_t *slot = seen_slot(d, s->hash);
    e->noted = !*slot;
    *slot = s->hash;
    return e->noted;
}

static set_of processes_of(emu_search *s, const event *e)
{
    set_of set = 0;
    for (uint32_t i = 0; i < e->nchoices; i++)
        set |= 1ull << process_of(s, e->choices[i]);
    return set;
}

/* The choice number `alternative` of a process, or NULL. */
static const emu_choice *choice_of(emu_search *s, const event *e, uint32_t process, uint32_t alternative)
{
    for (uint32_t i = 0; i < e->nchoices; i++)
        if (process_of(s, e->choices[i]) == process && alternative-- == 0)
            return &e->choices[i];
    return NULL;
}

/* Stand in a state: what is enabled, what is asleep. */
static void enter(emu_search *s, dpor *d, set_of sleep)
{
    event *e = &d->events[d->depth];
    memset(e, 0, sizeof *e);
    e->undo = s->undo.used;
    e->hash = s->hash;
    e->nchoices = all_choices(s, e->choices);
    e->enabled = processes_of(s, e);
    e->sleep = sleep;
    set_of awake = e->enabled & ~sleep;
    /* Messages and the clock may lose their chance by what others do, and would not be seen to race. */
    set_of outside = ~((1ull << s->nactors) - 1);
    e->backtrack = (awake & (~awake + 1)) | (e->enabled & outside);
    e->process = UINT32_MAX;
}

static int happens_before(const event *first, const event *second)
{
    return second->clock[first->process] >= first->number;
}

/* Processes whose first step in v = (steps after `from` that do not happen after it, then `last`) has
 * no step of v before it. */
static set_of initials(const dpor *d, uint64_t from, const event *last)
{
    const event *e = &d->events[from];
    set_of begins = 0, seen = 0;
    for (uint64_t i = from + 1; i <= d->depth; i++) {
        const event *x = i == d->depth ? last : &d->events[i];
        if (i < d->depth && happens_before(e, x))
            continue;
        set_of bit = 1ull << x->process;
        if (seen & bit)
            continue;
        seen |= bit;
        int first = 1;
        for (uint64_t j = from + 1; j < i && first; j++)
            if (!happens_before(e, &d->events[j]) && happens_before(&d->events[j], x))
                first = 0;
        if (first)
            begins |= bit;
    }
    return begins;
}

/* Whether the step that is about to be taken could come without the one that made it possible: because of
 * others that do not need that one either. */
static int needs_not(const dpor *d, uint64_t from, const event *now)
{
    for (uint64_t i = from + 1; i < d->depth; i++)
        if (!happens_before(&d->events[from], &d->events[i]) && foot_conflict(&d->events[i].touched, &now->touched))
            return 1;
    return 0;
}

/* The clock of the step that is about to be taken, and the races that it is in. */
static void order(dpor *d)
{
    event *now = &d->events[d->depth];
    uint64_t races[MAX_CELLS * 4];
    uint32_t nraces = 0, overflow = 0;
    now->number = 1;
    for (uint64_t i = d->depth; i-- > 0;) {
        const event *e = &d->events[i];
        if (e->process == now->process) {
            now->number = e->number + 1;
            break;
        }
    }
    for (uint64_t i = d->depth; i-- > 0;) {
        const event *e = &d->events[i];
        int same = e->process == now->process;
        if (now->clock[e->process] >= e->number || (!same && !foot_conflict(&e->touched, &now->touched)))
            continue;
        if (!same && (!(e->woke >> now->process & 1) || needs_not(d, i, now))) {
            if (nraces < sizeof races / sizeof *races)
                races[nraces++] = i;
            else
                overflow = 1;
        }
        for (uint32_t p = 0; p < d->nprocesses; p++)
            if (e->clock[p] > now->clock[p])
                now->clock[p] = e->clock[p];
    }
    now->clock[now->process] = now->number;
    for (uint32_t i = 0; i < nraces; i++) {
        event *before = &d->events[races[i]];
        set_of begins = initials(d, races[i], now);
        if (!(begins & (before->backtrack | before->sleep))) {
            set_of able = begins & before->enabled;
            before->backtrack |= able ? able & (~able + 1) : before->enabled;
        }
    }
    if (overflow)
        for (uint64_t i = 0; i < d->depth; i++)
            d->events[i].backtrack |= d->events[i].enabled;
}

/* Which sleepers stay asleep after the step of now: those that it does not touch. */
static set_of still_asleep(emu_search *s, const event *e)
{
    set_of stay = 0;
    for (uint32_t i = 0; i < e->nchoices; i++) {
        uint32_t process = process_of(s, e->choices[i]);
        foot f;
        if (!(e->sleep >> process & 1))
            continue;
        foot_of(s, e->choices[i], &f);
        if (!foot_conflict(&f, &e->touched))
            stay |= 1ull << process;
    }
    return stay;
}

/* The next process to explore from here, or the next choice of the same; 0: none is left. */
static int next_branch(emu_search *s, event *e)
{
    if (e->process != UINT32_MAX) {
        if (choice_of(s, e, e->process, e->alternative + 1)) {
            e->alternative++;
            return 1;
        }
        e->sleep |= 1ull << e->process;
    }
    set_of left = e->backtrack & e->enabled & ~e->sleep;
    if (!left)
        return 0;
    e->process = (uint32_t)__builtin_ctzll(left);
    e->alternative = 0;
    return 1;
}

static emu_search_verdict end_of_run(emu_search *s, const event *e)
{
    if (e->nchoices) {             /* every process that could go on is asleep: seen before */
        s->facts.asleep_runs++;
        return EMU_SEARCH_DONE;
    }
    s->facts.runs++;
    return add_outcome(s) < 0 ? EMU_SEARCH_MEMORY : EMU_SEARCH_DONE;
}

static emu_search_verdict step(emu_search *s, dpor *d)
{
    event *e = &d->events[d->depth];
    emu_choice choice = *choice_of(s, e, e->process, e->alternative);
    memset(e->clock, 0, sizeof e->clock);
    foot_of(s, choice, &e->touched);
    order(d);
    set_of asleep = still_asleep(s, e);
    emu_search_verdict verdict = take(s, choice);
    if (verdict != EMU_SEARCH_DONE)
        return verdict;
    if (!make_room(d))
        return EMU_SEARCH_MEMORY;
    emu_choice *trail = array_more(&s->trail, 1, sizeof *trail);
    if (!trail)
        return EMU_SEARCH_MEMORY;
    *trail = choice;
    s->facts.steps++;
    d->depth++;
    if (d->depth > s->facts.max_depth)
        s->facts.max_depth = d->depth;
    enter(s, d, asleep);
    if (note_state(s, d) < 0)
        return EMU_SEARCH_MEMORY;
    e = &d->events[d->depth - 1];
    set_of enabled = d->events[d->depth].enabled;
    e->woke = enabled & ~e->enabled;
    /* Who cannot go on any more may have no step left in this run that would be seen to race with it. */
    e->backtrack |= e->enabled & ~enabled & ~(1ull << e->process);
    /* It ended the run for everybody: what they would have done, they do first. */
    if (!d->events[d->depth].nchoices || !d->events[d->depth].noted || d->depth >= s->o.max_steps)
        e->backtrack |= e->enabled;
    return check_state(s, !d->events[d->depth].nchoices) < 0 ? EMU_SEARCH_MEMORY : EMU_SEARCH_DONE;
}

static void leave(emu_search *s, dpor *d)
{
    if (d->events[d->depth].noted)
        *seen_slot(d, d->events[d->depth].hash) = 0;
    d->depth--;
    go_back(s, d->events[d->depth].undo, d->events[d->depth].hash);
    s->trail.used--;
}

emu_search_verdict run_dpor(emu_search *s, uint64_t max_steps)
{
    dpor *d = s->own;
    if (NPROCESSES(s) > MAX_BITS)
        return EMU_SEARCH_LIMIT;
    if (!d) {
        d = s->own = calloc(1, sizeof *d);
        if (!d)
            return EMU_SEARCH_MEMORY;
        s->own_free = dpor_free;
        d->nprocesses = NPROCESSES(s);
        if (!make_room(d))
            return EMU_SEARCH_MEMORY;
        enter(s, d, 0);
        if (note_state(s, d) < 0)
            return EMU_SEARCH_MEMORY;
        if (check_state(s, !d->events[0].nchoices) < 0)
            return EMU_SEARCH_MEMORY;
    }
    for (;;) {
        event *e = &d->events[d->depth];
        if (e->process == UINT32_MAX && !(e->enabled & ~e->sleep)) {
            if (end_of_run(s, e) != EMU_SEARCH_DONE)
                return EMU_SEARCH_MEMORY;
        } else if (!e->noted) {
            s->facts.cut_rounds++;
        } else if (d->depth >= s->o.max_steps) {
            s->facts.cut_runs++;
        } else if (s->own_resume || next_branch(s, e)) {
            if (max_steps-- == 0 || s->facts.steps >= s->o.max_states) {
                s->own_resume = 1;
                return s->facts.steps >= s->o.max_states ? EMU_SEARCH_LIMIT : EMU_SEARCH_PAUSE;
            }
            s->own_resume = 0;
            emu_search_verdict verdict = step(s, d);
            if (verdict != EMU_SEARCH_DONE) {
                s->own_resume = 1;
                return verdict;
            }
            if (s->violations.used && s->o.first)
                return EMU_SEARCH_FIRST;
            continue;
        }
        if (d->depth == 0)
            return EMU_SEARCH_DONE;
        leave(s, d);
    }
}
