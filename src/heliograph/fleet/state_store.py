"""The state of an account in PostgreSQL, written through the fence by the owner of the account's shard.

The owner is the only writer, so the state is read once and cached. A save that counts another request is the permit to
send it; a save after the last request clears the permit in the same write.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from heliograph.core.redact import Secret
from heliograph.errors import StoreError
from heliograph.fleet.database import boot_time
from heliograph.fleet.permits import REQUEST_SECONDS, PermitUnavailable, RequestCount, StateWrite
from heliograph.fleet.registry import session_context
from heliograph.fleet.secrets import Sealed
from heliograph.keeper.state import COMPACT, AccountState

if TYPE_CHECKING:
    from heliograph.fleet.database import Database
    from heliograph.fleet.fence import ShardToken
    from heliograph.fleet.permits import PermitWriter
    from heliograph.fleet.secrets import SecretBox

FORM = 1
"""The number of the format of stored states."""
_APART = ("at", "spent", "session")
"""Members that are not in `contents`: they change with each request, or are sealed."""
_SELECT = """SELECT extract(epoch FROM clock_timestamp())::float8,
        permit.shard, permit.token, permit.asked_at, permit.saved_at,
        state.form, state.contents, state.session, state.key_number,
        (SELECT array_agg(ARRAY[started_at, requests] ORDER BY started_at) FROM requests_spent AS spent
            WHERE spent.account = account.id)
    FROM account LEFT JOIN permit ON permit.account = account.id
    LEFT JOIN account_state AS state ON state.account = account.id WHERE account.id = %s"""


class AccountStateStore:
    """The stored state of one account, for the owner of its shard; see `keeper.state_store.StateStore`.

    Besides `StoreError`, its methods raise `ShardLost`, and `PermitUnavailable` if a request could not be recorded.
    """

    is_async = True

    def __init__(
        self, name: str, account: int, held: ShardToken, database: Database, permits: PermitWriter, box: SecretBox
    ) -> None:
        self.name = name
        self.account = account
        self.shard = held
        self.permits = permits
        self._database = database
        self._box = box
        self._stored: AccountState | None = None
        """The state as committed; None if it has to be read."""
        self._contents: str | None = None
        """The state without its session in the last write, while that part has not changed."""
        self._is_busy = False
        self.may_ask_at = 0.0
        """When a request of the previous owner is certainly over, by the database's clock."""
        self.has_permit = False
        self.is_admitted = False
        """Whether the next write has to be a permit."""
        self.is_abandoned = False
        """Whether the last request may still be under way, although its response is not awaited."""

    def known(self) -> AccountState | None:
        """Return the state as last committed; None if it has to be loaded."""
        return self._stored and self._stored.copy()

    async def load(self, now: float) -> AccountState:
        """Return the state as last committed."""
        self._stored = self._stored or await self._read()
        return self._stored.copy()

    async def hold(self) -> HeldAccountState | None:
        """Reserve the account for one flow; None while another has it, or the previous owner's request may run."""
        if self._is_busy:
            return None
        self._is_busy = True
        held = None
        try:
            self._stored = self._stored or await self._read()
            if self._database.clock.now() >= self.may_ask_at:
                held = HeldAccountState(self)
                self.is_abandoned = False
        finally:
            self._is_busy = held is not None
        return held

    def let_go(self) -> None:
        """End the reservation."""
        self._is_busy = False

    async def write(self, state: AccountState, *, durable: bool) -> None:
        """Write a state through the fence, as a permit if it counts another request than the stored one."""
        is_request, self.is_admitted = self.is_admitted, False
        try:
            before = self._stored or await self._read()
            item = self._write_of(before, state, durable=durable)
            is_request = is_request or item.permit
            saved = state.copy()
            # Until the outcome is known.
            self._stored, self.has_permit = None, True
            await self.permits.write(item)
        except StoreError as error:
            if is_request:
                raise PermitUnavailable(
                    f"the request was not sent, because it could not be recorded: {error}"
                ) from None
            raise
        self._stored, self.has_permit = saved, item.permit

    async def clear_permit(self) -> None:
        """Record that no request is under way."""
        if self.has_permit and not self.is_abandoned:
            at = (self._stored or await self._read()).at
            await self.permits.write(StateWrite(self.account, self.shard, permit=False, saved_at=at))
            self.has_permit = False

    def _write_of(self, before: AccountState, state: AccountState, *, durable: bool) -> StateWrite:
        contents = session = number = None
        is_same = state_contents(before) == state_contents(state)
        if before.session != state.session or not is_same:
            # A poll usually changes the session only, of which it stores what it has read.
            if self._contents is None or not is_same:
                self._contents = json.dumps(state_contents(state), separators=COMPACT)
            contents = self._contents
            if state.session is not None:
                sealed = self._box.seal(
                    Secret(json.dumps(state.session, separators=COMPACT)), session_context(self.account)
                )
                number, session = sealed
        counts, is_reset = changed_counts(before.spent, state.spent)
        return StateWrite(
            self.account,
            self.shard,
            permit=self.is_abandoned or counts_another(before.spent, state.spent),
            saved_at=state.at,
            opens=state.trying,
            counts=counts,
            reset_counts=is_reset,
            contents=contents,
            session=session,
            key_number=number,
            form=FORM,
            durable=durable,
        )

    async def _read(self) -> AccountState:
        self._contents = None  # that of a write which failed must not be written with a later session
        sent_at = boot_time()
        rows = await self._database.run(_SELECT, (self.account,))
        if not rows:
            raise StoreError(f"account {self.account} was removed from the fleet")
        database_time, shard, token, asked_at, saved_at, form, contents, session, number, counts = rows[0]
        self._database.clock.observe(database_time, sent_at, boot_time())
        is_previous_owners = asked_at is not None and (shard, token) != self.shard
        if is_previous_owners:
            self.may_ask_at = asked_at + REQUEST_SECONDS
        check_form(self.account, form)
        members: dict[str, Any] = {} if contents is None else json.loads(contents)
        if session is not None:
            members["session"] = json.loads(
                self._box.open(Sealed(number, bytes(session)), session_context(self.account)).reveal()
            )
        state = AccountState.from_dict(members)
        state.at = saved_at or 0.0
        state.spent = [[start, int(count)] for start, count in counts or ()]
        if is_previous_owners and state.trying and state.logins:
            # It may have been sent until then, and the next login waits from its time on.
            state.logins[-1] = max(state.logins[-1], state.at + REQUEST_SECONDS)
        return state


class HeldAccountState:
    """The state of an account that one flow has reserved; see `keeper.state_store.HeldState`."""

    is_async = True

    def __init__(self, store: AccountStateStore) -> None:
        self._store: AccountStateStore | None = store
        self._own = store

    async def load(self, now: float) -> AccountState:
        """Return the state as last committed."""
        return await self._own.load(now)

    async def admit(self, *, is_login: bool) -> None:
        """Note that a request follows; `PacedHeldState` has the limits."""
        self._own.is_admitted = True

    def abandon(self) -> None:
        """Let the permit stay, so that the next owner waits for the request."""
        self._own.is_abandoned = True

    async def save(self, state: AccountState, *, durable: bool) -> None:
        """Write the state; returns when it is committed, as a permit if it counts a request."""
        await self._own.write(state, durable=durable)

    async def release(self) -> None:
        """Clear the permit unless its request was abandoned, and let other flows have the account."""
        store, self._store = self._store, None
        if store is None:
            return
        try:
            await store.clear_permit()
        finally:
            store.let_go()

    def __del__(self) -> None:
        if self._store is not None:
            self._store.let_go()


def state_contents(state: AccountState) -> dict[str, Any]:
    """Return the members of a state that are stored as `contents`."""
    return {name: value for name, value in vars(state).items() if name not in _APART}


def check_form(account: int, form: int | None) -> None:
    """Raise `StoreError` if a newer program has written the state."""
    if form is not None and form > FORM:
        raise StoreError(f"the state of account {account} has format {form}, not {FORM}: update heliograph")


def counts_another(before: list[list[float]], after: list[list[float]]) -> bool:
    """Return whether the last bucket has another request."""
    return bool(after) and after[-1][1] > next((count for start, count in before if start == after[-1][0]), 0)


def changed_counts(before: list[list[float]], after: list[list[float]]) -> tuple[list[RequestCount], bool]:
    """Return the counts to write, and whether all others have to be deleted first."""
    known = {bucket[0]: bucket[1] for bucket in before}
    starts = {start for start, _ in after}
    # A bucket that has become a day old stays in its slot until another takes it; any other one was shifted in time.
    oldest = after[0][0] if after else float("inf")
    if any(start not in starts and start >= oldest for start in known) or (known and not after):
        return [RequestCount(start, int(count)) for start, count in after], True
    return [RequestCount(start, int(count)) for start, count in after if known.get(start) != count], False
