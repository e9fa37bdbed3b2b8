"""Invariants: each is reported when it is broken on purpose. The guests are run with them, too."""

import re
from pathlib import Path

import pytest

from emu.asm import assemble
from emu.core.machine import Deed, Logged
from emu.hv import Host, cede, doorbell, p9_entry, real_mode_hcalls, rmhandlers, vcore, xics
from emu.hv.event import Event
from emu.hv.kvm import EXITING, VCORE_EXITING, VCORE_SLEEPING
from emu.hv.ops import Await, Clear, Copy, Or, Read, Trace, Write, nonzero, zero
from emu.hv.ref_names import RefNames
from emu.hv.schedulers import RoundRobin
from emu.hv.spinlock import spin_unlock
from emu.isa.msr import mask
from hv.machine import RING, VECTORS, machine


def checked(smt=2, host="power9"):
    made = machine(RING, smt=smt, host=host)
    made.check = True
    return made


def broken(host, scheduler=None):
    outcome = host.run(scheduler, max_insns=20_000)
    assert outcome.kind == "violation", outcome
    return outcome.explanation


def test_the_ring_is_clean():
    assert checked().run().kind == "exit"


def test_a_doorbell_that_does_not_go_into_the_guest_with_its_vcpu_is_lost(monkeypatch):
    host = checked()
    host.build()

    def write(ref, value):
        return Write(ref, 0 if ref in {cpu.subproc.dpdes for cpu in host.cpus} else value)

    monkeypatch.setattr(p9_entry, "Write", write)
    assert broken(host).startswith("no doorbell is lost: v1 was sent one, and none is pending")


def test_a_doorbell_that_nobody_sent_is_spurious(monkeypatch):
    real = cede.kvmppc_cede

    def ring(vcpu):
        yield Write(vcpu.doorbell_request, 1)
        yield from real(vcpu)

    monkeypatch.setattr("emu.hv.run.kvmppc_cede", ring)
    assert broken(checked()).startswith("no doorbell is spurious: ")


def at_enter(monkeypatch, module, make, **options):
    """What `make(host, index)` gives takes the place of the last step before each guest."""
    host = checked(**options)
    host.build()

    def trace(event, index, ref=0):
        return make(host, index) if event is Event.ENTER else Trace(event, index, ref)

    monkeypatch.setattr(module, "Trace", trace)
    return host


def test_a_guest_under_another_lpid_is_reported(monkeypatch):
    host = checked()
    host.build()

    def write(ref, value):
        return Write(ref, 9 if ref == host.cpus[0].subproc.lpid and value else value)

    monkeypatch.setattr(p9_entry, "Write", write)
    assert broken(host).startswith("no guest instruction runs under another LPID: v0 ran under 9")


def test_a_change_of_the_lpid_from_one_vm_to_another_is_reported(monkeypatch):
    host = at_enter(monkeypatch, p9_entry, lambda host, _: Write(host.cpus[0].subproc.lpid, 9))
    assert broken(host).startswith("LPIDR is the host's in between: cpu0 went from 1 to 9")


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


@pytest.mark.parametrize("host", ["power7", "power8"])
def test_the_steps_before_a_violation_name_the_words_that_they_touch(host):
    found = checked(host=host)
    found.run(max_insns=20)
    found.words[found.vcpus[1].vcore.state] = VCORE_SLEEPING
    *_, lock, last = broken(found).splitlines()[1:]
    assert lock == "  v0: CompareAndSet(vcore0.lock, 0, 1)"
    assert last == f"  v0: Write(vcore0.state, {VCORE_EXITING})"


def test_an_operation_names_registers_and_fields_and_leaves_out_what_it_does_not_have():
    host = checked()
    host.build()
    operation = RefNames(host).operation
    vcpu, cpu = host.vcpus[1], host.cpus[1]
    assert operation(Write(vcpu.doorbell_request, 1)) == "Write(v1.doorbell_request, 1)"
    assert operation(Copy(vcpu.gpr(5), vcpu.arch.srr0)) == "Copy(v1.r5, v1.srr0)"
    assert operation(Write(cpu.subproc.dpdes, 0)) == "Write(cpu1.dpdes, 0)"
    assert operation(Trace(Event.ENTER, 1)) == "Trace(ENTER, 1)"
    assert operation(Await(nonzero(vcpu.ceded))) == "Await(v1.ceded != 0)"


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


def test_two_vcpus_on_one_thread_are_reported(monkeypatch):
    host = leaving()

    def write(ref, value):
        return Write(ref, 1 if ref == host.vcpus[1].thread_cpu else value)

    monkeypatch.setattr(vcore, "Write", write)
    assert broken(host).startswith("a thread holds at most one vcpu: cpu0 has v1 and v0")


def test_one_vcpu_on_two_threads_is_reported():
    host = running()
    host.words[host.cpus[5].thread.vcpu] = 1
    assert broken(host).startswith("a vcpu is on one thread: v0 is on cpu0 and cpu5")


def test_a_thread_that_keeps_a_vcpu_of_a_core_that_was_left_is_reported(monkeypatch):
    host = leaving()

    def write(ref, value):
        kept = host.cpus[1].thread.vcpu
        return Write(ref, 2 if ref == kept else value)

    monkeypatch.setattr(rmhandlers, "Write", write)
    assert broken(host).startswith("a core that was left holds no vcpu: cpu1 has one of vcore0")


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


def test_a_prod_by_another_hcall_is_reported(monkeypatch):
    def prod(vcpu):
        yield Write(vcpu.prodded, 1)

    monkeypatch.setattr("emu.hv.run.kvmppc_cede", prod)
    host = leaving("_start: li 3,0xe0\n sc 1\n b .\n", vcpu_ids=(0,), host="power9")
    assert broken(host).startswith("only an H_PROD prods: v0 prodded v0")


@pytest.mark.parametrize(
    ("spr", "result", "sentence"),
    [
        ("TIR", 1, "TIR is the vcpu id modulo the SMT mode: v0 read 1"),
        ("DPDES", 2, "DPDES has no bit of an absent vcpu: v0 read 0b10"),
        ("DPDES", 4, "DPDES has a bit for each thread: v0 read 0b100"),
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


# ---- what the emulation of a doorbell instruction may do


def emulating(monkeypatch, source, extra, name="_msgsndp"):
    """A POWER9 host, two cores of two threads; `extra(vcpu, vcpus)` are further steps of `name`."""
    host = leaving(f"_start: cmpdi 3,0\n bne .\n{source}\n b .\n", range(4), "power9")
    real = getattr(doorbell, name)

    def more(vcpu, *arguments):
        yield from extra(host.vcpus)
        answer = yield from real(vcpu, *arguments)
        return answer

    monkeypatch.setattr(doorbell, name, more)
    return host


GOOD, BAD_TYPE, BAD_TAG = "lis 5,0x2800\n msgsndp 5", "li 5,1\n msgsndp 5", (
    "lis 5,0x2800\n ori 5,5,3\n msgsndp 5"
)  # fmt: skip


@pytest.mark.parametrize("source", [BAD_TYPE, BAD_TAG], ids=["type", "tag"])
def test_a_message_without_meaning_that_rings_is_reported(monkeypatch, source):
    def ring(vcpus):
        yield Write(vcpus[1].doorbell_request, 1)

    sentence = "a message without meaning does nothing: v0 wrote to v1's"
    assert broken(emulating(monkeypatch, source, ring)).startswith(sentence)


@pytest.mark.parametrize("source", [BAD_TYPE, BAD_TAG, GOOD], ids=["type", "tag", "good"])
def test_a_message_that_changes_a_register_is_reported(monkeypatch, source):
    def spoil(vcpus):
        yield Write(vcpus[0].gpr(14), 1)

    sentence = "a doorbell instruction changes nothing else: r14 of v0 changed"
    assert broken(emulating(monkeypatch, source, spoil)).startswith(sentence)


@pytest.mark.parametrize("source", [BAD_TYPE, BAD_TAG, "mfspr 5,TIR"], ids=["type", "tag", "tir"])
def test_messages_without_meaning_change_nothing_but_nia(monkeypatch, source):
    host = emulating(monkeypatch, source, lambda _vcpus: iter(()))
    assert host.run(max_insns=5000).kind == "limit"


def test_an_emulated_instruction_that_goes_elsewhere_is_reported(monkeypatch):
    def jump(vcpus):
        yield Write(vcpus[0].arch.nia, 0x20000)

    sentence = "an emulated instruction moves NIA by 4: v0 is elsewhere"
    assert broken(emulating(monkeypatch, BAD_TYPE, jump)).startswith(sentence)


def test_a_doorbell_to_another_virtual_core_is_reported(monkeypatch):
    def stray(vcpus):
        yield Write(vcpus[2].doorbell_request, 1)

    sentence = "a doorbell stays in its virtual core: v0 wrote to v2's"
    assert broken(emulating(monkeypatch, GOOD, stray)).startswith(sentence)


def test_a_doorbell_to_another_thread_than_the_one_named_is_reported(monkeypatch):
    def stray(vcpus):
        yield Write(vcpus[1].doorbell_request, 1)

    sentence = "a doorbell goes to the thread that it names: v0 wrote to v1's"
    assert broken(emulating(monkeypatch, GOOD, stray)).startswith(sentence)


def test_a_read_of_dpdes_that_consumes_is_reported(monkeypatch):
    def consume(vcpus):
        yield Write(vcpus[1].doorbell_request, 0)

    host = emulating(monkeypatch, "mfspr 5,DPDES", consume, "kvmppc_read_dpdes")
    assert broken(host).startswith("reading doorbells leaves them alone: v0 wrote to v1's")


def test_a_failed_fetch_that_changes_something_is_reported(monkeypatch):
    def fail(vcpu):
        yield Write(vcpu.gpr(14), 1)
        return True

    monkeypatch.setattr("emu.hv.run.kvmppc_emulate_doorbell_instr", fail)
    host = leaving(f"_start: {GOOD}\n b .\n", (0,), "power9")
    assert broken(host).startswith("a failed fetch changes nothing: r14 of v0 changed")


def test_a_failed_fetch_that_changes_nothing_is_clean(monkeypatch):
    def fail(vcpu):
        yield Read(vcpu.state)
        return True

    monkeypatch.setattr("emu.hv.run.kvmppc_emulate_doorbell_instr", fail)
    assert leaving(f"_start: {GOOD}\n b .\n", (0,), "power9").run(max_insns=50).kind == "limit"


def test_a_doorbell_whose_kick_is_forgotten_waits_while_its_vcpu_runs(monkeypatch):
    def forget(_sender, target):
        yield Read(target.awake)

    monkeypatch.setattr(doorbell, "kvmppc_fast_vcpu_kick_hv", forget)
    source = "_start: cmpdi 3,1\n beq .\n lis 5,0x2800\n ori 5,5,1\n li 6,2000\n mtctr 6\n bdnz .\n"
    host = leaving(source + " msgsndp 5\n b .\n", host="power9")
    sentence = "no doorbell waits while its vcpu runs: v1 ran on with one requested"
    assert broken(host, RoundRobin(100)).startswith(sentence)


@pytest.mark.parametrize("model", ["power8", "power9"])
def test_a_doorbell_from_problem_state_is_reported(monkeypatch, model):
    """The core itself does not let one through, so what it says of MSR[PR] is falsified."""
    host = leaving(f"_start: {GOOD}\n b .\n", (0,), model)
    family = {"power8": "native", "power9": "emulated"}[model]
    on = mask("MSR", "SF")
    monkeypatch.setattr(f"emu.hv.invariants.{family}.PR", on)
    assert broken(host).startswith("problem state does not get at doorbells: v0")


# ---- interrupts and time


TICKING = """
_start: li 5,50
        mtdec 5
        li 6,3
        rotldi 6,6,15
        mtmsrd 6,1
        b .
"""


def test_an_interrupt_that_is_left_out_is_reported(monkeypatch):
    host = leaving(TICKING, (0,), "power9")
    monkeypatch.setattr(host.machine, "drain", list)
    sentence = "what is pending and let through comes before the next instruction: v0 ran on at 0x"
    said = broken(host, RoundRobin(1))
    assert said.startswith(sentence)
    assert "with a decrementer interrupt" in said


def test_an_interrupt_that_comes_early_is_reported(monkeypatch):
    host = leaving(TICKING.replace("li 5,50", "lis 5,0x7000"), (0,), "power9")
    early = Logged(2000, 0x10000, 0, Deed.INTERRUPT, 0x900)
    monkeypatch.setattr(host.machine, "drain", lambda: [early] if host.instructions else [])
    assert broken(host).startswith("a decrementer interrupt does not come early: v0 at 2000")


def test_a_guest_that_outlives_its_time_slice_is_reported(monkeypatch):
    host = leaving("_start: b .\n", range(8), "power9")

    def copy(ref, source):
        """LPCR[HDICE] is lost on the way into the thread."""
        return Write(ref, 0) if source in {v.vcore.lpcr for v in host.vcpus} else Copy(ref, source)

    monkeypatch.setattr(p9_entry, "Copy", copy)
    said = host.run(max_insns=200_000)
    assert said.kind == "violation", said
    assert said.explanation.startswith("no guest instruction runs with HDEC below zero: v")


def test_a_guest_with_the_timebase_of_another_is_reported(monkeypatch):
    host = at_enter(
        monkeypatch, p9_entry, lambda host, i: Write(host.vcpus[i].pcpu.subproc.tb_offset, 7)
    )
    sentence = "the guest's timebase is the host's and its own offset: v0 ran with 0x7, its VM has"
    assert broken(host).startswith(sentence)


def test_time_that_goes_back_is_reported(monkeypatch):
    host = at_enter(monkeypatch, p9_entry, lambda host, _: Write(host.machine_refs.tb, 5))
    host.words[host.machine_refs.tb] = 9
    assert broken(host).startswith("time does not go back: v")


def test_a_sleep_without_a_timer_for_the_decrementer_is_reported(monkeypatch):
    monkeypatch.setattr(cede, "Await", lambda *conditions, **_: Await(*conditions))
    source = "_start: li 5,50\n mtdec 5\n li 3,0xe0\n sc 1\n b .\n"
    sentence = "no vcpu sleeps for ever with its decrementer running: v0"
    assert broken(leaving(source, (0,), "power9")).startswith(sentence)


# ---- H_CEDE, and what the host leaves alone

CEDES = "_start: li 14,5\n li 5,9\n mtdec 5\n li 3,0xe0\n sc 1\n b .\n"


@pytest.mark.parametrize("model", ["power8", "power9"])
def test_an_h_cede_that_does_not_return_0_is_reported(monkeypatch, model):
    if model == "power9":
        monkeypatch.setattr("emu.hv.run.H_SUCCESS", 5)
    else:
        monkeypatch.setattr(real_mode_hcalls, "Write", lambda ref, value: Write(ref, value or 5))
    assert broken(leaving(CEDES, (0,), model)).startswith("H_CEDE returns 0: v0 got 0x5")


@pytest.mark.parametrize("model", ["power8", "power9"])
def test_an_h_cede_that_leaves_interrupts_off_is_reported(monkeypatch, model):
    module = cede if model == "power9" else real_mode_hcalls
    monkeypatch.setattr(module, "MSR_EE" if model == "power8" else "EE", 0)
    sentence = "H_CEDE returns with MSR[EE] set: v0's is clear"
    assert broken(leaving(CEDES, (0,), model)).startswith(sentence)


def test_a_nap_that_spoils_a_register_is_reported(monkeypatch):
    """Nap loses GPRs: they have to be saved and restored."""
    real = real_mode_hcalls._nap

    def nap(cpu, vcore, vcpu):
        wanted = yield from real(cpu, vcore, vcpu)
        yield Write(vcpu.gpr(14), 0)
        return wanted

    monkeypatch.setattr(real_mode_hcalls, "_nap", nap)
    host = leaving("_start: cmpdi 3,0\n beq .\n" + CEDES[7:])
    sentence = "the host leaves a guest's registers alone: r14 of v1 was 0x5, is 0x0"
    assert broken(host).startswith(sentence)


def test_a_thread_that_runs_with_its_nap_bit_set_is_reported(monkeypatch):
    def end_nap(cpu, _vcore):
        yield Write(cpu.napping, 0)

    monkeypatch.setattr(real_mode_hcalls, "_end_nap", end_nap)
    host = leaving("_start: cmpdi 3,0\n beq .\n" + CEDES[7:])
    assert broken(host).startswith("a thread that runs a guest does not nap: v1 ran on cpu1")


# ---- how a core runs and stops


def writes(monkeypatch, module, change, **options):
    """A core that is left again and again; `change(host, ref, value)` gives another value."""
    host = leaving(**options)
    monkeypatch.setattr(
        module, "Write", lambda ref, value: Write(ref, change(host.vcores[0], ref, value))
    )
    return host


def test_a_change_of_state_that_is_not_in_the_graph_is_reported(monkeypatch):
    def sleeping(core, ref, value):
        return VCORE_SLEEPING if (ref, value) == (core.state, VCORE_EXITING) else value

    sentence = "a vcore's state changes as the graph says: vcore0 went from RUNNING to SLEEPING"
    assert broken(writes(monkeypatch, vcore, sleeping)).startswith(sentence)


def test_a_vcore_without_a_runner_is_reported(monkeypatch):
    host = writes(monkeypatch, vcore, lambda core, ref, value: 0 if ref == core.runner else value)
    sentence = "a vcore has a runner unless it is inactive: vcore0 is RUNNING"
    assert broken(host).startswith(sentence)


def test_a_sibling_in_the_host_kernel_while_the_vcore_runs_is_reported(monkeypatch):
    def grab(vcore):
        yield Read(vcore.state)

    monkeypatch.setattr(vcore, "_grab_threads", grab)
    sentence = "siblings of a running vcore stay out of the host kernel: cpu1 is in it while vcore0"
    assert broken(leaving()).startswith(sentence)


def test_an_exit_that_pulls_nobody_out_is_reported(monkeypatch):
    def forget(_cpu, vcore, _vcpu):
        yield Read(vcore.state)

    monkeypatch.setattr(rmhandlers, "_interrupt_entered", forget)
    source = "_start: cmpdi 3,1\n beq .\n" + LEAVING[7:].replace("b _start", "b .")
    sentence = "who exits first pulls the others out: v1 runs on, and v0 waits for it"
    assert broken(leaving(source)).startswith(sentence)


def test_an_exit_that_never_comes_about_is_reported(monkeypatch):
    def forget(_cpu, vcore, _vcpu):
        yield Read(vcore.state)

    monkeypatch.setattr(rmhandlers, "_interrupt_entered", forget)
    naps = "_start: cmpdi 3,1\n bne 1f\n li 3,0xe0\n sc 1\n b .\n"
    leaves = "1: li 5,2000\n mtctr 5\n bdnz .\n li 3,0xe8\n li 4,99\n sc 1\n b .\n"
    sentence = "an exit that was asked for comes about: vcore0 has threads inside"
    assert broken(leaving(naps + leaves)).startswith(sentence)


def test_entry_exit_that_starts_anew_during_a_run_is_reported(monkeypatch):
    host = leaving()

    def trace(event, index, ref=0):
        if event is Event.ENTER:
            return Write(host.vcores[0].entry_exit, 0)
        return Trace(event, index, ref)

    monkeypatch.setattr(rmhandlers, "Trace", trace)
    assert broken(host).startswith("entry_exit starts anew between two runs: vcore0 runs")


def test_an_exit_that_is_taken_back_is_reported(monkeypatch):
    def count_out(cpu, vcore):
        yield Or(vcore.entry_exit, EXITING << cpu.tir)
        yield Clear(vcore.entry_exit, EXITING << cpu.tir)
        return True

    monkeypatch.setattr(rmhandlers, "_count_out", count_out)
    assert broken(leaving()).startswith("who has begun to exit goes on: vcore0 went from 0x")


def test_a_runnable_vcpu_that_nobody_runs_is_reported(monkeypatch):
    def never(vcore):
        yield from spin_unlock(vcore.lock)
        yield Await(nonzero(vcore.awake))

    monkeypatch.setattr(vcore, "kvmppc_run_core", never)
    sentence = "a vcpu that can run does: v0 is runnable, and waits for ever"
    assert broken(leaving(vcpu_ids=(0,))).startswith(sentence)


# ---- XICS

RINGS = """
_start: li 3,0x68
        li 4,0xff
        sc 1            # H_CPPR: everything may come
        li 3,0x6c
        li 4,0
        li 5,4
        sc 1            # H_IPI to itself
1:      b 1b
"""


def test_an_ipi_that_is_not_presented_is_reported(monkeypatch):
    def nothing(vcpu, _mfrr):
        yield Read(vcpu.state)

    monkeypatch.setattr(xics, "_present_ipi", nothing)
    sentence = "an IPI that is favoured enough is presented: v0 has MFRR 0x4, CPPR 0xff, and XISR 0"
    assert broken(leaving(RINGS, (0,), "power9")).startswith(sentence)


def test_a_presented_interrupt_that_is_not_pending_is_reported(monkeypatch):
    host = leaving(RINGS, (0,), "power9")

    def either(ref, bits):
        return Or(ref, 0 if ref == host.vcpus[0].pending_exceptions else bits)

    monkeypatch.setattr(xics, "Or", either)
    assert broken(host).startswith("a presented interrupt is pending: v0 has source 2")


def with_source(source):
    """A vcpu with an interrupt source, which came before its CPPR allowed it."""
    host = Host("power9", check=True)
    vm = host.create_vm(memory=1 << 20)
    vm.create_vcpu()
    irq = vm.create_irq()
    vm.load(assemble(VECTORS + source))
    vm.set_xive(irq, 0, 5)
    vm.set_irq(irq)
    return host


ALLOWS = "_start: li 3,0x68\n li 4,0xff\n sc 1\n"
ACCEPTS = ALLOWS + " li 3,0x74\n sc 1\n li 3,0x68\n li 4,0xff\n sc 1\n b .\n"


def test_a_source_that_is_accepted_once_is_clean():
    assert with_source(ACCEPTS).run(max_insns=200).kind == "limit"


def test_a_refused_interrupt_that_is_forgotten_is_reported(monkeypatch):
    def forget(_vcpu, target):
        yield Read(target.state)

    monkeypatch.setattr(xics, "_icp_check_resend", forget)
    sentence = "a refused interrupt comes when the CPPR allows: source 16 waits for v0"
    assert broken(with_source(ALLOWS + " b .\n")).startswith(sentence)


def test_an_accepted_interrupt_that_comes_again_before_its_eoi_is_reported(monkeypatch):
    real = xics._h_xirr

    def accept(vcpu):
        yield from real(vcpu)
        yield from xics.icp_deliver_irq(vcpu, vcpu.kvm.sources[0])

    monkeypatch.setattr(xics, "_h_xirr", accept)
    sentence = "an accepted interrupt waits for its EOI: source 16 is presented to v0 again"
    assert broken(with_source(ACCEPTS)).startswith(sentence)


# ---- the list of them


def test_every_invariant_of_the_docs_is_in_the_code_and_is_broken_here():
    root = Path(__file__).parents[2]
    text = (root / "docs/hypervisor.md").read_text()
    table = text.partition("## What must always hold")[2].partition("## ")[0]
    rows = [line.split("|")[2] for line in table.splitlines() if line.startswith("| ")][1:]
    listed = {sentence.strip() for row in rows for sentence in row.split(";")}
    assert len(listed) > 40
    sources = (root / "emu/hv/invariants").glob("*.py")
    code = re.sub(r'"\s+f?"', "", "".join(path.read_text() for path in sources))
    broken_here = Path(__file__).read_text()
    for sentence in listed:
        assert sentence in code, sentence
        assert sentence in broken_here, f"no test breaks it: {sentence}"
