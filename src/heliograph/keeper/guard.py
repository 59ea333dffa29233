"""The guard of an account: runs one protocol flow at a time, across processes, within the account's limits.

The guard is a generator around the flow's own: it yields what a driver has to send or wait for, refuses requests that
the policy does not allow, and writes the state before each request, so that a killed program loses none of it.
"""

from __future__ import annotations

import hashlib
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from heliograph.core.files import acquire
from heliograph.core.protocol import resume
from heliograph.core.session import Session, Sleep
from heliograph.errors import CloudError, StoreError, Throttled
from heliograph.keeper import policy

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from filelock import BaseFileLock

    from heliograph.core.endpoint import Flow
    from heliograph.core.protocol import AccountProtocol
    from heliograph.core.session import Request, Response
    from heliograph.keeper.limits import Budget, Limits
    from heliograph.keeper.snapshot_file import SnapshotFile
    from heliograph.keeper.state import AccountState
    from heliograph.keeper.state_file import StateFile

T = TypeVar("T")

LOCK_POLL_SECONDS = 0.05
ROUNDS = 10_000
"""PBKDF2 rounds: the cost of guessing a refused password from its fingerprint."""


class AccountGuard:
    """The rate limiter and lock between one account's flows and the network."""

    def __init__(
        self,
        state_file: StateFile,
        limits: Limits,
        clock: Callable[[], float],
        *,
        interactive: bool,
        self_throttled: bool = False,
        pacing_advice: str = "",
        patience: float,
    ) -> None:
        self.state_file = state_file
        self.limits = limits
        self.clock = clock
        self.interactive = interactive
        self.self_throttled = self_throttled
        self.pacing_advice = pacing_advice
        self.patience = patience
        self._unsaved: AccountState | None = None

    @property
    def snapshot_file(self) -> SnapshotFile:
        """The newest snapshots of the account."""
        from heliograph.keeper.snapshot_file import SnapshotFile  # noqa: PLC0415 - single calls do not need it

        return SnapshotFile(self.state_file.folder, self.state_file.name)

    def budget(self) -> Budget:
        """Return the used and remaining requests, and the current back-off."""
        now = self.clock()
        return policy.budget(self.load(now), now, self.limits)

    def available_at(self, requests: int) -> float:
        """Return when a program may send so many requests, if none is sent until then."""
        now = self.clock()
        state = self.load(now)
        limit, _ = self.limits.effective(interactive=False)
        return now if state.requests_used + requests <= limit else state.available_at(max(limit - requests + 1, 1))

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
        salt = self.state_file.name.encode()
        return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ROUNDS).hex()

    def run(
        self, protocol: AccountProtocol, flow: Callable[[], Flow[T]]
    ) -> Generator[Request | Sleep, Response | None, T]:
        """Run one flow while holding the account's lock."""
        lock = yield from self._acquire_lock(protocol.cloud.vendor)
        try:
            return (yield from _GuardedRun(self, protocol).execute(flow()))
        finally:
            lock.release()

    def _acquire_lock(self, vendor: str) -> Generator[Sleep, None, BaseFileLock]:
        lock = self.state_file.lock()
        try:
            for seconds in acquire(lock, self.patience, LOCK_POLL_SECONDS):
                yield Sleep(seconds)
        except TimeoutError:
            busy = Throttled(
                f"another program has been using this account for {self.patience:.0f} s, and requests are sent by one "
                "program at a time",
                vendor=vendor,
                advice="Check whether another program hangs, then try again",
            )
            busy.retry_after = self.patience
            raise busy from None
        except OSError as error:
            raise self.state_file.access_error(error) from None
        return lock

    def load(self, now: float, *, locked: bool = False) -> AccountState:
        """Load the state and set its time to `now`; includes what could not be saved before."""
        state = self.state_file.load(now, locked=locked)
        if self._unsaved is not None:
            if state.at <= self._unsaved.at:
                state = self._unsaved
            else:  # another program saved meanwhile
                state.merge(self._unsaved)
        state.advance_to(now)
        return state

    def save(self, state: AccountState, text: str, *, is_login: bool) -> None:
        """Save the state as `text`; raises `StoreError` before a login only, so that reads continue on a full disk."""
        try:
            self.state_file.save(text, durable=is_login)
        except StoreError:
            self._unsaved = state
            if is_login:
                raise
        else:
            self._unsaved = None


class _GuardedRun:
    """The execution of one flow while the account's lock is held."""

    def __init__(self, guard: AccountGuard, protocol: AccountProtocol) -> None:
        self.guard = guard
        self.protocol = protocol
        self.now = guard.clock()
        self.state = guard.load(self.now, locked=True)
        self._seen_error: CloudError | None = None
        protocol.last_error = None
        self._refusal: CloudError | None = None
        self._begun = False
        self._has_response = False
        self._saved_text = ""
        self._restore_session()
        self._deaths = protocol.session.deaths
        if self.state.trying:
            policy.on_interrupted_login(self.state, self.now)

    def _restore_session(self) -> None:
        """Use the stored session, whichever program opened it."""
        current, stored = self.protocol.session, self.state.session
        if stored is None:
            return
        session = Session.from_dict(stored)
        if session.server == current.server and self.protocol.cloud.is_trusted_url(session, session.base):
            session.zone = current.zone
            self.protocol.session = session

    def execute(self, flow: Flow[T]) -> Generator[Request | Sleep, Response, T]:
        outcome: Response | CloudError | None = None
        with closing(self.protocol.execute(flow, self.now)) as steps:
            try:
                while True:
                    request = resume(steps, outcome)
                    if isinstance(request, Sleep):
                        yield request
                        self._advance_to(self.guard.clock())
                        self.protocol.session.now = self.now
                        outcome = None
                        continue
                    outcome = self._check(request)
                    if outcome is None:
                        outcome = yield from self._send(request)
            except StopIteration as done:
                result: T = done.value
                return result
            finally:
                self._record_outcome()
                self._save(is_login=False)

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

    def _send(self, request: Request) -> Generator[Request, Response, Response | CloudError]:
        """Save that a request is sent, then send it."""
        policy.on_send(self.state, self.now, is_login=request.is_login)
        try:
            self._save(is_login=request.is_login)
        except StoreError:
            policy.refund(self.state, is_login=request.is_login)
            raise
        try:
            response = yield request
        except CloudError as error:
            if not getattr(error, "sent", True):
                policy.refund(self.state, is_login=request.is_login)
            self._advance_to(self.guard.clock())
            return error
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

    def _save(self, *, is_login: bool) -> None:
        self.state.session = self.protocol.session.to_dict()
        if not self.state.has_session:
            self.state.opened_at = None
        text = self.state.to_json()
        _, _, content = text.partition(",")  # without `at`, which always changes
        if content != self._saved_text:
            self.guard.save(self.state, text, is_login=is_login)
            self._saved_text = content

    def _fingerprint(self) -> str:
        credentials = self.protocol.credentials
        return self.guard.fingerprint(credentials.password.reveal() if credentials else "")
