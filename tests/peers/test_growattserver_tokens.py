"""Compatibility tests: the token API of PyPI growattServer and of our drop-in send the same requests."""

from __future__ import annotations

import datetime as dt
import warnings
from typing import TYPE_CHECKING, Any

import growattServer
import pytest

from heliograph import growattserver as ours
from peers.conftest import NOON, account
from peers.recorder import recording

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = dt.date(2026, 6, 20)
WEEK = DAY - dt.timedelta(days=6)
PERIODS = [
    {"start_time": dt.time(1, 5), "end_time": dt.time(4, 30), "enabled": True},
    {"start_time": dt.time(13), "end_time": dt.time(14, 59), "enabled": False},
    {"start_time": dt.time(0), "end_time": dt.time(0), "enabled": False},
]

# One call per row: the library's client, and the emulated account.
CASES: dict[str, Callable[[Any, Any], Any]] = {
    "plant_list": lambda api, at: api.plant_list(),
    "plant_details": lambda api, at: api.plant_details(at.plant["mix"]),
    "plant_details of another account": lambda api, at: api.plant_details(1),
    "plant_energy_overview": lambda api, at: api.plant_energy_overview(at.plant["mix"]),
    "plant_power_overview": lambda api, at: api.plant_power_overview(at.plant["mix"], DAY),
    "plant_power_overview of a text": lambda api, at: api.plant_power_overview(at.plant["mix"], "2026-06-19"),
    "plant_power_overview without a day": lambda api, at: api.plant_power_overview(at.plant["mix"]),
    "plant_energy_history": lambda api, at: api.plant_energy_history(at.plant["mix"], WEEK, DAY),
    "plant_energy_history, pages": lambda api, at: api.plant_energy_history(at.plant["mix"], WEEK, DAY, "day", 1, 3),
    "plant_energy_history, months": lambda api, at: api.plant_energy_history(at.plant["mix"], WEEK, DAY, "month"),
    "plant_energy_history, too long": lambda api, at: api.plant_energy_history(
        at.plant["mix"], WEEK - dt.timedelta(days=9), DAY
    ),
    "plant_energy_history, one date": lambda api, at: api.plant_energy_history(at.plant["mix"], DAY),
    "device_list": lambda api, at: api.device_list(at.plant["mix"]),
    "min_detail": lambda api, at: api.min_detail(at.device["tlx-battery"]),
    "min_energy": lambda api, at: api.min_energy(at.device["tlx-battery"]),
    "min_energy of an unknown device": lambda api, at: api.min_energy("NOSUCH0001"),
    "min_energy_history": lambda api, at: api.min_energy_history(at.device["tlx-battery"], DAY, DAY, page=2, limit=50),
    "min_energy_history, too long": lambda api, at: api.min_energy_history(
        at.device["tlx-battery"], WEEK - dt.timedelta(days=9), DAY
    ),
    "min_settings": lambda api, at: api.min_settings(at.device["tlx-battery"]),
    "min_read_parameter": lambda api, at: api.min_read_parameter(at.device["tlx-battery"], "charge_power"),
    "min_read_parameter, registers": lambda api, at: api.min_read_parameter(at.device["tlx-battery"], None, 3, 5),
    "min_read_parameter, one register": lambda api, at: api.min_read_parameter(at.device["tlx-battery"], None, 3),
    "min_read_parameter, both": lambda api, at: api.min_read_parameter(at.device["tlx-battery"], "charge_power", 3),
    "min_read_parameter, neither": lambda api, at: api.min_read_parameter(at.device["tlx-battery"], None),
    "min_write_parameter": lambda api, at: api.min_write_parameter(at.device["tlx-battery"], "charge_power", 80),
    "min_write_parameter, list": lambda api, at: api.min_write_parameter(
        at.device["tlx-battery"], "pv_active_p_rate", [90, 1]
    ),
    "min_write_parameter, positions": lambda api, at: api.min_write_parameter(
        at.device["tlx-battery"], "pv_active_p_rate", {"1": 90, 2: 1, 40: 3}
    ),
    "min_write_parameter, unknown": lambda api, at: api.min_write_parameter(at.device["tlx-battery"], "nonsense", 1),
    "min_write_time_segment": lambda api, at: api.min_write_time_segment(
        at.device["tlx-battery"], 2, 1, dt.time(1, 5), dt.time(4, 30)
    ),
    "min_write_time_segment, segment": lambda api, at: api.min_write_time_segment(
        at.device["tlx-battery"], 10, 1, dt.time(1, 5), dt.time(4, 30)
    ),
    "min_write_time_segment, mode": lambda api, at: api.min_write_time_segment(
        at.device["tlx-battery"], 1, 3, dt.time(1, 5), dt.time(4, 30)
    ),
    "min_read_time_segments": lambda api, at: api.min_read_time_segments(at.device["tlx-battery"]),
    "min_read_time_segments of odd settings": lambda api, at: api.min_read_time_segments(
        "X",
        {
            "forcedTimeStart1": "7:5",
            "forcedTimeStop1": "null",
            "time1Mode": "2",
            "forcedStopSwitch1": "1",
            "forcedTimeStart2": "nonsense",
            "time2Mode": "null",
            "forcedStopSwitch2": None,
            "time3Mode": "x",
            "forcedStopSwitch3": "x",
        },
    ),
    "sph_detail": lambda api, at: api.sph_detail(at.device["mix"]),
    "sph_energy": lambda api, at: api.sph_energy(at.device["mix"]),
    "sph_energy_history": lambda api, at: api.sph_energy_history(at.device["mix"], DAY, DAY, limit=20),
    "sph_read_parameter": lambda api, at: api.sph_read_parameter(at.device["mix"], "backflow_setting"),
    "sph_read_parameter, one register": lambda api, at: api.sph_read_parameter(at.device["mix"], None, 3),
    "sph_write_parameter": lambda api, at: api.sph_write_parameter(at.device["mix"], "backflow_setting", [1, 50]),
    "sph_write_ac_charge_times": lambda api, at: api.sph_write_ac_charge_times(at.device["mix"], 60, 95, True, PERIODS),
    "sph_write_ac_charge_times, two periods": lambda api, at: api.sph_write_ac_charge_times(
        at.device["mix"], 60, 95, True, PERIODS[:2]
    ),
    "sph_write_ac_charge_times, power": lambda api, at: api.sph_write_ac_charge_times(
        at.device["mix"], 101, 95, True, PERIODS
    ),
    "sph_write_ac_discharge_times": lambda api, at: api.sph_write_ac_discharge_times(at.device["mix"], 60, 15, PERIODS),
    "sph_read_ac_charge_times": lambda api, at: api.sph_read_ac_charge_times(at.device["mix"]),
    "sph_read_ac_discharge_times": lambda api, at: api.sph_read_ac_discharge_times(at.device["mix"]),
    "sph_read_ac_charge_times of odd settings": lambda api, at: api.sph_read_ac_charge_times(
        "X", {"chargePowerCommand": "null", "wchargeSOCLowLimit": "", "acChargeEnable": None}
    ),
    "get_device of a MIN": lambda api, at: api.get_device(at.device["tlx-battery"], 7).energy(),
    "get_device of an SPH": lambda api, at: api.get_device(at.device["mix"], 5).energy(),
    "get_device of another type": lambda api, at: api.get_device(at.device["storage"], 2),
}


def outcome(library, at, url, case):
    """Return what a call returns or raises, with its warnings."""
    token = next(account["token"] for account in at.ready["accounts"] if account["username"] == at.username)
    api = library.OpenApiV1(token)
    api.server_url = url
    api.api_url = f"{url}v1/"
    # The emulator answers an equal call again after five minutes only.
    at.emulator.accounts[0].state.pop("openapi", None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = CASES[case](api, at)
        except (library.GrowattParameterError, library.GrowattV1ApiError) as error:
            result = (type(error).__name__, getattr(error, "error_code", None), getattr(error, "error_msg", str(error)))
    return result, [(warning.category, str(warning.message)) for warning in caught]


@pytest.mark.parametrize("case", CASES)
def test_token_call_sends_and_returns_the_same(growatt_at, case):
    with recording(growatt_at.url) as recorder:
        theirs = outcome(growattServer, growatt_at, f"{recorder.url}/", case)
        their_requests = recorder.take()
        result = outcome(ours, growatt_at, f"{recorder.url}/", case)
        assert recorder.take() == their_requests
    assert result == theirs


def test_drop_in_has_the_names_of_the_token_api():
    for name in dir(growattServer.OpenApiV1):
        assert name.startswith("_") or hasattr(ours.OpenApiV1, name), name
    assert [(row.name, row.value) for row in ours.DeviceType] == [
        (row.name, row.value) for row in growattServer.DeviceType
    ]
    assert set(growattServer.__all__) - {"GrowattApi"} <= set(ours.__all__)


def test_api_url_follows_the_server_unless_it_was_assigned():
    api = ours.OpenApiV1("0" * 32)
    api.server_url = "https://openapi-us.growatt.com/"
    assert api.get_url("plant/list") == "https://openapi-us.growatt.com/v1/plant/list"
    api.api_url = "https://openapi-au.growatt.com/v1/"
    assert api.get_url("plant/list") == "https://openapi-au.growatt.com/v1/plant/list"


def test_answer_without_an_error_code_raises_the_libraries_error():
    with pytest.raises(ours.GrowattV1ApiError, match="Error during getting plant list") as caught:
        ours.OpenApiV1("0" * 32).process_response({"data": None}, "getting plant list")
    assert caught.value.error_code == 1


# What Home Assistant's integration does: its sensors' keys, and the calls of a round, in its order.
PLANT_KEYS = {"current_power", "today_energy", "total_energy"}
MIN_KEYS = {
    *(
        "eacToday",
        "eacTotal",
        "epvTotal",
        "ppv1",
        "vpv1",
        "ipv1",
        "pac",
        "ppv",
        "bdc1DischargePower",
        "bdc1ChargePower",
    ),
    *("pacToUserTotal", "pacToGridTotal", "pacToLocalLoad", "edischargeToday", "edischargeTotal", "echargeToday"),
    *("echargeTotal", "etoUserToday", "etoUserTotal", "etoGridToday", "etoGridTotal", "elocalLoadToday", "bmsSoc"),
    *("forcedTimeStart1", "forcedTimeStop1", "time1Mode", "forcedStopSwitch1"),
}
SPH_KEYS = {
    *("ppv", "pcharge1", "pdischarge1", "pacToGridTotal", "pacToUserR", "soc", "echarge1Today", "edischarge1Today"),
    *("etoUserToday", "etoGridToday", "elocalLoadToday", "epvTotal", "chargePowerCommand", "forcedChargeTimeStart1"),
}


def test_rounds_of_home_assistant_are_answered_in_its_order():
    """Setup and three rounds of five minutes, with the intervals of the vendor enforced."""
    with account("growatt", NOON) as at:
        token = next(one["token"] for one in at.ready["accounts"] if one["username"] == at.username)
        api = growattServer.OpenApiV1(token)
        api.server_url, api.api_url = at.url, f"{at.url}v1/"
        plants = api.plant_list()["plants"]
        assert len(plants) == 7
        clock = at.emulator.world.clock
        for number in range(3):
            clock.set(NOON + dt.timedelta(minutes=5 * number))
            kinds = []
            for plant in plants:
                overview = api.plant_energy_overview(plant["plant_id"])
                assert overview.keys() >= PLANT_KEYS
                powers = api.plant_power_overview(plant["plant_id"], DAY)["powers"]
                assert any(row["power"] is not None for row in powers)
                for device in api.device_list(plant["plant_id"])["devices"]:
                    kinds.append(device["type"])
                    serial = device["device_sn"]
                    if device["type"] == growattServer.DeviceType.MIN.value:
                        merged = api.min_detail(serial) | api.min_settings(serial) | api.min_energy(serial)
                        assert merged.keys() >= MIN_KEYS
                    elif device["type"] == growattServer.DeviceType.SPH.value:
                        merged = api.sph_detail(serial) | api.sph_energy(serial)
                        assert merged.keys() >= SPH_KEYS
            assert sorted(kinds) == [1, 2, 5, 6, 7, 7]
        # A restart within five minutes is refused, as Home Assistant's users report.
        with pytest.raises(growattServer.GrowattV1ApiError) as refused:
            api.plant_energy_overview(plants[0]["plant_id"])
        assert refused.value.error_code == growattServer.GrowattV1ApiErrorCode.RATE_LIMITED
