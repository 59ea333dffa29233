"""Charts of Growatt in odd shapes: zeros that are none, keys that are no time, midnight, and what is no answer.

The scripted answers are our own, made from the shapes described in docs/clouds/growatt.md.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from heliograph import errors as e
from heliograph.local_time import LocalDay
from heliograph.metrics import ENERGIES
from heliograph.model import HistoryCost
from heliograph.vendors.growatt import charts
from heliograph.vendors.growatt.composite import GrowattHistory
from heliograph.vendors.growatt.payloads import devices as dev
from support.growatt_script import arguments, logged_in, paths, settings
from support.protocol_script import NOON, reply, script

SUMMER = timezone(timedelta(hours=2))


def ask(plan, *devices, zone=None):
    """Return a conversation about a plant of these devices, and the replies that name them and its clock."""
    rows = [{"deviceSn": serial, "deviceType": family} for serial, family in devices]
    return logged_in(zone=zone).execute(plan, NOON), [settings(2), reply({"invList": rows})]


def day(chart, *devices):
    """Return a day of a plant of one device whose chart is this one."""
    talk, known = ask(GrowattHistory.day_curve.flow("1", "2026-06-20"), *(devices or [("SN", "tlx")]))
    return script(talk, [*known, chart])


def month(answer, *devices):
    talk, known = ask(GrowattHistory.period_energies.flow("1", "2026-05"), *(devices or [("SN", "tlx")]))
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
    with pytest.raises(e.RequestRefused) as caught:
        day(reply({"result": 0, "obj": None, "msg": "504"}), ("SN", "mix"))
    assert caught.value.code == "504"


def test_a_plant_that_is_not_the_accounts_is_refused_without_a_request():
    for plan in (
        GrowattHistory.day_curve.flow("7", "2026-06-20"),
        GrowattHistory.period_energies.flow("7"),
        GrowattHistory.first_day.flow("7"),
        GrowattHistory.history_cost.flow("7"),
    ):
        with pytest.raises(e.RequestRefused, match="no plant"):
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
    wall = LocalDay(date(2026, 6, 21), SUMMER, midnight)
    point = {"ppv": 0, "sysOut": 0.5, "pacToUser": 0.5}
    whole = dev.ProdCons({"chartData": {"00:00": point, "12:00": point, "23:55": point}})
    assert charts.tlx_curve(whole, wall) == {}
    begun = dev.ProdCons({"chartData": {"00:00": point}})
    assert list(charts.tlx_curve(begun, wall)) == [datetime(2026, 6, 20, 22, tzinfo=UTC)]


def test_a_point_some_minutes_ahead_is_still_to_come():
    wall = LocalDay(date(2026, 6, 21), SUMMER, datetime(2026, 6, 21, 10, 2, tzinfo=UTC))
    chart = dev.ProdCons({"chartData": {"12:00": {"ppv": 1}, "12:05": {"ppv": 1}}})
    assert list(charts.tlx_curve(chart, wall)) == [datetime(2026, 6, 21, 10, tzinfo=UTC)]


def test_keys_that_are_no_time_of_the_day_are_passed_over():
    chart = {"date": "2026-06-20", "24:00": {"ppv": 1}, "12:61": {"ppv": 1}, "noon": {"ppv": 1}, "9:5": {"ppv": 1}}
    assert day(reply({"result": 1, "obj": {"chartData": chart}}))[1] == ()


def test_a_classic_inverters_zero_is_a_sample_and_another_days_stamp_is_none():
    stamps = {"2026-06-19 23:55": 5, "2026-06-20 05:10": 0, "2026-06-20 12:00": 623.2000122070312, "x": 1}
    sent, curve = day(reply({"invPacData": stamps}), ("SN", "inverter"))
    assert arguments(sent[-1]).items() >= {"op": "getInverterData", "type": "1", "date": "2026-06-20"}.items()
    assert [(one.moment.hour, one.values["pv_power"]) for one in curve] == [(3, 0.0), (10, 623.200012)]


def test_a_noah_is_asked_for_the_day_after_and_a_wrapped_load_is_a_gap():
    talk, (clock, _) = ask(GrowattHistory.day_curve.flow("1", "2026-06-20"))
    empty = reply({"deviceList": []})
    noah = reply({"result": 1, "obj": {"isPlantNoahSystem": True, "deviceSn": "N1"}})
    load = [{"ppv": "350", "pac": "150", "totalHouseholdLoad": text} for text in ("403", "65488")]
    chart = reply({"result": 1, "obj": {"12:00": load[0], "12:05": load[1]}})
    sent, curve = script(talk, [clock, empty, empty, noah, chart])
    assert arguments(sent[-1]) == {"deviceSn": "N1", "date": "2026-06-21"}
    assert [one.values["load_power"] for one in curve] == [403.0, None]


def test_devices_are_added_up_and_what_one_of_them_does_not_tell_is_a_gap():
    talk, known = ask(GrowattHistory.day_curve.flow("1", "2026-06-20"), ("A", "tlx"), ("B", "tlx"), ("C", "tlx"))
    first = drawn(at_1200={"ppv": 1.0}, at_1205={"ppv": 1.1})
    second = drawn(at_1200={"ppv": 0.5}, at_1205={"ppv": 0})
    sent, curve = script(talk, [*known, first, second, drawn(at_1200={"ppv": 0})])
    assert [arguments(one)["id"] for one in sent[2:]] == ["A", "B", "C"]
    # C told nothing all day and may not have been there yet; B was away at 12:05.
    assert [one.values["pv_power"] for one in curve] == [1500.0, None]


def test_the_portal_is_asked_once_for_all_storages_of_a_plant():
    talk, known = ask(
        GrowattHistory.day_curve.flow("1", "2026-06-20"), ("A", "storage"), ("B", "storage"), ("M", "mix")
    )
    chart = {"12:05": {"ppv": "0.8", "sysOut": "0.3", "userLoad": "0", "pacToUser": "0.1"}}
    sent, (one,) = script(talk, [*known, reply({"chartData": chart, "chartDataUnit": "kW"})])
    assert paths(sent[2:]) == ["newPlantAPI.do"]
    assert one.values == {"pv_power": 800.0, "load_power": 300.0}


def test_a_family_without_a_known_chart_has_no_curve_and_costs_nothing():
    talk, known = ask(GrowattHistory.day_curve.flow("1", "2026-06-20"), ("SN", "max"))
    assert script(talk, known)[1] == ()
    talk, (_, devices) = ask(GrowattHistory.history_cost.flow("1"), ("SN", "max"))
    assert script(talk, [devices])[1] == HistoryCost(
        curve=0, days=1, months=1, years=1, unreported=frozenset(ENERGIES) - {"pv_energy"}
    )


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
    talk, known = ask(GrowattHistory.period_energies.flow("1", "2026-05"), ("M", "mix"), ("T", "tlx"))
    chart = reply({"chartData": {"ppv": ["2"], "sysOut": ["8"], "userLoad": ["0"], "pacToUser": ["1"]}})
    _, (one,) = script(talk, [*known, chart, bars(_01="5.5")])
    assert (one.values["pv_energy"], one.values["load_energy"]) == (5.5, 8.0)


def test_a_plant_older_than_the_chart_is_asked_on():
    talk, known = ask(GrowattHistory.period_energies.flow("1"), ("SN", "tlx"))
    newer = {f"_{year}": "900" for year in range(2021, 2027)}
    sent, years = script(talk, [*known, bars(**newer), bars(_2015="0", _2019="100", _2020="800")])
    assert [arguments(one)["date"] for one in sent[2:]] == ["2026", "2020"]
    assert [one.period for one in years] == ["2019", "2020", *(str(year) for year in range(2021, 2027))]


def test_clock_and_devices_are_asked_again_after_a_day():
    talk = logged_in()
    plan = GrowattHistory.day_curve.flow
    devices = reply({"invList": [{"deviceSn": "SN", "deviceType": "tlx"}]})
    chart, later = drawn(), NOON + 90_000
    script(talk.execute(plan("1", "2026-06-20"), NOON), [settings(2), devices, chart])
    sent, _ = script(talk.execute(plan("1", "2026-06-19"), NOON + 3600), [chart._replace(received_at=NOON + 3600)])
    assert paths(sent) == ["newTlxApi.do"]
    anew = [one._replace(received_at=later) for one in (settings(2), devices, chart)]
    sent, _ = script(talk.execute(plan("1", "2026-06-18"), later), anew)
    assert paths(sent) == ["newPlantAPI.do", "newTwoPlantAPI.do", "newTlxApi.do"]


def test_a_plant_without_a_clock_is_told_as_such():
    talk, _ = ask(GrowattHistory.day_curve.flow("1", "2026-06-20"))
    with pytest.raises(e.Unreadable, match="time zone"):
        script(talk, [settings(None)])


@pytest.mark.parametrize("written", ["", None, "never", "2024-13-01"])
def test_a_plant_without_a_first_day_has_none(written):
    talk, _ = ask(GrowattHistory.first_day.flow("1"))
    assert script(talk, [reply({"id": 1, "timezone": 2, "createDateText": written})])[1] is None


def test_what_is_no_day_and_no_period_is_refused_before_anything_is_sent():
    with pytest.raises(e.ConfigError, match="day"):
        next(ask(GrowattHistory.day_curve.flow("1", "June"))[0])
    with pytest.raises(e.ConfigError, match="period"):
        next(ask(GrowattHistory.period_energies.flow("1", "June"))[0])
