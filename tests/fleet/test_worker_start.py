"""What keeps a worker from starting, in one line, and leaves the accounts as they are."""

from __future__ import annotations

import pytest

from heliograph.cli.main import run
from support.fleet_fixtures import run_sql


@pytest.fixture
def fleet_url(own_database, tmp_path, monkeypatch, capsys):
    """A fleet with one account, and its key in the environment."""
    monkeypatch.setenv("HELIOGRAPH_FLEET", own_database)
    monkeypatch.setenv("HELIOGRAPH_FLEET_KEY", str(tmp_path / "fleet.key"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "accounts.csv").write_text("name,vendor,username,password\nroof,growatt,ada,hunter2\n")
    assert run(["fleet", "init", "--shards", "2"]) == 0
    assert run(["fleet", "key", "new"]) == 0
    assert run(["fleet", "import", "accounts.csv", "--tenant", "acme"]) == 0
    capsys.readouterr()
    return own_database


def error_of(capsys, *words, code=1):
    assert run(["fleet", *words]) == code
    return capsys.readouterr().err.removeprefix("heliograph: ").splitlines()


def test_worker_with_the_key_of_another_fleet_changes_no_account(fleet_url, capsys):
    assert run(["fleet", "key", "new", "--key-file", "other.key"]) == 0
    assert error_of(capsys, "run", "--key-file", "other.key") == [
        "the key does not open the accounts of this fleet, which are sealed with key 1; use that key"
    ]
    assert run_sql(fleet_url, "SELECT state FROM account") == [("new",)]


def test_worker_of_an_unknown_egress_does_not_start(fleet_url, capsys):
    assert error_of(capsys, "run", "--egress", "fra9", code=2) == [
        "there is no egress fra9; known are default; heliograph fleet init --egress fra9 adds it"
    ]


def test_worker_without_the_tables_of_the_engine_does_not_start(fleet_url, capsys):
    run_sql(fleet_url, "DROP SCHEMA procrastinate CASCADE")
    missing = "the tables of the engine are missing; heliograph fleet init with the same --shards adds them"
    assert error_of(capsys, "run") == [missing]
    assert error_of(capsys, "status") == [missing]
    assert run(["fleet", "init", "--shards", "2"]) == 0
    assert run(["fleet", "status"]) == 0


@pytest.mark.parametrize(
    "words", [("run",), ("serve", "--port", "0"), ("triage", "--once"), ("jobs", "--once"), ("migrate",)]
)
def test_programs_are_refused_by_newer_tables(fleet_url, capsys, words):
    run_sql(fleet_url, "UPDATE fleet_version SET expanded = 9, contracted = 9")
    (line,) = error_of(capsys, *words)
    assert line.endswith("the fleet has version 9, this program 1: update heliograph")
