"""History as statistics: imported twice with one result, right at clock changes, equal to the days of the store."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from custom_components.heliograph.history import CurvePoint, hours_of_day
from custom_components.heliograph.statistics import statistic_id
from entries import DOMAIN, add_api, remove
from homeassistant.components.recorder import get_instance
from homeassistant.components.recorder.statistics import list_statistic_ids, statistics_during_period
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)
from store_server import BERLIN, FARM, HOME, INDIA, LAST, StoreServer, day_of

from heliograph.local_time import day_bounds, day_start
from heliograph.metrics import ENERGIES
from heliograph.store.base import Batch

CLOCK_CHANGE = date(2026, 3, 29)


@pytest.fixture(scope="module")
def filled_server(tmp_path_factory):
    """Serve a home with 88 days of history."""
    server = StoreServer(tmp_path_factory.mktemp("filled"))
    server.fill_home()
    with server:
        yield server


@pytest.fixture
def server(tmp_path):
    """Serve a plant in India."""
    (tmp_path / "store").mkdir()
    server = StoreServer(tmp_path / "store")
    server.fill_farm({date(2026, 5, 1): 4.0, date(2026, 5, 2): 6.0})
    with server:
        yield server


async def call(hass, service, entry, **data):
    return await hass.services.async_call(
        DOMAIN, service, {"config_entry_id": entry.entry_id, **data}, blocking=True, return_response=True
    )


async def rows_of(hass, statistic):
    """Return the hours of statistics as (start, state, sum)."""
    await async_wait_recording_done(hass)
    found = await get_instance(hass).async_add_executor_job(
        statistics_during_period,
        hass,
        datetime(2000, 1, 1, tzinfo=UTC),
        None,
        {statistic},
        "hour",
        None,
        {"state", "sum"},
    )
    return [(int(row["start"]), row["state"], row["sum"]) for row in found.get(statistic, ())]


def by_day(rows, zone):
    """Return the sum of each local day."""
    days = {}
    for start, state, _ in rows:
        day = datetime.fromtimestamp(start, UTC).astimezone(zone).date()
        days[day] = days.get(day, 0.0) + state
    return days


@pytest.mark.slow
async def test_88_days_imported_twice_have_one_result_and_equal_the_store(recorder_mock, hass, filled_server):
    await hass.config.async_update(language="de")
    entry = await add_api(hass, filled_server.url)
    first = await call(hass, "import_history", entry)
    ids = {energy: statistic_id(HOME.vendor, HOME.plant, energy) for energy in ENERGIES}
    before = {energy: await rows_of(hass, statistic) for energy, statistic in ids.items()}
    second = await call(hass, "import_history", entry)
    after = {energy: await rows_of(hass, statistic) for energy, statistic in ids.items()}
    assert after == before
    (imported,), (repeated,) = first["plants"].values(), second["plants"].values()
    assert imported["days"] == 88
    assert imported["rows_written"] == sum(len(rows) for rows in before.values())
    assert repeated == imported | {"rows_written": 0}

    stored = await hass.async_add_executor_job(filled_server.days, HOME)
    for energy, rows in before.items():
        assert len(rows) > 88 * (10 if energy in ("pv_energy", "load_energy") else 0), energy
        assert by_day(rows, BERLIN) == {day: pytest.approx(values[energy], abs=0.001) for day, values in stored.items()}
        sums = [total for _, _, total in rows]
        assert sums == sorted(sums)
        assert sums[-1] == pytest.approx(sum(values[energy] for values in stored.values()), abs=0.05)
        assert all(start % 3600 == 0 for start, _, _ in rows)
    start, end = day_bounds(CLOCK_CHANGE, BERLIN)
    hours = [row for row in before["load_energy"] if start <= row[0] < end]
    assert len(hours) == (end - start) // 3600 == 23

    # The hours are those of the curve.
    start = day_start(LAST, BERLIN)
    local = {(moment - start) // 3600: state for moment, state, _ in before["pv_energy"] if moment >= start}
    assert sum(local.get(hour, 0.0) for hour in range(4)) == 0
    assert max(local, key=local.get) in range(10, 17)

    # Names are in the language of this Home Assistant.
    listed = await get_instance(hass).async_add_executor_job(list_statistic_ids, hass)
    found = {one["statistic_id"]: one for one in listed if one["source"] == DOMAIN}
    assert set(found) == set(ids.values())
    assert {one["statistics_unit_of_measurement"] for one in found.values()} == {"kWh"}
    assert found[ids["pv_energy"]]["name"].startswith("Haus am See PV-")
    assert not any(one["name"].endswith("_energy") for one in found.values())
    await remove(hass, entry)


async def test_a_day_in_another_zone_is_whole_and_a_healed_day_is_divided(recorder_mock, hass, server):
    entry = await add_api(hass, server.url)
    await call(hass, "import_history", entry)
    statistic = statistic_id(FARM.vendor, FARM.plant, "pv_energy")
    rows = await rows_of(hass, statistic)
    starts = [-(-day_start(day, INDIA) // 3600) * 3600 for day in (date(2026, 5, 1), date(2026, 5, 2))]
    assert rows == [(starts[0], 4.0, 4.0), (starts[1], 6.0, 10.0)]

    # The curve of the first day arrives: 2 kW from 9 to 11, local time.
    nine = day_start(date(2026, 5, 1), INDIA) + 9 * 3600
    powers = {nine + 300 * step: 2000.0 for step in range(24)}
    await hass.async_add_executor_job(server.fill_farm, {date(2026, 5, 1): 4.0, date(2026, 5, 2): 6.0}, powers)
    await call(hass, "import_history", entry)
    rows = await rows_of(hass, statistic)
    assert starts[0] not in [start for start, _, _ in rows]
    assert by_day(rows, INDIA) == {date(2026, 5, 1): pytest.approx(4.0), date(2026, 5, 2): 6.0}
    assert [total for _, _, total in rows][-1] == 10.0
    assert [total for _, _, total in rows] == sorted(total for _, _, total in rows)
    await remove(hass, entry)


async def test_a_repaired_day_is_corrected_with_all_later_sums(recorder_mock, hass, server):
    entry = await add_api(hass, server.url)
    await call(hass, "import_history", entry)
    day = date(2026, 5, 1)
    repaired = day_of(FARM, day, 3.0, written_at=day_start(day, BERLIN) + 900_000)
    await hass.async_add_executor_job(server.write, Batch(days=[repaired]))
    report = await call(hass, "import_history", entry, plants=[FARM.plant])
    rows = await rows_of(hass, statistic_id(FARM.vendor, FARM.plant, "pv_energy"))
    assert [(state, total) for _, state, total in rows] == [(3.0, 3.0), (6.0, 9.0)]
    (plant,) = report["plants"].values()
    assert plant == {"days": 2, "rows_written": 2, "energies": {"pv_energy": 9.0}}
    await remove(hass, entry)


async def test_clear_history_deletes_only_the_plants_it_is_given(recorder_mock, hass, server):
    entry = await add_api(hass, server.url)
    await call(hass, "import_history", entry)
    statistic = statistic_id(FARM.vendor, FARM.plant, "pv_energy")
    assert await rows_of(hass, statistic)
    report = await call(hass, "clear_history", entry, plants=[FARM.plant])
    assert statistic in report["statistic_ids"]
    assert await rows_of(hass, statistic) == []
    await call(hass, "import_history", entry, plants=["Farm"])
    assert len(await rows_of(hass, statistic)) == 2
    await remove(hass, entry)


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"plants": ["nowhere"]}, "unknown_plant"),
        ({"config_entry_id": "nowhere"}, "unknown_entry"),
    ],
)
async def test_import_is_refused_in_words(recorder_mock, hass, server, data, key):
    entry = await add_api(hass, server.url)
    for service in ("import_history", "clear_history"):
        with pytest.raises(ServiceValidationError) as refusal:
            await hass.services.async_call(
                DOMAIN, service, {"config_entry_id": entry.entry_id} | data, blocking=True, return_response=True
            )
        assert refusal.value.translation_key == key
        assert "{" not in str(refusal.value)
    await remove(hass, entry)


async def test_import_for_an_unloaded_entry_is_refused(recorder_mock, hass, server):
    entry = await add_api(hass, server.url)
    await hass.config_entries.async_unload(entry.entry_id)
    with pytest.raises(ServiceValidationError) as refusal:
        await call(hass, "import_history", entry)
    assert refusal.value.translation_key == "entry_not_loaded"
    await remove(hass, entry)


async def test_import_without_recorder_is_refused(hass, server):
    entry = await add_api(hass, server.url)
    with pytest.raises(ServiceValidationError) as refusal:
        await call(hass, "import_history", entry)
    assert refusal.value.translation_key == "recorder_off"
    await remove(hass, entry)


@pytest.mark.parametrize("enable_statistics", [True])
async def test_history_is_put_before_the_statistics_of_a_sensor(recorder_mock, hass, server, enable_statistics):
    assert await async_setup_component(hass, "sensor", {})
    entry = await add_api(hass, server.url)
    unique_id = f"heliograph_{FARM.vendor}_{FARM.plant}_pv_energy_total"
    registry = er.async_get(hass)
    entity = (
        registry.async_get_entity_id("sensor", DOMAIN, unique_id)
        or registry.async_get_or_create("sensor", DOMAIN, unique_id, config_entry=entry).entity_id
    )
    hour = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    attributes = {"device_class": "energy", "state_class": "total_increasing", "unit_of_measurement": "kWh"}
    # As the recorder has it after two hours of a sensor that was added today.
    from custom_components.heliograph.statistics import StatisticRow, _metadata, _statistic
    from homeassistant.components.recorder.statistics import async_import_statistics

    own = [
        _statistic(int(hour.timestamp()), StatisticRow(512.5, 0.5)),
        _statistic(int(hour.timestamp()) + 3600, StatisticRow(514.0, 2.0)),
    ]
    hass.states.async_set(entity, "514.0", attributes)
    async_import_statistics(hass, _metadata(entity, "recorder", None), own)
    await async_wait_recording_done(hass)
    for _ in range(2):
        await call(hass, "import_history", entry, entities=True)
        rows = await rows_of(hass, entity)
        assert [(state, total) for _, state, total in rows] == [
            (506.0, 4.0),
            (512.0, 10.0),
            (512.5, 10.5),
            (514.0, 12.0),
        ]
    await remove(hass, entry)


def test_a_curve_that_contradicts_its_day_divides_nothing():
    bounds = day_bounds(LAST, BERLIN)
    curve = [CurvePoint(bounds[0] + 900 * step, 900, {"pv_power": 100.0}) for step in range(8)]
    assert list(hours_of_day("pv_energy", 40.0, curve, bounds)) == [(bounds[0], 40.0)]
    assert [one.kwh for one in hours_of_day("pv_energy", 0.2, curve, bounds)] == [0.1, 0.1]
    assert list(hours_of_day("pv_energy", 0.0, curve, bounds)) == [(bounds[0], 0.0)]
    assert list(hours_of_day("pv_energy", 1.0, (), bounds)) == [(bounds[0], 1.0)]


def test_a_counter_divides_a_day_exactly_where_power_hides_both_directions():
    bounds = day_bounds(LAST, BERLIN)
    curve = [
        CurvePoint(bounds[0] + 3600 * hour, 3600, {"grid_power": -50.0, "grid_import_energy_today": 0.1 * (hour + 1)})
        for hour in range(3)
    ]
    found = list(hours_of_day("grid_import_energy", 0.3, curve, bounds))
    assert [one.kwh for one in found] == [0.1, 0.1, 0.1]


@pytest.mark.parametrize(("zone", "day"), [(BERLIN, CLOCK_CHANGE), (BERLIN, date(2026, 10, 25)), (INDIA, LAST)])
def test_hours_of_a_day_add_up_and_stay_within_it(zone, day):
    start, end = day_bounds(day, zone)
    curve = [CurvePoint(moment, 900, {"load_power": 333.0}) for moment in range(start, end, 900)]
    hours = list(hours_of_day("load_energy", 7.777, curve, (start, end)))
    assert sum(one.kwh for one in hours) == pytest.approx(7.777)
    assert [one.start for one in hours] == sorted({one.start for one in hours})
    assert all(start <= one.start < end and one.start % 3600 == 0 for one in hours)
    assert len(hours) in range((end - start) // 3600 - 1, (end - start) // 3600 + 1)
