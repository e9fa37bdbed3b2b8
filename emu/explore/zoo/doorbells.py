"""Bugs of doorbells: sent and lost, kicked too early, seen where there are none."""

from __future__ import annotations

from typing import Final

from emu.explore.zoo.bug import POWER8, POWER9, Bug, Evidence, Kill, Upstream
from emu.hv.edit import Edit

BUGS: Final = (
    Bug(
        name="lost-kick",
        title="a vcpu looks for doorbells before it says where it runs",
        upstream=Upstream(
            'KVM: PPC: Book3S HV P9: Fix "lost kick" race',
            "c7fa848ff01d",
            2022,
            (Evidence.REMEMBERED, Evidence.SOURCE),
        ),
        mechanism="""
            The entry tests doorbell_request first and publishes cpu and thread_cpu afterwards. A
            sender between the two sets the flag and sees a vcpu that runs nowhere, so it sends no
            IPI; the vcpu enters without the doorbell, which waits for the next unrelated exit.
            """,
        hosts=(POWER9,),
        edits=(
            Edit(
                "emu.hv.p9_entry:kvmhv_run_single_vcpu",
                """
                yield Write(vcpu.cpu, 1 + cpu.number)
                yield Write(vcpu.thread_cpu, 1 + cpu.number)
                """,
            ),
            Edit(
                "emu.hv.p9_entry:kvmhv_vcpu_entry_p9",
                """
                if (yield Read(vcpu.doorbell_request)):
                    yield Write(vcpu.doorbell_request, 0)
                    yield Write(subproc.dpdes, 1)
                """,
                """
                if (yield Read(vcpu.doorbell_request)):
                    yield Write(vcpu.doorbell_request, 0)
                    yield Write(subproc.dpdes, 1)
                yield Write(vcpu.cpu, 1 + cpu.number)
                yield Write(vcpu.thread_cpu, 1 + cpu.number)
                """,
            ),
        ),
        killed_by=(Kill("send-enter", POWER9),),
    ),
    Bug(
        name="shared-dpdes-overwrite",
        title="an exit overwrites the pending doorbell with what the hardware holds",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: Virtualize doorbell facility on POWER9",
            "57900694922c",
            2017,
            (Evidence.INFERRED, Evidence.REMEMBERED),
        ),
        mechanism="""
            Sender and exit share one field: the exit stores the hardware's DPDES there instead of
            merging it. A doorbell that was sent while the target was on its way out is erased.
            The real code never had this bug: it is the reason for which doorbell_request is a
            field of its own.
            """,
        hosts=(POWER9,),
        edits=(
            Edit(
                "emu.hv.p9_entry:kvmhv_vcpu_entry_p9",
                """
                if (yield Read(subproc.dpdes)):
                    yield Write(vcpu.doorbell_request, 1)
                    yield Write(subproc.dpdes, 0)
                """,
                """
                yield Copy(vcpu.doorbell_request, subproc.dpdes)
                yield Write(subproc.dpdes, 0)
                """,
            ),
        ),
        killed_by=(Kill("send-enter", POWER9),),
    ),
    Bug(
        name="stale-dpdes-read",
        title="DPDES is sampled without asking vcpus that are in the guest",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: Virtualize doorbell facility on POWER9",
            "57900694922c",
            2017,
            (Evidence.INFERRED, Evidence.REMEMBERED),
        ),
        mechanism="""
            mfspr DPDES is emulated from doorbell_request alone, without the IPI that makes a vcpu
            in the guest leave it and save what its hardware DPDES holds. A doorbell that waits
            there behind MSR[EE] = 0 is never seen. The bug only removes behaviours, so no
            forbidden outcome can show it, only a required one.
            """,
        hosts=(POWER9,),
        edits=(
            Edit(
                "emu.hv.doorbell:kvmppc_read_dpdes",
                """
                cpu = yield Read(v.cpu)
                if cpu:
                    yield from smp_call_function_single(vcpu, kvm.cpus[cpu - 1])
                """,
            ),
        ),
        killed_by=(Kill("read-twice", POWER9),),
    ),
    Bug(
        name="ring-before-asking",
        title="an IPI arrives before what it asks for can be seen",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: More POWER9 doorbell fixes",
            "2cde3716321e",
            2017,
            (Evidence.REMEMBERED, Evidence.SOURCE),
        ),
        mechanism="""
            Without msgsync a cpu can take the doorbell of an IPI and not yet see the flag that
            was set before it was sent. Here the flag is set after it: the target leaves the guest,
            finds nothing to do and enters again, and the sender waits for ever.
            """,
        hosts=(POWER9,),
        edits=(
            Edit(
                "emu.hv.ipi:smp_call_function_single",
                """
                yield Or(cpu.calls, mine)
                yield Write(cpu.thread.hdoorbell, 1)
                """,
                """
                yield Write(cpu.thread.hdoorbell, 1)
                yield Or(cpu.calls, mine)
                """,
            ),
        ),
        killed_by=(Kill("read-other", POWER9),),
    ),
    Bug(
        name="native-doorbells-on-power9",
        title="the hardware executes msgsndp although threads are subcores of their own",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: Treat POWER9 CPU threads as independent subcores",
            "45c940ba490d",
            2017,
            (Evidence.COMMIT,),
        ),
        mechanism="""
            On POWER9 each thread is a sub-processor with a DPDES of one bit. With HFSCR[MSGP] set
            the guest's msgsndp goes to the hardware, which knows no thread but its own: a message
            to a sibling is dropped. The commit says that it will not work as expected, and set
            KVM_CAP_PPC_SMT to 1 until doorbells were emulated.
            """,
        hosts=(POWER9,),
        edits=(
            Edit(
                "emu.hv.p9_entry:kvmhv_vcpu_entry_p9",
                "yield Copy(thread.hfscr, vcpu.hfscr)",
                "yield Write(thread.hfscr, (1 << 64) - 1)",
            ),
        ),
        killed_by=(Kill("send-enabled", POWER9),),
    ),
    Bug(
        name="doorbell-type-shift",
        title="the message type is looked for one bit too far left",
        upstream=Upstream(
            "powerpc: Fix doorbell type shift",
            "dc28518f7d7d",
            2012,
            (Evidence.COMMIT,),
        ),
        mechanism="""
            The type of a message is (RB)32:36, a shift by 27; the header said 28. Type 5 reads as
            2, every doorbell has an unknown type, and msgsndp does nothing.
            """,
        hosts=(POWER9,),
        edits=(
            Edit(
                "emu.hv.doorbell:_msgsndp",
                "yield Read(vcpu.arg, 32, 36)",
                "yield Read(vcpu.arg, 31, 35)",
            ),
        ),
        killed_by=(Kill("send-enabled", POWER9),),
    ),
    Bug(
        name="clear-of-the-wrong-doorbell",
        title="msgclrp clears the hypervisor's doorbell",
        upstream=Upstream(
            "QEMU 7.2: msgclrp clears the hypervisor doorbell",
            "",
            2022,
            (Evidence.SOURCE,),
        ),
        mechanism="""
            msgclrp drops the interrupt by which the hypervisor wants this thread, and leaves the
            guest's own doorbell pending: it is taken although it was cleared.
            """,
        hosts=(POWER9,),
        edits=(
            Edit(
                "emu.hv.doorbell:_msgclrp",
                "yield Write(vcpu.doorbell_request, 0)",
                "yield Write(vcpu.pcpu.thread.hdoorbell, 0)",
            ),
        ),
        killed_by=(Kill("clear-own", POWER9),),
    ),
    Bug(
        name="tag-ignored",
        title="msgsndp sends to its own thread, whatever the tag says",
        upstream=Upstream(
            "QEMU 7.2: msgsndp ignores TIRTAG",
            "",
            2022,
            (Evidence.SOURCE,),
        ),
        mechanism="""
            The target of a message is the thread that (RB)57:63 names. If the sender is taken
            for it, the doorbell interrupts the sender, and the target waits for ever.
            """,
        hosts=(POWER9,),
        edits=(Edit("emu.hv.doorbell:_msgsndp", "kvm.find_vcpu(first_id + thr)", "vcpu"),),
        killed_by=(Kill("send-enabled", POWER9),),
    ),
    Bug(
        name="msgsnd-by-pir",
        title="the host's msgsnd is taken to name a thread of the machine, not of the core",
        upstream=Upstream(
            "QEMU: ppc/pnv: msgsnd compares the PIR of a thread with the tag of the message",
            "7f516cdeef6d",
            2022,
            (Evidence.COMMIT,),
        ),
        mechanism="""
            On POWER8 msgsnd reaches the threads of the sender's core, by their number in it. Were
            the number looked up among all threads of the machine, a message on any but the first
            core would go to the first: the thread that is meant sleeps on.
            """,
        hosts=(POWER8,),
        edits=(
            Edit(
                "emu.hv.ipi:kvmppc_ipi_thread",
                "cpu.thread.hdoorbell",
                "sender.kvm.cpus[cpu.number % generation.threads_per_core].thread.hdoorbell",
            ),
        ),
        killed_by=(Kill("ipi-other-core", POWER8),),
    ),
)
