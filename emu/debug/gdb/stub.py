"""What gdb's packets mean for a session. Packets in, packets out; knows nothing of streams.

A thread of gdb is a vcpu, numbered from 1. gdb's watchpoints are reported as Power does: in front
of the instruction when going forwards, behind it when going back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeVar

from emu.debug.gdb.packets import (
    MAX_PACKET,
    PacketError,
    escape,
    from_hex,
    number,
    numbers,
    to_hex,
    unescape,
)
from emu.debug.gdb.points import Inserted
from emu.debug.gdb.registers import PC, R1, STATES, Register, registers_of, target_xml
from emu.debug.gdb.stepping import Stepping
from emu.debug.gdb.threads import is_any, no_threads, state_text, thread_list, vcpu_of
from emu.debug.registers import set_register, vcpu_state
from emu.debug.stops import Accesspoint, Stop
from emu.errors import EmuError

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.debug.session import Session

T = TypeVar("T")
SIGINT, SIGILL, SIGTRAP, SIGSEGV = 2, 4, 5, 11
SIGNAL_OF_VECTOR: Final = {0x300: SIGSEGV, 0x400: SIGSEGV, 0x600: 7, 0x700: SIGILL, 0xE40: SIGILL}
SUPPORTED: Final = (
    b"PacketSize=%x;qXfer:features:read+;qXfer:threads:read+;qXfer:exec-file:read+;"
    b"ReverseStep+;ReverseContinue+;QStartNoAckMode+;swbreak+;hwbreak+;vContSupported+" % MAX_PACKET
)
OK, EMPTY, BAD = b"OK", b"", b"E01"
NO_SUCH_THREAD: Final = b"E16"
NEEDS_GUEST: Final = b"gGpPmMXTZzcCsSb"  # first letters of packets about a guest that is there
MOVED: Final = "gdb shows what was before until `maintenance flush register-cache`"


class Stub:
    """One gdb's view of a session.

    output: takes text for gdb to print while it waits. monitor: runs a command of the REPL and
    returns what it prints. path: of the ELF file, "" if there is none.
    """

    def __init__(
        self,
        session: Session,
        *,
        output: Callable[[bytes], None],
        monitor: Callable[[str], str],
        path: str = "",
    ) -> None:
        self.session = session
        self.output = output
        self.monitor = monitor
        self.path = path
        self.done = False
        self.no_ack = False
        self.killed = False
        self.extended = False
        self.there = True  # the guest: in the extended mode gdb may kill it and run it anew
        self.general = 0
        self.control = 0
        self.named = 0  # the vcpu that gdb spoke of last, in whatever way
        self.registers = registers_of(session.host.generation.number)
        self._by_number = {row.number: row for row in self.registers}
        self.inserted = Inserted(session)
        self.stepping = Stepping(session)
        self._xml = target_xml(self.registers)
        self._stop = b"T05thread:01;"

    # -- one packet

    def handle(self, packet: bytes) -> bytes | None:
        """Answer a packet; None: nothing is sent. Never raises, whatever the packet."""
        try:
            return self._handle(packet)
        except (EmuError, UnicodeDecodeError):
            return BAD

    def _handle(self, packet: bytes) -> bytes | None:
        first, rest = packet[:1], packet[1:]
        if not self.there and first and first in NEEDS_GUEST:
            return BAD
        plain: dict[bytes, Callable[[bytes], bytes | None]] = {
            b"?": lambda _: self._stop if self.there else b"W00",
            b"g": self._read_all,
            b"G": self._write_all,
            b"p": self._read_one,
            b"P": self._write_one,
            b"m": self._read_memory,
            b"M": self._write_memory,
            b"X": self._write_binary,
            b"H": self._select,
            b"T": self._alive,
            b"Z": lambda text: self._point(text, on=True),
            b"z": lambda text: self._point(text, on=False),
            b"c": lambda text: self._plain_resume(b"c", text),
            b"s": lambda text: self._plain_resume(b"s", text),
            b"C": lambda _: self._plain_resume(b"c", b""),
            b"S": lambda _: self._plain_resume(b"s", b""),
            b"b": self._reverse,
            b"D": self._detach,
            b"k": self._kill,
            b"!": self._extend,
            b"R": self._restart,
            b"q": self._query,
            b"Q": self._set,
            b"v": self._verb,
        }
        action = plain.get(first)
        return EMPTY if action is None else action(rest)

    # -- threads

    def _select(self, text: bytes) -> bytes:
        which, thread = text[:1], text[1:]
        if is_any(thread):
            index: int | None = None if which == b"c" else self.session.names.vcpu
        else:
            index = vcpu_of(self.session, thread)
            if index is None:
                return NO_SUCH_THREAD
        if which == b"c":
            self.control = 0 if index is None else index + 1
        else:
            self.general = self.named = index or 0
        return OK

    def _alive(self, text: bytes) -> bytes:
        index = vcpu_of(self.session, text)
        if index is None:
            return NO_SUCH_THREAD
        self.named = index
        return OK

    def _moving(self) -> int:
        """Return the vcpu that a resumption without thread is about.

        Going back, gdb does not say which: it is the one that it asked about last. After its
        `thread N` that may be no more than `T`, if it still knows the registers.
        """
        return self.control - 1 if self.control else self.named

    # -- registers

    def _value(self, row: Register) -> bytes:
        size = row.bits // 8
        if not row.reads:
            value = None
            if row.name == "vstate":
                state = vcpu_state(self.session, self.session.host.vcpus[self.general])
                value = STATES.index(state.upper())
        else:
            value = self._in_general(lambda: self.session.evaluate("$" + row.reads))
        if value is None:
            return b"xx" * size
        return to_hex((value & (1 << row.bits) - 1).to_bytes(size, self._order()))

    def _in_general(self, do: Callable[[], T]) -> T:
        """Do something as the vcpu that Hg chose."""
        session = self.session
        current, session.names.vcpu = session.names.vcpu, self.general
        try:
            return do()
        finally:
            session.names.vcpu = current

    def _order(self) -> Literal["big", "little"]:
        return self.session.program.endian if self.session.program else "big"

    def _register(self, text: bytes) -> Register:
        row = self._by_number.get(number(text))
        if row is None:
            raise PacketError(f"there is no register {text!r}")
        return row

    def _read_all(self, _: bytes) -> bytes:
        return b"".join(self._value(row) for row in self.registers)

    def _read_one(self, text: bytes) -> bytes:
        return self._value(self._register(text))

    def _write_one(self, text: bytes) -> bytes:
        which, _, value = text.partition(b"=")
        row = self._register(which)
        data = from_hex(value)
        if len(data) != row.bits // 8 or not row.reads:
            return BAD
        self._write_register(row, int.from_bytes(data, self._order()))
        return OK

    def _write_register(self, row: Register, value: int) -> None:
        vcpu = self.session.host.vcpus[self.general]
        set_register(self.session, vcpu, row.reads, value)

    def _write_all(self, text: bytes) -> bytes:
        sizes = [row.bits // 8 for row in self.registers]
        if len(text) != 2 * sum(sizes):
            return BAD
        at = 0
        for row, size in zip(self.registers, sizes, strict=True):
            piece = text[at : at + 2 * size]
            at += 2 * size
            if row.reads and b"x" not in piece and piece != self._value(row):
                self._write_register(row, int.from_bytes(from_hex(piece), self._order()))
        return OK

    # -- memory

    def _read_memory(self, text: bytes) -> bytes:
        address, size = numbers(text, 2)
        size = min(size, MAX_PACKET // 2 - 8)
        session = self.session
        vm = session.host.vcpus[self.general].kvm.number
        real = address & (1 << 60) - 1
        there = session.host.machine.memory_size(vm) - real
        if there <= 0:
            return BAD
        return to_hex(session.host.machine.read(vm, real, min(size, there)))

    def _write_memory(self, text: bytes) -> bytes:
        where, _, data = text.partition(b":")
        return self._store(where, from_hex(data))

    def _write_binary(self, text: bytes) -> bytes:
        where, _, data = text.partition(b":")
        return self._store(where, unescape(data))

    def _store(self, where: bytes, data: bytes) -> bytes:
        address, size = numbers(where, 2)
        if len(data) != size:
            return BAD
        if size:
            self._in_general(lambda: self.session.write(address, data))
        return OK

    def _point(self, text: bytes, *, on: bool) -> bytes:
        known = self._in_general(lambda: self.inserted.packet(text, on=on))
        return OK if known else EMPTY

    # -- resuming

    def _plain_resume(self, action: bytes, text: bytes) -> bytes:
        if text:
            vcpu = self.session.host.vcpus[self._moving()]
            set_register(self.session, vcpu, "nia", number(text))
        return self._resume(action, self._moving(), locked=False)

    def _vcont(self, text: bytes) -> bytes:
        """Do `vCont;action[:thread];...`: the leftmost action that fits a thread is its own."""
        chosen: list[tuple[bytes, int | None]] = []
        for part in text.split(b";"):
            action, _, thread = part.partition(b":")
            if action[:1] not in (b"c", b"C", b"s", b"S", b"r") or not part:
                return BAD
            index = None
            if thread and not is_any(thread):
                index = vcpu_of(self.session, thread)
                if index is None:
                    return NO_SUCH_THREAD
            chosen.append((action, index))
        locked = all(index is not None for _, index in chosen)
        stepping = [(action, index) for action, index in chosen if action[:1] in b"sSr"]
        if not stepping:
            index = chosen[0][1]
            return self._resume(b"c", self._moving() if index is None else index, locked=locked)
        action, index = stepping[0]
        return self._resume(action, self._moving() if index is None else index, locked=locked)

    def _resume(self, action: bytes, vcpu: int, *, locked: bool) -> bytes:
        session = self.session
        session.select(vcpu)
        before, session.locked = session.locked, locked or session.locked
        at_end = session.at_end
        try:
            if action[:1] in (b"s", b"S"):
                stop = self.stepping.forward()
            elif action[:1] == b"r":
                first, last = numbers(action[1:], 2)
                stop = self.stepping.within(first, last)
            else:
                stop = session.cont()
        finally:
            session.locked = before
        if at_end and stop.kind == "end":
            return self._over_reply()
        return self._report(stop)

    def _reverse(self, text: bytes) -> bytes:
        session = self.session
        if text not in (b"s", b"c"):
            return EMPTY
        session.select(self._moving())
        stop = self.stepping.back() if text == b"s" else session.reverse_cont()
        if stop.kind == "begin":
            self._first_instruction()
        if self.inserted.is_access(stop):
            # Going back one comes to an access when it has just been made; gdb undoes it then.
            session.timeline.goto(session.position + 1)
        return self._report(stop)

    def _first_instruction(self) -> None:
        """Be where gdb came in: at the beginning of history no vcpu is in its guest yet."""
        session = self.session
        current, session.names.vcpu = session.names.vcpu, 0
        session.begin()
        session.names.vcpu = current

    def _begin(self) -> bytes:
        self.there = True
        self.session.timeline.goto(0)
        self._first_instruction()
        return self._report(Stop("step", vcpu=0))

    def _restart(self, _: bytes) -> None:
        self._begin()

    # -- stop replies

    def _report(self, stop: Stop) -> bytes:
        session = self.session
        index = session.names.vcpu if stop.vcpu is None else stop.vcpu
        self.general = self.named = index
        signal, extra = SIGTRAP, b""
        hit = self.inserted.hit(stop)
        if hit is not None:
            reason, point = hit
            where = f"{point.address:x}" if isinstance(point, Accesspoint) else ""
            extra = f"{reason}:{where};".encode()
        elif stop.kind == "begin":
            extra = b"replaylog:begin;"
        elif stop.kind == "interrupted":
            signal = SIGINT
        elif stop.kind in ("waits", "breakpoint", "watch", "catch"):
            # Not gdb's own: it would ignore a breakpoint that it knows nothing of, and go on.
            signal = 0
            self.say(stop.text)
        elif stop.kind == "end":
            signal, extra = self._end()
            self.say(stop.text)
        vcpu = session.host.vcpus[index]
        pc, r1 = (self._value(self._by_number[number_]) for number_ in (PC, R1))
        self._stop = b"T%02xthread:%x;%s40:%s;01:%s;" % (signal, vcpu.index + 1, extra, pc, r1)
        return self._stop

    def _end(self) -> tuple[int, bytes]:
        end = self.session.timeline.end
        if end is None or end.outcome is None or end.outcome.kind == "exit":
            return SIGTRAP, b"replaylog:end;"
        if end.outcome.kind == "trap":
            vcpu = self.session.host.vcpus[end.outcome.vcpu or 0]
            vector = self.session.host.words[vcpu.arch.trap_vector]
            return SIGNAL_OF_VECTOR.get(vector, SIGTRAP), b""
        return 0, b""

    def _over_reply(self) -> bytes:
        """Tell of the end for good: gdb asked to go on where nothing can."""
        end = self.session.timeline.end
        if end is not None and end.outcome is not None and end.outcome.kind == "exit":
            self._stop = b"W%02x" % (end.outcome.status & 0xFF)
            return self._stop
        return self._report(Stop("end", "nothing can go on here; go back instead"))

    def say(self, text: str) -> None:
        """Print a line at gdb's console."""
        if text:
            self.output(f"{text}\n".encode())

    # -- questions

    def _query(self, text: bytes) -> bytes:
        name = text.partition(b":")[0].partition(b",")[0]
        rest = text[len(name) + 1 :]
        if name == b"Supported":
            return SUPPORTED
        if name == b"Xfer":
            return self._xfer(rest)
        if name == b"C":
            return b"QC%x" % (self.general + 1) if self.there else EMPTY
        if name == b"Attached":
            return b"1"
        if name == b"Offsets":
            return self._offsets()
        if name == b"fThreadInfo":
            ids = [b"%x" % (v.index + 1) for v in self.session.host.vcpus]
            return b"m" + b",".join(ids) if self.there else b"l"
        if name == b"sThreadInfo":
            return b"l"
        if name == b"ThreadExtraInfo":
            index = vcpu_of(self.session, rest)
            if index is None:
                return NO_SUCH_THREAD
            return to_hex(state_text(self.session, index).encode())
        if name == b"Rcmd":
            return self._command(from_hex(rest).decode("utf-8", "replace"))
        return EMPTY

    def _offsets(self) -> bytes:
        """Say how far a position-independent program lies from the addresses in its file."""
        offset = 0 if self.session.program is None else self.session.program.offset
        return b"Text=%x;Data=%x;Bss=%x" % (offset, offset, offset) if offset else EMPTY

    def _command(self, line: str) -> bytes:
        """Do what `monitor` says, for gdb's thread; which one that is, gdb decides alone."""
        session = self.session
        session.select(self.general)
        before = session.position
        text = self._step_irq(line) or self.monitor(line)
        if session.position != before:
            text += f"{MOVED}\n"
        data = text.encode("utf-8", "replace")
        room = MAX_PACKET // 2 - 16
        for at in range(0, len(data), room):
            self.output(data[at : at + room])
        return OK

    def _step_irq(self, line: str) -> str:
        """Answer `step-irq on|off`, which is about gdb's steps and no command of the prompt."""
        words = line.split()
        if not words or words[0] != "step-irq":
            return ""
        if words[1:] in (["on"], ["off"]):
            self.stepping.interrupts = words[1] == "on"
        elif len(words) > 1:
            return f"error: step-irq takes on or off, got {' '.join(words[1:])[:40]!r}\n"
        return f"step-irq is {'on' if self.stepping.interrupts else 'off'}\n"

    def _xfer(self, text: bytes) -> bytes:
        parts = text.split(b":")
        if len(parts) != 4 or parts[1] != b"read":
            return EMPTY
        what, annex = parts[0], parts[2]
        if what == b"features" and annex == b"target.xml":
            data = self._xml
        elif what == b"threads" and not annex:
            data = thread_list(self.session) if self.there else no_threads()
        elif what == b"exec-file" and self.path:
            data = self.path.encode()
        elif what in (b"features", b"exec-file"):
            return b"E00"
        else:
            return EMPTY
        offset, size = numbers(parts[3], 2)
        piece = data[offset : offset + min(size, MAX_PACKET // 2)]
        return (b"m" if offset + len(piece) < len(data) else b"l") + escape(piece)

    def _set(self, text: bytes) -> bytes:
        if text == b"StartNoAckMode":
            self.no_ack = True
            return OK
        return EMPTY

    def _verb(self, text: bytes) -> bytes | None:
        name, _, rest = text.partition(b";")
        if name == b"Cont?":
            return b"vCont;c;C;s;S;r"
        if name == b"Cont":
            return self._vcont(rest) if self.there else BAD
        if name == b"Kill":
            self._kill(b"")
            return OK
        if name == b"Run":
            return self._begin()
        return EMPTY

    # -- leaving

    def _extend(self, _: bytes) -> bytes:
        self.extended = True
        return OK

    def _detach(self, _: bytes) -> bytes:
        self._let_go()
        return OK

    def _kill(self, _: bytes) -> None:
        self._let_go()
        self.killed = not self.extended

    def _let_go(self) -> None:
        """Have no guest any more; in the extended mode the conversation goes on without one."""
        self.inserted.forget()
        self.there = False
        self.done = not self.extended
