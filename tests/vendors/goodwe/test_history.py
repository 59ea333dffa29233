"""Tests of the GoodWe history in both dialects, against the emulator and with scripted responses."""

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
from heliograph.vendors.goodwe import charts, history, resolve_server
from heliograph.vendors.goodwe.auth import GoodWeProtocol
from heliograph.vendors.goodwe.history import GoodWeHistory
from heliograph.vendors.goodwe.legacy import charts_payloads
from heliograph.vendors.goodwe.plus import payloads as plus
from support.history_fixtures import Past, flowed
from support.protocol_script import NOON, reply, script

BERLIN = ZoneInfo("Europe/Berlin")
FAMILIES = ("single", "hybrid", "meter", "several")
DIALECTS = ("legacy", "plus")
SUMMER = timezone(timedelta(hours=2))


class GoodWePast(Past):
    """History fixture whose client uses a given dialect."""

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


# Day curves


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_day_curve_integrates_to_the_daily_energies(family, dialect, noon):
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
def test_day_curve_is_the_same_in_both_dialects(family, noon):
    legacy, newer = (noon.client(dialect).day_curve(noon.plant(family), date(2026, 6, 20)) for dialect in DIALECTS)
    assert [one.moment for one in legacy] == [one.moment for one in newer]
    for one, other in zip(legacy, newer, strict=True):
        assert one.values.keys() == other.values.keys()
        assert one.values == pytest.approx(other.values, abs=1)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_future_samples_and_periods_are_absent(dialect, noon):
    client = noon.client(dialect)
    curve = client.day_curve(noon.plant("meter"), "2026-06-21")
    assert curve[-1].moment == datetime(2026, 6, 21, 10, 0, tzinfo=UTC)
    assert client.day_curve(noon.plant("meter"), "2026-06-22") == ()
    assert client.period_energies(noon.plant("meter"), "2026-07") == ()
    assert client.period_energies(noon.plant("meter"), "2026-06")[-1].period == "2026-06-21"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_day_curve_of_a_25_hour_day_has_300_samples(dialect, clocks_back):
    curve = clocks_back.client(dialect, zone=BERLIN).day_curve(clocks_back.plant("hybrid"), "2026-10-25")
    moments = [one.moment for one in curve]
    assert len(set(moments)) == len(moments) == 300
    assert moments[-1] - moments[0] == timedelta(hours=24, minutes=55)
    truth = clocks_back.truth("hybrid", "2026-10-25")
    assert flowed(curve, "load_power", 1) == pytest.approx(truth["load_energy"], abs=0.1)


def test_day_curve_uses_the_zone_name_of_sems_plus(clocks_back):
    curve = clocks_back.client("plus").day_curve(clocks_back.plant("hybrid"), "2026-07-01")
    assert curve[0].moment == datetime(2026, 6, 30, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("metric", "energy"), [("pv_power", "pv_energy"), ("pv_energy_today", "pv_energy"), ("battery_soc", None)]
)
def test_inverter_curve_matches_the_simulation(metric, energy, noon):
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


# Period energies


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_period_energies_of_days_months_and_years_add_up(family, dialect, noon):
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
def test_period_energies_are_the_same_in_both_dialects_and_match_the_simulation(family, noon):
    for period in ("2026-06", "2026"):
        legacy, newer = (noon.client(dialect).period_energies(noon.plant(family), period) for dialect in DIALECTS)
        assert legacy == newer
        for one in newer:
            truth = noon.truth(family, one.period)
            assert one.values == pytest.approx({name: truth[name] for name in one.values}, abs=0.01)
    assert set(newer[0].values) == set(truth)


def test_energy_month_of_an_inverter_excludes_today(noon):
    for row in noon.client("legacy").inverter_points(noon.plant("single")).inverters:
        assert row.energy_month + row.energy_today == pytest.approx(
            noon.truth("single", "2026-06")["pv_energy"], abs=0.1
        )
        assert row.energy_today > 0


def test_period_energies_fall_back_to_sems_plus():
    with GoodWePast.at("2026-10-01T12:02:00+02:00") as after:
        after.emulator.faults.set({"september": ""})
        client = after.client("legacy")
        days = client.period_energies(after.plant("meter"), "2026-09")
        assert len(days) == 30
        assert client.session.facts["dialect"] == "plus"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_first_day_is_known_in_both_dialects(dialect, noon):
    assert noon.client(dialect).first_day(noon.plant("single")) == date(2021, 3, 15)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_history_cost_matches_the_requests_sent(dialect, noon):
    client = noon.client(dialect)
    plant = noon.plant("hybrid")
    client.day_curve(plant, "2026-06-20")  # fetches the plant's time zone
    cost = client.history_cost(plant)
    for query, expected in (
        (lambda: client.day_curve(plant, "2026-06-19"), cost.curve),
        (lambda: client.period_energies(plant, "2026-05"), cost.days),
        (lambda: client.period_energies(plant, "2026"), cost.months),
        (lambda: client.period_energies(plant), cost.years),
    ):
        before = noon.emulator.log.as_dict()["clouds"]["goodwe"]["requests"]
        query()
        assert noon.emulator.log.as_dict()["clouds"]["goodwe"]["requests"] - before == expected


def test_async_client_returns_the_same_energies(noon):
    async def main():
        client = noon.client("plus", AsyncGoodWe)
        return await client.period_energies(noon.plant("hybrid"), "2026-06")

    assert asyncio.run(main()) == noon.client("plus").period_energies(noon.plant("hybrid"), "2026-06")


# Unusual responses, scripted


def run_flow(plan, dialect="legacy", zone=SUMMER):
    session = Session(resolve_server("eu"))
    session.alive, session.zone = True, zone
    session.token = {"uid": "1", "token": "2", "timestamp": 3}
    session.facts |= {"dialect": dialect, "open": dialect}
    return AccountProtocol(GoodWeProtocol(), session, Credentials("me", Secret("x"))).execute(plan, NOON), session


def response(data):
    return reply({"code": "0", "msg": "", "data": data})


def chart_response(first, days, height=1.0):
    """Return a chart response of `days` days from `first`."""
    xy = [{"x": f"{first + timedelta(days=ahead)}", "y": height, "z": None} for ahead in range(days)]
    return response({"lines": [{"name": "PVGeneration", "label": "Generation (kWh)", "unit": "kWh", "xy": xy}]})


def test_period_energies_fetch_the_days_before_a_short_window():
    flow, _ = run_flow(GoodWeHistory.period_energies.flow("P", "2026-05"))
    sent, days = script(flow, [chart_response(date(2026, 5, 3), 29), chart_response(date(2026, 4, 4), 29)])
    assert b'"date":"2026-05-02"' in sent[1].body
    assert [one.period for one in days] == [f"2026-05-{day:02}" for day in range(1, 32)]


def test_period_energies_omit_chart_days_after_today():
    flow, _ = run_flow(GoodWeHistory.period_energies.flow("P", "2026-06"))
    _, days = script(flow, [chart_response(date(2026, 6, 1), 30, 0.0)])
    assert days[-1].period == "2026-06-21"


def test_period_energies_without_meter_use_the_generation_chart():
    flow, _ = run_flow(GoodWeHistory.period_energies.flow("P", "2026-05"))
    sent, days = script(flow, [response({"lines": [], "modelData": {}}), chart_response(date(2026, 5, 1), 31, 2.5)])
    assert [b'"chartIndexId":"8"' in sent[0].body, b'"chartIndexId":"3"' in sent[1].body] == [True, True]
    assert days[0].values == {"pv_energy": 2.5}


def test_day_curve_without_chart_uses_the_ac_power_list():
    flow, _ = run_flow(GoodWeHistory.day_curve.flow("P", "2026-06-05"))
    pacs = [{"date": "06/05/2026 11:55:00", "pac": 512.0}, {"date": "06/05/2026 12:00:00", "pac": None}]
    _, curve = script(flow, [response({"lines": [], "generateData": []}), response({"pacs": pacs})])
    assert [one.values for one in curve] == [{"ac_power": 512.0}, {"ac_power": None}]
    assert curve[0].moment == datetime(2026, 6, 5, 9, 55, tzinfo=UTC)


@pytest.mark.parametrize("form", ["05/06/2026", "06/05/2026", "06.05.2026", "2026-06-05"])
def test_inverter_curve_parses_any_date_format(form):
    flow, _ = run_flow(GoodWeHistory.inverter_curve.flow("P", "SN", "2026-06-05"))
    column = [{"date": f"{form} 12:05:00", "column": 431.0}]
    _, curve = script(flow, [response({"column1": column})])
    assert [one.moment for one in curve] == [datetime(2026, 6, 5, 10, 5, tzinfo=UTC)]


def test_utc_offset_is_fetched_once_a_day():
    flow, session = run_flow(GoodWeHistory.period_energies.flow("P", "2026-06"), zone=None)
    detail = response({"info": {"time_span": -2.0}, "kpi": {}})
    script(flow, [detail, chart_response(date(2026, 5, 22), 31)])
    again = AccountProtocol(GoodWeProtocol(), session, None).execute(
        GoodWeHistory.period_energies.flow("P", "2026-06"), NOON
    )
    sent, _ = script(again, [chart_response(date(2026, 5, 22), 31)])
    assert len(sent) == 1


def test_utc_offset_is_rounded_to_whole_minutes():
    session = run_flow(GoodWeHistory.period_energies.flow("P", "2026-06"), zone=None)[1]
    flow = history._legacy_day(session, "P")
    next(flow)
    with pytest.raises(StopIteration) as returned:
        flow.send(charts_payloads.SemsPlantDetail({"info": {"time_span": "5.5001"}, "kpi": {}}))
    assert str(returned.value.value.zone) == "UTC-05:30"


@pytest.mark.parametrize("written", ["", None, "2021-03-15 02:30:05"])
def test_first_day_is_none_without_a_valid_create_time(written):
    flow, _ = run_flow(GoodWeHistory.first_day.flow("P"))
    assert script(flow, [response({"info": {"create_time": written}, "kpi": {}})])[1] is None


def test_first_day_is_in_plant_local_time():
    flow, _ = run_flow(GoodWeHistory.first_day.flow("P"))
    _, first = script(flow, [response({"info": {"create_time": "03/15/2021 05:30:05"}, "kpi": {}})])
    assert first == date(2021, 3, 14)  # 05:30 in China was 23:30 the day before, two hours ahead of UTC


def test_day_curve_without_a_time_zone_is_an_error():
    flow, _ = run_flow(GoodWeHistory.day_curve.flow("P", "2026-06-05"), zone=None)
    with pytest.raises(e.Unreadable, match="time zone"):
        script(flow, [response({"info": {"stationname": "Roof"}, "kpi": {}})])


def test_plus_years_are_fetched_until_an_empty_one():
    def year(label, value):
        rows = [{"item": "proSystemTotalStats", "unit": "kWh", "statisticsList": [{"date": label, "val": value}]}]
        return reply({"code": "00000", "description": "success", "data": {"dataList": rows}})

    flow, _ = run_flow(GoodWeHistory.period_energies.flow("P"), "plus")
    sent, years = script(flow, [year("2026", 900), year("2025", 2100.5), year("2024", 0)])
    assert [(one.period, one.values) for one in years] == [
        ("2025", {"pv_energy": 2100.5}),
        ("2026", {"pv_energy": 900.0}),
    ]
    assert b'"startTime":"2026-01-01 00:00:00","endTime":"2026-06-21 23:59:59"' in sent[0].body


@pytest.mark.parametrize("period", ["2026-13", "26", "2026-06-21", "June", "9999"])
def test_invalid_period_is_rejected_before_any_request(period):
    flow, _ = run_flow(GoodWeHistory.period_energies.flow("P", period))
    with pytest.raises(e.ConfigError, match="period"):
        next(flow)


def test_period_range_of_leap_february_and_december():
    assert period_range("2028-02") == (date(2028, 2, 1), date(2028, 2, 29))
    assert period_range("2026-12")[1] == period_range("2026")[1] == date(2026, 12, 31)


LOCAL_DAY = LocalDay(date(2026, 6, 5), SUMMER, datetime(2026, 6, 6, tzinfo=UTC))


def chart(key, unit, *heights):
    xy = [{"x": f"{5 * place // 60:02}:{5 * place % 60:02}", "y": height} for place, height in enumerate(heights)]
    return charts_payloads.PowerChart({"lines": [{"key": key, "unit": unit, "xy": xy}]})


def test_chart_curve_gap_is_none():
    curve = charts.chart_curve(chart("PCurve_Power_Meter", "W", 100, None, -50), LOCAL_DAY)
    assert [one.values["grid_power"] for one in curve] == [-100.0, None, 50.0]


def test_chart_curve_converts_kilowatts_to_watts():
    (one,) = charts.chart_curve(chart("PCurve_Power_Load", "kW", 1.25), LOCAL_DAY)
    assert one.values["load_power"] == 1250.0


def test_chart_curve_rejects_an_unknown_unit():
    with pytest.raises(e.Unreadable, match="furlong"):
        charts.chart_curve(chart("PCurve_Power_PV", "furlong", 1), LOCAL_DAY)


def test_plus_curve_has_the_common_signs():
    rows = [{"item": "pGrid", "statisticsList": [{"tp": "2026-06-05 12:00:00", "power": 0.149}]}]
    (one,) = charts.plus_curve(plus.PowerCurves({"dataList": rows}), LOCAL_DAY)
    assert (one.moment.hour, one.values) == (10, {"grid_power": -149.0})
