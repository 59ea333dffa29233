"""Replay of a bundle: recorded requests are answered, others are 404 with a line that says which; damaged bundles."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

import pytest

from heliograph.emulator.main import load_emulations
from heliograph.emulator.recording.bundle import Bundle, Exchange, RecordedDevice, read_bundle, write_bundle
from heliograph.emulator.recording.replay import Replay
from heliograph.errors import ConfigError
from support.paths import FIXTURES
from support.recordings import load_tool

tool = load_tool()
FOLDERS = sorted(path.parent for path in (FIXTURES / "recordings").glob("*/recording.json"))

DAY = Exchange("plant_chart", "GET", "chart.do", {"plantId": "1234567", "date": "2026-06-20"}, 200, {"day": 20})
BUNDLE = Bundle(
    vendor="growatt",
    dialect="password",
    server_path="/",
    recorded_at="2026-06-21T10:02:00+00:00",
    heliograph="1.0",
    emulated=True,
    plants=("1234567",),
    devices=(RecordedDevice("tlx", "MIN 4200TL-X", "AL1.0"),),
    exchanges=(
        Exchange("login", "POST", "login.do", {}, 200, {"api": "https://replay.invalid/api/"}, ("JSESSIONID",), True),
        DAY,
        DAY._replace(fields={"plantId": "1234567", "date": "2026-06-21"}, body={"day": 21}),
        Exchange("page", "GET", "page.do", {}, 200, None),
        Exchange("broken", "GET", "broken.do", {}, 500, None),
    ),
)


def ask(target, verb="GET", body=b"", origin="http://127.0.0.1:1"):
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return Replay(BUNDLE, speed=0).deliver(verb, target, headers, body, origin).response


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_fixture_is_replayed_with_the_expected_values(folder):
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    assert json.loads(json.dumps(tool.replayed_values(read_bundle(folder / "recording.json")))) == expected


def test_every_emulated_family_has_a_fixture():
    names = {f"emulated-{row.vendor}-{row.dialect}-{row.family}" for row in tool.EMULATED}
    assert names <= {folder.name for folder in FOLDERS}
    families = {
        (one.vendor, family) for one in load_emulations() for family in one.families() + one.optional_families()
    }
    assert {(row.vendor, row.family) for row in tool.EMULATED} == families


def test_login_with_any_password_is_answered_with_cookies_and_this_address():
    answer = ask("/login.do", "POST", b"userName=anyone&password=any")
    assert json.loads(answer.body) == {"api": "http://127.0.0.1:1/api/"}
    assert answer.headers == (("Set-Cookie", "JSESSIONID=replay; Path=/"),)


def test_request_of_another_day_is_answered_with_the_newest_recorded_day():
    assert json.loads(ask("/chart.do?plantId=1234567&date=2026-06-20").body) == {"day": 20}
    assert json.loads(ask("/chart.do?plantId=1234567&date=2026-09-09").body) == {"day": 21}


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/chart.do?plantId=7654321&date=2026-06-21", "plantId=7654321&date=2026-06-21 was not recorded"),
        ("/other.do?password=hunter2", "GET /other.do?password=*** was not recorded"),
        ("/page.do", "was answered with a page, which is not in the recording"),
    ],
)
def test_request_that_was_not_recorded_is_404_with_a_readable_line(target, reason, caplog):
    with caplog.at_level(logging.WARNING):
        answer = ask(target)
    assert answer.status == 404
    assert reason in answer.body.decode()
    assert reason in caplog.text


def test_recorded_errors_of_the_server_are_replayed():
    assert ask("/broken.do").status == 500


def test_clock_starts_at_the_recorded_time():
    assert Replay(BUNDLE, speed=0).now() == datetime(2026, 6, 21, 10, 2, tzinfo=UTC)


def test_bundle_is_read_as_it_was_written_and_never_overwritten(tmp_path):
    write_bundle(BUNDLE, tmp_path / "new")
    assert read_bundle(tmp_path / "new") == BUNDLE
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
    with pytest.raises(ConfigError, match="already exists"):
        write_bundle(BUNDLE, tmp_path / "new")


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"format": 1}', '{"format": 99, "responses": []}', '{"responses": 3}']
)
def test_damaged_bundle_is_an_error_with_its_path(text, tmp_path):
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(ConfigError, match=str(tmp_path)):
        read_bundle(tmp_path)


def test_missing_bundle_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="is no recording"):
        read_bundle(tmp_path / "none")
