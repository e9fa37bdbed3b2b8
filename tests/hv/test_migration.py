"""A VM that is saved and restored at any instruction does not notice."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.asm import assemble
from emu.asm.assemble import assemble_file
from emu.errors import ConfigError, ImageError
from emu.hv.event import Event
from emu.hv.host import Host
from emu.hv.kvm import PENDING_EXTERNAL
from emu.hv.one_reg import BY_NAME
from emu.hv.saved import SavedVm
from emu.hv.schedulers import Random, RoundRobin
from hv.machine import H_EXIT, RING, VECTORS, machine

GUESTS = Path(__file__).parents[2] / "guests"
CEDE = "_start: li 3,0xe0\n sc 1\n addi 14,14,1\n b _start\n"


def move(vm, host="power9", **options):
    """Stop, save to bytes, and restore on a new host; the new VM."""
    assert vm.stop() is None
    return Host(host, **options).restore_vm(SavedVm.from_bytes(vm.save().to_bytes()))


def guest(path, smt, model="power9"):
    host = Host(model)
    vm = host.create_vm(memory=1 << 20, smt=smt)
    for _ in range(smt):
        vm.create_vcpu()
    endian = "little" if "little" in path.name else "big"
    vm.load(assemble_file(path, endian=endian))
    return vm


def registers(vm):
    return [vm.vcpu(vcpu_id).get_regs() for vcpu_id in vm.vcpu_ids]


# Guests whose end does not depend on who runs when.
STEADY = (
    "barrier cede_prod decrementer doorbell_ee0 hello little_endian migrate spinlock tir_dpdes "
    "token_ring xics_ipi"
)


@pytest.mark.parametrize(
    "path", [GUESTS / f"{name}.s" for name in STEADY.split()], ids=lambda path: path.stem
)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_a_guest_ends_as_if_it_had_not_been_moved(path, data):
    smt = data.draw(st.sampled_from((1, 2, 4)), label="smt")
    here, there = (
        data.draw(st.sampled_from(("power8", "power9")), label=at) for at in ("from", "to")
    )
    whole = guest(path, smt, here)
    ended = whole.host.run()
    save_at = data.draw(st.integers(0, ended.instructions - 1), label="save at")
    vm = guest(path, smt, here)
    vm.host.run(max_insns=save_at)
    if over := vm.stop():  # its H_EXIT was on the way to userspace
        assert (over.kind, over.status) == (ended.kind, ended.status)
        assert vm.console == whole.console
        return
    moved = Host(there).restore_vm(SavedVm.from_bytes(vm.save().to_bytes()))
    assert vm.host.instructions == save_at, "no instruction on the way out"
    outcome = moved.host.run()
    assert (outcome.kind, outcome.status) == (ended.kind, ended.status)
    assert vm.console + moved.console == whole.console


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("doorbell", False, b"took 0 doorbells and 1 decrementer interrupts"),
        ("decrementer", False, b"took 1 doorbells and 0 decrementer interrupts"),
    ],
)
def test_the_guest_about_migration_sees_what_a_save_loses(flag, value, said):
    vm = guest(GUESTS / "migrate.s", 2)
    vm.host.run(max_insns=3000)
    assert vm.stop() is None
    saved = vm.save()
    first, *others = saved.vcpus
    lossy = replace(first, flags={**first.flags, flag: value})
    moved = Host("power8").restore_vm(replace(saved, vcpus=(lossy, *others)))
    outcome = moved.host.run()
    assert (outcome.kind, outcome.status) == ("exit", 1)
    assert said in moved.console


@settings(max_examples=25, deadline=None)
@given(
    save_at=st.lists(st.integers(0, 400), min_size=1, max_size=4),
    hosts=st.lists(st.sampled_from(("power8", "power9")), min_size=5, max_size=5),
    scheduler=st.sampled_from([RoundRobin(7), RoundRobin(100), Random(30)]),
)
def test_no_doorbell_of_the_ring_is_lost_or_doubled_wherever_it_is_moved(save_at, hosts, scheduler):
    """Each vcpu takes as many doorbells as it is sent, over several hosts."""
    whole = machine(RING, smt=4)
    whole.run()
    vm = machine(RING, smt=4, host=hosts[0]).vms[0]
    for insns, host in zip(save_at, hosts[1:], strict=False):
        if vm.host.run(scheduler, max_insns=insns).kind == "exit":
            break
        vm = move(vm, host)
    assert vm.host.run().kind == "exit"
    sent = [whole.words[vcpu.gpr(22)] for vcpu in whole.vcpus]
    assert [vm.host.words[vcpu.gpr(22)] for vcpu in vm.vcpus] == sent


# Two vcpus that neither cede nor look at time: every register ends as it would have.
COUNT = """
_start: li 5,200
        mtctr 5
1:      add 6,6,5
        rotlwi 7,6,3
        xor 8,7,6
        bdnz 1b
        cmpdi 3,0
        bne .
        li 9,2000
        mtctr 9
2:      bdnz 2b
        li 4,0
        exit!
"""


# What a vcpu has besides: SPRs that a guest may set, by their one-regs.
STATE = ("TAR", "DSCR", "DAR", "DSISR", "PPR", "VRSAVE", "PSPB", "IAMR", "AMR", "PID", "FSCR")
SPRS = """
        li 5,0x70
        mtspr TAR,5
        mtspr DAR,5
        mtspr DSISR,5
        mtspr SPRG1,5
        mtspr VRSAVE,5
"""


def whole_and_moved(source, save_at, here, there, **options):
    """The VM as it ends in one piece, and as it ends when it is moved after some instructions."""
    whole = machine(source, smt=2, host=here, **options)
    whole.run()
    vm = machine(source, smt=2, host=here, **options).vms[0]
    vm.host.run(max_insns=save_at)
    moved = move(vm, there)
    assert vm.host.instructions == save_at, "no instruction on the way out"
    assert registers(vm) == registers(moved), "every register is the same on the other host"
    moved.host.run()
    return whole.vms[0], moved


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("power7", "power7"), ("power8", "power8"), ("power9", "power9"),
        ("power8", "power9"), ("power9", "power8"), ("power7", "power8"), ("power7", "power9"),
    ],
)  # fmt: skip
@settings(max_examples=12, deadline=None)
@given(save_at=st.integers(0, 2000))
def test_every_register_ends_as_in_one_piece(here, there, save_at):
    whole, moved = whole_and_moved(COUNT, save_at, here, there)
    assert registers(moved) == registers(whole)


@pytest.mark.parametrize(("here", "there"), [("power8", "power9"), ("power9", "power8")])
def test_every_register_ends_as_in_one_piece_wherever_in_a_short_guest_it_is_moved(here, there):
    """At each instruction: SPRs, hcalls, interrupts and H_CEDE among them."""
    source = """
_start: cmpdi 3,0
        bne 1f
        lis 20,0x7fff
        mtdec 20
        li 6,3
        rotldi 6,6,15
        mtmsrd 6,1
SPRS
        li 3,0x6c
        li 4,1
        li 5,4
        sc 1
        lis 5,0x2800
        ori 5,5,1
        msgsndp 5
        li 3,0xe8
        li 4,1
        sc 1
        b .
1:      li 6,3
        rotldi 6,6,15
        mtmsrd 6,1
2:      li 3,0xe0
        sc 1
        cmpdi 17,0
        beq 2b
        li 4,0
        exit!
""".replace("SPRS", SPRS)
    length = 0
    while True:
        vm = machine(source, smt=2, host=here).vms[0]
        outcome = vm.host.run(RoundRobin(3), max_insns=length)
        if outcome.kind == "exit" or vm.stop() is not None:
            break
        before = [[vm.vcpu(i).get_one_reg(BY_NAME[name].id) for name in STATE] for i in range(2)]
        moved = Host(there).restore_vm(SavedVm.from_bytes(vm.save().to_bytes()))
        after = [[moved.vcpu(i).get_one_reg(BY_NAME[name].id) for name in STATE] for i in range(2)]
        assert (registers(moved), after) == (registers(vm), before), f"after {length}"
        assert moved.host.run().kind == "exit", f"after {length}"
        assert moved.vcpu(1)["gpr17"] == 1, f"one doorbell, after {length}"
        assert moved.vcpu(0).get_one_reg(BY_NAME["TAR"].id) == 0x70, f"after {length}"
        length += 1
    assert length > 30


# ---- what is pending


def waiting(smt=1, **options):
    host = machine(CEDE, smt=smt, **options)
    assert host.run().kind == "deadlock"
    return host.vms[0]


def test_a_ceded_vcpu_is_still_ceded_afterwards():
    moved = move(waiting())
    assert moved.vcpu(0).state == "ceded"
    outcome = moved.host.run()
    assert outcome.kind == "deadlock"
    assert "v0 is ceded (H_CEDE)" in outcome.explanation
    assert moved.vcpu(0)["gpr14"] == 0


def test_a_vm_that_is_stopped_and_resumed_in_place_does_not_notice():
    vm = waiting()
    assert vm.stop() is None
    assert vm.vcpu(0).state == "stopped"
    vm.resume()
    assert vm.host.run().kind == "deadlock"
    assert vm.vcpu(0)["gpr14"] == 0


def test_a_prod_that_nobody_has_used_is_kept():
    host = machine(
        "_start: li 3,0xe8\n li 4,0\n sc 1\n" + CEDE.replace("_start", "1").replace("b 1", "b 1b")
    )
    host.run(max_insns=3)
    moved = move(host.vms[0])
    assert moved.host.run().kind == "deadlock"
    assert moved.vcpu(0)["gpr14"] == 1, "one H_CEDE returned at once, the next one waits"


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
@pytest.mark.parametrize("how", ["resumed", "moved"])
def test_a_prod_that_coincides_with_a_stop_is_not_lost(host, how):
    """Stopped after every instruction around the prod, whether its target naps then or not."""
    source = """
_start: cmpdi 3,0
        bne 2f
        li 3,0xe8
        li 4,1
        sc 1
1:      b 1b
2:      li 3,0xe0
        sc 1
        addi 14,14,1
3:      b 3b
"""
    for insns in range(2, 14):
        vm = machine(source, smt=2, host=host).vms[0]
        vm.host.run(RoundRobin(1), max_insns=insns)
        if how == "moved":
            vm = move(vm, host)
        else:
            assert vm.stop() is None
            vm.resume()
        assert vm.host.run(max_insns=20_000).kind == "limit"
        assert vm.vcpu(1)["gpr14"] == 1, f"after {insns}"


def test_a_doorbell_that_was_sent_and_not_taken_is_kept():
    host = machine("_start: lis 5,0x2800\n msgsndp 5\n1: addi 14,14,1\n b 1b\n")
    host.run(max_insns=10)
    vm = move(host.vms[0])
    assert vm.vcpu(0).get_one_reg(BY_NAME["DPDES"].id) == 1
    again = move(vm)
    assert again.vcpu(0).get_one_reg(BY_NAME["DPDES"].id) == 1


def test_an_external_interrupt_is_kept():
    host = machine("_start: addi 14,14,1\n b _start\n")
    vm = host.vms[0]
    vm.vcpu(0).external()
    moved = move(vm)
    assert moved.host.words[moved.vcpus[0].pending_exceptions] == PENDING_EXTERNAL


def test_a_decrementer_that_was_never_written_stays_off():
    moved = move(waiting())
    assert moved.host.words[moved.vcpus[0].arch.dec_armed] == 0


def test_a_decrementer_fires_at_the_same_time_of_the_guest():
    source = """
_start: lis 5,1
        mtdec 5
        mftb 20
        li 6,3
        rotldi 6,6,15
        mtmsrd 6,1
1:      li 3,0xe0
        sc 1
        cmpdi 16,0
        beq 1b
        mftb 21
        subf 22,20,21
        li 4,0
        exit!
"""
    whole = machine(source)
    whole.run()
    vm = machine(source).vms[0]
    vm.host.run(max_insns=8)
    moved = move(vm)
    moved.host.run()
    late = moved.vcpu(0)["gpr22"] - whole.vms[0].vcpu(0)["gpr22"]
    assert late == 0
    assert moved.vcpu(0)["gpr22"] > 0x10000


def test_an_hcall_that_userspace_had_begun_is_finished_first():
    host = machine("_start: li 5,1\n lis 6,0x4142\n sldi 6,6,32\n li 3,0x58\n sc 1\n exit!\n")
    vm = host.vms[0]
    vm.host.run(max_insns=5)
    moved = move(vm)
    assert vm.console + moved.console == b"A"
    assert moved.vcpu(0)["gpr3"] == 0


def test_console_input_that_was_not_read_goes_along():
    host = Host("power9")
    vm = host.create_vm(memory=1 << 20)
    vm.create_vcpu()
    vm.input = b"0123456789abcdefXYZ"
    vm.load(assemble(VECTORS + "_start: li 3,0x54\n sc 1\n li 3,0x54\n sc 1\n" + H_EXIT))
    host.run(max_insns=2)
    moved = move(vm)
    moved.host.run()
    assert moved.vcpu(0)["gpr4"] == 3
    assert moved.vcpu(0)["gpr5"] >> 40 == int.from_bytes(b"XYZ", "big")


def test_the_interrupt_controller_goes_along():
    host = Host("power9")
    vm = host.create_vm(memory=1 << 20)
    vm.create_vcpu()
    irq = vm.create_irq()
    vm.load(assemble(VECTORS + "_start: b _start\n"))
    vm.set_xive(irq, 0, 5)
    vm.set_irq(irq)  # the CPPR is 0: it is refused, and waits
    moved = move(vm)
    words, vcpu, source = moved.host.words, moved.vcpus[0], moved.kvm.sources[0]
    assert words[vcpu.icp.state] == host.words[vm.vcpus[0].icp.state]
    assert words[source.resend] == 1
    assert words[vcpu.icp.resend_map] == 1


def test_random_numbers_go_on_where_they_were():
    source = "_start: li 3,0x300\n sc 1\n mr 14,4\n li 3,0x300\n sc 1\n mr 15,4\n exit!\n"
    whole = machine(source, seed=5)
    whole.run()
    vm = machine(source, seed=5).vms[0]
    vm.host.run(max_insns=3)
    moved = move(vm, seed=99)
    moved.host.run()
    assert moved.vcpu(0)["gpr15"] == whole.vms[0].vcpu(0)["gpr15"]


def test_where_a_run_ends_goes_along():
    host = machine("_start: li 5,1\n li 6,2\n nop\n")
    vm = host.vms[0]
    vm.end_at(0x10008)
    host.run(max_insns=1)
    outcome = move(vm).host.run()
    assert (outcome.kind, outcome.status, outcome.instructions) == ("exit", 0, 1)


def test_a_vm_that_runs_cannot_be_saved():
    host = machine(CEDE, smt=2)
    host.run(max_insns=1)
    with pytest.raises(ConfigError, match="must be stopped before it is saved, and vcpu 0 is not"):
        host.vms[0].save()


def test_a_guest_that_ends_on_the_way_out_says_so():
    host = machine("_start: li 4,3\n exit!\n")
    host.run(max_insns=4)
    outcome = host.vms[0].stop()
    assert outcome is not None
    assert (outcome.kind, outcome.status) == ("exit", 3)


def test_a_vm_with_hcalls_of_its_own_needs_a_machine_that_has_them():
    host = Host("power9")
    vm = host.create_vm(memory=1 << 20)
    vm.create_vcpu()
    vm.on_hcall[0xF000] = lambda _: None
    vm.load(assemble("_start: b _start\n"))
    moved = move(vm)
    with pytest.raises(ImageError, match="needs a machine that handles hcall 0xf000"):
        moved.host.run(max_insns=1)


def test_stopping_while_a_sibling_is_being_sampled_finishes_the_instruction():
    """Mfspr DPDES waits for the answer of a vcpu in the guest; both come out whole."""
    host = machine(
        """
_start: cmpdi 3,0
        bne .
1:      mfspr 5,DPDES
        addi 14,14,1
        b 1b
""",
        smt=2,
    )
    vm = host.vms[0]
    for insns in range(1, 12):
        host.run(RoundRobin(1), max_insns=insns)
        assert vm.stop() is None
        assert host.counts(0)[Event.IPI] <= host.counts(0)[Event.DPDES_READ]
        vm.resume()
    assert vm.vcpu(0)["gpr5"] == 0


@pytest.mark.parametrize("tag", [0, 1])
def test_a_doorbell_of_a_core_on_power8_goes_to_its_vcpu_alone_on_power9_and_back(tag):
    """KVM's one-reg would give the core's DPDES to each vcpu, or the last vcpu's to the core."""
    source = f"""
_start: cmpdi 3,0
        bne .
        lis 5,0x2800
        ori 5,5,{tag}
        msgsndp 5
        b .
"""
    host = machine(source, smt=2, host="power8")
    host.run(max_insns=5000)  # turns of both threads
    dpdes = BY_NAME["DPDES"].id
    here = host.vms[0]
    assert here.stop() is None
    assert [here.vcpu(i).get_one_reg(dpdes) for i in range(2)] == [1 << tag, 1 << tag]
    there = move(here)
    assert [there.vcpu(i).get_one_reg(dpdes) for i in range(2)] == [1 - tag, tag]
    back = move(there, "power8")
    assert [back.vcpu(i).get_one_reg(dpdes) for i in range(2)] == [1 << tag, 1 << tag]


def test_a_pending_doorbell_cannot_go_to_a_host_that_has_none():
    host = machine("_start: lis 5,0x2800\n msgsndp 5\n b .\n")
    host.run(max_insns=10)
    moved = move(host.vms[0], "power7")
    with pytest.raises(ImageError, match="power7 has no doorbells: vcpu 0 has one"):
        moved.host.run()


def test_a_host_must_have_the_smt_mode():
    vm = waiting(smt=8)
    with pytest.raises(ConfigError, match="smt must be one of 1, 2, 4 on power7, got 8"):
        move(vm, "power7")
