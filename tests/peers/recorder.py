"""A relay that writes down every request to the byte and passes it on: what two clients really sent, side by side."""

from __future__ import annotations

import http.client
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

# What every HTTP library sets as it likes, and no cloud looks at.
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


class Seen(NamedTuple):
    """One request, in the parts two clients must agree on."""

    verb: str
    path: str
    query: list[tuple[str, str]]
    body: bytes | list[tuple[str, str]]
    content_type: str
    user_agent: str
    cookies: tuple[str, ...]
    other_headers: tuple[str, ...]


class Recorder:
    """The relay's memory."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.url = ""
        self.seen: list[Seen] = []

    def take(self) -> list[Seen]:
        """Return what was seen since the last time."""
        seen, self.seen = self.seen, []
        return seen


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
            recorder.seen.append(_seen(self, body))
            there = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
            keep = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
            keep["Accept-Encoding"] = "identity"
            there.request(self.command, self.path, body or None, keep)
            answer = there.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "connection", "transfer-encoding", "server"):
                    # The cloud's own address has to lead back to the relay.
                    self.send_header(name, value.replace(upstream.rstrip("/"), recorder.url))
            content = content.replace(upstream.rstrip("/").encode(), recorder.url.encode())
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            there.close()

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


def _seen(request: BaseHTTPRequestHandler, body: bytes) -> Seen:
    where = urlsplit(request.path)
    kind = (request.headers.get("Content-Type") or "").partition(";")[0]
    cookies = (request.headers.get("Cookie") or "").split("; ")
    return Seen(
        request.command,
        where.path,
        parse_qsl(where.query, keep_blank_values=True),
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
