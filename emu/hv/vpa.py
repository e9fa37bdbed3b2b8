"""H_REGISTER_VPA: the areas of memory that a vcpu shares with the hypervisor.

Source: PAPR, H_REGISTER_VPA; the checks and their order are those of QEMU's pseries machine. Of the
virtual processor area only the dispatch count is kept (KVM: yield count): it grows by 1 at each
entry into the guest and at each exit, so it is even while the vcpu runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from emu.errors import MemoryAccessError
from emu.hv.ops import Add, Check, CountInMemory, HostCode, nonzero
from emu.isa.bits import bits
from emu.isa.hcalls import RETURN_CODES

if TYPE_CHECKING:
    from emu.hv.kvm import Vcpu
    from emu.hv.pseries import Pseries

H_SUCCESS: Final = RETURN_CODES["H_SUCCESS"]
H_HARDWARE: Final = RETURN_CODES["H_HARDWARE"]
H_PARAMETER: Final = RETURN_CODES["H_PARAMETER"]
H_RESOURCE: Final = RETURN_CODES["H_RESOURCE"]

PAGE: Final = 4096
DISPATCH_COUNT: Final = 0x100  # offset in the area, 32 bits
STATUS: Final = 9  # offset, one byte
SHARED_PROCESSOR: Final = 0x02


class _Area(NamedTuple):
    """One kind of area. size_at, size_bytes: where its first bytes say how long it is."""

    size_at: int
    size_bytes: int
    least: int
    align: int


VPA: Final = _Area(4, 2, 640, 128)
SLB_SHADOW: Final = _Area(4, 4, 8, 1)
DISPATCH_LOG: Final = _Area(4, 4, 48, 1)


def count_dispatch(vcpu: Vcpu) -> HostCode[None]:
    """Count an entry or an exit of a vcpu that has a VPA."""
    yield CountInMemory(vcpu.kvm.number, vcpu.dispatch_count)
    if (yield Check(nonzero(vcpu.dispatch_count))):
        yield Add(vcpu.yield_count, 1)


def h_register_vpa(board: Pseries, vcpu: Vcpu) -> int:
    """r4: function in bits 16:18; r5: vcpu id; r6: address. Returns the hcall's code."""
    function = bits(board.words[vcpu.gpr(4)], 16, 18)
    target = board.vm.kvm.find_vcpu(board.words[vcpu.gpr(5)])
    address = board.words[vcpu.gpr(6)]
    if target is None:
        return H_PARAMETER
    match function:
        case 1:
            return _register_vpa(board, target, address)
        case 2:
            return _register_other(board, target, DISPATCH_LOG, target.dispatch_log, address)
        case 3:
            return _register_other(board, target, SLB_SHADOW, target.slb_shadow, address)
        case 5:
            words = board.words
            if words[target.slb_shadow] or words[target.dispatch_log]:
                return H_RESOURCE
            words[target.dispatch_count] = words[target.yield_count] = 0
            return H_SUCCESS
        case 6:
            board.words[target.dispatch_log] = 0
            return H_SUCCESS
        case 7:
            board.words[target.slb_shadow] = 0
            return H_SUCCESS
    return H_PARAMETER


def _refusal(board: Pseries, area: _Area, address: int) -> int:
    """Say why an area cannot be used; H_SUCCESS if it can."""
    if address == 0:
        return H_HARDWARE
    if address % area.align:
        return H_PARAMETER
    try:
        size = int.from_bytes(board.read(address + area.size_at, area.size_bytes), "big")
        if size < area.least or address // PAGE != (address + size - 1) // PAGE:
            return H_PARAMETER
        board.read(address, size)
    except MemoryAccessError:
        return H_PARAMETER
    return H_SUCCESS


def _register_vpa(board: Pseries, target: Vcpu, address: int) -> int:
    refused = _refusal(board, VPA, address)
    if refused:
        return refused
    board.words[target.dispatch_count] = address + DISPATCH_COUNT
    # Odd: whoever registers is out of the guest, and the next entry makes it even.
    board.words[target.yield_count] = 1
    board.write_words(address + DISPATCH_COUNT, [1])
    status = board.read(address + STATUS, 1)[0]
    board.write(address + STATUS, bytes([status | SHARED_PROCESSOR]))
    return H_SUCCESS


def _register_other(board: Pseries, target: Vcpu, area: _Area, ref: int, address: int) -> int:
    refused = _refusal(board, area, address)
    if refused:
        return refused
    if not board.words[target.dispatch_count]:
        return H_RESOURCE  # only beside a VPA
    board.words[ref] = address
    return H_SUCCESS
