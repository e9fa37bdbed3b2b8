/* The state: what a step changed is found, logged and hashed; going back; what is shown of it. */
#include "explore.h"

#include <string.h>

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

void changed(emu_search *s, uint64_t ref)
{
    uint64_t old = s->shadow[ref], now = s->words[ref];
    if (old == now)
        return;
    log_old(s, ref, old);
    if (!s->ignored[ref])
        s->hash ^= mix(ref, old) ^ mix(ref, now);
    s->shadow[ref] = now;
}

void commit(emu_search *s, uint64_t first, uint64_t n)
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

void set_own(emu_search *s, uint64_t ref, uint64_t value)
{
    uint64_t old = s->shadow[ref];
    if (old == value)
        return;
    log_old(s, ref, old);
    s->hash ^= mix(ref, old) ^ mix(ref, value);
    s->shadow[ref] = value;
}

void change_granule(emu_search *s, uint64_t granule, uint64_t old, uint64_t now)
{
    uint64_t where = granule | UNDO_MEMORY;
    if (old == now)
        return;
    log_old(s, where, old);
    s->hash ^= mix(where, old) ^ mix(where, now);
}

/* The flags of pages follow from the vcpus' reservations, which were just replaced. */
static void note_reservations(emu_search *s)
{
    if (!s->reserves)
        return;
    for (uint32_t i = 0; i < s->m->config.nvcpus; i++)
        if (emu_vcpu_at(s->m, i)->reserve_size)
            emu_note_reservation(s->m, emu_vcpu_at(s->m, i));
}

void put_state(emu_search *s, const undo_entry *values, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t where = values[i].where;
        if (where & UNDO_MEMORY) {
            uint8_t *bytes = s->vm->bytes + (where & ~UNDO_MEMORY) * 8;
            uint64_t old;
            memcpy(&old, bytes, 8);
            change_granule(s, where & ~UNDO_MEMORY, old, values[i].old);
            memcpy(bytes, &values[i].old, 8);
        } else if (where >= s->nwords) {
            set_own(s, where, values[i].old);
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
        if (entry->where & UNDO_MEMORY) {
            memcpy(s->vm->bytes + (entry->where & ~UNDO_MEMORY) * 8, &entry->old, 8);
        } else {
            s->shadow[entry->where] = entry->old;
            if (entry->where < s->nwords)
                s->words[entry->where] = entry->old;
        }
    }
    s->hash = hash;
    note_reservations(s);
}

void values_since(const emu_search *s, uint64_t undo, undo_entry *now)
{
    const undo_entry *log = s->undo.at;
    for (uint64_t i = undo; i < s->undo.used; i++, now++) {
        now->where = log[i].where;
        if (now->where & UNDO_MEMORY)
            memcpy(&now->old, s->vm->bytes + (now->where & ~UNDO_MEMORY) * 8, 8);
        else
            now->old = s->shadow[now->where];
    }
}

void go_on(emu_search *s, const undo_entry *values, uint32_t n)
{
    undo_entry *log = array_more(&s->undo, n, sizeof *log);
    if (!log) {
        s->failed = 1;
        return;
    }
    for (uint32_t i = 0; i < n; i++, values++, log++) {
        uint64_t where = values->where;
        log->where = where;
        if (where & UNDO_MEMORY) {
            uint8_t *bytes = s->vm->bytes + (where & ~UNDO_MEMORY) * 8;
            memcpy(&log->old, bytes, 8);
            memcpy(bytes, &values->old, 8);
        } else {
            log->old = s->shadow[where];
            s->shadow[where] = values->old;
            if (where < s->nwords)
                s->words[where] = values->old;
        }
    }
    note_reservations(s);
}

/* ---- what is shown ------------------------------------------------------------------------------ */

static int is_true(const emu_search *s, const emu_search_conjunction *test)
{
    for (uint32_t i = 0; i < test->n; i++)
        if (!(word_at(s, test->terms[i].ref) & test->terms[i].mask) != (test->terms[i].zero != 0))
            return 0;
    return 1;
}

static int any_true(const emu_search *s, uint64_t group)
{
    const emu_search_conjunction *test = s->tests.at;
    for (uint64_t i = 0; i < s->tests.used; i++)
        if (test[i].group == group && is_true(s, &test[i]))
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

void show_values(const emu_search *s, int at_end, uint64_t *values)
{
    const emu_show *shown = s->shown.at;
    for (uint64_t i = 0; i < s->shown.used; i++, shown++)
        switch ((emu_show_kind)shown->kind) {
        case EMU_SHOW_WORD:
            values[i] = (word_at(s, shown->ref) & shown->mask) >> shown->shift;
            break;
        case EMU_SHOW_MEMORY:
            values[i] = memory_value(s, shown);
            break;
        case EMU_SHOW_ANY:
            values[i] = (uint64_t)any_true(s, shown->ref);
            break;
        case EMU_SHOW_END_ANY:
            values[i] = (uint64_t)(at_end && any_true(s, shown->ref) && !is_spent(s) &&
                                   !s->shadow[s->nwords + OWN_TRAP]);
            break;
        case EMU_SHOW_TIME:
            values[i] = (uint64_t)time_may_pass(s);
            break;
        case EMU_SHOW_SPENT:
            values[i] = (uint64_t)is_spent(s);
            break;
        }
}
