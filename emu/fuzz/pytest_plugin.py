"""The pytest plugin: `*.case` files are regression tests, and `emu_guest` tests guests.

It is loaded by every pytest where emu is installed, so it imports nothing before it is asked for,
and takes no file for a case that does not say that it is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from emu.fuzz.guests import Guest

FIRST_WORDS: Final = b'format = "emu case '


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take a file that begins as a case does."""
    if file_path.suffix != ".case":
        return None
    with file_path.open("rb") as file:
        if file.read(len(FIRST_WORDS)) != FIRST_WORDS:
            return None
    return CaseFile.from_parent(parent, path=file_path)


class CaseFile(pytest.File):
    """A file with one case."""

    def collect(self) -> Iterator[pytest.Item]:
        """Give the one test that it is."""
        yield CaseItem.from_parent(self, name=self.path.stem)


class CaseItem(pytest.Item):
    """Fails if what the case is about happens again, on code without bugs of the zoo."""

    def runtest(self) -> None:
        """Replay it, or search again. Raises EmuError for a file that is no case."""
        from emu.explore.case import parse_case  # noqa: PLC0415  not for every pytest
        from emu.fuzz.regression import again  # noqa: PLC0415

        case = parse_case(self.path.read_text(encoding="utf-8"), str(self.path))
        verdict = again(case)
        if verdict.happens:
            what = f"{case.property} on {case.setting.host}: {case.expected}"
            raise CaseFailure(f"{what}\n{verdict.how}\nemu replay {self.path}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style=None) -> str:  # type: ignore[no-untyped-def] # noqa: ANN001
        """Show what happened and not where this file noticed it."""
        from emu.errors import EmuError  # noqa: PLC0415

        if isinstance(excinfo.value, CaseFailure | EmuError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Name the test in reports."""
        return self.path, 0, f"case: {self.name}"


class CaseFailure(AssertionError):  # noqa: N818  it is no error of this program
    """What a case is about, happened again."""


@pytest.fixture
def emu_guest(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Guest]:
    """Load a guest, by its path beside the test: `emu_guest("ring.s", endian="big")`.

    The result's explore() goes through every interleaving on one machine, and its fuzz() runs it on
    drawn machines by drawn schedules; both fail the test with a command that shows it again. Cases
    are written into the test's tmp_path.
    """
    from emu.fuzz.guests import Guest  # noqa: PLC0415  not for every pytest

    def load(path: str | Path, *, endian: str = "big") -> Guest:
        order = "little" if endian == "little" else "big"
        return Guest.load(request.path.parent / path, tmp_path, order)  # type: ignore[arg-type]

    return load
