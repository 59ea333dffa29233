"""Emulated Growatt responses have the members and types of recorded ones. Needs HELIOGRAPH_CAPTURES."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from support.growatt_emulator import logged_in_cloud

CAPTURES = os.environ.get("HELIOGRAPH_CAPTURES", "")
pytestmark = pytest.mark.skipif(not CAPTURES, reason="HELIOGRAPH_CAPTURES is not set to a folder of recordings")

DAY = "2026-06-21"
SEGMENT = {f"param{place}": text for place, text in enumerate(["2", "0", "0", "23", "59", "0", "0"], start=1)}

# Recording: the same request to the emulator, and the recorded part of its response.
REQUESTS = {
    "plant_detail_day_neo": ("GET", "PlantDetailAPI.do", {"type": 1, "date": DAY}, ""),
    "plant_list_two_neo": ("POST", "newTwoPlantAPI.do", {"op": "getAllPlantListTwo"}, ""),
    "plant_info_neo": ("GET", "newTwoPlantAPI.do", {"op": "getAllDeviceListTwo"}, ""),
    "all_device_list_neo_deviceList": ("GET", "newTwoPlantAPI.do", {"op": "getAllDeviceList"}, "deviceList"),
    "plant_settings_neo": ("GET", "newPlantAPI.do", {"op": "getPlant"}, ""),
    "plant_energy_data_neo": ("POST", "newTwoPlantAPI.do", {"op": "getUserCenterEnertyDataByPlantid"}, ""),
    "inverter_detail_unknown_id": ("GET", "newInverterAPI.do", {"op": "getInverterDetailData"}, ""),
    "inverter_detail_two_unknown_id": ("GET", "newInverterAPI.do", {"op": "getInverterDetailData_two"}, ""),
    "inverter_data_not_a_classic_inverter": ("GET", "newInverterAPI.do", {"op": "getInverterData"}, ""),
    "tlx_system_status_neo_obj": ("POST", "newTlxApi.do", {"op": "getSystemStatus_KW"}, "obj"),
    "tlx_energy_overview_neo_obj": ("POST", "newTlxApi.do", {"op": "getEnergyOverview"}, "obj"),
    "tlx_energy_prod_cons_hour_neo_obj": ("POST", "newTlxApi.do", {"op": "getEnergyProdAndCons_KW", "type": 0}, "obj"),
    "tlx_data_neo": ("GET", "newTlxApi.do", {"op": "getTlxData", "type": 1, "date": DAY}, ""),
    "tlx_detail_neo_offline": ("GET", "newTlxApi.do", {"op": "getTlxDetailData"}, ""),
    "tlx_params_neo": ("GET", "newTlxApi.do", {"op": "getTlxParams"}, ""),
    "tlx_all_settings_neo_tlxSetBean": ("POST", "newTlxApi.do", {"op": "getTlxSetData"}, "obj.tlxSetBean"),
    "tlx_enabled_settings_neo_obj": ("POST", "newLoginAPI.do", {"op": "getSetPass"}, "obj"),
    "tlx_battery_info_detailed_unknown_id": ("POST", "newTlxApi.do", {"op": "getBatDetailData"}, ""),
    "mix_error_504": ("POST", "newMixApi.do", {"op": "getEnergyOverview"}, ""),
    "mix_info_not_a_mix_obj": ("GET", "newMixApi.do", {"op": "getMixInfo"}, "obj"),
    "storage_detail_unknown_id": ("GET", "newStorageAPI.do", {"op": "getStorageInfo_sacolar"}, ""),
    "is_plant_noah_system_false": ("POST", "noahDeviceApi/noah/isPlantNoahSystem", {}, ""),
}


@pytest.fixture(scope="module")
def night():
    return logged_in_cloud("2026-06-21T01:00:00+02:00")


def kind(value):
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, int | float) else type(value).__name__


def differences(recorded, emulated, path=""):
    if isinstance(recorded, dict) and isinstance(emulated, dict):
        if path in ("unitMap", "invPacData", "back.data"):
            return
        if path == "chartData":
            recorded, emulated = recorded["00:00"], emulated["00:00"]
        for name in sorted(recorded.keys() | emulated.keys()):
            where = f"{path}.{name}".lstrip(".")
            if name not in emulated or name not in recorded:
                yield f"{where} is {'recorded' if name in recorded else 'emulated'} only"
            else:
                yield from differences(recorded[name], emulated[name], where)
    elif isinstance(recorded, list) and isinstance(emulated, list):
        for one, other in zip(recorded[:1], emulated[:1], strict=False):
            yield from differences(one, other, path)
    elif kind(recorded) != kind(emulated):
        yield f"{path} is {recorded!r} recorded, {emulated!r} emulated"


@pytest.mark.parametrize("name", REQUESTS)
def test_emulated_response_has_the_members_of_the_recorded_one(name, night):
    verb, path, arguments, inside = REQUESTS[name]
    serial = "NOSUCH0001" if "unknown" in name or "not_a" in name or "504" in name else night.device("tlx")
    keys = ("id", "serialNum", "deviceSn", "mixId", "storageId", "inverterId")
    if "plant" not in name and "all_device" not in name:
        arguments = dict.fromkeys(keys, serial) | arguments
    emulated = json.loads(night.send(verb, path, **{"plantId": night.plant("tlx"), "date": DAY} | arguments).body)
    for member in filter(None, inside.split(".")):
        emulated = emulated[member]
    recorded = json.loads((Path(CAPTURES) / "growatt" / f"{name}.json").read_text())
    assert list(differences(recorded, emulated)) == []


def test_emulated_nexa_and_account_have_the_members_of_recorded_ones():
    cloud = logged_in_cloud("2026-06-21T01:00:00+02:00", extra_plants=["nexa"])
    folder, serial = Path(CAPTURES) / "growatt", cloud.device("nexa")
    cloud.post("noahDeviceApi/nexa/set", serialNum=serial, type="time_segment3", **SEGMENT)
    info = cloud.post("noahDeviceApi/nexa/getNexaInfoBySn", deviceSn=serial)
    recorded = json.loads((folder / "nexa_info_by_sn.json").read_text())
    assert list(differences(recorded, info)) == []
    assert info["obj"]["noah"]["time_segment"] == recorded["obj"]["noah"]["time_segment"]
    chart = cloud.post("noahDeviceApi/nexa/getNexaChartData", deviceSn=serial, date=DAY)
    recorded = json.loads((folder / "nexa_chart_data_partial.json").read_text())
    assert recorded["obj"].keys() <= chart["obj"].keys()
    assert list(differences(recorded["obj"]["18:50"], chart["obj"]["18:50"])) == []
    energy = cloud.post("newPlantAPI.do", action="getUserCenterEnertyDataTwo")
    assert list(differences(json.loads((folder / "user_center_energy_two_neo.json").read_text()), energy)) == []
    refused = cloud.post("newTwoLoginAPIV2.do", userName=cloud.holder.username, password="any")
    assert refused == json.loads((folder / "login_failed_501_v2_endpoint.json").read_text())


def test_emulated_login_and_lists_have_the_members_of_recorded_ones(night):
    back = night.log_in()
    folder = Path(CAPTURES) / "growatt"
    assert list(differences(json.loads((folder / "login_success_neo.json").read_text())["back"], back)) == []
    listed = night.get("PlantListAPI.do", userId=back["user"]["id"])
    assert list(differences(json.loads((folder / "plant_list_neo.json").read_text()), listed, "list")) == []
