"""Text of a litmus test -> `Litmus`: herd's PPC dialect and the doorbell extensions.

Layout of a test: a first line `PPC NAME`, a quoted title and `Key=Value` lines, the initial state
in braces, the program in columns, handlers, and clauses (locations, the condition, expectations).
Comments are `(* *)`. Knows nothing of instructions: a cell of the program is kept as text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from emu.explore.litmus.condition import (
    MAX_THREADS,
    read_condition,
    read_observable,
    read_register,
    read_thread,
)
from emu.explore.litmus.header import KEYS, slip, unknown
from emu.explore.litmus.model import (
    HOSTS,
    Address,
    Cell,
    CellType,
    Doorbell,
    Expectation,
    Handler,
    Initial,
    Litmus,
    Location,
    Prohibition,
    Quantifier,
    Register,
    Requirement,
    Verdict,
)
from emu.explore.litmus.problems import LitmusError, Problem, diagnostic, position
from emu.explore.litmus.tokens import Cursor, Token, Unexpected

if TYPE_CHECKING:
    from pathlib import Path

MAX_TEXT = 1 << 20  # characters; the largest test of herd's collections has a few thousand

_CLAUSES = ("locations", "filter", "final", "exists", "~", "forall", "expect", "require", "never")
_TAIL = re.compile(
    r"^[ \t]*(?:handler|locations|filter|final|exists|~\s*exists|forall|expect|require|never)\b",
    re.MULTILINE,
)
_COMMENT = re.compile(r"\(\*|\*\)")
_QUOTED = re.compile(r'"[^"]*"')
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_ .-]*=")
_LABEL = re.compile(r"\s*([A-Za-z0-9_.$]+)\s*:")
_CELL_TEXT = re.compile(r"\S(?:.*\S)?", re.DOTALL)

_TYPES = {
    "int": CellType.INT,
    "int32_t": CellType.INT,
    "uint32_t": CellType.UINT32,
    "long": CellType.INT64,
    "int64_t": CellType.INT64,
    "uint64_t": CellType.UINT64,
}
_VECTORS = {
    "reset": 0x100,
    "external": 0x500,
    "program": 0x700,
    "decrementer": 0x900,
    "doorbell": 0xA00,
    "syscall": 0xC00,
}


def load(path: Path) -> Litmus:
    """Read a test from a file.

    Raises LitmusError when the file cannot be read or is no litmus test.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(MAX_TEXT + 1)  # a device may have no end
    except OSError as error:
        raise LitmusError(
            str(path), "", [Problem(f"cannot be read: {error.strerror}", 0, 0)]
        ) from None
    return parse(text, str(path))


def parse(text: str, path: str = "<litmus>") -> Litmus:
    """Read a test from its text; `path` names it in diagnostics.

    Raises LitmusError with every problem found.
    """
    return _Parser(text, path).parse()


class _Parser:
    """One test being read: its text, what is known of it, and what is wrong with it."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text
        self.plain = text  # the text with comments blanked, same length
        self.problems: list[Problem] = []
        self.test = Litmus(name="", path=path, text=text)

    def parse(self) -> Litmus:
        """Read section after section; a section that fails does not hide the next."""
        try:
            self._read_sections()
        except Unexpected as stop:
            self.problems.append(stop.problem)
        if not self.problems:
            self._check_threads()
        if self.problems:
            raise LitmusError(self.test.path, self.text, self.problems)
        return self.test

    def _read_sections(self) -> None:
        if len(self.text) > MAX_TEXT:
            message = f"a litmus test has at most {MAX_TEXT} characters, got more"
            raise Unexpected(Problem(message, 0, 0))
        self._blank_comments()
        after = self._read_first_line()
        opening = self._read_header(after)
        closing = self.plain.find("}", opening)
        if closing < 0:
            raise Unexpected(Problem("the initial state has no `}`", opening, opening + 1))
        self._guard(self._read_initial, opening + 1, closing)
        tail = _TAIL.search(self.plain, closing + 1)
        end = tail.start() if tail else len(self.plain)
        self._guard(self._read_program, closing + 1, end)
        self._guard(self._read_clauses, end, len(self.plain))

    def _guard(self, section: object, start: int, end: int) -> None:
        try:
            section(start, end)  # type: ignore[operator]
        except Unexpected as stop:
            self.problems.append(stop.problem)

    def _problem(self, message: str, start: int, end: int, label: str = "", tip: str = "") -> None:
        self.problems.append(Problem(message, start, end, label, tip))

    # ---- header ----

    def _blank_comments(self) -> None:
        """Replace comments, which nest, by blanks; line ends stay."""
        pieces: list[str] = []
        depth = kept = opened = 0
        for mark in _COMMENT.finditer(self.text):
            if mark.group() == "(*":
                if depth == 0:
                    pieces.append(self.text[kept : mark.start()])
                    opened = mark.start()
                depth += 1
            elif depth > 0:
                depth -= 1
                if depth == 0:
                    comment = self.text[opened : mark.end()]
                    pieces.append(re.sub(r"[^\n]", " ", comment))
                    kept = mark.end()
        if depth:
            raise Unexpected(Problem("comment has no `*)`", opened, opened + 2))
        self.plain = "".join(pieces) + self.text[kept:]

    def _read_first_line(self) -> int:
        """`PPC NAME`, perhaps with another name in parentheses; the offset after it."""
        start = len(self.plain) - len(self.plain.lstrip())
        end = self.plain.find("\n", start)
        end = len(self.plain) if end < 0 else end
        words = self.plain[start:end].split()
        if not words or words[0] != "PPC":
            got = f"`{words[0][:40]}`" if words else "nothing"
            message = f"a litmus test for this machine begins with `PPC NAME`, got {got}"
            raise Unexpected(Problem(message, start, start + (len(words[0]) if words else 0)))
        if len(words) < 2:
            raise Unexpected(Problem("the test has no name", start, end))
        self.test.name = words[1]
        return end

    def _read_header(self, at: int) -> int:
        """Title and `Key=Value` lines up to the `{`; its offset."""
        while True:
            while at < len(self.plain) and self.plain[at].isspace():
                at += 1
            if self.plain.startswith("{", at):
                return at
            quoted = _QUOTED.match(self.plain, at)
            if quoted:
                self.test.title = " ".join(quoted.group()[1:-1].split())
                at = quoted.end()
                continue
            end = self.plain.find("\n", at)
            end = len(self.plain) if end < 0 else end
            if not _KEY.match(self.plain, at, end):
                message = "expected a quoted title, `Key=Value` or `{`"
                raise Unexpected(Problem(message, at, max(at, end)))
            key, _, value = self.plain[at:end].partition("=")
            self._check_key(key.strip(), at)
            self.test.header[key.strip()] = value.strip()
            at = end

    def _check_key(self, key: str, at: int) -> None:
        meant = slip(key)
        if meant is not None:
            tip = f"did you mean `{meant}`?"
            self._problem(f"no such key: {key[:40]}", at, at + len(key), "", tip)
        elif unknown(key):
            problem = Problem(f"the key {key[:40]} means nothing", at, at + len(key))
            warning = diagnostic(self.test.path, self.text, problem, "warning")
            self.test.warnings.append(warning)
        elif key in KEYS and key in self.test.header:
            self._problem(f"{key} is given twice", at, at + len(key))

    # ---- initial state ----

    def _read_initial(self, start: int, end: int) -> None:
        cursor = Cursor(self.plain, start, end)
        while cursor.here.kind != "end":
            if not cursor.accept(";"):
                self._read_assignment(cursor)
                if cursor.here.kind != "end" and cursor.here.text != ";":
                    raise cursor.refuse("`;`")

    def _read_assignment(self, cursor: Cursor) -> None:
        declared = self._read_type(cursor)
        token = cursor.here
        place: Register | str
        if cursor.accept("["):
            place = cursor.name("the name of a location").text
            cursor.expect("]")
        elif token.kind == "number" or cursor.ahead(1).text == ":":
            place = read_register(cursor)
        else:
            place = cursor.name("a register or a location").text
        observable = place if isinstance(place, Register) else Location(place)
        if declared is not None:
            self.test.types[observable] = declared
        value: Initial = 0
        if cursor.accept("="):
            value = self._read_start_value(cursor)
        elif declared is None:
            raise cursor.refuse("`=`")
        if isinstance(place, Register):
            if place in self.test.registers:
                self._problem(f"{place} is given a value twice", token.start, token.end)
            self.test.registers[place] = value
        elif isinstance(value, Doorbell):
            self._problem("a location holds a number or an address", token.start, token.end)
        else:
            if place in self.test.memory:
                self._problem(f"{place} is given a value twice", token.start, token.end)
            self.test.memory[place] = value
            if isinstance(value, Address):
                self.test.types.setdefault(observable, CellType.POINTER)

    @staticmethod
    def _read_type(cursor: Cursor) -> CellType | None:
        """A C type in front of a place: `int`, `uint64_t`, `int *`."""
        following = cursor.ahead(1)
        if cursor.here.kind != "name" or following.text in ("=", ":", ";", "(", ""):
            return None
        token = cursor.take()
        if token.text not in _TYPES:
            known = ", ".join(_TYPES)
            message = f"no such type: {token.text}"
            raise Unexpected(Problem(message, token.start, token.end, help=f"types are {known}"))
        pointer = False
        while cursor.accept("*"):
            pointer = True
        return CellType.POINTER if pointer else _TYPES[token.text]

    @staticmethod
    def _read_start_value(cursor: Cursor) -> Initial:
        if cursor.here.kind == "number":
            return cursor.number("a value")
        cursor.accept("&")
        name = cursor.name("a number, an address or `db(thread)`")
        if name.text == "db" and cursor.accept("("):
            target = cursor.number("a doorbell's target", 128)
            cursor.expect(")")
            return Doorbell(target)
        return Address(name.text)

    # ---- program ----

    def _read_program(self, start: int, end: int) -> None:
        """Rows end in `;`, columns are divided by `|`; the first row names the threads."""
        rows: list[list[tuple[str, int]]] = []
        at = start
        while True:
            stop = self.plain.find(";", at, end)
            if stop < 0:
                break
            row: list[tuple[str, int]] = []
            for text in self.plain[at:stop].split("|"):
                row.append((text, at))
                at += len(text) + 1
            rows.append(row)
            at = stop + 1
        rest = self.plain[at:end]
        if rest.strip():
            begin = at + len(rest) - len(rest.lstrip())
            self._problem("a row of the program ends in `;`", begin, at + len(rest.rstrip()))
        if not rows:
            raise Unexpected(Problem("the test has no program", start, start))
        self._read_thread_names(rows[0])
        width = len(rows[0])
        self.test.threads = [[] for _ in range(width)]
        for row in rows[1:]:
            if len(row) > width:
                text, at = row[width]
                message = f"this row has {len(row)} columns, the first has {width}"
                self._problem(message, at, at + len(text))
            for thread, (text, at) in enumerate(row[:width]):
                self.test.threads[thread].extend(self._cells(text, at))

    def _read_thread_names(self, row: list[tuple[str, int]]) -> None:
        for number, (text, at) in enumerate(row):
            name = text.strip()
            if name != f"P{number}":
                begin = at + len(text) - len(text.lstrip())
                message = f"column {number + 1} must be headed P{number}, got {name[:40]!r}"
                raise Unexpected(Problem(message, begin, begin + max(1, len(name))))
        if len(row) > MAX_THREADS:
            at = row[MAX_THREADS][1]
            message = f"a test has at most {MAX_THREADS} threads, got {len(row)}"
            raise Unexpected(Problem(message, at, at + 1))

    def _cells(self, text: str, at: int) -> list[Cell]:
        """The labels and the instruction of one cell."""
        cells: list[Cell] = []
        offset = 0
        while label := _LABEL.match(text, offset):
            cells.append(self._cell(f"{label.group(1)}:", at + label.start(1)))
            offset = label.end()
        body = _CELL_TEXT.search(text, offset)
        if body:
            cells.append(self._cell(" ".join(body.group().split()), at + body.start()))
        return cells

    def _cell(self, text: str, offset: int) -> Cell:
        return Cell(text, *position(self.text, offset))

    # ---- clauses ----

    def _read_clauses(self, start: int, end: int) -> None:
        """Handlers first (they hold instructions), then the clauses, in any order."""
        start = self._read_handlers(start, end)
        cursor = Cursor(self.plain, start, end)
        final: Token | None = None
        while cursor.here.kind != "end":
            token = cursor.take()
            match token.text:
                case "locations":
                    self._read_locations(cursor)
                case "filter":
                    self.test.filter = read_condition(cursor)
                case "final" | "exists" | "~" | "forall":
                    if final is not None:
                        self._problem("a test has one final condition", token.start, token.end)
                    final = token
                    self._read_final(cursor, token)
                case "expect":
                    self._read_expectation(cursor)
                case "require":
                    hosts = self._read_hosts(cursor)
                    self.test.requirements.append(Requirement(hosts, read_condition(cursor)))
                case "never":
                    hosts = self._read_hosts(cursor)
                    self.test.prohibitions.append(Prohibition(hosts, read_condition(cursor)))
                case ";":
                    pass
                case _:
                    wanted = ", ".join(c for c in _CLAUSES if c not in ("~", "final"))
                    message = f"expected a clause, got {token}"
                    tip = f"clauses are {wanted}"
                    raise Unexpected(Problem(message, token.start, token.end, help=tip))
        if final is None and not (self.test.requirements or self.test.prohibitions):
            at = len(self.plain.rstrip())
            message = "the test has no condition (exists, ~exists, forall, require or never)"
            self._problem(message, at, at)

    def _read_handlers(self, start: int, end: int) -> int:
        """`handler [THREAD] NAME { instruction; ... }`, repeated; the offset after the last."""
        at = start
        while match := re.compile(r"\s*handler\b([^{]*)\{([^}]*)\}").match(self.plain, at, end):
            begin = match.start(1)
            cursor = Cursor(self.plain, begin, match.end(1))
            thread = None
            if cursor.here.kind == "number" and cursor.ahead(1).kind != "end":
                thread = read_thread(cursor)
            vector = self._read_vector(cursor)
            if cursor.here.kind != "end":
                raise cursor.refuse("`{`")
            cells: list[Cell] = []
            offset = match.start(2)
            for text in match.group(2).split(";"):
                cells.extend(self._cells(text, offset))
                offset += len(text) + 1
            line, column = position(self.text, begin)
            self.test.handlers.append(Handler(vector, thread, tuple(cells), line, column))
            at = match.end()
        return at

    @staticmethod
    def _read_vector(cursor: Cursor) -> int:
        if cursor.here.kind == "number":
            return cursor.number("an interrupt vector", 0x2000)
        token = cursor.name("an interrupt")
        if token.text not in _VECTORS:
            message = f"no such interrupt: {token.text}"
            known = ", ".join(_VECTORS)
            tip = f"interrupts are {known}, or a vector"
            raise Unexpected(Problem(message, token.start, token.end, help=tip))
        return _VECTORS[token.text]

    def _read_locations(self, cursor: Cursor) -> None:
        cursor.expect("[")
        while not cursor.accept("]"):
            if cursor.accept(";"):
                continue
            observable = read_observable(cursor)
            if cursor.accept("*") and isinstance(observable, Location | Register):
                self.test.types.setdefault(observable, CellType.POINTER)
            self.test.locations.append(observable)

    def _read_final(self, cursor: Cursor, token: Token) -> None:
        if token.text == "final":
            token = cursor.take()
        if token.text == "~":
            cursor.expect("exists")
            self.test.quantifier = Quantifier.NOT_EXISTS
        elif token.text in ("exists", "forall"):
            self.test.quantifier = Quantifier(token.text)
        else:
            message = f"expected exists, ~exists or forall, got {token}"
            raise Unexpected(Problem(message, token.start, token.end))
        self.test.condition = read_condition(cursor)

    def _read_expectation(self, cursor: Cursor) -> None:
        hosts = self._read_hosts(cursor)
        if not hosts:
            raise cursor.refuse("a host: power7, power8 or power9")
        token = cursor.name("allowed, forbidden or always")
        try:
            verdict = Verdict(token.text)
        except ValueError:
            message = f"expected allowed, forbidden or always, got {token}"
            raise Unexpected(Problem(message, token.start, token.end)) from None
        deviation = None
        if cursor.here.text == "deviation" and cursor.ahead(1).text == "=":
            cursor.take()
            cursor.take()
            deviation = cursor.name("the name of a deviation").text
        for host in hosts:
            if any(e.host == host for e in self.test.expectations):
                self._problem(f"{host} has two expectations", token.start, token.end)
            self.test.expectations.append(Expectation(host, verdict, deviation))

    @staticmethod
    def _read_hosts(cursor: Cursor) -> tuple[str, ...]:
        """Hosts divided by commas; none when the next name is not a host's."""
        hosts: list[str] = []
        while cursor.here.text in HOSTS:
            hosts.append(cursor.take().text)
            if not cursor.accept(","):
                break
            if cursor.here.text not in HOSTS:
                raise cursor.refuse("a host: power7, power8 or power9")
        return tuple(hosts)

    # ---- the whole ----

    def _check_threads(self) -> None:
        """Every thread that is named has a column."""
        count = len(self.test.threads)
        named = [o.thread for o in self.test.shown if not isinstance(o, Location)]
        named += [register.thread for register in self.test.registers]
        named += [h.thread for h in self.test.handlers if h.thread is not None]
        for thread in sorted({n for n in named if n >= count}):
            # The place of the first mention is not kept; its number is enough to find it.
            message = f"thread {thread} is named, but the program has {count} columns"
            self._problem(message, 0, 0)
