/* How long a doorbell takes: round trips between thread 0 and each other thread of its core.
 *
 * Three ways to wait for the answer: spinning with the interrupt taken by a handler, spinning on
 * DPDES with interrupts off and clearing it by msgclrp, and sleeping in H_CEDE. Ticks are of the
 * timebase: instructions of the whole machine here, 512 MHz on QEMU.
 *
 * smt:    2 4 8
 * prints: {n} threads, 200 round trips each way
 * prints: handler: thread {t}: {ticks} ticks a round trip
 * exit:   0
 */

#include "guest.h"

enum { ROUNDS = 200 };

enum way { HANDLER, POLL, SLEEP, STOP };

static const char *const way_names[] = {"handler", "poll", "cede"};

/* How a thread is asked to wait, and that it does: 1 + way. Written by thread 0 and by it. */
static volatile unsigned asked[MAX_CPUS], agreed[MAX_CPUS];
static volatile uint64_t received[MAX_CPUS];

static void on_doorbell(frame *f)
{
    (void)f;
    received[this_cpu()->id]++;
}

/* Wait until doorbell number `count` of this cpu has come. */
static void wait_for(enum way how, uint64_t count)
{
    const uint64_t self = this_cpu()->id;
    switch (how) {
    case HANDLER:
        interrupts_on();
        while (received[self] < count)
            relax();
        interrupts_off();
        break;
    case POLL:
        /* Its own DPDES bit is the one a thread sees exactly. */
        while (!(mfspr_dpdes() >> self & 1))
            relax();
        doorbell_clear();
        received[self]++;
        break;
    case SLEEP:
        /* Interrupts are off between the test and H_CEDE, so a doorbell there is not lost. */
        while (received[self] < count) {
            cede();
            interrupts_off();
        }
        break;
    case STOP:
        break;
    }
}

static void answer(void *unused)
{
    const uint64_t self = this_cpu()->id;
    (void)unused;
    for (enum way how = HANDLER; how < STOP; how++) {
        while (asked[self] != how + 1)
            relax();
        const uint64_t start = received[self];
        agreed[self] = how + 1;
        for (uint64_t i = 1; i <= ROUNDS; i++) {
            wait_for(how, start + i);
            doorbell_send(0);
        }
    }
    interrupts_off();
}

int guest_main(void)
{
    const unsigned n = cpu_count();
    print("%u threads, %u round trips each way\n", n, ROUNDS);
    on_interrupt(VECTOR_DOORBELL, on_doorbell);
    start_cpus(answer, NULL);
    for (unsigned t = 1; t < n; t++) {
        for (enum way how = HANDLER; how < STOP; how++) {
            asked[t] = how + 1;
            while (agreed[t] != how + 1)
                relax();
            const uint64_t start = received[0];
            const uint64_t begin = timebase();
            for (uint64_t i = 1; i <= ROUNDS; i++) {
                doorbell_send(t);
                wait_for(how, start + i);
            }
            const uint64_t ticks = timebase() - begin;
            CHECK(received[0] == start + ROUNDS);
            print("%s: thread %u: %lu ticks a round trip\n", way_names[how], t, ticks / ROUNDS);
        }
    }
    return 0;
}
