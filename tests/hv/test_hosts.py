"""Whole machines on every host: what one sees of vcores, subcores and several VMs."""

import pytest

from emu.asm import assemble
from emu.core.machine import Deed
from emu.errors import ConfigError
from emu.hv import Event, Host, Random, RoundRobin
from emu.hv.policy import ENTRY_EXITS, RUN_WHENS, THREAD_ASSIGNMENTS, Policy
from hv.machine import RING, machine

POLICIES = [Policy(a, e, r) for a in THREAD_ASSIGNMENTS for e in ENTRY_EXITS for r in RUN_WHENS]

COUNT = """
_start: li 5,1000
        mtctr 5
1:      addi 6,6,1
        bdnz 1b
        cmpdi 3,0
        bne 2f
        li 4,0
        exit!
2:      li 3,0xe0
        sc 1
        b 2b
"""


def two_vms(host, scheduler, **options):
    made = Host(host, **options)
    vms = []
    for _ in range(2):
        vm = made.create_vm(memory=1 << 20, smt=2)
        for vcpu_id in range(2):
            vm.create_vcpu(vcpu_id)
        vms.append(vm)
    spin = assemble("_start: addi 6,6,1\n b _start\n")
    for vm in vms:
        vm.load(spin)
    assert made.run(scheduler, max_insns=200_000).kind == "limit"
    return made


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
@pytest.mark.parametrize("scheduler", [RoundRobin(), Random(40)])
def test_more_vcores_than_cores_take_turns_by_time_slices(host, scheduler):
    made = two_vms(host, scheduler, cores=1)
    work = [made.words[vcpu.gpr(6)] for vcpu in made.vcpus]
    assert min(work) > 5000, work
    if host != "power9":  # there four vcpus have four threads
        assert all(made.counts(i)[Event.EXIT_HDEC] for i in (0, 2))


@pytest.mark.parametrize("host", ["power7", "power8"])
def test_two_vms_on_one_core_never_meet_in_it(host):
    """One LPID at a time, and guest instructions only of the VM whose it is."""
    made = two_vms(host, RoundRobin(7), cores=1)
    seen = set()
    for _ in range(2000):
        made.run(RoundRobin(7), max_insns=7)
        lpid = made.machine.subproc[0].lpid
        loaded = {
            made.vcpus[made.words[cpu.thread.vcpu] - 1].kvm.lpid
            for cpu in made.cpus
            if made.words[cpu.thread.vcpu]
        }
        assert loaded <= {lpid}
        seen.add(lpid)
    assert seen >= {1, 2}


def test_each_vm_has_its_own_memory_and_console():
    made = Host("power9")
    for _ in range(2):
        made.create_vm(memory=1 << 20).create_vcpu()
    hello = "_start: lis 6,{}\n sldi 6,6,32\n li 5,1\n li 3,0x58\n sc 1\n1: b 1b\n"
    made.vms[0].load(assemble(hello.format(0x4100)))
    made.vms[1].load(assemble(hello.format(0x4200)))
    made.run(max_insns=5000)
    assert [vm.console for vm in made.vms] == [b"A", b"B"]


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@pytest.mark.parametrize("host", ["power7", "power8"])
def test_every_policy_runs_a_vcore_to_its_end(host, policy):
    made = machine(COUNT, smt=4, host=host, policy=policy)
    assert made.run(RoundRobin(13)).kind == "exit"
    assert made.words[made.vcpus[0].gpr(6)] == 1000
    assert made.automaton.verify()


def test_what_was_learned_on_power9_is_what_the_host_code_does():
    made = machine(RING, smt=4)
    made.run(Random(30))
    assert made.automaton.verify() > 100


# ---- native doorbells


def test_native_doorbells_cost_no_exit():
    made = machine(RING, smt=4, host="power8")
    assert made.run().kind == "exit"
    assert sum(made.machine.count(i, Deed.SEND) for i in range(4)) == 200 - 3
    assert made.counts(0)[Event.EXIT_EMUL_ASSIST] == 0
    assert made.counts(0)[Event.DOORBELL_SENT] == 0


def test_doorbells_do_not_exist_on_power7():
    made = machine("_start: li 5,5\n sldi 5,5,27\n msgsndp 5\n li 4,0\n exit!\n", host="power7")
    assert made.run().kind == "exit"
    assert made.words[made.vcpus[0].gpr(19)] & 0x80000, "illegal instruction"


@pytest.mark.parametrize(("subcores", "smt"), [(1, 8), (2, 4), (4, 2)])
def test_a_subcore_has_its_own_threads_lpid_and_dpdes(subcores, smt):
    made = Host("power8", subcores=subcores)
    vms = []
    for _ in range(subcores):
        vm = made.create_vm(memory=1 << 20, smt=smt)
        for vcpu_id in range(smt):
            vm.create_vcpu(vcpu_id)
        vms.append(vm)
    # Each thread makes its neighbour's doorbell pending, and notes its number and what it sees.
    program = assemble(f"""
_start: mfspr 10,446
        addi 6,10,1
        andi. 6,6,{smt - 1}
        li 5,5
        sldi 5,5,27
        or 5,5,6
        msgsndp 5
1:      mfspr 11,176
        cmpdi 11,{(1 << smt) - 1}
        bne 1b
        li 12,1
2:      b 2b
""")
    for vm in vms:
        vm.load(program)
    made.run(max_insns=200_000)
    for vm in vms:
        assert [made.words[vcpu.gpr(10)] for vcpu in vm.vcpus] == list(range(smt))
        assert all(made.words[vcpu.gpr(12)] for vcpu in vm.vcpus)
    assert {made.machine.subproc[cpu.number].lpid for cpu in made.cpus if cpu.tir == 0} == set(
        range(1, subcores + 1)
    )


def test_the_smt_mode_must_fit_the_subcore():
    with pytest.raises(ConfigError, match="smt must be at most the 2 threads of a subcore, got 4"):
        Host("power8", subcores=4).create_vm(smt=4)
    with pytest.raises(ConfigError, match="subcores must be one of 1 on power9, got 2"):
        Host("power9", subcores=2)


def test_single_threaded_guests_use_vcpu_ids_in_multiples_of_the_smt_mode():
    made = machine(COUNT, smt=4, vcpu_ids=(0, 4, 8), host="power7", cores=2)
    assert made.run().kind == "exit"
    assert len(made.vcores) == 3
    assert {cpu.tir for vcpu in made.vcpus for cpu in vcpu.cpus} == {0}


# ---- napping


def test_an_idle_thread_naps_and_the_other_runs_on_undisturbed():
    made = machine(
        """
_start: cmpdi 3,0
        bne 2f
        lis 5,1
        mtctr 5
1:      bdnz 1b
        li 4,0
        exit!
2:      li 3,0xe0
        sc 1
        b 2b
""",
        smt=4,
        host="power8",
    )
    assert made.run().kind == "exit"
    assert sum(made.counts(i)[Event.NAP] for i in (1, 2, 3)) == 3
    assert made.counts(0)[Event.RUN_CORE] == 1


def test_a_vcpu_in_userspace_is_busy_while_its_siblings_run():
    made = machine(
        """
_start: cmpdi 3,0
        bne 2f
        li 4,30000
        lis 3,0
        ori 3,3,0xf104
        sc 1
        li 4,0
        exit!
2:      addi 6,6,1
        b 2b
""",
        smt=2,
        host="power8",
    )
    assert made.run().kind == "exit"
    assert made.words[made.vcpus[1].gpr(6)] > 10_000


@pytest.mark.parametrize("host", ["power7", "power8"])
@pytest.mark.parametrize("entry_exit", ENTRY_EXITS)
@pytest.mark.parametrize("restless", [0, 1])
def test_a_thread_whose_stays_are_short_does_not_keep_its_siblings_out(host, entry_exit, restless):
    """It leaves for a prod of nobody every few instructions, until a sibling has counted far."""
    made = machine(
        f"""
_start: lis 9,0x8
        cmpdi 3,{restless}
        beq 2f
        li 5,0
1:      addi 5,5,1
        std 5,0(9)
        b 1b
2:      li 3,0xe8
        li 4,99
        sc 1
        ld 5,0(9)
        cmpdi 5,1000
        blt 2b
        li 4,0
        exit!
""",
        smt=2,
        host=host,
        policy=Policy(entry_exit=entry_exit),
    )
    assert made.run(max_insns=100_000).kind == "exit"
