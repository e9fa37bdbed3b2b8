/* The loop that pays for each instruction as it goes: the rest of a budget that ends within a run,
 * 32-bit mode, MSR[SE] and MSR[BE]. Same records, same bodies. */
#include "exec.h"

/* What MSR[SE] and MSR[BE] ask for after a row completed (Book III, Trace Interrupt). */
static int traces(uint64_t msr, uint32_t row)
{
    switch (row) {
    case EMU_ROW_rfid:
        return 0;
    case EMU_ROW_b:
    case EMU_ROW_bc:
    case EMU_ROW_bclr:
    case EMU_ROW_bcctr:
    case EMU_ROW_bctar:
        return (msr & (MSR_SE | MSR_BE)) != 0;
    }
    return (msr & MSR_SE) != 0;
}

emu_outcome emu_loop_step(emu_cpu *c, emu_vcpu *v, int64_t budget)
{
    static const void *const labels[EMU_NIDS] = {
#define VARIANT(variant, row, bits, privilege, ic, ends) [EMU_V_##variant] = &&do_##variant,
        EMU_VARIANTS(VARIANT)
#undef VARIANT
        [EMU_I_undecoded] = &&in_undecoded, [EMU_I_page_end] = &&in_page_end,
        [EMU_I_illegal] = &&in_illegal,     [EMU_I_fp] = &&in_fp,
        [EMU_I_vector] = &&in_vector,       [EMU_I_vsx] = &&in_vsx,
    };
    const int64_t whole = budget;
    const emu_op *ip = NULL;
    uint64_t nia = v->nia, msr = v->msr;
    uint64_t compared;
    uint32_t row;
    emu_outcome out;

    c->page = NULL;
    for (;;) {
        if (!c->sf)
            nia = (uint32_t)nia;
        nia &= ~3ull;
        v->nia = nia;
        if (budget == 0) {
            out = EMU_TAIL;
            break;
        }
        uint64_t real = nia & c->ea_mask;
        c->page = emu_code_page(c->m, c->vm, c->order, real);
        if (!c->page) {
            out = EMU_FETCH;
            break;
        }
        if (c->vm->nbreaks && c->vm->breaks[real / 32] >> (real / 4 % 8) & 1 && c->resume != nia) {
            out = EMU_STOPPED_AT_BREAK;
            break;
        }
        c->resume = ~0ull;
        ip = c->page + real % EMU_PAGE / 4;
        goto *labels[ip->id];

in_undecoded:
        emu_decode_run(c->m, c->vm, c->order, real & ~(EMU_PAGE - 1ull), c->page,
                       (uint32_t)(ip - c->page));
        goto *labels[ip->id];

#define VARIANT(variant, row_, bits_, privilege, ic, ends) \
do_##variant: \
        row = EMU_ROW_##row_; \
        out = refused(c, v, privilege, ic); \
        if (out == EMU_NEXT) \
            out = do_##row_(c, v, ip, (emu_how){.bits = (bits_), .sf = c->sf, .order = c->order, \
                                                   .compared = &compared}, nia, c->tb + (uint64_t)(whole - budget)); \
        goto done;
        EMU_VARIANTS(VARIANT)
#undef VARIANT

in_illegal:
in_page_end:                       /* no word has this id */
        out = EMU_ILLEGAL;
        break;
in_fp:
        out = v->msr & MSR_FP ? EMU_ILLEGAL : EMU_NO_FP;
        break;
in_vector:
        out = v->msr & MSR_VEC ? EMU_ILLEGAL : EMU_NO_VECTOR;
        break;
in_vsx:
        out = v->msr & MSR_VSX ? EMU_ILLEGAL : EMU_NO_VSX;
        break;

done:
        if (out > EMU_SYNC)
            break;
        if (out <= EMU_SLOW)
            c->nia = nia + 4;
        if (traces(msr, row)) {
            out = EMU_TRACE;
            break;
        }
        if (out == EMU_SYNC)
            break;
        nia = c->nia;
        budget--;
    }
    c->left = (uint64_t)budget;
    return out;
}
