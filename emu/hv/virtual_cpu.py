"""A vcpu as userspace sees it, through the file descriptor that KVM_CREATE_VCPU returned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from emu.errors import ConfigError
from emu.hv import one_reg
from emu.hv.kvm import BUSY_IN_HOST, RUNNABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emu.hv.host import Host
    from emu.hv.kvm import Vcpu

# struct kvm_regs: KVM_GET_REGS and KVM_SET_REGS, by the core's names where they differ.
_REGS: Final = {
    "pc": "nia",
    **{name: name for name in ("cr", "ctr", "lr", "xer", "msr", "srr0", "srr1", "pid")},
    **{name: name for name in ("sprg0", "sprg1", "sprg2", "sprg3")},
}
REGS: Final = (*_REGS, *(f"gpr{n}" for n in range(32)))
WORD: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class VirtualCpu:
    """One vcpu of a VM; `vm.vcpu(id)` makes it. record: the hypervisor's own words about it."""

    _host: Host = field(repr=False)
    record: Vcpu

    @property
    def id(self) -> int:
        """Its number in the VM."""
        return self.record.vcpu_id

    @property
    def state(self) -> str:
        """What it does: stopped, ceded, running (in the guest), runnable, busy in host..."""
        words, vcpu = self._host.words, self.record
        if words[vcpu.in_userspace]:
            return "stopped"
        if words[vcpu.ceded]:
            return "ceded"
        if words[vcpu.thread_cpu]:
            return "running"
        return {RUNNABLE: "runnable", BUSY_IN_HOST: "busy in host"}.get(
            words[vcpu.state], "not ready"
        )

    # -- registers

    def _ref(self, name: str) -> int:
        if name.startswith("gpr") and name in REGS:
            return self.record.gpr(int(name[3:]))
        try:
            return int(getattr(self.record.arch, _REGS[name]))
        except KeyError:
            raise ConfigError(f"a register must be one of {', '.join(REGS)}, got {name}") from None

    def get_regs(self) -> dict[str, int]:
        """Return pc, msr, cr, ..., gpr0 to gpr31 (KVM_GET_REGS)."""
        words = self._host.words
        return {name: words[self._ref(name)] for name in REGS}

    def set_regs(self, values: Mapping[str, int]) -> None:
        """Set some of the registers that get_regs returns (KVM_SET_REGS); ConfigError."""
        refs = {name: self._ref(name) for name in values}
        for name, value in values.items():
            if not 0 <= value <= WORD:
                raise ConfigError(f"{name} has 64 bits, got {value:#x}")
        for name, value in values.items():
            self._host.words[refs[name]] = value

    def __getitem__(self, name: str) -> int:
        """Read one register of get_regs: `vcpu["pc"]`."""
        return self._host.words[self._ref(name)]

    def __setitem__(self, name: str, value: int) -> None:
        """Write one register of get_regs."""
        self.set_regs({name: value})

    def get_one_reg(self, number: int) -> int:
        """Return a register by its KVM id (KVM_GET_ONE_REG); ConfigError for an unknown id."""
        return one_reg.get_one_reg(self._host, self.record, number)

    def set_one_reg(self, number: int, value: int) -> None:
        """Set a register by its KVM id (KVM_SET_ONE_REG); ConfigError for what cannot be."""
        one_reg.set_one_reg(self._host, self.record, number, value)

    # -- events from outside

    def external(self, level: int = 1) -> None:
        """Raise (1) or drop (0) its external interrupt line (KVM_INTERRUPT)."""
        self._host.set_external(self.record, level=bool(level))

    def doorbell(self) -> None:
        """Make a privileged doorbell pending, as another thread's msgsndp would."""
        one_reg.set_doorbell(self._host, self.record, pending=True)
        self._host.kick(self.record)

    def decrementer(self, ticks: int) -> None:
        """Set its decrementer: it becomes negative after so many ticks of the timebase."""
        if not 0 <= ticks < 1 << 31:
            raise ConfigError(f"the decrementer must be 0 to 2**31 - 1 ticks, got {ticks}")
        words, vcpu = self._host.words, self.record
        words[vcpu.arch.dec_expires] = self._host.guest_tb(vcpu) + 1 + ticks & WORD
        words[vcpu.arch.dec_armed] = 1
        self._host.kick(vcpu)

    def stop(self) -> None:
        """Bring it to userspace (a signal); other vcpus may run meanwhile."""
        self._host.stop_vcpus((self.record,))

    def resume(self) -> None:
        """Let it run again."""
        self._host.continue_vcpus((self.record,))
