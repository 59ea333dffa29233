"""A damaged store in `status`, `doctor`, the page and `/healthz`, and its repair by one command."""

from __future__ import annotations

import json
import shlex

import pytest

from heliograph.cli.main import run
from heliograph.store import open_store
from heliograph.store.base import Batch
from support.damaged_store import ROWS, damage_samples, fill, overwrite, root_page, sample
from support.website import served


@pytest.fixture(autouse=True)
def account(monkeypatch):
    monkeypatch.delenv("HELIOGRAPH_DEBUG", raising=False)
    for vendor in ("GROWATT", "GOODWE"):
        for part in ("USERNAME", "PASSWORD"):
            monkeypatch.delenv(f"HELIOGRAPH_{vendor}_{part}", raising=False)
    monkeypatch.setenv("HELIOGRAPH_GROWATT_USERNAME", "ada")
    monkeypatch.setenv("HELIOGRAPH_GROWATT_PASSWORD", "ada")
    monkeypatch.setenv("HELIOGRAPH_NO_KEYRING", "1")


@pytest.fixture
def damaged(tmp_path):
    """A damaged store, and a recovery file with one sample that the damaged one lacks."""
    fill(path := tmp_path / "my samples.sqlite", 500)
    damage_samples(path)
    with open_store(path) as store:
        store.claim(["me"])
        store.write(Batch(samples=[sample(ROWS)]))
    return path


def output(capsys, *words):
    code = run([*words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_status_and_doctor_name_the_command_that_repairs(damaged, capsys):
    command = f"heliograph doctor --repair --store '{damaged}'"
    code, out, _ = output(capsys, "status", "--store", str(damaged))
    assert code == 0
    assert f"{damaged} is damaged" in out
    assert command in out
    _, out, _ = output(capsys, "status", "--json", "--store", str(damaged))
    assert json.loads(out)["store"]["damaged"] == str(damaged)
    code, out, _ = output(capsys, "doctor", "--store", str(damaged))
    assert code == 1
    (line,) = [line for line in out.splitlines() if line.split()[:2] == ["problem", "store"]]
    assert f"my samples.sqlite.recovery-1; stop the collector, then run: {command}" in line
    code, out, _ = output(capsys, *shlex.split(command)[1:])
    assert code == 0
    assert f"{damaged} is repaired: 1,001 samples" in out
    assert "my samples.sqlite: 1,000 samples and 28 days read; damaged (" in out
    assert output(capsys, *shlex.split(command)[1:]) == (0, f"{damaged} is not damaged; nothing was changed\n", "")
    _, out, _ = output(capsys, "doctor", "--store", str(damaged))
    assert "ok       store" in out


def test_doctor_reports_damage_that_no_program_has_met(tmp_path, capsys):
    fill(path := tmp_path / "samples.sqlite", 500)
    overwrite(path, root_page(path, "repair"))
    code, out, _ = output(capsys, "doctor", "--store", str(path))
    assert code == 1
    (line,) = [line for line in out.splitlines() if line.split()[:2] == ["problem", "store"]]
    assert f"{path} is damaged (" in line
    assert f"stop the collector, then run: heliograph doctor --repair --store {path}" in line
    assert [file.name for file in tmp_path.glob("*.sqlite*")] == ["samples.sqlite"]


def test_doctor_repair_prints_json(damaged, capsys):
    code, out, _ = output(capsys, "doctor", "--repair", "--json", "--store", str(damaged))
    report = json.loads(out)
    assert code == 0
    assert report["repaired"] is True
    assert report["samples"] == 1001
    assert [file["name"] for file in report["files"]] == [damaged.name, f"{damaged.name}.recovery-1"]
    assert len(report["set_aside"]) == 2
    assert output(capsys, "doctor", "--json")[0] == 2


def test_doctor_repair_is_refused_while_a_collector_runs(damaged, capsys):
    with open_store(damaged) as store:
        store.claim(["me"])
        code, _, err = output(capsys, "doctor", "--repair", "--store", str(damaged))
    assert code == 1
    assert "a collector is using it; stop it, then run again: heliograph doctor --repair" in err


@pytest.mark.parametrize(
    ("where", "code", "says"),
    [
        ("postgresql://ada:s3cret@db/solar", 2, "postgresql://db/solar is a database server"),
        ("nothing.sqlite", 1, "there is no store"),
    ],
)
def test_doctor_repair_rejects_what_is_no_file(tmp_path, capsys, where, code, says):
    found, _, err = output(capsys, "doctor", "--repair", "--store", where if "//" in where else str(tmp_path / where))
    assert (found, says in err, "s3cret" in err) == (code, True, False)


def test_page_and_health_check_report_a_damaged_store(damaged):
    with served(damaged) as site:
        for path in ("/", "/status"):
            assert "The database my samples.sqlite is damaged" in site.ask(path).body.decode()
        answer = site.ask("/healthz")
        assert answer.status == 200
        assert "heliograph doctor --repair" in answer.json["warnings"][0]
