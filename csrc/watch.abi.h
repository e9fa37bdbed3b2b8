/* The debugger's way to run: a step at a time, looking at what changed. Not state.
 *
 * emu_engine_run() stops at breakpoints and limits at full speed; this stops at whatever else a
 * debugger can name, after (or, for instructions, before) the step that it concerns.
 */

#define EMU_WATCHED_BYTES 8

/* Something whose value is compared after each step. */
typedef struct {
    uint64_t vm;               /* 1 + VM whose memory it is in; 0: a state word */
    uint64_t at;               /* real address, or word number */
    uint64_t nbytes;           /* 1 to EMU_WATCHED_BYTES; of a word: 8 */
    uint64_t value;            /* in and out: what it was, memory as a big-endian number */
} emu_watch;

/* An instruction to stop in front of: (word & mask) == match. */
typedef struct {
    uint64_t mask, match;
} emu_catch_word;

typedef struct {
    uint32_t nwatches, nwords;
    emu_watch *watches;
    const emu_catch_word *words;
    uint64_t vcpus;            /* bit = vcpu: concerning whose instructions and interrupts, all above 63 */
    uint64_t events;           /* bit = event of EMU_OP_TRACE that stops */
    uint64_t exits;            /* bit = emu_exit_reason that stops */
    uint64_t vectors[2];       /* bit = interrupt vector / 0x20 that stops, when it has been taken */
    uint64_t kinds;            /* bit = emu_step that stops */
    uint64_t ready;            /* 1 + vcpu: stop when it has done an instruction, taken an interrupt
                                  or left the guest, and its guest is about to go on; 0 = none */
    uint64_t passes;           /* in and out: so often it is not stopped for being ready */
    uint32_t moved;            /* in and out: it has, and is not yet back */
    uint32_t first;            /* in: look for `words` before the first step too */
    uint64_t owner;            /* 1 + vcpu: `kinds` is about the steps of its task and its guest; 0 = any */
    uint32_t stopped_by;       /* out: emu_stopped_by */
    uint32_t which;            /* out: number of the watch or word, event, exit reason or vector */
} emu_debug;

typedef enum {
    EMU_STOPPED_BY_NOTHING,
    EMU_STOPPED_BY_WATCH,
    EMU_STOPPED_BY_WORD,
    EMU_STOPPED_BY_EVENT,
    EMU_STOPPED_BY_EXIT,
    EMU_STOPPED_BY_VECTOR,
    EMU_STOPPED_BY_KIND,
    EMU_STOPPED_BY_READY
} emu_stopped_by;

/* As emu_engine_run, whose limits are kept; EMU_WALK_PAUSE with .stopped_by nonzero: see there.
 * The log of deeds is used and emptied if `vectors` is not 0. */
emu_verdict emu_debug_run(emu_engine *e, emu_machine *m, emu_run_args *args, emu_debug *d);
/* Judge a step that was done in another way: r->steps is 1, r->last, last_node and actor say what it was.
 * 1: it is to stop, for .stopped_by; `vectors` are not looked at. */
int emu_debug_after(const emu_engine *e, emu_machine *m, const emu_run_args *r, emu_debug *d);
/* Likewise before the first step: with .first, for the instruction that is next. */
int emu_debug_before(const emu_engine *e, emu_machine *m, emu_debug *d);
/* Note what the watches are now, and whether the vcpu that is to be ready is not. */
void emu_debug_look(const emu_engine *e, emu_machine *m, emu_debug *d);
/* The actor whose turn goes on with the next step; -1: the scheduler chooses. */
int64_t emu_engine_turn(const emu_engine *e, emu_machine *m);
/* Whether some actor is to run this vcpu's guest next. */
int emu_engine_in_guest(const emu_engine *e, emu_machine *m, uint32_t vcpu);
/* 1 + vcpu whose guest the actor is to run next, 0 = it stands in host code. */
uint64_t emu_engine_guest(const emu_engine *e, emu_machine *m, uint32_t actor);
