"""GNU binutils as an oracle: a batch of lines assembled, a batch of words disassembled."""

from __future__ import annotations

import re
import struct
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class Binutils:
    """powerpc64-linux-gnu-as and -objdump, for one -m machine; `oracle` finds the commands."""

    def __init__(self, oracle: Callable[[str], str], directory: Path, machine: str) -> None:
        self.gas = oracle("powerpc64-linux-gnu-as")
        self.objcopy = oracle("powerpc64-linux-gnu-objcopy")
        self.objdump = oracle("powerpc64-linux-gnu-objdump")
        self.directory = directory
        self.machine = machine

    def assemble(self, lines: Sequence[str]) -> list[int | None]:
        """The word of each line, None where gas complains."""
        source = self.directory / "lines.s"
        output = self.directory / "lines.o"
        refused: set[int] = set()
        while True:
            source.write_text(
                "".join(
                    ".long 0\n" if i in refused else f"{line}\n" for i, line in enumerate(lines)
                )
            )
            command = [self.gas, f"-m{self.machine}", "-mregnames", "-o", output, source]
            result = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=120
            )
            if result.returncode == 0:
                break
            # gas reports some errors only when there are no others: repeat until it is content.
            complaints = {int(n) - 1 for n in re.findall(r":(\d+): Error: ", result.stderr)}
            assert complaints - refused, result.stderr
            refused |= complaints
        image = self.directory / "lines.bin"
        subprocess.run(
            [self.objcopy, "-O", "binary", "-j", ".text", output, image], check=True, timeout=120
        )
        words = [word for (word,) in struct.iter_unpack(">I", image.read_bytes())]
        assert len(words) == len(lines)
        return [None if i in refused else word for i, word in enumerate(words)]

    def disassemble(self, words: Sequence[int]) -> list[str]:
        """The text of each word, as objdump prints it for word i at address 4*i."""
        image = self.directory / "words.bin"
        image.write_bytes(b"".join(struct.pack(">I", word) for word in words))
        command = [self.objdump, "-D", "-z", "-b", "binary", "-EB", "-m", "powerpc:common64"]
        command += [f"-M{self.machine}", image]
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        rows = re.findall(r"^ *[0-9a-f]+:\t(?:[0-9a-f]{2} ){4}\t(.*)$", result.stdout, re.MULTILINE)
        assert len(rows) == len(words)
        return [row.rstrip() for row in rows]
