from dataclasses import replace

import pytest

from emu.explore.avoidable import last_avoidable
from emu.explore.litmus.guest import build
from emu.explore.litmus.parse import load, parse
from emu.explore.litmus.problems import LitmusError
from emu.explore.litmus.run import run
from emu.explore.litmus.verdict import judge
from emu.explore.replay import case_of, replay
from emu.explore.search import Algorithm, Options, Refusal, SearchRefusedError

SPURIOUS = Options(spurious=True)

SB = """PPC SB
{ 0:r1=1; 1:r1=1; 0:r8=x; 0:r9=y; 1:r8=y; 1:r9=x; }
 P0           | P1           ;
 stw r1,0(r8) | stw r1,0(r8) ;
 lwz r2,0(r9) | lwz r2,0(r9) ;
 lwz r3,0(r9) | lwz r3,0(r9) ;
exists (0:r2=0 /\\ 1:r2=0)
"""


def column(*cells, initial="", condition="exists (true)", head=""):
    rows = "".join(f" {cell} ;\n" for cell in cells)
    return parse(f"PPC T\n{head}{{ {initial} }}\n P0 ;\n{rows}{condition}\n", "t.litmus")


def outcomes(test, options=SPURIOUS):
    return {str(o) for o in run(test, options).outcomes}


@pytest.mark.parametrize("algorithm", [Algorithm.DFS, Algorithm.BFS, Algorithm.DPOR])
def test_every_herd_test_has_exactly_herds_states(herd_tests, algorithm):
    for path, row in herd_tests:
        result = run(load(path), Options(algorithm=algorithm, spurious=True))
        found = {
            tuple(sorted((str(o), str(v)) for o, v in s.state.items())) for s in result.outcomes
        }
        assert found == {tuple(sorted(s.items())) for s in row["states"]}, path
        judgement = judge(result)
        assert judgement.observation == row["observation"], path
        assert ("Ok" if judgement.met else "No") == row["verdict"], path
        assert result.complete


def test_without_ample_sets_the_outcomes_are_the_same(herd_tests):
    for path, _ in herd_tests[::7]:
        test = load(path)
        assert outcomes(test) == outcomes(test, Options(spurious=True, ample=False)), path


def test_registers_show_numbers_as_their_type_says():
    test = column(
        "li r1,-1", "li r2,-1", "li r3,-1", "lwz r4,0(r9)", "mr r5,r9", "rldicr r6,r1,0,0",
        initial="uint64_t 0:r2; uint32_t 0:r3; 0:r9=x; int x=-1",
        condition="locations [0:r3; 0:r4; 0:r6] exists (0:r1=-1 /\\ 0:r2=-1 /\\ 0:r5=x)",
    )  # fmt: skip
    assert outcomes(test) == {
        (
            "0:r1=-1; 0:r2=18446744073709551615; 0:r3=4294967295; 0:r4=-1; 0:r5=x; "
            "0:r6=-9223372036854775808;"
        )
    }


def test_addresses_may_be_computed_in_halves():
    test = column(
        "lis r9,2", "addis r8,r9,-1", "lwz r1,0(r9)", initial="x=7",
        condition="exists (0:r1=7 /\\ 0:r8=0x10000)",
    )  # fmt: skip
    assert judge(run(test, Options(), "power8")).met


def test_power9_has_its_own_instructions():
    test = column("modsw r1,r2,r3", initial="0:r2=7; 0:r3=4", condition="exists (0:r1=3)")
    assert judge(run(test, Options(), "power9")).met


@pytest.mark.parametrize("endian", ["big", "little"])
def test_both_byte_orders_run(endian):
    test = column(
        "lwz r1,0(r9)", "lbz r2,0(r9)", "stw r1,0(r8)",
        head=f"Endian={endian}\n", initial="0:r9=x; 0:r8=y; x=0x01020304",
        condition="locations [0:r2; y] exists (true)",
    )  # fmt: skip
    first = 1 if endian == "big" else 4
    assert outcomes(test) == {f"0:r2={first}; [y]={0x01020304};"}


def test_cells_are_wide_where_the_program_uses_doublewords():
    test = column("std r1,0(r9)", initial="0:r9=x; 0:r1=0x100000000", condition="exists (x=0)")
    assert outcomes(test) == {f"[x]={1 << 32};"}


def test_r0_as_a_base_means_the_register_as_it_does_to_herd():
    test = column("lwz r1,0(r0)", initial="0:r0=x; x=5", condition="exists (0:r1=0 /\\ 0:r0=x)")
    assert outcomes(test) == {"0:r0=x; 0:r1=5;"}


def test_three_operand_spelling_of_a_displacement_is_read():
    assert outcomes(
        column("lwz r1,4,r9", initial="0:r9=x; uint64_t x=7", condition="exists 0:r1=0")
    ) == {"0:r1=7;"}


def test_a_stwcx_fails_when_another_thread_stored_and_may_fail_without_reason():
    text = """PPC T
{ 0:r9=x; 1:r9=x; 0:r1=1; 1:r1=2; }
 P0              | P1           ;
 lwarx r2,0,r9   | stw r1,0(r9) ;
 stwcx. r1,0,r9  |              ;
exists (0:r2=0 /\\ x=1)
"""
    test = parse(text)
    strict = {"0:r2=0; [x]=2;", "0:r2=2; [x]=1;"}
    assert outcomes(test, Options()) == strict
    assert outcomes(test) == strict | {"0:r2=2; [x]=2;"}


def test_a_doorbell_is_taken_at_any_time_after_it_was_sent():
    text = """PPC T
EE=0,1
{ 0:r4=db(1); 1:r9=x; 1:r1=1; 1:r2=2; 1:r8=y; }
 P0         | P1           ;
 msgsndp r4 | lwz r5,0(r9) ;
            | lwz r6,0(r9) ;
handler 1 doorbell { stw r1,0(r9); rfid }
locations [1:r5; 1:r6; taken(1); pend(1)]
exists (true)
"""
    assert outcomes(parse(text), Options(delayed=True)) == {
        "1:r5=0; 1:r6=0; pend(1)=0; taken(1)=1;",
        "1:r5=0; 1:r6=1; pend(1)=0; taken(1)=1;",
        "1:r5=1; 1:r6=1; pend(1)=0; taken(1)=1;",
    }


@pytest.mark.parametrize(
    "options",
    [
        Options(algorithm=Algorithm.RANDOM, max_runs=200),
        Options(algorithm=Algorithm.PCT, max_runs=200),
        Options(algorithm=Algorithm.POS, max_runs=200),
        Options(preemptions=0),
        Options(preemptions=1),
    ],
)
def test_bounds_and_samples_say_what_they_are(options):
    test = parse(SB)
    result = run(test, options)
    full = {str(o) for o in run(test, Options()).outcomes}
    assert {str(o) for o in result.outcomes} <= full
    assert not result.complete
    assert ("sampled, 200 runs" if options.preemptions is None else "preemptions") in result.cut


def test_a_limit_of_states_is_a_cut():
    result = run(parse(SB), Options(max_states=2))
    assert result.cut == "cut off at 2 states"


def test_a_loop_that_waits_for_another_thread_ends():
    text = """PPC T
{ 0:r9=x; 1:r9=x; 0:r1=1; }
 P0           | P1              ;
 stw r1,0(r9) | L: lwz r1,0(r9) ;
              | cmpwi r1,0      ;
              | beq L           ;
              | li r3,7         ;
forall (1:r3=7)
"""
    assert outcomes(parse(text)) == {"1:r3=7;"}


def test_what_a_prohibition_forbids_is_found_on_the_way():
    test = column("li r1,1", "stw r1,0(r9)", "stw r0,0(r9)", initial="0:r9=x",
                  condition="exists (true) never x=1")  # fmt: skip
    result = run(test, Options())
    assert judge(result).failures == ("[x]=1 is never true, and was reached",)
    assert result.violations[0].schedule


@pytest.mark.parametrize(
    ("cells", "refusal"),
    [
        (["stw r1,0(r9)"], Refusal.STORE),
        (["mtctr r9", "addi r9,r9,64", "mtctr r9", "bctr"], Refusal.CODE),
    ],
)
def test_what_cannot_be_searched_is_refused(cells, refusal):
    test = column(*cells, initial="0:r9=0x10000; 0:r8=0x7fffffff")
    with pytest.raises(SearchRefusedError) as caught:
        run(test, Options())
    assert caught.value.refusal is refusal


# P0 loads from where nothing is, unless P1 has stored first.
TRAPS = """PPC T
{ 0:r1=x; 0:r8=0x7fffffff; 1:r1=x; 1:r9=1; }
 P0           | P1           ;
 lwz r5,0(r1) | stw r9,0(r1) ;
 cmpwi r5,1   |              ;
 beq out      |              ;
 lwz r3,0(r8) |              ;
 out: nop     |              ;
exists (0:r5=1)
"""


@pytest.mark.parametrize("algorithm", [*Algorithm])
@pytest.mark.parametrize("ample", [True, False])
def test_an_interrupt_that_nobody_handles_is_a_violation_and_no_outcome(algorithm, ample):
    result = run(parse(TRAPS), replace(SPURIOUS, algorithm=algorithm, ample=ample))
    assert [str(outcome) for outcome in result.outcomes] == ["0:r5=1;"]
    (violation,) = result.violations
    assert violation.rule == "trap"
    assert violation.explanation == (
        "thread 0 took interrupt 0x300 at 0x1000c (lwz r3,0(r8)), and nobody handles it"
    )
    case = case_of(parse(TRAPS), "power9", SPURIOUS, violation)
    assert replay(case).reproduced
    assert last_avoidable(case).steps == 0


@pytest.mark.parametrize("host", ["power8", "power9"])
def test_an_interrupt_that_the_hypervisor_injects_may_be_unhandled(host):
    test = parse("PPC T\nSMT=1\n{ }\n P0 ;\n nop ;\n .long 0x04000001 ;\nexists (true)\n")
    (violation,) = run(test, SPURIOUS, host).violations
    assert violation.explanation.startswith("thread 0 took interrupt 0x")
    assert replay(case_of(test, host, SPURIOUS, violation)).reproduced


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["lwz r1,0(r99)"], "t.litmus:4:"),
        (["frob r1"], "frob"),
        (["b nowhere"], "nowhere"),
        (["nop"] * 2000, "has at most 1023 instructions, got 2000"),
    ],
)
def test_bad_code_is_a_diagnostic_at_its_cell(cells, message):
    with pytest.raises(LitmusError) as caught:
        build(column(*cells))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("EE=2\n", "EE must be 0 or 1 for each of 1 threads, got 2"),
        ("EE=0,1\n", "EE must be 0 or 1 for each of 1 threads, got 0,1"),
        ("Endian=middle\n", "Endian must be big or little, got middle"),
        ("Hosts=power8,power10\n", "a host is one of power7, power8, power9, got power10"),
        ("Core=4\n", "Core must be 0 to 3, got 4"),
    ],
)
def test_bad_header_values_are_diagnostics(head, message):
    with pytest.raises(LitmusError, match=message):
        build(column("nop", head=head))


def test_a_thread_may_be_pulled_out_of_the_guest_in_front_of_an_mtmsrd():
    """So a second doorbell can join the first, which MSR[EE] = 0 still keeps waiting."""
    text = """PPC coalesced
SMT=2
EE=0,0
{ 0:r6=1; 0:r7=db(1); 0:r16=x; 1:r6=db(1); 1:r16=x; }
 P0            | P1            ;
 stw r6,0(r16) | msgsndp r6    ;
 msgsndp r7    | lwz r7,0(r16) ;
               | ee 1          ;
handler doorbell { rfid }
exists (1:r7=0 /\\ x=1 /\\ taken(1)=1 /\\ pend(1)=0)
"""
    assert judge(run(parse(text), Options(), "power9")).met


@pytest.mark.parametrize("algorithm", [Algorithm.DFS, Algorithm.BFS, Algorithm.DPOR])
@pytest.mark.parametrize("on", ["ee 1", "mtsrr1 r9 ; mtsrr0 r10 ; rfid"])
def test_a_doorbell_may_come_to_a_pulled_out_thread_before_its_msr_lets_it_in(algorithm, on):
    """Its sibling can tell: the doorbell is still pending while that is in the guest again."""
    first, *others = on.split(" ; ")
    text = f"""PPC pulled
SMT=2
EE=0,0
{{ 0:r9=0x8000000000009000; 0:r10=0x10010; 1:r6=db(0); 1:r8=0; }}
 P0 | P1 ;
 {first} | msgsndp r6 ;
 {others[0] if others else "nop"} | prod 2 ;
 {others[1] if others else "nop"} | mfspr r8,DPDES ;
 nop | nop ;
handler doorbell {{ rfid }}
exists (1:r8=1 /\\ taken(0)=1)
"""
    found = run(parse(text), Options(algorithm=algorithm), "power8")
    assert found.complete
    assert judge(found).met
