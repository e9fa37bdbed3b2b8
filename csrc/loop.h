/* A loop that runs decoded instructions as fast as it can: 64-bit mode, one byte order, no tracing.
 * Included once for each byte order, with LOOP (its name) and ORDER defined.
 *
 * The budget is paid a run at a time (see emu_op): `budget` is what is left after the whole run that
 * `ip` is in, so an instruction that does not complete gets its blen back. */
#include "exec.h"

emu_outcome LOOP(emu_cpu *c, emu_vcpu *v, int64_t budget)
{
#define LABEL_OF(name) ((int32_t)((const char *)&&name - (const char *)&&in_undecoded))
    static const int32_t labels[EMU_NLABELS] = {
#define VARIANT(variant, row, bits, privilege, ic, ends) [EMU_V_##variant] = LABEL_OF(do_##variant),
        EMU_VARIANTS(VARIANT)
#undef VARIANT
#define INTERNAL(name) [EMU_I_##name] = LABEL_OF(in_##name),
        EMU_STATES(INTERNAL) EMU_STRAIGHT(INTERNAL) EMU_NEAR(INTERNAL) EMU_FAR(INTERNAL)
#undef INTERNAL
#define HEAD(number) [EMU_NIDS + number] = LABEL_OF(seq_##number),
#define NONE(...)
        EMU_SEQUENCES(HEAD, NONE, NONE, NONE)
#undef NONE
#undef HEAD
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

    uint64_t compared = 0;

#define CIA_OF(op) (c->page_ea + (uint64_t)((const char *)(op) - (const char *)c->page) / 4)
#define NOW_OF(op) (c->tb + (uint64_t)(whole - budget - (op)->blen))
#define CIA CIA_OF(ip)
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
    goto *((const char *)&&in_undecoded + emu_alone(ip, (uint32_t)(ip - c->page), ORDER));

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

#define HOW(b) ((emu_how){.bits = (b), .sf = 1, .order = ORDER, .compared = &compared})

#define BRANCH(name, known) \
    if (EMU_I_##name == EMU_I_bl_near) \
        v->lr = CIA + 4; \
    if (test_##name(v, ip, HOW(0), known)) \
        TO_TARGET(); \
    else \
        ip++; \
    ENTER();
#define NEAR(name) \
    in_##name: \
        BRANCH(name, 0)
    EMU_NEAR(NEAR)
#undef NEAR

#define STRAIGHT(name) \
    in_##name: \
        way_##name(c, v, ip, HOW(0), 0, 0); \
        ip++; \
        DISPATCH();
    EMU_STRAIGHT(STRAIGHT)
#undef STRAIGHT

/* Sequences: the ways of several records, one after the other. One that does not simply go on is
 * left at its place: what follows it is dispatched by itself, or it did not complete. */
#define HEAD(number) seq_##number:
#define STEP(place, name) \
    out = way_##name(c, v, ip + (place), HOW(0), CIA_OF(ip + (place)), NOW_OF(ip + (place))); \
    if (UNLIKELY(out != EMU_NEXT)) { \
        ip += (place); \
        goto broken; \
    }
#define LAST(place, name) \
    STEP(place, name) \
    ip += (place) + 1; \
    DISPATCH();
#define NEAR(place, name, known) \
    ip += (place); \
    BRANCH(name, known)
    EMU_SEQUENCES(HEAD, STEP, LAST, NEAR)
#undef NEAR
#undef LAST
#undef STEP
#undef HEAD

broken:
    if (out != EMU_SLOW)
        goto leave;
    ip++;
    DISPATCH();

in_blr:
    target = v->lr;
    goto jump;
in_bctr:
    target = v->ctr;
    goto jump;

#define VARIANT(variant, row, bits, privilege, ic, ends) \
    do_##variant: \
        out = refused(c, v, privilege, ic); \
        if (out == EMU_NEXT) \
            out = do_##row(c, v, ip, HOW(bits), CIA, NOW_OF(ip)); \
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
#undef CIA_OF
#undef NOW_OF
#undef BRANCH
#undef DISPATCH
#undef ENTER
#undef TO_TARGET
#undef HOW
}
