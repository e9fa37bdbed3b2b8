/* Entry, interrupt vectors, and the few routines that C cannot say.
 *
 * The image is entered at its first instruction, on one of
 *   the bare machine:    every vcpu, 64-bit, image's byte order, r3 = vcpu id, r4 = vcpus;
 *   a pseries machine:   cpu 0, 32-bit, big-endian, r3 = device tree. RTAS starts the others.
 * MSR[SF] tells them apart. It may lie elsewhere than it was linked at (ET_DYN): all addresses are
 * found from where it runs, and relocate() mends the pointers in its data.
 */

#define FRAME           848             /* 32 header, frame below, 288 + spare of the red zone */
#define GPR(n)          (32 + 8 * (n))
#define SRR0            (32 + 8 * 32)
#define SRR1            (SRR0 + 8)
#define LR              (SRR0 + 16)
#define CTR             (SRR0 + 24)
#define XER             (SRR0 + 32)
#define CR              (SRR0 + 40)
#define VECTOR          (SRR0 + 48)

#define CPU_STRIDE_LOG2 9               /* of sizeof(cpu) */
#define STACK_LOG2      14
#define ENTRY_POINTER   0x2000          /* low memory: where the vectors find interrupt_entry */
#define TOC_POINTER     0x2008          /* ... and r2 */

/* A routine for C to call: ELFv1 reaches it by a descriptor. */
#if _CALL_ELF == 2
#define FUNCTION(name) \
        .globl name ; \
        .type name, @function ; \
name:
#else
#define FUNCTION(name) \
        .pushsection .opd, "aw" ; \
        .balign 8 ; \
        .globl name ; \
        .type name, @function ; \
name:   .quad .L.name, .TOC.@tocbase, 0 ; \
        .popsection ; \
.L.name:
#endif

#ifdef __LITTLE_ENDIAN__
/* The first word is `tdi 0,r0,0x48`, which never traps; a big-endian cpu reads it as `b .+8` and
 * so runs the words after the branch, spelled for it, which turn MSR[LE] on by rfid. */
#define SWITCH_TO_LITTLE_ENDIAN \
        tdi     0, 0, 0x48 ;            /* to a big-endian cpu: b .+8 */ \
        b       8f ; \
        .long   0xa600607d ;            /* mfmsr r11 */ \
        .long   0x01006b69 ;            /* xori r11,r11,1 */ \
        .long   0xa6037b7d ;            /* mtsrr1 r11 */ \
        .long   0x05009f42 ;            /* bcl 20,31,.+4 */ \
        .long   0xa602487d ;            /* mflr r10 */ \
        .long   0x10004a39 ;            /* addi r10,r10,16 */ \
        .long   0xa6035a7d ;            /* mtsrr0 r10 */ \
        .long   0x2400004c ;            /* rfid */ \
8:
#else
#define SWITCH_TO_LITTLE_ENDIAN
#endif

        .section .text.start, "ax"
        .globl  _start
_start: SWITCH_TO_LITTLE_ENDIAN
        mfmsr   17
        mr      15, 4                   /* bare: cpus */
        li      16, 0                   /* device tree: none */
        cmpdi   17, 0
        blt     start_cpu               /* MSR[SF] is the sign bit */
        mr      16, 3
        li      3, 0
        b       start_cpu

        .globl  start_secondary
start_secondary:                        /* where RTAS start-cpu enters: r3 = number */
        SWITCH_TO_LITTLE_ENDIAN

start_cpu:                              /* r3 = number of this cpu */
        mfmsr   5
        li      6, 1
        rldimi  5, 6, 63, 0             /* MSR[SF] */
        mtmsrd  5
        isync
        bcl     20, 31, here
here:   mflr    14
        addi    14, 14, _start - here   /* r14 = where the image lies */
        ld      2, to_toc - _start(14)
        add     2, 2, 14
        ld      13, to_cpus - _start(14)
        add     13, 13, 14
        sldi    5, 3, CPU_STRIDE_LOG2
        add     13, 13, 5
        std     3, 0(13)
        ld      1, to_stacks - _start(14)
        add     1, 1, 14
        addi    5, 3, 1
        sldi    5, 5, STACK_LOG2
        add     1, 1, 5
        std     1, 8(13)
        li      0, 0
        stdu    0, -112(1)
        cmpdi   3, 0
        bne     1f
        ld      4, to_dynamic - _start(14)
        add     4, 4, 14
        ld      5, to_linked - _start(14) /* relocated by nobody: where it was linked */
        subf    3, 5, 14
        bl      relocate
        nop
        ld      3, to_interrupt_entry - _start(14)
        add     3, 3, 14
        std     3, ENTRY_POINTER(0)
        std     2, TOC_POINTER(0)
        mr      3, 16
        mr      4, 15
        bl      start_first
        nop
        b       .
1:      bl      start_other
        nop
        b       .

        .balign 8
to_toc:             .quad .TOC. - _start
to_cpus:            .quad cpus - _start
to_stacks:          .quad stacks - _start
to_dynamic:         .quad dynamic_start - _start
to_interrupt_entry: .quad interrupt_entry - _start
to_linked:          .quad image_base

/* ---- interrupts -------------------------------------------------------------------------- */

        .macro  STUB vector
        .org    vectors + \vector - 0x100
        stdu    1, -FRAME(1)
        std     3, GPR(3)(1)
        mfctr   3
        std     3, CTR(1)
        ld      3, ENTRY_POINTER(0)
        mtctr   3
        li      3, \vector
        bctr
        .endm

        .section .text.vectors, "ax"
        .balign 8
        .globl  vectors
vectors:
        .irp    vector, 0x100, 0x200, 0x300, 0x380, 0x400, 0x480, 0x500, 0x600, 0x700, 0x800
        STUB    \vector
        .endr
        .irp    vector, 0x900, 0x980, 0xa00, 0xc00, 0xd00, 0xe40, 0xf00, 0xf20, 0xf40, 0xf60
        STUB    \vector
        .endr
        .globl  vectors_end
vectors_end:

        .text
interrupt_entry:                        /* r3 = vector, saved already: r1, r3, ctr */
        std     0, GPR(0)(1)
        .irp    n, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12
        std     \n, GPR(\n)(1)
        .endr
        .irp    n, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        std     \n, GPR(\n)(1)
        .endr
        addi    4, 1, FRAME
        std     4, GPR(1)(1)
        mfsrr0  4
        std     4, SRR0(1)
        mfsrr1  4
        std     4, SRR1(1)
        mflr    4
        std     4, LR(1)
        mfxer   4
        std     4, XER(1)
        mfcr    4
        std     4, CR(1)
        std     3, VECTOR(1)
        ld      2, TOC_POINTER(0)
        addi    3, 1, 32
        bl      interrupt
        nop

interrupt_return:                       /* r1 = frame - 32: go on where it says */
        ld      4, SRR0(1)
        mtsrr0  4
        ld      4, SRR1(1)
        mtsrr1  4
        ld      4, LR(1)
        mtlr    4
        ld      4, CTR(1)
        mtctr   4
        ld      4, XER(1)
        mtxer   4
        ld      4, CR(1)
        mtcr    4
        ld      0, GPR(0)(1)
        .irp    n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
        ld      \n, GPR(\n)(1)
        .endr
        .irp    n, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        ld      \n, GPR(\n)(1)
        .endr
        ld      1, GPR(1)(1)
        rfid

/* Continue at a saved frame, which may lie anywhere; r3 = the frame. Does not return. */
FUNCTION(resume)
        li      4, 2                    /* MSR[EE] off: SRR0 and SRR1 are in use */
        mtmsrd  4, 1
        addi    1, 3, -32
        b       interrupt_return

/* Call then(argument) on the stack of this cpu, from its top; what is there is gone. */
FUNCTION(leave_stack)
        ld      1, 8(13)
        li      0, 0
        stdu    0, -112(1)
        mr      12, 3
#if _CALL_ELF != 2
        ld      2, 8(12)
        ld      12, 0(12)
#endif
        mtctr   12
        mr      3, 4
        bctrl
        b       .

/* hcall_result hcall(number, a, b, c, d): r3 = where the result goes. */
FUNCTION(hcall)
        std     3, -16(1)
        stdu    1, -128(1)
        mr      3, 4
        mr      4, 5
        mr      5, 6
        mr      6, 7
        mr      7, 8
        sc      1
        addi    1, 1, 128
        ld      12, -16(1)
        std     3, 0(12)
        std     4, 8(12)
        std     5, 16(12)
        std     6, 24(12)
        mr      3, 12
        blr
