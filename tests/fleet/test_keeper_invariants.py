"""The keeper's invariants with states in PostgreSQL: worker crashes, vendor faults, clock changes and lost rows."""

from __future__ import annotations

import asyncio
import tempfile

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from heliograph.core.protocol import AccountProtocol
from heliograph.core.redact import Secret
from heliograph.core.session import Credentials, Request, Session
from heliograph.errors import StoreError
from heliograph.fleet.permits import REQUEST_SECONDS
from heliograph.keeper import Keeper
from heliograph.vendors.growatt.auth import GrowattProtocol
from keeper.test_state_machine import KeeperInvariants
from support import keeper_cloud
from support.fleet_database import Owner
from support.growatt_script import SERVER, USER
from support.keeper_cloud import LIMITS, Program

EXAMPLES, STEPS = 15, 40


class Worker:
    """The current owner of the account's shard, and the account's store, for blocking callers."""

    is_async = False
    name = "account"

    def __init__(self, fleet, runner):
        self.fleet, self.runner = fleet, runner
        self.account = fleet.add_account("roof")
        self.token = 0
        self.owner = None
        self.take_over()

    @property
    def path(self):
        """What tests of files name by their path."""
        return self

    def take_over(self):
        """Continue as a new worker, after requests under way are over."""
        self.close()
        self.token += 1
        self.fleet.run("UPDATE permit SET asked_at = asked_at - %s", (REQUEST_SECONDS,))
        self.owner = Owner(self.fleet, f"owner {self.token}", self.token)
        self.runner.run(self.owner.take())
        self.store = self.owner.store(self.account)

    def close(self):
        if self.owner is not None:
            self.runner.run(self.owner.__aexit__())

    def load(self, now):
        return self.runner.run(self.store.load(now))

    def hold(self):
        held = self.runner.run(self.store.hold())
        return held and Held(held, self.runner)

    def stored_cookie(self):
        """Return the cookie of the session that a new owner would find."""
        session = self.runner.run(self.owner.store(self.account).load(0.0)).session
        if not session or not session["alive"]:
            return None
        return next(iter(session["cookies"].values()), {}).get("JSESSIONID")


class Held:
    """A held state for blocking callers."""

    is_async = False

    def __init__(self, held, runner):
        self.held, self.runner = held, runner

    def load(self, now):
        return self.runner.run(self.held.load(now))

    def save(self, state, *, durable):
        self.runner.run(self.held.save(state, durable=durable))

    def release(self):
        self.runner.run(self.held.release())


class FleetProgram(Program):
    """A flow of the worker: all of them share its store."""

    def __init__(self, cloud, worker, clock, password, *, interactive=False):
        self.cloud, self.worker, self.clock, self.password = cloud, worker, clock, password
        self.protocol = AccountProtocol(GrowattProtocol(), Session(SERVER), Credentials(USER, Secret(password)))
        keeper = Keeper(tempfile.gettempdir(), patience=0.2, store=lambda name: worker)
        self.guard = keeper.guard("growatt", SERVER, USER, LIMITS, interactive=interactive, clock=clock)
        self.steps = self.pending = self.error = self.cookie_at_start = None

    def crash(self, *, after_sending):
        if after_sending and isinstance(self.pending, Request):
            self.assert_allowed(self.pending)
            self.cloud.serve(self.pending)
        if self.steps is not None:
            self.steps.close()
        self.steps = self.pending = None

    def kill(self, *, after_sending):
        self.crash(after_sending=after_sending)
        self.worker.take_over()


class FleetInvariants(KeeperInvariants):
    """The same events; a killed program is the crash of a worker with all its flows."""

    fleet = runner = None

    def __init__(self):
        self.fleet.empty()
        self.worker = Worker(self.fleet, self.runner)
        super().__init__()

    def program(self, password, *, interactive=False):
        return FleetProgram(self.cloud, self.worker, self.clock, password, interactive=interactive)

    @rule(number=st.integers(0, 2), after_sending=st.booleans())
    def kill_program(self, number, after_sending):
        for one in self.programs:
            one.crash(after_sending=after_sending)
        self.worker.take_over()
        self.programs = [self.program(one.password) for one in self.programs]
        self.assert_one_sender()

    @rule(table=st.sampled_from(["permit", "account_state", "requests_spent"]))
    def damage_state_file(self, table):
        """A failover may lose the last commits."""
        if not self.is_busy():
            self.fleet.run(f"DELETE FROM {table}")
            self.worker.take_over()
            self.cloud.usage.forget()
        self.assert_one_sender()

    def teardown(self):
        try:
            super().teardown()
        finally:
            self.worker.close()


def test_keeper_invariants_hold_with_states_in_the_database(fleet, monkeypatch):
    monkeypatch.setattr(keeper_cloud, "stored_cookie", Worker.stored_cookie)
    before = Program.sent
    with asyncio.Runner() as runner:
        monkeypatch.setattr(FleetInvariants, "fleet", fleet)
        monkeypatch.setattr(FleetInvariants, "runner", runner)
        run_state_machine_as_test(
            FleetInvariants,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate],
                report_multiple_bugs=False,
            ),
        )
    assert Program.sent - before > 100


def test_worker_is_a_state_store_of_one_account(fleet):
    with asyncio.Runner() as runner:
        worker = Worker(fleet, runner)
        held = worker.hold()
        assert worker.hold() is None
        held.release()
        fleet.run("DELETE FROM account")
        with pytest.raises(StoreError, match="was removed"):
            worker.take_over() or worker.hold()
        worker.close()
