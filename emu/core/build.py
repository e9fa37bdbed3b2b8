"""Compiles csrc/ into `emu.core._emu`; runs at build time only.

The ISA tables are imported as the package `isa`, because importing `emu` would need the very
module that is being built. All generated files go under the build directory.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cffi import FFI
from setuptools.command.build_ext import build_ext
from setuptools.errors import CCompilerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from setuptools import Extension

ROOT = Path(__file__).resolve().parents[2]

WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wmissing-prototypes"]

# A row of the ISA without its body must not compile, with warnings or without. Every body gets all
# that a body may need, so parameters may be unused.
REQUIRED = ["-Werror=implicit-function-declaration", "-Wno-unused-parameter"]

# Small functions call each other across files all the time, most of all in searches. Not the
# interpreter's loops: one function each, over which the linker would take as long as the compiler.
WHOLE_PROGRAM = ["-flto=auto"]
LOOP = "loop_"

# The wrapper that cffi writes is not ours to mend.
UNWARNED = "".join(
    f'#pragma GCC diagnostic ignored "{warning}"\n'
    for warning in (*WARNINGS[1:], "-Wunused-function")
)


def c_header() -> str:
    """The text of isa_gen.h, from the tables of emu/isa."""
    sys.path.insert(0, str(ROOT / "emu"))
    try:
        from isa import emit  # noqa: PLC0415  only here can the package be found
    finally:
        del sys.path[0]
    sequences = (ROOT / "csrc/sequences.txt").read_text().splitlines()
    most = int(os.environ.get("EMU_SEQUENCES", len(sequences)))
    header: str = emit.c_header("\n".join(sequences[:most]))
    return header


def write(path: Path, text: str) -> None:
    """Write a generated file; one that would not change keeps its age, and rebuilds nothing."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def compile_stale(
    compiler: Any,  # noqa: ANN401  setuptools has no name for its compilers
    sources: Sequence[str],
    *,
    output_dir: str,
    force: bool,
    whole_program: Sequence[str],
    extra_postargs: Sequence[str],
    **options: Any,  # noqa: ANN401  theirs
) -> list[str]:
    """Compile the sources that are newer than their objects, or all if a header is; in parallel.

    whole_program: flags for all but the loops.
    """
    shared = [*ROOT.glob("csrc/*.h"), *ROOT.glob("build/gen/*.h"), Path(__file__)]
    newest = max(path.stat().st_mtime for path in shared)

    def compile_one(source: str) -> str:
        target: str = compiler.object_filenames([source], output_dir=output_dir)[0]
        age = Path(target).stat().st_mtime if Path(target).exists() else 0.0
        if force or age <= max(newest, Path(source).stat().st_mtime):
            flags = [*extra_postargs, *([] if LOOP in source else whole_program)]
            type(compiler).compile(
                compiler, [source], output_dir=output_dir, extra_postargs=flags, **options
            )
        return target

    # The longest first: gcc takes some ten seconds over a loop.
    ordered = sorted(sources, key=lambda source: LOOP not in source)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compile_one, ordered))


class BuildExt(build_ext):
    """Generate isa_gen.h and the cffi wrapper under build/, then compile every csrc/*.c.

    EMU_CFLAGS and EMU_LDFLAGS in the environment add flags: `make lint` passes -Werror,
    `make sanitize` passes -fsanitize=... through them. EMU_SEQUENCES=N takes only the first lines
    of csrc/sequences.txt, for compilers that take long over the loops.
    """

    def finalize_options(self) -> None:
        """Name every file of csrc/, so that an sdist holds them and a change rebuilds."""
        super().finalize_options()
        # Relative to the project, where setuptools runs: an sdist takes no absolute paths.
        for ext in self.extensions:
            ext.sources = [f"csrc/{path.name}" for path in sorted(ROOT.glob("csrc/*.c"))]
            ext.depends = [
                *(f"csrc/{path.name}" for path in sorted(ROOT.glob("csrc/*.h"))),
                "csrc/sequences.txt",
                *(f"emu/isa/{path.name}" for path in sorted(ROOT.glob("emu/isa/*.py"))),
                "emu/core/build.py",
            ]

    def build_extension(self, ext: Extension) -> None:
        """Write the generated sources, then compile as usual."""
        gen = ROOT / "build" / "gen"
        gen.mkdir(parents=True, exist_ok=True)
        write(gen / "isa_gen.h", c_header())
        ffi = FFI()
        for header in sorted(ROOT.glob("csrc/*.abi.h")):
            ffi.cdef(header.read_text())
        # Every NAME.abi.h has a NAME.h that includes it, with what C needs beyond.
        headers = sorted(path.name.replace(".abi.h", ".h") for path in ROOT.glob("csrc/*.abi.h"))
        ffi.set_source(ext.name, "\n".join(f'#include "{header}"' for header in headers))
        wrapper = gen / "_emu.c"
        text = io.StringIO()
        with contextlib.redirect_stdout(None):  # it says what it generates
            ffi.emit_c_code(text)  # type: ignore[arg-type]  # the stubs know only names of files
        write(wrapper, UNWARNED + text.getvalue())
        ext.sources = [*ext.sources, str(wrapper.relative_to(ROOT))]
        ext.include_dirs += ["csrc", str(gen)]
        ext.extra_compile_args += [
            "-std=gnu11",
            "-O2",
            # Registers are words in memory: a wide load of two that were just stored would stall.
            "-fno-tree-vectorize",
            "-fvisibility=hidden",  # only Python finds what it calls, by the wrapper's table
            "-g1",  # lines only: with variables gcc takes half as long again over the loops
            *WARNINGS,
            *REQUIRED,
            *os.environ.get("EMU_CFLAGS", "").split(),
        ]
        ext.extra_link_args += os.environ.get("EMU_LDFLAGS", "").split()
        whole_program = self._whole_program(gen, ext.extra_compile_args)
        ext.extra_link_args += whole_program
        self.compiler.compile = functools.partial(
            compile_stale, self.compiler, force=bool(self.force), whole_program=whole_program
        )
        super().build_extension(ext)

    def _whole_program(self, gen: Path, flags: Sequence[str]) -> list[str]:
        """Flags to compile and link most files as one; none if this compiler cannot."""
        if any(flag.startswith("-fsanitize") for flag in flags):
            return []  # it would take long, and its reports would name lines of inlined copies
        source = gen / "probe.c"
        write(source, "int probe(void);\nint probe(void) { return 0; }\n")
        try:
            objects = self.compiler.compile(
                [str(source)], output_dir=str(gen), extra_postargs=WHOLE_PROGRAM
            )
            self.compiler.link_shared_object(
                objects, str(gen / "probe.so"), extra_postargs=[*WHOLE_PROGRAM, "-Werror"]
            )
        except CCompilerError:
            return []
        return WHOLE_PROGRAM
