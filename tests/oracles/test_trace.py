"""A C program instruction by instruction: every register after each one, here and on QEMU 10.

Debian's QEMU has no plugins, so the log is that of `-d cpu` with one instruction a block: it shows
the registers before each instruction. An instruction that QEMU began twice, because its own timer
came in between, is in the log twice.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest
from elftools.elf.elffile import ELFFile

from emu.core.machine import Exit, Machine
from emu.isa.bits import bits
from emu.isa.table import decode

from . import qemu

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LOAD = 0x10000
MEMORY = 16 << 20
INSTRUCTIONS = 120_000
REGISTERS = re.compile(
    rb"NIP (\w{16}) +LR (\w{16}) CTR (\w{16}) XER (\w{16}) CPU#0\nMSR (\w{16}) "
    rb".*?\nGPR00 (.*?)\nCR (\w{8}) .*?\n CFAR",
    re.DOTALL,
)
NAMES = ["nia", "lr", "ctr", "xer", "msr", *(f"r{i}" for i in range(32)), "cr"]


# Hardware has the product in both halves, QEMU zeros in the upper one.
UPPER_HALF_UNDEFINED = {"mulhw", "mulhw.", "mulhwu", "mulhwu."}


def merge(ours: int, theirs: int) -> int:
    """Their upper half, our lower half."""
    return theirs >> 32 << 32 | ours & 0xFFFFFFFF


def program_for(oracle, name: str, out: Path) -> Path:
    """Compile a benchmark program for the bare machine."""
    oracle("powerpc64-linux-gnu-gcc")
    elf = out / f"bare/{name}.1"
    directory = ROOT / "benchmarks/programs"
    subprocess.run(["make", "-s", "-C", directory, f"OUT={out}", elf], check=True)
    return elf


def rom_for(entry: int, out: Path) -> Path:
    """Assemble what starts a program on QEMU."""
    source = Path(__file__).parent / "trace/rom.s"
    big = "powerpc64-linux-gnu-"
    define = ["--defsym", f"STACK={MEMORY}", "--defsym", f"ENTRY={entry}"]
    subprocess.run([big + "as", *define, source, "-o", out / "rom.o"], check=True)
    link = ["-Ttext=0", "-e", "0x100", out / "rom.o", "-o", out / "rom.elf"]
    subprocess.run([big + "ld", *link], check=True)
    copy = ["-O", "binary", out / "rom.elf", out / "rom.bin"]
    subprocess.run([big + "objcopy", *copy], check=True)
    return out / "rom.bin"


def load(machine: Machine, elf: Path) -> int:
    """Put a program into the memory of VM 0; returns its entry point."""
    with elf.open("rb") as file:
        image = ELFFile(file)
        for segment in image.iter_segments("PT_LOAD"):
            machine.write(0, segment["p_vaddr"], segment.data())
        return image["e_entry"]


def log_of(path: str, elf: Path, rom: Path) -> Iterator[list[int]]:
    """Registers before each instruction, from the guest's first one on."""
    command = [path, "-nodefaults", "-M", f"{qemu.MACHINE},kernel-addr=0", "-cpu", "power9"]
    command += ["-accel", "tcg,thread=single,one-insn-per-tb=on", "-icount", "shift=0"]
    command += ["-display", "none", "-serial", "none", "-bios", str(rom), "-kernel", str(elf)]
    command += ["-d", "cpu,nochain", "-D", "/dev/stdout"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        try:
            yield from records(process.stdout)
        finally:
            process.kill()


def records(stream: IO[bytes]) -> Iterator[list[int]]:
    """Parse a log; what runs below LOAD is start-up, and left out."""
    rest = b""
    while block := stream.read(1 << 20):
        rest += block
        end = 0
        for match in REGISTERS.finditer(rest):
            end = match.end()
            nip, lr, ctr, xer, msr, gprs, cr = match.groups()
            gpr = [word for word in gprs.split() if len(word) == 16]
            values = [int(word, 16) for word in (nip, lr, ctr, xer, msr, *gpr, cr)]
            if values[0] >= LOAD:
                yield values
        rest = rest[end:]


@pytest.mark.parametrize("program", ["mix", "records"])
def test_every_register_after_every_instruction_is_qemus(program, oracle, tmp_path):
    path = qemu.qemu_system(oracle)
    elf = program_for(oracle, program, tmp_path)
    machine = Machine()
    machine.new_memory(0, MEMORY)
    entry = load(machine, elf)
    vcpu = machine.vcpu[0]
    machine.thread[0].vcpu = 1
    machine.subproc[0].nthreads = 1
    log = log_of(path, elf, rom_for(entry, tmp_path))
    theirs = next(log)
    assert theirs[0] == entry
    vcpu.nia, vcpu.ctr, vcpu.msr = entry, entry, theirs[4]
    vcpu.gpr[1], vcpu.gpr[4] = MEMORY, 1
    for done in range(INSTRUCTIONS):
        ours = [vcpu.nia, vcpu.lr, vcpu.ctr, vcpu.xer, vcpu.msr, *vcpu.gpr, vcpu.cr]
        if ours != theirs:
            wrong = [
                f"{name} is {a:#x}, on QEMU {b:#x}"
                for name, a, b in zip(NAMES, ours, theirs, strict=True)
                if a != b
            ]
            pytest.fail(f"after {done} instructions: {', '.join(wrong)}")
        word = machine.fetch(0)
        assert word is not None
        assert machine.run(0, 1) is Exit.BUDGET
        theirs = next(record for record in log if record != theirs)
        variant = decode(word)
        assert variant is not None
        if variant.mnemonic in UPPER_HALF_UNDEFINED:
            target = bits(word, 6, 10, width=32)
            vcpu.gpr[target] = merge(vcpu.gpr[target], theirs[5 + target])
    log.close()
