"""Errors of the Growatt client: each failed response maps to its own error without leaking a secret."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta

import pytest

from heliograph import errors as e
from heliograph._requests_compat import as_requests_error
from heliograph.vendors.growatt import hash_password
from support.growatt_script import INFO, PASSWORD, SECRETS, USER, account, arguments, logged_in, plant_info
from support.protocol_script import NOON, reply, script

# Login failures


def failed(**back):
    return reply({"back": {"success": False, **back}})


@pytest.mark.parametrize("code", ["501", "502"])
def test_wrong_password_is_not_retried(code):
    sent = []
    with pytest.raises(e.InvalidCredentials) as caught:
        script(account().execute(plant_info.flow("1"), NOON), [failed(msg=code)], sent)
    assert len(sent) == 1
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("back", "hours"),
    [
        ({"msg": "507", "lockDuration": "24", "error": "Current account has been locked for 24 hours"}, 24),
        ({"msg": "507", "lockDuration": "1.5"}, 1.5),
        ({"msg": "507", "lockDuration": 2}, 2),
        ({"msg": "507"}, 24),
        ({"msg": "507", "lockDuration": "soon"}, 24),
        ({"msg": "507", "lockDuration": "-3"}, 24),
        ({"msg": "507", "lockDuration": "1e300"}, 24),
        ({"msg": "", "error": "Current account has been LOCKED"}, 24),
    ],
)
def test_account_locked_has_until(back, hours):
    with pytest.raises(e.AccountLocked) as caught:
        script(account().execute(plant_info.flow("1"), NOON), [failed(**back)])
    assert caught.value.until == datetime.fromtimestamp(NOON, UTC) + timedelta(hours=hours)
    assert caught.value.retry_after == hours * 3600


def test_login_without_a_user_is_terms_not_accepted():
    for back in ({"success": True}, {"success": True, "user": None, "data": []}):
        with pytest.raises(e.TermsNotAccepted, match="ShinePhone"):
            script(account().execute(plant_info.flow("1"), NOON), [reply({"back": back})])


def test_other_login_failure_code_is_reported():
    with pytest.raises(e.LoginFailed, match="599") as caught:
        script(account().execute(plant_info.flow("1"), NOON), [failed(msg="599")])
    assert type(caught.value) is e.LoginFailed


# Failed responses


PRIVATE = json.dumps(
    {"userName": USER, "user": {"accountName": USER, "password": hash_password(PASSWORD)}, "pwd": PASSWORD}
)
FORM = f"userName={USER}&password={hash_password(PASSWORD)}&JSESSIONID=cookie-value"
FIELD = f"<input name=userName value='{USER}'><input name=password value=\"{PASSWORD}\">"
MIXED = (PRIVATE + FORM + FIELD).encode()
NESTED = json.dumps({"msg": PRIVATE, "obj": None, "result": 0}).encode()

ANSWERS = {
    "ua acl": (
        reply(b"<html><h1>403 Forbidden</h1>denied by UA ACL = blacklist" + MIXED, 403),
        e.Blocked,
        "User-Agent",
    ),
    "403": (reply(b"<html>Forbidden" + MIXED, 403), e.Blocked, "403"),
    "403 empty": (reply(b"", 403), e.Blocked, "403"),
    "firewall": (reply(b"<!doctypehtml><html lang='zh-cn'><title>405</title>" + MIXED, 405), e.Blocked, "405"),
    "429": (reply(MIXED, 429, retry_after="17"), e.Throttled, "429"),
    "500": (reply(b"<html>Internal error" + MIXED, 500), e.Unreachable, "500"),
    "502": (reply(MIXED, 502), e.Unreachable, "502"),
    "404": (reply(MIXED, 404), e.Unreadable, "404"),
    "400": (reply(b"<html>Parameter conditions not met" + MIXED, 400), e.Unreadable, "400"),
    "empty": (reply(b""), e.Unreadable, "empty"),
    "blank": (reply(b" \r\n"), e.Unreadable, "empty"),
    "nested without end": (reply(b"[" * 200_000), e.Unreadable, "JSON"),
    "half": (reply(MIXED[:-30]), e.Unreadable, "JSON"),
    "half a secret": (reply(b'{"obj": {"pwd": "' + PASSWORD.encode()), e.Unreadable, "JSON"),
    "maintenance": (reply(b"<html>We will be back at noon" + FIELD.encode()), e.Unreadable, "web page"),
    "null": (reply(b"null"), e.RequestRefused, "no data"),
    "no object": (reply(b"[1]"), e.Unreadable, "object"),
    "text": (reply(json.dumps(PRIVATE).encode()), e.Unreadable, "object"),
    "refused": (reply({"result": 0, "obj": None, "msg": "504"}), e.RequestRefused, "504"),
    "refused in message": (reply(NESTED), e.RequestRefused, "refused"),
    "offline": (
        reply({"success": False, "msg": "501"}),
        e.RequestRefused,
        "could not reach the device now (501). It is offline",
    ),
    "slow": (
        reply({"result": 0, "obj": None, "msg": "500"}),
        e.RequestRefused,
        "did not answer the cloud in time (500)",
    ),
    "failed in message": (reply({"success": False, "msg": MIXED.decode() + "\x1b[2J\n"}), e.RequestRefused, "refused"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_failed_response_raises_its_own_error(name):
    answer, kind, message = ANSWERS[name]
    sent = []
    with pytest.raises(e.CloudError) as caught:
        script(logged_in().execute(plant_info.flow("1"), NOON), [answer], sent)
    error = caught.value
    assert type(error) is kind
    assert message in str(error)
    assert (error.vendor, error.call) == ("growatt", "plant_info")
    assert str(error).startswith("growatt plant_info: ")
    assert str(error).isprintable()
    assert not [secret for secret in SECRETS if secret in str(error) + repr(error) + repr(vars(error))]
    assert len(sent) == 1


@pytest.mark.parametrize("name", ANSWERS)
def test_failed_login_response_leaks_no_secret(name):
    sent = []
    # Of a server without this login the other one is asked for; every other answer is final.
    logins = ["login", "app_login"] if name in ("404", "400", "maintenance") else ["login"]
    with pytest.raises(e.CloudError) as caught:
        script(account().execute(plant_info.flow("1"), NOON), [ANSWERS[name][0] for _ in logins], sent)
    assert (caught.value.vendor, caught.value.call) == ("growatt", logins[-1])
    assert not [
        secret for secret in SECRETS if secret in str(caught.value) + repr(caught.value) + repr(vars(caught.value))
    ]
    assert len(sent) == len(logins)


@pytest.mark.parametrize(
    "back",
    [{"msg": MIXED.decode()}, {"msg": "599", "error": MIXED.decode()}, {"msg": "507", "error": "locked " + FORM}],
)
def test_login_error_that_echoes_the_account_leaks_no_secret(back):
    with pytest.raises(e.CloudError) as caught:
        script(account().execute(plant_info.flow("1"), NOON), [failed(**back)])
    assert not [secret for secret in SECRETS if secret in str(caught.value) + repr(vars(caught.value))]
    assert str(caught.value).isprintable()


def test_throttled_has_retry_after():
    for header, seconds in (("17", 17), ("soon", 300), ("-5", 300)):
        with pytest.raises(e.Throttled) as caught:
            script(logged_in().execute(plant_info.flow("1"), NOON), [reply(b"", 429, retry_after=header)])
        assert caught.value.retry_after == seconds


def test_connection_error_names_vendor_and_call():
    sent = []
    with pytest.raises(e.Unreachable, match="growatt plant_info: cut off") as caught:
        script(logged_in().execute(plant_info.flow("1"), NOON), [e.Unreachable("cut off")], sent)
    assert len(sent) == 1
    assert caught.value.call == "plant_info"
    protocol = account()
    with pytest.raises(e.Unreachable, match="growatt login: cut off"):
        script(protocol.execute(plant_info.flow("1"), NOON), [e.Unreachable("cut off")])
    assert not protocol.session.alive


def test_composite_method_may_catch_an_error_of_one_request():
    def steps():
        try:
            yield plant_info.flow("1")
        except e.RequestRefused as error:
            return (yield plant_info.flow("2")), error

    replies = [reply({"success": False, "msg": "501"}), INFO]
    sent, (info, error) = script(logged_in().execute(steps(), NOON), replies)
    assert [arguments(request)["plantId"] for request in sent] == ["1", "2"]
    assert info.energy_today == 0.2
    assert error.code == "501"


def test_drop_in_error_can_be_pickled():
    error = e.SessionExpired("the session has expired", vendor="growatt", call="plant_list")
    error.status = 302
    twin = as_requests_error(error)
    back = pickle.loads(pickle.dumps(twin))
    assert isinstance(back, e.SessionExpired)
    assert isinstance(back, json.JSONDecodeError)
    assert (type(back), str(back), back.call, back.response) == (type(twin), str(twin), twin.call, twin.response)
