"""The machines that run a batch: qemu-user, the naive reference, and the core."""

from __future__ import annotations

import subprocess

from emu.core.machine import PAGE, Exit
from emu.core.machine import Machine as EmuMachine
from emu.fuzz.reference import Machine, execute
from emu.isa.interrupts import BY_NAME
from emu.isa.msr import mask
from emu.isa.table import decode

from .batch import LOW, Batch, State


def run_on_qemu(batch, qemu, path):
    """States from qemu-user; `path` is where the ELF file may be written."""
    image, results, nbytes = batch.image()
    path.write_bytes(batch.elf(image, results + nbytes - LOW))
    path.chmod(0o755)  # qemu-user refuses a file that is not executable, without a word
    done = subprocess.run(
        [qemu, "-cpu", "power9", path],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    assert len(done.stdout) == nbytes, (len(done.stdout), nbytes)
    return batch.states(done.stdout)


def new_core(nbytes, *, msr, generation=9):
    """One thread of a host with at least so much memory, and one vcpu on it."""
    core = EmuMachine(generation=generation)
    core.new_memory(0, (nbytes + PAGE - 1) // PAGE * PAGE)
    core.subproc[0].nthreads = 1
    core.thread[0].vcpu = 1
    core.thread[0].hfscr = mask("HFSCR", "TAR", "DSCR")
    core.vcpu[0].fscr = mask("FSCR", "TAR", "DSCR")
    core.vcpu[0].msr = msr
    return core


def run_on_core(batch):
    """States from the core: the `sc` at the end finds no handler, and that ends the run."""
    image, results, nbytes = batch.image()
    msr = mask("MSR", "SF", "ME", "PR", *(["LE"] if batch.little else []))
    core = new_core(results + nbytes, msr=msr)
    core.write(0, LOW, image)
    vcpu = core.vcpu[0]
    vcpu.nia = batch.entry
    reason = core.run(0, budget=1_000_000_000)
    assert reason is Exit.UNHANDLED, reason
    assert vcpu.trap_vector == BY_NAME["system_call"].vector, hex(vcpu.nia)
    return batch.states(core.read(0, results, nbytes))


class ScratchStorage:
    """The scratch memory of a case; any other access is a mistake of the generator."""

    def __init__(self, base, data):
        """Hold a copy of data at address base."""
        self.base, self.data = base, bytearray(data)

    def _start(self, ea, nbytes):
        assert self.base <= ea <= self.base + len(self.data) - nbytes, hex(ea)
        return ea - self.base

    def load(self, ea, nbytes):
        """Bytes at ea."""
        start = self._start(ea, nbytes)
        return bytes(self.data[start : start + nbytes])

    def store(self, ea, data):
        """Replace the bytes at ea."""
        start = self._start(ea, len(data))
        self.data[start : start + len(data)] = data

    def check_store(self, ea, nbytes):
        """See load()."""
        self._start(ea, nbytes)


def run_on_reference(batch):
    """States from the naive reference."""
    return [_run_case(case, batch) for case in batch.cases]


def _run_case(case, batch):
    storage = ScratchStorage(batch.scratch, case.scratch)
    *gpr, cr, xer, lr, ctr = case.registers
    m = Machine(storage, gpr, cr, xer, lr, ctr, little=batch.little)
    code, m.cia = case.code, case.address
    while m.cia in code:
        word = code[m.cia]
        execute(m, decode(word), word)
        m.cia = m.nia
    return State((*m.gpr, m.cr, m.xer, m.lr, m.ctr), bytes(storage.data))


def new_batch_of(cases, batch):
    """Lay out these cases anew; only for cases that do not name their own address."""
    fresh = Batch(little=batch.little)
    for case in cases:
        fresh.add(case.moved(fresh.body))
    return fresh


def report_mismatch(batch, mine, theirs, run_mine, run_theirs):
    """Explain the smallest case on which two machines differ, or return ""."""
    wrong = [
        (case, left, right)
        for case, left, right in zip(batch.cases, mine, theirs, strict=True)
        if left != right
    ]
    if not wrong:
        return ""
    count = len(wrong)
    movable = [entry for entry in wrong if not entry[0].absolute]
    if movable:
        case = min(movable, key=lambda entry: len(entry[0].words))[0]
        shorter = new_batch_of([case.first(n) for n in range(1, len(case.words) + 1)], batch)
        pairs = zip(shorter.cases, run_mine(shorter), run_theirs(shorter), strict=True)
        wrong = [entry for entry in pairs if entry[1] != entry[2]] or movable
    case, left, right = min(wrong, key=lambda entry: len(entry[0].words))
    endian = "little" if batch.little else "big"
    return "\n".join([
        f"{count} of {len(batch.cases)} cases differ ({endian}-endian); the smallest:",
        *case.explain(), "what it leaves (mine, theirs):", *left.differences(right),
    ])  # fmt: skip
