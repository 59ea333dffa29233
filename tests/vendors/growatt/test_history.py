"""History of emulated Growatt plants: consistent with the simulated households and with `history_cost`."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from heliograph import AsyncGrowatt, Growatt
from heliograph.emulator.clouds.growatt import EMULATION
from support.history_fixtures import Past, flowed

BERLIN = ZoneInfo("Europe/Berlin")
SUN = {"pv_power"}
FLOWS = {"pv_power", "load_power", "grid_power", "battery_power"}
CURVES = {
    "tlx": SUN,
    "tlx-battery": FLOWS,
    "mix": FLOWS,
    "spa": {"pv_power", "load_power"},
    "inverter": SUN,
    "storage": {"pv_power", "load_power"},
    "noah": {"pv_power", "ac_power", "load_power"},
}
PORTAL = {"pv_energy", "load_energy", "grid_export_energy", "battery_discharge_energy"}
ENERGIES = {family: {"pv_energy"} for family in CURVES} | dict.fromkeys(("mix", "spa", "storage"), PORTAL)
FAMILIES = tuple(CURVES)


class GrowattPast(Past):
    emulation = EMULATION
    address = "growatt"

    def client(self, kind=Growatt, zone=None):
        return kind(self.holder.username, self.holder.password, server=self.url, zone=zone, keeper=None)

    def requests_sent(self):
        return self.emulator.log.as_dict()["clouds"]["growatt"]["requests"]


@pytest.fixture(scope="module")
def noon():
    with GrowattPast.at("2026-06-21T12:02:00+02:00") as found:
        yield found


@pytest.fixture(scope="module")
def clocks_back():
    with GrowattPast.at("2026-10-26T09:00:00+01:00", BERLIN) as found:
        yield found


# Day curves


@pytest.mark.parametrize("family", FAMILIES)
def test_day_curve_integrates_to_the_days_energies(family, noon):
    curve = noon.client().day_curve(noon.plant(family), "2026-06-20")
    truth = noon.truth(family, "2026-06-20")
    assert {name for sample in curve for name in sample.values} == CURVES[family]
    assert [sample.moment for sample in curve] == sorted({sample.moment for sample in curve})
    assert flowed(curve, "pv_power", 1) == pytest.approx(truth["pv_energy"], abs=0.1)
    if "load_power" in CURVES[family]:
        assert len(curve) >= 287
        # Points of a chart in kW are rounded to 10 W, and a day of the portal begins at 00:05.
        assert flowed(curve, "load_power", 1) == pytest.approx(truth["load_energy"], abs=0.15)
    if "grid_power" in CURVES[family]:
        assert flowed(curve, "grid_power", 1) == pytest.approx(truth["grid_import_energy"], abs=0.15)
        assert flowed(curve, "grid_power", -1) == pytest.approx(truth["grid_export_energy"], abs=0.15)
        assert flowed(curve, "battery_power", 1) == pytest.approx(truth["battery_discharge_energy"], abs=0.15)
        assert flowed(curve, "battery_power", -1) == pytest.approx(truth["battery_charge_energy"], abs=0.15)


@pytest.mark.parametrize("family", FAMILIES)
def test_day_curve_samples_match_the_household(family, noon):
    home = noon.plants[family].households[0]
    for sample in noon.client().day_curve(noon.plant(family), date(2026, 6, 20))[::7]:
        truth = home.values(sample.moment)
        assert sample.values == pytest.approx({name: truth[name] for name in sample.values}, abs=21)


@pytest.mark.parametrize("family", FAMILIES)
def test_future_days_are_absent_without_a_request(family, noon):
    client = noon.client()
    curve = client.day_curve(noon.plant(family), "2026-06-21")
    assert curve[-1].moment == datetime(2026, 6, 21, 10, 0, tzinfo=UTC)
    assert client.period_energies(noon.plant(family), "2026-06")[-1].period == "2026-06-21"
    before = noon.requests_sent()
    assert client.day_curve(noon.plant(family), "2026-06-22") == ()
    assert client.period_energies(noon.plant(family), "2026-07") == ()
    assert noon.requests_sent() == before


@pytest.mark.parametrize("family", FAMILIES)
def test_history_before_the_plant_was_created_is_empty(family, noon):
    client = noon.client()
    assert client.day_curve(noon.plant(family), "2024-06-20") == ()
    assert client.period_energies(noon.plant(family), "2024-06") == ()
    assert client.period_energies(noon.plant(family), "2024") == ()
    assert [row.period for row in client.period_energies(noon.plant(family))] == ["2025", "2026"]


@pytest.mark.parametrize("family", ["tlx-battery", "mix", "noah"])
def test_day_curve_of_25_hours_omits_the_repeated_hour(family, clocks_back):
    curve = clocks_back.client(zone=BERLIN).day_curve(clocks_back.plant(family), "2026-10-25")
    moments = [sample.moment for sample in curve]
    begins = datetime(2026, 10, 24, 22, tzinfo=UTC)
    first = begins + timedelta(minutes=5) if family == "mix" else begins
    assert moments[0] == first
    assert moments[-1] == begins + timedelta(hours=24, minutes=55)
    assert len(moments) == 25 * 12 - 24 - (moments[0] - begins) // timedelta(minutes=5)
    assert not [moment for moment in moments if begins + timedelta(hours=2) <= moment < begins + timedelta(hours=4)]
    home = clocks_back.plants[family].households[0]
    assert all(
        sample.values["load_power"] == pytest.approx(home.values(sample.moment)["load_power"], abs=11)
        for sample in curve
    )


def test_day_curve_of_23_hours_is_complete():
    with GrowattPast.at("2026-03-30T09:00:00+02:00", BERLIN) as after:
        curve = after.client(zone=BERLIN).day_curve(after.plant("tlx-battery"), "2026-03-29")
        truth = after.truth("tlx-battery", "2026-03-29")
        assert len(curve) == 23 * 12
        assert curve[-1].moment == datetime(2026, 3, 29, 21, 55, tzinfo=UTC)
        assert flowed(curve, "load_power", 1) == pytest.approx(truth["load_energy"], abs=0.15)


def test_configured_zone_that_matches_the_cloud_is_used_for_other_seasons(clocks_back):
    plant = clocks_back.plant("tlx-battery")
    named = clocks_back.client(zone=BERLIN).day_curve(plant, "2026-07-01")
    unnamed = clocks_back.client().day_curve(plant, "2026-07-01")
    assert named[0].moment == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert unnamed[0].moment == named[0].moment + timedelta(hours=1)


def test_configured_zone_that_contradicts_the_cloud_is_not_used_for_timestamps(noon):
    plant = noon.plant("tlx-battery")
    elsewhere = noon.client(zone=ZoneInfo("Asia/Tokyo")).day_curve(plant, "2026-06-20")
    assert elsewhere == noon.client().day_curve(plant, "2026-06-20")


# Period energies


@pytest.mark.parametrize("family", FAMILIES)
def test_period_energies_of_days_months_and_years_are_consistent(family, noon):
    client = noon.client()
    plant = noon.plant(family)
    days, months, years = (client.period_energies(plant, period) for period in ("2026-05", "2026", ""))
    assert [day.period for day in days] == [f"2026-05-{day:02}" for day in range(1, 32)]
    assert [month.period for month in months] == [f"2026-{month:02}" for month in range(1, 7)]
    assert set(days[0].values) == set(months[0].values) == set(years[0].values) == ENERGIES[family]
    for name in ENERGIES[family]:
        assert sum(day.values[name] for day in days) == pytest.approx(months[4].values[name], abs=31 * 0.05)
        assert sum(month.values[name] for month in months) == pytest.approx(years[-1].values[name], abs=6 * 0.05)


@pytest.mark.parametrize("family", FAMILIES)
def test_period_energies_match_the_household(family, noon):
    for period in ("2026-06", "2026", ""):
        for row in noon.client().period_energies(noon.plant(family), period):
            truth = noon.truth(family, row.period)
            assert row.values == pytest.approx(
                {name: truth[name] for name in row.values}, abs=0.7 if not period else 0.051
            )


@pytest.mark.parametrize("family", FAMILIES)
def test_history_cost_matches_the_requests_sent(family, noon):
    client = noon.client()
    plant = noon.plant(family)
    client.day_curve(plant, "2026-06-20")  # caches the UTC offset and the devices
    cost = client.history_cost(plant)
    for ask, expected in (
        (lambda: client.day_curve(plant, "2026-06-19"), cost.curve),
        (lambda: client.period_energies(plant, "2026-05"), cost.days),
        (lambda: client.period_energies(plant, "2026"), cost.months),
        (lambda: client.period_energies(plant), cost.years),
    ):
        before = noon.requests_sent()
        ask()
        assert noon.requests_sent() - before == expected


def test_first_day_is_the_creation_date_entered_by_the_owner(noon):
    assert noon.client().first_day(noon.plant("mix")) == date(2024, 3, 1)


def test_async_client_returns_the_same_day_curve(noon):
    async def main():
        client = noon.client(AsyncGrowatt)
        return await client.day_curve(noon.plant("mix"), "2026-06-20")

    assert asyncio.run(main()) == noon.client().day_curve(noon.plant("mix"), "2026-06-20")
