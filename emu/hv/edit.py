"""Replaces steps of functions by other steps, for a while: how a bug is put into host code.

An edit names a function, some of its source, and what stands there instead. The source is found by
its meaning (spaces, line breaks and comments do not matter) and must be there exactly once. The
edited text is compiled to a code object that takes the place of the function's own, so whoever
calls the function gets the edited one; line numbers stay those of the file. Knows nothing of which
edits make sense.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import difflib
import dis
import importlib
import textwrap
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PACKAGES = Path(__file__).resolve().parents[2]

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class EditError(AssertionError):
    """An edit that does not fit the source any more: a defect, of the edit or of the source."""


class _Span(NamedTuple):
    """Part of a module's text, from a line (from 1) and column to those of its end.

    whole: statements, which are replaced together with the rest of their lines, comments too.
    """

    line: int
    column: int
    end_line: int
    end_column: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement. where: `package.module:function`.

    old, new: statements of the function, or one expression each; no `new` takes `old` out.
    """

    where: str
    old: str
    new: str = ""

    def function(self) -> FunctionType:
        """The function that is edited."""
        module, _, name = self.where.partition(":")
        found = getattr(importlib.import_module(module), name, None)
        if not isinstance(found, FunctionType):
            raise EditError(f"an edit names a function of a module, got {self.where}")
        return found

    @property
    def file(self) -> str:
        """The path of the function's source."""
        return self.function().__code__.co_filename

    @property
    def source(self) -> str:
        """The whole text of the function's module, edited."""
        span = _find(self)
        lines = _text(self.file).splitlines(keepends=True)
        before, after = lines[: span.line - 1], lines[span.end_line :]
        text = textwrap.dedent(self.new).strip()
        if span.whole:
            here = textwrap.indent(text, " " * span.column) + "\n" if text else ""
        else:
            first, last = lines[span.line - 1], lines[span.end_line - 1]
            here = first[: span.column] + text + last[span.end_column :]
        return "".join([*before, here, *after])

    def code(self) -> CodeType:
        """Compile the edited function; its lines are those of the file, as far as they are in it.

        Raises EditError.
        """
        source, span = self.source, _find(self)
        grown = source.count("\n") - _text(self.file).count("\n")
        try:
            tree = ast.parse(source, self.file)
        except SyntaxError as error:
            raise EditError(f"{self.where}: the edited text does not parse: {error}") from None
        function = _definition(tree, self.where)
        for node in ast.walk(function):
            for name in ("lineno", "end_lineno"):
                line = getattr(node, name, None)
                if line is not None:
                    setattr(node, name, _original_line(line, span, grown))
        module = ast.Module([function], [])
        flags = __future__.annotations.compiler_flag
        compiled = compile(module, self.file, "exec", flags, dont_inherit=True)
        code = next(
            constant
            for constant in compiled.co_consts
            if isinstance(constant, CodeType) and constant.co_name == function.name
        )
        healthy = self.function().__code__
        if (code.co_flags, code.co_freevars) != (healthy.co_flags, healthy.co_freevars):
            raise EditError(f"{self.where}: the edited function is of another kind")
        known = self.function().__globals__
        for instruction in dis.get_instructions(code):
            name = instruction.argval
            if instruction.opname == "LOAD_GLOBAL" and not (
                name in known or hasattr(builtins, name)
            ):
                raise EditError(f"{self.where}: the module of the function has no {name}")
        return code

    def diff(self) -> str:
        """Show what changes, as `diff -u` does."""
        path = Path(self.file)
        name = str(path.relative_to(PACKAGES)) if path.is_relative_to(PACKAGES) else path.name
        before, after = _text(self.file).splitlines(), self.source.splitlines()
        return "\n".join(difflib.unified_diff(before, after, name, name, lineterm=""))


def _original_line(line: int, span: _Span, grown: int) -> int:
    """Return the line of the file that stands for a line of the edited text."""
    if line > span.end_line + grown:
        return line - grown
    return min(line, span.end_line)


@cache
def _text(file: str) -> str:
    return Path(file).read_text(encoding="utf-8")


def _definition(tree: ast.Module, where: str) -> Definition:
    name = where.partition(":")[2]
    found = [n for n in tree.body if isinstance(n, Definition) and n.name == name]
    if len(found) != 1:
        raise EditError(f"{where} must be defined once in its module, got {len(found)} times")
    return found[0]


def _parsed(text: str, where: str) -> list[ast.stmt]:
    try:
        # Inside a function, since it may yield.
        lines = textwrap.indent(textwrap.dedent(text).strip() or "pass", "  ")
        tree = ast.parse(f"def f():\n{lines}")
    except SyntaxError as error:
        raise EditError(f"an edit of {where} does not parse: {error}") from None
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    return function.body


@cache
def _find(edit: Edit) -> _Span:
    """Find the text that is replaced. Raises EditError unless it is there exactly once."""
    function = _definition(ast.parse(_text(edit.file)), edit.where)
    old, new = _parsed(edit.old, edit.where), _parsed(edit.new, edit.where)
    match old, new:
        case [ast.Expr(wanted)], [ast.Expr()]:
            spans = _expressions(function, wanted)
        case _:
            spans = _statements(function, old)
    if len(spans) != 1:
        raise EditError(
            f"the step that an edit replaces must be in {edit.where} once, "
            f"got {len(spans)} times: {textwrap.dedent(edit.old).strip()}"
        )
    return spans[0]


def _expressions(function: Definition, wanted: ast.expr) -> list[_Span]:
    same = ast.dump(wanted)
    nodes = [n for n in ast.walk(function) if isinstance(n, ast.expr) and ast.dump(n) == same]
    return [_span(node, node, whole=False) for node in nodes]


def _statements(function: Definition, wanted: list[ast.stmt]) -> list[_Span]:
    same = [ast.dump(statement) for statement in wanted]
    spans = []
    for node in ast.walk(function):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if not isinstance(block, list):
                continue
            dumped = [ast.dump(statement) for statement in block]
            spans += [
                _span(block[i], block[i + len(same) - 1], whole=True)
                for i in range(len(block) - len(same) + 1)
                if dumped[i : i + len(same)] == same
            ]
    return spans


def _span(first: ast.expr | ast.stmt, last: ast.expr | ast.stmt, *, whole: bool) -> _Span:
    assert last.end_lineno is not None
    assert last.end_col_offset is not None
    return _Span(first.lineno, first.col_offset, last.end_lineno, last.end_col_offset, whole)


# ---- putting edits into force --------------------------------------------------------------------

_in_force: tuple[Edit, ...] = ()
_healthy: dict[str, CodeType] = {}  # of the functions that are edited now, by `where`


def in_force() -> tuple[Edit, ...]:
    """The edits that hold now, in this process."""
    return _in_force


@contextmanager
def applied(edits: Sequence[Edit]) -> Iterator[None]:
    """Put edits into force, all or none, until the end of the block.

    Raises EditError for one that does not fit, or two of the same function.
    """
    global _in_force  # noqa: PLW0603  one process has one copy of each function
    functions = [edit.function() for edit in (*_in_force, *edits)]
    if len(set(functions)) != len(functions):
        raise EditError("two edits of the same function cannot hold at once")
    codes = [edit.code() for edit in edits]
    before = _in_force
    try:
        for edit, code in zip(edits, codes, strict=True):
            _healthy[edit.where] = edit.function().__code__
            edit.function().__code__ = code
        _in_force = (*before, *edits)
        yield
    finally:
        for edit in edits:
            edit.function().__code__ = _healthy.pop(edit.where)
        _in_force = before


@contextmanager
def unedited() -> Iterator[None]:
    """Put every function back as it is in its file, until the end of the block."""
    global _in_force  # noqa: PLW0603  as above
    before = _in_force
    codes = [edit.function().__code__ for edit in before]
    try:
        for edit in before:
            edit.function().__code__ = _healthy[edit.where]
        _in_force = ()
        yield
    finally:
        for edit, code in zip(before, codes, strict=True):
            edit.function().__code__ = code
        _in_force = before
