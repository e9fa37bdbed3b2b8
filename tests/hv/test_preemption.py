"""Several VMs, and more vcores than cores: HDEC time slices, and what must hold across them."""

import pytest

from emu.asm import assemble
from emu.core.machine import Deed
from emu.hv import Event, Host, Random, RoundRobin
from emu.hv.policy import ENTRY_EXITS, RUN_WHENS, Policy
from emu.hv.topology import TIMESLICE
from hv.machine import H_EXIT, RING, VECTORS

HOSTS = ["power7", "power8", "power9"]
SCHEDULES = [RoundRobin(), Random(2000)]

# What a VM does, by name. None ends; progress is in r22 of every vcpu.
SPIN = "_start: addi 22,22,1\n b _start\n"
TICK = """
_start: li 6,3
        rotldi 6,6,15
1:      li 5,3000
        mtdec 5
        li 3,0xe0
        sc 1
        mtmsrd 6,1
        add 22,22,16
        li 16,0
        b 1b
"""
IPIS = """
_start: mr 14,3
        mr 15,4
        li 3,0x68
        li 4,0xff
        sc 1
1:      addi 4,14,1
        cmpd 4,15
        blt 2f
        li 4,0
2:      li 3,0x6c
        li 5,4
        sc 1            # an IPI to the next vcpu
        li 3,0x74
        sc 1            # accept what has come
        rldicl 7,4,0,40
        cmpdi 7,0
        beq 1b
        mr 8,4
        li 3,0x6c
        mr 4,14
        li 5,0xff
        sc 1
        li 3,0x64
        mr 4,8
        sc 1
        addi 22,22,1
        b 1b
"""
# Rings that never come home.
ROUND = RING.replace("cmpdi 22,50", "cmpdi 22,-1").replace("bge done", "beq done")
DOORBELLS = VECTORS + ROUND.replace("exit!", H_EXIT)
GUESTS = {name: VECTORS + text for name, text in (("spin", SPIN), ("tick", TICK), ("ipis", IPIS))}


def crowded(model, guests, *, smt=2, vcores=2, **options):
    """One core, and a VM for each guest, of `vcores` virtual cores; every step is checked."""
    host = Host(model, cores=1, check=True, **options)
    vms = []
    for _ in guests:
        vm = host.create_vm(memory=1 << 20, smt=smt)
        for _ in range(smt * vcores):
            vm.create_vcpu()
        vms.append(vm)
    for vm, guest in zip(vms, guests, strict=True):
        vm.load(assemble(guest))
    return host


def progress(host):
    return [host.words[vcpu.gpr(22)] for vcpu in host.vcpus]


@pytest.mark.parametrize("model", HOSTS)
@pytest.mark.parametrize("scheduler", SCHEDULES, ids=str)
def test_every_vcpu_of_every_vm_gets_on_and_every_invariant_holds(model, scheduler):
    host = crowded(model, list(GUESTS.values()), vcores=1)
    outcome = host.run(scheduler, max_insns=100_000)
    assert outcome.kind == "limit", outcome.explanation
    if not isinstance(scheduler, Random):  # then a VM that sleeps a lot may miss several turns
        assert min(progress(host)) > 0, progress(host)


@pytest.mark.parametrize("model", HOSTS)
@pytest.mark.parametrize("scheduler", SCHEDULES, ids=str)
def test_who_never_gives_its_core_up_is_preempted_when_its_slice_is_over(model, scheduler):
    host = crowded(model, [GUESTS["spin"]] * 3)
    outcome = host.run(scheduler, max_insns=300_000)
    assert outcome.kind == "limit", outcome.explanation
    work = progress(host)
    assert min(work) > 0, work
    preempted = [host.counts(vcpu.index)[Event.EXIT_HDEC] for vcpu in host.vcpus]
    if model == "power9":  # 12 vcpus on 4 threads
        assert all(preempted), preempted
    else:
        assert sum(preempted) >= 3, "a vcore leaves as one"


@pytest.mark.parametrize("model", ["power8", "power9"])
@pytest.mark.parametrize("scheduler", SCHEDULES, ids=str)
def test_doorbells_of_vms_that_share_a_core_reach_their_own_vm(model, scheduler):
    host = crowded(model, [DOORBELLS, DOORBELLS, GUESTS["spin"]], smt=4, vcores=1)
    outcome = host.run(scheduler, max_insns=80_000)
    assert outcome.kind == "limit", outcome.explanation
    for vm in host.vms[:2]:
        sent = [host.words[vcpu.gpr(22)] for vcpu in vm.vcpus]
        taken = [host.machine.count(vcpu.index, Deed.INTERRUPT, 0xA00) for vcpu in vm.vcpus]
        assert max(sent) > 0, sent
        # One token goes round: each has been rung as often as the one before it rang, give or
        # take the doorbell that is on its way now.
        assert sum(sent) - sum(taken) in (0, 1), (sent, taken)


@pytest.mark.parametrize("model", ["power7", "power8"])
@pytest.mark.parametrize("entry_exit", ENTRY_EXITS)
@pytest.mark.parametrize("run_when", RUN_WHENS)
def test_vcores_take_turns_under_every_policy(model, entry_exit, run_when):
    policy = Policy(entry_exit=entry_exit, run_when=run_when)
    host = crowded(model, [GUESTS["spin"], GUESTS["tick"]], policy=policy)
    outcome = host.run(RoundRobin(100), max_insns=100_000)
    assert outcome.kind == "limit", outcome.explanation
    assert min(progress(host)) > 0, progress(host)


@pytest.mark.parametrize("model", ["power7", "power8"])
def test_the_lpids_of_a_core_alternate_and_the_hosts_is_in_between(model):
    host = crowded(model, [GUESTS["spin"]] * 2)
    lpid, seen = host.cpus[0].subproc.lpid if host.build() is None else 0, []
    while len(seen) < 9:
        assert host.run(RoundRobin(200), max_insns=200).kind == "limit"
        if not seen or host.words[lpid] != seen[-1]:
            seen.append(host.words[lpid])
        assert host.machine.state.tb < 40 * TIMESLICE, seen
    assert {1, 2} <= set(seen)


@pytest.mark.parametrize("subcores", [2, 4])
def test_vms_share_the_subcores_of_a_split_core(subcores):
    host = crowded("power8", [GUESTS["spin"]] * 3, vcores=2, subcores=subcores)
    outcome = host.run(RoundRobin(100), max_insns=80_000)
    assert outcome.kind == "limit", outcome.explanation
    assert min(progress(host)) > 0, progress(host)
