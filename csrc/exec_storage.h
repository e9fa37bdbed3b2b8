/* Loads, stores and cache management: Power ISA v3.0B Book I 3.3, Book II chapter 4. A register
 * changes only if the access is allowed. */

/* RT <- the nbytes at ea; `is_signed` extends the sign, `update` sets RA to ea. */
INLINE emu_outcome load_to(emu_cpu *c, emu_vcpu *v, const emu_op *op, emu_how h, uint64_t ea,
                           unsigned nbytes, int is_signed, int update)
{
    uint64_t value;
    emu_outcome out = load(c, h, ea, nbytes, &value);
    if (UNLIKELY(out != EMU_NEXT))
        return out;
    if (is_signed)
        value = nbytes == 2 ? (uint64_t)(int64_t)(int16_t)value : (uint64_t)(int64_t)(int32_t)value;
    RT = value;
    if (update)
        RA = h.sf ? ea : (uint32_t)ea;
    return EMU_NEXT;
}

INLINE emu_outcome store_from(emu_cpu *c, emu_vcpu *v, const emu_op *op, emu_how h, uint64_t ea,
                              unsigned nbytes, int update)
{
    emu_outcome out = store(c, h, ea, nbytes, RS);
    if (update && LIKELY(out <= EMU_SLOW))
        RA = h.sf ? ea : (uint32_t)ea;
    return out;
}

#define LOADS(name, nbytes, is_signed, DISPLACED, INDEXED, UPDATED, BOTH) \
    DISPLACED(INSN(name) { return load_to(c, v, op, h, RA0 + IMM, nbytes, is_signed, 0); }) \
    INDEXED(INSN(name##x) { return load_to(c, v, op, h, RA0 + RB, nbytes, is_signed, 0); }) \
    UPDATED(INSN(name##u) { return load_to(c, v, op, h, RA + IMM, nbytes, is_signed, 1); }) \
    BOTH(INSN(name##ux) { return load_to(c, v, op, h, RA + RB, nbytes, is_signed, 1); })
#define HAS(...) __VA_ARGS__
#define HAS_NOT(...)
LOADS(lbz, 1, 0, HAS, HAS, HAS, HAS)
LOADS(lhz, 2, 0, HAS, HAS, HAS, HAS)
LOADS(lha, 2, 1, HAS, HAS, HAS, HAS)
LOADS(lwz, 4, 0, HAS, HAS, HAS, HAS)
LOADS(lwa, 4, 1, HAS, HAS, HAS_NOT, HAS)
LOADS(ld, 8, 0, HAS, HAS, HAS, HAS)
#undef HAS_NOT
#undef HAS
#undef LOADS

#define STORES(name, nbytes) \
    INSN(name) { return store_from(c, v, op, h, RA0 + IMM, nbytes, 0); } \
    INSN(name##x) { return store_from(c, v, op, h, RA0 + RB, nbytes, 0); } \
    INSN(name##u) { return store_from(c, v, op, h, RA + IMM, nbytes, 1); } \
    INSN(name##ux) { return store_from(c, v, op, h, RA + RB, nbytes, 1); }
STORES(stb, 1)
STORES(sth, 2)
STORES(stw, 4)
STORES(std, 8)
#undef STORES

#define REVERSED(suffix, nbytes) \
    INSN(l##suffix##brx) \
    { \
        h.order = other_order(h.order); \
        return load_to(c, v, op, h, RA0 + RB, nbytes, 0, 0); \
    } \
    INSN(st##suffix##brx) \
    { \
        h.order = other_order(h.order); \
        return store_from(c, v, op, h, RA0 + RB, nbytes, 0); \
    }
REVERSED(h, 2)
REVERSED(w, 4)
REVERSED(d, 8)
#undef REVERSED

/* ---- quadwords ------------------------------------------------------------------------------- */

/* The pair is one 128-bit number, its even register the upper half. Both halves are inside or
 * neither is, as the address is a multiple of 16. */
INLINE emu_outcome load_pair(emu_cpu *c, emu_vcpu *v, const emu_op *op, emu_how h, uint64_t ea)
{
    uint64_t first, second = 0;
    if (ea % 16)
        return misaligned(c, ea);
    emu_outcome out = load(c, h, ea, 8, &first);
    if (out == EMU_NEXT)
        out = load(c, h, ea + 8, 8, &second);
    if (out != EMU_NEXT)
        return out;
    v->gpr[op->a] = h.order == EMU_BIG ? first : second;
    v->gpr[op->a + 1] = h.order == EMU_BIG ? second : first;
    return EMU_NEXT;
}

INLINE emu_outcome store_pair(emu_cpu *c, emu_vcpu *v, const emu_op *op, emu_how h, uint64_t ea)
{
    if (ea % 16)
        return misaligned(c, ea);
    uint64_t upper = v->gpr[op->a], lower = v->gpr[op->a + 1];
    emu_outcome out = store(c, h, ea, 8, h.order == EMU_BIG ? upper : lower);
    if (out > EMU_SLOW)
        return out;
    emu_outcome then = store(c, h, ea + 8, 8, h.order == EMU_BIG ? lower : upper);
    return then > out ? then : out;
}

/* An odd RTp, or one that is also part of the address, is an invalid form, and illegal. */

INSN(lq)
{
    if (op->a % 2 || op->a == op->b % EMU_ZERO)
        return EMU_ILLEGAL;
    return load_pair(c, v, op, h, RA0 + IMM);
}

INSN(stq)
{
    if (op->a % 2)
        return EMU_ILLEGAL;
    return store_pair(c, v, op, h, RA0 + IMM);
}

/* ---- multiple and string --------------------------------------------------------------------- */

/* Loads: RT, RT+1, ... get `nbytes` bytes, four each, from the left; the last is filled with zeros. */
INLINE emu_outcome load_string(emu_cpu *c, emu_vcpu *v, const emu_op *op, uint64_t ea,
                               uint64_t nbytes)
{
    uint64_t real;
    if (c->order == EMU_LITTLE)
        return misaligned(c, ea);
    if (nbytes == 0)
        return EMU_NEXT;
    if (!emu_reach(c, ea, nbytes, 0, &real))
        return EMU_STORAGE;
    for (uint64_t i = 0; i < nbytes; i++) {
        uint64_t *r = &v->gpr[(op->a + i / 4) % 32];
        if (i % 4 == 0)
            *r = 0;
        *r |= (uint64_t)c->bytes[real + i] << (24 - 8 * (i % 4));
    }
    return EMU_NEXT;
}

INLINE emu_outcome store_string(emu_cpu *c, emu_vcpu *v, const emu_op *op, uint64_t ea,
                                uint64_t nbytes)
{
    uint64_t real;
    if (c->order == EMU_LITTLE)
        return misaligned(c, ea);
    if (nbytes == 0)
        return EMU_NEXT;
    if (!emu_reach(c, ea, nbytes, 1, &real))
        return EMU_STORAGE;
    emu_touch(c->m, c->vm, c->vcpu, real, nbytes);
    for (uint64_t i = 0; i < nbytes; i++)
        c->bytes[real + i] = (uint8_t)(v->gpr[(op->a + i / 4) % 32] >> (24 - 8 * (i % 4)));
    return EMU_SLOW;
}

INSN(lmw) { return load_string(c, v, op, RA0 + IMM, 4 * (32u - op->a)); }
INSN(stmw) { return store_string(c, v, op, RA0 + IMM, 4 * (32u - op->a)); }
INSN(lswi) { return load_string(c, v, op, RA0, op->c); }
INSN(stswi) { return store_string(c, v, op, RA0, op->c); }
INSN(lswx) { return load_string(c, v, op, RA0 + RB, v->xer & XER_LENGTH); }
INSN(stswx) { return store_string(c, v, op, RA0 + RB, v->xer & XER_LENGTH); }

/* ---- reservations ----------------------------------------------------------------------------- */

INLINE void reserve(emu_cpu *c, emu_vcpu *v, uint64_t ea, unsigned nbytes)
{
    v->reserve_ea = ea & c->ea_mask;
    v->reserve_size = nbytes;
    c->flags[v->reserve_ea >> EMU_PAGE_SHIFT] |= EMU_RESERVED;
}

INLINE emu_outcome load_reserving(emu_cpu *c, emu_vcpu *v, const emu_op *op, emu_how h,
                                  unsigned nbytes)
{
    uint64_t ea = RA0 + RB;
    if (ea % nbytes)
        return misaligned(c, ea);
    emu_outcome out = load_to(c, v, op, h, ea, nbytes, 0, 0);
    if (out == EMU_NEXT)
        reserve(c, v, ea, nbytes);
    return out;
}

/* Whether the reservation is for just this storage; it is gone after the question. CR0 says. */
INLINE int takes_reservation(emu_cpu *c, emu_vcpu *v, uint64_t ea, unsigned nbytes)
{
    int mine = v->reserve_size == nbytes && v->reserve_ea == (ea & c->ea_mask);
    v->reserve_size = 0;
    set_crf(v, 0, (mine ? 2u : 0u) | so(v));
    return mine;
}

INLINE emu_outcome store_conditional(emu_cpu *c, emu_vcpu *v, const emu_op *op, emu_how h,
                                     unsigned nbytes)
{
    uint64_t real, ea = RA0 + RB;
    if (ea % nbytes)
        return misaligned(c, ea);
    if (!emu_reach(c, ea, nbytes, 1, &real))
        return EMU_STORAGE;
    return takes_reservation(c, v, ea, nbytes) ? store(c, h, ea, nbytes, RS) : EMU_NEXT;
}

INSN(lbarx) { return load_reserving(c, v, op, h, 1); }
INSN(lharx) { return load_reserving(c, v, op, h, 2); }
INSN(lwarx) { return load_reserving(c, v, op, h, 4); }
INSN(ldarx) { return load_reserving(c, v, op, h, 8); }
INSN(stbcx_) { return store_conditional(c, v, op, h, 1); }
INSN(sthcx_) { return store_conditional(c, v, op, h, 2); }
INSN(stwcx_) { return store_conditional(c, v, op, h, 4); }
INSN(stdcx_) { return store_conditional(c, v, op, h, 8); }

INSN(lqarx)
{
    if (op->a % 2 || op->a == op->b % EMU_ZERO || op->a == op->c)
        return EMU_ILLEGAL;
    uint64_t ea = RA0 + RB;
    emu_outcome out = load_pair(c, v, op, h, ea);
    if (out == EMU_NEXT)
        reserve(c, v, ea, 16);
    return out;
}

INSN(stqcx_)
{
    if (op->a % 2)
        return EMU_ILLEGAL;
    uint64_t real, ea = RA0 + RB;
    if (ea % 16)
        return misaligned(c, ea);
    if (!emu_reach(c, ea, 16, 1, &real))
        return EMU_STORAGE;
    return takes_reservation(c, v, ea, 16) ? store_pair(c, v, op, h, ea) : EMU_NEXT;
}

/* ---- caches and order: one thread runs at a time, and decoded code is always what memory holds -- */

INLINE emu_outcome touches(emu_cpu *c, uint64_t ea)
{
    uint64_t real;
    return emu_reach(c, ea, 1, 0, &real) ? EMU_NEXT : EMU_STORAGE;
}

INSN(icbi) { return touches(c, RA0 + RB); }
INSN(dcbst) { return touches(c, RA0 + RB); }
INSN(dcbf) { return touches(c, RA0 + RB); }

INSN(dcbz)
{
    uint64_t real, ea = RA0 + RB;
    if (!emu_reach(c, ea, 1, 1, &real))
        return EMU_STORAGE;
    real &= ~(EMU_GRANULE - 1ull);
    emu_touch(c->m, c->vm, c->vcpu, real, EMU_GRANULE);
    memset(c->bytes + real, 0, EMU_GRANULE);
    return EMU_SLOW;
}

#define HINT(row) \
    INSN(row) { return EMU_NEXT; }
HINT(icbt)
HINT(dcbt)
HINT(dcbtst)
HINT(isync)
HINT(sync)
HINT(eieio)
HINT(wait)
#undef HINT
