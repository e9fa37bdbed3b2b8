/* Branches, condition register logic and system calls: Power ISA v3.0B Book I chapter 2. */

/* Whether a branch with these BO and BI is taken; counts CTR down if BO says so. */
INLINE int branches(emu_vcpu *v, emu_how h, unsigned bo, unsigned bi)
{
    int ctr_ok = 1;
    if (!(bo & 4)) {
        v->ctr--;
        ctr_ok = ((h.sf ? v->ctr : (uint32_t)v->ctr) != 0) ^ (int)(bo >> 1 & 1);
    }
    return ctr_ok && ((bo & 16) || (v->cr >> (31 - bi) & 1) == (bo >> 3 & 1));
}

/* LK=1: LR gets the address after the branch, taken or not. */
INLINE void link(emu_vcpu *v, emu_how h, uint64_t cia)
{
    if (h.bits & EMU_LK)
        v->lr = h.sf ? cia + 4 : (uint32_t)(cia + 4);
}

INSN(b)
{
    link(v, h, cia);
    c->nia = (h.bits & EMU_AA ? 0 : cia) + IMM;
    return EMU_JUMP;
}

INSN(bc)
{
    int taken = branches(v, h, op->a, op->b);
    link(v, h, cia);
    if (!taken)
        return EMU_NEXT;
    c->nia = (h.bits & EMU_AA ? 0 : cia) + IMM;
    return EMU_JUMP;
}

/* To a register: `bo` is the constant 20 for the form that always branches. */
INLINE emu_outcome branch_to(emu_cpu *c, emu_vcpu *v, const emu_op *op, emu_how h, uint64_t cia,
                             unsigned bo, uint64_t target)
{
    int taken = branches(v, h, bo, op->b);
    link(v, h, cia);
    if (!taken)
        return EMU_NEXT;
    c->nia = target;
    return EMU_JUMP;
}

INSN(bclr)
{
    return branch_to(c, v, op, h, cia, op->a, v->lr);
}

INSN(bcctr)
{
    /* BO that counts is an invalid form; it does not count. */
    return branch_to(c, v, op, h, cia, op->a | 4, v->ctr);
}

INSN(bctar)
{
    return branch_to(c, v, op, h, cia, op->a, v->tar);
}

#define CR_LOGIC(row, expression) \
    INSN(row) \
    { \
        uint64_t a = v->cr >> (31 - op->b) & 1, b = v->cr >> (31 - op->c) & 1; \
        uint64_t bit = 1ull << (31 - op->a); \
        v->cr = ((expression) & 1) ? v->cr | bit : v->cr & ~bit; \
        return EMU_NEXT; \
    }
CR_LOGIC(crand, a & b)
CR_LOGIC(crnand, ~(a & b))
CR_LOGIC(cror, a | b)
CR_LOGIC(crxor, a ^ b)
CR_LOGIC(crnor, ~(a | b))
CR_LOGIC(creqv, ~(a ^ b))
CR_LOGIC(crandc, a & ~b)
CR_LOGIC(crorc, a | ~b)
#undef CR_LOGIC

INSN(mcrf)
{
    set_crf(v, op->a, v->cr >> (28 - 4 * op->b) & 0xf);
    return EMU_NEXT;
}

INSN(sc)
{
    /* LEV=1 is the hypervisor's, but not from problem state: that one is reflected to the guest. */
    return (op->imm & 1) && !(v->msr & MSR_PR) ? EMU_HCALL : EMU_CALL;
}
