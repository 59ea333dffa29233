"""A fleet of two tenants in a database of its own, and the triage page served on a real socket."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import contextmanager
from datetime import date, timedelta
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from heliograph.fleet.access import PageDatabase, token_hash
from heliograph.fleet.database import Database
from heliograph.fleet.responses import RANK
from heliograph.fleet.schema import init
from heliograph.fleet.secrets import SecretBox
from heliograph.store.base import Series
from heliograph.web.fleet.admin_routes import Onboarding
from heliograph.web.fleet.auth import IDENTITY_HEADER
from heliograph.web.fleet.server import serve_fleet
from support.website import NOON, Site, Still

MARK = "bertram"
"""Is part of every text of the other tenant."""
BOX = SecretBox({1: bytes(range(32))})
TODAY = date(2026, 6, 21)


class PlantScene(NamedTuple):
    """A plant to create."""

    name: str
    customer: str = ""
    tags: tuple[str, ...] = ()
    freshness: str = "live"
    peak_power: float | None = 10.0
    specific_yield: float | None = 4.0
    alarms: tuple[tuple[str, int, int], ...] = ()
    """Rule, urgency and time of each."""


class FleetScene:
    """A database with the tables of a fleet, and what tests put into it."""

    def __init__(self, url):
        self.url = url
        self._owner = self._connect()

    def _connect(self):
        return psycopg.connect(self.url, autocommit=True, options="-c search_path=heliograph")

    def reconnect(self):
        """Replace the connection: tests of other files may have restarted the server."""
        self._owner.close()
        self._owner = self._connect()

    def run(self, statement, values=()):
        """Run a statement as the owner."""
        cursor = self._owner.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []

    def close(self):
        self._owner.close()

    def number(self, statement, values=()):
        return self.run(statement, values)[0][0]

    def tenant(self, name, **members):
        """Add a tenant with members by role, each called like the role and the tenant."""
        tenant = self.number("INSERT INTO tenant (name) VALUES (%s) RETURNING id", (name,))
        for role in ("viewer", "operator", "setter", "admin"):
            self.run("INSERT INTO member VALUES (%s, %s, %s)", (tenant, f"{role}@{name}", role))
        return tenant

    def account(self, tenant, name, state="active", reason="", customer="", tags=(), shard=1):
        return self.number(
            """INSERT INTO account (tenant, name, vendor, username, username_index, key_number, shard, egress, state,
            reason, customer, tags)
            VALUES (%s, %s, 'growatt', '', %s, 1, %s, 'default', %s, %s, %s, %s) RETURNING id""",
            (tenant, name, os.urandom(8), shard, state, reason, customer, list(tags)),
        )

    def token(self, tenant, secret, role="viewer", name="script"):
        return self.number(
            "INSERT INTO api_token (tenant, name, role, hash) VALUES (%s, %s, %s, %s) RETURNING id",
            (tenant, name, role, token_hash(secret)),
        )

    def plant(self, tenant, account, scene, now=NOON):
        """Add a plant with a sample, its last days and its alarms; return its number."""
        cloud_id = f"{scene.name}-id"
        series = self.number(
            "INSERT INTO series (vendor, plant, device, name, zone, peak_power) "
            "VALUES ('growatt', %s, '', %s, 'Europe/Berlin', %s) RETURNING id",
            (cloud_id, scene.name, scene.peak_power),
        )
        self.run(
            """INSERT INTO plant (tenant, series, account, account_name, customer, vendor, cloud_id, name, sort_name,
            zone, peak_power, freshness, day, specific_yield)
            VALUES (%s, %s, %s, (SELECT name FROM account WHERE id = %s), %s, 'growatt', %s, %s, %s, 'Europe/Berlin',
            %s, %s, %s, %s)""",
            (
                *(tenant, series, account, account, scene.customer, cloud_id, scene.name, scene.name.casefold()),
                *(scene.peak_power, scene.freshness, TODAY - timedelta(days=1), scene.specific_yield),
            ),
        )
        for tag in scene.tags:
            self.run("INSERT INTO plant_tag VALUES (%s, %s, %s)", (tenant, tag, series))
        for rule, urgency, raised_at in scene.alarms:
            self.run(
                "INSERT INTO plant_alarm VALUES (%s, %s, %s, %s, %s, %s)",
                (tenant, series, rule, urgency, raised_at, f"seen at {scene.name}"),
            )
        self.run(
            "INSERT INTO latest (series, account, tenant, measured_at, fetched_at, pv_power, battery_soc, "
            "pv_energy_today) VALUES (%s, %s, %s, %s, %s, 4200, 55, 12.3)",
            (series, account, tenant, now - 120, now - 60),
        )
        self.run(
            "INSERT INTO day (series, day, written_at, quality, final, pv_energy, load_energy, grid_export_energy, "
            "grid_import_energy) SELECT %s, %s - past, 0, 'live', 1, 30 + past %% 7, 9, 20, 3 "
            "FROM generate_series(0, 79) AS past",
            (series, TODAY),
        )
        self.rank(tenant, [series], now)
        return series

    def rank(self, tenant, series, now=NOON):
        self.run(RANK, {"tenants": [tenant], "series": series, "now": now})

    def empty(self):
        self.run("TRUNCATE tenant, account, series, sample, poll, alarm, day, latest, audit, secret_key CASCADE")


@contextmanager
def fleet_site(url, *, role="heliograph_page", proxies=("127.0.0.1",), clock=None, key=True, **options):
    """Serve the page of a fleet on a free port in a thread until the block ends."""
    clock = clock or Still()
    ready, addresses, loops, errors = threading.Event(), [], [], []

    async def run():
        stop = asyncio.Event()
        loops.append((asyncio.get_running_loop(), stop))

        def listening(address):
            addresses.append(address)
            ready.set()

        onboarding = Onboarding(Database(url), BOX) if key else None
        database = UncheckedDatabase(url, role=role) if role != "heliograph_page" else PageDatabase(url)
        given = {"header": IDENTITY_HEADER, "host": "127.0.0.1", "port": 0, **options}
        try:
            await serve_fleet(database, clock, stop, proxies=proxies, onboarding=onboarding, ready=listening, **given)
        except BaseException as error:
            errors.append(error)
            raise
        finally:
            ready.set()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert ready.wait(30)
        assert not errors, errors
        yield Site(addresses[0], clock)
    finally:
        loop, stop = loops[0]
        if not errors:
            loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        assert not thread.is_alive()


class UncheckedDatabase(PageDatabase):
    """Connections that row-level security does not limit, for tests of the other limit."""

    async def check(self):
        return None


def as_person(name, **headers):
    """Return the headers of a request that the proxy passes on."""
    return {"X_Forwarded_User": name, "Accept": "text/html", **headers}


def send(site, path, fields, name, **headers):
    """Send a form as a browser does."""
    given = {"Content_Type": "application/x-www-form-urlencoded", "Origin": site.address.rstrip("/"), **headers}
    return site.ask(path, "POST", urlencode(fields), **as_person(name, **given))


def send_file(site, path, fields, name):
    """Send a form with fields of any content, as a browser does with a file."""
    parts = [
        f'--xx\r\nContent-Disposition: form-data; name="{key}"'
        + ('; filename="a.csv"\r\nContent-Type: text/csv' if key == "file" else "")
        + f"\r\n\r\n{value}\r\n"
        for key, value in fields.items()
    ]
    headers = {"Content_Type": "multipart/form-data; boundary=xx", "Origin": site.address.rstrip("/")}
    return site.ask(path, "POST", ("".join(parts) + "--xx--\r\n").encode(), **as_person(name, **headers))


@pytest.fixture(scope="session")
def page_fleet(postgres):
    """The tables of a fleet in a database of their own."""
    name = f"heliograph_page_{uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    url = urlunsplit(urlsplit(postgres)._replace(path=f"/{name}"))

    async def create():
        database = Database(url)
        await init(database, 4)
        await database.close()

    asyncio.run(create())
    fleet = FleetScene(url)
    yield fleet
    fleet.close()
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def scene(page_fleet):
    """A fleet without tenants."""
    page_fleet.reconnect()
    page_fleet.empty()
    return page_fleet


class TwoTenants(NamedTuple):
    """The numbers of a fleet with two tenants; every text of the second contains `MARK`."""

    scene: FleetScene
    ours: int
    theirs: int
    our_account: int
    their_account: int
    our_plants: list[int]
    their_plant: int
    their_token: int


@pytest.fixture
def two_tenants(scene):
    ours, theirs = scene.tenant("acme"), scene.tenant(MARK)
    our_account = scene.account(ours, "acme one")
    their_account = scene.account(theirs, f"{MARK} account", "needs_person", f"{MARK} reason")
    plants = [
        PlantScene("Roof 10", "Meier", ("roof", "south"), alarms=(("offline", 1, NOON - 7200),)),
        PlantScene("Barn", "Meier", freshness="offline-unexpected", alarms=(("no_yield", 1, NOON - 9000),)),
        PlantScene("Cellar", "Müller", specific_yield=2.5),
        PlantScene("Attic", specific_yield=None, peak_power=None),
    ]
    secret = PlantScene(f"{MARK} plant", f"{MARK} customer", (f"{MARK}-tag",), alarms=(("fault", 1, NOON - 600),))
    numbers = [scene.plant(ours, our_account, one) for one in plants]
    their_plant = scene.plant(theirs, their_account, secret)
    token = scene.token(theirs, "their-secret-token", name=f"{MARK} token")
    scene.run("INSERT INTO audit (tenant, subject, action) VALUES (%s, %s, 'look')", (theirs, MARK))
    return TwoTenants(scene, ours, theirs, our_account, their_account, numbers, their_plant, token)


ROOF = Series("growatt", "Roof 10-id")
