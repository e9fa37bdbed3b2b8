"""What the debugger shows of a machine at rest, as plain lines of text."""

from __future__ import annotations

import linecache
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from emu.debug.doorbells import of_vcpu, pending, virtual_thread
from emu.debug.names import CORE, REAL, SPR_WORDS
from emu.debug.registers import vcpu_state
from emu.errors import ConfigError, MemoryAccessError
from emu.hv.event import Event
from emu.isa.disasm import disassemble
from emu.isa.msr import DOORBELL_TYPE, REGISTERS, describe, field, mask

if TYPE_CHECKING:
    from emu.debug.session import Session
    from emu.hv.kvm import Vcpu
    from emu.hv.state import Record

EE: Final = mask("MSR", "EE")


def registers(session: Session, vcpu: Vcpu) -> dict[str, int]:
    """Return the registers that people look at first."""
    words = session.host.words
    found = {name: words[vcpu.arch.refs[name]] for name in CORE}
    return found | {f"r{i}": words[vcpu.gpr(i)] for i in range(32)}


def register_lines(session: Session, vcpu: Vcpu) -> list[str]:
    """All registers of a vcpu, four a line."""
    values = registers(session, vcpu)
    cells = [f"{name:>4} {values[name]:016x}" for name in (*[f"r{i}" for i in range(32)],)]
    lines = ["  ".join(cells[i : i + 4]) for i in range(0, 32, 4)]
    lines.append("  ".join(f"{name:>4} {values[name]:016x}" for name in ("nia", "lr", "ctr")))
    lines.append(f"  cr {values['cr']:08x}   xer {values['xer']:08x}   msr {values['msr']:016x} "
                 f"[{describe('MSR', values['msr'])}]")  # fmt: skip
    return lines


def spr_lines(session: Session, vcpu: Vcpu) -> list[str]:
    """The SPRs of a vcpu that are not 0, four a line."""
    words = session.host.words
    values = {word: words[vcpu.arch.refs[word]] for word in SPR_WORDS}
    values |= {name: session.evaluate(f"{vcpu.name}.{name}") for name in ("tir", "dpdes", "dec")}
    cells = [f"{name:>8} {value:016x}" for name, value in values.items() if value]
    return ["  ".join(cells[i : i + 4]) for i in range(0, len(cells), 4)] or ["all SPRs are 0"]


def changed(now: dict[str, int], before: dict[str, int]) -> str:
    """The registers that differ from before, on one line."""
    cells = []
    for name, value in now.items():
        if name == "nia" or before.get(name) == value:
            continue
        named = name in ("msr", "srr1")
        cells.append(f"{name} [{describe('MSR', value)}]" if named else f"{name} {value:#x}")
    return "  ".join(cells)


def code_lines(session: Session, address: int, count: int, vcpu: Vcpu | None = None) -> list[str]:
    """Disassemble from an address, with labels, source lines, breakpoints and who stands where."""
    names = session.names
    standing: dict[int, list[str]] = {}
    for other in session.host.vcpus:
        if session.in_guest(other):
            standing.setdefault(session.nia(other) & REAL, []).append(other.name)
    breaks = {getattr(point, "address", None) for point in session.points if point.enabled}
    here = None if vcpu is None else session.nia(vcpu) & REAL
    lines = []
    for at in range(address & REAL & ~3, (address & REAL & ~3) + 4 * count, 4):
        try:
            word = int.from_bytes(session.read(at, 4), names.endian())
        except MemoryAccessError:
            lines.append(f"   {at:#8x}  outside of memory")
            break
        label = names.label(at)
        mark = "=>" if at == here else ("b " if at in breaks else "  ")
        text = disassemble(word, at, names.label)
        text = " ".join(text.split("\t")) if "\t" in text else text
        others = [name for name in standing.get(at, []) if vcpu is None or name != vcpu.name]
        suffix = f"   <- {' '.join(others)}" if others else ""
        lines.append(f" {mark} {at:#x} {f'<{label}>' if label else '':<18} {text}{suffix}")
    return lines


def source_line(session: Session, vcpu: Vcpu) -> str:
    """The source line that a vcpu stands at; empty if none is known."""
    row = session.program.line_at(session.nia(vcpu) & REAL) if session.program else None
    if row is None:
        return ""
    text = ""
    with suppress(OSError, ValueError, IndexError):
        text = session.source(row.file)[row.line - 1].strip()
    return f"{row.file}:{row.line}{'  ' + text if text else ''}"


def host_lines(session: Session, actor: int) -> list[str]:
    """Where an actor stands in host code: function, file, line, and the Python source there."""
    host = session.host
    places = host.where(actor)
    if not places:
        return [f"{host.actor_name(actor)} has ended"]
    lines = []
    for place in places[-2:]:
        text = linecache.getline(place.file, place.line).strip()
        lines.append(f"    {Path(place.file).name}:{place.line} {place.function}: {text}")
    return lines


def thread_line(session: Session, vcpu: Vcpu) -> str:
    """A vcpu on one line: who, what it is doing, where, and what pends."""
    words = session.host.words
    core, tir = virtual_thread(vcpu)
    star = "*" if vcpu.index == session.names.vcpu else " "
    where = session.names.symbolic(words[vcpu.arch.nia])
    pending = _pending(session, vcpu)
    return (
        f"{star} {vcpu.name} vcore{core}.t{tir} {vcpu_state(session, vcpu):8} {where}  "
        f"EE={int(bool(words[vcpu.arch.msr] & EE))}  ic={words[vcpu.arch.ic]}"
        f"{'  pending: ' + ', '.join(pending) if pending else ''}"
    )


def _pending(session: Session, vcpu: Vcpu) -> list[str]:
    words = session.host.words
    found = []
    if pending(session.host, vcpu):
        found.append("doorbell")
    if words[vcpu.pending_exceptions] or words[vcpu.arch.external_pending]:
        found.append("external")
    if words[vcpu.prodded]:
        found.append("prod")
    return found


def hypervisor_lines(session: Session) -> list[str]:
    """The hypervisor's words that are not 0, record by record, and where its tasks stand."""
    host = session.host
    records: list[Record] = []
    for kvm in host.kvms:
        records.append(kvm)
        for vcore in kvm.vcores:
            records += [vcore, *vcore.vcpus]
    lines = [_record_line(session, record) for record in (*records, *host.cpus)]
    for actor in range(len(host.actors)):
        if host.engine.guest(host.machine, actor) is None and host.where(actor):
            place = host.where(actor)[-1]
            waits = "" if host.engine.enabled(host.machine, actor) else ", waits"
            lines.append(f"{host.actor_name(actor)} in {place.function}{waits}")
    return lines


def _record_line(session: Session, record: Record) -> str:
    words = session.host.words
    cells = [
        f"{row.name}={words[record.base + row.offset]:#x}"
        for row in record.fields
        if words[record.base + row.offset]
    ]
    return f"{record.name}: {' '.join(cells) or '-'}"


def doorbell_lines(session: Session) -> list[str]:
    """Every pending doorbell: where it waits, since when, and why it is not yet taken."""
    host, words = session.host, session.host.words
    lines = []
    for vcpu in host.vcpus:
        thread = virtual_thread(vcpu)[1]
        places = of_vcpu(host, vcpu).now
        held = [session.refs.name(ref) for ref, bits in places if words[ref] & bits]
        if not held:
            continue
        since = session.last_change(f"{vcpu.name}.dpdes >> {thread} & 1")
        age = f"since @{since[0]} ({session.position - since[0]} steps)" if since else "since ever"
        lines.append(
            f"{vcpu.name} (TIR {thread}): in {', '.join(held)} {age}: {_why(session, vcpu)}"
        )
    return lines or ["no doorbell is pending"]


def _why(session: Session, vcpu: Vcpu) -> str:
    words = session.host.words
    if words[vcpu.ceded]:
        return "it is ceded, and has yet to be woken"
    if not session.in_guest(vcpu):
        return "it is in the host, and has yet to enter its guest"
    if not words[vcpu.arch.msr] & EE:
        return "MSR[EE] = 0"
    if any(words[cpu.thread.vcpu] == 1 + vcpu.index and words[cpu.subproc.dpdes] >> words[
        cpu.thread.tir] & 1 for cpu in session.host.cpus):  # fmt: skip
        return "it is taken before the next instruction"
    return "it is in the guest, and has yet to leave and enter again"


def count_lines(session: Session) -> list[str]:
    """How often each event has happened up to here."""
    counts = [session.host.counts(vcpu.index) for vcpu in session.host.vcpus]
    lines = []
    for event in Event:
        row = [count[event] for count in counts]
        if any(row):
            lines.append(f"{event.title:32}" + "".join(f"{number:>10}" for number in row))
    heading = " " * 32 + "".join(f"{vcpu.name:>10}" for vcpu in session.host.vcpus)
    return [heading, *lines] if lines else ["nothing has happened yet"]


def history_lines(session: Session) -> list[str]:
    """Where in the recorded run the machine is, and what recording costs."""
    line = session.timeline
    end = f", ended at @{line.end.position}" if line.end else ""
    where = (
        f"position @{line.position} of @{line.frontier}{end}; "
        f"{session.host.instructions} guest instructions"
    )
    cost = (
        f"{line.snapshots} snapshots, {line.snapshot_bytes / (1 << 20):.1f} MiB "
        f"of at most {line.most_bytes >> 20} MiB; {len(line.edits)} edits"
    )
    return [where, cost]


def bookmark_lines(session: Session) -> list[str]:
    """The bookmarks: those with names, and the last stops."""
    named = [f"{name} @{at}" for name, at in session.bookmarks.items()]
    return [*named, "stops: " + " ".join(f"@{at}" for at in session.visited[-10:])]


def decoded(name: str, value: int) -> str:
    """A register's value as the names of its fields. Raises ConfigError."""
    register = name.upper().rpartition(".")[2].lstrip("$")
    if register == "DPDES":
        bits = " ".join(f"T{i}" for i in range(64) if value >> i & 1)
        return f"{value:#x} [{bits or '-'}]"
    if register not in REGISTERS:
        known = ", ".join(sorted(row.lower() for row in REGISTERS))
        raise ConfigError(f"the registers with named fields are {known}, dpdes, got {name!r}")
    text = describe(register, value)
    if register == "SRR1":  # the MSR to return to, and why
        text = " ".join(part for part in (describe("MSR", value), text) if part != "0") or "0"
    return f"{value:#x} [{text}]"


def explained_doorbell(value: int) -> str:
    """What msgsndp and msgclrp make of a value in RB."""
    kind, tag = field("DBELL", "TYPE"), field("DBELL", "TIRTAG")
    number, thread = (value & kind.mask) >> kind.shift, (value & tag.mask) >> tag.shift
    meaning = "privileged doorbell" if number == DOORBELL_TYPE else "no doorbell: a no-op"
    return f"{value:#x}: type {number} ({meaning}), TIR {thread}"
