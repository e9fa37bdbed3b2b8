import pytest

from emu.explore.litmus.model import (
    Address,
    CellType,
    Doorbell,
    Ghost,
    GhostKind,
    Location,
    Quantifier,
    Register,
    Verdict,
)
from emu.explore.litmus.parse import MAX_TEXT, load, parse
from emu.explore.litmus.problems import LitmusError

MP = """\
PPC MP
"PodWW Rfe PodRR Fre"
Cycle=Rfe PodRR Fre PodWW
{
0:r2=x; 0:r4=y;
1:r2=y; 1:r4=x;
}
 P0           | P1           ;
 li r1,1      | lwz r1,0(r2) ;
 stw r1,0(r2) | lwz r3,0(r4) ;
 stw r1,0(r4) |              ;
exists (1:r1=1 /\\ 1:r3=0)
"""

DOORBELLS = """\
PPC DB-both-read
"both send,
 both read DPDES"
SMT=2
EE=0,0
{ 0:r4=db(1); 1:r4=db(0); }
 P0             | P1             ;
 msgsndp r4     | msgsndp r4     ;
 mfspr r5,DPDES | mfspr r5,DPDES ;
handler doorbell { lwz r6,0(r2); rfid }
handler 1 0x900 { 1: b 1b }
locations [0:r5; 1:r5; taken(0); pend(1);]
~exists (0:r5=1 /\\ 1:r5=2)
expect power8 forbidden
expect power9 allowed deviation=DPDES-read-not-atomic
require power8,power9 (0:r5=3 /\\ 1:r5=3)
never lost(0) \\/ lost(1)
"""


def small(condition="exists (0:r1=0)", initial="", program=" P0 ;\n nop ;"):
    return f"PPC T\n{{ {initial} }}\n{program}\n{condition}\n"


def refusal(text):
    with pytest.raises(LitmusError) as caught:
        parse(text, "t.litmus")
    return str(caught.value)


def test_every_herd_test_loads_with_herds_condition_and_observables(herd_tests):
    for path, row in herd_tests:
        test = load(path)
        assert test.name == row["name"]
        assert f"{test.quantifier} ({test.condition})" == row["condition"], path
        assert {str(o) for o in test.shown} == set(row["states"][0]), path


def test_a_herd_test_becomes_columns_of_cells():
    test = parse(MP)
    assert test.title == "PodWW Rfe PodRR Fre"
    assert test.header["Cycle"] == "Rfe PodRR Fre PodWW"
    assert [[cell.text for cell in column] for column in test.threads] == [
        ["li r1,1", "stw r1,0(r2)", "stw r1,0(r4)"],
        ["lwz r1,0(r2)", "lwz r3,0(r4)"],
    ]
    assert test.registers[Register(1, "r4")] == Address("x")
    cell = test.threads[1][0]
    assert (cell.line, cell.column) == (9, 17)


def test_the_doorbell_extensions_are_read():
    test = parse(DOORBELLS)
    assert test.title == "both send, both read DPDES"
    assert test.header == {"SMT": "2", "EE": "0,0"}
    assert test.registers[Register(0, "r4")] == Doorbell(1)
    assert test.quantifier is Quantifier.NOT_EXISTS
    assert Ghost(GhostKind.TAKEN, 0) in test.locations
    assert [(e.host, e.verdict, e.deviation) for e in test.expectations] == [
        ("power8", Verdict.FORBIDDEN, None),
        ("power9", Verdict.ALLOWED, "DPDES-read-not-atomic"),
    ]
    assert test.requirements[0].hosts == ("power8", "power9")
    assert str(test.prohibitions[0].condition) == "lost(0) \\/ lost(1)"


def test_handlers_belong_to_a_vector_and_to_one_thread_or_all():
    first, second = parse(DOORBELLS).handlers
    assert (first.vector, first.thread) == (0xA00, None)
    assert [cell.text for cell in first.cells] == ["lwz r6,0(r2)", "rfid"]
    assert (second.vector, second.thread) == (0x900, 1)
    assert [cell.text for cell in second.cells] == ["1:", "b 1b"]


def test_a_doorbell_image_has_type_5_and_the_target():
    assert Doorbell(3).image == 0x28000003


def test_labels_may_stand_alone_or_before_an_instruction():
    test = parse(small(program=" P0 ;\nL0: nop ;\n L1: ;\n A: B: nop ;"))
    assert [c.text for c in test.threads[0]] == ["L0:", "nop", "L1:", "A:", "B:", "nop"]


def test_comments_nest_and_keep_places():
    test = parse("(* a (* b *)\n *) PPC T\n{}\n P0 ; (* | ; *)\n nop ;\nexists (true)\n")
    assert (test.threads[0][0].line, test.threads[0][0].column) == (5, 2)


def test_initial_values_are_numbers_addresses_doorbells_and_typed():
    test = parse(
        small(initial="int x=1; y=z; uint64_t 0:r6; [w]=0x10; 0:r1=-5; 0:r2=&x; int *p=x; P0:r3=x")
    )
    assert test.memory == {"x": 1, "y": Address("z"), "w": 16, "p": Address("x")}
    assert test.types[Register(0, "r6")] is CellType.UINT64
    assert test.types[Location("y")] is CellType.POINTER
    assert test.registers[Register(0, "r1")] == -5
    assert test.registers[Register(0, "r3")] == Address("x")


@pytest.mark.parametrize(
    ("condition", "shown"),
    [
        ("exists 0:r1=1 /\\ x=2 \\/ y=3", "0:r1=1 /\\ [x]=2 \\/ [y]=3"),
        ("exists (0:r1=1 /\\ (x=2 \\/ y=3))", "0:r1=1 /\\ ([x]=2 \\/ [y]=3)"),
        ("exists not (0:r1=1 /\\ x=2)", "not (0:r1=1 /\\ [x]=2)"),
        ("exists ~(x=2)", "not ([x]=2)"),
        ("forall (x=1 => y=1 => z=0x10)", "[x]=1 => [y]=1 => [z]=16"),
        ("exists ((x=1 => y=1) => z=1)", "([x]=1 => [y]=1) => [z]=1"),
        ("exists x!=1", "not ([x]=1)"),
        ("exists (true)", "true"),
        ("exists (trap(0,0xf80)=2 /\\ blocked(0))", "trap(0,0xf80)=2 /\\ blocked(0)"),
        ("final exists (x=1);", "[x]=1"),
    ],
)
def test_conditions_bind_as_herd_binds_them(condition, shown):
    assert str(parse(small(condition)).condition) == shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "begins with `PPC NAME`, got nothing"),
        ("X86 SB\n{}\n", "begins with `PPC NAME`, got `X86`"),
        ("PPC\n{}\n", "the test has no name"),
        ("PPC T\nfoo\n{}\n", "expected a quoted title, `Key=Value` or `{`"),
        ("PPC T\n{ 0:r1=1\n", "the initial state has no `}`"),
        ("PPC T\n(* {}\n", "comment has no `*)`"),
        (small(initial="0:r1"), "expected `=`"),
        (small(initial="0:r32=1"), "no such register: r32"),
        (small(initial="9:r1=1"), "a thread must be between 0 and 7, got 9"),
        (small(initial="0:r1=1; 0:r1=2"), "0:r1 is given a value twice"),
        (small(initial="x=db(1)"), "a location holds a number or an address"),
        (small(initial="0:r1=0x1ffffffffffffffff"), "a value must be between"),
        (small(initial="float x=1"), "no such type: float"),
        (small(initial="0:r1=1 0:r2=2"), "expected `;`"),
        (small(initial="0:r1=\x01"), "unexpected character '\\x01'"),
        (small(program=""), "the test has no program"),
        (small(program=" P1 ;\n nop ;"), "column 1 must be headed P0, got 'P1'"),
        (small(program=" P0 ;\n nop | nop ;"), "this row has 2 columns, the first has 1"),
        (small(program=" P0 ;\n nop"), "a row of the program ends in `;`"),
        (small("exists (0:r1=)"), "expected a value, got `)`"),
        (small("exists (0:r1=1"), "expected `)`, got the end of the test"),
        (small("exists (x)"), "expected `=`"),
        (small("exists (wrong(0)=1)"), "`wrong` cannot be asked about a thread"),
        (small("exists (1:r1=0)"), "thread 1 is named, but the program has 1 columns"),
        (small("exists true exists true"), "a test has one final condition"),
        (small("exists true expect power6 allowed"), "expected a host"),
        (small("exists true expect power9 maybe"), "expected allowed, forbidden or always"),
        (small("exists true expect power9 always expect power9 always"), "two expectations"),
        (small("exists true elsewhere"), "expected a clause, got `elsewhere`"),
        (small("exists true\nhandler", program=" P0 ;\n nop ;\nhandler bell { }"),
         "no such interrupt: bell"),
        (small(""), "the test has no condition"),
        (small("exists " + "(" * 200 + "true" + ")" * 200), "a condition nests at most 100 deep"),
        ("PPC T\n{}\n" + " P0 |" * 9 + ";\n", "column 2 must be headed P1"),
        ("x" * (MAX_TEXT + 1), "a litmus test has at most"),
    ],
)  # fmt: skip
def test_bad_input_is_a_diagnostic(text, message):
    assert message in refusal(text)


def test_a_diagnostic_shows_the_line_and_a_caret():
    assert refusal(MP.replace("1:r3=0", "1:r99=0")) == (
        "error: no such register: r99\n"
        "  --> t.litmus:12:21\n"
        "   |\n"
        "12 | exists (1:r1=1 /\\ 1:r99=0)\n"
        "   |                     ^^^\n"
        "   = help: r0 to r31, cr, lr, ctr, xer"
    )


def test_a_bad_section_does_not_hide_the_next():
    text = refusal(small("exists (0:r1=)", initial="0:r99=1"))
    assert "no such register: r99" in text
    assert "expected a value" in text


def test_a_missing_file_is_a_diagnostic(tmp_path):
    with pytest.raises(LitmusError, match="cannot be read: No such file"):
        load(tmp_path / "none.litmus")
