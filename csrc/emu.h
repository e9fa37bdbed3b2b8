/* The core's own structures. Files: machine.c (words, memory), snapshot.c, decode.c (words to
 * records), exec_*.h (one body per instruction), loop.h (the loops that run them), run.c
 * (interrupts, exits), spr.h, interrupt.c. */
#ifndef EMU_H
#define EMU_H

#include <stddef.h>
#include <stdint.h>

#include "emu.abi.h"
#include "isa_gen.h"

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define INLINE static inline __attribute__((always_inline))

/* Bits first..last of a doubleword in the book's numbering. */
#define EMU_BITS(first, last) ((~0ull >> (63 - (last) + (first))) << (63 - (last)))

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define EMU_FROM_BIG32(x) __builtin_bswap32(x)
#define EMU_FROM_LITTLE32(x) (x)
#define EMU_HOST_LITTLE 1
#else
#define EMU_FROM_BIG32(x) (x)
#define EMU_FROM_LITTLE32(x) __builtin_bswap32(x)
#define EMU_HOST_LITTLE 0
#endif

#define EMU_ZERO 32u               /* number of the register that is 0 (emu_vcpu.zero) */
#define EMU_SPR_PRIVILEGED 0x10u   /* spr0: the bit of an SPR number that says privileged */

#define EMU_PAGE 4096u
#define EMU_PAGE_SHIFT 12
#define EMU_PAGE_OPS (EMU_PAGE / 4)
#define EMU_GRANULE 128u           /* bytes that one reservation covers; also the cache block */
#define EMU_MAX_COUNT 4096u        /* of vcpus, threads, VMs */
#define EMU_MAX_MEMORY (1ull << 32)
#define EMU_MAX_CODE_PAGES 4096u   /* decoded pages of a VM before all are dropped */

#define EMU_VECTORS 128u           /* 0x20 apart, up to 0xfe0 */
#define EMU_COUNTS (EMU_NDID + EMU_VECTORS)

/* One flags byte a page. A store goes the fast way only if the byte is exactly EMU_DIRTY. */
enum {
    EMU_DIRTY = 1,                 /* written since the last save or restore */
    EMU_CODE = 2,                  /* some of its words are decoded */
    EMU_RESERVED = 4,              /* a reservation may lie in it */
};

/* Decoded instructions are kept apart by the state that fetching depends on. */
enum { EMU_BIG, EMU_LITTLE, EMU_NORDERS };

/* A decoded instruction, one for each word of a page plus one for "the page ends here".
 *
 * blen is the number of instructions from this one to the end of its straight-line run. Entering a
 * run pays for all of it; whoever leaves early gets the rest back. What keeps that exact: if an
 * instruction does not end its run, its blen is one more than its successor's, always, even
 * while either of them is not decoded (then blen is what it was when it last was, at first 0). */
typedef struct emu_op {
    int32_t code;                  /* where the loop jumps: distance from its base label */
    int32_t imm;
    uint16_t blen;
    uint16_t id;                   /* emu_variant, or an internal operation */
    uint8_t a, b, c, d;            /* register numbers and small operands */
} emu_op;

/* Ways to execute a word. Each variant of the table is one; the internal ones are words that are no
 * instruction, or no words at all, and quicker ways for frequent forms of a variant. A record keeps
 * its variant (or what it is instead) in `id`; `code` is the label of its way, or of a sequence of
 * ways that begins with it. */
#define EMU_STATES(X) X(undecoded) X(page_end) X(illegal) X(fp) X(vector) X(vsx) X(breakpoint)
#define EMU_STRAIGHT(X) \
    X(cmpwi) X(cmpdi) X(cmpw) X(cmpd) X(cmplwi) X(cmpldi) X(cmplw) X(cmpld) \
    X(li) X(lis) X(mr) X(nop) X(clrldi) X(rlwinm_low) X(mflr) X(mtlr) X(mfctr) X(mtctr)
/* Branches within a page, by what they test. */
#define EMU_NEAR(X) \
    X(b_near) X(bl_near) X(bdnz_near) X(bdz_near) X(bc_near) \
    X(blt_near) X(bge_near) X(bgt_near) X(ble_near) X(beq_near) X(bne_near)
#define EMU_FAR(X) X(blr) X(bctr)

enum {
    EMU_BEFORE_INTERNALS = EMU_NVARIANTS - 1,
#define ID(name) EMU_I_##name,
    EMU_STATES(ID) EMU_STRAIGHT(ID) EMU_NEAR(ID) EMU_FAR(ID)
#undef ID
    EMU_NIDS,
    EMU_NLABELS = EMU_NIDS + EMU_NSEQUENCES
};

typedef struct emu_page {          /* an immutable copy of a page, shared by snapshots */
    uint32_t uses;
    uint64_t *held;                /* the VM's count of such copies */
    uint8_t bytes[EMU_PAGE];
} emu_page;

#define EMU_CHUNK_PAGES 64u
typedef struct {                   /* 64 pages of a page table, shared by snapshots */
    uint32_t uses;
    emu_page *page[EMU_CHUNK_PAGES]; /* NULL = all zero */
} emu_chunk;

typedef struct {
    uint8_t *bytes;
    uint64_t size;
    uint8_t *flags;                /* one a page */
    emu_op **code[EMU_NORDERS];    /* decoded pages, NULL = none */
    uint32_t ncode;                /* how many there are */
    uint8_t *breaks;               /* a bit for each word, NULL = no breakpoint was ever set */
    uint32_t nbreaks;
    uint32_t *dirty;               /* the pages that are EMU_DIRTY, in order of first store */
    uint32_t ndirty;
    emu_chunk **saved;             /* what the pages that are not dirty equal */
    uint64_t held;                 /* copies of pages that snapshots and `saved` hold */
    uint32_t nchunks;
} emu_vm;

/* What running needs at hand; valid within one emu_run. */
typedef struct {
    emu_op **code;                 /* of the VM, in the byte order of now */
    emu_op *page;                  /* records of the page that is being executed ... */
    uint64_t page_ea;              /* ... and its effective address */
    uint8_t *bytes;
    uint8_t *flags;
    uint64_t size;
    uint64_t limit;                /* an access of up to 8 bytes at or below it is inside */
    uint64_t ea_mask;              /* effective to real address */
    uint64_t tb;                   /* guest TB when this stretch of the loop began */
    uint64_t ic_offset;            /* vcpu.ic - guest TB */
    uint64_t nia;                  /* where EMU_JUMP and EMU_SYNC go */
    uint64_t left;                 /* budget left when the loop was left */
    uint64_t fault_ea, fault_bits; /* of EMU_STORAGE, EMU_ALIGNMENT, EMU_FETCH; IC of EMU_FACILITY */
    int sf;                        /* 64-bit mode */
    int order;                     /* EMU_BIG or EMU_LITTLE */
    uint64_t resume;               /* the NIA that a breakpoint does not stop; ~0 = none */
    emu_machine *m;
    emu_vm *vm;
    emu_thread *t;
    emu_subproc *s;
    uint32_t vcpu;                 /* number of the running vcpu */
} emu_cpu;

/* What became of an instruction: the value of every handler. */
typedef enum {
    EMU_NEXT,                      /* done; go on after it */
    EMU_SLOW,                      /* likewise, but memory that may hold decoded code changed */
    EMU_JUMP,                      /* done; go on at cpu.nia */
    EMU_SYNC,                      /* done; what the loop relies on (MSR, timers) changed; at cpu.nia */
    EMU_TAIL,                      /* not an instruction: the budget ends within the run ahead */
    EMU_STOPPED_AT_BREAK,          /* not an instruction: a breakpoint */
    EMU_FETCH,                     /* from here on the instruction did not complete */
    EMU_STORAGE,
    EMU_ALIGNMENT,
    EMU_ILLEGAL,
    EMU_PRIVILEGED,
    EMU_TRAP,
    EMU_NO_FP, EMU_NO_VECTOR, EMU_NO_VSX,
    EMU_FACILITY,                  /* FSCR refuses facility cpu.fault_bits */
    EMU_HFACILITY,                 /* HFSCR refuses it */
    EMU_CALL,                      /* sc: completes, and interrupts */
    EMU_HCALL,                     /* sc 1 */
    EMU_WAIT_STOP,                 /* stop */
    EMU_TRACE,                     /* done, at cpu.nia, and MSR[SE] or MSR[BE] wants a word with it */
} emu_outcome;

struct emu_machine {
    emu_config config;
    uint64_t *words;
    uint64_t nwords;
    uint64_t area[EMU_NAREAS + 1];
    emu_vm *vms;
    uint64_t (*counts)[EMU_COUNTS]; /* a row for each vcpu */
    emu_log_entry *log;
    uint32_t log_size, log_used, log_first;
    uint64_t log_lost;
    int pays_interrupts;           /* see emu_pay_interrupts */
    uint64_t paid;                 /* how many interrupts emu_run has charged so far */
    emu_cpu cpu;
    emu_snapshot *snapshots;       /* those alive */
    int closing;                   /* emu_free was called */
};

/* ---- words ---- */

INLINE emu_machine_state *emu_state(const emu_machine *m)
{
    return (emu_machine_state *)m->words;
}

INLINE emu_vcpu *emu_vcpu_at(const emu_machine *m, uint64_t i)
{
    return (emu_vcpu *)(m->words + m->area[EMU_AREA_VCPU]) + i;
}

INLINE emu_thread *emu_thread_at(const emu_machine *m, uint64_t i)
{
    return (emu_thread *)(m->words + m->area[EMU_AREA_THREAD]) + i;
}

/* Width of DEC: a large decrementer has 56 bits here, as on POWER9. */
INLINE unsigned emu_dec_bits(const emu_thread *t)
{
    return t->lpcr & LPCR_LD ? 56 : 32;
}

/* Ticks from guest time `now` until the sign bit of an armed DEC is set; 0: it is. DEC wraps, so half
 * of its range after it went below zero it is positive again. */
INLINE uint64_t emu_to_decrementer(const emu_thread *t, const emu_vcpu *v, uint64_t now)
{
    unsigned unused = 64 - emu_dec_bits(t);
    uint64_t passed = (now - v->dec_expires) << unused;
    return passed >> 63 ? -passed >> unused : 0;
}

INLINE emu_subproc *emu_subproc_at(const emu_machine *m, uint64_t i)
{
    return (emu_subproc *)(m->words + m->area[EMU_AREA_SUBPROC]) + i;
}

/* ---- memory (machine.c) ---- */

/* About to change nbytes at a real address inside the VM: makes the pages dirty, forgets decoded
 * words, and ends the reservations of every vcpu but `self` (UINT32_MAX: of every vcpu) there. */
void emu_touch(emu_machine *m, emu_vm *vm, uint32_t self, uint64_t address, uint64_t nbytes);
/* Page flags of reservations follow from the vcpus' words: set them after words were replaced. */
void emu_note_reservation(emu_machine *m, const emu_vcpu *v);
void emu_mark_dirty(emu_vm *vm, uint64_t page);

void emu_release_pages(emu_vm *vm); /* snapshot.c */

/* ---- decode.c ---- */

extern int32_t emu_labels[EMU_NORDERS][EMU_NLABELS]; /* code by way, then by sequence */
/* Records of the page of `address`; NULL: outside memory, or no host memory. */
emu_op *emu_code_page(emu_machine *m, emu_vm *vm, int order, uint64_t address);
/* Decode the run that starts at record `index` of the page at a real address. */
void emu_decode_run(emu_machine *m, emu_vm *vm, int order, uint64_t page_address, emu_op *page,
                    uint32_t index);
/* The label that runs a record by itself, not as part of a sequence. */
int32_t emu_alone(const emu_op *op, uint32_t index, int order);
void emu_forget_code(emu_vm *vm, uint64_t address, uint64_t nbytes);
/* The page is about to become `bytes` (NULL: zeros): forget the words that differ. */
void emu_forget_changed_code(emu_vm *vm, uint32_t page, const uint8_t *bytes);
void emu_drop_code(emu_vm *vm);
uint32_t emu_word_at(const emu_vm *vm, int order, uint64_t address);
void emu_decode_init(void);

/* ---- machine.c ---- */

void emu_did(emu_machine *m, uint32_t vcpu, uint32_t deed, uint64_t nia, uint64_t argument);

/* ---- slow ways out of line (memory.c) ---- */

/* 0 and *value, or EMU_STORAGE. */
emu_outcome emu_load_slow(emu_cpu *c, uint64_t ea, unsigned nbytes, int order, uint64_t *value);
/* EMU_SLOW or EMU_STORAGE. */
emu_outcome emu_store_slow(emu_cpu *c, uint64_t ea, unsigned nbytes, int order, uint64_t value);
/* Whether [ea, ea + nbytes) lies inside, and its real address; else the fault is noted. */
int emu_reach(emu_cpu *c, uint64_t ea, uint64_t nbytes, int store, uint64_t *real);
uint64_t emu_random(emu_machine *m);

/* EMU_NEXT, or EMU_FACILITY or EMU_HFACILITY if FSCR or HFSCR refuse the facility. */
INLINE emu_outcome emu_facility(emu_cpu *c, const emu_vcpu *v, unsigned ic)
{
    if (c->m->config.generation < 8)
        return EMU_NEXT;
    c->fault_bits = ic;
    if (IN_FSCR(ic) && v->msr & MSR_PR && !(v->fscr >> ic & 1))
        return EMU_FACILITY;
    return IN_HFSCR(ic) && !(c->t->hfscr >> ic & 1) ? EMU_HFACILITY : EMU_NEXT;
}

/* ---- spr.c: `now` is the guest timebase at this instruction ---- */

emu_outcome emu_spr_read(emu_cpu *c, emu_vcpu *v, uint32_t number, uint64_t now, uint64_t *value);
emu_outcome emu_spr_write(emu_cpu *c, emu_vcpu *v, uint32_t number, uint64_t now, uint64_t value);

/* ---- the loops ---- */

emu_outcome emu_loop_big(emu_cpu *c, emu_vcpu *v, int64_t budget);
emu_outcome emu_loop_little(emu_cpu *c, emu_vcpu *v, int64_t budget);
emu_outcome emu_loop_step(emu_cpu *c, emu_vcpu *v, int64_t budget);

#endif
