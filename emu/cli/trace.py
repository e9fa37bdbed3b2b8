"""`emu trace`: what `emu run --trace` wrote, as text, compared, or as a timeline."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from emu.cli.exit_codes import EXIT_FAILED, EXIT_OK
from emu.cli.input_files import must_not_overwrite, shown
from emu.cli.numbers import count, vcpu_number
from emu.cli.run import output
from emu.errors import ConfigError, ImageError
from emu.trace.chrome import write_chrome
from emu.trace.difference import first_difference
from emu.trace.html import html_page
from emu.trace.lane_text import LaneText
from emu.trace.read import Trace
from emu.trace.text import Selection, around, event_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emu.trace.read import Entry


@click.group("trace", invoke_without_command=False)
def command() -> None:
    """Show, compare or draw the trace files that `emu run --trace FILE` writes."""


def selecting(function: Callable[..., int]) -> Callable[..., int]:
    """Give a subcommand the options that say which events are wanted."""
    options = (
        click.option("--vcpu", "vcpus", type=vcpu_number, multiple=True, metavar="N",
                     help="Only events of this vcpu, 1 or v1; repeatable."),
        click.option("--actor", "actors", multiple=True, metavar="NAME",
                     help="Only what this actor did; repeatable."),
        click.option("--event", "events", multiple=True, metavar="PATTERN",
                     help="Only such events: kvm_guest_exit:hcall, *doorbell*; repeatable."),
        click.option("--from", "first", type=count, metavar="T", default="0",
                     help="Only from this time on."),
        click.option("--to", "last", type=count, metavar="T", help="Only until this time."),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def selected(trace: Trace, **selection: Any) -> Iterator[Entry]:  # noqa: ANN401
    """The events that are wanted. Raises ConfigError for a vcpu that the trace has not."""
    most = len(trace.header.vcpus)
    for vcpu in selection["vcpus"]:
        if vcpu >= most:
            raise ConfigError(f"vcpu must be below {most}, the number of vcpus, got {vcpu}")
    return Selection(**selection).of(trace)


@command.command("show")
@click.argument("file")
@selecting
@click.option("--around", "time", type=count, metavar="T", help="Only what is next to this time.")
@click.option("--context", type=click.IntRange(1, 10_000), default=10, show_default=True,
              metavar="N", help="With --around: so many events on either side.")  # fmt: skip
@click.option("--lanes", is_flag=True, help="A row for each vcpu instead of a line an event.")
@click.option("--width", type=click.IntRange(10, 1000), default=100, show_default=True,
              metavar="N", help="With --lanes: columns.")  # fmt: skip
def show(
    file: str, *, time: int | None, context: int, lanes: bool, width: int, **selection: Any  # noqa: ANN401
) -> int:  # fmt: skip
    """Print a trace: a line an event, as ftrace does. FILE may be - for standard input."""
    with opened(file) as trace:
        entries = selected(trace, **selection)
        if time is not None:
            entries = around(entries, time, context)
        if lanes:
            for line in LaneText(trace.header, width + width % 2).lines(entries):
                click.echo(line)
        else:
            for entry in entries:
                click.echo(event_line(entry))
    return EXIT_OK


@command.command("diff")
@click.argument("left")
@click.argument("right")
@click.option("--context", type=click.IntRange(0, 10_000), default=3, show_default=True,
              metavar="N", help="So many events before the difference and from it on.")  # fmt: skip
def diff(left: str, right: str, *, context: int) -> int:
    """Print the first difference of two traces. Exit code 1 if there is one, 0 if not."""
    with opened(left) as one, opened(right) as other:
        found = first_difference(one, other, context)
    if found is None:
        return EXIT_OK
    for line in found.lines():
        click.echo(line)
    return EXIT_FAILED


@command.command("view")
@click.argument("file")
@selecting
@click.option("-o", "page", metavar="FILE", help="Write a timeline as HTML, - for standard output.")
@click.option("--chrome", metavar="FILE", help="Write Chrome trace JSON, which Perfetto loads.")
def view(file: str, *, page: str | None, chrome: str | None, **selection: Any) -> int:  # noqa: ANN401
    """Draw a trace: lanes of vcpus, and arrows from doorbells to their interrupts."""
    if (page is None) == (chrome is None):
        raise click.UsageError("one of -o FILE and --chrome FILE")
    must_not_overwrite(file, [page, chrome])
    with opened(file) as trace, output(page or chrome or "-") as out:
        entries = selected(trace, **selection)
        if page is not None:
            out.write(html_page(trace.header, entries, shown(file)))
        else:
            write_chrome(trace.header, entries, out)
    return EXIT_OK


@contextlib.contextmanager
def opened(name: str) -> Iterator[Trace]:
    """A trace file to read.

    Raises ImageError if it cannot be read, TraceError if it is none.
    """
    with contextlib.ExitStack() as files:
        try:
            file: IO[bytes] = (
                sys.stdin.buffer if name == "-" else files.enter_context(Path(name).open("rb"))
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ImageError(f"cannot read {shown(name)}: {reason}") from None
        yield Trace(file, shown(name))
