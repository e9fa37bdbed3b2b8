"""What this machine does where the book leaves it open, or where the machine is smaller than one.

The manual prints a note with the page it belongs to. Undefined results are those of POWER9
hardware; tests/core/test_hardware_rules.py holds the core to each note.
"""

from __future__ import annotations

from typing import Final

_DIVIDE: Final = "A division by zero, or a quotient that does not fit, gives 0; CR0 is that of 0."
_WORD_QUOTIENT: Final = f"The quotient is zero-extended to 64 bits. {_DIVIDE}"
_BOTH_HALVES: Final = "The 32-bit result stands in both halves of RT."
_ONE_FIELD: Final = (
    "FXM = 0 means CR7. If several bits are set, the leftmost counts. mfocrf leaves 0 elsewhere."
)
_REAL: Final = (
    "There are no page tables: with or without IR and DR an effective address is its real address"
    " within the partition, and its bits 0:3 do not count."
)
_PROBLEM: Final = "A new MSR with PR = 1 has EE, IR and DR = 1 whatever was asked for."
_WHOLE: Final = "If any byte lies outside the partition, none is changed."
_NO_TRANSLATION: Final = "There is no translation here: nothing is invalidated and nothing found."

NOTES: Final[dict[str, str]] = {
    "mulhw": _BOTH_HALVES,
    "mulhwu": _BOTH_HALVES,
    "divw": _WORD_QUOTIENT,
    "divwu": _WORD_QUOTIENT,
    "divwe": _WORD_QUOTIENT,
    "divweu": _WORD_QUOTIENT,
    "divd": _DIVIDE,
    "divdu": _DIVIDE,
    "divde": _DIVIDE,
    "divdeu": _DIVIDE,
    "modsw": "The remainder is sign-extended to 64 bits; modulo 0 gives 0.",
    "moduw": "The remainder is zero-extended to 64 bits; modulo 0 gives 0.",
    "modsd": "Modulo 0 gives 0.",
    "modud": "Modulo 0 gives 0.",
    "mtocrf": _ONE_FIELD,
    "mfocrf": _ONE_FIELD,
    "stmw": _WHOLE,
    "stswi": _WHOLE,
    "stswx": _WHOLE,
    "icbt": "A hint: it has no effect here.",
    "sync": "L = 3 is a barrier as well, not an illegal instruction.",
    "rfid": _PROBLEM,
    "mtmsrd": _PROBLEM,
    "mtmsr": _PROBLEM,
    "slbmte": _NO_TRANSLATION,
    "slbia": _NO_TRANSLATION,
    "slbie": _NO_TRANSLATION,
    "slbmfee": _NO_TRANSLATION,
    "slbmfev": _NO_TRANSLATION,
    "slbfee_": _NO_TRANSLATION,
    "msr": f"{_REAL} {_PROBLEM}",
    "xer": "mtspr keeps the bits of 0xE00FFFFF, OV32 and CA32 included.",
    "tb": "One tick is one guest instruction of any vcpu; when all sleep, time jumps to the next"
    " event.",
    "dec": "A decrementer that was never written is off: it neither fires nor counts as an event.",
    "data_storage": _REAL,
    "instruction_storage": _REAL,
}
