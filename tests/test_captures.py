"""Real answers of both clouds, where a folder of them is at hand: every file is read, none is left unvisited.

The folder is named by HELIOGRAPH_CAPTURES; without it tests/fixtures covers the same ground with answers of our own.
"""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from heliograph import errors as e
from heliograph.model import Device, DeviceSnapshot, Status
from heliograph.redact import excerpt, masked
from heliograph.session import Session
from heliograph.vendors.goodwe import normalise as goodwe
from heliograph.vendors.goodwe.api import GoodWeCalls
from heliograph.vendors.goodwe.login import GoodWeCloud
from heliograph.vendors.growatt import GrowattCalls, normalise
from heliograph.vendors.growatt.login import GrowattCloud
from scripted import NOON, reply

FOLDER = os.environ.get("HELIOGRAPH_CAPTURES")
pytestmark = pytest.mark.skipif(not FOLDER, reason="HELIOGRAPH_CAPTURES names no folder of real answers")

G, S = GrowattCalls, GoodWeCalls
NOW = datetime.fromtimestamp(NOON, UTC)

# The longest prefix of a file's name says which call it answers.
CALLS = {
    "growatt/all_device_list": G.all_devices.plan("1"),
    "growatt/inverter_data": G.inverter_data.plan("SN", "2026-06-21"),
    "growatt/inverter_detail": G.inverter_detail.plan("SN"),
    "growatt/inverter_detail_two": G.inverter_detail_two.plan("SN"),
    "growatt/is_plant_noah_system": G.is_plant_noah_system.plan("1"),
    "growatt/login": G.login.plan("me", "secret"),
    "growatt/mix_error": G.mix_totals.plan("SN", "1"),
    "growatt/mix_info": G.mix_info.plan("SN"),
    "growatt/plant_detail": G.plant_detail.plan("1", 1, "2026-06-21"),
    "growatt/plant_energy_data": G.plant_energy_data.plan("1"),
    "growatt/plant_info": G.plant_info.plan("1"),
    "growatt/plant_list": G.plant_list.plan("1"),
    "growatt/plant_list_two": G.plant_list_page.plan(),
    "growatt/plant_settings": G.plant_settings.plan("1"),
    "growatt/setting_write": G.set_classic_inverter_on_off.plan("SN", True),
    "growatt/storage_detail": G.storage_detail.plan("SN"),
    "growatt/storage_detail_bean": G.storage_params.plan("SN"),
    "growatt/storage_combined": G.storage_params.plan("SN"),
    "growatt/tlx_all_settings": G.tlx_all_settings.plan("SN"),
    "growatt/tlx_battery_info_detailed": G.tlx_battery_info_detailed.plan("SN"),
    "growatt/tlx_data": G.tlx_data.plan("SN", "2026-06-21"),
    "growatt/tlx_detail": G.tlx_detail.plan("SN"),
    "growatt/tlx_enabled_settings": G.tlx_enabled_settings.plan("SN"),
    "growatt/tlx_energy_overview": G.tlx_energy_overview.plan("1", "SN"),
    "growatt/tlx_energy_prod_cons": G.tlx_energy_prod_cons.plan("1", "SN", 0, "2026-06-21"),
    "growatt/tlx_params": G.tlx_params.plan("SN"),
    "growatt/tlx_system_status": G.tlx_system_status.plan("1", "SN"),
    "goodwe/error_gateway_route_not_found": S.monitor_detail.plan("1"),
    "goodwe/error_legacy_getmonitordetail": S.monitor_detail.plan("1"),
    "goodwe/error_legacy_login": S.cross_login.plan("me", "secret"),
    "goodwe/error_legacy_missing_token": S.cross_login.plan("me", "secret"),
    "goodwe/legacy_login": S.cross_login.plan("me", "secret"),
    "goodwe/legacy_query_power_station_monitor_for_app": S.plant_list_page.plan(),
    "goodwe/legacy_v2_getmonitordetail": S.monitor_detail.plan("1", 2),
    "goodwe/legacy_v3_getmonitordetail": S.monitor_detail.plan("1", 3),
}
# Answers of calls nothing declares: read as JSON and masked, no more. Each with its reason.
UNDECLARED = {
    "growatt/device_detail_data": "not a call of growattServer",
    "growatt/device_event_log": "not a call of growattServer",
    "growatt/nexa": "Nexa has calls of its own",
    "growatt/user_center": "the older twin of plant_energy_data",
    "growatt/v1": "the token API",
    "growatt/web": "the web portal",
    "goodwe/error_semsplus": "SEMS+",
    "goodwe/legacy_multi_inverter_summary": "its call is unknown",
    "goodwe/legacy_query_power_station_monitor_three": "the list's newer twin",
    "goodwe/legacy_v2_getchartbyplant": "charts",
    "goodwe/semsplus": "SEMS+",
}

_WRAPS = {
    "_obj": lambda body: {"result": 1, "msg": "", "obj": body},
    "_tlxSetBean": lambda body: {"result": 1, "msg": "", "obj": {"tlxSetBean": body}},
    "_deviceList": lambda body: {"deviceList": body},
    "_bean_partial": lambda body: {"storageDetailBean": body},
}


def files():
    return sorted(Path(FOLDER or ".").rglob("*.json")) if FOLDER else []


def key(path):
    return path.relative_to(FOLDER).with_suffix("").as_posix()


def longest(prefixes, name):
    return max((one for one in prefixes if name.startswith(one)), key=len, default=None)


def on_the_wire(path):
    """Return a capture as its cloud sent it: some were published without their envelope."""
    body = json.loads(path.read_text(encoding="utf-8"))
    name = path.stem
    if name.startswith("storage_combined"):
        return reply(body["storage_params"])
    if "getmonitordetail" in name and "code" not in body:
        return reply({"code": 0, "msg": "", "data": body})
    for suffix, wrap in _WRAPS.items():
        if name.endswith(suffix):
            return reply(wrap(body))
    return reply(body, 404 if name.endswith("_http404") else 200)


def read(name):
    path = Path(FOLDER) / f"{name}.json"
    call = CALLS[longest(CALLS, name)]
    growatt = name.startswith("growatt/")
    session = Session("https://openapi.growatt.com/" if growatt else "https://www.semsportal.com/api/")
    cloud = GrowattCloud() if growatt else GoodWeCloud()
    return call.endpoint.shape(cloud.read(session, call, on_the_wire(path)))


def device(family):
    return Device(vendor="growatt", plant="1", id="SN", family=family)


def normalised(name, said):
    """Return what the common model makes of a device's answer; None where it takes several answers together."""
    kind = longest(CALLS, name)
    if kind == "growatt/tlx_detail":
        return normalise.tlx(device("tlx"), said, UTC)
    if kind == "growatt/inverter_detail":
        return normalise.inverter(device("inverter"), said, UTC)
    if kind in ("growatt/storage_combined", "growatt/storage_detail_bean"):
        whole = json.loads((Path(FOLDER) / f"{name}.json").read_text())
        energy = G.storage_energy_overview.plan("1", "SN").endpoint.shape(whole.get("storage_energy_overview", {}))
        return normalise.storage(device("storage"), said, energy, UTC)
    if kind == "growatt/plant_info":
        return normalise.plant_values(said, [])
    if kind in ("goodwe/legacy_v2_getmonitordetail", "goodwe/legacy_v3_getmonitordetail"):
        return goodwe.snapshot(said, "1", NOW)
    return None


REFUSED = {
    "growatt/inverter_data_not_a_classic_inverter": e.Refused,
    "growatt/login_failed_501_v2_endpoint": e.InvalidCredentials,
    "growatt/login_failed_507_short": e.AccountLocked,
    "growatt/login_locked_507": e.AccountLocked,
    "growatt/mix_error_504": e.Refused,
    "growatt/setting_write_bad_time": e.Refused,
    "growatt/setting_write_failure": e.Refused,
    "goodwe/error_gateway_route_not_found_http404": e.Refused,
    "goodwe/error_legacy_getmonitordetail_bad_station_innerexception": e.Refused,
    "goodwe/error_legacy_login_bad_password_100005_2021": e.InvalidCredentials,
    "goodwe/error_legacy_login_bad_password_100005_2024": e.InvalidCredentials,
    "goodwe/error_legacy_missing_token_header_100000": e.CloudError,
    "goodwe/legacy_login_v3_success_2026_gateway_api": None,
    "goodwe/legacy_v3_getmonitordetail_success_but_empty_data_2026": e.Refused,
}


def test_every_capture_is_read_or_excused_and_none_raises():
    names = [key(path) for path in files()]
    assert len(names) > 50
    unvisited = [one for one in names if not longest(CALLS, one) and not longest(UNDECLARED, one)]
    assert unvisited == []
    assert [one for one in UNDECLARED if not any(name.startswith(one) for name in names)] == []
    assert [one for one in CALLS if not any(name.startswith(one) for name in names)] == []
    for name in names:
        if longest(CALLS, name) is None:
            json.loads((Path(FOLDER) / f"{name}.json").read_text(encoding="utf-8"))
        elif (error := REFUSED.get(name)) is not None:
            with pytest.raises(error):
                read(name)
        else:
            said = read(name)
            repr(said)
            normalised(name, said)


def test_what_is_shown_of_a_capture_is_masked():
    for path in files():
        text = path.read_text(encoding="utf-8")
        assert excerpt(text).isprintable()
        shown = masked(text)
        assert not re.search(r"[\w.]+@[\w.]+\.\w+", shown), path.name
        assert not re.search(r"0123456789abcdef", shown), path.name
        assert not re.search(r'"(?i:token|password|pwd|uid|email|cpowerToken)"\s*:\s*"', shown), path.name


def test_a_sleeping_tlx_is_offline_and_its_energies_are_gaps():
    found = normalised("growatt/tlx_detail_neo_offline", read("growatt/tlx_detail_neo_offline"))
    assert found.status is Status.OFFLINE
    assert found.measured_at is None
    assert set(found.values.values()) == {None}


def test_an_unknown_inverter_is_offline_and_not_zero():
    found = normalised("growatt/inverter_detail_unknown_id", read("growatt/inverter_detail_unknown_id"))
    assert found.status is Status.OFFLINE
    assert set(found.values.values()) == {None}


def test_an_energy_in_mwh_is_read_in_kwh():
    (plant,) = read("growatt/plant_list_spf_2024").plants
    assert (plant.energy_today, plant.energy_total) == (9.3, 2560.0)


def test_a_locked_account_is_locked_for_a_day():
    for name in ("growatt/login_locked_507", "growatt/login_failed_507_short"):
        with pytest.raises(e.AccountLocked) as caught:
            read(name)
        assert caught.value.until == NOW + timedelta(hours=24)


def test_a_wrong_family_is_refused_with_its_code():
    with pytest.raises(e.Refused) as caught:
        read("growatt/mix_error_504")
    assert caught.value.code == "504"


def test_a_storage_bean_tells_charge_and_load():
    found = normalised("growatt/storage_detail_bean_partial", read("growatt/storage_detail_bean_partial"))
    assert (found.values["battery_soc"], found.values["load_power"]) == (98.0, 54.0)


def test_a_storage_that_charges_from_the_grid_has_the_signs_right():
    name = "growatt/storage_combined_utility_charging_redacted"
    charging = normalised(name, read(name))
    assert charging.values["battery_power"] == -2400.0
    name = "growatt/storage_combined_sbu_discharging_redacted"
    discharging = normalised(name, read(name))
    assert discharging.values["battery_power"] == 374.0
    assert discharging.values["pv_energy_total"] == 2864.1
    assert discharging.values["battery_charge_energy_today"] == 10.5  # not the bean's 0


def test_the_login_names_user_and_plants():
    login = read("growatt/login_success_neo")
    assert [one.id for one in login.plants] == ["1234567"]
    assert login.user.id


def test_the_devices_of_a_tlx_plant_stand_beside_the_empty_list():
    info = read("growatt/plant_info_neo")
    assert info.devices == ()
    assert [(one.id, one.family) for one in info.all_devices] == [("BZP0000001", "tlx")]


def test_a_classic_portal_plant_at_night_is_offline_with_its_lifetime_energy():
    name = "goodwe/legacy_v3_getmonitordetail_single_inverter_no_battery_night"
    found = normalised(name, read(name))
    assert found.status is Status.OFFLINE
    assert found.values["pv_power"] is None
    assert found.values["pv_energy_total"]
    assert not [value for value in found.values.values() if value is not None and abs(value) > 1e6]


def test_an_importing_plant_has_a_positive_grid_power():
    name = "goodwe/legacy_v3_getmonitordetail_meter_powerflow_importing_data_only"
    assert normalised(name, read(name)).values["grid_power"] > 0


def test_an_exporting_plant_has_a_negative_grid_power():
    name = "goodwe/legacy_v3_getmonitordetail_homekit_only_exporting_fragment"
    assert normalised(name, read(name)).values["grid_power"] < 0


def test_a_sentinel_is_nowhere_in_a_snapshot():
    name = "goodwe/legacy_v2_getmonitordetail_three_phase_2021_trimmed"
    found = normalised(name, read(name))
    assert isinstance(found.devices[0], DeviceSnapshot)
    assert not [value for value in found.values.values() if value is not None and value in (65535, 6553.5, 429483622)]
