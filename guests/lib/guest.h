/* What a C guest of this project gets from guests/lib: one header.
 *
 * A guest is one file with `int guest_main(void)`. It starts on cpu 0 with interrupts off; the
 * other cpus wait until start_cpus(). The same image runs on the bare machine, on the pseries
 * machine and on QEMU's pseries machine: entry.S finds out which one it is on.
 *
 * Names are the Power ISA's and PAPR's. Nothing here allocates.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_CPUS = 64 };

/* The guest: runs on cpu 0; what it returns is the status of the run. */
int guest_main(void);

/* ---- this cpu ---------------------------------------------------------------------------- */

/* The block that r13 points to. `id` is the number in the device tree, or the vcpu id. */
typedef struct cpu {
    uint64_t id;
    uint64_t stack_top;
    void (*task)(void *);       /* what start_cpus() gave it */
    void *argument;
    uint64_t taken[0x1000 / 0x80]; /* interrupts taken, by vector / 0x80 */
} __attribute__((aligned(512))) cpu;

extern cpu cpus[MAX_CPUS];

/* What this cpu is. A routine that may be moved to another cpu must not keep it. */
static inline cpu *this_cpu(void)
{
    cpu *c;
    __asm__ volatile("mr %0,13" : "=r"(c));
    return c;
}

unsigned cpu_count(void);

/* Run task(argument) on every cpu but this one; returns at once. */
void start_cpus(void (*task)(void *), void *argument);

/* End the run, for all cpus: 0 is success. */
_Noreturn void guest_exit(int status);

/* ---- device tree -------------------------------------------------------------------------- */

/* The flattened device tree of a pseries machine; NULL on the bare machine. */
const void *device_tree(void);

/* Called for each property, in the tree's order: the path of its node (the root is ""), its name,
 * and its value, which is not aligned. */
typedef void fdt_visitor(void *context, const char *path, const char *name, const uint8_t *value,
                         uint32_t nbytes);
void fdt_visit(const void *tree, fdt_visitor *visit, void *context);

/* A cell of a property: 32 bits, big-endian. */
static inline uint32_t fdt_cell(const uint8_t *value)
{
    return (uint32_t)value[0] << 24 | (uint32_t)value[1] << 16 | (uint32_t)value[2] << 8 | value[3];
}

/* ---- console ----------------------------------------------------------------------------- */

void console_put(const char *text, size_t nbytes);

/* %c %s %d %u %x %p with l, a width, 0 and -. Anything else is printed as it stands. */
__attribute__((format(printf, 1, 2))) void print(const char *format, ...);

/* Print where and end the run with status 1 if a condition does not hold. */
#define CHECK(condition) \
    do { \
        if (!(condition)) \
            check_failed(__FILE__, __LINE__, #condition); \
    } while (0)
_Noreturn void check_failed(const char *file, int line, const char *condition);

/* ---- hypervisor calls -------------------------------------------------------------------- */

enum {
    H_SUCCESS = 0,
    H_GET_TERM_CHAR = 0x54,
    H_PUT_TERM_CHAR = 0x58,
    H_CEDE = 0xe0,
    H_CONFER = 0xe4,
    H_PROD = 0xe8,
    H_RANDOM = 0x300,
    H_SET_MODE = 0x31c,
    H_RTAS = 0xf000,
    H_EXIT = 0xf100,
};

typedef struct {
    int64_t status;
    uint64_t value[3];          /* r4 to r6 */
} hcall_result;

hcall_result hcall(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d);

/* Sleep until an interrupt is pending; returns with MSR[EE] = 1. */
static inline void cede(void) { (void)hcall(H_CEDE, 0, 0, 0, 0); }

static inline void prod(unsigned id) { (void)hcall(H_PROD, id, 0, 0, 0); }

/* Call RTAS: `nargs` arguments, `nret` results into `results`; returns the status. */
int32_t rtas(uint32_t token, unsigned nargs, const uint32_t *args, unsigned nret, uint32_t *results);

/* ---- interrupts and doorbells ------------------------------------------------------------ */

/* What an interrupt saved. A handler may change it: it is what the interrupt returns to. */
typedef struct {
    uint64_t gpr[32];
    uint64_t srr0, srr1, lr, ctr, xer, cr;
    uint64_t vector;
} frame;

typedef void interrupt_handler(frame *);

/* Go on at a saved frame, on this cpu: a handler that does not want to return where it came from. */
_Noreturn void resume(frame *f);

/* Go on with then(argument) on this cpu's own stack, from its top: nothing returns to what was
 * there, and the stack that was left may be run by another cpu. Interrupts must be off. */
_Noreturn void leave_stack(void (*then)(void *), void *argument);

/* Make a frame that, resumed, calls entry(argument) on the stack that ends at `top`, with
 * interrupts on. It must not return. The frame lies in that stack. */
frame *new_frame(void *top, void (*entry)(uint64_t), uint64_t argument);

enum {
    VECTOR_PROGRAM = 0x700,
    VECTOR_DECREMENTER = 0x900,
    VECTOR_DOORBELL = 0xa00,
    VECTOR_SYSTEM_CALL = 0xc00,
};

/* Handle a vector on all cpus. Without a handler an interrupt ends the run with status 1,
 * but for the decrementer, which is then put off for as long as it can be. */
void on_interrupt(unsigned vector, interrupt_handler *handler);

static inline void interrupts_on(void)
{
    __asm__ volatile("mtmsrd %0,1" : : "r"(0x8002UL) : "memory");
}

static inline void interrupts_off(void)
{
    __asm__ volatile("mtmsrd %0,1" : : "r"(0x2UL) : "memory");
}

/* Directed privileged doorbells, Power ISA v3.0B Book III: message type 5, target by its TIR. */
static inline uint64_t doorbell_message(unsigned tir) { return (uint64_t)5 << 27 | tir; }

/* What this thread stored before is visible to the target's handler. */
static inline void doorbell_send(unsigned tir)
{
    __asm__ volatile("lwsync; .machine push; .machine power9; msgsndp %0; .machine pop"
                     : : "r"(doorbell_message(tir)) : "memory");
}

static inline void doorbell_clear(void)
{
    __asm__ volatile(".machine push; .machine power9; msgclrp %0; .machine pop"
                     : : "r"(doorbell_message(0)) : "memory");
}

static inline uint64_t mfspr_tir(void)
{
    uint64_t value;
    __asm__ volatile("mfspr %0,446" : "=r"(value));
    return value;
}

static inline uint64_t mfspr_dpdes(void)
{
    uint64_t value;
    __asm__ volatile("mfspr %0,176" : "=r"(value) : : "memory");
    return value;
}

static inline uint64_t timebase(void)
{
    uint64_t value;
    __asm__ volatile("mfspr %0,268" : "=r"(value) : : "memory");
    return value;
}

/* The next decrementer interrupt comes after this many ticks of the timebase. */
static inline void set_decrementer(uint32_t ticks)
{
    __asm__ volatile("mtspr 22,%0" : : "r"((uint64_t)ticks));
}

/* ---- threads ----------------------------------------------------------------------------- */

/* In a loop that waits for another cpu: gives the sibling threads the core. */
static inline void relax(void) { __asm__ volatile("or 31,31,31" : : : "memory"); }

static inline void lwsync(void) { __asm__ volatile("lwsync" : : : "memory"); }
static inline void sync(void) { __asm__ volatile("sync" : : : "memory"); }

typedef struct {
    uint32_t held;
} spinlock;

void spin_lock(spinlock *lock);
void spin_unlock(spinlock *lock);

/* Add to a counter that other cpus add to; returns the new value. Orders nothing. */
uint64_t atomic_add(uint64_t *counter, uint64_t amount);

/* *place := desired if it is `expected`; true if it was. A full barrier either way. */
bool compare_and_set(uint64_t *place, uint64_t expected, uint64_t desired);

/* ---- memory and text --------------------------------------------------------------------- */

void *memcpy(void *restrict to, const void *restrict from, size_t nbytes);
void *memmove(void *to, const void *from, size_t nbytes);
void *memset(void *to, int value, size_t nbytes);
int memcmp(const void *a, const void *b, size_t nbytes);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);

#endif
