"""Small guests for tests: assembly text on a machine, with what tests ask about it."""

from __future__ import annotations

from emu.asm import assemble
from emu.core.machine import Exit, Machine
from emu.isa.msr import mask

MEMORY = 1 << 20
SF, EE, PR, FP, ME, SE, BE, IR, DR, RI, LE, HV = (
    mask("MSR", name)
    for name in ("SF", "EE", "PR", "FP", "ME", "SE", "BE", "IR", "DR", "RI", "LE", "HV")
)
ALL = (1 << 64) - 1
# All facilities, no interruption code.
FACILITIES = (1 << 56) - 1


class Guest:
    """A machine with one program; vcpu n runs on thread n of sub-processor 0."""

    def __init__(
        self, text, *, little=False, generation=9, nvcpus=1, memory=MEMORY, msr=SF | ME, **registers
    ):
        """registers: initial values, `r4=5`."""
        self.program = assemble(text, endian="little" if little else "big")
        self.machine = Machine(generation=generation, nvcpus=nvcpus, nthreads=nvcpus)
        self.machine.new_memory(0, memory)
        for segment in self.program.segments:
            self.machine.write(0, segment.address, segment.data)
        self.machine.subproc[0].nthreads = nvcpus
        for n in range(nvcpus):
            thread, vcpu = self.machine.thread[n], self.machine.vcpu[n]
            thread.vcpu, thread.tir, thread.hfscr = n + 1, n, FACILITIES
            vcpu.nia, vcpu.msr = self.program.entry, msr | (LE if little else 0)
            vcpu.fscr = FACILITIES
            for name, value in registers.items():
                self.set(name, value, n)

    @property
    def v(self):
        return self.machine.vcpu[0]

    @property
    def t(self):
        return self.machine.thread[0]

    @property
    def s(self):
        return self.machine.subproc[0]

    def set(self, name, value, vcpu=0):
        if name[0] == "r" and name[1:].isdigit():
            self.machine.vcpu[vcpu].gpr[int(name[1:])] = value & ALL
        else:
            setattr(self.machine.vcpu[vcpu], name, value)

    def r(self, number, vcpu=0):
        return self.machine.vcpu[vcpu].gpr[number]

    def at(self, symbol):
        """Address of a symbol."""
        address = self.program.address_of(symbol)
        assert address is not None, symbol
        return address

    def run(self, budget=10000, thread=0):
        return self.machine.run(thread, budget)

    def finish(self, budget=10000, thread=0):
        """Run to the hcall that ends these programs."""
        assert self.run(budget, thread) is Exit.HCALL
        return self

    def word(self, address, nbytes=4):
        return int.from_bytes(self.machine.read(0, address, nbytes), "big")


# Vectors that keep what they find in r20 (SRR0), r21 (SRR1), r22 (vector) and end the run.
def vector(number):
    return f".org {number:#x}\n mfspr 20,26\n mfspr 21,27\n li 22,{number:#x}\n mfmsr 23\n sc 1\n"


def with_vectors(text, *numbers):
    """The program at 0x10000, after handlers for these vectors."""
    return "".join(map(vector, sorted(numbers))) + f".org 0x10000\n_start:\n{text}\n"
