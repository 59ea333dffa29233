"""The account protocol without I/O and clock: given these responses, expect these requests."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest

from heliograph import errors as e
from heliograph.core.session import Session
from heliograph.vendors.growatt import GrowattCalls, hash_password
from support.growatt_script import (
    EXPIRIES,
    INFO,
    LOGIN,
    LOGIN_PAGE,
    PASSWORD,
    USER,
    WRITTEN,
    account,
    arguments,
    logged_in,
    paths,
    plant_info,
    settings,
)
from support.protocol_script import NOON, Cut, reply, script

# Login and session


def test_first_call_logs_in():
    sent, info = script(account().execute(plant_info.flow("1"), NOON), [LOGIN, INFO])
    assert paths(sent) == ["newTwoLoginAPI.do", "newTwoPlantAPI.do"]
    assert sent[0].verb == "POST"
    assert arguments(sent[0]) == {"userName": USER, "password": hash_password(PASSWORD)}
    assert info.energy_today == 0.2


def test_valid_session_needs_no_login():
    protocol = logged_in()
    for _ in range(2):
        sent, _ = script(protocol.execute(plant_info.flow("1"), NOON + 3600), [INFO])
        assert paths(sent) == ["newTwoPlantAPI.do"]


def test_every_request_has_the_user_agent():
    sent, _ = script(account().execute(plant_info.flow("1"), NOON), [LOGIN, INFO])
    assert all("Dalvik" in one.headers["User-Agent"] for one in sent)


@pytest.mark.parametrize(
    ("seconds", "skews"),
    [
        ([0.0, 1.0, -1.9], [0.0, 0.0, 0.0]),
        ([-5.0, -5.9, -4.0], [-5.0, -5.0, -5.0]),
        ([30.0, 27.0, 27.5], [30.0, 27.0, 27.0]),
        ([3.0, 0.0], [3.0, 0.0]),
    ],
)
def test_difference_of_the_servers_clock_changes_only_by_more_than_the_header_can_show(seconds, skews):
    session = Session("http://cloud.example/")
    found = []
    for late in seconds:
        received = datetime(2026, 6, 21, 12, tzinfo=UTC)
        date = format_datetime(received, usegmt=True)
        session.update_from_response(session.server, reply({}, date=date, at=received.timestamp() - late))
        found.append(session.skew)
    assert found == skews


def test_cookies_are_sent_to_their_host_until_it_deletes_them():
    protocol = logged_in()
    bye = reply({}, cookies=("SERVERID=; Max-Age=0", "JSESSIONID=next; Path=/", "nonsense", "=x"))
    first, _ = script(protocol.execute(plant_info.flow("1"), NOON), [bye])
    second, _ = script(protocol.execute(plant_info.flow("1"), NOON), [INFO])
    assert first[0].headers["Cookie"] == "JSESSIONID=cookie-value; SERVERID=a1"
    assert second[0].headers["Cookie"] == "JSESSIONID=next"
    gone = reply({}, cookies=("JSESSIONID=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT; max-age=0",))
    script(protocol.execute(plant_info.flow("1"), NOON), [gone])
    third, _ = script(protocol.execute(plant_info.flow("1"), NOON), [INFO])
    assert "Cookie" not in third[0].headers


def test_cookies_are_limited_as_in_browsers():
    protocol = logged_in()
    many = reply({}, cookies=(*(f"c{number}=1" for number in range(60)), f"long={'x' * 4092}", "JSESSIONID=next"))
    script(protocol.execute(plant_info.flow("1"), NOON), [many])
    sent, _ = script(protocol.execute(plant_info.flow("1"), NOON), [INFO])
    cookies = sent[0].headers["Cookie"].split("; ")
    assert cookies == [*(f"c{number}=1" for number in range(11, 60)), "JSESSIONID=next"]


def test_cookies_are_never_sent_to_another_host():
    protocol = logged_in()
    elsewhere = "https://openapi-us.growatt.com/newTwoPlantAPI.do?op=getAllDeviceListTwo"
    moved = [reply(b"", 302, location=elsewhere), reply({}, cookies=("US=1",))]
    sent, _ = script(protocol.execute(plant_info.flow("1"), NOON), moved)
    assert sent[1].url == elsewhere
    assert "Cookie" not in sent[1].headers
    back, _ = script(protocol.execute(plant_info.flow("1"), NOON), [INFO])
    assert "US" not in back[0].headers["Cookie"]


def test_stored_session_needs_no_login():
    protocol = logged_in()
    stored = json.dumps(protocol.session.to_dict())
    assert PASSWORD not in stored
    assert hash_password(PASSWORD) not in stored
    again = Session.from_dict(json.loads(stored) | {"of_a_later_version": 1})
    assert again.to_dict() == protocol.session.to_dict()
    sent, _ = script(account(again).execute(GrowattCalls.plant_list.flow(), NOON), [reply({"back": {"data": []}})])
    assert paths(sent) == ["PlantListAPI.do"]
    assert sent[0].headers["Cookie"].startswith("JSESSIONID=")


# Rejected sessions


@EXPIRIES
def test_expired_session_is_renewed_once_and_the_call_repeated_once(expiry):
    sent, info = script(logged_in().execute(plant_info.flow("1"), NOON), [expiry, LOGIN, INFO])
    assert paths(sent) == ["newTwoPlantAPI.do", "newTwoLoginAPI.do", "newTwoPlantAPI.do"]
    assert sent[0].url == sent[2].url
    assert "Cookie" not in sent[1].headers
    assert info.energy_today == 0.2


@EXPIRIES
def test_renewal_that_did_not_help_is_not_repeated_for_a_minute(expiry):
    protocol = logged_in()
    sent = []
    with pytest.raises(e.SessionExpired):
        script(protocol.execute(plant_info.flow("1"), NOON), [expiry, LOGIN, expiry], sent)
    assert len(sent) == 3
    stored = Session.from_dict(json.loads(json.dumps(protocol.session.to_dict())))
    for session in (protocol.session, stored):
        for later in (0, 59):
            sent = []
            with pytest.raises(e.SessionExpired, match="Wait"):
                script(account(session).execute(plant_info.flow("1"), NOON + later), [], sent)
            assert sent == []
    sent, _ = script(protocol.execute(plant_info.flow("1"), NOON + 61), [LOGIN, INFO])
    assert paths(sent) == ["newTwoLoginAPI.do", "newTwoPlantAPI.do"]


def test_login_that_returns_the_login_page_is_not_repeated_for_a_minute():
    protocol = account()
    with pytest.raises(e.SessionExpired):
        script(protocol.execute(plant_info.flow("1"), NOON), [LOGIN_PAGE, LOGIN_PAGE])
    with pytest.raises(e.SessionExpired, match="Wait"):
        script(protocol.execute(plant_info.flow("1"), NOON + 30), [])


def test_relogin_delay_ends_with_a_successful_call():
    protocol = logged_in()
    with pytest.raises(e.SessionExpired):
        script(protocol.execute(plant_info.flow("1"), NOON), [LOGIN_PAGE, LOGIN, LOGIN_PAGE])
    script(protocol.execute(plant_info.flow("1"), NOON + 61), [LOGIN, INFO])
    sent, _ = script(protocol.execute(plant_info.flow("1"), NOON + 62), [LOGIN_PAGE, LOGIN, INFO])
    assert len(sent) == 3


@EXPIRIES
def test_command_is_never_sent_twice(expiry):
    protocol = logged_in(allow_commands=True)
    command = GrowattCalls.update_tlx_inverter_setting.flow("SN1", "pv_on_off", "1")
    sent = []
    with pytest.raises(e.SessionExpired):
        script(protocol.execute(command, NOON), [expiry], sent)
    assert paths(sent) == ["newTcpsetAPI.do"]
    sent, written = script(protocol.execute(command, NOON), [LOGIN, WRITTEN])
    assert paths(sent) == ["newTwoLoginAPI.do", "newTcpsetAPI.do"]
    assert written.success is True


def test_command_needs_allow_commands():
    for protocol in (account(), logged_in()):
        sent = []
        with pytest.raises(e.ConfigError, match="allow_commands=True"):
            script(protocol.execute(GrowattCalls.set_classic_inverter_on_off.flow("SN1", True), NOON), [WRITTEN], sent)
        assert sent == []


@pytest.mark.parametrize(
    ("location", "followed"),
    [
        ("/newTwoPlantAPI.do?op=moved", True),
        ("https://server-api.growatt.com/newTwoPlantAPI.do", True),
        ("https://server-api.growatt.com/other.do", False),
        ("http://openapi.growatt.com/newTwoPlantAPI.do", False),
        ("https://growatt.com.example.org/newTwoPlantAPI.do", False),
        ("https://me@openapi-us.growatt.com/newTwoPlantAPI.do", False),
        ("//example.org/newTwoPlantAPI.do", False),
        ("http://[broken/newTwoPlantAPI.do", False),
        ("", False),
    ],
)
def test_redirect_is_followed_only_to_the_same_path_of_a_trusted_host(location, followed):
    sent = []
    protocol = logged_in()
    if followed:
        script(protocol.execute(plant_info.flow("1"), NOON), [reply(b"", 302, location=location), INFO], sent)
    else:
        with pytest.raises(Cut):
            script(protocol.execute(plant_info.flow("1"), NOON), [reply(b"", 302, location=location)], sent)
        assert paths(sent)[1] == "newTwoLoginAPI.do"
    assert all(urlsplit(one.url).hostname.endswith(".growatt.com") for one in sent)
    assert all(one.url.startswith("https://") for one in sent)


def test_redirect_of_a_post_is_not_followed():
    sent = []
    moved = reply(b"", 307, location="https://server-api.growatt.com/newTwoPlantAPI.do")
    with pytest.raises(Cut):
        script(logged_in().execute(GrowattCalls.plant_energy_data.flow("1"), NOON), [moved], sent)
    assert paths(sent) == ["newTwoPlantAPI.do", "newTwoLoginAPI.do"]


def test_redirect_loop_ends():
    around = reply(b"", 302, location="/newTwoPlantAPI.do?op=again")
    sent = []
    with pytest.raises(e.SessionExpired):
        script(
            logged_in().execute(plant_info.flow("1"), NOON),
            [around, around, around, LOGIN, around, around, around],
            sent,
        )
    assert len(sent) == 7


# Default arguments


CURVE = reply({"invPacData": {}})


def moment(iso):
    return datetime.fromisoformat(iso).timestamp()


def test_missing_user_defaults_to_the_logged_in_one():
    sent, _ = script(logged_in().execute(GrowattCalls.plant_list.flow(), NOON), [reply({"back": {"data": []}})])
    assert arguments(sent[0]) == {"userId": "42"}


@pytest.mark.parametrize(
    ("now", "hours", "day"),
    [
        ("2026-06-21T21:59:00+00:00", 2, "2026-06-21"),
        ("2026-06-21T22:01:00+00:00", 2, "2026-06-22"),
        ("2026-01-01T07:59:00+00:00", -8, "2025-12-31"),
        ("2026-01-01T08:01:00+00:00", "-8", "2026-01-01"),
        ("2026-06-21T23:30:00+00:00", None, "2026-06-21"),
        ("2026-06-21T23:30:00+00:00", 99, "2026-06-21"),
    ],
)
def test_missing_date_defaults_to_plant_local_today_and_its_zone_is_fetched_once(now, hours, day):
    at = moment(now)
    protocol = logged_in()
    known = settings(hours)._replace(received_at=at)
    sent, _ = script(protocol.execute(GrowattCalls.tlx_data.flow("SN1"), at), [known, CURVE._replace(received_at=at)])
    assert paths(sent) == ["newPlantAPI.do", "newTlxApi.do"]
    assert arguments(sent[0]) == {"op": "getPlant", "plantId": "1"}
    assert arguments(sent[1])["date"] == day
    sent, _ = script(protocol.execute(GrowattCalls.tlx_data.flow("SN2"), at), [CURVE])
    assert arguments(sent[0])["date"] == day


def test_missing_date_follows_the_zone_of_each_plant():
    at = moment("2026-06-21T22:30:00+00:00")
    protocol = logged_in()
    chart = reply({"chartData": {}}, at=at)
    days = {}
    for plant, hours in (("1", 2), ("2", -7)):
        replies = [settings(hours)._replace(received_at=at), chart]
        sent, _ = script(protocol.execute(GrowattCalls.dashboard_data.flow(plant), at), replies)
        assert arguments(sent[0])["plantId"] == plant
        days[plant] = arguments(sent[1])["date"]
    assert days == {"1": "2026-06-22", "2": "2026-06-21"}
    again = Session.from_dict(json.loads(json.dumps(protocol.session.to_dict())))
    sent, _ = script(account(again).execute(GrowattCalls.dashboard_data.flow("2"), at), [chart])
    assert arguments(sent[0])["date"] == "2026-06-21"


def test_configured_zone_overrides_the_reported_one():
    at = moment("2026-06-21T22:30:00+00:00")
    protocol = logged_in(zone=ZoneInfo("Europe/Berlin"))
    sent, _ = script(protocol.execute(GrowattCalls.tlx_data.flow("SN1"), at), [CURVE])
    assert arguments(sent[0])["date"] == "2026-06-22"


def test_missing_date_is_right_if_the_machines_clock_is_wrong():
    wrong = moment("2020-01-01T00:00:00+00:00")
    response = settings(2)._replace(received_at=wrong, headers={"date": "Sun, 21 Jun 2026 22:30:00 GMT"})
    sent, _ = script(logged_in().execute(GrowattCalls.tlx_data.flow("SN1"), wrong), [response, CURVE])
    assert arguments(sent[1])["date"] == "2026-06-22"


@pytest.mark.parametrize(
    "date",
    [
        "",
        "noon",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Thu, 01 Jan 2099 00:00:00 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Mon, 01 Jan 2024 00:00:00 +" + "9" * 30,
    ],
)
def test_invalid_date_header_is_ignored(date):
    response = settings(14)._replace(headers={"date": date})
    sent, _ = script(logged_in().execute(GrowattCalls.tlx_data.flow("SN1"), NOON), [response, CURVE])
    assert arguments(sent[1])["date"] == "2026-06-22"
