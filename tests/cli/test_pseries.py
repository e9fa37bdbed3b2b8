"""`--machine pseries` on the command line: what its options put before the program."""

from __future__ import annotations

import pytest

PSERIES = ("run", "--machine", "pseries")
# The block of get-time-of-day, at 0x8000: status, year, month, day, hour, minute, second.
READ_CLOCK = """
    li 4,0x4000; slwi 4,4,1; li 5,0x2001; stw 5,0(4); li 5,0; stw 5,4(4); li 5,8; stw 5,8(4)
    li 3,0; ori 3,3,0xf000; sc 1; lwz 20,12(4)
    lwz 21,16(4); lwz 22,20(4); lwz 23,24(4); lwz 24,28(4); lwz 25,32(4); lwz 26,36(4)"""


@pytest.mark.parametrize(
    ("option", "shown"),
    [
        ((), [1970, 1, 1, 0, 0, 0]),
        (("--rtc", "2006-06-17"), [2006, 6, 17, 0, 0, 0]),
        (("--rtc", "2024-02-29T23:59:59"), [2024, 2, 29, 23, 59, 59]),
        (("--rtc", "2024-03-01T01:59:59+02:00"), [2024, 2, 29, 23, 59, 59]),
        (("--rtc", "@951868799"), [2000, 2, 29, 23, 59, 59]),
        (("--rtc", "1969-07-20T20:17:40"), [1969, 7, 20, 20, 17, 40]),
    ],
    ids=str,
)
def test_the_clock_shows_first_what_rtc_says(emu, option, shown):
    names = ",".join(f"r{number}" for number in range(20, 27))
    ended = emu(*PSERIES, *option, "-e", READ_CLOCK, "--show", names)
    assert ended.code == 0, ended.err
    values = [int(word.partition("=")[2], 16) for word in ended.err.splitlines()[0].split()[1:]]
    assert values == [0, *shown]


@pytest.mark.parametrize(
    "date", ["", "today", "2023-02-29", "@", "@soon", "1e400", "@-1", "0000-01-01"]
)
def test_what_is_no_date_is_a_usage_error(emu, date):
    ended = emu(*PSERIES, "--rtc", date, "-e", "nop")
    assert ended.code == 2
    assert "Traceback" not in ended.err


def test_an_initrd_lies_in_the_first_page_after_the_program(emu, tmp_path):
    file = tmp_path / "initrd"
    file.write_bytes(b"emu!")
    ended = emu(
        *PSERIES,
        "--initrd",
        file,
        "-e",
        "lis 5,1; lwz 6,0x1000(5)",
        "--expect",
        "v0.r6==0x656d7521",
    )
    assert ended.code == 0, ended.err


@pytest.mark.parametrize("name", ["missing", ".", "nul\0name"])
def test_an_initrd_that_cannot_be_read_is_bad_input(emu, tmp_path, name):
    ended = emu(*PSERIES, "--initrd", f"{tmp_path}/{name}", "-e", "nop")
    assert ended.code == 3
    assert "cannot read" in ended.err


def test_an_initrd_that_does_not_fit_is_bad_input(emu, tmp_path):
    file = tmp_path / "initrd"
    file.write_bytes(bytes(2 << 20))
    ended = emu(*PSERIES, "--mem", "1M", "--initrd", file, "-e", "nop")
    assert ended.code == 3
    assert "must fit into 0x100000 bytes" in ended.err
