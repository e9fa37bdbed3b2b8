"""Bugs of H_CEDE, H_PROD and the XICS: who sleeps although something is there for him."""

from __future__ import annotations

from typing import Final

from emu.explore.zoo.bug import (
    DOORBELLS,
    EVERY_HOST,
    POWER7,
    POWER8,
    POWER9,
    Bug,
    Evidence,
    Kill,
    Upstream,
)
from emu.hv.edit import Edit

BUGS: Final = (
    Bug(
        name="cede-ignores-doorbell",
        title="a pending doorbell does not keep a vcpu from sleeping",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: Virtualize doorbell facility on POWER9",
            "57900694922c",
            2017,
            (Evidence.INFERRED, Evidence.SOURCE),
        ),
        mechanism="""
            The condition of the wait knows external interrupts, the decrementer and prods, but
            not doorbells. A vcpu that was sent one while it ceded sleeps until its decrementer
            expires, or for ever. The real code has had the term since doorbells were emulated.
            """,
        hosts=DOORBELLS,
        edits=(
            Edit(
                "emu.hv.cede:kvmppc_vcpu_woken",
                """
                 if (yield from kvmppc_doorbell_pending(vcpu)):
                     return True
                 """,
            ),
        ),
        killed_by=(Kill("send-cede", POWER9), Kill("all-cede", POWER8)),
    ),
    Bug(
        name="prod-wakes-caller",
        title="H_PROD wakes the vcpu that calls it",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: Fix H_PROD to actually wake the target vcpu",
            "8464c8842de2",
            2016,
            (Evidence.COMMIT,),
        ),
        mechanism="""
            H_PROD sets the target's prodded, finds it ceded, and kicks the caller. The target has
            the prod pending, but nobody tells its task to look.
            """,
        hosts=EVERY_HOST,
        edits=(
            Edit(
                "emu.hv.hcalls:h_prod",
                "kvmppc_fast_vcpu_kick_hv(vcpu, target)",
                "kvmppc_fast_vcpu_kick_hv(vcpu, vcpu)",
            ),
        ),
        killed_by=(Kill("prod-cede", POWER9),),
    ),
    Bug(
        name="prod-not-in-wake-test",
        title="a prod does not end the wait of a vcpu that sleeps already",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: Fix H_PROD to actually wake the target vcpu",
            "8464c8842de2",
            2016,
            (Evidence.COMMIT,),
        ),
        mechanism="""
            The other half of the same fix: the condition of the wait did not look at prodded, so
            a vcpu that was woken by a prod found no reason to run and slept again.
            """,
        hosts=EVERY_HOST,
        edits=(
            Edit(
                "emu.hv.cede:kvmppc_vcpu_woken",
                """
                 if (yield CompareAndSet(vcpu.prodded, 1, 0)):
                     return True
                 """,
            ),
        ),
        killed_by=(Kill("prod-cede", POWER9),),
    ),
    Bug(
        name="sleep-without-looking-again",
        title="a vcpu prepares to wait and does not look again whether it must",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: Check wait conditions before sleeping in kvmppc_vcore_blocked",
            "1bc5d59c35c7",
            2014,
            (Evidence.REMEMBERED,),
        ),
        mechanism="""
            The reasons to run are looked at first, and the task is put on the wait queue after
            that. A wake-up between the two finds nobody on the queue, and the vcpu sleeps until
            its decrementer expires, or for ever.
            """,
        hosts=EVERY_HOST,
        edits=(
            Edit(
                "emu.hv.cede:kvmppc_vcore_blocked",
                """
                yield Write(vcpu.awake, 0)
                if (yield from kvmppc_vcpu_check_block(vcpu)):
                    return
                """,
                """
                if (yield from kvmppc_vcpu_check_block(vcpu)):
                    return
                yield Write(vcpu.awake, 0)
                """,
            ),
            Edit(
                "emu.hv.vcore:kvmppc_vcore_blocked",
                """
                if not (yield from _all_ceded(vcore)):
                    return
                """,
            ),
        ),
        killed_by=(Kill("send-cede", POWER9), Kill("external-all-cede", POWER7)),
    ),
    Bug(
        name="escalation-sets-prodded",
        title="an interrupt that wakes a vcpu counts as an H_PROD too",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: Don't use vcpu->arch.prodded for XIVE escalation",
            "2267ea766179",
            2018,
            (Evidence.COMMIT,),
        ),
        mechanism="""
            The wake-up was recorded as a prod, which only an H_CEDE uses up: after the interrupt
            has been taken, the next H_CEDE returns at once. Upstream it was the XIVE's
            escalation; here it is an interrupt of the emulated XICS.
            """,
        hosts=(POWER9,),
        edits=(
            Edit(
                "emu.hv.xics:_icp_try_update",
                "yield Or(target.pending_exceptions, PENDING_EXTERNAL)",
                """
                yield Or(target.pending_exceptions, PENDING_EXTERNAL)
                yield Write(target.prodded, 1)
                """,
            ),
        ),
        killed_by=(Kill("ipi-then-cede", POWER9),),
    ),
    Bug(
        name="cede-without-result",
        title="H_CEDE returns without a return code",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: Fix H_CEDE return code for nested guests",
            "1f50cc170535",
            2020,
            (Evidence.REMEMBERED,),
        ),
        mechanism="""
            r3 is not set to H_SUCCESS, so the guest finds the number of the hcall in it. Upstream
            it was so for nested guests only; here it is the same step for others.
            """,
        hosts=(POWER9,),
        edits=(Edit("emu.hv.run:_hcall", "yield from set_result(vcpu, H_SUCCESS)"),),
        killed_by=(Kill("cede-result", POWER9),),
    ),
    Bug(
        name="stale-mer",
        title="the request for an external interrupt is never withdrawn",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: Mask off LPCR_MER for a vCPU before running it",
            "a373830f96db",
            2024,
            (Evidence.REMEMBERED, Evidence.SOURCE),
        ),
        mechanism="""
            LPCR[MER] asks for an external interrupt as soon as MSR[EE] is 1. It stays set after
            the interrupt was accepted, and the guest is interrupted again with nothing to accept.
            Upstream it was so for nested guests; here it is the same step for others.
            """,
        hosts=EVERY_HOST,
        edits=(
            Edit(
                "emu.hv.p9_entry:kvmhv_run_single_vcpu",
                "yield Write(vcpu.arch.external_pending, external)",
                """
                if external:
                    yield Write(vcpu.arch.external_pending, 1)
                """,
            ),
            Edit(
                "emu.hv.rmhandlers:_deliver_guest_interrupt",
                "yield Write(vcpu.arch.external_pending, external)",
                """
                if external:
                    yield Write(vcpu.arch.external_pending, 1)
                """,
            ),
        ),
        killed_by=(Kill("external-once", POWER9), Kill("external-once", POWER7)),
    ),
    Bug(
        name="lost-update-of-the-icp",
        title="CPPR is set by a store that may overwrite an IPI",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: Add missing barriers in XIVE code",
            "bb9b52bd51dc",
            2017,
            (Evidence.COMMIT,),
        ),
        mechanism="""
            Upstream CPPR was set and MFRR looked at in the wrong order, and an IPI that came
            between was lost. In the emulated XICS both are fields of one word that is replaced by
            compare and swap; here it is stored, whatever has become of it since it was read.
            """,
        hosts=EVERY_HOST,
        edits=(
            Edit(
                "emu.hv.xics:_icp_try_update",
                """
                if not (yield CompareAndSwap(target.icp.state, icp.old, icp.new)):
                    return False
                """,
                "yield Copy(target.icp.state, icp.new)",
            ),
        ),
        killed_by=(Kill("ipi-cede", POWER9), Kill("ipi-cede", POWER7)),
    ),
)
