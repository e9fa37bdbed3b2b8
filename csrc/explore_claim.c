/* Who touches what. What one actor alone ever touches, or what nobody ever writes, needs no scheduling
 * points. That is believed of everything at first; when the search sees otherwise it notes it for good and begins
 * again. In the end it has gone through every interleaving of what is shared: up to the first access that
 * broke a belief, the steps that were taken together commute with all others, so such an access cannot hide. */
#include "explore.h"

#include <stdlib.h>

static int owns(const emu_search *s, claim c, uint32_t actor, int write)
{
    if (s->o.fine || c.owner == EVERYBODY)
        return 0;
    if (c.locks & held(s, actor))
        return 1;
    return c.owner == NOBODY || c.owner == actor + 1 || (!write && !c.written);
}

static void update(emu_search *s, claim *c, uint32_t actor, int write)
{
    if (c->owner == EVERYBODY)
        return;
    c->locks = (uint16_t)(held(s, actor) & (c->owner == NOBODY ? UINT16_MAX : c->locks));
    if (c->owner == NOBODY) {
        c->owner = (uint8_t)(actor + 1);
        c->written = (uint8_t)write;
    } else if (c->owner == actor + 1) {
        c->written |= (uint8_t)write;
    } else if (!write && !c->written) {
        c->owner = READERS;
    } else if (c->locks) {
        c->owner = GUARDED;
        c->written = 1;
    } else {
        c->owner = EVERYBODY;
        s->again = !s->o.fine;
    }
}

int own_word(const emu_search *s, uint32_t actor, uint64_t ref, int write)
{
    return owns(s, s->claims[ref], actor, write);
}

void claim_word(emu_search *s, uint32_t actor, uint64_t ref, int write)
{
    update(s, &s->claims[ref], actor, write);
}

/* ---- storage ------------------------------------------------------------------------------------ */

/* Where there are reservations, all of a line is one thing: a store anywhere in it ends them. */
static uint32_t unit_shift(const emu_search *s)
{
    return s->reserves ? 7 : 3;
}

static cell_claim *slot_of(const emu_search *s, uint64_t key)
{
    uint64_t i = key * 0x9e3779b97f4a7c15u >> 32 & (s->cell_claims_size - 1);
    while (s->cell_claims[i].key && s->cell_claims[i].key != key)
        i = (i + 1) & (s->cell_claims_size - 1);
    return &s->cell_claims[i];
}

static claim *claim_at(emu_search *s, uint64_t key)
{
    if (s->ncell_claims * 2 >= s->cell_claims_size) {
        uint64_t old_size = s->cell_claims_size, size = old_size ? old_size * 2 : 64;
        cell_claim *old = s->cell_claims, *larger = calloc(size, sizeof *larger);
        if (!larger) {
            s->failed = 1;
            return NULL;
        }
        s->cell_claims = larger;
        s->cell_claims_size = size;
        for (uint64_t i = 0; i < old_size; i++)
            if (old[i].key)
                *slot_of(s, old[i].key) = old[i];
        free(old);
    }
    cell_claim *slot = slot_of(s, key);
    s->ncell_claims += !slot->key;
    slot->key = key;
    return &slot->claim;
}

int own_storage(const emu_search *s, uint32_t actor, uint64_t address, uint64_t nbytes, int write)
{
    if (s->o.fine)
        return 0;
    if (!nbytes || !inside(s, address, nbytes) || !s->cell_claims_size)
        return 1;
    for (uint64_t unit = address >> unit_shift(s); unit <= (address + nbytes - 1) >> unit_shift(s); unit++) {
        const cell_claim *slot = slot_of(s, unit + 1);
        if (slot->key && !owns(s, slot->claim, actor, write))
            return 0;
    }
    return 1;
}

void claim_storage(emu_search *s, uint32_t actor, uint64_t address, uint64_t nbytes, int write)
{
    if (!nbytes || !inside(s, address, nbytes))
        return;
    for (uint64_t unit = address >> unit_shift(s); unit <= (address + nbytes - 1) >> unit_shift(s); unit++) {
        claim *c = claim_at(s, unit + 1);
        if (c)
            update(s, c, actor, write);
    }
}

int emu_search_shared(emu_search *s, uint64_t ref)
{
    if (ref >= s->nwords)
        return ref < s->nshadow ? 0 : -1;
    s->claims[ref].owner = EVERYBODY;
    return 0;
}

int emu_search_shared_cell(emu_search *s, uint64_t address)
{
    claim *c = claim_at(s, (address >> unit_shift(s)) + 1);
    if (!c)
        return -1;
    c->owner = EVERYBODY;
    return 0;
}

/* ---- host code ------------------------------------------------------------------------------------ */

uint32_t refs_of(const emu_search *s, const emu_node *n, uint64_t *refs, uint8_t *writes)
{
    uint32_t count = 0;
    const uint64_t *list = emu_engine_list(s->e, n);
#define ADD(ref, write) (refs[count] = (ref), writes[count++] = (write))
    switch ((emu_op_code)n->op) {
    case EMU_OP_READ:
        ADD(n->ref, 0);
        break;
    case EMU_OP_CHECK:
    case EMU_OP_AWAIT:
        if (n->list_len > MAX_REFS)
            return UINT32_MAX;
        for (uint32_t i = 0; i < n->list_len; i++)
            ADD(list[4 * i + 1], 0);
        break;
    case EMU_OP_COMPARE:
        ADD(n->ref, 0);
        ADD(n->ref2, 0);
        break;
    case EMU_OP_COPY:
    case EMU_OP_SUM:
    case EMU_OP_ACCUMULATE:
    case EMU_OP_MIN:
    case EMU_OP_EXTRACT:
    case EMU_OP_DEPOSIT:
        ADD(n->ref2, 0);
        ADD(n->ref, 1);
        break;
    case EMU_OP_SWAP:
        ADD(n->a, 0);
        ADD(n->ref2, 0);
        ADD(n->ref, 1);
        break;
    case EMU_OP_WRITE:
    case EMU_OP_CAS:
    case EMU_OP_OR:
    case EMU_OP_OR_UNLESS:
    case EMU_OP_AND:
    case EMU_OP_ADD:
        ADD(n->ref, 1);
        break;
    case EMU_OP_GATHER:
    case EMU_OP_SCATTER:
    case EMU_OP_FETCH:
    case EMU_OP_INJECT:
    case EMU_OP_ADVANCE:
    case EMU_OP_TRACE:
    case EMU_OP_RELAX:
        break;
    case EMU_OP_RANDOM:
    case EMU_OP_PUT_CHARS:
    case EMU_OP_GET_CHARS:
    case EMU_OP_RUN:
    case EMU_OP_CALL:
    case EMU_OP_STOP:
    case EMU_OP_COUNT:
        return UINT32_MAX;
    }
#undef ADD
    return count;
}
