"""A cloud that costs almost nothing: pre-rendered answers over raw asyncio, so that the client is what is measured.

usage: stub.py ANSWERS.json [LATENCY_SECONDS] [CERT.pem KEY.pem]
ANSWERS maps a part of the request line to a body, or to one for each round: `GET /next-round` goes on, and the last of
a list stays. @NUMBER@ in it becomes the eight digits of `owner` or `plantId` in the request. All answers set a cookie.
Prints its port.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
from pathlib import Path

answers = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
latency = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0


def _rendered(body: str) -> bytes:
    content = body.encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return (head + "Set-Cookie: JSESSIONID=0123456789; Path=/\r\n\r\n").encode() + content


REPLIES = [
    (mark.encode(), [_rendered(body) for body in ([bodies] if isinstance(bodies, str) else bodies)])
    for mark, bodies in answers.items()
]


NUMBER = re.compile(rb"(?:owner|plantId=)(\d{8})")


class Cloud(asyncio.Protocol):
    round = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            line = self.buffer[: self.buffer.find(b"\r\n")]
            asked = self.buffer[: end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            if b" /next-round " in line:
                Cloud.round += 1
                self.transport.write(_rendered("{}"))
                continue
            told = next(rendered for mark, rendered in REPLIES if mark in line)
            reply = told[min(Cloud.round, len(told) - 1)]
            if b"@NUMBER@" in reply:
                reply = reply.replace(b"@NUMBER@", NUMBER.search(asked)[1])
            if latency:
                asyncio.get_running_loop().call_later(latency, self.transport.write, reply)
            else:
                self.transport.write(reply)


async def main() -> None:
    context = None
    if len(sys.argv) > 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
    server = await asyncio.get_running_loop().create_server(Cloud, "127.0.0.1", 0, ssl=context, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
