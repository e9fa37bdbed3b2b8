"""Extended mnemonics of mfspr and mtspr: mflr, mtctr, mfsprg0, mftb, ... (Book I appendix C.9).

GNU as has mnemonics for some registers, among them registers that only older processors had; the
disassembler prints these. The other registers of sprs.py get mnemonics of the same kind (mftir,
mtdpdes), which only our assembler knows.
"""

# fmt: off

from __future__ import annotations

from typing import TYPE_CHECKING

from .sprs import SPRS
from .syntax import alias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .syntax import Alias

_READ_AND_WRITTEN = {
    "xer": 1, "udscr": 3, "lr": 8, "ctr": 9, "uamr": 13, "dscr": 17, "dsisr": 18, "dar": 19,
    "dec": 22, "sdr1": 25, "srr0": 26, "srr1": 27, "cfar": 28, "amr": 29, "uamor": 157,
    "vrsave": 256, "asr": 280, "ear": 282, "hmer": 336, "hmeer": 337, "amor": 349,
    "ummcr2": 769, "ummcra": 770, "upmc1": 771, "upmc2": 772, "upmc3": 773, "upmc4": 774,
    "upmc5": 775, "upmc6": 776, "ummcr0": 779, "bescrs": 800, "bescrsu": 801, "bescrr": 802,
    "bescrru": 803, "ebbhr": 804, "ebbrr": 805, "bescr": 806, "tar": 815, "ic": 848, "vtb": 849,
    "ppr": 896, "ppr32": 898,
}
_READ = {
    "rtcu": 4, "rtcl": 5, "ctrl": 136, "tb": 268, "tbu": 269, "pvr": 287, "usiar": 780,
    "usdar": 781, "ummcr1": 782,
}
_WRITTEN = {
    "rtcu": 20, "rtcl": 21, "tfhar": 128, "tfiar": 129, "texasr": 130, "texasru": 131, "ctrl": 152,
    "tbl": 284, "tbu": 285, "mmcra": 786, "pmc1": 787, "pmc2": 788, "pmc3": 789, "pmc4": 790,
    "pmc5": 791, "pmc6": 792, "mmcr0": 795, "mmcr1": 798,
}
# One mnemonic for four registers: the first one's number, and how far apart they are.
_NUMBERED = {
    "sprg": (272, 1), "ibatu": (528, 2), "ibatl": (529, 2), "dbatu": (536, 2), "dbatl": (537, 2),
}
# Other names, which the disassembler does not print.
_READ_SYNONYMS = {
    "tbl": 268, "mmcr2": 769, "mmcra": 770, "pmc1": 771, "pmc2": 772, "pmc3": 773, "pmc4": 774,
    "pmc5": 775, "pmc6": 776, "mmcr0": 779, "siar": 780, "sdar": 781, "mmcr1": 782,
    "sprg0": 272, "sprg1": 273, "sprg2": 274, "sprg3": 275,
}
_WRITTEN_SYNONYMS = {"mmcr2": 769, "sprg0": 272, "sprg1": 273, "sprg2": 274, "sprg3": 275}


def _read(name: str, number: int, *, printed: bool = True) -> Iterator[tuple[str, Alias]]:
    return alias(f"mf{name} RT", f"mfspr RT,{number}", printed=printed)


def _written(name: str, number: int, *, printed: bool = True) -> Iterator[tuple[str, Alias]]:
    return alias(f"mt{name} RS", f"mtspr {number},RS", printed=printed)


def _of_gnu() -> Iterator[tuple[str, Alias]]:
    """The mnemonics that GNU as has."""
    for name, number in {**_READ_AND_WRITTEN, **_READ}.items():
        yield from _read(name, number)
    for name, number in {**_READ_AND_WRITTEN, **_WRITTEN}.items():
        yield from _written(name, number)
    for name, (number, step) in _NUMBERED.items():
        yield from alias(f"mf{name} RT,n@4", f"mfspr RT,{number}+{step}*n")
        yield from alias(f"mt{name} n@4,RS", f"mtspr {number}+{step}*n,RS")
    for name, number in _READ_SYNONYMS.items():
        yield from _read(name, number, printed=False)
    for name, number in _WRITTEN_SYNONYMS.items():
        yield from _written(name, number, printed=False)
    yield from alias("mftb RT,TBR", "mfspr RT,TBR", printed=False)


def _of_the_others(known: set[str]) -> Iterator[tuple[str, Alias]]:
    """Mnemonics for the registers of sprs.py that have none in `known`."""
    for spr in SPRS:
        if spr.read and f"mf{spr.name}" not in known:
            yield from _read(spr.name, spr.number, printed=False)
        if spr.write and f"mt{spr.name}" not in known:
            yield from _written(spr.name, spr.number, printed=False)


_GNU = tuple(_of_gnu())
_OURS = tuple(_of_the_others({mnemonic for mnemonic, _ in _GNU}))

ALIASES = (*_GNU, *_OURS)

OURS = frozenset(mnemonic for mnemonic, _ in _OURS)
"""The mnemonics that GNU as does not have."""
