"""H_CEDE in real mode on POWER7 and POWER8, naps and their ends: a function per sentence."""

import pytest

from emu.hv.hcalls import H_CEDE, H_CONFER, hcall_number
from emu.hv.kvm import EXITING, NAPPING_CEDE
from emu.hv.ops import Check, OrUnless, Read, Write, at_least
from emu.hv.real_mode_hcalls import MSR_EE, kvmppc_read_intr
from hv.core import Core
from hv.hand import Reason

ENTRY_EXITS = ("map", "count")
H_BUSY = hcall_number("H_BUSY")
WORD = (1 << 64) - 1


def two(**options):
    """Two vcpus in the guest, on threads 0 and 1."""
    core = Core(smt=2, **options).begin(0, 1).settle()
    assert core.running() == {0: 0, 1: 1}
    return core


def napping(**options):
    core = two(**options)
    core.thread[1].exit(Reason.HCALL, H_CEDE).run()
    assert core.thread[1].waits
    return core


@pytest.mark.parametrize("entry_exit", ENTRY_EXITS)
def test_a_ceded_vcpu_naps_in_its_own_core_while_a_sibling_runs(entry_exit):
    core = napping(entry_exit=entry_exit)
    assert core.running()[0] == 0
    assert core[core.vcore.napping_threads] == 0b10
    assert core[core.cpus[1].napping] == NAPPING_CEDE
    assert core[core.vcore.entry_exit] < EXITING


def test_cede_turns_interrupts_on_and_returns_0():
    core = two()
    core.hand[core.vcpus[1].gpr(3)] = H_CEDE
    core.thread[1].exit(Reason.HCALL, H_CEDE).run()
    assert core[core.vcpus[1].arch.msr] & MSR_EE
    assert core[core.vcpus[1].gpr(3)] == 0


@pytest.mark.parametrize("entry_exit", ENTRY_EXITS)
def test_the_last_thread_to_cede_exits_to_the_host(entry_exit):
    core = napping(entry_exit=entry_exit)
    core.task[0].exit(Reason.HCALL, H_CEDE).run()
    assert core[core.vcore.entry_exit] >= EXITING
    assert core[core.vcore.napping_threads] & 1 == 0


@pytest.mark.parametrize("entry_exit", ENTRY_EXITS)
def test_a_thread_0_without_a_vcpu_counts_as_idle(entry_exit):
    core = Core(smt=2, entry_exit=entry_exit).begin(1).settle()
    assert core.running() == {1: 1}
    core.thread[1].exit(Reason.HCALL, H_CEDE).run()
    assert core[core.vcore.entry_exit] >= EXITING


def test_a_prodded_vcpu_returns_at_once_and_uses_the_prod_up():
    core = two()
    core.hand[core.vcpus[1].prodded] = 1
    assert core.thread[1].exit(Reason.HCALL, H_CEDE).run().in_guest
    assert core[core.vcpus[1].prodded] == 0
    assert core.thread[1].exit(Reason.HCALL, H_CEDE).run().waits


# ---- the order against an exiting thread


def test_the_nap_bit_is_set_before_the_exit_is_tested():
    core = two()
    log = core.thread[1].exit(Reason.HCALL, H_CEDE).run().log
    mark = next(i for i, op in enumerate(log) if isinstance(op, OrUnless))
    test = log.index(Check(at_least(core.vcore.entry_exit, EXITING)), mark)
    assert mark < test


@pytest.mark.parametrize("entry_exit", ENTRY_EXITS)
def test_in_no_window_does_a_thread_nap_on_while_the_vcore_exits(entry_exit):
    """Thread 1 cedes while thread 0 exits, interleaved after each number of its steps."""
    for steps in range(40):
        core = two(entry_exit=entry_exit)
        ceding = core.thread[1].exit(Reason.HCALL, H_CEDE)
        for _ in range(steps):
            if not ceding.waits:
                ceding.step()
        core.hand[core.vcpus[0].gpr(4)] = 1 << 40
        core.task[0].exit(Reason.HCALL, H_BUSY)
        core.settle()
        assert core[core.vcpus[0].state] == 2, f"stuck after {steps} steps"
        assert core[core.vcore.napping_threads] & 0b1 or core.running() == {}


# ---- waking


@pytest.mark.parametrize("entry_exit", ENTRY_EXITS)
def test_a_native_doorbell_wakes_the_nap_and_stays_pending_for_the_guest(entry_exit):
    core = napping(entry_exit=entry_exit)
    core.hand[core.cpus[1].subproc.dpdes] = 0b10
    assert core.thread[1].run().in_guest
    assert core[core.cpus[1].subproc.dpdes] == 0b10
    assert core[core.vcore.napping_threads] == 0


def test_a_doorbell_for_another_thread_does_not():
    core = napping()
    core.hand[core.cpus[1].subproc.dpdes] = 0b01
    assert core.thread[1].waits


def test_a_guest_doorbell_to_thread_0_without_a_vcpu_does_not_wake_it():
    core = Core(smt=2).begin(1).settle()
    core.hand[core.cpus[0].subproc.dpdes] = 0b01
    assert core.task[1].waits


def test_the_decrementer_wakes_the_nap():
    core = two()
    core.hand[core.vcpus[1].arch.dec_armed] = 1
    core.hand[core.vcpus[1].arch.dec_expires] = 300
    core.thread[1].exit(Reason.HCALL, H_CEDE).run()
    assert core.thread[1].waits
    core.hand[core.cpus[0].timebase] = 300
    assert core.thread[1].run().in_guest


def test_map_dec_is_at_most_hdec_while_napping_so_that_hdec_ends_the_nap():
    core = two()
    core.hand[core.cpus[1].thread.hdec_expires] = 200
    core.thread[1].exit(Reason.HCALL, H_CEDE).run()
    assert core[core.cpus[1].dec] == 200


def test_count_hdec_does_not_wake_a_napping_thread():
    core = two(entry_exit="count")
    core.hand[core.cpus[1].thread.hdec_expires] = 200
    core.thread[1].exit(Reason.HCALL, H_CEDE).run()
    core.hand[core.cpus[0].timebase] = 1000
    assert core.thread[1].waits


@pytest.mark.parametrize("host", ["power7", "power8"])
def test_an_external_interrupt_that_becomes_pending_in_the_nap_is_delivered_on_wake(host):
    core = napping(host=host)
    core.hand[core.vcpus[1].pending_exceptions] = 1
    core.hand[core.cpus[1].thread.xics_ipi] = 1
    assert core.thread[1].run().in_guest
    assert core[core.vcpus[1].arch.external_pending] == 1
    assert core[core.cpus[1].thread.xics_ipi] == 0


def test_a_prod_that_ends_the_nap_is_used_up():
    core = napping()
    core.hand[core.vcpus[1].prodded] = 1
    core.hand[core.cpus[1].thread.hdoorbell] = 1
    assert core.thread[1].run().in_guest
    assert core[core.vcpus[1].prodded] == 0


def test_a_prod_that_comes_with_a_stop_ends_the_cede_for_the_host_too():
    """The thread goes out to the host, which must not put the vcpu to sleep again."""
    core = napping()
    core.hand[core.vcpus[1].prodded] = 1
    core.hand[core.cpus[1].host_ipi] = 1
    core.hand[core.cpus[1].thread.xics_ipi] = 1
    core.thread[1].run()
    assert core[core.vcore.entry_exit] >= EXITING
    assert (core[core.vcpus[1].prodded], core[core.vcpus[1].ceded]) == (0, 0)


def test_host_work_ends_the_nap_and_the_threads_stay():
    core = napping()
    core.hand[core.cpus[1].host_ipi] = 1
    core.hand[core.cpus[1].thread.xics_ipi] = 1
    core.thread[1].run()
    assert core[core.vcore.entry_exit] >= EXITING
    assert core[core.cpus[1].thread.xics_ipi] == 1, "the host has not taken it yet"


def test_a_thread_that_wakes_into_an_exiting_vcore_exits_too():
    core = napping()
    core.task[0].exit(Reason.HCALL, H_BUSY).run()
    core.thread[1].run()
    assert core[core.vcpus[1].thread_cpu] == 0


def test_ceded_is_cleared_when_the_guest_is_entered_again():
    core = napping()
    assert core[core.vcpus[1].ceded] == 1
    core.hand[core.cpus[1].subproc.dpdes] = 0b10
    core.thread[1].run()
    assert core[core.vcpus[1].ceded] == 0


# ---- acknowledging


def test_host_ipi_is_looked_at_before_and_after_the_acknowledgement():
    core = two()
    cpu = core.cpus[1]
    log = core.hand.start(kvmppc_read_intr(cpu)).run().log
    looks = [i for i, op in enumerate(log) if op == Read(cpu.host_ipi)]
    acknowledged = log.index(Write(cpu.thread.xics_ipi, 0))
    assert len(looks) == 2
    assert looks[0] < acknowledged < looks[1]


def test_a_host_ipi_that_comes_with_the_acknowledgement_is_raised_again():
    core = two()
    cpu = core.cpus[1]
    core.hand[cpu.thread.xics_ipi] = 1
    actor = core.hand.start(kvmppc_read_intr(cpu)).until(Write(cpu.thread.xics_ipi, 0))
    actor.step()
    core.hand[cpu.host_ipi] = 1
    actor.run()
    assert actor.result is True
    assert core[cpu.thread.xics_ipi] == 1


# ---- what a guest is told


def test_an_interrupt_for_the_host_of_no_interest_resumes_the_guest():
    core = two()
    core.hand[core.cpus[1].thread.hdoorbell] = 0
    assert core.thread[1].exit(Reason.H_DOORBELL).run().in_guest
    assert core[core.vcore.entry_exit] < EXITING


def test_an_illegal_instruction_is_queued_and_delivered_at_the_next_entry():
    core = two()
    core.thread[1].exit(Reason.EMUL_ASSIST)
    core.settle()
    assert core.running() == {0: 0, 1: 1}
    assert core.events().count("PROGRAM") == 1
    assert core[core.vcpus[1].queued] == 0


# ---- H_CONFER


def confer(core):
    core.hand[core.vcpus[1].gpr(4)] = WORD
    return core.thread[1].exit(Reason.HCALL, H_CONFER).run()


def test_confer_returns_success_while_another_thread_has_something_to_do():
    core = two()
    assert confer(core).in_guest
    assert core[core.vcpus[1].gpr(3)] == 0
    assert core[core.vcore.conferring_threads] == 0


def test_confer_goes_to_the_host_if_all_others_nap():
    core = two()
    core.hand[core.vcore.napping_threads] = 0b01
    confer(core)
    assert core[core.vcore.entry_exit] >= EXITING


def test_entering_sets_the_threads_bit_or_counts_it():
    for entry_exit, value in (("map", 0b11), ("count", 2)):
        core = two(entry_exit=entry_exit)
        assert core[core.vcore.entry_exit] == value
