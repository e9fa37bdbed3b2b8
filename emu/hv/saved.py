"""The file that holds a saved VM.

    emu-vm 2 SHA256
    {"memory": ..., "smt": ..., "vcpus": [...], ...}
    (the pages that are not all zero, one after the other, compressed with zlib)

The first line has the format's version and the checksum of everything after it. The second is one
JSON object, as `SavedVm` describes it; numbers of 64 bits are strings such as "0x1f". A file that
is damaged, truncated, of another version, or that says what no VM can be, is an ImageError.

Nothing in it depends on the host generation: registers go by the names of KVM's one-regs and
kvm_regs, and what is pending is said for each vcpu, also what KVM keeps for a whole core (DPDES on
POWER8). So a VM may go on on another generation, if that has its SMT mode.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import zlib
from dataclasses import dataclass, field
from typing import Any, Final

from emu.errors import ImageError
from emu.hv.icp import LEAST_FAVOURED, MAX_SOURCES
from emu.hv.one_reg import BY_NAME
from emu.hv.virtual_cpu import REGS

VERSION: Final = 2
PAGE: Final = 4096
MAX_MEMORY: Final = 1 << 32
MAX_VCPUS: Final = 4096
WORD: Final = (1 << 64) - 1
HEAD: Final = re.compile(rb"emu-vm (\d{1,9}) ([0-9a-f]{64})\n")

# One-regs that are not saved under their names, because they are a VM's, or wider than a vcpu.
_NOT_SAVED: Final = ("LPCR", "LPCR_64", "TB_OFFSET", "VTB", "DPDES", "DEC_EXPIRY")
SAVED_ONE_REGS: Final = tuple(name for name in BY_NAME if name not in _NOT_SAVED)

# Registers that have neither a one-reg nor a place in kvm_regs.
EXTRA: Final = ("cfar", "ctrl", "pvr")

FLAGS: Final = ("ceded", "prodded", "doorbell", "external", "decrementer", "stopped")

# What a vcpu of a pseries machine shares with the hypervisor; words of Vcpu.
AREAS: Final = ("dispatch_count", "yield_count", "slb_shadow", "dispatch_log")
MAX_SAID: Final = 1000  # bytes
SOURCE: Final = {
    "level": 1,
    "server": MAX_VCPUS - 1,
    "priority": LEAST_FAVOURED,
    "pq": 3,
    "resend": 1,
    "masked_pending": 1,
}


@dataclass(frozen=True, slots=True)
class SavedVcpu:
    """One vcpu.

    regs: as KVM_GET_REGS. one_regs: by name. extra: further registers. flags: it is ceded; it has
    been prodded; a doorbell, an external interrupt is pending; the guest has set its decrementer;
    it waits for RTAS start-cpu. dec_expires: guest timebase. resend_map: sources that its XICS
    controller has refused. areas: addresses of its VPA and the like, 0 = none.
    """

    id: int
    regs: dict[str, int]
    one_regs: dict[str, int]
    extra: dict[str, int]
    flags: dict[str, bool]
    dec_expires: int
    resend_map: int
    areas: dict[str, int]


@dataclass(frozen=True, slots=True)
class SavedFirmware:
    """What the firmware of a pseries machine knows.

    clock: seconds since 1970 at guest timebase 0. said: the end of the console's output, as far as
    it matters to a power-off that comes later.
    """

    clock: int
    said: bytes


@dataclass(frozen=True, slots=True)
class SavedVm:
    """A VM between two instructions of each of its vcpus.

    memory: bytes. smt: KVM_CAP_PPC_SMT. timebase, vtb: the guest's. lpcr: its ILE and AIL.
    random: state of H_RANDOM and darn. console_input: what it has not read yet. ends: where the
    run ends (a one-liner's end). hcalls: those that userspace handled. sources: of its XICS.
    firmware: of a pseries machine, else None. pages: by number, those that are not all zero.
    """

    memory: int
    smt: int
    timebase: int
    vtb: int
    lpcr: int
    random: int
    console_input: bytes
    ends: tuple[int, ...]
    hcalls: tuple[int, ...]
    vcpus: tuple[SavedVcpu, ...]
    sources: tuple[dict[str, int], ...]
    firmware: SavedFirmware | None
    pages: dict[int, bytes] = field(repr=False)

    def to_bytes(self) -> bytes:
        """Return the file."""
        described = {
            "memory": self.memory,
            "smt": self.smt,
            "timebase": hex(self.timebase),
            "vtb": hex(self.vtb),
            "lpcr": hex(self.lpcr),
            "random": hex(self.random),
            "console_input": base64.b64encode(self.console_input).decode(),
            "ends": list(self.ends),
            "hcalls": list(self.hcalls),
            "vcpus": [_vcpu_to_json(vcpu) for vcpu in self.vcpus],
            "sources": list(self.sources),
            "firmware": _firmware_to_json(self.firmware),
            "pages": sorted(self.pages),
        }
        memory = zlib.compress(b"".join(self.pages[number] for number in sorted(self.pages)), 6)
        body = json.dumps(described, separators=(",", ":")).encode() + b"\n" + memory
        return b"emu-vm %d %s\n" % (VERSION, hashlib.sha256(body).hexdigest().encode()) + body

    @classmethod
    def from_bytes(cls, data: bytes) -> SavedVm:
        """Read a file; ImageError says what is wrong with it."""
        body = _checked(data)
        text, newline, memory = body.partition(b"\n")
        try:
            described = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ImageError(f"a saved VM must hold JSON in its second line, got {error}") from None
        if not newline:
            raise ImageError("a saved VM must have its memory after the second line")
        return _vm(_Reader(described, "the VM"), memory)


def _firmware_to_json(firmware: SavedFirmware | None) -> dict[str, str] | None:
    if firmware is None:
        return None
    return {"clock": hex(firmware.clock), "said": base64.b64encode(firmware.said).decode()}


def _vcpu_to_json(vcpu: SavedVcpu) -> dict[str, Any]:
    return {
        "id": vcpu.id,
        "regs": {name: hex(value) for name, value in vcpu.regs.items()},
        "one_regs": {name: hex(value) for name, value in vcpu.one_regs.items()},
        "extra": {name: hex(value) for name, value in vcpu.extra.items()},
        **vcpu.flags,
        "dec_expires": hex(vcpu.dec_expires),
        "resend_map": hex(vcpu.resend_map),
        "areas": {name: hex(value) for name, value in vcpu.areas.items()},
    }


def _checked(data: bytes) -> bytes:
    """Return what follows the first line, which must fit it."""
    head = HEAD.match(data)
    if head is None:
        raise ImageError(
            f"a saved VM must begin with 'emu-vm', its version and a checksum, got {data[:16]!r}"
        )
    version = int(head[1])
    if version != VERSION:
        raise ImageError(f"a saved VM must be of version {VERSION}, got {version}")
    body = data[head.end() :]
    checksum = hashlib.sha256(body).hexdigest()
    if checksum.encode() != head[2]:
        raise ImageError(
            f"a saved VM must have the checksum it names, {head[2].decode()[:16]}..., "
            f"got {checksum[:16]}...: it is damaged or truncated"
        )
    return body


class _Reader:
    """A JSON object that must have certain members; names them in what it raises."""

    def __init__(self, value: object, what: str) -> None:
        if not isinstance(value, dict):
            raise ImageError(f"{what} must be a JSON object, got {_short(value)}")
        self._members = value
        self._what = what

    def _member(self, name: str) -> object:
        if name not in self._members:
            raise ImageError(f"{self._what} must have {name}")
        return self._members[name]

    def _wrong(self, name: str, rule: str) -> ImageError:
        return ImageError(
            f"{name} of {self._what} must be {rule}, got {_short(self._members[name])}"
        )

    def number(self, name: str, lowest: int, highest: int) -> int:
        value = self._member(name)
        if type(value) is not int or not lowest <= value <= highest:
            raise self._wrong(name, f"{lowest} to {highest}")
        return value

    def word(self, name: str, highest: int = WORD) -> int:
        value = self._member(name)
        if not isinstance(value, str) or not re.fullmatch(r"0x[0-9a-f]{1,16}", value):
            raise self._wrong(name, "a 64-bit number such as '0x1f'")
        if int(value, 16) > highest:
            raise self._wrong(name, f"at most {highest:#x}")
        return int(value, 16)

    def flag(self, name: str) -> bool:
        value = self._member(name)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def base64(self, name: str) -> bytes:
        value = self._member(name)
        try:
            return base64.b64decode(value, validate=True)  # type: ignore[arg-type]
        except (TypeError, ValueError, binascii.Error):
            raise self._wrong(name, "base64 text") from None

    def sequence(self, name: str, longest: int) -> list[object]:
        value = self._member(name)
        if not isinstance(value, list) or len(value) > longest:
            raise self._wrong(name, f"a list of at most {longest}")
        return value

    def numbers(self, name: str, longest: int, highest: int) -> tuple[int, ...]:
        found = []
        for value in self.sequence(name, longest):
            if type(value) is not int or not 0 <= value <= highest:
                raise self._wrong(name, f"a list of numbers up to {highest:#x}")
            found.append(value)
        return tuple(found)

    def is_null(self, name: str) -> bool:
        return self._member(name) is None

    def reader(self, name: str) -> _Reader:
        return _Reader(self._member(name), f"{name} of {self._what}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _vm(of: _Reader, memory: bytes) -> SavedVm:
    nbytes = of.number("memory", PAGE, MAX_MEMORY)
    if nbytes % PAGE:
        raise ImageError(f"memory of the VM must be a multiple of {PAGE}, got {nbytes}")
    sources = tuple(
        _source(_Reader(value, f"source {16 + i}"))
        for i, value in enumerate(of.sequence("sources", MAX_SOURCES))
    )
    vcpus = tuple(
        _vcpu(_Reader(value, f"vcpu number {i}"), len(sources))
        for i, value in enumerate(of.sequence("vcpus", MAX_VCPUS))
    )
    ids = [vcpu.id for vcpu in vcpus]
    if not ids or len(set(ids)) != len(ids):
        raise ImageError(f"vcpus of the VM must have ids that differ, got {_short(ids)}")
    for i, source in enumerate(sources):
        if source["server"] >= len(vcpus):
            raise ImageError(f"server of source {16 + i} must be below {len(vcpus)}")
    numbers = of.numbers("pages", nbytes // PAGE, nbytes // PAGE - 1)
    if sorted(set(numbers)) != list(numbers):
        raise ImageError("pages of the VM must be in order, and each once")
    return SavedVm(
        memory=nbytes,
        smt=of.number("smt", 1, 8),
        timebase=of.word("timebase"),
        vtb=of.word("vtb"),
        lpcr=of.word("lpcr"),
        random=of.word("random"),
        console_input=of.base64("console_input"),
        ends=tuple(address & ~3 for address in of.numbers("ends", 64, nbytes - 1)),
        hcalls=of.numbers("hcalls", 64, 0xFFFF),
        vcpus=vcpus,
        sources=sources,
        firmware=None if of.is_null("firmware") else _firmware(of.reader("firmware")),
        pages=_pages(numbers, memory),
    )


def _firmware(of: _Reader) -> SavedFirmware:
    said = of.base64("said")
    if len(said) > MAX_SAID:
        raise ImageError(f"said of the firmware must be at most {MAX_SAID} bytes, got {len(said)}")
    return SavedFirmware(clock=of.word("clock"), said=said)


def _source(of: _Reader) -> dict[str, int]:
    return {name: of.number(name, 0, highest) for name, highest in SOURCE.items()}


def _vcpu(of: _Reader, nsources: int) -> SavedVcpu:
    regs, one_regs, extra = of.reader("regs"), of.reader("one_regs"), of.reader("extra")
    areas = of.reader("areas")
    return SavedVcpu(
        id=of.number("id", 0, 1 << 20),
        regs={name: regs.word(name) for name in REGS},
        one_regs={
            name: one_regs.word(name, (1 << BY_NAME[name].nbits) - 1) for name in SAVED_ONE_REGS
        },
        extra={name: extra.word(name) for name in EXTRA},
        flags={name: of.flag(name) for name in FLAGS},
        dec_expires=of.word("dec_expires"),
        resend_map=of.word("resend_map", (1 << nsources) - 1),
        areas={name: areas.word(name) for name in AREAS},
    )


def _pages(numbers: tuple[int, ...], compressed: bytes) -> dict[int, bytes]:
    """Unpack the memory, which must be just these pages."""
    expected = len(numbers) * PAGE
    unpacking = zlib.decompressobj()
    try:
        unpacked = unpacking.decompress(compressed, expected + 1)
    except zlib.error as error:
        raise ImageError(f"the memory of a saved VM must be zlib data, got {error}") from None
    if len(unpacked) != expected or not unpacking.eof or unpacking.unused_data:
        raise ImageError(f"the memory of a saved VM must be {len(numbers)} pages of {PAGE} bytes")
    return {number: unpacked[i * PAGE : (i + 1) * PAGE] for i, number in enumerate(numbers)}
