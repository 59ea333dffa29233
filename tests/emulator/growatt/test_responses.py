"""Responses of the emulated Growatt cloud: they match the simulated households and each other."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from heliograph import metrics as m
from heliograph.core.endpoint import endpoints
from heliograph.emulator.clouds.growatt import EMULATION, ROUTER
from heliograph.model import Status
from heliograph.vendors.growatt import GrowattCalls
from heliograph.vendors.growatt.normalise import METER_METRICS
from support.growatt_emulator import logged_in_cloud, served_cloud

FAMILIES = EMULATION.families()
FAMILY_OF = {"tlxSet": "tlx-battery", "mixSetApiNew": "mix", "spaSetApi": "spa"}
ORDER_OF = {
    "update_tlx_inverter_setting": "time_segment1",
    "update_tlx_inverter_time_segment": "charge_power",
    "update_mix_inverter_setting": "mix_ac_charge_time_period",
    "update_ac_inverter_setting": "spa_load_flast",
}
MORNING, NIGHT, MIDNIGHT = "2026-06-21T08:33:00+02:00", "2026-06-21T02:14:00+02:00", "2026-06-21T00:03:00+02:00"
TODAY, YESTERDAY = "2026-06-21", "2026-06-20"

# Tolerances: responses are rounded to tenths, for mix the difference of two kW values with two decimals.
COARSE = {"W": 0.06, "kWh": 0.0501, "%": 0.501}
COARSE_MIX = COARSE | {"W": 10.1}
NOT_REPORTED = {
    "mix": {"ac_power", "grid_import_energy_total"},
    "storage": {"ac_power"},
    "spa": {metric.name for metric in METER_METRICS} | {"ac_power", "battery_power"},
    "noah": {metric.name for metric in METER_METRICS if metric.kind != "gauge"},
}
CHARGED = {f"battery_{way}_energy_{kind}" for way in ("charge", "discharge") for kind in ("today", "total")}


@pytest.fixture(scope="module")
def cloud():
    return logged_in_cloud()


@pytest.fixture(scope="module")
def fuzzed_cloud():
    return logged_in_cloud()


@pytest.fixture(scope="module", params=[MORNING, "2026-06-21T12:02:00+02:00", "2026-01-15T20:47:00+01:00", NIGHT])
def read(request):
    """All snapshots of an account at one moment, with their emulated cloud."""
    with served_cloud(request.param, keeper=None) as (cloud, client):
        yield cloud, {cloud.emulator.plant(one.plant.id)[1].family: one for one in client.snapshots()}


def test_every_declared_call_has_a_handler():
    assert ROUTER.unhandled() == set()


@pytest.mark.parametrize("family", FAMILIES)
def test_snapshot_matches_the_household_within_rounding(family, read):
    cloud, snapshots = read
    truth, values = cloud.true_values(family), snapshots[family].values
    asleep = family == "tlx" and truth["pv_power"] == 0
    if asleep:
        truth = {name: value for name, value in truth.items() if "energy" in name}
    coarse = COARSE_MIX if family == "mix" else COARSE
    wrong = {
        name: (values.get(name), true)
        for name, true in truth.items()
        if name not in NOT_REPORTED.get(family, set()) | (CHARGED if family in ("spa", "noah") else set())
        and (values.get(name) is None or abs(values[name] - true) > coarse[m.METRICS[name].unit])
    }
    assert wrong == {}


def test_status_of_every_family_is_online_unless_asleep(read):
    cloud, snapshots = read
    dark = cloud.true_values("tlx")["pv_power"] == 0
    for family, snapshot in snapshots.items():
        expected = {"tlx": Status.OFFLINE, "inverter": Status.STANDBY}.get(family) if dark else None
        assert snapshot.status is (expected or Status.ONLINE), family


def test_measured_at_is_the_newest_upload(read):
    cloud, snapshots = read
    for family in ("tlx-battery", "mix", "inverter", "storage"):
        assert snapshots[family].measured_at == cloud.emulator.world.uploaded_at()


def test_sleeping_tlx_returns_zeros_but_its_plant_does_not():
    night = logged_in_cloud(NIGHT)
    detail = night.get("newTlxApi.do", op="getTlxDetailData", id=night.device("tlx"))["data"]
    assert {value for value in detail.values() if isinstance(value, int | float) and value is not True} == {0}
    assert (detail["lost"], detail["time"], detail["serialNum"]) == (True, "", None)
    row = night.get("newTwoPlantAPI.do", op="getAllDeviceListTwo", plantId=night.plant("tlx"))
    assert (row["invList"][0]["deviceStatus"], row["invList"][0]["lost"], row["deviceList"]) == ("-1", True, [])
    assert float(row["totalEnergy"]) == pytest.approx(night.true_values("tlx")["pv_energy_total"], abs=0.051)
    hybrid = night.get("newTlxApi.do", op="getTlxDetailData", id=night.device("tlx-battery"))["data"]
    assert (hybrid["lost"], hybrid["time"]) == (False, "2026-06-21 02:10:00")


def kwh(chart, key):
    """Integrate a chart of kW in 5-minute steps."""
    return sum(float(point[key]) for point in chart.values()) / 12


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("ppv", "pv_energy"),
        ("sysOut", "load_energy"),
        ("pacToGrid", "grid_export_energy"),
        ("pacToUser", "grid_import_energy"),
    ],
)
def test_chart_of_a_past_day_integrates_to_its_energy(key, name, cloud):
    for family, path, serial in (("tlx-battery", "newTlxApi.do", "id"), ("mix", "newMixApi.do", "mixId")):
        where = {"plantId": cloud.plant(family), serial: cloud.device(family), "type": 0, "date": YESTERDAY}
        chart = cloud.post(path, op="getEnergyProdAndCons_KW", **where)["obj"]["chartData"]
        true = cloud.household(family).energies(YESTERDAY)[name]
        # 288 values rounded to 10 W; a mix chart begins at 00:05.
        assert kwh(chart, key) == pytest.approx(true, abs=0.12 + 0.05)


def test_chart_has_no_point_after_the_newest_upload(cloud):
    where = {"plantId": cloud.plant("mix"), "mixId": cloud.device("mix"), "type": 0, "date": TODAY}
    mix = cloud.post("newMixApi.do", op="getEnergyProdAndCons_KW", **where)["obj"]["chartData"]
    assert (min(mix), max(mix), len(mix)) == ("00:05", "12:00", 144)
    curve = cloud.get("newTlxApi.do", op="getTlxData", id=cloud.device("tlx"), type=1, date=TODAY)["invPacData"]
    assert max(curve) == "2026-06-21 12:00"
    where = {"plantId": cloud.plant("tlx"), "id": cloud.device("tlx"), "type": 0, "date": TODAY}
    tlx = cloud.post("newTlxApi.do", op="getEnergyProdAndCons_KW", **where)["obj"]["chartData"]
    assert len(tlx) == 288
    assert tlx["12:00"]["ppv"] > 0
    assert all(not any(point.values()) for key, point in tlx.items() if key > "12:00")
    assert cloud.get("newTlxApi.do", op="getTlxData", id=cloud.device("tlx"), date="2026-06-22")["invPacData"] == {}


def test_chart_of_today_integrates_to_todays_counter(cloud):
    curve = cloud.get("newTlxApi.do", op="getTlxData", id=cloud.device("tlx"), type=1, date=TODAY)
    before = [watt for at, watt in curve["invPacData"].items() if at < f"{TODAY} 12:00"]
    assert sum(before) / 12000 == pytest.approx(float(curve["eToday"]), abs=0.06)


@pytest.mark.parametrize("family", FAMILIES)
def test_energies_of_days_months_and_years_are_consistent(family, cloud):
    plant = cloud.plant(family)
    days = cloud.get("PlantDetailAPI.do", plantId=plant, type=1, date=TODAY)["back"]
    months = cloud.get("PlantDetailAPI.do", plantId=plant, type=2, date="2026-06")["back"]
    assert (min(days["data"]), max(days["data"]), max(months["data"])) == ("01", "30", "12")
    assert sum(map(float, days["data"].values())) == pytest.approx(float(months["data"]["06"]), abs=30 * 0.05)
    assert days["data"]["22"] == "0"
    year = cloud.household(family).energies("2026")["pv_energy"]
    assert sum(map(float, months["data"].values())) == pytest.approx(year, abs=12 * 0.05)
    assert months["plantData"]["currentEnergy"] == f"{year:.1f} kWh".replace(".0 ", " ")
    energy = cloud.post("newTwoPlantAPI.do", op="getUserCenterEnertyDataByPlantid", plantId=plant)
    assert float(energy["monthValue"]) == pytest.approx(float(months["data"]["06"]), abs=0.051)
    assert energy["yearValue"] == "0.0"


def test_tlx_chart_bar_equals_the_plants_bar(cloud):
    family = "tlx-battery"
    where = {"plantId": cloud.plant(family), "id": cloud.device(family)}
    bars = cloud.post("newTlxApi.do", op="getEnergyProdAndCons_KW", type=1, date=TODAY, **where)["obj"]["chartData"]
    days = cloud.get("PlantDetailAPI.do", plantId=cloud.plant(family), type=1, date=TODAY)["back"]["data"]
    assert bars["charge"] == [float(value) for value in days.values()]
    years = cloud.post("newTlxApi.do", op="getEnergyProdAndCons_KW", type=3, date="2026", **where)["obj"]["chartData"]
    assert len(years["charge"]) == 6


def test_mix_chart_sums_agree_with_the_totals(cloud):
    where = {"plantId": cloud.plant("mix"), "mixId": cloud.device("mix")}
    sums = cloud.post("newMixApi.do", op="getEnergyProdAndCons_KW", type=0, date=TODAY, **where)["obj"]
    totals = cloud.post("newMixApi.do", op="getEnergyOverview", **where)["obj"]
    info = cloud.get("newMixApi.do", op="getMixInfo", **where)["obj"]
    assert sums["elocalLoad"] == totals["elocalLoadToday"]
    assert sums["eAcCharge"] == totals["etoGridToday"]
    assert sums["echargeToat"] == totals["edischarge1Total"]
    parts = float(sums["eChargeToday"]) + float(sums["echarge1"]) + float(sums["etouser"])
    assert parts == pytest.approx(float(sums["elocalLoad"]), abs=0.15)
    stored = float(info["epvToday"]) - float(sums["eAcCharge"]) - float(sums["eChargeToday"])
    assert stored == pytest.approx(float(info["eBatChargeToday"]), abs=0.25)


def test_dashboard_has_three_correct_sums_for_mix(cloud):
    response = cloud.post(
        "newPlantAPI.do", action="getEnergyStorageData", type=0, date=YESTERDAY, plantId=cloud.plant("mix")
    )
    day = cloud.household("mix").energies(YESTERDAY)

    def wrong(name, true):
        assert response[name].endswith("kWh")
        return abs(float(response[name].removesuffix("kWh")) - true) > 0.051

    assert not wrong("etouser", day["grid_import_energy"])
    assert not wrong("echarge1", day["battery_discharge_energy"])
    assert not wrong("eCharge", day["load_energy"])  # labelled production
    assert wrong("photovoltaic", day["load_energy"] - day["grid_import_energy"] - day["battery_discharge_energy"])
    assert wrong("elocalLoad", day["load_energy"])
    assert max(response["chartData"]) == "23:55"
    assert kwh(response["chartData"], "userLoad") == pytest.approx(day["grid_export_energy"], abs=0.17)
    bars = cloud.post("newPlantAPI.do", action="getEnergyStorageData", type=1, date=TODAY, plantId=cloud.plant("mix"))
    assert len(bars["chartData"]["ppv"]) == 30


def test_storage_params_objects_disagree_about_the_day(cloud):
    where = {
        "storageId": cloud.device("storage"),
        "storageSn": cloud.device("storage"),
        "plantId": cloud.plant("storage"),
    }
    beans = cloud.get("newStorageAPI.do", op="getStorageParams_sacolar", **where)
    energy = cloud.post("newStorageAPI.do", op="getEnergyOverviewData_sacolar", **where)["obj"]
    assert beans["storageBean"]["eChargeToday"] == 0
    assert beans["storageDetailBean"]["eChargeToday"] == float(energy["eChargeToday"]) > 0
    assert beans["storageBean"]["ppv"] == beans["storageDetailBean"]["ppv"] < cloud.true_values("storage")["pv_power"]


def test_numbers_have_the_types_units_and_spelling_of_their_calls(cloud):
    row = cloud.get("PlantListAPI.do", userId=cloud.log_in()["user"]["id"])["back"]["data"][0]
    assert row["plantId"] == cloud.plant("tlx")
    assert row["currentPower"] == "0 W"
    assert row["todayEnergy"].endswith(" kWh")
    assert row["totalEnergy"].endswith(" MWh")
    status = cloud.post("newTlxApi.do", op="getSystemStatus_KW", plantId=cloud.plant("tlx"), id=cloud.device("tlx"))[
        "obj"
    ]
    assert {type(value) for value in status.values()} == {str}
    assert status["chargePower"] == status["ppv"]
    mix = cloud.post("newMixApi.do", op="getSystemStatus_KW", plantId=cloud.plant("mix"), mixId=cloud.device("mix"))[
        "obj"
    ]
    assert {type(mix["ppv"]), type(mix["pactogrid"])} == {str, float}
    assert float(mix["pPv1"]) + float(mix["pPv2"]) == pytest.approx(1000 * float(mix["ppv"]), abs=5.2)
    params = cloud.get("newTlxApi.do", op="getTlxParams", id=cloud.device("tlx"))["newBean"]
    uploaded = cloud.emulator.world.uploaded_at()
    assert params["lastUpdateTime"]["hours"] == 18  # China's clock at cloud in Germany
    assert datetime.fromtimestamp(params["lastUpdateTime"]["time"] / 1000, UTC) == uploaded
    settings = cloud.get("newPlantAPI.do", op="getPlant", plantId=cloud.plant("tlx"))
    assert (settings["timezone"], settings["timezoneText"], settings["eTotal"]) == (2, "GMT+2", 0)


def test_noah_plant_has_no_device_in_any_list(cloud):
    for op in ("getAllDeviceListTwo", "getAllDeviceList"):
        answer = cloud.get("newTwoPlantAPI.do", op=op, plantId=cloud.plant("noah"))
        assert [name for name, rows in answer.items() if name.endswith("List") and rows] == ["datalogList"]


def test_chart_is_empty_at_plant_local_midnight():
    young = logged_in_cloud(MIDNIGHT)
    where = {"plantId": young.plant("mix"), "mixId": young.device("mix"), "type": 0, "date": TODAY}
    assert young.post("newMixApi.do", op="getEnergyProdAndCons_KW", **where)["obj"]["chartData"] == {}
    young.wait(minutes=8)
    chart = young.post("newMixApi.do", op="getEnergyProdAndCons_KW", **where)["obj"]["chartData"]
    assert list(chart) == ["00:05", "00:10"]


def test_lifetime_counters_never_fall():
    slow = logged_in_cloud(MORNING)
    readings = []
    for _ in range(30):
        info = slow.get("newTwoPlantAPI.do", op="getAllDeviceListTwo", plantId=slow.plant("tlx-battery"))
        readings.append(float(info["totalEnergy"]))
        slow.wait(hours=5)
    assert all(before <= after for before, after in pairwise(readings))
    assert readings[-1] > readings[0]


_BATTERY = "bmNum chargeOrDisPower dischargeTotal errorCode errorSubCode soc status systemWorkStatus warnCode"
ZERO_BATTERY = dict.fromkeys([*_BATTERY.split(), "warnSubCode"], "0")
UNKNOWN_DEVICE = {"result": 0, "obj": None, "msg": "504"}


@pytest.mark.parametrize("foreign", [False, True])
def test_id_of_another_account_is_answered_as_the_cloud_does(foreign):
    two = logged_in_cloud(accounts=2)
    other = {site.family: site for site in two.emulator.accounts[1].plants}
    plant, device = {f: s.id for f, s in other.items()}, {f: s.devices[0] for f, s in other.items()}
    if not foreign:
        plant, device = dict.fromkeys(plant, "1"), dict.fromkeys(device, "NOSUCH0001")
    assert two.get("PlantDetailAPI.do", plantId=plant["tlx"], type=1, date=TODAY)["back"]["data"] == {}
    info = two.get("newTwoPlantAPI.do", op="getAllDeviceListTwo", plantId=plant["tlx"])
    assert (info["todayEnergy"], info["deviceList"], info["invList"], info["datalogList"]) == ("0", [], [], [])
    assert two.get("newPlantAPI.do", op="getPlant", plantId=plant["tlx"])["plantName"] == ""
    assert (
        two.post("newTwoPlantAPI.do", op="getUserCenterEnertyDataByPlantid", plantId=plant["tlx"])["totalValue"]
        == "0.0"
    )
    dashboard = two.post("newPlantAPI.do", action="getEnergyStorageData", type=0, date=TODAY, plantId=plant["mix"])
    assert (dashboard["chartData"], dashboard["etouser"]) == ({}, "0kWh")
    curve = two.get("newInverterAPI.do", op="getInverterData", id=device["inverter"], date=TODAY)
    assert curve == {"msg": "501", "success": False}
    detail = two.get("newInverterAPI.do", op="getInverterDetailData", inverterId=device["inverter"])
    assert (detail["inverterId"], detail["powerTotal"], detail["statusText"]) == ("", 0, "Waiting")
    tlx = two.get("newTlxApi.do", op="getTlxDetailData", id=device["tlx"])["data"]
    assert (tlx["serialNum"], tlx["lost"], tlx["eacTotal"]) == (None, True, 0)
    for op in ("getSystemStatus_KW", "getEnergyOverview", "getEnergyProdAndCons_KW"):
        assert two.post("newTlxApi.do", op=op, plantId=plant["tlx"], id=device["tlx"], type=0) == UNKNOWN_DEVICE
        assert two.post("newMixApi.do", op=op, plantId=plant["mix"], mixId=device["mix"], type=0) == UNKNOWN_DEVICE
    assert two.get("newTlxApi.do", op="getTlxParams", id=device["tlx"])["newBean"] is None
    assert two.post("newTlxApi.do", op="getTlxSetData", serialNum=device["tlx"])["obj"] is None
    battery = two.post("newTlxApi.do", op="getBatDetailData", plantId="", id=device["tlx-battery"])
    assert battery == {"data": ZERO_BATTERY, "parameterName": ""}
    assert two.get("newMixApi.do", op="getMixInfo", mixId=device["mix"])["obj"]["pGuid"] == "+0.0"
    assert two.get("newStorageAPI.do", op="getStorageInfo_sacolar", storageId=device["storage"])["pGuid"] == "+0.0"
    assert two.get("newStorageAPI.do", op="getStorageParams_sacolar", storageId=device["storage"]) == UNKNOWN_DEVICE
    noah = two.post("noahDeviceApi/noah/isPlantNoahSystem", plantId=plant["noah"])["obj"]
    assert (noah["isPlantNoahSystem"], noah["deviceSn"]) == (False, "")
    assert two.post("noahDeviceApi/noah/getSystemStatus", deviceSn=device["noah"]) == UNKNOWN_DEVICE
    page = two.send("GET", "commonDeviceSetC/setInverter", type="server", invSn=device["inverter"]).body
    assert b"inv=JSON" not in page


def test_serial_of_another_family_or_plant_is_unknown(cloud):
    assert (
        cloud.post("newMixApi.do", op="getEnergyOverview", mixId=cloud.device("tlx"), plantId=cloud.plant("tlx"))
        == UNKNOWN_DEVICE
    )
    assert (
        cloud.post("newMixApi.do", op="getEnergyOverview", mixId=cloud.device("mix"), plantId=cloud.plant("tlx"))
        == UNKNOWN_DEVICE
    )
    pv_only = cloud.post("newTlxApi.do", op="getBatDetailData", id=cloud.device("tlx"))
    assert pv_only["data"] == ZERO_BATTERY


def test_battery_has_its_own_serial_and_charging_is_positive():
    morning = logged_in_cloud(MORNING)
    serial = morning.plants["tlx-battery"].devices[1]
    rows = morning.get("newTwoPlantAPI.do", op="getAllDeviceListTwo", plantId=morning.plant("tlx-battery"))["batList"]
    assert rows[0]["deviceSn"] == serial
    response = morning.post("newTlxApi.do", op="getBatDetailData", id=serial)["data"]
    assert float(response["chargeOrDisPower"]) == pytest.approx(
        -morning.true_values("tlx-battery")["battery_power"], abs=0.06
    )
    assert morning.post("newTlxApi.do", op="getBatInfo", serialNum=serial)["obj"]["lost"] is False
    assert morning.get("newTlxApi.do", op="getTlxDetailData", id=serial)["data"]["serialNum"] is None


def test_ids_and_serials_are_unique_per_seed():
    seeds = range(0, 10_000, 7)
    assert len({EMULATION.plant_id(seed) for seed in seeds}) == len(seeds)
    assert all(len(EMULATION.plant_id(seed)) == 7 for seed in seeds)
    for family in FAMILIES:
        assert len({EMULATION.serials(family, seed) for seed in seeds}) == len(seeds)


@pytest.mark.parametrize("date", ["", "nonsense", "2026-13-01", "0000", "9999-12-31", "2026-02-30", "-5"])
def test_invalid_or_distant_date_is_handled(date, cloud):
    for span in ("0", "1", "2", "3", "x"):
        response = cloud.get("PlantDetailAPI.do", plantId=cloud.plant("mix"), type=span, date=date)
        assert isinstance(response["back"]["data"], dict)
        where = {"plantId": cloud.plant("mix"), "mixId": cloud.device("mix"), "type": span, "date": date}
        assert cloud.post("newMixApi.do", op="getEnergyProdAndCons_KW", **where)["result"] == 1
        where = {"plantId": cloud.plant("mix"), "type": span, "date": date}
        assert "etouser" in cloud.post("newPlantAPI.do", action="getEnergyStorageData", **where)


def test_arguments_in_query_and_form_are_equivalent(cloud):
    form = f"op=getEnergyOverview&mixId={cloud.device('mix')}&plantId={cloud.plant('mix')}"
    headers = {"user-agent": "x", "cookie": cloud.cookie, "content-type": "application/x-www-form-urlencoded"}
    in_form = json.loads(cloud.emulator.respond("POST", "/newMixApi.do", headers, form.encode()).body)
    assert in_form == json.loads(cloud.emulator.respond("POST", f"//newMixApi.do?{form}", headers).body)
    assert in_form["result"] == 1


def test_samples_are_five_minutes_apart(cloud):
    curve = cloud.get("newInverterAPI.do", op="getInverterData", id=cloud.device("inverter"), date=TODAY)["invPacData"]
    stamps = [datetime.strptime(at, "%Y-%m-%d %H:%M") for at in curve]  # noqa: DTZ007
    assert {later - earlier for earlier, later in pairwise(stamps)} == {timedelta(minutes=5)}


@pytest.mark.parametrize("page", ["1", "2", "0", "-1", "many", ""])
def test_plant_list_page_of_any_number_is_a_list(page, cloud):
    rows = cloud.post("newTwoPlantAPI.do", op="getAllPlantListTwo", pageSize="15", toPageNum=page)["PlantList"]
    assert len(rows) == (0 if page == "2" else len(FAMILIES))


@pytest.mark.parametrize("junk", ["", "-1", "nan", "inf", "²", "9" * 400])
@pytest.mark.parametrize("call", list(endpoints(GrowattCalls)), ids=lambda call: call.name)
def test_random_arguments_never_crash_the_emulator(call, junk, fuzzed_cloud, caplog):
    names = ("plantId", "plantID", "type", "date", "toPageNum", "pageSize", "userId", "plantPower", "plantTimezone")
    known = {"serialNum": fuzzed_cloud.device(FAMILY_OF.get(call.route.fixed.get("op"), "inverter"))}
    params = {f"param{number}": junk for number in range(1, 19)} | {"command_1": junk, "command_2": junk}
    for arguments in (dict.fromkeys(names, junk), known | params | {"type": ORDER_OF.get(call.name, junk)}):
        fuzzed_cloud.send(call.route.verb, call.route.path, **arguments | params | call.route.fixed)
    assert caplog.records == []
