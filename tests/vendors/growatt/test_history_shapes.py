"""Growatt charts with unusual content: filler zeros, invalid keys, midnight, and malformed responses.

The scripted responses are synthetic, made from the formats described in docs/clouds/growatt.md.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from heliograph import errors as e
from heliograph.local_time import LocalDay
from heliograph.metrics import ENERGIES
from heliograph.model import HistoryCost
from heliograph.vendors.growatt import GrowattCalls, auth, charts
from heliograph.vendors.growatt.composite import GrowattHistory
from heliograph.vendors.growatt.payloads import devices as dev
from support.growatt_script import arguments, logged_in, paths, settings
from support.protocol_script import NOON, reply, script

SUMMER = timezone(timedelta(hours=2))


def ask(plan, *devices, zone=None):
    """Return the flow of a call for a plant of these devices, and the replies with its UTC offset and devices."""
    rows = [{"deviceSn": serial, "deviceType": family} for serial, family in devices]
    return logged_in(zone=zone).execute(plan, NOON), [settings(2), reply({"invList": rows})]


def day(chart, *devices):
    """Return the requests and day curve of a plant whose device has this chart."""
    flow, known = ask(GrowattHistory.day_curve.flow("1", "2026-06-20"), *(devices or [("SN", "tlx")]))
    return script(flow, [*known, chart])


def month(answer, *devices):
    flow, known = ask(GrowattHistory.period_energies.flow("1", "2026-05"), *(devices or [("SN", "tlx")]))
    return script(flow, [*known, answer])[1]


def chart_of(**points):
    """Return a chart; `at_1205` is the point of 12:05."""
    chart = {f"{name[3:5]}:{name[5:7]}": point for name, point in points.items()}
    return reply({"result": 1, "obj": {"chartData": chart}, "msg": ""})


def bars(**energies):
    return reply({"back": {"success": True, "data": {name[1:]: text for name, text in energies.items()}}})


def test_day_curve_request_names_plant_device_and_day():
    sent, _ = day(chart_of())
    assert paths(sent) == ["newPlantAPI.do", "newTwoPlantAPI.do", "newTlxApi.do"]
    expected = {"plantId": "1", "id": "SN", "type": "0", "date": "2026-06-20"}
    assert arguments(sent[-1]).items() >= expected.items()


@pytest.mark.parametrize("answer", [chart_of(), reply({"result": 1, "obj": {"chartData": None}, "msg": ""})])
def test_empty_chart_gives_no_samples(answer):
    assert day(answer)[1] == ()


@pytest.mark.parametrize("inside", [{}, {"chartData": []}, {"chartData": "none"}])
def test_response_without_a_chart_is_unreadable(inside):
    with pytest.raises(e.Unreadable, match="chart"):
        day(reply({"result": 1, "obj": inside, "msg": ""}))


def test_list_instead_of_bars_is_unreadable():
    with pytest.raises(e.Unreadable, match="chart"):
        month(reply({"back": {"success": True, "data": []}}))


def test_refused_chart_raises():
    with pytest.raises(e.RequestRefused) as caught:
        day(reply({"result": 0, "obj": None, "msg": "504"}), ("SN", "mix"))
    assert caught.value.code == "504"


def test_plant_of_another_account_is_refused_without_a_request():
    for plan in (
        GrowattHistory.day_curve.flow("7", "2026-06-20"),
        GrowattHistory.period_energies.flow("7"),
        GrowattHistory.first_day.flow("7"),
        GrowattHistory.history_cost.flow("7"),
    ):
        with pytest.raises(e.RequestRefused, match="no plant"):
            next(ask(plan)[0])


def test_filler_zeros_are_not_samples():
    zeros = dict.fromkeys(("chargePower", "outP", "pacToGrid", "pacToUser", "pex", "ppv", "pself", "sysOut"), 0)
    sun = zeros | {"ppv": 1.25, "chargePower": 1.25}
    _, curve = day(chart_of(at_0000=zeros, at_1155=sun, at_1200=zeros, at_1205=sun, at_2355=zeros))
    assert [sample.moment.astimezone(SUMMER).strftime("%H:%M") for sample in curve] == ["11:55", "12:05"]
    # No meter and no battery: the charge power repeats the PV power.
    assert curve[0].values == {"pv_power": 1250.0}


def test_meter_without_battery_gives_no_battery_power():
    point = {"ppv": 2.0, "chargePower": 2.0, "sysOut": 0.5, "pacToGrid": 1.5, "pacToUser": 0}
    _, (row,) = day(chart_of(at_1200=point))
    assert row.values == {"pv_power": 2000.0, "load_power": 500.0, "grid_power": -1500.0}


def test_tlx_battery_discharge_is_derived_from_the_balance():
    charging = {"ppv": 3.0, "chargePower": 1.5, "sysOut": 0.5, "pacToGrid": 1.0, "pacToUser": 0}
    giving = {"ppv": 0, "chargePower": 0, "sysOut": 0.8, "pacToGrid": 0, "pacToUser": 0.2}
    idle = {"ppv": 0, "chargePower": 0, "sysOut": 0.81, "pacToGrid": 0, "pacToUser": 0.8}
    _, curve = day(chart_of(at_1200=charging, at_2200=giving, at_2300=idle))
    assert [sample.values["battery_power"] for sample in curve] == [-1500.0, 600.0, 0.0]


def test_mix_battery_charge_is_derived_from_the_balance():
    charging = {"ppv": "3", "pdischarge": "0", "sysOut": "0.5", "pacToGrid": "1", "pacToUser": "0"}
    giving = {"ppv": "0", "pdischarge": "0.6", "sysOut": "0.8", "pacToGrid": "0", "pacToUser": "0.2"}
    gap = {"ppv": "1", "pdischarge": "0", "sysOut": "--", "pacToGrid": "0", "pacToUser": "0"}
    _, curve = day(chart_of(at_1200=charging, at_2200=giving, at_2300=gap), ("SN", "mix"))
    assert [sample.values["battery_power"] for sample in curve] == [-1500.0, 600.0, None]
    assert curve[2].values == {"pv_power": 1000.0, "load_power": None, "grid_power": 0.0, "battery_power": None}


def test_reported_battery_direction_is_not_contradicted_by_the_balance():
    still = {"ppv": "1", "pdischarge": "0", "sysOut": "2", "pacToGrid": "0", "pacToUser": "0"}
    assert day(chart_of(at_1200=still), ("SN", "mix"))[1][0].values["battery_power"] == 0.0
    taking = {"ppv": 1, "chargePower": 0, "sysOut": 0.2, "pacToGrid": 0, "pacToUser": 0}
    assert day(chart_of(at_1200=taking))[1][0].values["battery_power"] == 0.0


def test_yesterdays_chart_just_after_midnight_is_dropped():
    midnight = datetime(2026, 6, 20, 22, 3, tzinfo=UTC)
    local_day = LocalDay(date(2026, 6, 21), SUMMER, midnight)
    point = {"ppv": 0, "sysOut": 0.5, "pacToUser": 0.5}
    whole = dev.ProdCons({"chartData": {"00:00": point, "12:00": point, "23:55": point}})
    assert charts.tlx_curve(whole, local_day) == {}
    begun = dev.ProdCons({"chartData": {"00:00": point}})
    assert list(charts.tlx_curve(begun, local_day)) == [datetime(2026, 6, 20, 22, tzinfo=UTC)]


def test_point_some_minutes_ahead_is_dropped():
    local_day = LocalDay(date(2026, 6, 21), SUMMER, datetime(2026, 6, 21, 10, 2, tzinfo=UTC))
    chart = dev.ProdCons({"chartData": {"12:00": {"ppv": 1}, "12:05": {"ppv": 1}}})
    assert list(charts.tlx_curve(chart, local_day)) == [datetime(2026, 6, 21, 10, tzinfo=UTC)]


def test_chart_keys_that_are_not_times_are_ignored():
    chart = {"date": "2026-06-20", "24:00": {"ppv": 1}, "12:61": {"ppv": 1}, "noon": {"ppv": 1}, "9:5": {"ppv": 1}}
    assert day(reply({"result": 1, "obj": {"chartData": chart}}))[1] == ()


def test_classic_inverter_zero_is_a_sample_and_other_days_are_ignored():
    stamps = {"2026-06-19 23:55": 5, "2026-06-20 05:10": 0, "2026-06-20 12:00": 623.2000122070312, "x": 1}
    sent, curve = day(reply({"invPacData": stamps}), ("SN", "inverter"))
    assert arguments(sent[-1]).items() >= {"op": "getInverterData", "type": "1", "date": "2026-06-20"}.items()
    assert [(sample.moment.hour, sample.values["pv_power"]) for sample in curve] == [(3, 0.0), (10, 623.200012)]


def test_noah_chart_requests_the_day_after_and_a_wrapped_load_is_none():
    flow, (clock, _) = ask(GrowattHistory.day_curve.flow("1", "2026-06-20"))
    empty = reply({"deviceList": []})
    noah = reply({"result": 1, "obj": {"isPlantNoahSystem": True, "deviceSn": "N1"}})
    load = [{"ppv": "350", "pac": "150", "totalHouseholdLoad": text} for text in ("403", "65488")]
    chart = reply({"result": 1, "obj": {"12:00": load[0], "12:05": load[1]}})
    sent, curve = script(flow, [clock, empty, empty, noah, chart])
    assert arguments(sent[-1]) == {"deviceSn": "N1", "date": "2026-06-21"}
    assert [sample.values["load_power"] for sample in curve] == [403.0, None]


def test_day_curve_sums_devices_and_missing_values_are_none():
    flow, known = ask(GrowattHistory.day_curve.flow("1", "2026-06-20"), ("A", "tlx"), ("B", "tlx"), ("C", "tlx"))
    first = chart_of(at_1200={"ppv": 1.0}, at_1205={"ppv": 1.1})
    second = chart_of(at_1200={"ppv": 0.5}, at_1205={"ppv": 0})
    sent, curve = script(flow, [*known, first, second, chart_of(at_1200={"ppv": 0})])
    assert [arguments(request)["id"] for request in sent[2:]] == ["A", "B", "C"]
    # C reports zeros all day and is treated as absent; B has a gap at 12:05.
    assert [sample.values["pv_power"] for sample in curve] == [1500.0, None]


def test_portal_chart_is_requested_once_for_all_storages():
    flow, known = ask(
        GrowattHistory.day_curve.flow("1", "2026-06-20"), ("A", "storage"), ("B", "storage"), ("M", "mix")
    )
    chart = {"12:05": {"ppv": "0.8", "sysOut": "0.3", "userLoad": "0", "pacToUser": "0.1"}}
    sent, (row,) = script(flow, [*known, reply({"chartData": chart, "chartDataUnit": "kW"})])
    assert paths(sent[2:]) == ["newPlantAPI.do"]
    assert row.values == {"pv_power": 800.0, "load_power": 300.0}


def test_family_without_a_chart_has_no_curve_and_no_cost():
    flow, known = ask(GrowattHistory.day_curve.flow("1", "2026-06-20"), ("SN", "max"))
    assert script(flow, known)[1] == ()
    flow, (_, devices) = ask(GrowattHistory.history_cost.flow("1"), ("SN", "max"))
    assert script(flow, [devices])[1] == HistoryCost(
        curve=0, days=1, months=1, years=1, unreported=frozenset(ENERGIES) - {"pv_energy"}
    )


def test_zero_bar_is_not_a_day():
    days = month(bars(_01="13.5", _02="0", _03="0.0", _04="--", _05=7, _31="1.2 MWh", _32="9"))
    assert [(day.period, day.values["pv_energy"]) for day in days] == [
        ("2026-05-01", 13.5),
        ("2026-05-05", 7.0),
        ("2026-05-31", 1200.0),
    ]
    assert month(bars()) == ()


def test_dark_day_with_a_load_is_a_day():
    chart = {
        "ppv": ["0", "1.5", "0"],
        "sysOut": ["8.1", "7", "0"],
        "userLoad": ["0", "0", "0"],
        "pacToUser": ["0", "1"],
    }
    days = month(reply({"chartData": chart}), ("SN", "mix"))
    assert [day.period for day in days] == ["2026-05-01", "2026-05-02"]
    assert days[0].values == {
        "pv_energy": 0.0,
        "load_energy": 8.1,
        "grid_export_energy": 0.0,
        "battery_discharge_energy": 0.0,
    }


def test_month_chart_without_bars_is_unreadable():
    with pytest.raises(e.Unreadable, match="bars"):
        month(reply({"chartData": {"12:05": {"ppv": "0.8"}}}), ("SN", "mix"))


def test_pv_energy_beside_a_storage_comes_from_the_plants_bars():
    flow, known = ask(GrowattHistory.period_energies.flow("1", "2026-05"), ("M", "mix"), ("T", "tlx"))
    chart = reply({"chartData": {"ppv": ["2"], "sysOut": ["8"], "userLoad": ["0"], "pacToUser": ["1"]}})
    _, (row,) = script(flow, [*known, chart, bars(_01="5.5")])
    assert (row.values["pv_energy"], row.values["load_energy"]) == (5.5, 8.0)


def test_years_of_an_old_plant_take_more_requests():
    flow, known = ask(GrowattHistory.period_energies.flow("1"), ("SN", "tlx"))
    newer = {f"_{year}": "900" for year in range(2021, 2027)}
    sent, years = script(flow, [*known, bars(**newer), bars(_2015="0", _2019="100", _2020="800")])
    assert [arguments(request)["date"] for request in sent[2:]] == ["2026", "2020"]
    assert [year.period for year in years] == ["2019", "2020", *(str(year) for year in range(2021, 2027))]


def test_offset_and_devices_are_refreshed_daily():
    flow = logged_in()
    plan = GrowattHistory.day_curve.flow
    devices = reply({"invList": [{"deviceSn": "SN", "deviceType": "tlx"}]})
    chart, later = chart_of(), NOON + 90_000
    script(flow.execute(plan("1", "2026-06-20"), NOON), [settings(2), devices, chart])
    sent, _ = script(flow.execute(plan("1", "2026-06-19"), NOON + 3600), [chart._replace(received_at=NOON + 3600)])
    assert paths(sent) == ["newTlxApi.do"]
    refreshed = [response._replace(received_at=later) for response in (settings(2), devices, chart)]
    sent, _ = script(flow.execute(plan("1", "2026-06-18"), later), refreshed)
    assert paths(sent) == ["newPlantAPI.do", "newTwoPlantAPI.do", "newTlxApi.do"]


def test_plant_without_a_time_zone_is_unreadable():
    flow, _ = ask(GrowattHistory.day_curve.flow("1", "2026-06-20"))
    with pytest.raises(e.Unreadable, match="time zone"):
        script(flow, [settings(None)])


def test_reported_offset_is_rounded_to_whole_minutes():
    talk = logged_in()
    script(talk.execute(GrowattCalls.plant_settings.flow("1"), NOON), [settings("3.333")])
    assert str(auth.reported_zone(talk.session, "1")) == "UTC+03:20"


@pytest.mark.parametrize("written", ["", None, "never", "2024-13-01"])
def test_first_day_is_none_if_not_reported(written):
    flow, _ = ask(GrowattHistory.first_day.flow("1"))
    assert script(flow, [reply({"id": 1, "timezone": 2, "createDateText": written})])[1] is None


def test_invalid_day_or_period_is_rejected_before_a_request():
    with pytest.raises(e.ConfigError, match="day"):
        next(ask(GrowattHistory.day_curve.flow("1", "June"))[0])
    with pytest.raises(e.ConfigError, match="period"):
        next(ask(GrowattHistory.period_energies.flow("1", "June"))[0])
