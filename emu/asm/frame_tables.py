"""`.eh_frame` and `.debug_frame`: call frames as entries that share what they begin with.

A common entry (CIE) has the alignment factors and the steps that hold from the first instruction
on; each frame's own (FDE) refers to the latest one that fits. Source: DWARF Debugging Information
Format 4, 6.4.1, and the Linux Standard Base's exception frames for `.eh_frame`. Which entries
share, and how they are padded, is as GNU as has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .call_frames import (
    CODE_ALIGN,
    DATA_ALIGN,
    LINK_REGISTER,
    MAX_ADVANCE,
    STACK_POINTER,
    UNDEFINED,
    Frame,
    Pointer,
    Step,
    advance,
    cfa,
    with_column,
)
from .leb128 import leb128
from .parse import Operand
from .placement import align
from .scan import Statement
from .sections import Tail
from .state import DataFixup

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .assembler import Assembler
    from .expressions import Code
    from .program import Endian, Function
    from .sections import Place

HEAD: Final = ".cfi_startproc"
WHOLE: Final = Operand((0,), -1, None, 0, 1)
PCREL, PCREL_SDATA4 = 0x10, 0x1B  # DW_EH_PE_*
POINTER_SIZES: Final = {0: 8, 2: 2, 3: 4, 4: 8}  # by an encoding's low three bits
NO_CIE: Final = 0xFFFFFFFF  # what stands in the place of a CIE's offset in a CIE of .debug_frame


@dataclass(frozen=True, slots=True)
class Cie:
    """A common entry that has been written."""

    place: Place
    frame: Frame
    steps: tuple[Step, ...]

    def fits(self, frame: Frame) -> bool:
        """Whether another frame can refer to this one."""
        mine, its = self.frame, frame
        return (
            mine.return_column == its.return_column
            and mine.signal == its.signal
            and _encoding(mine.lsda) == _encoding(its.lsda)
            and _address(mine.personality) == _address(its.personality)
            and tuple(its.leading()[: len(self.steps)]) == self.steps
        )


def _encoding(pointer: Pointer | None) -> int | None:
    return None if pointer is None else pointer.encoding


def _address(pointer: Pointer | None) -> tuple[int, Code] | None:
    return None if pointer is None else (pointer.encoding, pointer.code)


def write_frames(asm: Assembler) -> None:
    """Append the tables to their sections, in the order in which the frames were closed."""
    if not asm.call_frames.closed:
        return
    section, previous, line = asm.section, asm.previous, asm.line
    for name in asm.call_frames.wanted:
        asm.switch(asm.open_section(name))
        _Table(asm, eh=name == ".eh_frame").write()
    asm.section, asm.previous, asm.line = section, previous, line


class _Table:
    """The entries of one section. eh: `.eh_frame`, whose addresses are relative to the place."""

    def __init__(self, asm: Assembler, *, eh: bool) -> None:
        self._asm = asm
        self._eh = eh
        self._align = 4 if eh else 8
        self._statement = Statement("", (), HEAD, 0, HEAD, 0)
        self._cies: list[Cie] = []

    def write(self) -> None:
        """Write all."""
        for frame in self._asm.call_frames.closed:
            self._asm.line = frame.line
            self._statement = Statement(frame.line.text, (), HEAD, frame.column, HEAD, frame.column)
            align(self._asm, self._statement, self._align, b"\0")
            cie = next((cie for cie in reversed(self._cies) if cie.fits(frame)), None)
            self._fde(frame, self._cie(frame) if cie is None else cie)

    def _cie(self, frame: Frame) -> Cie:
        asm, eh = self._asm, self._eh
        cie = Cie(asm.here(), frame, tuple(frame.leading()))
        length = self._reserve(4)
        start = asm.here()
        self._number(0 if eh else NO_CIE, 4)
        personality, lsda = frame.personality, frame.lsda
        letters = "z" + "P" * (personality is not None) + "L" * (lsda is not None) + "R"
        letters = (letters if eh else "") + "S" * frame.signal
        asm.emit(b"\1" + letters.encode("ascii") + b"\0")
        asm.emit(leb128(CODE_ALIGN, signed=False) + leb128(DATA_ALIGN, signed=True))
        self._number(frame.return_column, 1)
        if eh:
            address_size = 0 if personality is None else 1 + _pointer_size(personality)
            self._number(address_size + (lsda is not None) + 1, 1)
            if personality is not None:
                self._number(personality.encoding, 1)
                self._pointer(personality)
            if lsda is not None:
                self._number(lsda.encoding, 1)
            self._number(PCREL_SDATA4, 1)
        for step in cie.steps:
            asm.emit(step.data)
        self._finish(length, start)
        self._cies.append(cie)
        return cie

    def _fde(self, frame: Frame, cie: Cie) -> None:
        asm = self._asm
        assert frame.end is not None  # only closed ones are written
        length = self._reserve(4)
        start = asm.here()
        if self._eh:
            self._value((start, cie.place, "-"), 4)
            self._value((frame.start, asm.here(), "-"), 4)
            self._value((frame.end, frame.start, "-"), 4)
            size = 0 if frame.lsda is None else _pointer_size(frame.lsda)
            asm.emit(leb128(size, signed=False))
            if frame.lsda is not None:
                self._pointer(frame.lsda)
        else:
            self._value((cie.place,), 4)
            self._value((frame.start,), 8)
            self._value((frame.end, frame.start, "-"), 8)
        at = frame.start
        for step in frame.steps[len(cie.steps) :]:
            if isinstance(step, Step):
                asm.emit(step.data)
            else:
                self._advance(at, step)
                at = step
        self._finish(length, start)

    # -- parts

    def _number(self, value: int, size: int) -> None:
        self._asm.emit(value.to_bytes(size, self._asm.order))

    def _reserve(self, size: int) -> Place:
        place = self._asm.here()
        self._asm.emit(bytes(size))
        return place

    def _finish(self, length: Place, start: Place) -> None:
        """Pad the entry, and say how long it is."""
        align(self._asm, self._statement, self._align, b"\0")
        self._fill(length, (self._asm.here(), start, "-"), 4)

    def _value(self, code: Code, size: int) -> None:
        self._fill(self._reserve(size), code, size)

    def _fill(self, place: Place, code: Code, size: int) -> None:
        self._asm.data_fixups.append(
            DataFixup(place, size, code, "", self._asm.line, self._statement, WHOLE)
        )

    def _pointer(self, pointer: Pointer) -> None:
        size, place = _pointer_size(pointer), self._asm.here()
        code = (*pointer.code, place, "-") if pointer.encoding & PCREL else pointer.code
        self._reserve(size)
        self._asm.data_fixups.append(
            DataFixup(place, size, code, "", self._asm.line, pointer.statement, pointer.operand)
        )

    def _advance(self, before: Place, after: Place) -> None:
        asm = self._asm
        code = (after, before, "-")
        distance = asm.known(code)
        if distance is not None and 0 <= distance < MAX_ADVANCE:
            asm.emit(advance(distance, asm.order))
            return
        width = len(HEAD)
        asm.variable(Tail("advance", asm.line, self._statement.head_column, width, code))


def _pointer_size(pointer: Pointer) -> int:
    return POINTER_SIZES[pointer.encoding & 7]


def outermost_frames(functions: Iterable[Function], endian: Endian) -> bytes:
    """`.debug_frame` for functions that nobody calls: there is nothing to unwind to.

    Without it gdb guesses that their caller is wherever LR points, and takes a call for a jump.
    """
    found = [function for function in functions if function.outermost]
    if not found:
        return b""
    cie = NO_CIE.to_bytes(4, endian) + b"\1\0" + bytes([CODE_ALIGN, DATA_ALIGN & 0x7F])
    cie += bytes([LINK_REGISTER]) + cfa(STACK_POINTER, 0) + with_column(UNDEFINED, LINK_REGISTER)
    data = _padded(cie, endian)
    for row in found:
        addresses = row.start.to_bytes(8, endian) + (row.end - row.start).to_bytes(8, endian)
        data += _padded(bytes(4) + addresses, endian)
    return data


def _padded(entry: bytes, endian: Endian) -> bytes:
    entry += bytes(-(len(entry) + 4) % 8)
    return len(entry).to_bytes(4, endian) + entry
