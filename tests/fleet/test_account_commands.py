"""`heliograph fleet account`, as an operator runs it, and what a worker does afterwards."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING

import psycopg
import pytest

from heliograph.cli.main import run
from heliograph.core.redact import Secret
from heliograph.errors import InvalidCredentials
from heliograph.fleet.database import Database
from heliograph.fleet.registry import AccountRegistry, session_context
from heliograph.fleet.secrets import SecretBox, add_key, read_keys
from heliograph.fleet.state_store import FORM
from heliograph.fleet.worker import _has_changed
from heliograph.keeper import policy
from heliograph.keeper.state import AccountState

if TYPE_CHECKING:
    from pathlib import Path

CSV = "name,vendor,username,password\nroof,growatt,ada@example.org,hunter2\nbarn,goodwe,bob@example.org,hunter3\n"
NEW_PASSWORD = "correct horse"


class Scene:
    """A fleet with two accounts, and what the database has of them."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.key_file = folder / "fleet.key"
        self.box = SecretBox(read_keys(self.key_file))

    def sql(self, statement, values=()):
        with psycopg.connect(self.url, autocommit=True) as outsider:
            outsider.execute("SET search_path TO heliograph")
            cursor = outsider.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def states(self):
        return dict(self.sql("SELECT name, state FROM account ORDER BY name"))

    def audit(self):
        return [(action, detail) for action, detail in self.sql("SELECT action, detail FROM audit ORDER BY id")]

    def stop_account(self, number, reason="wrong user name or password"):
        """Leave an account as a worker does whose login was refused."""
        self.sql("UPDATE account SET state = 'needs_person', reason = %s, due_at = 4e9 WHERE id = %s", (reason, number))
        state = AccountState()
        state.trying = True
        policy.on_error(state, 1000.0, InvalidCredentials(reason), lambda: "fingerprint")
        policy.on_login_failed(state, 1000.0, InvalidCredentials(reason))
        contents = {name: value for name, value in vars(state).items() if name not in ("at", "spent", "session")}
        key, session = self.box.seal(Secret('{"alive": true}'), session_context(number))
        self.sql(
            "INSERT INTO account_state (account, form, contents, session, key_number) VALUES (%s, %s, %s, %s, %s)",
            (number, FORM, json.dumps(contents), session, key),
        )

    def state(self, number):
        ((contents,),) = self.sql("SELECT contents FROM account_state WHERE account = %s", (number,))
        return AccountState.from_dict(json.loads(contents))

    def accounts(self, before=()):
        async def read():
            database = Database(self.url)
            try:
                found = []
                for shard in range(4):
                    found += await AccountRegistry(database, self.box).accounts_of(shard, before)
                return {one.account.name: one for one in found}
            finally:
                await database.close()

        return asyncio.run(read())


@pytest.fixture
def scene(own_database, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HELIOGRAPH_FLEET", own_database)
    monkeypatch.setenv("HELIOGRAPH_FLEET_KEY", str(tmp_path / "fleet.key"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "accounts.csv").write_text(CSV)
    assert run(["fleet", "init", "--shards", "4"]) == 0
    assert run(["fleet", "key", "new"]) == 0
    assert run(["fleet", "import", "accounts.csv", "--tenant", "acme"]) == 0
    capsys.readouterr()
    return Scene(own_database, tmp_path)


def lines(capsys, *words, code=0):
    """Run a command and return the lines that it prints, of both streams."""
    assert run(["fleet", "account", *words]) == code
    out, err = capsys.readouterr()
    return [*out.splitlines(), *err.splitlines()]


def as_json(capsys, *words):
    return json.loads("\n".join(lines(capsys, *words, "--json")))


def give(monkeypatch, text):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_resume_ends_the_waits_and_refusals_of_an_account_that_needs_a_person(scene, capsys):
    scene.stop_account(1)
    assert any("heliograph fleet account resume 1" in line for line in lines(capsys, "show", "1"))
    assert lines(capsys, "resume", "acme/roof") == ["acme/roof (1) is polled again within a minute."]
    assert scene.states() == {"roof": "active", "barn": "new"}
    assert scene.sql("SELECT due_at <= extract(epoch FROM now()) FROM account WHERE id = 1") == [(True,)]
    state = scene.state(1)
    assert (state.failures, state.refused_passwords, state.failed_at) == (0, [], None)
    assert scene.sql("SELECT session IS NOT NULL, reason FROM account_state JOIN account ON id = account") == [
        (True, "")
    ]
    assert scene.audit() == [("resume account", "roof: it needed a person: wrong user name or password")]


def test_resume_leaves_the_lock_of_the_vendor(scene, capsys):
    scene.stop_account(1)
    locked = scene.state(1)
    locked.pause, locked.pause_until, locked.pause_why = "locked", 9e9, "too many logins"
    contents = {name: value for name, value in vars(locked).items() if name not in ("at", "spent", "session")}
    scene.sql("UPDATE account_state SET contents = %s", (json.dumps(contents),))
    assert "locked until 2255-03-14 16:00 UTC: too many logins" in lines(capsys, "resume", "1")[1]
    assert scene.state(1).pause == "locked"


def test_resumed_account_that_was_never_polled_is_new_and_others_are_left_alone(scene, capsys):
    assert lines(capsys, "pause", "1", "2")[1] == "acme/barn (2) is not polled until: heliograph fleet account resume 2"
    assert scene.states() == {"roof": "paused", "barn": "paused"}
    assert scene.accounts() == {}
    assert as_json(capsys, "resume", "1", "2")["accounts"][0]["state"] == "new"
    assert scene.states() == {"roof": "new", "barn": "new"}
    assert lines(capsys, "resume", "1") == ["acme/roof (1) is polled already; nothing was changed."]
    assert [action for action, _ in scene.audit()] == ["pause account"] * 2 + ["resume account"] * 2


def test_new_password_is_sealed_and_the_account_polled_again(scene, capsys, monkeypatch):
    scene.stop_account(1)
    scene.stop_account(2)
    give(monkeypatch, NEW_PASSWORD + "\n")
    assert lines(capsys, "password", "1", "--password-stdin") == [
        "The password of acme/roof (1) is stored, sealed with key 1.",
        "acme/roof (1) is polled again within a minute.",
    ]
    roof = scene.accounts()["acme/roof"]
    assert roof.account.password.reveal() == NEW_PASSWORD
    assert scene.states() == {"roof": "active", "barn": "needs_person"}
    assert scene.state(1).failures == 0
    assert [action for action, _ in scene.audit()] == ["change password", "resume account"]
    assert NEW_PASSWORD not in str(scene.sql("SELECT * FROM account")) + str(scene.audit())


def test_password_from_a_file_is_sealed_with_the_newest_key_beside_the_other_secrets(scene, capsys, tmp_path):
    add_key(scene.key_file)
    scene.box = SecretBox(read_keys(scene.key_file))
    (tmp_path / "password").write_text(NEW_PASSWORD + "\n")
    report = as_json(capsys, "password", "1", "--password-file", "password")
    assert (report["secret"], report["key"], report["accounts"][0]["state"]) == ("password", 2, "new")
    roof = scene.accounts()["acme/roof"].account
    assert (roof.username, roof.password.reveal()) == ("ada@example.org", NEW_PASSWORD)


def test_worker_notices_a_new_password_and_no_rotation(scene, capsys, monkeypatch):
    before = scene.accounts()
    add_key(scene.key_file)
    assert run(["fleet", "key", "rotate"]) == 0
    scene.box = SecretBox(read_keys(scene.key_file))
    rotated = scene.accounts(list(before.values()))
    give(monkeypatch, NEW_PASSWORD)
    lines(capsys, "password", "2", "--password-stdin")
    after = scene.accounts(list(rotated.values()))
    roof, barn = "acme/roof", "acme/barn"
    assert not _has_changed(before[roof], rotated[roof])
    assert not _has_changed(rotated[roof], after[roof])
    assert _has_changed(rotated[barn], after[barn])


def test_refusal_of_an_old_password_does_not_stop_an_account_whose_password_was_changed(scene, capsys, monkeypatch):
    old = scene.accounts()["acme/roof"]
    give(monkeypatch, NEW_PASSWORD)
    lines(capsys, "password", "1", "--password-stdin")

    async def refuse(account):
        database = Database(scene.url)
        await AccountRegistry(database, scene.box).needs_person(account.row, "wrong password")
        await database.close()

    asyncio.run(refuse(old))
    assert scene.states()["roof"] == "new"
    asyncio.run(refuse(scene.accounts()["acme/roof"]))
    assert scene.states()["roof"] == "needs_person"


def test_list_and_show_report_without_any_secret(scene, capsys):
    scene.stop_account(1, "accept the new terms\x1b[31m")
    (found,) = as_json(capsys, "list", "--state", "needs_person")["accounts"]
    assert (found["id"], found["name"], found["state"]) == (1, "acme/roof", "needs_person")
    assert lines(capsys, "list")[2].split()[:2] == ["1", "acme/roof"]
    shown = as_json(capsys, "show", "1")
    assert (shown["egress"], shown["failed_logins"], shown["refused_passwords"]) == ("default", 1, 1)
    printed = "\n".join(lines(capsys, "show", "1"))
    assert "accept the new terms" in printed
    assert "\x1b" not in printed
    assert not {"hunter2", "ada@example.org", "fingerprint"} & set(printed.split())
    assert lines(capsys, "list", "--tenant", "beta", code=2)[0].endswith("there is no tenant 'beta'; tenants are acme")


@pytest.mark.parametrize(
    ("words", "text", "code", "message"),
    [
        (("show", "7"), "", 2, "there is no account 7; heliograph fleet account list shows them"),
        (("resume", "acme/cellar"), "", 2, "there is no account acme/cellar; heliograph fleet account list shows them"),
        (("resume", "1", "7"), "", 2, "there is no account 7; heliograph fleet account list shows them"),
        (("password", "1", "--password-stdin"), "\n", 2, "no password given; nothing was changed"),
        (("password", "1"), "", 2, "use --password-stdin"),
        (("password", "1", "--password-file", "none"), "", 2, "none cannot be read: No such file or directory"),
        (("password", "1", "--token-stdin"), "abc", 2, "acme/roof has a password and no API token"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_changes_nothing(scene, capsys, monkeypatch, words, text, code, message):
    scene.stop_account(1)
    give(monkeypatch, text)
    (line,) = lines(capsys, *words, code=code)
    assert message in line
    assert scene.states() == {"roof": "needs_person", "barn": "new"}
    assert scene.audit() == []


def test_key_of_another_fleet_changes_no_password(scene, capsys, monkeypatch, tmp_path):
    add_key(tmp_path / "other.key")
    give(monkeypatch, NEW_PASSWORD)
    (line,) = lines(capsys, "password", "1", "--password-stdin", "--key-file", "other.key", code=1)
    assert "the key does not open this fleet's secrets" in line
    assert scene.accounts()["acme/roof"].account.password.reveal() == "hunter2"
