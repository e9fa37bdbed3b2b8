/* The engine's interface: walks the hypervisor's host code as a learned automaton.
 *
 * Host code is Python (emu/hv): generators that yield operations. A node of the automaton holds one
 * operation; its edges are labelled with the operation's answers. The engine executes nodes and
 * follows edges; an edge that nobody has learned yet is handed to Python, which adds it once.
 *
 * An actor is one thread of host code: a vcpu's task or an offline hardware thread. All there is
 * to know about it is in its words (emu_actor), so that snapshots and state hashes see it.
 * Nodes, edges, counters, the event ring and the recorded schedule are not state.
 */

enum { EMU_TURN_STEPS_BIT = 63 };  /* in an actor's slice: EMU_TURN_STEPS = 1 << this */

/* ---- state: one window for each actor ---------------------------------------------------- */

typedef struct {
    uint64_t node;             /* its next operation; 0 = its host code has returned */
    uint64_t slice;            /* 1 + guest instructions left before others get their turn; 0: over;
                                  EMU_TURN_STEPS + n: n steps are left */
    uint64_t priority;         /* EMU_SCHED_PCT: the highest goes first; 0 = it has none yet */
} emu_actor;

/* ---- nodes ------------------------------------------------------------------------------- */

/* What a node does. `ref` and `ref2` are word numbers, `a` and `b` constants, `list` an excerpt of
 * the pool. "Answers 0" is said of operations whose answer carries nothing. */
typedef enum {
    EMU_OP_READ,               /* answers min((word >> ref2) & a, b); with a list: the position of
                                  (word >> ref2) & a in it, or its length */
    EMU_OP_CHECK,              /* answers 1 if the condition in the list holds, else 0 */
    EMU_OP_WRITE,              /* word := a; answers 0 */
    EMU_OP_COPY,               /* word := word[ref2]; answers 0 */
    EMU_OP_CAS,                /* word = a: word := b and answers 1; else answers 0 */
    EMU_OP_OR,                 /* word |= a unless word >= b; answers 1 if it did, else 0 */
    EMU_OP_OR_UNLESS,          /* word |= a unless word | a = b; answers 1 if it did, else 0 */
    EMU_OP_AND,                /* word &= a; answers 0 */
    EMU_OP_ADD,                /* word += a unless word >= b; answers 1 if it did, else 0 */
    EMU_OP_SUM,                /* word := word[ref2] + a; answers 0 */
    EMU_OP_MIN,                /* word := min(word, word[ref2]); answers 0 */
    EMU_OP_GATHER,             /* word := word[a + ((word[ref2] >> b) & 31)]; answers 0 */
    EMU_OP_SCATTER,            /* word[a + ((word[ref2] >> b) & 31)] := word; answers 0 */
    EMU_OP_AWAIT,              /* waits for one of the conditions in the list, or (ref != 0) for
                                  the time in word ref; answers the condition's position, or
                                  the length of the list for the time */
    EMU_OP_RUN,                /* runs the guest on hardware thread a until it exits; word := reason |
                                  detail << 8; answers 0 */
    EMU_OP_FETCH,              /* vcpu a: exit_word := the instruction at its nia; answers 1, or 0 if
                                  that cannot be fetched */
    EMU_OP_INJECT,             /* thread a's vcpu takes the interrupt at vector b with SRR1 bits ref2;
                                  answers 0 */
    EMU_OP_ADVANCE,            /* vcpu a steps over an emulated instruction; answers 0 */
    EMU_OP_RANDOM,             /* word := 64 random bits; answers 0 */
    EMU_OP_PUT_CHARS,          /* console a: appends word[ref2] (at most 16) bytes of word and the next;
                                  word b is how many it has had; answers 0 */
    EMU_OP_GET_CHARS,          /* console a: moves up to 16 input bytes to word and the next, their count
                                  to word[ref2]; word b is how many it has given; answers 0 */
    EMU_OP_TRACE,              /* counts event a of vcpu b; records it with word ref if ref != 0 */
    EMU_OP_RELAX,              /* ends the actor's turn; answers 0 */
    EMU_OP_CALL,               /* hands over to Python, which supplies the answer */
    EMU_OP_STOP,               /* the run is over: status word ref; answers 0 */
    EMU_OP_EXTRACT,            /* word := word[ref2] >> b & a; answers 0 */
    EMU_OP_DEPOSIT,            /* word: bits a << b := word[ref2]; answers 0 */
    EMU_OP_COMPARE,            /* word and word[ref2], unsigned; answers 0 less, 1 equal, 2 greater */
    EMU_OP_SWAP,               /* word = word[ref2]: word := word[a] and answers 1; else answers 0 */
    EMU_OP_COUNT,              /* VM a: the big-endian 32-bit word of its memory at the address in word
                                  ref += 1, unless that is 0 or outside; answers 0 */
    EMU_OP_ACCUMULATE          /* word += word[ref2]; answers 0 */
} emu_op_code;

/* Conditions, four pool words each: kind, ref, mask, value. */
typedef enum {
    EMU_COND_ANY,              /* (word & mask) != 0 */
    EMU_COND_NONE,             /* (word & mask) == 0 */
    EMU_COND_EQUAL,            /* (word & mask) == value */
    EMU_COND_AT_LEAST,         /* (word & mask) >= value */
    EMU_COND_PAST,             /* the timebase has reached word */
    EMU_COND_ALL_OUT           /* bits 48:55 of the word equal bits 56:63: entered = exited */
} emu_cond_kind;

typedef struct {
    uint32_t op;
    uint32_t visible;          /* touches a word that other actors may look at */
    uint32_t ref, ref2;
    uint32_t list, list_len;   /* first pool word and number of entries */
    uint64_t a, b;
} emu_node;

/* ---- the automaton ----------------------------------------------------------------------- */

typedef struct emu_engine emu_engine;

emu_engine *emu_engine_new(void);                      /* NULL: out of memory */
void emu_engine_free(emu_engine *e);
uint32_t emu_engine_node(emu_engine *e, const emu_node *node, const uint64_t *list, uint32_t nwords);
                                                       /* its number, from 1; 0: out of memory */
int emu_engine_edge(emu_engine *e, uint32_t node, uint64_t answer, uint32_t target);
                                                       /* target 0: the host code returned; 0 if out of memory */
uint32_t emu_engine_nodes(const emu_engine *e);
int emu_engine_hcalls(emu_engine *e, const uint64_t *numbers, uint32_t n);
                                                       /* EMU_OP_RUN's detail for hcall numbers[i] is i + 1, else 0 */

/* ---- running ----------------------------------------------------------------------------- */

/* Why emu_engine_run() returned. */
typedef enum {
    EMU_WALK_PAUSE,            /* a limit of this call was reached; call again to go on */
    EMU_WALK_LEARN,                 /* .actor at .node got .answer for the first time: add the edge, move the
                                  actor along it, go on */
    EMU_WALK_CALL,                  /* .actor stands at a call: add its answer's edge, move it, go on */
    EMU_WALK_STOPPED,               /* machine.stopped is set */
    EMU_WALK_DEADLOCK,              /* every actor waits and no time is set, or all have returned */
    EMU_WALK_TRAP,                  /* .actor's guest took an interrupt that nobody handles */
    EMU_WALK_BREAK,                 /* .actor's guest reached a breakpoint */
    EMU_WALK_DIVERGED,              /* the schedule names .actor, which cannot run */
    EMU_WALK_MEMORY                 /* out of memory */
} emu_verdict;

/* Who goes next. */
typedef enum {
    EMU_SCHED_RR,              /* in turn, `slice` guest instructions each */
    EMU_SCHED_RANDOM,          /* any, 1 to `slice` guest instructions, by machine.sched_rng */
    EMU_SCHED_PCT,             /* the one with the highest priority, 1 to `slice` guest instructions;
                                  who uses them up falls below all others */
    EMU_SCHED_REPLAY           /* as `turns` says, in turn as for RR after its end */
} emu_sched_kind;

typedef struct {
    uint64_t actor;
    uint64_t slice;
    uint64_t steps;            /* not 0: it lasts so many steps instead, and ends wherever that is;
                                  counted as for a machine that pays interrupts (see emu_step) */
} emu_turn;

/* Every change of the state is part of one step, and a step is never cut in two. So a run that is
 * replayed for the same number of steps ends in the same state. An asynchronous interrupt that a
 * guest takes is a step of its own if the machine pays interrupts (emu_pay_interrupts), and part of
 * its handler's first instruction otherwise. */
typedef enum {
    EMU_STEP_NONE,
    EMU_STEP_TURN,             /* the scheduler chose an actor; time may have jumped */
    EMU_STEP_GUEST,            /* a guest instruction was attempted, or an interrupt taken */
    EMU_STEP_EXIT,             /* likewise, or neither, and the guest was left */
    EMU_STEP_HOST,             /* a host operation was performed */
    EMU_STEP_WAIT              /* the actor waits, and its turn is over */
} emu_step;

typedef struct {
    uint32_t scheduler;        /* emu_sched_kind */
    uint64_t slice;
    const emu_turn *turns;     /* EMU_SCHED_REPLAY */
    uint64_t nturns;
    uint64_t next_turn;        /* how many of them have begun (in and out) */
    uint64_t max_insns;        /* pause after this many guest instructions of this call */
    uint64_t max_nodes;        /* pause after this many host steps of this call */
    uint64_t max_steps;        /* pause after this many steps of this call */
    uint64_t steps;            /* out: steps done by this call ... */
    uint32_t last;             /* ... what the last of them was (emu_step) ... */
    uint32_t last_node;        /* ... and, of EMU_STEP_EXIT and EMU_STEP_HOST, at which node */
    uint64_t insns;            /* out: guest instructions done by this call */
    uint32_t actor, node;      /* out: see emu_verdict */
    uint64_t answer;           /* out */
} emu_run_args;

/* ---- what is observed (not state) -------------------------------------------------------- */

typedef struct {
    uint64_t tb;
    uint32_t actor, vcpu;
    uint64_t event;
    uint64_t value;
    uint64_t nia;              /* where the vcpu's guest stands */
} emu_event;

int emu_engine_observe(emu_engine *e, uint32_t nvcpus, uint32_t nevents);
                                                       /* counters for them, all zero; 0: out of memory */
uint64_t *emu_engine_counters(emu_engine *e);          /* [vcpu][event] */
int emu_engine_ring(emu_engine *e, uint32_t nentries); /* keep events, a power of two of them; 0 = none */
uint32_t emu_engine_drain(emu_engine *e, emu_event *out, uint32_t n);
                                                       /* oldest first; returns how many */
uint64_t emu_engine_overrun(const emu_engine *e);      /* events that the ring had no room for */
int emu_engine_record(emu_engine *e, int on);          /* keep the turns of the runs to come */
uint64_t emu_engine_recorded(const emu_engine *e, emu_turn *out, uint64_t n);
                                                       /* copies up to n turns; returns how many there are */
int emu_engine_consoles(emu_engine *e, uint32_t n);    /* n consoles without input or output; 0: out of memory */
int emu_engine_feed(emu_engine *e, uint32_t console, const uint8_t *bytes, uint64_t n);
int emu_engine_put(emu_engine *e, uint32_t console, uint64_t at, const uint8_t *bytes, uint64_t n);
                                                       /* output bytes at .. at + n - 1; 0: out of memory */
const uint8_t *emu_engine_output(const emu_engine *e, uint32_t console);
int emu_engine_enabled(const emu_engine *e, emu_machine *m, uint32_t actor);
                                                       /* whether the actor could take a step now */
emu_verdict emu_engine_run(emu_engine *e, emu_machine *m, emu_run_args *args);
