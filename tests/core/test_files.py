"""File locks and atomic writes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from heliograph.core.files import HeldFileLock, acquire, file_lock, write_atomic


def test_acquire_yields_pauses_until_its_patience_ends_and_then_raises(tmp_path):
    path = tmp_path / "folder" / "lock"
    holder, waiter = file_lock(path), file_lock(path)
    assert list(acquire(holder, patience=1.0, interval=0.25)) == []
    attempts = acquire(waiter, patience=1.0, interval=0.25)
    assert [next(attempts) for _ in range(4)] == [0.25] * 4
    with pytest.raises(TimeoutError):
        next(attempts)
    holder.release()


def test_acquire_ends_as_soon_as_the_lock_is_free(tmp_path):
    holder, waiter = file_lock(tmp_path / "lock"), file_lock(tmp_path / "lock")
    holder.acquire()
    attempts = acquire(waiter, patience=10.0, interval=0.25)
    assert next(attempts) == 0.25
    holder.release()
    assert list(attempts) == []
    assert waiter.is_locked
    waiter.release()


def test_acquire_reports_a_file_that_cannot_be_locked(tmp_path):
    with pytest.raises(OSError, match=r"directory|denied"):
        next(acquire(file_lock(tmp_path), patience=1.0, interval=0.25))


def test_write_atomic_replaces_a_file_with_one_that_only_its_owner_reads(tmp_path):
    path = tmp_path / "state.json"
    path.write_text("old")
    path.chmod(0o644)
    write_atomic(path, "new", durable=False)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize(("mode", "refused"), [(0o1777, True), (0o777, True), (0o755, False), (0o700, False)])
def test_file_lock_refuses_a_linked_folder_where_others_can_write(tmp_path, mode, refused):
    shared, elsewhere = tmp_path / "shared", tmp_path / "elsewhere"
    shared.mkdir()
    elsewhere.mkdir()
    (shared / "accounts").symlink_to(elsewhere)
    shared.chmod(mode)
    if refused:
        with pytest.raises(OSError, match="symbolic link"):
            file_lock(shared / "accounts" / "state.lock")
    else:
        with file_lock(shared / "accounts" / "state.lock"):
            assert [path.name for path in elsewhere.iterdir()] == ["state.lock"]


def is_locked(path):
    """Return True if filelock cannot lock a file, as programs of other versions would find."""
    other = file_lock(path)
    try:
        other.acquire(timeout=0)
    except TimeoutError:
        return True
    other.release()
    return False


def test_held_file_lock_excludes_other_holders_until_its_release(tmp_path):
    path = tmp_path / "folder" / "account.lock"
    held = HeldFileLock.acquire(str(path))
    assert HeldFileLock.acquire(str(path)) is None
    assert is_locked(path)
    held.release()
    held.release()
    assert not is_locked(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_held_file_lock_waits_for_a_lock_of_filelock(tmp_path):
    path = tmp_path / "account.lock"
    with file_lock(path):
        assert HeldFileLock.acquire(str(path)) is None
    assert HeldFileLock.acquire(str(path)) is not None


def test_held_file_lock_ends_with_its_object(tmp_path):
    path = tmp_path / "account.lock"
    held = HeldFileLock.acquire(str(path))
    assert is_locked(path)
    del held
    assert not is_locked(path)


FORK = """
import os, sys
from heliograph.core.files import HeldFileLock
path = sys.argv[1]
held = HeldFileLock.acquire(path)
child = os.fork()
if child == 0:
    held.release()  # does not unlock what the parent holds
    os._exit(1 if HeldFileLock.acquire(path) else 0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    os.close(writing)
    os.read(reading, 1)  # lives on with a copy of the descriptor
    os._exit(0)
held.release()
assert HeldFileLock.acquire(path)
os.close(writing)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(os.name != "posix", reason="forks are POSIX's")
def test_forked_process_neither_releases_nor_prolongs_a_held_file_lock(tmp_path):
    subprocess.run([sys.executable, "-c", FORK, str(tmp_path / "account.lock")], check=True)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_held_file_lock_refuses_links_of_others(tmp_path):
    shared, elsewhere = tmp_path / "shared", tmp_path / "elsewhere"
    shared.mkdir()
    elsewhere.mkdir()
    (shared / "accounts").symlink_to(elsewhere)
    shared.chmod(0o1777)
    with pytest.raises(OSError, match="symbolic link"):
        HeldFileLock.acquire(str(shared / "accounts" / "account.lock"))
    (elsewhere / "account.lock").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic links"):
        HeldFileLock.acquire(str(elsewhere / "account.lock"))
    assert not (tmp_path / "target").exists()
