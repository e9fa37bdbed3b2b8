"""The first pass: reads every statement, lays bytes down, notes what must be filled in later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import directives
from .cfi import check_closed
from .diagnostics import suggestion
from .encode import REGISTERS
from .frame_tables import write_frames
from .instructions import instruction
from .macros import (
    CLOSERS,
    OPENERS,
    Block,
    Macro,
    MacroError,
    bind_arguments,
    parse_definition,
    split_arguments,
    substitute,
)
from .millicode import millicode
from .scan import Statement, split_line, split_statement
from .source import Line, Via, physical_lines
from .state import MistakeError, State, TooManyErrorsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from .expressions import Code
    from .parse import Postfix

MAX_DEPTH = 100  # macros in macros, includes in includes
MAX_EXPANSION = 1_000_000  # statements that macros and repetitions may produce
MAX_ARGUMENT = 10_000
MAX_EXPANDED_CHARACTERS = 32 << 20
MAX_CONDITIONALS = 1000


class Frame:
    """Lines being read: a file, an expansion, or the rest of a line.

    conditionals: how many were open where it begins. macro: an expansion, or rest of a line of one.
    """

    __slots__ = ("conditionals", "lines", "macro", "rest")

    def __init__(
        self,
        lines: Iterator[tuple[Line, Sequence[Statement]]],
        conditionals: int,
        *,
        macro: bool,
        rest: bool = False,
    ) -> None:
        self.lines = lines
        self.conditionals = conditionals
        self.macro = macro
        self.rest = rest


class Conditional:
    """An open `.if`. taken: some branch was; active: this one is."""

    __slots__ = ("active", "column", "has_else", "line", "outer", "taken")

    def __init__(self, line: Line, column: int, *, outer: bool, active: bool) -> None:
        self.line = line
        self.column = column
        self.outer = outer
        self.active = outer and active
        self.taken = active
        self.has_else = False


# Lines that were split before, and with them their tokens and instruction words; by byte order.
# What a statement remembers depends on nothing but its text, so all assemblers share it.
_MEMO: dict[bool, dict[str, list[Statement]]] = {True: {}, False: {}}
MAX_REMEMBERED = 100_000
MAX_REMEMBERED_LINE = 200  # characters


def _remembered(*, big: bool) -> dict[str, list[Statement]]:
    memo = _MEMO[big]
    if len(memo) >= MAX_REMEMBERED:
        memo.clear()
    return memo


class Assembler(State):
    """Reads source text; the result is its sections, symbols and fixups."""

    def __init__(
        self,
        *,
        big: bool = True,
        relocatable: bool = False,
        text_base: int,
        include_dirs: Sequence[Path] = (),
    ) -> None:
        super().__init__(big=big, relocatable=relocatable, text_base=text_base)
        self.include_dirs = tuple(include_dirs)
        self.included: list[str] = []
        self.macros: dict[str, Macro] = {}
        self.macro_count = 0
        self.frames: list[Frame] = []
        self.conditionals: list[Conditional] = []
        self.block: Block | None = None
        self.ended = False
        self.stopped = False  # so much is wrong that the second pass has nothing to add
        self.read_lines: list[Line] | None = None  # every line in order of reading, if wanted
        self._serial = 0
        self._expanded = 0
        self._expanded_characters = 0
        self._memo = _remembered(big=big)

    # -- reading

    def read(self, text: str, filename: str) -> None:
        """Read a whole program. Everything wrong with it is in `diagnostics` then."""
        try:
            self.push_file(text, filename, None)
            self._run()
            self._check_open()
            if not self.relocatable and (source := millicode(self)):
                self.ended = False
                self.push_file(source, "<register save and restore>", None)
                self._run()
            if not self.failed:
                write_frames(self)
        except TooManyErrorsError:
            self.stopped = True

    def push_file(self, text: str, filename: str, via: Via | None) -> None:
        """Read the lines of `text` next."""
        lines = physical_lines(text)
        self.frames.append(
            Frame(self._file_lines(lines, filename, via), len(self.conditionals), macro=False)
        )

    def _file_lines(
        self, lines: list[str], filename: str, via: Via | None
    ) -> Iterator[tuple[Line, Sequence[Statement]]]:
        memo = self._memo
        in_comment = False
        opened: Line | None = None
        skew = 0  # of a `# LINE "FILE"` that a preprocessor left
        for number, text in enumerate(lines, 1):
            line = Line(filename, number + skew, text, self._serial, via)
            self._serial += 1
            statements = None if in_comment else memo.get(text)
            if statements is None:
                if text.startswith("#") and not in_comment:
                    marker = directives.line_marker(text)
                    if marker is not None:
                        skew, filename = marker[0] - number - 1, marker[1] or filename
                        continue
                began = in_comment
                pieces, in_comment = split_line(text, in_comment=in_comment)
                if in_comment and not began:
                    opened = line
                statements = [split_statement(text, column, piece) for column, piece in pieces]
                if not (in_comment or began):
                    self._remember(text, statements)
            if self.read_lines is not None:
                self.read_lines.append(line)
            yield line, statements
        if in_comment and opened is not None:
            column = opened.text.rfind("/*")
            self.report(opened, column, 2, "a comment must be closed by `*/`", "opened here")

    def _expansion(
        self, lines: Sequence[tuple[Line, str]], via: Via
    ) -> Iterator[tuple[Line, Sequence[Statement]]]:
        memo = self._memo
        for origin, text in lines:
            self._expanded += 1
            self._expanded_characters += len(text)
            if self._expanded > MAX_EXPANSION:
                self._stop_expansion(via.line, f"{MAX_EXPANSION} statements")
            if self._expanded_characters > MAX_EXPANDED_CHARACTERS:
                self._stop_expansion(via.line, f"{MAX_EXPANDED_CHARACTERS >> 20} MiB of text")
            line = Line(origin.file, origin.number, text, self._serial, via)
            self._serial += 1
            statements = memo.get(text)
            if statements is None:
                pieces, _ = split_line(text, in_comment=False)
                statements = [split_statement(text, column, piece) for column, piece in pieces]
                self._remember(text, statements)
            if self.read_lines is not None:
                self.read_lines.append(line)
            yield line, statements

    def _remember(self, text: str, statements: list[Statement]) -> None:
        if len(text) <= MAX_REMEMBERED_LINE and len(self._memo) < MAX_REMEMBERED:
            self._memo[text] = statements

    def _stop_expansion(self, line: Line, limit: str) -> None:
        line = line.outermost()
        message = f"macros and repetitions may produce at most {limit}"
        self.report(line, 0, len(line.text), message, "this is more")
        raise TooManyErrorsError

    def _run(self) -> None:
        frames = self.frames
        while frames and not self.ended:
            frame = frames[-1]
            entry = next(frame.lines, None)
            if entry is None:
                frames.pop()
                continue
            self.line, statements = entry
            for index, statement in enumerate(statements):
                depth = len(frames)
                self._statement(statement)
                if (len(frames) != depth or frames[-1] is not frame) and index + 1 < len(
                    statements
                ):
                    self._after_expansion(depth, statements[index + 1 :], frame)
                    break

    def _after_expansion(self, depth: int, rest: Sequence[Statement], frame: Frame) -> None:
        """What follows a macro call on its line is read after the expansion."""
        if len(self.frames) > depth:
            lines = iter([(self.line, rest)])
            remaining = Frame(lines, len(self.conditionals), macro=frame.macro, rest=True)
            self.frames.insert(depth, remaining)

    def _statement(self, statement: Statement) -> None:
        if self.block is not None:
            self._collect(statement)
            return
        head = statement.head
        try:
            if self.conditionals and not self.conditionals[-1].active:
                if head in directives.CONDITIONALS:
                    directives.CONDITIONALS[head](self, statement)
                return
            for name, column in statement.labels:
                self.label(name, column)
            if not head:
                return
            code = statement.code
            if code is not None and head not in self.macros:
                fragment = self.section.pieces[-1].fragments[-1]
                if not (len(fragment.data) - fragment.phase) & 3 and self.section.align >= 4:
                    self.emit(code)
                    return
            if head in self.macros:
                self._call(self.macros[head], statement)
            elif head[0] == "." or head == "=":
                self._directive(statement)
            else:
                instruction(self, statement)
        except MistakeError as mistake:
            self.report_mistake(self.line, mistake, statement.head_column, len(statement.head))

    def _directive(self, statement: Statement) -> None:
        head = statement.head
        handler = directives.handler(head)
        if handler is not None:
            handler(self, statement)
        elif head in OPENERS:
            self.block = Block(
                head, statement.args, statement.args_column, self.line, statement.head_column
            )
        elif head in CLOSERS:
            opener = ".macro" if CLOSERS[head] == ".endm" else ".rept, .irp or .irpc"
            raise self.whole(f"{head} closes a {opener}", "none is open")
        else:
            known = [*directives.DIRECTIVES, *OPENERS, *CLOSERS]
            raise self.whole(
                "no such directive", f"`{head[:40]}` is unknown", suggestion(head, known)
            )

    def _check_open(self) -> None:
        if self.block is not None:
            block = self.block
            closer = OPENERS[block.opener]
            self.report(
                block.line, block.head_column, len(block.opener),
                f"{block.opener} must be closed by {closer}", "opened here",
            )  # fmt: skip
        for conditional in self.conditionals:
            self.report(
                conditional.line,
                conditional.column,
                3,
                ".if must be closed by .endif",
                "opened here",
            )
        check_closed(self)

    # -- conditions

    def open_conditional(self, statement: Statement, *, outer: bool, active: bool) -> None:
        """`.if`: what follows is read if `active`, and if what stands around it is (`outer`)."""
        if len(self.conditionals) >= MAX_CONDITIONALS:
            raise self.whole(f"conditions may nest {MAX_CONDITIONALS} deep", "this is deeper")
        self.conditionals.append(
            Conditional(self.line, statement.head_column, outer=outer, active=active)
        )

    def innermost(self, statement: Statement, *, closing: bool = False) -> Conditional:
        """The open `.if` that an `.else` or `.endif` belongs to. Raises MistakeError."""
        if not self.conditionals:
            raise self.whole(f"{statement.head} belongs to an .if", "none is open")
        conditional = self.conditionals[-1]
        if conditional.has_else and not closing:
            raise self.whole(f"{statement.head} must not follow .else", "an .else stands above")
        return conditional

    def bind_or_register(self, statement: Statement, code: Postfix) -> int | Code:
        """As bind(); the bare name of a register is its number: `.set counter, r5`."""
        assert statement.tokens is not None
        if len(code) == 1 and isinstance(code[0], int):
            text = statement.tokens.texts[code[0]]
            name = text.lower().lstrip("%")
            if name in REGISTERS and text not in self.symbols:
                return REGISTERS[name]
        return self.bind(statement, code)

    # -- blocks

    def _collect(self, statement: Statement) -> None:
        block = self.block
        assert block is not None
        head = statement.head
        if head in OPENERS:
            block.depth += 1
        elif head in CLOSERS:
            if block.depth == 0:
                self.block = None
                self._close(block)
                return
            block.depth -= 1
        first = statement.labels[0][1] if statement.labels else statement.head_column
        stop = statement.args_column + len(statement.args)
        text = statement.line
        # One statement a line keeps its indentation, so that messages show it as it was written.
        indent = text[:first] if not text[:first].strip() else ""
        block.body.append((self.line, indent + text[first:stop]))

    def _close(self, block: Block) -> None:
        try:
            if block.opener == ".macro":
                self._define(block)
            else:
                self._repeat(block)
        except MacroError as error:
            self.report(
                block.line,
                block.args_column + error.column,
                error.width,
                error.message,
                error.label,
            )
        except MistakeError as mistake:
            self.report_mistake(block.line, mistake, block.head_column, len(block.opener))

    def _define(self, block: Block) -> None:
        name, parameters = parse_definition(block.args)
        key = name.lower()
        if key in self.macros:
            first = self.macros[key].line
            raise MacroError(
                f"macro {name} may be defined once", 0, len(block.args.rstrip()) or 1,
                f"first defined at {first.file}:{first.number}",
            )  # fmt: skip
        self.macros[key] = Macro(name, parameters, tuple(block.body), block.line)

    def _repeat(self, block: Block) -> None:
        via = Via(f"in the repetition by {block.opener}", block.line)
        statement = split_statement(block.line.text, 0, block.opener + " " + block.args)
        statement.args, statement.args_column = block.args, block.args_column
        if block.opener in (".rept", ".rep"):
            operands = self.operands(statement)
            if len(operands) != 1:
                raise self.whole(f"{block.opener} takes a count")
            count = self.number(statement, operands[0], "the count")
            if count < 0:
                raise self.at(statement, operands[0], "the count must not be negative", f"{count}")
            self._check_expansion(block, count)
            lines = [
                (line, substitute(text, {}, index))
                for index in range(count)
                for line, text in block.body
            ]
        else:
            name, _, rest = block.args.strip().partition(",")
            name, space, more = name.strip().partition(" ")
            if not name:
                raise self.whole(f"{block.opener} takes a name and values")
            text = more + ("," if space and rest else "") + rest if space else rest
            values = (
                list(text.strip().strip('"')) if block.opener == ".irpc" else split_arguments(text)
            )
            self._check_expansion(block, len(values))
            lines = [
                (line, substitute(text, {name: value}, index))
                for index, value in enumerate(values or [""])
                for line, text in block.body
            ]
        self._push_expansion(lines, via)

    def _check_expansion(self, block: Block, count: int) -> None:
        if count * max(len(block.body), 1) > MAX_EXPANSION - self._expanded:
            raise self.whole(
                f"macros and repetitions may produce at most {MAX_EXPANSION} statements",
                f"{count} times {len(block.body)}",
            )

    def _call(self, macro: Macro, statement: Statement) -> None:
        try:
            values = bind_arguments(macro, statement.args)
        except MacroError as error:
            raise MistakeError(
                error.message, statement.args_column + error.column, error.width, error.label
            ) from None
        count = self.macro_count
        self.macro_count += 1
        if any(len(value) > MAX_ARGUMENT for value in values.values()):
            raise self.whole(f"a macro argument has at most {MAX_ARGUMENT} characters")
        lines = [(line, substitute(text, values, count)) for line, text in macro.body]
        self._push_expansion(lines, Via(f"in the expansion of macro {macro.name}", self.line))

    def _push_expansion(self, lines: Sequence[tuple[Line, str]], via: Via) -> None:
        self.check_depth()
        frame = Frame(self._expansion(lines, via), len(self.conditionals), macro=True)
        self.frames.append(frame)

    def check_depth(self) -> None:
        """Raise MistakeError if one more macro or include would be too deep."""
        if len(self.frames) >= MAX_DEPTH:
            raise self.whole(f"macros and includes may nest {MAX_DEPTH} deep", "this is deeper")

    def leave_macro(self) -> None:
        """`.exitm`: drop what remains of the innermost expansion."""
        while self.frames and self.frames[-1].macro:
            frame = self.frames.pop()
            del self.conditionals[frame.conditionals :]
            if not frame.rest:
                return
