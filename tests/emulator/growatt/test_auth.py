"""The emulated Growatt's door: logins, cookies, locks and the pages it turns callers away with."""

from __future__ import annotations

import json

import pytest

from heliograph.emulator.clouds.growatt import EMULATION
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.errors import AccountLocked, Blocked, InvalidCredentials, SessionExpired, Unreadable
from heliograph.vendors.growatt import Growatt, hash_password
from support.growatt_emulator import AGENT, EmulatedCloud, logged_in_cloud, served_cloud

LOCKED = {
    "msg": "507",
    "lockDuration": "24",
    "success": False,
    "error": "Current account has been locked for 24 hours",
}


def status(asked):
    return asked.get("newTlxApi.do", op="getTlxDetailData", id=asked.device("tlx"))["data"]


def account(asked):
    return json.loads(asked.emulator.respond("GET", "/control/log?newest=0").body)["accounts"][asked.holder.username]


def refused(asked):
    told = asked.send("GET", "newTlxApi.do", op="getTlxDetailData", id=asked.device("tlx"))
    return told.status != 200 or told.body.startswith(b"<")


def test_login_returns_user_and_plants_and_opens_a_session():
    new = EmulatedCloud()
    back = new.log_in()
    assert (back["success"], type(back["user"]["id"]), back["user"]["rightlevel"]) == (True, int, 1)
    assert back["data"] == [{"plantId": site.id, "plantName": site.name} for site in new.holder.plants]
    assert new.cookie.startswith("JSESSIONID=")
    assert status(new)["status"] == 1
    assert new.emulator.log.as_dict()["logins"][new.holder.username]


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"username": "nobody"}])
def test_login_with_wrong_name_or_password_is_502(wrong):
    new = EmulatedCloud()
    assert new.log_in(**wrong) == {"msg": "502", "success": False}
    assert new.cookie is None


def test_second_login_keeps_the_first_session_valid():
    first = logged_in_cloud()
    kept = first.cookie
    first.log_in()
    assert first.cookie != kept
    for cookie in (kept, first.cookie):
        first.cookie = cookie
        assert not refused(first)


@pytest.mark.parametrize("cookie", [None, "JSESSIONID=0123456789ABCDEF0123456789ABCDEF"])
def test_call_without_a_session_gets_every_known_response(cookie):
    new = EmulatedCloud()
    new.cookie = cookie
    page = new.send("GET", "newTlxApi.do", op="getTlxDetailData", id=new.device("tlx"))
    assert page.status == 200
    assert page.body.startswith(b"<")
    assert b"login" in page.body
    moved = new.send("GET", "PlantListAPI.do", userId="1")
    assert (moved.status, dict(moved.headers)["Location"]) == (302, "/error.do?errorMess=errorNoLogin")
    broken = new.send("GET", "newPlantAPI.do", op="getPlant", plantId=new.plant("tlx"))
    assert broken.status == 500
    assert b"Dear user, you have not login to the system" in broken.body
    assert b"./login.do" in broken.body
    order = new.post("tcpSet.do", action="inverterSet", serialNum=new.device("inverter"), paramId="pv_on_off")
    assert order == {"success": False, "msg": "Login invalid, please log in again"}


def test_request_without_a_user_agent_is_403():
    told = logged_in_cloud().send("GET", "newPlantAPI.do", {}, op="getPlant")
    assert told.status == 403
    assert b"denied by UA ACL = blacklist" in told.body


def test_unknown_operation_is_tomcats_page():
    assert logged_in_cloud().send("GET", "newTlxApi.do", op="makeCoffee").status == 400


def test_owns_every_path_of_the_cloud_and_no_other():
    for path in (
        "newTwoLoginAPI.do",
        "tcpSet.do",
        "noahDeviceApi/noah/set",
        "commonDeviceSetC/setInverter",
        "/error.do",
    ):
        assert EMULATION.owns(path)
    for path in ("", "api/v2/Common/CrossLogin", "control/log", "some/where.do"):
        assert not EMULATION.owns(path)
    login = EmulatedCloud().send("GET", "login.do")
    assert (login.status, login.body[:1]) == (200, b"<")


def test_lock_after_a_number_of_logins_right_or_wrong():
    new = EmulatedCloud(faults=["lock=2"])
    assert [new.log_in(password=word).get("msg") for word in (None, "wrong")] == ["", "502"]
    cookie = new.cookie
    assert new.log_in() == LOCKED
    assert (new.cookie, refused(new)) == (cookie, False)  # the session that lives is served on
    new.wait(hours=24)
    assert new.log_in()["success"] is True
    assert account(new)["hours_locked"] == 24


def test_lock_by_wrong_passwords_refuses_the_right_one():
    new = EmulatedCloud(faults=["lock=3"])
    assert [new.log_in(password="wrong")["msg"] for _ in range(4)] == ["502", "502", "502", "507"]
    assert new.log_in() == LOCKED
    told = account(new)
    assert (told["logins"], told["rejected_logins"], told["logins_while_locked"]) == (0, 5, 1)


def test_lock_counts_logins_of_the_last_24_hours():
    new = EmulatedCloud(faults=["lock=2"])
    for _ in range(6):
        assert new.log_in()["success"] is True
        new.wait(hours=12)
    new.wait(seconds=-1)
    assert new.log_in()["msg"] == "507"


def test_login_during_a_lock_restarts_the_24_hours():
    new = EmulatedCloud(faults=["lock=0"])
    for _ in range(3):
        assert new.log_in() == LOCKED
        new.wait(hours=23)
    told = account(new)
    assert (told["hours_locked"], told["logins_while_locked"]) == (69, 2)
    new.wait(hours=1)
    new.fault(lock=1)
    assert new.log_in()["success"] is True


def test_lenient_lock_counts_down_in_whole_hours():
    new = EmulatedCloud(faults=["lock=1", "lenient_lock"])
    new.log_in()
    told = []
    for minutes in (0, 30, 30, 22 * 60):
        new.wait(minutes=minutes)
        told.append(new.log_in()["lockDuration"])
    assert told == ["24", "24", "23", "1"]
    assert "locked for 1 hours" in new.log_in()["error"]
    new.wait(hours=1)
    assert new.log_in()["success"] is True


def test_quota_exceeded_locks_the_account_and_ends_its_sessions():
    new = logged_in_cloud(faults=["quota=3"])
    assert [refused(new) for _ in range(3)] == [False, False, True]
    assert refused(new)
    assert new.log_in() == LOCKED
    told = account(new)
    assert (told["requests"], told["requests_while_locked"]) == (6, 2)
    new.wait(hours=24)
    new.log_in()
    assert not refused(new)


def test_quota_is_200_requests_in_24_hours():
    new = logged_in_cloud(faults=["quota"])
    for _ in range(190):
        assert not refused(new)
    new.wait(hours=24)
    assert [refused(new) for _ in range(201)] == [False] * 200 + [True]


def test_quota_is_used_by_other_logins():
    new = logged_in_cloud(faults=["quota=3", "rival=3600"])
    new.wait(hours=3)
    assert refused(new)


def test_requests_of_an_expired_session_count_for_its_account():
    new = logged_in_cloud()
    new.fault(expire=True)
    assert [refused(new) for _ in range(3)] == [True] * 3
    assert account(new)["requests"] == 4


def test_lock_without_a_number_lasts_while_the_fault_is_on():
    new = EmulatedCloud(faults=["lock"])
    assert new.log_in()["msg"] == "507"
    new.fault(lock=None)
    assert new.log_in()["success"] is True


def test_client_raises_account_locked_until_the_end():
    with served_cloud(faults=["lock=0"]) as (_, client):
        with pytest.raises(AccountLocked) as error:
            client.plants()
        assert error.value.retry_after == 24 * 3600


def test_session_expires_after_seconds():
    new = logged_in_cloud(faults=["expire=60"])
    new.wait(seconds=59)
    assert not refused(new)
    new.wait(seconds=1)
    assert refused(new)
    new.log_in()
    assert not refused(new)


def test_session_expires_when_idle():
    new = logged_in_cloud(faults=["idle=600"])
    for _ in range(3):
        new.wait(seconds=599)
        assert not refused(new)
    new.wait(seconds=600)
    assert refused(new)
    new.fault(idle=None)
    assert refused(new)


def test_flaky_session_serves_a_number_of_requests():
    new = logged_in_cloud(faults=["flaky=2"])
    assert [refused(new) for _ in range(3)] == [False, False, True]
    new.log_in()
    assert not refused(new)


def test_other_logins_keep_sessions_but_count_for_the_lock():
    new = logged_in_cloud(faults=["rival=3600", "lock=4"])
    new.wait(hours=3)
    assert not refused(new)
    assert new.log_in()["msg"] == "507"
    new.wait(hours=30)
    assert new.log_in()["msg"] == "507"  # somebody else tried on
    told = account(new)
    assert (told["rival_logins"], told["logins"]) == (33, 1)
    assert told["hours_locked"] == 30


def test_expire_without_seconds_ends_only_current_sessions():
    new = logged_in_cloud()
    new.fault(expire=True)
    assert refused(new)
    new.log_in()
    assert not refused(new)
    assert not refused(new)
    new.fault(expire=None)
    assert not refused(new)
    new.fault(expire=True)
    assert refused(new)


def test_client_renews_an_expired_session_once():
    with served_cloud() as (found, client):
        client.plants()
        found.fault(expire=True)
        assert client.plant_list().plants
        assert found.emulator.log.as_dict()["logins"][found.holder.username] == 2


def test_html_fault_expires_sessions_but_allows_logins():
    with served_cloud(faults=["html"]) as (found, client):
        with pytest.raises(SessionExpired):
            client.tlx_detail(found.device("tlx"))
        assert found.emulator.log.as_dict()["logins"][found.holder.username] == 2


def test_firewall_blocks_everything_with_its_own_page():
    with served_cloud(faults=["block"]) as (_, client), pytest.raises(Blocked):
        client.plants()
    told = EmulatedCloud(faults=["block"]).send("POST", "newTwoLoginAPI.do")
    assert told.status == 405
    assert b"errors.aliyun.com" in told.body


def test_firewall_blocks_a_request_rate_for_hours():
    new = logged_in_cloud(faults=["block=2/60"])
    assert [refused(new), new.send("POST", "newTwoLoginAPI.do").status] == [False, 405]
    new.wait(hours=4)
    assert not refused(new)


def test_region_has_its_own_accounts_and_sessions():
    new = EmulatedCloud(faults=["region"])
    new.emulator.second_port = 40002
    login = f"/newTwoLoginAPI.do?userName={new.holder.username}&password={hash_password(new.holder.password)}"
    read = f"/newTlxApi.do?op=getTlxDetailData&id={new.device('tlx')}"
    first, second = "http://here:40001", "http://here:40002"
    assert b'"502"' in new.emulator.respond("POST", login, AGENT, origin=first).body
    told = new.emulator.respond("POST", login, AGENT, origin=second)
    cookie = dict(told.headers)["Set-Cookie"].partition(";")[0]
    bodies = [new.emulator.respond("GET", read, AGENT | {"cookie": cookie}, origin=one).body for one in (first, second)]
    assert [body[:1] for body in bodies] == [b"<", b"{"]
    assert (account(new)["logins"], account(new)["rejected_logins"]) == (1, 1)
    new.fault(lock=1)
    told = [new.emulator.respond("POST", login, AGENT, origin=one).body for one in (second, first, second)]
    assert [b'"507"' in body for body in told] == [True, False, True]


def test_oldest_session_is_dropped_after_1000():
    new = logged_in_cloud()
    kept = new.cookie
    for _ in range(1000):
        new.log_in()
    assert len(new.holder.state["sessions"]) == 1000
    assert not refused(new)
    new.cookie = kept
    assert refused(new)


def test_rate_counts_requests_of_a_simulated_minute():
    new = logged_in_cloud(faults=["rate=3"])
    assert [refused(new) for _ in range(3)] == [False, False, True]
    new.wait(seconds=61)
    assert not refused(new)


@pytest.mark.parametrize(
    ("path", "arguments", "body"),
    [
        ("newMixApi.do", {"op": "getMixInfo"}, b'{"result":1,"obj":null,"msg":""}'),
        ("newTlxApi.do", {"op": "getTlxDetailData"}, b""),
        ("PlantDetailAPI.do", {"type": "1"}, b'{"back":{"success":true,"data":[]}}'),
    ],
)
def test_empty_fault_is_success_without_data(path, arguments, body):
    assert logged_in_cloud(faults=["empty"]).send("GET", path, **arguments).body == body


def test_empty_fault_does_not_affect_commands():
    new = logged_in_cloud(faults=["empty"])
    told = new.post(
        "tcpSet.do", action="inverterSet", serialNum=new.device("inverter"), paramId="pv_on_off", command_1="0001"
    )
    assert told["success"] is True


def test_client_raises_unreadable_for_an_empty_body():
    with served_cloud(faults=["empty"]) as (found, client), pytest.raises(Unreadable):
        client.tlx_detail(found.device("tlx"))


def test_accounts_do_not_share_sessions_or_locks():
    emulator = build_emulator(EmulatorOptions(speed=0, accounts=2, faults=("lock=1",)), [EMULATION])
    first, second = emulator.accounts
    for holder in (first, second):
        told = emulator.respond("POST", f"/newTwoLoginAPI.do?userName={holder.username}&password=x", AGENT)
        assert b"502" in told.body
    told = emulator.respond("POST", f"/newTwoLoginAPI.do?userName={second.username}&password=x", AGENT)
    assert b"507" in told.body


def test_client_raises_invalid_credentials_for_a_wrong_password():
    with served_cloud() as (found, client):
        wrong = Growatt(found.holder.username, "wrong", server=client.session.server, keeper=None)
        with pytest.raises(InvalidCredentials):
            wrong.plants()
