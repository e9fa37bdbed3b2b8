/* From the entry point to guest_main(): which machine this is, how many cpus it has, vectors. */

#include "guest.h"
#include "lib.h"

_Static_assert(sizeof(cpu) == 512, "entry.S steps through cpus[] by 512 bytes");

cpu cpus[MAX_CPUS];
char stacks[MAX_CPUS][1 << 14] __attribute__((aligned(16)));

static const void *tree; /* NULL on the bare machine */
static unsigned ncpus;
static uint64_t go;             /* bare machine: the others wait for this */

static interrupt_handler *handlers[0x1000 / 0x80];

extern const char vectors[], vectors_end[];

/* RTAS tokens as QEMU numbers them. */
enum { RTAS_POWER_OFF = 0x2003, RTAS_START_CPU = 0x2006 };

const void *device_tree(void) { return tree; }
unsigned cpu_count(void) { return ncpus; }

static void install_vectors(void)
{
    char *const to = (char *)0x100;
    const size_t nbytes = (size_t)(vectors_end - vectors);
    /* gcc knows that no object lies at 0x100, and may drop stores through a pointer it sees. */
    char *hidden;
    __asm__("" : "=r"(hidden) : "0"(to));
    memcpy(hidden, vectors, nbytes);
    for (size_t i = 0; i < nbytes + 128; i += 128)
        __asm__ volatile("dcbst 0,%0; sync; icbi 0,%0" : : "r"(hidden + i) : "memory");
    __asm__ volatile("sync; isync" : : : "memory");
#ifdef __LITTLE_ENDIAN__
    (void)hcall(H_SET_MODE, 1, 4, 0, 0); /* interrupts are taken little-endian */
#endif
}

/* One cell of this property for each thread; only cpu nodes have it. */
static void count_cpus(void *unused, const char *path, const char *name, const uint8_t *value,
                       uint32_t nbytes)
{
    (void)unused, (void)path, (void)value;
    if (strcmp(name, "ibm,ppc-interrupt-server#s") == 0)
        ncpus += nbytes / 4;
}

_Noreturn void start_first(const void *flat, uint64_t bare_cpus)
{
    tree = flat;
    ncpus = (unsigned)bare_cpus;
    if (tree) {
        ncpus = 0;
        fdt_visit(tree, count_cpus, NULL);
    }
    if (ncpus > MAX_CPUS)
        ncpus = MAX_CPUS;
    install_vectors();
    guest_exit(guest_main());
}

_Noreturn void start_other(void)
{
    cpu *const c = this_cpu();
    while (__atomic_load_n(&go, __ATOMIC_ACQUIRE) == 0)
        relax();
    if (c->task)
        c->task(c->argument);
    interrupts_off();
    for (;;)
        cede();
}

void start_cpus(void (*task)(void *), void *argument)
{
    const uint64_t self = this_cpu()->id;
    for (unsigned id = 0; id < ncpus; id++) {
        cpus[id].task = task;
        cpus[id].argument = argument;
    }
    __atomic_store_n(&go, 1, __ATOMIC_RELEASE);
    for (unsigned id = 0; tree && id < ncpus; id++) {
        const uint32_t args[] = {id, (uint32_t)(uintptr_t)start_secondary, id};
        uint32_t result;
        if (id != self)
            CHECK(rtas(RTAS_START_CPU, 3, args, 0, &result) == 0);
    }
}

_Noreturn void guest_exit(int status)
{
    if (tree) {
        const uint32_t args[] = {0, 0};
        uint32_t result;
        /* As such programs report: an odd number, the status above its lowest bit. */
        print("\nEXIT: STATUS=%d\n", status << 1 | 1);
        (void)rtas(RTAS_POWER_OFF, 2, args, 0, &result);
    }
    for (;;)
        (void)hcall(H_EXIT, (uint64_t)(int64_t)status, 0, 0, 0);
}

_Noreturn void check_failed(const char *file, int line, const char *condition)
{
    print("%s:%d: failed: %s\n", file, line, condition);
    guest_exit(1);
}

void on_interrupt(unsigned vector, interrupt_handler *handler)
{
    handlers[vector / 0x80] = handler;
    sync();
}

void interrupt(frame *f)
{
    interrupt_handler *const handler = handlers[f->vector / 0x80];
    this_cpu()->taken[f->vector / 0x80]++;
    if (handler == NULL && f->vector == VECTOR_DECREMENTER) {
        set_decrementer(0x7fffffff); /* a pseries machine starts with one running: not wanted */
        return;
    }
    if (handler == NULL) {
        print("interrupt 0x%lx that nobody handles at 0x%lx, srr1 0x%lx\n", f->vector, f->srr0,
              f->srr1);
        guest_exit(1);
    }
    handler(f);
}

frame *new_frame(void *top, void (*entry)(uint64_t), uint64_t argument)
{
    frame *const f = (frame *)((char *)top - 128 - sizeof(frame));
    const uint64_t *const descriptor = (const uint64_t *)(uintptr_t)entry;
    uint64_t msr;
    __asm__("mfmsr %0" : "=r"(msr));
    memset(f, 0, sizeof *f);
    f->gpr[1] = (uint64_t)(uintptr_t)top - 128;
    f->gpr[3] = argument;
#if _CALL_ELF == 2
    (void)descriptor;
    f->srr0 = f->gpr[12] = (uint64_t)(uintptr_t)entry;
#else
    f->srr0 = descriptor[0];
    f->gpr[2] = descriptor[1];
#endif
    f->srr1 = msr | 0x8002; /* EE, RI */
    return f;
}

int32_t rtas(uint32_t token, unsigned nargs, const uint32_t *args, unsigned nret, uint32_t *results)
{
    uint32_t block[16] __attribute__((aligned(16)));
    CHECK(3 + nargs + 1 + nret <= 16);
    block[0] = to_big32(token);
    block[1] = to_big32(nargs);
    block[2] = to_big32(nret + 1);
    for (unsigned i = 0; i < nargs; i++)
        block[3 + i] = to_big32(args[i]);
    block[3 + nargs] = to_big32((uint32_t)-1); /* hardware error, should nobody answer */
    (void)hcall(H_RTAS, (uint64_t)(uintptr_t)block, 0, 0, 0);
    for (unsigned i = 0; i < nret; i++)
        results[i] = to_big32(block[3 + nargs + 1 + i]);
    return (int32_t)to_big32(block[3 + nargs]);
}
