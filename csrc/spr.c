/* mfspr and mtspr: rows of emu/isa/sprs.py, and the registers that are more than a word. */
#include "emu.h"

#define HALF 0xffffffffull

/* ---- registers that are more than a word: read_<home>, write_<home> ---------------------------- */

#define READ(home) \
    static uint64_t read_##home(const emu_cpu *c, const emu_vcpu *v, uint64_t now)
#define WRITE(home) \
    static emu_outcome write_##home(emu_cpu *c, emu_vcpu *v, uint64_t now, uint64_t value)

READ(xer) { return v->xer; }

WRITE(xer)
{
    v->xer = value & XER_MASK;
    return EMU_NEXT;
}

READ(tb) { return now; }
READ(tbu) { return now >> 32; }

READ(vtb) { return now - c->s->tb_offset + c->s->vtb_offset; }
READ(ic) { return now + c->ic_offset; }
READ(purr) { return now + c->ic_offset + v->purr_offset; }
READ(spurr) { return now + c->ic_offset + v->spurr_offset; }

READ(dec)
{
    /* Never written: off, and it reads as the largest number. */
    unsigned unused = 64 - emu_dec_bits(c->t);
    uint64_t dec = v->dec_armed ? (v->dec_expires - 1 - now) << unused : ~0ull >> 1;
    return c->t->lpcr & LPCR_LD ? (uint64_t)((int64_t)dec >> unused) : dec >> unused;
}

WRITE(dec)
{
    unsigned unused = 64 - emu_dec_bits(c->t);
    int64_t dec = (int64_t)(value << unused) >> unused;
    v->dec_armed = 1;
    v->dec_expires = now + (uint64_t)dec + 1;
    return EMU_SYNC;
}

READ(tir) { return c->t->tir; }
READ(dpdes) { return c->s->dpdes; }
READ(texasru) { return v->texasr >> 32; }

WRITE(texasru)
{
    v->texasr = (v->texasr & HALF) | value << 32;
    return EMU_NEXT;
}

READ(ppr32) { return v->ppr >> 32; }

WRITE(ppr32)
{
    v->ppr = (v->ppr & HALF) | value << 32;
    return EMU_NEXT;
}

READ(ctrl) { return v->ctrl; }

WRITE(ctrl)
{
    v->ctrl = value & CTRL_RUN;
    return EMU_NEXT;
}

READ(amr) { return v->amr; }

WRITE(amr)
{
    v->amr = (v->amr & ~c->t->amor) | (value & c->t->amor);
    return EMU_NEXT;
}

READ(uamr) { return v->amr; }

WRITE(uamr)
{
    v->amr = (v->amr & ~v->uamor) | (value & v->uamor);
    return EMU_NEXT;
}

READ(uamor) { return v->uamor; }

WRITE(uamor)
{
    v->uamor = value & c->t->amor;
    return EMU_NEXT;
}

/* BESCR by halves, setting and resetting. */
READ(bescrs) { return v->bescr; }
READ(bescrsu) { return v->bescr >> 32; }
READ(bescrr) { return v->bescr; }
READ(bescrru) { return v->bescr >> 32; }

WRITE(bescrs)
{
    v->bescr |= value;
    return EMU_NEXT;
}

WRITE(bescrsu)
{
    v->bescr |= value << 32;
    return EMU_NEXT;
}

WRITE(bescrr)
{
    v->bescr &= ~value;
    return EMU_NEXT;
}

WRITE(bescrru)
{
    v->bescr &= ~(value << 32);
    return EMU_NEXT;
}

/* The guest's part of PSSCR: what it asks for, not what was reached nor the hypervisor's limit. */
#define PSSCR_GUEST (PSSCR_PLS | PSSCR_SD | PSSCR_TR | PSSCR_MTL | PSSCR_RL)

READ(psscr_priv) { return c->t->psscr & PSSCR_GUEST; }

WRITE(psscr_priv)
{
    c->t->psscr = (c->t->psscr & ~(PSSCR_GUEST & ~PSSCR_PLS)) | (value & PSSCR_GUEST & ~PSSCR_PLS);
    return EMU_NEXT;
}

/* ---- access ------------------------------------------------------------------------------------ */

/* EMU_NEXT if state and facilities allow it. access: 0 problem, 1 privileged, 2 hypervisor. */
static emu_outcome allowed(emu_cpu *c, const emu_vcpu *v, int access, int ic)
{
    if (access == 2 || (access == 1 && v->msr & MSR_PR))
        return EMU_PRIVILEGED;
    return ic < 0 ? EMU_NEXT : emu_facility(c, v, (unsigned)ic);
}

/* A number that this generation does not have, or not for this direction. */
static emu_outcome undefined(const emu_cpu *c, const emu_vcpu *v, uint32_t number, int reserved)
{
    if (v->msr & MSR_PR)
        return number & EMU_SPR_PRIVILEGED ? EMU_PRIVILEGED : EMU_ILLEGAL;
    return reserved || c->t->lpcr & LPCR_EVIRT ? EMU_ILLEGAL : EMU_NEXT;
}

/* Privileged numbers are refused in problem state whatever they name. */
#define ROW(number, access, since, until, ic, statement) \
    case number: \
        if (generation < since || generation > until) \
            break; \
        out = allowed(c, v, access, ic); \
        if (out == EMU_NEXT) { \
            statement; \
        } \
        return out;
#define HYPERVISOR(number, access, since, until, ic) ROW(number, access, since, until, ic, (void)0)

emu_outcome emu_spr_read(emu_cpu *c, emu_vcpu *v, uint32_t number, uint64_t now, uint64_t *value)
{
    const int generation = (int)c->m->config.generation;
    emu_outcome out;
    switch (number) {
#define FIELD(number, access, since, until, ic, word, width) \
    ROW(number, access, since, until, ic, *value = (width) == 32 ? (word) & HALF : (word))
#define SPECIAL(number, access, since, until, ic, home) \
    ROW(number, access, since, until, ic, *value = read_##home(c, v, now))
        EMU_SPR_READS(FIELD, SPECIAL, HYPERVISOR)
#undef FIELD
#undef SPECIAL
    }
    return undefined(c, v, number, number == 0 || (number >= 4 && number <= 6));
}

emu_outcome emu_spr_write(emu_cpu *c, emu_vcpu *v, uint32_t number, uint64_t now, uint64_t value)
{
    const int generation = (int)c->m->config.generation;
    emu_outcome out;
    switch (number) {
#define FIELD(number, access, since, until, ic, word, width) \
    ROW(number, access, since, until, ic, (word) = (width) == 32 ? value & HALF : value)
#define SPECIAL(number, access, since, until, ic, home) \
    ROW(number, access, since, until, ic, out = write_##home(c, v, now, value))
        EMU_SPR_WRITES(FIELD, SPECIAL, HYPERVISOR)
#undef FIELD
#undef SPECIAL
    }
    return undefined(c, v, number, number == 0);
}
