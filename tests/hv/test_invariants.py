"""Invariants: every guest keeps them, and each is reported when it is broken on purpose."""

from pathlib import Path

import pytest

from emu.asm.assemble import assemble_file
from emu.hv import cede, doorbell, p9_entry
from emu.hv.event import Event
from emu.hv.host import Host
from emu.hv.ops import Trace, Write
from hv.machine import RING, machine

GUESTS = Path(__file__).parents[2] / "guests"
NAMES = "barrier cede_prod decrementer doorbell_ee0 hello spinlock tir_dpdes token_ring xics_ipi"


@pytest.mark.parametrize("model", ["power8", "power9"])
@pytest.mark.parametrize("name", NAMES.split())
def test_every_guest_keeps_the_invariants(name, model):
    host = Host(model, check=True)
    vm = host.create_vm(memory=1 << 20, smt=2)
    vm.create_vcpu()
    vm.create_vcpu()
    vm.load(assemble_file(GUESTS / f"{name}.s"))
    outcome = host.run()
    assert outcome.kind == "exit", outcome.explanation


def checked(smt=2, host="power9"):
    made = machine(RING, smt=smt, host=host)
    made.check = True
    return made


def broken(host):
    outcome = host.run(max_insns=20_000)
    assert outcome.kind == "violation", outcome
    return outcome.explanation


def test_the_ring_is_clean():
    assert checked().run().kind == "exit"


def test_a_doorbell_that_the_sender_drops_is_lost(monkeypatch):
    real = doorbell.kvmppc_fast_vcpu_kick_hv

    def forget(vcpu, target):
        yield Write(target.doorbell_request, 0)
        yield from real(vcpu, target)

    monkeypatch.setattr(doorbell, "kvmppc_fast_vcpu_kick_hv", forget)
    assert broken(checked()).startswith("no doorbell is lost: v1 was sent one, and none is pending")


def test_a_doorbell_that_nobody_sent_is_spurious(monkeypatch):
    real = cede.kvmppc_cede

    def ring(vcpu):
        yield Write(vcpu.doorbell_request, 1)
        yield from real(vcpu)

    monkeypatch.setattr("emu.hv.run.kvmppc_cede", ring)
    assert broken(checked()).startswith("no doorbell is spurious: ")


def test_a_guest_under_another_lpid_is_reported(monkeypatch):
    host = checked()
    host.build()

    def enter(event, index, ref=0):
        """The last step before the guest writes another VM's LPID instead."""
        if event is Event.ENTER:
            return Write(host.vcpus[index].pcpu.subproc.lpid, 9)
        return Trace(event, index, ref)

    monkeypatch.setattr(p9_entry, "Trace", enter)
    assert broken(host).startswith("no guest instruction runs under another LPID: v0 ran under 9")


def test_a_doorbell_left_in_the_hosts_dpdes_is_reported():
    host = checked()
    host.build()
    host.words[host.cpus[3].subproc.dpdes] = 1
    assert broken(host).startswith("DPDES is 0 whenever the host runs: cpu3 has a bit set")


def test_sleeping_with_an_event_pending_is_reported(monkeypatch):
    """H_CEDE that ignores doorbells."""

    def never(vcpu):
        yield Write(vcpu.arg, 0)
        return False

    monkeypatch.setattr(cede, "kvmppc_doorbell_pending", never)
    assert broken(checked()).startswith("no vcpu sleeps in H_CEDE with an event pending: v")


def test_a_violation_says_when_who_and_what_came_before():
    host = checked()
    host.build()
    host.words[host.cpus[3].subproc.dpdes] = 1
    first, *rest = broken(host).splitlines()
    assert first.endswith("(at 0, after a step of v0)")
    assert rest[0].startswith("  v0: ")
