"""A Growatt plant's past: it adds up, it agrees with the homes, and zeros, odd keys and midnight are read right.

The scripted answers are our own, made from the shapes described in docs/clouds/growatt.md.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from growatt_scripted import arguments, logged_in, paths, settings
from heliograph import AsyncGrowatt, Growatt
from heliograph import errors as e
from heliograph.emulator.main import Options, build
from heliograph.emulator.server import serve_in_thread
from heliograph.model import HistoryCost
from heliograph.periods import Wall
from heliograph.vendors.growatt import devices as dev
from heliograph.vendors.growatt import series
from heliograph.vendors.growatt.emulate import EMULATION
from heliograph.vendors.growatt.history import GrowattHistory
from scripted import NOON, reply, script

BERLIN = ZoneInfo("Europe/Berlin")
SUMMER = timezone(timedelta(hours=2))
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


class Past:
    """An emulated cloud with a stopped clock, and its account."""

    def __init__(self, emulator, url):
        self.emulator, self.url = emulator, url
        self.holder = emulator.accounts[0]
        self.sites = {site.family: site for site in self.holder.sites}

    def client(self, kind=Growatt, zone=None):
        return kind(self.holder.username, self.holder.password, server=self.url, zone=zone, keeper=None)

    def plant(self, family):
        return self.sites[family].id

    def truth(self, family, period):
        return self.sites[family].homes[0].energies(period)

    def asked(self):
        return self.emulator.log.as_dict()["clouds"]["growatt"]["requests"]


@contextmanager
def past(start, zone=None):
    emulator = build(Options(start=datetime.fromisoformat(start), speed=0, accounts=1, zone=zone), [EMULATION])
    with serve_in_thread(emulator) as ready:
        yield Past(emulator, ready["growatt"])


@pytest.fixture(scope="module")
def noon():
    with past("2026-06-21T12:02:00+02:00") as found:
        yield found


@pytest.fixture(scope="module")
def clocks_back():
    with past("2026-10-26T09:00:00+01:00", BERLIN) as found:
        yield found


def flowed(samples, metric, sign):
    """Return what a power of 5-minute steps comes to, kWh, counted one way only."""
    return sum(max(0.0, sign * one.values[metric]) for one in samples) / 12_000


# A day


@pytest.mark.parametrize("family", FAMILIES)
def test_the_curve_of_a_day_adds_up_to_its_energies(family, noon):
    curve = noon.client().day_curve(noon.plant(family), "2026-06-20")
    truth = noon.truth(family, "2026-06-20")
    assert {name for one in curve for name in one.values} == CURVES[family]
    assert [one.moment for one in curve] == sorted({one.moment for one in curve})
    assert flowed(curve, "pv_power", 1) == pytest.approx(truth["pv_energy"], abs=0.1)
    if "load_power" in CURVES[family]:
        assert len(curve) >= 287
        # A point is 10 W rough where the chart is in kW, and a day of the portal begins at 00:05.
        assert flowed(curve, "load_power", 1) == pytest.approx(truth["load_energy"], abs=0.15)
    if "grid_power" in CURVES[family]:
        assert flowed(curve, "grid_power", 1) == pytest.approx(truth["grid_import_energy"], abs=0.15)
        assert flowed(curve, "grid_power", -1) == pytest.approx(truth["grid_export_energy"], abs=0.15)
        assert flowed(curve, "battery_power", 1) == pytest.approx(truth["battery_discharge_energy"], abs=0.15)
        assert flowed(curve, "battery_power", -1) == pytest.approx(truth["battery_charge_energy"], abs=0.15)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_sample_is_what_the_home_did_at_that_moment(family, noon):
    home = noon.sites[family].homes[0]
    for one in noon.client().day_curve(noon.plant(family), date(2026, 6, 20))[::7]:
        truth = home.values(one.moment)
        assert one.values == pytest.approx({name: truth[name] for name in one.values}, abs=21)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_still_to_come_is_absent(family, noon):
    client = noon.client()
    curve = client.day_curve(noon.plant(family), "2026-06-21")
    assert curve[-1].moment == datetime(2026, 6, 21, 10, 0, tzinfo=UTC)
    assert client.period_energies(noon.plant(family), "2026-06")[-1].period == "2026-06-21"
    before = noon.asked()
    assert client.day_curve(noon.plant(family), "2026-06-22") == ()
    assert client.period_energies(noon.plant(family), "2026-07") == ()
    assert noon.asked() == before


@pytest.mark.parametrize("family", FAMILIES)
def test_before_the_cloud_knew_a_plant_there_is_nothing(family, noon):
    client = noon.client()
    assert client.day_curve(noon.plant(family), "2024-06-20") == ()
    assert client.period_energies(noon.plant(family), "2024-06") == ()
    assert client.period_energies(noon.plant(family), "2024") == ()
    assert [one.period for one in client.period_energies(noon.plant(family))] == ["2025", "2026"]


@pytest.mark.parametrize("family", ["tlx-battery", "mix", "noah"])
def test_a_day_of_25_hours_lacks_the_two_hours_nobody_can_tell_apart(family, clocks_back):
    curve = clocks_back.client(zone=BERLIN).day_curve(clocks_back.plant(family), "2026-10-25")
    moments = [one.moment for one in curve]
    begins = datetime(2026, 10, 24, 22, tzinfo=UTC)
    first = begins + timedelta(minutes=5) if family == "mix" else begins
    assert moments[0] == first
    assert moments[-1] == begins + timedelta(hours=24, minutes=55)
    assert len(moments) == 25 * 12 - 24 - (moments[0] - begins) // timedelta(minutes=5)
    assert not [one for one in moments if begins + timedelta(hours=2) <= one < begins + timedelta(hours=4)]
    home = clocks_back.sites[family].homes[0]
    assert all(
        one.values["load_power"] == pytest.approx(home.values(one.moment)["load_power"], abs=11) for one in curve
    )


def test_a_day_of_23_hours_has_all_of_them():
    with past("2026-03-30T09:00:00+02:00", BERLIN) as after:
        curve = after.client(zone=BERLIN).day_curve(after.plant("tlx-battery"), "2026-03-29")
        truth = after.truth("tlx-battery", "2026-03-29")
        assert len(curve) == 23 * 12
        assert curve[-1].moment == datetime(2026, 3, 29, 21, 55, tzinfo=UTC)
        assert flowed(curve, "load_power", 1) == pytest.approx(truth["load_energy"], abs=0.15)


def test_a_named_zone_that_agrees_with_the_cloud_now_tells_other_seasons(clocks_back):
    plant = clocks_back.plant("tlx-battery")
    named = clocks_back.client(zone=BERLIN).day_curve(plant, "2026-07-01")
    unnamed = clocks_back.client().day_curve(plant, "2026-07-01")
    assert named[0].moment == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert unnamed[0].moment == named[0].moment + timedelta(hours=1)


def test_a_named_zone_that_disagrees_with_the_cloud_is_not_the_clock_it_writes_by(noon):
    plant = noon.plant("tlx-battery")
    elsewhere = noon.client(zone=ZoneInfo("Asia/Tokyo")).day_curve(plant, "2026-06-20")
    assert elsewhere == noon.client().day_curve(plant, "2026-06-20")


# Longer


@pytest.mark.parametrize("family", FAMILIES)
def test_days_add_up_to_months_and_months_to_the_year(family, noon):
    client = noon.client()
    plant = noon.plant(family)
    days, months, years = (client.period_energies(plant, period) for period in ("2026-05", "2026", ""))
    assert [one.period for one in days] == [f"2026-05-{day:02}" for day in range(1, 32)]
    assert [one.period for one in months] == [f"2026-{month:02}" for month in range(1, 7)]
    assert set(days[0].values) == set(months[0].values) == set(years[0].values) == ENERGIES[family]
    for name in ENERGIES[family]:
        assert sum(one.values[name] for one in days) == pytest.approx(months[4].values[name], abs=31 * 0.05)
        assert sum(one.values[name] for one in months) == pytest.approx(years[-1].values[name], abs=6 * 0.05)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_homes_agree_with_the_energies(family, noon):
    for period in ("2026-06", "2026", ""):
        for one in noon.client().period_energies(noon.plant(family), period):
            truth = noon.truth(family, one.period)
            assert one.values == pytest.approx(
                {name: truth[name] for name in one.values}, abs=0.7 if not period else 0.051
            )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_question_costs_what_is_said(family, noon):
    client = noon.client()
    plant = noon.plant(family)
    client.day_curve(plant, "2026-06-20")  # the clock and the devices are known from here on
    cost = client.history_cost(plant)
    for ask, expected in (
        (lambda: client.day_curve(plant, "2026-06-19"), cost.curve),
        (lambda: client.period_energies(plant, "2026-05"), cost.days),
        (lambda: client.period_energies(plant, "2026"), cost.months),
        (lambda: client.period_energies(plant), cost.years),
    ):
        before = noon.asked()
        ask()
        assert noon.asked() - before == expected


def test_the_first_day_is_the_one_the_plants_owner_wrote(noon):
    assert noon.client().first_day(noon.plant("mix")) == date(2024, 3, 1)


def test_the_async_client_reads_the_same_past(noon):
    async def main():
        client = noon.client(AsyncGrowatt)
        return await client.day_curve(noon.plant("mix"), "2026-06-20")

    assert asyncio.run(main()) == noon.client().day_curve(noon.plant("mix"), "2026-06-20")


# Odd shapes, by script


def ask(plan, *devices, zone=None):
    """Return a conversation about a plant of these devices, and the replies that name them and its clock."""
    rows = [{"deviceSn": serial, "deviceType": family} for serial, family in devices]
    return logged_in(zone=zone).carry(plan, NOON), [settings(2), reply({"invList": rows})]


def day(chart, *devices):
    """Return a day of a plant of one device whose chart is this one."""
    talk, known = ask(GrowattHistory.day_curve.plan("1", "2026-06-20"), *(devices or [("SN", "tlx")]))
    return script(talk, [*known, chart])


def month(answer, *devices):
    talk, known = ask(GrowattHistory.period_energies.plan("1", "2026-05"), *(devices or [("SN", "tlx")]))
    return script(talk, [*known, answer])[1]


def drawn(**points):
    """Return a chart; `at_1205` is the point of 12:05."""
    chart = {f"{name[3:5]}:{name[5:7]}": point for name, point in points.items()}
    return reply({"result": 1, "obj": {"chartData": chart}, "msg": ""})


def bars(**energies):
    return reply({"back": {"success": True, "data": {name[1:]: text for name, text in energies.items()}}})


def test_a_chart_is_asked_for_by_plant_device_and_day():
    sent, _ = day(drawn())
    assert paths(sent) == ["newPlantAPI.do", "newTwoPlantAPI.do", "newTlxApi.do"]
    expected = {"plantId": "1", "id": "SN", "type": "0", "date": "2026-06-20"}
    assert arguments(sent[-1]).items() >= expected.items()


@pytest.mark.parametrize("answer", [drawn(), reply({"result": 1, "obj": {"chartData": None}, "msg": ""})])
def test_an_empty_chart_is_nothing(answer):
    assert day(answer)[1] == ()


@pytest.mark.parametrize("inside", [{}, {"chartData": []}, {"chartData": "none"}])
def test_an_answer_without_a_chart_is_no_answer(inside):
    with pytest.raises(e.Unreadable, match="chart"):
        day(reply({"result": 1, "obj": inside, "msg": ""}))


def test_an_empty_list_where_bars_should_be_is_no_answer():
    with pytest.raises(e.Unreadable, match="chart"):
        month(reply({"back": {"success": True, "data": []}}))


def test_a_refused_chart_raises():
    with pytest.raises(e.Refused) as caught:
        day(reply({"result": 0, "obj": None, "msg": "504"}), ("SN", "mix"))
    assert caught.value.code == "504"


def test_a_plant_that_is_not_the_accounts_is_refused_without_a_request():
    for plan in (
        GrowattHistory.day_curve.plan("7", "2026-06-20"),
        GrowattHistory.period_energies.plan("7"),
        GrowattHistory.first_day.plan("7"),
        GrowattHistory.history_cost.plan("7"),
    ):
        with pytest.raises(e.Refused, match="no plant"):
            next(ask(plan)[0])


def test_zeros_where_nothing_came_are_no_samples():
    zeros = dict.fromkeys(("chargePower", "outP", "pacToGrid", "pacToUser", "pex", "ppv", "pself", "sysOut"), 0)
    sun = zeros | {"ppv": 1.25, "chargePower": 1.25}
    _, curve = day(drawn(at_0000=zeros, at_1155=sun, at_1200=zeros, at_1205=sun, at_2355=zeros))
    assert [one.moment.astimezone(SUMMER).strftime("%H:%M") for one in curve] == ["11:55", "12:05"]
    # No meter and no battery: the charge is only the sun over again.
    assert curve[0].values == {"pv_power": 1250.0}


def test_a_meter_alone_makes_no_battery():
    point = {"ppv": 2.0, "chargePower": 2.0, "sysOut": 0.5, "pacToGrid": 1.5, "pacToUser": 0}
    _, (one,) = day(drawn(at_1200=point))
    assert one.values == {"pv_power": 2000.0, "load_power": 500.0, "grid_power": -1500.0}


def test_what_a_tlx_battery_gives_is_what_the_balance_lacks():
    charging = {"ppv": 3.0, "chargePower": 1.5, "sysOut": 0.5, "pacToGrid": 1.0, "pacToUser": 0}
    giving = {"ppv": 0, "chargePower": 0, "sysOut": 0.8, "pacToGrid": 0, "pacToUser": 0.2}
    idle = {"ppv": 0, "chargePower": 0, "sysOut": 0.81, "pacToGrid": 0, "pacToUser": 0.8}
    _, curve = day(drawn(at_1200=charging, at_2200=giving, at_2300=idle))
    assert [one.values["battery_power"] for one in curve] == [-1500.0, 600.0, 0.0]


def test_what_a_mix_battery_takes_is_what_the_balance_has_too_much():
    charging = {"ppv": "3", "pdischarge": "0", "sysOut": "0.5", "pacToGrid": "1", "pacToUser": "0"}
    giving = {"ppv": "0", "pdischarge": "0.6", "sysOut": "0.8", "pacToGrid": "0", "pacToUser": "0.2"}
    gap = {"ppv": "1", "pdischarge": "0", "sysOut": "--", "pacToGrid": "0", "pacToUser": "0"}
    _, curve = day(drawn(at_1200=charging, at_2200=giving, at_2300=gap), ("SN", "mix"))
    assert [one.values["battery_power"] for one in curve] == [-1500.0, 600.0, None]
    assert curve[2].values == {"pv_power": 1000.0, "load_power": None, "grid_power": 0.0, "battery_power": None}


def test_a_direction_the_cloud_tells_is_not_contradicted_by_the_balance():
    still = {"ppv": "1", "pdischarge": "0", "sysOut": "2", "pacToGrid": "0", "pacToUser": "0"}
    assert day(drawn(at_1200=still), ("SN", "mix"))[1][0].values["battery_power"] == 0.0
    taking = {"ppv": 1, "chargePower": 0, "sysOut": 0.2, "pacToGrid": 0, "pacToUser": 0}
    assert day(drawn(at_1200=taking))[1][0].values["battery_power"] == 0.0


def test_just_after_midnight_yesterdays_chart_is_not_todays():
    midnight = datetime(2026, 6, 20, 22, 3, tzinfo=UTC)
    wall = Wall(date(2026, 6, 21), SUMMER, midnight)
    point = {"ppv": 0, "sysOut": 0.5, "pacToUser": 0.5}
    whole = dev.ProdCons({"chartData": {"00:00": point, "12:00": point, "23:55": point}})
    assert series.tlx_curve(whole, wall) == {}
    begun = dev.ProdCons({"chartData": {"00:00": point}})
    assert list(series.tlx_curve(begun, wall)) == [datetime(2026, 6, 20, 22, tzinfo=UTC)]


def test_a_point_some_minutes_ahead_is_still_to_come():
    wall = Wall(date(2026, 6, 21), SUMMER, datetime(2026, 6, 21, 10, 2, tzinfo=UTC))
    chart = dev.ProdCons({"chartData": {"12:00": {"ppv": 1}, "12:05": {"ppv": 1}}})
    assert list(series.tlx_curve(chart, wall)) == [datetime(2026, 6, 21, 10, tzinfo=UTC)]


def test_keys_that_are_no_time_of_the_day_are_passed_over():
    chart = {"date": "2026-06-20", "24:00": {"ppv": 1}, "12:61": {"ppv": 1}, "noon": {"ppv": 1}, "9:5": {"ppv": 1}}
    assert day(reply({"result": 1, "obj": {"chartData": chart}}))[1] == ()


def test_a_classic_inverters_zero_is_a_sample_and_another_days_stamp_is_none():
    stamps = {"2026-06-19 23:55": 5, "2026-06-20 05:10": 0, "2026-06-20 12:00": 623.2000122070312, "x": 1}
    sent, curve = day(reply({"invPacData": stamps}), ("SN", "inverter"))
    assert arguments(sent[-1]).items() >= {"op": "getInverterData", "type": "1", "date": "2026-06-20"}.items()
    assert [(one.moment.hour, one.values["pv_power"]) for one in curve] == [(3, 0.0), (10, 623.200012)]


def test_a_noah_is_asked_for_the_day_after_and_a_wrapped_load_is_a_gap():
    talk, (clock, _) = ask(GrowattHistory.day_curve.plan("1", "2026-06-20"))
    empty = reply({"deviceList": []})
    noah = reply({"result": 1, "obj": {"isPlantNoahSystem": True, "deviceSn": "N1"}})
    load = [{"ppv": "350", "pac": "150", "totalHouseholdLoad": text} for text in ("403", "65488")]
    chart = reply({"result": 1, "obj": {"12:00": load[0], "12:05": load[1]}})
    sent, curve = script(talk, [clock, empty, empty, noah, chart])
    assert arguments(sent[-1]) == {"deviceSn": "N1", "date": "2026-06-21"}
    assert [one.values["load_power"] for one in curve] == [403.0, None]


def test_devices_are_added_up_and_what_one_of_them_does_not_tell_is_a_gap():
    talk, known = ask(GrowattHistory.day_curve.plan("1", "2026-06-20"), ("A", "tlx"), ("B", "tlx"), ("C", "tlx"))
    first = drawn(at_1200={"ppv": 1.0}, at_1205={"ppv": 1.1})
    second = drawn(at_1200={"ppv": 0.5}, at_1205={"ppv": 0})
    sent, curve = script(talk, [*known, first, second, drawn(at_1200={"ppv": 0})])
    assert [arguments(one)["id"] for one in sent[2:]] == ["A", "B", "C"]
    # C told nothing all day and may not have been there yet; B was away at 12:05.
    assert [one.values["pv_power"] for one in curve] == [1500.0, None]


def test_the_portal_is_asked_once_for_all_storages_of_a_plant():
    talk, known = ask(
        GrowattHistory.day_curve.plan("1", "2026-06-20"), ("A", "storage"), ("B", "storage"), ("M", "mix")
    )
    chart = {"12:05": {"ppv": "0.8", "sysOut": "0.3", "userLoad": "0", "pacToUser": "0.1"}}
    sent, (one,) = script(talk, [*known, reply({"chartData": chart, "chartDataUnit": "kW"})])
    assert paths(sent[2:]) == ["newPlantAPI.do"]
    assert one.values == {"pv_power": 800.0, "load_power": 300.0}


def test_a_family_without_a_known_chart_has_no_curve_and_costs_nothing():
    talk, known = ask(GrowattHistory.day_curve.plan("1", "2026-06-20"), ("SN", "max"))
    assert script(talk, known)[1] == ()
    talk, (_, devices) = ask(GrowattHistory.history_cost.plan("1"), ("SN", "max"))
    assert script(talk, [devices])[1] == HistoryCost(curve=0, days=1, months=1, years=1)


def test_a_bar_without_height_is_no_day():
    days = month(bars(_01="13.5", _02="0", _03="0.0", _04="--", _05=7, _31="1.2 MWh", _32="9"))
    assert [(one.period, one.values["pv_energy"]) for one in days] == [
        ("2026-05-01", 13.5),
        ("2026-05-05", 7.0),
        ("2026-05-31", 1200.0),
    ]
    assert month(bars()) == ()


def test_a_dark_day_of_a_plant_with_storage_is_one():
    chart = {
        "ppv": ["0", "1.5", "0"],
        "sysOut": ["8.1", "7", "0"],
        "userLoad": ["0", "0", "0"],
        "pacToUser": ["0", "1"],
    }
    days = month(reply({"chartData": chart}), ("SN", "mix"))
    assert [one.period for one in days] == ["2026-05-01", "2026-05-02"]
    assert days[0].values == {
        "pv_energy": 0.0,
        "load_energy": 8.1,
        "grid_export_energy": 0.0,
        "battery_discharge_energy": 0.0,
    }


def test_a_chart_of_a_month_without_bars_is_no_answer():
    with pytest.raises(e.Unreadable, match="bars"):
        month(reply({"chartData": {"12:05": {"ppv": "0.8"}}}), ("SN", "mix"))


def test_panels_beside_a_storage_are_counted_by_the_plants_own_bars():
    talk, known = ask(GrowattHistory.period_energies.plan("1", "2026-05"), ("M", "mix"), ("T", "tlx"))
    chart = reply({"chartData": {"ppv": ["2"], "sysOut": ["8"], "userLoad": ["0"], "pacToUser": ["1"]}})
    _, (one,) = script(talk, [*known, chart, bars(_01="5.5")])
    assert (one.values["pv_energy"], one.values["load_energy"]) == (5.5, 8.0)


def test_a_plant_older_than_the_chart_is_asked_on():
    talk, known = ask(GrowattHistory.period_energies.plan("1"), ("SN", "tlx"))
    newer = {f"_{year}": "900" for year in range(2021, 2027)}
    sent, years = script(talk, [*known, bars(**newer), bars(_2015="0", _2019="100", _2020="800")])
    assert [arguments(one)["date"] for one in sent[2:]] == ["2026", "2020"]
    assert [one.period for one in years] == ["2019", "2020", *(str(year) for year in range(2021, 2027))]


def test_clock_and_devices_are_asked_again_after_a_day():
    talk = logged_in()
    plan = GrowattHistory.day_curve.plan
    devices = reply({"invList": [{"deviceSn": "SN", "deviceType": "tlx"}]})
    chart, later = drawn(), NOON + 90_000
    script(talk.carry(plan("1", "2026-06-20"), NOON), [settings(2), devices, chart])
    sent, _ = script(talk.carry(plan("1", "2026-06-19"), NOON + 3600), [chart._replace(at=NOON + 3600)])
    assert paths(sent) == ["newTlxApi.do"]
    anew = [one._replace(at=later) for one in (settings(2), devices, chart)]
    sent, _ = script(talk.carry(plan("1", "2026-06-18"), later), anew)
    assert len(sent) == 3


def test_a_plant_without_a_clock_is_told_as_such():
    talk, _ = ask(GrowattHistory.day_curve.plan("1", "2026-06-20"))
    with pytest.raises(e.Unreadable, match="clock"):
        script(talk, [settings(None)])


@pytest.mark.parametrize("written", ["", None, "never", "2024-13-01"])
def test_a_plant_without_a_first_day_has_none(written):
    talk, _ = ask(GrowattHistory.first_day.plan("1"))
    assert script(talk, [reply({"id": 1, "timezone": 2, "createDateText": written})])[1] is None


def test_what_is_no_day_and_no_period_is_refused_before_anything_is_sent():
    with pytest.raises(e.ConfigError, match="day"):
        next(ask(GrowattHistory.day_curve.plan("1", "June"))[0])
    with pytest.raises(e.ConfigError, match="period"):
        next(ask(GrowattHistory.period_energies.plan("1", "June"))[0])
