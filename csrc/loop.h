/* A loop that runs decoded instructions as fast as it can: 64-bit mode, one byte order, no tracing.
 * Included once for each byte order, with LOOP (its name) and ORDER defined.
 *
 * The budget is paid a run at a time (see emu_op): `budget` is what is left after the whole run that
 * `ip` is in, so an instruction that does not complete gets its blen back. */
#include "exec.h"

emu_outcome LOOP(emu_cpu *c, emu_vcpu *v, int64_t budget)
{
#define LABEL_OF(name) ((int32_t)((const char *)&&name - (const char *)&&in_undecoded))
    static const int32_t labels[EMU_NIDS] = {
#define VARIANT(variant, row, bits, privilege, ic, ends) [EMU_V_##variant] = LABEL_OF(do_##variant),
        EMU_VARIANTS(VARIANT)
#undef VARIANT
#define INTERNAL(name) [EMU_I_##name] = LABEL_OF(in_##name),
        EMU_INTERNALS(INTERNAL)
#undef INTERNAL
    };
    if (!c) {                      /* asked for its labels, once */
        memcpy(emu_labels[ORDER], labels, sizeof labels);
        return EMU_NEXT;
    }
    const int64_t whole = budget;
    const emu_op *ip = NULL;
    uint64_t target = v->nia;
    emu_outcome out;
    goto jump;

#define CIA (c->page_ea + (uint64_t)((const char *)ip - (const char *)c->page) / 4)
#define NOW (c->tb + (uint64_t)(whole - budget - ip->blen))
#define DISPATCH() goto *((const char *)&&in_undecoded + ip->code)
/* Go on at the head of a run. */
#define ENTER() \
    do { \
        budget -= ip->blen; \
        if (UNLIKELY(budget < 0)) \
            goto tail; \
        DISPATCH(); \
    } while (0)
/* One record stands for one word: imm counts bytes of words. */
#define TO_TARGET() (ip = (const emu_op *)((const char *)ip + (int64_t)op_distance(ip)))

jump:
    target &= ~3ull;
    {
        uint64_t real = target & c->ea_mask;
        emu_op *page = NULL;
        if (LIKELY(real < c->size))
            page = c->code[real >> EMU_PAGE_SHIFT];
        if (UNLIKELY(!page)) {
            page = emu_code_page(c->m, c->vm, ORDER, real);
            if (!page) {
                v->nia = target;
                c->left = (uint64_t)budget;
                return budget ? EMU_FETCH : EMU_TAIL;
            }
        }
        c->page = page;
        c->page_ea = target & ~(EMU_PAGE - 1ull);
        ip = page + real % EMU_PAGE / 4;
    }
    ENTER();

in_undecoded:
    budget += ip->blen;
    emu_decode_run(c->m, c->vm, ORDER, c->page_ea & c->ea_mask, c->page,
                   (uint32_t)(ip - c->page));
    ENTER();

in_page_end:
    target = c->page_ea + EMU_PAGE;
    goto jump;

in_breakpoint:
    if (c->resume != CIA) {
        out = EMU_STOPPED_AT_BREAK;
        goto leave;
    }
    c->resume = ~0ull;
    goto *((const char *)&&in_undecoded + labels[ip->id]);

in_illegal:
    out = EMU_ILLEGAL;
    goto leave;
in_fp:
    out = v->msr & MSR_FP ? EMU_ILLEGAL : EMU_NO_FP;
    goto leave;
in_vector:
    out = v->msr & MSR_VEC ? EMU_ILLEGAL : EMU_NO_VECTOR;
    goto leave;
in_vsx:
    out = v->msr & MSR_VSX ? EMU_ILLEGAL : EMU_NO_VSX;
    goto leave;

#define HOW(b) ((emu_how){.bits = (b), .sf = 1, .order = ORDER})

/* Branches within the page. */
#define NEAR(name, link, condition) \
    in_##name: \
        if (link) \
            v->lr = CIA + 4; \
        if (condition) \
            TO_TARGET(); \
        else \
            ip++; \
        ENTER();
    NEAR(b_near, 0, 1)
    NEAR(bl_near, 1, 1)
    NEAR(bc_near, 0, branches(v, HOW(0), ip->a, ip->b))
    NEAR(bc_true_near, 0, v->cr >> (31 - ip->b) & 1)
    NEAR(bc_false_near, 0, !(v->cr >> (31 - ip->b) & 1))
    NEAR(bdnz_near, 0, --v->ctr != 0)
    NEAR(bdz_near, 0, --v->ctr == 0)
#undef NEAR

in_blr:
    target = v->lr;
    goto jump;
in_bctr:
    target = v->ctr;
    goto jump;

#define MOVE(name, to, from) \
    in_##name: \
        to = from; \
        ip++; \
        DISPATCH();
    MOVE(mflr, v->gpr[ip->a], v->lr)
    MOVE(mtlr, v->lr, v->gpr[ip->a])
    MOVE(mfctr, v->gpr[ip->a], v->ctr)
    MOVE(mtctr, v->ctr, v->gpr[ip->a])
#undef MOVE

#define VARIANT(variant, row, bits, privilege, ic, ends) \
    do_##variant: \
        out = refused(c, v, privilege, ic); \
        if (out == EMU_NEXT) \
            out = do_##row(c, v, ip, HOW(bits), CIA, NOW); \
        if (LIKELY(out <= EMU_SLOW)) { \
            ip++; \
            if (ends) \
                ENTER(); \
            DISPATCH(); \
        } \
        if (out == EMU_JUMP) { \
            target = c->nia; \
            goto jump; \
        } \
        goto leave;
    EMU_VARIANTS(VARIANT)
#undef VARIANT

leave:
    budget += ip->blen;
    v->nia = CIA;
    c->left = (uint64_t)budget;
    return out;

tail:
    budget += ip->blen;
    v->nia = CIA;
    c->left = (uint64_t)budget;
    return EMU_TAIL;
#undef LABEL_OF
#undef CIA
#undef NOW
#undef DISPATCH
#undef ENTER
#undef TO_TARGET
#undef HOW
}
