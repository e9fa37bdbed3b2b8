"""A gdb that says what a test tells it to, over a socket."""

import socket

from processes import PATIENCE_S

from emu.debug.gdb.packets import Reader, frame


class Client:
    """Frames what it says, and takes apart what it hears."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.reader = Reader()
        self.packets = []

    def say(self, packet):
        self.socket.sendall(frame(packet))

    def hear(self):
        while not self.packets:
            data = self.socket.recv(4096)
            if not data:
                raise ConnectionError("the stub hung up")
            self.packets += self.reader.feed(data)
        return self.packets.pop(0)
