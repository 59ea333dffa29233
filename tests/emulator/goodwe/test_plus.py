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
    coded,
    signed,
    world,
)


@pytest.fixture
def door():
    return Caller(world())


@pytest.fixture
def box(door):
    door.plus_login()
    return door


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


def test_login_returns_token_and_data_server(door):
    answer = door.plus_login()
    data = answer["data"]
    assert (answer["code"], len(answer["traceId"])) == ("00000", 32)
    assert answer["description"]
    assert data["api"] == "http://emulator/web/sems"
    assert (data["client"], data["region"]) == ("semsPlusWeb", "eu")
    assert isinstance(data["timestamp"], str)
    assert door.flow("hybrid")["code"] == "00000"


def test_login_rejects_plain_and_wrong_passwords(door):
    for password in (door.holder.password, coded("wrong"), ""):
        assert door.plus_login(pwd=password)["code"] == "100005"
    assert door.plus_login(account="nobody@example.com")["code"] == "100005"


@pytest.mark.parametrize("missing", FLAGS)
def test_login_without_a_flag_succeeds_without_session(door, missing):
    flags = {name: value for name, value in FLAGS.items() if name != missing}
    answer = door.plus_login(flags=flags)
    assert answer["code"] == "00000"
    assert answer["data"] == {"agreement": True, "api": "http://emulator/web/sems"}
    assert door.flow("hybrid")["code"] == "100001"


def test_login_without_accepted_terms_has_no_session(door):
    assert "token" not in door.plus_login(flags=FLAGS | {"agreement": 0})["data"]


def test_login_accepts_client_and_language_instead_of_flags(door):
    assert door.plus_login(flags={"version": "", "client": "semsPlusWeb", "language": "en"})["data"]["token"]


def test_login_to_the_chinese_region_is_abnormal(door):
    assert door.plus_login(flags=FLAGS | {"isChinese": True})["code"] == "C0602"


@pytest.mark.parametrize(
    "signature",
    ["nonsense", base64.b64encode(b"00@1790000000000").decode(), signed(WEB)[:-4], signed(WEB | {"uid": "somebody"})],
)
def test_web_client_must_sign_logins_and_calls(door, signature):
    answer = door.plus_login(signature=signature)
    assert (answer["code"], answer["translationCode"]) == ("100004", "parameter_error")
    door.plus_login()
    assert door.flow("hybrid", signature=signature)["code"] == "100004"


def test_signature_is_checked_with_its_own_timestamp(box):
    for at in (1, 1795000000000):
        assert box.flow("hybrid", signature=signed(box.token, at))["code"] == "00000"


def test_login_needs_client_and_signature_only_since_september(door):
    assert door.plus_login(token={})["data"]["client"] == ""
    assert door.flow("hybrid", signature="")["code"] == "00000"
    door.fault(september=True)
    assert door.plus_login(token={})["code"] == "100004"
    assert door.plus_login(token=WEB | {"client": "ios"})["code"] == "100004"
    assert door.plus_login()["code"] == "00000"


def test_missing_or_empty_token_has_no_session(box):
    assert box.ask(PLUS_LIST, token={})["code"] == "100001"
    assert box.flow("hybrid", token=WEB)["code"] == "100001"


@pytest.mark.parametrize("change", [{"client": "semsPlusAndroid"}, {"token": "0" * 32}, {"uid": "somebody"}])
def test_changed_token_is_an_abnormal_login(box, change):
    answer = box.flow("hybrid", token=box.token | change)
    assert (answer["code"], answer["translationCode"]) == ("C0602", "account_login_abnormal")
    assert "data" not in answer


def test_token_expires_and_is_valid_for_its_own_host_only(box):
    box.fault(expire="60")
    box.wait(seconds=59)
    assert box.flow("hybrid")["code"] == "00000"
    box.origin = "http://elsewhere"
    assert box.flow("hybrid")["code"] == "100002"
    box.origin = "http://emulator"
    box.wait(seconds=1)
    assert box.flow("hybrid")["code"] == "100002"


def test_session_replaced_by_another_login_is_abnormal(box):
    box.fault(rival=True)
    box.wait(seconds=300)
    assert box.flow("hybrid")["code"] == "C0602"


def test_fault_flaky_expires_the_token_after_its_uses(box):
    box.fault(flaky="1")
    assert [box.flow("hybrid")["code"] for _ in range(2)] == ["00000", "100002"]


def test_rate_limit_applies_to_both_dialects(box):
    box.fault(rate="2")
    assert [box.flow("hybrid")["code"] for _ in range(2)] == ["00000", "GY0429"]
    assert str(box.log_in()["code"]) == "GY0429"
    box.wait(seconds=300)
    assert box.flow("hybrid")["code"] == "00000"


@pytest.mark.parametrize("odd", ["\ud800", {}, [1], 7, None, "x" * 10_000])
def test_odd_values_are_rejected_like_wrong_ones(box, odd):
    assert box.ask(FLOW, {"stationId": odd}, verb="GET")["code"] == "100025"
    assert box.plus_login(account=odd)["code"] == "100005"
    assert box.flow("hybrid", token=box.token | {"token": odd}, signature=signed(WEB))["code"] == "100004"
    assert box.ask(PLUS_LIST, {"size": odd, "current": odd})["code"] == "00000"
    answer = box.ask(STATISTICS, {"stationId": box.plants["hybrid"].id, "dimension": odd, "items": odd})
    assert answer["code"] == "S0327"
    assert box.ask(REMOTE + "setDeviceFunctionParameters", {"sn": odd, "addressMap": odd})["code"] == "100025"


def test_unknown_path_returns_404(box):
    assert box.ask("/web/sems/sems-plant/api/nothing") == {"error_msg": "404 Route Not Found", "status": 404}


def test_foreign_plants_and_devices_are_denied(box):
    assert box.ask(FLOW, {"stationId": "somebody"}, verb="GET")["code"] == "100025"
    path = "/web/sems/sems-plant/api/equipments/somebody/telemetry"
    assert box.ask(path, {"deviceType": "INVERTER"}, verb="GET")["code"] == "100025"


# One session across both dialects


def test_login_ends_the_session_of_the_other_dialect(door):
    door.plus_login()
    plus = door.token
    door.log_in()
    assert door.flow("hybrid", token=plus)["code"] == "C0602"
    assert door.ask(OWNER)["code"] == "0"
    legacy = door.token
    door.plus_login()
    assert door.ask(OWNER, token=legacy)["code"] == "100002"
    assert door.flow("hybrid")["code"] == "00000"


def test_app_session_is_invalid_at_the_gateway(door):
    token = door.log_in()["data"]
    assert door.flow("hybrid", token=token)["code"] == "C0602"


def test_plus_session_is_valid_at_the_portal_until_september(box):
    assert box.ask(OWNER)["code"] == "0"
    box.fault(september=True)
    assert box.ask(PLANT, {"powerStationId": box.plants["single"].id})["code"] == "100002"


# Deprecation


def test_fault_september_leaves_only_the_surviving_portal_calls(door):
    door.log_in()
    door.fault(september=True)
    answer = door.detail("hybrid")
    assert (answer["code"], answer["hasError"], answer["data"]) == ("0", False, {})
    assert door.ask(OWNER)["code"] == "100000"
    lists = "/api/PowerStationMonitor/QueryPowerStationMonitor"
    assert {door.ask(path)["code"] for path in (lists, f"{lists}ForApp")} == {100000}
    day = {"id": door.plants["hybrid"].id, "date": "2026-06-20", "column": "Pac"}
    assert door.ask("/api/v2/PowerStationMonitor/GetPowerStationPacByDayForApp", day)["data"] == {}
    assert door.detail("hybrid", PLANT)["data"]["kpi"]["total_power"] > 0
    assert len(door.detail("several", PLANT.replace("PlantDetailByPowerstationId", "InverterAllPoint"))["data"]) == 2
    assert door.detail("hybrid", "/api/v2/PowerStation/GetPowerflow")["data"]["powerflow"]["load"]
    assert len(door.ask("/api/v2/HistoryData/QueryPowerStationByHistory")["data"]["list"]) == 4
    serial = door.plants["hybrid"].devices[0]
    column = door.ask("/api/v2/PowerStationMonitor/GetInverterDataByColumn", day | {"id": serial})["data"]
    assert len(column["column1"]) == 288
    days = {"powerstation_id": door.plants["hybrid"].id, "count": 3, "date": "2026-06-21"}
    told = door.ask("/api/v2/PowerStationMonitor/GetPowerStationPowerAndIncomeByDay", days)["data"]
    assert [row["p"] > 0 for row in told] == [False, False, True]
    door.plus_login()
    assert door.flow("hybrid")["data"]["pSystem"] > 0


def test_account_moves_to_sems_plus_during_use(door):
    door.fault(classic=True)
    assert door.plus_login() == {"error_msg": "404 Route Not Found", "status": 404}
    door.log_in()
    assert door.detail("hybrid")["data"]["info"]
    door.fault(classic=None, september=True)
    assert door.detail("hybrid")["data"] == {}
    door.plus_login()
    assert door.flow("hybrid")["data"]["status"] == "1"


def test_fault_station2_reports_an_expired_portal_session(door):
    door.fault(station2=True)
    door.log_in()
    assert door.detail("hybrid")["code"] == "100002"
    column = {"id": door.plants["hybrid"].devices[0], "date": "2026-06-21", "column": "Pac"}
    assert door.ask("/api/v2/PowerStationMonitor/GetInverterDataByColumn", column)["code"] == 100002
    assert door.detail("meter")["data"]["info"]
    door.plus_login()
    assert door.flow("hybrid")["data"]["soc"] >= 0


def test_fault_agreement_keeps_the_old_session(door):
    door.log_in()
    door.fault(agreement=True)
    assert door.log_in()["data"] == {"agreement_agreement": 0}
    assert "token" not in door.plus_login()["data"]
    assert door.ask(OWNER)["code"] == "0"


def test_fault_no_api_omits_the_data_server(door):
    door.fault(no_api=True)
    assert "api" not in door.log_in()
    assert "api" not in door.plus_login()["data"]
    assert door.flow("hybrid")["code"] == "00000"


def test_fault_gateway_names_a_server_without_portal_paths(door):
    door.fault(gateway=True)
    answer = door.log_in()
    assert answer["api"] == "http://emulator/sems/"
    assert door.ask("/sems/v3/PowerStation/GetMonitorDetailByPowerstationId")["status"] == 404
    assert door.detail("hybrid")["code"] == "0"
    assert door.flow("hybrid", token=door.token)["code"] == "C0602"
    door.log_in(client="semsPlusWeb")
    assert door.flow("hybrid")["code"] == "00000"


def test_fault_empty_returns_success_without_data(box):
    box.fault(empty="*1")
    assert box.flow("hybrid")["data"] == {}
    assert box.flow("hybrid")["data"]["id"]


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
