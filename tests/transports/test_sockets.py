"""The transport over sockets: what it reads and rejects beyond what all transports have in common."""

from __future__ import annotations

import os
from contextlib import closing
from time import time

import pytest

from heliograph import transports
from heliograph.core.session import Request
from heliograph.errors import Unreachable
from support.raw_server import Listener

OK = b"HTTP/1.1 200 OK\r\n"


class Server(Listener):
    """Sends the same answer to every request, and counts connections."""

    def __init__(self):
        self.answer = b""
        super().__init__()

    def respond(self, verb, target, headers, body):
        return self.answer


@pytest.fixture
def server():
    one = Server()
    yield one
    one.close()


@pytest.fixture
def send(server):
    with closing(transports.standard_library()) as transport:
        yield (
            lambda answer: (
                setattr(server, "answer", answer) or transport.send(Request("GET", server.url + "/", {}), 30.0, time)
            )
        )


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2;name=value\r\nhi\r\n1 \r\n!\r\n0\r\nTrailer: a\r\n\r\n", b"hi!"),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
            + OK
            + b"Content-Length: 2\r\n\r\nhi",
            b"hi",
        ),
        (OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", b"hi"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200\r\nContent-Length:2\r\n\r\nhi", b"hi"),
    ],
    ids=["chunks", "interim", "repeated length", "no content", "until the end", "no reason"],
)
def test_valid_response_is_read(send, answer, body):
    assert send(answer).body == body


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
        OK + b"Content-Length: 2, 2\r\n\r\nhi",
        OK + b"Content-Length: +2\r\n\r\nhi",
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: identity\r\n\r\nhi",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-2\r\nhi\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi!\r\n0\r\n\r\n",
        OK + b"Content-Length : 2\r\n\r\nhi",
        OK + b"X: a\r\n folded\r\nContent-Length: 2\r\n\r\nhi",
        OK + b"X: a\nContent-Length: 9\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 099 Odd\r\n\r\n",
    ],
)
def test_response_that_is_ambiguous_or_invalid_is_rejected_and_its_connection_closed(send, server, answer):
    with pytest.raises(Unreachable, match="the response is not valid HTTP"):
        send(answer)
    assert send(OK + b"Content-Length: 2\r\n\r\nhi").body == b"hi"
    assert len(server._connections) == 2


def test_connection_is_used_again_but_not_by_a_forked_process(send, server, monkeypatch):
    answer = OK + b"Content-Length: 2\r\n\r\nhi"
    send(answer)
    send(answer)
    assert len(server._connections) == 1
    monkeypatch.setattr(os, "getpid", lambda: -1)
    send(answer)
    assert len(server._connections) == 2
