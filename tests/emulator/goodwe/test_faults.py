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
def box():
    found = Portal(world())
    found.log_in()
    return found


def test_fault_expire_without_seconds_ends_only_the_current_session(box):
    box.fault(expire=True)
    assert [box.ask(OWNER)["code"] for _ in range(2)] == ["100002"] * 2
    box.log_in()
    assert [box.ask(OWNER)["code"] for _ in range(2)] == ["0"] * 2


def test_expired_session_stays_expired_after_the_fault(box):
    box.fault(idle="600")
    box.wait(seconds=599)
    assert box.ask(OWNER)["code"] == "0"
    box.wait(seconds=600)
    assert box.ask(OWNER)["code"] == "100002"
    box.fault(idle=None)
    assert box.ask(OWNER)["code"] == "100002"


def test_fault_flaky_ends_the_session_after_every_call(box):
    box.fault(flaky=True)
    for _ in range(2):
        assert [box.ask(OWNER)["code"] for _ in range(2)] == ["0", "100002"]
        box.log_in()


def test_fault_rival_replaces_the_session_periodically(box):
    box.fault(rival="300")  # the boundary is at 12:05, three minutes ahead
    box.wait(seconds=179)
    assert box.ask(OWNER)["code"] == "0"
    box.wait(seconds=1)
    assert box.ask(OWNER)["code"] == "100002"
    box.log_in()
    assert box.ask(OWNER)["code"] == "0"
    box.wait(seconds=300)
    assert box.ask(OWNER)["code"] == "100002"


def test_fault_block_returns_403_for_hours(box):
    box.fault(block="2/60")
    assert [box.status() for _ in range(3)] == [200, 200, 403]
    box.wait(hours=4)
    assert box.status() == 200


def test_faults_lock_and_quota_have_no_effect(box):
    box.fault(lock="0", quota="1")
    box.log_in()
    assert [box.ask(OWNER)["code"] for _ in range(3)] == ["0"] * 3


def test_log_counts_requests_with_expired_tokens_and_throttled_logins(box):
    box.fault(expire="0", rate="3")
    assert box.ask(OWNER)["code"] == "100002"
    for _ in range(3):
        box.log_in()
    told = json.loads(box.emulator.respond("GET", "/control/log").body)["accounts"][box.holder.username]
    assert (told["logins"], told["rejected_logins"], told["requests"]) == (3, 1, 5)
    assert told["locked_until"] is None
