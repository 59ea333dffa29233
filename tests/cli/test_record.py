"""`heliograph record`: a bundle of an emulated account, what it prints, and its replay by `heliograph emulate`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest


@pytest.fixture
def account(home, monkeypatch):
    """Configure the Growatt account of the emulator in the environment."""
    one = home["growatt"]
    monkeypatch.setenv("HELIOGRAPH_GROWATT_USERNAME", one["username"])
    monkeypatch.setenv("HELIOGRAPH_GROWATT_PASSWORD", one["password"])
    return one


def test_bundle_is_written_and_what_was_replaced_is_printed(home, account):
    folder = home.folder / "out"
    plant = account["plants"][0]
    words = ("--server", home.url, "--output", folder, "--pause", "0", "--plant", plant)
    code, out, err = home.run_checked("record", *words)
    assert code == 0, err
    assert f"{folder / 'growatt-password'}" in out.replace("\n", "")
    assert "plantName (" in out
    assert "Read the files before you share them" in " ".join(out.split())
    index = json.loads((folder / "growatt-password" / "index.json").read_text())
    assert index["devices"][0] == {"family": "tlx", "model": "MIN 4200TL-X", "firmware": "AL1.0"}
    texts = [(folder / "growatt-password" / row["file"]).read_text() for row in index["responses"]]
    assert not any(account["username"] in text or plant in text for text in texts)

    replay = subprocess.Popen(
        [sys.executable, "-m", "heliograph", "emulate", "--replay", str(folder / "growatt-password"), "--speed", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        text=True,
    )
    try:
        ready = json.loads(replay.stdout.readline())
        home.monkeypatch.setenv("HELIOGRAPH_GROWATT_USERNAME", "replay")
        home.monkeypatch.setenv("HELIOGRAPH_GROWATT_PASSWORD", "replay")
        masked = index["plants"][0]
        code, out, err = home.run_checked("call", "growatt", "plant_info", masked, "--server", ready["url"])
        assert code == 0, err
        rows = [json.loads(text) for text in texts]
        recorded = [row["body"] for row in rows if row["fields"].get("op") == "getAllDeviceListTwo"]
        assert json.loads(out) == recorded[0]
    finally:
        replay.send_signal(signal.SIGTERM)
        replay.communicate(timeout=120)
    assert replay.returncode == 0


def test_summary_is_json_on_request_and_names_the_limit(home, account):
    words = ("--server", home.url, "--output", home.folder / "out", "--pause", "0", "--max-requests", "4", "--json")
    code, out, _ = home.run_checked("record", *words)
    found = json.loads(out)
    assert code == 0
    assert (found["requests"], found["bundles"][0]["responses"]) == (4, 4)
    assert "--max-requests" in found["stopped"]
    assert found["replaced"]["plantId"] > 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--max-requests", "0"), "--max-requests must be a number from 1 to 500, got '0'"),
        (("--pause", "soon"), "--pause must be a number from 0 to 600, got 'soon'"),
        (("--output", "."), ". already exists; choose another folder with --output"),
    ],
)
def test_unusable_option_is_an_error_and_nothing_is_sent(words, reason, home, account):
    code, _, err = home.run_checked("record", "--server", home.url, *words)
    assert code == 2
    assert reason in " ".join(err.split())
    assert home.logins() == 0


def test_several_accounts_need_a_choice(home, account, monkeypatch):
    monkeypatch.setenv("HELIOGRAPH_GOODWE_USERNAME", "a@example.com")
    monkeypatch.setenv("HELIOGRAPH_GOODWE_PASSWORD", "any-password")
    code, _, err = home.run_checked("record", "--output", home.folder / "out")
    assert code == 2
    assert "choose one with --account" in err
