"""Tests of the emulated SEMS+: authentication, one session across dialects, deprecation, regions and faults."""

from __future__ import annotations

import base64

import pytest

from heliograph.emulator.clouds.goodwe import LEGACY_ROUTER, PLUS_ROUTER
from heliograph.emulator.server import serve_in_thread
from support.goodwe_emulator import (
    FLAGS,
    FLOW,
    OWNER,
    PLANT,
    PLUS_LIST,
    PLUS_LOGIN,
    REMOTE,
    STATISTICS,
    WEB,
    Caller,
    Remote,
    encode_password,
    sign,
    world,
)


@pytest.fixture
def caller():
    return Caller(world())


@pytest.fixture
def logged_in(caller):
    caller.plus_login()
    return caller


@pytest.fixture
def hosts():
    """Raw clients of both regions' ports, and the ready line."""
    emulator = world()
    with serve_in_thread(emulator) as ready:
        callers = [Remote(emulator, ready[name]) for name in ("url", "second")]
        yield *callers, ready
        for one in callers:
            one.connection.close()


def test_every_declared_call_of_both_dialects_has_a_handler():
    assert (PLUS_ROUTER.unhandled(), LEGACY_ROUTER.unhandled()) == (set(), set())


# Authentication


def test_login_returns_token_and_data_server(caller):
    answer = caller.plus_login()
    data = answer["data"]
    assert (answer["code"], len(answer["traceId"])) == ("00000", 32)
    assert answer["description"]
    assert data["api"] == "http://emulator/web/sems"
    assert (data["client"], data["region"]) == ("semsPlusWeb", "eu")
    assert isinstance(data["timestamp"], str)
    assert caller.flow("hybrid")["code"] == "00000"


def test_login_rejects_plain_and_wrong_passwords(caller):
    for password in (caller.account.password, encode_password("wrong"), ""):
        assert caller.plus_login(pwd=password)["code"] == "100005"
    assert caller.plus_login(account="unknown@example.com")["code"] == "100005"


@pytest.mark.parametrize("missing", FLAGS)
def test_login_without_a_flag_succeeds_without_session(caller, missing):
    flags = {name: value for name, value in FLAGS.items() if name != missing}
    answer = caller.plus_login(flags=flags)
    assert answer["code"] == "00000"
    assert answer["data"] == {"agreement": True, "api": "http://emulator/web/sems"}
    assert caller.flow("hybrid")["code"] == "100001"


def test_login_without_accepted_terms_has_no_session(caller):
    assert "token" not in caller.plus_login(flags=FLAGS | {"agreement": 0})["data"]


def test_login_accepts_client_and_language_instead_of_flags(caller):
    assert caller.plus_login(flags={"version": "", "client": "semsPlusWeb", "language": "en"})["data"]["token"]


def test_login_to_the_chinese_region_is_abnormal(caller):
    assert caller.plus_login(flags=FLAGS | {"isChinese": True})["code"] == "C0602"


@pytest.mark.parametrize(
    "signature",
    ["nonsense", base64.b64encode(b"00@1790000000000").decode(), sign(WEB)[:-4], sign(WEB | {"uid": "unknown"})],
)
def test_web_client_must_sign_logins_and_calls(caller, signature):
    answer = caller.plus_login(signature=signature)
    assert (answer["code"], answer["translationCode"]) == ("100004", "parameter_error")
    caller.plus_login()
    assert caller.flow("hybrid", signature=signature)["code"] == "100004"


def test_signature_is_checked_with_its_own_timestamp(logged_in):
    for at in (1, 1795000000000):
        assert logged_in.flow("hybrid", signature=sign(logged_in.token, at))["code"] == "00000"


def test_login_needs_client_and_signature_only_since_september(caller):
    assert caller.plus_login(token={})["data"]["client"] == ""
    assert caller.flow("hybrid", signature="")["code"] == "00000"
    caller.fault(september=True)
    assert caller.plus_login(token={})["code"] == "100004"
    assert caller.plus_login(token=WEB | {"client": "ios"})["code"] == "100004"
    assert caller.plus_login()["code"] == "00000"


def test_missing_or_empty_token_has_no_session(logged_in):
    assert logged_in.call(PLUS_LIST, token={})["code"] == "100001"
    assert logged_in.flow("hybrid", token=WEB)["code"] == "100001"


@pytest.mark.parametrize("change", [{"client": "semsPlusAndroid"}, {"token": "0" * 32}, {"uid": "unknown"}])
def test_changed_token_is_an_abnormal_login(logged_in, change):
    answer = logged_in.flow("hybrid", token=logged_in.token | change)
    assert (answer["code"], answer["translationCode"]) == ("C0602", "account_login_abnormal")
    assert "data" not in answer


def test_token_expires_and_is_valid_for_its_own_host_only(logged_in):
    logged_in.fault(expire="60")
    logged_in.wait(seconds=59)
    assert logged_in.flow("hybrid")["code"] == "00000"
    logged_in.origin = "http://elsewhere"
    assert logged_in.flow("hybrid")["code"] == "100002"
    logged_in.origin = "http://emulator"
    logged_in.wait(seconds=1)
    assert logged_in.flow("hybrid")["code"] == "100002"


def test_session_replaced_by_another_login_is_abnormal(logged_in):
    logged_in.fault(rival=True)
    logged_in.wait(seconds=300)
    assert logged_in.flow("hybrid")["code"] == "C0602"


def test_fault_flaky_expires_the_token_after_its_uses(logged_in):
    logged_in.fault(flaky="1")
    assert [logged_in.flow("hybrid")["code"] for _ in range(2)] == ["00000", "100002"]


def test_rate_limit_applies_to_both_dialects(logged_in):
    logged_in.fault(rate="2")
    assert [logged_in.flow("hybrid")["code"] for _ in range(2)] == ["00000", "GY0429"]
    assert str(logged_in.log_in()["code"]) == "GY0429"
    logged_in.wait(seconds=300)
    assert logged_in.flow("hybrid")["code"] == "00000"


@pytest.mark.parametrize("value", ["\ud800", {}, [1], 7, None, "x" * 10_000])
def test_odd_values_are_rejected_like_wrong_ones(logged_in, value):
    assert logged_in.call(FLOW, {"stationId": value}, verb="GET")["code"] == "100025"
    assert logged_in.plus_login(account=value)["code"] == "100005"
    assert logged_in.flow("hybrid", token=logged_in.token | {"token": value}, signature=sign(WEB))["code"] == "100004"
    assert logged_in.call(PLUS_LIST, {"size": value, "current": value})["code"] == "00000"
    answer = logged_in.call(
        STATISTICS, {"stationId": logged_in.plants["hybrid"].id, "dimension": value, "items": value}
    )
    assert answer["code"] == "S0327"
    assert (
        logged_in.call(REMOTE + "setDeviceFunctionParameters", {"sn": value, "addressMap": value})["code"] == "100025"
    )


def test_unknown_path_returns_404(logged_in):
    assert logged_in.call("/web/sems/sems-plant/api/nothing") == {"error_msg": "404 Route Not Found", "status": 404}


def test_foreign_plants_and_devices_are_denied(logged_in):
    assert logged_in.call(FLOW, {"stationId": "unknown"}, verb="GET")["code"] == "100025"
    path = "/web/sems/sems-plant/api/equipments/unknown/telemetry"
    assert logged_in.call(path, {"deviceType": "INVERTER"}, verb="GET")["code"] == "100025"


# One session across both dialects


def test_login_ends_the_session_of_the_other_dialect(caller):
    caller.plus_login()
    plus = caller.token
    caller.log_in()
    assert caller.flow("hybrid", token=plus)["code"] == "C0602"
    assert caller.call(OWNER)["code"] == "0"
    legacy = caller.token
    caller.plus_login()
    assert caller.call(OWNER, token=legacy)["code"] == "100002"
    assert caller.flow("hybrid")["code"] == "00000"


def test_app_session_is_invalid_at_the_gateway(caller):
    token = caller.log_in()["data"]
    assert caller.flow("hybrid", token=token)["code"] == "C0602"


def test_plus_session_is_valid_at_the_portal_until_september(logged_in):
    assert logged_in.call(OWNER)["code"] == "0"
    logged_in.fault(september=True)
    assert logged_in.call(PLANT, {"powerStationId": logged_in.plants["single"].id})["code"] == "100002"


# Deprecation


def test_fault_september_leaves_only_the_surviving_portal_calls(caller):
    caller.log_in()
    caller.fault(september=True)
    answer = caller.detail("hybrid")
    assert (answer["code"], answer["hasError"], answer["data"]) == ("0", False, {})
    assert caller.call(OWNER)["code"] == "100000"
    lists = "/api/PowerStationMonitor/QueryPowerStationMonitor"
    assert {caller.call(path)["code"] for path in (lists, f"{lists}ForApp")} == {100000}
    day = {"id": caller.plants["hybrid"].id, "date": "2026-06-20", "column": "Pac"}
    assert caller.call("/api/v2/PowerStationMonitor/GetPowerStationPacByDayForApp", day)["data"] == {}
    assert caller.detail("hybrid", PLANT)["data"]["kpi"]["total_power"] > 0
    assert len(caller.detail("several", PLANT.replace("PlantDetailByPowerstationId", "InverterAllPoint"))["data"]) == 2
    assert caller.detail("hybrid", "/api/v2/PowerStation/GetPowerflow")["data"]["powerflow"]["load"]
    assert len(caller.call("/api/v2/HistoryData/QueryPowerStationByHistory")["data"]["list"]) == 4
    serial = caller.plants["hybrid"].devices[0]
    column = caller.call("/api/v2/PowerStationMonitor/GetInverterDataByColumn", day | {"id": serial})["data"]
    assert len(column["column1"]) == 288
    days = {"powerstation_id": caller.plants["hybrid"].id, "count": 3, "date": "2026-06-21"}
    energies = caller.call("/api/v2/PowerStationMonitor/GetPowerStationPowerAndIncomeByDay", days)["data"]
    assert [row["p"] > 0 for row in energies] == [False, False, True]
    caller.plus_login()
    assert caller.flow("hybrid")["data"]["pSystem"] > 0


def test_account_moves_to_sems_plus_during_use(caller):
    caller.fault(classic=True)
    assert caller.plus_login() == {"error_msg": "404 Route Not Found", "status": 404}
    caller.log_in()
    assert caller.detail("hybrid")["data"]["info"]
    caller.fault(classic=None, september=True)
    assert caller.detail("hybrid")["data"] == {}
    caller.plus_login()
    assert caller.flow("hybrid")["data"]["status"] == "1"


def test_fault_station2_reports_an_expired_portal_session(caller):
    caller.fault(station2=True)
    caller.log_in()
    assert caller.detail("hybrid")["code"] == "100002"
    column = {"id": caller.plants["hybrid"].devices[0], "date": "2026-06-21", "column": "Pac"}
    assert caller.call("/api/v2/PowerStationMonitor/GetInverterDataByColumn", column)["code"] == 100002
    assert caller.detail("meter")["data"]["info"]
    caller.plus_login()
    assert caller.flow("hybrid")["data"]["soc"] >= 0


def test_fault_agreement_keeps_the_old_session(caller):
    caller.log_in()
    caller.fault(agreement=True)
    assert caller.log_in()["data"] == {"agreement_agreement": 0}
    assert "token" not in caller.plus_login()["data"]
    assert caller.call(OWNER)["code"] == "0"


def test_fault_no_api_omits_the_data_server(caller):
    caller.fault(no_api=True)
    assert "api" not in caller.log_in()
    assert "api" not in caller.plus_login()["data"]
    assert caller.flow("hybrid")["code"] == "00000"


def test_fault_gateway_names_a_server_without_portal_paths(caller):
    caller.fault(gateway=True)
    answer = caller.log_in()
    assert answer["api"] == "http://emulator/sems/"
    assert caller.call("/sems/v3/PowerStation/GetMonitorDetailByPowerstationId")["status"] == 404
    assert caller.detail("hybrid")["code"] == "0"
    assert caller.flow("hybrid", token=caller.token)["code"] == "C0602"
    caller.log_in(client="semsPlusWeb")
    assert caller.flow("hybrid")["code"] == "00000"


def test_fault_empty_returns_success_without_data(logged_in):
    logged_in.fault(empty="*1")
    assert logged_in.flow("hybrid")["data"] == {}
    assert logged_in.flow("hybrid")["data"]["id"]


# Two regions on two ports


def test_ready_line_lists_both_regions_and_both_dialects(hosts):
    first, _, ready = hosts
    assert ready["second"] != ready["url"]
    assert ready["semsplus"] == ready["url"] + "/web/sems/"
    assert ready["semsplus_login"] == ready["url"] + PLUS_LOGIN
    assert first.plus_login()["data"]["api"] == ready["url"] + "/web/sems"


def test_fault_region_redirects_the_account_to_the_other_host(hosts):
    first, second, ready = hosts
    first.fault(region=True)
    second.token = first.plus_login()["data"]
    assert second.token["api"] == ready["second"] + "/web/sems"
    assert first.flow("hybrid")["code"] == "100002"
    assert second.flow("hybrid")["code"] == "00000"
    answer = first.log_in()
    second.token = answer["data"]
    assert answer["api"] == ready["second"] + "/api/"
    assert first.detail("hybrid")["code"] == "100002"
    assert second.detail("hybrid")["code"] == "0"
    assert second.plus_login()["data"]["api"] == ready["second"] + "/web/sems"


def test_fault_region_refuse_rejects_the_login(hosts):
    first, second, _ = hosts
    first.fault(region="refuse")
    assert first.plus_login()["code"] == "C0602"
    assert second.plus_login()["data"]["token"]


def test_each_port_has_its_own_sessions(hosts):
    first, second, _ = hosts
    second.token = first.plus_login()["data"]
    assert second.flow("hybrid")["code"] == "100002"
    assert first.flow("hybrid")["code"] == "00000"
