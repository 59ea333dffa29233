"""Authentication at the emulated Growatt cloud: logins, cookies, locks, and its error pages."""

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


def status(cloud):
    return cloud.get("newTlxApi.do", op="getTlxDetailData", id=cloud.device("tlx"))["data"]


def account(cloud):
    return json.loads(cloud.emulator.respond("GET", "/control/log?newest=0").body)["accounts"][cloud.holder.username]


def is_refused(cloud):
    response = cloud.send("GET", "newTlxApi.do", op="getTlxDetailData", id=cloud.device("tlx"))
    return response.status != 200 or response.body.startswith(b"<")


def test_login_returns_user_and_plants_and_opens_a_session():
    cloud = EmulatedCloud()
    back = cloud.log_in()
    assert (back["success"], type(back["user"]["id"]), back["user"]["rightlevel"]) == (True, int, 1)
    assert back["data"] == [{"plantId": site.id, "plantName": site.name} for site in cloud.holder.plants]
    assert cloud.cookie.startswith("JSESSIONID=")
    assert status(cloud)["status"] == 1
    assert cloud.emulator.log.as_dict()["logins"][cloud.holder.username]


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"username": "nobody"}])
def test_login_with_wrong_name_or_password_is_502(wrong):
    cloud = EmulatedCloud()
    assert cloud.log_in(**wrong) == {"msg": "502", "success": False}
    assert cloud.cookie is None


def test_second_login_keeps_the_first_session_valid():
    first = logged_in_cloud()
    kept = first.cookie
    first.log_in()
    assert first.cookie != kept
    for cookie in (kept, first.cookie):
        first.cookie = cookie
        assert not is_refused(first)


@pytest.mark.parametrize("cookie", [None, "JSESSIONID=0123456789ABCDEF0123456789ABCDEF"])
def test_call_without_a_session_gets_every_known_response(cookie):
    cloud = EmulatedCloud()
    cloud.cookie = cookie
    page = cloud.send("GET", "newTlxApi.do", op="getTlxDetailData", id=cloud.device("tlx"))
    assert page.status == 200
    assert page.body.startswith(b"<")
    assert b"login" in page.body
    moved = cloud.send("GET", "PlantListAPI.do", userId="1")
    assert (moved.status, dict(moved.headers)["Location"]) == (302, "/error.do?errorMess=errorNoLogin")
    broken = cloud.send("GET", "newPlantAPI.do", op="getPlant", plantId=cloud.plant("tlx"))
    assert broken.status == 500
    assert b"Dear user, you have not login to the system" in broken.body
    assert b"./login.do" in broken.body
    order = cloud.post("tcpSet.do", action="inverterSet", serialNum=cloud.device("inverter"), paramId="pv_on_off")
    assert order == {"success": False, "msg": "Login invalid, please log in again"}


def test_request_without_a_user_agent_is_403():
    response = logged_in_cloud().send("GET", "newPlantAPI.do", {}, op="getPlant")
    assert response.status == 403
    assert b"denied by UA ACL = blacklist" in response.body


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
    cloud = EmulatedCloud(faults=["lock=2"])
    assert [cloud.log_in(password=word).get("msg") for word in (None, "wrong")] == ["", "502"]
    cookie = cloud.cookie
    assert cloud.log_in() == LOCKED
    assert (cloud.cookie, is_refused(cloud)) == (cookie, False)  # the open session remains valid
    cloud.wait(hours=24)
    assert cloud.log_in()["success"] is True
    assert account(cloud)["hours_locked"] == 24


def test_lock_by_wrong_passwords_refuses_the_right_one():
    cloud = EmulatedCloud(faults=["lock=3"])
    assert [cloud.log_in(password="wrong")["msg"] for _ in range(4)] == ["502", "502", "502", "507"]
    assert cloud.log_in() == LOCKED
    response = account(cloud)
    assert (response["logins"], response["rejected_logins"], response["logins_while_locked"]) == (0, 5, 1)


def test_lock_counts_logins_of_the_last_24_hours():
    cloud = EmulatedCloud(faults=["lock=2"])
    for _ in range(6):
        assert cloud.log_in()["success"] is True
        cloud.wait(hours=12)
    cloud.wait(seconds=-1)
    assert cloud.log_in()["msg"] == "507"


def test_login_during_a_lock_restarts_the_24_hours():
    cloud = EmulatedCloud(faults=["lock=0"])
    for _ in range(3):
        assert cloud.log_in() == LOCKED
        cloud.wait(hours=23)
    response = account(cloud)
    assert (response["hours_locked"], response["logins_while_locked"]) == (69, 2)
    cloud.wait(hours=1)
    cloud.fault(lock=1)
    assert cloud.log_in()["success"] is True


def test_lenient_lock_counts_down_in_whole_hours():
    cloud = EmulatedCloud(faults=["lock=1", "lenient_lock"])
    cloud.log_in()
    response = []
    for minutes in (0, 30, 30, 22 * 60):
        cloud.wait(minutes=minutes)
        response.append(cloud.log_in()["lockDuration"])
    assert response == ["24", "24", "23", "1"]
    assert "locked for 1 hours" in cloud.log_in()["error"]
    cloud.wait(hours=1)
    assert cloud.log_in()["success"] is True


def test_quota_exceeded_locks_the_account_and_ends_its_sessions():
    cloud = logged_in_cloud(faults=["quota=3"])
    assert [is_refused(cloud) for _ in range(3)] == [False, False, True]
    assert is_refused(cloud)
    assert cloud.log_in() == LOCKED
    response = account(cloud)
    assert (response["requests"], response["requests_while_locked"]) == (6, 2)
    cloud.wait(hours=24)
    cloud.log_in()
    assert not is_refused(cloud)


def test_quota_is_200_requests_in_24_hours():
    cloud = logged_in_cloud(faults=["quota"])
    for _ in range(190):
        assert not is_refused(cloud)
    cloud.wait(hours=24)
    assert [is_refused(cloud) for _ in range(201)] == [False] * 200 + [True]


def test_quota_is_used_by_other_logins():
    cloud = logged_in_cloud(faults=["quota=3", "rival=3600"])
    cloud.wait(hours=3)
    assert is_refused(cloud)


def test_requests_of_an_expired_session_count_for_its_account():
    cloud = logged_in_cloud()
    cloud.fault(expire=True)
    assert [is_refused(cloud) for _ in range(3)] == [True] * 3
    assert account(cloud)["requests"] == 4


def test_lock_without_a_number_lasts_while_the_fault_is_on():
    cloud = EmulatedCloud(faults=["lock"])
    assert cloud.log_in()["msg"] == "507"
    cloud.fault(lock=None)
    assert cloud.log_in()["success"] is True


def test_client_raises_account_locked_until_the_end():
    with served_cloud(faults=["lock=0"]) as (_, client):
        with pytest.raises(AccountLocked) as error:
            client.plants()
        assert error.value.retry_after == 24 * 3600


def test_session_expires_after_seconds():
    cloud = logged_in_cloud(faults=["expire=60"])
    cloud.wait(seconds=59)
    assert not is_refused(cloud)
    cloud.wait(seconds=1)
    assert is_refused(cloud)
    cloud.log_in()
    assert not is_refused(cloud)


def test_session_expires_when_idle():
    cloud = logged_in_cloud(faults=["idle=600"])
    for _ in range(3):
        cloud.wait(seconds=599)
        assert not is_refused(cloud)
    cloud.wait(seconds=600)
    assert is_refused(cloud)
    cloud.fault(idle=None)
    assert is_refused(cloud)


def test_flaky_session_serves_a_number_of_requests():
    cloud = logged_in_cloud(faults=["flaky=2"])
    assert [is_refused(cloud) for _ in range(3)] == [False, False, True]
    cloud.log_in()
    assert not is_refused(cloud)


def test_other_logins_keep_sessions_but_count_for_the_lock():
    cloud = logged_in_cloud(faults=["rival=3600", "lock=4"])
    cloud.wait(hours=3)
    assert not is_refused(cloud)
    assert cloud.log_in()["msg"] == "507"
    cloud.wait(hours=30)
    assert cloud.log_in()["msg"] == "507"  # the other user tried during the lock
    response = account(cloud)
    assert (response["rival_logins"], response["logins"]) == (33, 1)
    assert response["hours_locked"] == 30


def test_expire_without_seconds_ends_only_current_sessions():
    cloud = logged_in_cloud()
    cloud.fault(expire=True)
    assert is_refused(cloud)
    cloud.log_in()
    assert not is_refused(cloud)
    assert not is_refused(cloud)
    cloud.fault(expire=None)
    assert not is_refused(cloud)
    cloud.fault(expire=True)
    assert is_refused(cloud)


def test_client_renews_an_expired_session_once():
    with served_cloud() as (cloud, client):
        client.plants()
        cloud.fault(expire=True)
        assert client.plant_list().plants
        assert cloud.emulator.log.as_dict()["logins"][cloud.holder.username] == 2


def test_html_fault_expires_sessions_but_allows_logins():
    with served_cloud(faults=["html"]) as (cloud, client):
        with pytest.raises(SessionExpired):
            client.tlx_detail(cloud.device("tlx"))
        assert cloud.emulator.log.as_dict()["logins"][cloud.holder.username] == 2


def test_firewall_blocks_everything_with_its_own_page():
    with served_cloud(faults=["block"]) as (_, client), pytest.raises(Blocked):
        client.plants()
    response = EmulatedCloud(faults=["block"]).send("POST", "newTwoLoginAPI.do")
    assert response.status == 405
    assert b"errors.aliyun.com" in response.body


def test_firewall_blocks_a_request_rate_for_hours():
    cloud = logged_in_cloud(faults=["block=2/60"])
    assert [is_refused(cloud), cloud.send("POST", "newTwoLoginAPI.do").status] == [False, 405]
    cloud.wait(hours=4)
    assert not is_refused(cloud)


def test_region_has_its_own_accounts_and_sessions():
    cloud = EmulatedCloud(faults=["region"])
    cloud.emulator.second_port = 40002
    login = f"/newTwoLoginAPI.do?userName={cloud.holder.username}&password={hash_password(cloud.holder.password)}"
    read = f"/newTlxApi.do?op=getTlxDetailData&id={cloud.device('tlx')}"
    first, second = "http://here:40001", "http://here:40002"
    assert b'"502"' in cloud.emulator.respond("POST", login, AGENT, origin=first).body
    response = cloud.emulator.respond("POST", login, AGENT, origin=second)
    cookie = dict(response.headers)["Set-Cookie"].partition(";")[0]
    bodies = [
        cloud.emulator.respond("GET", read, AGENT | {"cookie": cookie}, origin=one).body for one in (first, second)
    ]
    assert [body[:1] for body in bodies] == [b"<", b"{"]
    assert (account(cloud)["logins"], account(cloud)["rejected_logins"]) == (1, 1)
    cloud.fault(lock=1)
    response = [cloud.emulator.respond("POST", login, AGENT, origin=one).body for one in (second, first, second)]
    assert [b'"507"' in body for body in response] == [True, False, True]


def test_oldest_session_is_dropped_after_1000():
    cloud = logged_in_cloud()
    kept = cloud.cookie
    for _ in range(1000):
        cloud.log_in()
    assert len(cloud.holder.state["sessions"]) == 1000
    assert not is_refused(cloud)
    cloud.cookie = kept
    assert is_refused(cloud)


def test_rate_counts_requests_of_a_simulated_minute():
    cloud = logged_in_cloud(faults=["rate=3"])
    assert [is_refused(cloud) for _ in range(3)] == [False, False, True]
    cloud.wait(seconds=61)
    assert not is_refused(cloud)


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
    cloud = logged_in_cloud(faults=["empty"])
    response = cloud.post(
        "tcpSet.do", action="inverterSet", serialNum=cloud.device("inverter"), paramId="pv_on_off", command_1="0001"
    )
    assert response["success"] is True


def test_client_raises_unreadable_for_an_empty_body():
    with served_cloud(faults=["empty"]) as (cloud, client), pytest.raises(Unreadable):
        client.tlx_detail(cloud.device("tlx"))


def test_accounts_do_not_share_sessions_or_locks():
    emulator = build_emulator(EmulatorOptions(speed=0, accounts=2, faults=("lock=1",)), [EMULATION])
    first, second = emulator.accounts
    for holder in (first, second):
        response = emulator.respond("POST", f"/newTwoLoginAPI.do?userName={holder.username}&password=x", AGENT)
        assert b"502" in response.body
    response = emulator.respond("POST", f"/newTwoLoginAPI.do?userName={second.username}&password=x", AGENT)
    assert b"507" in response.body


def test_client_raises_invalid_credentials_for_a_wrong_password():
    with served_cloud() as (cloud, client):
        wrong = Growatt(cloud.holder.username, "wrong", server=client.session.server, keeper=None)
        with pytest.raises(InvalidCredentials):
            wrong.plants()
