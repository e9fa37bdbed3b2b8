/* What only an operating system uses: Power ISA v3.0B Book III. The loops have already refused
 * what problem state may not do and facilities that are off. HV is 0: what only the hypervisor may
 * do interrupts before its body is reached. */

/* What the book lets a new MSR value mean: problem state has EE, IR and DR at 1. */
INLINE uint64_t msr_with(uint64_t old, uint64_t value, uint64_t writable)
{
    uint64_t msr = (old & ~writable) | (value & writable);
    return msr & MSR_PR ? msr | MSR_EE | MSR_IR | MSR_DR : msr;
}

#define MSR_KNOWN (MSR_SF | MSR_VEC | MSR_VSX | MSR_EE | MSR_PR | MSR_FP | MSR_ME | MSR_FE0 | MSR_SE \
                   | MSR_BE | MSR_FE1 | MSR_IR | MSR_DR | MSR_PMM | MSR_RI | MSR_LE)

INSN(rfid)
{
    v->msr = msr_with(v->msr, v->srr1, MSR_KNOWN & ~MSR_ME);
    c->nia = v->srr0 & ~3ull;
    return EMU_SYNC;
}

INLINE emu_outcome move_to_msr(emu_cpu *c, emu_vcpu *v, const emu_op *op, uint64_t cia,
                               uint64_t writable)
{
    if (op->d)                     /* L=1: EE and RI alone, whatever PR was */
        v->msr = (v->msr & ~(MSR_EE | MSR_RI)) | (RS & (MSR_EE | MSR_RI));
    else
        v->msr = msr_with(v->msr, RS, writable & ~(MSR_ME | MSR_LE));
    c->nia = cia + 4;
    return EMU_SYNC;
}

INSN(mtmsr) { return move_to_msr(c, v, op, cia, MSR_KNOWN & 0xffffffffu); }
INSN(mtmsrd) { return move_to_msr(c, v, op, cia, MSR_KNOWN); }

INSN(mfmsr)
{
    RT = v->msr;
    return EMU_NEXT;
}

INSN(stop)
{
    c->nia = cia + 4;
    return EMU_WAIT_STOP;
}

/* ---- doorbells ------------------------------------------------------------------------------- */

/* A tag of RB, or -1 for a message type without meaning. */
INLINE int64_t doorbell_tag(uint64_t rb)
{
    return (rb & DBELL_TYPE) >> DBELL_TYPE_SHIFT == DOORBELL_TYPE
               ? (int64_t)((rb & DBELL_TIRTAG) >> DBELL_TIRTAG_SHIFT)
               : -1;
}

INSN(msgsndp)
{
    int64_t tag = doorbell_tag(RB);
    c->nia = cia + 4;
    if (tag < 0 || (uint64_t)tag >= c->s->nthreads || tag > 63) {
        emu_did(c->m, c->vcpu, EMU_DID_IGNORE, cia, RB);
        return EMU_NEXT;
    }
    uint64_t bit = 1ull << tag;
    emu_did(c->m, c->vcpu, c->s->dpdes & bit ? EMU_DID_COALESCE : EMU_DID_SEND, cia, (uint64_t)tag);
    c->s->dpdes |= bit;
    return EMU_SYNC;
}

INSN(msgclrp)
{
    uint64_t bit = 1ull << (c->t->tir & 63);
    if (doorbell_tag(RB) < 0)
        emu_did(c->m, c->vcpu, EMU_DID_IGNORE, cia, RB);
    else if (c->s->dpdes & bit)
        emu_did(c->m, c->vcpu, EMU_DID_CLEAR, cia, c->t->tir);
    if (doorbell_tag(RB) >= 0)
        c->s->dpdes &= ~bit;
    return EMU_NEXT;
}

/* ---- translation that is not there: no entries to invalidate, none to find --------------------- */

#define NOTHING(row) \
    INSN(row) { return EMU_NEXT; }
NOTHING(slbie)
NOTHING(slbieg)
NOTHING(slbia)
NOTHING(slbiag)
NOTHING(slbmte)
NOTHING(slbsync)
#undef NOTHING

INSN(slbmfev)
{
    RT = 0;
    return EMU_NEXT;
}

INSN(slbmfee)
{
    RT = 0;
    return EMU_NEXT;
}

INSN(slbfee_)
{
    RT = 0;
    set_crf(v, 0, so(v));
    return EMU_NEXT;
}

/* ---- the hypervisor's ------------------------------------------------------------------------- */

#define HYPERVISOR(row) \
    INSN(row) { return EMU_PRIVILEGED; }
HYPERVISOR(hrfid)
HYPERVISOR(doze)
HYPERVISOR(nap)
HYPERVISOR(sleep)
HYPERVISOR(rvwinkle)
HYPERVISOR(tlbie)
HYPERVISOR(tlbiel)
HYPERVISOR(tlbsync)
HYPERVISOR(msgsnd)
HYPERVISOR(msgclr)
HYPERVISOR(msgsync)
#undef HYPERVISOR
