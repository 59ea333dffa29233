"""An SMTP server on the loopback address that stores every message it accepts."""

import socketserver
from threading import Thread


class SmtpServer:
    """Speaks as much SMTP as a client needs to deliver; use it in a `with` block."""

    def __init__(self):
        self.messages = []
        received = self.messages

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                self._say("220 test")
                while line := self.rfile.readline():
                    word = line[:4].upper().strip()
                    if word == b"QUIT":
                        self._say("221 bye")
                        return
                    if word == b"DATA":
                        self._say("354 go on")
                        received.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                    self._say("250 test" if word != b"AUTH" else "235 welcome")

            def _say(self, text):
                self.wfile.write(f"{text}\r\n".encode())

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
