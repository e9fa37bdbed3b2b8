/* emu_run: pending interrupts, the right loop, and what becomes of what stopped it. */
#include "emu.h"

/* A double of what the loops take for granted would not fit their signed budget. */
#define MOST ((uint64_t)INT64_MAX)

/* Real mode ignores EA bits 0:3, and there is no other mode (Book III 5.7.3). */
#define REAL_MODE EMU_BITS(4, 63)

/* MSR bits that SRR1 does not take over, but uses to say more. */
#define SRR1_CAUSE (EMU_BITS(33, 36) | EMU_BITS(42, 47))

/* ---- where the guest is ------------------------------------------------------------------------ */

/* Bind c to a thread and its vcpu. NULL: a state word names what is not there. */
static emu_vcpu *bind(emu_machine *m, uint32_t thread, emu_cpu *c)
{
    if (thread >= m->config.nthreads)
        return NULL;
    emu_thread *t = emu_thread_at(m, thread);
    if (t->vcpu == 0 || t->vcpu > m->config.nvcpus || t->subproc >= m->config.nthreads)
        return NULL;
    emu_vcpu *v = emu_vcpu_at(m, t->vcpu - 1);
    if (v->vm >= m->config.nvms || !m->vms[v->vm].bytes)
        return NULL;
    c->m = m;
    c->t = t;
    c->s = emu_subproc_at(m, t->subproc);
    c->vm = &m->vms[v->vm];
    c->vcpu = (uint32_t)(t->vcpu - 1);
    c->bytes = c->vm->bytes;
    c->flags = c->vm->flags;
    c->size = c->vm->size;
    c->limit = c->size - 8;
    c->resume = v->passing - 1;
    v->zero = 0;
    v->msr &= ~MSR_HV;
    emu_note_reservation(m, v);
    return v;
}

/* What follows from the MSR. */
static void set_mode(emu_cpu *c, const emu_vcpu *v)
{
    c->sf = (v->msr & MSR_SF) != 0;
    c->order = v->msr & MSR_LE ? EMU_LITTLE : EMU_BIG;
    c->ea_mask = c->sf ? REAL_MODE : REAL_MODE & UINT32_MAX;
    c->code = c->vm->code[c->order];
}

static uint64_t guest_tb(const emu_cpu *c)
{
    return emu_state(c->m)->tb + c->s->tb_offset;
}

static void remember_word(emu_cpu *c, emu_vcpu *v)
{
    uint64_t real = v->nia & c->ea_mask;
    v->exit_word = real < c->size ? emu_word_at(c->vm, c->order, real) : 0;
}

/* ---- interrupts ---------------------------------------------------------------------------------- */

/* The guest takes an interrupt: 0, or -1 if nobody handles it, and then nothing has changed but
 * vcpu.trap_*. dar and dsisr are set if `storage`. */
typedef struct {
    uint32_t vector;
    uint64_t srr0, srr1_bits;
    int storage;
    uint64_t dar, dsisr;
} interrupt;

static uint64_t vector_address(const emu_cpu *c, const emu_vcpu *v, uint32_t vector,
                               uint64_t *translation)
{
    uint64_t relocated = v->msr & (MSR_IR | MSR_DR);
    *translation = 0;
    if ((c->t->lpcr & LPCR_AIL) != LPCR_AIL || relocated != (MSR_IR | MSR_DR) || VECTOR_STAYS(vector))
        return vector;
    *translation = relocated;
    return AIL3_BASE + vector;
}

static int take(emu_cpu *c, emu_vcpu *v, interrupt i)
{
    uint64_t translation;
    uint64_t address = vector_address(c, v, i.vector, &translation);
    uint64_t real = address & REAL_MODE;
    uint64_t srr1 = (v->msr & ~SRR1_CAUSE) | i.srr1_bits;
    uint64_t msr = (v->msr & (MSR_ME | MSR_HV)) | MSR_SF | translation
                   | (c->t->lpcr & LPCR_ILE ? MSR_LE : 0);
    /* A handler whose first instruction brings it back to where it is would do that for ever. */
    int repeats = i.srr0 == address && msr == v->msr;
    if (real >= c->size || emu_word_at(c->vm, EMU_BIG, real) == 0 || repeats) {
        v->trap_vector = i.vector;
        v->trap_srr1 = srr1;
        v->trap_dar = i.storage ? i.dar : v->dar;
        v->trap_dsisr = i.storage ? i.dsisr : v->dsisr;
        return -1;
    }
    emu_did(c->m, c->vcpu, EMU_DID_INTERRUPT, v->nia, i.vector);
    v->srr0 = i.srr0;
    v->srr1 = srr1;
    if (i.storage) {
        v->dar = i.dar;
        v->dsisr = i.dsisr;
    }
    v->msr = msr;
    v->nia = address;
    return 0;
}

int emu_interrupt(emu_machine *m, uint32_t thread, uint32_t vector, uint64_t srr1_bits)
{
    emu_cpu c;
    emu_vcpu *v = bind(m, thread, &c);
    if (!v)
        return -1;
    return take(&c, v, (interrupt){.vector = vector, .srr0 = v->nia, .srr1_bits = srr1_bits});
}

int emu_fetch(emu_machine *m, uint32_t vcpu, uint32_t *word)
{
    if (vcpu >= m->config.nvcpus)
        return -1;
    const emu_vcpu *v = emu_vcpu_at(m, vcpu);
    if (v->vm >= m->config.nvms)
        return -1;
    uint64_t real = v->nia & REAL_MODE & (v->msr & MSR_SF ? ~0ull : UINT32_MAX) & ~3ull;
    if (real >= m->vms[v->vm].size)
        return -1;
    *word = emu_word_at(&m->vms[v->vm], v->msr & MSR_LE ? EMU_LITTLE : EMU_BIG, real);
    return 0;
}

/* Going on in the guest; no exit. */
#define RUNNING EMU_NEXITS
/* Likewise, after an interrupt that the machine is to pay for: see emu_pay_interrupts. */
#define PAID (EMU_NEXITS + 1)

/* Asynchronous interrupts in the order of emu/isa/interrupts.py. The hypervisor's are taken whatever
 * MSR[EE] says, as HV is 0. */
static emu_exit_reason take_pending(emu_cpu *c, emu_vcpu *v)
{
    emu_thread *t = c->t;
    if (t->lpcr & LPCR_HDICE && emu_state(c->m)->tb >= t->hdec_expires)
        return EMU_EXIT_HDEC;
    if (t->xics_ipi)
        return EMU_EXIT_EXTERNAL;
    if (v->msr & MSR_EE) {
        interrupt i = {.srr0 = v->nia};
        uint64_t mine = 1ull << (t->tir & 63);
        if (v->external_pending || t->lpcr & LPCR_MER)
            i.vector = VECTOR_EXTERNAL;
        else if (v->dec_armed && emu_to_decrementer(t, v, guest_tb(c)) == 0)
            i.vector = VECTOR_DECREMENTER;
        else if (c->s->dpdes & mine)
            i.vector = VECTOR_DOORBELL;
        if (i.vector) {
            if (take(c, v, i))
                return EMU_EXIT_UNHANDLED;
            if (i.vector == VECTOR_DOORBELL)
                c->s->dpdes &= ~mine;
            if (c->m->pays_interrupts) {
                c->m->paid++;
                return (emu_exit_reason)PAID;
            }
            return take_pending(c, v);
        }
    }
    if (t->hdoorbell) {
        t->hdoorbell = 0;
        return EMU_EXIT_H_DOORBELL;
    }
    return RUNNING;
}

/* How far the guest may run before a timer is to be looked at; at least 1. */
static uint64_t distance_to_timer(const emu_cpu *c, const emu_vcpu *v, uint64_t budget)
{
    uint64_t tb = emu_state(c->m)->tb;
    if (c->t->lpcr & LPCR_HDICE && c->t->hdec_expires - tb < budget)
        budget = c->t->hdec_expires - tb;
    if (v->msr & MSR_EE && v->dec_armed) {
        uint64_t ticks = emu_to_decrementer(c->t, v, guest_tb(c));
        if (ticks < budget)
            budget = ticks;
    }
    return budget;
}

/* An instruction did not just go on: an interrupt for the guest, or an exit. NIA is at it. */
static emu_exit_reason settle(emu_cpu *c, emu_vcpu *v, emu_outcome out)
{
    emu_thread *t = c->t;
    interrupt i = {.srr0 = v->nia};
    switch (out) {
    case EMU_SYNC:
        v->nia = c->sf ? c->nia : (uint32_t)c->nia;
        return RUNNING;
    case EMU_TRACE:
        v->nia = i.srr0 = c->sf ? c->nia : (uint32_t)c->nia;
        i.vector = VECTOR_TRACE;
        i.srr1_bits = EMU_BITS(33, 33);
        break;
    case EMU_CALL:
        i.srr0 = v->nia + 4;
        i.vector = VECTOR_SYSTEM_CALL;
        break;
    case EMU_HCALL:
        v->nia += 4;
        return EMU_EXIT_HCALL;
    case EMU_WAIT_STOP:
        v->nia += 4;
        return EMU_EXIT_STOP;
    case EMU_FETCH:
        i.vector = VECTOR_INSTRUCTION_STORAGE;
        i.srr1_bits = SRR1_NO_TRANSLATION;
        break;
    case EMU_STORAGE:
    case EMU_ALIGNMENT:
        i.vector = out == EMU_STORAGE ? VECTOR_DATA_STORAGE : VECTOR_ALIGNMENT;
        i.storage = 1;
        i.dar = c->fault_ea;
        i.dsisr = out == EMU_STORAGE ? c->fault_bits : v->dsisr;
        break;
    case EMU_PRIVILEGED:
        i.vector = VECTOR_PROGRAM;
        i.srr1_bits = SRR1_PRIV;
        break;
    case EMU_TRAP:
        i.vector = VECTOR_PROGRAM;
        i.srr1_bits = SRR1_TRAP;
        break;
    case EMU_NO_FP:
        i.vector = VECTOR_FP_UNAVAILABLE;
        break;
    case EMU_NO_VECTOR:
        i.vector = VECTOR_VECTOR_UNAVAILABLE;
        break;
    case EMU_NO_VSX:
        i.vector = VECTOR_VSX_UNAVAILABLE;
        break;
    case EMU_FACILITY:
        v->fscr = (v->fscr & ~FSCR_IC) | c->fault_bits << FSCR_IC_SHIFT;
        i.vector = VECTOR_FACILITY_UNAVAILABLE;
        break;
    case EMU_HFACILITY:
        remember_word(c, v);
        t->hfscr = (t->hfscr & ~HFSCR_IC) | c->fault_bits << HFSCR_IC_SHIFT;
        t->hsrr0 = v->nia;
        t->hsrr1 = v->msr;
        return EMU_EXIT_HFAC_UNAVAIL;
    default:                       /* EMU_ILLEGAL */
        remember_word(c, v);
        if (c->m->config.generation >= 8) {
            t->heir = v->exit_word;
            t->hsrr0 = v->nia;
            t->hsrr1 = v->msr;
            return EMU_EXIT_EMUL_ASSIST;
        }
        i.vector = VECTOR_PROGRAM;
        i.srr1_bits = SRR1_ILL;
        break;
    }
    return take(c, v, i) ? EMU_EXIT_UNHANDLED : RUNNING;
}

static emu_exit_reason run(emu_cpu *c, emu_vcpu *v, uint64_t budget)
{
    for (;;) {
        if (budget == 0)
            return EMU_EXIT_BUDGET;
        v->passing = 0;
        emu_exit_reason reason = take_pending(c, v);
        if (reason == (emu_exit_reason)PAID) {
            budget--;
            continue;
        }
        if (reason != RUNNING)
            return reason;
        set_mode(c, v);
        c->tb = guest_tb(c);
        c->ic_offset = v->ic - c->tb;
        uint64_t stretch = distance_to_timer(c, v, budget);
        emu_outcome out = EMU_TAIL;
        c->left = stretch;
        if (stretch > 1 && c->sf && !(v->msr & (MSR_SE | MSR_BE)))
            out = c->order == EMU_LITTLE ? emu_loop_little(c, v, (int64_t)stretch)
                                         : emu_loop_big(c, v, (int64_t)stretch);
        if (out == EMU_TAIL && c->left) {
            c->tb += stretch - c->left;
            out = emu_loop_step(c, v, (int64_t)c->left);
        }
        /* What was attempted counts. */
        uint64_t done = stretch - c->left + (out != EMU_TAIL && out != EMU_STOPPED_AT_BREAK);
        emu_state(c->m)->tb += done;
        v->ic += done;
        budget -= done;
        if (out == EMU_STOPPED_AT_BREAK)
            return EMU_EXIT_BREAKPOINT;
        if (out == EMU_TAIL)
            continue;
        reason = settle(c, v, out);
        if (reason != RUNNING)
            return reason;
    }
}

/* The hypervisor keeps a deadline for DEC, which does not wrap: leave it what the register says. */
static void wrap_decrementer(const emu_cpu *c, emu_vcpu *v)
{
    uint64_t now = guest_tb(c), ticks = emu_to_decrementer(c->t, v, now);
    if (v->dec_armed && ticks && (int64_t)(v->dec_expires - now) <= 0)
        v->dec_expires = now + ticks;
}

emu_exit_reason emu_run(emu_machine *m, uint32_t thread, uint64_t budget)
{
    emu_cpu *c = &m->cpu;
    emu_vcpu *v = bind(m, thread, c);
    if (!v)
        return EMU_EXIT_NO_VCPU;
    emu_exit_reason reason = run(c, v, budget > MOST ? MOST : budget);
    wrap_decrementer(c, v);
    return reason;
}
