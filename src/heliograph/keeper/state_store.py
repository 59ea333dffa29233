"""Where account states are stored: the contract of a store, and the effects by which the guard uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from heliograph.core.effects import Effect

if TYPE_CHECKING:
    from heliograph.keeper.state import AccountState


class StateStore(Protocol):
    """The stored state of one account.

    All methods raise `StoreError` with advice if the state cannot be read, written or locked; `now` is the time of
    notes about it. An object with `is_async = True` has the same methods as coroutines; only async clients can use it.
    """

    @property
    def is_async(self) -> bool:
        """Whether the methods are coroutines."""

    @property
    def name(self) -> str:
        """Name of the account: the same for all its programs, and without personal data."""

    def load(self, now: float) -> AccountState:
        """Return the state as last saved, or a new one; takes no lock and modifies nothing."""

    def hold(self) -> HeldState | None:
        """Acquire the account's lock; None at once if another flow or program holds it.

        The lock ends when it is released, when the object is deleted, and when the process ends in any way.
        """


class HeldState(Protocol):
    """An account whose lock is held."""

    @property
    def is_async(self) -> bool:
        """Whether the methods are coroutines."""

    def load(self, now: float) -> AccountState:
        """Return the state; a damaged one is set aside, one of a newer format raises `StoreError`."""

    def save(self, state: AccountState, *, durable: bool) -> None:
        """Replace the state; it survives a killed program from then on, a `durable` one also a power failure.

        The caller never modifies a state that was saved.
        """

    def release(self) -> None:
        """Release the lock; does nothing if it is released already."""


class AsyncStateStore(Protocol):
    """A `StateStore` with `is_async = True`."""

    def known(self) -> AccountState | None:
        """Return a copy of the state without waiting, if this process is its only writer; None if it has to be loaded.

        It is read several times per poll, and a task for each would cost more than the copy.
        """


class AsyncHeldState(Protocol):
    """A `HeldState` with `is_async = True`, whose account shares limits and may get another owner."""

    async def admit(self, *, is_login: bool) -> None:
        """Wait until limits that accounts share allow a request; raises `HeliographError` if none may be sent."""

    def abandon(self) -> None:
        """Note that the response of the last request is not awaited; the request may still be under way."""


class LoadState(Effect):
    """Load the state without a lock; the result is an `AccountState`."""

    def __init__(self, store: StateStore, now: float) -> None:
        self.store = store
        self.now = now
        self.is_async = store.is_async

    def perform(self) -> Any:
        known = cast("AsyncStateStore", self.store).known() if self.is_async else None
        return self.store.load(self.now) if known is None else known


class AcquireLock(Effect):
    """Try once to acquire the account's lock, and load the state.

    The result is a pair `(HeldState, AccountState)`, or None if another flow or program holds the lock. One effect, so
    that a store with a round trip or a thread change per effect needs one of them.
    """

    def __init__(self, store: StateStore, now: float) -> None:
        self.store = store
        self.now = now
        self.is_async = store.is_async

    def perform(self) -> Any:
        return _hold_async(self.store, self.now) if self.is_async else _hold(self.store, self.now)


class AdmitRequest(Effect):
    """Wait for limits that accounts share, before a request is counted; only for async stores."""

    is_async = True

    def __init__(self, held: AsyncHeldState, *, is_login: bool) -> None:
        self.held = held
        self.is_login = is_login

    def perform(self) -> Any:
        return self.held.admit(is_login=self.is_login)


class SaveState(Effect):
    """Save the state while its lock is held; a `durable` save survives a power failure."""

    def __init__(self, held: HeldState, state: AccountState, *, durable: bool) -> None:
        self.held = held
        self.state = state
        self.durable = durable
        self.is_async = held.is_async

    def perform(self) -> Any:
        return self.held.save(self.state, durable=self.durable)


class ReleaseLock(Effect):
    """Save the state unless it is None, then release the lock, even if saving fails.

    `abandoned` says that the last request may still be under way.
    """

    def __init__(
        self, held: HeldState, state: AccountState | None, *, durable: bool = False, abandoned: bool = False
    ) -> None:
        self.held = held
        self.state = state
        self.durable = durable
        self.abandoned = abandoned
        self.is_async = held.is_async

    def perform(self) -> Any:
        return _release_async(self) if self.is_async else _release(self)


def _hold(store: StateStore, now: float) -> tuple[HeldState, AccountState] | None:
    held = store.hold()
    if held is None:
        return None
    try:
        return held, held.load(now)
    except BaseException:
        held.release()
        raise


async def _hold_async(store: Any, now: float) -> tuple[HeldState, AccountState] | None:
    held = await store.hold()
    if held is None:
        return None
    try:
        return held, await held.load(now)
    except BaseException:
        await held.release()
        raise


def _release(effect: ReleaseLock) -> None:
    try:
        if effect.state is not None:
            effect.held.save(effect.state, durable=effect.durable)
    finally:
        effect.held.release()


async def _release_async(effect: Any) -> None:
    try:
        if effect.abandoned:
            effect.held.abandon()
        if effect.state is not None:
            await effect.held.save(effect.state, durable=effect.durable)
    finally:
        await effect.held.release()
