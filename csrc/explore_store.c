/* What a search keeps: hashes of states, outcomes, violations and their schedules. */
#include "explore.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE (2ull << 20)
#define MAX_PATHS 4096u            /* outcomes beyond these are counted, but keep no schedule */

int array_grow(array *a, uint64_t n, size_t each)
{
    uint64_t larger = a->size ? a->size * 2 : 64;
    while (larger < a->used + n)
        larger *= 2;
    void *moved = realloc(a->at, larger * each);
    if (!moved)
        return 0;
    a->at = moved;
    a->size = larger;
    return 1;
}

/* ---- sets of hashes ------------------------------------------------------------------------- */

/* Hashes lie in the order of their value, as far as there is room: growing reads and writes memory
 * in one sweep. Between 4/5 and 8/15 full, a hash costs 10 to 15 bytes. */
static uint64_t place_of(uint64_t hash, uint64_t size)
{
    return (uint64_t)((unsigned __int128)hash * size >> 64);
}

/* Slots, all empty. A large table lies in huge pages where the system has them: it is asked at random, and
 * the walk to a small page costs as much as the answer. */
static uint64_t *new_slots(uint64_t n)
{
    uint64_t nbytes = n * sizeof(uint64_t);
    if (nbytes < 2 * HUGE_PAGE)
        return calloc(n, sizeof(uint64_t));
    void *slots;
    if (posix_memalign(&slots, HUGE_PAGE, nbytes))
        return NULL;
#ifdef MADV_HUGEPAGE
    madvise(slots, nbytes, MADV_HUGEPAGE);
#endif
    return memset(slots, 0, nbytes);
}

static int set_grow(hash_set *set)
{
    uint64_t size = set->size ? set->size + set->size / 2 : 1024;
    uint64_t *slots = new_slots(size);
    if (!slots)
        return 0;
    for (uint64_t i = 0; i < set->size; i++) {
        uint64_t hash = set->slots[i];
        if (!hash)
            continue;
        uint64_t at = place_of(hash, size);
        while (slots[at])
            at = at + 1 == size ? 0 : at + 1;
        slots[at] = hash;
    }
    free(set->slots);
    set->slots = slots;
    set->size = size;
    return 1;
}

int set_add(hash_set *set, uint64_t hash)
{
    if (set->used * 5 >= set->size * 4 && !set_grow(set))
        return -1;
    if (!hash)
        hash = 1;
    uint64_t at = place_of(hash, set->size);
    while (set->slots[at]) {
        if (set->slots[at] == hash)
            return 0;
        at = at + 1 == set->size ? 0 : at + 1;
    }
    set->slots[at] = hash;
    set->used++;
    return 1;
}

void set_fetch(const hash_set *set, uint64_t hash)
{
    if (set->size)
        __builtin_prefetch(&set->slots[place_of(hash, set->size)]);
}

void set_clear(hash_set *set)
{
    free(set->slots);
    *set = (hash_set){ .slots = NULL };
}

/* ---- outcomes --------------------------------------------------------------------------------- */

static uint64_t hash_values(const uint64_t *values, uint64_t n)
{
    uint64_t h = 0x2545f4914f6cdd1du;
    for (uint64_t i = 0; i < n; i++) {
        h = (h ^ values[i]) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return h;
}

static uint32_t *outcome_slot(const emu_search *s, const uint64_t *values)
{
    uint64_t n = s->shown.used, at = hash_values(values, n) & (s->outcome_size - 1);
    while (s->outcome_slots[at]) {
        const uint64_t *known = (const uint64_t *)s->values.at + (s->outcome_slots[at] - 1) * n;
        if (!memcmp(known, values, n * sizeof *values))
            break;
        at = (at + 1) & (s->outcome_size - 1);
    }
    return &s->outcome_slots[at];
}

static int outcomes_grow(emu_search *s)
{
    uint64_t size = s->outcome_size ? s->outcome_size * 2 : 64;
    uint32_t *slots = calloc(size, sizeof *slots);
    if (!slots)
        return 0;
    free(s->outcome_slots);
    s->outcome_slots = slots;
    s->outcome_size = size;
    for (uint32_t i = 0; i < s->outcomes.used; i++)
        *outcome_slot(s, (const uint64_t *)s->values.at + i * s->shown.used) = i + 1;
    return 1;
}

/* The trail so far becomes the schedule of what was found. */
static int keep_path(emu_search *s, finding *f)
{
    f->path = s->paths.used;
    f->length = s->outcomes.used <= MAX_PATHS ? s->trail.used : 0;
    emu_choice *copy = array_more(&s->paths, f->length, sizeof *copy);
    if (!copy)
        return 0;
    if (f->length)
        memcpy(copy, s->trail.at, f->length * sizeof *copy);
    return 1;
}

int add_outcome(emu_search *s)
{
    if (s->outcomes.used * 2 >= s->outcome_size && !outcomes_grow(s))
        return -1;
    uint64_t *values = array_more(&s->values, s->shown.used, sizeof *values);
    if (!values)
        return -1;
    show_values(s, 1, values);
    uint32_t *slot = outcome_slot(s, values);
    s->facts.ends++;
    if (*slot) {
        s->values.used -= s->shown.used;
        ((finding *)s->outcomes.at)[*slot - 1].count++;
        return 0;
    }
    finding *f = array_more(&s->outcomes, 1, sizeof *f);
    if (!f)
        return -1;
    *f = (finding){ .count = 1 };
    *slot = (uint32_t)s->outcomes.used;
    return keep_path(s, f) ? 1 : -1;
}

/* ---- violations ---------------------------------------------------------------------------------- */

static int known_violation(const emu_search *s, uint32_t kind, uint32_t rule)
{
    const finding *f = s->violations.at;
    for (uint64_t i = 0; i < s->violations.used; i++)
        if (f[i].kind == kind && f[i].rule == rule)
            return 1;
    return 0;
}

int add_violation(emu_search *s, uint32_t kind, uint32_t rule)
{
    if (known_violation(s, kind, rule))
        return 0;
    finding *f = array_more(&s->violations, 1, sizeof *f);
    if (!f)
        return -1;
    *f = (finding){ .count = 1, .kind = kind, .rule = rule };
    return keep_path(s, f) ? 1 : -1;
}

/* Whether rule `rule` is true of the values. */
static int judge(const emu_search *s, uint64_t rule, const uint64_t *values)
{
    const uint64_t *ends = s->rule_ends.at;
    const emu_judge *program = s->rules.at;
    uint8_t stack[MAX_JUDGE_DEPTH];
    uint32_t depth = 0;
    for (uint64_t i = rule ? ends[rule - 1] : 0; i < ends[rule]; i++)
        switch ((emu_judge_op)program[i].op) {
        case EMU_JUDGE_TRUE:  stack[depth++] = 1; break;
        case EMU_JUDGE_FALSE: stack[depth++] = 0; break;
        case EMU_JUDGE_EQUAL: stack[depth++] = values[program[i].index] == program[i].value; break;
        case EMU_JUDGE_LESS:  stack[depth++] = values[program[i].index] < program[i].value; break;
        case EMU_JUDGE_NOT:   stack[depth - 1] = !stack[depth - 1]; break;
        case EMU_JUDGE_AND:   depth--; stack[depth - 1] &= stack[depth]; break;
        case EMU_JUDGE_OR:    depth--; stack[depth - 1] |= stack[depth]; break;
        }
    return depth && stack[depth - 1];
}

int may_hold_early(const emu_search *s, const emu_judge *program, uint32_t n)
{
    enum { NO, YES, PERHAPS } stack[MAX_JUDGE_DEPTH];
    const emu_show *shown = s->shown.at;
    uint32_t depth = 0;
    for (uint32_t i = 0; i < n; i++)
        switch ((emu_judge_op)program[i].op) {
        case EMU_JUDGE_TRUE:  stack[depth++] = YES; break;
        case EMU_JUDGE_FALSE: stack[depth++] = NO; break;
        case EMU_JUDGE_EQUAL:
        case EMU_JUDGE_LESS: {
            int is_zero = shown[program[i].index].kind == EMU_SHOW_END_ANY;
            int zero_does = (program[i].op == EMU_JUDGE_LESS) == (program[i].value != 0);
            stack[depth++] = !is_zero ? PERHAPS : zero_does ? YES : NO;
            break;
        }
        case EMU_JUDGE_NOT:
            if (stack[depth - 1] != PERHAPS)
                stack[depth - 1] = stack[depth - 1] == NO ? YES : NO;
            break;
        case EMU_JUDGE_AND:
        case EMU_JUDGE_OR: {
            int both = program[i].op == EMU_JUDGE_AND;
            depth--;
            if (stack[depth] == (both ? NO : YES) || stack[depth - 1] == (both ? YES : NO))
                stack[depth - 1] = stack[depth];
            break;
        }
        }
    return depth && stack[depth - 1] != NO;
}

int check_state(emu_search *s, int at_end)
{
    int news = 0;
    s->forbidden = 0;
    if (!s->rule_ends.used || !(at_end || s->early_rules))
        return 0;
    uint64_t *values = array_more(&s->values, s->shown.used, sizeof *values);
    if (!values)
        return -1;
    show_values(s, at_end, values);
    for (uint32_t rule = 0; rule < s->rule_ends.used && news >= 0; rule++)
        if (judge(s, rule, values)) {
            s->forbidden = 1;
            int added = add_violation(s, EMU_VIOLATION_NEVER, rule);
            news = added < 0 ? -1 : news | added;
        }
    s->values.used -= s->shown.used;
    return news;
}
