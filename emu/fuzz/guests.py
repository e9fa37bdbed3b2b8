"""Guests as what a test suite tests: every interleaving of one, or runs on drawn machines.

What is wrong is raised as an AssertionError with what happened and a command that shows it again.
"""

from __future__ import annotations

import random
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from emu.asm import assemble
from emu.asm.elf import read_elf
from emu.errors import ConfigError
from emu.explore.case import HOSTS, SUFFIX, Setting, case_text
from emu.explore.guest import Asked, Ending, explore
from emu.explore.guest_case import guest_case, vm_of
from emu.explore.search import Options
from emu.fuzz.corpus import write_whole
from emu.hv.registers import expectation
from emu.hv.schedulers import Random, RoundRobin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emu.asm import Program
    from emu.asm.program import Endian
    from emu.explore.case import Case
    from emu.hv.host import Outcome

MAX_STATES: Final = 1_000_000
MAX_INSNS: Final = 1_000_000
SLICES: Final = (1, 3, 10, 100, 1000)
MODES: Final = (1, 2, 4)


class GuestFailure(AssertionError):  # noqa: N818  it is no error of this program
    """A guest that ends as it should not."""


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest to be tested. source: its text, None of an ELF file. name: how commands call it.

    folder: where cases are written.
    """

    program: Program
    source: str | None
    name: str
    folder: Path

    @classmethod
    def load(cls, path: Path, folder: Path, endian: Endian = "big") -> Guest:
        """Read assembly or an ELF file. Raises AssemblyError, ImageError and ConfigError."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror}") from None
        if data.startswith(b"\x7fELF"):
            return cls(read_elf(data, str(path), lines=False), None, str(path), folder)
        text = data.decode("utf-8", errors="replace")
        return cls(assemble(text, filename=str(path), endian=endian), text, str(path), folder)

    def explore(
        self,
        setting: Setting | None = None,
        *,
        expect: Sequence[str] = (),
        never: Sequence[str] = (),
        timers: int = 0,
        max_states: int = MAX_STATES,
        whole: bool = True,
    ) -> list[str]:
        """Go through every interleaving on one machine; returns how the guest ends, in words.

        expect, never: as of emu explore. timers: how often time may pass in a run. whole: a search
        that was cut off is a failure too. Raises GuestFailure, SearchRefusedError and ConfigError.
        """
        __tracebackhide__ = True  # what is wrong is the guest, for those who read tracebacks
        setting = setting or Setting()
        asked = Asked(
            expected=tuple(expectation(text, setting.vcpus) for text in expect),
            never=tuple(expectation(text, setting.vcpus) for text in never),
        )
        case = self._case(setting, Ending("", 0, ""))
        options = Options(spurious=True, timers=timers, max_states=max_states)
        found = explore(lambda: vm_of(case, self.program), self.program, options, asked)
        for ending in found.endings:
            if ending.bad:
                noted = replace(setting, spurious=True, timers=timers)
                path = self._write(noted, ending)
                replay = f"emu replay {shlex.quote(str(path))}"
                raise GuestFailure(f"{self.name} on {setting.host}: {ending.bad}\n{replay}")
        if whole and not _is_whole(found.cut):
            raise GuestFailure(f"{self.name} on {setting.host}: the search was {found.cut}")
        return [ending.key for ending in found.endings]

    def fuzz(
        self,
        runs: int = 100,
        *,
        seed: int = 0,
        hosts: Sequence[str] = HOSTS,
        smts: Sequence[int] = MODES,
        vcpus: int | None = None,
        max_insns: int = MAX_INSNS,
    ) -> None:
        """Run on drawn machines, by drawn schedules: each run must end with status 0.

        smts: virtual threads of a core that are drawn. vcpus: None = as many. max_insns: within
        which a run has to end. Raises GuestFailure and ConfigError.
        """
        __tracebackhide__ = True
        source = random.Random(seed)  # noqa: S311  no secret
        for _ in range(runs):
            smt = source.choice(smts)
            setting = Setting(
                host=source.choice(hosts),
                smt=smt,
                vcpus=vcpus or smt,
                endian=self.program.endian,
                seed=source.getrandbits(32),
            )
            slice_, fair = source.choice(SLICES), source.random() < 0.2
            self._run(setting, RoundRobin(slice_) if fair else Random(slice_), max_insns)

    def _run(self, setting: Setting, scheduler: RoundRobin | Random, max_insns: int) -> None:
        __tracebackhide__ = True
        vm = vm_of(self._case(setting, Ending("", 0, "")), self.program)
        outcome = vm.host.run(scheduler, max_insns=max_insns)
        if outcome.kind == "exit" and not outcome.status:
            return
        kind = "rr" if isinstance(scheduler, RoundRobin) else "random"
        command = (
            f"emu run {shlex.quote(self.name)} --host {setting.host} --smt {setting.smt} "
            f"--vcpus {setting.vcpus} --schedule {kind}:{scheduler.slice} --seed {setting.seed} "
            f"--max-insns {max_insns}"
        )
        if setting.endian == "little":
            command += " --endian little"
        raise GuestFailure(f"{self.name} on {setting.host}: {_how(outcome)}\n{command}")

    def _case(self, setting: Setting, ending: Ending) -> Case:
        return guest_case(self.program, self.program.entry, setting, ending, self.source)

    def _write(self, setting: Setting, ending: Ending) -> Path:
        path = self.folder / f"{Path(self.name).stem}-{setting.host}{SUFFIX}"
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, case_text(self._case(setting, ending)))
        return path


def _is_whole(cut: str) -> bool:
    """Whether nothing but time bounded a search."""
    return all(part == "exhaustive" or "time" in part for part in filter(None, cut.split(", ")))


def _how(outcome: Outcome) -> str:
    match outcome.kind:
        case "exit":
            return f"it reports failure, status {outcome.status}"
        case "limit":
            return f"it has not ended after {outcome.instructions} instructions"
        case _:
            return f"{outcome.kind}: {outcome.explanation}"
