import itertools
import json
import re
import shlex

import pytest

BAD = """PPC both-read
SMT=2
{ 0:r4=db(1); 1:r4=db(0); }
 P0             | P1             ;
 msgsndp r4     | msgsndp r4     ;
 mfspr r5,DPDES | mfspr r5,DPDES ;
~exists (0:r5=1 /\\ 1:r5=2)
"""


@pytest.fixture
def case(emu, tmp_path):
    """A case, and what `emu litmus` said of it."""
    path = tmp_path / "both-read.litmus"
    path.write_text(BAD)
    done = emu("litmus", "--host", "power9", "--save", tmp_path / "cases", path)
    assert done.code == 7
    (written,) = (tmp_path / "cases").iterdir()
    assert done.err == f"replay: emu replay {shlex.quote(str(written))}\n"
    return written


def test_the_printed_command_replays_the_violation(emu, case):
    done = emu("replay", case)
    assert done.code == 7
    lines = done.out.splitlines()
    assert lines[0] == "both-read on power9: condition"
    assert "msgsndp r4" in lines[1]
    assert lines[-3].startswith("in the end: 0:r5=1; 1:r5=2;")
    assert lines[-2] == "reproduced: 0:r5=1 /\\ 1:r5=2 is forbidden on power9"
    assert re.fullmatch(r"step \d+ decides it: until then a good end could be reached", lines[-1])


def test_a_minimised_case_has_no_more_switches_and_replays(emu, case, tmp_path):
    def switches(path):
        words = json.loads(emu("replay", "--json", path).out)["schedule"].split()
        actors = [word.partition("*")[0].rstrip("fldt") for word in words]
        return sum(a != b for a, b in itertools.pairwise(actors))

    done = emu(
        "litmus", "--host", "power9", "--minimise", "--save", tmp_path / "small",
        tmp_path / "both-read.litmus",
    )  # fmt: skip
    assert done.code == 7
    (small,) = (tmp_path / "small").iterdir()
    assert switches(small) <= switches(case)
    assert emu("replay", small).code == 7


def test_minimising_without_a_place_to_write_is_usage(emu, tmp_path):
    assert emu("litmus", "--minimise", tmp_path / "x.litmus").code == 2


def test_a_case_that_is_no_longer_true_is_exit_code_0(emu, case, tmp_path):
    mended = tmp_path / "mended.case"
    mended.write_text(case.read_text().replace('condition = "0:r5=1', 'condition = "0:r5=0'))
    done = emu("replay", mended)
    assert done.code == 0
    assert done.out.splitlines()[-1].startswith("not reproduced: ")


def test_a_case_comes_on_standard_input_and_goes_as_json(emu, case):
    done = emu("replay", "--json", "-", stdin=case.read_bytes())
    assert done.code == 7
    report = json.loads(done.out)
    assert (report["schema"], report["reproduced"], report["host"]) == (1, True, "power9")
    assert report["steps"][0]["what"] == "msgsndp r4"
    assert len(report["steps"]) == sum(
        int(word.partition("*")[2] or 1) for word in report["schedule"].split()
    )


def test_a_trace_has_every_event_once_at_the_time_of_its_step(emu, case, tmp_path):
    trace = tmp_path / "trace"
    assert emu("replay", "--trace", trace, case).code == 7
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    exits = [line for line in lines[1:] if line.get("case") == "hfac_unavail"]
    assert [line["nia"] for line in exits] == ["0x10000", "0x10004", "0x11000", "0x11004"]
    assert [line["tb"] for line in lines[1:]] == sorted(line["tb"] for line in lines[1:])


def test_saving_twice_writes_one_file(emu, case, tmp_path):
    again = emu("litmus", "--host", "power9", "--save", case.parent, tmp_path / "both-read.litmus")
    assert str(case) in again.err
    assert list(case.parent.iterdir()) == [case]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "format must be 'emu case 1', got nothing"),
        (b"\xff\xfe", "a case is UTF-8 text"),
        (b"[[", "this is no TOML file"),
    ],
)
def test_what_is_no_case_is_exit_code_3(emu, text, message):
    done = emu("replay", "-", stdin=text)
    assert done.code == 3
    assert message in done.err


def test_a_case_that_does_not_fit_is_exit_code_3(emu, case):
    text = case.read_text()
    begin, end = text.index("schedule = "), text.index("program = ")
    odd = f"{text[:begin]}schedule = '0 9'\n{text[end:]}"
    odd = odd[: odd.index("trail = [")] + odd[odd.index("[machine]") :]
    done = emu("replay", "-", stdin=odd.encode())
    assert done.code == 3
    assert "the schedule does not fit this machine: step 1 is 9" in done.err


def test_a_program_that_is_no_test_is_exit_code_3(emu, case):
    text = case.read_text().replace("PPC both-read", "X86 both-read", 1)
    done = emu("replay", "-", stdin=text.encode())
    assert done.code == 3
    assert "begins with `PPC NAME`" in done.err


NATIVE = """PPC native
Endian=little
SMT=2
EE=0,1
{ 0:r1=1; 0:r2=x; 0:r4=db(1); 1:r2=x; }
 P0           | P1           ;
 stw r1,0(r2) | lwz r5,0(r2) ;
 msgsndp r4   |              ;
handler doorbell { rfid }
~exists (1:r5=1 /\\ taken(1)=1)
"""


def test_a_case_without_a_hypervisor_has_a_trace_and_a_story_of_its_memory(emu, tmp_path):
    path = tmp_path / "native.litmus"
    path.write_text(NATIVE)
    assert emu("litmus", "--host", "power8", "--save", tmp_path, path).code == 7
    (case,) = tmp_path.glob("*.case")
    trace = tmp_path / "trace"
    done = emu("replay", "--trace", trace, case)
    assert done.code == 7
    assert "stw     r1,0(r2)  [memory 0x20000 0x0 -> 0x1]" in done.out
    _, *lines = [json.loads(line) for line in trace.read_text().splitlines()]
    assert [(line["actor"], line["event"]) for line in lines] == [
        ("v0", "guest_doorbell"),
        ("v1", "guest_interrupt"),
    ]


def test_a_case_of_what_is_missing_is_a_search(emu, guests, tmp_path):
    path = guests / "litmus" / "read-twice.litmus"
    bug = ["--bug", "stale-dpdes-read"]
    assert emu("litmus", *bug, "--save", tmp_path, "--minimise", path).code == 7
    (case,) = tmp_path.glob("*require*")
    done = emu("replay", case)
    assert done.code == 7
    assert "is true of none of the " in done.out
    healthy = case.read_text().replace('bugs = ["stale-dpdes-read"]', "bugs = []")
    done = emu("replay", "-", stdin=healthy.encode())
    assert done.code == 0
    assert "is true of one of the " in done.out
    edited = case.read_text().replace("schedule = '''\n", "schedule = '''\n0 ")
    assert emu("replay", "-", stdin=edited.encode()).code in (2, 3)
