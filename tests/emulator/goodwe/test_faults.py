"""Tests of GoodWe faults in the emulator: early expiry, concurrent logins, firewall blocks and log counters."""

from __future__ import annotations

import json

import pytest

from support.goodwe_emulator import OWNER, Caller, world


class Portal(Caller):
    """Raw client of the SEMS Portal."""

    def status(self):
        return self.send("POST", OWNER, {"token": json.dumps(self.token)}, b"{}")[0]


@pytest.fixture
def caller():
    caller = Portal(world())
    caller.log_in()
    return caller


def test_fault_expire_without_seconds_ends_only_the_current_session(caller):
    caller.fault(expire=True)
    assert [caller.call(OWNER)["code"] for _ in range(2)] == ["100002"] * 2
    caller.log_in()
    assert [caller.call(OWNER)["code"] for _ in range(2)] == ["0"] * 2


def test_expired_session_stays_expired_after_the_fault(caller):
    caller.fault(idle="600")
    caller.wait(seconds=599)
    assert caller.call(OWNER)["code"] == "0"
    caller.wait(seconds=600)
    assert caller.call(OWNER)["code"] == "100002"
    caller.fault(idle=None)
    assert caller.call(OWNER)["code"] == "100002"


def test_fault_flaky_ends_the_session_after_every_call(caller):
    caller.fault(flaky=True)
    for _ in range(2):
        assert [caller.call(OWNER)["code"] for _ in range(2)] == ["0", "100002"]
        caller.log_in()


def test_fault_rival_replaces_the_session_periodically(caller):
    caller.fault(rival="300")  # the boundary is at 12:05, three minutes ahead
    caller.wait(seconds=179)
    assert caller.call(OWNER)["code"] == "0"
    caller.wait(seconds=1)
    assert caller.call(OWNER)["code"] == "100002"
    caller.log_in()
    assert caller.call(OWNER)["code"] == "0"
    caller.wait(seconds=300)
    assert caller.call(OWNER)["code"] == "100002"


def test_fault_block_returns_403_for_hours(caller):
    caller.fault(block="2/60")
    assert [caller.status() for _ in range(3)] == [200, 200, 403]
    caller.wait(hours=4)
    assert caller.status() == 200


def test_faults_lock_and_quota_have_no_effect(caller):
    caller.fault(lock="0", quota="1")
    caller.log_in()
    assert [caller.call(OWNER)["code"] for _ in range(3)] == ["0"] * 3


def test_log_counts_requests_with_expired_tokens_and_throttled_logins(caller):
    caller.fault(expire="0", rate="3")
    assert caller.call(OWNER)["code"] == "100002"
    for _ in range(3):
        caller.log_in()
    counts = json.loads(caller.emulator.respond("GET", "/control/log").body)["accounts"][caller.account.username]
    assert (counts["logins"], counts["rejected_logins"], counts["requests"]) == (3, 1, 5)
    assert counts["locked_until"] is None
