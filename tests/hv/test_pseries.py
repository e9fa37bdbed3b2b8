"""The pseries machine: start, RTAS, ends of a run, and what it refuses."""

from __future__ import annotations

import datetime as dt

import fdt
import pytest

from emu.asm import assemble
from emu.errors import ConfigError, ImageError
from emu.hv.host import Host
from emu.hv.pseries import RELOCATABLE_AT, Pseries
from emu.hv.rtas import BY_TOKEN, CLOCK_TICKS
from emu.hv.saved import SavedVm

MACROS = """
        .macro hcall number             # r4 to r7 are its arguments
        li 3,0
        ori 3,3,\\number
        sc 1
        .endm
        .macro cell value               # append to the block that r10 points to
        li 0,\\value
        stwu 0,4(10)
        .endm
        .macro rtas token, nargs, nret, args:vararg
        lis 10,block@ha
        addi 10,10,block@l - 4
        cell \\token
        cell \\nargs
        cell \\nret
        .ifnb \\args
        .irp arg, \\args
        cell \\arg
        .endr
        .endif
        lis 4,block@ha
        addi 4,4,block@l
        hcall 0xf000
        .endm
        .macro result register, cell
        lis 10,block@ha
        lwa \\register,block@l + 4 * \\cell(10)
        .endm
        .macro say char
        li 4,0
        li 5,1
        li 6,\\char
        sldi 6,6,56
        hcall 0x58
        .endm
        .macro power_off
        rtas 0x2003, 2, 1, 0, 0
        .endm
        .comm block,256,8
        .text
        .globl _start
"""


def board(source: str, *, threads: int = 1, host: str = "power9", **options) -> Pseries:
    vm = Host(host).create_vm(memory=1 << 20, smt=threads)
    made = Pseries(vm, **options)
    for _ in range(threads):
        vm.create_vcpu()
    made.load(assemble(MACROS + source))
    return made


def ended(made: Pseries) -> tuple[str, int]:
    outcome = made.vm.host.run(max_insns=10_000_000)
    return outcome.kind, outcome.status


def gpr(made: Pseries, number: int, vcpu: int = 0) -> int:
    word = made.words[made.vm.vcpus[vcpu].gpr(number)]
    return word - (1 << 64) if word >> 63 else word


# ---- start -------------------------------------------------------------------------------------


def test_vcpu_0_starts_in_32_bit_big_endian_real_mode_with_the_tree_in_r3():
    made = board("_start: mfmsr 31\n mr 30,3\n power_off", threads=2)
    assert ended(made) == ("exit", 0)
    assert gpr(made, 31) == 0x3000
    tree = fdt.parse_dtb(made.read(gpr(made, 30), 0x1000))
    assert tree.get_property("compatible", "/").value == "qemu,pseries"
    servers = tree.get_property("ibm,ppc-interrupt-server#s", "/cpus/PowerPC,POWER9@0")
    assert list(servers) == [0, 1]


def test_each_virtual_core_is_a_node_with_the_ids_of_its_threads():
    vm = Host("power9").create_vm(memory=1 << 20, smt=2)
    made = Pseries(vm)
    for vcpu_id in (0, 1, 2, 3):
        vm.create_vcpu(vcpu_id)
    made.load(assemble(MACROS + "_start: mr 30,3\n power_off"))
    assert ended(made) == ("exit", 0)
    tree = fdt.parse_dtb(made.read(gpr(made, 30), 0x1000))
    name = "ibm,ppc-interrupt-server#s"
    assert list(tree.get_property(name, "/cpus/PowerPC,POWER9@2")) == [2, 3]


def test_bootargs_and_initrd_are_in_the_tree():
    made = board("_start: mr 30,3\n power_off", bootargs="one two", initrd=b"data")
    assert ended(made) == ("exit", 0)
    tree = fdt.parse_dtb(made.read(gpr(made, 30), 0x1000))
    assert tree.get_property("bootargs", "/chosen").value == "one two"
    start = tree.get_property("linux,initrd-start", "/chosen")[1]
    end = tree.get_property("linux,initrd-end", "/chosen")[1]
    assert made.read(start, end - start) == b"data"


def test_the_processor_version_is_the_hosts_or_the_one_asked_for():
    source = "_start: mfspr 31,287\n power_off"
    for options, expected in (({}, 0x4E1202), ({"pvr": 0x12345678}, 0x12345678)):
        made = board(source, **options)
        assert ended(made) == ("exit", 0)
        assert gpr(made, 31) == expected


def test_a_relocatable_program_lies_where_qemu_puts_it():
    made = board("_start: bl 1f\n1: mflr 31\n power_off")
    assert ended(made) == ("exit", 0)
    program = assemble("_start: bl 1f\n1: mflr 31\n b .", text_base=0)
    moved = program.moved(RELOCATABLE_AT)
    assert moved.entry == RELOCATABLE_AT
    assert moved.segments[0].address == RELOCATABLE_AT


# ---- the other threads -------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
def test_start_cpu_starts_a_stopped_vcpu_with_r3_and_the_msr_of_the_start(host):
    made = board(
        """
        .org 0x3000
        secondary: mr 30,3
        mfmsr 29
        power_off
        .section .text.b,"ax"
        _start: rtas 0x2006, 3, 1, 1, 0x3000, 7
        result 31, 6
        b .
        """,
        threads=2,
        host=host,
    )
    assert ended(made) == ("exit", 0)
    assert gpr(made, 31) == 0
    assert (gpr(made, 30, 1), gpr(made, 29, 1)) == (7, 0x3000)


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
def test_a_vcpu_that_stopped_itself_can_be_started_again(host):
    made = board(
        """
        .org 0x3000
        secondary: addi 30,30,1
        lis 10,block@ha         # a block of its own: vcpu 0 is using the other one
        addi 10,10,block@l + 124
        mr 9,10
        cell 0x2007
        cell 0
        cell 1
        addi 4,9,4
        hcall 0xf000
        b .
        .section .text.b,"ax"
        _start: li 28,3
        again: rtas 0x2006, 3, 1, 1, 0x3000, 7
        1: rtas 0x2005, 1, 2, 1
        result 31, 5
        cmpdi 31,0
        bne 1b
        addi 28,28,-1
        cmpdi 28,0
        bne again
        power_off
        """,
        threads=2,
        host=host,
    )
    assert ended(made) == ("exit", 0)
    assert gpr(made, 30, 1) == 3


def test_a_program_that_waits_for_a_vcpu_nobody_started_is_a_deadlock_that_says_so():
    made = board("_start: li 3,0xe0\n sc 1\n b _start", threads=2)
    outcome = made.vm.host.run(max_insns=1_000_000)
    assert outcome.kind == "deadlock"
    assert "v1 is stopped (RTAS start-cpu would start it)" in outcome.explanation


# ---- ends --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("said", "status"), [("1", 0), ("3", 1), ("85", 42)])
def test_the_exit_line_before_power_off_is_the_runs_status(said, status):
    text = "".join(f"say {ord(c)}\n" for c in f"EXIT: STATUS={said}\n")
    made = board(f"_start: {text} power_off")
    assert ended(made) == ("exit", status)


def test_power_off_without_an_exit_line_is_status_0_and_os_term_is_1():
    assert ended(board("_start: power_off")) == ("exit", 0)
    assert ended(board("_start: rtas 0x201f, 1, 1, 0")) == ("exit", 1)
    assert ended(board("_start: rtas 0x2004, 0, 1")) == ("exit", 0)


# ---- RTAS --------------------------------------------------------------------------------------


def test_an_unknown_service_answers_minus_3_and_h_parameter():
    made = board("_start: rtas 0x2fff, 0, 1\n mr 30,3\n result 31, 3\n power_off")
    assert ended(made) == ("exit", 0)
    assert (gpr(made, 31), gpr(made, 30)) == (-3, -4)


@pytest.mark.parametrize("token", sorted(BY_TOKEN))
def test_a_service_with_another_number_of_arguments_answers_minus_3(token):
    nargs = BY_TOKEN[token].nargs + 1
    made = board(f"_start: rtas {token:#x}, {nargs}, 1\n result 31, {3 + nargs}\n power_off")
    assert ended(made) == ("exit", 0)
    assert gpr(made, 31) == -3


@pytest.mark.parametrize("address", [0x10_0000, 0xF_FFF8, (1 << 64) - 4])
def test_a_block_outside_of_memory_is_h_parameter(address):
    made = board("_start: mr 4,31\n hcall 0xf000\n mr 30,3\n power_off")
    made.words[made.vm.vcpus[0].gpr(31)] = address
    assert ended(made) == ("exit", 0)
    assert gpr(made, 30) == -4


def test_a_block_that_claims_billions_of_arguments_is_h_parameter():
    made = board("_start: rtas 0x2001, -1, -1\n mr 30,3\n power_off")
    assert ended(made) == ("exit", 0)
    assert gpr(made, 30) == -4


def test_the_clock_counts_virtual_time_from_the_epoch_it_was_given():
    epoch = int(dt.datetime(2024, 2, 29, 23, 59, 59, tzinfo=dt.UTC).timestamp())
    read = "rtas 0x2001, 0, 8\n" + "".join(f"result {20 + i}, {4 + i}\n" for i in range(7))
    made = board(f"_start: {read} power_off", epoch=epoch)
    assert ended(made) == ("exit", 0)
    assert [gpr(made, 20 + i) for i in range(6)] == [2024, 2, 29, 23, 59, 59]
    assert gpr(made, 26) >= CLOCK_TICKS * 1_000_000_000 // 512_000_000


def test_a_date_that_does_not_exist_is_refused_and_the_clock_goes_on():
    made = board(
        "_start: rtas 0x2002, 7, 1, 2023, 2, 29, 0, 0, 0, 0\n result 31, 10\n"
        "rtas 0x2001, 0, 8\n result 30, 4\n power_off"
    )
    assert ended(made) == ("exit", 0)
    assert (gpr(made, 31), gpr(made, 30)) == (-3, 1970)


# ---- what is refused ---------------------------------------------------------------------------


def test_a_program_that_leaves_no_room_for_the_tree_is_refused():
    vm = Host("power9").create_vm(memory=1 << 20)
    made = Pseries(vm)
    vm.create_vcpu()
    with pytest.raises(ImageError, match=r"a device tree of .* must fit into 0x100000 bytes"):
        made.load(assemble(".text\n_start: b .\n .bss\n .skip 0xe0000"))


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"pvr": 1 << 32}, "pvr must be 0 to 0xffffffff, got 0x100000000"),
        ({"bootargs": "a\0b"}, "bootargs must be ASCII without NUL characters"),
        ({"bootargs": "é"}, "bootargs must be ASCII without NUL characters"),
    ],
)
def test_options_out_of_range_are_refused(options, rule):
    vm = Host("power9").create_vm(memory=1 << 20)
    with pytest.raises(ConfigError) as refused:
        Pseries(vm, **options)
    assert str(refused.value) == rule


def test_two_runs_of_one_program_are_the_same_in_every_word():
    states = []
    for _ in range(2):
        made = board("_start: rtas 0x2001, 0, 8\n hcall 0x300\n power_off", threads=4)
        assert ended(made) == ("exit", 0)
        states.append((bytes(made.words), made.read(0, 1 << 20)))
    assert states[0] == states[1]


# ---- saving it

TALK = """
_start: rtas 0x2001, 0, 8
        result 20, 9            # seconds
        lis 4,0
        li 5,0                  # vcpu 0
        lis 6,area@ha
        addi 6,6,area@l
        lis 4,0x0000
        li 4,1
        sldi 4,4,45             # register the VPA
        hcall 0xdc
        lis 10,second@ha
        addi 11,10,second@l
        lis 10,block@ha
        addi 10,10,block@l - 4
        cell 0x2006
        cell 3
        cell 1
        cell 1
        stwu 11,4(10)
        cell 7
        lis 4,block@ha
        addi 4,4,block@l
        hcall 0xf000            # start-cpu
1:      lis 9,flag@ha
        ld 8,flag@l(9)
        cmpdi 8,7
        bne 1b
        .irp char, 'E','X','I','T',':',32,'S','T','A','T','U','S','=','8','5',10
        say \\char
        .endr
        rtas 0x2001, 0, 8
        result 21, 9
        power_off
        b .
second: lis 9,flag@ha
        std 3,flag@l(9)
        rtas 0x2007, 0, 1       # stop-self
        b .
        .comm flag,8,8
        .data
        .balign 1024
area:   .space 4
        .short 0x280
        .space 1024 - 6
"""


@pytest.mark.parametrize("there", ["power7", "power8", "power9"])
@pytest.mark.parametrize("here", ["power8", "power9"])
def test_a_pseries_machine_is_saved_and_goes_on_at_any_instruction(here, there):
    """Its clock, a vcpu that was not started yet, the VPA, and half of its last word go along."""
    whole = board(TALK, threads=2, host=here, epoch=59)
    assert ended(whole) == ("exit", 42)
    length = whole.vm.host.instructions
    for insns in range(0, length - 1, max(1, length // 40)):
        made = board(TALK, threads=2, host=here, epoch=59)
        made.vm.host.run(max_insns=insns)
        if made.vm.stop() is not None:
            continue
        moved = Host(there).restore_vm(SavedVm.from_bytes(made.vm.save().to_bytes()))
        outcome = moved.host.run()
        assert (outcome.kind, outcome.status) == ("exit", 42), f"after {insns}: {outcome}"
        assert made.vm.console + moved.console == b"EXIT: STATUS=85\n", f"after {insns}"
        words, vcpu = moved.host.words, moved.vcpus[0]
        count = moved.host.machine.read(0, words[vcpu.dispatch_count], 4)
        assert words[vcpu.yield_count] == int.from_bytes(count, "big"), f"after {insns}"
        assert moved.vcpu(0)["gpr21"] in (gpr(whole, 21), gpr(whole, 21) + 1), f"after {insns}"


def test_a_machine_whose_vcpus_all_wait_to_be_started_or_in_h_cede_can_be_stopped():
    made = board("_start: hcall 0xe0\n b .\n", threads=2)
    assert made.vm.host.run().kind == "deadlock"
    assert made.vm.stop() is None
    moved = Host("power9").restore_vm(made.vm.save())
    assert moved.host.run().kind == "deadlock"
    assert moved.host.words[moved.vcpus[1].stopped] == 1
