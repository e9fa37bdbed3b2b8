"""What names mean in the debugger: registers, hypervisor fields, symbols; and where they live.

`v1.NAME` is a register or field of vcpu 1, plain `NAME` one of the current vcpu; `vcore0.NAME`,
`cpu0.NAME` and `vm0.NAME` are the hypervisor's and the hardware threads' words. Some registers are
not one word (TIR, DPDES, DEC): they are computed from the words that make them up.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from emu.core.watching import Watched
from emu.debug.doorbells import of_core, virtual_thread
from emu.debug.expression import ExpressionError, UnknownNameError
from emu.errors import MemoryAccessError
from emu.isa.msr import REGISTERS
from emu.isa.sprs import SPRS

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.asm import Program
    from emu.hv.host import Host
    from emu.hv.kvm import Vcpu
    from emu.hv.state import Record

REAL: Final = (1 << 60) - 1
WORD: Final = (1 << 64) - 1
ALIASES: Final = {"pc": "nia", "sp": "r1", "cia": "nia"}
CORE: Final = ("nia", "msr", "cr", "xer", "lr", "ctr")
_HOMES: Final = {
    spr.name: spr.home.removeprefix("vcpu.") for spr in SPRS if spr.home.startswith("vcpu.")
}
# Words of SPRs that a guest writes, other than those it changes with every branch.
SPR_WORDS: Final = tuple(sorted({*_HOMES.values()} - {"lr", "ctr", "cfar", "pvr"}))
_THREAD_HOMES: Final = {
    spr.name: tuple(spr.home.split("."))
    for spr in SPRS
    if spr.home.startswith(("thread.", "subproc."))
}
_GPR = re.compile(r"r([0-9]|[12][0-9]|3[01])")
_CRF = re.compile(r"cr([0-7])")
_OWNER = re.compile(r"(v|t|vcpu|vcore|cpu|vm)([0-9]{1,4})")


@dataclass(slots=True)
class Place:
    """Where a value is: some bits of one state word. computed: what is made of several words."""

    ref: int = 0
    shift: int = 0
    width: int = 64
    computed: Callable[[], int] | None = None
    made_of: list[int] = field(default_factory=list)


class Names:
    """The names of one host with one program. `watched` gathers what evaluation looked at."""

    def __init__(self, host: Host, program: Program | None) -> None:
        self.host = host
        self.program = program
        self.vcpu = 0
        self.results: list[int] = []
        self.watched: list[Watched] | None = None

    # -- the scope of expressions

    def name(self, text: str) -> int:
        """Value of a register, field or symbol."""
        address = self._symbol(text)
        place = None if address is not None and text not in ALIASES else self.find(text)
        if place is not None:
            return self.read(place)
        if address is None:
            raise UnknownNameError(self._unknown(text))
        return address

    def line(self, file: str, number: int) -> int:
        """Address of the first instruction of a source line, or of the next that has one."""
        lines = self.program.lines if self.program else ()
        fits = [
            row
            for row in lines
            if row.line >= number
            and (not file or row.file == file or row.file.endswith("/" + file))
        ]
        if not fits:
            raise ExpressionError(f"no code for line {number} of {file or 'the program'}")
        best = min(fits, key=lambda row: (row.line, row.address))
        return best.address

    def memory(self, address: int, nbytes: int) -> int:
        """Read memory as the current vcpu would, in its byte order."""
        vcpu = self.host.vcpus[self.vcpu]
        real = address & REAL
        try:
            data = self.host.machine.read(vcpu.kvm.number, real, nbytes)
        except MemoryAccessError as error:
            raise ExpressionError(str(error)) from None
        if self.watched is not None:
            self.watched.append(Watched(vcpu.kvm.number, real, nbytes))
        return int.from_bytes(data, self.endian())

    def result(self, back: int | None) -> int:
        """A value that was printed before."""
        number = len(self.results) if back is None else back
        if not 1 <= number <= len(self.results):
            raise ExpressionError(f"there is no ${'' if back is None else back} yet")
        return self.results[number - 1]

    def endian(self) -> Literal["big", "little"]:
        """The byte order of the current vcpu."""
        vcpu = self.host.vcpus[self.vcpu]
        return "little" if self.host.words[vcpu.arch.msr] & 1 else "big"

    # -- registers and fields

    def read(self, place: Place) -> int:
        """Value of a place now."""
        if self.watched is not None:
            self.watched += [Watched(None, ref) for ref in place.made_of or [place.ref]]
        if place.computed is not None:
            return place.computed()
        value: int = self.host.words[place.ref]
        return value >> place.shift & (1 << place.width) - 1

    def find(self, text: str) -> Place | None:
        """Find a register or field; None if nothing has this name."""
        parts = text.lower().lstrip("$").split(".")
        owner: Record = self.host.vcpus[self.vcpu]
        match = _OWNER.fullmatch(parts[0])
        if match is not None:
            found = self._owner(match[1], int(match[2]))
            if found is None:
                return None
            owner, parts = found, parts[1:]
        if not parts or len(parts) > 2:
            return None
        place = self._field(owner, ALIASES.get(parts[0], parts[0]))
        return place if len(parts) == 1 or place is None else _bits(place, *parts)

    def _owner(self, kind: str, number: int) -> Record | None:
        host = self.host
        vcores = [vcore for kvm in host.kvms for vcore in kvm.vcores]
        lists: dict[str, tuple[Record, ...] | list[Record]] = {
            "vcore": list(vcores),
            "cpu": host.cpus,
            "vm": host.kvms,
        }
        owners = lists.get(kind, host.vcpus)
        return owners[number] if number < len(owners) else None

    def _field(self, owner: Record, name: str) -> Place | None:
        if owner in self.host.vcpus:
            place = self._register(self.host.vcpus[self.host.vcpus.index(owner)], name)
            if place is not None:
                return place
        if owner in self.host.cpus:
            cpu = self.host.cpus[self.host.cpus.index(owner)]
            struct, word = _THREAD_HOMES.get(name, ("", name))
            for kind, window in (("thread", cpu.thread), ("subproc", cpu.subproc)):
                if struct in ("", kind) and word in window.refs:
                    return Place(window.refs[word])
        for row in owner.fields:
            if row.name == name:
                return Place(owner.base + row.offset)
        if name == "tb":
            return Place(self.host.machine.ref("machine", 0, "tb"))
        return None

    def _register(self, vcpu: Vcpu, name: str) -> Place | None:
        if (match := _GPR.fullmatch(name)) is not None:
            return Place(vcpu.gpr(int(match[1])))
        if (match := _CRF.fullmatch(name)) is not None:
            return Place(vcpu.arch.cr, 28 - 4 * int(match[1]), 4)
        special = {"tir": self._tir, "dpdes": self._dpdes, "dec": self._dec}.get(name)
        if special is not None:
            return special(vcpu)
        if name == "lpcr":  # KVM keeps it for the whole virtual core
            return Place(vcpu.vcore.lpcr)
        word = _HOMES.get(name, name)
        if word in vcpu.arch.refs and word not in ("gpr", "zero"):
            return Place(vcpu.arch.refs[word])
        return None

    def _tir(self, vcpu: Vcpu) -> Place:
        number = virtual_thread(vcpu)[1]
        return Place(computed=lambda: number, made_of=[vcpu.base])

    def _dpdes(self, vcpu: Vcpu) -> Place:
        """The doorbells that pend for the virtual core, wherever they wait."""

        def value() -> int:
            words = self.host.words
            return sum(
                1 << thread
                for thread, places in of_core(self.host, vcpu).items()
                if any(words[ref] & mask for ref, mask in places.now)
            )

        made_of = [ref for places in of_core(self.host, vcpu).values() for ref in places.ever]
        return Place(computed=value, made_of=list(dict.fromkeys(made_of)) or [vcpu.base])

    def _dec(self, vcpu: Vcpu) -> Place:
        tb = self.host.machine.ref("machine", 0, "tb")

        def value() -> int:
            words = self.host.words
            return words[vcpu.arch.dec_expires] - 1 - words[tb] - vcpu.kvm.tb_offset & WORD

        return Place(computed=value, made_of=[vcpu.arch.dec_expires, tb])

    # -- symbols

    def _symbol(self, text: str) -> int | None:
        return self.program.address_of(text) if self.program else None

    def symbolic(self, address: int) -> str:
        """An address with the nearest symbol at or below it: `0x10048 <wait+0x8>`."""
        label = self.label(address)
        return f"{address:#x} <{label}>" if label else f"{address:#x}"

    def label(self, address: int) -> str:
        """The nearest symbol at or below an address of the program, with the distance."""
        if self.program is None or not self.program.contains(address & REAL):
            return ""
        below = [
            symbol
            for symbol in self.program.symbols.values()
            if symbol.section and symbol.address <= address & REAL
        ]
        if not below:
            return ""
        nearest = max(below, key=lambda symbol: (symbol.address, symbol.binding == "global"))
        offset = (address & REAL) - nearest.address
        return f"{nearest.name}+{offset:#x}" if offset else nearest.name

    def all_names(self) -> list[str]:
        """Every name that completion offers."""
        vcpu = self.host.vcpus[self.vcpu]
        registers = [f"r{i}" for i in range(32)]
        registers += [*CORE, *(f"cr{i}" for i in range(8)), *_HOMES, "tir", "dpdes", "dec", "tb"]
        fields = [row.name for row in vcpu.fields]
        symbols = list(self.program.symbols) if self.program else []
        return [*registers, *fields, *symbols]

    def _unknown(self, text: str) -> str:
        stem = text.lstrip("$").split(".")[-1]
        near = difflib.get_close_matches(stem, self.all_names(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"no register, field or symbol is called {text[:60]!r}{hint}"


def _bits(place: Place, register: str, name: str) -> Place | None:
    """Return a named field of a register: msr.ee."""
    for row in REGISTERS.get(register.upper(), ()):
        if row.name.lower() == name:
            return Place(place.ref, row.shift, row.width, place.computed, place.made_of)
    return None
