"""The doctor: tells without asking, asks when told to, and tells each step."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from heliograph.cli.main import run
from heliograph.emulator.main import Options, build
from heliograph.emulator.server import serve_in_thread
from heliograph.vendors.goodwe.emulate import EMULATION


@pytest.fixture
def box(monkeypatch, tmp_path):
    emulator = build(Options(start=datetime(2026, 6, 21, 10, 0, tzinfo=UTC), speed=0, accounts=1), [EMULATION])
    with serve_in_thread(emulator) as ready:
        who = emulator.accounts[0]
        monkeypatch.setenv("HELIOGRAPH_HOME", str(tmp_path))
        monkeypatch.setenv("HELIOGRAPH_GOODWE_USERNAME", who.username)
        monkeypatch.setenv("HELIOGRAPH_GOODWE_PASSWORD", who.password)
        emulator.url = ready["url"]
        yield emulator


def test_nothing_is_sent_unless_it_is_tried(box, capsys):
    assert run(["doctor", "goodwe", "--server", box.url]) == 0
    out = capsys.readouterr().out
    assert f"{box.url}/web/sems/" in out
    assert "not known yet" in out
    assert box.log.as_dict()["logins"] == {}


def test_a_trial_tells_each_step_and_that_it_works(box, capsys):
    box.faults.set({"classic": ""})
    assert run(["doctor", "goodwe", "--try", "--server", box.url]) == 0
    out = capsys.readouterr().out
    steps = (
        "login at SEMS+ failed",
        "so the SEMS Portal is tried once",
        "logged in at the SEMS Portal",
        "works: 4 plants",
    )
    assert [out.index(step) for step in steps] == sorted(out.index(step) for step in steps)


@pytest.mark.parametrize("fault", ["agreement", "empty", "rate=1"])
def test_what_fails_is_told_with_what_to_do(box, capsys, fault):
    name, _, value = fault.partition("=")
    box.faults.set({name: value})
    assert run(["doctor", "goodwe", "--try", "--server", box.url]) == 1
    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert "SEMS+" in told.out
    assert box.accounts[0].password not in told.out + told.err


def test_an_account_of_another_cloud_is_not_examined(monkeypatch, tmp_path, capsys):
    for part in ("USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"HELIOGRAPH_GOODWE_{part}", raising=False)
        monkeypatch.setenv(f"HELIOGRAPH_GROWATT_{part}", "x")
    monkeypatch.setenv("HELIOGRAPH_HOME", str(tmp_path))
    assert run(["doctor", "goodwe"]) == 2
    assert "there is no account of goodwe" in capsys.readouterr().err
