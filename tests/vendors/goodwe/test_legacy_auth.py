"""Protocol tests of the SEMS Portal: logins, sessions, errors and plant lists, with scripted responses."""

from __future__ import annotations

import json

import pytest

from heliograph import errors as e
from heliograph.core.http import MAX_PAGES
from heliograph.core.protocol import AccountProtocol
from heliograph.core.redact import Secret
from heliograph.core.session import ENSURE_SESSION, Credentials, Session
from heliograph.vendors.goodwe import GoodWeCalls, resolve_server
from heliograph.vendors.goodwe.auth import GoodWeProtocol
from heliograph.vendors.goodwe.snapshots import GoodWeSnapshots
from support.protocol_script import NOON, reply, script

SERVER = "https://www.semsportal.com/api/"
EU = "https://eu.semsportal.com/api/"
USER, PASSWORD = "ada@example.com", "hunter2"
TOKEN = {
    "uid": "11111111-1111-4111-8111-111111111111",
    "timestamp": 1_782_036_000_123,
    "token": "0123456789abcdef0123456789abcdef",
    "client": "ios",
    "version": "v2.1.0",
    "language": "en",
}
SECRETS = (USER, PASSWORD, TOKEN["token"], TOKEN["uid"])
PLANT = "6f0c3bd1-0000-4000-8000-000000000001"

DETAIL = {"info": {"powerstation_id": PLANT, "stationname": "Roof"}, "inverter": []}


def login(api=EU, data=TOKEN):
    answer = {"hasError": False, "code": 0, "msg": "Success", "data": data, "components": {"para": None}}
    return reply(answer if api is None else {**answer, "api": api})


def response(data, code="0", msg="操作成功"):
    return reply({"language": "en", "function": None, "hasError": code != "0", "msg": msg, "code": code, "data": data})


def error_response(code, msg="no", data=None):
    return response(data, code, msg)


EXPIRED = error_response(100002, "The authorization has expired, please log in again.")


def account(server=SERVER):
    """Return the protocol of an account that uses the SEMS Portal and was just rejected by SEMS+."""
    session = Session(server)
    session.facts = {"dialect": "legacy", "tried": {"plus": NOON}}
    return AccountProtocol(GoodWeProtocol(), session, Credentials(USER, Secret(PASSWORD)))


def logged_in(api=EU, server=SERVER):
    protocol = account(server)
    script(protocol.execute(ENSURE_SESSION, NOON), [login(api)])
    return protocol


def run(protocol, *replies, call=None, sent=None):
    return script(protocol.execute(call or GoodWeCalls.monitor_detail.flow(PLANT), NOON), replies, sent)


def run_failing(*replies, protocol=None, call=None):
    with pytest.raises(e.CloudError) as caught:
        run(protocol or logged_in(), *replies, call=call)
    assert not [secret for secret in SECRETS if secret in str(caught.value)]
    return caught.value


# Login


def test_login_sends_client_and_credentials_as_json():
    (request,), _ = script(account().execute(ENSURE_SESSION, NOON), [login()])
    assert (request.verb, request.url) == ("POST", "https://www.semsportal.com/api/v2/Common/CrossLogin")
    assert json.loads(request.body) == {"account": USER, "pwd": PASSWORD}
    assert json.loads(request.headers["Token"]) == {"version": "v2.1.0", "client": "ios", "language": "en"}


def test_requests_send_the_token_unchanged_to_the_data_server():
    (request,), detail = run(logged_in(), response(DETAIL))
    assert request.url == EU + "v3/PowerStation/GetMonitorDetailByPowerstationId"
    assert json.loads(request.headers["Token"]) == TOKEN
    assert json.loads(request.body) == {"powerStationId": PLANT}
    assert detail.info.name == "Roof"


@pytest.mark.parametrize("version", [1, "v1", "1", "V1"])
def test_call_accepts_every_version_spelling(version):
    (request,), _ = run(logged_in(), response(DETAIL), call=GoodWeCalls.monitor_detail.flow(PLANT, version))
    assert request.url == EU + "v1/PowerStation/GetMonitorDetailByPowerstationId"
    assert json.loads(request.body) == {"powerStationId": PLANT}


def test_invalid_version_is_rejected_before_any_request():
    with pytest.raises(ValueError, match="v1, v2 or v3"):
        GoodWeCalls.monitor_detail.flow(PLANT, "../../evil")


@pytest.mark.parametrize("api", [None, "", " "])
def test_login_without_data_server_uses_the_login_host(api):
    assert logged_in(api).session.base == SERVER


@pytest.mark.parametrize(
    "api",
    [
        "https://au.semsportal.com/api",
        "https://hz-gateway.sems.com.cn/web/sems",
        "https://semsplus.goodwe.com/api/",
    ],
)
def test_login_follows_a_data_server_of_the_vendor(api):
    assert logged_in(api).session.base == api.rstrip("/") + "/"


def test_login_follows_the_configured_server_without_https():
    protocol = logged_in("http://127.0.0.1:8080/api/", server=resolve_server("http://127.0.0.1:8080"))
    assert protocol.session.base == "http://127.0.0.1:8080/api/"


@pytest.mark.parametrize(
    "api",
    [
        "http://eu.semsportal.com/api/",
        "https://semsportal.com.evil.org/api/",
        "https://evil.org/semsportal.com/",
        "https://notsemsportal.com/",
        "https://semsportal.com@evil.org/",
        "https://evil.org\\.semsportal.com/",
        "https://[::1/",
        "//evil.org/",
        "ftp://eu.semsportal.com/",
    ],
)
def test_login_rejects_any_other_data_server(api):
    protocol = account()
    with pytest.raises(e.WrongRegion):
        script(protocol.execute(ENSURE_SESSION, NOON), [login(api)])
    assert not protocol.session.alive
    assert protocol.session.base == SERVER
    assert protocol.session.token == {}


@pytest.mark.parametrize("path", ["", "/", "/api", "/api/", "/web/sems", "/web/sems/"])
def test_resolve_server_ignores_the_path(path):
    assert resolve_server("http://127.0.0.1:8080" + path) == "http://127.0.0.1:8080/api/"


def test_resolve_server_rejects_an_unknown_region():
    with pytest.raises(e.ConfigError, match="global, eu, us, au, hk, cn"):
        resolve_server("mars")


@pytest.mark.parametrize("code", [0, "0", "00000"])
def test_success_code_may_have_any_type(code):
    _, detail = run(logged_in(), response(DETAIL, code, "anything at all"))
    assert detail.info.id == PLANT


# Failed logins


def failed_login(answer):
    with pytest.raises(e.CloudError) as caught:
        script(account().execute(ENSURE_SESSION, NOON), [answer])
    assert not [secret for secret in SECRETS if secret in str(caught.value)]
    return caught.value


def test_login_with_wrong_password_raises_invalid_credentials():
    error = failed_login(reply({"hasError": False, "code": 100005, "msg": "Email or password error.", "data": None}))
    assert type(error) is e.InvalidCredentials
    assert error.code == "100005"
    assert (error.vendor, error.call, error.status) == ("goodwe", "cross_login", 200)


@pytest.mark.parametrize("data", [{"agreement_agreement": 0}, {**TOKEN, "token": ""}, {}, "", None])
def test_login_without_token_raises_terms_not_accepted(data):
    assert type(failed_login(login(data=data))) is e.TermsNotAccepted


def test_login_with_internal_error_does_not_blame_the_password():
    error = failed_login(error_response(100000, "system error"))
    assert type(error) is e.RequestRefused
    assert "password is not the reason" in str(error)


def test_login_with_unknown_code_raises_login_failed():
    error = failed_login(error_response(100028, f"no, {USER}"))
    assert type(error) is e.LoginFailed
    assert error.code == "100028"


def test_throttled_login_waits():
    assert failed_login(error_response("GY0429")).retry_after == 300


# Expired sessions


@pytest.mark.parametrize("code", [100001, "100001", 100002, "100002"])
def test_expired_session_is_renewed_once(code):
    requests, detail = run(logged_in(), error_response(code), login(), response(DETAIL))
    assert [one.url.rsplit("/", 1)[1] for one in requests] == [
        "GetMonitorDetailByPowerstationId",
        "CrossLogin",
        "GetMonitorDetailByPowerstationId",
    ]
    assert requests[1].url.startswith(SERVER)
    assert json.loads(requests[1].headers["Token"]) == {"version": "v2.1.0", "client": "ios", "language": "en"}
    assert detail.info.id == PLANT


def test_persistently_expired_session_names_the_known_causes():
    error = run_failing(EXPIRED, login(), EXPIRED)
    assert type(error) is e.SessionExpired
    for cause in ("another login", "regional server", "client name", "stationType 2"):
        assert cause in str(error)


def test_futile_login_is_not_repeated_immediately():
    protocol = logged_in()
    run_failing(EXPIRED, login(), EXPIRED, protocol=protocol)
    sent: list = []
    with pytest.raises(e.SessionExpired):
        script(protocol.execute(GoodWeCalls.monitor_detail.flow(PLANT), NOON + 1), [], sent)
    assert sent == []


def test_renewed_session_uses_its_new_host():
    requests, _ = run(logged_in(), EXPIRED, login("https://au.semsportal.com/api/"), response(DETAIL))
    assert requests[2].url.startswith("https://au.semsportal.com/api/")


# Invalid responses


@pytest.mark.parametrize("data", [{}, "", None])
def test_success_without_data_means_the_account_moved(data):
    error = run_failing(response(data))
    assert type(error) is e.RequestRefused
    assert "SEMS+" in str(error)


def test_plant_list_may_be_empty():
    _, rows = run(logged_in(), response([], 0), call=GoodWeCalls.plant_list.flow())
    assert rows == ()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error_response("innerexception", "未将对象引用设置到对象的实例。", ""), e.RequestRefused),
        (error_response("100000", "ver is not fund"), e.RequestRefused),
        (error_response("GY0429"), e.Throttled),
        (error_response("77"), e.RequestRefused),
        (reply({"error_msg": "404 Route Not Found"}, 404), e.RequestRefused),
        (reply(b"<html>not here</html>", 404), e.Unreadable),
        (reply(b"<html>denied</html>", 403), e.Blocked),
        (reply(b"<!doctypehtml><title>405</title>", 405), e.Blocked),
        (reply(b"", 429), e.Throttled),
        (reply(b"oops", 502), e.Unreachable),
        (reply(b"", 302, location="https://evil.org/"), e.Unreadable),
        (reply(b"<html>Maintenance</html>"), e.Unreadable),
        (reply(b'{"code":"0","data":{"in'), e.Unreadable),
        (reply(b"[" * 100_000), e.Unreadable),
        (reply(b""), e.Unreadable),
        (reply([1]), e.Unreadable),
        (reply({"data": {}}), e.Unreadable),
        (response([1, 2]), e.Unreadable),
        (response({"record": 4, "list": []}), e.Unreadable),
    ],
)
def test_invalid_response_raises_its_error(answer, kind):
    error = run_failing(answer)
    assert type(error) is kind
    assert error.vendor == "goodwe"
    assert error.call == "monitor_detail"


def test_throttled_error_has_the_retry_delay_of_the_cloud():
    assert run_failing(error_response("GY0429")).retry_after == 300
    assert run_failing(reply(b"", 429, retry_after="42")).retry_after == 42


# Plants


def row(number):
    return {"powerstation_id": f"P{number}", "stationname": f"Roof {number}"}


def test_plant_list_is_read_to_the_last_page():
    pages = [response([row(one) for one in range(14)], 0), response([row(14)], 0)]
    requests, rows = run(logged_in(), *pages, call=GoodWeCalls.plant_list.flow())
    assert [one.id for one in rows] == [f"P{one}" for one in range(15)]
    assert [json.loads(one.body)["page_index"] for one in requests] == ["1", "2"]


def test_plant_list_without_end_raises_unreadable():
    pages = [response([row(14 * page + one) for one in range(14)], 0) for page in range(MAX_PAGES)]
    error = run_failing(*pages, call=GoodWeCalls.plant_list.flow())
    assert (type(error), error.vendor, error.call) == (e.Unreadable, "goodwe", "plant_list")
    assert "more than 200 pages" in str(error)


def test_plant_list_ends_at_a_repeated_page():
    same = response([row(one) for one in range(14)], 0)
    _, rows = run(logged_in(), same, same, call=GoodWeCalls.plant_list.flow())
    assert len(rows) == 14


@pytest.mark.parametrize("listed", [error_response("100000", "ver is not fund"), response([], 0)])
def test_plants_fall_back_to_the_owner_plant(listed):
    requests, plants = run(logged_in(), listed, response(PLANT), call=GoodWeSnapshots.plants.flow())
    assert requests[1].url == EU + "PowerStation/GetPowerStationIdByOwner"
    assert [plant.id for plant in plants] == [PLANT]


def test_snapshots_list_plants_once_per_session():
    protocol = logged_in()
    listed = response([row(1), row(2)], 0)
    first, _ = run(protocol, listed, response(DETAIL), response(DETAIL), call=GoodWeSnapshots.snapshots.flow())
    again, found = run(protocol, response(DETAIL), response(DETAIL), call=GoodWeSnapshots.snapshots.flow())
    assert (len(first), len(again)) == (3, 2)
    assert [one.plant.id for one in found] == ["P1", "P2"]
    after, _ = run(
        protocol, EXPIRED, login(), response(DETAIL), response(DETAIL), call=GoodWeSnapshots.snapshots.flow()
    )
    assert len(after) == 4
    relisted, _ = run(protocol, listed, response(DETAIL), response(DETAIL), call=GoodWeSnapshots.snapshots.flow())
    assert len(relisted) == 3


def test_login_repr_hides_the_secrets():
    _, opened = run(account(), login(), call=GoodWeCalls.cross_login.flow(USER, PASSWORD, 3))
    assert opened.client == "ios"
    assert TOKEN["token"] not in repr(opened)
    assert TOKEN["uid"] not in repr(opened)


def test_explicit_login_call_uses_the_configured_server_without_token():
    (request,), _ = run(logged_in(), login(), call=GoodWeCalls.cross_login.flow(USER, PASSWORD))
    assert request.url == SERVER + "v2/Common/CrossLogin"
    assert "token" not in json.loads(request.headers["Token"])
