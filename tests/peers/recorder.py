"""A recording HTTP relay, to compare the requests of two clients byte by byte."""

from __future__ import annotations

import http.client
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

# Headers that differ between HTTP libraries and that the vendors ignore.
_TRANSPORT = {
    "host",
    "connection",
    "accept",
    "accept-encoding",
    "content-length",
    "user-agent",
    "cookie",
    "content-type",
}


class RecordedRequest(NamedTuple):
    """The parts of a request that must be equal for two clients."""

    verb: str
    path: str
    query: list[tuple[str, str]]
    body: bytes | list[tuple[str, str]]
    content_type: str
    user_agent: str
    cookies: tuple[str, ...]
    other_headers: tuple[str, ...]


class Recorder:
    """The requests recorded by the relay."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.url = ""
        self.requests: list[RecordedRequest] = []

    def take(self) -> list[RecordedRequest]:
        """Return and clear the recorded requests."""
        recorded, self.requests = self.requests, []
        return recorded


@contextmanager
def recording(upstream: str) -> Iterator[Recorder]:
    """Run a relay to the server at `upstream` for as long as the block lasts."""
    recorder = Recorder(upstream)
    target = urlsplit(upstream)

    class Relay(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            recorder.requests.append(_record(self, body))
            connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
            headers = {
                name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")
            }
            headers["Accept-Encoding"] = "identity"
            connection.request(self.command, self.path, body or None, headers)
            response = connection.getresponse()
            content = response.read()
            self.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in ("content-length", "connection", "transfer-encoding", "server"):
                    # URLs of the upstream server must point to the relay.
                    self.send_header(name, value.replace(upstream.rstrip("/"), recorder.url))
            content = content.replace(upstream.rstrip("/").encode(), recorder.url.encode())
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            connection.close()

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            pass

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(timestamp)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    server.daemon_threads = True
    recorder.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _record(request: BaseHTTPRequestHandler, body: bytes) -> RecordedRequest:
    url = urlsplit(request.path)
    kind = (request.headers.get("Content-Type") or "").partition(";")[0]
    cookies = (request.headers.get("Cookie") or "").split("; ")
    return RecordedRequest(
        request.command,
        url.path,
        parse_qsl(url.query, keep_blank_values=True),
        _parts(body, request.headers.get("Content-Type") or "") if kind == "multipart/form-data" else body,
        kind,
        request.headers.get("User-Agent") or "",
        tuple(sorted(cookie.partition("=")[0] for cookie in cookies if cookie)),
        tuple(sorted({name.lower() for name in request.headers} - _TRANSPORT)),
    )


def _parts(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """Return the text parts of a multipart form; only their boundary may differ between clients."""
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    parts = []
    for piece in body.split(b"--" + boundary)[1:-1]:
        head, _, value = piece.strip(b"\r\n").partition(b"\r\n\r\n")
        name = head.decode().partition('name="')[2].partition('"')[0]
        parts.append((name, value.decode()))
    return parts
