"""A plant's past through both dialects: it adds up, it agrees with the homes, and odd shapes are read right."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from heliograph import AsyncGoodWe, GoodWe
from heliograph import errors as e
from heliograph.core.protocol import AccountProtocol
from heliograph.core.redact import Secret
from heliograph.core.session import Credentials, Session
from heliograph.emulator.clouds.goodwe import EMULATION
from heliograph.local_time import LocalDay, period_range
from heliograph.vendors.goodwe import charts, resolve_server
from heliograph.vendors.goodwe.auth import GoodWeProtocol
from heliograph.vendors.goodwe.history import GoodWeHistory
from heliograph.vendors.goodwe.legacy import charts_payloads as said
from heliograph.vendors.goodwe.plus import payloads as plus
from support.history_fixtures import Past, flowed
from support.protocol_script import NOON, reply, script

BERLIN = ZoneInfo("Europe/Berlin")
FAMILIES = ("single", "hybrid", "meter", "several")
DIALECTS = ("legacy", "plus")
SUMMER = timezone(timedelta(hours=2))


class GoodWePast(Past):
    """Its account is read in a dialect of choice."""

    emulation = EMULATION

    def client(self, dialect, kind=GoodWe, zone=None):
        session = Session(resolve_server(self.url))
        session.facts["dialect"] = dialect
        return kind(self.holder.username, self.holder.password, session=session, zone=zone)


@pytest.fixture(scope="module")
def noon():
    with GoodWePast.at("2026-06-21T12:02:00+02:00") as found:
        yield found


@pytest.fixture(scope="module")
def clocks_back():
    with GoodWePast.at("2026-10-26T09:00:00+01:00", BERLIN) as found:
        yield found


# A day


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_curve_of_a_day_adds_up_to_its_energies(family, dialect, noon):
    curve = noon.client(dialect).day_curve(noon.plant(family), "2026-06-20")
    truth = noon.truth(family, "2026-06-20")
    assert len(curve) == 288
    assert curve[0].moment == datetime(2026, 6, 19, 22, tzinfo=UTC)
    assert flowed(curve, "pv_power", 1) == pytest.approx(truth["pv_energy"], abs=0.1)
    if "grid_import_energy" in truth:
        assert flowed(curve, "grid_power", 1) == pytest.approx(truth["grid_import_energy"], abs=0.1)
        assert flowed(curve, "grid_power", -1) == pytest.approx(truth["grid_export_energy"], abs=0.1)
        assert flowed(curve, "load_power", 1) == pytest.approx(truth["load_energy"], abs=0.1)
    if family == "hybrid":
        assert flowed(curve, "battery_power", -1) == pytest.approx(truth["battery_charge_energy"], abs=0.1)
        assert flowed(curve, "battery_power", 1) == pytest.approx(truth["battery_discharge_energy"], abs=0.1)
        assert all(0 <= one.values["battery_soc"] <= 100 for one in curve)


@pytest.mark.parametrize("family", FAMILIES)
def test_both_dialects_tell_the_same_day(family, noon):
    legacy, newer = (noon.client(dialect).day_curve(noon.plant(family), date(2026, 6, 20)) for dialect in DIALECTS)
    assert [one.moment for one in legacy] == [one.moment for one in newer]
    for one, other in zip(legacy, newer, strict=True):
        assert one.values.keys() == other.values.keys()
        assert one.values == pytest.approx(other.values, abs=1)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_still_to_come_is_absent(dialect, noon):
    client = noon.client(dialect)
    curve = client.day_curve(noon.plant("meter"), "2026-06-21")
    assert curve[-1].moment == datetime(2026, 6, 21, 10, 0, tzinfo=UTC)
    assert client.day_curve(noon.plant("meter"), "2026-06-22") == ()
    assert client.period_energies(noon.plant("meter"), "2026-07") == ()
    assert client.period_energies(noon.plant("meter"), "2026-06")[-1].period == "2026-06-21"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_day_of_25_hours_has_all_of_them_once(dialect, clocks_back):
    curve = clocks_back.client(dialect, zone=BERLIN).day_curve(clocks_back.plant("hybrid"), "2026-10-25")
    moments = [one.moment for one in curve]
    assert len(set(moments)) == len(moments) == 300
    assert moments[-1] - moments[0] == timedelta(hours=24, minutes=55)
    truth = clocks_back.truth("hybrid", "2026-10-25")
    assert flowed(curve, "load_power", 1) == pytest.approx(truth["load_energy"], abs=0.1)


def test_sems_plus_knows_the_zone_by_its_name(clocks_back):
    curve = clocks_back.client("plus").day_curve(clocks_back.plant("hybrid"), "2026-07-01")
    assert curve[0].moment == datetime(2026, 6, 30, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("metric", "energy"), [("pv_power", "pv_energy"), ("pv_energy_today", "pv_energy"), ("battery_soc", None)]
)
def test_an_inverter_has_curves_of_its_own(metric, energy, noon):
    client = noon.client("legacy")
    (serial, *_) = noon.plants["hybrid"].devices
    curve = client.inverter_curve(noon.plant("hybrid"), serial, "2026-06-20", metric)
    truth = noon.truth("hybrid", "2026-06-20")
    assert len(curve) == 288
    if energy and metric.endswith("_today"):
        assert curve[-1].values[metric] == pytest.approx(truth[energy], abs=0.1)
    elif energy:
        assert flowed(curve, metric, 1) == pytest.approx(truth[energy], abs=0.1)
    else:
        assert all(0 <= one.values[metric] <= 100 for one in curve)


# Longer


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_days_add_up_to_months_and_months_to_the_year(family, dialect, noon):
    client = noon.client(dialect)
    plant = noon.plant(family)
    days, months, years = (client.period_energies(plant, period) for period in ("2026-05", "2026", ""))
    assert [one.period for one in days] == [f"2026-05-{day:02}" for day in range(1, 32)]
    assert [one.period for one in months] == [f"2026-{month:02}" for month in range(1, 7)]
    assert [one.period for one in years][-2:] == ["2025", "2026"]
    for name, whole in noon.truth(family, "2026-05").items():
        if name in days[0].values:
            assert sum(one.values[name] for one in days) == pytest.approx(whole, abs=0.2)
            assert months[4].values[name] == pytest.approx(whole, abs=0.01)
            assert sum(one.values[name] for one in months) == pytest.approx(years[-1].values[name], abs=0.1)
    assert {"pv_energy"} <= days[0].values.keys()


@pytest.mark.parametrize("family", FAMILIES)
def test_both_dialects_tell_the_same_energies_and_the_homes_agree(family, noon):
    for period in ("2026-06", "2026"):
        legacy, newer = (noon.client(dialect).period_energies(noon.plant(family), period) for dialect in DIALECTS)
        assert legacy == newer
        for one in newer:
            truth = noon.truth(family, one.period)
            assert one.values == pytest.approx({name: truth[name] for name in one.values}, abs=0.01)
    assert set(newer[0].values) == set(truth)


def test_a_months_energy_of_an_inverter_is_without_today(noon):
    for row in noon.client("legacy").inverter_points(noon.plant("single")).inverters:
        assert row.energy_month + row.energy_today == pytest.approx(
            noon.truth("single", "2026-06")["pv_energy"], abs=0.1
        )
        assert row.energy_today > 0


def test_a_history_the_portal_no_longer_tells_is_read_through_sems_plus():
    with GoodWePast.at("2026-10-01T12:02:00+02:00") as after:
        after.emulator.faults.set({"september": ""})
        client = after.client("legacy")
        days = client.period_energies(after.plant("meter"), "2026-09")
        assert len(days) == 30
        assert client.session.facts["dialect"] == "plus"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_both_dialects_know_the_day_a_plant_was_put_into_the_cloud(dialect, noon):
    assert noon.client(dialect).first_day(noon.plant("single")) == date(2021, 3, 15)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_question_costs_what_is_said(dialect, noon):
    client = noon.client(dialect)
    plant = noon.plant("hybrid")
    client.day_curve(plant, "2026-06-20")  # the plant's clock is known from here on
    cost = client.history_cost(plant)
    for ask, expected in (
        (lambda: client.day_curve(plant, "2026-06-19"), cost.curve),
        (lambda: client.period_energies(plant, "2026-05"), cost.days),
        (lambda: client.period_energies(plant, "2026"), cost.months),
        (lambda: client.period_energies(plant), cost.years),
    ):
        before = noon.emulator.log.as_dict()["clouds"]["goodwe"]["requests"]
        ask()
        assert noon.emulator.log.as_dict()["clouds"]["goodwe"]["requests"] - before == expected


def test_the_async_client_reads_the_same_past(noon):
    async def main():
        client = noon.client("plus", AsyncGoodWe)
        return await client.period_energies(noon.plant("hybrid"), "2026-06")

    assert asyncio.run(main()) == noon.client("plus").period_energies(noon.plant("hybrid"), "2026-06")


# Odd shapes, by script


def talk(plan, dialect="legacy", zone=SUMMER):
    session = Session(resolve_server("eu"))
    session.alive, session.zone = True, zone
    session.token = {"uid": "1", "token": "2", "timestamp": 3}
    session.facts |= {"dialect": dialect, "open": dialect}
    return AccountProtocol(GoodWeProtocol(), session, Credentials("me", Secret("x"))).execute(plan, NOON), session


def answer(data):
    return reply({"code": "0", "msg": "", "data": data})


def bars(first, days, height=1.0):
    """Return a chart of so many days from a day on."""
    xy = [{"x": f"{first + timedelta(days=ahead)}", "y": height, "z": None} for ahead in range(days)]
    return answer({"lines": [{"name": "PVGeneration", "label": "Generation (kWh)", "unit": "kWh", "xy": xy}]})


def test_a_window_that_begins_within_the_month_is_asked_to_go_on_before_it():
    conversation, _ = talk(GoodWeHistory.period_energies.flow("P", "2026-05"))
    sent, days = script(conversation, [bars(date(2026, 5, 3), 29), bars(date(2026, 4, 4), 29)])
    assert b'"date":"2026-05-02"' in sent[1].body
    assert [one.period for one in days] == [f"2026-05-{day:02}" for day in range(1, 32)]


def test_days_a_chart_draws_beyond_today_are_absent():
    conversation, _ = talk(GoodWeHistory.period_energies.flow("P", "2026-06"))
    _, days = script(conversation, [bars(date(2026, 6, 1), 30, 0.0)])
    assert days[-1].period == "2026-06-21"


def test_a_plant_without_a_meter_is_asked_for_its_generation_alone():
    conversation, _ = talk(GoodWeHistory.period_energies.flow("P", "2026-05"))
    sent, days = script(conversation, [answer({"lines": [], "modelData": {}}), bars(date(2026, 5, 1), 31, 2.5)])
    assert [b'"chartIndexId":"8"' in sent[0].body, b'"chartIndexId":"3"' in sent[1].body] == [True, True]
    assert days[0].values == {"pv_energy": 2.5}


def test_a_plant_without_a_chart_has_its_ac_power_in_month_first_dates():
    conversation, _ = talk(GoodWeHistory.day_curve.flow("P", "2026-06-05"))
    pacs = [{"date": "06/05/2026 11:55:00", "pac": 512.0}, {"date": "06/05/2026 12:00:00", "pac": None}]
    _, curve = script(conversation, [answer({"lines": [], "generateData": []}), answer({"pacs": pacs})])
    assert [one.values for one in curve] == [{"ac_power": 512.0}, {"ac_power": None}]
    assert curve[0].moment == datetime(2026, 6, 5, 9, 55, tzinfo=UTC)


@pytest.mark.parametrize("form", ["05/06/2026", "06/05/2026", "06.05.2026", "2026-06-05"])
def test_an_accounts_own_date_format_needs_no_guess(form):
    conversation, _ = talk(GoodWeHistory.inverter_curve.flow("P", "SN", "2026-06-05"))
    column = [{"date": f"{form} 12:05:00", "column": 431.0}]
    _, curve = script(conversation, [answer({"column1": column})])
    assert [one.moment for one in curve] == [datetime(2026, 6, 5, 10, 5, tzinfo=UTC)]


def test_the_offset_of_a_plant_is_asked_once_a_day():
    conversation, session = talk(GoodWeHistory.period_energies.flow("P", "2026-06"), zone=None)
    detail = answer({"info": {"time_span": -2.0}, "kpi": {}})
    script(conversation, [detail, bars(date(2026, 5, 22), 31)])
    again = AccountProtocol(GoodWeProtocol(), session, None).execute(
        GoodWeHistory.period_energies.flow("P", "2026-06"), NOON
    )
    sent, _ = script(again, [bars(date(2026, 5, 22), 31)])
    assert len(sent) == 1


@pytest.mark.parametrize("written", ["", None, "2021-03-15 02:30:05"])
def test_a_plant_whose_portal_names_no_first_day_has_none(written):
    conversation, _ = talk(GoodWeHistory.first_day.flow("P"))
    assert script(conversation, [answer({"info": {"create_time": written}, "kpi": {}})])[1] is None


def test_a_plants_first_day_is_the_one_on_its_own_wall():
    conversation, _ = talk(GoodWeHistory.first_day.flow("P"))
    _, first = script(conversation, [answer({"info": {"create_time": "03/15/2021 05:30:05"}, "kpi": {}})])
    assert first == date(2021, 3, 14)  # 05:30 in China was 23:30 the day before, two hours ahead of UTC


def test_a_plant_without_a_clock_is_told_as_such():
    conversation, _ = talk(GoodWeHistory.day_curve.flow("P", "2026-06-05"), zone=None)
    with pytest.raises(e.Unreadable, match="time zone"):
        script(conversation, [answer({"info": {"stationname": "Roof"}, "kpi": {}})])


def test_years_are_asked_one_by_one_until_one_had_nothing():
    def year(label, value):
        rows = [{"item": "proSystemTotalStats", "unit": "kWh", "statisticsList": [{"date": label, "val": value}]}]
        return reply({"code": "00000", "description": "success", "data": {"dataList": rows}})

    conversation, _ = talk(GoodWeHistory.period_energies.flow("P"), "plus")
    sent, years = script(conversation, [year("2026", 900), year("2025", 2100.5), year("2024", 0)])
    assert [(one.period, one.values) for one in years] == [
        ("2025", {"pv_energy": 2100.5}),
        ("2026", {"pv_energy": 900.0}),
    ]
    assert b'"startTime":"2026-01-01 00:00:00","endTime":"2026-06-21 23:59:59"' in sent[0].body


@pytest.mark.parametrize("period", ["2026-13", "26", "2026-06-21", "June", "9999"])
def test_what_is_no_period_is_refused_before_anything_is_sent(period):
    conversation, _ = talk(GoodWeHistory.period_energies.flow("P", period))
    with pytest.raises(e.ConfigError, match="period"):
        next(conversation)


def test_the_bounds_of_a_leap_february_and_a_december():
    assert period_range("2028-02") == (date(2028, 2, 1), date(2028, 2, 29))
    assert period_range("2026-12")[1] == period_range("2026")[1] == date(2026, 12, 31)


WALL = LocalDay(date(2026, 6, 5), SUMMER, datetime(2026, 6, 6, tzinfo=UTC))


def chart(key, unit, *heights):
    xy = [{"x": f"{5 * place // 60:02}:{5 * place % 60:02}", "y": height} for place, height in enumerate(heights)]
    return said.PowerChart({"lines": [{"key": key, "unit": unit, "xy": xy}]})


def test_a_hole_in_a_curve_is_none_and_no_zero():
    curve = charts.chart_curve(chart("PCurve_Power_Meter", "W", 100, None, -50), WALL)
    assert [one.values["grid_power"] for one in curve] == [-100.0, None, 50.0]


def test_a_line_in_kilowatts_is_read_in_watts():
    (one,) = charts.chart_curve(chart("PCurve_Power_Load", "kW", 1.25), WALL)
    assert one.values["load_power"] == 1250.0


def test_a_line_in_an_unknown_unit_is_not_guessed():
    with pytest.raises(e.Unreadable, match="furlong"):
        charts.chart_curve(chart("PCurve_Power_PV", "furlong", 1), WALL)


def test_sems_plus_curves_have_our_signs():
    rows = [{"item": "pGrid", "statisticsList": [{"tp": "2026-06-05 12:00:00", "power": 0.149}]}]
    (one,) = charts.plus_curve(plus.PowerCurves({"dataList": rows}), WALL)
    assert (one.moment.hour, one.values) == (10, {"grid_power": -149.0})
