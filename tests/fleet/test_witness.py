"""The witness of the acceptance test notes a request before its response can be stored."""

import asyncio
import socket
import time

from support.fleet_judge import polls_of
from support.fleet_witness import RelayThread, Witness

REQUEST = (
    b"GET /login HTTP/1.1\r\nx-fleet-account: 1\r\nx-fleet-worker: a\r\nx-fleet-token: 3\r\nx-fleet-poll: 8\r\n\r\n"
)
RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Cloud:
    """Answers every request."""

    async def serve(self):
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _answer(self, reader, writer):
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(RESPONSE)
            await reader.read()
        finally:
            writer.close()


def wait_for(condition):
    """Wait for another thread."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline


def test_request_under_way_is_among_the_requests_of_the_witness_once():
    with RelayThread() as relays:
        witness = relays.add(Witness(relays.add(Cloud()).port))
        witness.hold_logins.set()
        with socket.create_connection(("127.0.0.1", witness.port), timeout=20) as connection:
            connection.sendall(REQUEST)
            wait_for(lambda: witness.held)
            under_way, seen_before = witness.requests(), list(witness.seen)
            witness.hold_logins.clear()
            assert connection.recv(len(RESPONSE), socket.MSG_WAITALL) == RESPONSE
            wait_for(lambda: not witness.under_way)
    assert seen_before == []
    (poll,) = polls_of(under_way)["1"]
    assert (poll.token, poll.number, poll.delivered) == (3, "8", False)
    assert [(one.token, one.delivered) for one in witness.requests()] == [(3, True)]
