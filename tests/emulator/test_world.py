"""The simulated world is consistent with itself and with physics."""

from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from heliograph.emulator.api import HardwareProfile
from heliograph.emulator.clock import SimulatedClock
from heliograph.emulator.days import ENERGIES
from heliograph.emulator.household import Household
from heliograph.emulator.weather import Location, Weather, sun_elevation
from heliograph.metrics import METRICS
from support.toy_clouds import BERLIN, PLANS

ANCHOR = date(2026, 6, 21)
SKIES = {seed: Weather(Location(50, 10), seed) for seed in range(2)}
few = settings(max_examples=10)
seeds = st.sampled_from(sorted(SKIES))
families = st.sampled_from(sorted(PLANS))
SPRING = datetime(2026, 3, 1, tzinfo=UTC)
moments = st.integers(0, 180 * 24 * 60).map(lambda minutes: SPRING + timedelta(minutes=minutes))


@cache
def home(family, seed=0):
    """Return a cached household; earlier calls by other tests must not affect it."""
    return fresh_home(family, seed)


def fresh_home(family, seed=0, *, uploaded_at=datetime(2026, 9, 1, tzinfo=UTC), zone=BERLIN):
    return Household(PLANS[family], SKIES[seed], zone, ANCHOR, f"{seed}/{family}", lambda: uploaded_at)


def test_clock_runs_at_its_speed_and_can_be_set():
    seconds = [100.0]
    start = datetime(2026, 6, 21, 12, tzinfo=timezone(timedelta(hours=2)))
    clock = SimulatedClock(start, speed=60, monotonic=lambda: seconds[-1])
    seconds.append(110.0)
    assert clock.now() == start + timedelta(minutes=10)
    clock.set(speed=0)
    seconds.append(150.0)
    assert clock.now() == start + timedelta(minutes=10)
    clock.set(now=start, speed=1)
    seconds.append(151.0)
    assert clock.now() == start + timedelta(seconds=1)
    assert clock.now().tzinfo is UTC


@few
@given(families, seeds, moments)
def test_household_powers_are_balanced(family, seed, at):
    values = home(family, seed).values(at)
    assert values["pv_power"] >= 0
    assert values["ac_power"] == pytest.approx(values["pv_power"] + values.get("battery_power", 0), abs=1e-9)
    if "load_power" in values:
        flows = values["pv_power"] + values["grid_power"] + values.get("battery_power", 0)
        assert flows == pytest.approx(values["load_power"], abs=1e-9)


@few
@given(families, seeds, moments.map(lambda at: at.date().isoformat()))
@example("hybrid", 0, "2026-03-29")
@example("cabin", 0, "2025-10-26")
def test_household_curve_integrates_to_day_energy(family, seed, day):
    one = home(family, seed)
    curve = one.curve(day)
    energies = one.energies(day)

    def flowed(metric, sign=1):
        return sum(max(0.0, sign * values[metric]) for _, values in curve) / 12 / 1000

    assert energies["pv_energy"] == pytest.approx(flowed("pv_power"), abs=1e-9)
    if "load_energy" in energies:
        assert energies["load_energy"] == pytest.approx(flowed("load_power"), abs=1e-9)
        assert energies["grid_import_energy"] == pytest.approx(flowed("grid_power"), abs=1e-9)
        assert energies.get("grid_export_energy", 0) == pytest.approx(flowed("grid_power", -1), abs=1e-9)
    if one.battery_capacity:
        assert energies["battery_charge_energy"] == pytest.approx(flowed("battery_power", -1), abs=1e-9)
        assert energies["battery_discharge_energy"] == pytest.approx(flowed("battery_power"), abs=1e-9)


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-06-20", 24), ("2025-10-26", 25)])
def test_household_curve_covers_local_day(day, hours):
    curve = home("meter").curve(day)
    assert len(curve) == hours * 12
    assert {moment.date().isoformat() for moment, _ in curve} == {day}
    assert {late.timestamp() - early.timestamp() for (early, _), (late, _) in pairwise(curve)} == {300}


def test_household_days_add_up_to_months_and_year():
    one = fresh_home("hybrid", uploaded_at=datetime(2026, 3, 17, 9, 35, tzinfo=UTC))
    months = [one.energies(f"2026-{month:02}") for month in range(1, 13)]
    days = [one.energies(f"2026-03-{day:02}") for day in range(1, 32)]
    for name in ENERGIES:
        assert sum(day[name] for day in days) == pytest.approx(months[2][name], abs=1e-9)
        assert sum(month[name] for month in months) == pytest.approx(one.energies("2026")[name], abs=1e-9)
    assert days[16]["pv_energy"] > 0
    assert set(days[17].values()) == {0}
    assert one.curve("2026-03-18") == []
    assert one.curve("2024-12-31") == []


@few
@given(families, seeds, moments, st.timedeltas(timedelta(), timedelta(days=3)))
def test_household_lifetime_counters_never_decrease(family, seed, at, passing):
    one = home(family, seed)
    early, late = one.values(at), one.values(at + passing)
    for name in early:
        if name.endswith("_total"):
            assert 0 <= early[name] <= late[name]


@pytest.mark.parametrize("family", ["hybrid", "cabin"])
def test_household_lifetime_counters_are_positive_from_first_day(family):
    values = home(family).values(datetime(2025, 1, 1, tzinfo=UTC))
    counters = {name: value for name, value in values.items() if name.endswith("_total")}
    assert counters.pop("grid_export_energy_total") > 0 or family == "cabin"  # off grid
    assert all(value > 0 for value in counters.values())


def test_household_lifetime_counters_grow_by_day_energies():
    one = home("hybrid")
    early, late = (one.values(datetime(2026, 5, day, tzinfo=BERLIN)) for day in (3, 6))
    for name in ENERGIES:
        days = sum(one.energies(f"2026-05-0{day}")[name] for day in (3, 4, 5))
        assert late[f"{name}_total"] - early[f"{name}_total"] == pytest.approx(days, abs=1e-6)


def test_household_today_counters_start_at_local_midnight():
    one = home("hybrid")
    midnight = datetime(2026, 6, 21, tzinfo=BERLIN)
    assert one.values(midnight - timedelta(seconds=1))["load_energy_today"] > 5
    assert {v for name, v in one.values(midnight).items() if name.endswith("_today")} == {0}


def test_household_energy_grows_linearly_within_a_step():
    one = home("meter")
    at = datetime(2026, 6, 21, 10, 0, tzinfo=UTC)
    values = [one.values(at + timedelta(seconds=seconds)) for seconds in (0, 150, 300)]
    start, half, end = (one["pv_energy_today"] for one in values)
    assert half - start == pytest.approx(values[0]["pv_power"] / 1000 / 24)
    assert end - start == pytest.approx(values[0]["pv_power"] / 1000 / 12)
    assert values[0]["pv_power"] == values[1]["pv_power"]


def test_household_state_of_charge_is_continuous():
    one = home("hybrid")
    steps = [value["battery_soc"] for day in ("2026-06-19", "2026-06-20", "2026-06-21") for _, value in one.curve(day)]
    most = 100 * 4 / 10 / 12 / 0.9**0.5
    assert max(abs(late - early) for early, late in pairwise(steps)) <= most + 0.01
    assert min(steps) >= 10
    assert max(steps) <= 100
    assert max(steps) - min(steps) > 20


def test_household_battery_efficiency_is_90_percent():
    year = home("hybrid").energies("2025")
    assert year["battery_discharge_energy"] / year["battery_charge_energy"] == pytest.approx(0.9, abs=0.01)


@few
@given(families, seeds, moments)
def test_household_values_are_independent_of_access_order(family, seed, at):
    fresh, lived = fresh_home(family, seed), home(family, seed)
    lived.energies(f"{at:%Y}")
    day = at.astimezone(BERLIN).date().isoformat()
    assert fresh.curve(day) == lived.curve(day)
    assert fresh.energies(day) == lived.energies(day)


def test_household_with_slow_battery_is_reproducible():
    plan = HardwareProfile(900, battery_capacity=60, battery_power=800, load_kwh_per_day=4)
    fresh, lived = (Household(plan, SKIES[0], BERLIN, ANCHOR, "slow", lambda: SPRING + timedelta(90)) for _ in range(2))
    lived.energies("2026")
    assert 20 < lived.curve("2026-05-20")[0][1]["battery_soc"] < 90
    assert fresh.curve("2026-05-20") == lived.curve("2026-05-20")


def test_household_depends_on_seed():
    at = datetime(2026, 6, 21, 10, tzinfo=UTC)
    assert home("hybrid", 0).values(at) != home("hybrid", 1).values(at)


def test_household_produces_nothing_at_night_and_most_in_june():
    one = home("roof")
    curve = dict(one.curve("2026-06-21"))
    night = [value["pv_power"] for moment, value in curve.items() if moment.hour in {23, 0, 1, 2, 3}]
    assert set(night) == {0}
    june, december = one.energies("2025-06"), one.energies("2025-12")
    assert june["pv_energy"] > 4 * december["pv_energy"]
    assert 700 < one.energies("2025")["pv_energy"] / 4 < 1400


@pytest.mark.parametrize("place", [Location(50, 10), Location(-33, 151), Location(68, 20)])
def test_sun_elevation_matches_astral(place):
    from astral import Observer
    from astral.sun import elevation

    for hours in range(0, 24 * 400, 53):
        at = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(hours=hours, minutes=25)
        exact = elevation(Observer(*place), at, with_refraction=False)
        assert sun_elevation(place, at.timestamp() / 86_400) == pytest.approx(exact, abs=0.02)


def test_weather_elevation_is_interpolated_between_exact_days():
    sky = SKIES[0]
    for hours in range(0, 24 * 40, 7):
        moment = (datetime(2026, 2, 1, tzinfo=UTC) + timedelta(hours=hours, minutes=25)).timestamp()
        exact = sun_elevation(sky.location, moment / 86_400)
        assert sky.elevation(int(moment) // 300) == pytest.approx(exact, abs=0.3)


def test_household_reports_only_measured_metrics():
    at = datetime(2026, 6, 21, 10, tzinfo=UTC)
    known = {family: set(home(family).values(at)) for family in PLANS}
    assert known["roof"] == {"pv_power", "ac_power", "pv_energy_today", "pv_energy_total"}
    assert known["hybrid"] == set(METRICS)
    assert known["meter"] == {name for name in METRICS if "battery" not in name}
    assert known["cabin"] == set(METRICS)


def test_household_off_grid_never_exports():
    curve = home("cabin").curve("2026-06-21")
    assert min(values["grid_power"] for _, values in curve) >= 0
    assert home("cabin").values(datetime(2026, 6, 21, 12, tzinfo=UTC))["grid_export_energy_total"] == 0


def test_household_before_epoch_has_no_data():
    with pytest.raises(ValueError, match="2025-01-01"):
        home("roof").values(datetime(2024, 12, 1, tzinfo=UTC))
    assert home("roof").energies("2024") == {"pv_energy": 0}


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "Pacific/Auckland", "America/St_Johns", "Africa/Cairo"])
def test_household_days_add_up_in_every_time_zone(zone):
    one = fresh_home("hybrid", zone=ZoneInfo(zone))
    days = [one.energies(f"2026-04-{day:02}") for day in range(1, 31)]
    assert sum(day["load_energy"] for day in days) == pytest.approx(one.energies("2026-04")["load_energy"])
    assert {moment.date().isoformat() for moment, _ in one.curve("2026-04-24")} == {"2026-04-24"}
