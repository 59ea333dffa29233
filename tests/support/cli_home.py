"""A home folder with accounts at both emulated clouds, for tests of the command line."""

import sys
from datetime import UTC, datetime

import pytest

from heliograph.cli.main import run
from heliograph.config.passwords import PasswordStore
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread

NOON = datetime(2026, 6, 21, 10, 0, tzinfo=UTC)


class Home:
    """A home folder, accounts at both emulated clouds, and the captured output."""

    def __init__(self, folder, emulator, ready, capsys, monkeypatch):
        self.folder = folder
        self.config = folder / "config.toml"
        self.emulator = emulator
        self.url = ready["url"]
        self.accounts = {one["vendor"]: one for one in ready["accounts"]}
        self.capsys = capsys
        self.monkeypatch = monkeypatch

    def __getitem__(self, vendor):
        return self.accounts[vendor]

    def run_checked(self, *words):
        """Run a command; return exit code, stdout and stderr. Asserts that no password and no traceback is printed."""
        code = run([str(word) for word in words])
        out, err = self.capsys.readouterr()
        for one in self.accounts.values():
            assert one["password"] not in out + err
        assert "Traceback" not in err
        return code, out, err

    def pipe(self, text, *words):
        """Run a command with a text as standard input, which is not a terminal."""
        path = self.folder / "stdin"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        with path.open(encoding="utf-8") as stdin, self.monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", stdin)
            return self.run_checked(*words)

    def log_in(self, vendor, *words):
        one = self[vendor]
        named = () if "--username" in words else ("--username", one["username"])
        return self.pipe(f"{one['password']}\n", "login", vendor, "--password-stdin", *named, *words)

    def logins(self):
        """Return the number of logins at all clouds, including rejected ones."""
        log = self.emulator.log.as_dict()
        return sum(one["logins"] + one["rejected_logins"] for one in log["accounts"].values())


@pytest.fixture
def home(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("HELIOGRAPH_HOME", str(tmp_path))
    monkeypatch.setenv("HELIOGRAPH_NO_KEYRING", "1")
    monkeypatch.delenv("HELIOGRAPH_DEBUG", raising=False)
    emulator = build_emulator(EmulatorOptions(start=NOON.astimezone(), speed=0, accounts=2))
    with serve_in_thread(emulator) as ready:
        yield Home(tmp_path, emulator, ready, capsys, monkeypatch)


def stored_password(home, vendor, username=None):
    found = PasswordStore.for_user({"HELIOGRAPH_HOME": str(home.folder), "HELIOGRAPH_NO_KEYRING": "1"}).load(
        vendor, username or home[vendor]["username"]
    )
    return found and found.reveal()
