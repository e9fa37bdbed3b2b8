import itertools
import json
import re
import shlex
import sys

import pytest

from emu.cli import progress

LOST = "racy/lost_update.s"
LONG = ["explore", "spinlock.s", "--smt", "4", "--max-states", "1e9"]


def endings(done):
    return {row["key"]: row["count"] for row in json.loads(done.out)["outcomes"]}


def test_a_run_of_the_racy_guest_is_right_and_a_search_finds_it_wrong(emu, guests):
    assert emu("run", guests / LOST, "--smt", 2).code == 0
    done = emu("explore", guests / LOST, "--smt", 2, "--json")
    assert done.code == 7
    report = json.loads(done.out)
    assert (report["schema"], report["complete"], report["extent"]) == (1, True, "exhaustive")
    assert {row["key"] for row in report["outcomes"]} == {"exit 0", "exit 1"}
    assert report["executions"] == sum(row["count"] for row in report["outcomes"])
    (wrong,) = report["violations"]
    assert wrong["property"] == "exit 1"
    assert wrong["schedule"]


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
def test_the_lost_update_is_found_on_every_host(emu, guests, host):
    done = emu("explore", guests / LOST, "--smt", 2, "--host", host, "--json")
    assert set(endings(done)) == {"exit 0", "exit 1"}


def test_depth_first_and_breadth_first_count_the_same_end_states(emu, guests):
    found = [
        endings(emu("explore", guests / LOST, "--smt", 2, "--json", "--algorithm", name))
        for name in ("dfs", "bfs")
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["token_ring.s", "cede_prod.s", "barrier.s"])
def test_a_guest_without_a_race_ends_one_way_in_every_interleaving(emu, guests, name):
    done = emu("explore", guests / name, "--smt", 2, "--json")
    assert done.code == 0
    assert set(endings(done)) == {"exit 0"}
    assert json.loads(done.out)["complete"]


def test_a_guest_that_can_never_wake_is_a_deadlock(emu, tmp_path):
    path = tmp_path / "sleep.s"
    path.write_text("_start: li 3,0xE0\n sc 1\n b _start\n")
    done = emu("explore", path)
    assert done.code == 7
    assert "*>deadlock" in done.out
    assert done.out.splitlines()[1] == "no vcpu can ever run again"


def test_a_guest_that_waits_for_time_is_no_deadlock_and_not_exhausted(emu, guests):
    done = emu("explore", guests / "astray.s", "--timers", 0)
    assert done.code == 0
    assert ":>waits for time to pass" in done.out
    assert done.err.startswith("exhaustive, but time never passed")
    done = emu("explore", guests / "decrementer.s", "--timers", 2)
    assert done.err.startswith("time passed at most 2 times")


def test_a_guest_that_never_ends_is_a_livelock(emu, tmp_path):
    path = tmp_path / "spin.s"
    path.write_text("_start: b .\n")
    done = emu("explore", path)
    sentence = "v0 goes round for ever at 0x10000"
    shown = f"1       *>livelock: v0\n{sentence}\n  schedule: \n  for ever: 0\n"
    assert (done.code, done.out) == (7, shown)
    (violation,) = json.loads(emu("explore", path, "--json").out)["violations"]
    assert violation == {
        "property": "livelock: v0", "explanation": sentence, "schedule": "0", "loop": 1,
    }  # fmt: skip
    done = emu("explore", path, "--algorithm", "bfs")
    assert (done.code, done.out) == (0, "no interleaving comes to an end\n")
    assert done.err == "exhaustive, livelock not judged: 2 states\n"


SPINS_FOR_A_DOORBELL = """
.org 0xa00
 li 7,1
 rfid
.org 0x10000
_start:
 cmpwi 3,0
 bne 1f
 lis 5,0x2800
 ori 5,5,1
 msgsndp 5
2: b 2b
1: {enable}
0: cmpwi 7,1
 bne 0b
 li 3,0
 ori 3,3,0xf100
 li 4,0
 sc 1
"""


def test_a_guest_that_spins_for_a_doorbell_ends_if_it_can_take_it(emu, tmp_path):
    path = tmp_path / "wait.s"
    path.write_text(SPINS_FOR_A_DOORBELL.format(enable="li 8,-0x8000; mtmsrd 8,1"))
    for host in ("power8", "power9"):
        done = emu("explore", path, "--smt", 2, "--host", host)
        assert (done.code, done.out.split(":>")[1]) == (0, "exit 0\n")
    path.write_text(SPINS_FOR_A_DOORBELL.format(enable="nop"))
    for host in ("power8", "power9"):
        done = emu("explore", path, "--smt", 2, "--host", host, "--save", tmp_path)
        assert done.code == 7
        assert "*>livelock: v0 v1" in done.out
        assert emu("replay", tmp_path / f"wait-{host}-livelock.case").code == 7


def test_the_debugger_goes_once_round_a_livelock(emu, tmp_path):
    path = tmp_path / "round.s"
    path.write_text("_start: ld 5,-8(1); addi 6,5,1; b _start\n")
    assert emu("explore", path, "--save", tmp_path).code == 7
    done = emu("replay", tmp_path / "round-power9-livelock.case", "--debug", "--batch",
               "--ex", "continue", "--ex", "reverse-continue", "--ex", "choose")  # fmt: skip
    assert done.code == 0
    assert done.out.count("steps lead back to where they began, for ever") == 2
    assert "the beginning of history" in done.out


TWO_ON_A_THREAD = """
_start: cmpwi 3,0
 lis 6,0x10
 bne 1f
0: ld 5,0(6); cmpdi 5,1; bne 0b
 li 4,0; li 3,0; ori 3,3,0xf100; sc 1
1: li 5,1
 std 5,0(6)
2: b 2b
"""


@pytest.mark.parametrize("host", ["power7", "power8"])
def test_a_time_slice_of_the_hypervisor_lets_the_next_vcore_in(emu, tmp_path, host):
    path = tmp_path / "two.s"
    path.write_text(TWO_ON_A_THREAD)
    options = ("--host", host, "--smt", 1, "--vcpus", 2)
    done = emu("explore", path, *options, "--timers", 0)
    assert (done.code, done.out) == (0, "no interleaving comes to an end\n")
    assert done.err.startswith("exhaustive, but time never passed")
    done = emu("explore", path, *options, "--timers", 1)
    assert (done.code, done.out.split(":>")[1]) == (0, "exit 0\n")


def test_a_guest_that_prints_or_polls_the_time_for_ever_goes_on(emu, tmp_path):
    path = tmp_path / "busy.s"
    path.write_text("_start: li 3,0x58; li 4,0; li 5,1; lis 6,0x4100; sc 1; b _start\n")
    done = emu("explore", path)
    assert (done.code, done.out) == (0, "no interleaving comes to an end\n")
    path.write_text("_start: mftb 3; cmpdi 3,10; blt _start; b _start\n")
    assert emu("explore", path).code == 0


def test_a_guest_whose_steps_are_long_stops_in_time(emu, tmp_path):
    path = tmp_path / "count.s"
    path.write_text("_start: addi 3,3,1\n b _start\n")
    done = emu("explore", path, "--time", 0.5)
    assert done.err.startswith("stopped: ")
    assert done.code == 4


def test_registers_are_part_of_an_outcome_where_asked_for(emu, guests):
    done = emu("explore", guests / LOST, "--smt", 2, "--show", "r5", "--json")
    assert any(key.startswith("exit 1 v0.r5=0x1 v1.r5=0x1") for key in endings(done))


def test_a_litmus_test_is_explored_too(emu, guests):
    done = emu("explore", guests / "litmus" / "ring-2.litmus", "--json")
    assert done.code == 0
    (key,) = endings(done)
    assert key == "blocked(0)=0; taken(0)=1; blocked(1)=0; taken(1)=1;"


def test_when_states_run_out_preemptions_are_bounded_and_it_is_said(emu, guests):
    done = emu("explore", guests / "spinlock.s", "--smt", 2, "--max-states", 20000)
    assert done.code == 4
    extent = "exhaustive up to 0 preemptions, beyond that cut off at 20000 states: "
    assert done.err.startswith(extent)
    done = emu("explore", guests / "spinlock.s", "--smt", 2, "--max-states", 1)
    assert (done.code, done.out) == (4, "")  # nothing was seen to end, and nothing says so


def test_a_sample_is_called_one(emu, guests):
    done = emu("explore", guests / LOST, "--smt", 2, "--algorithm", "random", "--runs", 20)
    assert done.err.startswith("sampled, 20 runs")


def test_text_of_the_command_line_ends_where_it_ends(emu, tmp_path):
    done = emu("explore", "--smt", 2, "-e", "addi 3,3,1", "--show", "r3")
    assert (done.code, done.out) == (0, "1       :>exit 0 v0.r3=0x1 v1.r3=0x2\n")
    text = "lis 9,2; lwz 5,0(9); addi 5,5,1; stw 5,0(9); lwz 6,0(9)"
    done = emu("explore", "--smt", 2, "-e", text, "--expect", "v1.r6!=1", "--save", tmp_path)
    assert done.code == 7
    (case,) = tmp_path.iterdir()
    done = emu("replay", case)
    assert done.code == 7
    assert "in the end: exit 0, not v1.r6!=1" in done.out


def test_dpor_goes_through_a_guest_that_ends(emu):
    text = "lis 9,2; stw 3,0(9); lwz 6,0(9)"
    dfs, dpor = (
        emu("explore", "--smt", 2, "-e", text, "--show", "r6", "--json", "--algorithm", name)
        for name in ("dfs", "dpor")
    )
    assert endings(dfs).keys() == endings(dpor).keys()
    assert json.loads(dpor.out)["complete"]


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("v0.r5<3", True),
        ("v0.r5<=2", True),
        ("v0.r5==2", False),
        ("v0.r5>=2", False),
        ("v0.r5!=1", False),
        ("r5>0", True),
        ("v1.r5 > 0x2", False),
    ],
)
def test_what_must_hold_in_every_end_is_looked_at(emu, guests, text, met):
    done = emu("explore", guests / LOST, "--smt", 2, "--expect", text)
    assert done.code == 7  # the guest itself fails
    assert (f", not {text}" not in done.out) == met


def test_what_must_never_hold_is_looked_at_on_the_way(emu, guests, tmp_path):
    done = emu("explore", guests / LOST, "--smt", 2, "--never", "v1.r5==2", "--save", tmp_path)
    assert done.code == 7
    assert "1       *>never v1.r5==2\n" in done.out
    assert "v1.r5==2 is never true, and was reached" in done.out
    (case,) = tmp_path.glob("*never*")
    done = emu("replay", case)
    assert done.code == 7
    assert "reproduced: v1.r5==2 is never true" in done.out
    assert "decides it: until then a good end could be reached" in done.out
    assert "never" not in emu("explore", guests / LOST, "--smt", 2, "--never", "v1.r5>2").out


def test_a_bound_on_instructions_is_heeded_and_said(emu, guests):
    done = emu("explore", guests / LOST, "--smt", 2, "--max-insns", 12)
    assert (done.code, done.out) == (4, "5       :>instruction limit\n")
    assert done.err.startswith("runs of at most 12 instructions: ")
    enough = emu("explore", "-e", "lwz 5,0(3); addi 4,4,1", "--max-insns", 1000, "--json")
    assert json.loads(enough.out)["complete"]


def test_a_bound_on_instructions_that_is_too_much_to_count_is_left_out(emu, guests):
    done = emu("explore", guests / LOST, "--smt", 2, "--max-insns", "1e6", "--json")
    report = json.loads(done.out)
    assert report["complete"]
    assert set(endings(done)) == {"exit 0", "exit 1"}


def test_a_loop_without_end_comes_to_the_bound_on_instructions(emu, tmp_path):
    path = tmp_path / "count.s"
    path.write_text("_start: addi 3,3,1\n b _start\n")
    assert emu("explore", path, "--max-insns", 100000).code == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--schedule", "rr:10"], "turns have no length"),
        (["--schedule", "turns.txt"], "is for emu replay"),
        (["--schedule", "pct:9"], "must be 1 to 8"),
        (["--schedule", "pct:"], "must be 1 to 8"),
        (["--schedule", "random", "--algorithm", "dfs"], "contradict"),
        (["--schedule", "random", "--preemptions", "1"], "dfs only"),
        (["--max-insns", "5", "--algorithm", "dpor"], "every algorithm but dpor"),
        (["--minimise"], "--save"),
    ],
)
def test_an_option_that_a_search_cannot_heed_is_refused(emu, guests, arguments, message):
    done = emu("explore", guests / LOST, *arguments)
    assert done.code == 2
    assert message in done.err


@pytest.mark.parametrize("schedule", ["random", "pct:2"])
def test_a_schedule_that_samples_makes_the_search_a_sample(emu, guests, schedule):
    done = emu("explore", guests / LOST, "--smt", 2, "--schedule", schedule, "--runs", 20)
    assert done.err.startswith("sampled, 20 runs")


def test_a_minimised_case_of_a_guest_has_the_fewest_switches(emu, guests, tmp_path):
    def switches(folder, *more):
        emu("explore", guests / LOST, "--smt", 2, "--save", folder, *more)
        (case,) = folder.iterdir()
        words = json.loads(emu("replay", "--json", case).out)["schedule"].split()
        actors = [word.partition("*")[0].rstrip("fldt") for word in words]
        return sum(a != b for a, b in itertools.pairwise(actors))

    assert switches(tmp_path / "small", "--minimise") == 2
    assert switches(tmp_path / "first") >= 2


def test_a_case_of_a_pseries_guest_replays(emu, tmp_path):
    path = tmp_path / "fails.s"
    path.write_text("_start: li 4,3\n lis 3,0\n ori 3,3,0xf100\n sc 1\n")
    done = emu("explore", path, "--machine", "pseries", "--append", "a b", "--save", tmp_path)
    assert done.code == 7
    (case,) = tmp_path.glob("*.case")
    assert 'machine = "pseries"' in case.read_text()
    assert emu("replay", case).code == 7


def test_a_guest_on_standard_input_is_read_once(emu, tmp_path):
    source = b"_start: li 4,3\n lis 3,0\n ori 3,3,0xf100\n sc 1\n"
    done = emu("explore", "-", "--save", tmp_path, "--minimise", stdin=source)
    assert done.code == 7
    (case,) = tmp_path.iterdir()
    assert emu("replay", case).code == 7


def test_a_litmus_test_that_fails_can_be_saved_from_here(emu, tmp_path):
    path = tmp_path / "wrong.litmus"
    path.write_text("PPC wrong\n{ }\n P0 ;\n li r5,1 ;\n~exists (0:r5=1)\n")
    done = emu("explore", path, "--save", tmp_path / "cases", "--minimise")
    assert done.code == 7
    (case,) = (tmp_path / "cases").iterdir()
    assert emu("replay", case).code == 7
    assert emu("explore", path, "--show", "r5").code == 2


def test_when_time_runs_out_preemptions_are_bounded_with_what_is_left(emu, monkeypatch):
    looks = itertools.count()  # at the clock, which is as slow as this machine may be
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(looks) / 20)
    text = "lis 9,2" + "; lwz 5,0(9); addi 5,5,1; stw 5,0(9)" * 8
    done = emu("explore", "--smt", 4, "-e", text, "--time", 3)
    assert done.err.startswith("exhaustive up to ")


@pytest.mark.parametrize("host", ["power8", "power9"])
def test_a_saved_case_needs_no_other_file_and_replays(emu, guests, tmp_path, host):
    done = emu("explore", guests / LOST, "--smt", 2, "--host", host, "--save", tmp_path / "cases")
    (case,) = (tmp_path / "cases").iterdir()
    assert done.err.splitlines()[-1] == f"replay: emu replay {shlex.quote(str(case))}"
    assert ".include" not in case.read_text()
    done = emu("replay", case)
    assert done.code == 7
    assert "in the end: exit 1" in done.out
    assert "reproduced: the guest reports failure, status 1" in done.out
    assert " decides it: until then a good end could be reached" in done.out


def test_an_elf_guest_becomes_a_case_too(emu, guests, tmp_path):
    assert emu("asm", guests / LOST, "-o", tmp_path / "lost.elf").code == 0
    done = emu("explore", tmp_path / "lost.elf", "--smt", 2, "--save", tmp_path / "cases")
    assert done.code == 7
    (case,) = (tmp_path / "cases").iterdir()
    assert 'form = "elf"' in case.read_text()
    assert emu("replay", case).code == 7


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('form = "elf"', 'form = "text"', "no such instruction"),
        ("smt = 2", "smt = 8", "smt must be"),
        ("vcpus = 2", "vcpus = 1", "the schedule does not fit"),
        ("f0VM", "****", "program must be base64"),
    ],
)
def test_a_guest_case_that_is_spoilt_is_refused(emu, guests, tmp_path, old, new, message):
    emu("asm", guests / LOST, "-o", tmp_path / "lost.elf")
    emu("explore", tmp_path / "lost.elf", "--smt", 2, "--save", tmp_path, "--host", "power7")
    (case,) = tmp_path.glob("*.case")
    assert old in case.read_text()
    done = emu("replay", "-", stdin=case.read_text().replace(old, new, 1).encode())
    assert done.code in (2, 3)
    assert message in done.err


def test_what_is_found_before_states_run_out_is_kept(emu, guests):
    done = emu("explore", guests / LOST, "--smt", 4, "--max-states", 3000, "--json")
    report = json.loads(done.out)
    assert not report["complete"]
    assert done.code == 7


def command(guests):
    return [sys.executable, "-m", "emu", "explore", str(guests / "spinlock.s"), *LONG[2:]]


def test_ctrl_c_ends_a_search_with_what_was_found(guests, on_a_terminal):
    shown, code = on_a_terminal(command(guests), until=b" k/s)")
    assert code == 130
    assert shown.rstrip().split(b"\r\x1b[K")[-1].startswith(b"stopped: ")
    assert b"Traceback" not in shown


def test_a_terminal_has_a_progress_line(guests, on_a_terminal):
    shown, _ = on_a_terminal([*command(guests), "--time", "2"])
    assert b" k/s)" in shown
    assert re.search(rb"frontier [1-9]", shown)
    assert shown.rstrip().split(b"\r\x1b[K")[-1].startswith((b"stopped: ", b"exhaustive up to "))


@pytest.mark.parametrize("host", ["power7", "power8", "power9"])
def test_text_that_ends_in_a_sleep_for_ever_is_a_deadlock(emu, host):
    cede = "li r3,0xe0; sc 1"
    assert emu("run", "--host", host, "-e", cede).code == 5
    done = emu("explore", "--host", host, "-e", cede, "--json")
    assert (done.code, endings(done)) == (7, {"deadlock": 1})
    prod = "mr r10,r3; cmpdi r3,1; li r4,0; li r3,0xe4; beq 1f; li r3,0xe0; 1: sc 1"
    done = emu("explore", "--host", host, "--smt", 2, "-e", prod, "--json")
    assert (done.code, list(endings(done))) == (0, ["exit 0"])


@pytest.mark.parametrize("bound", ["--preemptions", "--max-states", "--max-insns", "--runs"])
def test_a_bound_beyond_all_numbers_is_none(emu, guests, bound):
    done = emu("explore", guests / LOST, "--smt", 2, bound, 10**25)
    assert done.code == 7
    assert "exhaustive: 169 states" in done.err
