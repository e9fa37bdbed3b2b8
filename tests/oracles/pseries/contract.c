/* What a program finds on a pseries machine: everything that the boot contract promises, printed
 * so that two machines can be compared. Nothing printed depends on time.
 *
 * bootargs name the parts to run: tree hcalls vpa rtas secondary ipi time interrupts reserve strings
 * timers, and strict: what the architecture allows a machine not to do, and QEMU does not
 */

#include "guest.h"

static char bootargs[256];

static bool asked(const char *part)
{
    const size_t nbytes = strlen(part);
    for (const char *at = bootargs; *at; at++)
        if (memcmp(at, part, nbytes) == 0 && (at[nbytes] == ' ' || at[nbytes] == 0))
            return true;
    return false;
}

/* ---- device tree ------------------------------------------------------------------------- */

static const char *const cells_of_interest[] = {
    "#address-cells", "#size-cells", "reg", "ibm,ppc-interrupt-server#s", "i-cache-line-size",
    "d-cache-line-size", "i-cache-block-size", "d-cache-block-size", "timebase-frequency",
    "ibm,dec-bits", "cpu-version", "display-character", "get-time-of-day", "set-time-of-day",
    "power-off", "system-reboot", "query-cpu-stopped-state", "start-cpu", "stop-self",
    "ibm,os-term", "rtas-size", "rtas-event-scan-rate", "linux,rtas-base", "linux,rtas-entry",
};
static const char *const texts_of_interest[] = {"compatible", "device_type", "bootargs"};

static bool listed(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, list[i]) == 0)
            return true;
    return false;
}

static bool of_interest(const char *path)
{
    return *path == 0 || memcmp(path, "/cpus", 5) == 0 || memcmp(path, "/memory@0", 9) == 0 ||
           strcmp(path, "/chosen") == 0 || strcmp(path, "/rtas") == 0;
}

static void print_property(void *unused, const char *path, const char *name, const uint8_t *value,
                           uint32_t nbytes)
{
    (void)unused;
    if (!of_interest(path))
        return;
    if (listed(name, cells_of_interest, sizeof cells_of_interest / sizeof *cells_of_interest)) {
        print("%s %s", path, name);
        for (uint32_t i = 0; i + 4 <= nbytes; i += 4)
            print(" %x", fdt_cell(value + i));
        print("\n");
    } else if (listed(name, texts_of_interest, 3)) {
        print("%s %s %s\n", path, name, (const char *)value);
    }
}

static void find_bootargs(void *unused, const char *path, const char *name, const uint8_t *value,
                          uint32_t nbytes)
{
    (void)unused;
    if (strcmp(path, "/chosen") == 0 && strcmp(name, "bootargs") == 0)
        memcpy(bootargs, value, nbytes < sizeof bootargs ? nbytes : sizeof bootargs - 1);
}

struct service {
    const char *name;
    uint32_t token;
};

static void find_token(void *context, const char *path, const char *name, const uint8_t *value,
                       uint32_t nbytes)
{
    struct service *const service = context;
    if (strcmp(path, "/rtas") == 0 && strcmp(name, service->name) == 0 && nbytes == 4)
        service->token = fdt_cell(value);
}

static uint32_t token(const char *name)
{
    struct service service = {name, 0};
    fdt_visit(device_tree(), find_token, &service);
    return service.token;
}

/* ---- hcalls ------------------------------------------------------------------------------ */

static uint8_t pages[4][4096] __attribute__((aligned(4096)));

static uint64_t sprg0(void)
{
    uint64_t value;
    __asm__ volatile("mfspr %0,272" : "=r"(value));
    return value;
}

static void report(const char *what, int64_t value) { print("%s: %ld\n", what, value); }

static int64_t call(uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
    return hcall(number, a, b, c, 0).status;
}

static uint64_t at(const void *place) { return (uint64_t)(uintptr_t)place; }

enum { H_SET_SPRG0 = 0x24, H_SET_DABR = 0x28, H_PAGE_INIT = 0x2c, H_REGISTER_VPA = 0xdc };
enum { ZERO_PAGE = 1 << 15, COPY_PAGE = 1 << 14 };

static void test_hcalls(void)
{
    report("h_set_sprg0", call(H_SET_SPRG0, 0xcafebabedeadbeef, 0, 0));
    print("sprg0 %lx\n", sprg0());
    report("h_set_dabr", call(H_SET_DABR, 0, 0, 0));

    memset(pages, 0xaa, sizeof pages);
    report("zero page", call(H_PAGE_INIT, ZERO_PAGE, at(pages[0]), at(pages[1])));
    print("%x %x %x\n", pages[0][0], pages[0][4095], pages[1][0]);
    memset(pages[1], 0x5c, 4096);
    report("copy page", call(H_PAGE_INIT, COPY_PAGE, at(pages[0]), at(pages[1])));
    print("%x %x\n", pages[0][0], pages[0][4095]);
    memset(pages[1], 0x77, 4096);
    report("zero and copy", call(H_PAGE_INIT, ZERO_PAGE | COPY_PAGE, at(pages[2]), at(pages[1])));
    print("%x %x %x\n", pages[2][0], pages[2][4095], pages[3][0]);
    report("neither", call(H_PAGE_INIT, 0, at(pages[3]), at(pages[1])));
    print("%x\n", pages[3][0]);
    report("unaligned destination", call(H_PAGE_INIT, ZERO_PAGE, at(pages[0]) + 0x123, 0));
    report("unaligned source",
           call(H_PAGE_INIT, COPY_PAGE, at(pages[0]), at(pages[1]) + 0x123));
    report("unaligned source, zero only",
           call(H_PAGE_INIT, ZERO_PAGE, at(pages[0]), at(pages[1]) + 0x123));
    report("destination outside", call(H_PAGE_INIT, ZERO_PAGE, (uint64_t)1 << 40, 0));
    report("source outside", call(H_PAGE_INIT, COPY_PAGE, at(pages[0]), (uint64_t)1 << 40));
    report("unknown flag", call(H_PAGE_INIT, ZERO_PAGE | 1, at(pages[0]), 0));

    uint64_t all = 0;
    uint64_t none = ~(uint64_t)0;
    int64_t status = 0;
    for (int i = 0; i < 100; i++) {
        const hcall_result r = hcall(H_RANDOM, 0, 0, 0, 0);
        status = r.status;
        all |= r.value[0];
        none &= r.value[0];
    }
    print("h_random %ld stuck %lx %lx\n", status, ~all, none);

    report("unknown hcall", call(0x7ffc, 0, 0, 0));
    report("hcall no multiple of 4", call(0xe1, 0, 0, 0));
    report("h_set_mode resource 9", call(H_SET_MODE, 0, 9, 0));
    report("h_set_mode endian 7", call(H_SET_MODE, 7, 4, 0));
    report("h_set_mode endian, value1", call(H_SET_MODE, 1, 4, 1));
    report("h_set_mode endian, value2", hcall(H_SET_MODE, 1, 4, 0, 1).status);
    report("h_set_mode ail 0", call(H_SET_MODE, 0, 3, 0));
    report("h_set_mode ail 1", call(H_SET_MODE, 1, 3, 0));
    report("h_set_mode ail 4", call(H_SET_MODE, 4, 3, 0));
    report("h_set_mode ail 0, value1", call(H_SET_MODE, 0, 3, 1));
    report("h_put_term_char of 17", call(H_PUT_TERM_CHAR, 0, 17, 0));
    report("h_put_term_char of 0", call(H_PUT_TERM_CHAR, 0, 0, 0));
    report("h_put_term_char of no vty", call(H_PUT_TERM_CHAR, 0x1234, 0, 0));
    report("h_prod of no cpu", call(H_PROD, 0xbad, 0, 0));
    report("h_confer to no cpu", call(H_CONFER, 0xbad, 0, 0));
    report("h_confer to itself", call(H_CONFER, 0, 0, 0));
    const hcall_result in = hcall(H_GET_TERM_CHAR, 0, 0, 0, 0);
    print("h_get_term_char %ld %lx %lx %lx\n", in.status, in.value[0], in.value[1], in.value[2]);
}

/* ---- VPA --------------------------------------------------------------------------------- */

enum { VPA_REGISTER = 1, VPA_REGISTER_DTL = 2, VPA_REGISTER_SLB = 3 };
enum { VPA_DEREGISTER = 5, VPA_DEREGISTER_DTL = 6, VPA_DEREGISTER_SLB = 7 };

static int64_t vpa(uint64_t function, uint64_t proc, uint64_t address)
{
    return call(H_REGISTER_VPA, function << 45, proc, address);
}

static void set_vpa_size(uint8_t *area, unsigned size)
{
    area[4] = (uint8_t)(size >> 8);
    area[5] = (uint8_t)size;
}

static uint32_t dispatches(const uint8_t *area) { return fdt_cell(area + 0x100); }

static bool ticked;
static void on_tick(frame *f)
{
    ticked = true;
    f->srr1 &= ~(uint64_t)0x8000;
    set_decrementer(0x7fffffff);
}

static void test_vpa(void)
{
    uint8_t *const area = pages[0];
    memset(pages, 0, sizeof pages);
    set_vpa_size(area, 640);
    report("vpa reserved function", vpa(0, 0, at(area)));
    report("vpa function 4", vpa(4, 0, at(area)));
    report("vpa of no cpu", vpa(VPA_REGISTER, 0xbadbad, at(area)));
    report("vpa not aligned", vpa(VPA_REGISTER, 0, at(area) + 8));
    set_vpa_size(area + 4096 - 128, 640);
    report("vpa spans pages", vpa(VPA_REGISTER, 0, at(area) + 4096 - 128));
    set_vpa_size(area, 632);
    report("vpa too small", vpa(VPA_REGISTER, 0, at(area)));
    set_vpa_size(area, 640);
    report("vpa outside", vpa(VPA_REGISTER, 0, (uint64_t)1 << 40));
    report("vpa at 0", vpa(VPA_REGISTER, 0, 0));
    report("slb shadow before vpa", vpa(VPA_REGISTER_SLB, 0, at(pages[1])));
    report("dtl before vpa", vpa(VPA_REGISTER_DTL, 0, at(pages[2])));
    report("vpa registered", vpa(VPA_REGISTER, 0, at(area)));
    print("dispatch count is %s\n", dispatches(area) % 2 ? "odd" : "even");
    const uint32_t before = dispatches(area);
    on_interrupt(VECTOR_DECREMENTER, on_tick);
    ticked = false;
    set_decrementer(1000000);
    cede();
    interrupts_off();
    print("ticked %d, dispatch count %s and is %s\n", ticked,
          dispatches(area) != before ? "changed" : "stayed", dispatches(area) % 2 ? "odd" : "even");
    pages[1][6] = 0, pages[1][7] = 0x40;
    report("slb shadow", vpa(VPA_REGISTER_SLB, 0, at(pages[1])));
    pages[2][4] = 0, pages[2][5] = 0, pages[2][6] = 4, pages[2][7] = 0;
    report("dtl", vpa(VPA_REGISTER_DTL, 0, at(pages[2])));
    report("vpa deregistered with others there", vpa(VPA_DEREGISTER, 0, 0));
    report("slb shadow deregistered", vpa(VPA_DEREGISTER_SLB, 0, 0));
    report("dtl deregistered", vpa(VPA_DEREGISTER_DTL, 0, 0));
    report("vpa deregistered", vpa(VPA_DEREGISTER, 0, 0));
    report("vpa deregistered again", vpa(VPA_DEREGISTER, 0, 0));
    report("deregistered of no cpu", vpa(VPA_DEREGISTER, 0xbadbad, 0));
}

/* ---- RTAS -------------------------------------------------------------------------------- */

static void test_rtas(void)
{
    uint32_t results[8] = {0};
    const uint32_t none[] = {0};
    report("unknown token", rtas(0x2fff, 0, none, 0, results));
    report("token 0", rtas(0, 0, none, 0, results));
    const uint32_t self[] = {0};
    const uint32_t nobody[] = {0xbad};
    report("query self", rtas(token("query-cpu-stopped-state"), 1, self, 1, results));
    report("is", results[0]);
    report("query nobody", rtas(token("query-cpu-stopped-state"), 1, nobody, 1, results));
    const uint32_t start_self[] = {0, 0x100, 0};
    report("start self", rtas(token("start-cpu"), 3, start_self, 0, results));
    const uint32_t start_nobody[] = {0xbad, 0x100, 0};
    report("start nobody", rtas(token("start-cpu"), 3, start_nobody, 0, results));
    report("start-cpu without arguments", rtas(token("start-cpu"), 0, none, 0, results));
    report("query without result", rtas(token("query-cpu-stopped-state"), 1, self, 0, results));
    const uint32_t letter[] = {'!'};
    report("display-character", rtas(token("display-character"), 1, letter, 0, results));
    report("h_rtas outside", call(H_RTAS, (uint64_t)1 << 40, 0, 0));
}

static uint64_t started[MAX_CPUS];
static volatile uint64_t arrived, leave;
extern const char start_secondary[];

static void secondary(void *unused)
{
    (void)unused;
    const uint64_t self = this_cpu()->id;
    uint64_t msr;
    __asm__ volatile("mfmsr %0" : "=r"(msr));
    started[self] = msr;
    lwsync();
    (void)atomic_add((uint64_t *)&arrived, 1);
    while (!leave)
        relax();
    uint32_t unused_result;
    (void)rtas(token("stop-self"), 0, NULL, 0, &unused_result);
    print("stop-self returned\n");
}

static void test_secondary(void)
{
    uint32_t state;
    const unsigned n = cpu_count();
    for (uint32_t id = 1; id < n; id++) {
        CHECK(rtas(token("query-cpu-stopped-state"), 1, &id, 1, &state) == 0);
        print("cpu %u before: %u\n", id, state);
    }
    start_cpus(secondary, NULL);
    while (arrived < n - 1)
        relax();
    for (uint32_t id = 1; id < n; id++) {
        CHECK(rtas(token("query-cpu-stopped-state"), 1, &id, 1, &state) == 0);
        print("cpu %u running: %u, msr %lx\n", id, state, started[id] & ~(uint64_t)0x2000);
        const uint32_t again[] = {id, (uint32_t)at(start_secondary), id};
        report("started again", rtas(token("start-cpu"), 3, again, 0, &state));
    }
    leave = 1;
    for (uint32_t id = 1; id < n; id++) {
        do
            CHECK(rtas(token("query-cpu-stopped-state"), 1, &id, 1, &state) == 0);
        while (state != 0);
        print("cpu %u stopped\n", id);
    }
    /* And once more, now that they are stopped. */
    arrived = 0;
    start_cpus(secondary, NULL);
    for (uint32_t id = 1; id < n; id++) {
        do
            CHECK(rtas(token("query-cpu-stopped-state"), 1, &id, 1, &state) == 0);
        while (state != 0);
    }
    print("arrived again: %lu\n", arrived);
}

/* ---- external interrupts: the presentation of the XICS ----------------------------------- */

enum { H_EOI = 0x64, H_CPPR = 0x68, H_IPI = 0x6c, H_IPOLL = 0x70, H_XIRR = 0x74 };

static uint64_t xirrs[MAX_CPUS];
static volatile uint64_t answered, open_for_ipis;

static void on_external(frame *f)
{
    (void)f;
    const uint64_t self = this_cpu()->id;
    const hcall_result r = hcall(H_XIRR, 0, 0, 0, 0);
    xirrs[self] = r.value[0];
    (void)call(H_IPI, self, 0xff, 0);
    (void)call(H_EOI, r.value[0], 0, 0);
    lwsync();
    (void)atomic_add((uint64_t *)&answered, 1);
}

static void take_ipis(void *unused)
{
    (void)unused;
    (void)call(H_CPPR, 5, 0, 0);
    set_decrementer(0x7fffffff);
    (void)atomic_add((uint64_t *)&open_for_ipis, 1);
    interrupts_on();
    while (!leave)
        relax();
    interrupts_off();
}

static void poll(const char *what)
{
    const hcall_result r = hcall(H_IPOLL, 0, 0, 0, 0);
    print("%s: %ld xirr %lx mfrr %lx\n", what, r.status, r.value[0], r.value[1]);
}

static void test_ipi(void)
{
    const unsigned n = cpu_count();
    on_interrupt(0x500, on_external);
    poll("at first");
    report("ipi to nobody", call(H_IPI, 0xbad, 4, 0));
    report("poll of nobody", call(H_IPOLL, 0xbad, 0, 0));
    report("ipi to itself, masked", call(H_IPI, 0, 4, 0));
    poll("masked");
    report("cppr 5", call(H_CPPR, 5, 0, 0));
    poll("unmasked");
    interrupts_on();
    interrupts_off();
    print("taken %lu, xirr %lx\n", answered, xirrs[0]);
    poll("after eoi");
    report("ipi less favoured than cppr", call(H_IPI, 0, 6, 0));
    interrupts_on();
    interrupts_off();
    print("taken %lu\n", answered);
    report("cppr ff lets it in", call(H_CPPR, 0xff, 0, 0));
    interrupts_on();
    interrupts_off();
    print("taken %lu, xirr %lx\n", answered, xirrs[0]);
    /* With CPPR = ff: where it is not, QEMU makes it so, and KVM leaves it alone. */
    const hcall_result r = hcall(H_XIRR, 0, 0, 0, 0);
    print("nothing to accept: %ld %lx\n", r.status, r.value[0]);
    leave = 0;
    start_cpus(take_ipis, NULL);
    while (open_for_ipis < n - 1)
        relax();
    answered = 0;
    for (unsigned id = 1; id < n; id++)
        CHECK(call(H_IPI, id, 4, 0) == H_SUCCESS);
    while (answered < n - 1)
        relax();
    for (unsigned id = 1; id < n; id++)
        print("cpu %u took %lx\n", id, xirrs[id]);
}

/* ---- time -------------------------------------------------------------------------------- */

static void delay(uint64_t ticks)
{
    const uint64_t start = timebase();
    while (timebase() - start < ticks)
        relax();
}

static uint64_t seconds_of(const uint32_t *now)
{
    return now[3] * 3600 + now[4] * 60 + now[5];
}

static void test_time(void)
{
    uint32_t now[7];
    uint32_t later[7];
    CHECK(rtas(token("get-time-of-day"), 0, NULL, 7, now) == 0);
    print("date is one: %d\n", now[0] >= 1970 && now[1] >= 1 && now[1] <= 12 && now[2] >= 1 &&
                                   now[2] <= 31 && now[3] < 24 && now[4] < 60 && now[5] < 60);
    const uint32_t leap[] = {2000, 2, 28, 23, 59, 58, 0};
    report("set-time-of-day", rtas(token("set-time-of-day"), 7, leap, 0, later));
    CHECK(rtas(token("get-time-of-day"), 0, NULL, 7, now) == 0);
    print("%u-%u-%u %u:%u\n", now[0], now[1], now[2], now[3], now[4]);
    const uint64_t tb = timebase();
    do
        CHECK(rtas(token("get-time-of-day"), 0, NULL, 7, later) == 0);
    while (later[2] != 29);
    const uint64_t passed = timebase() - tb;
    print("%u-%u-%u %u:%u, within three seconds: %d\n", later[0], later[1], later[2], later[3],
          later[4], passed < 3 * 512000000ul);

    /* Two seconds asleep are two seconds of the clock. */
    CHECK(rtas(token("get-time-of-day"), 0, NULL, 7, now) == 0);
    on_interrupt(VECTOR_DECREMENTER, on_tick);
    ticked = false;
    set_decrementer(2 * 512000000u);
    cede();
    interrupts_off();
    CHECK(rtas(token("get-time-of-day"), 0, NULL, 7, later) == 0);
    const uint64_t slept = (seconds_of(later) + 86400 - seconds_of(now)) % 86400;
    print("slept %d, ticked %d\n", slept >= 2 && slept <= 3, ticked);

    /* The decrementer: level-sensitive, and 0 is not below zero. */
    set_decrementer(1);
    delay(20000000);
    ticked = false;
    interrupts_on();
    interrupts_off();
    print("underflow: %d\n", ticked);
    set_decrementer(0x7fffffff);
    ticked = false;
    interrupts_on();
    interrupts_off();
    print("positive: %d\n", ticked);
    __asm__ volatile("mtspr 22,%0" : : "r"(-1l));
    delay(20000000);
    interrupts_on();
    interrupts_off();
    print("minus one: %d\n", ticked);
    CHECK(timebase() <= timebase());
}

/* ---- interrupts -------------------------------------------------------------------------- */

static frame last;
static unsigned long taken;

static void record(frame *f)
{
    last = *f;
    taken++;
    f->srr0 += 4;
}

static void record_and_stay(frame *f)
{
    last = *f;
    taken++;
    f->srr1 &= ~(uint64_t)0x600; /* SE, BE */
}

static void fetch_fault(frame *f)
{
    last = *f;
    taken++;
    f->srr0 = f->lr;
}

/* Print what the last interrupt left, relative to `place`; MSR bits that start-up decides aside. */
static void show(const char *what, uint64_t place)
{
    if (taken == 0)
        print("%s: none\n", what);
    else
        print("%s: %lu, vector %lx, srr0 %ld, srr1 %lx\n", what, taken, last.vector,
              last.srr0 - place, last.srr1 & ~(uint64_t)0x2003);
    taken = 0;
}

/* Run one instruction, whatever it does; `place` is its address. */
#define TRY(name, insn, ...) \
    do { \
        uint64_t place; \
        __asm__ volatile("bcl 20,31,9f\n9: mflr %0\n addi %0,%0,12\n nop\n" insn \
                         : "=&b"(place) : __VA_ARGS__ \
                         : "lr", "memory", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "cr0", "xer"); \
        show(name, place); \
    } while (0)

static uint64_t data[8] __attribute__((aligned(128)));

static void test_interrupts(void)
{
    uint64_t msr;
    for (unsigned vector = 0x300; vector <= 0x700; vector += 0x80)
        if (vector != 0x580 && vector != 0x500 && vector != 0x680)
            on_interrupt(vector, vector == 0x400 || vector == 0x480 ? fetch_fault : record);
    TRY("illegal 0", ".long 0", "r"(0));
    TRY("illegal primary 4", ".long 0x12345678", "r"(0));
    TRY("trap", "trap", "r"(0));
    TRY("tdi not", "tdi 0,3,5", "r"(0));
    TRY("privileged hrfid", ".long 0x4c000224", "r"(0));
    TRY("mtspr hypervisor's", "mtspr 318,%1", "r"(0));
    TRY("mfspr hypervisor's", "mfspr 6,318", "r"(0));
    TRY("unaligned lwarx", "lwarx 6,0,%1", "r"(at(data) + 1));
    TRY("unaligned ldarx", "ldarx 6,0,%1", "r"(at(data) + 4));
    TRY("aligned ldarx", "ldarx 6,0,%1", "r"(at(data)));
#ifdef __LITTLE_ENDIAN__
    TRY("lmw little-endian", ".long 0xbbc90000", "r"(0));
    TRY("lswi little-endian", ".long 0x7d6c24aa", "r"(0));
    TRY("lswx little-endian", ".long 0x7d805c2a", "r"(0));
#endif
    TRY("dcbz", "dcbz 0,%1", "r"(at(data)));
    on_interrupt(0xd00, record_and_stay);
    __asm__("mfmsr %0" : "=r"(msr));

    uint64_t place;
    __asm__ volatile("bcl 20,31,9f\n9: mflr %0\n addi %0,%0,12\n mtmsr %1\n nop\n nop"
                     : "=&b"(place) : "r"(msr | 0x400) : "lr", "memory");
    show("single step nop", place);
    __asm__ volatile("bcl 20,31,9f\n9: mflr %0\n addi %0,%0,12\n mtmsr %1\n b 8f\n nop\n8: nop"
                     : "=&b"(place) : "r"(msr | 0x400) : "lr", "memory");
    show("single step branch", place);
    __asm__ volatile("bcl 20,31,9f\n9: mflr %0\n addi %0,%0,12\n mtmsr %1\n nop\n b 8f\n nop\n8: nop"
                     : "=&b"(place) : "r"(msr | 0x200) : "lr", "memory");
    show("branch trace", place);
    __asm__ volatile("bcl 20,31,9f\n9: mflr %0\n addi %0,%0,24\n mtspr 26,%0\n mtspr 27,%1\n"
                     "mtmsr %2\n rfid\n nop"
                     : "=&b"(place) : "r"(msr), "r"(msr | 0x400) : "lr", "memory");
    show("single step rfid", place);
    print("dsisr and dar can be written: ");
    __asm__ volatile("mtspr 18,%1\n mtspr 19,%1\n mfspr %0,19" : "=r"(place) : "r"(0x12345678ul));
    print("%lx\n", place);
}

/* ---- reservations ------------------------------------------------------------------------ */

static void show_cr0(const char *what, uint64_t cr)
{
    print("%s: cr0 %lx, %lx %lx\n", what, cr >> 28 & 0xe, data[0], data[1]);
}

static void test_reserve(void)
{
    uint64_t cr;
    data[0] = data[1] = 0;
    __asm__ volatile("lwarx 6,0,%1\n li 6,1\n stwcx. 6,0,%1\n mfcr %0"
                     : "=r"(cr) : "b"(data) : "r6", "cr0", "memory");
    show_cr0("stwcx.", cr);
    __asm__ volatile("li 6,2\n stwcx. 6,0,%1\n mfcr %0"
                     : "=r"(cr) : "b"(data) : "r6", "cr0", "memory");
    show_cr0("stwcx. without reservation", cr);
    __asm__ volatile("ldarx 6,0,%1\n li 6,3\n stdcx. 6,0,%1\n mfcr %0"
                     : "=r"(cr) : "b"(data) : "r6", "cr0", "memory");
    show_cr0("stdcx.", cr);
    __asm__ volatile("li 7,4\n lharx 6,0,%1\n stwcx. 7,0,%2\n mfcr %0"
                     : "=r"(cr) : "b"(data), "b"(data + 4) : "r6", "r7", "cr0", "memory");
    print("stwcx. elsewhere: cr0 %lx\n", cr >> 28 & 0xe);
    data[0] = 1, data[1] = 2;
    uint64_t high, low;
    __asm__ volatile("lqarx 8,0,%3\n mr %1,8\n mr %2,9\n li 8,5\n li 9,6\n stqcx. 8,0,%3\n mfcr %0"
                     : "=&r"(cr), "=&r"(high), "=&r"(low) : "b"(data)
                     : "r8", "r9", "cr0", "memory");
    print("lqarx %lx %lx\n", high, low);
    show_cr0("stqcx.", cr);
    __asm__ volatile("stqcx. 8,0,%1\n mfcr %0" : "=r"(cr) : "b"(data) : "cr0", "memory");
    show_cr0("stqcx. without reservation", cr);
}

/* ---- string and multiple operations: big-endian ones do, little-endian ones interrupt ----- */

static void test_strings(void)
{
#ifndef __LITTLE_ENDIAN__
    uint8_t text[64];
    uint64_t r[9];
    for (unsigned i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i + 1);
#define SHOW(what) \
    print("%s: %lx %lx %lx %lx %lx %lx %lx %lx %lx\n", what, r[0], r[1], r[2], r[3], r[4], r[5], r[6], \
          r[7], r[8])
/* Run a string operation on r20 and up, which begin as -1, and keep r20 to r28. */
#define STRING(what, insn, ...) \
    do { \
        __asm__ volatile(".irp n,20,21,22,23,24,25,26,27,28\n li \\n,-1\n .endr\n" insn \
                         "\n .irp n,20,21,22,23,24,25,26,27,28\n std \\n,8*(\\n-20)(%0)\n .endr" \
                         : : "b"(r), "b"(text), __VA_ARGS__ \
                         : "r20", "r21", "r22", "r23", "r24", "r25", "r26", "r27", "r28", "r30", \
                           "r31", "xer", "memory"); \
        SHOW(what); \
    } while (0)
    STRING("lswi 3", "lswi 20,%1,3", "r"(0));
    STRING("lswi 8", "lswi 20,%1,8", "r"(0));
    STRING("lswi 32", "lswi 20,%1,0", "r"(0));
    STRING("lswx 3", "mtxer %2\n lswx 20,0,%1", "r"(3));
    STRING("lswx 5", "mtxer %2\n lswx 20,0,%1", "r"(5));
    STRING("lswx 32", "mtxer %2\n lswx 20,0,%1", "r"(32));
    STRING("lmw", "lmw 30,0(%1)\n mr 20,30\n mr 21,31", "r"(0));
    STRING("stswi 7", "lis 20,0x1122\n ori 20,20,0x3344\n lis 21,0x5566\n ori 21,21,0x7788\n"
                      "stswi 20,%1,7", "r"(0));
    print("stored %x %x %x %x %x\n", text[0], text[3], text[4], text[6], text[7]);
    uint64_t last_r, zero_r;
    __asm__ volatile("li 0,-1\n li 31,-1\n lswi 31,%2,8\n mr %0,31\n mr %1,0"
                     : "=&r"(last_r), "=&r"(zero_r) : "b"(text + 16) : "r0", "r31", "memory");
    print("lswi wraps: %lx %lx\n", last_r, zero_r);
#endif
}

/* ---- the decrementer at its edges -------------------------------------------------------- */

static uint32_t dec_bits;
static uint64_t dec_max;
static unsigned long ticks_taken;

static void find_dec_bits(void *unused, const char *path, const char *name, const uint8_t *value,
                          uint32_t nbytes)
{
    (void)unused, (void)path;
    if (nbytes == 4 && strcmp(name, "ibm,dec-bits") == 0)
        dec_bits = fdt_cell(value);
}

static void write_dec(uint64_t value) { __asm__ volatile("mtspr 22,%0" : : "r"(value)); }

static uint64_t read_dec(void)
{
    uint64_t value;
    __asm__ volatile("mfspr %0,22" : "=r"(value));
    return value;
}

static void close_window(frame *f)
{
    ticks_taken++;
    f->srr1 &= ~(uint64_t)0x8000;
}

static void window(const char *what)
{
    ticks_taken = 0;
    interrupts_on();
    interrupts_off();
    report(what, (int64_t)ticks_taken);
}

static void prepare_timers(void)
{
    fdt_visit(device_tree(), find_dec_bits, NULL);
    dec_max = ((uint64_t)1 << (dec_bits - 1)) - 1;
    on_interrupt(VECTOR_DECREMENTER, close_window);
}

static void test_timers(void)
{
    prepare_timers();
    const uint64_t before = timebase();
    write_dec(dec_max);
    delay(512000000);
    const uint64_t dec = read_dec();
    print("a second off the maximum: %d\n",
          dec_max - dec >= 512000000 && dec_max - dec <= timebase() - before);
    window("positive");
    write_dec(1);
    delay(51200000);
    window("below zero");
    window("and still");
    write_dec(0);
    delay(51200000);
    window("from 0");
    write_dec(~(uint64_t)0);
    delay(51200000); /* QEMU notes it a moment later */
    window("minus one");
    write_dec(dec_max);
    window("positive again");
    write_dec(dec_max + 1 + 5120000000); /* within the lower half: negative */
    print("sign of a negative one: %lx\n", read_dec() >> (dec_bits - 1) & 1);
}

/* ---- what hardware does and QEMU does not ------------------------------------------------ */

static void test_strict(void)
{
    on_interrupt(0x600, record);
    data[0] = 7;
    TRY("unaligned stwcx.", "lwarx 6,0,%1\n stwcx. 6,0,%2", "r"(at(data)), "r"(at(data) + 1));
    TRY("unaligned stdcx.", "ldarx 6,0,%1\n stdcx. 6,0,%2", "r"(at(data)), "r"(at(data) + 4));
    print("%lx\n", data[0]);
    prepare_timers();
    write_dec(dec_max + 2); /* the least but one: it wraps to positive at once */
    delay(1000);
    window("wrapped to positive");
}

int guest_main(void)
{
    fdt_visit(device_tree(), find_bootargs, NULL);
    if (asked("tree"))
        fdt_visit(device_tree(), print_property, NULL);
    if (asked("hcalls"))
        test_hcalls();
    if (asked("vpa"))
        test_vpa();
    if (asked("rtas"))
        test_rtas();
    if (asked("secondary"))
        test_secondary();
    if (asked("ipi"))
        test_ipi();
    if (asked("time"))
        test_time();
    if (asked("interrupts"))
        test_interrupts();
    if (asked("reserve"))
        test_reserve();
    if (asked("strings"))
        test_strings();
    if (asked("timers"))
        test_timers();
    if (asked("strict"))
        test_strict();
    return 0;
}
