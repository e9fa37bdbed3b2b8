"""Bugs of what userspace saves and restores: KVM_REG_PPC_DPDES."""

from __future__ import annotations

from typing import Final

from emu.explore.zoo.bug import DOORBELLS, POWER9, Bug, Evidence, Kill, Upstream
from emu.hv.edit import Edit

BUGS: Final = (
    Bug(
        name="dpdes-lost-on-migration",
        title="a doorbell that has just been sent is not saved",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: Don't lose pending doorbell request on migration on P9",
            "ff42df49e75f",
            2019,
            (Evidence.COMMIT,),
        ),
        mechanism="""
            KVM_GET_ONE_REG of DPDES told what the vcore had saved at its last exit, and not
            doorbell_request, where a doorbell waits that came since. It is lost when the VM is
            saved and restored elsewhere.
            """,
        hosts=(POWER9,),
        edits=(
            Edit(
                "emu.explore.agents:get_dpdes",
                """
                if (yield Read(vcpu.doorbell_request)):
                    yield Write(vcpu.result, 1)
                """,
            ),
            Edit(
                "emu.hv.one_reg:doorbell_pending",
                """
                 if words[vcpu.doorbell_request]:
                     return True
                 """,
            ),
        ),
        killed_by=(Kill("migrate-doorbell", POWER9),),
    ),
    Bug(
        name="sync-writes-dpdes",
        title="a sync of a vcpu's registers writes an old DPDES back",
        upstream=Upstream(
            "QEMU: ppc: skip writing DPDES back when in run time state",
            "",
            2019,
            (Evidence.COMMIT, Evidence.SOURCE),
        ),
        mechanism="""
            A monitor or debugger reads a vcpu's registers and writes them back while other vcpus
            run. DPDES is shared with those: what they sent between the two is overwritten.
            """,
        hosts=DOORBELLS,
        edits=(
            Edit(
                "emu.explore.agents:put_run_time_registers",
                "yield from ()",
                "yield from set_dpdes(vcpu)",
            ),
        ),
        killed_by=(Kill("sync-doorbell", POWER9),),
    ),
)
