"""Energies integrated from a day's power curve, added to the last counter reading."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph import AsyncGrowatt
from heliograph.collect.backfill import Backfill, BackfillOptions
from heliograph.collect.integrate import (
    MAX_HOLD,
    POWER_OF_ENERGY,
    LastReading,
    add_integrated_energies,
    energies_since_midnight,
    integrate_day,
    last_readings,
)
from heliograph.emulator.clouds.growatt import EMULATION
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.keeper import Keeper
from heliograph.local_time import day_bounds
from heliograph.metrics import ENERGIES, METRICS
from heliograph.model import Quality
from heliograph.store.base import Batch, Day, QueryRecord, Series, StoredSample
from heliograph.store.sqlite import SqliteStore
from heliograph.store.threaded import BufferedWriter
from support.collector_fixtures import Jumping

BERLIN = ZoneInfo("Europe/Berlin")
ROOF = Series("acme", "11")
DAY = date(2026, 6, 20)
START, END = day_bounds(DAY, BERLIN)
NOW = END + 13 * 3600
IMPORT, CHARGE = "grid_import_energy", "battery_charge_energy"


def curve(grid=1000.0, battery=-500.0, since=START, until=END, step=300):
    values = {"grid_power": grid, "battery_power": battery}
    return [StoredSample(ROOF, at, NOW, Quality.BACKFILLED, None, values) for at in range(since, until, step)]


def asked(samples, period=f"{DAY}"):
    return Batch(samples=samples, queries=[QueryRecord(ROOF, "curve", period, "data", NOW)])


def live(at, **values):
    return StoredSample(ROOF, at, at, Quality.LIVE, None, values)


@pytest.fixture
def store(tmp_path):
    with SqliteStore(tmp_path / "heliograph.sqlite") as found:
        yield found


def test_power_of_energy_covers_all_energies():
    assert set(POWER_OF_ENERGY) == set(ENERGIES)
    assert {name for name, _ in POWER_OF_ENERGY.values()} <= set(METRICS)


def test_integrate_day_without_reading_uses_complete_curve_per_direction():
    flows = [*curve(grid=1000.0, until=START + 12 * 3600), *curve(grid=-400.0, since=START + 12 * 3600)]
    assert integrate_day(flows, START, END, ENERGIES, {}) == {
        IMPORT: 12.0,
        "grid_export_energy": 4.8,
        CHARGE: 12.0,
        "battery_discharge_energy": 0.0,
    }


def powers(name, *points, quality=Quality.BACKFILLED):
    return [StoredSample(ROOF, START + int(hour * 3600), NOW, quality, None, {name: watts}) for hour, watts in points]


def test_energies_since_midnight_integrate_stored_powers_per_direction(store):
    store.write(Batch(samples=curve(grid=1000.0, battery=-500.0, until=START + 6 * 3600)))
    energies = energies_since_midnight(store, ROOF, BERLIN, START + 6 * 3600)
    assert energies == pytest.approx(
        {IMPORT: 6.0, "grid_export_energy": 0.0, CHARGE: 3.0, "battery_discharge_energy": 0.0}
    )


@pytest.mark.parametrize("gap", [(0, 3000), (10_000, 13_000), (18_600, 21_600)])
def test_energies_since_midnight_omit_power_with_gap(store, gap):
    store.write(Batch(samples=[one for one in curve() if not gap[0] <= one.measured_at - START < gap[1]]))
    assert energies_since_midnight(store, ROOF, BERLIN, START + 6 * 3600) == {}


def test_energies_since_midnight_need_no_solar_power_of_the_night(store):
    store.write(Batch(samples=powers("pv_power", (6, 50.0), (6.5, 600.0), (7, 1000.0), (7.5, 1000.0))))
    assert energies_since_midnight(store, ROOF, BERLIN, START + 8 * 3600) == pytest.approx({"pv_energy": 1.325})


def test_energies_since_midnight_omit_solar_power_that_begins_late(store):
    store.write(Batch(samples=powers("pv_power", (6, 900.0), (6.5, 950.0), (7, 1000.0), (7.5, 1000.0))))
    assert energies_since_midnight(store, ROOF, BERLIN, START + 8 * 3600) == {}


@pytest.mark.parametrize("watts", [0.0, 5.0])
def test_energies_since_midnight_omit_solar_power_of_which_only_the_evening_was_polled(store, watts):
    evening = (20, watts), (20.5, 10 * watts), (21, 0.0)
    store.write(Batch(samples=powers("pv_power", *evening, quality=Quality.LIVE)))
    assert energies_since_midnight(store, ROOF, BERLIN, START + 21 * 3600) == {}


def test_add_integrated_energies_replaces_energy_that_was_never_confirmed(store):
    store.write(Batch(samples=[live(START + 3 * 3600, grid_import_energy_today=30.0)]))
    store.write(Batch(days=[Day(ROOF, DAY, {IMPORT: 30.0}, Quality.LIVE, final=False, written_at=START)]))
    state = {"provisional_days": {IMPORT: [DAY.toordinal()]}}
    batch = add_integrated_energies(store, asked(curve(grid=1000.0)), [IMPORT], state, BERLIN, NOW)
    assert [day.values[IMPORT] for day in batch.days] == [24.0]
    assert add_integrated_energies(store, asked(curve(grid=1000.0)), [IMPORT], {}, BERLIN, NOW).days != batch.days


@pytest.mark.parametrize("gap", [(0, 4000), (40_000, 44_000), (82_000, 86_400)])
def test_integrate_day_without_reading_rejects_curve_with_gap(gap):
    holed = [one for one in curve() if not gap[0] <= one.measured_at - START < gap[1]]
    assert integrate_day(holed, START, END, [IMPORT], {}) == {}
    assert integrate_day(holed, START, END, [IMPORT], {IMPORT: LastReading(START + 3600, 1.0)})[IMPORT] >= 22.0


def test_integrate_day_omits_missing_powers():
    assert integrate_day(curve(battery=None), START, END, [IMPORT, CHARGE, "load_energy"], {}) == {IMPORT: 24.0}
    assert integrate_day([], START, END, [IMPORT], {IMPORT: LastReading(START + 3600, 1.0)}) == {}


def test_integrate_day_with_zero_reading_uses_whole_curve():
    assert integrate_day(curve(), START, END, [IMPORT], {IMPORT: LastReading(END - 3600, 0.0)}) == {IMPORT: 24.0}


def test_integrate_day_holds_power_for_one_step_over_gap():
    far = [*curve(until=START + 300), *curve(since=END - 3600)]
    assert integrate_day(far, START, END, [IMPORT], {IMPORT: LastReading(START, 0.0)}) == {IMPORT: 1.083}


@given(st.lists(st.integers(-5000, 5000), min_size=24, max_size=24), st.integers(0, 86_400))
def test_integrate_day_is_independent_of_time_of_last_reading(powers, heard_at):
    flows = [live(START + MAX_HOLD * hour, grid_power=power) for hour, power in enumerate(powers)]
    whole = integrate_day(flows, START, END, [IMPORT], {})[IMPORT]
    heard = sum(max(0, power) * min(1, max(0, heard_at / MAX_HOLD - hour)) / 1000 for hour, power in enumerate(powers))
    later = integrate_day(flows, START, END, [IMPORT], {IMPORT: LastReading(START + heard_at, heard)})[IMPORT]
    assert later == pytest.approx(whole, abs=0.002)


def test_last_readings_of_each_counter():
    rows = [
        live(START + 60, grid_import_energy_today=0.5),
        live(START + 120, grid_import_energy_today=0.6, battery_charge_energy_today=1.0),
        live(START + 180, grid_import_energy_today=None, pv_power=3.0),
    ]
    assert last_readings(rows, [IMPORT, CHARGE]) == {
        IMPORT: LastReading(START + 120, 0.6),
        CHARGE: LastReading(START + 120, 1.0),
    }


def test_integrated_energy_after_last_poll_is_backfilled(store):
    row = Day(ROOF, DAY, {"pv_energy": 9.0, IMPORT: 22.0, CHARGE: 12.5}, Quality.LIVE, True, END)
    store.write(Batch(samples=[live(END - 7200, grid_import_energy_today=22.0)], days=[row]))
    batch = add_integrated_energies(store, asked(curve()), {IMPORT, CHARGE}, {}, BERLIN, NOW)
    store.write(batch)
    (kept,) = store.days(ROOF, DAY, DAY)
    assert kept.values[IMPORT] == pytest.approx(24.0)
    assert (kept.values["pv_energy"], kept.values[CHARGE]) == (9.0, 12.5)
    assert (kept.quality, kept.final) == (Quality.BACKFILLED, True)
    assert [(one.metric, one.raw, one.kept) for one in batch.repairs] == [("grid_import_energy_today", 22.0, 24.0)]
    assert add_integrated_energies(store, asked(curve()), {IMPORT, CHARGE}, {}, BERLIN, NOW + 1).days == []


def test_integrated_energy_of_the_last_minutes_is_added_however_small(store):
    row = Day(ROOF, DAY, {IMPORT: 7.1}, Quality.LIVE, True, END)
    store.write(Batch(samples=[live(END - 600, grid_import_energy_today=7.1)], days=[row]))
    batch = add_integrated_energies(store, asked(curve(grid=300.0)), {IMPORT}, {}, BERLIN, NOW)
    assert [day.values[IMPORT] for day in batch.days] == [pytest.approx(7.15)]
    assert batch.repairs == []


def test_integrated_day_without_month_is_not_final(store):
    (day,) = add_integrated_energies(store, asked(curve()), {IMPORT}, {}, BERLIN, NOW).days
    assert (day.values, day.quality, day.final) == ({IMPORT: 24.0}, Quality.BACKFILLED, False)


def test_integrated_energies_skip_running_day_and_reported_kinds(store):
    batch = asked(curve())
    assert add_integrated_energies(store, batch, {IMPORT}, {}, BERLIN, END - 1) is batch
    assert add_integrated_energies(store, batch, frozenset(), {}, BERLIN, NOW) is batch


def test_integrated_energies_reject_impossible_value(store):
    batch = add_integrated_energies(
        store, asked(curve(grid=900_000.0)), {IMPORT}, {"power": {"peak": 5000.0}}, BERLIN, NOW
    )
    assert batch.days == []
    assert [one.reason for one in batch.repairs] == ["more than can be"]


@pytest.mark.parametrize(
    ("family", "kinds"), [("mix", ENERGIES), ("tlx-battery", ENERGIES), ("inverter", ["pv_energy"])]
)
def test_backfill_integrates_unreported_energies(family, kinds, tmp_path):
    start = datetime(2026, 6, 21, 18, tzinfo=BERLIN)
    emulator = build_emulator(EmulatorOptions(start=start, speed=0, accounts=1, zone=BERLIN), [EMULATION])
    account = emulator.accounts[0]
    site = next(site for site in account.plants if site.family == family)

    async def fill(url):
        clock = Jumping(emulator, start.timestamp() + 3600)
        where = {"server": url, "keeper": Keeper(tmp_path / "accounts")}
        client = AsyncGrowatt(account.username, account.password, **where, clock=clock.now, zone=BERLIN)
        writer = BufferedWriter(lambda: SqliteStore(tmp_path / "one.sqlite"))
        wish = BackfillOptions(DAY - timedelta(days=1), DAY, [site.id])
        await Backfill("one", client, writer, clock, wish).run(asyncio.Event())
        await writer.finish()

    with serve_in_thread(emulator) as ready:
        asyncio.run(fill(ready["url"]))
    with SqliteStore(tmp_path / "one.sqlite") as store:
        days = store.days(Series("growatt", site.id), DAY - timedelta(days=1), DAY)
    assert len(days) == 2
    for day in days:
        truth = site.truth[0].energies(f"{day.day}")
        told = {name: kwh for name, kwh in day.values.items() if kwh is not None}
        assert told == pytest.approx({name: truth[name] for name in kinds}, abs=0.2)
        assert (day.quality, day.final) == (Quality.BACKFILLED, True)
