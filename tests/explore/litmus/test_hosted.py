"""Doorbell tests under the hypervisor: guests and host code interleaved in one search."""

from dataclasses import replace

import pytest

from emu.explore.litmus.guest import build
from emu.explore.litmus.parse import parse
from emu.explore.litmus.run import run
from emu.explore.litmus.stage import prepare
from emu.explore.litmus.verdict import judge
from emu.explore.search import Algorithm, Options

BOTH_READ = """PPC both-read
SMT=2
{ 0:r4=db(1); 1:r4=db(0); }
 P0             | P1             ;
 msgsndp r4     | msgsndp r4     ;
 mfspr r5,DPDES | mfspr r5,DPDES ;
exists (0:r5=1 /\\ 1:r5=2)
expect power8 forbidden
expect power9 allowed
require (0:r5=3 /\\ 1:r5=3)
"""

SEND_AGAINST_CEDE = """PPC send-cede
SMT=2
EE=0,1
{ 0:r4=db(1); }
 P0         | P1   ;
 msgsndp r4 | cede ;
handler doorbell { li r6,1; rfid }
locations [blocked(1); pend(1); lost(1)]
forall (taken(1)=1 /\\ 1:r6=1 /\\ pend(1)=0 /\\ lost(1)=0)
"""

SEND_AGAINST_CLEAR = """PPC send-clear
SMT=2
{ 0:r4=db(1); 1:r4=db(0); }
 P0         | P1             ;
 msgsndp r4 | msgclrp r4     ;
            | mfspr r5,DPDES ;
locations [pend(1)]
exists (1:r5=2)
"""

PROD_AGAINST_CEDE = """PPC prod-cede
SMT=2
{ }
 P0     | P1         ;
 prod 1 | cede       ;
        | mfspr r5,TIR ;
forall (1:r5=1 /\\ blocked(1)=0)
"""


def outcomes(text, host, **options):
    result = run(parse(text), Options(**options), host)
    assert result.complete
    assert judge(result).failures == ()
    return {str(o) for o in result.outcomes}


def test_dpdes_is_not_read_at_one_instant_on_power9():
    native, trapped = (outcomes(BOTH_READ, host) for host in ("power8", "power9"))
    assert len(native) == 14
    assert len(trapped) == 12
    assert trapped - native == {"0:r5=1; 1:r5=2;"}


@pytest.mark.parametrize("text", [SEND_AGAINST_CEDE, SEND_AGAINST_CLEAR, PROD_AGAINST_CEDE])
@pytest.mark.parametrize("host", ["power8", "power9"])
def test_the_exhaustive_algorithms_agree_through_host_code(text, host):
    found = outcomes(text, host)
    for algorithm in (Algorithm.BFS, Algorithm.DPOR):
        assert outcomes(text, host, algorithm=algorithm) == found


def test_searching_in_the_finest_steps_finds_the_same():
    for text in (BOTH_READ, SEND_AGAINST_CEDE):
        assert outcomes(text, "power9") == outcomes(text, "power9", fine=True)
        assert outcomes(text, "power9") == outcomes(text, "power9", algorithm=Algorithm.BFS)


@pytest.mark.parametrize("host", ["power8", "power9"])
def test_a_doorbell_ends_a_cede_whenever_it_comes(host):
    assert outcomes(SEND_AGAINST_CEDE, host) == {
        "1:r6=1; blocked(1)=0; lost(1)=0; pend(1)=0; taken(1)=1;",
        "1:r6=1; blocked(1)=1; lost(1)=0; pend(1)=0; taken(1)=1;",
    }


@pytest.mark.parametrize("host", ["power7", "power8"])
def test_a_sibling_may_pull_a_thread_out_before_its_hcall(host):
    """Then H_CEDE has not begun, and is not ended by it."""
    text = "PPC pulled\nSMT=2\n{ }\n P0 | P1 ;\n cede | prod 2 ;\nexists (blocked(0)=1)\n"
    found = run(parse(text), Options(), host)
    assert {str(o) for o in found.outcomes} == {"blocked(0)=0;", "blocked(0)=1;"}


def test_a_clear_drops_what_came_before_and_nothing_else():
    assert outcomes(SEND_AGAINST_CLEAR, "power9") == {
        "1:r5=0; pend(1)=0;",
        "1:r5=0; pend(1)=1;",
        "1:r5=2; pend(1)=1;",
    }


@pytest.mark.parametrize("host", ["power8", "power9"])
def test_a_prod_is_never_lost(host):
    assert outcomes(PROD_AGAINST_CEDE, host) == {"1:r5=1; blocked(1)=0;"}


def test_traps_are_counted_by_vector():
    text = SEND_AGAINST_CLEAR.replace("[pend(1)]", "[trap(0,0xf80); trap(1,0xf80)]")
    assert all(
        "trap(0,0xf80)=1; trap(1,0xf80)=2;" in outcome for outcome in outcomes(text, "power9")
    )


def test_samples_of_host_code_are_outcomes():
    found = outcomes(BOTH_READ, "power9")
    for algorithm in (Algorithm.RANDOM, Algorithm.PCT, Algorithm.POS):
        result = run(parse(BOTH_READ), Options(algorithm=algorithm, max_runs=300), "power9")
        assert {str(o) for o in result.outcomes} <= found


@pytest.mark.parametrize("host", ["power8", "power9"])
def test_a_refined_schedule_leads_to_the_same_state_in_a_fresh_search(host):
    options = Options(delayed=True, landing=True)
    stage = prepare(build(parse(BOTH_READ)), options, host)
    for found in stage.search.run().outcomes:
        schedule = stage.search.refined(found.schedule)
        fresh = prepare(build(parse(BOTH_READ)), replace(options, fine=True), host).search
        fresh.reset()
        assert all(fresh.take(choice) for choice in schedule)
        assert fresh.choices() == []
        assert fresh.values()[:4] == found.values[:4]


def test_a_cold_start_explores_the_way_into_the_guest_too():
    cold = SEND_AGAINST_CEDE.replace("SMT=2", "SMT=2\nStart=cold")
    assert outcomes(cold, "power9") == outcomes(SEND_AGAINST_CEDE, "power9")


PROD_SELF = """PPC prod-self
SMT=1
{ }
 P0     ;
 prod 0 ;
 cede   ;
exists (true)
"""


def test_native_dpdes_is_shared_with_the_hardware_even_if_one_thread_alone_looks_at_it():
    stage = prepare(build(parse(PROD_SELF)), Options(landing=True, delayed=True), "power8")
    search, host = stage.search, stage.host
    dpdes = {cpu.subproc.dpdes for cpu in host.cpus}
    search.run()  # it has seen all that anybody touches
    search.reset()
    stood = set()
    while choices := search.choices():
        nodes = [search.stand(actor).node for actor in range(len(host.actors))]
        stood |= {ref for node in nodes if node for ref in host.automaton.op(node).refs()}
        search.take(choices[0])
    assert stood & dpdes
