/* All bodies. Every loop includes them; what a loop does not use costs nothing. */
#ifndef EMU_EXEC_H
#define EMU_EXEC_H

#include "body.h"

#include "exec_branch.h"
#include "exec_fixed.h"
#include "exec_storage.h"
#include "exec_system.h"

/* EMU_NEXT, or why the state the vcpu is in may not execute a row at all. */
INLINE emu_outcome refused(emu_cpu *c, const emu_vcpu *v, int privilege, int ic)
{
    if (privilege == 2 || (privilege == 1 && v->msr & MSR_PR))
        return EMU_PRIVILEGED;
    return ic < 0 ? EMU_NEXT : emu_facility(c, v, (unsigned)ic);
}

/* Bytes of records between a branch and its target. */
INLINE int64_t op_distance(const emu_op *op)
{
    return (int64_t)op->imm * (int64_t)(sizeof *op / 4);
}

/* ---- ways: what sequences are made of ----------------------------------------------------------- */

#define WAY(variant, row, bits_, privilege, ic, ends) \
    BODY(way_##variant) \
    { \
        h.bits = (bits_); \
        return do_##row(c, v, op, h, cia, now); \
    }
EMU_VARIANTS(WAY)
#undef WAY

BODY(way_cmpwi) { return compare_signed(v, op, h, 0, RA, IMM); }
BODY(way_cmpdi) { return compare_signed(v, op, h, 1, RA, IMM); }
BODY(way_cmpw) { return compare_signed(v, op, h, 0, RA, RB); }
BODY(way_cmpd) { return compare_signed(v, op, h, 1, RA, RB); }
BODY(way_cmplwi) { return compare_unsigned(v, op, h, 0, RA, IMM); }
BODY(way_cmpldi) { return compare_unsigned(v, op, h, 1, RA, IMM); }
BODY(way_cmplw) { return compare_unsigned(v, op, h, 0, RA, RB); }
BODY(way_cmpld) { return compare_unsigned(v, op, h, 1, RA, RB); }

#define MOVE(name, to, from) \
    BODY(way_##name) \
    { \
        to = from; \
        return EMU_NEXT; \
    }
MOVE(li, RT, IMM)
MOVE(lis, RT, IMM << 16)
MOVE(mr, RA, RS)
MOVE(clrldi, RA, RS & from_bit(op->d))
MOVE(rlwinm_low, RA, (uint32_t)rotate32(RS, op->c) & (uint32_t)op->imm)
MOVE(mflr, RT, v->lr)
MOVE(mtlr, v->lr, RS)
MOVE(mfctr, RT, v->ctr)
MOVE(mtctr, v->ctr, RS)
#undef MOVE

BODY(way_nop) { return EMU_NEXT; }

/* Whether a near branch is taken. `known`: the comparison that set its CR field came just before, in
 * h.compared; so its bits need no look at CR. */
#define TEST(name, expression) \
    INLINE int test_##name(emu_vcpu *v, const emu_op *op, emu_how h, int known) \
    { \
        return (expression) != 0; \
    }
#define CR_BIT(bit) (known ? *h.compared & (bit) : v->cr >> (31 - op->b) & 1)
TEST(b_near, 1)
TEST(bl_near, 1)
TEST(bdnz_near, --v->ctr)
TEST(bdz_near, --v->ctr == 0)
TEST(bc_near, branches(v, h, op->a, op->b))
TEST(blt_near, CR_BIT(8))
TEST(bge_near, !CR_BIT(8))
TEST(bgt_near, CR_BIT(4))
TEST(ble_near, !CR_BIT(4))
TEST(beq_near, CR_BIT(2))
TEST(bne_near, !CR_BIT(2))
#undef CR_BIT
#undef TEST

#endif
