"""Helpers that detect leaked secrets: marker secrets, all representations of an error, and an echoing server."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import logging
import stat
import threading
import traceback
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, quote, quote_plus, unquote_plus

from heliograph.vendors.goodwe.plus.signing import encode_password
from heliograph.vendors.growatt import hash_password

USERNAME = "marked.user+tag@marker.example.org"
PASSWORD = 'märked-p&ss "w%rd'
COOKIE = "marked0c00k1e"
TOKEN = "markedt0ken"
UID = "marked-uid-7"


def forms(secret):
    """Return a secret in every encoding it may appear in, computed independently of the package."""
    return {
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        html.escape(secret),
        json.dumps(secret)[1:-1],
        base64.b64encode(secret.encode()).decode(),
        hashlib.md5(secret.encode()).hexdigest(),
    }


def markers(*more):
    """Return every text that must not appear anywhere."""
    secrets = {form for one in (USERNAME, PASSWORD, COOKIE, TOKEN, UID, *more) for form in forms(one)}
    return secrets | {hash_password(PASSWORD), encode_password(PASSWORD), quote(encode_password(PASSWORD), safe="")}


def leaks(text, secrets):
    """Return the secrets found in a text, complete or by their first ten characters."""
    lower = text.lower()
    return sorted(one for one in secrets if one.lower() in lower or (len(one) > 12 and one[:10].lower() in lower))


def seen(error, *, with_locals=True):
    """Return all representations of an exception and its causes."""
    parts, pending, known = [], [error], set()
    while pending:
        one = pending.pop()
        if one is None or id(one) in known:
            continue
        known.add(id(one))
        parts += [str(one), repr(one), repr(one.args), repr(getattr(one, "__notes__", ""))]
        parts += [f"{name}={value!r}" for name, value in getattr(one, "__dict__", {}).items()]
        pending += [one.__cause__, one.__context__]
    parts += traceback.format_exception(error)
    if with_locals:
        formatted = traceback.TracebackException.from_exception(error, capture_locals=True)
        own_frames = [frame for frame in formatted.stack if "heliograph" in frame.filename]
        parts += [f"{name}={value}" for frame in own_frames for name, value in (frame.locals or {}).items()]
    return "\n".join(parts)


@contextmanager
def captured_logs():
    """Collect all log records of every level."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s %(pathname)s %(message)s %(args)s"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(1)
    logging.getLogger("markers").debug("listening")
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    assert "listening" in stream.getvalue()


def readable_files(folder):
    """Return the names of all files, and the contents of files that others can read."""
    parts = []
    for path in sorted(Path(folder).rglob("*")):
        parts.append(str(path.relative_to(folder)))
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            parts.append(path.read_text("utf-8", "replace"))
    return "\n".join(parts)


def _page(received):
    return f"<html><title>What was that?</title>{received}</html>"


def _json(received):
    nested = {"success": False, "msg": received, "error": received}
    return json.dumps(
        {"code": received, "msg": received, "description": received, "result": 0, "obj": received, "back": nested}
    )


ECHOES = {
    "page": _page,
    "escaped": lambda received: _page(html.escape(received)),
    "quoted": lambda received: _page(quote(received)),
    "base64": lambda received: " ".join(base64.b64encode(word.encode()).decode() for word in received.split("\n")),
    "json": _json,
    "code": lambda received: json.dumps(
        {"code": "777", "msg": received, "description": received, "back": {"msg": "777"}}
    ),
    "plain": lambda received: received,
}


class EchoHandler(BaseHTTPRequestHandler):
    """Respond with the received request."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        echo, status = ECHOES[self.server.echo], self.server.status
        received = self.server.kind(self.path, self.headers, body)
        response = echo(received).encode()
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("location", f"http://elsewhere.example.org/?{quote(received)}")
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(response)))
        self.end_headers()
        self.wfile.write(response)

    do_POST = do_GET


def whole_request(path, headers, body):
    return "\n".join([path, *(f"{name}: {value}" for name, value in headers.items()), body])


def values_only(path, headers, body):
    """Return the values without their names, which redaction would recognise."""
    try:
        words = [str(value) for value in json.loads(body).values()]
    except ValueError:
        words = [value for _, value in parse_qsl(body)]
    words += [value for _, value in parse_qsl(path.partition("?")[2])]
    words += [unquote_plus(part.partition("=")[2]) for part in headers.get("cookie", "").split(";")]
    with suppress(ValueError):
        words += [str(value) for value in json.loads(headers.get("token") or "{}").values()]
    return "\n".join(word for word in words if word)


def values_reversed(path, headers, body):
    return "\n".join(reversed(values_only(path, headers, body).split("\n")))


KINDS = (whole_request, values_only, values_reversed)


@contextmanager
def run_echo_server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), EchoHandler)
    server.echo, server.status, server.kind = "plain", 200, values_only
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
