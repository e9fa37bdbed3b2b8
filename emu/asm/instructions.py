"""Instructions: what their operands are, and the words that are laid down for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .diagnostics import suggestion
from .encode import BRANCHES, REGISTERS, EncodeError, encode, fit, pattern_of, slots_for
from .encoding import encode_mistake, flatten
from .modifiers import BRANCH_MODIFIERS, HALVES, MODIFIERS
from .sections import SHT_NOBITS
from .state import InsnFixup, MistakeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emu.isa.operands import Operand as Slot

    from .assembler import Assembler
    from .encode import Slots
    from .expressions import Code
    from .parse import Operand, Postfix
    from .scan import Statement
    from .sections import Place
    from .symbols import Symbol


def instruction(asm: Assembler, statement: Statement) -> None:
    """Lay down an instruction's word, or room for one that needs what is not known yet.

    Raises MistakeError.
    """
    operands = asm.operands(statement)
    try:
        slots = slots_for(statement.head, pattern_of(operands))
    except EncodeError as error:
        raise _unfit(asm, statement, operands, error) from None
    values: list[int | Code] = []
    modifiers: list[str] = []
    pure = constant = True
    for index, (operand, code, is_base) in enumerate(flatten(operands)):
        value, simple = _operand(asm, statement, operand, code, slots, index)
        modifier = ""
        if operand.modifier >= 0 and not is_base:
            modifier = _modifier(asm, statement, operand, slots.slots[index])
            if isinstance(value, int):
                value, modifier = _modify(asm, statement, operand, value, modifier, slots, index)
        constant = constant and isinstance(value, int)
        pure = pure and simple
        values.append(value)
        modifiers.append(modifier)
    section = asm.section
    if section.type == SHT_NOBITS:
        raise asm.whole(f"section {section.name} has no contents, no code may stand here")
    fragment = section.fragment
    if (len(fragment.data) - fragment.phase) & 3:
        misplaced = asm.whole(
            "an instruction must stand at a multiple of 4", "it does not", "align with .align 2"
        )
        asm.emit(bytes(-(len(fragment.data) - fragment.phase) & 3))  # say it once
        raise misplaced
    section.align = max(section.align, 4)
    if constant:
        try:
            word = encode(statement.head, slots, values)  # type: ignore[arg-type]
        except EncodeError as error:
            raise encode_mistake(asm, statement, error) from None
        data = word.to_bytes(4, asm.order)
        if pure:
            statement.code = data
    else:
        fixup = InsnFixup(asm.here(), statement.head, slots, values, modifiers, asm.line, statement)
        asm.insn_fixups.append(fixup)
        data = b"\0\0\0\0"
    asm.emit(data)


def _operand(
    asm: Assembler, statement: Statement, operand: Operand, code: Postfix, slots: Slots, index: int
) -> tuple[int | Code, bool]:
    """An operand's value, and whether it is the same wherever the statement stands."""
    tokens = statement.tokens
    assert tokens is not None  # operands() has scanned
    names = slots.names[index]
    slot = slots.slots[index]
    if len(code) == 1 and isinstance(code[0], int):
        text, kind = tokens.texts[code[0]], tokens.shape[code[0]]
        if kind == "n":
            return asm.bind(statement, code), True
        name = text.lower().lstrip("%")
        if names is not None and name in names:
            return names[name], True
        if kind == "r" or (names is not None and text not in asm.symbols):
            raise _no_register(asm, statement, operand, slot, text, names)
    if names is None:
        pure = "s" not in tokens.shape[operand.first : operand.stop]
        return asm.bind(statement, code), pure
    value = asm.known(_bind_registers(asm, statement, code, names))
    if value is None:
        raise asm.at(statement, operand, f"{slot.name} must be a {slot.kind.value}")
    return value, False


def _bind_registers(
    asm: Assembler, statement: Statement, code: Postfix, names: Mapping[str, int]
) -> int | Code:
    """As bind(), where register names are numbers: `4*cr1+eq`."""
    tokens = statement.tokens
    assert tokens is not None
    bound: list[int | str | Place | Symbol] = []
    for item in code:
        text = tokens.texts[item] if isinstance(item, int) else ""
        if text.lower().lstrip("%") in names and not isinstance(item, str):
            bound.append(names[text.lower().lstrip("%")])
        elif isinstance(item, int):
            leaf = asm.bind(statement, (item,))
            bound += leaf if isinstance(leaf, tuple) else (leaf,)
        else:
            bound.append(item)
    return tuple(bound)


def _no_register(
    asm: Assembler,
    statement: Statement,
    operand: Operand,
    slot: Slot,
    text: str,
    names: Mapping[str, int] | None,
) -> MistakeError:
    known = suggestion(text.lower().lstrip("%"), names) if names else ""
    if names is None:
        return asm.at(
            statement, operand, f"{slot.name} must be a {slot.kind.value}",
            f"{text} is a register",
        )  # fmt: skip
    if text.lower().lstrip("%") in REGISTERS:
        label = f"{text} is another kind of register"
    else:
        label = f"`{text[:40]}` is not one"
    return asm.at(statement, operand, f"{slot.name} must be a {slot.kind.value}", label, known)


def _modifier(asm: Assembler, statement: Statement, operand: Operand, slot: Slot) -> str:
    assert statement.tokens is not None
    text = statement.tokens.texts[operand.modifier].lower()
    column, width = asm.span(statement, operand.modifier, operand.modifier + 1)
    if text[1:] not in MODIFIERS:
        raise MistakeError(
            "no such modifier", column, width, f"`{text[:40]}` is unknown",
            suggestion(text, [f"@{name}" for name in MODIFIERS]),
        )  # fmt: skip
    if (slot.kind in BRANCHES) != (text[1:] in BRANCH_MODIFIERS):
        raise MistakeError(f"{slot.name} takes no such modifier", column, width, text)
    return text[1:]


def _modify(
    asm: Assembler, statement: Statement, operand: Operand, value: int, modifier: str, slots: Slots,
    index: int,
) -> tuple[int | Code, str]:  # fmt: skip
    """The value of a number with a modifier."""
    if modifier in BRANCH_MODIFIERS:
        return value, ""
    if modifier not in HALVES:
        column, width = asm.span(statement, operand.modifier, operand.modifier + 1)
        raise MistakeError(f"@{modifier} takes a symbol", column, width, "a number is none")
    return fit(slots.slots[index], HALVES[modifier](value)), ""


def _unfit(
    asm: Assembler, statement: Statement, operands: Sequence[Operand], error: EncodeError
) -> MistakeError:
    """An unknown mnemonic, or one with a wrong operand list."""
    if error.help or not operands or error.message == "no such instruction":
        known = error.help
        if not known and error.message == "no such instruction":
            known = suggestion(statement.head, asm.macros)
        return asm.whole(error.message, error.label, known)
    column, width = asm.span(statement, operands[0].first, operands[-1].stop)
    return MistakeError(error.message, column, width, error.label)
