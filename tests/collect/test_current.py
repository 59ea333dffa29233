"""Current state of plants: which values of the newest sample are still valid."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from heliograph.collect.freshness import Freshness
from heliograph.current import CurrentState
from heliograph.model import Quality, Status
from heliograph.store.base import Batch, PollStatus, Series, SeriesInfo, StoredMeasurements, StoredSample
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


def polled(at, interval=720, reason=""):
    return PollStatus(PLANT, at, interval, at + interval, reason)


def current_state(store, *samples, poll=None):
    store.write(
        Batch(
            samples=samples,
            polls=[poll] if poll else [],
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


def test_plant_state_omits_power_while_the_cloud_has_nothing_new(store):
    (plant,) = current_state(store, sample(NOON), poll=polled(NOON + 3 * HOUR)).plants(NOON + 3 * HOUR + 60)
    assert plant.freshness is Freshness.OFFLINE_UNEXPECTED
    assert known_values(plant.values) == {"pv_energy_today": 9.5, "pv_energy_total": 812.5}


def test_plant_state_omits_power_that_was_not_polled_for_an_hour(store):
    locked = polled(NOON + 60, reason="locked until 14:05")
    current = current_state(store, sample(NOON, BATTERY), poll=locked)
    (stale,), (withheld,) = current.plants(NOON + HOUR), current.plants(NOON + HOUR + 61)
    assert (stale.freshness, known_values(stale.values)) == (Freshness.STALE, BATTERY)
    assert (withheld.freshness, withheld.poll) == (Freshness.NOT_POLLED, locked)
    assert known_values(withheld.values) == {"pv_energy_today": 9.5, "pv_energy_total": 812.5}


def test_plant_state_without_poll_status_is_not_polled_after_an_hour(store):
    (plant,) = current_state(store, sample(NOON)).plants(NOON + 3 * HOUR)
    assert (plant.freshness, plant.poll) == (Freshness.NOT_POLLED, None)


def test_plant_state_without_poll_status_is_offline_if_it_was_silent_when_fetched(store):
    silent = sample(NOON)._replace(fetched_at=NOON + 2 * HOUR)
    (plant,) = current_state(store, silent).plants(NOON + 2 * HOUR + 60)
    assert plant.freshness is Freshness.OFFLINE_UNEXPECTED


def test_plant_state_keeps_counters_and_charge_that_later_polls_did_not_fetch(store):
    complete, power = sample(NOON, BATTERY), sample(NOON + 1200, {"pv_power": 2500.0})
    current = current_state(store, complete, poll=polled(NOON + 1210))
    assert known_values(current.plants(NOON + 60)[0].values) == BATTERY
    current_state(store, power)
    assert known_values(current.plants(NOON + 1300)[0].values) == {
        **BATTERY,
        "pv_power": 2500.0,
        "pv_energy_today": 10.4,
    }
    later = sample(NOON + HOUR + 60, {"pv_power": 2400.0})
    current_state(store, later, poll=polled(NOON + HOUR + 60))
    expected = {**VALUES, "pv_power": 2400.0, "pv_energy_today": 12.0}
    assert known_values(current.plants(NOON + HOUR + 70)[0].values) == expected
    assert known_values(CurrentState(store).plants(NOON + HOUR + 70)[0].values) == expected


def test_plant_state_expects_a_battery_that_later_polls_did_not_fetch_at_night(store):
    night = NOON + 12 * HOUR
    evening = sample(night - 2 * HOUR, BATTERY), sample(night - HOUR, {"pv_power": 0.0})
    (plant,) = current_state(store, *evening, poll=polled(night)).plants(night + 60)
    assert plant.freshness is Freshness.OFFLINE_UNEXPECTED


def test_plant_state_names_provisional_counters_until_their_state_confirms_them(store):
    first, second = sample(NOON), sample(NOON + 600)
    store.write(Batch(counters={PLANT: {"provisional": ["load_energy_total", "pv_energy_today", "pv_energy_total"]}}))
    current = current_state(store, first)
    assert current.plants(NOON + 120)[0].provisional == {"pv_energy_today", "pv_energy_total"}
    assert current.plants(NOON + 13 * HOUR)[0].provisional == {"pv_energy_total"}, "today's counter is yesterday's"
    store.write(Batch(samples=[second], counters={PLANT: {"provisional": ["pv_energy_total"]}}))
    assert current.plants(NOON + 700)[0].provisional == {"pv_energy_total"}


@pytest.mark.parametrize("interval", [720, 1200])
def test_plant_state_of_plant_polled_rarely_does_not_learn_the_poll_interval(store, interval):
    samples = [sample(NOON - interval * n) for n in range(12)]
    current = current_state(store, *samples, poll=polled(NOON + 40 * 60, interval))
    (plant,) = current.plants(NOON + 40 * 60)
    assert (plant.freshness, plant.sample_interval) == (Freshness.OFFLINE_UNEXPECTED, interval)


def test_device_state_follows_the_plant(store):
    current = current_state(store, sample(NOON), sample(NOON, series=DEVICE), poll=polled(NOON + 60))
    fresh, withheld = current.plants(NOON + 120)[0], current.plants(NOON + 3 * HOUR)[0]
    assert [one.devices[0].freshness for one in (fresh, withheld)] == [Freshness.LIVE, Freshness.NOT_POLLED]
    assert known_values(withheld.devices[0].values) == {"pv_energy_today": 9.5, "pv_energy_total": 812.5}


def test_device_state_of_silent_device_of_reporting_plant_is_offline(store):
    silent = sample(NOON - 3 * HOUR, series=DEVICE)._replace(fetched_at=NOON + 60)
    (plant,) = current_state(store, sample(NOON), silent, poll=polled(NOON + 60)).plants(NOON + 120)
    assert (plant.freshness, plant.devices[0].freshness) == (Freshness.LIVE, Freshness.OFFLINE_UNEXPECTED)


def test_device_state_of_device_that_later_polls_did_not_fetch_is_not_offline(store):
    rotated = sample(NOON - 2400, series=DEVICE)
    (plant,) = current_state(store, sample(NOON), rotated, poll=polled(NOON + 60)).plants(NOON + 120)
    assert (plant.freshness, plant.devices[0].freshness) == (Freshness.LIVE, Freshness.LIVE)


def test_plant_state_omits_daily_energy_after_local_midnight(store):
    overview = current_state(store, sample(NOON, BATTERY))
    (before,) = overview.plants(NOON + 12 * HOUR - 1)
    (after,) = overview.plants(NOON + 12 * HOUR)
    assert (before.values["pv_energy_today"], after.values["pv_energy_today"]) == (9.5, None)
    assert after.values["pv_energy_total"] == 812.5


def test_plant_state_at_night_depends_on_battery(store):
    midnight = polled(NOON + 12 * HOUR)
    (asleep,) = current_state(store, sample(NOON), poll=midnight).plants(NOON + 12 * HOUR)
    assert asleep.freshness is Freshness.OFFLINE_EXPECTED
    (missing,) = current_state(store, sample(NOON + 1, BATTERY)).plants(NOON + 12 * HOUR)
    assert missing.freshness is Freshness.OFFLINE_UNEXPECTED


def test_plant_state_of_backfilled_sample_has_last_counters(store):
    curve = sample(NOON + 300, {"pv_power": 3100.0}, quality=Quality.BACKFILLED)
    (plant,) = current_state(store, sample(NOON), curve).plants(NOON + 400)
    assert known_values(plant.values) == {**VALUES, "pv_power": 3100.0, "pv_energy_today": 9.7}


def test_plant_state_without_sample_is_empty(store):
    (plant,) = current_state(store, poll=polled(NOON)).plants(NOON)
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
    assert (plant.measured_at, plant.freshness, plant.values) == (None, Freshness.NOT_POLLED, {})
    (plant,) = current_state(store, sample(NOON + 300), sample(NOON + 300, series=DEVICE)).plants(NOON + 400)
    assert (plant.measured_at, plant.freshness) == (NOON + 300, Freshness.LIVE)
    assert known_values(plant.values) == VALUES


def test_plant_state_with_stored_time_beyond_the_calendar_has_no_sample(store):
    (plant,) = current_state(store, sample(NOON)._replace(measured_at=1 << 50)).plants(NOON + 120)
    assert plant.measured_at is None


FLOWS = {"pv_power": 2000.0, "grid_power": -1000.0, "battery_power": 0.0, "load_power": 1000.0}
TODAY = {
    "pv_energy_today": 9.5,
    "grid_export_energy_today": 4.0,
    "grid_import_energy_today": 1.2,
    "load_energy_today": 5,
}


def test_daily_counter_of_an_earlier_sample_is_advanced_by_the_power_since(store):
    polls = [sample(NOON + step, FLOWS) for step in range(720, HOUR + 1, 720)]
    current = current_state(store, sample(NOON, {**FLOWS, **TODAY}), *polls, poll=polled(NOON + HOUR))
    (plant,) = current.plants(NOON + HOUR + 60)
    advanced = {"pv_energy_today": 11.5, "grid_export_energy_today": 5.0, "load_energy_today": 6.0}
    assert {name: plant.values[name] for name in TODAY} == {**TODAY, **advanced}
    assert plant.provisional == set(advanced), "an energy without power is known to be unchanged"
    assert [one.values.get("pv_energy_today") for one in store.samples(PLANT, NOON, NOON + 2 * HOUR)] == [9.5] + 5 * [
        None
    ]
    current_state(store, sample(NOON + HOUR + 60, {**FLOWS, **TODAY, "pv_energy_today": 11.3}))
    (plant,) = current.plants(NOON + HOUR + 120)
    assert (plant.values["pv_energy_today"], plant.provisional) == (11.3, set())


def test_daily_counter_read_yesterday_begins_at_zero_at_midnight(store):
    midnight = NOON - 12 * HOUR
    night = [sample(midnight + step, {**FLOWS, "pv_power": 0.0}) for step in range(-HOUR, 6 * HOUR + 1, HOUR)]
    evening = sample(midnight - 2 * HOUR, {**FLOWS, **TODAY})
    (plant,) = current_state(store, evening, *night, poll=polled(midnight + 6 * HOUR)).plants(midnight + 6 * HOUR + 60)
    assert (plant.values["pv_energy_today"], plant.values["load_energy_today"]) == (0.0, 6.0)
    assert plant.provisional == TODAY.keys()


def test_daily_counter_is_provisional_if_the_power_since_its_reading_is_unknown(store):
    late = sample(NOON + 5 * HOUR, FLOWS)
    (plant,) = current_state(store, sample(NOON, {**FLOWS, **TODAY}), late, poll=polled(late.measured_at)).plants(
        late.measured_at + 60
    )
    assert {name: plant.values[name] for name in TODAY} == TODAY
    assert plant.provisional == TODAY.keys()


def test_daily_counter_is_provisional_if_its_power_is_polled_less_often(store):
    powers = [sample(NOON + step, {"pv_power": 2000.0}) for step in (720, 1440)]
    current = current_state(store, sample(NOON, {**FLOWS, **TODAY}), powers[0], poll=polled(NOON + 720))
    assert current.plants(NOON + 730)[0].provisional == {"pv_energy_today"}
    current_state(store, powers[1], poll=polled(NOON + 1440))
    assert current.plants(NOON + 1450)[0].provisional == TODAY.keys()


def test_daily_counter_that_its_last_power_left_unchanged_is_provisional_after_that_power(store):
    flows = [sample(NOON + step, {**FLOWS, "grid_power": 0.0}) for step in range(720, HOUR + 1, 720)]
    current = current_state(store, sample(NOON, {**FLOWS, "grid_power": 0.0, **TODAY}), *flows)
    current_state(store, poll=polled(NOON + HOUR))
    assert "grid_export_energy_today" not in current.plants(NOON + HOUR + 60)[0].provisional
    later = [sample(NOON + HOUR + step, {"pv_power": 2000.0}) for step in (720, 1440)]
    current_state(store, *later, poll=polled(NOON + HOUR + 1440))
    (plant,) = current.plants(NOON + HOUR + 1500)
    assert plant.values["grid_export_energy_today"] == TODAY["grid_export_energy_today"]
    assert plant.provisional == TODAY.keys()


def test_solar_counter_is_advanced_over_a_night_without_samples(store):
    dawn = NOON - 6 * HOUR
    evening = sample(dawn - 8 * HOUR, {"pv_power": 5.0, "pv_energy_today": 20.0})
    morning = [sample(dawn, {"pv_power": 10.0}), sample(dawn + 1800, {"pv_power": 1000.0})]
    (plant,) = current_state(store, evening, *morning, poll=polled(dawn + 1800)).plants(dawn + 1860)
    assert (plant.values["pv_energy_today"], plant.provisional) == (0.2, {"pv_energy_today"})


MEASURED = {"pv1_voltage": 401.5, "pv1_energy_today": 4.5, "pv1_energy_total": 900.0, "status_text": "Normal"}


def test_device_state_has_the_measurements_that_are_still_valid(store):
    reader = current_state(store, sample(NOON), sample(NOON, VALUES, DEVICE))
    store.write(Batch(measurements=[StoredMeasurements(DEVICE, NOON, NOON + 60, MEASURED)]))

    def measurements(now):
        (plant,) = reader.plants(now)
        return known_values(plant.devices[0].measurements)

    assert measurements(NOON + 120) == MEASURED
    store.write(Batch(polls=[polled(NOON + 3 * HOUR)]))
    counters = {name: MEASURED[name] for name in ("pv1_energy_today", "pv1_energy_total")}
    assert measurements(NOON + 3 * HOUR + 60) == counters
    assert measurements(NOON + 14 * HOUR) == {"pv1_energy_total": 900.0}
