"""Each property finds a defect that is really there, and nothing where there is none.

A defect is one step of the host code replaced, or of what programs are written out as where the
hardware itself would have to be wrong. Findings are cases that replay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

import emu.fuzz.lowering
from emu.explore.case import parse_case
from emu.explore.litmus.laboratory import Laboratory
from emu.explore.replay import replay
from emu.explore.zoo import switched_on
from emu.fuzz.coverage import Observer
from emu.fuzz.examine import Examiner
from emu.fuzz.programs import Op, Program
from emu.fuzz.properties import PROPERTIES, chosen
from emu.hv.edit import Edit, applied

OFF, ON = False, True
DOORBELL = "emu.hv.doorbell"


@dataclass(frozen=True)
class Defect:
    """rule: the property that finds it. host: where. threads, smt, ee, agents: of the program."""

    rule: str
    host: str
    threads: tuple[tuple[Op, ...], ...]
    edits: tuple[Edit, ...]
    smt: int = 2
    ee: bool = OFF
    agents: tuple[str, ...] = ()
    bug: str = ""

    @property
    def program(self):
        ee = (self.ee,) * len(self.threads)
        return Program(self.threads, self.smt, ee, agents=self.agents)

    def present(self):
        """Return a block in which it is there."""
        return switched_on([self.bug]) if self.bug else applied(self.edits)


SEND_1, SEND_0, DPDES, TIR, CEDE = Op("send", 1), Op("send", 0), Op("dpdes"), Op("tir"), Op("cede")
EVERYBODY = Edit(
    f"{DOORBELL}:_msgsndp",
    "yield Write(target.doorbell_request, 1)",
    "for each in kvm.vcpus:\n    yield Write(each.doorbell_request, 1)",
)
ALL_CORES = Edit(f"{DOORBELL}:kvmppc_read_dpdes", "base = vcpu.vcpu_id & -mode", "base = 0")

FORGOTTEN = Edit(
    "emu.hv.rmhandlers:_switch_to_host",
    "yield Copy(vcore.dpdes, cpu.subproc.dpdes)",
    "yield Write(vcore.dpdes, 0)",
)

DEFECTS = [
    Defect("reaches-architecture", "power8", ((SEND_1, Op("prod", 1)), ()), (FORGOTTEN,)),
    Defect("pending-can-be-read", "power9", ((SEND_1, DPDES), ()), (), bug="stale-dpdes-read"),
    Defect("no-lost-wakeup", "power9", ((SEND_1,), (CEDE,)), (), bug="cede-ignores-doorbell"),
    Defect("liveness", "power9", ((DPDES,), ()), (), bug="ring-before-asking"),
    Defect("no-lost-doorbell", "power9", ((SEND_1,), ()), (), bug="doorbell-type-shift"),
    Defect("no-spurious-doorbell", "power9", ((SEND_1,), ()), (EVERYBODY,)),
    Defect("dpdes-of-own-core", "power9", ((SEND_0,), (DPDES,)), (ALL_CORES,), smt=1),
    Defect(
        "tir-constant",
        "power9",
        ((TIR,),),
        (
            Edit(
                f"{DOORBELL}:kvmppc_emulate_doorbell_instr",
                "yield Write(vcpu.result, thr)",
                "yield Write(vcpu.result, thr + 1)",
            ),
        ),
    ),
    Defect(
        "no-op-exact",
        "power9",
        ((Op("bad_clear", 4),), (SEND_0,)),
        (Edit(f"{DOORBELL}:_msgclrp", "DOORBELL_TYPE", "4"),),
    ),
    Defect(
        "reading-changes-nothing",
        "power9",
        ((DPDES,), (SEND_0,)),
        (
            Edit(
                f"{DOORBELL}:kvmppc_read_dpdes",
                "yield Or(vcpu.result, 1 << thr)",
                "yield Or(vcpu.result, 1 << thr)\nyield Write(v.doorbell_request, 0)",
            ),
        ),
    ),
    Defect(
        "events-leave-no-trace",
        "power9",
        ((SEND_1,), ()),
        (),
        agents=("migrate",),
        bug="dpdes-lost-on-migration",
    ),
    Defect("within-architecture", "power9", ((SEND_1,), ()), (EVERYBODY,)),
    Defect(
        "within-architecture", "power9", ((CEDE,), (Op("prod", 0),)), (), bug="prod-wakes-caller"
    ),
    Defect(
        "reaches-architecture",
        "power9",
        ((Op("load"), DPDES), (SEND_1, Op("store"))),
        (),
        bug="stale-dpdes-read",
    ),
    Defect("refines-power8", "power9", ((SEND_1,), ()), (EVERYBODY,)),
    Defect(
        "cede-and-prod",
        "power9",
        ((CEDE, CEDE), (Op("prod", 0),)),
        (
            Edit(
                "emu.hv.cede:kvmppc_vcpu_woken",
                "yield CompareAndSet(vcpu.prodded, 1, 0)",
                "yield Read(vcpu.prodded, limit=1)",
            ),
        ),
    ),
    Defect(
        "partition-safety",
        "power8",
        ((TIR, CEDE), (CEDE, TIR)),
        (),
        agents=("signal:0",),
        bug="mmu-switch-by-any-thread",
    ),
    Defect(
        "instructions-as-reference",
        "power9",
        ((Op("word", 0x7C210A14), SEND_1),),  # add r1,r1,r1
        (
            Edit(
                f"{DOORBELL}:_msgsndp",
                "kvm = vcpu.kvm",
                "kvm = vcpu.kvm\nyield Write(vcpu.gpr(1), 0)",
            ),
        ),
    ),
]


def examined(defect):
    """What there is to find in the program of a defect."""
    observer = Observer()
    observer.begin()
    bugs = (defect.bug,) if defect.bug else ()
    rows = chosen([defect.rule])
    examiner = Examiner(defect.host, rows, Laboratory(), observer, bugs)
    return examiner.examine(defect.program).finding


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda d: f"{d.rule}-{d.bug or 'edit'}")
def test_a_defect_is_found_and_replayed(defect):
    with defect.present():
        finding = examined(defect)
        assert finding is not None
        assert finding.rule == defect.rule
        assert replay(parse_case(finding.text)).reproduced


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda d: f"{d.rule}-{d.bug or 'edit'}")
def test_without_the_defect_nothing_is_found(defect):
    assert examined(replace(defect, bug="", edits=())) is None


@pytest.mark.parametrize("host", ["power8", "power9"])
def test_hardware_that_lets_problem_state_send_is_found(host, monkeypatch):
    monkeypatch.setattr(
        emu.fuzz.lowering,
        "_in_problem_state",
        lambda line: ["mfmsr r31", "ori r31,r31,0x8000", "mtmsrd r31", line],
    )
    defect = Defect("problem-state", host, ((Op("user_send", 1),), ()), ())
    finding = examined(defect)
    assert finding.rule == "problem-state"
    monkeypatch.undo()
    assert examined(defect) is None


def test_a_machine_that_is_not_made_as_new_is_found(monkeypatch):
    given = []
    hosted = Laboratory.hosted

    def leaky(self, guest, model):
        host = hosted(self, guest, model)
        given.append(host)
        host.words[host.vcpus[0].doorbell_request] = len(given) % 2
        return host

    monkeypatch.setattr(Laboratory, "hosted", leaky)
    defect = Defect("deterministic", "power9", ((SEND_1,), ()), ())
    observer = Observer()
    observer.begin()
    examiner = Examiner("power9", chosen(["deterministic"]), Laboratory(), observer)
    assert examiner.examine(defect.program, enough=("deterministic",)).broken == "deterministic"


def test_every_property_has_a_defect():
    others = {"problem-state", "deterministic"}
    assert {defect.rule for defect in DEFECTS} | others == set(PROPERTIES)


def test_a_program_with_two_agents_is_judged_without_power8():
    agents = ("signal:0", "external:1")
    assert examined(Defect("refines-power8", "power9", ((SEND_1,), ()), (), agents=agents)) is None


def test_a_message_that_is_late_is_no_difference_to_power8():
    """POWER9 may read it where POWER8 has long taken it: before it the sender left the guest."""
    threads = ((), (SEND_0, Op("prod", 2), DPDES))
    assert examined(Defect("refines-power8", "power9", threads, (), ee=ON)) is None
