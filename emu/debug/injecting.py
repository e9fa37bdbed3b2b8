"""What happens to a guest by hand: an interrupt, a doorbell, the end of its turn on the cpu.

Each is an edit of the history: a step that is undone and done again like the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.debug.doorbells import rung
from emu.errors import ConfigError
from emu.hv.kvm import VCORE_RUNNING

if TYPE_CHECKING:
    from emu.debug.session import Session
    from emu.hv.kvm import HostThread, Vcpu


def doorbell(session: Session, vcpu: Vcpu) -> None:
    """Make a privileged doorbell pend for a vcpu. Raises ConfigError on a host without any."""
    session.change(f"doorbell {vcpu.name}", rung(session.host, vcpu))


def preempt(session: Session, vcpu: Vcpu) -> None:
    """Let the time slice of the cpu or core that a vcpu is on end now: HDEC has expired.

    Raises ConfigError if it is on none.
    """
    host = session.host
    if host.generation.independent_threads:
        if host.words[vcpu.pcpu.running] != 1 + vcpu.index:
            raise ConfigError(f"the task of {vcpu.name} is on no cpu that it could lose")
        cpus: tuple[HostThread, ...] = (vcpu.pcpu,)
    else:
        if host.words[vcpu.vcore.state] != VCORE_RUNNING:
            raise ConfigError(f"{vcpu.vcore.name} is on no core that it could lose")
        cpus = vcpu.vcore.threads
    words = {cpu.thread.hdec_expires: 0 for cpu in cpus}
    # HDEC does not wake a thread that naps: its decrementer, which is never later, stands in.
    words |= {cpu.dec: 0 for cpu in cpus if host.words[cpu.napping]}
    session.change(f"preempt {vcpu.name}", words)


def interrupt(session: Session, vcpu: Vcpu, vector: int) -> None:
    """Make a vcpu's guest take an interrupt. Raises ConfigError if it is not in its guest."""
    host = session.host
    thread = next((cpu.number for cpu in host.cpus
                   if host.words[cpu.thread.vcpu] == 1 + vcpu.index), None)  # fmt: skip
    if thread is None or not session.in_guest(vcpu):
        raise ConfigError(f"{vcpu.name} is not in its guest now")
    before = host.words.tolist()
    entered = host.machine.interrupt(thread, vector)
    after = host.words.tolist()
    words = {ref: after[ref] for ref in range(len(after)) if after[ref] != before[ref]}
    for ref in words:
        host.words[ref] = before[ref]
    if not entered:
        raise ConfigError(f"the guest has no code at vector {vector:#x}")
    session.change(f"interrupt {vector:#x} of {vcpu.name}", words)
