"""The envelope of the web portal: its content, and the errors of expired sessions, refusals and failed logins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core import http
from heliograph.core.parsing import parse_number
from heliograph.core.redact import excerpt
from heliograph.core.session import REDIRECT_STATUSES
from heliograph.errors import InvalidCredentials, LoginFailed, RequestRefused, SessionExpired, Unreadable
from heliograph.vendors.growatt.envelope import account_locked

if TYPE_CHECKING:
    from heliograph.core.endpoint import Call
    from heliograph.core.session import Response
    from heliograph.errors import CloudError

_UNKNOWN = "Check the plant and serial number, and that the call fits the device's family"
_REFUSED_LOGIN = (
    "Check the password at the web portal in a browser; the portal of a region has the accounts of that region only. "
    "To do without the portal, remove `portal`"
)


def parse(call: Call[Any], response: Response) -> Any:
    """Return the content of a response; raise the error it reports."""
    is_login = call.endpoint.route.is_login
    page = response.body[:50_000].lower()
    if response.status in REDIRECT_STATUSES:
        # Quirk: /error.do?errorMess=errorNoLogin (PLCHome/growatt issue 30).
        raise _session_expired("redirected to the login page")
    if response.status >= 500 and (b"not login" in page or b"login.do" in page):
        raise _session_expired("Error500 page")
    http.raise_for_status(response)
    if http.is_html(response) and b"login" in page:
        raise _session_expired("login page")
    answer = http.parse_json(response)
    if is_login:
        _check_login(answer, response)
        return answer
    return _content(answer, response)


def _content(answer: Any, response: Response) -> Any:
    # Quirk: the plant list is a bare array, the list of dataloggers and some storage answers have no envelope.
    if not isinstance(answer, dict) or "result" not in answer:
        return answer
    code = parse_number(answer["result"])
    if code != 1:
        reason = excerpt(str(answer.get("msg") or ""))
        error = RequestRefused(f"the web portal refused the request ({reason or 'no reason given'})", advice=_UNKNOWN)
        error.code, error.reason = str(answer["result"])[:20], reason
        raise error
    if answer.get("obj") is None:
        raise RequestRefused("the web portal has no data for this request", advice=_UNKNOWN)
    if not isinstance(answer["obj"], dict):
        raise Unreadable("the portal's answer is not an object", excerpt=excerpt(response.body))
    return answer["obj"]


def _check_login(answer: Any, response: Response) -> None:
    if not isinstance(answer, dict) or "result" not in answer:
        raise Unreadable("the portal's login response has no 'result'", excerpt=excerpt(response.body))
    if parse_number(answer["result"]) == 1:
        return
    code, reason = str(answer["result"])[:20], excerpt(str(answer.get("msg") or ""))
    if "lock" in reason.lower():
        raise account_locked(answer.get("lockDuration"), "the web portal", response.received_at)
    # The meaning of the other codes is not published.
    failed = InvalidCredentials(f"the web portal refused the login ({code})", advice=_REFUSED_LOGIN, excerpt=reason)
    failed.code = code
    raise failed


def refused_beside_app(refusal: CloudError) -> LoginFailed:
    """Return the error of a login that the portal refuses although the app accepts it: the password is not wrong."""
    failed = LoginFailed(f"{refusal.message} although the app accepts it", advice=_REFUSED_LOGIN)
    failed.code = getattr(refusal, "code", "")
    return failed


def _session_expired(evidence: str) -> SessionExpired:
    return SessionExpired(
        f"the session of the web portal has expired ({evidence})",
        advice="Log in again; if that was just done, wait a minute: another program may be using this account",
    )
