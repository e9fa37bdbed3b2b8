import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from processes import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]

MP = """PPC MP
{ 0:r1=1; 0:r8=x; 0:r9=y; 1:r8=x; 1:r9=y; }
 P0           | P1           ;
 stw r1,0(r8) | lwz r1,0(r9) ;
 stw r1,0(r9) | lwz r3,0(r8) ;
exists (1:r1=1 /\\ 1:r3=0)
"""


@pytest.fixture
def mp(tmp_path):
    path = tmp_path / "mp.litmus"
    path.write_text(MP)
    return path


def test_a_test_is_reported_in_herds_form(emu, mp):
    done = emu("litmus", mp)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[:6] == [
        "Test MP Allowed",
        "Histogram (3 states)",
        "1     :>1:r1=0; 1:r3=0;",
        "1     :>1:r1=0; 1:r3=1;",
        "1     :>1:r1=1; 1:r3=1;",
        "No",
    ]
    assert "Observation MP Never 0 3" in lines


def test_json_is_the_contract(emu, mp):
    done = emu("litmus", "--json", mp)
    report = json.loads(done.out)
    assert report["schema"] == 1
    (test,) = report["tests"]
    assert (test["name"], test["verdict"], test["complete"]) == ("MP", "Never", True)
    assert [s["r"] for s in test["states"]] == [
        {"1:r1": 0, "1:r3": 0},
        {"1:r1": 0, "1:r3": 1},
        {"1:r1": 1, "1:r3": 1},
    ]
    assert test["executions"] == sum(s["count"] for s in test["states"])


def test_an_unmet_expectation_is_exit_code_7(emu, tmp_path):
    path = tmp_path / "bad.litmus"
    path.write_text(MP.replace("exists", "forall"))
    done = emu("litmus", path)
    assert done.code == 7
    assert "Failed MP: forall (1:r1=1 /\\ 1:r3=0) does not hold" in done.out


def test_a_directory_is_a_line_a_test_and_a_summary(emu, tmp_path):
    (tmp_path / "mp.litmus").write_text(MP)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "other.litmus").write_text(MP.replace("PPC MP", "PPC OTHER"))
    done = emu("litmus", tmp_path)
    assert [line.split()[1] for line in done.out.splitlines()] == ["OTHER", "MP"]
    assert done.err.startswith("2 results, 0 failed, 0 not read")


def test_junit_is_written(emu, mp, tmp_path):
    report = tmp_path / "report.xml"
    assert emu("litmus", "--junit", report, mp).code == 0
    suite = ET.fromstring(report.read_text())  # noqa: S314 our own text
    assert suite.get("tests") == "1"
    assert suite.find("testcase").get("name") == "MP"


def test_two_reports_do_not_share_standard_output(emu, mp):
    ended = emu("litmus", "--json", "--junit", "-", mp)
    assert ended.code == 2
    assert "standard output takes --json or --junit -, not both" in ended.err


def test_a_file_that_is_no_test_is_an_error_in_junit(emu, tmp_path):
    report = tmp_path / "report.xml"
    (tmp_path / "mp.litmus").write_text(MP)
    (tmp_path / "none.litmus").write_bytes(b"\x00\x1b\xff no test")
    assert emu("litmus", "--junit", report, tmp_path).code == 3
    suite = ET.fromstring(report.read_text())  # noqa: S314 our own text
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "0", "1")
    (error,) = suite.findall("testcase/error")
    assert "begins with `PPC NAME`" in error.get("message")


@pytest.mark.parametrize("bound", ["--preemptions", "--max-states", "--max-insns", "--runs"])
def test_a_bound_beyond_all_numbers_is_none(emu, mp, bound):
    done = emu("litmus", bound, 10**25, mp)
    assert done.code == 0
    assert "exhaustive" in done.out


def test_a_limit_beyond_all_numbers_is_none(emu, tmp_path):
    path = tmp_path / "mp.litmus"
    path.write_text(MP.replace("PPC MP\n", "PPC MP\nLimit=states:1e30,preempt:1e30\n"))
    done = emu("litmus", path)
    assert done.code == 0
    assert "exhaustive" in done.out


def test_a_failure_says_by_which_schedule_and_how_to_see_it_again(emu, guests, tmp_path):
    report = tmp_path / "report.xml"
    path = guests / "litmus" / "send-enter.litmus"
    assert emu("litmus", "--bug", "lost-kick", "--junit", report, path).code == 7
    suite = ET.fromstring(report.read_text())  # noqa: S314 our own text
    lines = suite.find("testcase/failure").text.splitlines()
    assert lines[0] == "thread 1 waits for ever for what is pending for it"
    assert sum(line.startswith("schedule: ") for line in lines) == 2
    assert lines[-1] == f"run: emu litmus --host power9 --bug lost-kick {path}"
    done = emu("litmus", "--bug", "lost-kick", "--json", path)
    (result,) = json.loads(done.out)["tests"]
    assert [v["rule"] for v in result["violations"]] == ["lost", "condition"]
    assert all(violation["schedule"] for violation in result["violations"])


def test_bad_input_is_exit_code_3_and_does_not_stop_the_rest(emu, mp, tmp_path):
    bad = tmp_path / "bad.litmus"
    bad.write_text("X86 SB\n")
    done = emu("litmus", bad, mp, tmp_path / "none.litmus")
    assert done.code == 3
    assert "error: a litmus test for this machine begins with `PPC NAME`" in done.err
    assert "cannot be read: No such file" in done.err
    assert "Observation MP" in done.out


@pytest.mark.parametrize("command", [["litmus"], ["explore"], ["litmus", "--host", "power8"]])
def test_a_key_that_means_nothing_is_pointed_out_once(emu, tmp_path, command):
    path = tmp_path / "mp.litmus"
    path.write_text(MP.replace("PPC MP\n", "PPC MP\nMachines=2\n"))
    done = emu(*command, path, "--json")
    assert done.code == 0
    assert done.err.count("warning: the key Machines means nothing") == 1
    assert json.loads(done.out)
    path.write_text(MP.replace("PPC MP\n", "PPC MP\nTimer=2\n"))
    done = emu(*command, path)
    assert done.code == 3
    assert "did you mean `Timers`?" in done.err


def test_a_test_comes_on_standard_input(emu):
    done = emu("litmus", "-", stdin=MP.encode())
    assert "Observation MP Never" in done.out


def test_a_bound_is_said(emu, mp):
    done = emu("litmus", "--preemptions", "0", mp)
    assert "Search MP exhaustive up to 0 preemptions" in done.out
    done = emu("litmus", "--algorithm", "pct", "--runs", "10", mp)
    assert re.search("Search MP sampled, 10 runs, [1-9][0-9]* steps, executions counted", done.out)


def test_a_bound_that_an_algorithm_cannot_keep_is_usage(emu, mp):
    assert emu("litmus", "--algorithm", "dpor", "--preemptions", "1", mp).code == 2


@pytest.mark.parametrize("arguments", [["/dev/zero"], ["-"]])
def test_a_text_without_an_end_is_refused_in_bounded_memory(emu, arguments):
    ended = emu("litmus", *arguments, stdin=b"\0" * (2 << 20))
    assert ended.code == 3
    assert "a litmus test has at most 1048576 characters, got more" in ended.err


def test_a_text_that_is_not_utf8_is_bad_input(emu):
    assert emu("litmus", "-", stdin=b"PPC \xff\n").code == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--vcpus", "3"], "has a vcpu for each of 2 columns"),
        (["--machine", "pseries"], "needs --machine bare"),
        (["--mem", "4096"], "bytes of memory"),
        (["--append", "x"], "no place for --append"),
        (["--subcores", "2"], "no place for --subcores"),
        (["--schedule", "rr:7"], "turns have no length"),
        (["--schedule", "pct:2", "--depth", "3"], "contradict"),
    ],
)
def test_a_machine_option_that_a_test_cannot_heed_is_usage(emu, mp, arguments, message):
    done = emu("litmus", mp, *arguments)
    assert done.code == 2
    assert message in done.err


@pytest.mark.parametrize("smt", ["0", "x", "99999999999999999999"])
def test_an_smt_mode_that_is_none_is_bad_input_with_and_without_options(emu, mp, smt):
    text = mp.read_text().replace("{", f"SMT={smt}\n{{", 1)
    mp.write_text(text)
    for more in ([], ["--cores", 1]):
        ended = emu("litmus", *more, mp)
        assert ended.code == 3
        assert f"SMT must be 1, 2, 4 or 8, got {smt}" in ended.err


def test_machine_options_take_the_place_of_what_a_test_says(emu, guests):
    path = guests / "litmus" / "aligned-self.litmus"
    assert emu("litmus", path).code == 0
    assert emu("litmus", path, "--thread-assignment", "first-come").code == 7
    more = ["--vcpus", 3, "--cores", 4, "--mem", "16M", "--machine", "bare", "--schedule", "rr"]
    for smt, last in ((1, 0), (2, 1), (4, 2)):
        path = guests / "litmus" / "tir.litmus"
        done = emu("litmus", path, "--host", "power9", "--smt", smt, "--json", *more)
        (result,) = json.loads(done.out)["tests"]
        assert {max(state["r"].values()) for state in result["states"]} == {last}


def test_what_states_do_not_suffice_for_is_bounded_by_preemptions(emu, guests):
    path = guests / "litmus" / "aligned-self.litmus"
    done = emu("litmus", "--max-states", 60000, path)
    extent = "exhaustive up to [0-9]+ preemptions, beyond that cut off at 60000 states"
    assert re.search(extent, done.out)
    assert done.code == 4


@pytest.mark.parametrize("command", ["litmus", "explore"])
def test_a_limit_that_is_hit_has_a_code_of_its_own(emu, tmp_path, command):
    path = tmp_path / "mp.litmus"
    path.write_text(MP.replace("PPC MP\n", "PPC MP\nLimit=states:0\n"))
    done = emu(command, path)
    assert done.code == 4
    assert "cut off at 0 states" in done.out + done.err
    path.write_text(MP)
    done = emu(command, "--time", "1e-9", path)
    assert done.code in (0, 4)  # it may be over before anybody looks at the clock
    assert (done.code == 4) == ("stopped" in done.out + done.err)
    assert emu(command, "--max-states", 1, path).code == 4
    assert emu(command, "--max-states", 1, "--refines", "power9:power8", path).code == 4


@pytest.mark.parametrize("command", ["litmus", "explore"])
def test_a_bound_that_was_asked_for_is_no_limit_that_was_hit(emu, tmp_path, command):
    path = tmp_path / "mp.litmus"
    path.write_text(MP.replace("PPC MP\n", "PPC MP\nLimit=preempt:0\n"))
    done = emu(command, path)
    assert "exhaustive up to 0 preemptions" in done.out + done.err
    assert done.code == 0
    assert emu(command, "--algorithm", "random", "--runs", 5, path).code == 0


def test_a_bound_on_instructions_is_no_end(emu, guests):
    done = emu("litmus", "--host", "power9", "--max-insns", 3, guests / "litmus" / "ring-3.litmus")
    assert done.code == 4
    assert "Histogram (0 states)" in done.out
    assert "runs of at most 3 instructions" in done.out
    assert "Failed" not in done.out


def test_ctrl_c_ends_a_tree_with_what_was_found(guests):
    arguments = ["litmus", *[str(guests / "litmus")] * 20]  # more than it has the time for
    process = subprocess.Popen(
        [sys.executable, "-m", "emu", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, err
    assert "Traceback" not in out + err
    assert " results, " in err


@pytest.mark.parametrize("command", ["litmus", "explore"])
def test_ctrl_c_ends_the_search_for_something_smaller(
    emu, on_a_terminal, guests, tmp_path, command
):
    path = guests / "litmus" / "ring-3.litmus"
    options = ["--host", "power9", "--bug", "native-doorbells-on-power9", "--minimise"]
    words = [sys.executable, "-m", "emu", command, path, *options, "--save", tmp_path]
    shown, code = on_a_terminal(list(map(str, words)), until=b"making it smaller")
    assert code == 130, shown
    assert b"Traceback" not in shown
    cases = list(tmp_path.iterdir())
    assert cases
    assert shown.count(b"replay: ") == len(cases)
    assert emu("replay", cases[0]).code == 7


def test_the_page_of_litmus_tests_shows_a_whole_test_that_passes(emu, tmp_path, monkeypatch):
    page = (ROOT / "docs" / "litmus.md").read_text()
    monkeypatch.chdir(ROOT)
    (text,) = re.findall(r"^```\n(PPC .*?)^```$", page, re.MULTILINE | re.DOTALL)
    path = tmp_path / "mine.litmus"
    path.write_text(text)
    done = emu("litmus", path)
    assert done.code == 0
    (shown,) = re.findall(r"^```console\n\$ (.*?)^```$", page, re.MULTILINE | re.DOTALL)
    command, _, output = shown.partition("\n")
    arguments = command.partition(" | ")[0].split()[1:]
    assert emu(*arguments).out.startswith(output)


def test_what_stores_no_states_counts_steps_and_executions(emu, mp):
    line = re.search("^Search .*$", emu("litmus", "--algorithm", "dpor", mp).out, re.MULTILINE)[0]
    assert re.fullmatch(
        "Search MP exhaustive, [1-9][0-9]* steps, executions counted, host power9", line
    )


def test_a_directory_without_tests_is_no_success(emu, tmp_path):
    for more in ([], ["--refines", "power9:power8"]):
        ended = emu("litmus", *more, tmp_path)
        assert ended.code == 3
        assert ended.err == f"emu: {tmp_path} has no *.litmus file, nor has a directory below it\n"
