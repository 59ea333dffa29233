"""Benchmark of 200 accounts x 5 calls (login and four reads) at a latency of 100 ms. usage: fleet.py CLIENT URL"""

from __future__ import annotations

import json
import resource
import sys
import time

ACCOUNTS, READS = 200, 4
client, url = sys.argv[1], sys.argv[2]


def poll_growattserver(number):
    import growattServer

    api = growattServer.GrowattApi()
    api.server_url = url
    assert api.login(f"user{number}", "secret")["success"]
    for _ in range(READS):
        assert api.tlx_detail("X")["data"]


def run_growattserver(threads):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(poll_growattserver, range(ACCOUNTS)))


async def poll_heliograph(number):
    from heliograph import AsyncGrowatt

    api = AsyncGrowatt(f"user{number}", "secret", server=url, keeper=None)
    for _ in range(READS):
        assert (await api.tlx_detail("X")).body


async def run_heliograph():
    import asyncio

    await asyncio.gather(*(poll_heliograph(number) for number in range(ACCOUNTS)))


async def poll_bare_socket(host, port):
    import asyncio

    reader, writer = await asyncio.open_connection(host, port)
    for path in ("/newTwoLoginAPI.do", *["/newTlxApi.do?op=getTlxDetailData&id=X"] * READS):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        assert json.loads(body)
    writer.close()


async def run_bare_sockets():
    import asyncio
    from urllib.parse import urlsplit

    server = urlsplit(url)
    await asyncio.gather(*(poll_bare_socket(server.hostname, server.port) for _ in range(ACCOUNTS)))


start, cpu = time.perf_counter(), time.process_time()
if client == "growattServer, 32 threads":
    run_growattserver(32)
elif client == "growattServer, 8 threads":
    run_growattserver(8)
else:
    import asyncio

    asyncio.run(run_heliograph() if client == "heliograph, async" else run_bare_sockets())
print(
    json.dumps(
        {
            "wall": time.perf_counter() - start,
            "cpu": time.process_time() - cpu,
            "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    )
)
