"""Benchmark of one client repeating one call: prints the number of calls, CPU and wall seconds as JSON.

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


def growattserver_call(library, **options):
    api = library.GrowattApi(**options)
    api.server_url = url
    api.login("me", "secret")
    return {"detail": lambda: api.tlx_detail("X"), "status": lambda: api.tlx_system_status("1", "X")}[call]


def growatt_call():
    from heliograph import Growatt

    api = Growatt("me", "secret", server=url, keeper=None)
    return {"detail": lambda: api.tlx_detail("X"), "status": lambda: api.tlx_system_status("1", "X")}[call]


def protected_growatt_call():
    """Return a call with account protection; the state file already holds a day of requests."""
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
    send = {"detail": lambda: api.tlx_detail("X"), "status": lambda: api.tlx_system_status("1", "X")}[call]
    send.folder = folder  # the folder is removed when the last reference is gone
    return send


def pygoodwe_call():
    from pygoodwe import API

    api = API("station", "me", "secret", api_url=url + "api/", skipload=True, log_level="WARNING")
    api.do_login()
    return lambda: api.call("v2/PowerStation/GetMonitorDetailByPowerstationId", {"powerStationId": "station"})


def goodwe_call():
    from heliograph import GoodWe

    api = GoodWe("me", "secret", server=url, keeper=None)
    return lambda: api.monitor_detail("station")


def bare_socket_call():
    """Return the fastest possible call: one request text, one receive loop, `json.loads`; not a usable client."""
    server = urlsplit(url)
    connection = socket.create_connection((server.hostname, server.port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    path = {
        "detail": "GET /newTlxApi.do?op=getTlxDetailData&id=X",
        "status": "POST /newTlxApi.do?op=getSystemStatus_KW",
        "monitor": "POST /api/v2/PowerStation/GetMonitorDetailByPowerstationId",
    }[call]
    request = f"{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode()

    def send():
        connection.sendall(request)
        data = connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(65536)
        return json.loads(body)

    return send


def build_call():
    """Return the function that sends the call of the command line."""
    if client == "growattServer":
        import growattServer

        return growattserver_call(growattServer)
    if client == "drop-in":
        from heliograph import growattserver

        return growattserver_call(growattserver, keeper=None)
    heliograph_calls = {"typed": growatt_call, "typed, protected": protected_growatt_call, "goodwe": goodwe_call}
    return {**heliograph_calls, "pygoodwe": pygoodwe_call, "bare socket": bare_socket_call}[client]()


send_call = build_call()
for _ in range(20):
    send_call()
calls, cpu, wall = 0, time.process_time(), time.perf_counter()
while time.perf_counter() - wall < seconds:
    send_call()
    calls += 1
print(json.dumps({"calls": calls, "cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}))
