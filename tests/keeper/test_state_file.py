"""The state file: which copy a save overwrites, kills, power failures, growth, and files of other versions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from hashlib import sha256
from itertools import product

import pytest

from heliograph.errors import StoreError
from heliograph.keeper.policy import refund
from heliograph.keeper.state import AccountState
from heliograph.keeper.state_file import StateFile
from support.keeper_state import load_held, save_state, stored_members, write_format


@pytest.fixture
def store(tmp_path):
    return StateFile(tmp_path / "accounts", "account")


def numbered(number):
    """Return a state that can be recognised."""
    state = AccountState()
    state.misses = number
    return state


def fill(store, *durables):
    """Save states 1, 2, 3 …, each durable or not, each by another program."""
    for number, durable in enumerate(durables, 1):
        save_state(StateFile(store.folder, store.name), numbered(number), durable=durable)
    return store.path.read_bytes()


def copies(path):
    """Return the number of each durable and of each other copy."""
    stored = {copy["copy"]: copy["durable"] for copy in json.loads(path.read_bytes())["copies"] if copy}
    return {number for number in stored if stored[number]}, {number for number in stored if not stored[number]}


def test_state_file_returns_what_was_saved(store):
    assert vars(load_held(store)) == vars(AccountState())
    state = numbered(7)
    state.spent, state.logins, state.session = [[1.25, 3], [400.5, 1]], [1.25], {"server": "x", "cookies": {"é": "\n"}}
    save_state(store, state)
    for reader in (store, StateFile(store.folder, store.name)):
        assert vars(reader.load(0)) == vars(load_held(reader)) == vars(state)


def test_loaded_state_is_independent_of_the_stored_one(store):
    save_state(store, numbered(1))
    first = store.load(0)
    first.count_request(1.0)
    first.add_note(1.0, "mine")
    assert store.load(0).spent == store.load(0).notes == []


@pytest.mark.parametrize("durables", list(product([False, True], repeat=5)))
def test_save_keeps_the_newest_and_the_last_durable_copy(store, durables):
    """The first copy is written with its file, which is durable in any case."""
    fill(store, *durables)
    durable, other = copies(store.path)
    assert max(durable | other) == 5
    expected = [number for number, flag in enumerate(durables, 1) if flag]
    assert not expected or max(durable) == expected[-1]
    assert 4 in durable | other


@pytest.mark.parametrize("later", [0, 1, 2, 5])
def test_durable_state_survives_a_power_failure_during_later_saves(store, later):
    """Pages that were not flushed may contain anything afterwards: every copy but the last durable one is garbage."""
    whole = fill(store, False, False, True, *[False] * later)
    content = bytearray(whole)
    for start in range(len(whole)):
        if whole.startswith(b',{"copy":', start) and int(whole[start + 9 : start + 25]) != 3:
            content[start : start + 60] = bytes(60)
    store.path.write_bytes(content)
    state = load_held(store)
    assert state.misses == 3
    assert ["damaged" in note for _, note in state.notes] == [True]
    save_state(StateFile(store.folder, store.name), numbered(9))
    assert StateFile(store.folder, store.name).load(0).misses == 9


def test_state_file_grows_with_its_state(store):
    fill(store, False, True)
    inode, size = store.path.stat().st_ino, store.path.stat().st_size
    state = numbered(3)
    state.pause_why = "x" * 20_000
    save_state(store, state)
    assert store.path.stat().st_size > size
    assert store.path.stat().st_ino != inode
    grown = store.path.stat().st_ino
    save_state(StateFile(store.folder, store.name), numbered(4))
    assert StateFile(store.folder, store.name).load(0).misses == 4
    assert store.path.stat().st_ino == grown
    assert list(store.folder.glob("*.new")) == []


def test_state_that_has_no_room_to_grow_leaves_the_state_before(store):
    fill(store, True)
    held, larger = store.hold(), numbered(2)
    larger.pause_why = "x" * 20_000
    held.load(0)
    blocker = store.path.with_suffix(".new")
    blocker.mkdir()
    with pytest.raises(StoreError, match="free disk space"):
        held.save(larger, durable=True)
    assert StateFile(store.folder, store.name).load(0).misses == 1
    blocker.rmdir()
    held.save(larger, durable=False)
    held.release()
    assert StateFile(store.folder, store.name).load(0).misses == 2


def test_each_change_of_a_state_is_saved_although_texts_are_cached(store):
    state = numbered(1)
    changes = [
        lambda: state.add_note(1.0, "again"),
        lambda: state.add_note(2.0, "again"),
        lambda: state.count_request(10.0),
        lambda: state.count_request(11.0),
        lambda: state.count_request(1000.0),
        lambda: setattr(state, "at", 5.5),
        lambda: setattr(state, "session", {"alive": True}),
        lambda: setattr(state, "logins", [*state.logins, 3.0]),
        lambda: setattr(state, "spent", state.spent[1:]),
        lambda: setattr(state, "spent", []),
    ]
    for change in changes:
        change()
        save_state(store, state)
        assert vars(StateFile(store.folder, store.name).load(0)) == vars(store.load(0)) == vars(state)


@pytest.mark.parametrize("what", ["deleted", "replaced", "cut"])
def test_file_that_is_deleted_or_replaced_during_a_call_is_written_again(store, what):
    fill(store, True, False)
    held = store.hold()
    held.load(0)
    if what == "cut":
        os.truncate(store.path, 5000)
    else:
        store.path.unlink()
    if what == "replaced":
        store.path.write_bytes(b"[NaN]")
    for number in (3, 4):
        held.save(numbered(number), durable=False)
        assert StateFile(store.folder, store.name).load(0).misses == number
    held.release()


def test_several_saves_of_one_call_use_all_copies(store):
    held = store.hold()
    held.load(0)
    for number in range(1, 7):
        held.save(numbered(number), durable=number == 2)
        assert StateFile(store.folder, store.name).load(0).misses == number
    held.release()
    assert copies(store.path) == ({2}, {5, 6})


def test_state_file_of_the_first_format_is_loaded_and_replaced(store):
    old = numbered(5)
    old.pause, old.pause_until, old.spent = "locked", 9e9, [[1.0, 7]]
    write_format(store.path, 1, old.to_dict())
    text = store.path.read_bytes()
    state = load_held(store)
    assert vars(state) == vars(old)
    assert store.path.read_bytes() == text
    save_state(store, state)
    assert stored_members(store.path) == old.to_dict()


def test_program_of_the_first_format_refuses_a_newer_file(store):
    """Its check, in short: the text is JSON, the checksum of `book` is right, and the format is another."""
    fill(store, True, False, False)
    stored = json.loads(store.path.read_bytes())
    text = json.dumps(stored["book"], separators=(",", ":"))
    assert stored["sum"] == sha256(f"{stored['format']} {text}".encode()).hexdigest()
    assert stored["format"] != 1


@pytest.mark.parametrize("members", [None, {}, {"spent": []}])
def test_state_file_of_a_newer_format_is_refused_and_not_modified(store, members):
    write_format(store.path, 3, members)
    content = store.path.read_bytes()
    for load in (store.load, lambda now: load_held(store)):
        with pytest.raises(StoreError, match="another version of heliograph; use that one"):
            load(0.0)
    assert store.path.read_bytes() == content
    assert store.hold() is not None  # the lock was released


SAVES = """
import sys
from pathlib import Path
from heliograph.keeper.state_file import StateFile
store = StateFile(Path(sys.argv[1]), "account")
while True:
    print("alive", flush=True)
    held = store.hold()
    state = held.load(0.0)
    state.misses += 1
    state.pause_why = "x" * (3000 + state.misses % 7000)  # several pages; grows now and then
    held.save(state, durable=state.misses % 50 == 0)
    held.release()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_program_killed_while_it_saves_leaves_a_whole_state(store):
    store.folder.mkdir()
    seen = 0
    for number in range(12):
        program = subprocess.Popen([sys.executable, "-c", SAVES, str(store.folder)], stdout=subprocess.PIPE)
        for _ in range(1 + 17 * number):
            program.stdout.readline()
        program.send_signal(signal.SIGKILL)
        program.communicate()
        state = load_held(StateFile(store.folder, store.name))
        assert state.misses >= seen
        assert len(state.pause_why) == (3000 + state.misses % 7000 if state.misses else 0)
        seen = state.misses
    assert seen > 500
    assert list(store.folder.glob("*.broken-*")) == []


def test_no_copy_has_a_session_that_ended(store):
    secret = "JSESSIONID=5F3A"
    for number in range(1, 4):
        state = numbered(number)
        state.session = {"alive": True, "cookies": {"host": secret}}
        save_state(store, state)
    assert store.path.read_text().count(secret) == 3
    ended = numbered(4)
    ended.session = {"alive": False}
    save_state(store, ended)
    assert secret not in store.path.read_text()
    assert load_held(store).misses == 4
    assert StateFile(store.folder, store.name).load(0.0).misses == 4


def test_copies_of_a_state_share_nothing_that_changes():
    state = numbered(1)
    copy = state.copy()
    before = json.dumps(vars(copy))
    state.count_request(10.0)
    state.count_request(11.0)
    state.add_note(1.0, "again")
    state.add_note(2.0, "again")
    refund(state, is_login=False)
    state.advance_to(1e9)
    assert json.dumps(vars(copy)) == before


def test_requests_are_counted_after_every_change_of_the_counts(store):
    state = AccountState()
    changes = [
        lambda: state.count_request(10.0),
        lambda: state.count_request(11.0),
        lambda: refund(state, is_login=False),
        lambda: state.count_request(1000.0),
        lambda: setattr(state, "spent", [*state.spent, [2000.0, 7]]),
        lambda: state.advance_to(90_000.0),
    ]
    for change in changes:
        change()
        assert state.requests_used == state.copy().requests_used == sum(count for _, count in state.spent)
    assert "_counted" not in state.to_dict()


def test_file_whose_first_line_changed_is_not_taken_for_the_one_last_read(store):
    fill(store, True, False)
    assert store.load(0).misses == 2
    store.path.write_bytes(store.path.read_bytes().replace(b'"format":2', b'"format":3', 1))
    assert "damaged" in store.load(0).notes[-1][1]


def test_file_that_another_program_made_longer_or_shorter_is_read_whole(store):
    fill(store, True)
    assert store.load(0).misses == 1
    large = numbered(2)
    large.failed_why = "x" * 50_000
    other = StateFile(store.folder, store.name)
    save_state(other, large)
    assert vars(store.load(0)) == vars(large)
    store.path.unlink()
    save_state(other, numbered(3))
    assert store.load(0).misses == 3
