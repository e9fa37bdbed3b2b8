"""A virtual machine of a host, with KVM's verbs: vcpus, interrupt sources, save and restore.

Its memory is the machine's, its records the host's; both exist from the first use on.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from emu.errors import ConfigError, ImageError
from emu.hv.capability import Capability, check_smt_mode, vcpu_slot
from emu.hv.icp import FIRST_SOURCE, LEAST_FAVOURED, MAX_SOURCES, Source
from emu.hv.migration import take_out
from emu.hv.virtual_cpu import VirtualCpu
from emu.hv.xics import icp_deliver_irq, kvmppc_xics_set_irq
from emu.isa.msr import mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.asm import Program
    from emu.hv.host import Host, Outcome
    from emu.hv.kvm import Kvm, Vcpu
    from emu.hv.saved import SavedVm

STACK = 0x10000


class Vm:
    """A virtual machine of a host. smt: KVM_CAP_PPC_SMT, its virtual threads per virtual core."""

    def __init__(self, host: Host, number: int, memory: int, smt: int) -> None:
        self.host = host
        self.number = number
        self.memory = memory
        self.smt = smt
        self.vcpu_ids: list[int] = []
        self.input = b""
        self.on_hcall: dict[int, Callable[[Vcpu], None]] = {}
        self.ends: set[int] = set()
        self.firmware = False  # a pseries machine: vcpus start and stop by RTAS
        self.said_before = b""  # the end of what the console had before the VM was restored
        self.level_irqs: list[bool] = []
        self.incoming: SavedVm | None = None

    def create_vcpu(self, vcpu_id: int | None = None) -> int:
        """Create a vcpu (KVM_CREATE_VCPU); returns its number among all vcpus of the host."""
        self.host.must_not_be_built("create a vcpu")
        if vcpu_id is None:
            vcpu_id = max(self.vcpu_ids, default=-1) + 1
        if vcpu_id in self.vcpu_ids:
            raise ConfigError(f"a vcpu id must be unique in its VM, got {vcpu_id} twice")
        slot = vcpu_slot(self.host.hardware, self.smt, vcpu_id)
        for other in self.vcpu_ids:
            if slot == vcpu_slot(self.host.hardware, self.smt, other):
                raise ConfigError(
                    f"vcpu ids must have places of their own, got {vcpu_id} and {other}, which "
                    f"share {slot}"
                )
        self.vcpu_ids.append(vcpu_id)
        return self.host.number_vcpu(self)

    def check_extension(self, capability: Capability) -> int:
        """Query a capability of this VM (KVM_CHECK_EXTENSION).

        PPC_SMT: its threads per virtual core. PPC_SMT_POSSIBLE: as the host's.
        """
        if capability is Capability.PPC_SMT:
            return self.smt
        return self.host.check_extension(capability)

    def enable_cap(self, capability: Capability, value: int) -> None:
        """Set a capability (KVM_ENABLE_CAP): PPC_SMT, its threads per virtual core.

        Raises ConfigError if there is a vcpu already (EBUSY), or the host cannot do that (EINVAL).
        """
        if capability is not Capability.PPC_SMT:
            raise ConfigError(f"{capability.name} can only be queried")
        if self.vcpu_ids:
            raise ConfigError(f"set PPC_SMT before a vcpu exists, got {len(self.vcpu_ids)} vcpus")
        check_smt_mode(self.host.hardware, value)
        self.smt = value

    def create_irq(self, *, level: bool = False) -> int:
        """Create an interrupt source of the XICS, a message or a line; returns its number.

        It goes to the first vcpu with priority 0xff (masked) until `set_xive` says otherwise.
        """
        self.host.must_not_be_built("create an interrupt source")
        if len(self.level_irqs) == MAX_SOURCES:
            raise ConfigError(f"a VM has at most {MAX_SOURCES} interrupt sources")
        self.level_irqs.append(level)
        return FIRST_SOURCE + len(self.level_irqs) - 1

    def _source(self, number: int) -> Source:
        sources = self.kvm.sources
        if not FIRST_SOURCE <= number < FIRST_SOURCE + len(sources):
            raise ConfigError(f"the VM has no interrupt source {number}")
        return sources[number - FIRST_SOURCE]

    def set_xive(self, number: int, server: int, priority: int) -> None:
        """Direct a source to a vcpu, by its id, with a priority (0 most favoured, 0xff masked)."""
        source, vcpu = self._source(number), self.vcpu(server)
        if not 0 <= priority <= LEAST_FAVOURED:
            raise ConfigError(f"a priority must be 0 to 255, got {priority}")
        words = self.host.words
        words[source.server] = vcpu.record.index
        words[source.priority] = priority
        if priority != LEAST_FAVOURED and words[source.masked_pending]:
            words[source.masked_pending] = 0
            target = vcpu.record
            self.host.perform(target, partial(icp_deliver_irq, target, source))

    def set_irq(self, number: int, level: int = 1) -> None:
        """Signal a source (KVM_IRQ_LINE): a message, or a line that goes up (1) or down (0)."""
        source, vcpu = self._source(number), self.vcpus[0]
        self.host.perform(vcpu, partial(kvmppc_xics_set_irq, vcpu, source, level))

    def vcpu(self, vcpu_id: int) -> VirtualCpu:
        """Return the vcpu with this id; ConfigError if there is none."""
        found = self.kvm.find_vcpu(vcpu_id)
        if found is None:
            raise ConfigError(f"the VM has no vcpu {vcpu_id}")
        return VirtualCpu(self.host, found)

    def stop(self) -> Outcome | None:
        """Bring every vcpu to userspace before its next instruction; None if that worked.

        Else how the run ended first. `resume` or the VM's end on this host follows.
        """
        return self.host.stop_vcpus(self.vcpus)

    def save(self) -> SavedVm:
        """Save the VM, which must be stopped; see saved.py for the file."""
        return take_out(self)

    def resume(self) -> None:
        """Let the vcpus run again after `stop`."""
        self.host.continue_vcpus(self.vcpus)

    @property
    def kvm(self) -> Kvm:
        """The hypervisor's records of this VM; they make the host build its machine."""
        self.host.build()
        return self.host.kvms[self.number]

    @property
    def vcpus(self) -> tuple[Vcpu, ...]:
        """Its vcpus, in the order of their creation."""
        return self.kvm.vcpus

    @property
    def console(self) -> bytes:
        """All that the guest has written to its console."""
        return self.console_from(0)

    def console_from(self, begin: int) -> bytes:
        """What the guest has written to its console after the first `begin` bytes."""
        written = self.host.words[self.kvm.console_out]
        return self.host.engine.output(self.number, begin, written)

    @property
    def said(self) -> bytes:
        """What the guest has written, and the end of what it wrote before it was restored."""
        return self.said_before + self.console

    def load(self, program: Program, entry: int | None = None) -> None:
        """Put a program into memory and make every vcpu start at its entry, as bare guests do."""
        if (len(self.vcpus) - 1) * STACK >= self.memory:
            raise ConfigError(
                f"each vcpu needs a stack of {STACK:#x} bytes, got {len(self.vcpus)} vcpus "
                f"in {self.memory:#x} bytes of memory"
            )
        self.place(program)
        start = program.entry if entry is None else entry
        msr = mask("MSR", "SF", "ME") | (mask("MSR", "LE") if program.endian == "little" else 0)
        for i, vcpu in enumerate(self.vcpus):
            self.host.words[vcpu.arch.nia] = start
            self.host.words[vcpu.arch.msr] = msr
            self.host.words[vcpu.gpr(1)] = self.memory - i * STACK
            self.host.words[vcpu.gpr(3)] = vcpu.vcpu_id
            self.host.words[vcpu.gpr(4)] = len(self.vcpus)

    def place(self, program: Program) -> int:
        """Put a program into memory; returns its end. Raises ImageError if it does not fit."""
        machine = self.host.machine
        top = 0
        for segment in program.segments:
            end = segment.address + max(segment.size, len(segment.data))
            if segment.address < 0 or end > self.memory:
                raise ImageError(
                    f"the program must lie within the {self.memory:#x} bytes of guest memory, "
                    f"got {segment.address:#x} to {end:#x}"
                )
            machine.write(self.number, segment.address, segment.data)
            top = max(top, end)
        return top

    def put_chars(self, data: bytes) -> None:
        """Append to its console's output."""
        position = self.kvm.console_out
        self.host.engine.put(self.number, self.host.words[position], data)
        self.host.words[position] += len(data)

    def end_at(self, address: int) -> None:
        """Make a vcpu that comes to this address end the run with status 0."""
        self.host.machine.breakpoint(self.number, address, True)
        self.ends.add(address)
