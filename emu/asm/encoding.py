"""Encoding instructions of the source: its mistakes at their operands, now or when all is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .encode import EncodeError, encode
from .parse import extent
from .state import MistakeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .parse import Operand, Postfix
    from .scan import Statement
    from .state import InsnFixup, State


def flatten(operands: Sequence[Operand]) -> Iterator[tuple[Operand, Postfix, bool]]:
    """Each value and each base register: the operand, its postfix code, whether it is a base."""
    for operand in operands:
        yield operand, operand.value, False
        if operand.base is not None:
            yield operand, operand.base, True


def encode_mistake(state: State, statement: Statement, error: EncodeError) -> MistakeError:
    """What the encoder found, at the operand that it means."""
    if error.index is None:
        return state.whole(error.message, error.label, error.help)
    operands = state.operands(statement)
    operand, code, is_base = list(flatten(operands))[error.index]
    first, stop = extent(code)
    if not is_base and operand.base is None:
        first, stop = operand.first, operand.stop
    column, width = state.span(statement, first, stop)
    return MistakeError(error.message, column, width, error.label, error.help)


def late_word(state: State, fixup: InsnFixup, values: Sequence[int]) -> int | None:
    """The word of an instruction with the values of its operands; None if that was reported."""
    try:
        return encode(fixup.mnemonic, fixup.slots, values)
    except EncodeError as error:
        mistake = encode_mistake(state, fixup.statement, error)
    state.report_mistake(fixup.line, mistake, fixup.statement.head_column, len(fixup.mnemonic))
    return None


def value_span(state: State, fixup: InsnFixup, index: int) -> tuple[int, int]:
    """Column and width of one value of an instruction."""
    mistake = encode_mistake(state, fixup.statement, EncodeError("", index))
    return mistake.column, mistake.width
