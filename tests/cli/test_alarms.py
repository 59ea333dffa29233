"""The command `alarms`: list, acknowledge, snooze, and the test message; over a real store."""

from __future__ import annotations

import json
import sys
import time

import pytest

from heliograph.alarms.monitor import stored_alarms
from heliograph.cli.main import run
from heliograph.store import open_store
from support.alarm_rows import raised, store_alarms

SEEN = "0 W; at this time of day it has reached 3000 W"


@pytest.fixture
def where(tmp_path):
    path, now = tmp_path / "store.sqlite", int(time.time())
    with open_store(path) as store:
        over = raised("fault", "12", now - 9000, cleared_at=now - 3000, title="Barn")
        store_alarms(store, raised(at=now - 3600, seen=SEEN), over)
    return path


def alarms(where, *words):
    return run(["alarms", *words, "--store", str(where)])


def state_of(where):
    with open_store(where, create=False) as store:
        return stored_alarms(store)[0].state(int(time.time()))


def test_list_shows_what_was_seen_and_what_to_do(where, capsys):
    assert alarms(where, "list") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "error: Home: no yield in daylight, since" in out
    assert f"seen: {SEEN}" in out
    assert "Look at the inverter's display" in out
    assert "Barn" not in out


def test_list_as_json_with_alarms_that_are_over(where, capsys):
    assert alarms(where, "list", "--all", "--json") == 0
    first, second = json.loads(capsys.readouterr().out)
    assert [first[name] for name in ("rule", "state", "plant", "account", "seen")] == [
        "no_yield",
        "raised",
        "11",
        None,
        SEEN,
    ]
    assert (second["state"], second["name"]) == ("cleared", "Barn")


def test_list_without_alarms_says_so(tmp_path, capsys):
    open_store(tmp_path / "store.sqlite").close()
    assert alarms(tmp_path / "store.sqlite", "list") == 0
    assert capsys.readouterr().out == "No alarms.\n"


def test_list_without_a_store_names_the_next_step(tmp_path, capsys):
    assert alarms(tmp_path / "none.sqlite", "list") == 1
    assert "run: heliograph collect" in capsys.readouterr().err


def test_ack_and_snooze_are_stored(where, capsys):
    alarms(where, "list", "--json")
    name = json.loads(capsys.readouterr().out)[0]["id"]
    assert alarms(where, "ack", name) == 0
    assert state_of(where) == "acknowledged"
    assert f"{name} acknowledged: Home: no yield in daylight" in capsys.readouterr().out
    assert alarms(where, "snooze", "--all", "--for", "3d", "--json") == 0
    assert json.loads(capsys.readouterr().out) == [{"id": name, "rule": "no_yield", "name": "Home", "state": "snoozed"}]
    assert state_of(where) == "snoozed"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ack",), "give the ids"),
        (("ack", "abc", "--all"), "give the ids"),
        (("ack", "abc"), "there is no active alarm 'abc'; active are:"),
        (("snooze", "--all", "--for", "soon"), "--for is a time like 12h, 3d or 2w, not 'soon'"),
        (("snooze", "--all", "--for", "0d"), "--for is a time like"),
    ],
)
def test_wrong_answers_are_usage_errors(where, capsys, words, message):
    assert alarms(where, *words) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert state_of(where) == "raised"


def test_test_without_a_service_says_what_to_configure(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HELIOGRAPH_HOME", str(tmp_path))
    assert run(["alarms", "test"]) == 2
    assert "add to the configuration file: [alarms] and notify_file" in " ".join(capsys.readouterr().err.split())


def test_test_without_apprise_names_the_extra(tmp_path, monkeypatch, capsys):
    config = tmp_path / "config.toml"
    config.write_text('[alarms]\nnotify = "ntfy://hunter2@example.com/topic"\n')
    config.chmod(0o600)
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert run(["alarms", "test", "--config", str(config)]) == 2
    err = capsys.readouterr().err
    assert "pip install 'heliograph[alerts]'" in " ".join(err.split())
    assert "hunter2" not in err
