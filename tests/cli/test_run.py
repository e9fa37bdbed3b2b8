"""`emu run`: exit codes, results, and what it says of bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from processes import PATIENCE_S

H_EXIT = "li 3,0; ori 3,3,0xf100; sc 1"
SPIN = "b ."


def source(tmp_path, text, name="guest.s"):
    path = tmp_path / name
    path.write_text(text.replace("; ", "\n") + "\n")
    return path


# ---- how a run ends --------------------------------------------------------------------------


def test_running_off_the_end_of_a_one_liner_is_success(emu):
    ended = emu("run", "-e", "li 3,7; addi 3,3,5", "--show", "r3")
    assert ended.code == 0
    assert ended.out == ""
    assert "v0  r3=0xc" in ended.err


@pytest.mark.parametrize(("status", "code"), [(0, 0), (1, 1), (7, 1), (255, 1), (-1, 1)])
def test_the_guests_status_decides_between_success_and_failure(emu, status, code):
    assert emu("run", "-e", f"li 4,{status}; {H_EXIT}").code == code


def test_the_instruction_limit_has_an_exit_code_of_its_own(emu):
    ended = emu("run", "-e", SPIN, "--max-insns", "1000")
    assert ended.code == 4
    assert "1000 instructions" in ended.err


def test_the_instruction_limit_counts_all_vcpus_together_and_is_exact(emu):
    ended = emu("run", "-e", SPIN, "--smt", "4", "--max-insns", "1001", "--json")
    report = json.loads(ended.out)
    assert report["instructions"] == 1001
    assert sum(vcpu["instructions"] for vcpu in report["vcpus"]) == 1001


def test_a_guest_that_nothing_can_wake_is_a_deadlock(emu):
    ended = emu("run", "-e", "li 3,0xe0; sc 1")
    assert ended.code == 5
    assert "deadlock" in ended.err
    assert "vcpu 0" in ended.err or "v0" in ended.err


def test_an_interrupt_without_a_handler_is_an_unhandled_trap(emu):
    ended = emu("run", "-e", "trap")
    assert ended.code == 6
    assert "0x700" in ended.err


def test_an_illegal_instruction_without_a_handler_is_an_unhandled_trap(emu):
    ended = emu("run", "-e", ".long 0; nop")
    assert ended.code == 6
    assert "0x700" in ended.err


@pytest.mark.parametrize(
    ("expectation", "code"),
    [
        ("v0.r3==5", 0),
        ("r3==5", 0),
        ("v0.r3 == 0x5", 0),
        ("v0.r3!=5", 1),
        ("v0.r3<6", 0),
        ("v0.r3>=6", 1),
        ("v0.r4==-1", 0),
        ("v0.r4==0xffffffffffffffff", 0),
        ("v0.lr==0x1234", 0),
    ],
)
def test_an_expectation_decides_the_exit_code(emu, expectation, code):
    ended = emu("run", "-e", "li 3,5; li 4,-1; li 5,0x1234; mtlr 5", "--expect", expectation)
    assert ended.code == code
    assert ("expected" in ended.err) == (code == 1)


def test_every_failed_expectation_is_named_with_what_was_found(emu):
    ended = emu("run", "-e", "li 3,5", "--expect", "v0.r3==6", "--expect", "v0.r3<5")
    assert ended.code == 1
    assert "expected v0.r3==6, found 0x5" in ended.err
    assert "expected v0.r3<5, found 0x5" in ended.err


# ---- the JSON report ---------------------------------------------------------------------------


def test_the_json_report_follows_schema_1(emu):
    ended = emu("run", "-e", "li 3,7; mtlr 3; crset 2", "--smt", "2", "--json")
    report = json.loads(ended.out)
    assert ended.out.count("\n") == 1
    assert report["schema"] == 1
    assert report["outcome"] == "exit"
    assert report["exit_code"] == 0
    assert report["console"] == ""
    assert report["instructions"] == sum(vcpu["instructions"] for vcpu in report["vcpus"])
    assert set(report["doorbells"]) == {"sent", "taken", "coalesced", "cleared", "ignored"}
    assert [vcpu["id"] for vcpu in report["vcpus"]] == [0, 1]
    vcpu = report["vcpus"][0]
    assert {
        "id", "state", "nia", "msr", "cr", "xer", "lr", "ctr", "gpr", "instructions", "exits",
    } <= set(vcpu)  # fmt: skip
    assert len(vcpu["gpr"]) == 32
    assert vcpu["gpr"][3] == vcpu["lr"] == "0x0000000000000007"
    for name in ("nia", "msr", "cr", "xer", "lr", "ctr"):
        assert vcpu[name].startswith("0x")
        assert len(vcpu[name]) == 18
    assert vcpu["msr"] == "0x8000000000001000"
    assert vcpu["cr"] == "0x0000000020000000"


@pytest.mark.parametrize(
    ("text", "outcome", "exit_code"),
    [
        (f"li 4,3; {H_EXIT}", "exit", 3),
        (SPIN, "limit", None),
        ("li 3,0xe0; sc 1", "deadlock", None),
        ("trap", "trap", None),
    ],
)
def test_the_json_report_names_the_outcome(emu, text, outcome, exit_code):
    ended = emu("run", "-e", text, "--json", "--max-insns", "5000")
    report = json.loads(ended.out)
    assert report["outcome"] == outcome
    assert report["exit_code"] == exit_code


def test_with_json_the_console_is_in_the_report_and_nowhere_else(emu):
    text = "li 4,0; li 5,2; lis 6,0x6869; sldi 6,6,32; li 3,0x58; sc 1"
    ended = emu("run", "-e", text, "--json")
    assert json.loads(ended.out)["console"] == "hi"
    assert ended.out.count("\n") == 1


def test_the_console_goes_to_standard_output_as_it_is(emu):
    text = "li 4,0; li 5,2; lis 6,0x6869; sldi 6,6,32; li 3,0x58; sc 1"
    ended = emu("run", "-e", text)
    assert ended.out == "hi"


# ---- determinism -------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["rr:13", "random"])
def test_two_processes_report_the_same_run(emu_process, guests, tmp_path, schedule):
    reports, traces = [], []
    for number in range(2):
        trace = tmp_path / f"{number}.jsonl"
        ended = emu_process(
            "run", guests / "token_ring.s", "--smt", "8", "--schedule", schedule, "--seed", "5",
            "--json", "--trace", trace, env={**os.environ, "PYTHONHASHSEED": str(number)},
        )  # fmt: skip
        assert ended.code == 0, ended.err
        reports.append(ended.out)
        traces.append(trace.read_text())
    assert reports[0] == reports[1]
    assert traces[0] == traces[1]
    assert traces[0]


def test_another_seed_is_another_run(emu, guests):
    arguments = ["run", guests / "spinlock.s", "--smt", "4", "--schedule", "random", "--json"]
    runs = {emu(*arguments, "--seed", str(seed)).out for seed in range(4)}
    assert len(runs) == 4


@pytest.mark.parametrize("host", ["power8", "power9"])
@pytest.mark.parametrize("schedule", ["rr:3", "random"])
def test_a_recorded_schedule_replays_the_run(emu, guests, tmp_path, host, schedule):
    file = tmp_path / "schedule"
    arguments = ["run", guests / "token_ring.s", "--smt", "4", "--host", host, "--json"]
    recorded = emu(*arguments, "--schedule", schedule, "--seed", "3", "--record", file)
    assert recorded.code == 0, recorded.err
    assert file.read_text().startswith("emu schedule 1\n")
    # The seed is part of the machine: it is what H_RANDOM and darn give.
    assert emu(*arguments, "--schedule", file, "--seed", "3").out == recorded.out


@pytest.mark.parametrize("text", ["", "hello\n", "emu schedule 1\nv7 1\n", "\0\xff"])
def test_a_damaged_schedule_is_bad_input(emu, tmp_path, text):
    file = tmp_path / "schedule"
    file.write_text(text)
    ended = emu("run", "-e", "nop", "--schedule", file)
    assert ended.code == 3
    assert ended.err.startswith("emu: ")


# ---- guests from everywhere --------------------------------------------------------------------


@pytest.mark.parametrize(
    "option", [["--trace"], ["--record"], ["--save-at", "1", "--save"]], ids=" ".join
)
def test_no_report_takes_the_place_of_the_guest(emu, tmp_path, option):
    guest = tmp_path / "guest.s"
    guest.write_text("b .\n")
    ended = emu("run", guest, "--max-insns", 9, *option, tmp_path / "." / "guest.s")
    assert ended.code == 2
    assert "an output must not be the source itself" in ended.err
    assert guest.read_text() == "b .\n"


def test_a_guest_can_come_from_standard_input(emu):
    ended = emu("run", "-", stdin=f"li 4,0\nori 3,3,0xf100\n{H_EXIT}\n".replace(";", "\n").encode())
    assert ended.code == 0


def test_a_raw_guest_is_loaded_where_told(emu, tmp_path):
    image = tmp_path / "raw.bin"
    words = [0x38800000, 0x38600000, 0x6063F100, 0x44000022]
    image.write_bytes(b"".join(word.to_bytes(4, "big") for word in words))
    ended = emu("run", image, "--raw", "--load-at", "0x2000", "--json")
    assert ended.code == 0
    assert json.loads(ended.out)["vcpus"][0]["nia"] == f"0x{0x2010:016x}"
    little = tmp_path / "little.bin"
    little.write_bytes(b"".join(word.to_bytes(4, "little") for word in words))
    assert emu("run", little, "--raw", "--load-at", "0x2000", "--endian", "little").code == 0


def test_a_guest_begins_at_a_multiple_of_four(emu, tmp_path):
    image = tmp_path / "image.bin"
    image.write_bytes(bytes.fromhex("60000000"))
    ended = emu("run", "--raw", "--load-at", "0x10001", str(image))
    assert ended.code == 3
    assert ended.err == f"emu: {image} begins at 0x10001, no multiple of 4\n"


@pytest.mark.parametrize("entry", ["other", "0x10008"])
def test_the_entry_point_can_be_a_symbol_or_an_address(emu, tmp_path, entry):
    guest = source(tmp_path, f"_start: li 4,1; b out; other: li 4,0; out: {H_EXIT}")
    assert emu("run", guest).code == 1
    assert emu("run", guest, "--entry", entry).code == 0


# ---- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "a.s", "-e", "nop"],
        ["run", "a.s", "b.s"],
        ["run", "-e", "nop", "--smt", "3"],
        ["run", "-e", "nop", "--smt", "0"],
        ["run", "-e", "nop", "--vcpus", "0"],
        ["run", "-e", "nop", "--cores", "0"],
        ["run", "-e", "nop", "--mem", "lots"],
        ["run", "-e", "nop", "--mem", "1"],
        ["run", "-e", "nop", "--mem", "0"],
        ["run", "-e", "nop", "--mem", "999999G"],
        ["run", "-e", "nop", "--host", "power6"],
        ["run", "-e", "nop", "--schedule", "fifo"],
        ["run", "-e", "nop", "--schedule", "rr:0"],
        ["run", "-e", "nop", "--schedule", "rr:x"],
        ["run", "-e", "nop", "--schedule", ""],
        ["run", "-e", "nop", "--seed", "-1"],
        ["run", "-e", "nop", "--max-insns", "many"],
        ["run", "-e", "nop", "--load-at", "0x1000"],
        ["run", "-e", "nop", "--raw"],
        ["run", "-e", "nop", "--expect", "r3"],
        ["run", "-e", "nop", "--expect", "v0.r32==0"],
        ["run", "-e", "nop", "--expect", "v1.r3==0"],
        ["run", "-e", "nop", "--expect", "v0.r3==maybe"],
        ["run", "-e", "nop", "--show", "r3,nosuch"],
        ["run", "-e", "nop", "--entry", "nowhere"],
        ["run", "-e", "nop", "--entry", "0x10002"],
        ["run", "-e", "nop", "--trace", "/"],
        ["run", "-e", "nop", "--trace", ""],
        ["run", "-e", "nop", "--record", ""],
    ],
    ids=" ".join,
)
def test_contradictions_and_values_out_of_range_are_usage_errors(emu, arguments):
    ended = emu(*arguments)
    assert ended.code == 2, ended.err
    assert ended.out == ""
    assert ended.err.strip()
    assert "Traceback" not in ended.err


def bad_files(tmp_path):
    """Every kind of file that is no guest."""
    (tmp_path / "directory.s").mkdir()
    (tmp_path / "empty.elf").write_bytes(b"")
    (tmp_path / "garbage.s").write_bytes(bytes(range(256)) * 64)
    (tmp_path / "garbage").write_bytes(bytes(range(256)) * 64)
    (tmp_path / "short.elf").write_bytes(b"\x7fELF\x02\x02\x01")
    (tmp_path / "text.elf").write_bytes(b"\x7fELF" + b"A" * 4096)
    (tmp_path / "wrong.s").write_text("frobnicate r3\n")
    (tmp_path / "latin.s").write_bytes(b'.ascii "caf\xe9"\nbogus \xff\n')
    return {
        "missing": tmp_path / "missing.s",
        "no name": "",
        "directory": tmp_path / "directory.s",
        "empty ELF": tmp_path / "empty.elf",
        "garbage source": tmp_path / "garbage.s",
        "garbage": tmp_path / "garbage",
        "short ELF": tmp_path / "short.elf",
        "garbled ELF": tmp_path / "text.elf",
        "wrong source": tmp_path / "wrong.s",
        "wrong bytes": tmp_path / "latin.s",
        "name with NUL": "nul\0name.s",
        "too long a name": "x" * 5000 + ".s",
        "endless": "/dev/zero",
    }


@pytest.mark.parametrize("kind", [
    "missing", "no name", "directory", "empty ELF", "garbage source", "garbage", "short ELF",
    "garbled ELF", "wrong source", "wrong bytes", "name with NUL", "too long a name", "endless",
])  # fmt: skip
def test_a_file_that_is_no_guest_is_bad_input(emu, tmp_path, kind):
    ended = emu("run", bad_files(tmp_path)[kind])
    assert ended.code == 3, ended.err
    assert ended.out == ""
    assert ended.err.strip()
    assert "Traceback" not in ended.err
    assert "internal error" not in ended.err


def test_an_unreadable_file_is_bad_input(emu, tmp_path, monkeypatch):
    guest = source(tmp_path, "nop")

    def refuse(*_arguments, **_options):
        raise PermissionError(13, "Permission denied", str(guest))

    monkeypatch.setattr("pathlib.Path.open", refuse)
    ended = emu("run", guest)
    assert ended.code == 3
    assert "Permission denied" in ended.err


def test_a_raw_image_that_does_not_fit_is_bad_input(emu, tmp_path):
    image = tmp_path / "big.bin"
    image.write_bytes(bytes(2 << 20))
    ended = emu("run", image, "--raw", "--load-at", "0", "--mem", "1M")
    assert ended.code == 3
    assert "1M" in ended.err or "0x100000" in ended.err


# ---- signals and pipes -------------------------------------------------------------------------


PRINT_DOT = "li 4,0; li 5,1; lis 6,0x2e00; sldi 6,6,32; li 3,0x58; sc 1"


def started(*arguments):
    """`emu run` in a process of its own that has printed a first dot."""
    command = [sys.executable, "-m", "emu", "run", *arguments]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdout.read(1) == b"."
    return running


def test_ctrl_c_stops_the_run_and_shows_its_state():
    running = started("-e", f"li 9,77; {PRINT_DOT}; {SPIN}", "--show", "r9")
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 130
    assert out == b""
    assert b"interrupted" in err
    assert b"r9=0x4d" in err
    assert b"Traceback" not in err


def test_a_closed_pipe_ends_the_run_quietly():
    running = started("-e", f"1: {PRINT_DOT}; b 1b")
    running.stdout.close()
    err = running.stderr.read()
    assert running.wait(timeout=PATIENCE_S) == 141
    assert err == b""


@pytest.mark.parametrize(("size", "top"), [("128k", 0x20000), ("1m", 1 << 20), ("1MiB", 1 << 20)])
def test_a_size_may_be_written_in_either_case(emu, size, top):
    ended = emu("run", "-e", "nop", "--mem", size, "--expect", f"r1=={top}")
    assert ended.code == 0, ended.err


# ---- numbers, and options that do not go together ----------------------------------------------


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
@pytest.mark.parametrize("check", [[], ["--check"]], ids=["plain", "checked"])
def test_a_limit_at_the_guests_exit_is_the_exit(emu, host, check):
    guest = f"li 4,0; {H_EXIT}"
    assert emu("run", "-e", guest, "--host", host, "--max-insns", "3", *check).code == 4
    ended = emu("run", "-e", guest, "--host", host, "--max-insns", "4", *check)
    assert (ended.code, ended.err) == (0, "emu: exit 0, after 4 instructions on 1 vcpu\n")


def test_a_limit_at_a_cede_that_waits_is_a_limit_and_stays_exact(emu):
    guest = "cmpdi 3,0; bne 1f; li 3,0xe0; sc 1; 1: b 1b"
    ended = emu("run", "-e", guest, "--smt", "2", "--max-insns", "4", "--json")
    assert (ended.code, json.loads(ended.out)["instructions"]) == (4, 4)


@pytest.mark.parametrize("seed", ["0x10", "16", "1_6", "1.6e1"])
def test_a_seed_may_be_written_as_any_count(emu, seed):
    def drawn(text):
        ended = emu("run", "-e", "li 3,0x300; sc 1; nop", "--seed", text, "--show", "r4")
        assert ended.code == 0
        return ended.err

    assert drawn(seed) == drawn("16")


def test_a_seed_of_more_than_64_bits_is_refused(emu):
    ended = emu("run", "-e", "nop", "--seed", str(1 << 64))
    assert ended.code == 2
    assert "a seed is a number from 0 to 2^64-1, got '18446744073709551616'" in ended.err


@pytest.mark.parametrize(
    "option", [("--append", "x"), ("--pvr", "1"), ("--initrd", "/dev/null"), ("--rtc", "@0")]
)
def test_what_only_firmware_has_is_refused_on_a_bare_machine(emu, option):
    ended = emu("run", "-e", "nop", *option)
    said = f"emu: {option[0]} is for a pseries machine, got a bare one: see --machine\n"
    assert (ended.code, ended.err) == (2, said)


@pytest.mark.parametrize(
    "option",
    [("--thread-assignment", "aligned"), ("--entry-exit", "count"), ("--run-when", "none-busy")],
)
def test_what_only_shared_cores_have_is_refused_on_power9(emu, option):
    ended = emu("run", "-e", "nop", *option)
    said = f"emu: {option[0]} is for power7 and power8, got power9\n"
    assert (ended.code, ended.err) == (2, said)
    assert emu("run", "-e", "nop", "--host", "power8", *option).code == 0


@pytest.mark.parametrize(
    ("host", "tag", "dpdes"), [("power8", 1, 2), ("power9", 1, 2), ("power9", 0, 1)]
)
def test_tir_and_dpdes_are_shown_as_the_guest_would_read_them(emu, host, tag, dpdes):
    guest = f"cmpdi 3,0; bne .; lis 5,0x2800; ori 5,5,{tag}; msgsndp 5; nop"
    ended = emu(
        "run", "-e", guest, "--smt", "2", "--host", host, "--schedule", "rr:50",
        "--expect", f"v0.dpdes=={dpdes}", "--expect", f"v1.dpdes=={dpdes}",
        "--expect", "v0.tir==0", "--expect", "v1.tir==1",
    )  # fmt: skip
    assert ended.code == 0, ended.err


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
def test_dec_and_tb_in_the_end_go_on_from_what_the_guest_read(emu, host):
    guest = "li 6,-5; mtdec 6; mftb 7; mfspr 8,DEC; nop; nop"
    ended = emu("run", "-e", guest, "--host", host, "--show", "r7,r8,dec,tb")
    shown = dict(pair.split("=") for pair in ended.err.split()[1:5])
    assert int(shown["tb"], 0) == int(shown["r7"], 0) + 4
    assert int(shown["dec"], 0) == int(shown["r8"], 0) - 3


def test_a_register_that_is_no_word_cannot_be_part_of_a_searchs_outcome(emu, guests):
    ended = emu("explore", guests / "racy" / "lost_update.s", "--smt", "2", "--show", "tir")
    assert ended.code == 2, ended.err
    assert "an outcome is made of registers with a word each, got tir" in ended.err


@pytest.mark.parametrize("host", ["power7", "power8"])
@pytest.mark.parametrize("guest", ["hello.s", "cede_prod.s", "xics_ipi.s"])
def test_a_vcore_that_lets_another_have_the_core_gets_its_next_runner(emu, guests, host, guest):
    done = emu("run", guests / guest, "--host", host, "--smt", 2, "--vcpus", 4, "--check")
    assert done.code == 0, done.err
