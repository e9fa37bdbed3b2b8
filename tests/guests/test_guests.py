"""Each guest of guests/ does what its header says, on every host and in every SMT mode it names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from emu.cli import exit_code_of

GUESTS = Path(__file__).resolve().parents[2] / "guests"
SCHEDULES = (
    ["--schedule", "rr"],
    ["--schedule", "rr:1"],
    ["--schedule", "rr:7"],
    ["--schedule", "random", "--seed", "1"],
    ["--schedule", "random:3", "--seed", "2"],
)


@dataclass(frozen=True)
class Header:
    """The first comment of a guest: prose, then `# key: value` lines.

    smt: the modes it fits, with as many vcpus as threads. hosts: where it makes sense, all unless
    it says so. prints: its console, line by line; {vcpus} is their number, {each} all their
    numbers, and a line with {vcpu} or {other} stands for one line a vcpu ({other}: all but vcpu 0).
    """

    shows: str
    smt: tuple[int, ...]
    hosts: tuple[str, ...]
    prints: tuple[str, ...]
    exit: int
    options: tuple[str, ...]

    def console(self, vcpus: int) -> list[str]:
        lines = []
        for line in self.prints:
            first = 1 if "{other}" in line else 0
            repeated = re.search(r"{vcpu}|{other}", line)
            for number in range(first, vcpus) if repeated else [0]:
                each = " ".join(map(str, range(vcpus)))
                lines.append(line.format(vcpu=number, other=number, vcpus=vcpus, each=each))
        return lines


def header_of(source: Path) -> Header:
    comment = []
    for line in source.read_text().splitlines():
        if not line.startswith("#"):
            break
        comment.append(line[1:].strip())
    keys: dict[str, list[str]] = {}
    for line in comment:
        if match := re.fullmatch(r"(smt|hosts|endian|prints|exit|options):\s+(.*)", line):
            keys.setdefault(match[1], []).append(match[2])
    options = keys.get("options", [""])[0].split()
    for endian in keys.get("endian", []):
        options += ["--endian", endian]
    return Header(
        shows=comment[0],
        smt=tuple(map(int, keys["smt"][0].split())),
        hosts=tuple(keys.get("hosts", ["power7 power8 power9"])[0].split()),
        prints=tuple(keys.get("prints", ())),
        exit=int(keys["exit"][0]),
        options=tuple(options),
    )


SOURCES = sorted(GUESTS.glob("*.s"))
HEADERS = {source.stem: header_of(source) for source in SOURCES}
CASES = [
    (name, host, smt)
    for name, header in HEADERS.items()
    for host in header.hosts
    for smt in header.smt
    if (host, smt) != ("power7", 8)  # its cores have four threads
]


def test_every_guest_says_what_it_shows_and_for_which_modes():
    assert len(SOURCES) >= 8
    for name, header in HEADERS.items():
        assert header.shows.endswith("."), name
        assert header.prints, name
        assert set(header.smt) <= {1, 2, 4, 8}, name


@pytest.mark.parametrize(
    ("name", "host", "smt"), CASES, ids=[f"{name}-{host}-smt{smt}" for name, host, smt in CASES]
)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=" ".join)
def test_a_guest_prints_and_ends_as_its_header_says(name, host, smt, schedule, capsys):
    header = HEADERS[name]
    limit = ["--max-insns", "20000000"]
    arguments = ["run", str(GUESTS / f"{name}.s"), "--host", host, "--smt", str(smt)]
    code = exit_code_of([*arguments, *header.options, *schedule, *limit])
    ended = capsys.readouterr()
    assert ended.out.splitlines() == header.console(smt), ended.err
    assert code == header.exit, ended.err


@pytest.mark.parametrize(
    ("name", "host", "smt"), CASES, ids=[f"{name}-{host}-smt{smt}" for name, host, smt in CASES]
)
def test_a_guest_keeps_the_invariants_of_the_hypervisor(name, host, smt, capsys):
    header = HEADERS[name]
    arguments = ["run", str(GUESTS / f"{name}.s"), "--host", host, "--smt", str(smt), "--check"]
    code = exit_code_of([*arguments, *header.options, "--max-insns", "20000000"])
    assert code == header.exit, capsys.readouterr().err


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
@pytest.mark.parametrize("name", ["cede_prod", "decrementer", "hello", "xics_ipi"])
def test_a_guest_of_more_vcores_than_cores_keeps_the_invariants(name, host, capsys):
    """By chance, vcpus join a core that is just being left: nothing of them may stay there."""
    for seed in ("5", "6"):
        machine = ["--host", host, "--smt", "2", "--vcpus", "6", "--seed", seed]
        arguments = ["run", str(GUESTS / f"{name}.s"), *machine, "--schedule", "random", "--check"]
        assert exit_code_of(arguments) == 0, capsys.readouterr().err
