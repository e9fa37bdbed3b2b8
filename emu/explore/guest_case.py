"""A guest as part of a case: its program as text that needs no other file, and its machine."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from emu.asm import assemble
from emu.asm.elf import read_elf
from emu.asm.elf_writer import write_elf
from emu.asm.source import decode, find, physical_lines, read_bytes
from emu.errors import AssemblyError, ReplayError
from emu.explore.case import Case, Setting
from emu.explore.guest import NEVER, NOT, Asked
from emu.explore.schedule import parse_short
from emu.hv.host import Host
from emu.hv.policy import ENTRY_EXITS, RUN_WHENS, THREAD_ASSIGNMENTS, Policy
from emu.hv.pseries import Pseries
from emu.hv.registers import expectation

if TYPE_CHECKING:
    from emu.asm import Program
    from emu.asm.program import Endian
    from emu.explore.guest import Ending
    from emu.hv.vm import Vm

MAX_DEPTH: Final = 20
_INCLUDE: Final = re.compile(r'\s*\.include\s+"([^"\\]+)"\s*(?:#.*)?')


def guest_case(
    program: Program,
    entry: int,
    setting: Setting,
    ending: Ending,
    source: str | None,
    end: int | None = None,
) -> Case:
    """One way in which a guest can end, as a case.

    source: its text, if it is assembly. end: where the program of a vcpu is over.
    """
    text = None if source is None else _self_contained(program, source)
    form: Literal["text", "elf"] = "elf" if text is None else "text"
    if text is None:
        text = base64.encodebytes(write_elf(program)).decode("ascii")
    return Case(
        kind="guest",
        name=Path(program.name).stem,
        property=ending.rule,
        expected=ending.bad,
        condition="" if ending.loop else ending.rule,
        at_end=ending.at_end,
        loop=ending.loop,
        end=end,
        form=form,
        program=text,
        entry=entry,
        schedule=tuple(parse_short(ending.schedule)),
        setting=setting,
    )


def _self_contained(program: Program, source: str) -> str | None:
    """The text with what it includes; None if that is not the same program."""
    text = _included(source, program.name, MAX_DEPTH)
    try:
        text.encode("utf-8")
        again = assemble(text, filename="<case>", endian=program.endian)
    except (AssemblyError, UnicodeEncodeError):
        return None
    return text if again.segments == program.segments else None


def _included(text: str, name: str, depth: int) -> str:
    lines = []
    for line in physical_lines(text):
        match = _INCLUDE.fullmatch(line)
        path = find(match[1], name, ()) if match and depth else None
        if path is None:
            lines.append(line)
        else:
            lines.append(_included(decode(read_bytes(path)), str(path), depth - 1).rstrip("\n"))
    return "\n".join(lines) + "\n"


def asked_of(case: Case) -> Asked:
    """What the condition of a case asks besides how the guest ends. Raises ConfigError."""
    vcpus = case.setting.vcpus
    if case.condition.startswith(NEVER):
        return Asked(never=(expectation(case.condition.removeprefix(NEVER), vcpus),), end=case.end)
    _, *unmet = case.condition.split(NOT)
    return Asked(expected=tuple(expectation(text, vcpus) for text in unmet), end=case.end)


def program_of(case: Case) -> Program:
    """The program of a case. Raises AssemblyError, ImageError and ReplayError."""
    if case.form == "text":
        return assemble(case.program, filename=case.name, endian=_endian(case.setting))
    try:
        data = base64.b64decode("".join(case.program.split()), validate=True)
    except (ValueError, binascii.Error) as error:
        raise ReplayError(f"program must be base64, as form says: {error}") from None
    return read_elf(data, case.name, lines=False)


def _endian(setting: Setting) -> Endian:
    return "little" if setting.endian == "little" else "big"


def vm_of(case: Case, program: Program) -> Vm:
    """A new machine with the guest of a case. Raises ConfigError and ImageError."""
    setting = case.setting
    policy = Policy(
        next(name for name in THREAD_ASSIGNMENTS if name == setting.thread_assignment),
        next(name for name in ENTRY_EXITS if name == setting.entry_exit),
        next(name for name in RUN_WHENS if name == setting.run_when),
    )
    host = Host(
        setting.host,
        cores=setting.cores,
        subcores=setting.subcores,
        seed=setting.seed,
        policy=policy,
    )
    vm = host.create_vm(memory=setting.mem, smt=setting.smt)
    loader: Vm | Pseries = vm
    if setting.machine == "pseries":
        pvr = setting.pvr or None
        loader = Pseries(vm, bootargs=setting.append, pvr=pvr, epoch=setting.rtc)
    for _ in range(setting.vcpus):
        vm.create_vcpu()
    loader.load(program, case.entry)
    return vm
