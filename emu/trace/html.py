"""A trace as one HTML file: an SVG timeline that needs no network and no script.

A lane for each vcpu, coloured slices, arrows from doorbells to their interrupts, and a mark with a
tool-tip for each event.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from emu.errors import TraceError
from emu.trace.lanes import CEDED, GUEST, HOST, Arrow, Lanes, Slice
from emu.trace.text import event_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emu.trace.read import Entry, Header

MAX_EVENTS = 100_000  # a browser shows about so many without effort
LANE, BAR, LEFT, TOP, WIDTH = 44, 20, 90, 30, 1600
COLOURS = {GUEST: "#4c956c", CEDED: "#cfd8dc", HOST: "#e09f3e"}
TICKS = 10

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 13px sans-serif; margin: 16px; }}
svg {{ font: 11px monospace; }}
.arrow {{ stroke: #c1121f; fill: none; marker-end: url(#head); }}
.event {{ stroke: #333; }}
.taken {{ stroke: #c1121f; stroke-width: 2; }}
.axis {{ stroke: #bbb; }}
</style></head><body>
<h1>{title}</h1>
<p>{legend}; red arrows: from a doorbell sent to its interrupt. Point at a bar, an arrow or a mark
to read what it is. One tick of the timebase is one instruction.</p>
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"
orient="auto"><path d="M0 0 8 4 0 8z" fill="#c1121f"/></marker></defs>
{body}
</svg></body></html>
"""


def html_page(header: Header, entries: Iterable[Entry], title: str) -> str:
    """The page, in ASCII.

    Raises TraceError for more than MAX_EVENTS events.
    """
    events: list[Entry] = []
    for entry in entries:
        if len(events) == MAX_EVENTS:
            raise TraceError(f"{title}: a page shows at most {MAX_EVENTS} events, this has more; "
                             "--from and --to choose a part")  # fmt: skip
        events.append(entry)
    first = events[0].tb if events else 0
    span = max(events[-1].tb - first, 1) if events else 1

    def across(tb: int) -> float:
        return round(LEFT + (tb - first) * WIDTH / span, 2)

    bottom = TOP + LANE * len(header.vcpus)
    behind, front = [], []
    for tick in range(TICKS + 1):
        at, tb = LEFT + WIDTH * tick / TICKS, first + span * tick // TICKS
        behind.append(f'<path class="axis" d="M{at} {TOP - 8}V{bottom}"/>'
                      f'<text x="{at}" y="{TOP - 12}">{tb}</text>')  # fmt: skip
    for vcpu, name in enumerate(header.vcpus):
        behind.append(f'<text x="8" y="{_lane(vcpu) + BAR - 6}">{escape(name)}</text>')
    for item in Lanes(header).slices(events):
        if isinstance(item, Slice):
            left = across(item.start)
            behind.append(
                f'<rect x="{left}" y="{_lane(item.vcpu)}" width="{across(item.end) - left:.2f}" '
                f'height="{BAR}" fill="{COLOURS[item.state]}"><title>{item.state} '
                f"{item.start} to {item.end}, since {escape(item.why)}</title></rect>"
            )
        elif isinstance(item, Arrow):
            start, end = _lane(item.source) + BAR // 2, _lane(item.target) + BAR // 2
            front.append(
                f'<path class="arrow" d="M{across(item.sent)} {start}L{across(item.taken)} {end}">'
                f"<title>doorbell sent at {item.sent}, taken at {item.taken}</title></path>"
            )
        else:
            kind = "taken" if item.event == "guest_interrupt" else "event"
            front.append(
                f'<path class="{kind}" d="M{across(item.tb)} {_lane(item.vcpu)}v{BAR + 6}">'
                f"<title>{escape(event_line(item).strip())}</title></path>"
            )
    legend = ", ".join(
        f'<span style="background:{colour}">&nbsp;{state}&nbsp;</span>'
        for state, colour in COLOURS.items()
    )
    ascii_title = escape(title).encode("ascii", "xmlcharrefreplace").decode()
    return PAGE.format(title=ascii_title, legend=legend, width=LEFT + WIDTH + 80,
                       height=bottom + 10, body="\n".join([*behind, *front]))  # fmt: skip


def _lane(vcpu: int) -> int:
    return TOP + LANE * vcpu
