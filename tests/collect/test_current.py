"""Current state of plants: which values of the newest sample are still valid."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from heliograph.collect.freshness import Freshness
from heliograph.current import CurrentState
from heliograph.model import Quality, Status
from heliograph.store.base import Batch, Series, SeriesInfo, StoredSample
from heliograph.store.sqlite import SqliteStore

PLANT, DEVICE = Series("acme", "11"), Series("acme", "11", "INV")
NOON = int(datetime(2026, 6, 21, 10, 0, tzinfo=UTC).timestamp())  # at noon in Berlin
HOUR = 3600
VALUES = {"pv_power": 3000.0, "pv_energy_today": 9.5, "pv_energy_total": 812.5}
BATTERY = {**VALUES, "battery_soc": 55.0}


@pytest.fixture
def store(tmp_path):
    with SqliteStore(tmp_path / "s.sqlite") as store:
        yield store


def sample(at, values=VALUES, series=PLANT, quality=Quality.LIVE):
    return StoredSample(series, at, at + 60, quality, Status.ONLINE, values)


def current_state(store, *samples):
    store.write(
        Batch(
            samples=samples,
            series_info=[SeriesInfo(PLANT, "Home", None, "Europe/Berlin"), SeriesInfo(DEVICE, None, "tlx")],
        )
    )
    return CurrentState(store)


def known_values(values):
    return {name: value for name, value in values.items() if value is not None}


def test_plant_state_of_live_sample_includes_devices(store):
    (plant,) = current_state(store, sample(NOON), sample(NOON, {"pv_power": 2990.0}, DEVICE)).plants(NOON + 120)
    assert (plant.title, plant.zone, plant.status) == ("Home", ZoneInfo("Europe/Berlin"), Status.ONLINE)
    assert (plant.freshness, plant.measured_at, plant.fetched_at) == (Freshness.LIVE, NOON, NOON + 60)
    assert known_values(plant.values) == VALUES
    (box,) = plant.devices
    assert (box.title, box.family, known_values(box.values)) == ("INV", "tlx", {"pv_power": 2990.0})


def test_plant_state_omits_power_of_hours_ago(store):
    (plant,) = current_state(store, sample(NOON)).plants(NOON + 3 * HOUR)
    assert plant.freshness is Freshness.OFFLINE_UNEXPECTED
    assert known_values(plant.values) == {"pv_energy_today": 9.5, "pv_energy_total": 812.5}


def test_plant_state_omits_daily_energy_after_local_midnight(store):
    overview = current_state(store, sample(NOON, BATTERY))
    (before,) = overview.plants(NOON + 12 * HOUR - 1)
    (after,) = overview.plants(NOON + 12 * HOUR)
    assert (before.values["pv_energy_today"], after.values["pv_energy_today"]) == (9.5, None)
    assert after.values["pv_energy_total"] == 812.5


def test_plant_state_at_night_depends_on_battery(store):
    (asleep,) = current_state(store, sample(NOON)).plants(NOON + 12 * HOUR)
    assert asleep.freshness is Freshness.OFFLINE_EXPECTED
    (missing,) = current_state(store, sample(NOON + 1, BATTERY)).plants(NOON + 12 * HOUR)
    assert missing.freshness is Freshness.OFFLINE_UNEXPECTED


def test_plant_state_of_backfilled_sample_has_last_totals(store):
    curve = sample(NOON + 300, {"pv_power": 3100.0}, quality=Quality.BACKFILLED)
    (plant,) = current_state(store, sample(NOON), curve).plants(NOON + 400)
    assert known_values(plant.values) == {"pv_power": 3100.0, "pv_energy_total": 812.5}


def test_plant_state_without_sample_is_empty(store):
    (plant,) = current_state(store).plants(NOON)
    assert (plant.measured_at, plant.status, plant.values, plant.freshness) == (
        None,
        None,
        {},
        Freshness.OFFLINE_UNEXPECTED,
    )


def test_plant_state_refreshes_sample_interval(store):
    overview = current_state(store, *(sample(NOON - 900 * n) for n in range(12)))
    assert overview.plants(NOON + 1)[0].sample_interval == 900
    current_state(store, *(sample(NOON + 60 * n) for n in range(40)))
    assert overview.plants(NOON + 599)[0].sample_interval == 900
    assert overview.plants(NOON + 2400)[0].sample_interval == 60


def test_plant_state_ignores_stored_sample_from_the_future(store):
    ahead = sample(NOON, {"pv_power": 1733.2})._replace(measured_at=NOON + 73 * 365 * 24 * HOUR)
    (plant,) = current_state(store, ahead).plants(NOON + 120)
    assert (plant.measured_at, plant.freshness, plant.values) == (None, Freshness.OFFLINE_UNEXPECTED, {})
    (plant,) = current_state(store, sample(NOON + 300), sample(NOON + 300, series=DEVICE)).plants(NOON + 400)
    assert (plant.measured_at, plant.freshness) == (NOON + 300, Freshness.LIVE)
    assert known_values(plant.values) == VALUES


def test_plant_state_with_stored_time_beyond_the_calendar_has_no_sample(store):
    (plant,) = current_state(store, sample(NOON)._replace(measured_at=1 << 50)).plants(NOON + 120)
    assert plant.measured_at is None
