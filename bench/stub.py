"""Stub cloud: a raw asyncio server with pre-rendered responses, so that the client is measured and not the server.

usage: stub.py RESPONSES.json [LATENCY_SECONDS] [CERT.pem KEY.pem]
RESPONSES maps a part of the request line to a body, or to a list of bodies, one per round: `GET /next-round` starts the
next round, and the last body is repeated. @NUMBER@ in a body is replaced by the eight digits of `owner` or `plantId` in
the request. All responses set a cookie. Prints its port.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
from pathlib import Path

bodies_by_part = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
latency = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0


def _render(body: str) -> bytes:
    content = body.encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return (head + "Set-Cookie: JSESSIONID=0123456789; Path=/\r\n\r\n").encode() + content


RESPONSES = [
    (part.encode(), [_render(body) for body in ([bodies] if isinstance(bodies, str) else bodies)])
    for part, bodies in bodies_by_part.items()
]


NUMBER = re.compile(rb"(?:owner|plantId=)(\d{8})")


class StubCloud(asyncio.Protocol):
    round = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            start = head.find(b"content-length:")
            length = int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            line = self.buffer[: self.buffer.find(b"\r\n")]
            request = self.buffer[: end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            if b" /next-round " in line:
                StubCloud.round += 1
                self.transport.write(_render("{}"))
                continue
            rounds = next(rendered for part, rendered in RESPONSES if part in line)
            response = rounds[min(StubCloud.round, len(rounds) - 1)]
            if b"@NUMBER@" in response:
                response = response.replace(b"@NUMBER@", NUMBER.search(request)[1])
            if latency:
                asyncio.get_running_loop().call_later(latency, self.transport.write, response)
            else:
                self.transport.write(response)


async def main() -> None:
    context = None
    if len(sys.argv) > 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
    server = await asyncio.get_running_loop().create_server(StubCloud, "127.0.0.1", 0, ssl=context, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
