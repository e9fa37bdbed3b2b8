"""RTAS, the firmware of a pseries machine, called by the hcall H_RTAS with an argument block.

Source: PAPR, Run-Time Abstraction Services. Tokens and the answers to odd requests are those of
QEMU's pseries machine. A block is big-endian words: token, number of arguments, number of results,
the arguments, the results; the first result is the status.
"""

# ruff: noqa: ARG001 - every service has the same arguments, whatever it needs
from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from emu.errors import MemoryAccessError
from emu.hv.device_tree import TIMEBASE_HZ
from emu.isa.hcalls import RETURN_CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emu.hv.kvm import Vcpu
    from emu.hv.pseries import Pseries
    from emu.hv.vm import Vm

SUCCESS: Final = 0
HARDWARE_ERROR: Final = -1
PARAMETER_ERROR: Final = -3

STOPPED, RUNNING = 0, 2  # query-cpu-stopped-state; 1, being stopped, takes no time here

MAX_WORDS: Final = 16  # arguments and results together; no service here has more than 9

# Reading the clock takes time: about what the way to userspace and back costs a real machine. A
# program that reads it in a loop until a second has passed needs no more calls than there.
CLOCK_TICKS: Final = TIMEBASE_HZ // 200_000

EPOCH: Final = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - a guest's clock has no zone

# A program's last word about itself, printed before it turns the machine off: the status is all
# but the lowest bit, which is 1.
TAIL: Final = 100  # bytes, in which a line may have begun
MAX_DIGITS: Final = 20
EXIT_LINE: Final = re.compile(rb"EXIT: STATUS=(\d+)")


class Service(NamedTuple):
    """One RTAS service. nret: results, the status included."""

    name: str
    token: int
    nargs: int
    nret: int
    call: Callable[[Pseries, Vcpu, Sequence[int]], Sequence[int]]


def h_rtas(board: Pseries, vcpu: Vcpu) -> int:
    """Handle H_RTAS; r4 = address of the block. Returns the hcall's own code.

    What no service answers gets the status -3 where there is room for it, and H_PARAMETER.
    """
    address = board.words[vcpu.gpr(4)]
    try:
        token, nargs, nret = board.read_words(address, 3)
        if nargs + nret > MAX_WORDS:
            return RETURN_CODES["H_PARAMETER"]
        arguments = board.read_words(address + 12, nargs)
    except MemoryAccessError:
        return RETURN_CODES["H_PARAMETER"]
    service = BY_TOKEN.get(token)
    code = RETURN_CODES["H_SUCCESS"]
    if service is None:
        code = RETURN_CODES["H_PARAMETER"]
        results: Sequence[int] = (PARAMETER_ERROR,)
    elif (nargs, nret) != (service.nargs, service.nret):
        results = (PARAMETER_ERROR,)
    else:
        results = service.call(board, vcpu, arguments)
    try:
        board.write_words(address + 12 + 4 * nargs, results[:nret])
    except MemoryAccessError:
        return RETURN_CODES["H_PARAMETER"]
    return code


def _display_character(board: Pseries, vcpu: Vcpu, arguments: Sequence[int]) -> Sequence[int]:
    board.vm.put_chars(bytes([arguments[0] & 0xFF]))
    return (SUCCESS,)


def _get_time_of_day(board: Pseries, vcpu: Vcpu, arguments: Sequence[int]) -> Sequence[int]:
    board.words[board.timebase] += CLOCK_TICKS
    seconds, ticks = divmod(board.words[board.timebase], TIMEBASE_HZ)
    offset = board.words[board.vm.kvm.clock]
    try:
        now = EPOCH + dt.timedelta(seconds=seconds + _signed(offset))
    except OverflowError:
        return (HARDWARE_ERROR,)
    nanoseconds = ticks * 1_000_000_000 // TIMEBASE_HZ
    date = (now.year, now.month, now.day, now.hour, now.minute, now.second)
    return (SUCCESS, *date, nanoseconds)


def last_words(vm: Vm) -> bytes:
    """What a later power-off needs of the console's output: the last exit line, and the end."""
    found = EXIT_LINE.findall(vm.said[:-TAIL])
    line = b"EXIT: STATUS=%s\n" % found[-1][:MAX_DIGITS] if found else b""
    return line + vm.said[-TAIL:]


def clock_at_timebase_0(vm: Vm) -> int:
    """What the clock would have shown at the guest's timebase 0: seconds since 1970, as a word."""
    host, words = vm.host, vm.host.words
    passed = words[host.timebase] // TIMEBASE_HZ - host.guest_tb(vm.vcpus[0]) // TIMEBASE_HZ
    return (words[vm.kvm.clock] + passed) % (1 << 64)


def set_clock(vm: Vm, at_timebase_0: int) -> None:
    """Set it by that, on a host whose timebase and offset of the guest are set."""
    host, words = vm.host, vm.host.words
    passed = words[host.timebase] // TIMEBASE_HZ - host.guest_tb(vm.vcpus[0]) // TIMEBASE_HZ
    words[vm.kvm.clock] = (at_timebase_0 - passed) % (1 << 64)


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def _set_time_of_day(board: Pseries, vcpu: Vcpu, arguments: Sequence[int]) -> Sequence[int]:
    year, month, day, hour, minute, second, _ = arguments
    try:
        then = dt.datetime(year, month, day, hour, minute, second)  # noqa: DTZ001
    except (ValueError, OverflowError):
        return (PARAMETER_ERROR,)
    passed = board.words[board.timebase] // TIMEBASE_HZ
    board.words[board.vm.kvm.clock] = (int((then - EPOCH).total_seconds()) - passed) % (1 << 64)
    return (SUCCESS,)


def _power_off(board: Pseries, vcpu: Vcpu, arguments: Sequence[int]) -> Sequence[int]:
    said = EXIT_LINE.findall(board.vm.said)
    board.stop(int(said[-1]) >> 1 if said else 0)
    return (SUCCESS,)


def _system_reboot(board: Pseries, vcpu: Vcpu, arguments: Sequence[int]) -> Sequence[int]:
    """A machine that ends is not started again: as QEMU with -no-reboot."""
    return _power_off(board, vcpu, arguments)


def _os_term(board: Pseries, vcpu: Vcpu, arguments: Sequence[int]) -> Sequence[int]:
    """The program gives up: the run ends, with status 1."""
    board.stop(1)
    return (SUCCESS,)


def _query_cpu_stopped_state(board: Pseries, vcpu: Vcpu, arguments: Sequence[int]) -> Sequence[int]:
    target = board.vm.kvm.find_vcpu(arguments[0])
    if target is None:
        return (PARAMETER_ERROR,)
    return (SUCCESS, STOPPED if board.words[target.stopped] else RUNNING)


def _start_cpu(board: Pseries, vcpu: Vcpu, arguments: Sequence[int]) -> Sequence[int]:
    vcpu_id, start, r3 = arguments
    target = board.vm.kvm.find_vcpu(vcpu_id)
    if target is None:
        return (PARAMETER_ERROR,)
    if not board.words[target.stopped]:
        return (HARDWARE_ERROR,)
    board.start(target, start, r3)
    return (SUCCESS,)


def _stop_self(board: Pseries, vcpu: Vcpu, arguments: Sequence[int]) -> Sequence[int]:
    board.words[vcpu.stopped] = 1
    return (SUCCESS,)


SERVICES: Final = (
    Service("display-character", 0x2000, 1, 1, _display_character),
    Service("get-time-of-day", 0x2001, 0, 8, _get_time_of_day),
    Service("set-time-of-day", 0x2002, 7, 1, _set_time_of_day),
    Service("power-off", 0x2003, 2, 1, _power_off),
    Service("system-reboot", 0x2004, 0, 1, _system_reboot),
    Service("query-cpu-stopped-state", 0x2005, 1, 2, _query_cpu_stopped_state),
    Service("start-cpu", 0x2006, 3, 1, _start_cpu),
    Service("stop-self", 0x2007, 0, 1, _stop_self),
    Service("ibm,os-term", 0x201F, 1, 1, _os_term),
)
BY_TOKEN: Final = {service.token: service for service in SERVICES}
