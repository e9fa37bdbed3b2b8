/* Fixed-point arithmetic, comparison, logic, rotates and shifts: Power ISA v3.0B Book I chapter 3.
 * Where the book leaves a result undefined, it is what POWER9 hardware gives. */

/* ---- arithmetic ----------------------------------------------------------------------------- */

/* RT <- x + y + carry_in, with XER and CR0 as the variant asks; `sets_ca`: CA and CA32 too. */
INLINE emu_outcome sum(emu_vcpu *v, const emu_op *op, emu_how h, uint64_t x, uint64_t y,
                       uint64_t carry_in, int sets_ca)
{
    uint64_t r = x + y + carry_in;
    uint64_t into = x ^ y ^ r;     /* bit n: the carry into bit n */
    uint64_t ca32 = into >> 32 & 1;
    if (sets_ca) {
        uint64_t ca = ((x & y) | ((x | y) & ~r)) >> 63;
        set_carry(v, h.sf ? ca : ca32, ca32);
    }
    if (h.bits & EMU_OE) {
        uint64_t over = (x ^ r) & (y ^ r);
        uint64_t ov32 = over >> 31 & 1;
        set_overflow(v, h.sf ? over >> 63 : ov32, ov32);
    }
    RT = r;
    record(v, h, r);
    return EMU_NEXT;
}

INSN(addi)
{
    RT = RA0 + IMM;
    return EMU_NEXT;
}

INSN(addis)
{
    RT = RA0 + (IMM << 16);
    return EMU_NEXT;
}

INSN(addpcis)
{
    uint64_t nia = h.sf ? cia + 4 : (uint32_t)(cia + 4);
    RT = nia + (IMM << 16);
    return EMU_NEXT;
}

INSN(add) { return sum(v, op, h, RA, RB, 0, 0); }
INSN(subf) { return sum(v, op, h, ~RA, RB, 1, 0); }
INSN(neg) { return sum(v, op, h, ~RA, 0, 1, 0); }
INSN(addic) { return sum(v, op, h, RA, IMM, 0, 1); }

INSN(addic_)
{
    h.bits |= EMU_RC;
    return sum(v, op, h, RA, IMM, 0, 1);
}

INSN(subfic) { return sum(v, op, h, ~RA, IMM, 1, 1); }
INSN(addc) { return sum(v, op, h, RA, RB, 0, 1); }
INSN(subfc) { return sum(v, op, h, ~RA, RB, 1, 1); }
INSN(adde) { return sum(v, op, h, RA, RB, carry(v), 1); }
INSN(subfe) { return sum(v, op, h, ~RA, RB, carry(v), 1); }
INSN(addme) { return sum(v, op, h, RA, ~0ull, carry(v), 1); }
INSN(subfme) { return sum(v, op, h, ~RA, ~0ull, carry(v), 1); }
INSN(addze) { return sum(v, op, h, RA, 0, carry(v), 1); }
INSN(subfze) { return sum(v, op, h, ~RA, 0, carry(v), 1); }

INSN(addex)
{
    /* CY=0, the only carry there is: OV serves as CA, and SO stays. */
    uint64_t x = RA, y = RB, r = x + y + ((v->xer & XER_OV) != 0);
    uint64_t ca32 = (x ^ y ^ r) >> 32 & 1, ca = ((x & y) | ((x | y) & ~r)) >> 63;
    if (!h.sf)
        ca = ca32;
    v->xer = (v->xer & ~(XER_OV | XER_OV32)) | (ca ? XER_OV : 0) | (ca32 ? XER_OV32 : 0);
    RT = r;
    return EMU_NEXT;
}

/* RT <- r; `overflow` is what OE forms note in OV and OV32 alike. */
INLINE emu_outcome result(emu_vcpu *v, const emu_op *op, emu_how h, uint64_t r, int overflow)
{
    if (h.bits & EMU_OE)
        set_overflow(v, (uint64_t)overflow, (uint64_t)overflow);
    RT = r;
    record(v, h, r);
    return EMU_NEXT;
}

INSN(mulli)
{
    RT = RA * IMM;
    return EMU_NEXT;
}

INSN(mullw)
{
    int64_t product = (int64_t)(int32_t)RA * (int32_t)RB;
    return result(v, op, h, (uint64_t)product, product != (int32_t)product);
}

/* Both halves hold the 32-bit result. */
INLINE uint64_t twice(uint64_t word)
{
    return word << 32 | (uint32_t)word;
}

INSN(mulhw)
{
    int64_t product = (int64_t)(int32_t)RA * (int32_t)RB;
    return result(v, op, h, twice((uint64_t)product >> 32), 0);
}

INSN(mulhwu)
{
    return result(v, op, h, twice((uint64_t)(uint32_t)RA * (uint32_t)RB >> 32), 0);
}

INSN(mulld)
{
    int64_t product;
    int overflow = __builtin_mul_overflow((int64_t)RA, (int64_t)RB, &product);
    return result(v, op, h, (uint64_t)product, overflow);
}

typedef unsigned __int128 uint128;
typedef __int128 int128;

INLINE uint64_t high(uint128 x)
{
    return (uint64_t)(x >> 64);
}

INSN(mulhd)
{
    return result(v, op, h, high((uint128)((int128)(int64_t)RA * (int64_t)RB)), 0);
}

INSN(mulhdu) { return result(v, op, h, high((uint128)RA * RB), 0); }

INSN(maddhd)
{
    RT = high((uint128)((int128)(int64_t)RA * (int64_t)RB + (int64_t)RC));
    return EMU_NEXT;
}

INSN(maddhdu)
{
    RT = high((uint128)RA * RB + RC);
    return EMU_NEXT;
}

INSN(maddld)
{
    RT = RA * RB + RC;
    return EMU_NEXT;
}

/* Quotient and remainder that do not exist, or do not fit, are 0 and count as overflow. */

INSN(divw)
{
    int32_t a = (int32_t)RA, b = (int32_t)RB;
    int bad = b == 0 || (a == INT32_MIN && b == -1);
    return result(v, op, h, bad ? 0 : (uint32_t)(a / b), bad);
}

INSN(divwu)
{
    uint32_t a = (uint32_t)RA, b = (uint32_t)RB;
    return result(v, op, h, b == 0 ? 0 : a / b, b == 0);
}

INSN(divwe)
{
    int64_t a = (int64_t)(RA << 32);
    int32_t b = (int32_t)RB;
    int bad = b == 0 || (a == INT64_MIN && b == -1);
    int64_t q = bad ? 0 : a / b;
    bad = bad || q != (int32_t)q;
    return result(v, op, h, bad ? 0 : (uint32_t)q, bad);
}

INSN(divweu)
{
    uint64_t a = RA << 32;
    uint32_t b = (uint32_t)RB;
    uint64_t q = b == 0 ? 0 : a / b;
    int bad = b == 0 || q != (uint32_t)q;
    return result(v, op, h, bad ? 0 : q, bad);
}

INSN(divd)
{
    int64_t a = (int64_t)RA, b = (int64_t)RB;
    int bad = b == 0 || (a == INT64_MIN && b == -1);
    return result(v, op, h, bad ? 0 : (uint64_t)(a / b), bad);
}

INSN(divdu)
{
    uint64_t a = RA, b = RB;
    return result(v, op, h, b == 0 ? 0 : a / b, b == 0);
}

INSN(divde)
{
    int64_t a = (int64_t)RA, b = (int64_t)RB;
    int bad = b == 0 || (b == -1 && a != 0);
    int128 q = bad ? 0 : (int128)((uint128)RA << 64) / b;
    bad = bad || q != (int64_t)q;
    return result(v, op, h, bad ? 0 : (uint64_t)q, bad);
}

INSN(divdeu)
{
    uint64_t a = RA, b = RB;
    int bad = b == 0 || a >= b;
    return result(v, op, h, bad ? 0 : (uint64_t)(((uint128)a << 64) / b), bad);
}

INSN(modsw)
{
    int32_t a = (int32_t)RA, b = (int32_t)RB;
    int bad = b == 0 || (a == INT32_MIN && b == -1);
    RT = bad ? 0 : (uint64_t)(int64_t)(a % b);
    return EMU_NEXT;
}

INSN(moduw)
{
    uint32_t a = (uint32_t)RA, b = (uint32_t)RB;
    RT = b == 0 ? 0 : a % b;
    return EMU_NEXT;
}

INSN(modsd)
{
    int64_t a = (int64_t)RA, b = (int64_t)RB;
    int bad = b == 0 || (a == INT64_MIN && b == -1);
    RT = bad ? 0 : (uint64_t)(a % b);
    return EMU_NEXT;
}

INSN(modud)
{
    uint64_t a = RA, b = RB;
    RT = b == 0 ? 0 : a % b;
    return EMU_NEXT;
}

INSN(darn)
{
    /* L: 0 = 32 bits, 1 and 2 = 64 bits, 3 = reserved: the answer of a source that failed. */
    uint64_t r = op->d == 3 ? ~0ull : emu_random(c->m);
    RT = op->d == 0 ? (uint32_t)r : r;
    return EMU_NEXT;
}

/* ---- comparison and traps ------------------------------------------------------------------- */

/* l: 64-bit operands, else their low words. */
INLINE emu_outcome compare_signed(emu_vcpu *v, const emu_op *op, emu_how h, int l, uint64_t a,
                                  uint64_t b)
{
    set_compared(v, h, op->a,
                 l ? order_signed((int64_t)a, (int64_t)b) : order_signed((int32_t)a, (int32_t)b));
    return EMU_NEXT;
}

INLINE emu_outcome compare_unsigned(emu_vcpu *v, const emu_op *op, emu_how h, int l, uint64_t a,
                                    uint64_t b)
{
    set_compared(v, h, op->a, l ? order_unsigned(a, b) : order_unsigned((uint32_t)a, (uint32_t)b));
    return EMU_NEXT;
}

INSN(cmpi) { return compare_signed(v, op, h, op->d, RA, IMM); }
INSN(cmp) { return compare_signed(v, op, h, op->d, RA, RB); }
INSN(cmpli) { return compare_unsigned(v, op, h, op->d, RA, IMM); }
INSN(cmpl) { return compare_unsigned(v, op, h, op->d, RA, RB); }

INSN(cmprb)
{
    uint64_t x = (uint8_t)RA, range = RB;
    int in = (uint8_t)range <= x && x <= (uint8_t)(range >> 8);
    if (op->d)
        in |= (uint8_t)(range >> 16) <= x && x <= (uint8_t)(range >> 24);
    set_crf(v, op->a, in ? 4 : 0);
    return EMU_NEXT;
}

/* Whether one of the 8 bytes of x is 0. */
INLINE int has_zero_byte(uint64_t x)
{
    const uint64_t ones = 0x0101010101010101u;
    return ((x - ones) & ~x & (ones << 7)) != 0;
}

INSN(cmpeqb)
{
    set_crf(v, op->a, has_zero_byte(RB ^ (uint8_t)RA * 0x0101010101010101u) ? 4 : 0);
    return EMU_NEXT;
}

INSN(setb)
{
    uint64_t field = v->cr >> (28 - 4 * op->b);
    RT = field & 8 ? ~0ull : field >> 2 & 1;
    return EMU_NEXT;
}

INSN(isel)
{
    RT = v->cr >> (31 - op->d) & 1 ? RA0 : RB;
    return EMU_NEXT;
}

/* TO, from its most significant bit: <, >, = signed, <, > unsigned. */
INLINE emu_outcome trap(const emu_op *op, int64_t a, int64_t b)
{
    unsigned holds = (a < b ? 16u : a > b ? 8u : 4u)
                     | ((uint64_t)a < (uint64_t)b ? 2u : (uint64_t)a > (uint64_t)b ? 1u : 0u);
    return holds & op->a ? EMU_TRAP : EMU_NEXT;
}

INSN(tdi) { return trap(op, (int64_t)RA, (int64_t)IMM); }
INSN(td) { return trap(op, (int64_t)RA, (int64_t)RB); }
INSN(twi) { return trap(op, (int32_t)RA, (int32_t)IMM); }
INSN(tw) { return trap(op, (int32_t)RA, (int32_t)RB); }

/* ---- logic ---------------------------------------------------------------------------------- */

INLINE emu_outcome logic(emu_vcpu *v, const emu_op *op, emu_how h, uint64_t r)
{
    RA = r;
    record(v, h, r);
    return EMU_NEXT;
}

INSN(andi_)
{
    h.bits |= EMU_RC;
    return logic(v, op, h, RS & IMM);
}

INSN(andis_)
{
    h.bits |= EMU_RC;
    return logic(v, op, h, RS & IMM << 16);
}

INSN(ori) { return logic(v, op, h, RS | IMM); }
INSN(oris) { return logic(v, op, h, RS | IMM << 16); }
INSN(xori) { return logic(v, op, h, RS ^ IMM); }
INSN(xoris) { return logic(v, op, h, RS ^ IMM << 16); }
INSN(and) { return logic(v, op, h, RS & RB); }
INSN(xor) { return logic(v, op, h, RS ^ RB); }
INSN(nand) { return logic(v, op, h, ~(RS & RB)); }
INSN(or)
{
    /* d: the program priority that `or rx,rx,rx` of some registers asks for (Book II 3.2). High ones
     * are for the kernel, the highest for the hypervisor. */
    if (!(h.bits & EMU_RC) && UNLIKELY(op->d) && (op->d <= 4 || (op->d <= 6 && !(v->msr & MSR_PR))))
        v->ppr = (v->ppr & ~PPR_PRI) | (uint64_t)op->d << PPR_PRI_SHIFT;
    return logic(v, op, h, RS | RB);
}

INSN(nor) { return logic(v, op, h, ~(RS | RB)); }
INSN(eqv) { return logic(v, op, h, ~(RS ^ RB)); }
INSN(andc) { return logic(v, op, h, RS & ~RB); }
INSN(orc) { return logic(v, op, h, RS | ~RB); }
INSN(extsb) { return logic(v, op, h, (uint64_t)(int64_t)(int8_t)RS); }
INSN(extsh) { return logic(v, op, h, (uint64_t)(int64_t)(int16_t)RS); }
INSN(extsw) { return logic(v, op, h, (uint64_t)(int64_t)(int32_t)RS); }

INLINE uint64_t leading_zeros(uint64_t x)
{
    return x ? (uint64_t)__builtin_clzll(x) : 64;
}

INLINE uint64_t trailing_zeros(uint64_t x)
{
    return x ? (uint64_t)__builtin_ctzll(x) : 64;
}

INSN(cntlzw) { return logic(v, op, h, leading_zeros((uint32_t)RS) - 32); }
INSN(cntlzd) { return logic(v, op, h, leading_zeros(RS)); }
INSN(cnttzw) { return logic(v, op, h, trailing_zeros(RS | 1ull << 32)); }
INSN(cnttzd) { return logic(v, op, h, trailing_zeros(RS)); }

/* The bits of each group of 8, 32 or 64, counted in place. */
INLINE uint64_t count_bits(uint64_t x, int group)
{
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    if (group == 8)
        return x;
    x += x >> 8;
    x += x >> 16;
    if (group == 32)
        return x & 0x0000003f0000003fu;
    return (x + (x >> 32)) & 0x7f;
}

INSN(popcntb) { return logic(v, op, h, count_bits(RS, 8)); }
INSN(popcntw) { return logic(v, op, h, count_bits(RS, 32)); }
INSN(popcntd) { return logic(v, op, h, count_bits(RS, 64)); }

/* Parity of the least significant bits of the bytes. */
INSN(prtyw)
{
    return logic(v, op, h, count_bits(RS & 0x0101010101010101u, 32) & 0x0000000100000001u);
}

INSN(prtyd) { return logic(v, op, h, count_bits(RS & 0x0101010101010101u, 64) & 1); }

INSN(cmpb)
{
    uint64_t differ = RS ^ RB, r = 0;
    for (unsigned i = 0; i < 64; i += 8)
        if (!(differ >> i & 0xff))
            r |= 0xffull << i;
    return logic(v, op, h, r);
}

INSN(bpermd)
{
    uint64_t select = RS, from = RB, r = 0;
    for (unsigned i = 0; i < 8; i++) {
        unsigned index = select >> 8 * i & 0xff;
        if (index < 64)
            r |= (from >> (63 - index) & 1) << i;
    }
    return logic(v, op, h, r);
}

/* ---- rotates and shifts ---------------------------------------------------------------------- */

INLINE uint64_t rotate(uint64_t x, unsigned n)
{
    n &= 63;
    return x << n | x >> (-n & 63);
}

/* The low word of x, rotated, in both halves. */
INLINE uint64_t rotate32(uint64_t x, unsigned n)
{
    n &= 31;
    return twice((uint32_t)x << n | (uint32_t)x >> (-n & 31));
}

/* imm is the mask from MB to ME of a word; if it wraps (MB > ME), the high word belongs to it. */
INLINE uint64_t word_mask(const emu_op *op)
{
    return (op->d ? ~0ull << 32 : 0) | (uint32_t)op->imm;
}

INSN(rlwinm) { return logic(v, op, h, rotate32(RS, op->c) & word_mask(op)); }
INSN(rlwnm) { return logic(v, op, h, rotate32(RS, RB & 31) & word_mask(op)); }

INSN(rlwimi)
{
    uint64_t mask = word_mask(op);
    return logic(v, op, h, (rotate32(RS, op->c) & mask) | (RA & ~mask));
}

INLINE uint64_t from_bit(unsigned mb)
{
    return ~0ull >> mb;
}

INLINE uint64_t to_bit(unsigned me)
{
    return ~0ull << (63 - me);
}

/* Ones from bit mb to bit me, wrapping. */
INLINE uint64_t mask64(unsigned mb, unsigned me)
{
    uint64_t from = from_bit(mb), to = to_bit(me);
    return mb <= me ? from & to : from | to;
}

INSN(rldicl) { return logic(v, op, h, rotate(RS, op->c) & from_bit(op->d)); }
INSN(rldicr) { return logic(v, op, h, rotate(RS, op->c) & to_bit(op->d)); }
INSN(rldic) { return logic(v, op, h, rotate(RS, op->c) & mask64(op->d, 63u - op->c)); }
INSN(rldcl) { return logic(v, op, h, rotate(RS, RB & 63) & from_bit(op->d)); }
INSN(rldcr) { return logic(v, op, h, rotate(RS, RB & 63) & to_bit(op->d)); }

INSN(rldimi)
{
    uint64_t mask = mask64(op->d, 63u - op->c);
    return logic(v, op, h, (rotate(RS, op->c) & mask) | (RA & ~mask));
}

INSN(slw)
{
    unsigned n = RB & 63;
    return logic(v, op, h, n < 32 ? (uint32_t)RS << n : 0);
}

INSN(srw)
{
    unsigned n = RB & 63;
    return logic(v, op, h, n < 32 ? (uint32_t)RS >> n : 0);
}

INSN(sld)
{
    unsigned n = RB & 127;
    return logic(v, op, h, n < 64 ? RS << n : 0);
}

INSN(srd)
{
    unsigned n = RB & 127;
    return logic(v, op, h, n < 64 ? RS >> n : 0);
}

/* RA <- s shifted right by n < 64, its sign filling up; CA and CA32: ones of a negative number were lost. */
INLINE emu_outcome shift_algebraic(emu_vcpu *v, const emu_op *op, emu_how h, int64_t s, unsigned n)
{
    uint64_t lost = s < 0 && ((uint64_t)s & ~(~0ull << n)) != 0;
    set_carry(v, lost, lost);
    return logic(v, op, h, (uint64_t)(s >> n));
}

INSN(srawi) { return shift_algebraic(v, op, h, (int32_t)RS, op->c); }
INSN(sradi) { return shift_algebraic(v, op, h, (int64_t)RS, op->c); }
INSN(sraw) { return shift_algebraic(v, op, h, (int32_t)RS, RB & 63); }

INSN(srad)
{
    unsigned n = RB & 127;
    if (n < 64)
        return shift_algebraic(v, op, h, (int64_t)RS, n);
    uint64_t lost = (int64_t)RS < 0;
    set_carry(v, lost, lost);
    return logic(v, op, h, lost ? ~0ull : 0);
}

INSN(extswsli) { return logic(v, op, h, (uint64_t)(int64_t)(int32_t)RS << op->c); }

/* ---- decimal -------------------------------------------------------------------------------- */

/* Declets (10 bits, densely packed decimal) at 0 and 10 of each word, from and to BCD digits. The
 * digits are wxyz: a 3-digit group is abcd efgh ijkm, as in Power ISA v3.0B Book I appendix B. */
INLINE uint64_t dpd_to_bcd(uint64_t d)
{
    unsigned p = d >> 9 & 1, q = d >> 8 & 1, r = d >> 7 & 1, s = d >> 6 & 1, t = d >> 5 & 1;
    unsigned u = d >> 4 & 1, x = d >> 3 & 1, w = d >> 2 & 1, z = d >> 1 & 1, y = d & 1;
    /* x: some digit is 8 or 9; then w z say which, and s t which of the pairs and triples. */
    unsigned high0, high1, high2;  /* digits 0, 1, 2 are 8 or 9 */
    unsigned small0 = p << 2 | q << 1, small1 = s << 2 | t << 1, small2 = w << 2 | z << 1;
    if (!x) {
        high0 = high1 = high2 = 0;
    } else if (!(w && z)) {
        high2 = !w && !z;
        high1 = !w && z;
        high0 = w && !z;
        if (high1)
            small2 = s << 2 | t << 1;
        if (high0)
            small2 = p << 2 | q << 1;
    } else {
        unsigned st = s << 1 | t;
        high0 = st != 2;
        high1 = st != 1;
        high2 = st != 0;
        if (st == 0)
            small2 = p << 2 | q << 1;
        if (st == 1)
            small1 = p << 2 | q << 1;
    }
    unsigned digit0 = (high0 ? 8 : small0) | r, digit1 = (high1 ? 8 : small1) | u;
    unsigned digit2 = (high2 ? 8 : small2) | y;
    return digit0 << 8 | digit1 << 4 | digit2;
}

INLINE uint64_t bcd_to_dpd(uint64_t b)
{
    unsigned a0 = b >> 8 & 15, a1 = b >> 4 & 15, a2 = b & 15;
    unsigned r = a0 & 1, u = a1 & 1, y = a2 & 1;
    unsigned pq0 = a0 >> 1 & 3, pq1 = a1 >> 1 & 3, pq2 = a2 >> 1 & 3;
    unsigned high = (a0 >> 3) << 2 | (a1 >> 3) << 1 | a2 >> 3;
    unsigned pq, st, x, wz;
    switch (high) {
    case 0: pq = pq0, st = pq1, x = 0, wz = pq2; break;
    case 1: pq = pq0, st = pq1, x = 1, wz = 0; break;
    case 2: pq = pq0, st = pq2, x = 1, wz = 1; break;
    case 4: pq = pq2, st = pq1, x = 1, wz = 2; break;
    case 6: pq = pq2, st = 0, x = 1, wz = 3; break;
    case 5: pq = pq1, st = 1, x = 1, wz = 3; break;
    case 3: pq = pq0, st = 2, x = 1, wz = 3; break;
    default: pq = 0, st = 3, x = 1, wz = 3; break;
    }
    return pq << 8 | r << 7 | st << 5 | u << 4 | x << 3 | wz << 1 | y;
}

INSN(cdtbcd)
{
    uint64_t s = RS, r = 0;
    for (unsigned word = 0; word < 64; word += 32)
        r |= dpd_to_bcd(s >> word & 0x3ff) << word | dpd_to_bcd(s >> (word + 10) & 0x3ff) << (word + 12);
    return logic(v, op, h, r);
}

INSN(cbcdtd)
{
    uint64_t s = RS, r = 0;
    for (unsigned word = 0; word < 64; word += 32)
        r |= bcd_to_dpd(s >> word & 0xfff) << word | bcd_to_dpd(s >> (word + 12) & 0xfff) << (word + 10);
    return logic(v, op, h, r);
}

INSN(addg6s)
{
    /* 6 in each digit out of which RA + RB does not carry. */
    uint64_t x = RA, y = RB, r = x + y;
    uint64_t out = (x & y) | ((x | y) & ~r);
    uint64_t still = ~out & 0x8888888888888888u;
    RT = still >> 1 | still >> 2;
    return EMU_NEXT;
}

/* ---- moves ---------------------------------------------------------------------------------- */

INSN(mfspr)
{
    uint64_t value = RT;           /* what an undefined number leaves */
    emu_outcome out = emu_spr_read(c, v, (uint32_t)op->imm, now, &value);
    RT = value;
    return out;
}

INSN(mtspr)
{
    c->nia = cia + 4;
    return emu_spr_write(c, v, (uint32_t)op->imm, now, RS);
}

INSN(mftb)
{
    uint64_t value = RT;
    emu_outcome out = emu_spr_read(c, v, (uint32_t)op->imm, now, &value);
    RT = value;
    return out;
}

INSN(mfcr)
{
    RT = (uint32_t)v->cr;
    return EMU_NEXT;
}

/* FXM with one bit set names a field; of several the leftmost counts, and of none the last field. */
INLINE unsigned one_field(const emu_op *op)
{
    uint32_t fxm = (uint32_t)op->imm & 0xff;
    return fxm ? (unsigned)__builtin_clz(fxm) - 24 : 7;
}

INSN(mfocrf)
{
    RT = v->cr & 0xfull << (28 - 4 * one_field(op));
    return EMU_NEXT;
}

INSN(mtocrf)
{
    unsigned field = one_field(op);
    set_crf(v, field, RS >> (28 - 4 * field) & 0xf);
    return EMU_NEXT;
}

INSN(mtcrf)
{
    uint32_t mask = 0;
    for (unsigned field = 0; field < 8; field++)
        if ((uint32_t)op->imm & 0x80u >> field)
            mask |= 0xfu << (28 - 4 * field);
    v->cr = (RS & mask) | (v->cr & ~mask);
    v->cr = (uint32_t)v->cr;
    return EMU_NEXT;
}

INSN(mcrxrx)
{
    uint64_t x = v->xer;
    set_crf(v, op->a,
            (x & XER_OV ? 8 : 0) | (x & XER_OV32 ? 4 : 0) | (x & XER_CA ? 2 : 0) | (x & XER_CA32 ? 1 : 0));
    return EMU_NEXT;
}
