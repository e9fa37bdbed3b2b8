"""The hypervisor's objects: host threads, vcpus, vcores and the VM, under KVM's names.

Each is a record of state words (see `state.py`), plus what never changes, as plain attributes.
What KVM keeps as -1 for "none" is 0 here, and a number n is 1 + n, so that every word starts as 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.hv.icp import Icp, Source
from emu.hv.state import Layout, Record, private, shared

if TYPE_CHECKING:
    from emu.hv.generation import Generation


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Refs of the core's fields of one vcpu, thread or sub-processor, by their C names."""

    refs: dict[str, int]

    def __getattr__(self, name: str) -> int:
        """Return the ref of a field of emu.abi.h."""
        try:
            return self.refs[name]
        except KeyError:
            raise AttributeError(name) from None


class HostThread(Record):
    """A hardware thread as the host sees it (KVM: its PACA), and what the host keeps for it."""

    running = shared("1 + index of the vcpu whose task runs on this cpu, 0 = idle")
    irqs_off = shared("the task that runs here has interrupts disabled")
    calls = shared("smp_call_function_single() not yet answered: bit = index of the sender")
    need_resched = shared("somebody else wants this cpu")

    def __init__(self, layout: Layout, number: int, thread: Window, subproc: Window) -> None:
        self.number = number
        self.thread = thread
        self.subproc = subproc
        self.timebase = 0  # ref of the host timebase
        self.timeslice = 0  # ticks until a task must let others run, 0 = no others
        super().__init__(layout, f"cpu{number}")


class Vcore(Record):
    """A virtual core: the vcpus that share a (sub)core of the host."""

    lpcr = shared("guest's LPCR, loaded into the thread at each entry")

    def __init__(self, layout: Layout, kvm: Kvm, number: int, first_vcpuid: int) -> None:
        self.kvm = kvm
        self.number = number
        self.first_vcpuid = first_vcpuid
        self.vcpus: tuple[Vcpu, ...] = ()
        super().__init__(layout, f"vcore{number}")


class Vcpu(Record):
    """A virtual cpu. Its registers are the core's; these are the hypervisor's words about it."""

    state = shared("NOTREADY, RUNNABLE or BUSY_IN_HOST")
    cpu = shared("1 + cpu on which it is entering or in the guest")
    thread_cpu = shared("1 + hardware thread on which it is entering or in the guest")
    awake = shared("its task has been woken since it last prepared to wait")
    ceded = shared("H_CEDE is in progress")
    prodded = shared("an H_PROD that no H_CEDE has consumed")
    doorbell_request = shared("a privileged doorbell is pending in software")
    pending_exceptions = shared("interrupts that the host has queued for it; bit 0: external")
    request_exit = shared("its task is wanted in userspace (a signal is pending)")
    hfscr = private("guest's HFSCR: facilities enabled on demand are added")
    timer = private("host timebase at which its decrementer expires")
    trap = private("why it last left the guest: reason | detail << 8")
    arg = private("operand of the instruction or hcall being emulated")
    result = private("result of the same")

    def __init__(
        self, layout: Layout, index: int, vcpu_id: int, vcore: Vcore, arch: Window
    ) -> None:
        self.index = index
        self.vcpu_id = vcpu_id
        self.vcore = vcore
        self.kvm = vcore.kvm
        self.arch = arch
        self.cpus: tuple[HostThread, ...] = ()
        super().__init__(layout, f"v{index}")
        self.icp = Icp(layout, index)

    def gpr(self, number: int) -> int:
        """Return the ref of a GPR."""
        return self.arch.gpr + number

    @property
    def pcpu(self) -> HostThread:
        """The host cpu that its task runs on."""
        return self.cpus[0]


class Kvm(Record):
    """A virtual machine."""

    console_out = shared("bytes that its console has had")
    console_in = shared("bytes of console input that it has read")

    def __init__(
        self, layout: Layout, number: int, generation: Generation, emul_smt_mode: int
    ) -> None:
        self.number = number
        self.lpid = 1 + number
        self.generation = generation
        self.emul_smt_mode = emul_smt_mode
        self.vcores: tuple[Vcore, ...] = ()
        self.vcpus: tuple[Vcpu, ...] = ()
        self.cpus: tuple[HostThread, ...] = ()
        self.sources: tuple[Source, ...] = ()  # by number, from FIRST_SOURCE
        self.tb_offset = 0  # guest timebase - host timebase
        self.python_hcalls: frozenset[int] = frozenset()  # those that userspace handles in Python
        super().__init__(layout, f"vm{number}")

    def find_vcpu(self, vcpu_id: int) -> Vcpu | None:
        """Return the vcpu with this id (kvmppc_find_vcpu), or None."""
        return next((vcpu for vcpu in self.vcpus if vcpu.vcpu_id == vcpu_id), None)


# vcpu.state
NOTREADY, RUNNABLE, BUSY_IN_HOST = 0, 1, 2

# Bits of vcpu.pending_exceptions
PENDING_EXTERNAL = 1
