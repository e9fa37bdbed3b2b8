/* The core's interface: plain declarations that gcc and cffi both read.
 *
 * State. Everything a run depends on, guest memory aside, is an array of 64-bit words:
 *
 *     machine | vcpu[nvcpus] | thread[nthreads] | subproc[nthreads] | actor[nactors] | host[nhost]
 *
 * The structs below are windows on it, and every field is one uint64_t. So a snapshot is a copy,
 * a state hash is a hash of words, and a field's name is (struct, index, field) or just its word
 * number: a `ref`. The host words belong to the hypervisor, which lays them out in Python.
 * Caches (decoded instructions) and observations (counters, events) are not state.
 *
 * Time. `machine.tb` counts guest instructions of all vcpus, plus the jumps when every actor
 * sleeps. One instruction is one timebase tick. An instruction counts when it is attempted: one
 * that ends in an interrupt or an exit counts like one that completes.
 */

/* ---- state ------------------------------------------------------------------------------- */

typedef struct {
    uint64_t tb;               /* host timebase: ticks, see above */
    uint64_t rng;              /* state of the guest-visible random source (darn, H_RANDOM) */
    uint64_t sched_rng;        /* state of the scheduler's random source */
    uint64_t sched_last;       /* actor that ran last */
    uint64_t stopped;          /* 1: the run is over (H_EXIT) ... */
    uint64_t status;           /* ... with this status */
} emu_machine_state;

/* What a guest sees of one virtual cpu: the registers KVM keeps in vcpu->arch. */
typedef struct {
    uint64_t gpr[32];
    uint64_t zero;             /* always 0: what an RA that may not be r0 reads when it is r0 */
    uint64_t nia, msr, cr, xer, lr, ctr;
    uint64_t vm;               /* whose memory it sees */
    uint64_t reserve_ea;       /* real address of the reservation; meaningful if reserve_size != 0 */
    uint64_t reserve_size;     /* bytes reserved by the last l*arx, 0 = none */
    uint64_t dec_armed;        /* 0: the guest has never written DEC, and it does not count */
    uint64_t dec_expires;      /* guest TB at which DEC becomes -1: DEC = dec_expires - 1 - TB;
                                  it is past if TB - dec_expires, as a signed number, is >= 0 */
    uint64_t external_pending; /* a virtual external interrupt is asserted (LPCR[MER], level) */
    uint64_t exit_word;        /* image of the instruction that caused the last exit */
    uint64_t trap_vector;      /* EMU_EXIT_UNHANDLED: the interrupt that nobody handles, ... */
    uint64_t trap_srr1;        /* ... and what it would have left in SRR1, DAR and DSISR */
    uint64_t trap_dar, trap_dsisr;
    uint64_t passing;          /* 1 + address of a breakpoint that its next instruction passes */
    uint64_t ic;               /* instructions of this vcpu so far; SPR IC counts them */
    uint64_t purr_offset, spurr_offset; /* PURR and SPURR: IC + offset */
    /* Special-purpose registers, by their names in emu/isa/sprs.py. */
    uint64_t srr0, srr1, dar, dsisr;
    uint64_t sprg0, sprg1, sprg2, sprg3;
    uint64_t cfar, dscr, amr, iamr, uamor, pid;
    uint64_t tfhar, tfiar, texasr;
    uint64_t ctrl, fscr, pspb, pvr, ppr, vrsave;
    uint64_t dawr0, dawrx0, ciabr, dabr, dabrx;
    uint64_t tar, ebbhr, ebbrr, bescr;
    uint64_t mmcr0, mmcr1, mmcr2, mmcra, siar, sdar, sier;
    uint64_t pmc1, pmc2, pmc3, pmc4, pmc5, pmc6;
} emu_vcpu;

/* One hardware thread: hypervisor resources that each thread has for itself. */
typedef struct {
    uint64_t vcpu;             /* 1 + number of the vcpu whose registers it runs, 0 = none */
    uint64_t subproc;          /* which sub-processor it belongs to */
    uint64_t tir, pir;         /* number within the sub-processor; processor identification */
    uint64_t lpcr, hfscr, hsrr0, hsrr1, hdar, hdsisr, heir;
    uint64_t hdec_expires;     /* host TB at which HDEC becomes -1; ~0 = far away */
    uint64_t hdoorbell;        /* a directed hypervisor doorbell (msgsnd) is pending */
    uint64_t xics_ipi;         /* the host ICP of this thread asserts an external interrupt */
    uint64_t hsprg0, hsprg1, hmer, hmeer, hid0, hrmor, ptcr, amor, asdr, psscr, rpr, rwmr;
} emu_thread;

/* A sub-processor: threads that share LPIDR and DPDES. A core on POWER7, a subcore on POWER8,
 * one thread on POWER9 (Power ISA v3.0B Book III, "subprocessor"). Indexed by first thread. */
typedef struct {
    uint64_t lpid;             /* 0 = host */
    uint64_t nthreads;         /* its threads have TIR 0 .. nthreads - 1 */
    uint64_t dpdes;            /* bit t (LSB = 0): thread t has a pending privileged doorbell */
    uint64_t tb_offset;        /* guest TB - host TB */
    uint64_t pcr, sdr1, rmor;
    uint64_t vtb_offset;       /* VTB = host TB + offset */
} emu_subproc;

/* ---- the machine ------------------------------------------------------------------------- */

typedef struct emu_machine emu_machine;
typedef struct emu_snapshot emu_snapshot;

typedef struct {
    uint32_t generation;       /* 7, 8 or 9: which instructions and SPRs there are */
    uint32_t nvms, nvcpus, nthreads;
    uint32_t actor_words;      /* words of the actor area */
    uint32_t host_words;       /* words of the host area */
} emu_config;

/* The areas of the state, in their order. */
typedef enum {
    EMU_AREA_MACHINE,
    EMU_AREA_VCPU,
    EMU_AREA_THREAD,
    EMU_AREA_SUBPROC,
    EMU_AREA_ACTOR,
    EMU_AREA_HOST,
    EMU_NAREAS,
} emu_area;

/* NULL if memory is short or a count is 0 or above EMU_MAX_COUNT. Every word starts as 0. */
emu_machine *emu_new(const emu_config *config);
/* The machine goes when its last snapshot is dropped, in whatever order that comes. */
void emu_free(emu_machine *m);
uint64_t *emu_words(emu_machine *m);
uint64_t emu_nwords(const emu_machine *m);
/* First word of an area; of area EMU_NAREAS: one past the last word. */
uint64_t emu_area_start(const emu_machine *m, uint32_t area);

/* ---- guest memory: private to a VM, real addresses 0 .. size - 1 ---------------------------- */

/* Give a VM its memory, zeroed; nbytes is a multiple of 4096, at most 4 GiB. 0, or -1: no such VM,
 * bad size, no host memory, or it has memory already. */
int emu_memory_new(emu_machine *m, uint32_t vm, uint64_t nbytes);
uint64_t emu_memory_size(const emu_machine *m, uint32_t vm);
/* For reading only: a write from outside goes through emu_write, which keeps reservations, dirty
 * pages and decoded instructions right. NULL: no such VM, or it has no memory. */
const uint8_t *emu_memory(const emu_machine *m, uint32_t vm);
/* 0, or -1 if a byte lies outside the partition; nothing is written then. */
int emu_write(emu_machine *m, uint32_t vm, uint64_t address, const uint8_t *bytes, uint64_t nbytes);

/* ---- running ------------------------------------------------------------------------------- */

/* Why emu_run() returned. Interrupts that the guest takes itself never appear here. */
typedef enum {
    EMU_EXIT_BUDGET,           /* the budget is spent */
    EMU_EXIT_HCALL,            /* sc 1; NIA is after it */
    EMU_EXIT_HFAC_UNAVAIL,     /* facility disabled in HFSCR; HFSCR[0:7] = IC, exit_word, NIA at it */
    EMU_EXIT_EMUL_ASSIST,      /* exit_word (also HEIR) is no instruction here; NIA at it */
    EMU_EXIT_HDEC,             /* the hypervisor decrementer is below zero */
    EMU_EXIT_H_DOORBELL,       /* a directed hypervisor doorbell; taking it clears it */
    EMU_EXIT_EXTERNAL,         /* the host's interrupt controller asserts an interrupt */
    EMU_EXIT_UNHANDLED,        /* an interrupt whose vector holds 0, or whose handler's first instruction
                                  causes it again: see vcpu.trap_*; NIA at cause */
    EMU_EXIT_BREAKPOINT,       /* NIA is at a breakpoint; vcpu.passing lets it go on */
    EMU_EXIT_STOP,             /* stop: NIA is after it */
    EMU_EXIT_NO_VCPU,          /* the thread has no vcpu, or a state word names what is not there */
    EMU_NEXITS,
} emu_exit_reason;

/* Run at most `budget` guest instructions on one hardware thread. Pending interrupts are taken
 * before the first one; with budget 0 nothing happens. HV is 0 throughout. machine.tb advances by
 * what ran. */
emu_exit_reason emu_run(emu_machine *m, uint32_t thread, uint64_t budget);

/* Whether an asynchronous interrupt that the guest takes costs one of the budget, as an instruction
 * does (the timebase does not move), so that a budget of 1 stops between it and the handler's first
 * instruction. Off at first. Not state. */
void emu_pay_interrupts(emu_machine *m, int on);

/* Set or remove a breakpoint at a real address of a VM. 0, or -1: outside memory or unaligned. */
int emu_breakpoint(emu_machine *m, uint32_t vm, uint64_t address, int on);

/* The instruction word at a vcpu's NIA, in its byte order. 0, or -1 if it cannot be fetched. */
int emu_fetch(emu_machine *m, uint32_t vcpu, uint32_t *word);

/* How the core executes the word at a real address: the name of its variant, or of a quicker way that
 * csrc/emu.h lists; "" if that is outside memory. Sequences are made of ways. */
const char *emu_way(emu_machine *m, uint32_t vm, uint64_t address, int little);

/* Make the vcpu of a thread take the interrupt at `vector`, as if its guest had caused it at NIA:
 * SRR0 = NIA, SRR1 = MSR with `srr1_bits` set, new MSR and NIA. DAR and DSISR are the caller's.
 * 0, or -1: nobody handles it (see EMU_EXIT_UNHANDLED), or the thread has no vcpu. */
int emu_interrupt(emu_machine *m, uint32_t thread, uint32_t vector, uint64_t srr1_bits);

/* What guests did without leaving C, since the machine was made: counted, not state. */
typedef enum {
    EMU_DID_SEND,              /* native msgsndp set a bit of DPDES; argument: target's TIR */
    EMU_DID_COALESCE,          /* native msgsndp found it set */
    EMU_DID_IGNORE,            /* native msgsndp or msgclrp with a type or tag without meaning */
    EMU_DID_CLEAR,             /* native msgclrp cleared a bit */
    EMU_DID_INTERRUPT,         /* an interrupt was taken; argument: vector */
    EMU_NDID,
} emu_deed;

/* Times a vcpu did `deed`; of EMU_DID_INTERRUPT: with this vector. 0 for what does not exist. */
uint64_t emu_count(const emu_machine *m, uint32_t vcpu, uint32_t deed, uint32_t vector);

/* A log of deeds, oldest first; the newest are lost while it is full. */
typedef struct {
    uint64_t tb;               /* host timebase when it was done */
    uint64_t nia;              /* of the instruction, or the address that was interrupted */
    uint32_t vcpu, deed;
    uint64_t argument;
} emu_log_entry;
/* Room for so many entries; 0 = no log. 0, or -1: no host memory. */
int emu_log_size(emu_machine *m, uint32_t nentries);
/* Move up to n entries out; returns how many. */
uint32_t emu_log_drain(emu_machine *m, emu_log_entry *out, uint32_t n);
uint64_t emu_log_lost(const emu_machine *m);

/* ---- snapshots: the whole machine, any number, in any order --------------------------------- */

/* Cost: the words and the pages written since the last save or restore. NULL: no host memory. */
emu_snapshot *emu_save(emu_machine *m);
/* A snapshot of this very machine. */
void emu_restore(emu_machine *m, const emu_snapshot *s);
void emu_drop(emu_machine *m, emu_snapshot *s);
/* Host memory that all snapshots together hold. */
uint64_t emu_saved_bytes(const emu_machine *m);
