"""Benchmark of the triage page: how long it takes with 10,000 and with 100,000 plants.

usage: fleet_page.py [PLANTS ...]

Generated plants of one tenant, beside as many of others, in a PostgreSQL started for it; the page is asked over HTTP.
Prints for each address the median and the slowest of ten, the processor time of the server, and that of PostgreSQL.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import psycopg  # noqa: E402

from heliograph.fleet.database import Database  # noqa: E402
from heliograph.fleet.schema import init  # noqa: E402
from support.fleet_page import NOON, as_person, fleet_site  # noqa: E402
from support.postgres_server import Server, programs  # noqa: E402

RUNS = 10
OTHERS = 20
"""Other tenants, which together have as many plants."""
TICKS = os.sysconf("SC_CLK_TCK")

FILL = """
INSERT INTO tenant (name) SELECT 'tenant ' || n FROM generate_series(1, {others} + 1) AS n;
INSERT INTO member SELECT id, 'ada', 'admin' FROM tenant WHERE id = 1;
INSERT INTO member SELECT id, 'eve', 'viewer' FROM tenant;
INSERT INTO account (tenant, name, vendor, username, username_index, key_number, shard, egress, state, customer)
    SELECT CASE WHEN n <= {plants} THEN 1 ELSE 2 + n % {others} END, 'account ' || n, 'growatt', '', int4send(n::int),
        1, n % 256, 'default', CASE WHEN n % 500 = 0 THEN 'needs_person' ELSE 'active' END, ''
    FROM generate_series(1, 2 * {plants}) AS n;
INSERT INTO series (vendor, plant, device, name, zone, account)
    SELECT 'growatt', n::text, '', 'Plant ' || n, 'Europe/Berlin', 'account ' || n
    FROM generate_series(1, 2 * {plants}) AS n;
INSERT INTO latest (series, account, tenant, measured_at, fetched_at, pv_power, pv_energy_today)
    SELECT series.id, account.id, account.tenant, {now} - 120, {now} - 60, 1000 + series.id % 5000, 12
    FROM series JOIN account ON account.name = series.account;
INSERT INTO plant (tenant, series, account, account_name, customer, vendor, cloud_id, name, sort_name, zone, peak_power,
        freshness, day, specific_yield)
    SELECT account.tenant, series.id, account.id, account.name, 'customer ' || series.id % ({plants} / 5), 'growatt',
        series.plant, series.name, lower(series.name), series.zone, 9.8, 'live', DATE '2026-06-20',
        CASE WHEN series.id % 50 <> 0 THEN 1 + (series.id * 7919 % 5000) / 1000.0 END
    FROM series JOIN account ON account.name = series.account;
INSERT INTO plant_alarm (tenant, series, rule, urgency, raised_at, seen)
    SELECT tenant, series, rule, rules.urgency, {now} - series % 800000, 'seen' FROM plant
    JOIN (VALUES (0, 'account', 0, 500), (1, 'offline', 1, 40), (2, 'no_yield', 1, 90), (3, 'low_yield', 2, 15),
        (4, 'fault', 1, 70)) AS rules (place, rule, urgency, one_of) ON (series + place) % one_of = 0;
UPDATE plant SET urgency = coalesce(worst.urgency, 4), waiting = coalesce(worst.raised_at, own.yield_order)
    FROM plant AS own LEFT JOIN LATERAL (SELECT urgency, raised_at FROM plant_alarm AS one
        WHERE one.tenant = own.tenant AND one.series = own.series ORDER BY urgency, raised_at LIMIT 1) AS worst ON true
    WHERE own.tenant = plant.tenant AND own.series = plant.series;
INSERT INTO plant_tag SELECT tenant, 'roof', series FROM plant WHERE series % 3 = 0;
INSERT INTO plant_tag SELECT tenant, 'rare', series FROM plant WHERE series % 5000 = 0;
"""
PAGES = {
    "first page": ("ada", "/"),
    "second page": ("ada", None),
    "errors": ("ada", "/?urgency=error"),
    "plants without alarm": ("ada", "/?urgency=ok"),
    "rare alarm": ("ada", "/?rule=account"),
    "lowest yield": ("ada", "/?sort=yield"),
    "by name": ("ada", "/?sort=name"),
    "search, many": ("ada", "/?q=plant"),
    "search, one": ("ada", "/?q=plant+4711"),
    "search, none": ("ada", "/?q=nothing"),
    "tag of a third": ("ada", "/?tag=roof"),
    "rare tag": ("ada", "/?tag=rare&sort=name"),
    "customer": ("ada", "/?customer=customer+7"),
    "account": ("ada", "/?account=7"),
    "all tenants": ("eve", "/"),
    "accounts": ("ada", "/accounts"),
    "customers": ("ada", "/customers"),
    "API": ("ada", "/api/v1/fleet/plants"),
}


def backends(server: Server) -> float:
    """Return the processor seconds of PostgreSQL with all processes it has ended and has now."""
    total = 0
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    for pid in (str(server.process.pid), *children):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        # utime and stime; of the server itself also those of ended children.
        total += sum(map(int, fields[11:15] if pid == str(server.process.pid) else fields[11:13]))
    return total / TICKS


def next_page(text: str) -> str:
    """Return the path of the link to the next page."""
    return text.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")


def measure(server: Server, plants: int) -> None:
    """Fill a database and ask for every page."""
    name = f"fleet_{plants}"
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    url = server.url.replace("/postgres?", f"/{name}?")

    async def create() -> None:
        database = Database(url)
        await init(database, 256)
        await database.close()

    asyncio.run(create())
    began = time.perf_counter()
    with psycopg.connect(url, autocommit=True, options="-c search_path=heliograph") as owner:
        owner.execute(FILL.format(plants=plants, others=OTHERS, now=NOON))
        owner.execute("VACUUM ANALYZE")
    print(f"\n{plants:,} plants of the tenant, {2 * plants:,} in all; filled in {time.perf_counter() - began:.0f} s")
    print(f"{'page':22} {'median':>8} {'slowest':>8} {'server CPU':>11} {'database CPU':>13}   ms")
    with fleet_site(url) as site:
        for page, (person, given) in PAGES.items():
            path = given or next_page(site.ask("/", **as_person(person)).body.decode())
            site.ask(path, **as_person(person))
            times, cpu, database = [], resource.getrusage(resource.RUSAGE_SELF), backends(server)
            for _ in range(RUNS):
                start = time.perf_counter()
                reply = site.ask(path, **as_person(person))
                times.append(1000 * (time.perf_counter() - start))
                assert reply.status == 200, reply.body
            after = resource.getrusage(resource.RUSAGE_SELF)
            own = 1000 * (after.ru_utime - cpu.ru_utime + after.ru_stime - cpu.ru_stime) / RUNS
            of_database = 1000 * (backends(server) - database) / RUNS
            print(f"{page:22} {median(times):8.0f} {max(times):8.0f} {own:11.1f} {of_database:13.1f}", flush=True)


def main() -> None:
    """Measure each number of plants."""
    folder = Path(tempfile.mkdtemp(prefix="heliograph-pg-"))
    try:
        server = Server(programs(), folder)
        server.start()
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        try:
            for plants in [int(one) for one in sys.argv[1:]] or [10_000, 100_000]:
                measure(server, plants)
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
