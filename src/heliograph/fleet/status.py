"""The status of a fleet, from the database: workers, shards, accounts, egresses, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from heliograph.fleet.egress import egress_reports
from heliograph.fleet.engine import SELECT_TIMELINE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.fleet.database import Database
    from heliograph.fleet.egress import EgressReport
    from heliograph.fleet.engine import EngineAdministration, ShardReport, WorkerReport

_ACCOUNTS = "SELECT state, count(*) FROM account GROUP BY state ORDER BY state"
_OVERDUE = """
SELECT count(*), coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY late), 0)::float8 FROM (
  SELECT greatest(extract(epoch FROM clock_timestamp()) - due_at, 0) AS late FROM account
  WHERE state = 'active' AND due_at > 0
) AS polled WHERE late > 60
"""
_SIZES = "SELECT shard, count(*) FROM account WHERE state <> 'removed' GROUP BY shard"
_EGRESSES = "SELECT DISTINCT egress FROM account WHERE state IN ('new', 'active') ORDER BY egress"
_NEEDS_PERSON = """
SELECT account.id, tenant.name || '/' || account.name, reason FROM account JOIN tenant ON tenant.id = account.tenant
WHERE state = 'needs_person' ORDER BY account.id LIMIT 20
"""
_MAX_LAG = 300.0
_LARGE = 2.0
"""A shard with this many times the accounts of the mean is reported as large."""

Verdict = Literal["ok", "warning", "problem"]


class NeedyAccount(NamedTuple):
    """An account that is not polled until a person has done something."""

    id: int
    name: str
    reason: str


class FleetStatus(NamedTuple):
    """The whole fleet at one moment."""

    timeline: int
    """The timeline of the database; it rises with each failover."""
    workers: Sequence[WorkerReport]
    shards: Sequence[ShardReport]
    egresses: Sequence[EgressReport]
    accounts: Mapping[str, int]
    """The number of accounts by state."""
    overdue: int
    """Accounts that are due for more than a minute."""
    lag: float
    """Seconds for which 99 % of these are due at most."""
    sizes: Mapping[int, int]
    """The number of accounts by shard."""
    account_egresses: Sequence[str]
    """The egresses that accounts are to be polled through."""
    needs_person: Sequence[NeedyAccount]

    @property
    def unowned(self) -> list[int]:
        """The shards that no worker has."""
        return [one.shard for one in self.shards if not one.worker]

    @property
    def large_shards(self) -> list[int]:
        """The shards with far more accounts than the mean."""
        if not self.sizes:
            return []
        mean = max(sum(self.sizes.values()) / len(self.sizes), 10)
        return sorted(shard for shard, size in self.sizes.items() if size > _LARGE * mean)

    def as_dict(self) -> dict[str, Any]:
        """Return the status, JSON-ready."""
        return {
            "timeline": self.timeline,
            "accounts": dict(self.accounts),
            "overdue": self.overdue,
            "lag_seconds": round(self.lag, 1),
            "shards": {
                "total": len(self.shards),
                "assigned": len(self.shards) - len(self.unowned),
                "without_worker": self.unowned,
                "large": self.large_shards,
            },
            "workers": [
                {
                    "name": one.name,
                    "alive": one.is_alive,
                    "draining": one.is_draining,
                    "egresses": list(one.egresses),
                    "started_at": one.started_at.isoformat(timespec="seconds"),
                    "seen_seconds_ago": round(one.seen_seconds, 1),
                    "shards": list(one.shards),
                    "figures": dict(one.figures),
                }
                for one in self.workers
            ],
            "egresses": [one._asdict() for one in self.egresses],
            "needs_person": [one._asdict() for one in self.needs_person],
        }


class Finding(NamedTuple):
    """One result of `fleet doctor`; the message of a problem says what to do."""

    verdict: Verdict
    subject: str
    message: str


async def read_status(database: Database, engine: EngineAdministration) -> FleetStatus:
    """Read the status of a fleet; raises `StoreError`."""
    ((overdue, lag),) = await database.run(_OVERDUE)
    ((timeline,),) = await database.run(SELECT_TIMELINE)
    return FleetStatus(
        timeline=timeline,
        workers=await engine.workers(),
        shards=await engine.shards(),
        egresses=await egress_reports(database),
        accounts={row[0]: row[1] for row in await database.run(_ACCOUNTS)},
        overdue=overdue,
        lag=lag,
        sizes={row[0]: row[1] for row in await database.run(_SIZES)},
        account_egresses=[row[0] for row in await database.run(_EGRESSES)],
        needs_person=[NeedyAccount(*row) for row in await database.run(_NEEDS_PERSON)],
    )


def findings(status: FleetStatus) -> list[Finding]:
    """Return what is wrong with a fleet and what to do, problems first."""
    found = [*_of_workers(status), *_of_shards(status), *_of_accounts(status), *_of_egresses(status)]
    order = ("problem", "warning", "ok")
    return sorted(found, key=lambda one: order.index(one.verdict))


def _of_workers(status: FleetStatus) -> list[Finding]:
    alive = [one for one in status.workers if one.is_alive]
    if not alive:
        return [Finding("problem", "workers", "no worker is running; start one: heliograph fleet run --egress NAME")]
    found = [
        Finding(
            "warning", f"worker {one.name}", f"no heartbeat for {one.seen_seconds:.0f} s; check its machine and log"
        )
        for one in status.workers
        if not one.is_alive
    ]
    refused = sum(int(str(one.figures.get("refused", 0))) for one in alive)
    if refused:
        found.append(
            Finding(
                "warning", "fence", f"{refused} writes were refused since the workers started; expected after pauses"
            )
        )
    covered = {egress for one in alive if not one.is_draining for egress in one.egresses}
    found += [
        Finding(
            "problem",
            f"egress {egress}",
            f"accounts use it and no worker reaches it; start one: heliograph fleet run --egress {egress}",
        )
        for egress in status.account_egresses
        if egress not in covered
    ]
    return found or [Finding("ok", "workers", f"{len(alive)} running")]


def _of_shards(status: FleetStatus) -> list[Finding]:
    found = []
    if status.unowned:
        some = ", ".join(map(str, status.unowned[:10]))
        advice = "it is taken within a minute, if a worker of its egress runs"
        found.append(Finding("warning", "shards", f"{len(status.unowned)} have no worker ({some}); {advice}"))
    if status.large_shards:
        some = ", ".join(map(str, status.large_shards[:10]))
        found.append(
            Finding(
                "warning", "shards", f"unusually large: {some}; heliograph fleet move ACCOUNT --shard N spreads them"
            )
        )
    return found or [Finding("ok", "shards", f"all {len(status.shards)} are assigned")]


def _of_accounts(status: FleetStatus) -> list[Finding]:
    found = [
        Finding(
            "problem",
            f"account {one.id} ({one.name})",
            f"needs a person: {one.reason}; heliograph fleet account show {one.id} says what to do",
        )
        for one in status.needs_person
    ]
    if status.overdue and status.lag > _MAX_LAG:
        advice = "start another worker, or raise the rate of the egress"
        found.append(
            Finding("warning", "lag", f"{status.overdue} accounts are late, up to {status.lag:.0f} s; {advice}")
        )
    if not status.accounts:
        found.append(Finding("warning", "accounts", "there are none; run: heliograph fleet import FILE --tenant NAME"))
    total = sum(status.accounts.values())
    return found or [Finding("ok", "accounts", f"{total}, none is late")]


def _of_egresses(status: FleetStatus) -> list[Finding]:
    found = [
        Finding(
            "problem",
            f"egress {one.egress}",
            f"{one.vendor} is paused for {one.paused_seconds / 60:.0f} min: {one.reason}. Do not use another address; "
            f"lower the rate: heliograph fleet egress set {one.egress} --vendor {one.vendor} --rate {one.rate / 2:g}",
        )
        for one in status.egresses
        if one.paused_seconds > 0
    ]
    return found or [Finding("ok", "egresses", "none is paused")]
