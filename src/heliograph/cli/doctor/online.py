"""What a doctor learns by asking: whether the cloud is there, and whether the stored session still opens the account.

No login is ever sent. The front pages are asked for without a session, and not at all while the account is paused.
"""

from __future__ import annotations

import socket
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from heliograph.cli.concurrency import run_in_thread
from heliograph.cli.doctor.account import clock_check
from heliograph.cli.doctor.result import ok, problem, warning
from heliograph.client import send
from heliograph.core.session import Session
from heliograph.errors import CloudError, SessionExpired, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heliograph.cli.doctor.account import AccountDiagnosis
    from heliograph.cli.doctor.result import Check
    from heliograph.core.session import Request

_TURNED_AWAY = frozenset((403, 405))
_SILENT = frozenset(("locked", "blocked", "throttled"))


def check_online(patient: AccountDiagnosis) -> Iterator[Check]:
    """Ask the cloud as little as tells something."""
    pause = patient.budget.pause
    if pause and pause.kind in _SILENT:
        yield from patient.check_clock()
        yield warning("trial", "nothing was sent, for the pause above is not over")
        return
    skew: float | None = None
    for knock in patient.vendor.ping_requests(patient.session):
        check, told = answered(knock)
        skew = told if skew is None else skew
        yield check
    if skew is not None:
        yield clock_check(skew)
    yield session_works(patient)


def answered(knock: Request) -> tuple[Check, float | None]:
    """Ask for a server's front page, which takes nobody's account; return also how far apart the clocks are."""
    host = urlsplit(knock.url).netloc
    started = monotonic()
    try:
        reply = run_in_thread(lambda: send(knock))
    except CloudError as error:
        return problem("network", f"{error.message}; {_why_silent(knock.url, error)}"), None
    took = f"{(monotonic() - started) * 1000:.0f} ms"
    glance = Session(knock.url)
    glance.update_from_response(knock.url, reply)
    skew = glance.skew if "date" in reply.headers else None
    if reply.status in _TURNED_AWAY:
        told = f"the firewall before {host} turns this address away ({reply.status}); wait some hours"
        return problem("network", told), skew
    return ok("network", f"{host} answers within {took}"), skew


def _why_silent(url: str, error: CloudError) -> str:
    parts = urlsplit(url)
    if "certificate" in error.message.lower():
        return "see that this machine's clock is right, and that no proxy stands in between"
    try:
        socket.getaddrinfo(parts.hostname, parts.port or parts.scheme)
    except OSError:
        return "its name is not known here: check the network, the name server and any filter (Pi-hole), and `server`"
    return "check the network and any proxy or firewall between this machine and the cloud"


def session_works(patient: AccountDiagnosis) -> Check:
    """Make one cheap call with the stored session; where it is over, say so instead of opening another."""
    if not patient.session.alive:
        return warning(
            "trial", f"no session is stored, and a login was not spent; this one does: {patient.login_command}"
        )
    try:
        run_in_thread(lambda: patient.client.perform(lambda: patient.vendor.probe(patient.session)))
    except SessionExpired:
        patient.refresh()
        told = "the stored session is over, and a login was not spent; this one does"
        return warning("trial", f"{told}: {patient.login_command}")
    except (CloudError, StoreError) as error:
        patient.refresh()
        return problem("trial", str(error))
    patient.refresh()
    return ok("trial", "the stored session opens the account")
