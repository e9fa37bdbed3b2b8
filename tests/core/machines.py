"""The machines that run a batch: qemu-user, the naive reference, and the core."""

from __future__ import annotations

import subprocess

from emu.core._emu import ffi, lib

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


class Core:
    """One thread of a POWER9 machine with nothing in its memory."""

    def __init__(self, nbytes=0x10000, *, msr):
        """Make a machine with at least so much memory."""
        config = {"generation": 9, "nvms": 1, "nvcpus": 1, "nthreads": 1}
        self.machine = ffi.gc(lib.emu_new(ffi.new("emu_config *", config)), lib.emu_free)
        assert lib.emu_memory_new(self.machine, 0, (nbytes | 0xFFF) + 1) == 0
        self.vcpu = self._window("emu_vcpu *", lib.EMU_AREA_VCPU)
        self.thread = self._window("emu_thread *", lib.EMU_AREA_THREAD)
        self._window("emu_subproc *", lib.EMU_AREA_SUBPROC).nthreads = 1
        self.thread.vcpu = 1
        self.thread.hfscr = mask("HFSCR", "TAR", "DSCR")
        self.vcpu.fscr = mask("FSCR", "TAR", "DSCR")
        self.vcpu.msr = msr

    def _window(self, kind, area):
        start = lib.emu_area_start(self.machine, area)
        return ffi.cast(kind, lib.emu_words(self.machine) + start)

    def write(self, address, data):
        """Replace bytes of its memory."""
        assert lib.emu_write(self.machine, 0, address, data, len(data)) == 0

    def read(self, address, nbytes):
        """Bytes of its memory."""
        return bytes(ffi.buffer(lib.emu_memory(self.machine, 0) + address, nbytes))

    def run(self, budget):
        """Run; returns the reason of the exit."""
        return lib.emu_run(self.machine, 0, budget)


def run_on_core(batch):
    """States from the core: the `sc` at the end finds no handler, and that ends the run."""
    image, results, nbytes = batch.image()
    msr = mask("MSR", "SF", "ME", "PR", *(["LE"] if batch.little else []))
    core = Core(results + nbytes, msr=msr)
    core.write(LOW, image)
    core.vcpu.nia = batch.entry
    reason = core.run(budget=1_000_000_000)
    assert reason == lib.EMU_EXIT_UNHANDLED, reason
    assert core.vcpu.trap_vector == BY_NAME["system_call"].vector, hex(core.vcpu.nia)
    return batch.states(core.read(results, nbytes))


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
