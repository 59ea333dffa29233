"""An HTTP server on a bare socket that answers, fails or resets connections as a test requires."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

RESET = None
"""Instead of an answer: the connection is reset."""
_NO_LINGER = b"\x01\x00\x00\x00\x00\x00\x00\x00"


class Listener:
    """Serves every connection on its own thread; subclasses implement `respond`."""

    def __init__(self):
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    def respond(self, verb, target, headers, body):
        """Return the answer as bytes (with "Connection: close" the connection is closed after it), or RESET."""
        raise NotImplementedError

    def _accept(self):
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with suppress(OSError), connection, connection.makefile("rb") as reader:
            while head := b"".join(iter(lambda: reader.readline().rstrip(b"\r\n") + b"\n", b"\n")):
                first, *rest = head.decode().splitlines()
                headers = {name.lower(): value for name, _, value in (header.partition(": ") for header in rest)}
                body = reader.read(int(headers.get("content-length", 0)))
                verb, target, _ = first.split(" ")
                answer = self.heard(verb, target, headers, body)
                if answer is RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                    return
                connection.sendall(answer)
                if b"Connection: close" in answer:
                    return

    def close(self):
        for connection in (self._socket, *self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
