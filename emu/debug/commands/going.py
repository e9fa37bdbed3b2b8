"""Commands that let the machine go, forwards and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.debug.commands.table import command
from emu.debug.stops import Stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.debug.commands.interpreter import Interpreter
    from emu.debug.session import Session


GOING: Final = "going"


@command("continue", "[N]", "go on until something stops it; N: pass the breakpoint so often", "c",
         "cont", group=GOING, repeats=True)  # fmt: skip
def _continue(it: Interpreter, text: str) -> None:
    stop = it.session.cont()
    for _ in range(it.number(text) - 1):
        if stop.kind in ("end", "interrupted", "waits"):
            break
        stop = it.session.cont()
    it.arrive(stop)


def _mover(
    name: str, short: tuple[str, ...], summary: str, move: Callable[[Session, int], Stop]
) -> None:
    def run(it: Interpreter, text: str) -> None:
        it.arrive(move(it.session, it.number(text)))

    command(name, "[N]", summary, *short, group=GOING, repeats=True)(run)


def _lines(count: int, go: Callable[[], Stop]) -> Stop:
    stop = go()
    for _ in range(count - 1):
        if stop.kind != "step":
            break
        stop = go()
    return stop


_mover("stepi", ("si",), "one instruction of this vcpu, with what the hypervisor does for it",
       lambda s, n: s.stepi(n))  # fmt: skip
_mover("nexti", ("ni",), "like stepi, but over calls", lambda s, n: s.nexti(n))
_mover("step", ("s",), "to another source line",
       lambda s, n: _lines(n, lambda: s.step_line(over=False)))  # fmt: skip
_mover("next", ("n",), "to another source line, over calls",
       lambda s, n: _lines(n, lambda: s.step_line(over=True)))  # fmt: skip
_mover("hstep", ("hs",), "one step of this vcpu's guest or host code: one racy access",
       lambda s, n: s.hstep(n))  # fmt: skip
_mover("tick", (), "one step of the machine, whoever's turn it is", lambda s, n: s.steps(n))
_mover("reverse-stepi", ("rsi",), "undo stepi", lambda s, n: s.reverse_stepi(n))
_mover("reverse-nexti", ("rni",), "undo nexti: back over calls", lambda s, n: s.reverse_nexti(n))
_mover("reverse-step", ("rs",), "back to another source line",
       lambda s, n: _lines(n, lambda: s.reverse_step_line(over=False)))  # fmt: skip
_mover("reverse-next", ("rn",), "back to another source line, over calls",
       lambda s, n: _lines(n, lambda: s.reverse_step_line(over=True)))  # fmt: skip
_mover("reverse-hstep", ("rhs",), "undo hstep", lambda s, n: s.reverse_hstep(n))
_mover("reverse-tick", (), "undo tick", lambda s, n: s.reverse_steps(n))


@command("reverse-continue", "", "back to where something would have stopped", "rc", group=GOING,
         repeats=True)  # fmt: skip
def _reverse_continue(it: Interpreter, _: str) -> None:
    it.arrive(it.session.reverse_cont())


@command("round", "[N]", "one instruction of every vcpu that is in its guest", group=GOING,
         repeats=True)  # fmt: skip
def _round(it: Interpreter, text: str) -> None:
    session = it.session
    stop = Stop("step")
    for _ in range(it.number(text)):
        for vcpu in session.host.vcpus:
            if stop.kind == "step" and session.in_guest(vcpu):
                stop = session.run_alone(session.actor_of(vcpu), 1)
    it.arrive(stop)


@command("until", "WHERE", "go on until this vcpu is there", "u", "advance", group=GOING)
def _until(it: Interpreter, text: str) -> None:
    it.arrive(it.session.until(it.where(text)))


@command("finish", "", "go on until this function has returned", "fin", group=GOING)
def _finish(it: Interpreter, _: str) -> None:
    it.arrive(it.session.finish())


@command("reverse-finish", "", "back to the call of this function", group=GOING)
def _reverse_finish(it: Interpreter, _: str) -> None:
    it.arrive(it.session.reverse_finish())
