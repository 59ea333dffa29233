"""`heliograph backup` and `restore`: complete, consistent beside a writer, without secrets, and all or nothing."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from heliograph.cli import archive
from heliograph.cli.backup import without_secrets
from heliograph.cli.main import run
from heliograph.config import load
from heliograph.errors import ConfigError
from heliograph.keeper.state import AccountState
from heliograph.keeper.state_file import StateFile
from heliograph.model import Quality
from heliograph.store.base import Batch, Series, StoredSample
from heliograph.store.sqlite import SqliteStore

ROOF = Series("growatt", "11")
SECRETS = ("hunter2-password", "hunter2-token-of-the-page", "hunter2-key", "hunter2-url", "hunter2-database")
CONFIG = f"""\
# password = "{SECRETS[0]}-old"
store = "%s"

[[account]]
vendor = "growatt"
username = "ada"
password = "{SECRETS[0]}"

[serve]
host = "127.0.0.1"
token = '{SECRETS[1]}'

[[pvoutput]]
plant = "11"
system = "7"
key = "{SECRETS[2]}"

[[webhook]]
url = "https://example.org/{SECRETS[3]}"
"""


def sample(at, power=1.0):
    return StoredSample(ROOF, at, at, Quality.LIVE, None, {"pv_power": power})


class Machine:
    """A home folder on which commands run."""

    def __init__(self, folder, monkeypatch, capsys):
        self.folder = folder
        self.store = folder / "heliograph.sqlite"
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def run(self, *words):
        self._monkeypatch.setenv("HELIOGRAPH_HOME", str(self.folder))
        code = run([str(word) for word in words])
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    def fill(self):
        with SqliteStore(self.store) as store:
            store.write(Batch(samples=[sample(at) for at in range(300, 3000, 300)]))
        (self.folder / "config.toml").write_text(CONFIG % self.store)
        (self.folder / "config.toml").chmod(0o600)
        (self.folder / "passwords.json").write_text(json.dumps({"growatt": {"ada": SECRETS[0]}}))
        state = AccountState()
        state.at, state.logins, state.session = 1e9, [1e9 - 60], {"alive": True, "cookies": "hunter2-cookie"}
        self.save_state(state)
        orders = self.folder / "orders"
        orders.mkdir()
        (orders / "growatt-ab.jsonl").write_bytes(b'{"v": 1}\n{"v": 1, "unfinished')
        (orders / "growatt-ab.open").touch()

    def state_file(self):
        return StateFile(self.folder / "accounts", "growatt-ab")

    def save_state(self, state):
        held = self.state_file().hold()
        held.load(state.at)
        held.save(state, durable=False)
        held.release()

    def files(self):
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and not path.name.endswith((".lock", ".collector", "-shm", "-wal", ".unclean"))
        }

    def count(self):
        with SqliteStore(self.store) as store:
            return store.count(ROOF)


@pytest.fixture
def old(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HELIOGRAPH_NO_KEYRING", "1")
    (tmp_path / "old").mkdir()
    machine = Machine(tmp_path / "old", monkeypatch, capsys)
    machine.fill()
    return machine


@pytest.fixture
def new(tmp_path, monkeypatch, capsys):
    return Machine(tmp_path / "new", monkeypatch, capsys)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "solar.backup"


def test_backup_and_restore_move_everything_but_secrets_to_another_machine(old, new, file):
    code, out, err = old.run("backup", file)
    assert (code, err) == (0, "")
    assert "1 store, 1 account state, 1 settings journal, 1 configuration" in out
    assert "account.password" in out
    assert file.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(file) as zipped:
        contents = b"".join(zipped.read(name) for name in zipped.namelist())
    assert b"hunter2" not in contents
    code, out, err = new.run("restore", file, "--store", new.store)
    assert (code, err) == (0, "")
    assert new.count() == 9
    assert f"names another store, {old.store}" in out
    assert new.state_file().load(1e9).logins == [1e9 - 60]
    assert new.state_file().load(1e9).session is None
    assert (new.folder / "orders/growatt-ab.jsonl").read_bytes() == b'{"v": 1}\n'
    assert (new.folder / "orders/growatt-ab.open").exists()
    assert not (new.folder / "passwords.json").exists()
    assert all(path.stat().st_mode & 0o077 == 0 for path in new.folder.rglob("*") if path.is_file())
    assert not list(new.folder.rglob("*.restore*"))


def test_backup_with_secrets_restores_them(old, new, file):
    assert old.run("backup", "--secrets", file)[0] == 0
    assert new.run("restore", file, "--store", new.store)[0] == 0
    assert (new.folder / "config.toml").read_text() == CONFIG % old.store
    assert json.loads((new.folder / "passwords.json").read_text()) == {"growatt": {"ada": SECRETS[0]}}
    assert new.state_file().load(1e9).session == {"alive": True, "cookies": "hunter2-cookie"}


def test_backup_prints_json(old, file):
    code, out, _ = old.run("backup", "--json", file)
    found = json.loads(out)
    assert (code, found["store"], found["account_state"], found["secrets"]) == (0, 1, 1, False)
    assert found["size"] == file.stat().st_size


def test_backup_while_a_collector_writes_has_whole_batches_only(old, new, file):
    """Each batch has two samples; a copy of pages read one after the other would contain some batches by half."""
    stop, written = threading.Event(), threading.Event()

    def collect():
        with SqliteStore(old.store) as store:
            at = 10_000
            while not stop.is_set():
                store.write(Batch(samples=[sample(at), sample(at + 1)]))
                at += 2
                written.set()

    with SqliteStore(old.store) as claimed:
        claimed.claim(["growatt"])
        writer = threading.Thread(target=collect)
        writer.start()
        assert written.wait(60)
        try:
            assert old.run("backup", file)[0] == 0
        finally:
            stop.set()
            writer.join()
    assert new.run("restore", file, "--store", new.store)[0] == 0
    assert (new.count() - 9) % 2 == 0
    assert new.count() > 9


def test_restore_refuses_existing_files_and_renames_them_with_replace(old, file):
    assert old.run("backup", file)[0] == 0
    with SqliteStore(old.store) as store:
        store.write(Batch(samples=[sample(9000)]))
    before = old.files()
    code, _, err = old.run("restore", file)
    assert (code, err.count("\n")) == (2, 1)
    assert "--replace" in err
    assert old.files() == before
    assert old.run("restore", "--dry-run", file)[0] == 0
    assert old.files() == before
    code, out, _ = old.run("restore", "--replace", file)
    assert code == 0
    assert old.count() == 9
    assert before["config.toml"] == (old.folder / "config.toml.before-restore-1").read_bytes()
    with closing(sqlite3.connect(f"{old.store}.before-restore-1")) as former:
        assert former.execute("SELECT count(*) FROM sample").fetchone() == (10,)
    # A journal that continues the saved one, and the state of the account, stay as they are.
    assert old.files()["orders/growatt-ab.jsonl"] == before["orders/growatt-ab.jsonl"]
    assert "newer here, and kept: 1" in out


def test_restore_keeps_a_newer_account_state_and_replaces_an_older_one(old, new, file):
    assert old.run("backup", file)[0] == 0
    state = AccountState()
    state.at = 2e9
    new.save_state(state)
    assert new.run("restore", file, "--store", new.store)[0] == 0
    assert new.state_file().load(2e9).logins == []
    state.at = 5e8
    new.save_state(state)
    assert new.run("restore", "--replace", file, "--store", new.store)[0] == 0
    assert new.state_file().load(1e9).logins == [1e9 - 60]


def test_restore_while_a_collector_runs_changes_nothing(old, file):
    assert old.run("backup", file)[0] == 0
    before = old.files()
    with SqliteStore(old.store) as claimed:
        claimed.claim(["growatt"])
        code, _, err = old.run("restore", "--replace", file)
    assert (code, err.count("\n")) == (1, 1)
    assert "already" in err
    assert old.files() == before


def rewrite(file, change):
    """Change the manifest of a backup."""
    with zipfile.ZipFile(file) as zipped:
        contents = {name: zipped.read(name) for name in zipped.namelist()}
    manifest = json.loads(contents.pop("manifest.json"))
    change(manifest, contents)
    with zipfile.ZipFile(file, "w") as zipped:
        for name, content in {**contents, "manifest.json": json.dumps(manifest)}.items():
            zipped.writestr(name, content)


@pytest.mark.parametrize("name", [*archive.FORMATS, "forecasts"])
def test_restore_refuses_a_backup_of_a_newer_version_with_one_line(old, new, file, name):
    assert old.run("backup", file)[0] == 0
    rewrite(file, lambda manifest, _: manifest["formats"].update({name: 99}) or manifest.update(program="9.0"))
    code, out, err = new.run("restore", file)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "newer heliograph (9.0;" in err
    assert "update heliograph" in err
    assert not new.folder.exists()


def test_restore_refuses_a_store_of_a_newer_version_before_it_changes_anything(old, new, file, monkeypatch):
    assert old.run("backup", file)[0] == 0
    monkeypatch.setitem(archive.FORMATS, "store", archive.FORMATS["store"] - 1)
    assert new.run("restore", file)[0] == 2
    assert not new.folder.exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "missing", "outside"])
def test_restore_of_a_damaged_backup_changes_nothing(old, new, file, damage):
    assert old.run("backup", file)[0] == 0
    data = file.read_bytes()
    if damage == "cut":
        file.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        at = len(data) // 2
        file.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
    elif damage == "text":
        file.write_text("store = 1")
    elif damage == "missing":
        rewrite(file, lambda _, contents: contents.pop("store.sqlite"))
    else:
        rewrite(file, lambda manifest, _: manifest["files"].update({"../evil": {"size": 0, "sha256": ""}}))
    code, _, err = new.run("restore", file, "--store", new.store)
    assert (code, err.count("\n")) == (2, 1)
    assert not new.folder.exists() or new.files() == {}


def test_backup_replaces_a_backup_but_no_other_file(old, file):
    assert old.run("backup", file)[0] == old.run("backup", file)[0] == 0
    before = old.files()
    code, _, err = old.run("backup", old.store)
    assert code == 2
    assert "is not a backup" in err
    assert old.files() == before


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of POSIX")
@pytest.mark.parametrize("command", ["backup", "restore"])
def test_without_room_nothing_is_written_and_one_line_says_so(old, new, file, command):
    """A limit of the file size stands for a full disk."""
    with SqliteStore(old.store) as store:
        store.write(Batch(samples=[sample(at, at / 7) for at in range(10_000, 60_000, 7)]))
    if command == "restore":
        assert old.run("backup", file)[0] == 0
    words = [command, str(file)] + ["--store", str(new.store)] * (command == "restore")
    home = old.folder if command == "backup" else new.folder
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "from heliograph.cli.main import run; sys.exit(run(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True, text=True, check=False, env={**os.environ, "HELIOGRAPH_HOME": str(home)},
    )  # fmt: skip
    assert done.returncode in (1, 2)
    assert done.stderr.count("\n") == 1, done.stderr
    assert "free disk space" in done.stderr
    assert ("No backup was made" if command == "backup" else "Nothing was restored") in done.stderr
    left = {path.name for path in file.parent.iterdir()} - {"old", "new"}
    assert left == ({file.name} if command == "restore" else set())
    if command == "restore":
        assert new.files() == {}


def test_backup_of_nothing_names_what_is_missing(new, file):
    code, _, err = new.run("backup", file)
    assert code == 2
    assert "nothing to back up" in err
    assert not file.exists()


def test_backup_of_a_store_in_postgresql_names_pg_dump(old, file):
    code, out, _ = old.run("backup", file, "--store", "postgresql://ada:hunter2@localhost/solar")
    assert code == 0
    assert "pg_dump" in out
    assert "hunter2" not in out


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('store = "postgresql://ada:hunter2@db/solar"', 'store = "postgresql://ada@db/solar"'),
        ('[influx]\nurl = "http://db"\n"token" = "hunter2"', '[influx]\nurl = "http://db"\n# token = "..." is not'),
        ('[[account]]\npassword_command = ["pass", "solar"]', 'password_command = ["pass", "solar"]'),
    ],
)
def test_without_secrets_removes_only_secrets(text, kept):
    cleaned, _ = without_secrets(text, Path("config.toml"))
    assert kept in cleaned
    assert "hunter2" not in cleaned


@pytest.mark.parametrize(
    "text",
    ['mqtt = {host = "a", password = "hunter2"}', 'mqtt.password = "hunter2"', '[mqtt]\npassword = """\nhunter2"""'],
)
def test_without_secrets_refuses_a_secret_that_it_cannot_remove(text):
    with pytest.raises(ConfigError, match="--secrets") as caught:
        without_secrets(text, Path("config.toml"))
    assert "hunter2" not in str(caught.value)


def test_restored_configuration_is_loaded_when_its_secrets_are_added_again(old, new, file):
    assert old.run("backup", file)[0] == 0
    assert new.run("restore", file, "--store", new.store)[0] == 0
    text = (new.folder / "config.toml").read_text()
    text = text.replace('# key = "..." is not in the backup', 'key = "again"')
    text = text.replace('# url = "..." is not in the backup', 'url = "https://example.org"')
    (new.folder / "config.toml").write_text(text)
    config = load(None, {"HELIOGRAPH_HOME": str(new.folder), "HELIOGRAPH_NO_KEYRING": "1"})
    assert [account.username for account in config.accounts] == ["ada"]
