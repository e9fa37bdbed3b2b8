/* The explorer's own structures. Files: explore_words.c (undo, hash), explore_step.c (steps and choices),
 * explore_host.c, explore_guest.c (their parts), explore_claim.c (who touches what), explore_lock.c (locks),
 * explore_touch.c (what a step touches), explore_store.c (sets of states, outcomes, schedules),
 * explore_dfs.c, explore_scc.c (livelocks), explore_bfs.c, explore_dpor.c, explore_sample.c (the
 * algorithms), explore_reach.c (what was gone through), explore.c (the interface).
 *
 * The current state is the machine itself. `shadow` equals its words as of the last commit, so a
 * commit finds what a step changed by comparing, logs the old values and updates the hash; going
 * back is popping the log. Nothing is ever copied whole. */
#ifndef EXPLORE_H
#define EXPLORE_H

#include "engine.h"
#include "explore.abi.h"

#define ANY_REGISTER 32u           /* emu_point.ra, rb: none */
#define MAX_GRANULES 17u           /* 8-byte granules of the widest access: 128 bytes, unaligned */
#define MAX_CROSSED 100u           /* operations in it that are steps of their own in the finest steps */
#define MAX_ACTORS 64u
#define MAX_LOCKS 16u              /* further ones are ordinary words */
#define MAX_THREADS 64u
#define MAX_ALTERNATIVES 3u        /* of one actor */
#define MAX_CHOICES (MAX_ACTORS * MAX_ALTERNATIVES + MAX_THREADS + 1u)
#define MAX_PROCESSES (MAX_ACTORS + MAX_THREADS + 1u)
#define EMU_SEARCH_AGAIN 100       /* a verdict among the files of the search */
#define MAX_VECTORS 128u           /* 0x20 bytes each */
#define MAX_JUDGE_DEPTH 256u

typedef struct {
    uint64_t where;                /* word number, or MEMORY | granule number */
    uint64_t old;
} undo_entry;
#define UNDO_MEMORY (1ull << 63)

/* ---- what a step touches: cells, each read or written -------------------------------------- */

typedef uint64_t cell;             /* what << 60 | number << 1 | written */
enum { CELL_WORD, CELL_GRANULE, CELL_LINE, CELL_DOORBELL, CELL_OUTBOX };
#define MAX_CELLS 24u

typedef struct {
    uint32_t n;
    uint32_t all;                  /* touches anything */
    cell cells[MAX_CELLS];
} foot;

INLINE cell cell_of(uint64_t what, uint64_t number, uint64_t written)
{
    return what << 60 | number << 1 | written;
}

/* ---- growing arrays -------------------------------------------------------------------------- */

typedef struct {
    void *at;
    uint64_t used, size;
} array;
/* 0: out of memory. */
int array_grow(array *a, uint64_t n, size_t each);
/* Room for `n` more elements of `each` bytes; NULL = out of memory. The first new one. */
INLINE void *array_more(array *a, uint64_t n, size_t each)
{
    if ((!a->at || a->used + n > a->size) && !array_grow(a, n, each))
        return NULL;
    void *first = (char *)a->at + a->used * each;
    a->used += n;
    return first;
}

/* ---- a set of hashes -------------------------------------------------------------------------- */

typedef struct {
    uint64_t *slots;               /* 0 = empty */
    uint64_t used, size;
} hash_set;
/* 1: added; 0: was there; -1: out of memory. */
int set_add(hash_set *set, uint64_t hash);
/* It will be asked for soon. */
void set_fetch(const hash_set *set, uint64_t hash);
void set_clear(hash_set *set);

/* ---- the search -------------------------------------------------------------------------------- */

typedef struct {
    uint64_t address;
    uint32_t n;
    emu_point *points;
    uint8_t *executed;             /* a byte for each */
} code_range;

typedef struct {
    uint64_t granule;
    uint64_t bit;
} known_cell;

/* Who touches a word or cell: what only one actor does is no business of the others'. Believed until
 * something else is seen; then the search begins again, and knows. */
enum { NOBODY, GUARDED = 253, READERS, EVERYBODY }; /* else 1 + actor */
typedef struct {
    uint8_t owner;
    uint8_t written;
    uint16_t locks;                /* that were held at every access, as bits */
} claim;

typedef struct {
    uint64_t key;                  /* 1 + granule, or 1 + its 128-byte line; 0 = empty */
    claim claim;
} cell_claim;

typedef struct {
    uint32_t vcpu, vector;
    uint64_t ref;
} counter;

typedef struct {
    uint32_t vcpu;
    uint64_t ref;
} scratch_word;

typedef struct {
    uint64_t path;                 /* where its schedule begins in `paths` */
    uint64_t length;
    uint64_t count;
    uint32_t kind, rule;           /* of violations */
    uint64_t loop;                 /* so many of its last steps lead back to where they began */
} finding;

/* Whose step, as explore_scc.c numbers them, and what of it matters there. */
typedef struct {
    uint8_t who;
    uint8_t how;                   /* STEP_* */
} stepper;
enum { STEP_IN_GUEST = 1, STEP_EVENTFUL = 2 };

typedef struct {
    uint64_t undo;                 /* log to go back to, to stand in this state */
    uint64_t hash;
    uint64_t choices;              /* first of its choices in the stack of choices ... */
    uint64_t successors;           /* ... of its successors in theirs, which they end ... */
    uint64_t differences;          /* ... and of what makes those differ from it */
    uint32_t nchoices, next;
    uint32_t expanded;             /* the successors are there */
    uint32_t ample;                /* the choices are an ample set */
    uint32_t last_actor, preemptions;
    stepper by;                    /* who made the step to this state */
} frame;

/* A state one step from a frame's. */
typedef struct {
    uint64_t hash;
    uint64_t first;                /* of its differences */
    uint32_t n;
    uint32_t last_actor, preemptions;
    emu_choice choice;             /* the step, ... */
    stepper by;                    /* ... and whose it is */
} successor;
typedef struct fair_cycles fair_cycles;

struct emu_search {
    emu_machine *m;
    emu_engine *e;
    emu_search_options o;
    emu_vm *vm;
    uint64_t *words, nwords;
    uint64_t *shadow;              /* and, behind the machine's words, the search's own */
    uint64_t nshadow;
    uint8_t *ignored;              /* a byte for each word */
    uint64_t hash, hash0;
    array undo;                    /* undo_entry */
    int failed;                    /* memory was short somewhere inside */

    array code;                    /* code_range */
    known_cell *cells;             /* open addressing */
    uint64_t ncells, cells_size;
    array shown;                   /* emu_show */
    array tests;                   /* emu_search_conjunction */
    array counters;                /* counter */
    array scratch;                 /* scratch_word */
    emu_actor *actors;             /* with an engine */
    claim *claims;                 /* for each word */
    cell_claim *cell_claims;       /* open addressing */
    uint64_t ncell_claims, cell_claims_size;
    int handlers;                  /* there is code at interrupt vectors */
    int again;                     /* a claim was broken ... */
    uint64_t again_at;             /* ... and the search begins again after so many steps, or at its end */
    uint64_t locks[MAX_LOCKS];     /* words */
    uint32_t coarse_locks;         /* how many there are, see emu_search_fine */
    uint32_t nlocks, spins;        /* spins: those that are waited for, as bits */
    int hold;                      /* see emu_search_hold */
    int single;                    /* see emu_search_single */
    uint32_t crossed[MAX_ACTORS];
    array rules;                   /* emu_judge, all programs behind each other */
    array rule_ends;               /* uint64_t */
    int early_rules;               /* some may be true of a state that is no end */
    int forbidden;                 /* by a rule: the state that check_state saw last */
    uint32_t nactors;
    int reserves;                  /* the code holds l*arx */

    /* of the step that is being taken */
    uint64_t old_granule[MAX_GRANULES];
    int only_locked;               /* it took a lock, and has done nothing else that others see */
    int backward;                  /* it jumped back, or took an interrupt */
    int eventful;                  /* the guest printed, or read the time: it does not go round for nothing */

    /* results */
    emu_search_facts facts;
    array outcomes, violations;    /* finding */
    array values;                  /* uint64_t, facts.outcomes times shown */
    uint32_t *outcome_slots;       /* index + 1, open addressing */
    uint64_t outcome_size;
    array paths;                   /* emu_choice */
    array trail;                   /* emu_choice: the schedule that led to the current state */
    uint8_t *reached;              /* a byte for each node of host code */
    uint32_t reached_size;
    uint64_t exits;                /* bits, by emu_exit_reason */
    uint64_t taken[MAX_VECTORS];   /* interrupts, by vector / 0x20, before the search began */

    /* the algorithms */
    int settled, begun;
    hash_set set;
    array frames;                  /* frame */
    array choices;                 /* emu_choice */
    array successors;              /* successor */
    array differences;             /* undo_entry: where, and the value there */
    fair_cycles *cycles;           /* of DFS, if livelocks are looked for */
    void *own;                     /* of BFS, DPOR, sampling */
    int own_resume;                /* the branch that is next was chosen already */
    void (*own_free)(emu_search *s);
};

/* ---- explore_words.c ------------------------------------------------------------------------------ */

/* The search's own words, behind the machine's: messages on their way (bit = thread), how often time
 * has passed, the interrupt that nobody handles and where it was taken (see emu_search_trap), who has sent a
 * message that is on its way to each thread, the locks that each actor holds; the counters follow. */
enum { OWN_OUTBOX, OWN_TIMERS, OWN_TRAP, OWN_TRAP_NIA, OWN_SENDERS };

INLINE uint64_t word_at(const emu_search *s, uint64_t ref)
{
    return ref < s->nwords ? s->words[ref] : s->shadow[ref];
}
/* The words were written: log and hash what is different. */
void changed(emu_search *s, uint64_t ref);
void commit(emu_search *s, uint64_t first, uint64_t n);
void set_own(emu_search *s, uint64_t ref, uint64_t value);
void change_granule(emu_search *s, uint64_t granule, uint64_t old, uint64_t now);
/* Make these words and granules so. */
void put_state(emu_search *s, const undo_entry *values, uint32_t n);
void go_back(emu_search *s, uint64_t undo, uint64_t hash);
/* What the log from there on is about, as it is now; and to make it so again, but for the hash. */
void values_since(const emu_search *s, uint64_t undo, undo_entry *now);
void go_on(emu_search *s, const undo_entry *values, uint32_t n);
void show_values(const emu_search *s, int at_end, uint64_t *values);

/* ---- explore_step.c, explore_guest.c ---------------------------------------------------------------- */

/* The thread that an actor stands in guest code of, or UINT32_MAX: it stands in host code. */
uint32_t actor_thread(const emu_search *s, uint32_t actor);
emu_vcpu *vcpu_of(const emu_search *s, uint32_t thread);        /* NULL: none */
const emu_point *point_at(const emu_search *s, uint64_t nia);   /* NULL: no code */
/* The vector of the interrupt that the thread's guest takes next, or 0; priorities as emu_run has them. */
uint32_t interrupt_of(const emu_search *s, uint32_t thread, const emu_vcpu *v);
uint64_t address_of(const emu_vcpu *v, const emu_point *p);
int inside(const emu_search *s, uint64_t address, uint64_t nbytes);
int writes_memory(uint32_t kind);
/* Whether memory holds code that the search knows: it must not be written. */
int holds_code(const emu_search *s, uint64_t address, uint64_t nbytes);
/* Everything that can happen next; out has room for MAX_CHOICES, returns how many. */
uint32_t all_choices(emu_search *s, emu_choice *out);
int is_spent(const emu_search *s); /* the run has no instructions left */
/* Whether nothing more happens: the guest has ended, or took an interrupt that nobody handles. */
INLINE int is_over(const emu_search *s)
{
    return emu_state(s->m)->stopped || s->shadow[s->nwords + OWN_TRAP];
}
/* Whether something is to happen at a time that has not come, bound or no bound. */
int time_may_pass(const emu_search *s);
/* Whether the actor itself could take a step. */
int can_go(emu_search *s, uint32_t actor);
/* Take one. EMU_SEARCH_DONE, or the state is as before and the value says why. */
emu_search_verdict take(emu_search *s, emu_choice choice);
/* Bring every actor to its first scheduling point. */
emu_search_verdict settle(emu_search *s);

/* ---- explore_claim.c ------------------------------------------------------------------------------- */

/* Whether the actor's access concerns nobody else, as far as is known. */
int own_word(const emu_search *s, uint32_t actor, uint64_t ref, int write);
int own_storage(const emu_search *s, uint32_t actor, uint64_t address, uint64_t nbytes, int write);
/* The access is taking place. */
void claim_word(emu_search *s, uint32_t actor, uint64_t ref, int write);
void claim_storage(emu_search *s, uint32_t actor, uint64_t address, uint64_t nbytes, int write);
/* The words that an operation of host code touches, shared ones or not: with their access, 1 = write. */
#define MAX_REFS 24u
uint32_t refs_of(const emu_search *s, const emu_node *n, uint64_t *refs, uint8_t *writes);

/* ---- explore_lock.c ------------------------------------------------------------------------------- */

/* The locks that the actor holds, as bits. */
uint16_t held(const emu_search *s, uint32_t actor);
/* Whether the operation takes a spinlock; whether it lets one go that the actor holds. */
int takes_lock(const emu_search *s, const emu_node *n);
int lets_go(const emu_search *s, uint32_t actor, const emu_node *n);
/* The operation was done. */
void note_lock(emu_search *s, uint32_t actor, const emu_node *n, uint64_t answer);

/* ---- explore_touch.c ------------------------------------------------------------------------------- */

/* A number for what a choice is a step of: an actor, a native message, or the clock. */
INLINE uint32_t process_of(const emu_search *s, emu_choice choice)
{
    switch ((emu_choice_kind)choice.kind) {
    case EMU_CHOICE_DELIVER:
        return s->nactors + choice.actor;
    case EMU_CHOICE_TIMER:
        return s->nactors + s->m->config.nthreads;
    default:
        return choice.actor;
    }
}
#define NPROCESSES(s) ((s)->nactors + (s)->m->config.nthreads + 1)
void foot_of(emu_search *s, emu_choice choice, foot *out);
int foot_conflict(const foot *a, const foot *b);
/* An actor that may move alone, or UINT32_MAX. */
uint32_t ample_actor(emu_search *s, const emu_choice *choices, uint32_t n);
/* Where the cell of a granule is, or belongs. */
known_cell *cell_slot(const emu_search *s, uint64_t granule);

/* ---- explore_reach.c --------------------------------------------------------------------------- */

/* Somebody came to stand at a node; an instruction is executed. */
void reach_begin(emu_search *s);
void reach_node(emu_search *s, uint32_t node);
void reach_code(emu_search *s, const emu_point *p);

/* ---- explore_store.c --------------------------------------------------------------------------- */

/* One more end state (or run) with the values of now; 1: a new outcome, 0: known, -1: out of memory. */
int add_outcome(emu_search *s);
/* Whether a rule may be true of a state that is no end. */
int may_hold_early(const emu_search *s, const emu_judge *program, uint32_t n);
/* These two: 1 if something new was found, -1: out of memory. The first checks the rules in the state of now. */
int check_state(emu_search *s, int at_end);
int add_violation(emu_search *s, uint32_t kind, uint32_t rule);

/* ---- explore_scc.c --------------------------------------------------------------------------------- */

/* Whether there are few enough actors and threads. */
int can_judge_cycles(const emu_search *s);
/* Whose step a choice is, in the state before it. */
stepper stepper_of(const emu_search *s, emu_choice choice);
/* The depth-first search stands in a new state, with these choices. 0: out of memory. */
int cycles_enter(emu_search *s, const emu_choice *choices, uint32_t n, stepper by);
/* A step leads to a state, whose hash is that of now, that it has seen before. */
void cycles_meet(emu_search *s, stepper by);
/* It is about to leave a state for the one before. 1: a new livelock was found; -1: out of memory. */
int cycles_leave(emu_search *s);
void cycles_free(emu_search *s);

/* ---- the algorithms: each goes on where it stood ------------------------------------------------ */

emu_search_verdict run_dfs(emu_search *s, uint64_t max_steps);
emu_search_verdict run_bfs(emu_search *s, uint64_t max_steps);
emu_search_verdict run_dpor(emu_search *s, uint64_t max_steps);
emu_search_verdict run_sample(emu_search *s, uint64_t max_steps);

#endif
