"""Protocol tests of SEMS+ and of the fallback between both dialects, with scripted responses."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from heliograph import errors as e
from heliograph.core.http import MAX_PAGES
from heliograph.core.protocol import AccountProtocol
from heliograph.core.redact import Secret
from heliograph.core.session import ENSURE_SESSION, Credentials, Session
from heliograph.vendors.goodwe import GoodWeCalls, SemsPlusCalls, diagnostics, resolve_server
from heliograph.vendors.goodwe.auth import GoodWeProtocol
from heliograph.vendors.goodwe.dialect import RETRY_PAUSE
from heliograph.vendors.goodwe.plus.signing import encode_password, sign_request
from heliograph.vendors.goodwe.snapshots import GoodWeSnapshots
from support.protocol_script import NOON, reply, script

GLOBAL = "https://semsplus.goodwe.com/web/sems/"
GATEWAY = "https://eu-gateway.semsportal.com/web/sems"
PORTAL = "https://eu.semsportal.com/api/"
USER, PASSWORD = "ada@example.com", "sems_test_password"
UID, TOKEN = "11111111-2222-3333-4444-555555555555", "0123456789abcdef0123456789abcdef"
SECRETS = (USER, PASSWORD, encode_password(PASSWORD), UID, TOKEN)
PLANT = "6f0c3bd1-0000-4000-8000-000000000001"

DATA = {
    "uid": UID,
    "timestamp": "1782036000123",
    "token": TOKEN,
    "client": "semsPlusWeb",
    "version": "",
    "language": "en",
    "api": GATEWAY,
    "region": "eu",
}
FLOW = {"id": PLANT, "name": "Roof", "status": "1", "pSystem": 2.28, "pAc": 2.28, "refreshTime": "2026-06-21T11:56:00"}
DETAIL = {"info": {"powerstation_id": PLANT, "stationname": "Roof"}, "inverter": []}


def plus_response(data=None, code="00000", message="成功", **more):
    answer = {"code": code, "description": message, "traceId": "0" * 32, **more}
    return reply(answer if data is None else {**answer, "data": data})


def plus_login(**changes):
    return plus_response({**DATA, **changes})


def legacy_login(api=PORTAL, data=None):
    token = {"uid": UID, "timestamp": 1, "token": TOKEN, "client": "ios", "version": "v2.1.0", "language": "en"}
    answer = {"hasError": False, "code": 0, "msg": "Success", "data": token if data is None else data}
    return reply({**answer, "api": api})


def legacy_response(data, code="0"):
    return reply({"language": "en", "hasError": code != "0", "msg": "操作成功", "code": code, "data": data})


NO_ROUTE = reply({"error_msg": "404 Route Not Found"}, 404)
PARAMETER_ERROR = plus_response(code="100004", message="parameter error.", translationCode="parameter_error")
ABNORMAL = plus_response(code="C0602", message="账号登录异常")
EXPIRED = legacy_response(None, "100002")
STATIONS = plus_response({"dataList": [{"id": PLANT, "name": "Roof", "timeZone": "Europe/Amsterdam"}], "total": 1})
INVENTORY = plus_response(
    {
        "deviceDetailList": [
            {
                "deviceType": "INVERTER",
                "statusDetailList": [
                    {
                        "status": 1,
                        "detailMap": {"INV1": {"sn": "INV1", "deviceType": "INVERTER", "subtype": "grid", "status": 1}},
                    }
                ],
            }
        ]
    }
)
COUNTERS = plus_response(
    [{"code": "telecounting_today", "factors": [{"code": "proPvStatsToday", "data": "8.9", "unit": "kWh"}]}]
)
TELEMETRY = plus_response([{"code": "ac", "factors": [{"code": "Vac", "data": "231.5", "unit": "V"}]}])
PLUS_SNAPSHOT = (plus_response(FLOW), INVENTORY, COUNTERS, TELEMETRY)


def account(dialect=None, server="global", **facts):
    session = Session(resolve_server(server))
    session.facts = {**({"dialect": dialect} if dialect else {}), **facts}
    return AccountProtocol(GoodWeProtocol(), session, Credentials(USER, Secret(PASSWORD)), allow_commands=True)


def run(protocol, *replies, call=ENSURE_SESSION, sent=None, at=NOON):
    timely = [one if isinstance(one, Exception) else one._replace(received_at=at) for one in replies]
    return script(protocol.execute(call, at), timely, sent)


def run_failing(protocol, *replies, call=ENSURE_SESSION, at=NOON):
    with pytest.raises(e.CloudError) as caught:
        run(protocol, *replies, call=call, at=at)
    assert not [secret for secret in SECRETS if secret in str(caught.value)]
    assert not [secret for secret in SECRETS if secret in str(protocol.session.facts.get("story"))]
    return caught.value


def logged_in(**changes):
    protocol = account("plus")
    run(protocol, plus_login(**changes))
    return protocol


def hosts(requests):
    return [urlsplit(one.url).netloc for one in requests]


# Passwords and signatures


@pytest.mark.parametrize(
    ("password", "wire"),
    [
        ("password", "NWY0ZGNjM2I1YWE3NjVkNjFkODMyN2RlYjg4MmNmOTk="),
        ("sems_test_password", "ZTJmYTRkNDJhZTk4Y2NiMTFkYzg0NWJhYWY1YWUxYzc="),
        ("Passw0rd!", "NDdiN2JmYjY1ZmE4M2FjOWE3MWRjYjBmNjI5NmJiNmU="),
        ("pässwörd€", "M2FiMmMxMzAxYjdmNDY5YmQ2NjNlN2U0NTUyOTAyMGE="),
        ("", "ZDQxZDhjZDk4ZjAwYjIwNGU5ODAwOTk4ZWNmODQyN2U="),
    ],
)
def test_encode_password_matches_sems_plus(password, wire):
    assert encode_password(password) == wire


@pytest.mark.parametrize(
    ("uid", "token", "header"),
    [
        (
            "",
            "",
            "ZmU5YjIxMzczZmM0MGI2ZDAzZTJlNTgxZjA4MDc3OTBiM2VkZGU4YThkZDYwZGIyNGE5ZWU0OTYxOTgxODM5Y0AxNzkwMDAwMDAwMDAw",
        ),
        (
            UID,
            TOKEN,
            "MWNjMjBiMWQ3ZTQ2NDIzMmNiZjlmODI5NTdmOTZjNmMwYjlhOTZmZmFmZjg4Mzg1YjA3ZTgzOWY3ZDMxZmExZEAxNzkwMDAwMDAwMDAw",
        ),
    ],
)
def test_sign_request_matches_sems_plus(uid, token, header):
    assert sign_request(1_790_000_000_000, uid, token) == header


def test_sign_request_accepts_lone_surrogates():
    assert sign_request(0, "a\ud800", "\udfff") == sign_request(0, "a?", "?")


def test_login_sends_client_flags_and_signature():
    (request,), _ = run(account(), plus_login())
    assert request.url == GLOBAL + "sems-user/api/v1/auth/cross-login"
    assert json.loads(request.body) == {
        "account": USER,
        "pwd": encode_password(PASSWORD),
        "agreement": 1,
        "isChinese": False,
        "isLocal": False,
    }
    assert json.loads(request.headers["token"])["client"] == "semsPlusWeb"
    assert request.headers["x-signature"] == sign_request(int(NOON * 1000))
    assert request.headers["Origin"] == "https://semsplus.goodwe.com"


def test_requests_send_the_full_token_and_are_signed_with_it():
    (request,), flow = run(logged_in(), plus_response(FLOW), call=SemsPlusCalls.plus_flow.flow(PLANT), at=NOON + 5)
    assert request.url == f"{GATEWAY}/sems-plant/api/stations/flow?stationId={PLANT}"
    assert json.loads(request.headers["token"]) == DATA
    digest, _, moment = base64.b64decode(request.headers["x-signature"]).decode().partition("@")
    assert moment == str(int((NOON + 5) * 1000))
    assert request.headers["x-signature"] == sign_request(int(moment), UID, TOKEN)
    assert len(digest) == 64
    assert flow.pv == 2.28


def test_serial_number_is_quoted_in_the_path():
    plan = SemsPlusCalls.plus_telecounting.flow("INV/1", PLANT)
    (request,), _ = run(logged_in(), COUNTERS, call=plan)
    assert urlsplit(request.url).path.endswith("/equipments/INV%2F1/telecounting")
    assert parse_qs(urlsplit(request.url).query) == {"deviceType": ["INVERTER"], "pwId": [PLANT]}


@pytest.mark.parametrize(
    ("server", "legacy_home", "plus_home"),
    [
        ("global", "https://www.semsportal.com/api/", GLOBAL),
        ("eu", "https://eu.semsportal.com/api/", "https://eu-semsplus.goodwe.com/web/sems/"),
        ("cn", "https://www.semsportal.com/api/", "https://cn-semsplus.goodwe.com/web/sems/"),
        (
            "https://cn-semsplus.goodwe.com",
            "https://www.semsportal.com/api/",
            "https://cn-semsplus.goodwe.com/web/sems/",
        ),
        ("https://semsportal.com/api", "https://www.semsportal.com/api/", GLOBAL),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api/", "http://127.0.0.1:8080/web/sems/"),
        ("http://127.0.0.1:8080/web/sems", "http://127.0.0.1:8080/api/", "http://127.0.0.1:8080/web/sems/"),
    ],
)
def test_server_gives_the_login_urls_of_both_dialects(server, legacy_home, plus_home):
    (request,), _ = run(account(server=server), plus_login(api=None))
    assert request.url.startswith(plus_home)
    (request,), _ = run(account(server=server), legacy_login(None), call=GoodWeCalls.cross_login.flow(USER, PASSWORD))
    assert request.url.startswith(legacy_home)


def test_login_in_the_chinese_region_sets_its_flag():
    (request,), _ = run(account(server="cn"), plus_login(api="https://hz-gateway.sems.com.cn/web/sems"))
    assert json.loads(request.body)["isChinese"] is True


# Data server


@pytest.mark.parametrize(
    ("answer", "base"),
    [
        (plus_login(), f"{GATEWAY}/"),
        (
            plus_response({**DATA, "api": ""}, api="https://au-gateway.semsportal.com/web/sems/"),
            "https://au-gateway.semsportal.com/web/sems/",
        ),
        (plus_login(api=None), f"{GATEWAY}/"),
        (plus_login(api="", region="au"), "https://au-gateway.semsportal.com/web/sems/"),
        (plus_login(api="", region="../evil"), f"{GATEWAY}/"),
        (plus_login(api="https://us-gateway.semsportal.com/sems/"), "https://us-gateway.semsportal.com/web/sems/"),
    ],
)
def test_data_server_comes_from_the_login_or_its_region(answer, base):
    protocol = account()
    run(protocol, answer)
    assert protocol.session.base == base


def test_configured_server_is_the_default_data_server():
    protocol = account(server="http://127.0.0.1:8080")
    run(protocol, plus_login(api=None))
    assert protocol.session.base == "http://127.0.0.1:8080/web/sems/"


@pytest.mark.parametrize(
    "api", ["https://evil.org/web/sems", "http://eu-gateway.semsportal.com/web/sems", "https://goodwe.com@evil.org/"]
)
def test_login_to_an_untrusted_data_server_is_rejected(api):
    protocol = account("plus")
    assert type(run_failing(protocol, plus_login(api=api))) is e.WrongRegion
    assert (protocol.session.alive, protocol.session.token) == (False, {})


@pytest.mark.parametrize("login", [plus_login(token="x" * 8_000), plus_login(uid="x " * 4_000)])
def test_login_with_a_token_too_large_for_a_header_is_rejected(login):
    protocol = account("plus")
    error = run_failing(protocol, login)
    assert type(error) is e.Unreadable
    assert "more than 8,000 characters. Check the server's address" in str(error)
    assert (protocol.session.alive, protocol.session.token) == (False, {})


def test_data_server_may_be_another_port_of_the_same_loopback_host():
    protocol = account(server="http://127.0.0.1:8080")
    run(protocol, plus_login(api="http://127.0.0.1:8081/web/sems"))
    assert protocol.session.base == "http://127.0.0.1:8081/web/sems/"
    away = account("plus", server="http://127.0.0.1:8080")
    assert type(run_failing(away, plus_login(api="http://127.0.0.2:8081/web/sems"))) is e.WrongRegion


# Failed logins


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (plus_response(code="100005", message="Email or password error."), e.InvalidCredentials, "100005"),
        (ABNORMAL, e.WrongRegion, "C0602"),
        (plus_response(code="A1", message=f"no, {USER}"), e.LoginFailed, "A1"),
    ],
)
def test_login_with_a_definite_error_is_sent_once(answer, kind, code):
    error = run_failing(account(), answer)
    assert (type(error), error.code, error.call) == (kind, code, "plus_login")


@pytest.mark.parametrize("answer", [plus_response(code="GY0429"), reply(b"", 429)])
def test_throttled_login_waits_and_does_not_try_the_other_dialect(answer):
    assert run_failing(account(), answer).retry_after == 300


@pytest.mark.parametrize("answer", [reply(b"oops", 502), reply(b"<html>denied</html>", 403)])
def test_server_error_does_not_try_the_other_dialect(answer):
    run_failing(account("plus"), answer)


TERMS = plus_response({"agreement": True, "api": GATEWAY})


@pytest.mark.parametrize(
    "answer", [PARAMETER_ERROR, TERMS, NO_ROUTE, reply(b"<html>", 404), plus_response(code="100000")]
)
def test_login_falls_back_to_the_other_dialect_once(answer):
    protocol = account()
    requests, session = run(protocol, answer, legacy_login())
    assert hosts(requests) == ["semsplus.goodwe.com", "www.semsportal.com"]
    assert (session.facts["dialect"], session.base, session.alive) == ("legacy", PORTAL, True)
    assert "using the SEMS Portal from now on" in session.facts["story"][-1]


def test_unreachable_host_falls_back_only_while_the_dialect_is_unknown():
    requests, _ = run(account(), e.Unreachable("no such host"), legacy_login())
    assert hosts(requests) == ["semsplus.goodwe.com", "www.semsportal.com"]
    error = run_failing(account("plus"), e.Unreachable("no such host"))
    assert (error.vendor, error.call) == ("goodwe", "login")


def test_login_failing_in_both_dialects_raises_the_actionable_error():
    unsaid = legacy_login(data={"agreement_agreement": 0})
    assert type(run_failing(account(), PARAMETER_ERROR, unsaid)) is e.TermsNotAccepted
    assert type(run_failing(account(), PARAMETER_ERROR, legacy_response(None, "100005"))) is e.InvalidCredentials
    error = run_failing(account(), PARAMETER_ERROR, legacy_response(None, "100000"))
    assert error.code == "100004"
    assert "password is not the reason" in str(error)


@pytest.mark.parametrize("broken", [reply(b"oops", 500), reply({"hasError": False}), reply(b"<html>", 200)])
def test_broken_login_of_a_server_without_sems_plus_raises_its_own_error(broken):
    error = run_failing(account(server="http://127.0.0.1:8080/"), NO_ROUTE, broken)
    assert error.call == "cross_login"
    assert "SEMS+" not in str(error)


def test_failed_dialect_is_not_retried_within_an_hour():
    protocol = account()
    run_failing(protocol, TERMS, legacy_login(data={}))
    run_failing(protocol, TERMS, at=NOON + 60)
    requests: list = []
    with pytest.raises(e.TermsNotAccepted):
        run(protocol, TERMS, legacy_login(data={}), at=NOON + RETRY_PAUSE + 1, sent=requests)
    assert len(requests) == 2


# One session per account


def test_call_of_the_other_dialect_logs_in_again():
    protocol = logged_in()
    requests, _ = run(protocol, legacy_login(), legacy_response(DETAIL), call=GoodWeCalls.monitor_detail.flow(PLANT))
    assert hosts(requests) == ["www.semsportal.com", "eu.semsportal.com"]
    assert json.loads(requests[1].headers["Token"])["client"] == "ios"
    requests, _ = run(protocol, plus_login(), plus_response(FLOW), call=SemsPlusCalls.plus_flow.flow(PLANT))
    assert hosts(requests) == ["semsplus.goodwe.com", "eu-gateway.semsportal.com"]
    assert protocol.session.facts["dialect"] == "plus"


def test_explicit_call_does_not_fall_back():
    error = run_failing(account("legacy"), PARAMETER_ERROR, call=SemsPlusCalls.plus_flow.flow(PLANT))
    assert error.code == "100004"


@pytest.mark.parametrize("code", ["100001", "100002", "C0602"])
def test_expired_session_is_renewed_once_in_its_dialect(code):
    protocol = logged_in()
    requests, flow = run(
        protocol, plus_response(code=code), plus_login(), plus_response(FLOW), call=SemsPlusCalls.plus_flow.flow(PLANT)
    )
    assert hosts(requests) == ["eu-gateway.semsportal.com", "semsplus.goodwe.com", "eu-gateway.semsportal.com"]
    assert flow.name == "Roof"


def test_command_is_never_sent_twice():
    order = SemsPlusCalls.set_device_parameters.flow("INV1", PLANT, {"80017": 2}, {"80017": "2"}, {"x": "stop"})
    for answer in (ABNORMAL, plus_response(code="R0305"), e.Unreachable("gone")):
        sent: list = []
        with pytest.raises(e.CloudError):
            run(logged_in(), answer, call=order, sent=sent)
        assert len(sent) == 1
    (request,), done = run(logged_in(), reply({"data": True}), call=order)
    assert json.loads(request.body)["addressMap"] == {"80017": 2}
    assert done.code == "00000"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("100025", "Visitors"),
        ("S0327", "day, month or year"),
        ("R0305", "did not apply the setting"),
        ("read_fail", "battery"),
        ("100004", "arguments"),
        ("B77", "rejected"),
    ],
)
def test_rejected_request_has_a_plain_message(code, message):
    error = run_failing(
        logged_in(), plus_response(code=code, message="no"), call=SemsPlusCalls.plus_devices.flow(PLANT)
    )
    assert type(error) is e.RequestRefused
    assert error.code == code
    assert message in str(error)


# Moved accounts


def test_snapshots_of_a_new_account_take_six_requests_then_four():
    protocol = account()
    first, found = run(protocol, plus_login(), STATIONS, *PLUS_SNAPSHOT, call=GoodWeSnapshots.snapshots.flow())
    again, _ = run(protocol, *PLUS_SNAPSHOT, call=GoodWeSnapshots.snapshots.flow())
    assert (len(first), len(again)) == (6, 4)
    assert found[0].values["pv_power"] == 2280
    assert found[0].devices[0].measurements == {"phase1_voltage": 231.5}
    assert protocol.session.facts["dialect"] == "plus"


@pytest.mark.parametrize("nothing", [legacy_response({}), NO_ROUTE])
def test_snapshot_follows_an_account_to_sems_plus(nothing):
    protocol = account("legacy")
    moves = (legacy_login(), nothing, plus_login(), STATIONS, *PLUS_SNAPSHOT)
    requests, found = run(protocol, *moves, call=GoodWeSnapshots.snapshot.flow(PLANT))
    assert hosts(requests)[:3] == ["www.semsportal.com", "eu.semsportal.com", "semsplus.goodwe.com"]
    assert found.values["pv_energy_today"] == 8.9
    assert protocol.session.facts["dialect"] == "plus"
    run(protocol, *PLUS_SNAPSHOT, call=GoodWeSnapshots.snapshot.flow(PLANT))


def test_persistently_expired_session_moves_the_account_despite_the_relogin_delay():
    protocol = account("legacy")
    moves = (legacy_login(), EXPIRED, legacy_login(), EXPIRED, plus_login(), STATIONS, *PLUS_SNAPSHOT)
    run(protocol, *moves, call=GoodWeSnapshots.snapshot.flow(PLANT))
    assert protocol.session.facts["dialect"] == "plus"
    assert [one.partition("UTC: ")[2] for one in protocol.session.facts["story"]][1:3] == [
        "the SEMS Portal failed (SessionExpired: the cloud does not recognise the session (100002))",
        "trying SEMS+ once",
    ]


@pytest.mark.parametrize("end", [[NO_ROUTE], [ABNORMAL, plus_login(), ABNORMAL], [ABNORMAL, PARAMETER_ERROR]])
def test_snapshot_follows_an_account_back_to_the_portal(end):
    protocol = logged_in()
    protocol.session.facts["zones"] = {PLANT: None}
    _, found = run(protocol, *end, legacy_login(), legacy_response(DETAIL), call=GoodWeSnapshots.snapshot.flow(PLANT))
    assert found.plant.name == "Roof"
    assert protocol.session.facts["dialect"] == "legacy"


def test_failed_move_is_not_repeated_within_an_hour():
    protocol = account("legacy")
    error = run_failing(
        protocol, legacy_login(), legacy_response({}), PARAMETER_ERROR, call=GoodWeSnapshots.snapshot.flow(PLANT)
    )
    assert type(error) is e.RequestRefused
    assert "success without data" in str(error)
    assert protocol.session.facts["dialect"] == "legacy"
    assert not protocol.session.alive
    run_failing(protocol, legacy_login(), legacy_response({}), call=GoodWeSnapshots.snapshot.flow(PLANT), at=NOON + 300)
    later = NOON + RETRY_PAUSE + 1
    run_failing(protocol, legacy_response({}), PARAMETER_ERROR, call=GoodWeSnapshots.snapshot.flow(PLANT), at=later)


def test_unknown_plant_does_not_move_the_account():
    protocol = account("legacy")
    error = run_failing(
        protocol, legacy_login(), legacy_response("", "innerexception"), call=GoodWeSnapshots.snapshot.flow(PLANT)
    )
    assert error.code == "innerexception"
    assert protocol.session.alive


def test_portal_login_naming_the_gateway_uses_the_portal_host():
    protocol = account("legacy")
    run(protocol, legacy_login("https://eu-gateway.semsportal.com/sems/"))
    assert protocol.session.base == PORTAL
    assert "SEMS+ gateway" in protocol.session.facts["story"][0]


def test_rejected_plant_list_moves_the_account():
    protocol = account("legacy")
    silent = legacy_response(None, "100000")
    moves = (legacy_login(), silent, silent, plus_login(), STATIONS)
    _, plants = run(protocol, *moves, call=GoodWeSnapshots.plants.flow())
    assert [(one.id, one.name, str(one.zone)) for one in plants] == [(PLANT, "Roof", "Europe/Amsterdam")]


# Diagnostics


def test_decision_log_keeps_the_newest_entries():
    protocol = account("plus")
    for number in range(30):
        run_failing(protocol, plus_response(code=f"A{number}"), at=NOON + number)
    story = diagnostics.history(protocol.session)
    assert len(story) == 20
    assert "A29" in story[-1]


def test_diagnostics_summary_sends_nothing():
    rows = dict(diagnostics.summary(account().session))
    assert rows["next login"] == f"SEMS+, {GLOBAL}"
    assert "SEMS Portal" in rows["fallback"]
    rows = dict(diagnostics.summary(logged_in().session))
    assert rows["active dialect"] == f"SEMS+ at {GATEWAY}/"
    assert (
        "failed within the last hour"
        in dict(diagnostics.summary(account("legacy", tried={"plus": 0.0}).session))["fallback"]
    )


def test_stored_session_restores_its_dialect():
    protocol = logged_in()
    stored = Session.from_dict(json.loads(json.dumps(protocol.session.to_dict())))
    again = AccountProtocol(GoodWeProtocol(), stored, Credentials(USER, Secret(PASSWORD)))
    (request,), _ = run(again, plus_response(FLOW), call=SemsPlusCalls.plus_flow.flow(PLANT))
    assert request.url.startswith(GATEWAY)


# Invalid responses


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(b""), e.Unreadable),
        (reply([1]), e.Unreadable),
        (reply({"data": {}}), e.Unreadable),
        (reply(b"<html>Maintenance</html>"), e.Unreadable),
        (plus_response([1, 2]), e.Unreadable),
        (NO_ROUTE, e.RequestRefused),
        (reply(b"oops", 503), e.Unreachable),
        (reply(b"<html>denied</html>", 405), e.Blocked),
        (plus_response(code="GY0429"), e.Throttled),
    ],
)
def test_invalid_response_raises_its_error(answer, kind):
    error = run_failing(logged_in(), answer, call=SemsPlusCalls.plus_flow.flow(PLANT))
    assert (type(error), error.vendor, error.call) == (kind, "goodwe", "plus_flow")


@pytest.mark.parametrize("data", [None, {}, {"total": 0}])
def test_plant_list_without_rows_is_unreadable(data):
    assert type(run_failing(logged_in(), plus_response(data), call=SemsPlusCalls.plus_stations.flow())) is e.Unreadable


def test_plant_list_without_end_raises_unreadable():
    pages = [plus_response({"dataList": [{"id": f"{page}/{one}"} for one in range(15)]}) for page in range(MAX_PAGES)]
    error = run_failing(logged_in(), *pages, call=SemsPlusCalls.plus_stations.flow())
    assert (type(error), error.vendor, error.call) == (e.Unreadable, "goodwe", "plus_stations")


def test_plant_list_ends_at_the_last_or_a_repeated_page():
    page = plus_response({"dataList": [{"id": f"P{one}"} for one in range(15)]})
    last = plus_response({"dataList": [{"id": "P15"}]})
    requests, rows = run(logged_in(), page, last, call=SemsPlusCalls.plus_stations.flow())
    assert [json.loads(one.body)["current"] for one in requests] == [1, 2]
    assert len(rows) == 16
    assert len(run(logged_in(), page, page, call=SemsPlusCalls.plus_stations.flow())[1]) == 15
