"""What the assembler knows while it reads: sections, symbols, and what must be filled in later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .call_frames import CallFrames
from .diagnostics import Diagnostic
from .expressions import ExpressionError, UndefinedError, Value, evaluate, wrap
from .parse import ParseError, extent, parse_operands
from .scan import ScanError, scan, spans
from .sections import (
    SHT_NOBITS,
    Fragment,
    Piece,
    Place,
    Section,
    Tail,
    default_section,
    repeat,
)
from .source import Line
from .symbols import Symbol

if TYPE_CHECKING:
    from .encode import Slots
    from .expressions import Code
    from .parse import Operand, Postfix
    from .scan import Statement

MAX_BYTES = 64 << 20  # of all sections together, holes not counted
MAX_DIAGNOSTICS = 500
MAX_HOLE = 1 << 40
MAX_SYMBOL_DEPTH = 100  # `.set a, b; .set b, c; ...` read before their definitions
TEXT_BASE = 0x10000
ADDRESS_LIMIT = 1 << 60  # bits 0:3 of a real address are ignored


class TooManyErrorsError(Exception):
    """Enough has been said."""


class MistakeError(Exception):
    """Ends a statement: what is wrong with it, and where in its line."""

    def __init__(
        self, message: str, column: int, width: int, label: str = "", help_: str = ""
    ) -> None:
        super().__init__(message)
        self.message, self.column, self.width = message, column, width
        self.label, self.help = label, help_


@dataclass(slots=True)
class DataFixup:
    """`size` bytes at `place` that hold an expression, perhaps with a modifier."""

    place: Place
    size: int
    code: Code
    modifier: str
    line: Line
    statement: Statement
    operand: Operand


@dataclass(slots=True)
class InsnFixup:
    """An instruction at `place` whose operands hold expressions."""

    place: Place
    mnemonic: str
    slots: Slots
    values: list[int | Code]
    modifiers: list[str]
    line: Line
    statement: Statement


@dataclass(slots=True)
class Emission:
    """One statement's bytes: where they begin (they end where the next ones begin)."""

    fragment: Fragment
    offset: int
    line: Line
    location: tuple[int, int] | None = None  # file number and line of a `.loc`


class State:
    """Sections, symbols and fixups, and the operations that directives and instructions share."""

    def __init__(self, *, big: bool, relocatable: bool, text_base: int) -> None:
        self.big = big
        self.order: Literal["big", "little"] = "big" if big else "little"
        self.relocatable = relocatable
        self.text_base = text_base
        self.diagnostics: list[tuple[int, int, Diagnostic]] = []
        self.sections: dict[str, Section] = {}
        self.symbols: dict[str, Symbol] = {}
        self.data_fixups: list[DataFixup] = []
        self.insn_fixups: list[InsnFixup] = []
        self.emissions: list[Emission] = []
        self.bytes_left = MAX_BYTES
        self._numeric_back: dict[str, Symbol] = {}
        self._numeric_forward: dict[str, Symbol] = {}
        self.entry_marks: list[Place] = []  # of `.reloc .,R_PPC64_ENTRY`
        self.call_frames = CallFrames()
        self.line = Line("the command line", 0, "", -1, None)  # being read
        self.files: dict[int, str] = {}
        self.source_name = ""
        self.machine = "power9"
        self.machine_stack: list[str] = []
        self.abi_version: int | None = None
        self.location: tuple[int, int] | None = None
        self.view = 0
        self._view_place: Place | None = None
        self.section = self.open_section(".text")
        self.previous = self.section
        self.section_stack: list[tuple[Section, Section]] = []

    # -- messages

    @property
    def failed(self) -> bool:
        """Whether an error was reported."""
        return any(diagnostic.severity == "error" for _, _, diagnostic in self.diagnostics)

    def report(
        self, line: Line, column: int, width: int, message: str, label: str = "", help_: str = "",
        *, warning: bool = False,
    ) -> None:  # fmt: skip
        """Add a diagnostic."""
        diagnostic = Diagnostic(
            message, line.span(column, width), label, help_, line.notes(),
            "warning" if warning else "error",
        )  # fmt: skip
        self.diagnostics.append((line.serial, column, diagnostic))
        if len(self.diagnostics) == MAX_DIAGNOSTICS:
            last = Diagnostic(
                f"only the first {MAX_DIAGNOSTICS} messages are shown", line.span(0, 0)
            )
            self.diagnostics.append((line.serial + 1, 0, last))
            raise TooManyErrorsError

    def report_mistake(self, line: Line, mistake: MistakeError, column: int, width: int) -> None:
        """Report what ended a statement; column, width: of its head, for one of it as a whole."""
        if mistake.column >= 0:
            column, width = mistake.column, mistake.width
        self.report(line, column, width, mistake.message, mistake.label, mistake.help)

    def warn(self, column: int, width: int, message: str, label: str = "") -> None:
        """Add a warning about the statement being read."""
        self.report(self.line, column, width, message, label, warning=True)

    # -- sections

    def open_section(self, name: str) -> Section:
        """The section of this name, made with its default attributes if it is new."""
        section = self.sections.get(name)
        if section is None:
            flags, kind = default_section(name)
            section = Section(name, flags, kind, len(self.sections), big=self.big)
            bases = {".text": self.text_base, ".vectors": 0}
            base = None if self.relocatable else bases.get(name)
            section.pieces.append(Piece(section, base))
            self.sections[name] = section
        return section

    def switch(self, section: Section) -> None:
        """Make `section` the current one."""
        self.previous, self.section = self.section, section

    def here(self) -> Place:
        """The location counter."""
        fragment = self.section.fragment
        return Place(fragment, len(fragment.data) + fragment.hole)

    def emit(self, data: bytes) -> None:
        """Append bytes to the current section."""
        section = self.section
        fragment = section.fragment
        if section.type == SHT_NOBITS:
            if data.count(0) != len(data):
                raise self.whole(
                    f"section {section.name} has no contents, only zeros may stand here"
                )
            fragment.hole += len(data)
            return
        self.bytes_left -= len(data)
        if self.bytes_left < 0:
            raise self._too_big()
        self.emissions.append(Emission(fragment, len(fragment.data), self.line, self.location))
        fragment.data += data

    def reserve(self, size: int, fill: bytes = b"\0") -> None:
        """Append `size` bytes of a repeated pattern."""
        section = self.section
        if section.type == SHT_NOBITS and fill.count(0) == len(fill):
            if section.fragment.hole + size > MAX_HOLE:
                raise self.whole(f"a section has at most {MAX_HOLE} bytes", f"{size} more")
            section.fragment.hole += size
        elif size > self.bytes_left:
            raise self._too_big()
        elif size:
            self.emit(repeat(fill, size))

    def _too_big(self) -> MistakeError:
        return self.whole(f"a program has at most {MAX_BYTES} bytes with contents")

    def variable(self, tail: Tail) -> None:
        """End the fragment by something whose size is found at layout."""
        section = self.section
        piece = section.pieces[-1]
        piece.fragments[-1].tail = tail
        fragment = piece.fragments[-1]
        self.emissions.append(Emission(fragment, fragment.size, self.line, self.location))
        piece.fragments.append(Fragment(piece, None))

    def offset_now(self) -> int | None:
        """Bytes from the start of the current piece, or its address; None if not known yet."""
        piece = self.section.pieces[-1]
        fragment = piece.fragments[-1]
        if fragment.start is None:
            return None
        return (piece.address or 0) + fragment.start + fragment.size

    # -- symbols

    def symbol(self, name: str) -> Symbol:
        """The symbol of this name, made if it is new."""
        symbol = self.symbols.get(name)
        if symbol is None:
            symbol = self.symbols[name] = Symbol(name)
        return symbol

    def label(self, name: str, column: int) -> None:
        """Define a label here."""
        place = self.here()
        if name[0].isdigit():
            self._numeric_label(name, place)
            return
        symbol = self.symbol(name)
        if symbol.value is not None or symbol.common is not None:
            self.redefined(symbol, column, len(name))
            return
        symbol.value = place
        symbol.defined = self.line

    def _numeric_label(self, name: str, place: Place) -> None:
        key = name.lstrip("0") or "0"
        symbol = self._numeric_forward.pop(key, None) or Symbol(name)
        symbol.value = place
        symbol.defined = self.line
        self._numeric_back[key] = symbol

    def redefined(self, symbol: Symbol, column: int, width: int) -> None:
        """Report a second definition."""
        first = symbol.defined
        label = "already defined"
        if first is not None:
            label = f"first defined at {first.file}:{first.number}".removesuffix(":0")
        self.report(self.line, column, width, f"symbol {symbol.name} may be defined once", label)

    def set_symbol(self, name: str, value: int | Place | Code, column: int) -> None:
        """`.set name, value`: define it, or define it anew."""
        symbol = self.symbol(name)
        if symbol.value is not None or symbol.common is not None:
            if not symbol.variable:
                self.redefined(symbol, column, len(name))
                return
            # Uses so far keep the value they saw; what is said of the name stays with the name.
            fresh = Symbol(
                name, None, True, symbol.binding, symbol.type, symbol.size, symbol.other,
                declared=symbol.declared,
            )  # fmt: skip
            symbol = self.symbols[name] = fresh
        symbol.value = value if isinstance(value, int | Place) else self._folded(value)
        symbol.variable = True
        symbol.defined = self.line

    def advance_view(self, place: Place, *, reset: bool) -> None:
        """Count the `.loc` directives at one address: what compilers call view numbers."""
        self.view = 0 if reset or place != self._view_place else self.view + 1
        self._view_place = place

    def _folded(self, code: Code) -> int | Place | Code:
        """The place that an expression already names, so that chains of `.set` do not grow."""
        try:
            value = self.now(code)
        except ExpressionError:
            return code
        if value.base is None:
            return value.number
        if isinstance(value.base, Piece):
            return Place(value.base.fragments[0], value.number)
        assert isinstance(value.base, Fragment)  # the two kinds of base there are
        return Place(value.base, value.number)

    # -- expressions

    def operands(self, statement: Statement) -> tuple[Operand, ...]:
        """The parsed operands of a statement. Raises MistakeError."""
        try:
            tokens = statement.tokens
            if tokens is None:
                tokens = statement.tokens = scan(statement.args)
            return parse_operands(tokens.shape)
        except ScanError as error:
            raise MistakeError(
                error.message, statement.args_column + error.column, error.width, error.label
            ) from None
        except ParseError as error:
            column, width = spans(statement.args)[error.token]
            raise MistakeError(
                error.message, statement.args_column + column, width, error.label
            ) from None

    def span(self, statement: Statement, first: int, stop: int) -> tuple[int, int]:
        """Column and width of a range of a statement's tokens."""
        found = spans(statement.args)
        start = found[first][0]
        last = found[stop - 1]
        return statement.args_column + start, last[0] + last[1] - start

    def at(
        self, statement: Statement, operand: Operand, message: str, label: str = "", help_: str = ""
    ) -> MistakeError:
        """A mistake in one operand."""
        return MistakeError(
            message, *self.span(statement, operand.first, operand.stop), label, help_
        )

    def whole(self, message: str, label: str = "", help_: str = "") -> MistakeError:
        """A mistake in the statement being read as a whole (its column is filled in later)."""
        return MistakeError(message, -1, 0, label, help_)

    def bind(self, statement: Statement, code: Postfix) -> int | Code:
        """Give the names of an expression their meaning here. Raises MistakeError."""
        tokens = statement.tokens
        assert tokens is not None  # operands() has scanned
        shape, texts = tokens
        if len(code) == 1 and isinstance(code[0], int):
            leaf = self._leaf(statement, code[0], shape[code[0]], texts[code[0]])
            return leaf if isinstance(leaf, int) else (leaf,)
        bound: list[int | str | Place | Symbol] = []
        constant = True
        for item in code:
            if isinstance(item, int):
                leaf = self._leaf(statement, item, shape[item], texts[item])
                constant = constant and isinstance(leaf, int)
                bound.append(leaf)
            else:
                bound.append(item)
        if not constant:
            return tuple(bound)
        try:
            return evaluate(tuple(bound), _no_place).number
        except ExpressionError as error:
            first, stop = extent(code)
            column, width = self.span(statement, first, stop)
            raise MistakeError(error.message, column, width, error.label) from None

    def _leaf(self, statement: Statement, index: int, kind: str, text: str) -> int | Place | Symbol:
        if kind == "n":
            number = parse_number(text)
            if number is None:
                column, width = self.span(statement, index, index + 1)
                if text.isdigit() and text[0] == "0" and text.strip("01234567"):
                    raise MistakeError(
                        "a number that begins with 0 is octal", column, width, "has an 8 or a 9"
                    )
                raise MistakeError("a number has at most 64 bits", column, width, "too large")
            return number
        if kind == "r":
            column, width = self.span(statement, index, index + 1)
            raise MistakeError("a register has no place in this expression", column, width, text)
        if text == ".":
            return self.here()
        if text[0].isdigit():
            return self._numeric(statement, index, text)
        symbol = self.symbol(text)
        if isinstance(symbol.value, int):
            return symbol.value
        return symbol

    def _numeric(self, statement: Statement, index: int, text: str) -> Symbol:
        key = text[:-1].lstrip("0") or "0"
        if text[-1] == "b":
            symbol = self._numeric_back.get(key)
            if symbol is None:
                column, width = self.span(statement, index, index + 1)
                raise MistakeError(
                    f"{text} refers to a label {key}: above", column, width, "there is none"
                )
            return symbol
        symbol = self._numeric_forward.get(key)
        if symbol is None:
            symbol = self._numeric_forward[key] = Symbol(text)
        return symbol

    def now(self, code: int | Code) -> Value:
        """The value as far as it is known while reading. Raises ExpressionError."""
        if isinstance(code, int):
            return Value(None, code)
        return evaluate(code, self._locate_now)

    def _locate_now(self, leaf: Place | Symbol) -> Value:
        if isinstance(leaf, Symbol):
            symbol, value = leaf, leaf.value
            if value is None:
                raise UndefinedError(
                    symbol, "this value must be known here", f"{symbol.name} is not defined above"
                )
            if isinstance(value, int):
                return Value(None, value)
            if not isinstance(value, Place):
                with self.visiting(symbol):
                    return evaluate(value, self._locate_now)
            leaf = value
        fragment = leaf.fragment
        if fragment.start is not None:
            piece = fragment.piece
            if piece.address is not None:
                return Value(None, piece.address + fragment.start + leaf.offset)
            return Value(piece, fragment.start + leaf.offset)
        return Value(fragment, leaf.offset)

    def visiting(self, symbol: Symbol) -> _Visit:
        """Guard against symbols that are defined by themselves, or by too long a chain."""
        return _Visit(self, symbol)

    depth = 0

    def known(self, code: int | Code) -> int | None:
        """A plain number if the value is one already, else None."""
        if isinstance(code, int):
            return code
        try:
            value = self.now(code)
        except ExpressionError:
            return None
        return value.number if value.base is None else None

    def number(self, statement: Statement, operand: Operand, what: str) -> int:
        """The value of an operand that must be a number known here. Raises MistakeError."""
        if operand.base is not None or operand.modifier >= 0:
            raise self.at(statement, operand, f"{what} must be a number")
        code = self.bind(statement, operand.value)
        try:
            value = self.now(code)
        except ExpressionError as error:
            raise self.at(statement, operand, f"{what} must be known here", error.label) from None
        if value.base is not None:
            raise self.at(
                statement, operand, f"{what} must be a number", "the address is not known yet"
            )
        return value.number

    def numbers(self, statement: Statement, *whats: str) -> list[int | None]:
        """Values of up to `len(whats)` operands; None for one that is left out or empty."""
        operands = self.sparse_operands(statement)
        if len(operands) > len(whats):
            extra = operands[len(whats)]
            message = f"{statement.head} takes at most {len(whats)} operands"
            if extra is not None:
                raise self.at(statement, extra, message, "one too many")
            raise self.whole(message)
        found: list[int | None] = [
            None if operand is None else self.number(statement, operand, what)
            for operand, what in zip(operands, whats, strict=False)
        ]
        return found + [None] * (len(whats) - len(found))

    def sparse_operands(self, statement: Statement) -> list[Operand | None]:
        """Operands where one may be left out between commas: `.p2align 4,,15`."""
        try:
            tokens = statement.tokens = statement.tokens or scan(statement.args)
        except ScanError:
            return list(self.operands(statement))  # raises the MistakeError
        if ",," not in tokens.shape:
            return list(self.operands(statement))
        found: list[Operand | None] = []
        first = 0
        for part in tokens.shape.split(","):
            try:
                parsed = parse_operands(part)
            except ParseError as error:
                column, width = spans(statement.args)[first + error.token]
                raise MistakeError(
                    error.message, statement.args_column + column, width, error.label
                ) from None
            found.append(parsed[0].shifted(first) if parsed else None)
            first += len(part) + 1
        return found


class _Visit:
    def __init__(self, state: State, symbol: Symbol) -> None:
        self._state, self._symbol = state, symbol

    def __enter__(self) -> None:
        if self._symbol.evaluating:
            raise ExpressionError(
                "a symbol must not be defined by itself", f"{self._symbol.name} depends on itself"
            )
        if self._state.depth >= MAX_SYMBOL_DEPTH:
            raise ExpressionError(
                f"symbols may be defined by one another at most {MAX_SYMBOL_DEPTH} deep",
                f"{self._symbol.name} is deeper",
            )
        self._state.depth += 1
        self._symbol.evaluating = True

    def __exit__(self, *_: object) -> None:
        self._state.depth -= 1
        self._symbol.evaluating = False


_ESCAPES = {"b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}


def parse_number(text: str) -> int | None:
    """The value of a number token, as a signed 64-bit one; None if it needs more bits."""
    if text[0] == "'":
        return _character(text)
    if len(text) > 80:
        digits = text[2:] if text[:2].lower() in ("0x", "0b") else text
        if len(digits.lstrip("0")) > 64:
            return None
        text = text[: len(text) - len(digits)] + (digits.lstrip("0") or "0")
    prefix = text[:2].lower()
    if prefix in ("0x", "0b"):
        number = int(text, 0)
    elif text[0] == "0" and len(text) > 1:
        if text.strip("01234567"):
            return None
        number = int(text, 8)
    else:
        number = int(text)
    return wrap(number) if number < 1 << 64 else None


def _character(text: str) -> int:
    body = text[1:]
    if body[0] == "\\":
        body = body[1:]
        if body[0] in "01234567":
            return int(body.rstrip("'"), 8) & 0xFF
        return _ESCAPES.get(body[0], ord(body[0]))
    code = ord(body[0])
    return code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code


def _no_place(_leaf: object) -> Value:
    raise AssertionError("a constant expression has no places")
