"""Recordings of emulated accounts: within their limits, without private data, and readable when they are replayed."""

from __future__ import annotations

import json
import re

import pytest

from heliograph.core.endpoint import endpoints
from heliograph.core.pseudonyms import Pseudonyms
from heliograph.core.session import Request, Response
from heliograph.emulator.recording.bundle import Exchange, read_bundle, write_bundle
from heliograph.emulator.recording.recorder import RecordingOptions, RecordingTransport, record_account
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import ConfigError, InvalidCredentials
from heliograph.transports import send
from heliograph.vendors import VENDORS
from heliograph.vendors.goodwe import GoodWeCalls, SemsPlusCalls
from heliograph.vendors.growatt import Growatt, GrowattCalls
from support.growatt_emulator import EmulatedCloud
from support.recordings import load_tool

tool = load_tool()
FAULT_LOGS = {
    ("growatt", "password", "mix"): "",
    ("growatt", "token", "sph-s"): "",
    ("growatt", "token", "max"): "v1_alarms",
    ("growatt", "portal", "spa"): "portal_alarms",
    ("goodwe", "legacy", "hybrid"): "warnings",
    ("goodwe", "plus", "hybrid"): "plus_alarm_page",
}
"""A recorded plant of each API, and the call of its fault log."""

MARKED = {
    "userName": "Zacharias Markward",
    "accountName": "zmarkward77",
    "email": "zmarkward@secretmail.example",
    "plantName": "Markwardhof Süd 12",
    "nickName": "Zachi",
    "plantAddress": "Geheimgasse 23, 98765 Markstadt",
    "city": "Markstadt",
    "deviceSn": "MRK7654321",
    "datalogSn": "0MRKW7654321098",
    "sn": "98765MRK43210987",
    "token": "deadbeefcafe4242deadbeefcafe4242",
    "cpowerToken": "QWxhZGRpbjpvcGVuIHNlc2FtZSBhbmQgbW9yZSB0ZXh0",
    "powerStationId": "deadbeef-1234-4321-abcd-987654321fed",
    "plantId": 87654329,
    "phoneNum": "0170 9876543",
    "lat": 51.98765,
    "plant_lng": "7.123987",
    "longitude": "7.123987",
    "wifiSsid": "MarkwardWLAN",
    "imgPath": "/uploads/87654329/markwardhof.jpg",
    "whatever": "Markwardhof Süd",
    "anything": ["zmarkward@secretmail.example", "MRK7654321", 87654329],
    "warnText": "MRK7654321 lost",
    "inner": json.dumps({"alias": "Markwardhof Süd 12", "x": {"serial": "MRK7654321"}}),
    "MRK7654321": {"value": 1},
}
SECRETS = re.compile(
    r"zacharias|markward|zachi\b|geheim|markstadt|\b98765\b|98765mrk|mrk7654321|0mrkw|deadbeef|qwxhzgrp|87654329|\b9876543\b|"
    r"51\.98765|7\.123987|987654321fed|\bs(?:ü|\\u00fc)d\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("row", tool.EMULATED, ids=lambda row: f"{row.dialect}-{row.family}")
def test_recorded_account_is_replayed_as_a_fixture_with_the_values_it_had(row, tmp_path):
    live = tool.record_emulated(row)
    (bundle,) = live.recording.bundles
    write_bundle(bundle, tmp_path / "bundle")
    stored = read_bundle(tmp_path / "bundle")
    assert stored == bundle
    folder = tool.write_fixture(stored, tmp_path / "fixture", "a test")
    (expected,) = json.loads((folder / "expected.json").read_text()).values()
    assert expected == json.loads(json.dumps(live.values))
    assert read_bundle(folder / "recording.json") == bundle
    assert 'provenance = "emulated"' in (folder / "about.toml").read_text()
    written = "".join(path.read_text() for path in tmp_path.rglob("*.*"))
    # Names of emulated plants are words like "Mix 1"; ids, serial numbers and credentials are not.
    assert not [text for text in live.secrets if any(map(str.isdigit, text)) and " " not in text and text in written]


@pytest.mark.parametrize(("vendor", "dialect", "family"), FAULT_LOGS)
def test_no_marked_secret_of_any_answer_is_in_the_bundle(vendor, dialect, family, monkeypatch, tmp_path):
    answers = []

    def marked(request, timeout, clock):
        response = send(request, timeout, clock)
        answers.append(request.url)
        data = json.loads(response.body)
        found = data if request.is_login else _marked_answer(data)
        return response._replace(body=json.dumps(found).encode())

    monkeypatch.setattr(tool, "send", marked)
    live = tool.record_emulated(tool.EmulatedRecording(vendor, dialect, family), ("faulty", "undated"))
    (bundle,) = live.recording.bundles
    write_bundle(bundle, tmp_path / "bundle")
    marked_rows = [row for row in bundle.exchanges if "marks" in json.dumps(row.body)]
    # The token's client asks for the plant of a NOAH, which is of another plant.
    assert len(answers) == len(bundle.exchanges) + (dialect == "token")
    assert len(marked_rows) >= len(answers) - 2
    if log := FAULT_LOGS[vendor, dialect, family]:
        # An entry of the log has members of its own, with the serial number of the device.
        assert any("302" in json.dumps(row.body) for row in bundle.exchanges if row.call == log)
    written = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "bundle").iterdir())
    assert not [text for text in live.secrets if any(map(str.isdigit, text)) and " " not in text and text in written]
    for path in (tmp_path / "bundle").iterdir():
        assert not SECRETS.findall(path.read_text(encoding="utf-8")), path.name


def _marked_answer(data):
    """Return an answer with the marks in new members of all its objects; what the client needs stays."""
    if isinstance(data, dict):
        return {**{name: _marked_answer(value) for name, value in data.items()}, "marks": MARKED}
    if isinstance(data, list):
        return [_marked_answer(item) for item in data]
    return data


def recorded(cloud, options, transport=None, **changes):
    transport = transport or RecordingTransport(send, options, lambda _: None)
    with serve_in_thread(cloud.emulator) as ready:
        account = cloud.holder
        given = {"server": ready["url"], "keeper": None, "transport": transport} | changes
        client = Growatt(account.username, given.pop("password", account.password), **given)
        return record_account(VENDORS["growatt"], [("password", client)], transport, options, version="0")


def test_recording_ends_at_the_limit_of_requests_with_what_there_is():
    cloud = EmulatedCloud()
    found = recorded(cloud, RecordingOptions(max_requests=5))
    assert found.requests == 5
    assert len(found.bundles[0].exchanges) == 5
    assert "--max-requests" in found.stopped
    assert sum(one.requests for one in cloud.emulator.log._clouds.values()) == 5


def test_requests_are_spaced_and_equal_ones_are_sent_once():
    pauses = []
    options = RecordingOptions(max_requests=100, pause=2.5)
    transport = RecordingTransport(send, options, pauses.append)
    found = recorded(EmulatedCloud(), options, transport)
    assert pauses == [2.5] * (found.requests - 1)
    sent = [(row.verb, row.path, tuple(row.fields.items())) for row in found.bundles[0].exchanges if not row.is_login]
    assert len(sent) == len(set(sent))


def test_one_login_is_sent_and_its_arguments_are_not_recorded():
    cloud = EmulatedCloud()
    found = recorded(cloud, RecordingOptions(max_requests=100))
    logins = [row for row in found.bundles[0].exchanges if row.is_login]
    assert [row.fields for row in logins] == [{}]
    assert cloud.emulator.log.as_dict()["logins"] == {cloud.holder.username: 1}
    assert logins[0].cookies == ("JSESSIONID",)


def test_rejected_login_is_raised_and_a_later_lock_ends_the_recording():
    with pytest.raises(InvalidCredentials):
        recorded(EmulatedCloud(), RecordingOptions(), password="wrong-password")
    cloud = EmulatedCloud(faults=["quota=4"])
    found = recorded(cloud, RecordingOptions())
    assert found.stopped
    assert found.bundles[0].exchanges


@pytest.mark.parametrize(
    "row",
    [
        tool.EmulatedRecording("growatt", "password", "mix"),
        tool.EmulatedRecording("growatt", "token", "max"),
        tool.EmulatedRecording("goodwe", "legacy", "meter"),
        tool.EmulatedRecording("goodwe", "plus", "hybrid"),
    ],
    ids=lambda row: f"{row.dialect}-{row.family}",
)
def test_replayed_account_has_the_recorded_plants_only(row):
    (bundle,) = tool.record_emulated(row).recording.bundles
    assert bundle.problems == ()
    with tool.replayed(bundle) as client:
        assert [plant.id for plant in client.plants()] == list(bundle.plants)
        assert [snapshot.plant.id for snapshot in client.snapshots()] == list(bundle.plants)


def test_unknown_plant_is_an_error_that_lists_the_plants():
    cloud = EmulatedCloud()
    with pytest.raises(ConfigError, match=r"has no plant '17'; it has: \d+"):
        recorded(cloud, RecordingOptions(plants=("17",)))


def test_only_queries_are_recorded():
    commands = {
        row.name
        for calls in (GrowattCalls, GoodWeCalls, SemsPlusCalls)
        for row in endpoints(calls)
        if row.route.command
    }
    assert commands
    for row in tool.EMULATED[:1] + tool.EMULATED[-1:]:
        (bundle,) = tool.record_emulated(row).recording.bundles
        assert not commands & {exchange.call for exchange in bundle.exchanges}


def test_recording_is_not_written_if_a_known_secret_is_left(monkeypatch):
    monkeypatch.setattr("heliograph.core.pseudonyms.Pseudonyms.mask", lambda self, data, key="": data)
    with pytest.raises(ConfigError, match="none is written"):
        recorded(EmulatedCloud(), RecordingOptions(max_requests=6))


HOSTILE = {
    "a page": b"<html>Anna Meier</html>",
    "nothing": b"",
    "half of an answer": b'{"name": "Anna Me',
    "nested without end": b'{"a":' * 500 + b"1" + b"}" * 500,
    "a number of many digits": b"9" * 5000,
    "not UTF-8": b'{"name": "\xff\xfe"}',
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_body_that_is_no_json_is_not_recorded(body):
    transport = RecordingTransport(lambda *_: Response(200, {}, [], body, 0.0), RecordingOptions(), lambda _: None)
    transport.send(Request("GET", "http://127.0.0.1/x?plantId=1", {}), 1.0, lambda: 0.0)
    assert transport.exchanges[0].body is None


def test_hostile_texts_in_an_answer_are_written(tmp_path):
    data = {"owner": "\ud800", "inner": "[" * 5000, "nan": float("nan"), "": None, "\x00": "\x1b[31m"}
    names = Pseudonyms()
    names.learn(data)
    (row,) = [Exchange("x", "GET", "x", {}, 200, names.mask(data))]
    (bundle,) = recorded(EmulatedCloud(), RecordingOptions(max_requests=2)).bundles
    write_bundle(bundle._replace(exchanges=(row,)), tmp_path / "new")
    assert len(read_bundle(tmp_path / "new").exchanges) == 1
