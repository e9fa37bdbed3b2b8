/* A scheduler of threads within a virtual core: many software threads on few hardware threads.
 *
 * One run queue under one lock. A thread gives up its cpu when its time slice ends (decrementer),
 * when it waits for a semaphore, or when it ends; the scheduler runs on the cpu's own stack, so
 * that a thread that was put into a queue may run elsewhere at once. A cpu with nothing to run
 * sleeps in H_CEDE; who makes a thread runnable sends one idle cpu a doorbell.
 *
 * Four producers and six consumers share a buffer of eight places.
 *
 * smt:    1 2 4 8
 * prints: {n} cpus, 10 threads
 * prints: 2000 items, sum 1999000
 * prints: every thread ended
 * exit:   0
 */

#include "guest.h"

enum { PRODUCERS = 4, CONSUMERS = 6, ITEMS = 2000, PLACES = 8, SLICE = 5000, STACK = 8192 };

typedef struct thread {
    frame *saved;               /* where it goes on; on its own stack */
    struct thread *next;        /* in the queue that it is in */
} thread;

typedef struct {
    thread *first, **last;
} queue;

typedef struct {
    uint64_t count;
    queue waiting;
} semaphore;

/* What a thread asks of the scheduler by a system call: the number in r3, a semaphore in r4. */
enum request { YIELD, WAIT, POST, END };

typedef struct {
    thread *current;            /* NULL: the scheduler itself, or asleep */
    enum request request;
    semaphore *semaphore;
} __attribute__((aligned(128))) cpu_state;

static cpu_state state[MAX_CPUS];
static spinlock lock;           /* of all that follows; held only with interrupts off */
static queue runnable;
static uint64_t idle;           /* bit t: cpu t found nothing to run */
static unsigned live;
static thread threads[PRODUCERS + CONSUMERS];
static char thread_stacks[PRODUCERS + CONSUMERS][STACK] __attribute__((aligned(16)));

static void append(queue *q, thread *t)
{
    if (q->first == NULL)
        q->last = &q->first;
    t->next = NULL;
    *q->last = t;
    q->last = &t->next;
}

static thread *remove_first(queue *q)
{
    thread *const t = q->first;
    if (t)
        q->first = t->next;
    return t;
}

/* The lock is held, so a cpu that is about to sleep has either seen `t` or set its idle bit; its
 * interrupts are off until H_CEDE, which a pending doorbell ends. */
static void make_runnable(thread *t)
{
    append(&runnable, t);
    if (idle) {
        const unsigned sleeper = (unsigned)__builtin_ctzl(idle);
        idle &= idle - 1;
        doorbell_send(sleeper);
    }
}

static void report(void);

static void schedule(void *unused)
{
    const unsigned self = (unsigned)this_cpu()->id;
    cpu_state *const me = &state[self];
    thread *const t = me->current;
    (void)unused;
    me->current = NULL;
    spin_lock(&lock);
    if (t) {
        switch (me->request) {
        case YIELD:
            make_runnable(t);
            break;
        case WAIT:
            if (me->semaphore->count == 0) {
                append(&me->semaphore->waiting, t);
            } else {
                me->semaphore->count--;
                make_runnable(t);
            }
            break;
        case POST: {
            thread *const waiter = remove_first(&me->semaphore->waiting);
            if (waiter)
                make_runnable(waiter);
            else
                me->semaphore->count++;
            make_runnable(t);
            break;
        }
        case END:
            if (--live == 0)
                for (unsigned other = 0; other < cpu_count(); other++)
                    doorbell_send(other);
            break;
        }
    }
    for (;;) {
        thread *const next = remove_first(&runnable);
        idle &= ~((uint64_t)1 << self);
        if (next) {
            me->current = next;
            spin_unlock(&lock);
            set_decrementer(SLICE);
            resume(next->saved);
        }
        if (live == 0 && self == 0)
            report();
        idle |= (uint64_t)1 << self;
        spin_unlock(&lock);
        cede();
        interrupts_off();
        spin_lock(&lock);
    }
}

static void on_decrementer(frame *f)
{
    cpu_state *const me = &state[this_cpu()->id];
    set_decrementer(0x7fffffff);
    if (me->current) {
        me->current->saved = f;
        me->request = YIELD;
        leave_stack(schedule, NULL);
    }
}

static void on_system_call(frame *f)
{
    cpu_state *const me = &state[this_cpu()->id];
    me->current->saved = f;
    me->request = (enum request)f->gpr[3];
    me->semaphore = (semaphore *)f->gpr[4];
    leave_stack(schedule, NULL);
}

static void on_doorbell(frame *f) { (void)f; }

static void ask(enum request request, semaphore *s)
{
    register uint64_t r3 __asm__("r3") = request;
    register uint64_t r4 __asm__("r4") = (uint64_t)(uintptr_t)s;
    __asm__ volatile("sc" : "+r"(r3), "+r"(r4) : : "memory");
}

static void create(unsigned number, void (*entry)(uint64_t), uint64_t argument)
{
    thread *const t = &threads[number];
    t->saved = new_frame(thread_stacks[number] + STACK, entry, argument);
    append(&runnable, t);
    live++;
}

/* ---- what the threads do ----------------------------------------------------------------- */

static semaphore places = {.count = PLACES}, items, buffer_free = {.count = 1};
static uint64_t buffer[PLACES], produced, put, taken, sum;

static void produce(uint64_t number)
{
    (void)number;
    for (;;) {
        ask(WAIT, &places);
        ask(WAIT, &buffer_free);
        const uint64_t item = produced < ITEMS ? produced++ : ITEMS;
        buffer[put++ % PLACES] = item;
        ask(POST, &buffer_free);
        ask(POST, &items);
        if (item == ITEMS) /* no more; it told one consumer */
            ask(END, NULL);
    }
}

static void consume(uint64_t number)
{
    (void)number;
    for (;;) {
        ask(WAIT, &items);
        ask(WAIT, &buffer_free);
        const uint64_t item = buffer[taken++ % PLACES];
        if (item < ITEMS)
            sum += item;
        ask(POST, &buffer_free);
        ask(POST, &places);
        if (item == ITEMS)
            ask(END, NULL);
        for (volatile uint64_t i = 0; i < item % 300; i++)
            continue; /* work of its own, so that time slices end within it */
    }
}

/* Ends as a producer and tells one consumer more: there are more consumers than producers. */
static void produce_ends(uint64_t ends)
{
    for (uint64_t i = 0; i < ends; i++) {
        ask(WAIT, &places);
        ask(WAIT, &buffer_free);
        buffer[put++ % PLACES] = ITEMS;
        ask(POST, &buffer_free);
        ask(POST, &items);
    }
    produce(0);
}

static void report(void)
{
    spin_unlock(&lock);
    print("%lu items, sum %lu\n", produced, sum);
    CHECK(put == taken);
    print("every thread ended\n");
    guest_exit(sum == (uint64_t)ITEMS * (ITEMS - 1) / 2 ? 0 : 1);
}

int guest_main(void)
{
    print("%u cpus, %u threads\n", cpu_count(), PRODUCERS + CONSUMERS);
    on_interrupt(VECTOR_DECREMENTER, on_decrementer);
    on_interrupt(VECTOR_DOORBELL, on_doorbell);
    on_interrupt(VECTOR_SYSTEM_CALL, on_system_call);
    for (unsigned i = 0; i < PRODUCERS + CONSUMERS; i++)
        create(i, i < PRODUCERS - 1 ? produce : i == PRODUCERS - 1 ? produce_ends : consume,
               CONSUMERS - PRODUCERS);
    start_cpus(schedule, NULL);
    leave_stack(schedule, NULL);
}
