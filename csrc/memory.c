/* Guest accesses that are out of the ordinary: high address bits, page ends, the partition's end,
 * pages with decoded code or reservations. */
#include "emu.h"

#include <string.h>

int emu_reach(emu_cpu *c, uint64_t ea, uint64_t nbytes, int store, uint64_t *real)
{
    *real = ea & c->ea_mask;
    if (*real < c->size && nbytes <= c->size - *real)
        return 1;
    /* The first byte that is not there. */
    c->fault_ea = *real < c->size ? ea + (c->size - *real) : ea;
    if (!c->sf)
        c->fault_ea = (uint32_t)c->fault_ea;
    c->fault_bits = DSISR_NO_TRANSLATION | (store ? DSISR_STORE : 0);
    return 0;
}

emu_outcome emu_load_slow(emu_cpu *c, uint64_t ea, unsigned nbytes, int order, uint64_t *value)
{
    uint64_t real, result = 0;
    if (!emu_reach(c, ea, nbytes, 0, &real))
        return EMU_STORAGE;
    for (unsigned i = 0; i < nbytes; i++)
        result |= (uint64_t)c->bytes[real + i] << 8 * (order == EMU_LITTLE ? i : nbytes - 1 - i);
    *value = result;
    return EMU_NEXT;
}

emu_outcome emu_store_slow(emu_cpu *c, uint64_t ea, unsigned nbytes, int order, uint64_t value)
{
    uint64_t real;
    if (!emu_reach(c, ea, nbytes, 1, &real))
        return EMU_STORAGE;
    emu_touch(c->m, c->vm, c->vcpu, real, nbytes);
    for (unsigned i = 0; i < nbytes; i++)
        c->bytes[real + i] = (uint8_t)(value >> 8 * (order == EMU_LITTLE ? i : nbytes - 1 - i));
    return EMU_SLOW;
}

uint64_t emu_random(emu_machine *m)
{
    /* SplitMix64 (Steele, Lea, Flood 2014). */
    uint64_t z = emu_state(m)->rng += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
