"""How fast compiler output assembles, in lines per second of CPU time, beside GNU as.

The input is what gcc makes of tests/asm/programs (-O2 and -O2 -g), where the cross compiler is
there, else a program written here. GNU as has a process a file, its start included; emu does the
same files in one process, once with cold and then with warm caches.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from emu.asm import assemble

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = sorted((ROOT / "tests" / "asm" / "programs").glob("*.c"))
GCC, GAS = "powerpc64le-linux-gnu-gcc", "powerpc64le-linux-gnu-as"
OPTIONS = ["-ffreestanding", "-msoft-float", "-mno-altivec", "-mno-vsx", "-mcpu=power9"]
ROUNDS = 3


def compiled(*options: str) -> list[str]:
    """The assembly text of every program; one made here where there is no compiler."""
    if shutil.which(GCC) is None:
        body = "".join(
            f".L{n}:\n\tld 9,{n % 4096 * 8}(1)\n\taddi 9,9,{n % 100}\n"
            f"\tcmpwi 7,9,0\n\tbne 7,.L{n}\n"
            for n in range(2000)
        )
        return [body]
    texts = []
    for path in PROGRAMS:
        command = [GCC, *OPTIONS, *options, "-S", "-o-", path]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        texts.append(done.stdout)
    return texts


def emu_seconds(texts: list[str]) -> float:
    """Time for all texts, one after another."""
    started = time.process_time()
    for text in texts:
        assemble(text, endian="little")
    return time.process_time() - started


def gas_seconds(texts: list[str], directory: Path) -> float:
    """Time that GNU as takes for the texts, best of ROUNDS; each is a process of its own."""
    paths = []
    for number, text in enumerate(texts):
        path = directory / f"{number}.s"
        path.write_text(text)
        paths.append(path)
    best = float("inf")
    for _ in range(ROUNDS):
        started = children_seconds()
        for path in paths:
            subprocess.run([GAS, "-mpower9", "-o", directory / "out.o", path], check=True)
        best = min(best, children_seconds() - started)
    return best


def children_seconds() -> float:
    """CPU time of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Print a line for each kind of input."""
    titles = ("lines", "cold l/s", "warm l/s", "gas l/s", "warm/gas")
    print(f"{'input':<12}" + "".join(f"{title:>10}" for title in titles))
    for name, options in (("gcc -O2", ("-O2",)), ("gcc -O2 -g", ("-O2", "-g"))):
        texts = compiled(*options)
        count = sum(text.count("\n") for text in texts)
        cold = emu_seconds(texts)
        warm = min(emu_seconds(texts) for _ in range(ROUNDS))
        gas: object = "absent"
        ratio = ""
        if shutil.which(GAS) is not None:
            with tempfile.TemporaryDirectory() as directory:
                seconds = gas_seconds(texts, Path(directory))
            gas, ratio = round(count / seconds), f"{seconds / warm:.2f}"
        row = (count, round(count / cold), round(count / warm), gas, ratio)
        print(f"{name:<12}" + "".join(f"{value:>10}" for value in row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
