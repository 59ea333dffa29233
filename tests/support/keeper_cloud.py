"""A simulated vendor that counts requests and locks accounts, and programs that use the keeper, stepped by the test."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

import pytest

from heliograph.core.protocol import AccountProtocol
from heliograph.core.redact import Secret
from heliograph.core.session import CLEAR_SESSION, ENSURE_SESSION, FORCE_LOGIN, Credentials, Request, Session, Sleep
from heliograph.errors import CloudError, InvalidCredentials, StoreError, Unreachable
from heliograph.keeper import Keeper, Limits
from heliograph.vendors.growatt import Growatt, hash_password
from heliograph.vendors.growatt.auth import GrowattProtocol
from support.growatt_script import SERVER, USER, arguments, paths, plant_info
from support.keeper_state import stored_members
from support.protocol_script import NOON, next_request, reply

if TYPE_CHECKING:
    from pathlib import Path

DAY = 24 * 3600.0
LIMITS: Limits = Growatt.default_limits
PAGE = b"<!DOCTYPE html><html data-name='login'>"
LOCKS_AT_LOGINS, LOCKS_AT_REQUESTS = 20, 200


class AccountUsage:
    """Requests, logins, locks and refused passwords that the programs must respect."""

    def __init__(self) -> None:
        self.requests: list[float] = []
        self.logins: list[float] = []
        self.locked_until = 0.0
        self.refused: set[str] = set()

    def forget(self) -> None:
        """Start empty, after the state file or the clock of the programs was changed."""
        self.__init__()


class CountingCloud:
    """One Growatt account at the vendor, in true time."""

    def __init__(self) -> None:
        self.now = NOON
        self.password = "right"
        self.valid_cookie: str | None = None
        self.numbers = count(1)
        self.logins: list[float] = []
        self.requests: list[float] = []
        self.locked_until = 0.0
        self.blocked_until = 0.0
        self.slow_until = 0.0
        self.fault = ""
        self.usage = AccountUsage()

    def open(self) -> str:
        """Open a session, which ends the previous one."""
        self.valid_cookie = f"c{next(self.numbers)}"
        return self.valid_cookie

    def clear_faults(self) -> None:
        self.fault = ""
        self.locked_until = self.blocked_until = self.slow_until = 0.0

    def recent(self, times):
        return [time for time in times if self.now < time + DAY]

    def serve(self, request: Request):
        """Count a request and return its response or connection error."""
        if self.fault == "no network":
            error = Unreachable("no connection")
            error.sent = False
            return error
        self.requests = [*self.recent(self.requests), self.now]
        if request.is_login:
            self.logins = [*self.recent(self.logins), self.now]
        if len(self.requests) > LOCKS_AT_REQUESTS or len(self.logins) > LOCKS_AT_LOGINS:
            self.locked_until = self.now + DAY
        if self.fault == "silence":
            return Unreachable("no answer")
        if self.fault == "fault":
            return reply(b"oops", 502)
        if self.now < self.blocked_until:
            return reply(b"<!doctypehtml><title>405</title>", 405)
        if self.now < self.slow_until:
            return reply(b"", 429)
        return self._login(arguments(request)) if request.is_login else self._read(request)

    def _login(self, fields):
        if self.now < self.locked_until:
            hours = -int((self.now - self.locked_until) // 3600)
            return reply({"back": {"success": False, "msg": "507", "lockDuration": str(hours)}})
        if fields["password"] != hash_password(self.password):
            return reply({"back": {"success": False, "msg": "502"}})
        if self.fault == "terms":
            return reply({"back": {"success": True}})
        cookie = self.open()
        if self.fault == "futile":
            self.valid_cookie = None
        user = {"success": True, "user": {"id": 1}, "data": [{"plantId": "1", "plantName": "Roof"}]}
        return reply({"back": user}, cookies=(f"JSESSIONID={cookie}; Path=/",))

    def _read(self, request):
        if self.valid_cookie is None or request.headers.get("Cookie") != f"JSESSIONID={self.valid_cookie}":
            return reply(PAGE)
        return reply({"todayEnergy": "0.2", "deviceList": []})


class Program:
    """One program with an account: its protocol, its running plan and its next request."""

    sent = 0

    def __init__(self, cloud: CountingCloud, folder: Path, clock, password: str, *, interactive: bool = False) -> None:
        self.cloud, self.folder = cloud, folder
        self.clock = clock
        self.password = password
        self.protocol = AccountProtocol(GrowattProtocol(), Session(SERVER), Credentials(USER, Secret(password)))
        keeper = Keeper(folder, patience=0.2)
        self.guard = keeper.guard("growatt", SERVER, USER, LIMITS, interactive=interactive, clock=clock)
        self.steps = None
        self.pending: Request | Sleep | None = None
        self.error: BaseException | None = None
        self.cookie_at_start = None

    def start(self, plan="read") -> None:
        self.flow = plan
        self.cookie_at_start = stored_cookie(self.guard.store.path)
        self.error = None
        self.steps = self.guard.run(self.protocol, PLANS.get(plan, plan))
        self._advance(None)

    def step(self) -> None:
        """Execute the pending request or sleep."""
        if isinstance(self.pending, Sleep):
            self.cloud.now += self.pending.seconds
            self._advance(None)
            return
        self.assert_allowed(self.pending)
        outcome = self.cloud.serve(self.pending)
        self._advance(outcome if isinstance(outcome, CloudError) else outcome._replace(received_at=self.clock()))

    def interrupt(self) -> None:
        """Interrupt the program as a signal does: its flow saves the state and releases the lock."""
        with pytest.raises(KeyboardInterrupt):
            self._advance(KeyboardInterrupt())
        self.steps = self.pending = None

    def run(self, plan="read"):
        """Run a plan to its end and return its error, if any."""
        self.start(plan)
        while self.steps is not None:
            self.step()
        return self.error

    def kill(self, *, after_sending: bool) -> None:
        """Stop without saving state or reading a response."""
        if after_sending and isinstance(self.pending, Request):
            self.assert_allowed(self.pending)
            self.cloud.serve(self.pending)
        path = self.guard.store.path
        content = path.read_bytes() if path.exists() else None
        self.steps.close()
        self.steps = self.pending = None
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)

    def _advance(self, outcome) -> None:
        try:
            self.pending = next_request(self.steps, outcome)
        except StopIteration:
            if self.flow == "insist":
                self.cloud.usage.refused.discard(self.password)
            self.steps = self.pending = None
        except (CloudError, StoreError) as error:
            self.steps = self.pending = None
            self.error = error
            usage = self.cloud.usage
            if isinstance(error, InvalidCredentials):
                usage.refused.add(self.password)
            if getattr(error, "until", None) is not None and self.cloud.now < self.cloud.locked_until:
                # A lock that the cloud has extended meanwhile is not known to the program yet.
                known = error.until.timestamp() - (self.clock() - self.cloud.now)
                usage.locked_until = min(self.cloud.locked_until, known)

    def assert_allowed(self, request: Request) -> None:
        """Assert that a request respects the limits of the keeper."""
        cloud, usage = self.cloud, self.cloud.usage
        Program.sent += 1
        forced = self.protocol.forced
        assert cloud.now >= usage.locked_until, "a request during a reported lock"
        if cloud.fault == "no network":
            return
        usage.requests = [*cloud.recent(usage.requests), cloud.now]
        if request.is_login:
            usage.logins = [*cloud.recent(usage.logins), cloud.now]
            assert forced or self.cookie_at_start is None or self.cookie_at_start != cloud.valid_cookie, (
                "a login with a valid session"
            )
            assert forced or self.password not in usage.refused, "a refused password again"
        assert len(usage.requests) <= LIMITS.requests, "more requests than the budget"
        assert len(usage.logins) <= LIMITS.logins, "more logins than the budget"


def stored_cookie(path: Path) -> str | None:
    """Return the cookie of the stored session, or None without a valid file or session."""
    try:
        if path.is_symlink():
            return None
        session = stored_members(path)["session"]
        return next(iter(session["cookies"].values()))["JSESSIONID"] if session["alive"] else None
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return None


def read():
    return plant_info.flow("1")


def read_twice():
    return (yield read()), (yield read())


def read_despite_error():
    """A plan that continues if its first call fails."""
    with suppress(CloudError):
        yield read()
    return (yield read())


PLANS = {
    "read": read,
    "twice": read_twice,
    "regardless": read_despite_error,
    "log in": lambda: ENSURE_SESSION,
    "insist": lambda: FORCE_LOGIN,
    "forget": lambda: CLEAR_SESSION,
}

__all__ = ["DAY", "LIMITS", "PLANS", "CountingCloud", "Program", "paths", "stored_cookie"]
