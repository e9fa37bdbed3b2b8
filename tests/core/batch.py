"""Many small cases in one flat program that runs unchanged under qemu-user and on the core.

A case is a few instruction words with the register state and the scratch memory they start from.
The program loads that state, runs the words, stores the state they leave, and goes on to the next
case; in the end all results lie in one buffer. Under qemu-user the program writes the buffer to
standard output; on the core the same `sc` ends the run and the buffer is read from memory.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from emu.isa.disasm import disassemble

# The memory map. All code of the frame addresses LOW with RA = 0, so that no register is needed.
LOW = 0x1000
CODE = 0x2000
SCRATCH_SIZE = 256

SAVED_R31, INPUT, OUTPUT, NEXT_CASE = LOW, LOW + 8, LOW + 16, LOW + 24

# One state in memory: 32 GPRs, then these, then the scratch memory.
CR, XER, LR, CTR, SCRATCH = 256, 264, 272, 280, 288
STATE_SIZE = SCRATCH + SCRATCH_SIZE
NAMES = [f"r{number}" for number in range(32)] + ["cr", "xer", "lr", "ctr"]


@dataclass(frozen=True)
class Case:
    """Instruction words and the state they start from.

    address: of the first word. registers: 36 values in the order of NAMES. scratch: SCRATCH_SIZE
    bytes. absolute: the words name their own address, so that they cannot be moved.
    """

    address: int
    words: tuple[int, ...]
    registers: tuple[int, ...]
    scratch: bytes
    absolute: bool = False

    @property
    def code(self) -> dict[int, int]:
        """Address -> word."""
        return {self.address + 4 * index: word for index, word in enumerate(self.words)}

    def moved(self, address: int) -> Case:
        """Return the same case elsewhere."""
        assert not self.absolute
        return replace(self, address=address)

    def first(self, count: int) -> Case:
        """Return the case that stops after some of its words."""
        return replace(self, words=self.words[:count])

    def explain(self) -> list[str]:
        """Words as assembly, and the registers that the words name."""
        lines = [f"{ea:8x}:  {word:08x}  {disassemble(word, ea)}" for ea, word in self.code.items()]
        named = {word >> shift & 31 for word in self.words for shift in (21, 16, 11, 6)}
        names = [name for n, name in enumerate(NAMES) if n >= 32 or n in named]
        values = dict(zip(NAMES, self.registers, strict=True))
        lines += [f"{name:>8} = {values[name]:016x}" for name in names]
        return [*lines, f" scratch = {self.scratch.hex(' ', -8)}"]


@dataclass(frozen=True)
class State:
    """What a case leaves behind."""

    registers: tuple[int, ...]
    scratch: bytes

    def differences(self, other: State) -> list[str]:
        """One line for each register and each byte of scratch memory that differs."""
        lines = [
            f"{name}: {mine:016x} {theirs:016x}"
            for name, mine, theirs in zip(NAMES, self.registers, other.registers, strict=True)
            if mine != theirs
        ]
        lines += [
            f"scratch+{offset}: {mine:02x} {theirs:02x}"
            for offset, (mine, theirs) in enumerate(zip(self.scratch, other.scratch, strict=True))
            if mine != theirs
        ]
        return lines


def _d(opcode: int, rt: int, ra: int, displacement: int) -> int:
    return opcode << 26 | rt << 21 | ra << 16 | displacement & 0xFFFF


def _ld(rt: int, displacement: int, ra: int) -> int:
    return _d(58, rt, ra, displacement)


def _std(rs: int, displacement: int, ra: int) -> int:
    return _d(62, rs, ra, displacement)


def _addi(rt: int, ra: int, value: int) -> int:
    return _d(14, rt, ra, value)


def _address(rt: int, value: int) -> list[int]:
    """Words that load a 31-bit address: lis, ori."""
    return [_d(15, rt, 0, value >> 16), _d(24, rt, rt, value)]


def _spr(extended: int, register: int, number: int) -> int:
    """Return the word of mfspr (339) or mtspr (467)."""
    return 31 << 26 | register << 21 | (number & 0x1F) << 16 | number >> 5 << 11 | extended << 1


MFSPR, MTSPR = 339, 467
MFCR, MTCRF = 31 << 26 | 19 << 1, 31 << 26 | 0xFF << 12 | 144 << 1
BCTR, SC = 0x4E800420, 0x44000002
SPR_XER, SPR_LR, SPR_CTR = 1, 8, 9
PROLOGUE_WORDS = 3


def _branch(at: int, target: int, *, beq: bool = False) -> int:
    if beq:
        return 0x41820000 | (target - at) & 0xFFFC
    return 18 << 26 | (target - at) & 0x03FFFFFC


class Batch:
    """Lays out cases; knows where each body lies, so that a case can contain its own addresses."""

    def __init__(self, *, little: bool) -> None:
        """Start an empty batch for one endianness."""
        self.little = little
        self.cases: list[Case] = []
        self._bodies: list[int] = []
        self._enter, self._leave, self._frame_end = self._frame_addresses()
        self._position = self._frame_end

    @property
    def body(self) -> int:
        """Address of the first word of the next case to be added."""
        return self._position + 4 * PROLOGUE_WORDS

    def add(self, case: Case) -> None:
        """Append a case."""
        self._bodies.append(self._position)
        self.cases.append(case)
        self._position += 4 * (PROLOGUE_WORDS + len(case.words) + 1)

    @property
    def scratch(self) -> int:
        """Address of the scratch memory: the same in every batch, aligned to 256."""
        return 0x1100

    # ---- the frame -------------------------------------------------------------------------

    def _frame_addresses(self) -> tuple[int, int, int]:
        enter = self._enter_words(0, 0)
        leave = self._leave_words(0, 0)
        start = CODE
        return start, start + 4 * len(enter), start + 4 * (len(enter) + len(leave))

    def _enter_words(self, at: int, results: int) -> list[int]:
        """Load the next case's state and jump to its body, or finish."""
        words = [
            _ld(30, INPUT, 0),
            _ld(3, NEXT_CASE, 0),
            _ld(4, 0, 3),
            0x28240000,  # cmpldi r4,0
        ]
        finish = [
            _addi(0, 0, 4),  # write(1, results, nbytes)
            _addi(3, 0, 1),
            *_address(4, results),
            _ld(5, OUTPUT, 0),
            31 << 26 | 5 << 21 | 4 << 16 | 5 << 11 | 40 << 1,  # subf r5,r4,r5
            SC,
            _addi(0, 0, 1),  # exit(0)
            _addi(3, 0, 0),
            SC,
        ]
        load = [
            _addi(3, 3, 8),
            _std(3, NEXT_CASE, 0),
            _spr(MTSPR, 4, SPR_CTR),
            *_address(5, self.scratch),
        ]
        for offset in range(0, SCRATCH_SIZE, 8):
            load += [_ld(6, SCRATCH + offset, 30), _std(6, offset, 5)]
        load += [
            _ld(6, CR, 30),
            MTCRF | 6 << 21,
            _ld(6, XER, 30),
            _spr(MTSPR, 6, SPR_XER),
            _ld(6, LR, 30),
            _spr(MTSPR, 6, SPR_LR),
            _ld(31, CTR, 30),
            *(_ld(number, 8 * number, 30) for number in range(30)),
            BCTR,
        ]
        words.append(_branch(at + 16, at + 20 + 4 * len(load), beq=True))
        return words + load + finish

    def _leave_words(self, at: int, enter: int) -> list[int]:
        """Store the state that a case leaves and go on."""
        words = [_std(31, SAVED_R31, 0), _ld(31, OUTPUT, 0)]
        words += [_std(number, 8 * number, 31) for number in range(31)]
        words += [_ld(3, SAVED_R31, 0), _std(3, 8 * 31, 31)]
        words += [MFCR | 3 << 21, _std(3, CR, 31)]
        for number, offset in ((SPR_XER, XER), (SPR_LR, LR), (SPR_CTR, CTR)):
            words += [_spr(MFSPR, 3, number), _std(3, offset, 31)]
        words += _address(5, self.scratch)
        for offset in range(0, SCRATCH_SIZE, 8):
            words += [_ld(6, offset, 5), _std(6, SCRATCH + offset, 31)]
        words += [_addi(31, 31, STATE_SIZE), _std(31, OUTPUT, 0)]
        words += [_ld(3, INPUT, 0), _addi(3, 3, STATE_SIZE), _std(3, INPUT, 0)]
        return [*words, _branch(at + 4 * len(words), enter)]

    # ---- the image -------------------------------------------------------------------------

    def image(self) -> tuple[bytes, int, int]:
        """Return the flat image that belongs at LOW, and start and size of the results."""
        order = "little" if self.little else "big"
        layout = ("<" if self.little else ">") + "36Q"
        inputs = (self._position + 0xFF) & ~0xFF
        table = inputs + STATE_SIZE * len(self.cases)
        results = (table + 8 * (len(self.cases) + 1) + 0xFF) & ~0xFF
        code = self._enter_words(self._enter, results) + self._leave_words(self._leave, self._enter)
        for start, case in zip(self._bodies, self.cases, strict=True):
            code += [_spr(MTSPR, 31, SPR_CTR), _ld(31, 248, 30), _ld(30, 240, 30), *case.words]
            code.append(_branch(start + 4 * (PROLOGUE_WORDS + len(case.words)), self._leave))
        low = struct.pack(layout[0] + "4Q", 0, inputs, results, table)
        parts = [low.ljust(CODE - LOW, b"\0")]
        parts.append(b"".join(word.to_bytes(4, order) for word in code))
        parts.append(bytes(inputs - self._position))
        for case in self.cases:
            parts.append(struct.pack(layout, *case.registers))
            parts.append(case.scratch)
        parts.append(struct.pack(f"{layout[0]}{len(self.cases) + 1}Q", *self._bodies, 0))
        return b"".join(parts), results, STATE_SIZE * len(self.cases)

    @property
    def entry(self) -> int:
        """Address of the first instruction."""
        return self._enter

    def states(self, buffer: bytes) -> list[State]:
        """Split the result buffer into the state that each case left."""
        layout = ("<" if self.little else ">") + "36Q"
        return [
            State(
                struct.unpack_from(layout, buffer, start),
                buffer[start + SCRATCH : start + STATE_SIZE],
            )
            for start in range(0, len(buffer), STATE_SIZE)
        ]

    def elf(self, image: bytes, memory_size: int) -> bytes:
        """Wrap the image in the least ELF file that qemu-user loads: one segment at LOW."""
        order = "<" if self.little else ">"
        ident = b"\x7fELF" + bytes([2, 1 if self.little else 2, 1]) + bytes(9)
        # e_flags = 2 (ELFv2): the entry is code, not a descriptor.
        header = struct.pack(
            order + "HHIQQQIHHHHHH",
            2, 21, 1, self._enter, 64, 0, 2, 64, 56, 1, 64, 0, 0,
        )  # fmt: skip
        segment = struct.pack(
            order + "IIQQQQQQ", 1, 7, LOW, LOW, LOW, len(image), memory_size, 0x1000
        )
        return (ident + header + segment).ljust(LOW, b"\0") + image
