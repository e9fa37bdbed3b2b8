"""gdb's breakpoints and watchpoints: the packets `Z` and `z`, and which of them the machine hit.

gdb takes them out at each stop and puts them in again when it goes on, so both do what is done
already once more without complaint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emu.debug.gdb.packets import PacketError, numbers
from emu.debug.stops import Accesspoint, Point

if TYPE_CHECKING:
    from emu.debug.session import Session
    from emu.debug.stops import Stop

MAX_WATCHED: Final = 0x10000  # bytes
# What gdb calls each kind of point when it hits: software and hardware breakpoints, and accesses.
REASONS: Final = {b"0": "swbreak", b"1": "hwbreak", b"2": "watch", b"3": "rwatch", b"4": "awatch"}


class Inserted:
    """What gdb has asked a session to stop at."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._points: dict[tuple[bytes, int, int], Point] = {}

    def packet(self, text: bytes, *, on: bool) -> bool:
        """Insert or remove `KIND,ADDRESS,LENGTH`; False: there is no such kind. Raises EmuError."""
        kind, _, rest = text.partition(b",")
        if kind not in REASONS:
            return False
        address, nbytes = numbers(rest.partition(b";")[0], 2)
        key = (kind, address, nbytes)
        if not on:
            self._remove(self._points.pop(key, None))
        elif key not in self._points:
            self._points[key] = self._made(kind, address, nbytes)
        return True

    def _made(self, kind: bytes, address: int, nbytes: int) -> Point:
        if kind in (b"0", b"1"):
            return self._session.break_at(address)
        if not 1 <= nbytes <= MAX_WATCHED:
            raise PacketError(f"1 to {MAX_WATCHED} bytes can be watched, got {nbytes}")
        loads, stores = kind != b"2", kind != b"3"
        text = REASONS[kind]
        return self._session.watch_access(address, nbytes, loads=loads, stores=stores, text=text)

    def _remove(self, point: Point | None) -> None:
        if point is not None and point in self._session.points:
            self._session.points.remove(point)

    def forget(self) -> None:
        """Remove everything."""
        for point in self._points.values():
            self._remove(point)
        self._points.clear()

    def hit(self, stop: Stop) -> tuple[str, Point] | None:
        """Tell gdb's word for what stopped the machine, and the point; None: none of gdb's."""
        for (kind, _, _), point in self._points.items():
            if any(point is other for other in stop.points):
                return REASONS[kind], point
        return None

    def is_access(self, stop: Stop) -> bool:
        """Whether one of gdb's watchpoints stopped the machine."""
        hit = self.hit(stop)
        return hit is not None and isinstance(hit[1], Accesspoint)
