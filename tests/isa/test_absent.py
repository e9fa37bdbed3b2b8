"""Which words belong to the facilities that are left out, against objdump."""

from __future__ import annotations

import random
import re
import struct
import subprocess

from emu.isa.absent import ABSENT
from emu.isa.table import decode

PRIMARY_4 = 4 << 26
VSLDOI = 44


def test_words_of_primary_opcode_4_are_vector_instructions_where_objdump_says_so(oracle, tmp_path):
    rng = random.Random(4)
    operands = [0, *(field << 16 for field in range(32)), *(rng.getrandbits(26) for _ in range(4))]
    words = [PRIMARY_4 | (operand & 0x3FFF800) | low for operand in operands for low in range(2048)]
    image = tmp_path / "words.bin"
    image.write_bytes(b"".join(struct.pack(">I", word) for word in words))
    text = subprocess.run(
        [
            *(oracle("powerpc64-linux-gnu-objdump"), "-D", "-z", "-b", "binary", "-EB"),
            *("-m", "powerpc:common64", "-Mpower9", str(image)),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    shown = re.findall(r"^\s*[0-9a-f]+:\t(?:[0-9a-f]{2} ){4}\t(\S+)", text, re.MULTILINE)
    assert len(shown) == len(words)
    known = {
        word & 0x7FF
        for word, name in zip(words, shown, strict=True)
        if name.startswith(("v", "bcd", "mfvscr", "mtvscr"))
    }
    known |= {low | 1 << 10 for low in known if low & 63 == VSLDOI}  # bit 21 is reserved there
    vector = [row for row in ABSENT if row.facility == "vector"]
    claimed = {
        low
        for low in range(2048)
        if any((PRIMARY_4 | low) & row.mask == row.match for row in vector)
    }
    assert claimed == known
    assert not any(decode(PRIMARY_4 | low) for low in claimed)
