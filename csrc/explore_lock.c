/* Locks of host code: what a critical section does to the words that its lock guards is one step.
 *
 * To take a lock can be put off until just before the next thing that others can see, and to let it go can be brought
 * forward to just after the last (Lipton's right and left movers): nobody else gets at the guarded
 * words in between. So neither needs the others' interference around it, and guarded words need none at
 * all. Which words a lock guards is found as explore_claim.c finds who owns a word.
 *
 * An actor that finds a spinlock taken does not spin: it has no choice until the lock is free. To take one that
 * others take is always where a step begins, whatever the actor holds: else a deadlock might be passed by. A lock that is only
 * tried guards its words likewise, but to take it and to let it go are like any access of a shared word:
 * others can tell.
 */
#include "explore.h"

static uint64_t held_ref(const emu_search *s, uint32_t actor)
{
    return s->nwords + OWN_SENDERS + s->m->config.nthreads + actor;
}

int emu_search_lock(emu_search *s, uint64_t ref, int spins, uint32_t holder)
{
    int free = !s->words[ref < s->nwords ? ref : 0];
    if (ref >= s->nwords || (!free && holder >= s->nactors))
        return -1;
    if (s->nlocks == MAX_LOCKS)
        return 0;
    s->locks[s->nlocks] = ref;
    s->spins |= (uint32_t)(spins != 0) << s->nlocks;
    if (!free)
        s->shadow[held_ref(s, holder)] |= 1ull << s->nlocks;
    s->nlocks++;
    return 0;
}

/* The lock's bit, or 0: the word is none. */
static uint16_t bit_of(const emu_search *s, uint64_t ref)
{
    for (uint32_t i = 0; i < s->nlocks; i++)
        if (s->locks[i] == ref)
            return (uint16_t)(1u << i);
    return 0;
}

uint16_t held(const emu_search *s, uint32_t actor)
{
    return s->nlocks ? (uint16_t)s->shadow[held_ref(s, actor)] : 0;
}

int takes_lock(const emu_search *s, const emu_node *n)
{
    return s->nlocks && n->op == EMU_OP_CAS && n->a == 0 && bit_of(s, n->ref) & s->spins;
}

int lets_go(const emu_search *s, uint32_t actor, const emu_node *n)
{
    return s->nlocks && n->op == EMU_OP_WRITE && n->a == 0 &&
           bit_of(s, n->ref) & s->spins & held(s, actor);
}

void note_lock(emu_search *s, uint32_t actor, const emu_node *n, uint64_t answer)
{
    uint16_t mine = held(s, actor), bit = s->nlocks ? bit_of(s, n->ref) : 0;
    if (!bit)
        return;
    if (n->op == EMU_OP_CAS && n->a == 0 && answer)
        set_own(s, held_ref(s, actor), mine | bit);
    else if (n->op == EMU_OP_WRITE && n->a == 0)
        set_own(s, held_ref(s, actor), mine & ~(uint64_t)bit);
}
