"""Loads and stores (Power ISA v3.0B Book I 3.3.2 to 3.3.7, Book II 4.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.isa.bits import sign_extend

from .model import M64, SO, Instruction, Interrupted, Machine, semantics

if TYPE_CHECKING:
    from collections.abc import Callable

# mnemonic stem -> bytes
SIZES = {"b": 1, "h": 2, "w": 4, "d": 8}


def _base(m: Machine, i: Instruction) -> int:
    return m.gpr[i("RA")] if i("RA") else 0


def _truncate(m: Machine, ea: int) -> int:
    return ea & ((1 << m.bits) - 1)


def address_d(m: Machine, i: Instruction) -> int:
    """(RA|0) + EXTS(D), for D, DS and DQ forms."""
    form = i.variant.insn.form
    if form == "D":
        distance = sign_extend(i("D"), 16)
    elif form == "DS":
        distance = sign_extend(i("DS") << 2, 16)
    else:
        distance = sign_extend(i("DQ") << 4, 16)
    return _truncate(m, _base(m, i) + distance)


def address_x(m: Machine, i: Instruction) -> int:
    """(RA|0) + (RB)."""
    return _truncate(m, _base(m, i) + m.gpr[i("RB")])


def load(m: Machine, ea: int, nbytes: int, *, reverse: bool = False) -> int:
    """MEM(ea, nbytes), in the byte order of the mode."""
    data = m.storage.load(ea, nbytes)
    return int.from_bytes(data, "little" if m.little != reverse else "big")


def store(m: Machine, ea: int, nbytes: int, value: int, *, reverse: bool = False) -> None:
    """MEM(ea, nbytes) := the low bytes of value."""
    low = value & ((1 << 8 * nbytes) - 1)
    m.storage.store(ea, low.to_bytes(nbytes, "little" if m.little != reverse else "big"))


def _loads(name: str, nbytes: int, *, algebraic: bool = False) -> None:
    """Define the four forms of one load: l..., l...x, l...u, l...ux."""

    def define(suffix: str, address: Callable[[Machine, Instruction], int]) -> None:
        def run(m: Machine, i: Instruction) -> None:
            ea = address(m, i)
            value = load(m, ea, nbytes)
            m.gpr[i("RT")] = sign_extend(value, 8 * nbytes) & M64 if algebraic else value
            if "u" in suffix:
                m.gpr[i("RA")] = ea

        semantics(name + suffix)(run)

    for suffix in ("", "u", "x", "ux"):
        if (name, suffix) != ("lwa", "u"):
            define(suffix, address_x if "x" in suffix else address_d)


def _stores(name: str, nbytes: int) -> None:
    """Define the four forms of one store."""

    def define(suffix: str, address: Callable[[Machine, Instruction], int]) -> None:
        def run(m: Machine, i: Instruction) -> None:
            ea = address(m, i)
            store(m, ea, nbytes, m.gpr[i("RS")])
            if "u" in suffix:
                m.gpr[i("RA")] = ea

        semantics(name + suffix)(run)

    for suffix in ("", "u", "x", "ux"):
        define(suffix, address_x if "x" in suffix else address_d)


for _stem, _nbytes in (("bz", 1), ("hz", 2), ("wz", 4), ("d", 8)):
    _loads("l" + _stem, _nbytes)
_loads("lha", 2, algebraic=True)
_loads("lwa", 4, algebraic=True)
for _stem, _nbytes in SIZES.items():
    _stores("st" + _stem, _nbytes)


def _reversed(stem: str, nbytes: int) -> None:
    def run_load(m: Machine, i: Instruction) -> None:
        m.gpr[i("RT")] = load(m, address_x(m, i), nbytes, reverse=True)

    def run_store(m: Machine, i: Instruction) -> None:
        store(m, address_x(m, i), nbytes, m.gpr[i("RS")], reverse=True)

    semantics(f"l{stem}brx")(run_load)
    semantics(f"st{stem}brx")(run_store)


for _stem in "hwd":
    _reversed(_stem, SIZES[_stem])


# ---- multiple, string and quadword ----------------------------------------------------------


def _big_endian_only(m: Machine) -> None:
    if m.little:
        raise Interrupted("alignment", "little-endian")


@semantics("lmw")
def _lmw(m: Machine, i: Instruction) -> None:
    _big_endian_only(m)
    ea = address_d(m, i)
    for number in range(i("RT"), 32):
        m.gpr[number] = load(m, _truncate(m, ea), 4)
        ea += 4


@semantics("stmw")
def _stmw(m: Machine, i: Instruction) -> None:
    _big_endian_only(m)
    ea = address_d(m, i)
    for number in range(i("RS"), 32):
        store(m, _truncate(m, ea), 4, m.gpr[number])
        ea += 4


def _load_string(m: Machine, i: Instruction, ea: int, nbytes: int) -> None:
    _big_endian_only(m)
    number = i("RT")
    for start in range(0, nbytes, 4):
        data = bytes(
            m.storage.load(_truncate(m, ea + place), 1)[0]
            for place in range(start, min(start + 4, nbytes))
        )
        m.gpr[number] = int.from_bytes(data.ljust(4, b"\0"), "big")
        number = (number + 1) % 32


def _store_string(m: Machine, i: Instruction, ea: int, nbytes: int) -> None:
    _big_endian_only(m)
    for place in range(nbytes):
        number = (i("RS") + place // 4) % 32
        byte = m.gpr[number] >> 8 * (3 - place % 4) & 0xFF
        m.storage.store(_truncate(m, ea + place), bytes([byte]))


@semantics("lswi")
def _lswi(m: Machine, i: Instruction) -> None:
    _load_string(m, i, _truncate(m, _base(m, i)), i("NB") or 32)


@semantics("stswi")
def _stswi(m: Machine, i: Instruction) -> None:
    _store_string(m, i, _truncate(m, _base(m, i)), i("NB") or 32)


@semantics("lswx")
def _lswx(m: Machine, i: Instruction) -> None:
    _load_string(m, i, address_x(m, i), m.xer & 0x7F)


@semantics("stswx")
def _stswx(m: Machine, i: Instruction) -> None:
    _store_string(m, i, address_x(m, i), m.xer & 0x7F)


@semantics("lq")
def _lq(m: Machine, i: Instruction) -> None:
    """The even register takes the more significant half in either byte order."""
    both = load(m, _quadword(address_d(m, i)), 16)
    m.gpr[i("RTp")], m.gpr[i("RTp") + 1] = both >> 64, both & M64


@semantics("stq")
def _stq(m: Machine, i: Instruction) -> None:
    store(m, _quadword(address_d(m, i)), 16, _pair(m, i))


def _pair(m: Machine, i: Instruction) -> int:
    return m.gpr[i("RSp")] << 64 | m.gpr[i("RSp") + 1]


def _quadword(ea: int) -> int:
    if ea % 16:
        raise Interrupted("alignment", "quadword")
    return ea


# ---- load and reserve, store conditional ---------------------------------------------------


def _aligned(ea: int, nbytes: int) -> int:
    if ea % nbytes:
        raise Interrupted("alignment", "reservation")
    return ea


def _reserving(stem: str, nbytes: int) -> None:
    def run_load(m: Machine, i: Instruction) -> None:
        ea = _aligned(address_x(m, i), nbytes)
        value = load(m, ea, nbytes)
        m.reserve = (ea, nbytes)
        if stem == "q":
            m.gpr[i("RTp")], m.gpr[i("RTp") + 1] = value >> 64, value & M64
        else:
            m.gpr[i("RT")] = value

    def run_store(m: Machine, i: Instruction) -> None:
        ea = _aligned(address_x(m, i), nbytes)
        m.storage.check_store(ea, nbytes)
        done = m.reserve == (ea, nbytes)
        if done:
            store(m, ea, nbytes, _pair(m, i) if stem == "q" else m.gpr[i("RS")])
        m.reserve = None
        m.set_cr_field(0, 2 * done | m.xer_bit(SO))

    semantics(f"l{stem}arx")(run_load)
    semantics(f"st{stem}cx_")(run_store)


for _stem, _nbytes in (*SIZES.items(), ("q", 16)):
    _reserving(_stem, _nbytes)


# ---- cache ---------------------------------------------------------------------------------


@semantics("dcbz")
def _dcbz(m: Machine, i: Instruction) -> None:
    m.storage.store(address_x(m, i) & ~127, bytes(128))


@semantics("dcbst", "dcbf", "icbi")
def _touch(m: Machine, i: Instruction) -> None:
    """Nothing happens to the block, but it must be there."""
    m.storage.load(address_x(m, i), 1)


@semantics("dcbt", "dcbtst", "icbt", "sync", "eieio", "isync")
def _no_effect(m: Machine, i: Instruction) -> None:
    """Hints and barriers: a thread alone cannot tell."""
