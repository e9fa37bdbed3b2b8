"""What the host must leave alone: registers that neither hcalls nor emulation may change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.hv.event import Event
from emu.hv.invariants.family import Family, Step
from emu.hv.ops import RunGuest, Scatter, Trace

if TYPE_CHECKING:
    from emu.hv.host import Host
    from emu.hv.invariants.family import StandsAt
    from emu.hv.kvm import Vcpu
    from emu.hv.ops import Op

# Not r3 to r12, which answer hcalls, nor what an interrupt changes (NIA, MSR, SRR0, SRR1).
GPRS: Final = (0, 1, 2, *range(13, 32))
OTHERS: Final = ("cr", "xer", "lr", "ctr", "tar", "dscr", "sprg1", "sprg2", "sprg3", "dar", "dsisr")


class Registers(Family):
    """They are at the next entry what they were at the last exit, whatever the host did."""

    def __init__(self, host: Host, stands_at: StandsAt) -> None:
        super().__init__(host, stands_at)
        self._kept: dict[int, dict[str, int]] = {}

    def wants(self, op: Op) -> bool:
        """It looks at exits and entries, and at results of instructions that are emulated."""
        if isinstance(op, Trace):
            return op.event is Event.ENTER
        return isinstance(op, RunGuest | Scatter)

    def after(self, step: Step) -> str | None:
        """Note registers at an exit, and compare at the next entry."""
        match step.op:
            case RunGuest() if step.before:
                vcpu = step.before.vcpu
                self._kept[vcpu.index] = self._registers(vcpu)
            case Scatter(gprs=gprs, instruction=instruction, last=last):
                vcpu = next(vcpu for vcpu in self.host.vcpus if vcpu.gpr(0) == gprs)
                number = self.words[instruction] >> 63 - last & 31
                self._kept.get(vcpu.index, {}).pop(f"r{number}", None)
            case Trace(vcpu=index):
                return self._compare(self.host.vcpus[index])
        return None

    def _registers(self, vcpu: Vcpu) -> dict[str, int]:
        words = self.words
        found = {f"r{number}": words[vcpu.gpr(number)] for number in GPRS}
        return found | {name: words[getattr(vcpu.arch, name)] for name in OTHERS}

    def _compare(self, vcpu: Vcpu) -> str | None:
        kept = self._kept.pop(vcpu.index, None)
        if kept is None:
            return None
        now = self._registers(vcpu)
        for name, value in kept.items():
            if now[name] != value:
                return (
                    f"the host leaves a guest's registers alone: {name} of {vcpu.name} was "
                    f"{value:#x}, is {now[name]:#x}"
                )
        return None
