"""Acceptance of a fleet: real worker processes that are killed, stopped and cut off; no account is ever asked twice.

One fleet runs through all tests of this file, in their order; a witness between the workers and the emulated clouds
judges every request, and triggers of the database note every row. Workers are harmed beside each other where one is
left that can take over. The last test switches the fence off, and must see what the others must not.
HELIOGRAPH_FLEET_SEED selects the workers that are harmed, and when.
"""

import os
import random
import signal
import time

import pytest

from heliograph.cli.main import run as run_command
from support.fleet_judge import lost_samples, recovery
from support.fleet_run import FleetRun, FleetSize

NAMES = ("a", "b", "c", "d")
SEED = int(os.environ.get("HELIOGRAPH_FLEET_SEED", "7"))


@pytest.fixture(scope="module")
def fleet():
    with FleetRun(FleetSize(), SEED) as run:
        print(f"seed {SEED}, times {run.slowness:.1f} times as long")
        run.chance, run.recoveries = random.Random(SEED), []
        ensure_all(run, 150)
        yield run


@pytest.fixture(autouse=True)
def _nothing_forbidden_happened(request):
    yield
    if "fleet" in request.fixturenames:
        assert request.getfixturevalue("fleet").violations() == {}


def worker(fleet, name):
    """Return the running worker of this name, which is started if it has ended."""
    fleet.reap()
    return next((one for one in fleet.workers if one.name == name), None) or fleet.start_worker(name)


def ensure_all(fleet, seconds=60):
    """Start what has ended, and wait until every worker has shards and every account was just asked; return them."""
    began = time.monotonic()

    def all_work():
        found = [worker(fleet, name) for name in NAMES]  # on a busy machine one may end itself
        asked = fleet.asked_since(max(began, time.monotonic() - 2 * fleet.size.interval) - fleet.size.interval)
        is_polled = len(asked | fleet.resting) >= fleet.size.accounts
        # The fence has the name of a worker that has ended until another takes its shards.
        return found if is_polled and all(fleet.seen_by(one) and fleet.shards_of(one) for one in found) else None

    return fleet.wait_until(all_work, seconds, "every worker has shards, and all accounts are polled")


def some_workers(fleet, number):
    """Return so many of the workers, at any moment of the polls."""
    found = fleet.chance.sample(ensure_all(fleet), number)
    time.sleep(fleet.chance.random() * fleet.size.interval)
    return found


def recovered(fleet, taken, since):
    """Wait until all accounts of these shards were asked again, and note how long each took."""
    rows = fleet.query("SELECT id, shard FROM heliograph.account")
    accounts = {f"{number}" for number, shard in rows if shard in taken} - fleet.resting
    others = {f"{number}" for number, shard in rows if shard not in taken} - fleet.resting
    # A login that was under way is repeated after a minute; that is judged by the share asked again in time.
    fleet.wait_until(lambda: accounts <= fleet.asked_since(since), 180, "the shards' accounts are asked again")
    fleet.recoveries.append(recovery(list(fleet.witness.seen), accounts, others, since, time.monotonic()))


def test_workers_share_the_shards_and_log_in_each_account_once(fleet):
    ensure_all(fleet)
    even = lambda: {len(fleet.shards_of(one)) for one in fleet.workers} <= {1, 2, 3}  # noqa: E731
    fleet.wait_until(even, 60, "the shards are divided evenly")
    logins = [one.account for one in fleet.witness.seen if one.is_login]
    assert set(logins) == {seen.account for seen in fleet.witness.seen}
    if not fleet.ended:
        assert len(logins) == fleet.size.accounts


def test_killed_and_paused_workers_send_nothing_more_for_shards_that_were_taken(fleet):
    """One is killed, one paused for twice and one for five times the time-out, while the fourth takes everything."""
    timeout = fleet.size.timeout
    killed, short, long = some_workers(fleet, 3)
    taken = {one.name: fleet.shards_of(one) for one in (killed, short, long)}
    harmed_at = time.monotonic()
    for one in (short, long):
        one.signal(signal.SIGSTOP)
    assert fleet.end_worker(killed) == -signal.SIGKILL
    for name in (killed.name, short.name, long.name):
        recovered(fleet, taken[name], harmed_at)
    for one, timeouts in ((short, 2), (long, 5)):
        time.sleep(max(harmed_at + timeouts * timeout - time.monotonic(), 0.0))
        one.signal(signal.SIGCONT)
        assert fleet.wait_for_end(one) == 75


def test_worker_that_is_paused_for_half_a_time_out_or_cut_off_from_the_database_harms_nobody(fleet):
    relay, url = fleet.add_database_relay()
    *_, ended = ensure_all(fleet)
    assert fleet.end_worker(ended, signal.SIGTERM) == 0
    cut = fleet.start_worker(ended.name, url=url)
    paused = fleet.chance.choice([one for one in ensure_all(fleet) if one is not cut])
    time.sleep(fleet.chance.random() * fleet.size.interval)
    taken = fleet.shards_of(cut), fleet.shards_of(paused)
    cut.harmed_at = harmed_at = time.monotonic()
    relay.open.clear()
    paused.signal(signal.SIGSTOP)
    time.sleep(fleet.size.timeout / 2)
    paused.signal(signal.SIGCONT)
    assert fleet.wait_for_end(cut) == 75
    for shards in taken:
        recovered(fleet, shards, harmed_at)
    relay.open.set()


def test_worker_with_a_wrong_clock_and_the_name_of_another_polls_on_time(fleet):
    ensure_all(fleet)
    one = fleet.start_worker("a", clock_offset=120.0)
    fleet.wait_until(lambda: len({seen.account for seen in fleet.seen_by(one)}) > 5, 60, "it polls accounts")
    counted_from = len(fleet.seen_by(one))
    began = time.monotonic()
    fleet.wait_for_all_polled()
    accounts = {seen.account for seen in fleet.seen_by(one)}
    requests = len(fleet.seen_by(one)) - counted_from
    # A clock two minutes ahead that mattered would make every account due at once, again and again.
    assert requests < 6 * len(accounts) * ((time.monotonic() - began) / fleet.size.interval + 2)
    assert fleet.end_worker(one, signal.SIGTERM) == 0


def test_workers_that_end_in_the_middle_of_a_login_cause_no_second_one(fleet):
    """One is killed, one paused and one ended by SIGTERM, each while it waits for the answer to a login."""
    ensure_all(fleet)
    fleet.witness.hold_logins.set()

    def three_wait():
        held = {identity for _, identity in list(fleet.witness.held)}
        if len(held) < 3:
            fleet.end_session()
        return sorted(held)[:3] if len(held) >= 3 else None

    identities = fleet.wait_until(three_wait, 60, "logins of three workers are under way")
    harmed = [one for one in fleet.workers if one.identity in identities]
    shards = set().union(*map(fleet.shards_of, harmed))
    for one, number in zip(harmed, (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM), strict=True):
        one.signal(number)
    killed, paused, ended = harmed
    is_taken = lambda: not shards & set().union(*map(fleet.shards_of, harmed))  # noqa: E731
    fleet.wait_until(is_taken, 60, "the fourth worker has the shards")
    under_way = {account for account, identity in list(fleet.witness.held) if identity in identities}
    fleet.witness.hold_logins.clear()
    paused.signal(signal.SIGCONT)
    for one in (killed, paused, ended):
        fleet.wait_for_end(one)
    failed = "SELECT account::text FROM heliograph.account_state WHERE contents::json ->> 'failures' = '1'"
    are_failed = lambda: under_way <= {account for (account,) in fleet.query(failed)}  # noqa: E731
    fleet.wait_until(are_failed, 60, "the logins count as failed")
    fleet.resting |= under_way


def test_database_is_killed_and_started(fleet):
    ensure_all(fleet)
    fleet.stop_database()
    time.sleep(fleet.size.timeout / 4)
    fleet.server.start()
    ensure_all(fleet)


def test_rolling_restart_hands_over_without_loss(fleet):
    for name in NAMES[:3]:
        one = next(found for found in ensure_all(fleet) if found.name == name)
        taken, asked_at = fleet.shards_of(one), time.monotonic()
        assert fleet.end_worker(one, signal.SIGTERM) == 0
        assert "data.lost" not in one.text()
        recovered(fleet, taken, asked_at)
        fleet.start_worker(name)


def test_drained_worker_hands_over_and_takes_shards_again_when_undone(fleet):
    one = fleet.chance.choice(ensure_all(fleet))
    taken, asked_at = fleet.shards_of(one), time.monotonic()
    command(fleet, "drain", one.name)
    fleet.wait_until(lambda: not fleet.shards_of(one), 60, "the worker has no shard")
    recovered(fleet, taken, asked_at)
    assert one.process.poll() is None
    command(fleet, "drain", one.name, "--undo")
    fleet.wait_until(lambda: fleet.shards_of(one), 60, "the worker has shards again")


def test_moved_account_is_polled_by_the_worker_of_its_new_shard(fleet):
    ensure_all(fleet)
    # To a shard that was assigned later: the witness takes a smaller token for that of an earlier owner.
    account, shard = fleet.chance.choice(
        fleet.query(
            """SELECT account.id, there.shard FROM heliograph.account JOIN heliograph.fence AS here USING (shard)
            JOIN heliograph.fence AS there ON there.owner <> here.owner AND there.token > here.token
            WHERE account.id <> ALL (%s)""",
            ([int(one) for one in fleet.resting],),
        )
    )
    moved_at = time.monotonic()
    fleet.moved.add(f"{account}")
    command(fleet, "move", f"{account}", "--shard", f"{shard}")

    def is_polled():
        owners = [one for one in fleet.workers if shard in fleet.shards_of(one)]
        return any(f"{account}" in fleet.asked_since(moved_at, one) for one in owners)

    fleet.wait_until(is_polled, 60, "the worker of the new shard polls it")


def command(fleet, *words):
    """Run a command of an operator."""
    assert run_command(["fleet", *words, "--database", fleet.url]) == 0


def test_accounts_of_a_harmed_worker_were_asked_again_in_time(fleet):
    """Each within time-out and interval, or what the other accounts' interval was meanwhile beside the load."""
    shares = [(len(one.seconds), one.share(fleet.size.timeout, fleet.size.interval)) for one in fleet.recoveries]
    slowest, accounts = max(one.seconds[-1] for one in fleet.recoveries), sum(number for number, _ in shares)
    print(f"{accounts} accounts of harmed workers asked again, the last after {slowest:.1f} s")
    assert sum(number * share for number, share in shares) / accounts >= 0.99, fleet.recoveries


def test_no_sample_was_lost(fleet):
    for one in ensure_all(fleet):
        one.signal(signal.SIGTERM)
    for one in list(fleet.workers):
        assert fleet.wait_for_end(one) == 0
    for one in fleet.ended:
        assert "internal.error" not in one.text()
        assert "data.rejected" not in one.text()
    lost, judged = lost_samples(fleet)
    print(f"{judged} polls of {len(fleet.witness.seen)} requests judged")
    assert lost == []
    assert judged > 10 * fleet.size.accounts


def test_control_without_fence_has_overlaps():
    """A test that cannot fail proves nothing: without fence and watchdog, a paused worker asks for others' accounts."""
    with FleetRun() as run:
        first, *_ = [run.start_worker(name, fence=False, watchdog=False) for name in NAMES[:3]]
        run.wait_for_all_polled(150)
        first.signal(signal.SIGSTOP)
        time.sleep(3 * run.size.timeout)
        first.signal(signal.SIGCONT)
        run.wait_until(lambda: run.witness.stale, 30, "a stale request")
        assert run.violations()
