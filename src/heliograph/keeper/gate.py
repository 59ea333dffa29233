"""The one gate of an account: every conversation of every process passes it, one at a time.

A gate is a generator around a conversation's own: it yields what a driver has to send or wait for, lets pass what the
rules allow, and writes down what is about to happen before it does, so that nothing is forgotten by dying.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeVar

from heliograph.errors import CloudError, StoreError, Throttled
from heliograph.keeper import rules
from heliograph.session import Session, Wait, advance

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from filelock import BaseFileLock

    from heliograph.endpoint import Plan
    from heliograph.keeper.book import Book
    from heliograph.keeper.limits import Budget, Limits
    from heliograph.keeper.shelf import Shelf
    from heliograph.session import Conversation, Reply, Request

T = TypeVar("T")

GLANCE = 0.05
PATIENCE = 120.0
"""Seconds to wait for another program's conversation with the same account."""


class Gate:
    """What stands between one account's conversations and the network."""

    def __init__(self, shelf: Shelf, limits: Limits, clock: Callable[[], float], *, interactive: bool) -> None:
        self.shelf = shelf
        self.limits = limits
        self.clock = clock
        self.interactive = interactive
        self._unwritten: Book | None = None

    def budget(self) -> Budget:
        """Return what is used, what is left, and what holds the account back."""
        now = self.clock()
        return rules.budget(self.load(now), now, self.limits)

    def watch(self, talk: Conversation, plan: Callable[[], Plan[T]]) -> Generator[Request | Wait, Reply | None, T]:
        """Carry one plan through the gate, alone."""
        lock = yield from self._alone(talk.cloud.vendor)
        try:
            return (yield from _Visit(self, talk).carry(plan()))
        finally:
            lock.release()

    def _alone(self, vendor: str) -> Generator[Wait, None, BaseFileLock]:
        from filelock import Timeout  # noqa: PLC0415 - a client that is not kept never needs it

        lock, waited = self.shelf.lock(), 0.0
        while True:
            try:
                lock.acquire(timeout=0)
            except Timeout:
                if waited > PATIENCE:
                    busy = Throttled("another program here has been talking to this account for minutes", vendor=vendor)
                    busy.retry_after = PATIENCE
                    raise busy from None
                yield Wait(GLANCE)
                waited += GLANCE
            except OSError as error:
                raise StoreError(f"{lock.lock_file}: {error.strerror or error}") from None
            else:
                return lock

    def load(self, now: float) -> Book:
        """Return the book; one that could not be written is still the better memory."""
        if self._unwritten is None:
            return self.shelf.load(now)
        self._unwritten.seen_at(now)
        return self._unwritten

    def save(self, book: Book, *, opens: bool) -> None:
        """Write the book; a login is never sent unless it was written down, a read with a living session is."""
        try:
            self.shelf.save(book, durable=opens)
        except StoreError:
            self._unwritten = book
            if opens:
                raise
        else:
            self._unwritten = None


class _Visit:
    """One plan on its way through the gate."""

    def __init__(self, gate: Gate, talk: Conversation) -> None:
        self.gate = gate
        self.talk = talk
        self.now = gate.clock()
        self.book = gate.load(self.now)
        self._refusal: CloudError | None = None
        self._insisted = False
        self._take_session()

    def _take_session(self) -> None:
        """Go on with the stored session, whoever opened it."""
        zone = self.talk.session.zone
        server = self.talk.session.server
        stored = self.book.session
        self.talk.session = Session.from_dict(stored) if stored else Session(server)
        self.talk.session.zone = zone
        self.died_at = self.talk.session.died_at
        if self.book.trying:
            rules.cut_off(self.book, self.now)

    def carry(self, plan: Plan[T]) -> Generator[Request, Reply, T]:
        steps = self.talk.carry(plan, self.now)
        outcome: Reply | CloudError | None = None
        try:
            while True:
                request = advance(steps, outcome)
                outcome = self._refused(request)
                if outcome is None:
                    outcome = yield from self._sent(request)
        except StopIteration as done:
            self._notice(opens=False)
            rules.worked(self.book)
            result: T = done.value
            return result
        except CloudError as error:
            self._notice(opens=False)
            self._learn(error)
            raise
        finally:
            self._write(opens=False)

    def _refused(self, request: Request) -> CloudError | None:
        """Return why a request may not be sent now."""
        self._notice(opens=request.opens)
        if self.talk.insisted and not self._insisted:
            self._insisted = True
            rules.insisted(self.book, self.now)
        try:
            rules.admit(
                self.book,
                self.now,
                self.gate.limits,
                opens=request.opens,
                interactive=self.gate.interactive or self.talk.insisted,
                same=self._same_password,
            )
        except CloudError as refusal:
            refusal.vendor = self.talk.cloud.vendor
            self._refusal = refusal
            return refusal
        return None

    def _sent(self, request: Request) -> Generator[Request, Reply, Reply | CloudError]:
        """Write down that a request is sent, and have it sent."""
        rules.sent(self.book, self.now, opens=request.opens)
        self._write(opens=request.opens)
        try:
            reply = yield request
        except CloudError as error:
            self.now = max(self.now, self.gate.clock())
            if not getattr(error, "sent", True):
                rules.refund(self.book, opens=request.opens)
            return error
        self.now = max(self.now, reply.at)
        return reply

    def _notice(self, *, opens: bool) -> None:
        """See what became of the session: whether it died, and whether a login has succeeded since."""
        session = self.talk.session
        if session.died_at != self.died_at:
            self.died_at = session.died_at
            rules.died(self.book, self.now)
        if self.book.trying and session.alive and not opens:
            rules.logged_in(self.book, self.now)

    def _learn(self, error: CloudError) -> None:
        if error is not self._refusal:
            rules.learn(self.book, self.now, error, self._fingerprint)
        elif self.book.trying:
            rules.login_failed(self.book, self.now, error)

    def _write(self, *, opens: bool) -> None:
        self.book.at = self.now
        self.book.session = self.talk.session.to_dict()
        if not self.talk.session.alive:
            self.book.opened_at = None
        self.gate.save(self.book, opens=opens)

    def _same_password(self, fingerprint: str) -> bool:
        return fingerprint == self._fingerprint()

    def _fingerprint(self) -> str:
        """Return what tells two passwords apart without telling either; slow on purpose, and rarely needed."""
        who = self.talk.who
        password = who.password.reveal() if who else ""
        return hashlib.pbkdf2_hmac("sha256", password.encode(), self.gate.shelf.name.encode(), 200_000).hex()
