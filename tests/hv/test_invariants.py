"""Invariants: each is reported when it is broken on purpose. The guests are run with them, too."""

import pytest

from emu.hv import cede, doorbell, p9_entry, rmhandlers, vcore
from emu.hv.event import Event
from emu.hv.kvm import EXITING
from emu.hv.ops import Clear, Copy, Or, Read, Trace, Write, zero
from hv.machine import RING, machine


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


# ---- cores that several threads share


def running(max_insns=1500):
    """Two threads of a POWER8 core in the guest, neither of which leaves."""
    host = machine("_start: b .\n", smt=2, host="power8")
    host.check = True
    assert host.run(max_insns=max_insns).kind == "limit"
    return host


def test_a_guest_instruction_before_in_guest_is_reported():
    host = running()
    host.words[host.vcores[0].in_guest] = 0
    assert broken(host).startswith("no guest instruction runs before in_guest is set: v")


def test_a_vcpu_on_the_hardware_thread_of_another_is_reported():
    host = running()
    host.words[host.cpus[0].thread.vcpu], host.words[host.cpus[1].thread.vcpu] = 2, 1
    assert broken(host).startswith("a vcpu runs on the hardware thread of its number: v")


def test_two_vcpus_on_one_thread_are_reported():
    host = running()
    host.words[host.vcpus[1].thread_cpu] = host.words[host.vcpus[0].thread_cpu]
    assert broken(host).startswith("a thread holds at most one vcpu: cpu0 has v1 and another")


LEAVING = "_start: li 3,0xe8\n li 4,99\n sc 1\n b _start\n"  # to prod nobody


def leaving(source=LEAVING, vcpu_ids=(0, 1), host="power8"):
    made = machine(source, smt=2, host=host, vcpu_ids=vcpu_ids)
    made.check = True
    made.build()
    return made


def test_a_core_that_is_left_and_entered_again_and_again_is_clean():
    assert leaving().run(max_insns=500).kind == "limit"


def test_a_change_of_who_entered_after_the_first_exit_is_reported(monkeypatch):
    def count_out(cpu, vcore):
        yield Or(vcore.entry_exit, EXITING << cpu.tir)
        yield Clear(vcore.entry_exit, 1 << cpu.tir)
        return True

    monkeypatch.setattr(rmhandlers, "_count_out", count_out)
    assert broken(leaving()).startswith("no thread enters once one has begun to exit: vcore0")


def test_the_exit_of_a_thread_that_never_entered_is_reported(monkeypatch):
    def count_out(cpu, vcore):
        yield Or(vcore.entry_exit, EXITING << cpu.tir + 4)
        return True

    monkeypatch.setattr(rmhandlers, "_count_out", count_out)
    assert broken(leaving()).startswith("only threads that entered exit: vcore0 has 0x")


def test_a_switch_to_the_host_before_all_are_out_is_reported(monkeypatch):
    monkeypatch.setattr(rmhandlers, "all_out", lambda ref: zero(ref, 0))
    sentence = "LPIDR goes back to the host's when every thread is out: vcore0 has 0x"
    assert broken(leaving("_start: cmpdi 3,0\n bne .\n" + LEAVING[7:])).startswith(sentence)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (1, "only thread 0 writes LPIDR: cpu1 wrote 1"),
        (0, "a core is in one partition at a time: vcore0 is in it, got 1"),
    ],
)
def test_a_switch_of_the_mmu_out_of_turn_is_reported(monkeypatch, number, sentence):
    host = leaving()

    def enter(event, index, ref=0):
        """The last step before this vcpu's guest writes LPIDR."""
        if event is Event.ENTER and index == number:
            return Write(host.cpus[0].subproc.lpid, 1)
        return Trace(event, index, ref)

    monkeypatch.setattr(rmhandlers, "Trace", enter)
    assert broken(host).startswith(sentence)


def test_a_core_that_is_given_up_while_a_thread_works_for_it_is_reported(monkeypatch):
    def release(vcore):
        yield Read(vcore.state)

    monkeypatch.setattr(vcore, "_release_threads", release)
    sentence = "run_core goes on when every thread gave up vcore0: cpu1 did not"
    assert broken(leaving()).startswith(sentence)


# A doorbell to itself that stays pending, and then out of the core and in again.
PENDING = "_start: lis 5,0x2800\n msgsndp 5\n li 3,0xe8\n li 4,99\n sc 1\n b ."


def test_a_doorbell_that_is_not_saved_with_the_core_is_lost(monkeypatch):
    host = leaving(PENDING, vcpu_ids=(0,))

    def copy(ref, source):
        return Write(ref, 0) if ref == host.vcores[0].dpdes else Copy(ref, source)

    monkeypatch.setattr(rmhandlers, "Copy", copy)
    assert broken(host).startswith("no doorbell is lost: vcore0 has 0b0, sent 0b1")


def test_a_doorbell_that_comes_with_the_core_from_nowhere_is_spurious(monkeypatch):
    host = leaving(vcpu_ids=(0,))

    def copy(ref, source):
        return Write(ref, 2) if ref == host.cpus[0].subproc.dpdes else Copy(ref, source)

    monkeypatch.setattr(rmhandlers, "Copy", copy)
    assert broken(host).startswith("no doorbell is spurious: vcore0 has 0b10, sent 0b0")


# ---- prods, TIR and DPDES


def test_a_prod_that_is_used_up_by_an_h_cede_that_sleeps_on_is_reported(monkeypatch):
    def forget(vcpu):
        yield Write(vcpu.ceded, 1)
        if (yield Read(vcpu.prodded)):
            yield Write(vcpu.prodded, 0)

    monkeypatch.setattr("emu.hv.run.kvmppc_cede", forget)
    source = "_start: li 3,0xe8\n li 4,0\n sc 1\n li 3,0xe0\n sc 1\n b .\n"
    host = leaving(source, vcpu_ids=(0,), host="power9")
    assert broken(host).startswith("a prod ends one H_CEDE: v0 used one up, and sleeps on")


@pytest.mark.parametrize(
    ("spr", "result", "sentence"),
    [
        ("TIR", 1, "TIR is the vcpu id modulo the SMT mode: v0 read 1"),
        ("DPDES", 2, "DPDES has no bit of an absent vcpu: v0 read 0b10"),
        ("DPDES", 1, "one's own bit of DPDES is exact: v0 read 0b1, none was sent"),
    ],
)
def test_a_wrong_answer_to_mfspr_is_reported(monkeypatch, spr, result, sentence):
    host = leaving(f"_start: mfspr 5,{spr}\n b .\n", vcpu_ids=(0,), host="power9")

    def write(ref, value):
        return Write(ref, result if ref == host.vcpus[0].result else value)

    monkeypatch.setattr(doorbell, "Write", write)
    assert broken(host).startswith(sentence)


def test_a_pending_doorbell_that_is_missing_from_ones_own_dpdes_is_reported(monkeypatch):
    source = "_start: lis 5,0x2800\n msgsndp 5\n mfspr 5,DPDES\n b .\n"
    host = leaving(source, vcpu_ids=(0,), host="power9")

    def nothing(ref, _bits):
        return Write(ref, 0)

    monkeypatch.setattr(doorbell, "Or", nothing)
    sentence = "one's own bit of DPDES is exact: v0 read 0b0, it was sent one"
    assert broken(host).startswith(sentence)
