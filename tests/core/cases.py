"""Random cases for the differential tests: every user instruction, results defined by the book.

The registers of a case have roles. Most may be written; the others hold values that the generator
knows (addresses within the scratch memory, a dividend and divisor, packed decimals, ...), so that
no case divides by zero, leaves the scratch memory or depends on a result that the book leaves
undefined. What POWER9 does in those cases is tested elsewhere.
"""

from __future__ import annotations

from emu.isa import branch, fixed_point, storage
from emu.isa.bits import sign_extend
from emu.isa.operands import Kind
from emu.isa.table import VARIANTS

from .batch import SCRATCH_SIZE, Case

M64 = (1 << 64) - 1
M32 = (1 << 32) - 1

# Instructions that cannot be compared with another machine, and why.
LEFT_OUT = {
    "sc": "enters the operating system",
    "darn": "its result is random",
    "mftb": "its result is time",
    "wait": "stops the thread",
    "icbt": "QEMU 7.2 does not have it on this processor",
    "bca": "reaches the lowest and highest 32 KiB only, where no case lies",
    "bcla": "reaches the lowest and highest 32 KiB only, where no case lies",
}

BIG_ENDIAN_ONLY = {"lmw", "stmw", "lswi", "lswx", "stswi", "stswx"}

USER = [
    variant
    for chapter in (branch, fixed_point, storage)
    for row in chapter.INSNS
    for variant in row.variants
    if variant.mnemonic not in LEFT_OUT
]

BOUNDARIES = [
    0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0x80000001,
    0xFFFFFFFF, 0x100000000, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0x8000000000000001,
    0xFFFFFFFF80000000, 0xFFFFFFFF7FFFFFFF, 0x7FFFFFFF80000000, M64 - 1, M64,
]  # fmt: skip

# Rows whose result has undefined upper 32 bits, and with Rc = 1 an undefined CR0.
UPPER_HALF_UNDEFINED = {
    "mulhw", "mulhwu", "divw", "divwu", "divwe", "divweu", "modsw", "moduw",
}  # fmt: skip

DIVISIONS = {
    "divw": (32, True, 0), "divwu": (32, False, 0), "divwe": (32, True, 32),
    "divweu": (32, False, 32), "divd": (64, True, 0), "divdu": (64, False, 0),
    "divde": (64, True, 64), "divdeu": (64, False, 64), "modsw": (32, True, 0),
    "moduw": (32, False, 0), "modsd": (64, True, 0), "modud": (64, False, 0),
}  # fmt: skip

RESERVING = {
    "lbarx": "stbcx.", "lharx": "sthcx.", "lwarx": "stwcx.", "ldarx": "stdcx.", "lqarx": "stqcx.",
}  # fmt: skip

XER_KEEPS = 0xE00FFFFF


def value(rng):
    """Draw a register value: a boundary, something near one, or anything."""
    kind = rng.randrange(8)
    if kind < 3:
        return rng.choice(BOUNDARIES)
    if kind == 3:
        return rng.choice(BOUNDARIES) + rng.randrange(-3, 4) & M64
    if kind == 4:
        return sign_extend(rng.getrandbits(32), 32) & M64
    if kind == 5:
        return 1 << rng.randrange(64)
    return rng.getrandbits(64)


def immediate(rng, operand):
    """Draw an operand value within its range, its ends more often."""
    lo, hi = operand.lo, operand.hi
    if rng.randrange(4) == 0:
        return rng.choice((lo, hi))
    return lo + operand.multiple * rng.randrange((hi - lo) // operand.multiple + 1)


def division_is_defined(name, dividend, divisor):
    """Whether the quotient fits; remainders are defined where the quotient is."""
    width, is_signed, shift = DIVISIONS[name]
    low = (1 << width) - 1
    if is_signed:
        a, b = sign_extend(dividend, width) << shift, sign_extend(divisor, width)
    else:
        a, b = (dividend & low) << shift, divisor & low
    if b == 0:
        return False
    magnitude = abs(a) // abs(b)
    quotient = magnitude if (a < 0) == (b < 0) else -magnitude
    return -(1 << width - 1) <= quotient < 1 << width - 1 if is_signed else quotient <= low


def trap_conditions(a, b, width):
    """TO bits whose condition holds for these operands."""
    low = (1 << width) - 1
    sa, sb = sign_extend(a, width), sign_extend(b, width)
    a, b = a & low, b & low
    return 16 * (sa < sb) | 8 * (sa > sb) | 4 * (a == b) | 2 * (a < b) | (a > b)


class Maker:
    """Makes one case after another; `scratch` and the body's address come from the batch."""

    ROLES = ("base", "aligned", "index", "dividend", "divisor", "bcd", "xer", "target")

    def __init__(self, rng, batch):
        """Draw from rng; cases are for this batch, in order."""
        self.rng = rng
        self.batch = batch

    def case(self, primary, companions):
        """Make a case of one instruction of this variant and a few of any."""
        self._begin()
        order = [primary, *(self.rng.choice(USER) for _ in range(companions))]
        self.rng.shuffle(order)
        for variant in order:
            self.emit(variant)
        registers = [*self.gpr, self.cr, self.xer, self.lr, self.ctr]
        return Case(
            self.batch.body, tuple(self.words), tuple(registers),
            self.rng.randbytes(SCRATCH_SIZE), absolute=self.absolute,
        )  # fmt: skip

    def _begin(self):
        rng = self.rng
        self.words, self.absolute, self.reserved = [], False, False
        self.gpr = [value(rng) for _ in range(32)]
        numbers = rng.sample(range(1, 32), len(self.ROLES))
        self.role = dict(zip(self.ROLES, numbers, strict=True))
        self.writable = [number for number in range(32) if number not in numbers]
        self.cr, self.xer = rng.getrandbits(32), rng.getrandbits(32) & XER_KEEPS
        self.lr, self.ctr = rng.getrandbits(64), rng.choice((1, 2, 0, rng.getrandbits(64)))
        scratch = self.batch.scratch
        self._know("base", scratch + rng.randrange(64, 128))
        self._know("aligned", scratch + 16 * rng.randrange(2, 10))
        self._know("index", rng.randrange(64))
        self._know("dividend", value(rng) if rng.randrange(2) else rng.randrange(-99, 99) & M64)
        self._know("divisor", value(rng))
        digits = "".join(rng.choice("0123456789") for _ in range(16))
        self._know("bcd", int(digits, 16))
        self._know("xer", rng.getrandbits(32) & 0xE00C0000 | rng.randrange(1, 33))

    def _know(self, role, number):
        self.gpr[self.role[role]] = number

    def known(self, role):
        """Value that the register of a role has at this point."""
        return self.gpr[self.role[role]]

    # ---- words -----------------------------------------------------------------------------

    def put(self, mnemonic, *operands):
        """Append one instruction, operands in the table's order."""
        variant = VARIANTS[mnemonic]
        word = variant.match
        for operand, number in zip(variant.operands, operands, strict=True):
            word |= operand.insert(number)
        assert variant.is_valid(word), (mnemonic, operands)
        self.words.append(word)

    def source(self):
        """Any register."""
        return self.rng.randrange(32)

    def target(self):
        """Pick a register that no role forbids to write."""
        return self.rng.choice(self.writable)

    def harmless(self):
        """Append an instruction that a branch may skip."""
        self.put("addi", self.target(), self.source(), self.rng.randrange(-9, 9))

    def emit(self, variant):
        """Append one instruction of this variant, with what it needs around it."""
        name = variant.insn.name
        if self.batch.little and name in BIG_ENDIAN_ONLY:
            return
        special = getattr(self, "_" + name, None)
        if special is not None:
            special(variant)
        elif name in DIVISIONS:
            self._divide(variant)
        elif name in RESERVING or variant.mnemonic in RESERVING.values():
            self._reserve(variant)
        elif variant.insn.load or variant.insn.store or name.startswith(("dcb", "icb")):
            self._access(variant)
        else:
            self._plain(variant)

    def _plain(self, variant, **fixed):
        """Append an instruction without a condition on its operands' values."""
        names = {operand.name for operand in variant.operands}
        written = "RT" if "RT" in names else "RA" if "RS" in names else None
        for _ in range(100):
            word = variant.match
            for operand in variant.operands:
                if operand.name in fixed:
                    number = fixed[operand.name]
                elif operand.name == written:
                    number = self.target()
                elif operand.kind is Kind.GPR:
                    number = self.source()
                else:
                    number = immediate(self.rng, operand)
                word |= operand.insert(number)
            if variant.is_valid(word):
                break
        else:
            raise AssertionError(variant.mnemonic)
        self.words.append(word)
        if variant.insn.name in UPPER_HALF_UNDEFINED:
            self._define_upper_half(variant, word)

    def _define_upper_half(self, variant, word):
        register = variant.operands[0].extract(word)
        self.put("extsw", register, register)
        if variant.rc:
            self.put("cmpi", 0, 1, register, 0)

    # ---- instructions with conditions ------------------------------------------------------

    def _divide(self, variant):
        dividend, divisor = self.known("dividend"), self.known("divisor")
        if division_is_defined(variant.insn.name, dividend, divisor):
            self._plain(variant, RA=self.role["dividend"], RB=self.role["divisor"])

    def _trap(self, variant, b_role, width):
        a = self.known("dividend")
        fixed = {"RA": self.role["dividend"]}
        if b_role is None:
            b = fixed["SI"] = self.rng.randrange(-0x8000, 0x8000)
        else:
            b = self.known(b_role)
            fixed["RB"] = self.role[b_role]
        holds = trap_conditions(a, b & M64, width)
        self._plain(variant, TO=self.rng.randrange(32) & ~holds, **fixed)

    def _tw(self, variant):
        self._trap(variant, "divisor", 32)

    def _twi(self, variant):
        self._trap(variant, None, 32)

    def _td(self, variant):
        self._trap(variant, "divisor", 64)

    def _tdi(self, variant):
        self._trap(variant, None, 64)

    def _addex(self, variant):
        self._plain(variant, CY=0)

    def _mfocrf(self, variant):
        self._plain(variant, FXM=1 << self.rng.randrange(8))

    _mtocrf = _mfocrf

    def _cbcdtd(self, variant):
        self._plain(variant, RS=self.role["bcd"])

    def _mtspr(self, variant):
        which = self.rng.randrange(5)
        if which == 0:
            self.put("mtspr", 1, self.role["xer"])
        elif which == 1:
            self.put("mtspr", 256, self.source())
            self.put("mfspr", self.target(), 256)
        elif which == 2:
            self.put("mtspr", 815, self.source())
            self.put("mfspr", self.target(), 815)
        else:
            self.put("mtspr", 6 + which - 1, self.source())  # LR, CTR

    def _mfspr(self, variant):
        self.put("mfspr", self.target(), self.rng.choice((1, 8, 9)))

    # ---- branches: over one harmless instruction, so that either way is a case --------------

    def _b(self, variant):
        distance = 8
        if variant.aa:
            distance += self.batch.body + 4 * len(self.words)
            self.absolute = True
        self.put(variant.mnemonic, distance)
        self.harmless()

    def _condition(self, variant):
        while True:
            bo, bi = self.rng.randrange(32), self.rng.randrange(32)
            word = variant.match | bo << 21 | bi << 16
            if variant.is_valid(word):
                return bo, bi

    def _bc(self, variant):
        self.put(variant.mnemonic, *self._condition(variant), 8)
        self.harmless()

    def _to_register(self, variant, spr):
        """Branch through a register that holds the address after the next instruction.

        If CTR is counted down too, bcctr would go astray; that form is invalid.
        """
        if self.absolute:
            return
        self.absolute = True
        target = self.batch.body + 4 * (len(self.words) + 3) | self.rng.randrange(4)
        self._know("target", target)
        self.put("mtspr", spr, self.role["target"])
        self.put(variant.mnemonic, *self._condition(variant), self.rng.choice((0, 1, 3)))
        self.harmless()

    def _bclr(self, variant):
        self._to_register(variant, 8)

    def _bcctr(self, variant):
        self._to_register(variant, 9)

    def _bctar(self, variant):
        self._to_register(variant, 815)

    # ---- storage ---------------------------------------------------------------------------

    def _room(self, ea, nbytes):
        return self.batch.scratch <= ea and ea + nbytes <= self.batch.scratch + SCRATCH_SIZE

    def _access(self, variant):
        """Append a load or store of one operand within the scratch memory."""
        row = variant.insn
        names = {operand.name for operand in variant.operands}
        nbytes = max(row.load, row.store, 1)
        update = "RA=0" in row.invalid or "RA=RT" in row.invalid
        role = "aligned" if nbytes == 16 else "base"
        fixed = {"RA": self.role[role]}
        ea = self.known(role)
        if "RB" in names:
            fixed["RB"] = self.role["index"]
            ea += self.known("index")
            if row.name == "dcbz":
                ea, nbytes = ea & ~127, 128
            if not self._room(ea, nbytes):
                return
        else:
            displacement = next(o for o in variant.operands if o.kind is Kind.DISPLACEMENT)
            step = max(displacement.multiple, 16 if nbytes == 16 else 1)
            scratch = self.batch.scratch
            low, high = scratch - ea, scratch + SCRATCH_SIZE - nbytes - ea
            distance = step * self.rng.randrange(-(-low // step), high // step + 1)
            fixed[displacement.name] = distance
            ea += distance
        if names & {"RTp", "RSp"}:
            pairs = [n for n in self.writable if n % 2 == 0 and n + 1 in self.writable]
            if not pairs:
                return
            fixed["RTp"] = self.rng.choice(pairs)
            fixed["RSp"] = 2 * self.rng.randrange(16)
        if "RS" in names:
            fixed["RS"] = self.source()
        word = variant.match
        for operand in variant.operands:
            if operand.name in fixed:
                number = fixed[operand.name]
            elif row.name == "dcbf" and operand.name == "L":
                number = self.rng.randrange(2)  # QEMU 7.2 does not have L = 3
            elif operand.name == "RT":
                number = self.target()
            else:
                number = immediate(self.rng, operand)
            word |= operand.insert(number)
        if not variant.is_valid(word):
            return
        self.words.append(word)
        if update and row.name.endswith(("u", "ux")):
            self.gpr_after_update(role, ea)

    def gpr_after_update(self, role, ea):
        """Undo an update, so that the register of this role keeps its value."""
        back = self.known(role) - ea
        self.put("addi", self.target(), self.role[role], 0)  # the updated value stays visible
        self.put("addi", self.role[role], self.role[role], back)

    def _range_fits(self, first, count, forbidden):
        numbers = [(first + place) % 32 for place in range(count)]
        return not set(numbers) & set(forbidden)

    def _lmw(self, variant):
        fixed = self.role.values()
        firsts = [n for n in range(1, 32) if self._range_fits(n, 32 - n, fixed)]
        if firsts:
            self._multiple(variant, self.rng.choice(firsts))

    def _stmw(self, variant):
        self._multiple(variant, self.rng.randrange(32))

    def _multiple(self, variant, first):
        nbytes = 4 * (32 - first)
        ea = self.known("base")
        scratch = self.batch.scratch
        distance = self.rng.randrange(scratch - ea, scratch + SCRATCH_SIZE - nbytes - ea + 1)
        self.put(variant.mnemonic, first, distance, self.role["base"])

    def _string_target(self, nbytes):
        firsts = [
            n for n in range(32)
            if self._range_fits(n, (nbytes + 3) // 4, [*self.role.values(), 0])
        ]  # fmt: skip
        return self.rng.choice(firsts) if firsts else None

    def _lswi(self, variant):
        for nbytes in (self.rng.randrange(1, 33), self.rng.randrange(1, 9)):
            first = self._string_target(nbytes)
            if first is not None:
                self.put("lswi", first, self.role["base"], nbytes)
                return

    def _stswi(self, variant):
        self.put("stswi", self.source(), self.role["base"], self.rng.randrange(1, 33))

    def _lswx(self, variant):
        first = self._string_target(self.known("xer") & 0x7F)
        if first is not None:
            self.put("mtspr", 1, self.role["xer"])
            self.put("lswx", first, self.role["base"], self.role["index"])

    def _stswx(self, variant):
        self.put("mtspr", 1, self.role["xer"])
        self.put("stswx", self.source(), self.role["base"], self.role["index"])

    def _reserve(self, variant):
        """Append a pair of load and reserve and store conditional, and a store that fails.

        One pair a case: QEMU 7.2 lets stqcx. fail that follows another pair in the same block.
        """
        if self.reserved:
            return
        self.reserved = True
        load = next(
            load for load, store in RESERVING.items() if variant.mnemonic in {load, store}
        )  # fmt: skip
        address = 0, self.role["aligned"]
        if load == "lqarx":
            pairs = [n for n in self.writable if n % 2 == 0 and n + 1 in self.writable and n]
            if not pairs:
                return
            self.put(load, self.rng.choice(pairs), *address, 0)
            source = 2 * self.rng.randrange(16)
        else:
            self.put(load, self.target(), *address, self.rng.randrange(2))
            source = self.source()
        for _ in range(self.rng.randrange(3)):
            self.harmless()
        store = RESERVING[load]
        self.put(store, source, *address)
        if self.rng.randrange(2):
            self.put("mfcr", self.target())
            self.put(store, source, *address)
