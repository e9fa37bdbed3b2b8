"""Connects a stub to a gdb: over standard input and output, or over a socket.

While the machine runs, the stream is looked at from time to time, so that Ctrl-C works in both
directions and the guest's console appears as it is written.
"""

from __future__ import annotations

import os
import select
import socket
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final, Protocol

from emu.debug.ctrl_c import CtrlC
from emu.debug.gdb.packets import INTERRUPT, Reader, frame, to_hex
from emu.debug.gdb.stub import Stub

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.debug.gdb.listening import Refusals
    from emu.debug.session import Session

CHUNK: Final = 0x10000
MOST_WAITING: Final = 64  # packets that came while the machine ran


class Stream(Protocol):
    """Bytes to and from a gdb."""

    def fileno(self) -> int:
        """What select() waits for."""

    def receive(self) -> bytes:
        """Some bytes; none when the other end is gone."""

    def send(self, data: bytes) -> None:
        """Send all. Raises OSError when the other end is gone."""


class Pipes:
    """Standard input and output, or any two file descriptors."""

    def __init__(self, read_from: int, write_to: int) -> None:
        self._in = read_from
        self._out = write_to

    def fileno(self) -> int:
        """What select() waits for."""
        return self._in

    def receive(self) -> bytes:
        """Some bytes; none at the end."""
        return os.read(self._in, CHUNK)

    def send(self, data: bytes) -> None:
        """Send all."""
        while data:
            data = data[os.write(self._out, data) :]


class Socket:
    """A TCP connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # it may vanish silently
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def fileno(self) -> int:
        """What select() waits for."""
        return self._connection.fileno()

    def receive(self) -> bytes:
        """Some bytes; none when the other end is gone."""
        try:
            return self._connection.recv(CHUNK)
        except ConnectionError:
            return b""

    def send(self, data: bytes) -> None:
        """Send all."""
        self._connection.sendall(data)


class Conversation:
    """One gdb and one session, until gdb goes."""

    def __init__(
        self,
        session: Session,
        stream: Stream,
        *,
        monitor: Callable[[str], str],
        path: str = "",
        log: Callable[[str], None] | None = None,
        others: Refusals | None = None,
        ctrl_c: CtrlC | None = None,
    ) -> None:
        """ctrl_c: of the server's own terminal, ends the conversation where the machine rests."""
        self.session = session
        self.stream = stream
        self.stub = Stub(session, output=self._print, monitor=monitor, path=path)
        self._reader = Reader()
        self._waiting: list[bytes] = []
        self._gone = False
        self.lost: OSError | None = None  # why the stream is of no use any more
        self._log = log
        self._others = others
        self._ctrl_c = ctrl_c or CtrlC()
        self._shown = [len(vm.console) for vm in session.host.vms]

    def run(self) -> None:
        """Answer until gdb detaches, kills, or hangs up. Raises KeyboardInterrupt."""
        before, self.session.interrupt = self.session.interrupt, self._interrupted
        try:
            while not (self.stub.done or self._gone):
                while self._waiting and not self.stub.done:
                    self._answer(self._waiting.pop(0))
                if not self.stub.done:
                    self._receive(wait=True)
        except OSError as error:
            self.lost = error  # whoever it was has hung up
        finally:
            self.session.interrupt = before
            self.stub.inserted.forget()

    def _answer(self, packet: bytes) -> None:
        if packet == INTERRUPT:
            return  # the machine stands still already
        if self._log is not None:
            self._log(f"<- {packet[:200].decode('latin-1')}")
        reply = self.stub.handle(packet)
        self._console()
        if reply is None:
            return
        if self._log is not None:
            self._log(f"-> {reply[:200].decode('latin-1')}")
        self.stream.send(frame(reply))

    def _receive(self, *, wait: bool) -> None:
        """Take in what has come; wait: for the first of it."""
        files: list[Stream | socket.socket] = [self.stream]
        patience_s: float | None = None if wait else 0
        if self._others is not None:
            files += self._others.files()
            patience_s = 1 if wait and self._others.waiting else patience_s
        with self._ctrl_c.waiting() if wait else nullcontext():
            select.select(files, [], [], patience_s)
        # This gdb first: one that hangs up and comes back is not another one.
        data = self.stream.receive() if select.select([self.stream], [], [], 0)[0] else None
        if data == b"":
            self._gone = True
            return
        if self._others is not None:
            self._others.look()
        if data is None:
            return
        # Acknowledged unless gdb has already been told that nothing will be.
        silent = self._reader.trusting = self.stub.no_ack
        self._waiting += self._reader.feed(data)
        acknowledge = self._reader.take_acknowledge()
        if acknowledge and not silent:
            self.stream.send(acknowledge)

    def _interrupted(self) -> bool:
        """Whether gdb, or who started the server, wants the machine to stop; called while it runs.

        Packets in the meantime are answered afterwards; one who sends many wants an answer.
        """
        self._console()
        self._receive(wait=False)
        if INTERRUPT in self._waiting:
            self._waiting.remove(INTERRUPT)
            return True
        return self._gone or self._ctrl_c.asked or len(self._waiting) > MOST_WAITING

    def _console(self) -> None:
        """Send what guests have written since the last time."""
        for i, vm in enumerate(self.session.host.vms):
            text = vm.console
            if len(text) > self._shown[i]:
                self._print(text[self._shown[i] :])
                self._shown[i] = len(text)

    def _print(self, text: bytes) -> None:
        for at in range(0, len(text), 1024):
            self.stream.send(frame(b"O" + to_hex(text[at : at + 1024])))
