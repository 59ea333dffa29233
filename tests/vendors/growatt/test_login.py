"""The two logins of Growatt, classic and of the current app: each is used where the other no longer exists."""

from __future__ import annotations

import pytest

from heliograph import errors as e
from heliograph.core.session import ENSURE_SESSION, FORCE_LOGIN
from heliograph.keeper import Keeper
from heliograph.vendors.growatt import diagnostics
from heliograph.vendors.growatt.composite import GrowattSnapshots
from support.growatt_emulator import served_cloud
from support.growatt_script import (
    ERROR_500,
    ERROR_PAGE,
    LOGIN,
    LOGIN_PAGE,
    PASSWORD,
    SECRETS,
    USER,
    account,
    arguments,
    hash_password,
    paths,
)
from support.protocol_script import NOON, reply, script

CLASSIC, APP, LIST = "newTwoLoginAPI.do", "newTwoLoginAPIV2.do", "PlantListAPI.do"
TOMCAT_400 = b"<h1>HTTP Status 400</h1><p>Parameter conditions &quot;op=setAppParam&quot; not met</p>"
FIREWALL = b"<!doctypehtml><html lang='zh-cn'><title>405</title><script src='//errors.aliyun.com/'>"
MISSING = {
    "404": reply(b"<h1>HTTP Status 404</h1>", 404),
    "410": reply(b"", 410),
    "a dispatcher": reply(TOMCAT_400, 400),
    "a dispatcher behind a proxy": reply(TOMCAT_400, 403),
    "a servlet without POST": reply(b"<h1>HTTP Status 405 - Method Not Allowed</h1> Apache Tomcat", 405),
    "a redirect": ERROR_PAGE,
    "a page": LOGIN_PAGE,
}
REFUSALS = {
    "wrong password": (reply({"back": {"msg": "502", "success": False}}), e.InvalidCredentials),
    "wrong password, or an incomplete request": (
        reply({"back": {"msg": "501", "success": False}}),
        e.InvalidCredentials,
    ),
    "locked": (reply({"back": {"msg": "507", "success": False}}), e.AccountLocked),
    "terms": (reply({"back": {"success": True}}), e.TermsNotAccepted),
    "firewall": (reply(FIREWALL, 405), e.Blocked),
    "firewall with a page": (reply(FIREWALL), e.Unreadable),
    "405 without a reason": (reply(b"", 405), e.Blocked),
    "refused agent": (reply(b"403 Forbidden denied by UA ACL = blacklist", 403), e.Blocked),
    "too many requests": (reply(b"", 429), e.Throttled),
    "server error": (reply(b"", 502), e.Unreachable),
    "no session": (ERROR_500, e.SessionExpired),
    "nonsense": (reply(b"[]"), e.CloudError),
}


def logins(protocol, replies, at=NOON, instruction=ENSURE_SESSION):
    sent = []
    script(protocol.execute(instruction, at), replies, sent)
    return sent


@pytest.mark.parametrize("name", MISSING)
def test_login_of_the_app_is_used_where_the_classic_one_is_gone_and_then_remembered(name):
    protocol = account()
    assert paths(logins(protocol, [MISSING[name], LOGIN])) == [CLASSIC, APP]
    assert protocol.session.facts["login"] == "app_login"
    assert protocol.session.facts["plants"] == {"1": "Roof", "2": "Barn"}
    assert diagnostics.history(protocol.session) == (
        "the server does not have the classic login; that of the current app is used",
    )
    again = logins(protocol, [LOGIN], NOON + 3600, FORCE_LOGIN)
    assert paths(again) == [APP]
    fields = arguments(again[0])
    assert (fields["userName"], fields["password"]) == (USER, hash_password(PASSWORD))
    assert (fields["loginTime"], fields["timestamp"][:11]) == ("2026-06-21 11:00:00", "17820396000")


def test_classic_login_is_used_again_where_that_of_the_app_is_gone():
    protocol = account()
    protocol.session.facts["login"] = "app_login"
    assert paths(logins(protocol, [MISSING["404"], LOGIN])) == [APP, CLASSIC]
    assert protocol.session.facts["login"] == "login"
    assert diagnostics.history(protocol.session) == ()
    assert paths(logins(protocol, [LOGIN], NOON + 3600, FORCE_LOGIN)) == [CLASSIC]


@pytest.mark.parametrize("name", REFUSALS)
def test_answer_of_a_login_is_final(name):
    answer, kind = REFUSALS[name]
    for replies in ([answer], [MISSING["404"], answer]):
        protocol, sent = account(), []
        with pytest.raises(kind) as caught:
            script(protocol.execute(ENSURE_SESSION, NOON), replies, sent)
        assert paths(sent) == [CLASSIC, APP][: len(replies)]
        assert protocol.session.alive is False
        assert not [secret for secret in SECRETS if secret in str(caught.value) + repr(vars(caught.value))]


def test_server_without_both_logins_is_asked_for_each_once():
    sent = []
    with pytest.raises(e.Unreadable, match="HTTP 404") as caught:
        script(account().execute(ENSURE_SESSION, NOON), [MISSING["404"]] * 2, sent)
    assert paths(sent) == [CLASSIC, APP]
    assert "changed this path" in caught.value.advice


def test_login_of_the_app_without_plants_fetches_their_list():
    bare = reply({"back": {"success": True, "user": {"id": 42}}}, cookies=("JSESSIONID=cookie-value",))
    listed = reply({"back": {"success": True, "data": [{"plantId": "7", "plantName": "Roof"}]}})
    protocol = account()
    sent, plants = script(protocol.execute(GrowattSnapshots.plants.flow(), NOON), [MISSING["404"], bare, listed])
    assert paths(sent) == [CLASSIC, APP, LIST]
    assert arguments(sent[2]) == {"userId": "42"}
    assert [plant.id for plant in plants] == ["7"]
    # Until they are known, the session is of no use.
    protocol = account()
    with pytest.raises(e.Unreachable):
        script(protocol.execute(ENSURE_SESSION, NOON), [MISSING["404"], bare, reply(b"", 502)])
    assert protocol.session.alive is False
    # Of the classic login it is known that it lists them: without a list, there are none.
    protocol = account()
    assert paths(logins(protocol, [bare])) == [CLASSIC]
    assert protocol.session.facts["plants"] == {}


@pytest.mark.parametrize(
    ("fault", "first", "used"),
    [("no_classic_login", "login", "app_login"), ("no_app_login", "app_login", "login")],
)
def test_guard_counts_each_login_and_later_ones_once(fault, first, used, tmp_path):
    with served_cloud(faults=[fault], keeper=Keeper(tmp_path), interactive=True) as (cloud, client):
        client.session.facts["login"] = first
        assert [plant.id for plant in client.plants()] == [plant.id for plant in cloud.holder.plants]
        assert (client.session.facts["login"], client.budget.logins_used) == (used, 2)
        client.log_in()
        assert client.budget.logins_used == 3


def test_wrong_password_is_sent_once_to_a_server_without_the_classic_login(tmp_path):
    with served_cloud(faults=["no_classic_login"], keeper=Keeper(tmp_path), interactive=True) as (cloud, client):
        cloud.holder.password = "another"
        with pytest.raises(e.InvalidCredentials):
            client.plants()
        with pytest.raises(e.InvalidCredentials):
            client.plants()
        (log,) = cloud.emulator.log.as_dict(0)["accounts"].values()
        assert (log["rejected_logins"], client.budget.logins_used) == (1, 2)
