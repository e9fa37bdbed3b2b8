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
    Bug(
        name="dpdes-format-of-power8",
        title="a POWER9 takes the DPDES of a POWER8's core for a vcpu's own",
        upstream=Upstream(
            "KVM: PPC: Book3S HV: KVM_REG_PPC_DPDES means another thing on POWER9 than on POWER8",
            "",
            2019,
            (Evidence.INFERRED, Evidence.SOURCE),
        ),
        mechanism="""
            On POWER8 the one-reg is the DPDES of the whole virtual core, on POWER9 bit 0 of it is
            the vcpu's own doorbell. Userspace that copies the register from one to the other sets
            the doorbell of thread 0 on every vcpu of the core, and loses those of the others. No
            report is known, as machines are not migrated so; the two formats are in the source.
            """,
        hosts=(POWER9,),
        edits=(Edit("emu.explore.agents:import_dpdes", "1 << _thread(vcpu)", "1"),),
        killed_by=(Kill("migrate-from-power8", POWER9),),
    ),
)
