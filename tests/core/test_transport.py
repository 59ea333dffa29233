"""The transport over real sockets: the size limit of responses, odd headers, and whether a failed request was sent."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading

import pytest

from heliograph import errors as e
from heliograph import transport
from heliograph.core.session import Request
from support.raw_server import RESET, Listener


def send_async(request, **options):
    return asyncio.run(transport.send_async(request, **options))


@pytest.fixture(params=[transport.send, send_async], ids=["blocking", "async"])
def send(request):
    return request.param


class Server(Listener):
    """Sends the same answer to every request."""

    def __init__(self):
        self.answer = RESET
        self.requests = 0
        super().__init__()

    def respond(self, verb, target, headers, body):
        self.requests += 1
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


LARGEST = b"x" * transport.MAX_BODY


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


def test_endless_body_is_read_up_to_the_limit(send):
    """The server sends until the client closes the connection."""
    total = 0
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            nonlocal total
            connection, _ = listener.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                try:
                    while True:
                        total += connection.send(bytes(65_536))
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(e.Unreadable, match="too large"):
            send(Request("GET", f"http://127.0.0.1:{listener.getsockname()[1]}/", {}))
        thread.join(10)
    assert not thread.is_alive()
    assert total < 100_000_000  # the socket buffers, far from endless


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


@pytest.mark.parametrize("error", [RuntimeError("Too many open files"), MemoryError()])
def test_pool_that_cannot_be_created_raises_unreachable_and_nothing_is_sent(send, server, monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setattr(transport, "blocking_pool", fail)
    monkeypatch.setattr(transport, "async_pool", fail)
    with pytest.raises(e.Unreachable, match=r"failed in this program: (Too many open files|no memory)") as caught:
        send(get(server))
    assert not caught.value.sent
