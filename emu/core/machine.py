"""The machine: hardware threads, vcpus, guest memory, snapshots. Knows nothing of a hypervisor.

A machine's state is `words`, one 64-bit integer each, and the memory of its VMs; csrc/emu.abi.h
names the words. `vcpu[2].msr` reads well; `words[machine.ref("vcpu", 2, "msr")]` is the same and
quicker, for code that runs at every exit.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple, overload

from emu.core._emu import ffi, lib
from emu.errors import ConfigError, MemoryAccessError

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE: Final = 4096
MAX_MEMORY: Final = 1 << 32
MAX_COUNT: Final = 4096
_WORD: Final = (1 << 64) - 1


class Exit(IntEnum):
    """Why run() came back; see `emu_exit_reason`."""

    BUDGET = lib.EMU_EXIT_BUDGET
    HCALL = lib.EMU_EXIT_HCALL
    HFAC_UNAVAIL = lib.EMU_EXIT_HFAC_UNAVAIL
    EMUL_ASSIST = lib.EMU_EXIT_EMUL_ASSIST
    HDEC = lib.EMU_EXIT_HDEC
    H_DOORBELL = lib.EMU_EXIT_H_DOORBELL
    EXTERNAL = lib.EMU_EXIT_EXTERNAL
    UNHANDLED = lib.EMU_EXIT_UNHANDLED
    BREAKPOINT = lib.EMU_EXIT_BREAKPOINT
    STOP = lib.EMU_EXIT_STOP
    NO_VCPU = lib.EMU_EXIT_NO_VCPU


class Deed(IntEnum):
    """What a guest did without leaving C; see `emu_deed`."""

    SEND = lib.EMU_DID_SEND
    COALESCE = lib.EMU_DID_COALESCE
    IGNORE = lib.EMU_DID_IGNORE
    CLEAR = lib.EMU_DID_CLEAR
    INTERRUPT = lib.EMU_DID_INTERRUPT


class Logged(NamedTuple):
    """One entry of the log: when, where, who, what; see `emu_log_entry`."""

    tb: int
    nia: int
    vcpu: int
    deed: Deed
    argument: int


# The reason as an object, without a constructor call at each exit.
_EXITS: Final[tuple[Exit, ...]] = tuple(Exit(number) for number in range(len(Exit)))

_STRUCTS: Final = {
    "machine": "emu_machine_state",
    "vcpu": "emu_vcpu",
    "thread": "emu_thread",
    "subproc": "emu_subproc",
}
_AREAS: Final = {
    "machine": lib.EMU_AREA_MACHINE,
    "vcpu": lib.EMU_AREA_VCPU,
    "thread": lib.EMU_AREA_THREAD,
    "subproc": lib.EMU_AREA_SUBPROC,
    "actor": lib.EMU_AREA_ACTOR,
    "host": lib.EMU_AREA_HOST,
}
_OFFSETS: Final[dict[str, dict[str, int]]] = {
    area: {name: field.offset // 8 for name, field in ffi.typeof(struct).fields}
    for area, struct in _STRUCTS.items()
}
_SIZES: Final[dict[str, int]] = {area: ffi.sizeof(struct) // 8 for area, struct in _STRUCTS.items()}


class Window:
    """The fields of one struct of the state, as attributes; `gpr` is a view of 32 words.

    Reading or writing a name that the struct does not have raises AttributeError.
    """

    __slots__ = ("_area", "_words")
    _area: str
    _words: memoryview

    def __init__(self, area: str, words: memoryview) -> None:
        object.__setattr__(self, "_area", area)
        object.__setattr__(self, "_words", words)

    @property
    def gpr(self) -> memoryview:
        """The 32 general purpose registers (of a vcpu)."""
        start = self._offset("gpr")
        return self._words[start : start + 32]

    def _offset(self, name: str) -> int:
        try:
            return _OFFSETS[self._area][name]
        except KeyError:
            raise AttributeError(f"a {self._area} has no field {name}") from None

    def __getattr__(self, name: str) -> int:
        value: int = self._words[self._offset(name)]
        return value

    def __setattr__(self, name: str, value: int) -> None:
        self._words[self._offset(name)] = value & _WORD

    def __dir__(self) -> list[str]:
        """Name the fields."""
        return list(_OFFSETS[self._area])


class Windows(Sequence[Window]):
    """All structs of one kind."""

    def __init__(self, area: str, words: memoryview, first: int, count: int) -> None:
        size = _SIZES[area]
        self._items = tuple(
            Window(area, words[start : start + size])
            for start in range(first, first + size * count, size)
        )

    @overload
    def __getitem__(self, index: int) -> Window: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Window, ...]: ...
    def __getitem__(self, index: int | slice) -> Window | tuple[Window, ...]:
        """One struct, or several."""
        return self._items[index]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._items)

    def __iter__(self) -> Iterator[Window]:
        """Go through them in order."""
        return iter(self._items)


class Snapshot:
    """The whole state of a machine at one moment; only restore() of that machine takes it."""

    __slots__ = ("_handle", "machine")

    def __init__(self, machine: Machine) -> None:
        handle = lib.emu_save(machine.handle)
        if handle == ffi.NULL:
            raise MemoryError("no memory for a snapshot")
        self.machine = machine
        owner = machine.handle
        self._handle = ffi.gc(handle, lambda it: lib.emu_drop(owner, it))


class Machine:
    """A machine of the given host generation (7, 8 or 9), its state all zero.

    nvms, nvcpus, nthreads: 1 to 4096 each. actor_words, host_words: size of the two areas of the
    state that the core does not look at. Raises ConfigError.
    """

    def __init__(
        self,
        *,
        generation: int = 9,
        nvms: int = 1,
        nvcpus: int = 1,
        nthreads: int = 1,
        actor_words: int = 0,
        host_words: int = 0,
    ) -> None:
        if generation not in (7, 8, 9):
            raise ConfigError(f"the host generation must be 7, 8 or 9, got {generation}")
        for name, count in (("VMs", nvms), ("vcpus", nvcpus), ("threads", nthreads)):
            if not 1 <= count <= MAX_COUNT:
                raise ConfigError(f"the number of {name} must be 1 to {MAX_COUNT}, got {count}")
        handle = lib.emu_new(
            ffi.new(
                "emu_config *",
                {
                    "generation": generation,
                    "nvms": nvms,
                    "nvcpus": nvcpus,
                    "nthreads": nthreads,
                    "actor_words": actor_words,
                    "host_words": host_words,
                },
            )
        )
        if handle == ffi.NULL:
            raise MemoryError("no memory for a machine")
        self.handle = ffi.gc(handle, lib.emu_free)
        self.generation = generation
        nbytes = 8 * lib.emu_nwords(self.handle)
        self.words = self._view(lib.emu_words(self.handle), nbytes).cast("Q")
        self._areas: dict[str, int] = {
            name: lib.emu_area_start(self.handle, number) for name, number in _AREAS.items()
        }
        self.state = Window("machine", self.words[self.area("machine") :])
        self.vcpu = Windows("vcpu", self.words, self.area("vcpu"), nvcpus)
        self.thread = Windows("thread", self.words, self.area("thread"), nthreads)
        self.subproc = Windows("subproc", self.words, self.area("subproc"), nthreads)
        self._run = lib.emu_run

    def _view(self, pointer: object, nbytes: int) -> memoryview:
        """View memory of the core, which lives as long as the view does."""
        machine = self.handle
        kept = ffi.gc(pointer, lambda _: machine)
        return memoryview(ffi.buffer(kept, nbytes))

    # -- state

    def area(self, name: str) -> int:
        """Return the number of the first word of `machine`, `vcpu`, ..., `actor` or `host`."""
        return self._areas[name]

    def ref(self, area: str, index: int, field: str) -> int:
        """Return the word number of a field: `ref("vcpu", 1, "msr")`; of `gpr`, that of r0."""
        return self.area(area) + _SIZES[area] * index + _OFFSETS[area][field]

    # -- running

    def run(self, thread: int, budget: int) -> Exit:
        """Run up to `budget` guest instructions (below 2**64) on one thread; see `emu_run`."""
        number: int = self._run(self.handle, thread, budget)
        return _EXITS[number]

    def breakpoint(self, vm: int, address: int, on: bool) -> None:
        """Set or remove a breakpoint at a real address, a multiple of 4."""
        if not 0 <= address < self.memory_size(vm) or address % 4:
            size = self.memory_size(vm)
            raise MemoryAccessError(
                f"a breakpoint must be at a multiple of 4 below {size:#x}, got {address:#x}"
            )
        if lib.emu_breakpoint(self.handle, vm, address, on):
            raise MemoryError("no memory for a breakpoint")

    def fetch(self, vcpu: int) -> int | None:
        """Return the instruction word at a vcpu's NIA, None if it cannot be fetched."""
        word = ffi.new("uint32_t *")
        return None if lib.emu_fetch(self.handle, vcpu, word) else int(word[0])

    def interrupt(self, thread: int, vector: int, srr1_bits: int = 0) -> bool:
        """Make the vcpu of a thread take an interrupt at its NIA; False: nobody handles it."""
        return not lib.emu_interrupt(self.handle, thread, vector, srr1_bits)

    # -- memory

    def new_memory(self, vm: int, nbytes: int) -> None:
        """Give a VM its memory, once: a multiple of 4096 bytes, at most 4 GiB."""
        if not 0 < nbytes <= MAX_MEMORY or nbytes % PAGE:
            raise ConfigError(
                f"guest memory must be a multiple of {PAGE} up to {MAX_MEMORY:#x}, got {nbytes:#x}"
            )
        if lib.emu_memory_new(self.handle, vm, nbytes):
            raise ConfigError(f"VM {vm} cannot have {nbytes:#x} bytes of memory")

    def memory_size(self, vm: int) -> int:
        """Return the number of bytes of a VM's memory; 0 if it has none."""
        size: int = lib.emu_memory_size(self.handle, vm)
        return size

    def memory(self, vm: int) -> memoryview:
        """View a VM's memory; only write() may change it."""
        return self._view(lib.emu_memory(self.handle, vm), self.memory_size(vm)).toreadonly()

    def _check(self, vm: int, address: int, nbytes: int) -> None:
        size = self.memory_size(vm)
        if not 0 <= address <= size - nbytes or nbytes < 0:
            raise MemoryAccessError(
                f"bytes {address:#x} to {address + nbytes:#x} must lie within {size:#x} of memory"
            )

    def read(self, vm: int, address: int, nbytes: int) -> bytes:
        """Return bytes at a real address; raises MemoryAccessError."""
        self._check(vm, address, nbytes)
        return bytes(ffi.buffer(lib.emu_memory(self.handle, vm) + address, nbytes))

    def write(self, vm: int, address: int, data: bytes | bytearray | memoryview) -> None:
        """Replace bytes at a real address; raises MemoryAccessError."""
        view = memoryview(data)
        self._check(vm, address, view.nbytes)
        lib.emu_write(self.handle, vm, address, ffi.from_buffer(view), view.nbytes)

    # -- snapshots

    def snapshot(self) -> Snapshot:
        """Keep the whole state; the cost is that of what changed since the last one."""
        return Snapshot(self)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back, or forth, to a snapshot of this machine."""
        if snapshot.machine is not self:
            raise ConfigError("a snapshot must be of this machine, got another one's")
        lib.emu_restore(self.handle, snapshot._handle)  # noqa: SLF001 - two halves of one thing

    @property
    def snapshot_bytes(self) -> int:
        """How much host memory all its snapshots hold together."""
        held: int = lib.emu_saved_bytes(self.handle)
        return held

    def pay_interrupts(self, on: bool) -> None:
        """Say whether an asynchronous interrupt costs one of the budget; see the C header."""
        lib.emu_pay_interrupts(self.handle, on)

    # -- observation

    def count(self, vcpu: int, deed: Deed, vector: int = 0) -> int:
        """Return how often a vcpu did something; of INTERRUPT, with this vector."""
        number: int = lib.emu_count(self.handle, vcpu, deed, vector)
        return number

    def log(self, nentries: int) -> None:
        """Keep a log of up to so many deeds between two calls of drain(); 0 ends it."""
        if lib.emu_log_size(self.handle, nentries):
            raise MemoryError("no memory for the log")

    def drain(self) -> list[Logged]:
        """Take the log's entries, the oldest first."""
        entries: list[Logged] = []
        out = ffi.new("emu_log_entry[]", 1024)
        while n := lib.emu_log_drain(self.handle, out, 1024):
            entries += [Logged(e.tb, e.nia, e.vcpu, Deed(e.deed), e.argument) for e in out[0:n]]
        return entries

    @property
    def log_lost(self) -> int:
        """How many deeds the log had no room for."""
        lost: int = lib.emu_log_lost(self.handle)
        return lost
