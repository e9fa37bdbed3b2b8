"""Blocks of statements that are kept and read again: `.macro`, `.rept`, `.irp`, `.irpc`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .source import Line

# A block's opening directive and what closes it.
OPENERS = {
    ".macro": ".endm", ".rept": ".endr", ".rep": ".endr", ".irp": ".endr", ".irpc": ".endr",
    ".irep": ".endr",
}  # fmt: skip
CLOSERS = {".endm": ".endm", ".endmacro": ".endm", ".endr": ".endr"}

_WORD = re.compile(r"[A-Za-z_.$][\w.$]*", re.ASCII)
_PARAMETER = re.compile(r"\s*([A-Za-z_.$][\w.$]*)\s*(?::\s*(req|vararg)\b)?\s*", re.ASCII)
_PLACEHOLDER = re.compile(r"\\(?:(\(\))|(@)|([A-Za-z_.$][\w.$]*))", re.ASCII)
_OPEN = {"(": ")", "[": "]"}


class MacroError(Exception):
    """A macro definition or call that breaks a rule; column within the argument text."""

    def __init__(self, message: str, column: int = 0, width: int = 1, label: str = "") -> None:
        super().__init__(message)
        self.message, self.column, self.width, self.label = message, column, width, label


@dataclass(slots=True)
class Block:
    """A block being read. depth counts nested blocks of any kind."""

    opener: str
    args: str
    args_column: int
    line: Line
    head_column: int
    body: list[tuple[Line, str]] = field(default_factory=list)
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Parameter:
    """A macro parameter. default: its text if the call gives none."""

    name: str
    default: str = ""
    required: bool = False
    vararg: bool = False


@dataclass(frozen=True, slots=True)
class Macro:
    """A macro: its parameters and the statements of its body with the lines they stand on."""

    name: str
    parameters: tuple[Parameter, ...]
    body: tuple[tuple[Line, str], ...]
    line: Line


def parse_definition(text: str) -> tuple[str, tuple[Parameter, ...]]:
    """Name and parameters of `.macro name a, b=1, c:req, d:vararg`. Raises MacroError."""
    match = _WORD.match(text, len(text) - len(text.lstrip()))
    if match is None:
        raise MacroError("a macro needs a name", 0, max(len(text), 1), "not a name")
    name = match.group()
    position = match.end()
    parameters: list[Parameter] = []
    while text[position:].strip(" \t,"):
        while text[position] in " \t,":
            position += 1
        found = _PARAMETER.match(text, position)
        if found is None:
            raise MacroError("a macro parameter is a name", position, 1, "not a name")
        start, position = position, found.end()
        default = ""
        if text[position : position + 1] == "=":
            default, position = _argument(text, position + 1)
        if parameters and parameters[-1].vararg:
            raise MacroError("only the last parameter may be vararg", start, position - start)
        if found.group(1) in {parameter.name for parameter in parameters}:
            raise MacroError("a parameter may be named once", start, len(found.group(1)), "again")
        parameters.append(
            Parameter(found.group(1), default, found.group(2) == "req", found.group(2) == "vararg")
        )
    return name, tuple(parameters)


def bind_arguments(macro: Macro, text: str) -> dict[str, str]:
    """The text of each parameter for a call with these arguments. Raises MacroError."""
    values: dict[str, str] = {}
    names = {parameter.name for parameter in macro.parameters}
    position, index = _skip(text, 0), 0
    expects_more = False
    while position < len(text) or expects_more:
        keyword = re.compile(r"([A-Za-z_.$][\w.$]*)\s*=(?!=)", re.ASCII).match(text, position)
        if keyword and keyword.group(1) in names:
            name = keyword.group(1)
            value, position = _argument(text, keyword.end())
        elif index >= len(macro.parameters):
            raise MacroError(
                f"macro {macro.name} takes at most {len(macro.parameters)} arguments",
                position, max(len(text.rstrip()) - position, 1), "one too many",
            )  # fmt: skip
        else:
            parameter = macro.parameters[index]
            index += 1
            name = parameter.name
            if parameter.vararg:
                value, position = text[position:].strip(), len(text)
            else:
                value, position = _argument(text, position)
        if value or name not in values:
            values[name] = value
        position = _skip(text, position)
        expects_more = text[position : position + 1] == ","
        if expects_more:
            position = _skip(text, position + 1)
            expects_more = position < len(text)
    for parameter in macro.parameters:
        if not values.get(parameter.name):
            if parameter.required:
                raise MacroError(
                    f"macro {macro.name} requires a value for {parameter.name}",
                    0, max(len(text), 1), "not given",
                )  # fmt: skip
            values[parameter.name] = parameter.default
    return values


def split_arguments(text: str) -> list[str]:
    """Arguments of `.irp`: separated by commas or spaces, as in a macro call."""
    values: list[str] = []
    position = _skip(text, 0)
    while position < len(text):
        value, position = _argument(text, position)
        values.append(value)
        position = _skip(text, position)
        if text[position : position + 1] == ",":
            position = _skip(text, position + 1)
    return values


def substitute(text: str, values: Mapping[str, str], count: int) -> str:
    r"""`text` with `\name`, `\@` (count of expansions) and `\()` (nothing) replaced."""
    if "\\" not in text:
        return text

    def replacement(match: re.Match[str]) -> str:
        if match.group(1):
            return ""
        if match.group(2):
            return str(count)
        name = match.group(3)
        while name:  # `\reg.x` may be the parameter `reg` followed by `.x`
            if name in values:
                return values[name] + match.group(3)[len(name) :]
            name = name.rpartition(".")[0]
        return match.group()

    return _PLACEHOLDER.sub(replacement, text)


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t":
        position += 1
    return position


def _argument(text: str, position: int) -> tuple[str, int]:
    """One argument from `position`: up to a comma or a space that no operator stands beside."""
    position = _skip(text, position)
    if text[position : position + 1] == '"':
        match = re.compile(r'"((?:[^"\\]|\\.)*)"').match(text, position)
        if match is None:
            raise MacroError("a string must end on its line", position, 1, "no closing quote")
        return match.group(1), match.end()
    parts: list[str] = []
    closing: list[str] = []
    while position < len(text):
        char = text[position]
        if char == '"':
            match = re.compile(r'"(?:[^"\\]|\\.)*"?').match(text, position)
            assert match is not None  # the quote itself matches
            parts.append(match.group())
            position = match.end()
            continue
        if char in " \t" and not closing:
            after = _skip(text, position)
            if after >= len(text) or text[after] == "," or not _joins(parts, text, after):
                return "".join(parts), after
            position = after
            continue
        if char == "," and not closing:
            break
        if char in _OPEN:
            closing.append(_OPEN[char])
        elif closing and char == closing[-1]:
            closing.pop()
        parts.append(char)
        position += 1
    return "".join(parts).rstrip(), position


def _joins(parts: list[str], text: str, after: int) -> bool:
    """Whether the space before `after` separates nothing: it does only between two words."""
    last = parts[-1][-1] if parts else ""
    return not (_is_word(last) and (_is_word(text[after]) or text[after] == "%"))


def _is_word(char: str) -> bool:
    return char.isalnum() or char in '_.$\\"'
