/* The explorer's interface: making a search, telling it what it must know, asking what it found. */
#include "explore.h"

#include <stdlib.h>
#include <string.h>

emu_search *emu_search_new(emu_machine *m, emu_engine *engine, const emu_search_options *options)
{
    emu_search *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->m = m;
    s->e = engine;
    s->o = *options;
    s->vm = &m->vms[0];
    s->words = emu_words(m);
    s->nwords = emu_nwords(m);
    if (engine) {
        s->actors = (emu_actor *)(s->words + emu_area_start(m, EMU_AREA_ACTOR));
        s->nactors = (uint32_t)((emu_area_start(m, EMU_AREA_HOST) - emu_area_start(m, EMU_AREA_ACTOR)) *
                                sizeof *s->words / sizeof *s->actors);
    } else {
        s->nactors = m->config.nthreads;
        while (s->nactors && !emu_thread_at(m, s->nactors - 1)->vcpu)
            s->nactors--;
    }
    s->nshadow = s->nwords + OWN_SENDERS + m->config.nthreads + s->nactors;
    s->shadow = calloc(s->nshadow, sizeof *s->shadow);
    s->ignored = calloc(s->nwords, 1);
    s->claims = calloc(s->nwords, sizeof *s->claims);
    if (!s->shadow || !s->ignored || !s->claims || s->nactors > MAX_ACTORS ||
        m->config.nthreads > MAX_THREADS) {
        emu_search_free(s);
        return NULL;
    }
    memcpy(s->shadow, s->words, s->nwords * sizeof *s->shadow);
    s->hash0 = s->hash = 0x9ae16a3b2f90404fu;
    reach_begin(s);
    if (options->algorithm != EMU_ALGORITHM_DFS || options->preemptions != UINT32_MAX || options->avoid ||
        !can_judge_cycles(s))
        s->o.livelocks = 0;
    if (s->o.livelocks)
        s->o.ample = 0;
    return s;
}

void emu_search_free(emu_search *s)
{
    if (!s)
        return;
    if (s->own_free)
        s->own_free(s);
    free(s->own);
    const code_range *range = s->code.at;
    for (uint64_t i = 0; i < s->code.used; i++) {
        free(range[i].points);
        free(range[i].executed);
    }
    free(s->reached);
    array *arrays[] = { &s->undo, &s->code, &s->shown, &s->tests, &s->counters, &s->scratch, &s->rules, &s->rule_ends, &s->outcomes,
                        &s->violations, &s->values, &s->paths, &s->trail, &s->frames, &s->choices, &s->successors,
                        &s->differences };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]->at);
    set_clear(&s->set);
    cycles_free(s);
    free(s->cells);
    free(s->outcome_slots);
    free(s->shadow);
    free(s->ignored);
    free(s->claims);
    free(s->cell_claims);
    free(s);
}

/* ---- what the search must know ------------------------------------------------------------------ */

int emu_search_code(emu_search *s, uint64_t address, const emu_point *points, uint32_t n)
{
    emu_point *copy = malloc((n ? n : 1) * sizeof *copy);
    uint8_t *executed = calloc(n ? n : 1, 1);
    code_range *range = copy && executed ? array_more(&s->code, 1, sizeof *range) : NULL;
    if (!range) {
        free(copy);
        free(executed);
        return -1;
    }
    memcpy(copy, points, n * sizeof *copy);
    *range = (code_range){ .address = address, .n = n, .points = copy, .executed = executed };
    for (uint32_t i = 0; i < n; i++) {
        if ((points[i].ra >= 32 && points[i].ra != ANY_REGISTER) ||
            (points[i].rb >= 32 && points[i].rb != ANY_REGISTER) || points[i].nbytes > EMU_GRANULE)
            return -1;
        if (points[i].kind == EMU_POINT_RESERVE)
            s->reserves = 1;
    }
    if (n && address < 0x3000)
        s->handlers = 1;
    return 0;
}

int emu_search_ignore(emu_search *s, const uint64_t *refs, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        if (refs[i] >= s->nwords)
            return -1;
        s->ignored[refs[i]] = 1;
    }
    return 0;
}

int emu_search_scratch(emu_search *s, uint32_t vcpu, uint64_t ref)
{
    scratch_word *word = ref < s->nwords ? array_more(&s->scratch, 1, sizeof *word) : NULL;
    if (!word)
        return -1;
    *word = (scratch_word){ .vcpu = vcpu, .ref = ref };
    return 0;
}

uint64_t emu_search_outbox(const emu_search *s)
{
    return s->nwords + OWN_OUTBOX;
}

uint64_t emu_search_trap(const emu_search *s)
{
    return s->nwords + OWN_TRAP;
}

uint64_t emu_search_count(emu_search *s, uint32_t vcpu, uint32_t vector)
{
    const counter *known = s->counters.at;
    for (uint64_t i = 0; i < s->counters.used; i++)
        if (known[i].vcpu == vcpu && known[i].vector == vector)
            return known[i].ref;
    uint64_t *shadow = realloc(s->shadow, (s->nshadow + 1) * sizeof *shadow);
    if (!shadow)
        return 0;
    s->shadow = shadow;
    counter *new = array_more(&s->counters, 1, sizeof *new);
    if (!new)
        return 0;
    *new = (counter){ .vcpu = vcpu, .vector = vector, .ref = s->nshadow };
    s->shadow[s->nshadow] = 0;
    return s->nshadow++;
}

int emu_search_cell(emu_search *s, uint64_t address, uint32_t bit)
{
    if (s->ncells * 2 >= s->cells_size) {
        uint64_t size = s->cells_size ? s->cells_size * 2 : 64;
        known_cell *cells = calloc(size, sizeof *cells);
        if (!cells)
            return -1;
        known_cell *old = s->cells;
        uint64_t old_size = s->cells_size;
        s->cells = cells;
        s->cells_size = size;
        for (uint64_t i = 0; i < old_size; i++)
            if (old[i].bit)
                *cell_slot(s, old[i].granule) = old[i];
        free(old);
    }
    known_cell *slot = cell_slot(s, address / 8);
    s->ncells += !slot->bit;
    *slot = (known_cell){ .granule = address / 8, .bit = 1ull << (bit & 63) };
    return 0;
}

int emu_search_show(emu_search *s, const emu_show *shown, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t size = s->vm->size;
        if (shown[i].kind == EMU_SHOW_WORD && (shown[i].ref >= s->nshadow || shown[i].shift > 63))
            return -1;
        if (shown[i].kind == EMU_SHOW_MEMORY &&
            (shown[i].nbytes > 8 || shown[i].ref >= size || shown[i].nbytes > size - shown[i].ref))
            return -1;
    }
    emu_show *copy = array_more(&s->shown, n, sizeof *copy);
    if (!copy)
        return -1;
    memcpy(copy, shown, n * sizeof *copy);
    return 0;
}

int emu_search_test(emu_search *s, const emu_search_conjunction *tests, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (tests[i].n > EMU_MAX_TERMS)
            return -1;
        for (uint32_t j = 0; j < tests[i].n; j++)
            if (tests[i].terms[j].ref >= s->nshadow)
                return -1;
    }
    emu_search_conjunction *copy = array_more(&s->tests, n, sizeof *copy);
    if (!copy)
        return -1;
    if (n)
        memcpy(copy, tests, n * sizeof *copy);
    return 0;
}

int emu_search_never(emu_search *s, const emu_judge *program, uint32_t n)
{
    int32_t depth = 0;
    for (uint32_t i = 0; i < n; i++) {
        int32_t needs = program[i].op == EMU_JUDGE_NOT ? 1 : program[i].op >= EMU_JUDGE_AND ? 2 : 0;
        if (program[i].op > EMU_JUDGE_OR || depth < needs || program[i].index >= s->shown.used)
            return -1;
        depth += needs == 0 ? 1 : needs == 1 ? 0 : -1;
        if (depth > (int32_t)MAX_JUDGE_DEPTH)
            return -1;
    }
    if (depth != 1)
        return -1;
    emu_judge *copy = array_more(&s->rules, n, sizeof *copy);
    uint64_t *end = array_more(&s->rule_ends, 1, sizeof *end);
    if (!copy || !end)
        return -1;
    memcpy(copy, program, n * sizeof *copy);
    *end = s->rules.used;
    s->early_rules |= may_hold_early(s, program, n);
    return 0;
}

/* ---- running it ------------------------------------------------------------------------------------- */

/* Forget everything but who touches what. */
static void begin_again(emu_search *s)
{
    array *arrays[] = { &s->outcomes, &s->violations, &s->values, &s->paths, &s->trail, &s->frames,
                        &s->choices, &s->successors, &s->differences };
    uint64_t restarts = s->facts.restarts + 1;
    if (s->own_free)
        s->own_free(s);
    free(s->own);
    s->own = NULL;
    s->own_free = NULL;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        arrays[i]->used = 0;
    if (s->outcome_slots)
        memset(s->outcome_slots, 0, s->outcome_size * sizeof *s->outcome_slots);
    set_clear(&s->set);
    cycles_free(s);
    memset(&s->facts, 0, sizeof s->facts);
    s->facts.restarts = restarts;
    s->begun = s->settled = s->own_resume = s->again = 0;
    s->again_at = 0;
    go_back(s, 0, s->hash0);
}

static emu_search_verdict run_algorithm(emu_search *s, uint64_t max_steps)
{
    if (!s->settled) {
        emu_search_verdict verdict = settle(s);
        if (verdict != EMU_SEARCH_DONE)
            return verdict;
        s->settled = 1;
    }
    switch ((emu_algorithm)s->o.algorithm) {
    case EMU_ALGORITHM_DFS:
        return run_dfs(s, max_steps);
    case EMU_ALGORITHM_BFS:
        return run_bfs(s, max_steps);
    case EMU_ALGORITHM_DPOR:
        return run_dpor(s, max_steps);
    default:
        return run_sample(s, max_steps);
    }
}

emu_search_verdict emu_search_run(emu_search *s, uint64_t max_steps)
{
    for (;;) {
        emu_search_verdict verdict = run_algorithm(s, max_steps);
        if (!s->again || verdict == EMU_SEARCH_PAUSE || verdict == EMU_SEARCH_LEARN)
            return verdict;
        begin_again(s);
    }
}

void emu_search_facts_of(const emu_search *s, emu_search_facts *out)
{
    *out = s->facts;
    out->depth = s->frames.used;
    const frame *frames = s->frames.at;
    for (uint64_t i = 0; i < s->frames.used; i++)
        out->frontier += frames[i].nchoices - frames[i].next;
    out->outcomes = (uint32_t)s->outcomes.used;
    out->violations = (uint32_t)s->violations.used;
    out->livelocks = s->o.livelocks;
    out->bytes = s->set.size * sizeof *s->set.slots;
}

int emu_search_outcome(const emu_search *s, uint32_t i, uint64_t *values, uint64_t *count)
{
    if (i >= s->outcomes.used)
        return -1;
    uint64_t n = s->shown.used;
    if (n)
        memcpy(values, (const uint64_t *)s->values.at + i * n, n * sizeof *values);
    *count = ((const finding *)s->outcomes.at)[i].count;
    return 0;
}

int emu_search_violation(const emu_search *s, uint32_t i, uint32_t *kind, uint32_t *rule)
{
    if (i >= s->violations.used)
        return -1;
    const finding *f = (const finding *)s->violations.at + i;
    *kind = f->kind;
    *rule = f->rule;
    return 0;
}

uint64_t emu_search_loop(const emu_search *s, uint32_t violation)
{
    return violation < s->violations.used ? ((const finding *)s->violations.at)[violation].loop : 0;
}

uint64_t emu_search_schedule(const emu_search *s, int violation, uint32_t i, emu_choice *out, uint64_t n)
{
    const array *all = violation ? &s->violations : &s->outcomes;
    if (i >= all->used)
        return 0;
    const finding *f = (const finding *)all->at + i;
    if (n > f->length)
        n = f->length;
    if (n)
        memcpy(out, (const emu_choice *)s->paths.at + f->path, n * sizeof *out);
    return f->length;
}

/* ---- one step at a time --------------------------------------------------------------------------------- */

emu_search_verdict emu_search_reset(emu_search *s)
{
    emu_search_verdict verdict;
    go_back(s, 0, s->hash0);
    s->frames.used = s->choices.used = s->successors.used = s->differences.used = s->trail.used = 0;
    while ((verdict = settle(s)) == (emu_search_verdict)EMU_SEARCH_AGAIN) {
        s->again = 0;
        go_back(s, 0, s->hash0);
    }
    return verdict;
}

uint32_t emu_search_crossed(const emu_search *s, uint32_t actor)
{
    return actor < s->nactors ? s->crossed[actor] : 0;
}

void emu_search_rebase(emu_search *s)
{
    commit(s, 0, s->nwords);
    s->undo.used = 0;
    s->hash0 = s->hash;
    memset(s->claims, 0, s->nwords * sizeof *s->claims);
    if (s->cell_claims)
        memset(s->cell_claims, 0, s->cell_claims_size * sizeof *s->cell_claims);
    s->ncell_claims = 0;
}

void emu_search_hold(emu_search *s, int on)
{
    s->hold = on;
}

int emu_search_fine(emu_search *s, int on)
{
    int before = s->o.fine != 0;
    if (on && !before) {
        s->coarse_locks = s->nlocks;
        s->nlocks = 0;             /* what they guard is everybody's */
    } else if (!on && before) {
        s->nlocks = s->coarse_locks;
    }
    s->o.fine = (uint32_t)(on != 0);
    return before;
}

void emu_search_single(emu_search *s, int on)
{
    s->single = on;
}

emu_search_mark emu_search_here(const emu_search *s)
{
    return (emu_search_mark){ .undo = s->undo.used, .hash = s->hash };
}

void emu_search_back(emu_search *s, emu_search_mark mark)
{
    go_back(s, mark.undo, mark.hash);
}

void emu_search_notice(emu_search *s)
{
    commit(s, 0, s->nwords);
}

int emu_search_write(emu_search *s, uint64_t address, const uint8_t *bytes, uint64_t nbytes)
{
    if (!nbytes)
        return 0;
    if (!inside(s, address, nbytes) || holds_code(s, address, nbytes))
        return -1;
    uint64_t first = address / 8, last = (address + nbytes - 1) / 8;
    for (uint64_t g = first; g <= last; g++) {
        uint64_t from = g == first ? address : g * 8, to = g == last ? address + nbytes : g * 8 + 8;
        uint64_t old, now;
        memcpy(&old, s->vm->bytes + g * 8, 8);
        if (emu_write(s->m, 0, from, bytes + (from - address), to - from))
            return -1;
        memcpy(&now, s->vm->bytes + g * 8, 8);
        change_granule(s, g, old, now);
    }
    commit(s, 0, s->nwords);       /* reservations that it ended */
    return 0;
}

uint32_t emu_search_choices(emu_search *s, emu_choice *out, uint32_t n)
{
    emu_choice all[MAX_CHOICES];
    uint32_t count = all_choices(s, all);
    for (uint32_t i = 0; i < count && i < n; i++)
        out[i] = all[i];
    return count;
}

emu_search_verdict emu_search_take(emu_search *s, emu_choice choice)
{
    emu_choice all[MAX_CHOICES];
    uint32_t count = all_choices(s, all), i = 0;
    for (; i < count; i++)
        if (all[i].actor == choice.actor && all[i].kind == choice.kind)
            break;
    if (i == count)
        return EMU_SEARCH_LIMIT;
    emu_search_verdict verdict = take(s, choice);
    s->again = 0;                  /* who steps by hand misses nothing */
    return verdict == (emu_search_verdict)EMU_SEARCH_AGAIN ? EMU_SEARCH_DONE : verdict;
}

void emu_search_values(emu_search *s, uint64_t *values)
{
    emu_choice all[MAX_CHOICES];
    show_values(s, !all_choices(s, all), values);
}

uint64_t emu_search_hash(const emu_search *s)
{
    return s->hash;
}
