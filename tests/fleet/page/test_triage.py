"""Triage: the order of plants, filters, and pages by key."""

from __future__ import annotations

import asyncio
from math import inf

import pytest

from heliograph.errors import ConfigError
from heliograph.fleet.access import PageDatabase, Principal, Role
from heliograph.fleet.cursors import Cursor, parse_cursor
from heliograph.fleet.triage import PAGE_SIZE, SORTS, TriageQuery, load_page, load_plant
from support.fleet_page import NOON, PlantScene


def pages(scene, query=None, *, tenants, now=NOON, roles=None):
    """Return every page of a query, read forwards by the cursors, then backwards from the last one."""
    principal = Principal(subject="ada", roles=roles or dict.fromkeys(tenants, Role.ADMIN))

    async def read():
        database, query_now = PageDatabase(scene.url), query or TriageQuery()
        try:
            async with database.transaction(principal) as run:
                forwards = [await load_page(run, tenants, query_now, now)]
                while forwards[-1].after is not None:
                    forwards.append(await load_page(run, tenants, query_now._replace(cursor=forwards[-1].after), now))
                backwards = [forwards[-1]]
                while backwards[-1].before is not None:
                    before = query_now._replace(cursor=backwards[-1].before)
                    backwards.append(await load_page(run, tenants, before, now))
                return forwards, backwards
        finally:
            await database.close()

    return asyncio.run(read())


def names(page):
    return [one.name for one in page.plants]


@pytest.fixture
def few(scene):
    """Plants of each urgency, in an order that is none of those of the page."""
    tenant = scene.tenant("acme")
    account = scene.account(tenant, "one")
    scenes = [
        PlantScene("well", specific_yield=5.0),
        PlantScene("warned", alarms=(("low_yield", 2, NOON - 100),)),
        PlantScene("offline since today", alarms=(("offline", 1, NOON - 100),)),
        PlantScene("Unknown yield", specific_yield=None),
        PlantScene("account", alarms=(("account", 0, NOON - 50), ("offline", 1, NOON - 900_000))),
        PlantScene("weak", specific_yield=1.5),
        PlantScene("offline since May", alarms=(("offline", 1, NOON - 900_000), ("export_limit", 3, NOON))),
    ]
    return scene, tenant, account, {one.name: scene.plant(tenant, account, one) for one in scenes}


def test_plants_are_sorted_by_urgency_then_by_waiting_then_by_lowest_yield(few):
    scene, tenant, _, _ = few
    ((page,), _) = pages(scene, tenants=[tenant])
    assert names(page) == [
        *("account", "offline since May", "offline since today", "warned"),
        *("weak", "well", "Unknown yield"),
    ]
    assert page.counts == {0: 1, 1: 2, 2: 1, 4: 3}
    assert page.rules == {"account": 1, "offline": 3, "low_yield": 1, "export_limit": 1}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (
            TriageQuery(sort="name"),
            ["account", "offline since May", "offline since today", "Unknown yield", "warned", "weak", "well"],
        ),
        (
            TriageQuery(sort="yield"),
            ["weak", "warned", "offline since today", "account", "offline since May", "well", "Unknown yield"],
        ),
        (TriageQuery(urgency="error"), ["offline since May", "offline since today"]),
        (TriageQuery(rule="export_limit"), ["offline since May"]),
        (TriageQuery(text=" SINCE "), ["offline since May", "offline since today"]),
        (TriageQuery(text="100%"), []),
        (TriageQuery(text="_"), []),
        (TriageQuery(text="well-ID"), ["well"]),
    ],
)
def test_filters_and_orders(few, query, found):
    scene, tenant, _, _ = few
    ((page,), _) = pages(scene, query, tenants=[tenant])
    assert names(page) == found


def test_filters_by_customer_tag_and_account(scene):
    tenant = scene.tenant("acme")
    first, second = scene.account(tenant, "first"), scene.account(tenant, "second")
    scene.plant(tenant, first, PlantScene("a", "Meier", ("roof", "new")))
    scene.plant(tenant, first, PlantScene("b", "Müller", ("roof",)))
    scene.plant(tenant, second, PlantScene("c"))

    def found(**query):
        ((page,), _) = pages(scene, TriageQuery(sort="name", **query), tenants=[tenant])
        assert sum(page.counts.values()) == len(page.plants)
        return names(page)

    assert found(customer="Meier") == ["a"]
    assert found(customer="") == ["c"]
    assert found(tag="roof") == ["a", "b"]
    assert found(tag="ro") == []
    assert found(account=first) == ["a", "b"]
    assert found(text="second") == ["c"]
    assert found(text="müller") == ["b"]


@pytest.mark.parametrize("sort", list(SORTS))
@pytest.mark.parametrize("of_both", [False, True])
def test_pages_by_key_show_every_plant_once_in_both_directions(scene, sort, of_both):
    tenants = [scene.tenant("acme"), scene.tenant("other")]
    plants = 2 * PAGE_SIZE + 7
    for tenant in tenants:
        account = scene.account(tenant, f"account {tenant}")
        # Many equal keys, so that series and tenant decide.
        scene.run(
            """WITH made AS (INSERT INTO series (vendor, plant, device) SELECT 'growatt', %s || '-' || n, ''
                FROM generate_series(1, %s) AS n RETURNING id)
            INSERT INTO plant (tenant, series, account, account_name, vendor, cloud_id, name, sort_name,
                specific_yield)
            SELECT %s, id, %s, 'one', 'growatt', id, 'same', 'same',
                CASE WHEN id %% 3 > 0 THEN id %% 3 END FROM made""",
            (tenant, plants, tenant, account),
        )
        scene.rank(tenant, [one for (one,) in scene.run("SELECT series FROM plant WHERE tenant = %s", (tenant,))])
    scope = tenants if of_both else tenants[:1]
    forwards, backwards = pages(scene, TriageQuery(sort=sort), tenants=scope)
    seen = [(one.tenant, one.series) for page in forwards for one in page.plants]
    assert len(seen) == len(set(seen)) == plants * len(scope)
    assert [len(page.plants) for page in forwards[:-1]] == [PAGE_SIZE] * (len(forwards) - 1)
    keys = [one.key for page in forwards for one in page.plants]
    assert keys == sorted(keys)
    assert [page.plants for page in reversed(backwards)] == [page.plants for page in forwards]
    assert forwards[0].before is None
    assert backwards[-1].before is None


def test_old_values_are_unknown(few):
    scene, tenant, _, numbers = few

    def plant(now):
        async def read():
            database = PageDatabase(scene.url)
            async with database.transaction(Principal(subject="ada", roles={tenant: Role.VIEWER})) as run:
                found = await load_plant(run, [tenant], tenant, numbers["well"], now)
            await database.close()
            return found

        return asyncio.run(read())

    fresh, late, tomorrow = plant(NOON), plant(NOON + 2 * 3600), plant(NOON + 86400)
    assert (fresh.pv_power, fresh.battery_soc, fresh.energy_today) == (4200, 55, 12.3)
    assert (late.pv_power, late.battery_soc, late.energy_today) == (None, None, 12.3)
    assert tomorrow.energy_today is None


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "é",
        "W10",  # []
        Cursor((1, inf, 7)).text(),
        Cursor((1, inf, 7, 3, 4)).text(),
        Cursor(("1", inf, 7, 3)).text(),
        Cursor((True, inf, 7, 3)).text(),
        Cursor((2**15, inf, 7, 3)).text(),
        Cursor((1, inf, 2**31, 3)).text(),
        Cursor((1, inf, 7, 2**63)).text(),
        Cursor((1, 10**400, 7, 3)).text(),
        Cursor((1, float("nan"), 7, 3)).text(),
        Cursor((1, None, 7, 3)).text(),
        "W" * 5000,
    ],
)
def test_invalid_cursor_is_refused(text):
    with pytest.raises(ConfigError, match="no place in this list"):
        parse_cursor(text, SORTS["urgency"].key_types)


def test_cursor_of_a_name_keeps_every_character():
    for name in ("inf", "Größe 1/2", '"\\', "\N{GRINNING FACE}"):
        assert parse_cursor(Cursor((name, 1, 2)).text(), SORTS["name"].key_types).key == (name, 1, 2)
    for name in ("a\0b", "\ud800"):
        with pytest.raises(ConfigError):
            parse_cursor(Cursor((name, 1, 2)).text(), SORTS["name"].key_types)
