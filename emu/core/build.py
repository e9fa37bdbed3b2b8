"""Compiles csrc/ into `emu.core._emu`; runs at build time only.

The ISA tables are imported as the package `isa`, because importing `emu` would need the very
module that is being built. All generated files go under the build directory.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cffi import FFI
from setuptools.command.build_ext import build_ext

if TYPE_CHECKING:
    from setuptools import Extension

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"

WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wmissing-prototypes", "-Wno-unused-parameter"]


class BuildExt(build_ext):
    """Generate isa_gen.h and the cffi wrapper under build/, then compile every csrc/*.c.

    EMU_CFLAGS in the environment adds compiler flags: `make lint` passes -Werror,
    `make sanitize` passes -fsanitize=... through it.
    """

    def build_extension(self, ext: Extension) -> None:
        """Write the generated sources and hand the complete list to setuptools."""
        sys.path.insert(0, str(ROOT / "emu"))
        from isa.emit import c_header  # noqa: PLC0415

        gen = Path(self.build_temp, "gen")
        gen.mkdir(parents=True, exist_ok=True)
        (gen / "isa_gen.h").write_text(c_header())
        ffi = FFI()
        abi = sorted(CSRC.glob("*.abi.h"))
        for header in abi:
            ffi.cdef(header.read_text())
        ffi.set_source(ext.name, '#include "emu.h"')
        ffi.emit_c_code(str(gen / "_emu.c"))
        ext.sources = [*(str(p) for p in sorted(CSRC.glob("*.c"))), str(gen / "_emu.c")]
        ext.depends = [*(str(p) for p in sorted(CSRC.glob("*.h"))), str(gen / "isa_gen.h")]
        ext.include_dirs += [str(CSRC), str(gen)]
        ext.extra_compile_args += ["-std=gnu11", "-O2", *os.environ.get("EMU_CFLAGS", "").split()]
        ext.extra_link_args += os.environ.get("EMU_LDFLAGS", "").split()
        super().build_extension(ext)
