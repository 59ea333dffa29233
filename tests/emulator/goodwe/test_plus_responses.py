"""Tests of the emulated SEMS+ responses: they match the simulation and the portal, and settings are stored."""

from __future__ import annotations

import pytest

from heliograph.emulator.clouds.goodwe import EMULATION
from support.goodwe_emulator import EVENING, NIGHT, NOON, PLANT, PLUS_LIST, REMOTE, STATUS_FUNCTION, Caller, world


@pytest.fixture
def box():
    found = Caller(world())
    found.plus_login()
    return found


def factors(groups):
    return {row["code"]: row["data"] for group in groups for row in group["factors"]}


@pytest.mark.parametrize("start", [NOON, EVENING, NIGHT])
@pytest.mark.parametrize("family", EMULATION.families())
def test_flow_matches_the_simulation_and_omits_missing_parts(start, family):
    box = Caller(world(start))
    box.plus_login()
    site = box.plants[family]
    found = [home.values(box.emulator.world.uploaded_at()) for home in site.households]
    truth = {name: sum(row[name] for row in found) / 1000 for name in found[0] if name.endswith("_power")}
    flow = box.flow(family)["data"]
    if family in ("single", "several"):
        assert {name for name in flow if name.startswith("p")} == ({"pSystem", "pAc"} if start == NOON else set())
        assert bool(flow) == (start == NOON)
    else:
        assert flow["pGrid"] == pytest.approx(-truth["grid_power"])
        assert flow["pConsum"] == pytest.approx(truth["load_power"])
        assert ("pSystem" in flow) == (start == NOON)
        assert ("pBat" in flow) == ("soc" in flow) == (family == "hybrid")
        assert flow.get("pBat", 0.0) == pytest.approx(truth.get("battery_power", 0.0))
        assert flow["refreshTime"] == start[:15] + f"{int(start[15]) // 5 * 5}:00"
        sources = {source for source, sinks in flow["flows"].items() if sinks}
        powers = {"pSystem": flow.get("pSystem", 0), "pBat": flow.get("pBat", 0), "pGrid": -flow["pGrid"]}
        assert sources == {name for name, power in powers.items() if power > 0}
    if start == NOON:
        assert flow["pSystem"] == pytest.approx(truth["pv_power"])


@pytest.mark.parametrize(
    ("start", "flows"),
    [
        ("2026-06-21T08:02:00+02:00", {"pSystem": ["pConsum", "pBat"]}),
        (NOON, {"pSystem": ["pConsum", "pGrid"]}),
        (NIGHT, {"pBat": ["pConsum"]}),
        (EVENING, {"pGrid": ["pConsum"]}),
    ],
)
def test_flow_lists_the_sinks_of_every_source(start, flows):
    box = Caller(world(start))
    box.plus_login()
    assert box.flow("hybrid")["data"]["flows"] == flows


@pytest.mark.parametrize("start", [NOON, EVENING, NIGHT])
@pytest.mark.parametrize("family", EMULATION.families())
def test_plant_data_is_the_same_in_both_dialects(start, family):
    box = Caller(world(start))
    box.log_in()
    detail = box.detail(family)["data"]
    box.plus_login()
    row = next(one for one in box.ask(PLUS_LIST)["data"]["dataList"] if one["id"] == box.plants[family].id)
    assert row["name"] == detail["info"]["stationname"]
    assert row["pvInstallP"] == detail["info"]["capacity"]
    assert row["productionToday"] == detail["kpi"]["power"]
    assert row["productionTotal"] * 1000 == pytest.approx(detail["kpi"]["total_power"], abs=0.1)
    for one in detail["inverter"]:
        counted = factors(box.device(family, "telecounting", serial=one["sn"]))
        assert float(counted["proPvStatsToday"]) == one["eday"]
        assert float(counted["proPvStatsTotal"]) == one["etotal"]
        assert float(counted["proPvStatsMonth"]) == pytest.approx(one["emonth"] + one["eday"], abs=0.06)
        measured = factors(box.device(family, "telemetry", serial=one["sn"]))
        if measured["pAc"] is None:
            assert one["status"] == -1
        else:
            assert float(measured["pAc"]) * 1000 == pytest.approx(one["out_pac"], abs=1)
    flow = detail["powerflow"]
    if flow is not None:
        assert abs(box.flow(family)["data"]["pGrid"]) * 1000 == pytest.approx(float(flow["grid"][:-3]), abs=1)


def test_battery_of_a_hybrid_is_a_related_device(box):
    devices = box.inventory("hybrid")
    assert {row["deviceType"] for row in devices.values()} == {"INVERTER", "BATTERY_RACK", "DONGLE"}
    assert devices[box.plants["hybrid"].devices[0]] | {"status": 5, "subtype": "store"} in devices.values()
    (behind,) = box.device("hybrid", "relatedDevices")
    assert (behind["type"], behind["status"]) == ("BAT_SYS", 7)
    measured = factors(box.device("hybrid", "telemetry", "BAT_SYS", behind["sn"]))
    flow = box.flow("hybrid")["data"]
    assert float(measured["soc"]) == behind["soc"] == flow["soc"]
    assert float(measured["pBat"]) == behind["pbat"] == flow["pBat"]
    assert box.device("meter", "relatedDevices") == []
    rack = next(serial for serial, row in devices.items() if row["deviceType"] == "BATTERY_RACK")
    assert box.device("hybrid", "telemetry", "BATTERY_RACK", rack) == []


def test_smart_meter_agrees_with_the_flow(box):
    (meter,) = [sn for sn, row in box.inventory("meter").items() if row["deviceType"] == "SMART_METER"]
    measured = factors(box.device("meter", "telemetry", "SMART_METER", meter))
    assert float(measured["totalPac"]) == box.flow("meter")["data"]["pGrid"]
    counted = factors(box.device("meter", "telecounting", "SMART_METER", meter))
    truth = box.plants["meter"].households[0].values(box.emulator.world.uploaded_at())
    assert float(counted["proGridStatsTotal"]) == pytest.approx(truth["grid_export_energy_total"], abs=0.01)
    assert float(counted["proPurchaseStatsToday"]) == pytest.approx(truth["grid_import_energy_today"], abs=0.01)
    spans = [float(counted[f"proGridStats{span}"]) for span in ("Today", "Week", "Month", "Year", "Total")]
    assert spans == sorted(spans)


def test_information_returns_model_and_rated_power(box):
    told = {row["code"]: row["data"] for row in box.device("hybrid", "information")}
    assert (told["modelType"], told["ratedPower"], told["deviceType"]) == ("GW10K-ET", "10", "INVERTER_STORE")


def test_statistics_of_days_months_and_years_add_up(box):
    def series(answer):
        return {one["item"]: {row["date"]: row["val"] for row in one["statisticsList"]} for one in answer["dataList"]}

    days = series(box.statistics("hybrid", "2026-05-01", "2026-05-31", "day")["data"])
    months = series(box.statistics("hybrid", "2026-01-01", "2026-12-31", "month")["data"])
    years = series(box.statistics("hybrid", "2026-01-01", "2026-12-31", "year")["data"])
    assert len(days["proConsumStats"]) == 31
    assert list(months["proGridStats"]) == [f"2026-{month:02}" for month in range(1, 7)]
    for item, one in days.items():
        assert sum(one.values()) == pytest.approx(months[item]["2026-05"], abs=0.2)
        assert sum(months[item].values()) == pytest.approx(years[item]["2026"], abs=0.1)


def test_statistics_sums_are_consistent(box):
    sums = box.statistics("hybrid", "2026-06-20", "2026-06-20", "day")["data"]
    assert sums["production"] == pytest.approx(sums["proSelfConsum"] + sums["proGrid"], abs=0.02)
    assert sums["contributionRate"] == pytest.approx(100 * sums["proSelfConsum"] / sums["proConsum"], abs=0.1)
    assert sums["dataList"][3]["statisticsList"][0]["val"] != sums["production"]
    fields = {"stationId": box.plants["hybrid"].id, "dimension": "day", "items": []}
    range_ = {"startTime": "2026-06-20 00:00:00", "endTime": "2026-06-20 23:59:59"}
    flat = box.ask("/web/sems/sems-plant/api/stations/production", {**fields, **range_})["data"]
    assert (flat["proGrid"], flat["currency"]) == (sums["proGrid"], "EUR")
    assert box.statistics("hybrid", "2026-06-20", "2026-06-20", "total")["code"] == "S0327"


def test_statistics_without_meter_have_no_grid_energies(box):
    told = box.statistics("single", "2026-06-20", "2026-06-20", "day")["data"]
    assert [one["item"] for one in told["dataList"]] == ["proSystemTotalStats"]
    assert "proConsum" not in told


def test_power_curves_end_now_and_match_the_portal(box):
    site = box.plants["hybrid"]
    day = {"startTime": "2026-06-21 00:00:00", "endTime": "2026-06-21 23:59:59", "timeScale": 1, "timeZone": 2}
    fields = {"stationId": site.id, "items": ["pSystem", "pGrid", "soc"], **day}
    told = box.ask("/web/sems/sems-plant/api/v1/hems/power/statisticsAndPreV2", fields)["data"]["dataList"]
    curves = {one["item"]: {row["tp"]: row["power"] for row in one["statisticsList"]} for one in told}
    assert list(curves["soc"])[-1] == "2026-06-21 12:00:00"
    assert len(curves["pGrid"]) == 145
    box.log_in()
    chart = box.ask("/api/v2/Charts/GetPlantPowerChart", {"id": site.id, "date": "2026-06-21"})["data"]
    lines = {line["key"]: {point["x"]: point["y"] for point in line["xy"]} for line in chart["lines"]}
    for key, item in (("PCurve_Power_PV", "pSystem"), ("PCurve_Power_Meter", "pGrid")):
        for moment, power in curves[item].items():
            assert lines[key][moment[11:16]] == pytest.approx(power * 1000, abs=0.6)
    assert lines["PCurve_Power_SOC"]["12:05"] is None


def test_portal_charts_end_on_the_requested_day(box):
    box.log_in()
    site = box.plants["hybrid"]
    for span, first, last, count in (
        (1, "2026-06-20", "2026-06-20", 1),
        (2, "2026-05-21", "2026-06-20", 31),
        (3, "2025-07", "2026-06", 12),
        (4, "2022", "2026", 5),
    ):
        fields = {"id": site.id, "date": "2026-06-20", "range": span, "chartIndexId": "8"}
        data = box.ask("/api/v2/Charts/GetChartByPlant", fields)["data"]
        line = next(one for one in data["lines"] if one["name"] == "PVGeneration")
        told = [point["x"] for point in line["xy"]]
        assert (told[0], told[-1], len(told)) == (first, last, count)
        assert data["modelData"]["sum"] == pytest.approx(sum(point["y"] for point in line["xy"]), abs=0.2)


# Settings


def test_written_setting_is_read_back(box):
    site = box.plants["hybrid"]
    functions = {"47545": "2013217017330515970", "47546": "1991791639537946635"}
    asked = {"sn": site.devices[0], "addresses": list(functions), "addrFuncMap": functions}
    read = REMOTE + "get-cache-device-function-parameters"
    assert box.ask(read, asked)["data"] == {"47545": "0", "47546": "100"}
    written = {"sn": site.devices[0], "plantId": site.id, "addressMap": {"47545": 1, "47546": 80}}
    answer = box.ask(REMOTE + "setDeviceFunctionParameters", {**written, "addrFuncMap": functions})
    assert (answer["code"], "data" in answer) == ("00000", False)
    assert box.ask(read, asked)["data"] == {"47545": "1", "47546": "80"}


@pytest.mark.parametrize(
    ("address", "value", "function"),
    [("80017", 9, STATUS_FUNCTION), ("80017", 2, "0"), ("80017", "x", STATUS_FUNCTION), ("12345", 1, STATUS_FUNCTION)],
)
def test_invalid_write_fails_and_changes_nothing(box, address, value, function):
    serial = box.plants["single"].devices[0]
    order = {"sn": serial, "addressMap": {address: value}, "addrFuncMap": {address: function}}
    assert box.ask(REMOTE + "setDeviceFunctionParameters", order)["code"] == "R0305"
    assert not any(box.plants["single"].settings.get(serial, {}).values())


def test_missing_register_cannot_be_read(box):
    asked = {"sn": box.plants["single"].devices[0], "addresses": ["47545"], "addrFuncMap": {}}
    assert box.ask(REMOTE + "get-cache-device-function-parameters", asked)["code"] == "read_fail"


def test_function_menus_list_the_writable_addresses(box):
    path = "/web/sems/sems-remote/api/v2/address/remote/getDeviceFunctionTabMenus"
    told = box.ask(path, {"sn": box.plants["single"].devices[0], "menuId": "1"})["data"]["functionMenus"]
    assert [(row["address"], row["functionId"]) for row in told] == [("80017", STATUS_FUNCTION)]


# Surviving calls of the portal


def test_overview_calls_agree_with_monitor_detail(box):
    box.log_in()
    for family, site in box.plants.items():
        big = box.detail(family)["data"]
        headline = box.detail(family, PLANT)["data"]
        assert headline["kpi"] == big["kpi"]
        assert headline["info"]["local_date"] == big["info"]["time"]
        flow = box.detail(family, "/api/v2/PowerStation/GetPowerflow")["data"]
        assert (flow["powerflow"], flow["hasPowerflow"]) == (big["powerflow"], big["hasPowerflow"])
        points = box.detail(family, "/api/v3/PowerStation/GetInverterAllPoint")["data"]
        assert points["count"] == len(site.devices)
        for small, row in zip(points["inverterPoints"], big["inverter"], strict=True):
            assert {name: small[name] for name in ("sn", "eday", "emonth", "etotal", "status")} == {
                name: row[name] for name in ("sn", "eday", "emonth", "etotal", "status")
            }
        told = box.ask("/api/warning/PowerstationWarningsQuery", {"pw_id": site.id})["data"]["list"]
        assert [row["sn"] for row in told] == list(site.devices)


def test_report_and_daily_energies_agree(box):
    box.log_in()
    plant = box.plants["meter"].id
    asked = {"date": "2026-05", "pw_id": plant, "page_index": 1, "page_size": 8, "is_report": 1}
    (report,) = box.ask("/api/v1/ReportData/GetPowerStationPowerReportByMonth", asked)["data"]["list"]
    days = {"powerstation_id": plant, "count": 31, "date": "2026-05-31"}
    told = box.ask("/api/v2/PowerStationMonitor/GetPowerStationPowerAndIncomeByDay", days)["data"]
    assert (told[0]["d"], told[-1]["d"]) == ("05/01/2026", "05/31/2026")
    assert sum(row["p"] for row in told) == pytest.approx(report["month_power"], abs=1.6)
    export = box.ask("/api/v1/PowerStation/ExportPowerstationPac", {"date": "2026-05-31", "pw_id": plant})["data"]
    file = box.ask("/api/v1/ReportData/GetStationPowerDataFilePath", {"id": export})["data"]["file_path"]
    assert file.startswith("http://emulator/")


def test_inverter_column_uses_the_account_date_format(box):
    box.log_in()
    pattern = box.detail("meter")["data"]["info"]["date_format"]
    serial = box.plants["meter"].devices[0]

    def column(name, family_serial=serial):
        asked = {"id": family_serial, "date": "2026-06-21", "column": name}
        return box.ask("/api/v2/PowerStationMonitor/GetInverterDataByColumn", asked)["data"]["column1"]

    power, energy = column("Pac"), column("Eday")
    first = {"MM.dd.yyyy": "06.21.2026", "dd/MM/yyyy": "21/06/2026"}[pattern]
    assert (power[0]["date"], len(power)) == (f"{first} 00:00:00", 145)
    assert sum(row["column"] for row in power[:-1]) / 12000 == pytest.approx(energy[-1]["column"], abs=0.06)
    assert energy[-1]["column"] == box.detail("meter")["data"]["inverter"][0]["eday"]
    assert column("Cbattery1") == column("Nothing") == []
    asleep = box.plants["single"].devices[0]
    assert all(row["column"] > 0 for row in column("Pac", asleep)[1:])


@pytest.mark.parametrize("odd", ["", "yesterday", "9999-12-31", {}, 7])
def test_invalid_days_return_a_portal_error(box, odd):
    box.log_in()
    plant = box.plants["single"].id
    for path in ("/api/v2/Charts/GetChartByPlant", "/api/v2/PowerStationMonitor/GetPowerStationPacByDayForApp"):
        assert str(box.ask(path, {"id": plant, "date": odd})["code"]) == "100000"
    asked = {"pw_id": plant, "date": odd}
    answer = box.ask("/api/v1/ReportData/GetPowerStationPowerReportByMonth", asked)
    assert answer["code"] == 100000 or answer["data"]["list"][0]["month_power"] == 0
