"""The pseries machine: how a program starts that was built for QEMU's pseries without firmware.

    host = Host("power9")
    vm = host.create_vm(memory=64 << 20, smt=2)
    board = Pseries(vm, bootargs="smp")
    for _ in range(2):
        vm.create_vcpu()
    board.load(program)
    outcome = host.run()

vcpu 0 begins at the entry point in 32-bit big-endian real mode with r3 = device tree; the others
are stopped until the RTAS call start-cpu. This is the VMM's part, so it happens while the vcpu
is busy in host. Source: PAPR; QEMU's pseries machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.errors import ConfigError, ImageError, MemoryAccessError
from emu.hv.device_tree import Board, flatten
from emu.hv.hcalls import hcall_number
from emu.hv.rtas import SERVICES, h_rtas
from emu.hv.vpa import h_register_vpa
from emu.isa.bits import bits
from emu.isa.hcalls import RETURN_CODES
from emu.isa.msr import mask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emu.asm import Program
    from emu.hv.kvm import Vcpu
    from emu.hv.vm import Vm

START_MSR: Final = mask("MSR", "ME", "FP")
RELOCATABLE_AT: Final = 0x40_0000  # where QEMU puts a kernel that is linked at 0
PAGE: Final = 4096
TREE_ALIGN: Final = 0x1_0000
WORD: Final = (1 << 64) - 1

H_SUCCESS: Final = RETURN_CODES["H_SUCCESS"]
H_PARAMETER: Final = RETURN_CODES["H_PARAMETER"]
# Only POWER7 has a DABR to set, and this machine has no data breakpoints on it.
H_HARDWARE: Final = RETURN_CODES["H_HARDWARE"]


class Pseries:
    """The board of a VM. Make it before the machine is used.

    bootargs: text for the program. pvr: processor version, None = the host generation's. initrd:
    bytes that the program finds in memory. epoch: seconds since 1970 that the clock shows at
    timebase 0.
    """

    def __init__(
        self,
        vm: Vm,
        *,
        bootargs: str = "",
        pvr: int | None = None,
        initrd: bytes = b"",
        epoch: int = 0,
    ) -> None:
        vm.host.must_not_be_built("make a pseries machine")
        if pvr is not None and not 0 <= pvr < 1 << 32:
            raise ConfigError(f"pvr must be 0 to 0xffffffff, got {pvr:#x}")
        if "\0" in bootargs or not bootargs.isascii():
            raise ConfigError("bootargs must be ASCII without NUL characters")
        self.vm = vm
        self.bootargs = bootargs
        self.pvr = vm.host.generation.pvr if pvr is None else pvr
        self.initrd = initrd
        self.epoch = epoch
        vm.firmware = True
        for name, handler in HANDLERS.items():
            vm.on_hcall[hcall_number(name)] = self._handler(handler)

    def _handler(self, handle: Callable[[Pseries, Vcpu], int]) -> Callable[[Vcpu], None]:
        def handler(vcpu: Vcpu) -> None:
            code = handle(self, vcpu)
            self.words[vcpu.gpr(3)] = code & WORD

        return handler

    # -- the machine beneath

    @property
    def words(self) -> memoryview:
        """The machine's state words."""
        return self.vm.host.words

    @property
    def timebase(self) -> int:
        """Ref of the timebase."""
        return self.vm.host.timebase

    def read(self, address: int, nbytes: int) -> bytes:
        """Read guest memory; MemoryAccessError outside of it."""
        return self.vm.host.machine.read(self.vm.number, address, nbytes)

    def write(self, address: int, data: bytes) -> None:
        """Write guest memory; MemoryAccessError outside of it."""
        self.vm.host.machine.write(self.vm.number, address, data)

    def read_words(self, address: int, count: int) -> list[int]:
        """Read big-endian 32-bit words."""
        data = self.read(address, 4 * count)
        return [int.from_bytes(data[i : i + 4], "big") for i in range(0, 4 * count, 4)]

    def write_words(self, address: int, values: Sequence[int]) -> None:
        """Write big-endian 32-bit words."""
        data = b"".join((value & 0xFFFF_FFFF).to_bytes(4, "big") for value in values)
        self.write(address, data)

    # -- starting and stopping

    def load(self, program: Program, entry: int | None = None) -> None:
        """Put a program, the initrd and the device tree into memory; vcpu 0 is to start.

        entry: where, instead of the program's own entry point. Raises ImageError.
        """
        if program.relative:
            program = program.moved(RELOCATABLE_AT)
        top = self.vm.place(program)
        words = self.words
        words[self.vm.kvm.clock] = self.epoch % (1 << 64)
        initrd = None
        if self.initrd:
            start = -(-top // PAGE) * PAGE
            initrd = (start, start + len(self.initrd))
            top = initrd[1]
        tree = flatten(self._board(initrd))
        # As high as it goes, where a program that gives itself a stack after its image is not.
        at = (self.vm.memory - len(tree)) // TREE_ALIGN * TREE_ALIGN
        if at < top:
            raise ImageError(
                f"the program, its initrd and a device tree of {len(tree)} bytes must fit into "
                f"{self.vm.memory:#x} bytes of guest memory; the program ends at {top:#x}"
            )
        if initrd:
            self.write(initrd[0], self.initrd)
        self.write(at, tree)
        for vcpu in self.vm.vcpus:
            words[vcpu.arch.pvr] = self.pvr
            words[vcpu.stopped] = 1
        self.start(self.vm.vcpus[0], program.entry if entry is None else entry, at)

    def _board(self, initrd: tuple[int, int] | None) -> Board:
        cores: dict[int, list[int]] = {}
        for vcpu_id in self.vm.vcpu_ids:
            cores.setdefault(vcpu_id // self.vm.smt, []).append(vcpu_id)
        large = self.vm.host.generation.lpcr & mask("LPCR", "LD")
        return Board(
            memory=self.vm.memory,
            cores=list(cores.values()),
            processor=self.vm.host.generation.name.upper(),
            pvr=self.pvr,
            dec_bits=56 if large else 32,
            services={service.name: service.token for service in SERVICES},
            bootargs=self.bootargs,
            initrd=initrd,
        )

    def start(self, vcpu: Vcpu, nia: int, r3: int) -> None:
        """Let a stopped vcpu run from an address."""
        words = self.words
        words[vcpu.arch.nia] = nia
        words[vcpu.arch.msr] = START_MSR
        words[vcpu.gpr(3)] = r3
        words[vcpu.stopped] = 0

    def stop(self, status: int) -> None:
        """End the run with an exit status."""
        self.vm.host.stop(status)


def _set_sprg0(board: Pseries, vcpu: Vcpu) -> int:
    board.words[vcpu.arch.sprg0] = board.words[vcpu.gpr(4)]
    return H_SUCCESS


def _set_dabr(board: Pseries, vcpu: Vcpu) -> int:  # noqa: ARG001 - as every handler
    return H_HARDWARE


# H_PAGE_INIT, flags in r4 by bit: what to do, and two hints about instruction caches.
ICACHE_INVALIDATE, ICACHE_SYNCHRONIZE, ZERO_PAGE, COPY_PAGE = 40, 41, 48, 49
KNOWN_FLAGS: Final = sum(
    1 << (63 - bit) for bit in (ICACHE_INVALIDATE, ICACHE_SYNCHRONIZE, ZERO_PAGE, COPY_PAGE)
)


def _page_init(board: Pseries, vcpu: Vcpu) -> int:
    """Fill the page at r5 with zeros or with a copy of the page at r6."""
    flags, destination, source = (board.words[vcpu.gpr(number)] for number in (4, 5, 6))
    if flags & ~KNOWN_FLAGS or destination % PAGE:
        return H_PARAMETER
    try:
        contents = board.read(destination, PAGE)
        if bits(flags, ZERO_PAGE, ZERO_PAGE):
            contents = bytes(PAGE)
        if bits(flags, COPY_PAGE, COPY_PAGE):
            if source % PAGE:
                return H_PARAMETER
            contents = board.read(source, PAGE)
        board.write(destination, contents)
    except MemoryAccessError:
        return H_PARAMETER
    return H_SUCCESS


HANDLERS: Final[dict[str, Callable[[Pseries, Vcpu], int]]] = {
    "H_SET_SPRG0": _set_sprg0,
    "H_SET_DABR": _set_dabr,
    "H_PAGE_INIT": _page_init,
    "H_REGISTER_VPA": h_register_vpa,
    "H_RTAS": h_rtas,
}
