"""Growatt's response envelope: its content, and the errors of expired sessions, refusals and failed logins."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from heliograph.core import http
from heliograph.core.parsing import parse_number
from heliograph.core.redact import excerpt
from heliograph.core.session import REDIRECT_STATUSES
from heliograph.errors import (
    AccountLocked,
    Blocked,
    CloudError,
    InvalidCredentials,
    LoginFailed,
    RequestRefused,
    SessionExpired,
    TermsNotAccepted,
    Unreadable,
)

if TYPE_CHECKING:
    from heliograph.core.endpoint import Call
    from heliograph.core.session import Response

LOCK_HOURS = 24.0
_BLOCK_PAGES = (b"aliyun", b"request has been", b"ua acl", b"captcha")
"""Texts on the pages of the firewall and of the web server's blacklist; a block is never worked around."""
_UNKNOWN = "Check the plant and serial number, and that the call fits the device's family"
_OFFLINE = (
    "It is offline or slow: asleep at night, or without network. Try again when the app shows it online. If it is "
    "online, check the plant and serial number, and that the call fits the device's family"
)
_REFUSALS = {
    # Quirk: an offline device and a nonexistent one have the same code (a NEO's recording).
    "501": ("the cloud could not reach the device now (501)", _OFFLINE),
    "500": ("the device did not answer the cloud in time (500)", _OFFLINE),
    "504": ("the cloud refused the request (504)", _UNKNOWN),
    "inv_set_failure": (
        "the cloud refused the request (inv_set_failure)",
        "Check the setting's name and its values, and that the device is online",
    ),
}


def parse(call: Call[Any], response: Response) -> Any:
    """Return the JSON of a response; raise if its status or page reports an error."""
    _raise_for_status(response)
    if call.endpoint.route.is_html:
        return _classic_info(response.body)
    # Quirk: an expired session answers 200 with the login page.
    if http.is_html(response) and b"login" in response.body[:50_000].lower():
        raise _session_expired("login page")
    return http.parse_json(response)


def lacks_login(response: Response) -> bool:
    """Return True if a login was answered as by a server that does not have this login, rather than by the login."""
    page = response.body[:20_000].lower()
    if any(sign in page for sign in _BLOCK_PAGES):
        return False
    # Quirk: a removed login (newLoginAPI.do) answers 400 or 403 with Tomcat's page about parameter conditions
    # (growattServer issue 97).
    is_dispatcher = response.status in (400, 403) and b"parameter conditions" in page
    # Quirk: 405 is also the firewall's status (noah-mqtt issue 51), so that only a servlet's own page counts.
    is_servlet = response.status == 405 and (b"method not allowed" in page or b"tomcat" in page)
    is_page = response.status == 200 and http.is_html(response)
    is_gone = response.status in (404, 410) or response.status in REDIRECT_STATUSES
    return is_gone or is_dispatcher or is_servlet or is_page


def unwrap(call: Call[Any], answer: Any, response: Response) -> Any:
    """Return the content inside the envelope; a refusal raises."""
    if isinstance(answer, dict):
        if call.endpoint.route.is_login:
            _check_login(answer.get("back"), response.received_at)
        _check_refusal(answer)
    content = _not_null(answer)
    for member in filter(None, call.endpoint.route.result_path.split(".")):
        if not isinstance(content, dict) or member not in content:
            raise Unreadable(f"the response has no {member!r}", excerpt=excerpt(response.body))
        content = _not_null(content[member])
    return content


def _not_null(content: Any) -> Any:
    if content is None:
        raise RequestRefused("the cloud has no data for this request", advice=_UNKNOWN)
    return content


def _session_expired(evidence: str) -> SessionExpired:
    return SessionExpired(
        f"the session has expired ({evidence})",
        advice="Log in again; if that was just done, wait a minute: another program may be using this account",
    )


def _raise_for_status(response: Response) -> None:
    if response.status < 300:
        return
    if response.status in REDIRECT_STATUSES:
        # Quirk: an expired session may be redirected to the login or error page (/error.do?errorMess=errorNoLogin).
        raise _session_expired("redirected to the login page")
    page = response.body[:20_000].lower()
    if response.status >= 500 and (b"not login" in page or b"login.do" in page):
        # Quirk: an expired session may be reported by an Error500 page (noah-mqtt issue 87).
        raise _session_expired("Error500 page")
    if response.status == 403 and b"ua acl" in page:
        # Quirk: the web server has a blacklist of User-Agents (growattServer issue 45).
        raise Blocked(
            "the cloud rejects this program's User-Agent with a block page (HTTP 403)",
            advice="Set another `user_agent`",
            excerpt=excerpt(response.body),
        )
    http.raise_for_status(response)


def _classic_info(body: bytes) -> Any:
    """Return the inverter settings embedded in the portal's page."""
    text = body.decode("utf-8", "replace")
    start = text.find("inv=JSON.parse('{")
    end = text.find("}')", start)
    if start < 0 or end < 0:
        if "login" in text.lower():
            raise _session_expired("login page")
        raise RequestRefused("the page has no inverter", advice=_UNKNOWN)
    found = text[text.index("{", start) : end + 1]
    with suppress(ValueError, RecursionError):
        return json.loads(found)
    raise Unreadable("the inverter's settings on the page are not JSON", excerpt=excerpt(found))


def _check_login(back: Any, received_at: float) -> None:
    if not isinstance(back, dict):
        raise Unreadable("the login response has no 'back'")
    if back.get("success") is not True:
        raise _login_error(back, received_at)
    if not isinstance(back.get("user"), dict):
        raise TermsNotAccepted(
            "the login succeeded without a user",
            advice="Accept the terms in the ShinePhone app, then try again",
        )


def _login_error(back: dict[str, Any], received_at: float) -> CloudError:
    code = excerpt(str(back.get("msg") or ""))
    reason = excerpt(str(back.get("error") or ""))
    if code == "507" or "locked" in reason.lower():
        return account_locked(back.get("lockDuration"), "507", received_at)
    failed: LoginFailed
    if code in ("501", "502"):
        failed = InvalidCredentials(
            f"the cloud refused the user name or password ({code})",
            advice="Check both, and the region: an account exists on one regional server only",
        )
    else:
        failed = LoginFailed(f"the login failed with code {code or 'none'}", excerpt=reason)
    failed.code = code
    return failed


def account_locked(duration: object, source: str, received_at: float) -> AccountLocked:
    """Return the error of a locked account; `duration` is in hours as reported, `source` is what reported it."""
    number = parse_number(duration)
    hours = number if number is not None and 0 < number <= 24 * 365 else LOCK_HOURS
    locked = AccountLocked(
        f"the account is locked for {hours:g} hours ({source})",
        advice="Do not log in again before that; the app is locked as well",
    )
    locked.retry_after = hours * 3600
    locked.until = datetime.fromtimestamp(received_at, UTC) + timedelta(seconds=locked.retry_after)
    return locked


def _check_refusal(answer: dict[str, Any]) -> None:
    if answer.get("success") is False or (answer.get("result") in (0, "0") and "obj" in answer):
        code = excerpt(str(answer.get("msg") or ""))
        if "login invalid" in code.lower():
            # Quirk: the portal's writes report an expired session in a message (docs/clouds/growatt.md).
            raise _session_expired("login invalid")
        message, advice = _REFUSALS.get(code, (f"the cloud refused the request ({code or 'no reason given'})", ""))
        error = RequestRefused(message, advice=advice)
        error.code = error.reason = code
        raise error
