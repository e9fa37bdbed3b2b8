/* What the bodies of instructions are written with. A body knows its decoded operands, its variant
 * and the machine, and nothing of how it is dispatched:
 *
 *     INSN(add) { ... }
 *
 * is the body of the row `add` for all its variants. It may use `c`, `v`, `op`, `cia`, `now` (the
 * guest timebase) and `h`, and says by its value what became of the instruction. The loops inline
 * it with `h` constant, so what a variant does not need is not there.
 *
 * A record's a, b, c are the words' register fields, as SLOTS in emu/isa/emit.py places them. */
#ifndef EMU_BODY_H
#define EMU_BODY_H

#include <string.h>

#include "emu.h"

typedef struct {
    int bits;                      /* EMU_OE | EMU_RC | EMU_LK | EMU_AA */
    int sf;                        /* 64-bit mode */
    int order;                     /* EMU_BIG or EMU_LITTLE */
    uint64_t *compared;            /* gets the CR field that the body sets */
} emu_how;

#define BODY(name) \
    INLINE emu_outcome name(emu_cpu *c, emu_vcpu *v, const emu_op *op, emu_how h, uint64_t cia, \
                            uint64_t now)

/* The assertion names the row, so a body without a row does not compile. */
#define INSN(row) \
    _Static_assert(EMU_ROW_##row >= 0, "every body has a row in emu/isa"); \
    BODY(do_##row)

#define RT v->gpr[op->a]
#define RS v->gpr[op->a]
#define RA v->gpr[op->b]
#define RA0 (&v->gpr[0])[op->b]    /* v->zero if RA is 0 */
#define RB v->gpr[op->c]
#define RC v->gpr[op->d]
#define IMM ((uint64_t)(int64_t)op->imm)

/* ---- condition register and XER ------------------------------------------------------------ */

INLINE void set_crf(emu_vcpu *v, unsigned field, uint64_t value)
{
    unsigned shift = 28 - 4 * field;
    v->cr = (v->cr & ~(0xfull << shift)) | value << shift;
}

INLINE uint64_t so(const emu_vcpu *v)
{
    return (v->xer & XER_SO) != 0;
}

INLINE uint64_t order_signed(int64_t a, int64_t b)
{
    return a < b ? 8 : a > b ? 4 : 2;
}

INLINE uint64_t order_unsigned(uint64_t a, uint64_t b)
{
    return a < b ? 8 : a > b ? 4 : 2;
}

/* The outcome of a comparison, which a branch after it can have without looking at CR. */
INLINE void set_compared(emu_vcpu *v, emu_how h, unsigned field, uint64_t order)
{
    *h.compared = order;
    set_crf(v, field, order | so(v));
}

/* CR0 of a record form: the result against 0, in 32-bit mode its low half. */
INLINE void record(emu_vcpu *v, emu_how h, uint64_t result)
{
    if (h.bits & EMU_RC)
        set_compared(v, h, 0, order_signed(h.sf ? (int64_t)result : (int32_t)result, 0));
}

INLINE void set_overflow(emu_vcpu *v, uint64_t ov, uint64_t ov32)
{
    v->xer = (v->xer & ~(XER_OV | XER_OV32)) | (ov ? XER_OV | XER_SO : 0) | (ov32 ? XER_OV32 : 0);
}

INLINE void set_carry(emu_vcpu *v, uint64_t ca, uint64_t ca32)
{
    v->xer = (v->xer & ~(XER_CA | XER_CA32)) | (ca ? XER_CA : 0) | (ca32 ? XER_CA32 : 0);
}

INLINE uint64_t carry(const emu_vcpu *v)
{
    return (v->xer & XER_CA) != 0;
}

/* ---- storage -------------------------------------------------------------------------------- */

INLINE uint64_t from_memory(const uint8_t *p, unsigned nbytes, int order)
{
    int swap = order != (EMU_HOST_LITTLE ? EMU_LITTLE : EMU_BIG);
    switch (nbytes) {
    case 1:
        return *p;
    case 2: {
        uint16_t x;
        memcpy(&x, p, 2);
        return swap ? __builtin_bswap16(x) : x;
    }
    case 4: {
        uint32_t x;
        memcpy(&x, p, 4);
        return swap ? __builtin_bswap32(x) : x;
    }
    default: {
        uint64_t x;
        memcpy(&x, p, 8);
        return swap ? __builtin_bswap64(x) : x;
    }
    }
}

INLINE void to_memory(uint8_t *p, unsigned nbytes, int order, uint64_t value)
{
    int swap = order != (EMU_HOST_LITTLE ? EMU_LITTLE : EMU_BIG);
    switch (nbytes) {
    case 1:
        *p = (uint8_t)value;
        break;
    case 2: {
        uint16_t x = swap ? __builtin_bswap16((uint16_t)value) : (uint16_t)value;
        memcpy(p, &x, 2);
        break;
    }
    case 4: {
        uint32_t x = swap ? __builtin_bswap32((uint32_t)value) : (uint32_t)value;
        memcpy(p, &x, 4);
        break;
    }
    default: {
        uint64_t x = swap ? __builtin_bswap64(value) : value;
        memcpy(p, &x, 8);
    }
    }
}

INLINE emu_outcome load(emu_cpu *c, emu_how h, uint64_t ea, unsigned nbytes, uint64_t *value)
{
    if (LIKELY(ea <= c->limit)) {
        *value = from_memory(c->bytes + ea, nbytes, h.order);
        return EMU_NEXT;
    }
    return emu_load_slow(c, ea, nbytes, h.order, value);
}

INLINE emu_outcome store(emu_cpu *c, emu_how h, uint64_t ea, unsigned nbytes, uint64_t value)
{
    if (LIKELY(ea <= c->limit && c->flags[ea >> EMU_PAGE_SHIFT] == EMU_DIRTY
               && ea % EMU_PAGE <= EMU_PAGE - nbytes)) {
        to_memory(c->bytes + ea, nbytes, h.order, value);
        return EMU_NEXT;
    }
    return emu_store_slow(c, ea, nbytes, h.order, value);
}

INLINE int other_order(int order)
{
    return order == EMU_BIG ? EMU_LITTLE : EMU_BIG;
}

INLINE emu_outcome misaligned(emu_cpu *c, uint64_t ea)
{
    c->fault_ea = c->sf ? ea : (uint32_t)ea;
    return EMU_ALIGNMENT;
}

#endif
