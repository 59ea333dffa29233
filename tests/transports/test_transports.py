"""Every transport over real sockets: limits, odd and hostile servers, and whether a failed request was sent."""

from __future__ import annotations

import gzip
import socket
import threading
from contextlib import contextmanager, suppress
from time import monotonic

import pytest

from heliograph import errors as e
from heliograph.core.session import Request
from heliograph.transports import pyreqwest_pool
from heliograph.transports.response import MAX_BODY
from support.raw_server import RESET, Listener
from support.transports import NAMES, sender


@pytest.fixture(params=NAMES)
def send(request):
    with sender(request.param) as one:
        yield one


class Server(Listener):
    """Sends the same answer to every request."""

    def __init__(self):
        self.answer = RESET
        self.requests = 0
        super().__init__()

    def respond(self, verb, target, headers, body):
        self.requests += 1
        self.seen = (verb, target, headers, body)
        return self.answer


@pytest.fixture
def server():
    one = Server()
    yield one
    one.close()


def http(body, *headers):
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(body):
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def get(server, **headers):
    return Request("GET", server.url + "/", headers)


LARGEST = b"x" * MAX_BODY


@pytest.mark.parametrize(
    "answer",
    [http(LARGEST), chunked(LARGEST), http(gzip.compress(LARGEST), "Content-Encoding: gzip")],
    ids=["length", "chunked", "gzip"],
)
def test_body_up_to_the_limit_is_returned_whole(send, server, answer):
    server.answer = answer
    assert send(get(server)).body == LARGEST


def test_empty_body_is_empty_bytes(send, server):
    server.answer = http(b"")
    assert send(get(server)).body == b""


@pytest.mark.parametrize(
    "answer",
    [
        http(LARGEST + b"x"),
        chunked(LARGEST + b"x"),
        http(gzip.compress(bytes(100_000_000)), "Content-Encoding: gzip"),
    ],
    ids=["length", "chunked", "gzip"],
)
def test_body_over_the_limit_raises_unreadable(send, server, answer):
    server.answer = answer
    with pytest.raises(e.Unreadable, match=r"response too large: 127\.0\.0\.1:\d+ sent more than 2 MB\. Check"):
        send(get(server))
    server.answer = http(b"hi")
    assert send(get(server)).body == b"hi"


@contextmanager
def serving(talk):
    """Run `talk(connection)` on a thread for one connection, and yield the URL; the thread must end by itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(10_000)
                try:
                    talk(connection)
                except OSError:
                    return  # the client has closed the connection

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join(20)
        assert not thread.is_alive()


def forever(connection, head, part, pause):
    connection.sendall(head)
    while not pause.wait(0.02):
        connection.sendall(part)


def test_endless_body_is_read_up_to_the_limit(send):
    """The server sends until the client closes the connection."""
    total = 0

    def talk(connection):
        nonlocal total
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            total += connection.send(bytes(65_536))

    with serving(talk) as url, pytest.raises(e.Unreadable, match="too large"):
        send(Request("GET", url, {}))
    assert total < 100_000_000  # the socket buffers, far from endless


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-A: b", b"b"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"b"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nb\r\n"),
    ],
    ids=["headers", "one header", "body", "chunks"],
)
def test_time_out_covers_a_response_that_arrives_byte_by_byte(send, head, part):
    """Each part arrives long before the time-out."""
    pause = threading.Event()
    started_at = monotonic()
    with serving(lambda connection: forever(connection, head, part, pause)) as url:
        with pytest.raises(e.Unreachable, match="in time") as caught:
            send(Request("GET", url, {}), timeout=0.3)
        pause.set()
    assert (caught.value.timed_out, caught.value.sent) == (True, True)
    assert monotonic() - started_at < 20


def test_time_out_covers_the_body(send, server):
    server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nand then nothing"
    with pytest.raises(e.Unreachable, match="in time") as caught:
        send(get(server), timeout=0.2)
    assert (caught.value.timed_out, caught.value.sent) == (True, True)


def test_header_values_that_are_not_ascii_are_dropped(send, server):
    server.answer = http(
        b"hi",
        "Location: /\xff",
        "Date: \xe9",
        "Retry-After: \x80",
        "Set-Cookie: a=\xff",
        "Set-Cookie: b=1",
        "X-Twice: first",
        "X-Twice: second",
        "Set-Cookie: c=2",
    )
    response = send(get(server))
    assert response.body == b"hi"
    assert response.headers == {"content-length": "2", "set-cookie": "b=1", "x-twice": "first"}
    assert response.cookies == ["b=1", "c=2"]


def test_all_cookies_of_a_response_are_returned_and_none_is_sent_back(send, server):
    lines = [f"JSESSIONID={number}; Path=/; Expires=Thu, 01 Jan 2026 00:00:00 GMT" for number in range(40)]
    server.answer = http(b"hi", *(f"Set-Cookie: {line}" for line in lines))
    assert send(get(server)).cookies == lines
    send(get(server))
    assert "cookie" not in server.seen[2]


def test_redirect_is_returned_and_not_followed(send, server):
    for status in (b"301 Moved", b"302 Found", b"307 Temporary Redirect", b"308 Permanent Redirect"):
        server.requests = 0
        server.answer = http(b"", "Location: /elsewhere").replace(b"200 OK", status)
        response = send(get(server))
        assert (response.status, response.headers["location"]) == (int(status[:3]), "/elsewhere")
        assert server.requests == 1


def test_error_statuses_are_responses(send, server):
    for status in (b"404 Not Found", b"405 Not Allowed", b"500 Oops", b"599 What"):
        server.answer = http(b"hi").replace(b"200 OK", status)
        response = send(get(server))
        assert (response.status, response.body) == (int(status[:3]), b"hi")


@pytest.mark.parametrize("target", ["/a%20b%2Fc?d=%2f%7E&e=a+b%3D", "/a//b/?a=1&a=2", "/a;b=c?op=d,e:f@g"])
def test_encoded_url_is_sent_as_it_is(send, server, target):
    server.answer = http(b"hi")
    send(Request("GET", server.url + target, {}))
    assert server.seen[1] == target


def test_url_with_characters_that_no_request_may_contain_is_escaped(send, server):
    server.answer = http(b"hi")
    send(Request("GET", server.url + "/a b\u00e9?c=d e#fragment", {}))
    assert server.seen[1] == "/a%20b%C3%A9?c=d%20e"
    send(Request("GET", server.url + "?a=b", {}))
    assert server.seen[1] == "/?a=b"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://[::1", "http://x:99999/", "nonsense", "http:///a", ""])
def test_invalid_url_raises_config_error(send, url):
    with pytest.raises(e.ConfigError, match="is not a valid URL"):
        send(Request("GET", url, {}))


def test_headers_and_body_are_sent_as_given(send, server):
    server.answer = http(b"hi")
    headers = {"User-Agent": "ShinePhone/1", "Accept": "text/plain", "Content-Type": "a/b", "Cookie": "a=b; c=d"}
    own = {name.lower(): value for name, value in headers.items()}
    for body, length in ((b"a=%20b", "6"), (b"", "0")):
        send(Request("POST", server.url + "/x", headers, body))
        verb, target, seen, received = server.seen
        assert (verb, target, received) == ("POST", "/x", body)
        assert seen.pop("content-length") == length
        added = {name: value for name, value in seen.items() if name not in own}
        assert added.keys() <= {"host", "accept-encoding", "connection"}
        assert {name: seen[name] for name in own} == own


def test_bodies_over_one_connection_do_not_mix(send, server):
    for number in range(3):
        server.answer = http(b"x" * number, f"X-Number: {number}")
        response = send(get(server))
        assert (response.headers["x-number"], len(response.body)) == (str(number), number)


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 two OK\r\n\r\n",
        b"\x16\x03\x01\x00\x00",
        b"",
        http(b"hi", "Content-Encoding: gzip"),
        http(gzip.compress(b"hi" * 1000)[:-20], "Content-Encoding: gzip"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n5\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n",
    ],
    ids=[
        "no HTTP",
        "status",
        "TLS",
        "nothing",
        "not gzip",
        "short gzip",
        "short",
        "length",
        "short chunk",
        "chunk size",
    ],
)
def test_response_that_is_damaged_or_incomplete_raises_unreachable_and_counts_as_sent(send, answer):
    expected = pytest.raises(e.Unreachable, match="the connection to")
    with serving(lambda connection: connection.sendall(answer)) as url, expected as caught:
        send(Request("GET", url + "?password=hunter2", {"Token": "hunter2"}, None))
    assert caught.value.sent
    assert "hunter2" not in f"{caught.value} {vars(caught.value)} {caught.value.__cause__}"


@pytest.mark.parametrize(
    "lines",
    [
        ["X-Long: " + "x" * 7000],
        ["X-Folded: a\r\n b"],
        ["no colon"],
        [": no name"],
        ["X Space: a"],
        ["X-Nul: a\0b"],
        ["X-Many: a"] * 300,
        ["X-Endless: " + "x" * 200_000],
    ],
    ids=["long", "folded", "no colon", "no name", "space", "nul", "many", "endless"],
)
def test_odd_headers_are_read_or_unreachable(send, server, lines):
    server.answer = http(b"hi", *lines)
    with suppress(e.Unreachable):
        response = send(get(server))
        assert response.status == 200
        assert all(value.replace("\t", " ").isprintable() for value in response.headers.values())
    server.answer = http(b"hi")
    assert send(get(server)).body == b"hi"


def test_reset_after_the_request_counts_as_sent(send, server):
    """The vendor API may have carried out a command before it reset the connection."""
    with pytest.raises(e.Unreachable, match="the connection to") as caught:
        send(get(server))
    assert caught.value.sent
    assert server.requests == 1


def test_refused_and_unresolved_connections_count_as_not_sent(send, server):
    server.close()
    for url in (server.url, "http://nowhere.invalid"):
        with pytest.raises(e.Unreachable, match="no connection to") as caught:
            send(Request("GET", url + "/", {}))
        assert not caught.value.sent


def test_header_that_cannot_be_sent_raises_unreachable_without_its_value(send, server):
    for value in ("hunter2\n", "hunter2\ud800", "hunter2\0"):
        with pytest.raises(e.Unreachable, match="invalid characters") as caught:
            send(get(server, Token=value))
        assert not caught.value.sent
        assert "hunter2" not in f"{caught.value} {vars(caught.value)} {caught.value.__cause__}"
    assert server.requests == 0


@pytest.mark.parametrize("name", [name for name in NAMES if "httpx" not in name])  # httpx takes them for it
def test_bytes_after_a_response_are_not_the_response_to_the_next_request(name, server):
    with sender(name) as send:
        server.answer = http(b"first") + http(b"injected")
        assert send(get(server)).body == b"first"
        server.answer = http(b"second")
        with suppress(e.Unreachable):
            assert send(get(server)).body == b"second"
        assert send(get(server)).body == b"second"


@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_reset_of_an_open_connection_is_not_repeated(send, server, verb):
    """A second request would carry out a command twice."""
    server.answer = http(b"hi")
    send(get(server))
    server.answer, server.requests = RESET, 0
    with pytest.raises(e.Unreachable, match="the connection to") as caught:
        send(Request(verb, server.url + "/", {}, b"a=b" if verb == "POST" else None))
    assert caught.value.sent
    assert server.requests == 1


def test_connection_that_the_server_closed_between_requests_is_replaced(send, server):
    server.answer = http(b"hi", "Connection: close")
    for _ in range(3):
        assert send(get(server)).body == b"hi"
    assert server.requests == 3


@pytest.mark.parametrize("error", [RuntimeError("Too many open files"), MemoryError()])
@pytest.mark.parametrize("name", ["pyreqwest", "default, async"])
def test_pool_that_cannot_be_created_raises_unreachable_and_nothing_is_sent(name, server, monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setattr(pyreqwest_pool, "blocking_pool", fail)
    monkeypatch.setattr(pyreqwest_pool, "async_pool", fail)
    expected = pytest.raises(e.Unreachable, match=r"failed in this program: (Too many open files|no memory)")
    with sender(name) as send, expected as caught:
        send(get(server))
    assert not caught.value.sent
