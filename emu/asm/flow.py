"""Directives that choose what is read: conditions, includes, macro control, messages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .data import load, strings
from .source import INCLUDED, Via, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .assembler import Assembler
    from .scan import Statement

    Test = Callable[[Assembler, Statement], bool]
    Handler = Callable[[Assembler, Statement], None]


def _if(test: Test) -> Handler:
    def directive(asm: Assembler, statement: Statement) -> None:
        outer = not asm.conditionals or asm.conditionals[-1].active
        asm.open_conditional(statement, outer=outer, active=False)
        if outer:
            active = test(asm, statement)
            asm.conditionals[-1].active = asm.conditionals[-1].taken = active

    return directive


def _number_test(test: Callable[[int], bool]) -> Test:
    def holds(asm: Assembler, statement: Statement) -> bool:
        operands = asm.operands(statement)
        if len(operands) != 1:
            raise asm.whole(f"{statement.head} takes one expression")
        return test(asm.number(statement, operands[0], "the condition"))

    return holds


def _is_defined(asm: Assembler, statement: Statement) -> bool:
    name = statement.args.strip()
    if not re.fullmatch(r"[A-Za-z_.$][\w.$]*", name, re.ASCII):
        raise asm.whole(f"{statement.head} takes a symbol", name[:40])
    symbol = asm.symbols.get(name)
    return symbol is not None and (symbol.value is not None or symbol.common is not None)


def _is_blank(_asm: Assembler, statement: Statement) -> bool:
    return not statement.args.strip()


def _same_text(asm: Assembler, statement: Statement) -> bool:
    first, comma, second = statement.args.partition(",")
    if not comma:
        raise asm.whole(f"{statement.head} takes two texts, separated by a comma")
    return _bare(first) == _bare(second)


def _bare(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] == "'" else text


def _same_string(asm: Assembler, statement: Statement) -> bool:
    found = strings(asm, statement)
    if len(found) != 2:
        raise asm.whole(f"{statement.head} takes two strings")
    return found[0] == found[1]


def _not(test: Test) -> Test:
    return lambda asm, statement: not test(asm, statement)


def _elseif(asm: Assembler, statement: Statement) -> None:
    conditional = asm.innermost(statement)
    if conditional.outer and not conditional.taken:
        conditional.active = conditional.taken = False
        conditional.active = conditional.taken = _number_test(bool)(asm, statement)
    else:
        conditional.active = False


def _else(asm: Assembler, statement: Statement) -> None:
    conditional = asm.innermost(statement)
    conditional.has_else = True
    conditional.active = conditional.outer and not conditional.taken
    conditional.taken = True


def _endif(asm: Assembler, statement: Statement) -> None:
    asm.innermost(statement, closing=True)
    asm.conditionals.pop()


CONDITIONALS: Mapping[str, Handler] = {
    ".if": _if(_number_test(lambda value: value != 0)),
    ".ifne": _if(_number_test(lambda value: value != 0)),
    ".ifeq": _if(_number_test(lambda value: value == 0)),
    ".ifgt": _if(_number_test(lambda value: value > 0)),
    ".ifge": _if(_number_test(lambda value: value >= 0)),
    ".iflt": _if(_number_test(lambda value: value < 0)),
    ".ifle": _if(_number_test(lambda value: value <= 0)),
    ".ifdef": _if(_is_defined),
    ".ifndef": _if(_not(_is_defined)),
    ".ifnotdef": _if(_not(_is_defined)),
    ".ifb": _if(_is_blank),
    ".ifnb": _if(_not(_is_blank)),
    ".ifc": _if(_same_text),
    ".ifnc": _if(_not(_same_text)),
    ".ifeqs": _if(_same_string),
    ".ifnes": _if(_not(_same_string)),
    ".elseif": _elseif,
    ".else": _else,
    ".endif": _endif,
}


def _include(asm: Assembler, statement: Statement) -> None:
    match = re.fullmatch(r'\s*("(?:[^"\\]|\\.)*")\s*', statement.args)
    if match is None:
        raise asm.whole('.include takes "file"')
    asm.check_depth()
    content = load(asm, statement, match.group(1))
    asm.push_file(decode(content), asm.included[-1], Via(INCLUDED, asm.line))


def _exitm(asm: Assembler, _statement: Statement) -> None:
    asm.leave_macro()


def _purgem(asm: Assembler, statement: Statement) -> None:
    name = statement.args.strip()
    if asm.macros.pop(name.lower(), None) is None:
        raise asm.whole(".purgem takes the name of a macro", f"`{name[:40]}` is none")


def _end(asm: Assembler, _statement: Statement) -> None:
    asm.ended = True


def _message(*, warning: bool) -> Handler:
    def directive(asm: Assembler, statement: Statement) -> None:
        text = b" ".join(strings(asm, statement)) if statement.args.strip() else b""
        message = decode(text) or f"{statement.head} was reached"
        if not warning:
            raise asm.whole(message)
        asm.warn(statement.head_column, len(statement.head), message)

    return directive


DIRECTIVES: Mapping[str, Handler] = {
    ".include": _include,
    ".exitm": _exitm,
    ".purgem": _purgem,
    ".end": _end,
    ".err": _message(warning=False),
    ".error": _message(warning=False),
    ".warning": _message(warning=True),
}
