"""Benchmark of a fleet's database work: sealing, permits, and samples in groups, against one PostgreSQL server.

usage: fleet_database.py [--url postgresql://…] [--accounts 2000] [--cycles 5]

Without a URL a server is started, without fsync, as the tests do. A cycle is what one request of an account costs:
lock, load, permit, and the release that clears it. CPU is that of this process and of the processes of the server; on a
loaded
machine only CPU and WAL are meaningful, not rates.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from heliograph.core.redact import Secret
from heliograph.fleet.csv_import import import_accounts
from heliograph.fleet.database import Database
from heliograph.fleet.fence import ShardToken, raise_token
from heliograph.fleet.permits import PermitWriter
from heliograph.fleet.sample_writer import FencedStore, SampleWriter
from heliograph.fleet.schema import init
from heliograph.fleet.secrets import SecretBox
from heliograph.fleet.state_store import AccountStateStore
from heliograph.model import Quality, Status
from heliograph.store.base import Batch, PollStatus, Series, StoredSample
from support.postgres_server import Server, programs

NOW = 1_782_036_000.0
SHARDS = 64
TICKS = os.sysconf("SC_CLK_TCK")
VALUES = {"pv_power": 3424.0, "grid_power": -1200.5, "load_power": 2223.5, "pv_energy_today": 12.5}


def server_cpu(database_pid: int) -> float:
    """Return the CPU seconds of the server and of its processes, also of those that have ended."""
    total = 0
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if database_pid in (int(entry.parent.name), int(fields[1])):
            total += sum(map(int, fields[11 : 15 if int(entry.parent.name) == database_pid else 13]))
    return total / TICKS


@contextmanager
def server(url):
    """Yield the URL and the process id of a server."""
    if url:
        yield url, 0
        return
    folder = Path(tempfile.mkdtemp(prefix="heliograph-bench-"))
    ours = Server(programs(), folder)
    ours.start()
    try:
        yield ours.url, ours.process.pid
    finally:
        ours.stop()
        shutil.rmtree(folder)


class Measured:
    """Wall and CPU seconds and WAL bytes of some work."""

    def __init__(self, database, pid):
        self.database, self.pid = database, pid

    async def _read(self):
        ((wal,),) = await self.database.run("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        return time.perf_counter(), time.process_time(), server_cpu(self.pid) if self.pid else 0.0, float(wal)

    async def of(self, name, count, work):
        """Await some work and print a row."""
        before = await self._read()
        await work
        wall, cpu, database_cpu, wal = (after - one for after, one in zip(await self._read(), before, strict=True))
        each = [1000 * value / count for value in (cpu, database_cpu)]
        print(f"| {name} | {count / wall:,.0f} | {each[0]:.3f} | {each[1]:.3f} | {wal / count:,.0f} |", flush=True)


async def measure(url, pid, accounts, cycles):
    """Measure everything."""
    database, box = Database(url), SecretBox({1: bytes(32)})
    await init(database, SHARDS)
    print("| what | a second | ms CPU of the worker | ms CPU of PostgreSQL | bytes of WAL |\n|---|---|---|---|---|")
    row = Measured(database, pid)

    async def seal():
        sealed = [box.seal(Secret("hunter2-hunter2"), ("the password of account 7", "growatt")) for _ in range(20_000)]
        for one in sealed:
            box.open(one, ("the password of account 7", "growatt"))

    await row.of("secrets sealed and opened", 20_000, seal())
    lines = "\n".join(f"a{number},growatt,user{number},pw{number}" for number in range(accounts))
    text = f"name,vendor,username,password\n{lines}\n"
    await row.of("accounts imported", accounts, import_accounts(database, box, text, tenant="acme"))
    held = [ShardToken(shard, 1) for shard in range(SHARDS)]
    for one in held:
        await raise_token(database, one, "bench")
    found = await database.run("SELECT id, shard FROM account")
    permits = PermitWriter(Database(url, clock=database.clock))
    stores = [AccountStateStore("x", number, held[shard], database, permits, box) for number, shard in found]
    await row.of("states loaded", accounts, load_all(stores))
    await row.of("requests, the first of an account", accounts, cycle_all(stores, 0))
    for cycle in range(1, cycles):
        await row.of("requests", accounts, cycle_all(stores, cycle))
    print(f"\n{permits.writes / permits.groups:.0f} writes in a group")
    writer = SampleWriter(lambda: FencedStore(url))
    for poll in range(cycles):
        await row.of("polls stored", accounts, write_all(writer, found, held, int(NOW) + 300 * poll))
    await writer.finish()


async def load_all(stores):
    """Load the states as a new owner does."""
    for store in stores:
        await store.load(NOW)


async def cycle_all(stores, cycle):
    """Permit and settle one request of each account at once."""

    async def one(store):
        held = await store.hold()
        state = await held.load(NOW)
        state.advance_to(NOW + 300 * cycle)
        state.count_request(NOW + 300 * cycle)
        await held.save(state, durable=False)
        await held.release()

    await asyncio.gather(*map(one, stores))


async def write_all(writer, found, held, at):
    """Store one sample of each account at once."""

    def batch(number):
        series = Series("growatt", str(number))
        sample = StoredSample(series, at, at + 5, Quality.LIVE, Status.ONLINE, VALUES)
        return Batch(samples=[sample], polls=[PollStatus(series, at, 300, at + 300)], counters={series: {"at": at}})

    await asyncio.gather(*(writer.of(number, held[shard]).write(batch(number)) for number, shard in found))


def main():
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url")
    parser.add_argument("--accounts", type=int, default=2000)
    parser.add_argument("--cycles", type=int, default=5)
    options = parser.parse_args()
    with server(options.url) as (url, pid):
        asyncio.run(measure(url, pid, options.accounts, options.cycles))


if __name__ == "__main__":
    main()
