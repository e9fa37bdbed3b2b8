"""The SPR table against its own rules, the book's privilege rule and GNU as."""

from __future__ import annotations

import subprocess

import pytest

from emu.isa.facilities import BY_NAME as FACILITIES
from emu.isa.sprs import BY_NUMBER, SPRS, find_spr, is_privileged_number

STRUCTS = {"vcpu", "thread", "subproc"}


@pytest.mark.parametrize("row", SPRS, ids=lambda row: f"{row.number}-{row.name}")
def test_a_row_is_well_formed(row):
    assert 0 <= row.number <= 1023
    assert row.width in {32, 64}
    assert row.read or row.write
    assert row.facility == "" or row.facility in FACILITIES
    assert row.since in {7, 8, 9}
    assert row.until in {0, 7, 8}
    assert row.summary
    struct, _, field = row.home.partition(".")
    assert struct.isidentifier()
    if field:
        assert struct in STRUCTS
        assert field.isidentifier()


@pytest.mark.parametrize("row", SPRS, ids=lambda row: f"{row.number}-{row.name}")
def test_the_number_says_whether_problem_state_may_use_it(row):
    open_to_problem = "problem" in {row.read, row.write}
    assert open_to_problem != is_privileged_number(row.number)


def test_numbers_are_unique_and_in_order():
    numbers = [row.number for row in SPRS]
    assert numbers == sorted(set(numbers))


def test_a_write_never_needs_less_privilege_than_a_read():
    rank = {"problem": 0, "privileged": 1, "hypervisor": 2}
    for row in SPRS:
        if row.read and row.write:
            assert rank[row.write] >= rank[row.read], row


def test_rows_with_one_home_are_one_register():
    for row in SPRS:
        for other in SPRS:
            if row.home == other.home and not row.special:
                assert row.width == other.width


@pytest.mark.parametrize(
    ("number", "name", "read", "write"),
    [
        (176, "dpdes", "privileged", "hypervisor"),
        (446, "tir", "privileged", None),
        (190, "hfscr", "hypervisor", "hypervisor"),
        (153, "fscr", "privileged", "privileged"),
        (268, "tb", "problem", None),
        (259, "usprg3", "problem", None),
        (1, "xer", "problem", "problem"),
    ],
)
def test_well_known_rows(number, name, read, write):
    row = BY_NUMBER[number]
    assert (row.name, row.read, row.write) == (name, read, write)
    assert row in find_spr(name.upper())


def test_generations():
    assert not BY_NUMBER[446].exists_on(7)
    assert BY_NUMBER[446].exists_on(8)
    assert BY_NUMBER[25].exists_on(8)
    assert not BY_NUMBER[25].exists_on(9)


# Reading by these mnemonics GNU as takes the number that problem state uses: mfmmcr0 is 779, not
# 795, and mftbl is another name of mftb.
OTHER_REGISTER_IN_GNU = {
    "mftbl", "mfmmcr0", "mfmmcr1", "mfmmcr2", "mtmmcr2", "mfmmcra", "mfsiar", "mfsdar",
    "mfpmc1", "mfpmc2", "mfpmc3", "mfpmc4", "mfpmc5", "mfpmc6",
}  # fmt: skip


def gnu_words(oracle, tmp_path, lines):
    """Word of each line that GNU as accepts, None for the others."""
    source = tmp_path / "sprs.s"
    words = {}
    remaining = list(lines)
    while True:
        source.write_text("\n".join(remaining) + "\n")
        done = subprocess.run(
            [oracle("powerpc64-linux-gnu-as"), "-mpower9", source, "-o", tmp_path / "sprs.o"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            break
        bad = {int(line.split(":")[1]) for line in done.stderr.splitlines() if ": Error:" in line}
        assert bad, done.stderr
        for number in bad:
            words[remaining[number - 1]] = None
        remaining = [line for number, line in enumerate(remaining, 1) if number not in bad]
    subprocess.run(
        [oracle("powerpc64-linux-gnu-objcopy"), "-O", "binary", "-j", ".text",
         tmp_path / "sprs.o", tmp_path / "sprs.bin"], check=True,
    )  # fmt: skip
    image = (tmp_path / "sprs.bin").read_bytes()
    for index, line in enumerate(remaining):
        words[line] = int.from_bytes(image[4 * index : 4 * index + 4], "big")
    return words


def spr_of(word):
    """Return the SPR number in an mfspr or mtspr word: its halves are swapped."""
    return (word >> 16 & 0x1F) | (word >> 11 & 0x1F) << 5


def test_names_and_numbers_agree_with_gnu_as(oracle, tmp_path):
    """Where GNU as has mf<name> or mt<name>, it means a row of that name."""
    mnemonics = {move + row.name for row in SPRS for move in ("mf", "mt")} - OTHER_REGISTER_IN_GNU
    words = gnu_words(oracle, tmp_path, [f"{mnemonic} 3" for mnemonic in sorted(mnemonics)])
    checked = 0
    for line, word in words.items():
        if word is None:
            continue
        checked += 1
        name = line.split()[0][2:]
        row = BY_NUMBER[spr_of(word)]
        assert row.name == name, line
        assert (row.read if line.startswith("mf") else row.write) is not None, line
    assert checked > 60


def test_gnu_as_encodes_every_number_as_we_split_it(oracle, tmp_path):
    lines = {f"mfspr 3,{row.number}": row.number for row in SPRS}
    for line, word in gnu_words(oracle, tmp_path, lines).items():
        assert word is not None, line
        assert spr_of(word) == lines[line]
