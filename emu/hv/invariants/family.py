"""What a group of invariants is shown: one step, and what held before it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from emu.core.machine import Deed
from emu.hv.ops import (
    Accumulate,
    Add,
    Clear,
    CompareAndSet,
    CompareAndSwap,
    Copy,
    Deposit,
    Extract,
    Gather,
    Minimum,
    Or,
    OrUnless,
    Random,
    Sum,
    Write,
)
from emu.isa.hcalls import HCALLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.core.machine import Logged
    from emu.hv.host import Host
    from emu.hv.kvm import HostThread, Vcpu
    from emu.hv.ops import Op

# Operations that may change the word `ref`.
WRITERS: Final = (
    Accumulate, Add, Clear, CompareAndSet, CompareAndSwap, Copy, Deposit, Extract, Gather, Minimum,
    Or, OrUnless, Random, Sum, Write,
)  # fmt: skip


# The operation before which an actor stands, by its number.
StandsAt: TypeAlias = "Callable[[int], Op | None]"


def written(op: Op) -> int | None:
    """The word that an operation may change; None for one that changes none, or not just one."""
    return op.ref if isinstance(op, WRITERS) else None


class Before(NamedTuple):
    """A vcpu that is about to run on: what held then.

    tb: host timebase. insns: instructions it has completed. dec: when its decrementer expires, and
    whether it was ever set. pending: an interrupt that its MSR[EE] lets through, if there is one.
    """

    vcpu: Vcpu
    cpu: HostThread
    tb: int
    insns: int
    nia: int
    msr: int
    dec: tuple[int, int]
    pending: str | None


class Step(NamedTuple):
    """One step. who: a vcpu's task, or a hardware thread's own code.

    Of a step that ran a guest: before, its deeds, and whether it was left. A turn that ends leaves
    the guest where it is.
    """

    who: Vcpu | HostThread
    op: Op
    before: Before | None = None
    deeds: tuple[Logged, ...] = ()
    exited: bool = False

    @property
    def interrupts(self) -> tuple[Logged, ...]:
        """The interrupts that the guest took."""
        return tuple(deed for deed in self.deeds if deed.deed is Deed.INTERRUPT)


class Family(ABC):
    """Some invariants. stands_at: the operation before which an actor stands, by its number."""

    def __init__(self, host: Host, stands_at: StandsAt) -> None:
        self.host = host
        self.words = host.words
        self.stands_at = stands_at

    @abstractmethod
    def wants(self, op: Op) -> bool:
        """Whether a step with this operation concerns it."""

    @abstractmethod
    def after(self, step: Step) -> str | None:
        """Look at a step that it wants; answers the sentence that does not hold."""

    def idle(self) -> str | None:
        """Look at a host on which nobody can do anything any more."""
        return None

    def hcall(self, vcpu: Vcpu) -> int | None:
        """The number of the hcall for which a vcpu last left its guest; None: it was no hcall."""
        trap = self.words[vcpu.trap]
        known = trap & 0xFF == 1 and trap >> 8
        return HCALLS[(trap >> 8) - 1].number if known else None
