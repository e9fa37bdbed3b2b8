/* The explorer's interface: a search over all interleavings of one machine.
 *
 * A state is the machine's words and its guest memory. A step moves one actor from one scheduling
 * point to the next: it executes the visible operation that the actor stands before, and then all
 * that nobody else can see, up to the next visible one (explore.c says what is visible). A
 * schedule is a sequence of choices: which actor, and what happens to it.
 *
 * The machine must stand at the initial state when the search is made, belongs to it until it is freed, and
 * is left wherever the search stopped. Without an engine the actors are the hardware threads, each
 * with the vcpu that it holds; with one they are the engine's.
 */

typedef struct emu_search emu_search;

/* What happens in a step. */
typedef enum {
    EMU_CHOICE_GO,             /* the actor does what it stands before */
    EMU_CHOICE_FAIL,           /* likewise, but its stwcx. fails although the reservation is there */
    EMU_CHOICE_LAND,           /* an interrupt of the hypervisor's pulls its thread out of the guest */
    EMU_CHOICE_DELIVER,        /* native: a message on its way to the actor's thread arrives in DPDES */
    EMU_CHOICE_TIMER,          /* time passes, until the next thing that is to happen at a time; actor 0 */
    EMU_NCHOICES
} emu_choice_kind;

typedef struct {
    uint8_t actor;
    uint8_t kind;              /* emu_choice_kind */
} emu_choice;

/* ---- what the search must know of the guest's code ---------------------------------------- */

/* What an instruction word does that others may see or that others can change. */
typedef enum {
    EMU_POINT_PRIVATE,         /* nothing */
    EMU_POINT_LOAD,
    EMU_POINT_STORE,
    EMU_POINT_RESERVE,         /* l*arx */
    EMU_POINT_CONDITIONAL,     /* st*cx. */
    EMU_POINT_BLOCK,           /* dcbz: the whole 128-byte block */
    EMU_POINT_SEND,            /* msgsndp rb */
    EMU_POINT_CLEAR,           /* msgclrp */
    EMU_POINT_DPDES,           /* mfspr DPDES */
    EMU_POINT_OWN,             /* what only an interrupt of its own thread can get in front of */
    EMU_POINT_RETURN,          /* rfid: likewise */
    EMU_POINT_OPAQUE,          /* anything: never independent of another visible operation */
    EMU_POINT_END,             /* the thread's program ends here: it only takes interrupts */
    EMU_POINT_CLOCK,           /* as EMU_POINT_OWN; reads what counts as time passes */
    EMU_POINT_HCALL,           /* sc 1: what pulls its thread out of the guest may come before it */
    EMU_POINT_MSR              /* mtmsr, mtmsrd: as EMU_POINT_OWN, and likewise */
} emu_point_kind;

typedef struct {
    uint8_t kind;              /* emu_point_kind */
    uint8_t ra, rb;            /* EA = (GPR ra, or 0 if 32) + (GPR rb, or disp if 32) */
    uint8_t nbytes;            /* of storage accessed */
    int32_t disp;
    uint64_t reads, writes;    /* cells, by the bits of emu_search_cell, that the thread may still
                                  touch from here on, this instruction included */
    uint64_t dead;             /* registers that nobody reads from here on: bit n = GPR n, then emu_dead */
} emu_point;

/* Bits of emu_point.dead beyond the GPRs'. */
typedef enum {
    EMU_DEAD_CR = 32,
    EMU_DEAD_XER,
    EMU_DEAD_LR,
    EMU_DEAD_CTR
} emu_dead;

/* ---- what an outcome is -------------------------------------------------------------------- */

typedef enum {
    EMU_SHOW_WORD,             /* (word & mask) >> shift */
    EMU_SHOW_MEMORY,           /* `nbytes` at real address `ref`, in the byte order of `little` */
    EMU_SHOW_ANY,              /* 1 if any of the search's tests of group `ref` is true */
    EMU_SHOW_END_ANY,          /* the same, but only in a state without any choice, else 0 */
    EMU_SHOW_TIME,             /* 1 if something is to happen at a time that has not come */
    EMU_SHOW_SPENT             /* 1 if the run has no instructions left */
} emu_show_kind;

typedef struct {
    uint32_t kind;             /* emu_show_kind */
    uint32_t nbytes, shift, little;
    uint64_t ref, mask;
} emu_show;

/* A condition over the shown values, in postfix order. */
typedef enum {
    EMU_JUDGE_TRUE,
    EMU_JUDGE_FALSE,
    EMU_JUDGE_EQUAL,           /* shown value `index` = `value` */
    EMU_JUDGE_LESS,            /* shown value `index` < `value`, unsigned */
    EMU_JUDGE_NOT,
    EMU_JUDGE_AND,
    EMU_JUDGE_OR
} emu_judge_op;

typedef struct {
    uint32_t op;               /* emu_judge_op */
    uint32_t index;
    uint64_t value;
} emu_judge;

/* ---- making a search ------------------------------------------------------------------------ */

typedef struct {
    uint32_t algorithm;        /* emu_algorithm */
    uint32_t ample;            /* singleton ample sets, without an engine. They keep every end
                                  state, but not every state on the way */
    uint32_t spurious;         /* stwcx. may fail although the reservation is there */
    uint32_t delayed;          /* native doorbells arrive when they like */
    uint32_t landing;          /* what pulls a thread out of the guest lands when it likes; else at once */
    uint32_t fine;             /* a step is one operation that could be visible, even if it touches
                                  what, in this search, nobody else ever does */
    uint32_t forget;           /* SRR0 and SRR1 mean nothing after rfid */
    uint32_t dead;             /* registers that are dead at a point become 0 there */
    uint32_t timers;           /* how often in a run the time may be chosen to pass */
    uint32_t preemptions;      /* most preemptions of a run; UINT32_MAX = any number */
    uint32_t depth;            /* PCT: the d of the algorithm, 1 to 8 */
    uint64_t seed;             /* of the sampling algorithms */
    uint64_t max_states;       /* limit of stored states, or of steps for algorithms that store none */
    uint64_t max_runs;         /* of the sampling algorithms */
    uint64_t max_insns;        /* of one run, all vcpus together: then it ends; UINT64_MAX = any number. The
                                  words that count them must not be ignored */
    uint32_t max_steps;        /* of one run: a longer one is cut */
    uint32_t first;            /* stop at the first violation */
    uint32_t avoid;            /* DFS: a state that a rule forbids is not gone beyond, and is no end */
    uint32_t livelocks;        /* report fair livelocks. Of EMU_ALGORITHM_DFS without a bound on preemptions
                                  only, and then there are no ample sets: they may hide cycles */
} emu_search_options;

typedef enum {
    EMU_ALGORITHM_DFS,         /* every state once, depth first */
    EMU_ALGORITHM_BFS,         /* every state once, fewest context switches first */
    EMU_ALGORITHM_DPOR,        /* every class of equivalent runs: source sets and sleep sets */
    EMU_ALGORITHM_RANDOM,
    EMU_ALGORITHM_PCT,
    EMU_ALGORITHM_POS
} emu_algorithm;

/* NULL: out of memory. `engine` may be NULL. */
emu_search *emu_search_new(emu_machine *m, emu_engine *engine, const emu_search_options *options);
void emu_search_free(emu_search *s);

/* All of these: 0, or -1 for what does not exist or if memory is short. */
int emu_search_code(emu_search *s, uint64_t address, const emu_point *points, uint32_t n);
int emu_search_ignore(emu_search *s, const uint64_t *refs, uint64_t n);  /* words that are no part of a state */
int emu_search_scratch(emu_search *s, uint32_t vcpu, uint64_t ref); /* means nothing while the vcpu is in the guest */
/* Words of the search's own, with refs behind the machine's. */
uint64_t emu_search_outbox(const emu_search *s);          /* native messages on their way: bit = thread. They
                                                             arrive before their sender has left the guest */
/* Of an end state in which a guest took an interrupt that nobody handles, its vector | (1 + vcpu) << 32, else 0;
 * the next word is where it was taken. */
uint64_t emu_search_trap(const emu_search *s);
/* Counts, up to 15, how often the vcpu took the guest interrupt at a vector, or left the guest by the
 * hypervisor's at it. 0: no memory. */
uint64_t emu_search_count(emu_search *s, uint32_t vcpu, uint32_t vector);
/* A word that host code takes by compare-and-set from 0 and lets go by writing 0. spins: who finds it taken
 * does nothing until it is free. holder: the actor that has it now, if one has. Not for DPOR, which must see
 * every access. */
int emu_search_lock(emu_search *s, uint64_t ref, int spins, uint32_t holder);
int emu_search_shared(emu_search *s, uint64_t ref);  /* a word that is watched: never one actor's own */
int emu_search_shared_cell(emu_search *s, uint64_t address);  /* likewise the 8 bytes at an address */
int emu_search_cell(emu_search *s, uint64_t address, uint32_t bit); /* the 8 bytes that a bit of emu_point means */
int emu_search_show(emu_search *s, const emu_show *shown, uint32_t n);
enum { EMU_MAX_TERMS = 4 };
typedef struct {
    uint64_t ref, mask;
    uint32_t zero;
} emu_search_term;
/* A test of a group: each of n words, under its mask, is 0 (`zero`), or is not. */
typedef struct {
    uint32_t group, n;
    emu_search_term terms[EMU_MAX_TERMS];
} emu_search_conjunction;
int emu_search_test(emu_search *s, const emu_search_conjunction *tests, uint32_t n);
int emu_search_never(emu_search *s, const emu_judge *program, uint32_t n); /* rule 0, 1, ... in order of calls */

/* ---- running it ------------------------------------------------------------------------------ */

typedef enum {
    EMU_SEARCH_DONE,           /* nothing is left to search */
    EMU_SEARCH_PAUSE,          /* max_steps of this call are done: call again to go on */
    EMU_SEARCH_LEARN,          /* as EMU_LEARN of the engine: teach it, then call again */
    EMU_SEARCH_LIMIT,          /* a limit of the options is reached */
    EMU_SEARCH_FIRST,          /* the first violation was found, as the options asked */
    EMU_SEARCH_MEMORY,         /* out of memory */
    EMU_SEARCH_REFUSED         /* the guest did what cannot be searched: see emu_search_facts.why */
} emu_search_verdict;

typedef enum {
    EMU_REFUSED_NOTHING,
    EMU_REFUSED_CODE,          /* an instruction outside the code that the search knows */
    EMU_REFUSED_STORE,         /* a store into that code */
    EMU_REFUSED_EXIT,          /* without an engine: an exit to the hypervisor */
    EMU_REFUSED_CALL,          /* host code that only Python can run */
    EMU_REFUSED_NO_VCPU        /* host code runs a thread without a vcpu */
} emu_refusal;

typedef struct {
    uint64_t states, steps, runs, ends;  /* stored; taken; complete runs; end states */
    uint64_t restarts;                   /* begun again, because something turned out to be shared */
    uint64_t depth, max_depth;
    uint64_t frontier;                   /* states that wait (BFS), or choices that were not tried yet (DFS) */
    uint64_t cut_runs, cut_preemptions;  /* runs longer than max_steps; switches that the bound forbade */
    uint64_t cut_rounds;                 /* DPOR: runs cut where they came back to a state */
    uint64_t cut_timers;                 /* how often time might have passed, beyond the bound */
    uint64_t asleep_runs;                /* DPOR: begun in vain */
    uint64_t circling_runs;              /* samples: of cut_runs, those that came back to a state to the last */
    uint64_t bytes;            /* memory for stored states */
    uint32_t outcomes, violations;
    uint32_t livelocks;        /* 1: fair livelocks are looked for */
    uint32_t actor, node;      /* of EMU_SEARCH_LEARN and _REFUSED */
    uint64_t answer;
    uint32_t why;              /* emu_refusal */
    uint64_t nia;              /* where the refused guest stood */
} emu_search_facts;

emu_search_verdict emu_search_run(emu_search *s, uint64_t max_steps);
void emu_search_facts_of(const emu_search *s, emu_search_facts *out);

/* What the search went through so far, steps that it took back included. Nodes of host code at which
 * somebody came to stand: a byte for each number below n, 1 or 0. */
void emu_search_reached(const emu_search *s, uint8_t *nodes, uint32_t n);
/* The same for instructions that were executed, n of them from an address on; 0 where no code is. */
void emu_search_executed(const emu_search *s, uint64_t address, uint8_t *words, uint32_t n);
/* Why guests were left: bits, by emu_exit_reason. */
uint64_t emu_search_exits(const emu_search *s);
/* Whether a guest took the interrupt at a vector since the search was made; only the machine's newest
 * search knows. */
int emu_search_interrupted(const emu_search *s, uint32_t vector);

/* Outcome `i`, in the order found: its values (as many as shown), how many end states (or, in
 * sampling, runs) have it. 0, or -1: there is no such outcome. */
int emu_search_outcome(const emu_search *s, uint32_t i, uint64_t *values, uint64_t *count);

/* What is wrong in a state on the way or at the end, or of a run that has none. */
typedef enum {
    EMU_VIOLATION_NEVER,       /* rule `rule` of emu_search_never is true */
    EMU_VIOLATION_LIVELOCK     /* a run that goes round for ever, although whoever can step again and again
                                  does; `rule`: a bit for each of the first 32 actors that step */
} emu_violation_kind;
int emu_search_violation(const emu_search *s, uint32_t i, uint32_t *kind, uint32_t *rule);

/* Of a livelock, how many of the last steps of its schedule lead back to where they began. */
uint64_t emu_search_loop(const emu_search *s, uint32_t violation);

/* Schedules: of outcome `i` (violation = 0) or of violation `i` (violation = 1), as choices. Copies up to n,
 * returns how many there are. */
uint64_t emu_search_schedule(const emu_search *s, int violation, uint32_t i, emu_choice *out, uint64_t n);

/* Instructions and host operations after which a step ends although nobody else sees any of them. */
enum { EMU_MAX_PRIVATE = 1000 };

/* ---- one step at a time: replay, and the choices a debugger offers ---------------------------- */

/* Back to the initial state, every actor before its first visible operation. */
emu_search_verdict emu_search_reset(emu_search *s);
/* Begin at the state of now from here on; what was learned about who touches what is forgotten. */
void emu_search_rebase(emu_search *s);
/* While on, a step ends where an actor enters the guest, before its first instruction. */
void emu_search_hold(emu_search *s, int on);
/* While on, steps are as with the option `fine`; returns what was before. */
int emu_search_fine(emu_search *s, int on);
/* While on, a step is one instruction, interrupt or host operation, visible or not: a debugger's. */
void emu_search_single(emu_search *s, int on);
/* Whether the actor stands before a scheduling point, where the steps of a schedule begin. */
int emu_search_stands(const emu_search *s, uint32_t actor);
/* A place in the history of steps taken, to which emu_search_back returns: an earlier one only. */
typedef struct {
    uint64_t undo, hash;
} emu_search_mark;
emu_search_mark emu_search_here(const emu_search *s);
void emu_search_back(emu_search *s, emu_search_mark mark);
/* Words that were written from outside are part of the history from here on. */
void emu_search_notice(emu_search *s);
/* Write bytes of guest memory as part of the history. 0, or -1: outside memory, or in known code. */
int emu_search_write(emu_search *s, uint64_t address, const uint8_t *bytes, uint64_t nbytes);
/* The choices there are now; returns how many, at most n. */
uint32_t emu_search_choices(emu_search *s, emu_choice *out, uint32_t n);
/* Take one step. EMU_SEARCH_DONE: taken; LEARN, REFUSED: not taken; LIMIT: there is no such choice now. */
emu_search_verdict emu_search_take(emu_search *s, emu_choice choice);
/* How many operations, beyond the first of each actor, the last emu_search_take or _reset went through
 * that are steps of their own with the option `fine`. Of _reset: for one actor. */
uint32_t emu_search_crossed(const emu_search *s, uint32_t actor);
/* The current values of what is shown. */
void emu_search_values(emu_search *s, uint64_t *values);
/* Hash of the current state. */
uint64_t emu_search_hash(const emu_search *s);

/* What an actor stands before, for a schedule's text. */
typedef struct {
    uint32_t host;             /* 1: host code at `node`; 0: guest */
    uint32_t kind;             /* emu_point_kind, or the emu_op_code of the node */
    uint32_t node;
    uint32_t interrupt;        /* guest: it is about to take an interrupt */
    uint64_t nia;              /* guest */
    uint64_t ea;               /* guest: of a storage access */
} emu_stand;
int emu_search_stand(const emu_search *s, uint32_t actor, emu_stand *out);
