"""Online checks of one account: whether its cloud is reachable, and whether the stored session is valid.

No login is ever sent. Front pages are requested without a session, and not at all during a back-off.
"""

from __future__ import annotations

import socket
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from heliograph.cli.concurrency import run_in_thread
from heliograph.cli.doctor.account import clock_check
from heliograph.cli.doctor.result import ok, problem, warning
from heliograph.core.session import Session
from heliograph.errors import CloudError, SessionExpired, StoreError, Throttled
from heliograph.transports import send

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heliograph.cli.doctor.account import AccountDiagnosis
    from heliograph.cli.doctor.result import Check
    from heliograph.core.session import Request

_FIREWALL_STATUSES = frozenset((403, 405))
_NO_CONTACT = frozenset(("locked", "blocked", "throttled"))


def check_online(diagnosis: AccountDiagnosis) -> Iterator[Check]:
    """Run the online checks with as few requests as possible."""
    pause = diagnosis.budget.pause
    if pause and pause.kind in _NO_CONTACT:
        yield from diagnosis.check_clock()
        yield warning("live check", "nothing was sent because of the back-off above")
        return
    skew: float | None = None
    for request in diagnosis.vendor.ping_requests(diagnosis.session):
        check, request_skew = check_server(request)
        skew = request_skew if skew is None else skew
        yield check
    if skew is not None:
        yield clock_check(skew)
    yield check_session(diagnosis)


def check_server(request: Request) -> tuple[Check, float | None]:
    """Request a server's front page, without an account; also return the clock difference in seconds."""
    host = urlsplit(request.url).netloc
    started = monotonic()
    try:
        response = run_in_thread(lambda: send(request))
    except CloudError as error:
        return problem("network", f"{error.message}; {_connection_advice(request.url, error)}"), None
    took = f"{(monotonic() - started) * 1000:.0f} ms"
    session = Session(request.url)
    session.update_from_response(request.url, response)
    skew = session.skew if "date" in response.headers else None
    if response.status in _FIREWALL_STATUSES:
        advice = f"the firewall of {host} blocks this IP address ({response.status}); wait some hours"
        return problem("network", advice), skew
    return ok("network", f"{host} responded in {took}"), skew


def _connection_advice(url: str, error: CloudError) -> str:
    parts = urlsplit(url)
    if "certificate" in error.message.lower():
        return "check this machine's clock, and whether a proxy intercepts the connection"
    try:
        socket.getaddrinfo(parts.hostname, parts.port or parts.scheme)
    except OSError:
        return "its name cannot be resolved: check the network, the DNS server, any filter (Pi-hole), and `server`"
    return "check the network and any proxy or firewall between this machine and the cloud"


def check_session(diagnosis: AccountDiagnosis) -> Check:
    """Make one cheap call with the stored session; report an expired one instead of logging in."""
    if not diagnosis.session.alive:
        return warning(
            "live check", f"no session is stored, and no login was sent; to log in, run: {diagnosis.login_command}"
        )
    try:
        run_in_thread(lambda: diagnosis.client.perform(lambda: diagnosis.vendor.probe(diagnosis.session)))
    except SessionExpired:
        diagnosis.refresh()
        expired = "the stored session has expired, and no login was sent; to log in, run"
        return warning("live check", f"{expired}: {diagnosis.login_command}")
    except (CloudError, StoreError) as error:
        diagnosis.refresh()
        if isinstance(error, Throttled) and not error.account_wide:
            return ok("live check", "not possible yet: the same call was sent a moment ago")
        return problem("live check", str(error))
    diagnosis.refresh()
    return ok("live check", "the stored session is valid")
