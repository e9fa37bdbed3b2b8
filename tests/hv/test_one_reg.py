"""One-regs by KVM's ids, and what userspace may do to a vcpu."""

import pytest

from emu.asm import assemble
from emu.errors import ConfigError
from emu.hv.host import Host
from emu.hv.one_reg import BY_NAME, GUEST_LPCR, ONE_REGS, TB_OFFSET_UNIT
from emu.isa.msr import mask
from hv.machine import VECTORS, machine

SPIN = "_start: addi 14,14,1\n b _start\n"


def reg(name):
    return BY_NAME[name].id


# The numbers of Linux's arch/powerpc/include/uapi/asm/kvm.h, by size in bits.
LINUX = {
    32: {
        0x0D: "DSISR", 0x18: "PMC1", 0x19: "PMC2", 0x1A: "PMC3", 0x1B: "PMC4", 0x1C: "PMC5",
        0x1D: "PMC6", 0xA4: "PSPB", 0xB4: "VRSAVE", 0xB5: "LPCR", 0xB8: "DABRX",
    },
    64: {
        0x08: "DABR", 0x09: "DSCR", 0x0A: "PURR", 0x0B: "SPURR", 0x0C: "DAR", 0x0E: "AMR",
        0x0F: "UAMOR", 0x10: "MMCR0", 0x11: "MMCR1", 0x12: "MMCRA", 0x13: "MMCR2", 0x15: "SIAR",
        0x16: "SDAR", 0x17: "SIER", 0x8C: "ICP_STATE", 0x9C: "TB_OFFSET", 0x9F: "IAMR",
        0xA0: "TFHAR", 0xA1: "TFIAR", 0xA2: "TEXASR", 0xA3: "FSCR", 0xA5: "EBBHR", 0xA6: "EBBRR",
        0xA7: "BESCR", 0xA8: "TAR", 0xA9: "DPDES", 0xAA: "DAWR", 0xAB: "DAWRX", 0xAC: "CIABR",
        0xAD: "IC", 0xAE: "VTB", 0xB2: "PID", 0xB5: "LPCR_64", 0xB6: "PPR", 0xBE: "DEC_EXPIRY",
    },
}  # fmt: skip
SIZES = {32: 0x1020_0000_0000_0000, 64: 0x1030_0000_0000_0000}


def test_ids_are_those_of_linux():
    linux = {SIZES[n] | number: name for n, row in LINUX.items() for number, name in row.items()}
    assert {row.id: row.name for row in ONE_REGS} == linux


def test_ids_and_names_are_unique():
    assert len({row.id for row in ONE_REGS}) == len({row.name for row in ONE_REGS}) == len(ONE_REGS)


PLAIN = [row for row in ONE_REGS if row.field or row.name in ("PURR", "SPURR", "DEC_EXPIRY")]


@pytest.mark.parametrize("row", PLAIN, ids=lambda row: row.name)
def test_what_is_set_is_got(row):
    vcpu = machine(SPIN).vms[0].vcpu(0)
    for value in (0, 1, (1 << row.nbits) - 1, 0x5A5A5A5A):
        vcpu.set_one_reg(row.id, value)
        assert vcpu.get_one_reg(row.id) == value


def test_an_unknown_id_is_refused():
    vcpu = machine(SPIN).vms[0].vcpu(0)
    for number in (0, 0xA9, 0x1030000000000001, -1, 1 << 70):
        with pytest.raises(ConfigError, match="a one-reg id must be one of KVM's"):
            vcpu.get_one_reg(number)


def test_a_value_that_does_not_fit_is_refused():
    vcpu = machine(SPIN).vms[0].vcpu(0)
    with pytest.raises(ConfigError, match="DSISR has 32 bits, got 0x100000000"):
        vcpu.set_one_reg(reg("DSISR"), 1 << 32)


def test_the_guest_sees_what_userspace_set():
    host = machine("_start: mfspr 5,TAR\n mftb 6\n mfspr 7,PURR\n li 4,0\n exit!\n")
    vcpu = host.vms[0].vcpu(0)
    vcpu.set_one_reg(reg("TAR"), 0x1230)
    vcpu.set_one_reg(reg("TB_OFFSET"), 1)
    vcpu.set_one_reg(reg("PURR"), 5000)
    host.run()
    assert vcpu["gpr5"] == 0x1230
    assert vcpu["gpr6"] == TB_OFFSET_UNIT + 1, "rounded up to a multiple of 2**24"
    assert vcpu["gpr7"] == 5002


def test_a_timebase_offset_comes_before_the_first_run():
    host = machine(SPIN)
    host.run(max_insns=5)
    with pytest.raises(ConfigError, match="the timebase offset is set before the first run"):
        host.vms[0].vcpu(0).set_one_reg(reg("TB_OFFSET"), 0)


def test_vtb_counts_from_what_was_set():
    host = machine("_start: mfspr 5,VTB\n b .\n")
    vcpu = host.vms[0].vcpu(0)
    vcpu.set_one_reg(reg("VTB"), 1 << 40)
    host.run(max_insns=10)
    assert vcpu["gpr5"] == 1 << 40
    assert vcpu.get_one_reg(reg("VTB")) == (1 << 40) + 10


def test_lpcr_changes_what_a_guest_may_ask_for_and_no_more():
    host = machine(SPIN, smt=2)
    vcpu = host.vms[0].vcpu(1)
    before = vcpu.get_one_reg(reg("LPCR_64"))
    vcpu.set_one_reg(reg("LPCR_64"), (1 << 64) - 1)
    assert vcpu.get_one_reg(reg("LPCR_64")) == before | GUEST_LPCR
    assert host.vms[0].vcpu(0).get_one_reg(reg("LPCR")) == before | GUEST_LPCR


def test_icp_state_needs_a_reason_for_what_is_pending():
    host = machine(SPIN)
    vcpu = host.vms[0].vcpu(0)
    vcpu.set_one_reg(reg("ICP_STATE"), 0xFF00000204040000)
    assert vcpu.get_one_reg(reg("ICP_STATE")) == 0xFF00000204040000
    assert host.words[vcpu.record.pending_exceptions] == 1
    vcpu.set_one_reg(reg("ICP_STATE"), 0xFF000000FFFF0000)
    assert host.words[vcpu.record.pending_exceptions] == 0
    for value in (0xFF00000204050000, 0x0400000204040000, 0xFF0000100404_0000, 0x040000):
        with pytest.raises(ConfigError, match="the priority of ICP_STATE"):
            vcpu.set_one_reg(reg("ICP_STATE"), value)


# ---- DPDES


def test_dpdes_of_power9_is_the_request_and_what_hardware_holds():
    """Also while the vcpu is in the guest: KVM would pull it out, and fold one into the other."""
    host = machine(SPIN)
    vcpu = host.vms[0].vcpu(0)
    vcpu.doorbell()
    assert vcpu.get_one_reg(reg("DPDES")) == 1
    host.run(max_insns=5)
    assert host.words[vcpu.record.pcpu.subproc.dpdes] == 1
    assert vcpu.get_one_reg(reg("DPDES")) == 1
    vcpu.set_one_reg(reg("DPDES"), 6)
    assert vcpu.get_one_reg(reg("DPDES")) == 0, "only bit 63 counts"
    host.run(max_insns=5)
    assert host.words[vcpu.record.pcpu.subproc.dpdes] == 0


@pytest.mark.parametrize("model", ["power8", "power9"])
def test_get_one_reg_does_not_consume_the_doorbell(model):
    host = machine("_start: li 5,3\n rotldi 5,5,15\n b .\n", host=model)
    vcpu = host.vms[0].vcpu(0)
    vcpu.doorbell()
    host.run(max_insns=10)
    for _ in range(3):
        assert vcpu.get_one_reg(reg("DPDES")) == 1
    vcpu["msr"] |= mask("MSR", "EE")
    vcpu.stop()
    vcpu.resume()
    host.run(max_insns=50)
    assert vcpu["gpr17"] == 1


# ---- regs and events


def test_regs_are_those_of_kvm_regs():
    vcpu = machine(SPIN).vms[0].vcpu(0)
    regs = vcpu.get_regs()
    assert len(regs) == 45
    assert regs["pc"] == 0x10000
    vcpu.set_regs({"gpr31": 7, "sprg3": 8})
    assert (vcpu["gpr31"], vcpu["sprg3"]) == (7, 8)
    with pytest.raises(ConfigError, match=r"a register must be one of pc, cr, .*, got gpr32"):
        vcpu["gpr32"] = 1
    with pytest.raises(ConfigError, match="pc has 64 bits, got -0x1"):
        vcpu.set_regs({"gpr1": 5, "pc": -1})
    assert vcpu["gpr1"] != 5, "all or nothing"


EE_LOOP = """
_start: li 5,3
        rotldi 5,5,15
        mtmsrd 5,1
1:      b 1b
"""


@pytest.mark.parametrize("model", ["power7", "power8", "power9"])
def test_an_external_interrupt_is_taken_while_its_line_is_up(model):
    host = machine(EE_LOOP, host=model)
    vcpu = host.vms[0].vcpu(0)
    host.run(max_insns=20)
    vcpu.external()
    host.run(max_insns=20)
    taken = vcpu["gpr18"]
    assert taken > 2, "a level"
    vcpu.external(0)
    host.run(max_insns=20)
    assert vcpu["gpr18"] <= taken + 1


@pytest.mark.parametrize("model", ["power8", "power9"])
def test_an_injected_doorbell_is_taken_once(model):
    host = machine(EE_LOOP, host=model)
    vcpu = host.vms[0].vcpu(0)
    host.run(max_insns=20)
    vcpu.doorbell()
    host.run(max_insns=100)
    assert vcpu["gpr17"] == 1


@pytest.mark.parametrize("model", ["power7", "power8", "power9"])
def test_an_injected_decrementer_fires_after_its_ticks(model):
    host = machine(EE_LOOP, host=model)
    vcpu = host.vms[0].vcpu(0)
    host.run(max_insns=20)
    vcpu.decrementer(50)
    host.run(max_insns=45)
    assert vcpu["gpr16"] == 0
    host.run(max_insns=20)
    assert vcpu["gpr16"] == 1


@pytest.mark.parametrize("model", ["power7", "power8", "power9"])
def test_an_interrupt_wakes_a_ceded_vcpu(model):
    host = machine("_start: li 3,0xe0\n sc 1\n b _start\n", host=model)
    vcpu = host.vms[0].vcpu(0)
    assert host.run().kind == "deadlock"
    assert vcpu.state == "ceded"
    vcpu.decrementer(1000)
    host.run(max_insns=5)
    assert vcpu["gpr16"] == 1


@pytest.mark.parametrize("model", ["power7", "power8", "power9"])
def test_one_vcpu_can_be_stopped_while_another_runs(model):
    host = machine(SPIN, smt=2, host=model)
    host.run(max_insns=5000)
    one, other = (host.vms[0].vcpu(i) for i in range(2))
    one.stop()
    assert one.state == "stopped"
    count, others = one["gpr14"], other["gpr14"]
    host.run(max_insns=5000)
    assert one["gpr14"] == count
    assert other["gpr14"] > others
    one.resume()
    host.run(max_insns=5000)
    assert one["gpr14"] > count


@pytest.mark.parametrize("model", ["power7", "power8", "power9"])
def test_sources_go_through_the_controller_to_the_vcpu_they_are_directed_to(model):
    host = Host(model)
    vm = host.create_vm(memory=1 << 20, smt=2)
    for _ in range(2):
        vm.create_vcpu()
    irq = vm.create_irq()
    accept = VECTORS.replace("addi 18,18,1", "b handler")
    vm.load(
        assemble(
            accept
            + """
_start: li 3,0x68
        li 4,0xff
        sc 1
        li 5,3
        rotldi 5,5,15
        mtmsrd 5,1
1:      b 1b
handler:
        li 3,0x74
        sc 1
        mr 20,4
        addi 18,18,1
        li 3,0x64
        sc 1
        rfid
"""
        )
    )
    vm.set_xive(irq, 1, 5)
    host.run(max_insns=5000)
    for expected in (1, 2):
        vm.set_irq(irq)
        host.run(max_insns=5000)
        assert vm.vcpu(1)["gpr18"] == expected
        assert vm.vcpu(1)["gpr20"] == 0xFF000010
    assert vm.vcpu(0)["gpr18"] == 0
    with pytest.raises(ConfigError, match="the VM has no interrupt source 17"):
        vm.set_irq(17)
