/* Every state once, depth first, by hash; singleton ample sets where asked for, or a bound on preemptions.
 *
 * With a bound, who moved last and how many preemptions there were belong to what is stored, and there are no
 * ample sets: the one order that they keep may be one that the bound forbids.
 *
 * An ample set is one actor whose next step nobody else's remaining program can be ordered against: the other
 * orders lead to the same end states. It must not be used on a cycle of states for ever (the others would
 * starve), and every cycle holds a step that goes back in the program: such a step is never ample.
 */
#include "explore.h"

static frame *top_frame(emu_search *s)
{
    return (frame *)s->frames.at + s->frames.used - 1;
}

#define BOUNDED(s) ((s)->o.preemptions != UINT32_MAX)

/* What is stored of the state of now. */
static uint64_t key_of(const emu_search *s, const frame *f)
{
    if (!BOUNDED(s))
        return s->hash;
    return s->hash ^ (f->last_actor + 1) * 0xd6e8feb86659fd93u ^ (f->preemptions + 1) * 0x9e3779b97f4a7c15u;
}

/* Who moved last after this choice, and the preemptions until then. 0: there would be too many. */
static int bound(emu_search *s, frame *f, emu_choice choice, frame *after)
{
    after->last_actor = f->last_actor;
    after->preemptions = f->preemptions;
    if (!BOUNDED(s) || process_of(s, choice) != choice.actor)
        return 1;                  /* what comes from outside the threads is no switch */
    after->last_actor = choice.actor;
    if (f->last_actor != choice.actor && f->last_actor != UINT32_MAX && can_go(s, f->last_actor))
        after->preemptions++;
    return after->preemptions <= s->o.preemptions;
}

/* Stand in a new state: its choices, or its end. 1: there are choices; 0: an end; -1: out of memory. */
static int push(emu_search *s, const frame *how)
{
    frame *f = array_more(&s->frames, 1, sizeof *f);
    emu_choice *choices = array_more(&s->choices, MAX_CHOICES, sizeof *choices);
    if (!f || !choices)
        return -1;
    uint32_t n = all_choices(s, choices);
    s->choices.used -= MAX_CHOICES;
    *f = *how;
    f->choices = s->choices.used;
    f->successors = s->successors.used;
    f->differences = s->differences.used;
    if (n > 1 && s->o.ample && !BOUNDED(s)) {
        uint32_t actor = ample_actor(s, choices, n);
        if (actor != UINT32_MAX) {
            f->ample = n;
            choices[0] = (emu_choice){ .actor = (uint8_t)actor, .kind = EMU_CHOICE_GO };
            n = 1;
        }
    }
    f->nchoices = n;
    s->choices.used += n;
    if (s->o.livelocks && !cycles_enter(s, choices, n, how->by))
        return -1;
    if (s->frames.used > s->facts.max_depth)
        s->facts.max_depth = s->frames.used;
    return n > 0;
}

/* The ample step goes back: all the other choices must be tried as well. */
static int widen(emu_search *s, frame *f)
{
    emu_choice done = ((emu_choice *)s->choices.at)[f->choices];
    s->choices.used = f->choices;
    emu_choice *choices = array_more(&s->choices, MAX_CHOICES, sizeof *choices);
    if (!choices)
        return 0;
    uint32_t n = all_choices(s, choices);
    s->choices.used -= MAX_CHOICES;
    for (uint32_t i = 0; i < n; i++)
        if (choices[i].actor == done.actor && choices[i].kind == done.kind) {
            choices[i] = choices[0];
            choices[0] = done;
        }
    f->ample = 0;
    f->nchoices = n;
    s->choices.used += n;
    return 1;
}

static void pop(emu_search *s)
{
    frame *f = top_frame(s);
    s->choices.used = f->choices;
    s->successors.used = f->successors;
    s->differences.used = f->differences;
    go_back(s, f->undo, f->hash);
    s->frames.used--;
    if (s->trail.used)
        s->trail.used--;
}

/* ---- the states that follow -------------------------------------------------------------------------
 *
 * All steps out of a state are taken before any is followed, and what each changes is kept. So the set of hashes,
 * which is larger than any cache, is asked for its lines early, and a step to a known state is not
 * done twice.
 */

/* What a step led to: the state of now, but for what differs from the frame's. 0: out of memory. */
static int keep(emu_search *s, emu_choice choice, const frame *after, stepper by)
{
    successor *next = array_more(&s->successors, 1, sizeof *next);
    if (!next)
        return 0;
    *next = (successor){ .hash = s->hash, .choice = choice, .last_actor = after->last_actor,
                         .preemptions = after->preemptions, .by = by, .first = s->differences.used,
                         .n = (uint32_t)(s->undo.used - after->undo) };
    undo_entry *now = array_more(&s->differences, next->n, sizeof *now);
    if (!now)
        return 0;
    values_since(s, after->undo, now);
    set_fetch(&s->set, key_of(s, after));
    return 1;
}

/* Take every step out of the state of now, and come back. */
static emu_search_verdict expand(emu_search *s)
{
    uint64_t steps = s->facts.steps, cut = s->facts.cut_preemptions;
    for (uint32_t i = 0; i < top_frame(s)->nchoices; i++) {
        frame *f = top_frame(s);
        emu_choice choice = ((emu_choice *)s->choices.at)[f->choices + i];
        frame after = { .undo = s->undo.used, .hash = s->hash };
        if (!bound(s, f, choice, &after)) {
            s->facts.cut_preemptions++;
            continue;
        }
        stepper by = s->o.livelocks ? stepper_of(s, choice) : (stepper){ .who = 0 };
        emu_search_verdict verdict = take(s, choice);
        if (verdict != EMU_SEARCH_DONE) {
            s->facts.steps = steps;
            s->facts.cut_preemptions = cut;
            s->successors.used = f->successors;
            s->differences.used = f->differences;
            return verdict;
        }
        s->facts.steps++;
        by.how |= s->eventful ? STEP_EVENTFUL : 0;
        int backward = s->backward, kept = keep(s, choice, &after, by);
        go_back(s, after.undo, after.hash);
        if (!kept || (f->ample && backward && !widen(s, f)))
            return EMU_SEARCH_MEMORY;
    }
    top_frame(s)->expanded = 1;
    return EMU_SEARCH_DONE;
}

/* In a state not seen before. */
static emu_search_verdict arrive(emu_search *s, const frame *how)
{
    s->facts.states++;
    int open = push(s, how);
    int news = open < 0 ? -1 : check_state(s, !open);
    int avoided = s->o.avoid && s->forbidden;
    if (avoided && open > 0)
        top_frame(s)->nchoices = 0;
    if (open == 0 && !avoided)
        news |= add_outcome(s) < 0 ? -1 : 0;
    if (news < 0 || open < 0)
        return EMU_SEARCH_MEMORY;
    if (news && s->o.first)
        return EMU_SEARCH_FIRST;
    return s->facts.states >= s->o.max_states ? EMU_SEARCH_LIMIT : EMU_SEARCH_DONE;
}

emu_search_verdict run_dfs(emu_search *s, uint64_t max_steps)
{
    emu_search_verdict verdict = EMU_SEARCH_DONE;
    uint64_t until = s->facts.steps + max_steps;
    if (!s->begun) {
        s->begun = 1;
        frame start = { .undo = s->undo.used, .hash = s->hash, .last_actor = UINT32_MAX };
        if (set_add(&s->set, key_of(s, &start)) < 0)
            return EMU_SEARCH_MEMORY;
        verdict = arrive(s, &start);
    }
    while (s->frames.used && verdict == EMU_SEARCH_DONE) {
        frame *f = top_frame(s);
        if (!f->expanded) {
            if (s->facts.steps >= until)
                return EMU_SEARCH_PAUSE;
            verdict = expand(s);
            continue;
        }
        if (f->successors + f->next == s->successors.used) {
            int news = s->o.livelocks ? cycles_leave(s) : 0;
            pop(s);
            if (news < 0)
                return EMU_SEARCH_MEMORY;
            if (news && s->o.first)
                return EMU_SEARCH_FIRST;
            continue;
        }
        successor next = ((successor *)s->successors.at)[f->successors + f->next++];
        frame after = { .undo = s->undo.used, .hash = s->hash, .last_actor = next.last_actor,
                        .preemptions = next.preemptions, .by = next.by };
        s->hash = next.hash;
        int added = set_add(&s->set, key_of(s, &after));
        if (added < 0)
            return EMU_SEARCH_MEMORY;
        if (!added) {
            if (s->o.livelocks)
                cycles_meet(s, next.by);
            s->hash = after.hash;
            continue;
        }
        go_on(s, (undo_entry *)s->differences.at + next.first, next.n);
        emu_choice *step = array_more(&s->trail, 1, sizeof *step);
        if (!step || s->failed)
            return EMU_SEARCH_MEMORY;
        *step = next.choice;
        verdict = arrive(s, &after);
    }
    return verdict;
}
