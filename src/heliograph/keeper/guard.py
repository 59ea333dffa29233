"""The one gate of an account: every conversation of every process passes it, one at a time.

A gate is a generator around a conversation's own: it yields what a driver has to send or wait for, lets pass what the
rules allow, and writes down what is about to happen before it does, so that nothing is forgotten by dying.
"""

from __future__ import annotations

import hashlib
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from heliograph.core.files import acquire
from heliograph.core.protocol import Sleep, resume
from heliograph.core.session import Session
from heliograph.errors import CloudError, StoreError, Throttled
from heliograph.keeper import policy

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from filelock import BaseFileLock

    from heliograph.core.endpoint import Flow
    from heliograph.core.protocol import AccountProtocol
    from heliograph.core.session import Request, Response
    from heliograph.keeper.limits import Budget, Limits
    from heliograph.keeper.state import AccountState
    from heliograph.keeper.state_file import StateFile

T = TypeVar("T")

GLANCE = 0.05
ROUNDS = 10_000
"""What a guess at a refused password costs whoever finds its fingerprint."""


class AccountGuard:
    """What stands between one account's conversations and the network."""

    def __init__(
        self,
        state_file: StateFile,
        limits: Limits,
        clock: Callable[[], float],
        *,
        interactive: bool,
        self_throttled: bool = False,
        patience: float,
    ) -> None:
        self.state_file = state_file
        self.limits = limits
        self.clock = clock
        self.interactive = interactive
        self.self_throttled = self_throttled
        self.patience = patience
        self._unwritten: AccountState | None = None

    def budget(self) -> Budget:
        """Return what is used, what is left, and what holds the account back."""
        now = self.clock()
        return policy.budget(self.load(now), now, self.limits)

    def available_at(self, requests: int) -> float:
        """Return when a program may send so many requests, if nobody sends any until then."""
        now = self.clock()
        book = self.load(now)
        limit, _ = self.limits.effective(interactive=False)
        return now if book.requests_used + requests <= limit else book.available_at(max(limit - requests + 1, 1))

    def run(self, talk: AccountProtocol, plan: Callable[[], Flow[T]]) -> Generator[Request | Sleep, Response | None, T]:
        """Carry one plan through the gate, alone."""
        lock = yield from self._alone(talk.cloud.vendor)
        try:
            return (yield from _Visit(self, talk).carry(plan()))
        finally:
            lock.release()

    def _alone(self, vendor: str) -> Generator[Sleep, None, BaseFileLock]:
        lock = self.state_file.lock()
        try:
            for seconds in acquire(lock, self.patience, GLANCE):
                yield Sleep(seconds)
        except TimeoutError:
            raise self._busy(vendor) from None
        except OSError as error:
            raise self.state_file.access_error(error) from None
        return lock

    def _busy(self, vendor: str) -> Throttled:
        busy = Throttled(
            f"other conversations with this account have taken {self.patience:.0f} s, and they go one at a time",
            vendor=vendor,
            advice="See whether another program of yours hangs, then try again",
        )
        busy.retry_after = self.patience
        return busy

    def load(self, now: float, *, locked: bool = False) -> AccountState:
        """Return the book brought to the present; what could not be written is remembered all the same."""
        book = self.state_file.load(now, locked=locked)
        if self._unwritten is not None:
            if book.at <= self._unwritten.at:
                book = self._unwritten
            else:  # somebody else could write meanwhile
                book.merge(self._unwritten)
        book.advance_to(now)
        return book

    def save(self, book: AccountState, written: str, *, opens: bool) -> None:
        """Write the book in these words; a login is not sent unless it was written, a read with a living session is."""
        try:
            self.state_file.save(written, durable=opens)
        except StoreError:
            self._unwritten = book
            if opens:
                raise
        else:
            self._unwritten = None


class _Visit:
    """One plan on its way through the gate, whose lock is held meanwhile."""

    def __init__(self, gate: AccountGuard, talk: AccountProtocol) -> None:
        self.gate = gate
        self.talk = talk
        self.now = gate.clock()
        self.book = gate.load(self.now, locked=True)
        self._known: CloudError | None = None
        talk.last_error = None
        self._refusal: CloudError | None = None
        self._begun = False
        self._answered = False
        self._written = ""
        self._take_session()
        self._deaths = talk.session.deaths
        if self.book.trying:
            policy.on_interrupted_login(self.book, self.now)

    def _take_session(self) -> None:
        """Go on with the stored session, whoever opened it."""
        mine, stored = self.talk.session, self.book.session
        if stored is None:
            return
        session = Session.from_dict(stored)
        if session.server == mine.server and self.talk.cloud.is_trusted_url(session, session.base):
            session.zone = mine.zone
            self.talk.session = session

    def carry(self, plan: Flow[T]) -> Generator[Request, Response, T]:
        outcome: Response | CloudError | None = None
        with closing(self.talk.execute(plan, self.now)) as steps:
            try:
                while True:
                    request = resume(steps, outcome)
                    outcome = self._refused(request)
                    if outcome is None:
                        outcome = yield from self._sent(request)
            except StopIteration as done:
                result: T = done.value
                return result
            finally:
                self._notice()
                self._write(opens=False)

    def _refused(self, request: Request) -> CloudError | None:
        """Return why a request may not be sent now."""
        self._notice()
        try:
            self._begin()
            policy.check(
                self.book,
                self.now,
                self.gate.limits,
                is_login=request.is_login,
                interactive=self.gate.interactive,
                forced=self.talk.forced,
                fingerprint=self._fingerprint,
            )
        except CloudError as refusal:
            refusal.vendor = self.talk.cloud.vendor
            self._refusal = refusal
            if request.is_login and self.book.opened_at is not None:
                # The old session was given up for a new one, not by the cloud; it may still serve.
                self._take_session()
            return refusal
        return None

    def _begin(self) -> None:
        """Let the first request wait for the day's even flow, unless a person waits or the program sees to that."""
        if not (self._begun or self.gate.interactive or self.gate.self_throttled or self.talk.forced):
            policy.check_pacing(self.book, self.now, self.gate.limits)
        self._begun = True

    def _sent(self, request: Request) -> Generator[Request, Response, Response | CloudError]:
        """Write down that a request is sent, and have it sent."""
        policy.on_send(self.book, self.now, is_login=request.is_login)
        try:
            self._write(opens=request.is_login)
        except StoreError:
            policy.refund(self.book, is_login=request.is_login)
            raise
        try:
            reply = yield request
        except CloudError as error:
            if not getattr(error, "sent", True):
                policy.refund(self.book, is_login=request.is_login)
            self._is_now(self.gate.clock())
            return error
        self._is_now(reply.received_at)
        self._answered = True
        return reply

    def _is_now(self, moment: float) -> None:
        self.now = max(self.now, moment)
        self.book.advance_to(self.now)

    def _notice(self) -> None:
        """See what became of the last request: of the session, of a login, and of what was asked."""
        book, session, trouble = self.book, self.talk.session, self.talk.last_error
        if self._answered and book.trying and session.alive:
            policy.on_login(book, self.now, self._fingerprint)
        if session.deaths != self._deaths:
            self._deaths = session.deaths
            policy.on_session_expired(book, self.now)
        if trouble is not self._known and trouble is not None:
            self._known = trouble
            self._learn(trouble)
        elif self._answered:
            policy.on_success(book)
        self._answered = False

    def _learn(self, trouble: CloudError) -> None:
        if trouble is not self._refusal:
            policy.on_error(self.book, self.now, trouble, self._fingerprint)
        elif self.book.trying:
            policy.on_login_failed(self.book, self.now, trouble)

    def _write(self, *, opens: bool) -> None:
        self.book.session = self.talk.session.to_dict()
        if not self.talk.session.alive:
            self.book.opened_at = None
        written = self.book.to_json()
        _, _, state = written.partition(",")  # when it was written changes all the time
        if state != self._written:
            self.gate.save(self.book, written, opens=opens)
            self._written = state

    def _fingerprint(self) -> str:
        """Return what tells two passwords apart without telling either; and is rarely needed."""
        who = self.talk.credentials
        password = who.password.reveal() if who else ""
        return hashlib.pbkdf2_hmac("sha256", password.encode(), self.gate.state_file.name.encode(), ROUNDS).hex()
