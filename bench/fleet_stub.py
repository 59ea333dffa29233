"""A stub of both clouds for any number of accounts, several times cheaper than the emulated clouds.

Two emulated accounts answer each kind of request once; the stub repeats their responses for every account, with the
account's own plant, devices, session and the current time, after a latency of 30 ms. usage: fleet_stub.py EMULATOR_URL
PLANT PLANT (of the Growatt and of the GoodWe account). Prints its port.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import sys
import time
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from heliograph.vendors.goodwe.plus.signing import sign_request

LATENCY = 0.03
_NUMBER = re.compile(rb"(?:growatt|owner)(\d+)")
_SESSION = re.compile(rb"JSESSIONID=([0-9A-F]{32})|\"token\":\"([0-9a-f]{32})\"", re.ASCII)
_SERIAL = re.compile(rb'"(?:deviceSn|datalogSn|datalog_sn|sn)":"([A-Z0-9]{10,16})"')
_TIME = re.compile(rb"20\d\d-\d\d-\d\d[ T]\d\d:\d\d:\d\d")
_KEPT = (b"content-type", b"set-cookie")


class Model:
    """One emulated account, whose responses are repeated for the accounts of its vendor."""

    def __init__(self, url: str, plant: str) -> None:
        self.url = url
        self.plant = plant.encode()
        self.serials: list[bytes] = []
        self.sessions: list[bytes] = []
        self.responses: dict[bytes, list[list[bytes]]] = {}

    def names(self, number: int) -> dict[bytes, bytes]:
        """Return what is replaced in the responses for an account: plant, serial numbers and session."""
        replaced = {self.plant: plant_of(self.plant, number)}
        replaced |= {one: one[:3] + b"%0*d" % (len(one) - 3, 10 * number + at) for at, one in enumerate(self.serials)}
        return replaced | {one: (b"%032X" if one.isupper() else b"%032x") % number for one in self.sessions}


def plant_of(plant: bytes, number: int) -> bytes:
    """Return the id of an account's plant, of the form of the emulated one."""
    return b"%08x" % number + plant[8:] if b"-" in plant else b"%07d" % (1_000_000 + number)


class Stub:
    """Answers requests from templates; a kind of request that is new is passed on to the emulated clouds."""

    def __init__(self, url: str, plants: list[str]) -> None:
        self.upstream = urlsplit(url)
        self.models = [Model(url, plant) for plant in plants]
        self.url = b""

    def answer(self, head: bytes, body: bytes) -> bytes:
        """Return the response to one request."""
        session = _SESSION.search(head)
        found = _NUMBER.search(body)
        number = int(found[1]) if found else int(session[1] or session[2], 16) if session else 1
        model = self.models[(number + 1) % 2]
        line = head.partition(b"\r\n")[0]
        key = line if found else line + body
        for original, own in model.names(number).items():
            key = key.replace(own, original)
        if key not in model.responses:
            model.responses[key] = self._template(model, head, body, number)
        names, now = model.names(number) | {b"URL": self.url}, time.time()
        top, content = (
            b"".join(part if at % 2 == 0 else names.get(part) or shifted(part, now) for at, part in enumerate(pieces))
            for pieces in model.responses[key]
        )
        return top + b"Content-Length: %d\r\n\r\n" % len(content) + content

    def _template(self, model: Model, head: bytes, body: bytes, number: int) -> list[list[bytes]]:
        """Ask the emulated clouds, and return the response's head and its content, split at what is replaced."""
        for original, own in model.names(number).items():
            head, body = head.replace(own, original), body.replace(own, original)
        account = 1 + self.models.index(model)
        body = re.sub(rb"(growatt|owner)\d+", rb"\g<1>%d" % account, body)
        line, *lines = head.split(b"\r\n")
        method, path, _ = line.decode().split(" ")
        headers = dict(one.decode("latin-1").split(": ", 1) for one in lines if one)
        for name in [one for one in headers if one.lower() in {"host", "content-length"}]:
            del headers[name]
        for name in [one for one in headers if one.lower() == "x-signature"]:  # of the account's own session
            token = json.loads(next(value for one, value in headers.items() if one.lower() == "token"))
            headers[name] = sign_request(int(time.time() * 1000), token["uid"], token["token"])
        connection = http.client.HTTPConnection(self.upstream.hostname or "", self.upstream.port, timeout=60)
        connection.request(method, path, body or None, headers)
        response = connection.getresponse()
        content = response.read()
        kept = [(name, value) for name, value in response.getheaders() if name.lower().encode() in _KEPT]
        connection.close()
        top = b"HTTP/1.1 %d OK\r\n" % response.status
        top += b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in kept)
        session = _SESSION.search(top) or (_NUMBER.search(body) and _SESSION.search(content))
        if session:
            model.sessions.append(session[1] or session[2])
        model.serials += [one for one in dict.fromkeys(_SERIAL.findall(content)) if one not in model.serials]
        names = b"|".join(map(re.escape, [*model.names(number), b"URL"]))
        content = content.replace(self.upstream.geturl().encode(), b"URL")
        now = b"%f " % time.time()
        split = [re.split(b"(" + names + b"|" + _TIME.pattern + b")", part) for part in (top, content)]
        return [
            [now + part if at % 2 and _TIME.fullmatch(part) else part for at, part in enumerate(pieces)]
            for pieces in split
        ]


def shifted(part: bytes, now: float) -> bytes:
    """Return a recorded time, later by the time that has passed since."""
    recorded_at, text = part.split(b" ", 1)
    moved = datetime.fromisoformat(text.decode()) + timedelta(seconds=now - float(recorded_at))
    return moved.isoformat(text[10:11].decode(), "seconds").encode()


class Connection(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, stub: Stub) -> None:
        self.stub = stub
        self.data = b""

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, end, rest = self.data.partition(b"\r\n\r\n")
        if not end:
            return
        found = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
        length = int(found[1]) if found else 0
        if len(rest) >= length:
            self.data = rest[length:]
            asyncio.get_running_loop().call_later(LATENCY, self._send, head, rest[:length])

    def _send(self, head: bytes, body: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(self.stub.answer(head, body))


async def main() -> None:
    url, *plants = sys.argv[1:]
    stub = Stub(url, plants)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(stub), "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    stub.url = b"http://127.0.0.1:%d" % port
    print(port, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
