"""Cases: a program, its machine, a schedule and what is wrong then, in one text file.

A case is TOML, so that it can be read, edited and kept in a repository; it names everything that
its replay needs, and depends on nothing but the format version. Knows nothing of running one.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from emu import __version__
from emu.errors import ReplayError
from emu.explore.schedule import parse_short, short_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emu.explore.search import Choice

FORMAT: Final = "emu case 1"
SUFFIX: Final = ".case"
KINDS: Final = ("litmus", "guest")
HOSTS: Final = ("power7", "power8", "power9")
MAX_TEXT: Final = 64 << 20  # characters of a whole file
MAX_TRAIL: Final = 5000  # steps; a longer schedule has no trail
_WRAP: Final = 100


class CaseError(ReplayError):
    """A text that is no case; says where, the rule, and what was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The table `[machine]`. A litmus test says smt to mem itself, and has only the rest.

    bugs: of the zoo, switched on. delayed, landing, spurious, timers: as the search's options,
    which are what a step is. mem: bytes. machine to rtc: how the guest starts; pvr 0: the host's,
    rtc: seconds since 1970.
    """

    host: str = "power9"
    smt: int = 1
    vcpus: int = 1
    cores: int = 1
    subcores: int = 1
    mem: int = 16 << 20
    endian: str = "big"
    machine: str = "bare"
    append: str = ""
    pvr: int = 0
    rtc: int = 0
    thread_assignment: str = "aligned"
    entry_exit: str = "map"
    run_when: str = "any"
    seed: int = 0
    bugs: tuple[str, ...] = ()
    delayed: bool = True
    landing: bool = True
    spurious: bool = False
    timers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case.

    tool: the version that wrote it. kind: "litmus" or "guest". name: of the program, for people.
    property: the rule that is broken, in a word; expected: what should have been, in a sentence.
    condition: what is true at the end of the schedule and should not be: of a litmus test a
    condition of its language, of a guest the key of an outcome; empty: host code waits for ever.
    entry, end: of a guest, where its vcpus begin and where their programs are over, if they are.
    at_end: only where nothing more can happen. missing: the condition is true of no end, and
    should be of one: there is no schedule, and a replay is the search. invariant: the schedule's
    last step breaks an invariant of the hypervisor, the one that `expected` names. loop: the
    schedule's last so many steps lead back to where they began, and could for ever; without a
    condition, that is what is wrong. program: its text; an ELF file in base64 if form is "elf".
    schedule: in fine steps. trail: what each step was, so that it can be found again in another
    version. assembly: the program of a litmus test for GNU as, for people.
    """

    kind: str
    name: str
    property: str
    expected: str
    program: str
    schedule: tuple[Choice, ...]
    setting: Setting
    condition: str = ""
    at_end: bool = True
    missing: bool = False
    invariant: bool = False
    loop: int = 0
    form: str = "text"
    entry: int | None = None
    end: int | None = None
    trail: tuple[str, ...] = ()
    assembly: str = ""
    tool: str = __version__


def goes_round(case: Case) -> bool:
    """Whether what is wrong is that it goes round for ever."""
    return case.loop > 0 and not case.condition


# ---- writing ---------------------------------------------------------------------------------

# Of a litmus test, these settings say something; the rest is in its text.
_LITMUS_SETTINGS: Final = ("host", "bugs", "delayed", "landing", "spurious", "timers")


def case_text(case: Case) -> str:
    """The file's text; parse_case() reads it back."""
    lines = [
        f"format = {_string(FORMAT)}",
        f"tool = {_string(case.tool)}",
        f"kind = {_string(case.kind)}",
        f"name = {_string(case.name)}",
        f"property = {_string(case.property)}",
        f"expected = {_string(case.expected)}",
        f"condition = {_string(case.condition)}",
        f"at_end = {_value(case.at_end)}",
    ]
    if case.missing:
        lines.append("missing = true")
    if case.invariant:
        lines.append("invariant = true")
    if case.loop:
        lines.append(f"loop = {case.loop}")
    if case.entry is not None:
        lines.append(f"entry = {case.entry:#x}")
    if case.end is not None:
        lines.append(f"end = {case.end:#x}")
    if case.form != "text":
        lines.append(f"form = {_string(case.form)}")
    lines += [
        f"schedule = {_long(_wrapped(short_text(case.schedule)))}",
        f"program = {_long(case.program)}",
    ]
    if case.assembly:
        lines.append(f"assembly = {_long(case.assembly)}")
    if case.trail:
        lines += ["trail = [", *(f"  {_string(step)}," for step in case.trail), "]"]
    lines += ["", "[machine]"]
    for field in fields(Setting):
        value = getattr(case.setting, field.name)
        if case.kind != "litmus" or field.name in _LITMUS_SETTINGS:
            lines.append(f"{field.name} = {_value(value)}")
    return "\n".join(lines) + "\n"


def _wrapped(text: str) -> str:
    """Words on lines of at most _WRAP characters."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= _WRAP:
            lines.append("")
        lines[-1] += f"{' ' if lines[-1] else ''}{word}"
    return "\n".join([*lines, ""])


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case tuple():
            return f"[{', '.join(_value(each) for each in value)}]"
        case _:
            return _string(str(value))


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_SPECIAL = re.compile(r'[\\"\x00-\x1f\x7f]')
_NOT_LITERAL = re.compile(r"'''|'\Z|[\x00-\x08\x0b-\x1f\x7f]")


def _escaped(match: re.Match[str]) -> str:
    found = match.group()
    return _ESCAPES.get(found) or f"\\u{ord(found):04x}"


def _string(text: str) -> str:
    return f'"{_SPECIAL.sub(_escaped, text)}"'


def _long(text: str) -> str:
    """Text of several lines, as it is if TOML can hold it so."""
    return _string(text) if _NOT_LITERAL.search(text) else f"'''\n{text}'''"


# ---- reading ---------------------------------------------------------------------------------


def parse_case(text: str, name: str = "<case>") -> Case:
    """Read what case_text() wrote, perhaps edited. Raises CaseError."""
    if len(text) > MAX_TEXT:
        raise CaseError(f"{name}: a case has at most {MAX_TEXT} characters, got {len(text)}")
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CaseError(f"{name}: this is no TOML file: {_lower(str(error))}") from None
    except (ValueError, RecursionError) as error:  # a number with too many digits, deep nesting
        raise CaseError(f"{name}: this is no TOML file: {_lower(str(error))}") from None
    return _Reader(name, found).case()


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


class _Reader:
    """One case being read: takes keys out, complains of what is missing, wrong or left over."""

    def __init__(self, name: str, found: dict[str, Any]) -> None:
        self._name = name
        self._found = found

    def case(self) -> Case:
        form = self._found.get("format")
        if form != FORMAT:
            raise self._error("format", f"must be {FORMAT!r}", form)
        del self._found["format"]
        kind = self._choice(self._found, "", "kind", KINDS)
        machine = self._found.pop("machine", None)
        if not isinstance(machine, dict):
            raise self._error("machine", "must be a table", machine)
        case = Case(
            kind=kind,
            tool=self._text("tool"),
            name=self._text("name"),
            property=self._text("property"),
            expected=self._text("expected"),
            condition=self._text("condition", ""),
            at_end=self._flag(self._found, "", "at_end", default=True),
            missing=self._flag(self._found, "", "missing", default=False),
            invariant=self._flag(self._found, "", "invariant", default=False),
            loop=self._number(self._found, "", "loop", 0, 1 << 20, 0),
            entry=self._address("entry"),
            end=self._address("end"),
            form=self._choice(self._found, "", "form", ("text", "elf"), "text"),
            schedule=self._schedule(),
            program=self._text("program"),
            assembly=self._text("assembly", ""),
            trail=self._texts(self._found, "", "trail"),
            setting=self._setting(machine),
        )
        self._nothing_left(self._found, "")
        if case.missing and (case.schedule or not case.condition):
            rule = "must be false where there is a schedule or no condition"
            raise self._error("missing", rule, case.missing)
        if case.invariant and (case.condition or not case.schedule):
            rule = "must be false where there is a condition or no schedule"
            raise self._error("invariant", rule, case.invariant)
        if case.loop > len(case.schedule):
            rule = f"must be at most the {len(case.schedule)} steps of the schedule"
            raise self._error("loop", rule, case.loop)
        if case.trail and len(case.trail) != len(case.schedule):
            rule = f"must have an entry for each of the schedule's {len(case.schedule)} steps"
            raise self._error("trail", rule, f"{len(case.trail)} entries")
        return case

    def _setting(self, table: dict[str, Any]) -> Setting:
        where = "machine."
        numbers: Mapping[str, tuple[int, int]] = {
            "vcpus": (1, 64), "cores": (1, 64), "mem": (4096, 1 << 32), "timers": (0, 1 << 16),
            "seed": (0, (1 << 64) - 1), "pvr": (0, (1 << 32) - 1), "rtc": (0, (1 << 40) - 1),
        }  # fmt: skip
        words: Mapping[str, tuple[str, ...]] = {
            "host": HOSTS,
            "endian": ("big", "little"),
            "machine": ("bare", "pseries"),
            "thread_assignment": ("aligned", "first-come"),
            "entry_exit": ("map", "count"),
            "run_when": ("any", "none-busy"),
        }
        given: dict[str, Any] = {}
        defaults = Setting()
        for field in fields(Setting):
            name, default = field.name, getattr(defaults, field.name)
            if name in words:
                given[name] = self._choice(table, where, name, words[name], default)
            elif name in ("smt", "subcores"):
                given[name] = self._number(table, where, name, 1, 8, default)
                if given[name] not in (1, 2, 4, 8):
                    raise self._error(f"{where}{name}", "must be 1, 2, 4 or 8", given[name])
            elif name in numbers:
                given[name] = self._number(table, where, name, *numbers[name], default)
            elif name == "append":
                given[name] = self._string(table, where, name, default)
            elif name == "bugs":
                given[name] = self._texts(table, where, name)
            else:
                given[name] = self._flag(table, where, name, default=default)
        self._nothing_left(table, where)
        return Setting(**given)

    def _error(self, key: str, rule: str, value: object) -> CaseError:
        got = "nothing" if value is None else _shown(value)
        return CaseError(f"{self._name}: {key} {rule}, got {got}")

    def _nothing_left(self, table: dict[str, Any], where: str) -> None:
        for key, value in table.items():
            raise self._error(f"{where}{key[:40]}", "is no key of a case", value)

    def _text(self, key: str, default: str | None = None) -> str:
        return self._string(self._found, "", key, default)

    def _string(
        self, table: dict[str, Any], where: str, key: str, default: str | None = None
    ) -> str:
        value = table.pop(key, default)
        if not isinstance(value, str):
            raise self._error(f"{where}{key}", "must be a string", value)
        return value

    def _texts(self, table: dict[str, Any], where: str, key: str) -> tuple[str, ...]:
        value = table.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self._error(f"{where}{key}", "must be a list of strings", value)
        return tuple(value)

    def _flag(self, table: dict[str, Any], where: str, key: str, *, default: bool) -> bool:
        value = table.pop(key, default)
        if not isinstance(value, bool):
            raise self._error(f"{where}{key}", "must be true or false", value)
        return value

    def _number(
        self, table: dict[str, Any], where: str, key: str, lo: int, hi: int, default: int
    ) -> int:
        value = table.pop(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not lo <= value <= hi:
            raise self._error(f"{where}{key}", f"must be a number from {lo} to {hi}", value)
        return value

    def _choice(
        self,
        table: dict[str, Any],
        where: str,
        key: str,
        allowed: tuple[str, ...],
        default: str | None = None,
    ) -> str:
        value = table.pop(key, default)
        if not isinstance(value, str) or value not in allowed:
            raise self._error(f"{where}{key}", f"must be {' or '.join(allowed)}", value)
        return value

    def _address(self, key: str) -> int | None:
        if key not in self._found:
            return None
        return self._number(self._found, "", key, 0, (1 << 64) - 1, 0)

    def _schedule(self) -> tuple[Choice, ...]:
        text = self._text("schedule")
        try:
            return tuple(parse_short(text))
        except ReplayError as error:
            raise CaseError(f"{self._name}: schedule: {error}") from None
