"""Trace files read back: a line at a time, checked, in bounded memory.

Knows the form of a line (docs/trace.md) and not what the events mean.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeGuard

from emu.errors import TraceError
from emu.trace.trace_file import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE = 1 << 16  # bytes; a header with a thousand vcpus is far shorter
MAX_VCPUS = 4096


@dataclass(frozen=True, slots=True)
class Header:
    """The first line: what ran. cores, tirs: of each vcpu, where the file says them."""

    host: str
    vcpus: tuple[str, ...]
    cores: tuple[int, ...] = ()
    tirs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One event, as docs/trace.md describes its fields; `line` counts from 1."""

    line: int
    tb: int
    actor: str
    vcpu: int
    event: str
    case: str
    value: int
    nia: int

    @property
    def title(self) -> str:
        """The event and its case: `kvm_guest_exit:hcall`."""
        return f"{self.event}:{self.case}" if self.case else self.event


class Trace:
    """A trace file: its header, and its events as they are iterated over, once.

    Raises TraceError, which names the file and the line, here and while iterating.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.name = name
        self._file = file
        self._line = 0
        self._tb = 0
        first = self._next()
        if first is None:
            raise TraceError(f"{name} is empty: a trace begins with a line that describes it")
        self.header = self._header(first)

    def __iter__(self) -> Iterator[Entry]:
        while (fields := self._next()) is not None:
            yield self._entry(fields)

    def _wrong(self, rule: str) -> TraceError:
        return TraceError(f"{self.name}: line {self._line}: {rule}")

    def _next(self) -> dict[str, Any] | None:
        """The next line's object; None at the end of the file."""
        data = self._file.readline(MAX_LINE + 1)
        if not data:
            return None
        self._line += 1
        if len(data) > MAX_LINE:
            raise self._wrong(f"a line must be at most {MAX_LINE} bytes long")
        try:
            fields = json.loads(data)
        except (ValueError, RecursionError):
            raise self._wrong(f"a line must be a JSON object, got {_shown(data)}") from None
        if not isinstance(fields, dict):
            raise self._wrong(f"a line must be a JSON object, got {_shown(data)}")
        return fields

    def _header(self, fields: dict[str, Any]) -> Header:
        if fields.get("trace") != "emu":
            raise self._wrong('the first line must say "trace":"emu"')
        if fields.get("version") != VERSION:
            raise self._wrong(f"version must be {VERSION}, got {_shown(fields.get('version'))}")
        vcpus = fields.get("vcpus")
        if not _names(vcpus) or not 1 <= len(vcpus) <= MAX_VCPUS:
            raise self._wrong(f"vcpus must be a list of 1 to {MAX_VCPUS} names")
        places = []
        for name in ("cores", "tirs"):
            numbers = fields.get(name, [])
            if not _numbers(numbers) or len(numbers) not in {0, len(vcpus)}:
                raise self._wrong(f"{name} must be a list with a number for each vcpu")
            places.append(tuple(numbers))
        if len(places[0]) != len(places[1]):
            raise self._wrong("cores and tirs must be given together")
        return Header(self._text(fields, "host"), tuple(vcpus), *places)

    def _entry(self, fields: dict[str, Any]) -> Entry:
        tb, vcpu = fields.get("tb"), fields.get("vcpu")
        if not _number(tb) or tb < self._tb:
            raise self._wrong(f"tb must be a number, at least {self._tb}, got {_shown(tb)}")
        most = len(self.header.vcpus) - 1
        if not _number(vcpu) or vcpu > most:
            raise self._wrong(f"vcpu must be a number from 0 to {most}, got {_shown(vcpu)}")
        self._tb = tb
        case = self._text(fields, "case") if "case" in fields else ""
        return Entry(self._line, tb, self._text(fields, "actor"), vcpu,
                     self._text(fields, "event"), case,
                     self._word(fields, "value"), self._word(fields, "nia"))  # fmt: skip

    def _text(self, fields: dict[str, Any], name: str) -> str:
        text = fields.get(name)
        if not _name(text):
            raise self._wrong(f"{name} must be printable ASCII text, got {_shown(text)}")
        return str(text)

    def _word(self, fields: dict[str, Any], name: str) -> int:
        """A 64-bit value, written "0x1f"."""
        text = fields.get(name)
        if isinstance(text, str) and text.startswith("0x") and len(text) <= 18:
            try:
                return int(text, 16)
            except ValueError:
                pass
        raise self._wrong(f'{name} must be a 64-bit value like "0x1f", got {_shown(text)}')


def _number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64


def _numbers(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(map(_number, value))


def _name(value: object) -> bool:
    printable = isinstance(value, str) and value.isascii() and value.isprintable()
    return printable and 0 < len(str(value)) <= 200


def _names(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(map(_name, value))


def _shown(value: object) -> str:
    """What was found, not endless."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
