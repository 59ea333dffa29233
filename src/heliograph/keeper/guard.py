"""The guard of an account: runs one protocol flow at a time, across processes, within the account's limits.

The guard is a generator around the flow's own, without I/O: it yields what a driver has to send, wait for, load or
save, refuses requests that the policy does not allow, and has the state saved before each request, so that a killed
program loses none of it.
"""

from __future__ import annotations

import hashlib
from json import dumps, loads
from typing import TYPE_CHECKING, Any, TypeVar, cast

from heliograph.core.effects import Effect, run_effects
from heliograph.core.session import Session, Sleep
from heliograph.errors import CloudError, HeliographError, StoreError, Throttled
from heliograph.keeper import policy
from heliograph.keeper.state_store import AcquireLock, AdmitRequest, LoadState, ReleaseLock, SaveState

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from heliograph.core.effects import EffectFlow
    from heliograph.core.endpoint import Flow
    from heliograph.core.protocol import AccountProtocol
    from heliograph.core.session import HttpFlow, Request, Response
    from heliograph.keeper.budget import Budget
    from heliograph.keeper.limits import Limits
    from heliograph.keeper.snapshot_file import SnapshotFile
    from heliograph.keeper.state import AccountState
    from heliograph.keeper.state_store import AsyncHeldState, HeldState, StateStore

T = TypeVar("T")

LOCK_POLL_SECONDS = 0.05
ROUNDS = 10_000
"""PBKDF2 rounds: the cost of guessing a refused password from its fingerprint."""


class AccountGuard:
    """The rate limiter and lock between one account's flows and the network."""

    def __init__(
        self,
        store: StateStore,
        folder: Path,
        limits: Limits,
        clock: Callable[[], float],
        *,
        interactive: bool,
        self_throttled: bool = False,
        pacing_advice: str = "",
        patience: float,
    ) -> None:
        self.store = store
        self.folder = folder
        self.limits = limits
        self.clock = clock
        self.interactive = interactive
        self.self_throttled = self_throttled
        self.pacing_advice = pacing_advice
        self.patience = patience
        self._unsaved: AccountState | None = None
        self._last: AccountState | None = None

    @property
    def snapshot_file(self) -> SnapshotFile:
        """The newest snapshots of the account."""
        from heliograph.keeper.snapshot_file import SnapshotFile  # noqa: PLC0415 - single calls do not need it

        return SnapshotFile(self.folder, self.store.name)

    def load_flow(self, now: float) -> EffectFlow[AccountState]:
        """Load the state and set its time to `now`; includes what could not be saved before."""
        return self.current((yield LoadState(self.store, now)), now)

    def load(self, now: float) -> AccountState:
        """Run `load_flow` on this thread; reads a file, so not on an event loop."""
        return run_effects(self.load_flow(now))

    def budget_flow(self) -> EffectFlow[Budget]:
        """Return the used and remaining requests, and the current back-off."""
        now = self.clock()
        return policy.budget((yield from self.load_flow(now)), now, self.limits)

    def budget(self) -> Budget:
        """Run `budget_flow` on this thread."""
        return run_effects(self.budget_flow())

    def budget_after_flow(self) -> Budget | None:
        """Return the budget at the end of this client's last flow, once; None if none has ended since.

        No file is read.
        """
        state, self._last = self._last, None
        return None if state is None else policy.budget(state, self.clock(), self.limits)

    def available_at_flow(self, requests: int) -> EffectFlow[float]:
        """Return when a program may send so many requests, if none is sent until then."""
        now = self.clock()
        state = yield from self.load_flow(now)
        limit = self.limits.usable_requests(interactive=False)
        return now if state.requests_used + requests <= limit else state.available_at(max(limit - requests + 1, 1))

    def available_at(self, requests: int) -> float:
        """Run `available_at_flow` on this thread."""
        return run_effects(self.available_at_flow(requests))

    def check_pacing(self) -> None:
        """Raise `Throttled` if a program must wait before it starts a sequence of requests; nothing is recorded."""
        if not (self.interactive or self.self_throttled):
            now = self.clock()
            self.check_pacing_of(self.load(now), now)

    def check_pacing_of(self, state: AccountState, now: float) -> None:
        """Raise `Throttled` if a sequence of requests may not start in this state."""
        try:
            policy.check_pacing(state, now, self.limits)
        except Throttled as refusal:
            refusal.advice += self.pacing_advice
            raise

    def fingerprint(self, password: str) -> str:
        """Return a hash of a password of this account; slow on purpose, and rarely needed."""
        salt = self.store.name.encode()
        return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ROUNDS).hex()

    def run(self, protocol: AccountProtocol, flow: Callable[[], Flow[T]]) -> HttpFlow[T]:
        """Run one flow while holding the account's lock."""
        now, waited = self.clock(), 0.0
        while (locked := (yield AcquireLock(self.store, now))) is None:
            if waited >= self.patience:
                raise self._busy_error(protocol.cloud.vendor)
            yield Sleep(LOCK_POLL_SECONDS)
            waited += LOCK_POLL_SECONDS
            now = self.clock()
        held, stored = locked
        run = _GuardedRun(self, protocol, held, stored, now)
        try:
            result = yield from run.execute(flow)
        except GeneratorExit:
            raise  # the driver abandoned the flow: nothing can be saved, and the lock ends when `held` is deleted
        except BaseException:
            yield from run.finish()
            raise
        yield from run.finish()
        return result

    def current(self, stored: AccountState, now: float) -> AccountState:
        """Return the stored state at the time `now`, with what could not be saved before."""
        state = stored
        if self._unsaved is not None:
            if state.at <= self._unsaved.at:
                state = self._unsaved.copy()
            else:  # another program saved meanwhile
                state.merge(self._unsaved)
        state.advance_to(now)
        return state

    def ended(self, state: AccountState) -> None:
        """Note the state at the end of a flow."""
        self._last = state

    def saved(self, state: AccountState, *, is_saved: bool) -> None:
        """Note a state that could not be saved, for the next flow of this program; or that one was saved."""
        self._unsaved = None if is_saved else state.copy()

    def _busy_error(self, vendor: str) -> Throttled:
        error = Throttled(
            f"another program has been using this account for {self.patience:.0f} s, and requests are sent by one "
            "program at a time",
            vendor=vendor,
            advice="Check whether another program hangs, then try again",
        )
        error.retry_after = self.patience
        return error


class _GuardedRun:
    """The execution of one flow while the account's lock is held."""

    def __init__(
        self, guard: AccountGuard, protocol: AccountProtocol, held: HeldState, stored: AccountState, now: float
    ) -> None:
        self.guard = guard
        self.protocol = protocol
        self.held = held
        self.now = now
        self.state = stored
        self._saved = stored.copy()
        self._seen_error: CloudError | None = None
        self._refusal: CloudError | None = None
        self._begun = False
        self._has_response = False
        self._is_under_way = False
        self._deaths = 0

    def execute(self, flow: Callable[[], Flow[T]]) -> HttpFlow[T]:
        """Run the flow within the limits; `finish` follows."""
        self.state = self.guard.current(self.state, self.now)
        self.protocol.last_error, self.protocol.records_errors = None, True
        self._restore_session()
        self._deaths = self.protocol.session.deaths
        if self.state.trying:
            policy.on_interrupted_login(self.state, self.now)
        outcome: Any = None
        steps = self.protocol.execute(flow(), self.now)
        try:
            while True:
                step = steps.throw(outcome) if isinstance(outcome, BaseException) else steps.send(outcome)
                if isinstance(step, (Sleep, Effect)):
                    outcome = yield from self._pass_on(step)
                    continue
                outcome = self._check(step)
                if outcome is None:
                    outcome = yield from self._send(step)
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            outcome = None  # as in `resume`
            steps.close()

    def finish(self) -> EffectFlow[None]:
        """Record the last outcome, save the state if it changed, and release the lock."""
        changed = durable = False
        try:
            self._record_outcome()
            changed, durable = self._change()
        finally:
            # They would refer to this object by their tracebacks, with the responses they are about.
            self.protocol.last_error = self._seen_error = self._refusal = None
            try:
                state = self._saved if changed else None
                yield ReleaseLock(self.held, state, durable=durable, abandoned=self._is_under_way)
            except StoreError:
                self.guard.saved(self.state, is_saved=False)
            else:
                if changed:
                    self.guard.saved(self.state, is_saved=True)
            self.guard.ended(self.state)

    def _restore_session(self) -> None:
        """Use the stored session, whichever program opened it."""
        current, stored = self.protocol.session, self.state.session
        if stored is None:
            return
        if stored == current.to_dict():
            return
        session = Session.from_dict(loads(dumps(stored)))  # the session in use changes in place
        if session.server == current.server and self.protocol.cloud.is_trusted_url(session, session.base):
            session.zone = current.zone
            self.protocol.session = session

    def _pass_on(self, step: Sleep | Effect) -> Generator[Sleep | Effect, Any, Any]:
        """Yield a sleep or an effect of the flow itself; return its result or its error."""
        try:
            result = yield step
        except StoreError as error:
            return error
        self._advance_to(self.guard.clock())
        self.protocol.session.now = self.now
        return result

    def _check(self, request: Request) -> CloudError | None:
        """Return why a request must not be sent now, or None."""
        self._record_outcome()
        try:
            # Pacing applies to the first request of a flow, unless a user waits or the program paces itself.
            if not (self._begun or self.guard.interactive or self.guard.self_throttled or self.protocol.forced):
                self.guard.check_pacing_of(self.state, self.now)
            self._begun = True
            policy.check(
                self.state,
                self.now,
                self.guard.limits,
                is_login=request.is_login,
                interactive=self.guard.interactive,
                forced=self.protocol.forced,
                fingerprint=self._fingerprint,
            )
        except CloudError as refusal:
            refusal.vendor = self.protocol.cloud.vendor
            self._refusal = refusal
            if request.is_login and self.state.opened_at is not None:
                # The old session was dropped by the flow, not by the vendor API, and may still be valid.
                self._restore_session()
            return refusal
        return None

    def _send(self, request: Request) -> Generator[Request | Effect, Any, Response | CloudError]:
        """Save that a request is sent, then send it.

        Raises `StoreError` before a login only, so that reads continue on a full disk. Any other error of the store is
        a refusal: the request is not sent.
        """
        guard, state, is_login = self.guard, self.state, request.is_login
        if self.held.is_async:
            # Before the request is counted: the wait may be long, and waits after a login are measured from its time.
            yield AdmitRequest(cast("AsyncHeldState", self.held), is_login=is_login)
            self._advance_to(guard.clock())
        policy.on_send(state, self.now, is_login=is_login)
        changed, durable = self._change()
        if changed:
            try:
                yield SaveState(self.held, self._saved, durable=durable or is_login)
            except StoreError:
                if is_login:
                    policy.refund(state, is_login=True)
                    raise
                guard.saved(state, is_saved=False)
            except HeliographError:
                policy.refund(state, is_login=is_login)
                raise
            else:
                guard.saved(state, is_saved=True)
        self._is_under_way = True  # also after a cancellation
        try:
            response: Response = yield request
        except CloudError as error:
            self._is_under_way = False
            if not getattr(error, "sent", True):
                policy.refund(state, is_login=is_login)
            self._advance_to(guard.clock())
            return error
        self._is_under_way = False
        self._advance_to(response.received_at)
        self._has_response = True
        return response

    def _advance_to(self, now: float) -> None:
        self.now = max(self.now, now)
        self.state.advance_to(self.now)

    def _record_outcome(self) -> None:
        """Update the state with the outcome of the last request: of the session, of a login, and of the call."""
        state, session, error = self.state, self.protocol.session, self.protocol.last_error
        if self._has_response and state.trying and session.alive:
            policy.on_login(state, self.now, self._fingerprint)
        if session.deaths != self._deaths:
            self._deaths = session.deaths
            policy.on_session_expired(state, self.now)
        if error is not self._seen_error and error is not None:
            self._seen_error = error
            if error is not self._refusal:
                policy.on_error(state, self.now, error, self._fingerprint)
            elif state.trying:
                policy.on_login_failed(state, self.now, error)
        elif self._has_response:
            policy.on_success(state)
        self._has_response = False

    def _change(self) -> tuple[bool, bool]:
        """Return whether the state differs from the saved one, and whether the difference must survive a power failure.

        The state is taken as saved from then on: one that could not be saved is noted by the guard.
        """
        state, saved = self.state, self._saved
        if state.session != (session := self.protocol.session.to_dict()):
            # As it is read again; deepcopy fails on values of a server that are nested as deeply as JSON may be.
            state.session = loads(dumps(session))
        if not state.has_session:
            state.opened_at = None
        if not state.differs_from(saved):
            return False, False
        self._saved = state.copy()
        return True, state.needs_durability(saved)

    def _fingerprint(self) -> str:
        credentials = self.protocol.credentials
        return self.guard.fingerprint(credentials.password.reveal() if credentials else "")
