"""Commands that say who goes next."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from emu.debug import show
from emu.debug.choices import Choices
from emu.debug.commands.table import CommandError, command
from emu.debug.stops import Stop
from emu.explore.schedule import parse_short, short_text

if TYPE_CHECKING:
    from emu.debug.commands.interpreter import Interpreter


WHO: Final = "who moves"


@command("schedule", "[vN|cpuN]", "whose turn it is; give the turn to another", group=WHO)
def _schedule(it: Interpreter, text: str) -> None:
    session = it.session
    host = session.host
    if text:
        session.give_turn(it.actor(text))
    turn = host.engine.turn(host.machine)
    able = [host.actor_name(i) for i in range(len(host.actors))
            if session.timeline.can_go(i)]  # fmt: skip
    chosen = (
        "the scheduler chooses next" if turn is None else f"the turn of {host.actor_name(turn)}"
    )
    it.say(f"{chosen}; able to go on: {', '.join(able) or 'nobody'}")


@command("switch", "vN", "give the turn to a vcpu, and make it the current one", group=WHO)
def _switch(it: Interpreter, text: str) -> None:
    vcpu = it.vcpu(text)
    it.session.give_turn(it.session.actor_of(vcpu))
    it.session.select(vcpu.index)
    it.arrive(Stop("step"))


@command("run", "vN [COUNT]", "let one vcpu do steps of guest and host code, all others none",
         group=WHO)  # fmt: skip
def _run(it: Interpreter, text: str) -> None:
    if not text:
        raise CommandError(
            "run takes a vcpu: `run v1 3`; `continue` goes on, `goto 0` begins again"
        )
    who, _, count = text.partition(" ")
    vcpu = it.vcpu(who)
    it.session.select(vcpu.index)
    it.arrive(it.session.run_alone(it.session.actor_of(vcpu), it.number(count.strip())))


@command("choose", "[CHOICE]", "of a case: what can happen next; make it happen (0, 1l, 2d)",
         group=WHO)  # fmt: skip
def _choose(it: Interpreter, text: str) -> None:
    history = _choices(it)
    if text:
        wanted = parse_short(text)
        if len(wanted) != 1:
            raise CommandError(f"choose takes one step of a schedule, got {text[:40]!r}")
        history.choose(wanted[0])
        it.say(f"next: {it.session.next_step()}")
        return
    for choice in history.possible():
        mark = "=>" if choice == history.next() else "  "
        it.say(f"{mark} {short_text([choice]):4} {history.said(choice)}")


def _choices(it: Interpreter) -> Choices:
    history = it.session.timeline
    if not isinstance(history, Choices):
        raise CommandError("this run has a scheduler: `switch` and `run` say who goes on")
    return history


@command("lock", "on|off", "whether the other vcpus stand still while one steps", group=WHO)
def _lock(it: Interpreter, text: str) -> None:
    if text not in ("on", "off", ""):
        raise CommandError(f"lock is on or off, got {text!r}")
    if text:
        it.session.locked = text == "on"
    it.say(f"lock is {'on' if it.session.locked else 'off'}")


@command("thread", "[vN | apply all COMMAND]", "make another vcpu the current one", "t", "vcpu",
         group=WHO)  # fmt: skip
def _thread(it: Interpreter, text: str) -> None:
    match = re.fullmatch(r"apply\s+all\s+(.+)", text)
    if match is None:
        it.session.select(it.vcpu(text).index)
        it.say(show.thread_line(it.session, it.session.vcpu))
        return
    before = it.session.names.vcpu
    for vcpu in it.session.host.vcpus:
        it.session.select(vcpu.index)
        it.say(f"{vcpu.name}:")
        it.execute(match[1])
    it.session.select(before)
