"""One account as a doctor sees it, without sending anything: what is configured, and what its keeper remembers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from heliograph.cli.clients import create_client
from heliograph.cli.doctor.result import ok, problem, warning
from heliograph.cli.status import budget_usage, pause_text
from heliograph.cli.timefmt import format_duration, format_local_time
from heliograph.client import TIMEOUT, BlockingClient
from heliograph.core.session import Session
from heliograph.errors import ConfigError
from heliograph.keeper import policy
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heliograph.cli.doctor.result import Check
    from heliograph.config import Account
    from heliograph.keeper import Backoff

LOCAL_HOSTS = frozenset(("127.0.0.1", "localhost", "::1"))
SLOW_CLOCK = 120.0
"""Seconds a clock may be off: signatures and days are right all the same, but something keeps bad time."""
RIVALS = 2
LATELY = 6

_WHAT_TO_DO = {
    "locked": "wait; every further login may prolong it, also one in the app",
    "blocked": "wait, then ask less often; other programs at this address count as well",
    "throttled": "wait; it ends by itself",
    "unreachable": "see whether this machine is online, and what --try says",
    "login": "wait, or run: heliograph login {vendor}",
}


class AccountDiagnosis:
    """One account, a client of it that cannot log in, and what its keeper remembers."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.vendor = VENDORS[account.vendor].diagnostics_module()
        usual = create_client(account, interactive=True)
        self.guard = usual.guard
        # Without anybody's name and password no login can be sent, whatever the cloud answers.
        nobody = usual.cloud(), Session(usual.session.server), None
        self.client = BlockingClient(*nobody, timeout=TIMEOUT, allow_commands=False, guard=self.guard)
        self.refresh()

    def refresh(self) -> None:
        """See what the keeper remembers by now."""
        self.now = datetime.now(UTC)
        self.state = self.guard.load(self.now.timestamp())
        self.budget = policy.budget(self.state, self.now.timestamp(), self.guard.limits)
        stored = self.state.session
        self.session = Session.from_dict(stored) if stored else self.client.session

    @property
    def login_command(self) -> str:
        """What a person runs to log this account in."""
        account = self.account
        return f"heliograph login {account.vendor}" + (
            "" if account.name == account.vendor else f" --account {account.name}"
        )

    def checks(self) -> Iterator[Check]:
        """Look at everything that can be known without sending."""
        yield self.server()
        yield from self.trouble()
        yield self.budgeted()
        yield self.opened()
        yield from (ok(label, text) for label, text in self.vendor.summary(self.session))

    def server(self) -> Check:
        """Tell whether the account is sent to its cloud, and only there."""
        server = self.session.server
        parts = urlsplit(server)
        if parts.hostname in LOCAL_HOSTS:
            return ok("server", f"{server}, on this machine")
        if parts.scheme != "https":
            return warning(
                "server", f"{server} is not encrypted: whoever is on the way can read what opens the account"
            )
        if not self.vendor.is_known_server(server):
            return warning("server", f"{server} is none of {self.account.vendor}'s known servers; take out `server`")
        return ok("server", f"{server}; an account lives in one region only, `server` names another")

    def trouble(self) -> Iterator[Check]:
        """Tell what the keeper holds back, and what went wrong at the last login."""
        book, pause = self.state, self.budget.pause
        if pause and pause.kind != "login":
            yield self.paused(pause)
        if book.refused_at is not None:
            at = format_local_time(datetime.fromtimestamp(book.refused_at, UTC), self.now)
            yield problem(
                "login",
                f"the cloud refused the password at {at}, and it is not tried again; "
                f"try it in the app, see that the region is right, then run: {self.login_command}",
            )
        elif book.failed_by_person:
            yield problem(
                "login",
                f"the last one failed: {book.failed_why}; log in to the cloud's own app with this account, accept "
                f"what it asks, then run: {self.login_command}",
            )
        elif pause and pause.kind == "login":
            yield self.paused(pause)
        elif book.failures:
            yield warning("login", f"the last one failed: {book.failed_why}; it will be tried again")
        if len(book.deaths) >= RIVALS:
            yield warning(
                "rival",
                f"sessions died young {len(book.deaths)} times: another program or the app uses this account; "
                "give this program an account of its own, as a visitor",
            )

    def paused(self, pause: Backoff) -> Check:
        """Tell why nothing is sent until when."""
        verdict = problem if pause.kind in {"locked", "blocked"} else warning
        advice = _WHAT_TO_DO[pause.kind].format(vendor=self.account.vendor)
        return verdict("login" if pause.kind == "login" else "pause", f"{pause_text(pause, self.now)}; {advice}")

    def budgeted(self) -> Check:
        """Tell what is used of the budget."""
        budget = self.budget
        if budget.next_free is None:
            return ok("budget", budget_usage(budget))
        return warning(
            "budget",
            f"{budget_usage(budget)}; programs wait until {format_local_time(budget.next_free, self.now)}, "
            f"{budget.reserve} are kept for a person",
        )

    def opened(self) -> Check:
        """Tell whether there is a session."""
        budget = self.budget
        last = f", the last login was at {format_local_time(budget.last_login, self.now)}" if budget.last_login else ""
        if not self.session.alive:
            return ok("session", f"none is stored{last}; the next reading logs in once")
        age = f", {format_duration(self.now - budget.opened_at)} old" if budget.opened_at else ""
        return ok("session", f"one is stored{age}{last}")

    def check_clock(self) -> Iterator[Check]:
        """Tell how far this machine's clock was from the cloud's when the cloud last said."""
        if self.session.skew:
            yield clock_check(self.session.skew)

    def check_password(self, *, online: bool) -> Check:
        """Tell where the password comes from and whether it is there; a command is run only for a trial."""
        account = self.account
        key = account.password_key
        if key == "password_command" and not online:
            return ok("password", "from password_command, which runs only with --try")
        try:
            there = bool(account.password.reveal())
        except ConfigError as error:
            return problem("password", str(error))
        where = f"from {key}" if key else f"kept by {self.login_command}"
        return ok("password", where) if there else problem("password", f"{where}, and it is empty")

    def recent_events(self) -> tuple[str, ...]:
        """Return what happened to the account lately, oldest first."""
        notes = (f"{format_local_time(at, self.now)}  {note}" for at, note in self.budget.notes[-LATELY:])
        return (*notes, *self.vendor.history(self.session))


def clock_check(skew: float) -> Check:
    """Tell how far this machine's clock is from a cloud's."""
    if abs(skew) < SLOW_CLOCK:
        return ok("clock", "this machine's agrees with the cloud's")
    way = "behind" if skew > 0 else "ahead of"
    told = f"this machine's is {format_duration(timedelta(seconds=abs(skew)))} {way} the cloud's"
    return warning("clock", f"{told}; let it be set by the network (NTP)")
