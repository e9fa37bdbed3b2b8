"""Virtual cores on POWER7 and POWER8: a function per sentence; windows are driven by hand."""

import pytest

from emu.hv.hcalls import H_CEDE, H_PROD, hcall_number
from emu.hv.kvm import (
    BUSY_IN_HOST,
    EXITING,
    NOTREADY,
    RUNNABLE,
    VCORE_EXITING,
    VCORE_INACTIVE,
    VCORE_RUNNING,
    VCORE_SLEEPING,
)
from emu.hv.ops import Await, Copy, Or, Write, all_out, zero
from emu.hv.run import vcpu_task
from hv.core import Core
from hv.hand import Reason

H_BUSY = hcall_number("H_BUSY")
HOSTS = ("power7", "power8")
ENTRY_EXITS = ("map", "count")


def started(**options):
    """All four vcpus in the guest: the late ones joined, or the vcore began with them."""
    core = Core(**options).begin(0, 1, 2, 3).settle()
    assert len(core.running()) == 4
    return core


def busy(core, number):
    """Vcpu `number` leaves to userspace and stays there; the others go on."""
    thread = core[core.vcpus[number].thread_cpu] - 1
    core.hand[core.vcpus[number].gpr(4)] = 1000
    core.on(thread).exit(Reason.HCALL, H_BUSY)
    return core.settle()


# ---- which vcpus make a vcore


@pytest.mark.parametrize(
    ("smt", "vcpu_ids", "cores"),
    [(4, (0, 1, 2, 3, 4), [0, 0, 0, 0, 1]), (4, (0, 4, 8), [0, 1, 2]), (1, (0, 1), [0, 1])],
)
def test_vcpu_id_divided_by_the_smt_mode_is_the_vcore(smt, vcpu_ids, cores):
    core = Core(smt=smt, vcpu_ids=vcpu_ids)
    assert [vcpu.vcore.number for vcpu in core.vcpus] == cores


# ---- states


def test_a_vcpu_that_never_ran_is_not_ready():
    core = Core().begin(0)
    assert [core[vcpu.state] for vcpu in core.vcpus] == [RUNNABLE, NOTREADY, NOTREADY, NOTREADY]


def test_a_vcpu_whose_hcall_goes_to_userspace_is_busy_in_host_meanwhile():
    core = busy(started(), 2)
    assert [core[vcpu.state] for vcpu in core.vcpus] == [RUNNABLE, RUNNABLE, BUSY_IN_HOST, RUNNABLE]
    core.hand[core.cpus[0].timebase] = 2000
    core.settle()
    assert core[core.vcpus[2].state] == RUNNABLE
    assert core.running() == {0: 0, 1: 1, 2: 2, 3: 3}


def test_a_blocked_vcpu_is_runnable_and_ceded():
    core = started()
    core.on(1).exit(Reason.HCALL, H_CEDE).run()
    assert core[core.vcpus[1].state] == RUNNABLE
    assert core[core.vcpus[1].ceded] == 1


# ---- the runner


def test_one_task_runs_the_vcore_and_the_others_sleep():
    core = started()
    assert core[core.vcore.runner] == 1
    assert core.task[0].in_guest
    assert all(core.task[i].waits for i in (1, 2, 3))
    assert core[core.vcore.state] == VCORE_RUNNING


def test_the_other_threads_of_the_core_run_the_other_vcpus():
    core = started()
    assert [core.thread[i].in_guest for i in (1, 2, 3)] == [True] * 3
    assert all(core.thread[i].waits for i in (4, 5, 6, 7))


def test_a_runner_that_leaves_makes_another_the_runner():
    core = busy(started(), 0)
    assert core[core.vcore.runner] in (2, 3, 4)
    assert sorted(core.running().values()) == [1, 2, 3]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("entry_exit", ENTRY_EXITS)
def test_the_vcore_stops_when_a_thread_must_go_to_userspace(host, entry_exit):
    core = started(host=host, entry_exit=entry_exit, run_when="none-busy")
    busy(core, 3)
    assert core.running() == {}, "none-busy: and it waits for that thread"
    core.hand[core.cpus[0].timebase] = 2000
    core.settle()
    assert sorted(core.running().values()) == [0, 1, 2, 3]


def test_run_when_any_does_not_wait_for_a_busy_vcpu():
    assert sorted(busy(started(), 3).running().values()) == [0, 1, 2]


# ---- secondary threads


@pytest.mark.parametrize(("host", "how"), [("power7", "xics_ipi"), ("power8", "hdoorbell")])
def test_a_secondary_thread_is_woken_from_nap_by_an_interrupt(host, how):
    core = Core(host=host).begin(0)
    core.task[1] = core.hand.start(vcpu_task(core.vcpus[1]))
    core.task[1].run()
    assert core.thread[1].waits is False, "the runner has interrupted it"
    assert core[getattr(core.cpus[1].thread, how)] == 1


def test_a_woken_thread_acknowledges_the_interrupt_before_it_looks_for_work():
    core = Core().begin(0, 1)
    cpu = core.cpus[1]
    log = core.thread[1].until(Write(cpu.thread.xics_ipi, 0)).log
    assert not any(getattr(op, "ref", None) == cpu.kvm_vcore for op in log)
    core.thread[1].run()
    assert core[cpu.thread.xics_ipi] == 0


def test_an_interrupt_without_work_sends_the_thread_back_to_nap():
    core = Core()
    core.hand[core.cpus[5].thread.xics_ipi] = 1
    assert core.thread[5].run().waits
    assert core[core.cpus[5].thread.xics_ipi] == 0


def test_the_vcpu_is_assigned_before_the_vcore_so_that_who_sees_one_sees_the_other():
    core = Core().begin(0, 1)
    log = core.task[1].log
    assert log.index(Write(core.cpus[1].kvm_vcpu, 2)) < log.index(Write(core.cpus[1].kvm_vcore, 1))


def test_no_thread_is_started_before_all_siblings_are_out_of_the_kernel():
    core = Core()
    core.hand[core.cpus[3].hwthread_state] = 0
    core.begin(0)
    assert core.task[0].waits, "thread 3 is still in the host kernel"
    core.hand[core.cpus[3].hwthread_state] = 1
    assert core.task[0].run().in_guest


def test_the_host_gets_the_threads_back_only_when_all_have_given_the_vcore_up():
    core = started()
    core.on(0).exit(Reason.HCALL, H_BUSY)
    core.task[0].run()
    for i in (1, 2):
        core.take(core.thread[i])
    core.thread[3].exit(Reason.H_DOORBELL).run()
    core.task[0].until(Write(core.vcore.in_guest, 0)).step()
    core.thread[3].until(Write(core.cpus[3].kvm_vcpu, 0))
    for i in (1, 2):
        core.thread[i].run()
    core.task[0].run()
    assert core[core.vcore.state] == VCORE_EXITING
    assert core.task[0].op == Await(zero(core.cpus[3].kvm_vcore))


# ---- joining late


def test_a_vcpu_that_becomes_runnable_joins_a_running_vcore_at_once():
    core = Core().begin(0)
    assert core.running() == {0: 0}
    core.begin(2).settle()
    assert core.running() == {0: 0, 2: 2}
    assert core.events().count("RUN_CORE") == 1
    assert core.events().count("LATE_JOIN") == 1


@pytest.mark.parametrize("entry_exit", ENTRY_EXITS)
def test_it_does_not_join_once_a_thread_has_begun_to_exit(entry_exit):
    core = Core(entry_exit=entry_exit).begin(0)
    core.hand[core.vcore.entry_exit] |= EXITING
    core.begin(2)
    assert "LATE_JOIN" not in core.events()
    assert core.task[2].waits


@pytest.mark.parametrize("entry_exit", ENTRY_EXITS)
def test_it_is_too_late_if_the_exit_comes_while_its_thread_wakes(entry_exit):
    core = Core(entry_exit=entry_exit).begin(0, 2)
    core.hand[core.vcpus[0].gpr(4)] = 1000
    core.task[0].exit(Reason.HCALL, H_BUSY).run()
    core.thread[2].run()
    assert "TOO_LATE" in core.thread[2].events
    core.settle()
    assert core.running() == {2: 2}, "it runs next"


def test_the_vcpu_of_thread_0_joins_though_thread_0_naps_without_a_vcpu():
    core = Core().begin(1).settle()
    assert core.running() == {1: 1}
    assert core[core.vcore.napping_threads] == 1
    core.begin(0).settle()
    assert core.running() == {0: 0, 1: 1}
    assert core[core.vcore.napping_threads] == 0
    assert core.events().count("RUN_CORE") == 1


# ---- which hardware thread


def test_aligned_virtual_thread_n_is_on_hardware_thread_n():
    core = busy(started(), 1)
    assert core.running() == {0: 0, 2: 2, 3: 3}


def test_first_come_takes_the_lowest_threads_whoever_is_runnable():
    core = busy(started(thread_assignment="first-come"), 1)
    assert sorted(core.running()) == [0, 1, 2]
    assert sorted(core.running().values()) == [0, 2, 3]


def test_first_come_gives_ceded_vcpus_the_threads_after_the_others():
    core = started(thread_assignment="first-come")
    core.on(0).exit(Reason.HCALL, H_CEDE).run()
    core.hand[core.vcpus[0].prodded] = 0
    busy(core, core.running()[3])
    placed = {core[vcpu.thread_cpu] - 1: vcpu.index for vcpu in core.vcpus if core[vcpu.thread_cpu]}
    assert placed[2] == 0, "the ceded one comes last"


@pytest.mark.parametrize("assignment", ["aligned", "first-come"])
def test_an_alone_vcpu_runs_on_thread_0_only_if_it_is_first_come_or_thread_0s(assignment):
    core = Core(thread_assignment=assignment).begin(2).settle()
    assert core.running() == ({2: 2} if assignment == "aligned" else {0: 2})


# ---- the MMU: thread 0


def test_thread_0_switches_the_mmu_even_without_a_vcpu():
    core = Core().begin(2).settle()
    assert core[core.cpus[0].subproc.lpid] == 1
    assert core[core.vcore.in_guest] == 1
    assert Write(core.cpus[0].subproc.lpid, 1) in core.task[2].log
    assert core.thread[2].in_guest


@pytest.mark.parametrize("entry_exit", ENTRY_EXITS)
def test_only_thread_0_writes_lpidr(entry_exit):
    core = started(entry_exit=entry_exit)
    busy(core, 2)
    lpid = core.cpus[0].subproc.lpid
    for thread in core.thread.values():
        assert not any(isinstance(op, Write) and op.ref == lpid for op in thread.log)


def test_a_secondary_waits_for_the_switch_before_it_enters():
    core = Core()
    core.task[1] = core.hand.start(vcpu_task(core.vcpus[1]))
    core.task[1].until(Write(core.cpus[0].subproc.lpid, 1))
    core.thread[1].run()
    assert core.thread[1].waits
    assert core[core.cpus[1].thread.vcpu] == 0, "no guest state is loaded before"
    core.task[1].run()
    assert core.thread[1].run().in_guest


@pytest.mark.parametrize("entry_exit", ENTRY_EXITS)
def test_thread_0_switches_back_only_when_every_thread_that_entered_has_exited(entry_exit):
    core = started(entry_exit=entry_exit)
    core.task[0].exit(Reason.HCALL, H_BUSY).run()
    assert core.task[0].waits
    assert core[core.cpus[0].subproc.lpid] == 1
    for i in (1, 2):
        core.thread[i].exit(Reason.H_DOORBELL).run()
    assert core.task[0].run().waits
    core.thread[3].exit(Reason.H_DOORBELL).run()
    core.task[0].until(Write(core.cpus[0].subproc.lpid, 0)).step()
    assert core[core.cpus[0].subproc.lpid] == 0


def test_guest_state_is_saved_before_the_switch_back():
    core = started()
    core.task[0].exit(Reason.HCALL, H_BUSY).run()
    for i in (1, 2, 3):
        core.thread[i].exit(Reason.H_DOORBELL).run()
        assert core[core.cpus[i].thread.vcpu] == 0
    assert core[core.cpus[0].subproc.lpid] == 1


def test_doorbells_are_saved_and_restored_with_the_vcore():
    core = started()
    core.hand[core.cpus[0].subproc.dpdes] = 0b0110
    core.task[0].exit(Reason.HCALL, H_BUSY)
    core.hand[core.vcpus[0].gpr(4)] = 1000
    core.task[0].run()
    for i in (1, 2, 3):
        core.thread[i].exit(Reason.H_DOORBELL).run()
    core.task[0].until(Write(core.vcore.in_guest, 0))
    assert core[core.vcore.dpdes] == 0b0110
    assert core[core.cpus[0].subproc.dpdes] == 0, "the host must not take it"
    core.settle()
    assert core[core.cpus[0].subproc.dpdes] == 0b0110


def test_the_copy_of_dpdes_is_taken_after_all_threads_are_out():
    core = started()
    busy(core, 0)
    log = core.task[0].log
    saved = log.index(Copy(core.vcore.dpdes, core.cpus[0].subproc.dpdes))
    assert Await(all_out(core.vcore.entry_exit)) in log[:saved]


# ---- pulling the others out


def test_map_the_first_thread_to_exit_interrupts_every_other_that_entered():
    core = started()
    core.task[0].exit(Reason.HCALL, H_BUSY).run()
    pulled = [core[cpu.thread.hdoorbell] for cpu in core.cpus]
    assert pulled == [0, 1, 1, 1, 0, 0, 0, 0]


def test_map_the_second_thread_to_exit_interrupts_nobody():
    core = started()
    core.task[0].exit(Reason.HCALL, H_BUSY).run()
    sent = core.thread[1].events.count("IPI")
    core.thread[1].exit(Reason.H_DOORBELL).run()
    assert core.thread[1].events.count("IPI") == sent


def test_map_hdec_interrupts_nobody_because_it_comes_to_all():
    core = started()
    core.hand[core.cpus[0].timebase] = 50
    core.hand[core.cpus[0].thread.hdec_expires] = 40
    core.task[0].exit(Reason.HDEC).run()
    assert [core[cpu.thread.hdoorbell] for cpu in core.cpus] == [0] * 8


def test_a_thread_does_not_enter_with_an_hdec_that_expired_near_timebase_0():
    core = Core()
    core.cpus[1].timeslice = 1000
    core.begin(0).hand[core.cpus[1].thread.hdec_expires] = 40
    core.begin(1).hand[core.cpus[0].timebase] = 50
    core.thread[1].run()
    assert not core.thread[1].in_guest
    assert core[core.vcpus[1].trap] == Reason.HDEC


def test_an_hdec_interrupt_with_hdec_above_zero_is_a_leftover():
    core = started()
    assert core.task[0].exit(Reason.HDEC).run().in_guest
    assert core[core.vcore.entry_exit] < EXITING


def test_count_sets_hdec_to_zero_for_all_threads():
    core = started(entry_exit="count")
    core.task[0].exit(Reason.HCALL, H_BUSY).run()
    assert [core[cpu.thread.hdec_expires] for cpu in core.cpus[1:]] == [0] * 7
    assert [core[cpu.thread.hdoorbell] for cpu in core.cpus[1:4]] == [0] * 3


def test_count_also_interrupts_napping_threads_because_hdec_does_not_wake_them():
    core = started(entry_exit="count")
    core.thread[2].exit(Reason.HCALL, H_CEDE).run()
    core.task[0].exit(Reason.HCALL, H_BUSY).run()
    assert [core[cpu.thread.hdoorbell] for cpu in core.cpus[1:4]] == [0, 1, 0]
    core.thread[2].run()
    assert core.thread[2].waits
    assert core.thread[2].op == Await(zero(core.vcore.in_guest))


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("entry_exit", ENTRY_EXITS)
def test_nobody_stays_when_the_vcore_exits_napping_or_not(host, entry_exit):
    core = started(host=host, entry_exit=entry_exit)
    core.thread[1].exit(Reason.HCALL, H_CEDE).run()
    core.task[0].exit(Reason.HCALL, H_BUSY).run()
    for i in (2, 3):
        assert core[core.cpus[i].thread.hdec_expires] == 0 or (
            core[core.cpus[i].thread.hdoorbell] or core[core.cpus[i].thread.xics_ipi]
        )
        core.thread[i].exit(Reason.HDEC if entry_exit == "count" else Reason.EXTERNAL).run()
    core.thread[1].run()
    core.task[0].until(Write(core.cpus[0].subproc.lpid, 0))


# ---- when all are idle


def all_ceded(**options):
    core = started(**options)
    for i in (1, 2, 3):
        core.thread[i].exit(Reason.HCALL, H_CEDE).run()
    core.task[0].exit(Reason.HCALL, H_CEDE)
    return core.settle()


@pytest.mark.parametrize("entry_exit", ENTRY_EXITS)
def test_when_all_are_idle_the_vcore_sleeps_in_the_host(entry_exit):
    core = all_ceded(entry_exit=entry_exit)
    assert core.running() == {}
    assert core[core.vcore.state] == VCORE_SLEEPING
    assert core[core.cpus[0].subproc.lpid] == 0


def test_one_wait_queue_serves_all_vcpus_of_the_vcore():
    core = all_ceded()
    assert len({vcpu.awake for vcpu in core.vcpus}) == 1


@pytest.mark.parametrize("entry_exit", ENTRY_EXITS)
def test_any_event_of_any_vcpu_starts_all_threads_again(entry_exit):
    core = all_ceded(entry_exit=entry_exit)
    core.hand[core.vcpus[2].pending_exceptions] = 1
    core.hand[core.vcore.awake] = 1
    core.settle()
    assert core.running() == {0: 0, 1: 1, 2: 2, 3: 3}, "idle ones too: H_CEDE returns to them"
    assert core[core.vcpus[2].arch.external_pending] == 1


def test_a_doorbell_saved_in_the_vcore_wakes_it():
    core = started()
    for i in (1, 2, 3):
        core.thread[i].exit(Reason.HCALL, H_CEDE).run()
    core.hand[core.cpus[0].subproc.dpdes] = 0b1000  # for a thread that has just gone to nap
    core.task[0].exit(Reason.HCALL, H_CEDE)
    core.settle()
    assert sorted(core.running().values()) == [0, 1, 2, 3]


def test_an_event_between_the_test_and_the_sleep_is_not_lost():
    core = started()
    for i in (1, 2, 3):
        core.thread[i].exit(Reason.HCALL, H_CEDE).run()
    core.task[0].exit(Reason.HCALL, H_CEDE).run()
    for i in (1, 2, 3):
        core.thread[i].run()
    core.task[0].until(Write(core.vcore.in_guest, 0)).step()
    for i in (1, 2, 3):
        core.thread[i].run()
    core.task[0].until(Write(core.vcore.awake, 0)).step()
    core.hand[core.vcpus[3].pending_exceptions] = 1
    core.settle()
    assert sorted(core.running().values()) == [0, 1, 2, 3]


def test_the_nearest_decrementer_wakes_the_vcore():
    core = started()
    for vcpu, when in ((core.vcpus[1], 900), (core.vcpus[2], 700)):
        core.hand[vcpu.arch.dec_armed] = 1
        core.hand[vcpu.arch.dec_expires] = when
    for i in (1, 2, 3):
        core.thread[i].exit(Reason.HCALL, H_CEDE).run()
    core.task[0].exit(Reason.HCALL, H_CEDE)
    core.settle()
    core.hand[core.cpus[0].timebase] = 699
    assert core.task[0].waits
    core.hand[core.cpus[0].timebase] = 700
    core.settle()
    assert sorted(core.running().values()) == [0, 1, 2, 3]


# ---- hcalls of a vcore


def test_prod_has_no_real_mode_handler_so_the_core_leaves_the_guest():
    core = started()
    core.hand[core.vcpus[2].gpr(4)] = 1
    core.thread[2].exit(Reason.HCALL, H_PROD)
    core.settle()
    assert core[core.vcpus[1].prodded] == 1
    assert core.events().count("RUN_CORE") > 1


def test_after_a_run_the_vcore_is_inactive_until_the_next():
    core = busy(started(run_when="none-busy"), 1)
    assert core[core.vcore.state] == VCORE_INACTIVE


def test_the_vcore_waits_for_its_lock_in_no_window():
    """Whoever waits for the lock gets it: nobody sleeps with it."""
    core = busy(started(), 2)
    assert core[core.vcore.lock] == 0


def test_a_task_that_is_wanted_leaves_the_list():
    core = started()
    core.hand[core.vcpus[1].request_exit] = 1
    busy(core, 3)
    core.settle()
    assert core[core.vcpus[1].state] == BUSY_IN_HOST
    assert 1 not in core.running().values()
    core.hand[core.vcpus[1].request_exit] = 0
    core.settle()
    assert core.running()[1] == 1


def test_entering_is_one_atomic_step_that_fails_while_somebody_exits():
    core = Core().begin(0, 1)
    core.thread[1].until(Or(core.vcore.entry_exit, 2, limit=EXITING))
    core.hand[core.vcore.entry_exit] |= EXITING
    core.thread[1].step()
    assert core[core.vcore.entry_exit] == 1 | EXITING
