"""Bugs of vcores: threads that start late, switch the MMU too early, or cannot be pulled out."""

from __future__ import annotations

from typing import Final

from emu.explore.zoo.bug import NATIVE, POWER7, POWER8, POWER9, Bug, Evidence, Kill, Upstream
from emu.hv.edit import Edit

STARTING_SECONDARIES: Final = Upstream(
    "KVM: PPC: Book3S HV: Fix some races in starting secondary threads",
    "7b444c6710c6",
    2012,
    (Evidence.COMMIT, Evidence.SOURCE),
)

BUGS: Final = (
    Bug(
        name="first-come-threads",
        title="hardware threads are handed out first come, first served",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: Align physical and virtual CPU thread numbers",
            "e0b7ec058c0e",
            2014,
            (Evidence.COMMIT,),
        ),
        mechanism="""
            The first vcpu that is runnable gets hardware thread 0, the next one thread 1. If vcpu
            0 is busy in the host the others move down, and a msgsndp to thread N reaches another
            vcpu than the guest means, or nobody.
            """,
        hosts=NATIVE,
        edits=(
            Edit(
                "emu.hv.vcore:_start_threads",
                'vcore.kvm.policy.thread_assignment == "first-come"',
                "True",
            ),
        ),
        killed_by=(Kill("aligned-self", POWER8),),
    ),
    Bug(
        name="mmu-switch-by-any-thread",
        title="each thread that leaves switches the core's MMU, without waiting for the others",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: Make physical thread 0 do the MMU switching",
            "c7699822bc21",
            2014,
            (Evidence.REMEMBERED, Evidence.INFERRED),
        ),
        mechanism="""
            LPIDR and DPDES are the core's. A thread that switches them back to the host while
            another is still in the guest takes the partition away under it: the other runs with
            the host's LPID, and a doorbell that it sends then is not part of the DPDES that is
            saved for the vcore.
            """,
        hosts=NATIVE,
        edits=(
            Edit("emu.hv.rmhandlers:_switch_to_host", "yield Await(all_out(vcore.entry_exit))"),
            Edit(
                "emu.hv.rmhandlers:_leave",
                """
                if cpu.tir == 0:
                    yield from _switch_to_host(cpu, vcore)
                else:
                    yield Await(zero(vcore.in_guest))
                """,
                "yield from _switch_to_host(cpu, vcore)",
            ),
        ),
        killed_by=(Kill("signal-doorbell", POWER8),),
    ),
    Bug(
        name="threads-not-grabbed",
        title="a thread is started that may still be busy in the host kernel",
        upstream=STARTING_SECONDARIES,
        mechanism="""
            The runner asks for the sibling threads (hwthread_req) but does not wait until they
            are out of the kernel. One that has looked at the request just before takes the IPI
            that starts it for nobody's business, acknowledges it and naps; the runner waits for
            ever for it to come back.
            """,
        hosts=NATIVE,
        edits=(
            Edit(
                "emu.hv.vcore:_grab_threads",
                """
                for cpu in vcore.secondaries:
                    yield Await(nonzero(cpu.hwthread_state))
                """,
            ),
        ),
        killed_by=(Kill("all-cede", POWER8), Kill("late-join", POWER7)),
    ),
    Bug(
        name="ipi-cleared-late",
        title="a thread looks for its vcore before it acknowledges the IPI",
        upstream=STARTING_SECONDARIES,
        mechanism="""
            A secondary that was woken for another reason reads its vcore pointer, finds none, and
            then clears the IPI that came with the pointer in the meantime. It naps, and nobody
            will wake it again.
            """,
        hosts=NATIVE,
        edits=(
            Edit(
                "emu.hv.secondary:kvm_start_guest",
                """
                yield from _acknowledge(cpu)
                numbers = tuple(1 + i for i in range(len(vcores)))
                number = yield OneOf(cpu.kvm_vcore, numbers)
                """,
                """
                numbers = tuple(1 + i for i in range(len(vcores)))
                number = yield OneOf(cpu.kvm_vcore, numbers)
                yield from _acknowledge(cpu)
                """,
            ),
        ),
        killed_by=(Kill("all-cede", POWER8), Kill("late-join", POWER7)),
    ),
    Bug(
        name="vcore-given-up-first",
        title="a thread gives its vcore up before its vcpu",
        upstream=STARTING_SECONDARIES,
        mechanism="""
            The runner takes a cleared vcore pointer for the end of the thread's work and starts
            the next run. The thread then clears the vcpu pointer of that next run: the vcpu is
            not entered, and nobody notices.
            """,
        hosts=NATIVE,
        edits=(
            Edit(
                "emu.hv.secondary:kvm_start_guest",
                """
                yield Write(cpu.kvm_vcpu, 0)
                yield Write(cpu.kvm_vcore, 0)
                """,
                """
                yield Write(cpu.kvm_vcore, 0)
                yield Write(cpu.kvm_vcpu, 0)
                """,
            ),
        ),
        killed_by=(Kill("all-cede", POWER8), Kill("late-join", POWER7)),
    ),
    Bug(
        name="napping-instead-of-running",
        title="a thread is woken before it can see what it is to run",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: Fix problem with secondary napping instead of running",
            "7f23532866f9",
            2015,
            (Evidence.REMEMBERED, Evidence.SOURCE),
        ),
        mechanism="""
            The IPI goes out before the vcore pointer is set. The thread wakes, finds no vcore,
            and naps again; the runner waits for ever for a thread that never started.
            """,
        hosts=NATIVE,
        edits=(
            Edit(
                "emu.hv.vcore:kvmppc_start_thread",
                """
                yield Write(cpu.kvm_vcore, 1 + vcore.host_number)
                if cpu is not here:
                    yield from ipi_thread(cpu, vcpu)
                """,
                """
                if cpu is not here:
                    yield from ipi_thread(cpu, vcpu)
                yield Write(cpu.kvm_vcore, 1 + vcore.host_number)
                """,
            ),
        ),
        killed_by=(Kill("all-cede", POWER8), Kill("late-join", POWER7)),
    ),
    Bug(
        name="hdec-does-not-wake-nap",
        title="threads that nap are not interrupted when the vcore exits",
        upstream=Upstream(
            "KVM: PPC: Implement H_CEDE hcall for book3s_hv in real-mode code",
            "19ccb76a1938",
            2011,
            (Evidence.REMEMBERED, Evidence.SOURCE),
        ),
        mechanism="""
            HDEC := 0 pulls running threads out of the guest, but HDEC does not wake a thread that
            naps. Without an interrupt to the napping ones thread 0 waits for ever for them to
            leave.
            """,
        hosts=NATIVE,
        edits=(
            Edit(
                "emu.hv.rmhandlers:kvmhv_commence_exit", "yield from _interrupt_napping(cpu, vcore)"
            ),
        ),
        killed_by=(Kill("nap-exit", POWER7),),
        policy={"entry_exit": "count"},
    ),
    Bug(
        name="host-ipi-swallowed",
        title="an interrupt for the host is taken for the guest's",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: Exit guest on H_DOORBELL if HOST_IPI is set",
            "06554d9f6cc8",
            2015,
            (Evidence.REMEMBERED, Evidence.SOURCE),
        ),
        mechanism="""
            A thread that is interrupted acknowledges the interrupt and goes back into the guest
            without looking at host_ipi. Who wanted the thread in the host waits for ever.
            """,
        hosts=NATIVE,
        edits=(
            Edit(
                "emu.hv.real_mode_hcalls:kvmppc_read_intr",
                """
                if (yield Read(cpu.host_ipi)):
                    return True
                yield Write(cpu.thread.xics_ipi, 0)
                yield Write(cpu.thread.hdoorbell, 0)
                if (yield Read(cpu.host_ipi)):
                    yield Write(cpu.thread.xics_ipi, 1)
                    return True
                return False
                """,
                """
                yield Write(cpu.thread.xics_ipi, 0)
                yield Write(cpu.thread.hdoorbell, 0)
                return False
                """,
            ),
        ),
        killed_by=(Kill("signal-doorbell", POWER8),),
    ),
    Bug(
        name="host-ipi-not-tested-again",
        title="host_ipi is not looked at again after the interrupt was acknowledged",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: Speed up wakeups of CPUs on HV KVM",
            "54695c3088a7",
            2013,
            (Evidence.COMMIT,),
        ),
        mechanism="""
            The host sets host_ipi and interrupts the thread between the thread's look at host_ipi
            and its acknowledgement of an earlier interrupt: the host's is swallowed with it.
            """,
        hosts=NATIVE,
        edits=(
            Edit(
                "emu.hv.real_mode_hcalls:kvmppc_read_intr",
                """
                if (yield Read(cpu.host_ipi)):
                    yield Write(cpu.thread.xics_ipi, 1)
                    return True
                """,
            ),
        ),
        killed_by=(Kill("signal-ipi", POWER8),),
    ),
    Bug(
        name="signal-before-interrupts-off",
        title="signals are looked for while interrupts are still on",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: Close race with testing for signals on guest entry",
            "8b24e69fc47e",
            2017,
            (Evidence.COMMIT,),
        ),
        mechanism="""
            The task looks whether it is wanted, and then switches interrupts off. The IPI of a
            signal that comes between the two is taken by the host, which does nothing about it,
            and the vcpu enters the guest: the signal waits until something else ends the stay.
            """,
        hosts=(POWER9,),
        edits=(
            Edit(
                "emu.hv.p9_entry:kvmhv_run_single_vcpu",
                """
                yield from local_irq_disable(cpu)
                yield Write(vcpu.state, RUNNABLE)
                if (yield Read(vcpu.request_exit)) or (yield Read(cpu.need_resched)):
                    yield Write(vcpu.state, BUSY_IN_HOST)
                    yield from local_irq_enable(cpu)
                    return None
                """,
                """
                yield Write(vcpu.state, RUNNABLE)
                if (yield Read(vcpu.request_exit)) or (yield Read(cpu.need_resched)):
                    yield Write(vcpu.state, BUSY_IN_HOST)
                    return None
                yield from local_irq_disable(cpu)
                """,
            ),
        ),
        killed_by=(Kill("signal-enter", POWER9),),
    ),
    Bug(
        name="doorbell-wakes-empty-thread",
        title="a guest's doorbell wakes thread 0, which has no vcpu, and that ends the core's stay",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: Don't wake thread with no vcpu on guest IPI",
            "f019b7ad76e6",
            2014,
            (Evidence.REMEMBERED, Evidence.SOURCE),
        ),
        mechanism="""
            While vcpu 0 is elsewhere thread 0 naps in the guest's partition, for the others. With
            LPCR[PECEDP] set a msgsndp to it ends that nap; it has nothing to run, so it takes the
            whole core out of the guest. Nobody takes the doorbell, so the next stay ends as soon as
            it has begun, and so on for as long as vcpu 0 is away.
            """,
        hosts=(POWER8,),
        edits=(
            Edit(
                "emu.hv.rmhandlers:_nap_without_vcpu",
                """
                woken = yield Await(
                    nonzero(cpu.thread.hdoorbell),
                    nonzero(cpu.thread.xics_ipi),
                    deadline=cpu.dec,
                )
                """,
                """
                woken = yield Await(
                    nonzero(cpu.thread.hdoorbell),
                    nonzero(cpu.thread.xics_ipi),
                    nonzero(cpu.subproc.dpdes, 1 << cpu.tir),
                    deadline=cpu.dec,
                )
                if (yield Check(nonzero(cpu.subproc.dpdes, 1 << cpu.tir))):
                    woken = None
                """,
            ),
        ),
        killed_by=(Kill("send-to-absent", POWER8),),
    ),
)
