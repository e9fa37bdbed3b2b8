"""The `.cfi_*` directives: how to find a function's caller and the registers it had.

They make `.eh_frame` (or `.debug_frame`), by which debuggers unwind; see `frame_tables.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from . import call_frames
from .call_frames import DATA_ALIGN, STACK_POINTER, Frame, Pointer, Step, column_of
from .scan import Statement
from .state import MistakeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .assembler import Assembler

SECTIONS: Final = (".eh_frame", ".debug_frame")
OMITTED: Final = 0xFF
# DW_EH_PE_*: a pointer, or 2, 4 or 8 bytes unsigned or signed; perhaps relative to the place, or
# of where the address is.
FORMS: Final = {0x0, 0x2, 0x3, 0x4, 0xA, 0xB, 0xC}
MODES: Final = 0x90
MAX_OFFSET: Final = 1 << 31
_FIELD = re.compile(r"\s*([^,]*?)\s*(?:,|$)")


def _fields(asm: Assembler, statement: Statement, least: int, most: int) -> list[Statement]:
    """The operands between commas, each as a statement of its own. Raises MistakeError."""
    found: list[Statement] = []
    position = 0
    text = statement.args.rstrip()
    while position < len(text) or (found and text.endswith(",") and position == len(text)):
        match = _FIELD.match(text, position)
        assert match is not None  # it matches anything
        found.append(
            Statement(
                statement.line, (), statement.head, statement.head_column,
                match.group(1), statement.args_column + match.start(1),
            )
        )  # fmt: skip
        position = match.end() + (match.end() == position)
    if not least <= len(found) <= most:
        count = f"{least}" if least == most else f"{least} or more"
        raise asm.whole(f"{statement.head} takes {count} operands", f"{len(found)} given")
    return found


def _number(asm: Assembler, part: Statement, what: str) -> int:
    numbers = asm.numbers(part, what) if part.args else [None]
    if numbers[0] is None:
        raise _mistake(part, f"{what} must be a number", "nothing stands here")
    return numbers[0]


def _mistake(part: Statement, message: str, label: str) -> MistakeError:
    return MistakeError(message, part.args_column, max(len(part.args), 1), label)


def _column(asm: Assembler, part: Statement) -> int:
    """A register: by its name or its DWARF number."""
    found = column_of(part.args.removeprefix("%"))
    if found is None:
        if re.fullmatch(r"%?[A-Za-z][\w.]*", part.args) and part.args not in asm.symbols:
            raise _mistake(part, "a register is r0 to r31, lr, ctr, cr or a DWARF number", "none")
        found = _number(asm, part, "a register's number")
    if not 0 <= found < 1 << 16:
        raise _mistake(part, "a register's DWARF number is 0 to 65535", f"{found}")
    return found


def _offset(asm: Assembler, part: Statement, add: int = 0, *, any_positive: bool = False) -> int:
    """An offset in bytes; the tables hold multiples of 8, but any positive one of the CFA."""
    value = _number(asm, part, "the offset") + add
    if not -MAX_OFFSET <= value < MAX_OFFSET:
        raise _mistake(part, f"an offset must be between {-MAX_OFFSET} and {MAX_OFFSET - 1}",
                       f"{value}")  # fmt: skip
    if value % DATA_ALIGN and not (any_positive and value > 0):
        raise _mistake(part, f"an offset must be a multiple of {-DATA_ALIGN}", f"{value}")
    return value


def _open(asm: Assembler, statement: Statement) -> Frame:
    frame = asm.call_frames.open.get(asm.section.name)
    if frame is None:
        raise asm.whole(f"{statement.head} stands after a .cfi_startproc", "none is open here")
    return frame


def _add(asm: Assembler, frame: Frame, *steps: Step) -> None:
    here = asm.here()
    if here != frame.reached:
        frame.steps.append(here)
        frame.reached = here
    frame.steps += steps


def _startproc(asm: Assembler, statement: Statement) -> None:
    kind = statement.args.strip()
    if kind not in ("", "simple"):
        raise asm.whole(".cfi_startproc takes nothing, or `simple`", kind[:40])
    name = asm.section.name
    if name in asm.call_frames.open:
        first = asm.call_frames.open[name].line
        raise asm.whole(
            ".cfi_startproc must follow the .cfi_endproc of the one before",
            f"opened at {first.file}:{first.number}",
        )
    here = asm.here()
    frame = Frame(asm.section, here, asm.line, statement.head_column, here)
    if not kind:
        frame.steps.append(Step(call_frames.cfa(STACK_POINTER, 0)))
    asm.call_frames.open[name] = frame


def _endproc(asm: Assembler, statement: Statement) -> None:
    frame = _open(asm, statement)
    frame.end = asm.here()
    del asm.call_frames.open[asm.section.name]
    asm.call_frames.closed.append(frame)


def _sections(asm: Assembler, statement: Statement) -> None:
    names = []
    for part in _fields(asm, statement, 0, len(SECTIONS)):
        if part.args not in SECTIONS:
            raise _mistake(part, ".cfi_sections takes .eh_frame and .debug_frame", "neither")
        names.append(part.args)
    if asm.call_frames.any:
        raise asm.whole(".cfi_sections stands before the first .cfi_startproc", "one is above")
    asm.call_frames.wanted = tuple(name for name in SECTIONS if name in names)


def _def_cfa(asm: Assembler, statement: Statement) -> None:
    frame = _open(asm, statement)
    register, offset = _fields(asm, statement, 2, 2)
    frame.cfa_offset = _offset(asm, offset, any_positive=True)
    _add(asm, frame, Step(call_frames.cfa(_column(asm, register), frame.cfa_offset)))


def _def_cfa_offset(*, adjust: bool) -> Callable[[Assembler, Statement], None]:
    def directive(asm: Assembler, statement: Statement) -> None:
        frame = _open(asm, statement)
        (offset,) = _fields(asm, statement, 1, 1)
        before = frame.cfa_offset if adjust else 0
        frame.cfa_offset = _offset(asm, offset, before, any_positive=True)
        _add(asm, frame, Step(call_frames.cfa_offset(frame.cfa_offset)))

    return directive


def _saved(
    encode: Callable[[int, int], bytes], *, relative: bool = False
) -> Callable[[Assembler, Statement], None]:
    """A register and an offset; relative: from the CFA's register and not from the CFA."""

    def directive(asm: Assembler, statement: Statement) -> None:
        frame = _open(asm, statement)
        register, offset = _fields(asm, statement, 2, 2)
        value = _offset(asm, offset, -frame.cfa_offset if relative else 0)
        _add(asm, frame, Step(encode(_column(asm, register), value)))

    return directive


def _one(opcode: int) -> Callable[[Assembler, Statement], None]:
    def directive(asm: Assembler, statement: Statement) -> None:
        frame = _open(asm, statement)
        (register,) = _fields(asm, statement, 1, 1)
        _add(asm, frame, Step(call_frames.with_column(opcode, _column(asm, register))))

    return directive


def _several(encode: Callable[[int], bytes]) -> Callable[[Assembler, Statement], None]:
    def directive(asm: Assembler, statement: Statement) -> None:
        frame = _open(asm, statement)
        parts = _fields(asm, statement, 1, len(statement.args))
        _add(asm, frame, *[Step(encode(_column(asm, part))) for part in parts])

    return directive


def _register(asm: Assembler, statement: Statement) -> None:
    frame = _open(asm, statement)
    first, second = (_column(asm, part) for part in _fields(asm, statement, 2, 2))
    _add(asm, frame, Step(call_frames.with_columns(call_frames.REGISTER, first, second)))


def _remember(asm: Assembler, statement: Statement) -> None:
    frame = _open(asm, statement)
    _fields(asm, statement, 0, 0)
    frame.remembered.append(frame.cfa_offset)
    _add(asm, frame, Step(bytes([call_frames.REMEMBER_STATE]), shared=False))


def _restore_state(asm: Assembler, statement: Statement) -> None:
    frame = _open(asm, statement)
    _fields(asm, statement, 0, 0)
    if not frame.remembered:
        raise asm.whole(".cfi_restore_state follows a .cfi_remember_state", "nothing is remembered")
    frame.cfa_offset = frame.remembered.pop()
    _add(asm, frame, Step(bytes([call_frames.RESTORE_STATE])))


def _window_save(asm: Assembler, statement: Statement) -> None:
    frame = _open(asm, statement)
    _fields(asm, statement, 0, 0)
    _add(asm, frame, Step(bytes([call_frames.GNU_WINDOW_SAVE])))


def _escape(asm: Assembler, statement: Statement) -> None:
    frame = _open(asm, statement)
    parts = _fields(asm, statement, 1, len(statement.args))
    data = bytes(_number(asm, part, "the byte") & 0xFF for part in parts)
    _add(asm, frame, Step(data, shared=False))


def _return_column(asm: Assembler, statement: Statement) -> None:
    frame = _open(asm, statement)
    (register,) = _fields(asm, statement, 1, 1)
    column = _column(asm, register)
    if column > 0xFF:
        raise _mistake(register, "the return column is 0 to 255", f"{column}")
    frame.return_column = column


def _signal_frame(asm: Assembler, statement: Statement) -> None:
    _fields(asm, statement, 0, 0)
    _open(asm, statement).signal = True


def _pointer(asm: Assembler, statement: Statement) -> Pointer | None:
    """`encoding, address`; None for the encoding that means no address."""
    _open(asm, statement)
    parts = _fields(asm, statement, 1, 2)
    encoding = _number(asm, parts[0], "the encoding")
    if encoding == OMITTED:
        return None
    if encoding & ~MODES not in FORMS:
        raise _mistake(parts[0], "an encoding is absolute or relative, of 2, 4 or 8 bytes",
                       f"{encoding:#x}")  # fmt: skip
    if len(parts) != 2:
        raise asm.whole(f"{statement.head} takes an encoding and an address")
    operands = asm.operands(parts[1])
    if len(operands) != 1 or operands[0].base is not None or operands[0].modifier >= 0:
        raise _mistake(parts[1], f"{statement.head} takes an address", "not an address")
    code = asm.bind(parts[1], operands[0].value)
    return Pointer(encoding, (code,) if isinstance(code, int) else code, parts[1], operands[0])


def _personality(asm: Assembler, statement: Statement) -> None:
    _open(asm, statement).personality = _pointer(asm, statement)


def _lsda(asm: Assembler, statement: Statement) -> None:
    _open(asm, statement).lsda = _pointer(asm, statement)


def check_closed(asm: Assembler) -> None:
    """Report what no `.cfi_endproc` has closed at the end of the source."""
    for frame in asm.call_frames.open.values():
        asm.report(
            frame.line, frame.column, len(".cfi_startproc"),
            ".cfi_startproc must be closed by .cfi_endproc", "opened here",
        )  # fmt: skip


DIRECTIVES: Mapping[str, Callable[[Assembler, Statement], None]] = {
    ".cfi_startproc": _startproc,
    ".cfi_endproc": _endproc,
    ".cfi_sections": _sections,
    ".cfi_def_cfa": _def_cfa,
    ".cfi_def_cfa_register": _one(call_frames.DEF_CFA_REGISTER),
    ".cfi_def_cfa_offset": _def_cfa_offset(adjust=False),
    ".cfi_adjust_cfa_offset": _def_cfa_offset(adjust=True),
    ".cfi_offset": _saved(call_frames.saved),
    ".cfi_rel_offset": _saved(call_frames.saved, relative=True),
    ".cfi_val_offset": _saved(call_frames.valued),
    ".cfi_register": _register,
    ".cfi_restore": _several(call_frames.restored),
    ".cfi_undefined": _several(lambda n: call_frames.with_column(call_frames.UNDEFINED, n)),
    ".cfi_same_value": _one(call_frames.SAME_VALUE),
    ".cfi_remember_state": _remember,
    ".cfi_restore_state": _restore_state,
    ".cfi_window_save": _window_save,
    ".cfi_escape": _escape,
    ".cfi_return_column": _return_column,
    ".cfi_signal_frame": _signal_frame,
    ".cfi_personality": _personality,
    ".cfi_lsda": _lsda,
}
