"""200 accounts x 5 calls (login and four reads) against a cloud 100 ms away. usage: fleet.py CLIENT URL"""

from __future__ import annotations

import json
import resource
import sys
import time

ACCOUNTS, READS = 200, 4
client, url = sys.argv[1], sys.argv[2]


def one_peer(number):
    import growattServer

    api = growattServer.GrowattApi()
    api.server_url = url
    assert api.login(f"user{number}", "secret")["success"]
    for _ in range(READS):
        assert api.tlx_detail("X")["data"]


def threads(count):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(one_peer, range(ACCOUNTS)))


async def one_ours(number):
    from heliograph import AsyncGrowatt

    api = AsyncGrowatt(f"user{number}", "secret", server=url, keeper=None)
    for _ in range(READS):
        assert (await api.tlx_detail("X")).body


async def ours():
    import asyncio

    await asyncio.gather(*(one_ours(number) for number in range(ACCOUNTS)))


async def one_bare(host, port):
    import asyncio

    reader, writer = await asyncio.open_connection(host, port)
    for path in ("/newTwoLoginAPI.do", *["/newTlxApi.do?op=getTlxDetailData&id=X"] * READS):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        assert json.loads(body)
    writer.close()


async def bare():
    import asyncio
    from urllib.parse import urlsplit

    where = urlsplit(url)
    await asyncio.gather(*(one_bare(where.hostname, where.port) for _ in range(ACCOUNTS)))


start, cpu = time.perf_counter(), time.process_time()
if client == "growattServer, 32 threads":
    threads(32)
elif client == "growattServer, 8 threads":
    threads(8)
else:
    import asyncio

    asyncio.run(ours() if client == "heliograph, async" else bare())
print(
    json.dumps(
        {
            "wall": time.perf_counter() - start,
            "cpu": time.process_time() - cpu,
            "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    )
)
