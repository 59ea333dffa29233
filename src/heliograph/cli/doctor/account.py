"""Checks of one account without sending anything: its configuration and its keeper's state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from heliograph.cli.clients import create_client
from heliograph.cli.doctor.result import ok, problem, warning
from heliograph.cli.status import budget_usage, pause_text
from heliograph.cli.timefmt import format_duration, format_local_time
from heliograph.client import BlockingClient
from heliograph.core.session import Session
from heliograph.errors import ConfigError
from heliograph.keeper import policy
from heliograph.transports import TIMEOUT
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heliograph.cli.doctor.result import Check
    from heliograph.config import Account
    from heliograph.keeper import Backoff

LOCAL_HOSTS = frozenset(("127.0.0.1", "localhost", "::1"))
SLOW_CLOCK = 120.0
"""Clock difference in seconds above which doctor warns; requests still work, since they use the cloud's clock."""
EARLY_ENDS = 2
"""Number of sessions that ended early from which doctor suspects another client."""
RECENT_EVENTS = 6

_ADVICE = {
    "locked": "wait; every further login may extend it, including in the app",
    "blocked": "wait, then send fewer requests; other programs at this IP address count too",
    "throttled": "wait; it ends automatically",
    "unreachable": "check this machine's network, and run doctor with --online",
    "login": "wait, or run: heliograph login {vendor}",
}


class AccountDiagnosis:
    """One account with a client that cannot log in, and the keeper's state; opened by its token or its password."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.by_token = not account.has_password
        self.vendor = VENDORS[account.vendor].diagnostics_module(by_token=self.by_token)
        client = create_client(account, interactive=True)
        self.guard = client.guard
        # Without credentials no login can be sent, whatever the cloud responds.
        anonymous = client.cloud(), Session(client.session.server), None
        self.client = BlockingClient(*anonymous, timeout=TIMEOUT, allow_commands=False, guard=self.guard)
        self.refresh()

    def refresh(self) -> None:
        """Load the keeper's current state."""
        self.now = datetime.now(UTC)
        self.state = self.guard.load(self.now.timestamp())
        self.budget = policy.budget(self.state, self.now.timestamp(), self.guard.limits)
        stored = self.state.session
        self.session = Session.from_dict(stored) if stored else self.client.session

    @property
    def login_command(self) -> str:
        """The command that logs this account in."""
        account = self.account
        option = "" if account.name == account.vendor else f" --account {account.name}"
        return f"heliograph login {account.vendor}{' --token' if self.by_token else ''}{option}"

    def checks(self) -> Iterator[Check]:
        """Run all checks that send nothing."""
        yield self.check_server()
        yield from self.check_login()
        yield self.check_budget()
        yield self.check_session()
        yield from (ok(label, text) for label, text in self.vendor.summary(self.session))

    def check_server(self) -> Check:
        """Check the server: encrypted, and one of the vendor's."""
        server = self.session.server
        parts = urlsplit(server)
        if parts.hostname in LOCAL_HOSTS:
            return ok("server", f"{server}, on this machine")
        if parts.scheme != "https":
            return warning(
                "server", f"{server} is not encrypted: others on the network can read the account's credentials"
            )
        if not self.vendor.is_known_server(server):
            return warning("server", f"{server} is not a known {self.account.vendor} server; remove `server`")
        if self.by_token:
            return ok("server", f"{server}; the region of a token is found by itself")
        return ok("server", f"{server}; an account exists in one region only, `server` selects another")

    def check_login(self) -> Iterator[Check]:
        """Report a back-off, and why the last login failed."""
        state, pause = self.state, self.budget.pause
        if pause and pause.kind != "login":
            yield self.check_backoff(pause)
        if state.refused_at is not None:
            at = format_local_time(datetime.fromtimestamp(state.refused_at, UTC), self.now)
            if self.by_token:
                text = f"the cloud refused the token at {at}, and it is not sent again; create a new one in the app"
                yield problem("login", f"{text}, then run: {self.login_command}")
                return
            yield problem(
                "login",
                f"the cloud refused the password at {at}, and it is not sent again; "
                f"check it in the app, check the region, then run: {self.login_command}",
            )
        elif state.failed_by_person:
            yield problem(
                "login",
                f"the last one failed: {state.failed_why}; log in to the vendor's own app with this account, accept "
                f"what it asks, then run: {self.login_command}",
            )
        elif pause and pause.kind == "login":
            yield self.check_backoff(pause)
        elif state.failures:
            yield warning("login", f"the last one failed: {state.failed_why}; it will be retried")
        if len(state.deaths) >= EARLY_ENDS:
            yield warning(
                "other client",
                f"sessions ended early {len(state.deaths)} times: another program or the app uses this account; "
                "create a separate (visitor) account for this program",
            )

    def check_backoff(self, pause: Backoff) -> Check:
        """Report a back-off with its reason and end."""
        verdict = problem if pause.kind in {"locked", "blocked"} else warning
        advice = _ADVICE[pause.kind].format(vendor=self.account.vendor)
        return verdict("login" if pause.kind == "login" else "back-off", f"{pause_text(pause, self.now)}; {advice}")

    def check_budget(self) -> Check:
        """Report the used budget."""
        budget = self.budget
        if budget.next_free is None:
            return ok("budget", budget_usage(budget))
        at = format_local_time(budget.next_free, self.now)
        if budget.free > 0:
            return ok("budget", f"{budget_usage(budget)}; scripts wait until {at}, the collector polls as planned")
        reserve = f"{budget.reserve} requests are reserved for interactive use"
        return warning("budget", f"{budget_usage(budget)}; background programs wait until {at}, {reserve}")

    def check_session(self) -> Check:
        """Report the stored session."""
        budget = self.budget
        last = f", last login at {format_local_time(budget.last_login, self.now)}" if budget.last_login else ""
        if not self.session.alive:
            return ok("session", f"none stored{last}; the next request logs in once")
        age = f", {format_duration(self.now - budget.opened_at)} old" if budget.opened_at else ""
        return ok("session", f"stored{age}{last}")

    def check_clock(self) -> Iterator[Check]:
        """Report the clock difference of the last response, if any."""
        if self.session.skew:
            yield clock_check(self.session.skew)

    def check_secret(self, *, online: bool) -> Check:
        """Report the source of the password or token and whether it is available; a command runs only with --online."""
        account = self.account
        name, key, secret = "password", account.password_key, account.password
        if account.token is not None and self.by_token:
            name, key, secret = "token", account.token_key, account.token
        if key.endswith("_command") and not online:
            return ok(name, f"from {key}, which runs only with --online")
        try:
            available = bool(secret.reveal())
        except ConfigError as error:
            return problem(name, str(error))
        where = f"from {key}" if key else f"saved by {self.login_command}"
        return ok(name, where) if available else problem(name, f"{where}, but it is empty")

    def recent_events(self) -> tuple[str, ...]:
        """Return the account's recent events, oldest first."""
        notes = (f"{format_local_time(at, self.now)}  {note}" for at, note in self.budget.notes[-RECENT_EVENTS:])
        return (*notes, *self.vendor.history(self.session))


def clock_check(skew: float) -> Check:
    """Report the difference between this machine's clock and the cloud's in seconds."""
    if abs(skew) < SLOW_CLOCK:
        return ok("clock", "this machine's clock agrees with the cloud's")
    way = "behind" if skew > 0 else "ahead of"
    difference = format_duration(timedelta(seconds=abs(skew)))
    return warning("clock", f"this machine's clock is {difference} {way} the cloud's; enable NTP")
