"""Commands for places in the recorded run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from emu.debug import show
from emu.debug.commands.table import CommandError, command

if TYPE_CHECKING:
    from emu.debug.commands.interpreter import Interpreter


TIME: Final = "time travel"


@command("when", "", "where in the run this is", group=TIME)
def _when(it: Interpreter, _: str) -> None:
    it.say(*show.history_lines(it.session))


@command("goto", "POSITION | BOOKMARK[-N|+N] | end", "be at another place of the run", group=TIME)
def _goto(it: Interpreter, text: str) -> None:
    session = it.session
    if text == "end":
        it.arrive(session.goto(session.timeline.frontier))
        return
    match = re.fullmatch(r"([A-Za-z_]\w*)\s*([-+]\s*[0-9]+)?", text)
    if match is not None and match[1] in session.bookmarks:
        offset = int((match[2] or "0").replace(" ", ""))
        it.arrive(session.goto(session.bookmarks[match[1]] + offset))
        return
    position = session.evaluate(text.removeprefix("@"))
    if position >> 63:
        raise CommandError(f"a position must be 0 or more, got {position - (1 << 64)}")
    it.arrive(session.goto(position))


@command("bookmark", "[NAME]", "give this place a name; list the names", group=TIME)
def _bookmark(it: Interpreter, text: str) -> None:
    session = it.session
    if text:
        if not re.fullmatch(r"[A-Za-z_]\w{0,40}", text):
            raise CommandError(f"a bookmark is a name, got {text!r}")
        session.bookmarks[text] = session.position
        session.timeline.remember()
        return
    it.say(*show.bookmark_lines(session))


@command("back", "", "to the stop before this one", group=TIME, repeats=True)
def _back(it: Interpreter, _: str) -> None:
    session = it.session
    if len(session.visited) < 2:
        raise CommandError("there is no stop before this one")
    session.visited.pop()
    it.arrive(session.goto(session.visited[-1]))


@command("last", "[write] EXPRESSION|ADDRESS", "who changed a value last, and when", group=TIME)
def _last(it: Interpreter, text: str) -> None:
    match = re.fullmatch(r"(?:w|write)\s+(.+)", text, re.IGNORECASE)
    where = match[1] if match else text
    if match or it.session.constant(where):
        text = f"u64({where})"
    found = it.session.last_change(text)
    if found is None:
        it.say(f"{text} has not changed since the beginning")
    else:
        it.say(f"@{found[0]}: {found[1]}")
