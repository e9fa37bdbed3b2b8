"""A program on a pseudo-terminal, which is the one that its Ctrl-C comes from."""

import contextlib
import os
import pty
import re
import select
import signal
import time

from processes import PATIENCE_S


class Terminal:
    """Runs a command; what it prints is read as far as a test has waited for it."""

    def __init__(self, command, *, folder, environment):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execve(command[0], [str(word) for word in command], environment)  # noqa: S606
        self.text = ""
        self.status = None

    def wait(self):
        """The exit code, after whatever it still prints."""
        with contextlib.suppress(OSError):
            while os.read(self.master, 4096):
                pass
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def close(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)

    def until(self, pattern):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            match = re.search(pattern, self.text)
            if match:
                self.text = self.text[match.end() :]
                return match
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self.master, 4096).decode()
                except OSError:
                    break
        raise AssertionError(f"{pattern!r} never came; got {self.text!r}")

    def type(self, text):
        os.write(self.master, text.encode())
