"""Running a virtual core on POWER7 and POWER8: all its threads enter, and all leave.

One vcpu's task, the runner, drives the vcore; the others sleep until they are wanted. Source:
kvmppc_run_vcpu(), kvmppc_run_core(), kvmppc_start_thread() and kvmppc_vcore_blocked() of
book3s_hv.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.hv.cede import kvmppc_vcpu_woken
from emu.hv.event import Event
from emu.hv.host_sched import NEVER
from emu.hv.kvm import (
    BUSY_IN_HOST,
    EXITING,
    NOTREADY,
    RUNNABLE,
    VCORE_EXITING,
    VCORE_INACTIVE,
    VCORE_PREEMPT,
    VCORE_RUNNING,
    VCORE_SLEEPING,
)
from emu.hv.ops import (
    Await,
    Check,
    CompareAndSet,
    Copy,
    Exit,
    HostCode,
    Minimum,
    OneOf,
    Read,
    ReadTrap,
    Reason,
    Relax,
    Sum,
    Trace,
    Write,
    at_least,
    equal,
    nonzero,
    zero,
)
from emu.hv.rmhandlers import PROGRAM, ipi_thread, kvmppc_hv_entry
from emu.hv.spinlock import spin_lock, spin_unlock

if TYPE_CHECKING:
    from emu.hv.kvm import HostThread, Vcore, Vcpu

VCORE_STATES = (VCORE_INACTIVE, VCORE_PREEMPT, VCORE_SLEEPING, VCORE_RUNNING, VCORE_EXITING)


def kvmppc_run_vcpu(vcpu: Vcpu) -> HostCode[Exit | None]:
    """Make a vcpu runnable and see to it that it runs; returns when it needs its own task.

    Returns why it left the guest, or None if its task is wanted elsewhere.
    """
    vcore = vcpu.vcore
    yield from spin_lock(vcore.lock)
    yield Write(vcpu.trap, 0)
    if (yield Read(vcpu.request_exit)):
        # A signal that came while it was in the host has pulled the core out already: nobody would
        # fetch it back from a core that it joins late.
        yield from spin_unlock(vcore.lock)
        return None
    yield Write(vcpu.state, RUNNABLE)
    yield from _append(vcore, vcpu)
    state = yield OneOf(vcore.state, VCORE_STATES)
    if state == VCORE_RUNNING:
        if not (yield Check(at_least(vcore.entry_exit, EXITING))):
            yield from _late_join(vcore, vcpu)
    elif state == VCORE_SLEEPING:
        yield Write(vcore.awake, 1)
    while (yield Check(equal(vcpu.state, RUNNABLE))):
        if not (yield Check(equal(vcore.state, VCORE_INACTIVE))):
            yield from kvmppc_wait_for_exec(vcpu)
            continue
        yield from _drop_signalled(vcore)
        if not (yield Check(equal(vcpu.state, RUNNABLE))):
            break
        if (yield from _must_wait(vcore)):
            yield from kvmppc_wait_for_exec(vcpu)
        else:
            yield Write(vcore.runner, 1 + vcpu.index)
            ran = False
            if (yield from _all_ceded(vcore)):
                yield from kvmppc_vcore_blocked(vcore)
            else:
                ran = yield from kvmppc_run_core(vcore)
            yield Write(vcore.runner, 0)
            if ran and vcore.threads[0].timeslice:
                yield from spin_unlock(vcore.lock)
                yield Relax()  # who waits for the cpu has it now, or a new runner
                yield from spin_lock(vcore.lock)
    yield from _wake_next_runner(vcore, vcpu)
    yield from spin_unlock(vcore.lock)
    exit_: Exit = yield ReadTrap(vcpu.trap)
    return None if exit_.reason is Reason.BUDGET else exit_


def leave_vcore(vcpu: Vcpu) -> HostCode[None]:
    """Make a vcpu one that its vcore does not wait for: it will not run for long."""
    yield from spin_lock(vcpu.vcore.lock)
    yield Write(vcpu.state, NOTREADY)
    yield from _wake_next_runner(vcpu.vcore, vcpu)
    yield from spin_unlock(vcpu.vcore.lock)


def _drop_signalled(vcore: Vcore) -> HostCode[None]:
    """Take the vcpus off the list whose tasks are wanted in userspace."""
    for vcpu in vcore.vcpus:
        runnable = yield Check(equal(vcpu.state, RUNNABLE))
        if runnable and (yield Read(vcpu.request_exit)):
            yield from _remove_runnable(vcpu)


def _any_signalled(vcore: Vcore) -> HostCode[bool]:
    """Whether the task of a vcpu on the list is wanted in userspace."""
    for vcpu in vcore.vcpus:
        runnable = yield Check(equal(vcpu.state, RUNNABLE))
        if runnable and (yield Read(vcpu.request_exit)):
            return True
    return False


def _must_wait(vcore: Vcore) -> HostCode[bool]:
    """Whether the vcore may not run yet because of a vcpu that is busy in the host."""
    if vcore.kvm.policy.run_when == "none-busy":
        for vcpu in vcore.vcpus:
            if (yield Check(equal(vcpu.state, BUSY_IN_HOST))):
                return True
    return False


def _all_ceded(vcore: Vcore) -> HostCode[bool]:
    """Whether every runnable vcpu is ceded; one that was woken is not any more."""
    idle = True
    for vcpu in vcore.vcpus:
        if (yield Check(equal(vcpu.state, RUNNABLE))) and not (yield from _still_ceded(vcpu)):
            idle = False
    return idle


def _still_ceded(vcpu: Vcpu) -> HostCode[bool]:
    if not (yield Read(vcpu.ceded)):
        return False
    if (yield from kvmppc_vcpu_woken(vcpu)):
        yield Write(vcpu.ceded, 0)
        return False
    return True


def kvmppc_wait_for_exec(vcpu: Vcpu) -> HostCode[None]:
    """Sleep until the vcore has been executed, or the task is wanted."""
    yield Write(vcpu.cpu_run, 0)
    yield from spin_unlock(vcpu.vcore.lock)
    yield Await(nonzero(vcpu.cpu_run))
    yield from spin_lock(vcpu.vcore.lock)


def _wake_next_runner(vcore: Vcore, vcpu: Vcpu) -> HostCode[None]:
    """If others are runnable, one of them drives the vcore from now on."""
    if not (yield Check(equal(vcore.state, VCORE_INACTIVE))):
        return
    for other in vcore.vcpus:
        if other is not vcpu and (yield Check(equal(other.state, RUNNABLE))):
            yield Write(other.cpu_run, 1)
            return


# ---- the list of runnable vcpus: who came first -----------------------------------------------


def _append(vcore: Vcore, vcpu: Vcpu) -> HostCode[None]:
    """Put a vcpu at the end of the list."""
    for slot in vcore.run_list:
        if (yield CompareAndSet(slot, 0, 1 + vcpu.index)):
            return


def _remove_runnable(vcpu: Vcpu) -> HostCode[None]:
    """Take a vcpu off the list: its task goes to work for it (kvmppc_remove_runnable)."""
    slots = vcpu.vcore.run_list
    yield Write(vcpu.state, BUSY_IN_HOST)
    yield Write(vcpu.cpu_run, 1)
    for i in range(len(slots) - 1):
        if (yield Check(equal(slots[i], 1 + vcpu.index))):
            for j in range(i, len(slots) - 1):
                yield Copy(slots[j], slots[j + 1])
            return


def _listed(vcore: Vcore, slot: int) -> HostCode[Vcpu | None]:
    """Return the vcpu in a slot of the list."""
    indices = tuple(1 + vcpu.index for vcpu in vcore.vcpus)
    number = yield OneOf(slot, indices)
    return None if number is None else vcore.vcpus[indices.index(number)]


# ---- hardware threads --------------------------------------------------------------------------


def kvmppc_start_thread(
    vcore: Vcore, cpu: HostThread, vcpu: Vcpu | None, here: HostThread | None
) -> HostCode[None]:
    """Give a hardware thread a vcpu (or none: thread 0 only) and wake it unless it is this one."""
    if vcpu is not None:
        yield Write(vcpu.cpu, 1 + vcore.threads[0].number)
        yield Write(vcpu.thread_cpu, 1 + cpu.number)
        yield Write(cpu.kvm_vcpu, 1 + vcpu.index)
    yield Write(cpu.kvm_vcore, 1 + vcore.host_number)  # after the vcpu, with a barrier between
    if cpu is not here:
        yield from ipi_thread(cpu, vcpu)


def _late_join(vcore: Vcore, vcpu: Vcpu) -> HostCode[None]:
    """Start a vcpu whose vcore runs already."""
    yield Trace(Event.LATE_JOIN, vcpu.index)
    if vcore.kvm.policy.thread_assignment == "aligned":
        yield from kvmppc_start_thread(vcore, vcore.threads[vcpu.ptid], vcpu, None)
        return
    for cpu in vcore.threads:
        if (yield Check(zero(cpu.kvm_vcpu))):
            yield from kvmppc_start_thread(vcore, cpu, vcpu, None)
            return


def _start_threads(vcore: Vcore) -> HostCode[None]:
    """Start every runnable vcpu, idle ones included, on its hardware thread."""
    primary = vcore.threads[0]
    if vcore.kvm.policy.thread_assignment == "first-come":
        yield from _start_first_come(vcore)
        return
    for vcpu in vcore.vcpus:
        if (yield Check(equal(vcpu.state, RUNNABLE))):
            cpu = vcore.threads[vcpu.ptid]
            yield from kvmppc_start_thread(vcore, cpu, vcpu, primary)
    if (yield Check(zero(primary.kvm_vcpu))):
        yield from kvmppc_start_thread(vcore, primary, None, primary)


def _start_first_come(vcore: Vcore) -> HostCode[None]:
    """Hand out threads from the lowest, to vcpus that are not ceded first (2011)."""
    ptid = 0
    for ceded in range(2):
        for slot in vcore.run_list:
            vcpu = yield from _listed(vcore, slot)
            if vcpu is None:
                break
            if (yield Check(equal(vcpu.ceded, ceded))):
                cpu = vcore.threads[ptid]
                yield from kvmppc_start_thread(vcore, cpu, vcpu, vcore.threads[0])
                ptid = ptid + 1


def _grab_threads(vcore: Vcore) -> HostCode[None]:
    """Make sure that no sibling is, or can get, into the host kernel (kvmppc_grab_hwthread)."""
    for cpu in vcore.secondaries:
        yield Write(cpu.hwthread_req, 1)
    for cpu in vcore.secondaries:
        yield Await(nonzero(cpu.hwthread_state))


def _release_threads(vcore: Vcore) -> HostCode[None]:
    """Wait until every sibling has given the vcore up, then let the host have it."""
    for cpu in vcore.secondaries:
        yield Await(zero(cpu.kvm_vcore))
    for cpu in vcore.secondaries:
        yield Write(cpu.hwthread_req, 0)


# ---- one run of the core ------------------------------------------------------------------------


def kvmppc_run_core(vcore: Vcore) -> HostCode[bool]:
    """Run the vcore once, from the task of the runner, on thread 0 of its (sub)core.

    Returns whether it had the cpu; if not, it has waited for it.
    """
    primary = vcore.threads[0]
    if not (yield CompareAndSet(primary.running, 0, 1 + vcore.host_number)):
        yield from _wait_for_cpu(vcore)
        return False
    yield Trace(Event.RUN_CORE, vcore.vcpus[0].index)
    yield Write(vcore.entry_exit, 0)
    yield Write(vcore.napping_threads, 0)
    yield Write(vcore.conferring_threads, 0)
    yield from _grab_threads(vcore)
    yield from _set_hdec(vcore)
    yield Write(vcore.state, VCORE_RUNNING)
    yield from _start_threads(vcore)
    yield from spin_unlock(vcore.lock)
    # The siblings are on their way. Nothing waits for them, but on hardware they come in while this
    # thread does; in a plain run they would otherwise always be too late for a short stay.
    yield Relax()
    yield from kvmppc_hv_entry(primary, vcore)
    yield from spin_lock(vcore.lock)
    yield Write(vcore.state, VCORE_EXITING)
    yield from _take_back(vcore, primary)
    yield Write(primary.kvm_vcore, 0)
    yield from _release_threads(vcore)
    yield from _host_takes_interrupts(primary)
    yield from _post_guest(vcore)
    yield Write(vcore.state, VCORE_INACTIVE)
    yield Write(primary.running, 0)
    return True


def _take_back(vcore: Vcore, primary: HostThread) -> HostCode[None]:
    """Take its vcpu from thread 0: one that joined it on its way out has not been in the guest."""
    indices = tuple(1 + vcpu.index for vcpu in vcore.vcpus)
    number = yield OneOf(primary.kvm_vcpu, indices)
    if number is not None:
        vcpu = vcore.vcpus[indices.index(number)]
        if (yield Check(nonzero(vcpu.thread_cpu))):
            yield Trace(Event.TOO_LATE, vcpu.index)
            yield Write(vcpu.cpu, 0)
            yield Write(vcpu.thread_cpu, 0)
    yield Write(primary.kvm_vcpu, 0)


def _wait_for_cpu(vcore: Vcore) -> HostCode[None]:
    """Wait as a preempted vcore does: the runner for the cpu, the others for the runner."""
    yield Write(vcore.state, VCORE_PREEMPT)
    yield Trace(Event.PREEMPTED, vcore.vcpus[0].index)
    yield from spin_unlock(vcore.lock)
    yield Await(zero(vcore.threads[0].running))
    yield from spin_lock(vcore.lock)
    yield Write(vcore.state, VCORE_INACTIVE)


def _set_hdec(vcore: Vcore) -> HostCode[None]:
    """Bound the stay in the guest if other vcores want this (sub)core; HDEC is the core's."""
    primary = vcore.threads[0]
    for cpu in vcore.threads:
        if primary.timeslice:
            yield Sum(cpu.thread.hdec_expires, primary.timebase, primary.timeslice)
        else:
            yield Write(cpu.thread.hdec_expires, NEVER)


def _host_takes_interrupts(primary: HostThread) -> HostCode[None]:
    """Take what was sent to the host meanwhile: interrupts are on again."""
    yield Write(primary.host_ipi, 0)
    yield Write(primary.thread.xics_ipi, 0)
    yield Write(primary.thread.hdoorbell, 0)


def _post_guest(vcore: Vcore) -> HostCode[None]:
    """Look at why each vcpu left (post_guest_process); those that need their task get it."""
    for vcpu in vcore.vcpus:
        if (yield Check(equal(vcpu.state, RUNNABLE))):
            exit_ = yield ReadTrap(vcpu.trap)
            if exit_.reason is Reason.HCALL:
                yield from _remove_runnable(vcpu)
            elif exit_.reason in (Reason.EMUL_ASSIST, Reason.HFAC_UNAVAIL):
                yield Trace(Event.PROGRAM, vcpu.index)
                yield Write(vcpu.queued, PROGRAM)
                yield Write(vcpu.trap, 0)
            else:
                yield Write(vcpu.trap, 0)


def kvmppc_vcore_blocked(vcore: Vcore) -> HostCode[None]:
    """Sleep until a vcpu of the vcore has a reason to run; the runner waits for all of them."""
    yield Write(vcore.awake, 0)  # prepare to wait, then look again: for signals too
    if (yield from _any_signalled(vcore)):
        return
    if not (yield from _all_ceded(vcore)):
        return
    yield from _start_timer(vcore)
    yield Write(vcore.state, VCORE_SLEEPING)
    yield Trace(Event.BLOCKED, vcore.vcpus[0].index)
    yield from spin_unlock(vcore.lock)
    yield Await(nonzero(vcore.awake), deadline=vcore.timer)
    yield from spin_lock(vcore.lock)
    yield Write(vcore.state, VCORE_INACTIVE)
    yield Trace(Event.WAKEUP, vcore.vcpus[0].index)


def _start_timer(vcore: Vcore) -> HostCode[None]:
    """Let a host timer stand in for each decrementer of the vcore."""
    yield Write(vcore.timer, NEVER)
    for vcpu in vcore.vcpus:
        runnable = yield Check(equal(vcpu.state, RUNNABLE))
        if runnable and (yield Read(vcpu.arch.dec_armed, limit=1)):
            yield Minimum(vcore.timer, vcpu.timer)
