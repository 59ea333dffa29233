"""Judges a fleet by what the witness saw and what the database stored: double logins, lost samples, time to recover."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple

import psycopg

UNSTORED_SECONDS = 1.0
"""What a worker was answered so shortly before it was killed need not be stored."""


TIME_TOLERANCE = 2.0
"""Seconds by which the time of a sample differs from the cloud's: both are in whole seconds."""


class StoredRow(NamedTuple):
    """One sample as it was written; times are epoch seconds of the database."""

    account: str
    fetched_at: int
    written_at: float


class StoredRows:
    """Notes by triggers every sample that is written, also a repeated one, and every raise of a token."""

    def __init__(self, url):
        self.url = url
        for statement in (
            "CREATE TABLE public.stored (series int, fetched_at bigint, written_at float8)",
            """CREATE FUNCTION public.note_sample() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO public.stored
                VALUES (NEW.series, NEW.fetched_at, extract(epoch FROM clock_timestamp())); RETURN NEW; END'""",
            """CREATE TRIGGER note BEFORE INSERT ON heliograph.sample
            FOR EACH ROW EXECUTE FUNCTION public.note_sample()""",
            "CREATE TABLE public.raised (shard int, token bigint, at float8)",
            """CREATE FUNCTION public.note_raise() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO public.raised
                VALUES (NEW.shard, NEW.token, extract(epoch FROM clock_timestamp())); RETURN NULL; END'""",
            """CREATE TRIGGER note AFTER UPDATE ON heliograph.fence
            FOR EACH ROW EXECUTE FUNCTION public.note_raise()""",
        ):
            self._run(statement)

    def rows(self):
        """Return all samples that were written."""
        statement = """SELECT DISTINCT latest.account::text, stored.fetched_at, stored.written_at
            FROM public.stored JOIN heliograph.latest USING (series)"""
        return [StoredRow(*row) for row in self._run(statement)]

    def raises(self):
        """Return, for each account, when its shard got which token."""
        found = defaultdict(list)
        for account, token, at in self._run(
            "SELECT account.id::text, raised.token, raised.at FROM public.raised JOIN heliograph.account USING (shard)"
        ):
            found[account].append((at, token))
        return found

    def _run(self, statement):
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


class SeenPoll(NamedTuple):
    """The requests of one poll; times are of `time.monotonic`."""

    account: str
    worker: str
    number: str
    token: int
    began: float
    ended: float
    delivered: bool


def polls_of(seen):
    """Return the polls of each account, in their order, apart from those that consist of a login only."""
    requests = defaultdict(list)
    for one in sorted(seen, key=lambda one: one.began):
        if one.poll:
            requests[one.account, one.worker, one.poll, one.token].append(one)
    found = defaultdict(list)
    for key, ours in requests.items():
        delivered = all(one.delivered for one in ours)
        found[key[0]].append(SeenPoll(*key, ours[0].began, max(one.ended for one in ours), delivered))
    return found


def failed_polls(worker):
    """Return the numbers of the polls that a worker reported as failed."""
    return set(re.findall(r"^failed poll (\d+):", worker.text(), re.MULTILINE))


def lost_samples(run):
    """Return the polls that were answered and are no row, and how many were judged; all workers have to have ended.

    A worker that ended by itself or was killed may lose what it was answered in its last second before the harm.
    """
    epoch, ours = run.cloud_epoch(), time.time() - time.monotonic()
    failed = {one.identity: failed_polls(one) for one in run.ended}
    harmed = {one.identity: one.harmed_at for one in run.ended if one.process.returncode != 0}
    stored, written, lost, judged = defaultdict(set), defaultdict(list), [], 0
    for row in run.rows.rows():
        stored[row.account].add(row.fetched_at)
        written[row.account].append(row.written_at)
    for account, polls in polls_of(run.witness.seen).items():
        for one, following in zip(polls, [*polls[1:], None], strict=True):
            # It was written before the next poll was answered, or, after a time without database, has its own time.
            ended = one.ended + 60 if following is None else following.ended
            until = max((following or one).began - TIME_TOLERANCE, one.ended + TIME_TOLERANCE)
            harmed_at = harmed.get(one.worker)
            if not one.delivered or one.number in failed[one.worker]:
                continue
            if harmed_at is not None and one.ended > harmed_at - UNSTORED_SECONDS:
                continue
            judged += 1
            seconds = range(int(one.began + epoch - TIME_TOLERANCE), int(until + epoch) + 1)
            is_written = any(one.began + ours <= at < ended + ours for at in written[account])
            if not is_written and stored[account].isdisjoint(seconds):
                lost.append(f"{account}: poll {one.number} of {one.worker}")
    return lost, judged


def stale_rows(run):
    """Return the samples that were written for a poll with an older token than the account's shard had by then."""
    rows = run.rows.rows()  # first: every poll that they are of is among the requests afterwards
    epoch, polls, raises, found = run.cloud_epoch(), polls_of(run.witness.requests()), run.rows.raises(), []
    for row in rows:
        if row.account in run.moved:
            continue  # its rows of before have the token of another shard
        newest = max((token for at, token in raises[row.account] if at < row.written_at), default=0)
        tokens = {
            one.token
            for one in polls[row.account]
            if one.began + epoch - TIME_TOLERANCE < row.fetched_at + 1 and one.ended + epoch > row.fetched_at - 60
        }
        if tokens and max(tokens) < newest:
            raised_at = max(at for at, token in raises[row.account] if token == newest)
            seconds = f"{row.written_at - raised_at:.2f} s after its raise, {row.written_at - row.fetched_at:.2f} s old"
            found.append(f"{row.account}: a row of {max(tokens)} after {newest}, written {seconds}")
    return found


def double_logins(seen, within):
    """Return the accounts whose password was sent twice within so many seconds, by any worker."""
    logins = defaultdict(list)
    for one in seen:
        if one.is_login:
            logins[one.account].append((one.began, one.worker))
    return [
        f"{account}: {first[1]}, {second[0] - first[0]:.1f} s later {second[1]}"
        for account, found in logins.items()
        for first, second in pairwise(sorted(found))
        if second[0] - first[0] < within
    ]


class Recovery(NamedTuple):
    """How soon the accounts of a harmed worker were asked again, in seconds."""

    seconds: list[float]
    """Of each account, from the harm to its next request."""
    usual: float
    """What 99 % of the other accounts waited at most meanwhile: the interval, and the load of this machine."""

    def share(self, timeout, interval):
        """Return the share that was asked again within time-out and interval, or what is the interval under load."""
        limit = timeout + max(interval, self.usual)
        return sum(one <= limit for one in self.seconds) / max(len(self.seconds), 1)


def recovery(seen, accounts, others, harmed_at, until):
    """Return the recovery of the accounts of a worker that was harmed; `others` are accounts of unharmed workers."""
    began = defaultdict(list)
    for one in seen:
        began[one.account].append(one.began)
    again = [min((at for at in began[one] if at > harmed_at), default=float("inf")) - harmed_at for one in accounts]
    gaps = []
    for one in others:
        times = [max((at for at in began[one] if at <= harmed_at), default=harmed_at)]
        times += [*sorted(at for at in began[one] if harmed_at < at < until), until]
        gaps.append(max(later - earlier for earlier, later in pairwise(times)))
    return Recovery(sorted(again), percentile(gaps, 0.99))


def percentile(values, share):
    """Return the value that this share of the values does not exceed; 0 without values.

    >>> percentile([4, 1, 3, 2], 0.5), percentile([], 0.99)
    (2, 0.0)
    """
    ordered = sorted(values)
    return ordered[max(-(-len(ordered) * round(share * 100) // 100) - 1, 0)] if ordered else 0.0
