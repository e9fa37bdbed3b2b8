"""A corpus: a folder of programs that reached what no other did, each a small text file.

A file is TOML and named after its content, so corpora are merged by copying. It says what
`programs.Program` says and nothing of how the program was drawn. A folder may hold other files
too; what ends in `.program` must be one.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, Final

from emu import __version__
from emu.errors import ConfigError, EmuError
from emu.explore.case import HOSTS
from emu.explore.litmus.guest import build
from emu.fuzz.lowering import litmus
from emu.fuzz.programs import MAX_OPS, MAX_THREADS, OPERATIONS, Op, Program, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMAT: Final = "emu program 1"
SUFFIX: Final = ".program"
MAX_BYTES: Final = 1 << 16


class CorpusError(EmuError):
    """A file that is no program; says which, the rule, and what was found."""


def program_text(program: Program, host: str) -> str:
    """A program as a file; parse_program() reads it back."""
    lines = [
        f'format = "{FORMAT}"',
        f'tool = "{__version__}"',
        f'host = "{host}"',
        "threads = [",
        *(f'  "{"; ".join(map(_written, ops))}",' for ops in program.threads),
        "]",
    ]
    for field in fields(Program):
        value = getattr(program, field.name)
        if field.name != "threads" and value != field.default:
            lines.append(f"{field.name} = {_value(value)}")
    return "\n".join(lines) + "\n"


def _written(op: Op) -> str:
    return f"{op.name} {op.number}"


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case tuple():
            return f"[{', '.join(map(_value, value))}]"
        case str():
            return f'"{value}"'
        case _:
            return str(value)


def parse_program(text: str, name: str = "<program>") -> tuple[str, Program]:
    """Read what program_text() wrote, perhaps edited: the host and the program.

    Raises CorpusError, also for a program that no machine can run.
    """
    try:
        found = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        message = str(error)
        raise CorpusError(f"{name}: this is no TOML: {message[:1].lower()}{message[1:]}") from None
    if found.pop("format", None) != FORMAT:
        raise CorpusError(f"{name}: format must be {FORMAT!r}")
    host = found.pop("host", None)
    if host not in HOSTS:
        raise _wrong(name, "host", f"must be one of {', '.join(HOSTS)}", host)
    found.pop("tool", None)
    given: dict[str, Any] = {"threads": _threads(name, found.pop("threads", None))}
    for field in fields(Program):
        if field.name in found:
            given[field.name] = _tuples(found.pop(field.name))
        elif field.name not in given and field.default is MISSING:
            raise CorpusError(f"{name}: {field.name} is missing")
    for key, value in found.items():
        raise _wrong(name, key[:40], "is nothing that a program has", value)
    program = Program(**given)
    _check(name, program, host)
    return host, program


def _wrong(name: str, key: str, rule: str, value: object) -> CorpusError:
    text = repr(value)
    shown = text if len(text) <= 40 else f"{text[:40]}..."
    return CorpusError(f"{name}: {key} {rule}, got {shown}")


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _threads(name: str, value: object) -> tuple[tuple[Op, ...], ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_THREADS:
        raise _wrong(name, "threads", f"must be a list of 1 to {MAX_THREADS} strings", value)
    threads = []
    for text in value:
        if not isinstance(text, str):
            raise _wrong(name, "threads", "must be strings", text)
        parts = [part.split() for part in text.split(";")] if text.strip() else []
        if len(parts) > MAX_OPS:
            rule = f"must have at most {MAX_OPS} operations each"
            raise _wrong(name, "threads", rule, len(parts))
        threads.append(tuple(_op(name, part) for part in parts))
    return tuple(threads)


def _op(name: str, words: list[str]) -> Op:
    known = words and words[0] in OPERATIONS
    number = words[1] if len(words) == 2 else "0"
    if not known or len(words) > 2 or not (number.isascii() and number.isdigit()):
        rule = "must be made of an operation of the fuzzer and a number"
        raise _wrong(name, "threads", rule, " ".join(words))
    return Op(words[0], int(number[:12]))  # none is that long


def _check(name: str, program: Program, host: str) -> None:
    """Refuse what cannot be written as a test, before anything is run. Raises CorpusError."""
    for field in fields(Program):
        default, value = field.default, getattr(program, field.name)
        if default is not MISSING and type(value) is not type(default):
            raise _wrong(name, field.name, f"must be a {type(default).__name__}", value)
    count = len(program.threads)
    if not isinstance(program.ee, tuple) or list(map(type, program.ee)) != [bool] * count:
        raise _wrong(name, "ee", f"must be true or false for each of {count} threads", program.ee)
    if type(program.smt) is not int or program.smt not in (1, 2, 4, 8):
        raise _wrong(name, "smt", "must be 1, 2, 4 or 8", program.smt)
    if program.smt > 4 and host == "power7":
        raise _wrong(name, "smt", "must be at most 4 on power7", program.smt)
    for _, _, op in program.operations():
        if op.number not in numbers(op.name, program.smt, count, host):
            rule = f"must have numbers of {OPERATIONS[op.name].number.value} after {op.name}"
            raise _wrong(name, "threads", rule, op.number)
    if not all(isinstance(agent, str) for agent in program.agents):
        raise _wrong(name, "agents", "must be strings", program.agents)
    try:
        build(litmus(program, host))
    except (EmuError, LookupError, TypeError, ValueError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise CorpusError(f"{name}: this is no program that runs: {lines[0]}") from None


class Folder:
    """A corpus on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Iterator[tuple[str, Program]]:
        """Hosts and programs, in the order of their names. Raises CorpusError and ConfigError."""
        try:
            paths = sorted(self._path.glob(f"*{SUFFIX}")) if self._path.exists() else []
            for path in paths:
                with path.open("rb") as file:
                    data = file.read(MAX_BYTES + 1)
                if len(data) > MAX_BYTES:
                    raise CorpusError(f"{path}: a program has at most {MAX_BYTES} bytes")
                try:
                    text = data.decode("utf-8")
                except UnicodeDecodeError as error:
                    raise CorpusError(f"{path}: {error.reason} at byte {error.start}") from None
                yield parse_program(text, str(path))
        except OSError as error:
            raise ConfigError(f"cannot read {self._path}: {error.strerror}") from None

    def write(self, program: Program, host: str) -> Path:
        """Keep a program; the same one twice is one file. Raises ConfigError."""
        text = program_text(program, host)
        content = text.replace(f'tool = "{__version__}"\n', "")
        path = self._path / f"{hashlib.sha256(content.encode()).hexdigest()[:16]}{SUFFIX}"
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                write_whole(path, text)
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror}") from None
        return path


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all, so that several campaigns can share a folder."""
    part = path.with_name(f"{path.name}.{hashlib.sha256(text.encode()).hexdigest()[:8]}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
