"""The state of an account in PostgreSQL: what is stored, when a save is a permit, and what a new owner finds."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.effects import run_effects_async
from heliograph.errors import StoreError
from heliograph.fleet.fence import ShardLost
from heliograph.fleet.permits import PERMIT_SECONDS, REQUEST_SECONDS, PermitUnavailable
from heliograph.fleet.registry import reseal
from heliograph.fleet.secrets import SecretBox
from heliograph.fleet.state_store import changed_counts, counts_another
from heliograph.keeper import Keeper
from heliograph.keeper.limits import DAY
from heliograph.keeper.state import BUCKET_SECONDS, AccountState
from heliograph.transports import TIMEOUT
from heliograph.vendors.growatt import AsyncGrowatt
from support.fleet_database import KEY, Owner
from support.keeper_processes import running_server


@pytest.fixture
def cloud_server():
    with running_server() as one:
        yield one


def with_owner(fleet, work, token=1, **options):
    """Run a coroutine function with the store of a new account, and its owner."""

    async def run():
        async with Owner(fleet, f"owner {token}", token, **options) as owner:
            await owner.take()
            return await work(owner)

    return asyncio.run(run())


async def save(store, state, *, durable=False):
    held = await store.hold()
    try:
        await held.load(state.at)
        await held.save(state, durable=durable)
    finally:
        await held.release()


def open_permits(fleet):
    return fleet.run("SELECT account FROM permit WHERE asked_at IS NOT NULL")


def test_request_time_out_covers_a_permit_and_its_request():
    assert REQUEST_SECONDS >= PERMIT_SECONDS + TIMEOUT


def test_each_change_of_a_state_is_stored(fleet):
    account, state = fleet.add_account(), AccountState()
    changes = [
        lambda: state.add_note(1.0, "a note"),
        lambda: state.count_request(10.0),
        lambda: state.count_request(11.0),
        lambda: state.count_request(1000.0),
        lambda: setattr(state, "at", 1005.5),
        lambda: setattr(state, "session", {"alive": True, "cookies": {"é": "\n"}}),
        lambda: setattr(state, "logins", [3.0]),
        lambda: setattr(state, "trying", True),
        lambda: state._shift(-200.0),
        lambda: setattr(state, "session", None),
        lambda: setattr(state, "spent", []),
    ]

    async def work(owner):
        store = owner.store(account)
        for change in changes:
            change()
            await save(store, state)
            assert vars(await owner.store(account).load(0)) == vars(await store.load(0)) == vars(state)

    with_owner(fleet, work)


def test_loaded_state_is_independent_of_the_stored_one(fleet):
    account = fleet.add_account()

    async def work(owner):
        store = owner.store(account)
        first = await store.load(0)
        first.count_request(1.0)
        first.add_note(1.0, "mine")
        assert (await store.load(0)).spent == (await store.load(0)).notes == []

    with_owner(fleet, work)


def test_save_that_counts_a_request_is_a_permit_until_the_release(fleet):
    account = fleet.add_account()

    async def work(owner):
        store, state = owner.store(account), AccountState()
        held = await store.hold()
        await held.load(0)
        for at in (10.0, 11.0, 400.0):
            state.count_request(at)
            await held.save(state, durable=False)
            assert open_permits(fleet) == [(account,)]
        groups = owner.permits.groups
        await held.release()
        await held.release()
        assert open_permits(fleet) == []
        assert owner.permits.groups == groups + 1

    with_owner(fleet, work)


def test_save_after_the_last_request_clears_the_permit_in_the_same_write(fleet):
    account = fleet.add_account()

    async def work(owner):
        store, state = owner.store(account), AccountState()
        held = await store.hold()
        await held.load(0)
        state.count_request(10.0)
        await held.save(state, durable=False)
        state.misses = 1
        groups = owner.permits.groups
        await held.save(state, durable=True)
        await held.release()
        assert open_permits(fleet) == []
        assert owner.permits.groups == groups + 1

    with_owner(fleet, work)


def test_one_flow_at_a_time_has_the_account(fleet):
    account = fleet.add_account()

    async def work(owner):
        store = owner.store(account)
        held = await store.hold()
        assert await store.hold() is None
        await held.release()
        held = await store.hold()
        assert await store.hold() is None
        del held  # an abandoned flow
        assert await store.hold() is not None

    with_owner(fleet, work)


def test_new_owner_waits_for_a_request_of_the_previous_one(fleet):
    account = fleet.add_account()

    async def work(owner):
        store, state = owner.store(account), AccountState()
        held = await store.hold()
        await held.load(0)
        state.count_request(10.0)
        await held.save(state, durable=False)
        async with Owner(fleet, "b", 2) as new:
            await new.take()
            found = new.store(account)
            assert await found.hold() is None
            assert found.may_ask_at > new.database.clock.now() + REQUEST_SECONDS - 5
            fleet.run("UPDATE permit SET asked_at = asked_at - %s", (REQUEST_SECONDS,))
            later = new.store(account)
            again = await later.hold()
            assert (await again.load(0)).spent == [[10.0, 1]]
        with pytest.raises(ShardLost):
            await held.release()

    with_owner(fleet, work)


def test_login_under_way_counts_from_when_the_previous_owner_may_have_sent_it_last(fleet):
    account = fleet.add_account()

    async def work(owner):
        store, state = owner.store(account), AccountState()
        held = await store.hold()
        await held.load(0)
        state.at = 10.0
        state.count_request(10.0)
        state.logins, state.trying = [10.0], True
        await held.save(state, durable=True)
        assert (await owner.store(account).load(0)).logins == [10.0]
        async with Owner(fleet, "b", 2) as new:
            await new.take()
            assert (await new.store(account).load(0)).logins == [10.0 + REQUEST_SECONDS]

    with_owner(fleet, work)


@pytest.mark.parametrize("is_login", [True, False])
def test_permit_of_a_cancelled_request_stays(fleet, cloud_server, tmp_path, is_login):
    account, arrived, proceed = fleet.add_account(), threading.Event(), threading.Event()

    def hold():
        arrived.set()
        assert proceed.wait(60)

    async def work(owner):
        store = owner.store(account)
        keeper = Keeper(tmp_path, store=lambda name: store)
        client = AsyncGrowatt("ada", "pw", server=cloud_server.url, keeper=keeper)
        if not is_login:
            await client.plant_info("1")
            assert open_permits(fleet) == []
        cloud_server.before_login = cloud_server.before_read = hold
        asking = asyncio.ensure_future(client.plant_info("1"))
        await asyncio.to_thread(arrived.wait, 60)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert asking.cancelled()
        assert open_permits(fleet) == [(account,)]
        proceed.set()
        await client.plant_info("1") if not is_login else None
        assert open_permits(fleet) == ([(account,)] if is_login else [])

    with_owner(fleet, work)


def test_owner_does_not_wait_for_its_own_permit(fleet):
    account = fleet.add_account()

    async def work(owner):
        store, state = owner.store(account), AccountState()
        held = await store.hold()
        await held.load(0)
        state.count_request(10.0)
        await held.save(state, durable=False)
        assert await owner.store(account).hold() is not None

    with_owner(fleet, work)


def test_request_that_cannot_be_recorded_is_not_permitted(fleet):
    account = fleet.add_account()

    async def work(owner):
        store, state = owner.store(account), AccountState()
        held = await store.hold()
        await held.load(0)
        write, broken = owner.permits.write, True

        async def failing(item):
            if broken:
                raise StoreError("gone")
            await write(item)

        owner.permits.write = failing
        state.count_request(10.0)
        with pytest.raises(PermitUnavailable, match="the request was not sent, because it could not be recorded: gone"):
            await held.save(state, durable=False)
        state.spent = []
        state.misses = 1
        with pytest.raises(StoreError):
            await held.save(state, durable=False)
        broken = False
        await held.save(state, durable=False)
        await held.release()
        assert (await owner.store(account).load(0)).misses == 1

    with_owner(fleet, work)


def test_request_is_not_permitted_if_the_state_cannot_be_read(fleet):
    account = fleet.add_account()

    async def work(owner):
        store, state = owner.store(account), AccountState()
        held = await store.hold()
        await held.admit(is_login=False)
        store._stored = None  # as after a write of unknown outcome
        fleet.run("ALTER TABLE account_state RENAME TO moved")
        try:
            state.count_request(10.0)
            with pytest.raises(PermitUnavailable):
                await held.save(state, durable=False)
        finally:
            fleet.run("ALTER TABLE moved RENAME TO account_state")

    with_owner(fleet, work)


def test_stored_session_contains_no_cookie_and_opens_with_its_key_only(fleet):
    account, state = fleet.add_account(), AccountState()
    state.session = {"cookies": {"JSESSIONID": "sesame"}}

    async def work(owner):
        await save(owner.store(account), state)
        ((data, number),) = fleet.run("SELECT session, key_number FROM account_state")
        assert b"sesame" not in bytes(data)
        assert number == 1
        other = fleet.add_account("copied")
        fleet.run(
            "INSERT INTO account_state SELECT %s, form, contents, session, key_number FROM account_state", (other,)
        )
        with pytest.raises(StoreError, match="does not open with key 1"):
            await owner.store(other).load(0)
        fleet.run("DELETE FROM account WHERE id = %s", (other,))
        await reseal(owner.database, SecretBox({1: KEY, 2: bytes(32)}))
        assert fleet.run("SELECT key_number FROM account_state") == [(2,)]
        with pytest.raises(StoreError, match="sealed with key 2, and the key file has 1"):
            await owner.store(account).load(0)
        owner.fleet.box, box = SecretBox({2: bytes(32)}), owner.fleet.box
        try:
            assert (await owner.store(account).load(0)).session == state.session
        finally:
            owner.fleet.box = box

    with_owner(fleet, work)


def test_state_of_a_newer_format_or_a_removed_account_is_refused(fleet):
    account = fleet.add_account()
    fleet.run("INSERT INTO account_state VALUES (%s, 2, '{}')", (account,))

    async def work(owner):
        with pytest.raises(StoreError, match="has format 2, not 1: update heliograph"):
            await owner.store(account).hold()
        with pytest.raises(StoreError, match="account 0 was removed"):
            await owner.store(0).hold()

    with_owner(fleet, work)


def test_requests_of_more_than_a_day_fit_into_the_ring(fleet):
    account = fleet.add_account()

    async def work(owner):
        store, state, now = owner.store(account), AccountState(), 1_780_000_000.0
        held = await store.hold()
        state = await held.load(now)
        for number in range(320):
            now += BUCKET_SECONDS * (1 + number % 3 / 1000)
            state.advance_to(now)
            state.count_request(now)
            await held.save(state, durable=False)
        await held.release()
        found = await owner.store(account).load(now)
        found.advance_to(now)
        assert found.spent == state.spent
        assert fleet.run("SELECT count(*) FROM requests_spent")[0][0] <= 300

    with_owner(fleet, work)


BUCKETS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), max_size=12, unique_by=lambda one: one[0])


@given(BUCKETS, BUCKETS, st.booleans())
def test_changed_counts_lead_to_the_state_that_is_saved(before, after, keeps_more):
    """Applied to the stored counts, they give the new ones, except for those that are older than all of them."""
    before, after = ([[float(start * 300), count] for start, count in sorted(one)] for one in (before, after))
    if keeps_more:
        after = sorted([*before, *(one for one in after if one[0] not in {start for start, _ in before})])
    changes, is_reset = changed_counts(before, after)
    stored = {} if is_reset else dict(map(tuple, before))
    stored.update({one.started_at: one.requests for one in changes})
    oldest = after[0][0] if after else float("inf")
    assert [[start, count] for start, count in sorted(stored.items()) if start >= oldest] == after
    assert not is_reset or not keeps_more


@given(st.lists(st.sampled_from([0.0, 1.0, 299.0, 301.0, 3600.0, DAY]), min_size=1, max_size=30))
def test_counted_request_is_recognised_in_any_state(pauses):
    state, now = AccountState(), 1_780_000_000.0
    for pause in pauses:
        now += pause
        state.advance_to(now)
        before = state.copy()
        assert not counts_another(before.spent, state.spent)
        state.count_request(now)
        assert counts_another(before.spent, state.spent)
        assert not counts_another(state.spent, before.spent)


def test_async_client_uses_the_stored_session_of_the_previous_owner(fleet, cloud_server, tmp_path):
    account = fleet.add_account()

    async def ask(token):
        async with Owner(fleet, "a", token) as owner:
            await owner.take()
            store = owner.store(account)
            keeper = Keeper(tmp_path, store=lambda name: store)
            client = AsyncGrowatt("ada", "pw", server=cloud_server.url, keeper=keeper)
            await client.plant_info("1")
            await client.plant_info("1")
            return (await run_effects_async(client.guard.budget_flow())).requests_used

    assert asyncio.run(ask(1)) == 3
    assert asyncio.run(ask(2)) == 5
    assert cloud_server.logins == 1
    assert open_permits(fleet) == []
    ((contents,),) = fleet.run("SELECT contents FROM account_state")
    assert json.loads(contents)["trying"] is False


def test_async_client_of_a_lost_shard_sends_nothing(fleet, cloud_server, tmp_path):
    account = fleet.add_account()

    async def ask():
        async with Owner(fleet, "a", 1) as old, Owner(fleet, "b", 2) as new:
            await old.take()
            store = old.store(account)
            client = AsyncGrowatt(
                "ada", "pw", server=cloud_server.url, keeper=Keeper(tmp_path, store=lambda name: store)
            )
            await client.plant_info("1")
            await new.take()
            before = cloud_server.logins, cloud_server.reads
            for _ in range(2):
                with pytest.raises(ShardLost):
                    await client.plant_info("1")
            assert (cloud_server.logins, cloud_server.reads) == before

    asyncio.run(ask())
