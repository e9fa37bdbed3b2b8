"""Choose the sequences that the interpreter executes as one: writes csrc/sequences.txt.

The corpus is corpus.c, compiled at several levels; an instruction counts by how deep in loops it
stands, and all functions count alike. Starting from single instructions, the pair of neighbours
that is dispatched most often becomes a sequence, again and again, as in byte-pair encoding. The
benchmark programs have no part in this.

`python benchmarks/corpus/choose.py [COUNT]`
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import defaultdict
from itertools import pairwise, product
from pathlib import Path

from elftools.elf.elffile import ELFFile

from emu.core._emu import ffi, lib
from emu.core.machine import Machine
from emu.isa.emit import ENDS_RUN, SEQUENCE_MAX, SETS_CR
from emu.isa.table import INSNS

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / "csrc/sequences.txt"
GCC = (
    *("powerpc64-linux-gnu-gcc", "-std=gnu11", "-mabi=elfv2", "-msoft-float", "-mno-altivec"),
    *("-mno-vsx", "-ffreestanding", "-fno-builtin", "-c"),
)
LEVELS = {
    "-O1 -mcpu=power8": 1,
    "-O2 -mcpu=power8": 4,
    "-O2 -mcpu=power9": 2,
    "-O3 -mcpu=power8": 1,
    "-Os -mcpu=power8": 1,
}
LOOP = 8  # how often a loop goes round
BASE = 0x10000
COUNT = 300
BATCH = 8

# Rows that are rare, long or end a run anyway: not worth a sequence.
RARE = ("lmw", "stmw", "lsw", "stsw", "dcb", "icb", "sync", "isync", "t", "mf")
_PLAIN = {
    row.name
    for row in INSNS
    if row.privilege == "problem" and not row.facility and row.name not in ENDS_RUN | SETS_CR
    and not row.name.startswith(RARE)
    and not row.name.endswith("arx")
}  # fmt: skip
COMPARISONS = ("cmpwi", "cmpdi", "cmpw", "cmpd", "cmplwi", "cmpldi", "cmplw", "cmpld")
CONDITIONS = ("blt_near", "bge_near", "bgt_near", "ble_near", "beq_near", "bne_near")
FUSIBLE = {variant.ident for row in INSNS if row.name in _PLAIN for variant in row.variants} | {
    *COMPARISONS,
    *("li", "lis", "mr", "nop", "clrldi", "rlwinm_low", "mflr", "mtlr", "mfctr", "mtctr"),
}
LAST = {"b_near", "bl_near", "bdnz_near", "bdz_near", *CONDITIONS}

Block = tuple[list[str], float]  # ways in a row, and how often they run


def weights(code: bytes) -> list[int]:
    """How often each word runs, as far as the loops around it tell."""
    depth = [0] * (len(code) // 4)
    for index in range(len(depth)):
        word = int.from_bytes(code[4 * index : 4 * index + 4], "big")
        if word >> 26 == 16:
            distance = ((word & 0xFFFC) ^ 0x8000) - 0x8000
        elif word >> 26 == 18 and not word & 1:
            distance = ((word & 0x3FFFFFC) ^ 0x2000000) - 0x2000000
        else:
            continue
        if distance < 0 and index + distance // 4 >= 0:
            for inside in range(index + distance // 4, index + 1):
                depth[inside] += 1
    return [LOOP ** min(d, 3) for d in depth]


def blocks(code: bytes, factor: float) -> list[Block]:
    """Runs of fusible instructions of one function, which counts `factor` in all."""
    machine = Machine()
    machine.new_memory(0, 1 << 20)
    machine.write(0, BASE, code)
    found: list[Block] = []
    run: list[str] = []
    often = 0
    total = sum(weights(code))
    for index, weight in enumerate(weights(code)):
        way = ffi.string(lib.emu_way(machine.handle, 0, BASE + 4 * index, 0)).decode()
        if weight != often:
            found.append((run, often * factor / total))
            run, often = [], weight
        if way in FUSIBLE:
            run.append(way)
            continue
        if way in LAST:
            run.append(way)
        found.append((run, often * factor / total))
        run = []
    return [block for block in found if len(block[0]) > 1]


def corpus() -> list[Block]:
    """All runs of the corpus."""
    found: list[Block] = []
    with tempfile.TemporaryDirectory() as directory:
        for options, factor in LEVELS.items():
            path = Path(directory) / "corpus.o"
            subprocess.run([*GCC, *options.split(), HERE / "corpus.c", "-o", path], check=True)
            with path.open("rb") as file:
                image = ELFFile(file)
                text = image.get_section_by_name(".text").data()
                for symbol in image.get_section_by_name(".symtab").iter_symbols():
                    if symbol["st_info"]["type"] == "STT_FUNC":
                        start = symbol["st_value"]
                        found += blocks(text[start : start + symbol["st_size"]], factor)
    return found


def tiles(ways: list[str], chosen: set[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Cut a run as the decoder does: the longest sequence that begins where the last one ended."""
    cut = []
    at = 0
    while at < len(ways):
        length = min(SEQUENCE_MAX, len(ways) - at)
        while length > 1 and tuple(ways[at : at + length]) not in chosen:
            length -= 1
        cut.append(tuple(ways[at : at + length]))
        at += length
    return cut


def choose(runs: list[Block], count: int) -> list[tuple[str, ...]]:
    """Return the sequences, the most useful first."""
    # Programs compare and branch in all ways, whatever the corpus prefers.
    chosen: list[tuple[str, ...]] = list(product(COMPARISONS, CONDITIONS))
    while len(chosen) < count:
        pairs: dict[tuple[str, ...], float] = defaultdict(float)
        known = set(chosen)
        for ways, often in runs:
            cut = tiles(ways, known)
            for left, right in pairwise(cut):
                if len(left) + len(right) <= SEQUENCE_MAX:
                    pairs[left + right] += often
        best = sorted(pairs, key=lambda pair: (-pairs[pair], pair))[:BATCH]
        if not best:
            break
        chosen += best
    return chosen[:count]


def main() -> None:
    """Write the file, and say what it is worth on the corpus."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    runs = corpus()
    chosen = choose(runs, count)
    known = set(chosen)
    total = sum(len(ways) * often for ways, often in runs)
    dispatched = sum(len(tiles(ways, known)) * often for ways, often in runs)
    used = {tile for ways, _ in runs for tile in tiles(ways, known)}
    always = set(product(COMPARISONS, CONDITIONS))
    chosen = [sequence for sequence in chosen if sequence in used | always]
    head = (
        "# Sequences of instructions that the interpreter executes as one; see emu/isa/emit.py.\n"
    )
    head += "# Written by benchmarks/corpus/choose.py.\n"
    TARGET.write_text(head + "".join(" ".join(sequence) + "\n" for sequence in chosen))
    print(f"{len(chosen)} sequences: {total / dispatched:.2f} instructions a dispatch")


if __name__ == "__main__":
    main()
