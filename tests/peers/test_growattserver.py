"""Compatibility tests: PyPI growattServer and our drop-in send the same requests and return the same results."""

from __future__ import annotations

import datetime as dt
import json
import warnings
from typing import TYPE_CHECKING, Any

import growattServer
import pytest
import requests

from heliograph import growattserver as ours
from heliograph.core.endpoint import operations
from heliograph.errors import CloudError
from heliograph.keeper import Keeper
from heliograph.vendors.growatt import GrowattCalls
from peers.recorder import recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DAY = dt.datetime(2026, 6, 20, 9, 30, tzinfo=dt.UTC)

# One call per row. `s` is the library (for its Timespan), `api` its client, `at` the emulated account.
CASES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "plant_list": lambda s, api, at: api.plant_list(at.user_id),
    "plant_detail": lambda s, api, at: api.plant_detail(at.plant["mix"], s.Timespan.day, DAY),
    "plant_detail by month": lambda s, api, at: api.plant_detail(at.plant["mix"], s.Timespan.month, DAY),
    "plant_list_two": lambda s, api, at: api.plant_list_two(),
    "plant_info": lambda s, api, at: api.plant_info(at.plant["tlx"]),
    "device_list": lambda s, api, at: api.device_list(at.plant["mix"]),
    "device_list of tlx, which takes two requests": lambda s, api, at: api.device_list(at.plant["tlx"]),
    "inverter_list": lambda s, api, at: api.inverter_list(at.plant["mix"]),
    "plant_settings": lambda s, api, at: api.plant_settings(at.plant["mix"]),
    "plant_energy_data": lambda s, api, at: api.plant_energy_data(at.plant["tlx"]),
    "dashboard_data": lambda s, api, at: api.dashboard_data(at.plant["mix"], s.Timespan.hour, DAY),
    "dashboard_data by day": lambda s, api, at: api.dashboard_data(at.plant["mix"], s.Timespan.day, DAY),
    "dashboard_data by month": lambda s, api, at: api.dashboard_data(at.plant["mix"], s.Timespan.month, DAY),
    "inverter_data": lambda s, api, at: api.inverter_data(at.device["inverter"], DAY),
    "inverter_data of another family": lambda s, api, at: api.inverter_data(at.device["tlx"], DAY),
    "inverter_detail": lambda s, api, at: api.inverter_detail(at.device["inverter"]),
    "inverter_detail_two": lambda s, api, at: api.inverter_detail_two(at.device["inverter"]),
    "classic_inverter_info": lambda s, api, at: api.classic_inverter_info(at.device["inverter"]),
    "tlx_system_status": lambda s, api, at: api.tlx_system_status(at.plant["tlx"], at.device["tlx"]),
    "tlx_energy_overview": lambda s, api, at: api.tlx_energy_overview(at.plant["tlx"], at.device["tlx"]),
    "tlx_energy_prod_cons": lambda s, api, at: api.tlx_energy_prod_cons(
        at.plant["tlx"], at.device["tlx"], s.Timespan.hour, DAY
    ),
    "tlx_energy_prod_cons by day": lambda s, api, at: api.tlx_energy_prod_cons(
        at.plant["tlx"], at.device["tlx"], s.Timespan.day, DAY
    ),
    "tlx_energy_prod_cons by month": lambda s, api, at: api.tlx_energy_prod_cons(
        at.plant["tlx"], at.device["tlx"], s.Timespan.month, DAY
    ),
    "tlx_data": lambda s, api, at: api.tlx_data(at.device["tlx"], DAY),
    "tlx_detail": lambda s, api, at: api.tlx_detail(at.device["tlx"]),
    "tlx_detail of an unknown device": lambda s, api, at: api.tlx_detail("NOSUCH0001"),
    "tlx_params": lambda s, api, at: api.tlx_params(at.device["tlx"]),
    "tlx_all_settings": lambda s, api, at: api.tlx_all_settings(at.device["tlx-battery"]),
    "tlx_battery_info": lambda s, api, at: api.tlx_battery_info(at.device["tlx-battery"]),
    "tlx_battery_info_detailed": lambda s, api, at: api.tlx_battery_info_detailed(
        at.plant["tlx-battery"], at.device["tlx-battery"]
    ),
    "mix_info": lambda s, api, at: api.mix_info(at.device["mix"]),
    "mix_info with its plant": lambda s, api, at: api.mix_info(at.device["mix"], at.plant["mix"]),
    "mix_info of another family": lambda s, api, at: api.mix_info(at.device["tlx"]),
    "mix_totals": lambda s, api, at: api.mix_totals(at.device["mix"], at.plant["mix"]),
    "mix_totals of another family": lambda s, api, at: api.mix_totals(at.device["storage"], at.plant["storage"]),
    "mix_system_status": lambda s, api, at: api.mix_system_status(at.device["mix"], at.plant["mix"]),
    "mix_detail": lambda s, api, at: api.mix_detail(at.device["mix"], at.plant["mix"], s.Timespan.hour, DAY),
    "mix_detail by day": lambda s, api, at: api.mix_detail(at.device["mix"], at.plant["mix"], s.Timespan.day, DAY),
    "get_mix_inverter_settings": lambda s, api, at: api.get_mix_inverter_settings(at.device["mix"]),
    "storage_detail": lambda s, api, at: api.storage_detail(at.device["storage"]),
    "storage_params": lambda s, api, at: api.storage_params(at.device["storage"]),
    "storage_energy_overview": lambda s, api, at: api.storage_energy_overview(
        at.plant["storage"], at.device["storage"]
    ),
    "is_plant_noah_system": lambda s, api, at: api.is_plant_noah_system(at.plant["noah"]),
    "is_plant_noah_system of another family": lambda s, api, at: api.is_plant_noah_system(at.plant["mix"]),
    "noah_system_status": lambda s, api, at: api.noah_system_status(at.device["noah"]),
    "noah_info": lambda s, api, at: api.noah_info(at.device["noah"]),
    "update_plant_settings": lambda s, api, at: api.update_plant_settings(
        at.plant["mix"], {"plantName": "Zürich & Söhne", "plantMoney": "EUR"}
    ),
    "update_plant_settings with known ones": lambda s, api, at: api.update_plant_settings(
        at.plant["mix"], {"plantName": "House"}, api.plant_settings(at.plant["mix"])
    ),
    "update_inverter_setting": lambda s, api, at: api.update_inverter_setting(
        at.device["tlx-battery"],
        "charge_power",
        {"op": "tlxSet", "serialNum": at.device["tlx-battery"], "type": "charge_power"},
        [80],
    ),
    "update_tlx_inverter_setting": lambda s, api, at: api.update_tlx_inverter_setting(
        at.device["tlx-battery"], "charge_power", 90
    ),
    "update_tlx_inverter_setting with a list": lambda s, api, at: api.update_tlx_inverter_setting(
        at.device["tlx-battery"], "pv_active_p_rate", ["80", "1"]
    ),
    "update_tlx_inverter_setting with names": lambda s, api, at: api.update_tlx_inverter_setting(
        at.device["tlx-battery"], "ac_charge", {"param1": "1"}
    ),
    "update_tlx_inverter_time_segment": lambda s, api, at: api.update_tlx_inverter_time_segment(
        at.device["tlx-battery"], 1, 1, dt.time(0, 5), dt.time(4, 59), True
    ),
    "update_mix_inverter_setting": lambda s, api, at: api.update_mix_inverter_setting(
        at.device["mix"],
        "mix_ac_charge_time_period",
        ["100", "100", "1", "00", "40", "04", "20", "1", *["00", "00", "00", "00", "0"] * 2],
    ),
    "update_ac_inverter_setting": lambda s, api, at: api.update_ac_inverter_setting(
        at.device["spa"],
        "spa_ac_charge_time_period",
        ["100", "100", "00", "40", "04", "20", "1", *["00", "00", "00", "00", "0"] * 2],
    ),
    "update_noah_settings": lambda s, api, at: api.update_noah_settings(at.device["noah"], "default_power", ["250"]),
    "update_noah_settings with names": lambda s, api, at: api.update_noah_settings(
        at.device["noah"], "charging_soc", {"param1": "95", "param2": "11"}
    ),
    "update_classic_inverter_setting": lambda s, api, at: api.update_classic_inverter_setting(
        {"action": "inverterSet", "serialNum": at.device["inverter"]},
        {"paramId": "pv_active_p_rate", "command_1": "60", "command_2": ""},
    ),
}

# Responses with `obj: null`, for which both return None.
EMPTY_RESULTS = {"mix_totals of another family"}

# Calls of the drop-in that the released package does not have.
OURS_ALONE = {
    "login",  # tested below, with its cookies
    "plant_list_page",
    "all_devices",
    "plant_years",
    "spa_settings",
    "noah_chart",
    "noah_energies",
    "noah_battery_data",
    "nexa_system_status",
    "nexa_info",
    "nexa_battery_data",
    "nexa_chart",
    "nexa_energies",
    "update_nexa_settings",
    "app_login",
    "plant_chart",
    "account_energy_data",
    "get_plant_settings",
    "tlx_get_all_settings",
    "tlx_get_enabled_settings",
    "send_plant_settings",
    "set_classic_inverter_active_power_rate",
    "set_classic_inverter_on_off",
}


@pytest.fixture(scope="module")
def side_by_side(growatt_at: Any, tmp_path_factory: Any) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Return both clients, logged in through one recording relay."""
    with recording(growatt_at.url) as recorder:
        # Protected, as by default, with a folder that outlives a test.
        keeper = Keeper(tmp_path_factory.mktemp("accounts"))
        peer, mine = growattServer.GrowattApi(), ours.GrowattApi(keeper=keeper)
        for api in (peer, mine):
            api.server_url = recorder.url + "/"
            assert api.login(growatt_at.username, growatt_at.password)["success"] is True
        recorder.take()
        yield recorder, peer, mine, growatt_at


@pytest.mark.parametrize("case", CASES)
def test_drop_in_sends_same_requests_and_returns_same_values_as_peer(case: str, side_by_side: Any) -> None:
    recorder, peer, mine, at = side_by_side
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        expected = CASES[case](growattServer, peer, at)
        sent_by_peer = recorder.take()
        returned = CASES[case](ours, mine, at)
        sent_by_us = recorder.take()
    assert sent_by_us == sent_by_peer
    assert returned == expected
    assert expected or case in EMPTY_RESULTS, "an empty result proves nothing"


def test_cases_cover_every_declared_call_of_the_peer() -> None:
    covered = {case.split(" ", 1)[0] for case in CASES} | {"tlx_enabled_settings"}
    assert {row.name for row in operations(GrowattCalls)} - covered == OURS_ALONE


def test_drop_in_has_every_public_method_of_the_peer() -> None:
    public = {name for name in dir(growattServer.GrowattApi) if not name.startswith("_")}
    assert {name for name in public if not hasattr(ours.GrowattApi, name)} == set()
    exported = {"GrowattApi", "GrowattError", "GrowattParameterError", "Timespan", "hash_password", "name"}
    assert {name for name in exported if not hasattr(ours, name)} == set()


def test_drop_in_login_sends_and_returns_the_same_as_peer(growatt_at: Any) -> None:
    with recording(growatt_at.url) as recorder:
        results = []
        for library in (growattServer, ours):
            api = library.GrowattApi()
            api.server_url = recorder.url + "/"
            results.append(api.login(growatt_at.username, growatt_at.password))
            assert "JSESSIONID" in api.session.cookies.get_dict()
        first, second = recorder.take()
    assert first == second
    for result in results:
        result["user"].pop("lastLoginTime", None)
    assert results[0] == results[1]


def test_drop_in_login_returns_wrong_password_like_peer(growatt_at: Any) -> None:
    results = []
    for library in (growattServer, ours):
        api = library.GrowattApi()
        api.server_url = growatt_at.url
        results.append(api.login(growatt_at.username, "wrong"))
    assert results[0] == results[1]
    assert results[1]["success"] is False


@pytest.mark.parametrize("arguments", [(), (False, "my agent"), (False,)])
def test_drop_in_user_agent_equals_peer(arguments: tuple[Any, ...], growatt_at: Any) -> None:
    with recording(growatt_at.url) as recorder:
        for library in (growattServer, ours):
            api = library.GrowattApi(*arguments)
            api.server_url = recorder.url + "/"
            api.login(growatt_at.username, growatt_at.password)
        first, second = recorder.take()
    assert first.user_agent == second.user_agent


def test_drop_in_random_user_id_is_five_digits_after_agent() -> None:
    peer, mine = growattServer.GrowattApi(True), ours.GrowattApi(True)
    assert mine.agent_identifier[:-5] == peer.agent_identifier[:-5]
    assert mine.agent_identifier[-5:].isdigit()
    assert mine.session.headers["User-Agent"] == mine.agent_identifier


def test_drop_in_without_session_raises_error_compatible_with_peer(growatt_at: Any) -> None:
    for case in ("plant_list", "tlx_detail", "plant_settings", "mix_info"):
        caught = []
        for library in (growattServer, ours):
            api = library.GrowattApi()
            api.server_url = growatt_at.url
            with pytest.raises(requests.RequestException) as error:
                CASES[case](library, api, growatt_at)
            caught.append(error.value)
        peer_error, mine = caught
        assert isinstance(mine, CloudError)
        if isinstance(peer_error, json.JSONDecodeError):
            assert isinstance(mine, json.JSONDecodeError), case
        else:
            assert isinstance(mine, type(peer_error)), case
            assert mine.response.status_code == peer_error.response.status_code


def test_drop_in_raises_requests_connection_error_without_network() -> None:
    api = ours.GrowattApi()
    api.server_url = "http://127.0.0.1:9/"
    with pytest.raises(requests.exceptions.ConnectionError) as error:
        api.login("me", "secret-word")
    assert "secret-word" not in str(error.value)


def test_drop_in_default_date_equals_peer_for_utc_plant(growatt_today: Any) -> None:
    cases: dict[str, Callable[[Any, Any], Any]] = {
        "tlx_energy_prod_cons": lambda api, at: api.tlx_energy_prod_cons(at.plant["tlx"], at.device["tlx"]),
        "tlx_data": lambda api, at: api.tlx_data(at.device["tlx"]),
        "inverter_data": lambda api, at: api.inverter_data(at.device["inverter"]),
        "mix_detail": lambda api, at: api.mix_detail(at.device["mix"], at.plant["mix"]),
        "dashboard_data": lambda api, at: api.dashboard_data(at.plant["mix"]),
        "tlx_enabled_settings": lambda api, at: api.tlx_enabled_settings(at.device["tlx"]),
    }
    with recording(growatt_today.url) as recorder:
        peer, mine = growattServer.GrowattApi(), ours.GrowattApi()
        for api in (peer, mine):
            api.server_url = recorder.url + "/"
            api.login(growatt_today.username, growatt_today.password)
            for plant in growatt_today.plant.values():
                api.plant_settings(plant)
        recorder.take()
        for case, call in cases.items():
            expected, sent_by_peer = call(peer, growatt_today), recorder.take()
            returned, sent_by_us = call(mine, growatt_today), recorder.take()
            assert sent_by_us == sent_by_peer, case
            assert returned == expected, case


def test_drop_in_session_supports_headers_cookies_and_get(growatt_at: Any) -> None:
    api = ours.GrowattApi()
    api.server_url = growatt_at.url
    api.session.headers.update({"User-Agent": "other", "X-Mine": "1"})
    api.login(growatt_at.username, growatt_at.password)
    cookies = api.session.cookies.get_dict()
    again = ours.GrowattApi()
    again.server_url = growatt_at.url
    again.session.cookies.update(cookies)
    assert again.plant_list_two()
    page = again.session.get(again.get_url("newPlantAPI.do"), params={"op": "getPlant", "plantId": "1"})
    assert page.status_code == 200
    assert isinstance(page.json(), dict)
    assert page.headers["Content-Type"] == page.headers["content-type"]
    assert requests.utils.dict_from_cookiejar(again.session.cookies) == cookies
