"""The update of triage: alarm rules of a shard's plants become the stored order, also for several tenants."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from heliograph.fleet.triage_update import ShardStore, TriageUpdater
from heliograph.local_time import day_start, zone_from_name
from heliograph.model import Quality, Status
from heliograph.store import open_store
from heliograph.store.base import Batch, Day, PollStatus, Series, SeriesInfo, StoredSample
from support.fleet_page import TODAY

ZONE = "Europe/Berlin"
NOON = day_start(TODAY, zone_from_name(ZONE)) + 12 * 3600
SHARD = 1


def powers(day, now=NOON):
    """Return the times and powers of a plain sunny day, up to a moment."""
    start = day_start(day, zone_from_name(ZONE))
    hours = range(start + 6 * 3600, min(start + 20 * 3600, now + 1), 600)
    return [(at, 4000.0 - 3800.0 * abs(at - start - 13 * 3600) / (7 * 3600)) for at in hours]


def store_plant(scene, account, name, *, until=NOON, now_power=None, size=10.0, polled_at=NOON - 60):
    """Store eight days of a plant as a collector does, and its newest sample as a fleet's worker does."""
    series = Series("growatt", name)
    samples = [
        StoredSample(series, at, at + 30, Quality.LIVE, Status.ONLINE, {"pv_power": power})
        for past in range(8, -1, -1)
        for at, power in powers(TODAY - timedelta(days=past), until)
    ]
    if now_power is not None:
        samples = [
            one._replace(values={**one.values, "pv_power": now_power}) if one.measured_at > NOON - 2 * 3600 else one
            for one in samples
        ]
    yesterday = Day(series, TODAY - timedelta(days=1), {"pv_energy": 33.0}, Quality.LIVE, True, NOON)
    with open_store(scene.url) as store:
        store.write(
            Batch(
                samples=samples,
                days=[yesterday],
                series_info=[SeriesInfo(series, name.title(), None, ZONE, "acme/one", size)],
                polls=[PollStatus(series, polled_at, 300, polled_at + 300)],
            )
        )
    number = scene.number("SELECT id FROM series WHERE plant = %s", (name,))
    scene.run(
        "INSERT INTO latest (series, account, tenant, measured_at, fetched_at) "
        "SELECT %s, id, tenant, %s, %s FROM account WHERE id = %s",
        (number, samples[-1].measured_at, samples[-1].fetched_at, account),
    )
    return number


@pytest.fixture
def acme(scene):
    tenant = scene.tenant("acme")
    return scene, tenant, scene.account(tenant, "one", customer="Meier", tags=("roof",), shard=SHARD)


def update(scene, *moments, shard=SHARD):
    """Update a shard at each of these moments, in one process."""
    with ShardStore(scene.url) as store:
        updater = TriageUpdater(store)
        return [updater.update(shard, now) for now in moments]


def every(step, seconds, start=NOON):
    return range(start, start + seconds + 1, step)


def plants(scene):
    found = scene.run("SELECT cloud_id, urgency, freshness FROM plant ORDER BY cloud_id")
    return {cloud_id: (urgency, fresh) for cloud_id, urgency, fresh in found}


def alarms(scene):
    return scene.run(
        "SELECT cloud_id, rule, plant_alarm.urgency FROM plant_alarm JOIN plant USING (tenant, series) ORDER BY 1, 2"
    )


def test_plant_without_alarm_is_ordered_by_its_yield(acme):
    scene, tenant, account = acme
    store_plant(scene, account, "sound")
    assert update(scene, NOON) == [1]
    columns = (
        "tenant, account, account_name, customer, name, sort_name, day, specific_yield, urgency, waiting, freshness"
    )
    row = (tenant, account, "one", "Meier", "Sound", "sound", date(2026, 6, 20), 3.3, 4, 3.3, "live")
    assert scene.run(f"SELECT {columns} FROM plant") == [row]
    assert scene.run("SELECT tag FROM plant_tag") == [("roof",)]
    assert alarms(scene) == []


def test_plant_without_yield_in_the_sun_and_silent_plant_need_a_person(acme):
    scene, _, account = acme
    store_plant(scene, account, "sound")
    store_plant(scene, account, "dark", now_power=0.0)
    store_plant(scene, account, "silent", until=NOON - 3 * 3600)
    update(scene, NOON, NOON + 600)
    assert alarms(scene) == []  # conditions hold, but not long enough
    moments = list(every(600, 4200))
    with ShardStore(scene.url) as store:
        updater = TriageUpdater(store)
        for now in moments:
            for name, power in (("sound", 3000.0), ("dark", 0.0)):
                values = {"pv_power": power}
                series = Series("growatt", name)
                sample = StoredSample(series, now - 60, now - 30, Quality.LIVE, Status.ONLINE, values)
                store.write(Batch(samples=[sample], polls=[PollStatus(series, now - 30, 300, now + 270)]))
            poll = PollStatus(Series("growatt", "silent"), now - 30, 300, now + 270)
            store.write(Batch(polls=[poll]))
            updater.update(SHARD, now)
    assert alarms(scene) == [("dark", "no_yield", 1), ("silent", "offline", 1)]
    assert plants(scene) == {
        "dark": (1, "live"),
        "silent": (1, "offline-unexpected"),
        "sound": (4, "live"),
    }


def test_alarm_that_is_over_is_removed_and_an_answer_survives_updates(acme):
    scene, tenant, account = acme
    number = store_plant(scene, account, "silent", until=NOON - 3 * 3600)
    with ShardStore(scene.url) as store:
        updater = TriageUpdater(store)
        series = Series("growatt", "silent")
        for now in every(600, 1800):
            store.write(Batch(polls=[PollStatus(series, now - 30, 300, now + 270)]))
            updater.update(SHARD, now)
        assert [one[1] for one in alarms(scene)] == ["offline"]
        scene.run("UPDATE plant_alarm SET answered_at = %s, answered_by = 'ada'", (NOON + 1900,))
        updater.update(SHARD, NOON + 2000)
        assert plants(scene)["silent"][0] == 4
        assert scene.run("SELECT answered_by FROM plant_alarm") == [("ada",)]
        for now in every(300, 1800, NOON + 2100):
            values = {"pv_power": 3000.0}
            sample = StoredSample(series, now - 60, now - 30, Quality.LIVE, Status.ONLINE, values)
            store.write(Batch(samples=[sample], polls=[PollStatus(series, now - 30, 300, now + 270)]))
            updater.update(SHARD, now)
    assert alarms(scene) == []
    assert scene.number("SELECT urgency FROM plant WHERE series = %s AND tenant = %s", (number, tenant)) == 4


def test_account_that_needs_a_person_is_the_most_urgent_until_it_works(acme):
    scene, _, account = acme
    store_plant(scene, account, "sound")
    scene.run("UPDATE account SET state = 'needs_person', reason = 'wrong password'")
    update(scene, NOON)
    update(scene, NOON + 600)
    assert scene.run("SELECT rule, urgency, raised_at, seen FROM plant_alarm") == [
        ("account", 0, NOON, "wrong password")
    ]
    scene.run("UPDATE account SET state = 'active'")
    update(scene, NOON + 1200)
    assert alarms(scene) == []
    assert plants(scene)["sound"][0] == 4


def test_only_plants_of_the_shard_are_judged(acme):
    scene, tenant, account = acme
    other = scene.account(tenant, "two", shard=2)
    store_plant(scene, account, "ours")
    store_plant(scene, other, "theirs")
    assert update(scene, NOON) == [1]
    assert list(plants(scene)) == ["ours"]
    assert update(scene, NOON, shard=2) == [1]
    assert list(plants(scene)) == ["ours", "theirs"]


def test_customer_and_tags_set_by_a_person_survive_updates(acme):
    scene, _, account = acme
    store_plant(scene, account, "sound")
    update(scene, NOON)
    scene.run("UPDATE plant SET customer = 'Schulze'")
    scene.run("DELETE FROM plant_tag")
    update(scene, NOON + 600)
    assert scene.run("SELECT customer FROM plant") == [("Schulze",)]
    assert scene.run("SELECT tag FROM plant_tag") == []


def test_update_without_a_change_writes_no_row(acme):
    scene, _, account = acme
    store_plant(scene, account, "sound")
    update(scene, NOON)
    before = scene.run("SELECT xmin FROM plant")
    update(scene, NOON + 60)
    assert scene.run("SELECT xmin FROM plant") == before
