"""`heliograph fleet init`, `migrate`, `key` and `import`, as a user runs them."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import psycopg
import pytest

from heliograph.cli.main import run

CSV = "name,vendor,username,password\nroof,growatt,ada@example.org,hunter2\nbarn,goodwe,bob@example.org,hunter3\n"


@pytest.fixture
def scene(own_database, tmp_path, monkeypatch):
    """An empty database and a folder, named by the environment."""
    monkeypatch.setenv("HELIOGRAPH_FLEET", own_database)
    monkeypatch.setenv("HELIOGRAPH_FLEET_KEY", str(tmp_path / "fleet.key"))
    (tmp_path / "accounts.csv").write_text(CSV)
    monkeypatch.chdir(tmp_path)
    return SimpleNamespace(url=own_database, folder=tmp_path)


def lines(capsys, *words, code=0):
    """Run a command and return the lines that it prints, of both streams."""
    assert run(["fleet", *words]) == code
    out, err = capsys.readouterr()
    return [*out.splitlines(), *err.splitlines()]


def test_commands_from_an_empty_database_to_a_rotated_key(scene, capsys):
    assert lines(capsys, "migrate", code=1) == [
        "heliograph: there is no fleet in this database; run: heliograph fleet init"
    ]
    assert lines(capsys, "init", "--shards", "4")[0] == ("The fleet is ready: 4 shards for egress default, 4 in all.")
    assert json.loads("\n".join(lines(capsys, "init", scene.url, "--egress", "fra2", "--shards", "2", "--json"))) == {
        "shards": 6,
        "egress": "fra2",
        "egress_shards": 2,
    }
    assert "cannot be changed to 5" in lines(capsys, "init", "--shards", "5", code=1)[0]
    (missing,) = lines(capsys, "import", "accounts.csv", "--tenant", "acme", code=2)
    assert missing.endswith("No such file or directory; a new fleet's is made by heliograph fleet key new")
    assert lines(capsys, "key", "new")[0].startswith("Key 1 is in ")
    arguments = ("import", "accounts.csv", "--tenant", "acme")
    assert lines(capsys, *arguments, "--dry-run") == ["2 accounts can be imported for acme."]
    assert lines(capsys, *arguments) == ["2 accounts were imported for acme."]
    assert lines(capsys, *arguments, code=1) == [
        "heliograph: accounts.csv: line 2: the account is in the fleet already as 'roof'",
        "heliograph: accounts.csv: line 3: the account is in the fleet already as 'barn'",
        "heliograph: nothing was imported; correct these lines and import the file again",
    ]
    assert lines(capsys, "key", "new")[0].startswith("Key 2 is in ")
    assert lines(capsys, "key", "rotate") == ["2 rows were sealed with key 2; older keys open nothing any more."]
    assert json.loads("\n".join(lines(capsys, "migrate", "--contract", "--json"))) == {"expanded": 1, "contracted": 1}


def test_import_reports_as_json_and_reads_standard_input(scene, capsys, monkeypatch):
    lines(capsys, "init", "--shards", "4")
    lines(capsys, "key", "new")
    arguments = ("import", "-", "--tenant", "acme", "--json")
    for text, code, problems in ((CSV + "x,y,z,w\n", 1, 1), (CSV, 0, 0)):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        report = json.loads("\n".join(lines(capsys, *arguments, code=code)))
        assert (report["accounts"], len(report["problems"]), report["stored"]) == (2, problems, not problems)
        assert "hunter" not in str(report)


def test_file_that_is_no_csv_and_key_of_another_fleet_are_one_line(scene, capsys):
    lines(capsys, "init", "--shards", "4")
    lines(capsys, "key", "new")
    (scene.folder / "binary").write_bytes(b"\xff\xfe\x00")
    assert lines(capsys, "import", "binary", "--tenant", "acme", code=2) == [
        "heliograph: binary is not UTF-8 text; save it as CSV UTF-8"
    ]
    assert len(lines(capsys, "import", "missing.csv", "--tenant", "acme", code=2)) == 1
    lines(capsys, "import", "accounts.csv", "--tenant", "acme")
    lines(capsys, "key", "new", "--key-file", "other.key")
    for words in (("import", "accounts.csv", "--tenant", "acme"), ("key", "rotate")):
        (line,) = lines(capsys, *words, "--key-file", "other.key", code=1)
        assert "the key does not open this fleet's secrets, which were sealed with key 1; use that key" in line


def test_command_without_a_database_says_how_to_name_it(monkeypatch, capsys):
    monkeypatch.delenv("HELIOGRAPH_FLEET", raising=False)
    (line,) = lines(capsys, "migrate", code=2)
    assert "use --database postgresql://… or the variable HELIOGRAPH_FLEET" in line


def test_newer_fleet_is_refused_in_one_line(scene, capsys):
    lines(capsys, "init", "--shards", "4")
    lines(capsys, "key", "new")
    with psycopg.connect(scene.url) as outsider:
        outsider.execute("UPDATE heliograph.fleet_version SET expanded = 9, contracted = 9")
    for words in (("init",), ("migrate",), ("import", "accounts.csv", "--tenant", "acme"), ("key", "rotate")):
        (line,) = lines(capsys, *words, code=1)
        assert "the fleet has version 9, this program 1: update heliograph" in line


def test_jobs_partition_the_samples_once(scene, capsys):
    lines(capsys, "init", "--shards", "4")
    first = json.loads("\n".join(lines(capsys, "jobs", "--once", "--json")))["added"]
    assert first[0] == "sample_older"
    assert len(first) == 16  # of samples and of measurements
    assert lines(capsys, "jobs", "--once") == ["partitions added: none, all are there"]
