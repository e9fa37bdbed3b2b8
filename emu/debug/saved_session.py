"""A session as text: what was done by hand, and where it stood.

Enough to be there again with the same guest on the same machine: everything else follows.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from emu.debug.history import Edit, Patch
from emu.debug.names import WORD
from emu.errors import ReplayError

if TYPE_CHECKING:
    from emu.debug.history import History

FORMAT: Final = 1


def session_text(line: History) -> str:
    """Write a history up to here."""
    data = {
        "format": FORMAT,
        "position": line.position,
        "digest": line.digest(),
        "edits": [
            {
                "position": edit.position,
                "text": edit.text,
                "words": [[ref, value] for ref, value in edit.words.items()],
                "memory": [[p.vm, p.address, p.data.hex()] for p in edit.patches],
            }
            for edit in line.edits
            if edit.position < line.position
        ],
    }
    return json.dumps(data, indent=1) + "\n"


def restore_session(line: History, text: str | bytes) -> None:
    """Do again what session_text() wrote down.

    Raises ReplayError for what is no session, or of another guest or machine.
    """
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise ReplayError(f"a saved session has format {FORMAT}, got {data['format']!r}")
        edits = [
            Edit(
                int(row["position"]),
                str(row["text"]),
                {int(ref): int(value) & WORD for ref, value in row["words"]},
                [Patch(int(vm), int(at), bytes.fromhex(raw)) for vm, at, raw in row["memory"]],
            )
            for row in data["edits"]
        ]
        position, digest = int(data["position"]), str(data["digest"])
    except (ValueError, LookupError, TypeError, ArithmeticError, RecursionError) as error:
        raise ReplayError(f"no saved session: {error}") from None
    nwords = len(line.host.words)
    if any(not 0 <= ref < nwords for edit in edits for ref in edit.words):
        raise ReplayError("the session is of another machine")
    line.goto(0)
    line.forget_future()
    line.edits = sorted(edits, key=lambda edit: edit.position)
    line.forward(position)
    if (line.position, line.digest()) != (position, digest):
        raise ReplayError("the session is of another guest or machine: the state differs")
