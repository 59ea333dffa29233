"""The guard of an account: requests sent, requests rejected, and the state file afterwards."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heliograph.core.protocol import AccountProtocol
from heliograph.core.redact import Secret
from heliograph.core.session import ENSURE_SESSION, Credentials, Session
from heliograph.errors import (
    AccountLocked,
    Blocked,
    CloudError,
    ConfigError,
    InvalidCredentials,
    SessionExpired,
    StoreError,
    Throttled,
    Unreachable,
)
from heliograph.keeper import Keeper, Limits
from heliograph.vendors.goodwe import GoodWe, GoodWeCalls, SemsPlusCalls, resolve_server
from heliograph.vendors.goodwe.auth import GoodWeProtocol
from heliograph.vendors.growatt import Growatt
from support.growatt_script import SERVER, USER
from support.keeper_cloud import DAY, CountingCloud, Program, stored_cookie
from support.keeper_state import load_held, save_state, stored_members, write_format
from support.paths import TESTS
from support.protocol_script import NOON, script
from vendors.goodwe.test_plus_auth import (
    ABNORMAL,
    DETAIL,
    EXPIRED,
    FLOW,
    PARAMETER_ERROR,
    PLANT,
    legacy_login,
    plus_login,
)
from vendors.goodwe.test_plus_auth import legacy_response as legacy
from vendors.goodwe.test_plus_auth import plus_response as plus

HOUR = 3600.0
DETAILS = GoodWeCalls.monitor_detail.flow
FLOWS = SemsPlusCalls.plus_flow.flow


@pytest.fixture
def cloud():
    return CountingCloud()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "accounts"


@pytest.fixture
def program(cloud, folder):
    """Return a function that creates a program without state in memory."""

    def make(password="right", **options):
        return Program(cloud, folder, lambda: cloud.now, password, **options)

    return make


def book(program):
    return program.guard.load(program.clock())


def notes(program):
    return "\n".join(sentence for _, sentence in book(program).notes)


# Requests sent and rejected


def test_stored_session_is_tried_before_any_login(program, cloud):
    assert program().run() is None
    for _ in range(10):
        cloud.now += HOUR
        assert program().run() is None
    assert len(cloud.logins) == 1


def test_budget_after_a_flow_is_that_of_the_state_file_and_is_returned_once(program, cloud):
    client = program()
    assert client.guard.budget_after_flow() is None
    client.run()
    found = client.guard.budget_after_flow()
    assert found == client.guard.budget()
    assert found.requests_used == 2
    assert client.guard.budget_after_flow() is None
    cloud.now += HOUR
    client.run()
    assert client.guard.budget_after_flow().requests_used == 3


def test_expired_session_is_renewed_once(program, cloud):
    program().run()
    cloud.now += HOUR
    cloud.valid_cookie = None
    assert program().run() is None
    assert len(cloud.logins) == 2


def test_guard_sends_nothing_while_the_account_is_locked(program, cloud):
    cloud.locked_until = cloud.now + 24 * HOUR
    assert isinstance(program().run(), AccountLocked)
    sent = len(cloud.requests)
    until = cloud.now + 24 * HOUR + 600
    while cloud.now < until - 600:
        for interactive, plan in ((False, "read"), (True, "log in"), (True, "insist")):
            error = program(interactive=interactive).run(plan)
            assert isinstance(error, AccountLocked)
            assert error.until.timestamp() == until
            assert "Nothing was sent" in str(error)
        cloud.now += HOUR
    assert len(cloud.requests) == sent
    cloud.now = until
    assert program().run() is None


def test_refused_password_is_sent_once_by_all_programs(program, cloud):
    for _ in range(5):
        assert isinstance(program("wrong").run("regardless"), InvalidCredentials)
        cloud.now += DAY
    assert cloud.logins == [NOON]
    assert program().run() is None


def test_manual_login_sends_a_refused_password_once_more(program, cloud):
    cloud.password = "later"
    program().run()
    assert isinstance(program().run(), InvalidCredentials)
    assert isinstance(program().run("insist"), InvalidCredentials)
    assert isinstance(program().run(), InvalidCredentials)
    assert len(cloud.logins) == 2
    cloud.now += DAY
    cloud.password = "right"
    assert program().run("insist") is None
    cloud.now += HOUR
    cloud.valid_cookie = None
    assert program().run() is None


def test_guard_records_errors_that_a_flow_handles(program, cloud):
    program().run()
    cloud.blocked_until = cloud.now + 30 * HOUR
    sent = len(cloud.requests)
    assert isinstance(program().run("regardless"), Blocked)
    assert len(cloud.requests) == sent + 1
    assert book(program()).pause == "blocked"


def test_guard_backs_off_after_logins_that_do_not_help(program, cloud):
    cloud.fault = "futile"
    start = cloud.now
    while cloud.now < start + 3 * HOUR:
        assert isinstance(program().run(), SessionExpired | Throttled)
        cloud.now += 60
    assert len(cloud.logins) <= 5
    assert "another login" in notes(program())


def test_guard_survives_a_clock_going_back_after_a_futile_login(cloud, folder):
    ahead = [3650 * DAY]

    def run():
        return Program(cloud, folder, lambda: cloud.now + ahead[0], "right").run()

    cloud.fault = "futile"
    assert isinstance(run(), SessionExpired)
    ahead[0], cloud.fault = 0.0, ""
    run()
    cloud.now += HOUR
    assert run() is None


def test_guard_backs_off_from_another_client_of_the_account(program, cloud):
    for _ in range(2 * 12):
        program().run()
        cloud.open()  # a login by another client
        cloud.now += 300
    assert len(cloud.logins) <= 5
    error = program().run()
    assert isinstance(error, Throttled)
    assert "another login ended the session" in error.message


def test_guard_sends_few_logins_during_an_outage(program, cloud):
    cloud.fault = "silence"
    for _ in range(24 * 12):
        assert isinstance(program().run(), Unreachable | Throttled)
        cloud.now += 300
    assert len(cloud.recent(cloud.logins)) <= 6
    assert isinstance(program(interactive=True).run(), Unreachable)
    cloud.fault = ""
    assert program().run("insist") is None
    assert program().run() is None


def test_guard_does_not_count_logins_without_network(program, cloud):
    cloud.fault = "no network"
    for _ in range(100):
        program().run()
        cloud.now += 300
    assert book(program()).logins == []
    assert book(program()).requests_used == 0
    cloud.fault = ""
    cloud.now += 900
    assert program().run() is None


def test_guard_counts_the_login_of_a_killed_program(program, cloud):
    victim = program()
    victim.start()
    victim.kill(after_sending=True)
    error = program().run()
    assert isinstance(error, Throttled)
    assert "its outcome is unknown" in error.message
    assert len(book(program()).logins) == 1
    cloud.now += 61
    assert program().run() is None


def test_guard_releases_the_lock_after_an_interrupted_login(program, cloud):
    one = program()
    one.start()
    one.interrupt()
    cloud.now += 61
    assert program().run() is None
    assert "a login was interrupted" in notes(program())


def test_guard_releases_the_lock_and_saves_after_an_exception(program, cloud):
    def broken():
        yield ENSURE_SESSION
        raise ZeroDivisionError

    one = program()
    with pytest.raises(ZeroDivisionError):
        one.run(broken)
    assert book(one).last_login is not None
    assert program().run() is None
    assert len(cloud.logins) == 1


def test_client_forget_sends_nothing_and_keeps_the_back_off(program, cloud):
    program().run()
    cloud.slow_until = cloud.now + HOUR
    program().run()
    sent, before = len(cloud.requests), book(program())
    assert program().run("forget") is None
    after = book(program())
    assert len(cloud.requests) == sent
    assert (after.pause, after.pause_until, after.strikes) == (before.pause, before.pause_until, before.strikes)
    assert (after.logins, after.requests_used, after.has_session) == (before.logins, before.requests_used, False)


def test_guard_keeps_the_session_if_a_login_is_refused(program, cloud):
    program().run()
    cloud.slow_until = cloud.now + 60
    program().run()
    assert isinstance(program().run("insist"), Throttled)
    cloud.now += 400
    assert program().run() is None
    assert len(cloud.logins) == 1


def test_forced_login_replaces_a_valid_session(program, cloud):
    program().run()
    assert program().run("insist") is None
    assert len(cloud.logins) == 2


def test_guard_keeps_the_quota_over_a_day(program, cloud):
    one = program()
    for _ in range(480):
        one.run()
        cloud.now += 180
    assert len(cloud.recent(cloud.requests)) <= 160
    assert program(interactive=True).run() is None


# The two dialects of GoodWe


@pytest.fixture
def goodwe(folder):
    """Return a function that creates a GoodWe protocol and its guard, as another program would."""

    def make(limits=GoodWe.default_limits, **facts):
        session = Session(resolve_server("global"))
        session.facts.update(facts)
        protocol = AccountProtocol(GoodWeProtocol(), session, Credentials("ada", Secret("hunter2")))
        guard = Keeper(folder).guard("goodwe", session.server, "ada", limits, clock=lambda: NOON)
        return protocol, guard

    return make


def run_plan(pair, plan, *replies, at=NOON):
    protocol, guard = pair
    guard.clock = lambda: at
    sent = []
    try:
        script(guard.run(protocol, lambda: plan), [one._replace(received_at=at) for one in replies], sent)
    except CloudError as error:
        return sent, error, guard.load(at)
    return sent, None, guard.load(at)


def test_two_dialects_take_two_logins_without_failure(goodwe):
    sent, error, kept = run_plan(goodwe(), ENSURE_SESSION, PARAMETER_ERROR, legacy_login())
    assert (len(sent), error) == (2, None)
    assert (len(kept.logins), kept.failures, kept.trying, kept.has_session) == (2, 0, False, True)


def test_guard_skips_the_second_dialect_if_the_quota_forbids_it(goodwe):
    sent, error, kept = run_plan(goodwe(Limits(100, 2, 0, 0)), ENSURE_SESSION, PARAMETER_ERROR)
    assert len(sent) == 1
    assert isinstance(error, Throttled)
    assert (len(kept.logins), kept.failures, kept.trying) == (1, 1, False)


def test_guard_does_not_count_a_dialect_change_as_expired_session(goodwe):
    run_plan(goodwe(), FLOWS(PLANT), plus_login(), plus(FLOW))
    sent, error, kept = run_plan(goodwe(), DETAILS(PLANT), legacy_login(), legacy(DETAIL))
    assert (len(sent), error) == (2, None)
    assert kept.deaths == []
    assert not any("the session ended" in sentence for _, sentence in kept.notes)


def test_guard_keeps_the_session_if_the_quota_forbids_a_dialect_change(goodwe):
    limits = Limits(100, 1, 0, 0)
    run_plan(goodwe(limits), FLOWS(PLANT), plus_login(), plus(FLOW))
    sent, error, kept = run_plan(goodwe(limits), DETAILS(PLANT))
    assert sent == []
    assert isinstance(error, Throttled)
    assert kept.has_session
    assert len(run_plan(goodwe(limits), FLOWS(PLANT), plus(FLOW))[0]) == 1


@pytest.mark.parametrize("ended", [EXPIRED, legacy(None, "100001")])
def test_expired_authorisation_is_renewed_once_then_reported(goodwe, ended):
    run_plan(goodwe(), DETAILS(PLANT), legacy_login(), legacy(DETAIL))
    sent, error, _ = run_plan(goodwe(), DETAILS(PLANT), ended, legacy_login(), legacy(DETAIL), at=NOON + HOUR)
    assert (len(sent), error) == (3, None)
    sent, error, kept = run_plan(goodwe(), DETAILS(PLANT), ended, legacy_login(), ended, at=NOON + 2 * HOUR)
    assert len(sent) == 3
    assert isinstance(error, SessionExpired)
    assert len(kept.deaths) == 1


def test_guard_waits_five_minutes_after_gy0429(goodwe):
    run_plan(goodwe(), FLOWS(PLANT), plus_login(), plus(FLOW))
    _, error, kept = run_plan(goodwe(), FLOWS(PLANT), plus(code="GY0429"))
    assert isinstance(error, Throttled)
    assert kept.pause_until == NOON + 300
    assert run_plan(goodwe(), FLOWS(PLANT))[0] == []


def test_guard_does_not_repeat_a_login_refused_as_abnormal(goodwe):
    run_plan(goodwe(), FLOWS(PLANT), plus_login(), plus(FLOW))
    sent, error, _ = run_plan(goodwe(), FLOWS(PLANT), ABNORMAL, plus_login(), ABNORMAL)
    assert (len(sent), type(error)) == (3, SessionExpired)
    sent, error, _ = run_plan(goodwe(), FLOWS(PLANT))
    assert sent == []
    assert isinstance(error, CloudError)


# The state file


def test_state_file_is_private_and_its_name_is_anonymous(program, folder):
    one = program()
    one.run()
    program("wrong").run("insist")
    path = one.guard.store.path
    assert {stat.S_IMODE(one.stat().st_mode) for one in (path, path.with_suffix(".lock"))} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert USER not in path.name
    text = path.read_text()
    assert json.loads(text)["format"] == 2
    assert "wrong" not in text
    assert "right" not in text


def test_state_files_differ_by_vendor_server_and_user(tmp_path):
    keeper = Keeper(tmp_path)
    known = [("growatt", "https://a/", "ada"), ("growatt", "https://b/", "ada"), ("growatt", "https://a/", "bob")]
    places = {
        keeper.guard(*one, Growatt.default_limits).store.path for one in [*known, ("goodwe", "https://a/", "ada")]
    }
    assert len(places) == 4


def test_client_without_keeper_writes_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("HELIOGRAPH_HOME", str(tmp_path))
    one = Growatt("ada", "pw", server="http://127.0.0.1:9/", keeper=None)
    with pytest.raises(Unreachable):
        one.plant_list()
    with pytest.raises(ConfigError, match="keeper=None"):
        _ = one.budget
    assert list(tmp_path.iterdir()) == []


def test_session_given_by_the_caller_is_used_until_one_is_stored(program, cloud):
    one = program()
    one.protocol.session.alive = True
    one.protocol.session.cookies = {"openapi.growatt.com": {"JSESSIONID": cloud.open()}}
    assert one.run() is None
    assert program().run() is None
    assert cloud.logins == []


@pytest.mark.parametrize(("name", "value"), [("base", "https://evil.example/"), ("server", "https://evil.example/")])
def test_stored_session_of_an_untrusted_server_is_ignored(program, cloud, name, value):
    one = program()
    one.run()
    kept = book(one)
    kept.session[name] = value
    save_state(one.guard.store, kept)
    another = program()
    another.start()
    assert another.pending.url.startswith(SERVER)


def whole_file(program):
    one = program()
    one.run()
    return one.guard.store.path, one.guard.store.path.read_bytes()


def set_aside(path):
    return sorted(path.parent.glob("*.broken-*"))


def test_state_file_truncated_anywhere_is_set_aside(program):
    path, whole = whole_file(program)
    state_file = program().guard.store
    for length in [*range(0, len(whole), 97), *range(len(whole) - 5, len(whole))]:
        path.write_bytes(whole[:length])
        kept = load_held(state_file, NOON)
        (aside,) = set_aside(path)
        assert aside.read_bytes() == whole[:length]
        assert kept.session is None
        assert [aside.name in sentence for _, sentence in kept.notes] == [True]
        aside.unlink()


def test_state_file_with_a_changed_byte_has_a_state_that_was_saved_or_none(program, cloud):
    path, _ = whole_file(program)
    cloud.now += HOUR
    assert program().run() is None  # the third save: all copies are in use
    whole = path.read_bytes()
    saved = {copy["copy"]: copy["book"] for copy in json.loads(whole)["copies"] if copy}
    newest = max(saved)
    found = []
    texts = [place for place, byte in enumerate(whole) if byte != ord(" ")]
    for place in [*texts[::3], *range(0, len(whole), 501)]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        members = program().guard.store.load(NOON).to_dict()
        found.append(next((number for number, book in saved.items() if book == members), 0))
        assert found[-1] or members["session"] is None
    assert sorted(set(found)) == [0, newest - 1, newest]


def test_damage_of_the_newest_copy_is_noted_and_the_one_before_is_used(program):
    path, whole = whole_file(program)
    newest = whole.rindex(b'"opened_at":17')
    path.write_bytes(whole[:newest] + b"?" + whole[newest + 1 :])
    state = load_held(program().guard.store, NOON)
    assert (state.trying, state.has_session) == (True, False)  # as saved before the login
    assert "a copy of the state in its file was damaged" in state.notes[-1][1]
    assert set_aside(path) == []


NUMBERS = st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e308, 10**400, -1, True, None])
SHAPES = st.recursive(NUMBERS | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["format", "sum", "book", "session", "spent", "at"]), inner, max_size=5))  # fmt: skip


@given(st.binary(max_size=200) | SHAPES.map(lambda shape: json.dumps(shape).encode()))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_state_file_with_arbitrary_content_is_set_aside_unchanged(program, content):
    one = program()
    one.guard.store.folder.mkdir(exist_ok=True)
    path = one.guard.store.path
    path.write_bytes(content)
    assert one.run("forget") is None
    assert set_aside(path)[-1].read_bytes() == content
    assert "is damaged and was renamed" in notes(one)
    for aside in set_aside(path):
        aside.unlink()


def test_state_files_set_aside_get_distinct_names(program):
    path, _ = whole_file(program)
    for content in (b"one", b"two", b"three"):
        path.write_bytes(content)
        program().run("forget")
    assert sorted(aside.read_bytes() for aside in set_aside(path)) == [b"one", b"three", b"two"]


def test_budget_does_not_modify_files(program):
    path, whole = whole_file(program)
    path.write_bytes(whole[:-1])
    found = program().guard.budget()
    assert "will be renamed" in found.notes[-1][1]
    assert (path.read_bytes(), set_aside(path)) == (whole[:-1], [])


def test_state_file_symlink_is_not_followed(program, tmp_path, cloud):
    path, whole = whole_file(program)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(whole)
    path.unlink()
    path.symlink_to(elsewhere)
    cloud.now += HOUR
    assert program().run() is None
    assert len(cloud.logins) == 2
    assert elsewhere.read_bytes() == whole
    assert not path.is_symlink()


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_linked_state_folder_in_a_shared_place_is_refused(program, tmp_path, cloud):
    path, whole = whole_file(program)
    elsewhere = tmp_path / "elsewhere"
    path.parent.rename(elsewhere)
    path.parent.symlink_to(elsewhere)
    path.parent.parent.chmod(0o1777)
    error = program().run()
    assert isinstance(error, StoreError)
    assert "symbolic link" in str(error)
    assert (elsewhere / path.name).read_bytes() == whole


def test_state_file_of_another_version_is_not_modified(program):
    path, _ = whole_file(program)
    write_format(path, 3, {})
    content = path.read_bytes()
    error = program().run()
    assert isinstance(error, StoreError)
    assert "another version of heliograph" in str(error)
    assert path.read_bytes() == content


def older_file(program, **members):
    """Write the state as versions before 21 November 2026 did: flat, one refused password, no checksum."""
    path, _ = whole_file(program)
    members = {**stored_members(path), "refused_password": "", "pause_from": 0.0, **members}
    del members["refused_passwords"], members["behind"]
    path.write_text(json.dumps({"format": 1, **members}))
    return path


def test_state_file_without_checksum_of_an_older_version_keeps_locks_requests_and_session(program, cloud):
    older_file(program, pause="locked", pause_until=cloud.now + 3600, pause_why="locked", spent=[[cloud.now - 60, 7]])
    assert isinstance(program().run(), AccountLocked)
    one = program()
    state = load_held(one.guard.store, cloud.now)
    assert (state.requests_used, state.has_session, state.pause) == (7, True, "locked")
    assert [note for _, note in state.notes] == ["logged in"]


def test_state_file_without_checksum_keeps_refused_password(program, cloud):
    older_file(program, refused_password="f1")
    one = program()
    assert one.guard.store.load(cloud.now).refused_passwords == ["f1"]


@pytest.mark.parametrize(
    "wrong", [{"spent": [["now", 1]]}, {"spent": [[]]}, {"logins": "soon"}, {"pause_until": None}, {"session": [1]}]
)
def test_state_file_without_checksum_and_with_wrong_members_is_set_aside(program, cloud, wrong):
    path = older_file(program, **wrong)
    one = program()
    state = load_held(one.guard.store, cloud.now)
    assert "is damaged and was renamed to" in state.notes[0][1]
    assert path.with_name(f"{path.name}.broken-1").exists()


def test_state_file_with_unknown_members_is_loaded(program, cloud):
    one = program()
    one.run()
    newer = book(one)
    newer.strange = newer.strikes
    del newer.strikes
    save_state(one.guard.store, newer)
    assert program().run() is None
    assert len(cloud.logins) == 1


# A full disk


@contextmanager
def no_space():
    """Set the file size limit to 0, which simulates a full disk without privileges."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_guard_sends_no_login_on_a_full_disk(program, cloud):
    program().run("forget")
    one = program()
    with no_space():
        for _ in range(5):
            error = one.run()
            assert isinstance(error, StoreError)
            assert "free disk space" in str(error)
    assert cloud.requests == []
    assert one.run() is None
    assert (book(one).failures, len(book(one).logins)) == (0, 1)


def test_guard_reads_on_a_full_disk_and_saves_later(program, cloud):
    one = program()
    one.run()
    with no_space():
        for _ in range(5):
            assert one.run() is None
        assert one.guard.budget().requests_used == 7
    assert one.run() is None
    assert book(program()).requests_used == 8
    assert len(cloud.logins) == 1


def test_guard_remembers_a_lock_on_a_full_disk(program, cloud):
    one = program()
    one.run()
    cloud.slow_until = cloud.now + 60
    with no_space():
        assert isinstance(one.run(), Throttled)
    cloud.now += 61
    assert program().run() is None  # a program that cannot read the unsaved state
    assert isinstance(one.run(), Throttled)
    assert isinstance(program().run(), Throttled)  # the state is saved by now


def test_guard_reads_with_a_stored_session_on_a_full_disk(program, cloud):
    program().run()
    with no_space():
        assert program().run() is None
    assert len(cloud.logins) == 1


def test_guard_records_a_login_although_no_file_can_be_opened(program, cloud, monkeypatch):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    real = cloud._login

    def login(fields):
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        return real(fields)

    monkeypatch.setattr(cloud, "_login", login)
    try:
        assert program().run() is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert program().run() is None
    assert len(cloud.logins) == 1
    assert book(program()).failures == 0


def test_guard_without_files_says_how_to_raise_the_limit(program, cloud):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    one = program()
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        error = one.run()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert isinstance(error, StoreError)
    assert "ulimit -n" in str(error)
    assert cloud.requests == []
    assert one.run() is None


FULL_DISK_SCRIPT = """
import subprocess, sys
from pathlib import Path
from support.keeper_cloud import CountingCloud, Program
folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=True)
cloud = CountingCloud()
make = lambda: Program(cloud, folder, lambda: cloud.now, "right")
assert make().run() is None

def fill():
    big = open(folder / "big", "wb", buffering=0)
    try:
        while big.write(b"x" * 512):
            pass
    except OSError as error:
        print(error.strerror)

fill()
one = make()
for _ in range(3):
    assert one.run() is None
cloud.valid_cookie = None
assert one.run() is None  # states are overwritten in place: a login can be recorded
assert len(cloud.logins) == 2
assert make().guard.budget().requests_used == 2 + 3 + 3
one.guard.store.path.unlink()
(folder / "big").unlink()
fill()
one = make()
print(one.run())
assert len(cloud.logins) == 2
(folder / "big").unlink()
assert one.run() is None
assert len(cloud.logins) == 3
"""


def test_state_file_on_a_full_disk(tmp_path):
    program = ["unshare", "-rm", sys.executable, "-c", FULL_DISK_SCRIPT, str(tmp_path)]
    environ = os.environ | {"PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent / 'src'}", "LC_ALL": "C"}
    try:
        allowed = subprocess.run(
            ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", tmp_path], check=False, capture_output=True
        )
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if allowed.returncode:
        pytest.skip("no small file system may be mounted here")
    done = subprocess.run(program, check=False, capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done.stderr
    *full, refusal = done.stdout.splitlines()
    assert full == ["No space left on device"] * 2
    assert "No space left on device" in refusal
    assert "free disk space" in refusal


def test_state_folder_that_is_a_file_is_an_error_with_advice(program, cloud, folder):
    folder.write_text("mine")
    error = program().run()
    assert isinstance(error, StoreError)
    assert "set HELIOGRAPH_HOME to another folder" in str(error)
    assert cloud.requests == []


def test_state_file_that_is_a_folder_is_an_error_with_advice(program, cloud, folder):
    one = program()
    one.guard.store.path.mkdir(parents=True)
    error = one.run()
    assert isinstance(error, StoreError)
    assert str(one.guard.store.path) in str(error)
    with pytest.raises(StoreError):
        one.guard.budget()
    assert cloud.requests == []


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
@pytest.mark.parametrize("what", ["folder", "file"])
def test_state_folder_without_permission_is_an_error_with_advice(program, cloud, folder, what):
    path, _ = whole_file(program)
    (folder if what == "folder" else path).chmod(0)
    try:
        error = program().run()
    finally:
        folder.chmod(0o700)
    assert isinstance(error, StoreError)
    assert "set HELIOGRAPH_HOME" in str(error)


def test_state_file_save_replaces_a_leftover_temporary_file(program, cloud):
    path, _ = whole_file(program)
    path.with_suffix(".new").write_bytes(b'{"for')
    path.with_suffix(".new").chmod(0)
    assert program().run() is None
    assert len(cloud.logins) == 1
    assert stored_cookie(path) == cloud.valid_cookie


def test_forced_login_ends_if_its_state_cannot_be_saved(program, cloud):
    one = program()
    one.run("forget")
    with no_space():
        assert isinstance(one.run("insist"), StoreError)
    assert one.protocol.forced is False


def test_client_at_a_prompt_is_interactive(monkeypatch, tmp_path):
    def waits(**options):
        return Growatt("me", "secret", keeper=Keeper(tmp_path), **options).guard.interactive

    assert not waits()
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    assert waits()
    assert not waits(interactive=False)
