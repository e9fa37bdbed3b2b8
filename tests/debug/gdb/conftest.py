"""Guests for a real gdb, and a gdb that drives `emu gdb`."""

import contextlib
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from processes import PATIENCE_S

ROOT = Path(__file__).parents[3]
GUESTS = Path(__file__).parent / "guests"
TRIPLETS = {"big": "powerpc64-linux-gnu", "little": "powerpc64le-linux-gnu"}
C_OPTIONS = [
    "-g", "-O0", "-mabi=elfv2", "-ffreestanding", "-fno-stack-protector", "-msoft-float",
    "-mno-altivec", "-mno-vsx", "-nostdlib", "-static", "-Wl,-Ttext=0x10000",
    "-Wl,--build-id=none",
]  # fmt: skip
STUB = f"{shlex.quote(sys.executable)} -m emu gdb"
QUIET = ["-nx", "-q", "-ex", "set height 0", "-ex", "set width 0", "-ex", "set style enabled off",
         "-ex", "set confirm off"]  # fmt: skip


@dataclass
class Said:
    """What a gdb printed, and the packets that it and the stub exchanged."""

    text: str
    packets: str

    def __contains__(self, part):
        return part in self.text

    def __getitem__(self, number):
        """The value that gdb numbered so: `$1 = 7`."""
        found = re.search(rf"^\${number} = (.*)$", self.text, re.MULTILINE)
        assert found, self.text
        return found[1]

    def sent(self, pattern):
        """Whether gdb sent a packet that matches, answered or not."""
        return re.search(rf"^<- {pattern}$", self.packets, re.MULTILINE) is not None


def quote(path):
    """A path in a command that gdb gives to the shell."""
    return shlex.quote(str(path))


def assembled(source, target, endian="big"):
    subprocess.run(
        [sys.executable, "-m", "emu", "asm", "-g", "--endian", endian, source, "-o", target],
        check=True, cwd=ROOT, timeout=PATIENCE_S,
    )  # fmt: skip
    return target


@pytest.fixture(scope="session")
def elf(tmp_path_factory, oracle):
    """`elf("doorbell")`, `elf("totals", "little")`: the program of a guest, made once."""
    folder = tmp_path_factory.mktemp("guests")
    made = {}

    def make(name, endian="big"):
        target = folder / f"{name}-{endian}.elf"
        if name == "totals" and target not in made:
            subprocess.run(
                [oracle(f"{TRIPLETS[endian]}-gcc"), *C_OPTIONS, "-Wa,-mregnames", "-o", target,
                 "-x", "assembler", GUESTS / "start.s", "-x", "c", GUESTS / "totals.c"],
                check=True, timeout=PATIENCE_S,
            )  # fmt: skip
        elif target not in made:
            assembled(GUESTS / f"{name}.s", target, endian)
        made[target] = True
        return target

    return make


@pytest.fixture
def gdb(oracle, elf, tmp_path):
    """Run a gdb with commands: `gdb("break helper", "continue").text`."""
    command = oracle("gdb-multiarch")

    def run(*lines, guest="doorbell", endian="big", options="--smt 2", target="remote", more=()):
        program = elf(guest, endian) if isinstance(guest, str) else guest
        log = tmp_path / "packets.log"
        stub = f"{STUB} --stdio --log {quote(log)} {options} {quote(program)}"
        arguments = [command, "-batch", *QUIET, *more, "-ex", f"target {target} | {stub}"]
        for number, line in enumerate(lines):
            if "\n" in line:  # a block: commands of a breakpoint, or Python
                script = tmp_path / f"{number}.gdb"
                script.write_text(line + "\n")
                line = f"source {script}"  # noqa: PLW2901
            arguments += ["-ex", line]
        done = subprocess.run(
            [*arguments, program],
            capture_output=True, text=True, timeout=PATIENCE_S, cwd=ROOT, check=False,
        )  # fmt: skip
        text = done.stdout + done.stderr
        assert "Traceback" not in text
        assert "internal error" not in text
        return Said(text, log.read_text())

    return run


class Server:
    """An `emu gdb --listen` that waits on a port of the loopback interface."""

    def __init__(self, program, *options):
        self.process = subprocess.Popen(
            [*shlex.split(STUB), "--listen", "127.0.0.1:0", *options, str(program)],
            cwd=ROOT, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.greeting = self.process.stderr.readline()
        self.port = int(re.search(r"127\.0\.0\.1:(\d+)$", self.greeting)[1])


@pytest.fixture
def server(elf):
    """`server("spin", "--smt", "2")` listens until the test is over."""
    with contextlib.ExitStack() as stack:

        def start(guest, *options):
            made = Server(elf(guest), *options)
            stack.callback(made.process.wait, PATIENCE_S)
            stack.callback(made.process.terminate)
            stack.callback(made.process.stderr.close)
            return made

        yield start
