/* Runs drawn at random: a random walk, PCT and POS. Nothing is stored but outcomes.
 *
 * PCT (Burckhardt et al. 2010) gives every process a random priority and runs the highest; at d - 1
 * random steps the running one falls below all others. POS (Yuan, Yang, Gu 2018) gives every pending step a random
 * priority, and a new one to every step that races with the one that was taken.
 *
 * Priorities let a thread that spins keep out the one that it waits for. So the second half of a run
 * that becomes too long is a random walk, in which everybody gets his turn: if it still comes back to
 * a state that it was in long before, nobody seems to get anywhere.
 */
#include "explore.h"

#include <stdlib.h>

#define MAX_CHANGES 8u
#define LONG 8000u             /* steps of a run, from which on coming back says something */

typedef struct {
    uint64_t rng;
    uint64_t undo, hash;           /* of the start */
    uint64_t step;                 /* of the current run */
    uint64_t longest;              /* steps of the longest run so far */
    uint64_t noted, back;          /* a state of the last quarter's beginning; when it came again last */
    int running;
    uint64_t priority[MAX_PROCESSES];
    uint64_t change[MAX_CHANGES];
} sampler;

static uint64_t draw(sampler *w)   /* splitmix64 */
{
    uint64_t z = w->rng += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint64_t below(sampler *w, uint64_t n)
{
    return (uint64_t)((unsigned __int128)draw(w) * n >> 64);
}

static void begin_run(emu_search *s, sampler *w)
{
    w->running = 1;
    w->step = w->back = 0;
    for (uint32_t p = 0; p < NPROCESSES(s); p++)
        w->priority[p] = draw(w) | 1ull << 63;
    for (uint32_t i = 0; i + 1 < s->o.depth && i < MAX_CHANGES; i++)
        w->change[i] = below(w, w->longest) + 1;
}

static uint32_t highest(emu_search *s, const sampler *w, const emu_choice *choices, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (w->priority[process_of(s, choices[i])] > w->priority[process_of(s, choices[best])])
            best = i;
    return best;
}

/* Among the alternatives of one process, any. */
static uint32_t any_of_same(emu_search *s, sampler *w, const emu_choice *choices, uint32_t n, uint32_t chosen)
{
    uint32_t same[MAX_CHOICES], count = 0, process = process_of(s, choices[chosen]);
    for (uint32_t i = 0; i < n; i++)
        if (process_of(s, choices[i]) == process)
            same[count++] = i;
    return count > 1 ? same[below(w, count)] : chosen;
}

static uint32_t choose(emu_search *s, sampler *w, const emu_choice *choices, uint32_t n)
{
    if (n == 1)
        return 0;
    if (w->step >= s->o.max_steps / 2)
        return (uint32_t)below(w, n);
    switch ((emu_algorithm)s->o.algorithm) {
    case EMU_ALGORITHM_PCT:
        for (uint32_t i = 0; i + 1 < s->o.depth && i < MAX_CHANGES; i++)
            if (w->change[i] == w->step + 1)
                w->priority[process_of(s, choices[highest(s, w, choices, n)])] = i;
        break;
    case EMU_ALGORITHM_POS:
        break;
    default:
        return (uint32_t)below(w, n);
    }
    return any_of_same(s, w, choices, n, highest(s, w, choices, n));
}

/* POS: the step that is about to be taken, and those that race with it, draw again. */
static void draw_again(emu_search *s, sampler *w, const emu_choice *choices, uint32_t n, uint32_t chosen)
{
    foot taken, other;
    foot_of(s, choices[chosen], &taken);
    for (uint32_t i = 0; i < n; i++) {
        foot_of(s, choices[i], &other);
        if (i == chosen || foot_conflict(&taken, &other))
            w->priority[process_of(s, choices[i])] = draw(w) | 1ull << 63;
    }
}

static emu_search_verdict end_run(emu_search *s, sampler *w, int complete)
{
    int news = complete ? add_outcome(s) : 0;
    s->facts.runs++;
    s->facts.cut_runs += !complete;
    s->facts.circling_runs += !complete && s->o.max_steps >= LONG && w->back >= s->o.max_steps / 8 * 7;
    w->running = 0;
    if (w->step > w->longest)
        w->longest = w->step;
    go_back(s, w->undo, w->hash);
    s->trail.used = 0;
    if (news < 0)
        return EMU_SEARCH_MEMORY;
    return EMU_SEARCH_DONE;
}

emu_search_verdict run_sample(emu_search *s, uint64_t max_steps)
{
    sampler *w = s->own;
    if (!w) {
        w = s->own = calloc(1, sizeof *w);
        if (!w)
            return EMU_SEARCH_MEMORY;
        *w = (sampler){ .rng = s->o.seed, .undo = s->undo.used, .hash = s->hash, .longest = 1 };
    }
    while (s->facts.runs < s->o.max_runs) {
        emu_choice choices[MAX_CHOICES];
        if (max_steps-- == 0)
            return EMU_SEARCH_PAUSE;
        if (!w->running)
            begin_run(s, w);
        uint32_t n = all_choices(s, choices);
        if (check_state(s, !n) < 0)
            return EMU_SEARCH_MEMORY;
        if (!n || w->step >= s->o.max_steps) {
            emu_search_verdict verdict = end_run(s, w, !n);
            if (verdict != EMU_SEARCH_DONE)
                return verdict;
            if (s->violations.used && s->o.first)
                return EMU_SEARCH_FIRST;
            continue;
        }
        uint32_t chosen = choose(s, w, choices, n);
        if (s->o.algorithm == EMU_ALGORITHM_POS)
            draw_again(s, w, choices, n, chosen);
        emu_search_verdict verdict = take(s, choices[chosen]);
        if (verdict != EMU_SEARCH_DONE)
            return verdict;
        emu_choice *step = array_more(&s->trail, 1, sizeof *step);
        if (!step)
            return EMU_SEARCH_MEMORY;
        *step = choices[chosen];
        w->step++;
        s->facts.steps++;
        if (w->step == s->o.max_steps / 4 * 3)
            w->noted = s->hash;
        else if (s->hash == w->noted && w->step > s->o.max_steps / 4 * 3)
            w->back = w->step;
        if (s->trail.used > s->facts.max_depth)
            s->facts.max_depth = s->trail.used;
    }
    return EMU_SEARCH_DONE;
}
