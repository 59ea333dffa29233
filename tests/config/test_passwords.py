"""Where passwords are kept: a keyring of the library's own kind, and a file that nobody else can read."""

import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import keyring
import pytest
from keyring.backends import fail, null

from heliograph.config.passwords import DeferredSecret, PasswordStore
from heliograph.core.redact import Secret
from heliograph.errors import ConfigError
from support.fake_keyring import Ring

HUNTER = Secret("hunter2 ünïcode\t")


@pytest.fixture
def using():
    """Make the library use a backend, as a desktop or a person's own settings do."""
    before = keyring.get_keyring()
    yield keyring.set_keyring
    keyring.set_keyring(before)


@pytest.fixture
def ring(using):
    backend = Ring()
    using(backend)
    return backend


@pytest.fixture
def kept(tmp_path):
    """Passwords in a file alone."""
    return PasswordStore(tmp_path / "data", keyring=False)


def stored(kept):
    return json.loads(kept.path.read_text())


# The keyring


def test_password_store_prefers_the_keyring(ring, tmp_path):
    kept = PasswordStore(tmp_path)
    assert kept.save("growatt", "me", HUNTER) == "the keyring (Ring)"
    assert ring.kept == {("heliograph growatt", "me"): HUNTER.reveal()}
    assert list(tmp_path.iterdir()) == []
    assert kept.load("growatt", "me").reveal() == HUNTER.reveal()
    assert kept.load("goodwe", "me") is None
    assert kept.load("growatt", "you") is None


def test_password_delete_reports_whether_there_was_one(ring, tmp_path):
    kept = PasswordStore(tmp_path)
    kept.save("growatt", "me", HUNTER)
    kept.save("growatt", "you", HUNTER)
    assert kept.delete("growatt", "me") is True
    assert kept.delete("growatt", "me") is False
    assert list(ring.kept) == [("heliograph growatt", "you")]


def test_password_save_moves_it_from_file_to_keyring(ring, tmp_path):
    PasswordStore(tmp_path, keyring=False).save("growatt", "me", Secret("old"))
    kept = PasswordStore(tmp_path)
    assert kept.load("growatt", "me").reveal() == "old"
    assert ring.asked == 0, "a password in the file asks nobody to unlock anything"
    kept.save("growatt", "me", Secret("new"))
    assert stored(kept) == {}
    assert kept.load("growatt", "me").reveal() == "new"


def test_password_delete_removes_it_from_file_and_keyring(ring, tmp_path):
    PasswordStore(tmp_path).save("growatt", "me", Secret("old"))
    PasswordStore(tmp_path, keyring=False).save("growatt", "me", Secret("new"))
    assert PasswordStore(tmp_path).load("growatt", "me").reveal() == "new"
    assert PasswordStore(tmp_path).delete("growatt", "me") is True
    assert PasswordStore(tmp_path).load("growatt", "me") is None


@pytest.mark.parametrize("backend", [fail.Keyring, null.Keyring])
def test_password_store_ignores_a_keyring_without_storage(using, backend, tmp_path):
    using(backend())
    kept = PasswordStore(tmp_path)
    assert kept.save("growatt", "me", HUNTER) == str(tmp_path / "passwords.json")
    assert kept.load("growatt", "me").reveal() == HUNTER.reveal()


def test_password_store_uses_the_file_without_the_keyring_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert PasswordStore(tmp_path).save("growatt", "me", HUNTER) == str(tmp_path / "passwords.json")


def test_password_store_without_keyring_by_environment(ring, tmp_path):
    environ = {"HELIOGRAPH_HOME": str(tmp_path)}
    assert PasswordStore.for_user(environ).save("growatt", "me", HUNTER) == "the keyring (Ring)"
    silent = PasswordStore.for_user(environ | {"HELIOGRAPH_NO_KEYRING": "1"})
    ring.asked = 0
    assert silent.load("growatt", "me") is None
    assert silent.save("growatt", "me", HUNTER) == str(tmp_path / "passwords.json")
    assert silent.delete("growatt", "me") is True
    assert ring.asked == 0


def test_password_store_reports_a_locked_keyring_with_advice(ring, tmp_path):
    ring.locked = True
    kept = PasswordStore(tmp_path)
    for act in (lambda: kept.save("growatt", "me", HUNTER), lambda: kept.load("growatt", "me")):
        with pytest.raises(ConfigError) as caught:
            act()
        told = "the keyring does not respond (KeyringLocked); unlock it, or set HELIOGRAPH_NO_KEYRING=1"
        assert str(caught.value).startswith(told)
        assert "hunter2" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


# The file


def test_password_file_has_one_password_per_vendor_and_user(kept):
    for vendor, username in (("growatt", "me"), ("growatt", "you"), ("goodwe", "me")):
        kept.save(vendor, username, Secret(f"{vendor} {username}"))
    kept.save("growatt", "me", HUNTER)
    assert stored(kept) == {
        "growatt": {"me": HUNTER.reveal(), "you": "growatt you"},
        "goodwe": {"me": "goodwe me"},
    }
    assert kept.delete("goodwe", "me") is True
    assert kept.delete("goodwe", "me") is False
    assert kept.load("growatt", "you").reveal() == "growatt you"
    assert "goodwe" not in stored(kept)


def test_password_delete_of_an_unknown_user_creates_no_file(kept):
    assert kept.load("growatt", "me") is None
    assert kept.delete("growatt", "me") is False
    assert not kept.path.parent.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_password_file_is_readable_by_its_owner_only(kept):
    before = os.umask(0)
    try:
        kept.save("growatt", "me", HUNTER)
        assert kept.path.stat().st_mode & 0o777 == 0o600
        assert kept.path.parent.stat().st_mode & 0o777 == 0o700
        kept.path.chmod(0o644)
        left = kept.path.with_suffix(".new")
        left.write_text("left by a crash")
        left.chmod(0o666)
        kept.save("growatt", "you", HUNTER)
    finally:
        os.umask(before)
    assert kept.path.stat().st_mode & 0o777 == 0o600
    assert not left.exists()
    assert set(stored(kept)["growatt"]) == {"me", "you"}


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b'{"growatt": "hunter2"}', b'{"growatt": {"me": 1}}', b"\xff", b"[" * 100_000],
    ids=["empty", "cut", "list", "flat", "number", "bytes", "deep"],
)
def test_password_file_damaged_is_renamed_with_a_warning(kept, text):
    kept.path.parent.mkdir()
    (kept.path.parent / "passwords.broken-1.json").write_text("an older one")
    kept.path.write_bytes(text)
    assert kept.load("growatt", "me") is None
    (warning,) = kept.warnings
    assert warning.startswith(f"{kept.path} was damaged and is now passwords.broken-2.json")
    assert "hunter2" not in warning
    assert (kept.path.parent / "passwords.broken-2.json").read_bytes() == text
    kept.save("growatt", "me", HUNTER)
    assert kept.load("growatt", "me").reveal() == HUNTER.reveal()
    assert (kept.path.parent / "passwords.broken-1.json").read_text() == "an older one"


def test_password_file_access_error_is_reported(kept, tmp_path):
    kept.path.mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"passwords\.json cannot be read: Is a directory"):
        kept.load("growatt", "me")
    with pytest.raises(ConfigError, match=r"passwords\.json cannot be read"):
        kept.save("growatt", "me", HUNTER)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"passwords\.json cannot be written: "):
        PasswordStore(tmp_path / "file" / "data", keyring=False).save("growatt", "me", HUNTER)


def keep_some(folder, vendor):
    kept = PasswordStore(folder, keyring=False)
    for number in range(20):
        kept.save(vendor, str(number), Secret(vendor))


def test_password_store_is_safe_for_concurrent_processes(tmp_path):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for work in [pool.submit(keep_some, tmp_path, vendor) for vendor in ("growatt", "goodwe")]:
            work.result()
    kept = PasswordStore(tmp_path, keyring=False)
    assert {vendor: len(users) for vendor, users in stored(kept).items()} == {"growatt": 20, "goodwe": 20}


# Secrets


def test_deferred_secret_is_fetched_on_each_reveal():
    answers = [Secret("new"), Secret("old")]
    secret = DeferredSecret(answers.pop)
    assert repr(secret) == "Secret(***)"
    assert f"{secret}" == "***"
    assert secret.value_if_loaded() == ""
    assert len(answers) == 2
    assert [secret.reveal(), secret.reveal()] == ["old", "new"]
    assert secret.value_if_loaded() == "new"
    assert repr(secret) == "Secret(***)"
