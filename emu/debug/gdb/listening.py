"""Where gdb connects to: an address to listen at, and a polite no to whoever comes second."""

from __future__ import annotations

import select
import socket
import time
from dataclasses import dataclass, field
from typing import Final

from emu.debug.gdb.packets import Reader, frame
from emu.errors import ConfigError

LOOPBACK: Final = {"", "localhost"}
# gdb prints what follows the `E.`, and gives up.
REFUSAL: Final = frame(b"E.another gdb is connected already")
PATIENCE_S: Final = 10.0
MOST_REFUSED: Final = 16  # at a time; more are cut off without a word
CHUNK: Final = 0x1000


def listen(where: str) -> socket.socket:
    """Listen at HOST:PORT, :PORT or PORT; the loopback interface unless HOST says otherwise.

    Raises ConfigError.
    """
    host, _, port = where.rpartition(":")
    if not (port.isascii() and port.isdecimal()) or len(port) > 5 or int(port) > 0xFFFF:
        raise ConfigError(f"an address to listen at is HOST:PORT, got {where!r}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1" if host in LOOPBACK else host.strip("[]"), int(port)))
        listener.listen(4)
    except (OSError, ValueError, TypeError) as error:  # a name may be none at all
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot listen at {where}: {reason}") from None
    return listener


@dataclass(slots=True)
class _Refused:
    connection: socket.socket
    until: float
    reader: Reader = field(default_factory=Reader)


class Refusals:
    """Turns away who connects while a gdb is served: every packet is answered with the reason.

    Closing at once would not do: gdb would only say that the connection was reset.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._refused: list[_Refused] = []

    def files(self) -> list[socket.socket]:
        """What to wait for, besides the gdb that is served."""
        return [self._listener, *(guest.connection for guest in self._refused)]

    @property
    def waiting(self) -> bool:
        """Whether somebody is being turned away."""
        return bool(self._refused)

    def look(self) -> None:
        """Do what there is to do, without waiting."""
        readable, _, _ = select.select(self.files(), [], [], 0)
        for guest in list(self._refused):
            heard = guest.connection not in readable or self._answer(guest)
            if not heard or time.monotonic() > guest.until:
                self._drop(guest)
        if self._listener in readable:
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            self._refused.append(_Refused(connection, time.monotonic() + PATIENCE_S))
            for guest in self._refused[:-MOST_REFUSED]:
                self._drop(guest)

    @staticmethod
    def _answer(guest: _Refused) -> bool:
        """Answer what one has said; False: it has gone."""
        try:
            data = guest.connection.recv(CHUNK)
            for _ in guest.reader.feed(data):
                guest.connection.sendall(guest.reader.take_acknowledge() + REFUSAL)
        except OSError:
            return False
        return bool(data)

    def _drop(self, guest: _Refused) -> None:
        guest.connection.close()
        self._refused.remove(guest)

    def close(self) -> None:
        """Cut off whoever is still being turned away."""
        while self._refused:
            self._drop(self._refused[0])
