"""Tests of the emulated SEMS+ responses: they match the simulation and the portal, and settings are stored."""

from __future__ import annotations

import pytest

from heliograph.emulator.clouds.goodwe import EMULATION
from support.goodwe_emulator import EVENING, NIGHT, NOON, PLANT, PLUS_LIST, REMOTE, STATUS_FUNCTION, Caller, world


@pytest.fixture
def caller():
    caller = Caller(world())
    caller.plus_login()
    return caller


def factors(groups):
    return {row["code"]: row["data"] for group in groups for row in group["factors"]}


@pytest.mark.parametrize("start", [NOON, EVENING, NIGHT])
@pytest.mark.parametrize("family", EMULATION.families())
def test_flow_matches_the_simulation_and_omits_missing_parts(start, family):
    caller = Caller(world(start))
    caller.plus_login()
    plant = caller.plants[family]
    found = [home.values(caller.emulator.world.uploaded_at()) for home in plant.households]
    truth = {name: sum(row[name] for row in found) / 1000 for name in found[0] if name.endswith("_power")}
    flow = caller.flow(family)["data"]
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
    caller = Caller(world(start))
    caller.plus_login()
    assert caller.flow("hybrid")["data"]["flows"] == flows


@pytest.mark.parametrize("start", [NOON, EVENING, NIGHT])
@pytest.mark.parametrize("family", EMULATION.families())
def test_plant_data_is_the_same_in_both_dialects(start, family):
    caller = Caller(world(start))
    caller.log_in()
    detail = caller.detail(family)["data"]
    caller.plus_login()
    row = next(one for one in caller.call(PLUS_LIST)["data"]["dataList"] if one["id"] == caller.plants[family].id)
    assert row["name"] == detail["info"]["stationname"]
    assert row["pvInstallP"] == detail["info"]["capacity"]
    assert row["productionToday"] == detail["kpi"]["power"]
    assert row["productionTotal"] * 1000 == pytest.approx(detail["kpi"]["total_power"], abs=0.1)
    for one in detail["inverter"]:
        counted = factors(caller.device(family, "telecounting", serial=one["sn"]))
        assert float(counted["proPvStatsToday"]) == one["eday"]
        assert float(counted["proPvStatsTotal"]) == one["etotal"]
        assert float(counted["proPvStatsMonth"]) == pytest.approx(one["emonth"] + one["eday"], abs=0.06)
        measured = factors(caller.device(family, "telemetry", serial=one["sn"]))
        if measured["pAc"] is None:
            assert one["status"] == -1
        else:
            assert float(measured["pAc"]) * 1000 == pytest.approx(one["out_pac"], abs=1)
    flow = detail["powerflow"]
    if flow is not None:
        assert abs(caller.flow(family)["data"]["pGrid"]) * 1000 == pytest.approx(float(flow["grid"][:-3]), abs=1)


def test_battery_of_a_hybrid_is_a_related_device(caller):
    devices = caller.inventory("hybrid")
    assert {row["deviceType"] for row in devices.values()} == {"INVERTER", "BATTERY_RACK", "DONGLE"}
    assert devices[caller.plants["hybrid"].devices[0]] | {"status": 5, "subtype": "store"} in devices.values()
    (behind,) = caller.device("hybrid", "relatedDevices")
    assert (behind["type"], behind["status"]) == ("BAT_SYS", 7)
    measured = factors(caller.device("hybrid", "telemetry", "BAT_SYS", behind["sn"]))
    flow = caller.flow("hybrid")["data"]
    assert float(measured["soc"]) == behind["soc"] == flow["soc"]
    assert float(measured["pBat"]) == behind["pbat"] == flow["pBat"]
    assert caller.device("meter", "relatedDevices") == []
    rack = next(serial for serial, row in devices.items() if row["deviceType"] == "BATTERY_RACK")
    assert caller.device("hybrid", "telemetry", "BATTERY_RACK", rack) == []


def test_smart_meter_agrees_with_the_flow(caller):
    (meter,) = [sn for sn, row in caller.inventory("meter").items() if row["deviceType"] == "SMART_METER"]
    measured = factors(caller.device("meter", "telemetry", "SMART_METER", meter))
    assert float(measured["totalPac"]) == caller.flow("meter")["data"]["pGrid"]
    counted = factors(caller.device("meter", "telecounting", "SMART_METER", meter))
    truth = caller.plants["meter"].households[0].values(caller.emulator.world.uploaded_at())
    assert float(counted["proGridStatsTotal"]) == pytest.approx(truth["grid_export_energy_total"], abs=0.01)
    assert float(counted["proPurchaseStatsToday"]) == pytest.approx(truth["grid_import_energy_today"], abs=0.01)
    spans = [float(counted[f"proGridStats{span}"]) for span in ("Today", "Week", "Month", "Year", "Total")]
    assert spans == sorted(spans)


def test_information_returns_model_and_rated_power(caller):
    rows = {row["code"]: row["data"] for row in caller.device("hybrid", "information")}
    assert (rows["modelType"], rows["ratedPower"], rows["deviceType"]) == ("GW10K-ET", "10", "INVERTER_STORE")


def test_statistics_of_days_months_and_years_add_up(caller):
    def series(answer):
        return {one["item"]: {row["date"]: row["val"] for row in one["statisticsList"]} for one in answer["dataList"]}

    days = series(caller.statistics("hybrid", "2026-05-01", "2026-05-31", "day")["data"])
    months = series(caller.statistics("hybrid", "2026-01-01", "2026-12-31", "month")["data"])
    years = series(caller.statistics("hybrid", "2026-01-01", "2026-12-31", "year")["data"])
    assert len(days["proConsumStats"]) == 31
    assert list(months["proGridStats"]) == [f"2026-{month:02}" for month in range(1, 7)]
    for item, one in days.items():
        assert sum(one.values()) == pytest.approx(months[item]["2026-05"], abs=0.2)
        assert sum(months[item].values()) == pytest.approx(years[item]["2026"], abs=0.1)


def test_statistics_sums_are_consistent(caller):
    sums = caller.statistics("hybrid", "2026-06-20", "2026-06-20", "day")["data"]
    assert sums["production"] == pytest.approx(sums["proSelfConsum"] + sums["proGrid"], abs=0.02)
    assert sums["contributionRate"] == pytest.approx(100 * sums["proSelfConsum"] / sums["proConsum"], abs=0.1)
    assert sums["dataList"][3]["statisticsList"][0]["val"] != sums["production"]
    fields = {"stationId": caller.plants["hybrid"].id, "dimension": "day", "items": []}
    range_ = {"startTime": "2026-06-20 00:00:00", "endTime": "2026-06-20 23:59:59"}
    flat = caller.call("/web/sems/sems-plant/api/stations/production", {**fields, **range_})["data"]
    assert (flat["proGrid"], flat["currency"]) == (sums["proGrid"], "EUR")
    assert caller.statistics("hybrid", "2026-06-20", "2026-06-20", "total")["code"] == "S0327"


def test_statistics_without_meter_have_no_grid_energies(caller):
    rows = caller.statistics("single", "2026-06-20", "2026-06-20", "day")["data"]
    assert [one["item"] for one in rows["dataList"]] == ["proSystemTotalStats"]
    assert "proConsum" not in rows


def test_power_curves_end_now_and_match_the_portal(caller):
    plant = caller.plants["hybrid"]
    day = {"startTime": "2026-06-21 00:00:00", "endTime": "2026-06-21 23:59:59", "timeScale": 1, "timeZone": 2}
    fields = {"stationId": plant.id, "items": ["pSystem", "pGrid", "soc"], **day}
    rows = caller.call("/web/sems/sems-plant/api/v1/hems/power/statisticsAndPreV2", fields)["data"]["dataList"]
    curves = {one["item"]: {row["tp"]: row["power"] for row in one["statisticsList"]} for one in rows}
    assert list(curves["soc"])[-1] == "2026-06-21 12:00:00"
    assert len(curves["pGrid"]) == 145
    caller.log_in()
    chart = caller.call("/api/v2/Charts/GetPlantPowerChart", {"id": plant.id, "date": "2026-06-21"})["data"]
    lines = {line["key"]: {point["x"]: point["y"] for point in line["xy"]} for line in chart["lines"]}
    for key, item in (("PCurve_Power_PV", "pSystem"), ("PCurve_Power_Meter", "pGrid")):
        for moment, power in curves[item].items():
            assert lines[key][moment[11:16]] == pytest.approx(power * 1000, abs=0.6)
    assert lines["PCurve_Power_SOC"]["12:05"] is None


def test_portal_charts_end_on_the_requested_day(caller):
    caller.log_in()
    plant = caller.plants["hybrid"]
    for span, first, last, count in (
        (1, "2026-06-20", "2026-06-20", 1),
        (2, "2026-05-21", "2026-06-20", 31),
        (3, "2025-07", "2026-06", 12),
        (4, "2022", "2026", 5),
    ):
        fields = {"id": plant.id, "date": "2026-06-20", "range": span, "chartIndexId": "8"}
        data = caller.call("/api/v2/Charts/GetChartByPlant", fields)["data"]
        line = next(one for one in data["lines"] if one["name"] == "PVGeneration")
        rows = [point["x"] for point in line["xy"]]
        assert (rows[0], rows[-1], len(rows)) == (first, last, count)
        assert data["modelData"]["sum"] == pytest.approx(sum(point["y"] for point in line["xy"]), abs=0.2)


# Settings


def test_written_setting_is_read_back(caller):
    plant = caller.plants["hybrid"]
    functions = {"47545": "2013217017330515970", "47546": "1991791639537946635"}
    fields = {"sn": plant.devices[0], "addresses": list(functions), "addrFuncMap": functions}
    read = REMOTE + "get-cache-device-function-parameters"
    assert caller.call(read, fields)["data"] == {"47545": "0", "47546": "100"}
    written = {"sn": plant.devices[0], "plantId": plant.id, "addressMap": {"47545": 1, "47546": 80}}
    answer = caller.call(REMOTE + "setDeviceFunctionParameters", {**written, "addrFuncMap": functions})
    assert (answer["code"], "data" in answer) == ("00000", False)
    assert caller.call(read, fields)["data"] == {"47545": "1", "47546": "80"}


@pytest.mark.parametrize(
    ("address", "value", "function"),
    [("80017", 9, STATUS_FUNCTION), ("80017", 2, "0"), ("80017", "x", STATUS_FUNCTION), ("12345", 1, STATUS_FUNCTION)],
)
def test_invalid_write_fails_and_changes_nothing(caller, address, value, function):
    serial = caller.plants["single"].devices[0]
    order = {"sn": serial, "addressMap": {address: value}, "addrFuncMap": {address: function}}
    assert caller.call(REMOTE + "setDeviceFunctionParameters", order)["code"] == "R0305"
    assert not any(caller.plants["single"].settings.get(serial, {}).values())


def test_missing_register_cannot_be_read(caller):
    fields = {"sn": caller.plants["single"].devices[0], "addresses": ["47545"], "addrFuncMap": {}}
    assert caller.call(REMOTE + "get-cache-device-function-parameters", fields)["code"] == "read_fail"


def test_function_menus_list_the_writable_addresses(caller):
    path = "/web/sems/sems-remote/api/v2/address/remote/getDeviceFunctionTabMenus"
    rows = caller.call(path, {"sn": caller.plants["single"].devices[0], "menuId": "1"})["data"]["functionMenus"]
    assert [(row["address"], row["functionId"]) for row in rows] == [("80017", STATUS_FUNCTION)]


# Surviving calls of the portal


def test_overview_calls_agree_with_monitor_detail(caller):
    caller.log_in()
    for family, plant in caller.plants.items():
        big = caller.detail(family)["data"]
        headline = caller.detail(family, PLANT)["data"]
        assert headline["kpi"] == big["kpi"]
        assert headline["info"]["local_date"] == big["info"]["time"]
        flow = caller.detail(family, "/api/v2/PowerStation/GetPowerflow")["data"]
        assert (flow["powerflow"], flow["hasPowerflow"]) == (big["powerflow"], big["hasPowerflow"])
        points = caller.detail(family, "/api/v3/PowerStation/GetInverterAllPoint")["data"]
        assert points["count"] == len(plant.devices)
        for small, row in zip(points["inverterPoints"], big["inverter"], strict=True):
            assert {name: small[name] for name in ("sn", "eday", "emonth", "etotal", "status")} == {
                name: row[name] for name in ("sn", "eday", "emonth", "etotal", "status")
            }
        rows = caller.call("/api/warning/PowerstationWarningsQuery", {"pw_id": plant.id})["data"]["list"]
        assert [row["sn"] for row in rows] == list(plant.devices)


def test_report_and_daily_energies_agree(caller):
    caller.log_in()
    plant = caller.plants["meter"].id
    fields = {"date": "2026-05", "pw_id": plant, "page_index": 1, "page_size": 8, "is_report": 1}
    (report,) = caller.call("/api/v1/ReportData/GetPowerStationPowerReportByMonth", fields)["data"]["list"]
    days = {"powerstation_id": plant, "count": 31, "date": "2026-05-31"}
    rows = caller.call("/api/v2/PowerStationMonitor/GetPowerStationPowerAndIncomeByDay", days)["data"]
    assert (rows[0]["d"], rows[-1]["d"]) == ("05/01/2026", "05/31/2026")
    assert sum(row["p"] for row in rows) == pytest.approx(report["month_power"], abs=1.6)
    export = caller.call("/api/v1/PowerStation/ExportPowerstationPac", {"date": "2026-05-31", "pw_id": plant})["data"]
    file = caller.call("/api/v1/ReportData/GetStationPowerDataFilePath", {"id": export})["data"]["file_path"]
    assert file.startswith("http://emulator/")


def test_inverter_column_uses_the_account_date_format(caller):
    caller.log_in()
    pattern = caller.detail("meter")["data"]["info"]["date_format"]
    serial = caller.plants["meter"].devices[0]

    def column(name, family_serial=serial):
        fields = {"id": family_serial, "date": "2026-06-21", "column": name}
        return caller.call("/api/v2/PowerStationMonitor/GetInverterDataByColumn", fields)["data"]["column1"]

    power, energy = column("Pac"), column("Eday")
    first = {"MM.dd.yyyy": "06.21.2026", "dd/MM/yyyy": "21/06/2026"}[pattern]
    assert (power[0]["date"], len(power)) == (f"{first} 00:00:00", 145)
    assert sum(row["column"] for row in power[:-1]) / 12000 == pytest.approx(energy[-1]["column"], abs=0.06)
    assert energy[-1]["column"] == caller.detail("meter")["data"]["inverter"][0]["eday"]
    assert column("Cbattery1") == column("Nothing") == []
    asleep = caller.plants["single"].devices[0]
    assert all(row["column"] > 0 for row in column("Pac", asleep)[1:])


@pytest.mark.parametrize("day", ["", "yesterday", "9999-12-31", {}, 7])
def test_invalid_days_return_a_portal_error(caller, day):
    caller.log_in()
    plant = caller.plants["single"].id
    for path in ("/api/v2/Charts/GetChartByPlant", "/api/v2/PowerStationMonitor/GetPowerStationPacByDayForApp"):
        assert str(caller.call(path, {"id": plant, "date": day})["code"]) == "100000"
    fields = {"pw_id": plant, "date": day}
    answer = caller.call("/api/v1/ReportData/GetPowerStationPowerReportByMonth", fields)
    assert answer["code"] == 100000 or answer["data"]["list"][0]["month_power"] == 0
