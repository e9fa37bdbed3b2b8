/* The ends of a benchmark program: entry, console and exit on each of the three machines.
 *
 * Compiled with one of NATIVE (hosted, any machine), USER (qemu-ppc64, Linux system calls) or BARE
 * (the bare machine: hypercalls), and SCALE, the number of rounds.
 */

#include "bench.h"

#if defined(NATIVE)

#include <unistd.h>

static void put(const char *text, size_t nbytes) { (void)!write(1, text, nbytes); }

#elif defined(USER)

static long system_call(long number, long a, long b, long c)
{
    register long r0 __asm__("r0") = number;
    register long r3 __asm__("r3") = a;
    register long r4 __asm__("r4") = b;
    register long r5 __asm__("r5") = c;
    __asm__ volatile("sc" : "+r"(r0), "+r"(r3), "+r"(r4), "+r"(r5)
                     : : "r6", "r7", "r8", "r9", "r10", "r11", "r12", "ctr", "cr0", "memory");
    return r3;
}

static void put(const char *text, size_t nbytes) { (void)system_call(4, 1, (long)text, (long)nbytes); }
static _Noreturn void end(int status)
{
    for (;;)
        (void)system_call(1, status, 0, 0);
}

#elif defined(BARE)

static long hypervisor_call(uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t r3 __asm__("r3") = number;
    register uint64_t r4 __asm__("r4") = a;
    register uint64_t r5 __asm__("r5") = b;
    register uint64_t r6 __asm__("r6") = c;
    __asm__ volatile("sc 1" : "+r"(r3), "+r"(r4), "+r"(r5), "+r"(r6)
                     : : "r0", "r7", "r8", "r9", "r10", "r11", "r12", "ctr", "cr0", "memory");
    return (long)r3;
}

static void put(const char *text, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++)
        (void)hypervisor_call(0x58, 0, 1, (uint64_t)(uint8_t)text[i] << 56); /* H_PUT_TERM_CHAR */
}
static _Noreturn void end(int status)
{
    for (;;)
        (void)hypervisor_call(0xf100, (uint64_t)status, 0, 0); /* H_EXIT */
}

#else
#error "define NATIVE, USER or BARE"
#endif

static void put_text(const char *text)
{
    size_t n = 0;
    while (text[n])
        n++;
    put(text, n);
}

/* The compiler may not know how often, or it would do the work once. */
static volatile uint64_t rounds = SCALE;

static int bench(void)
{
    char hex[18] = "0123456789abcdef ";
    uint64_t sum = 0;
    int status = 0;
    const uint64_t n = rounds;
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t result = work(i);
        if (i == 0 && result != expected) {
            put_text("wrong result: ");
            status = 1;
            sum = result;
            break;
        }
        sum = fold(sum, result);
    }
    for (int i = 0; i < 16; i++)
        hex[i] = "0123456789abcdef"[sum >> (60 - 4 * i) & 15];
    put_text(hex);
    put_text(name);
    put_text("\n");
    return status;
}

#ifdef NATIVE

int main(void) { return bench(); }

#else

void start_in_c(void);
void start_in_c(void) { end(bench()); }

/* ELFv2: r2 is the TOC pointer; r1 is a stack already on both machines. */
__asm__("        .section .text.start,\"ax\"\n"
        "        .globl  _start\n"
        "_start: lis     2,.TOC.@ha\n"
        "        addi    2,2,.TOC.@l\n"
        "        clrrdi  1,1,4\n"
        "        li      0,0\n"
        "        stdu    0,-128(1)\n"
        "        bl      start_in_c\n"
        "        .previous\n");

#endif
