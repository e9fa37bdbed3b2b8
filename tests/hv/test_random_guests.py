"""Random guests on every host: they all come to rest, and then nothing is pending for anybody.

A guest does a few random things with doorbells, hcalls and interrupts, then turns interrupts on and
cedes for ever. Whatever was sent must have been taken by then: a machine at rest with an event
pending has lost a wake-up.
"""

import random

import pytest

from emu.asm import assemble
from emu.hv import Host, Random, RoundRobin
from emu.hv.policy import ENTRY_EXITS, RUN_WHENS, THREAD_ASSIGNMENTS, Policy

HANDLERS = """
        .org 0x500
        std 3,-8(1)
        std 4,-16(1)
        std 5,-24(1)
        li 3,0x74                       # H_XIRR
        sc 1
        std 4,-40(1)
        li 5,0xff
        ld 4,-32(1)
        li 3,0x6c                       # H_IPI: served
        sc 1
        ld 4,-40(1)
        li 3,0x64                       # H_EOI
        sc 1
        ld 3,-8(1)
        ld 4,-16(1)
        ld 5,-24(1)
        rfid
        .org 0x700
        mfspr 20,26
        addi 20,20,4
        mtspr 26,20
        rfid
        .org 0xa00
        addi 17,17,1
        rfid
        .org 0x10000
        .globl _start
_start: std 3,-32(1)
        li 14,-1
        sldi 14,14,63
        ori 24,14,0x9000                # MSR with EE
        ori 25,14,0x1000                # and without
        mulli 9,3,256
        addis 9,9,programs@ha
        addi 9,9,programs@l
        mtctr 9
        li 3,0x68                       # H_CPPR
        li 4,0xff
        sc 1
        bctr
        .balign 256
programs:
"""

REST = "\n mtmsrd 24,1\n1: li 3,0xe0\n sc 1\n b 1b\n .balign 256\n"


def doorbell(rng, nvcpus):
    kind, tag = (5, rng.randrange(nvcpus)) if rng.random() < 0.8 else (rng.randrange(32), 99)
    return f"li 5,{kind}\n sldi 5,5,27\n ori 5,5,{tag}\n msgsndp 5\n"


def hcall(number, *arguments):
    loads = "".join(f" li {4 + i},{value}\n" for i, value in enumerate(arguments))
    return f"{loads} li 3,0\n ori 3,3,{number:#x}\n sc 1\n"


DEEDS = (
    doorbell,
    doorbell,
    lambda _rng, _n: "li 5,5\n sldi 5,5,27\n msgclrp 5\n",
    lambda _rng, _n: "mfspr 6,176\n",
    lambda _rng, _n: "mtmsrd 24,1\n",
    lambda _rng, _n: "mtmsrd 25,1\n",
    lambda _rng, _n: hcall(0xE0),
    lambda _rng, _n: hcall(0xE0),
    lambda rng, n: hcall(0xE8, rng.randrange(n)),
    lambda rng, n: hcall(0xE4, rng.choice([-1, rng.randrange(n), 99]), 0),
    lambda rng, n: hcall(0x6C, rng.randrange(n), 4),
    lambda rng, _n: f"li 6,{rng.randint(1, 300)}\n mtctr 6\n bdnz .\n",
    lambda rng, _n: hcall(0xF104, rng.randint(1, 3000)),
)


def guest(rng, nvcpus):
    def program():
        deeds = [rng.choice(DEEDS)(rng, nvcpus) for _ in range(rng.randint(3, 6))]
        return "".join(deeds) + REST

    return HANDLERS + "".join(program() for _ in range(nvcpus))


def host_for(rng, seed):
    model = rng.choice(["power7", "power8", "power9"])
    policy = Policy(rng.choice(THREAD_ASSIGNMENTS), rng.choice(ENTRY_EXITS), rng.choice(RUN_WHENS))
    smt = rng.choice([1, 2, 4] if model == "power7" else [1, 2, 4, 8])
    host = Host(model, cores=rng.choice([1, 2]), seed=seed, policy=policy)
    vm = host.create_vm(memory=1 << 20, smt=smt)
    for vcpu_id in range(min(8, smt * rng.choice([1, 2]))):
        vm.create_vcpu(vcpu_id)
    return host


def pending(host):
    """Name what is pending; POWER8 also keeps doorbells for threads without a vcpu: not those."""
    words = host.words
    found = [
        f"{vcpu.name}.{name}"
        for vcpu in host.vcpus
        for name in ("doorbell_request", "pending_exceptions", "prodded")
        if words[getattr(vcpu, name)]
    ]
    found += [
        f"{vcore.name}.dpdes"
        for vcore in host.vcores
        if words[vcore.dpdes] & ((1 << len(vcore.vcpus)) - 1)
    ]
    found += [f"{cpu.name} DPDES" for cpu in host.cpus if words[cpu.subproc.dpdes]]
    return found


@pytest.mark.parametrize("seed", range(48))
def test_a_random_guest_comes_to_rest_with_nothing_pending(seed):
    rng = random.Random(seed)
    host = host_for(rng, seed)
    vm = host.vms[0]
    vm.load(assemble(guest(rng, len(vm.vcpu_ids))))
    scheduler = rng.choice([RoundRobin(1), RoundRobin(7), RoundRobin(), Random(3), Random(60)])
    outcome = host.run(scheduler, max_insns=400_000)
    assert outcome.kind == "deadlock", outcome
    assert pending(host) == []
    assert not any(host.words[vcore.lock] for vcore in host.vcores)
    if seed % 8 == 0:
        assert host.automaton.verify()
