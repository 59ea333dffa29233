"""The program in a pseudo-terminal."""

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

PROGRAM = [sys.executable, "-m", "heliograph"]
FOLDER = os.path.dirname(sys.executable)  # noqa: PTH120 - not resolved, as the program does


def _attach_terminal(slave):
    os.login_tty(slave)
    # Children of a test suite in the background inherit an ignored SIGINT, which would disable Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def terminal(*words, env=None):
    """Run the program in a pseudo-terminal; yields the process, and functions to wait for output and to type."""
    import pty

    master, slave = pty.openpty()
    program = subprocess.Popen(
        [*PROGRAM, *words],
        # As after an installation: hints name the program as it is found.
        env=os.environ | {"COLUMNS": "300", "PATH": f"{FOLDER}{os.pathsep}{os.environ['PATH']}"} | (env or {}),
        preexec_fn=lambda: _attach_terminal(slave),  # noqa: PLW1509 - two C calls
    )
    os.close(slave)
    seen, position = bytearray(), 0

    def until(text):
        """Read until the text appears after the last one waited for, or the program ends; return all output so far."""
        nonlocal position
        deadline = time.monotonic() + 120
        while (found := seen.find(text.encode(), position)) < 0:
            assert time.monotonic() < deadline, seen.decode(errors="replace")
            if select.select([master], [], [], 0.2)[0]:
                try:
                    seen.extend(os.read(master, 4096))
                except OSError:  # the other end is closed
                    break
        position = max(position, found + len(text.encode()))
        return seen.decode(errors="replace")

    try:
        yield program, until, lambda text: os.write(master, text.encode())
    finally:
        program.kill()
        program.wait()
        os.close(master)
