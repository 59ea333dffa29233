"""A stand-in for the proxy that signs people in: passes requests on with the name of one member. For demos only."""

from __future__ import annotations

import http.client
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_OWN = {"connection", "keep-alive", "transfer-encoding", "content-length", "x-forwarded-user"}


@contextmanager
def sign_in_proxy(port: int, page_port: int, member: str) -> Iterator[int]:
    """Listen on this machine until the block ends, and yield the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _OWN}
            connection = http.client.HTTPConnection("127.0.0.1", page_port, timeout=60)
            try:
                connection.request(self.command, self.path, body or None, {**headers, "X-Forwarded-User": member})
                reply = connection.getresponse()
                content = reply.read()
            except OSError as error:
                self.send_error(502, f"the page does not answer: {error}")
                return
            finally:
                connection.close()
            self.send_response(reply.status)
            for name, value in reply.getheaders():
                if name.lower() not in _OWN:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_POST = do_HEAD = do_GET  # noqa: N815 - names of the base class

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":
    with sign_in_proxy(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]):
        threading.Event().wait()
