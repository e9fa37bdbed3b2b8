/* A work-stealing queue: idle threads sleep in H_CEDE and are woken by doorbells.
 *
 * Each thread has a deque of tasks (Chase and Lev 2005, with the fences of Le and others 2013 for
 * Power): it pushes and takes at the bottom, others steal at the top. The tasks sum a binary tree
 * of known size, so the sum and the number of tasks show whether any was lost or done twice.
 *
 * A thread that finds nothing anywhere says so in `idle`, looks once more, and cedes; who pushes a
 * task claims one idle thread and sends it a doorbell. Looking again after having said so is what
 * makes the wake-up safe: either the pusher sees the mark or the sleeper sees the task.
 *
 * smt:    1 2 4 8
 * prints: {n} threads
 * prints: tasks 8191, sum 33550336
 * prints: the queues are empty
 * exit:   0
 */

#include "guest.h"

enum { DEPTH = 12, CAPACITY = 64 };

/* A task is a node of the tree: its number, the root being 1; 0 is no task. */
typedef struct {
    uint64_t top;               /* next to steal; only grows */
    char pad1[120];             /* reservations are on 128 bytes: thieves must not break the owner's */
    uint64_t bottom;            /* next free place; the owner's */
    uint64_t task[CAPACITY];
    char pad2[120];
} deque;

static deque deques[MAX_CPUS] __attribute__((aligned(128)));
static uint64_t idle;           /* bit t: thread t sleeps or is about to */
static uint64_t sum, done;
static uint64_t executed[MAX_CPUS], stolen[MAX_CPUS], woken[MAX_CPUS];

#define LOAD(place) __atomic_load_n(&(place), __ATOMIC_RELAXED)
#define STORE(place, value) __atomic_store_n(&(place), value, __ATOMIC_RELAXED)

static void push(deque *d, uint64_t task)
{
    const uint64_t bottom = LOAD(d->bottom);
    CHECK(bottom - LOAD(d->top) < CAPACITY);
    STORE(d->task[bottom % CAPACITY], task);
    lwsync(); /* the task before its place counts */
    STORE(d->bottom, bottom + 1);
}

static uint64_t take(deque *d)
{
    const uint64_t bottom = LOAD(d->bottom) - 1;
    STORE(d->bottom, bottom);
    sync(); /* claim the place before looking for thieves */
    const uint64_t top = LOAD(d->top);
    if ((int64_t)(bottom - top) < 0) {
        STORE(d->bottom, bottom + 1);
        return 0;
    }
    uint64_t task = LOAD(d->task[bottom % CAPACITY]);
    if (bottom == top) { /* the last one: thieves may want it too */
        if (!compare_and_set(&d->top, top, top + 1))
            task = 0;
        STORE(d->bottom, bottom + 1);
    }
    return task;
}

static uint64_t steal(deque *d)
{
    const uint64_t top = LOAD(d->top);
    sync();
    if ((int64_t)(__atomic_load_n(&d->bottom, __ATOMIC_ACQUIRE) - top) <= 0)
        return 0;
    const uint64_t task = LOAD(d->task[top % CAPACITY]);
    return compare_and_set(&d->top, top, top + 1) ? task : 0;
}

static bool claim(unsigned t)
{
    const uint64_t bit = (uint64_t)1 << t;
    for (;;) {
        const uint64_t now = LOAD(idle);
        if (!(now & bit))
            return false;
        if (compare_and_set(&idle, now, now & ~bit))
            return true;
    }
}

static void mark_idle(unsigned t)
{
    const uint64_t bit = (uint64_t)1 << t;
    uint64_t now;
    do
        now = LOAD(idle);
    while (!compare_and_set(&idle, now, now | bit));
}

static void wake_one(void)
{
    sync(); /* the push before the look: pairs with mark_idle() before find() */
    for (uint64_t now; (now = LOAD(idle)) != 0;) {
        const unsigned t = (unsigned)__builtin_ctzl(now);
        if (claim(t)) {
            doorbell_send(t);
            return;
        }
    }
}

static uint64_t find(unsigned self)
{
    uint64_t task = take(&deques[self]);
    const unsigned n = cpu_count();
    for (unsigned i = 1; task == 0 && i < n; i++) {
        task = steal(&deques[(self + i) % n]);
        if (task)
            stolen[self]++;
    }
    return task;
}

static void run(unsigned self, uint64_t task)
{
    executed[self]++;
    (void)atomic_add(&sum, task);
    if (task < (uint64_t)1 << DEPTH) {
        push(&deques[self], 2 * task);
        push(&deques[self], 2 * task + 1);
        wake_one();
    }
    if (atomic_add(&done, 1) == ((uint64_t)2 << DEPTH) - 1)
        for (unsigned t = 0; t < cpu_count(); t++) /* the last task: let everybody go home */
            doorbell_send(t);
}

static bool all_done(void) { return LOAD(done) == ((uint64_t)2 << DEPTH) - 1; }

static void work(void *unused)
{
    const unsigned self = (unsigned)this_cpu()->id;
    (void)unused;
    while (!all_done()) {
        uint64_t task = find(self);
        if (task == 0) {
            mark_idle(self);
            task = find(self);
            if (task == 0 && !all_done()) {
                cede(); /* a doorbell that came since keeps it awake */
                interrupts_off();
            }
            (void)claim(self); /* awake, whoever woke us */
        }
        if (task)
            run(self, task);
    }
    (void)atomic_add(&executed[MAX_CPUS - 1], 1); /* the last place counts who went home */
}

static void on_doorbell(frame *f)
{
    (void)f;
    woken[this_cpu()->id]++;
}

int guest_main(void)
{
    const unsigned n = cpu_count();
    print("%u threads\n", n);
    on_interrupt(VECTOR_DOORBELL, on_doorbell);
    push(&deques[0], 1);
    start_cpus(work, NULL);
    work(NULL);
    while (LOAD(executed[MAX_CPUS - 1]) < n)
        relax();
    uint64_t tasks = 0;
    for (unsigned t = 0; t < n; t++)
        tasks += executed[t];
    print("tasks %lu, sum %lu\n", tasks, sum);
    for (unsigned t = 0; t < n; t++)
        CHECK(deques[t].bottom == deques[t].top);
    print("the queues are empty\n");
    CHECK(tasks == 8191);
    CHECK(sum == (uint64_t)8191 * 8192 / 2);
    return 0;
}
