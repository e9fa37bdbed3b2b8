"""Refuses host code whose place would not be told by its live locals.

A generator that is suspended in the middle of an expression keeps the values computed so far where
no local shows them. So in host code a yield is the first thing that its statement (or the
condition of its `if` or `while`) evaluates, and nothing that encloses it holds state: no `with`
and no `try` around a yield, loops only over `range`, `enumerate` or a name (a tuple without
repetitions), whose targets the loop's body leaves alone.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Complaint:
    """One place that breaks the rule."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        """Show as compilers do."""
        return f"{self.file}:{self.line}: {self.message}"


YIELDS = (ast.Yield, ast.YieldFrom)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
DEFINITIONS = (*FUNCTIONS, ast.ClassDef)


def _yields(node: ast.AST) -> bool:
    """Whether a node evaluates a yield itself, functions defined inside it aside."""
    if isinstance(node, YIELDS):
        return True
    return any(
        _yields(child) for child in ast.iter_child_nodes(node) if not isinstance(child, FUNCTIONS)
    )


def _first(node: ast.expr) -> bool:
    """Whether every yield in an expression comes when nothing else has been computed."""
    if not _yields(node):
        return True
    match node:
        case ast.Yield(value) | ast.YieldFrom(value):
            return value is None or not _yields(value)
        case ast.UnaryOp(operand=operand) | ast.NamedExpr(value=operand):
            return _first(operand)
        case ast.Attribute(value=operand):
            return _first(operand)
        case ast.Compare(left, _, [right]):
            return _first(left) and not _yields(right)
        case ast.BinOp(left, _, right):
            return _first(left) and not _yields(right)
        case ast.BoolOp(values=values):
            return all(_first(value) for value in values)
        case ast.IfExp(test, body, orelse):
            return _first(test) and _first(body) and _first(orelse)
    return False


def _statement(node: ast.stmt) -> str | None:
    """Say what is wrong with one statement of host code, its body aside."""
    match node:
        case ast.Expr(value) | ast.Return(value) if value is None or _first(value):
            return None
        case ast.If(test) | ast.While(test):
            return None if _first(test) else "a condition must yield before it computes"
        case ast.Assign(targets, value):
            if all(isinstance(target, ast.Name) for target in targets) and _first(value):
                return None
            return "an assignment must yield before it computes, and assign to names"
        case ast.AnnAssign(ast.Name(), _, value) if value is None or _first(value):
            return None
        case ast.Match(subject):
            return None if _first(subject) else "a match must yield before it computes"
        case ast.For(target, iterator):
            return _loop(node, target, iterator)
        case ast.With() | ast.Try() | ast.AsyncWith() | ast.AsyncFor():
            return "no yield inside try or with"
    return "a yield must be the first thing that its statement evaluates"


def _loop(node: ast.For, target: ast.expr, iterator: ast.expr) -> str | None:
    names = {name.id for name in ast.walk(target) if isinstance(name, ast.Name)}
    counted = (
        isinstance(iterator, ast.Call)
        and isinstance(iterator.func, ast.Name)
        and iterator.func.id in ("range", "enumerate")
    )
    if _yields(iterator) or not (counted or isinstance(iterator, ast.Name | ast.Attribute)):
        return "loop over range(...), enumerate(...) or a name"
    for inner in node.body:
        for name in ast.walk(inner):
            if (
                isinstance(name, ast.Name)
                and name.id in names
                and not isinstance(name.ctx, ast.Load)
            ):
                return f"the loop must leave its target {name.id} alone"
    return None


def _statements(body: list[ast.stmt]) -> list[ast.stmt]:
    """List the statements of a function's body, nested ones too, inner functions aside."""
    found: list[ast.stmt] = []
    for statement in body:
        found.append(statement)
        if isinstance(statement, DEFINITIONS):
            continue
        for block in ("body", "orelse", "finalbody"):
            found += _statements(getattr(statement, block, []))
        for part in (*getattr(statement, "cases", []), *getattr(statement, "handlers", [])):
            found += _statements(part.body)
    return found


def _is_context_manager(function: ast.FunctionDef) -> bool:
    """Whether a function's yield is that of `@contextmanager`, so that it is no host code."""
    return any(
        isinstance(decorator, ast.Name) and decorator.id == "contextmanager"
        for decorator in function.decorator_list
    )


def complaints(source: str, file: str) -> list[Complaint]:
    """Check every generator function in a module's source text."""
    found = []
    for function in ast.walk(ast.parse(source, file)):
        if not isinstance(function, ast.FunctionDef) or _is_context_manager(function):
            continue
        for statement in _statements(function.body):
            if isinstance(statement, DEFINITIONS) or not _yields(statement):
                continue
            problem = _statement(statement)
            if problem:
                found.append(Complaint(file, statement.lineno, problem))
    return found


def complaints_in(path: Path) -> list[Complaint]:
    """Check one Python file."""
    return complaints(path.read_text(), str(path))
