"""One client making one call over and over: prints calls, CPU and wall seconds as JSON.

usage: calls.py CLIENT CALL URL SECONDS
"""

from __future__ import annotations

import json
import socket
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

client, call, url, seconds = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])


def growatt(library):
    api = library.GrowattApi()
    api.server_url = url
    api.login("me", "secret")
    return {"detail": lambda: api.tlx_detail("X"), "status": lambda: api.tlx_system_status("1", "X")}[call]


def typed_growatt():
    from heliograph import Growatt

    api = Growatt("me", "secret", server=url, keeper=None)
    return {"detail": lambda: api.tlx_detail("X"), "status": lambda: api.tlx_system_status("1", "X")}[call]


def kept_growatt():
    """A kept account in the middle of its life: its book holds a day of requests."""
    from heliograph import Growatt
    from heliograph.keeper import Keeper, Limits

    now = time.time()
    folder = tempfile.TemporaryDirectory()
    api = Growatt(
        "me",
        "secret",
        server=url,
        keeper=Keeper(Path(folder.name)),
        limits=Limits(requests=10**9, logins=10**9, reserve=0),
        clock=lambda: now,
    )
    for _ in range(100):
        api.tlx_detail("X")
        now += 600
    one = {"detail": lambda: api.tlx_detail("X"), "status": lambda: api.tlx_system_status("1", "X")}[call]
    one.folder = folder  # it is removed when nobody holds it
    return one


def pygoodwe():
    from pygoodwe import API

    api = API("station", "me", "secret", api_url=url + "api/", skipload=True, log_level="WARNING")
    api.do_login()
    return lambda: api.call("v2/PowerStation/GetMonitorDetailByPowerstationId", {"powerStationId": "station"})


def goodwe():
    from heliograph import GoodWe

    api = GoodWe("me", "secret", server=url, keeper=None)
    return lambda: api.monitor_detail("station")


def bare_socket():
    """The floor: one request text, one recv loop, json.loads. Not a client one could ship."""
    where = urlsplit(url)
    line = socket.create_connection((where.hostname, where.port))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    path = {
        "detail": "GET /newTlxApi.do?op=getTlxDetailData&id=X",
        "status": "POST /newTlxApi.do?op=getSystemStatus_KW",
        "monitor": "POST /api/v2/PowerStation/GetMonitorDetailByPowerstationId",
    }[call]
    request = f"{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode()

    def one():
        line.sendall(request)
        data = line.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += line.recv(65536)
        return json.loads(body)

    return one


def chosen():
    if client == "growattServer":
        import growattServer

        return growatt(growattServer)
    if client == "drop-in":
        from heliograph import growattserver

        return growatt(growattserver)
    ours = {"typed": typed_growatt, "typed, kept": kept_growatt, "goodwe": goodwe}
    return {**ours, "pygoodwe": pygoodwe, "bare socket": bare_socket}[client]()


one = chosen()
for _ in range(20):
    one()
calls, cpu, wall = 0, time.process_time(), time.perf_counter()
while time.perf_counter() - wall < seconds:
    one()
    calls += 1
print(json.dumps({"calls": calls, "cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}))
