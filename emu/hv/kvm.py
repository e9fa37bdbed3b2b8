"""The hypervisor's objects: host threads, vcpus, vcores and the VM, under KVM's names.

Each is a record of state words (see `state.py`), plus what never changes, as plain attributes.
What KVM keeps as -1 for "none" is 0 here, and a number n is 1 + n, so that every word starts as 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from emu.hv.icp import Icp, Source
from emu.hv.state import Layout, Record, private, shared

if TYPE_CHECKING:
    from emu.hv.generation import Generation
    from emu.hv.policy import Policy


# Registers that userspace copies when it stops a vcpu for a moment; gpr3 for all GPRs.
SYNCED = ("nia", "msr", "lr", "cr", "gpr3")


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


class Place(NamedTuple):
    """Where a hardware thread is: its core, and its number within its sub-processor.

    msgsnd: whether threads of its core can interrupt it with that instruction.
    """

    core: int
    tir: int
    msgsnd: bool


class HostThread(Record):
    """A hardware thread as the host sees it (KVM: its PACA), and what the host keeps for it."""

    running = shared("1 + index of the vcpu whose task runs on this cpu, 0 = idle")
    irqs_off = shared("the task that runs here has interrupts disabled")
    calls = shared("smp_call_function_single() not yet answered: bit = index of the sender")
    need_resched = shared("somebody else wants this cpu")
    # POWER7 and POWER8: how the host starts a thread, and what the thread is doing.
    kvm_vcore = shared("1 + number of the vcore that it is to enter, among all of the host")
    kvm_vcpu = shared("1 + index of the vcpu that it is to run, 0 = none")
    hwthread_req = shared("the hypervisor wants it: it must not go into the host kernel")
    hwthread_state = shared("HWTHREAD_IN_KERNEL, HWTHREAD_IN_NAP or HWTHREAD_IN_KVM")
    host_ipi = shared("an interrupt that was sent to it is meant for the host, not for the guest")
    napping = private("NAPPING_CEDE or NAPPING_NOVCPU while it naps in the hypervisor")
    dec = private("host timebase at which its decrementer expires while it naps")

    def __init__(
        self, layout: Layout, number: int, place: Place, thread: Window, subproc: Window
    ) -> None:
        self.number = number
        self.core = place.core
        self.tir = place.tir
        self.msgsnd = place.msgsnd
        self.thread = thread
        self.subproc = subproc
        self.siblings: tuple[HostThread, ...] = ()  # of its subcore, itself included, by tir
        self.timebase = 0  # ref of the host timebase
        self.timeslice = 0  # ticks until a task must let others run, 0 = no others
        super().__init__(layout, f"cpu{number}")


class Vcore(Record):
    """A virtual core: the vcpus that share a (sub)core of the host."""

    lpcr = shared("guest's LPCR, loaded into the thread at each entry")
    awake = shared("its wait queue has been woken since somebody last prepared to wait on it")
    # POWER7 and POWER8: it runs as one, on a whole (sub)core.
    lock = shared("spinlock: 1 = held")
    state = shared("VCORE_INACTIVE, VCORE_PREEMPT, VCORE_SLEEPING, VCORE_RUNNING, VCORE_EXITING")
    runner = shared("1 + index of the vcpu whose task drives the vcore")
    entry_exit = shared("threads that have entered (low byte) and begun to exit (next byte)")
    in_guest = shared("the MMU is the guest's")
    napping_threads = shared("threads that nap in H_CEDE, or without a vcpu: bit = tir")
    conferring_threads = shared("threads that wait in H_CONFER: bit = tir")
    dpdes = shared("doorbells pending while it is not on a (sub)core: bit = tir")
    timer = private("host timebase at which the first decrementer of its vcpus expires")

    def __init__(
        self, layout: Layout, kvm: Kvm, number: int, host_number: int, first_vcpuid: int
    ) -> None:
        self.kvm = kvm
        self.number = number
        self.host_number = host_number  # among the vcores of all VMs
        self.first_vcpuid = first_vcpuid
        self.vcpus: tuple[Vcpu, ...] = ()
        self.threads: tuple[HostThread, ...] = ()  # of the subcore it runs on, by tir
        super().__init__(layout, f"vcore{number}")
        # Runnable vcpus in order of arrival, 1 + index each, then zeros.
        self.run_list = layout.array(
            f"vcore{number}.run_list", kvm.smt_mode + 1, "runnable vcpus", shared=True
        )

    @property
    def secondaries(self) -> tuple[HostThread, ...]:
        """The threads of its subcore that are offline in the host: all but thread 0."""
        return self.threads[1:]


class Vcpu(Record):
    """A virtual cpu. Its registers are the core's; these are the hypervisor's words about it."""

    state = shared("NOTREADY, RUNNABLE or BUSY_IN_HOST")
    cpu = shared("1 + cpu on which it is entering or in the guest")
    thread_cpu = shared("1 + hardware thread on which it is entering or in the guest")
    cpu_run = shared("its task may look again whether it can run (arch.cpu_run)")
    ceded = shared("H_CEDE is in progress")
    prodded = shared("an H_PROD that no H_CEDE has consumed")
    doorbell_request = shared("a privileged doorbell is pending in software")
    pending_exceptions = shared("interrupts that the host has queued for it; bit 0: external")
    request_exit = shared("its task is wanted in userspace (a signal is pending)")
    stopped = shared("it waits for RTAS start-cpu: userspace does not enter KVM_RUN")
    dispatch_count = private("guest address of its VPA's dispatch count, 0 = no VPA")
    yield_count = shared("what that word of its VPA holds: odd while it is out of the guest")
    slb_shadow = private("guest address of its SLB shadow buffer, 0 = none")
    dispatch_log = private("guest address of its dispatch trace log, 0 = none")
    in_userspace = shared("its task is in userspace for that, and stays there")
    hfscr = private("guest's HFSCR: facilities enabled on demand are added")
    timer = private("host timebase at which its decrementer expires")
    queued = private("vector of the interrupt that its next entry gives to the guest, 0 = none")
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
        # What userspace has read of its registers, to be written back.
        self.copies = layout.array(
            f"v{index}.copies", len(SYNCED), "userspace's copies", shared=False
        )
        self.icp = Icp(layout, index)

    @property
    def ptid(self) -> int:
        """Its hardware thread within the (sub)core, if threads are aligned (POWER7, POWER8)."""
        return self.vcpu_id - self.vcore.first_vcpuid

    @property
    def awake(self) -> int:
        """Its wait queue (kvm_arch_vcpu_get_wait): the vcore's, one for all its vcpus."""
        return self.vcore.awake

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
    clock = shared("time of day at host timebase 0: seconds since 1970")

    def __init__(
        self, layout: Layout, number: int, generation: Generation, smt: int, policy: Policy
    ) -> None:
        self.number = number
        self.lpid = 1 + number
        self.generation = generation
        self.policy = policy
        # vcpus per vcore; and what the guest believes where that is emulated, else 0.
        self.smt_mode = 1 if generation.independent_threads else smt
        self.emul_smt_mode = smt if generation.independent_threads else 0
        self.vcores: tuple[Vcore, ...] = ()
        self.vcpus: tuple[Vcpu, ...] = ()
        self.cpus: tuple[HostThread, ...] = ()
        self.sources: tuple[Source, ...] = ()  # by number, from FIRST_SOURCE
        self.firmware = False  # a pseries machine: its vcpus start and stop by RTAS
        self.tb_offset = 0  # guest timebase - host timebase, modulo 2**64
        self.vtb_offset = 0  # the same of the virtual timebase
        self.python_hcalls: frozenset[int] = frozenset()  # those that userspace handles in Python
        super().__init__(layout, f"vm{number}")

    def find_vcpu(self, vcpu_id: int) -> Vcpu | None:
        """Return the vcpu with this id (kvmppc_find_vcpu), or None."""
        return next((vcpu for vcpu in self.vcpus if vcpu.vcpu_id == vcpu_id), None)


# vcpu.state
NOTREADY, RUNNABLE, BUSY_IN_HOST = 0, 1, 2

# vcore.state
VCORE_INACTIVE, VCORE_PREEMPT, VCORE_SLEEPING, VCORE_RUNNING, VCORE_EXITING = range(5)

# cpu.hwthread_state
HWTHREAD_IN_KERNEL, HWTHREAD_IN_NAP, HWTHREAD_IN_KVM = range(3)

# cpu.napping
NAPPING_CEDE, NAPPING_NOVCPU = 1, 2

# A vcore whose entry_exit has this value or more is exiting: it is too late to enter.
EXITING = 0x100

# Bits of vcpu.pending_exceptions
PENDING_EXTERNAL = 1
