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
 * Time. `machine.tb` counts guest instructions retired by all vcpus, plus the jumps when every
 * actor sleeps. One instruction is one timebase tick.
 */

/* ---- state ------------------------------------------------------------------------------- */

typedef struct {
    uint64_t tb;               /* host timebase: ticks, see above */
    uint64_t rng;              /* state of the guest-visible random source (darn, H_RANDOM) */
    uint64_t sched_rng;        /* state of the scheduler's random source */
    uint64_t sched_last;       /* actor that ran last */
    uint64_t stopped;          /* nonzero: the run is over (H_EXIT); 1 + its status */
} emu_machine_state;

/* What a guest sees of one virtual cpu: the registers KVM keeps in vcpu->arch. */
typedef struct {
    uint64_t gpr[32];
    uint64_t nia, msr, cr, xer, lr, ctr;
    uint64_t vm;               /* whose memory it sees */
    uint64_t reserve_ea;       /* address of the reservation; meaningful if reserve_size != 0 */
    uint64_t reserve_size;     /* bytes reserved by the last l*arx, 0 = none */
    uint64_t dec_armed;        /* 0: the guest has never written DEC, and it does not count */
    uint64_t dec_expires;      /* guest TB at which DEC goes below zero */
    uint64_t external_pending; /* a virtual external interrupt is asserted (LPCR[MER], level) */
    uint64_t exit_word;        /* image of the instruction that caused the last exit */
    /* ... one field for each SPR of emu/isa/sprs.py that lives with the vcpu ... */
} emu_vcpu;

/* One hardware thread: hypervisor resources that each thread has for itself. */
typedef struct {
    uint64_t vcpu;             /* 1 + number of the vcpu whose registers it runs, 0 = none */
    uint64_t subproc;          /* which sub-processor it belongs to */
    uint64_t tir, pir;         /* number within the sub-processor; processor identification */
    uint64_t lpcr, hfscr, hsrr0, hsrr1, hdar, hdsisr, heir;
    uint64_t hdec_expires;     /* host TB at which HDEC goes below zero; ~0 = far away */
    uint64_t hdoorbell;        /* a directed hypervisor doorbell (msgsnd) is pending */
    uint64_t xics_ipi;         /* the host ICP of this thread asserts an external interrupt */
} emu_thread;

/* A sub-processor: threads that share LPIDR and DPDES. A core on POWER7, a subcore on POWER8,
 * one thread on POWER9 (Power ISA v3.0B Book III, "subprocessor"). Indexed by first thread. */
typedef struct {
    uint64_t lpid;             /* 0 = host */
    uint64_t dpdes;            /* bit t (LSB = 0): thread t has a pending privileged doorbell */
    uint64_t tb_offset;        /* guest TB - host TB */
    uint64_t pcr, vtb;
} emu_subproc;
