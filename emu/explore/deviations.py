"""Where KVM's emulation shows a guest what native hardware never does: known, explained, accepted.

This is data. A refinement check (emu/explore/litmus/refinement.py) accepts an outcome only if the
test says which of these it is, and a deviation that its witness no longer shows is an error.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deviation:
    """One accepted deviation of a host from another.

    test, outcome: its witness, the name of a litmus test and a condition in the test's language.
    shows: what the guest sees. cause: the behaviour of the kernel that it comes from. evidence:
    how that behaviour is known.
    """

    name: str
    host: str
    within: str
    test: str
    outcome: str
    shows: str
    cause: str
    evidence: str


DEVIATIONS = {
    deviation.name: deviation
    for deviation in (
        Deviation(
            name="dpdes-read-not-atomic",
            host="power9",
            within="power8",
            test="both-read",
            outcome="0:r5=1 /\\ 1:r5=2",
            shows="two threads that send to each other and then read DPDES each miss the other's "
            "doorbell, so the two reads agree with no order of the two sends",
            cause="kvmppc_read_dpdes() samples the vcpus one after the other, each at another "
            "moment; the DPDES of POWER8 is one register, read at once",
            evidence="read in Linux 6.1 and 6.12; the outcome itself follows from the source and "
            "has not been reported from hardware",
        ),
        Deviation(
            name="dpdes-read-stale",
            host="power9",
            within="power8",
            test="read-against-reentry",
            outcome="0:r5=1 /\\ 0:r6=0",
            shows="a doorbell that has been pending for long reads as 0",
            cause="kvmppc_read_dpdes() interrupts the target's cpu and then looks at "
            "doorbell_request; a target that enters the guest again in between has moved its "
            "request into the hardware's DPDES",
            evidence="read in Linux 6.1 and 6.12; the outcome itself follows from the source and "
            "has not been reported from hardware",
        ),
    )
}
