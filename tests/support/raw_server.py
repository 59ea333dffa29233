"""A bare socket that hears HTTP requests and answers, fails and breaks off as a test tells it."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

RESET = None
"""Instead of an answer: the line is cut, without a polite goodbye."""
_AT_ONCE = b"\x01\x00\x00\x00\x00\x00\x00\x00"


class Listener:
    """Hears every line on a thread of its own; what answers is `heard`."""

    def __init__(self):
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._lines = []
        threading.Thread(target=self._accept, daemon=True).start()

    def heard(self, verb, target, headers, body):
        """Return the answer as it is sent, after which the line is closed where it says so, or RESET."""
        raise NotImplementedError

    def _accept(self):
        with suppress(OSError):
            while True:
                line, _ = self._socket.accept()
                self._lines.append(line)
                threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line):
        with suppress(OSError), line, line.makefile("rb") as reader:
            while head := b"".join(iter(lambda: reader.readline().rstrip(b"\r\n") + b"\n", b"\n")):
                first, *rest = head.decode().splitlines()
                headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in rest)}
                body = reader.read(int(headers.get("content-length", 0)))
                verb, target, _ = first.split(" ")
                answer = self.heard(verb, target, headers, body)
                if answer is RESET:
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                    return
                line.sendall(answer)
                if b"Connection: close" in answer:
                    return

    def close(self):
        for line in (self._socket, *self._lines):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()
