"""The assembly of a litmus test: the same instructions, and a guest that runs."""

from pathlib import Path

import pytest

from emu.asm import assemble
from emu.explore.litmus.assembly import assembly
from emu.explore.litmus.guest import build
from emu.explore.litmus.parse import load, parse
from emu.hv.host import Host

SUITE = sorted((Path(__file__).parents[3] / "guests" / "litmus").glob("*.litmus"))


def assembled(test):
    guest = build(test)
    return guest, assemble(assembly(guest), endian=guest.order)


@pytest.mark.parametrize("path", SUITE, ids=lambda path: path.stem)
def test_every_column_holds_the_instructions_of_the_test(path):
    guest, program = assembled(load(path))
    bounds = [
        (program.address_of(f"P{t}"), program.address_of(f"P{t}_end"))
        for t in range(len(guest.entries))
    ]
    text = next(s for s in program.segments if s.name == ".text")
    for thread, (_, end) in enumerate(bounds):
        count = (guest.ends[thread] - guest.entries[thread]) // 4
        words = [guest.words[guest.entries[thread] + 4 * i] for i in range(count)]
        start = end - 4 * count - text.address
        data = text.data[start : start + 4 * count]
        found = [int.from_bytes(data[4 * i : 4 * i + 4], guest.order) for i in range(count)]
        assert found == words


def test_the_guest_begins_as_the_test_says():
    test = parse("""PPC T
Endian=little
{ 0:r1=0x123456789abcdef0; 0:r2=x; 0:r5=-3; 0:r6=40000; 0:r31=-1; 1:r3=y; int x=7; y=x; }
 P0           | P1           ;
 lwz r9,0(r2) | ld r9,0(r3)  ;
 L0: bdnz L0  | lwz r8,0(r9) ;
exists (true)
""")  # fmt: skip
    guest, program = assembled(test)
    host = Host("power9")
    vm = host.create_vm(smt=2)
    for _ in range(2):
        vm.create_vcpu()
    vm.load(program)
    vm.host.run(max_insns=5000)
    first, second = (host.machine.vcpu[i].gpr for i in range(2))
    mask = (1 << 64) - 1
    assert first[1] == 0x123456789ABCDEF0
    assert (first[5], first[6], first[31], first[9]) == (-3 & mask, 40000, mask, 7)
    assert second[9] == guest.addresses["x"]
    assert second[8] == 7


def test_handlers_lie_at_their_vectors():
    test = parse("""PPC T
EE=0,1
{ 0:r4=db(1); }
 P0         | P1 ;
 msgsndp r4 |    ;
handler doorbell { li r6,5; rfid }
exists (1:r6=5)
""")
    _, program = assembled(test)
    host = Host("power9")
    vm = host.create_vm(smt=2)
    for _ in range(2):
        vm.create_vcpu()
    vm.load(program)
    vm.host.run(max_insns=5000)
    assert host.machine.vcpu[1].gpr[6] == 5
