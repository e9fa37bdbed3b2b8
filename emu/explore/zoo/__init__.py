"""Historic bugs of KVM as switches: each replaces one step of the correct host code.

    with switched_on(["lost-kick"]):
        result = run(test, Options(), "power9")

A host must be made, run and told of inside the same block: what it has learned of the host code
is about the code as it was then.
"""

from __future__ import annotations

import difflib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from emu.errors import ConfigError
from emu.explore.zoo import cede, doorbells, migration, threads
from emu.hv.edit import applied, in_force

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from emu.explore.zoo.bug import Bug
    from emu.hv.policy import Policy

ZOO: Final[Mapping[str, Bug]] = {
    entry.name: entry for entry in (*doorbells.BUGS, *cede.BUGS, *threads.BUGS, *migration.BUGS)
}


def bug(name: str) -> Bug:
    """The entry of that name; ConfigError, with names that are near, if there is none."""
    if name in ZOO:
        return ZOO[name]
    near = difflib.get_close_matches(name, ZOO, n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else "; `emu bugs` lists them"
    raise ConfigError(f"the bug zoo has no {name[:60]!r}{hint}")


@contextmanager
def switched_on(names: Iterable[str]) -> Iterator[None]:
    """Put bugs into the host code of this process until the end of the block.

    One that is on already stays as it is. Raises ConfigError for an unknown name, and for bugs that
    are in the same function.
    """
    bugs = [bug(name) for name in dict.fromkeys(names)]
    bugs = [entry for entry in bugs if not set(entry.edits) <= set(in_force())]
    owners = {edit.where: "a bug that is on already" for edit in in_force()}
    for entry in bugs:
        for edit in entry.edits:
            if edit.where in owners:
                function = edit.where.partition(":")[2]
                raise ConfigError(
                    f"{entry.name} and {owners[edit.where]} are both in {function}, which can "
                    "have one bug at a time"
                )
        owners.update((edit.where, entry.name) for edit in entry.edits)
    with applied([edit for entry in bugs for edit in entry.edits]):
        yield


def concerned(names: Iterable[str], hosts: Iterable[str]) -> tuple[str, ...]:
    """Those of the hosts that can have all the bugs; ConfigError if there is none."""
    bugs = [bug(name) for name in names]
    found = tuple(host for host in hosts if all(host in entry.hosts for entry in bugs))
    if not found:
        one_each = ", ".join(f"{entry.name} of {', '.join(entry.hosts)}" for entry in bugs)
        raise ConfigError(f"no host can have these bugs together: {one_each}")
    return found


def must_concern(names: Iterable[str], host: str, policy: Policy | None = None) -> None:
    """Refuse bugs that a machine cannot have (ConfigError), instead of running it without them."""
    for name in names:
        entry = bug(name)
        if host not in entry.hosts:
            raise ConfigError(f"{name} is a bug of {', '.join(entry.hosts)}, got host {host}")
        for field, value in entry.policy.items():
            found = getattr(policy, field, value)
            if found != value:
                option = "--" + field.replace("_", "-")
                raise ConfigError(f"{name} is a bug of {option} {value}, got {found}")
