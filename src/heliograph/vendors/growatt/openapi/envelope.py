"""The envelopes of the token API: V1 with `error_code`, V4 with `code`, and the errors they report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core import http
from heliograph.core.parsing import parse_number
from heliograph.core.redact import excerpt
from heliograph.errors import RequestRefused, SessionExpired, Unreadable
from heliograph.vendors.growatt.openapi.limits import INTERVAL, MARGIN, too_often

if TYPE_CHECKING:
    from heliograph.core.endpoint import Call
    from heliograph.core.session import Response
    from heliograph.errors import CloudError

HOW_TO_CREATE = (
    "Create the token in the ShinePhone app: Me, account name, API Token. A new token replaces the old one, and a "
    "token created on the web page often finds no plants"
)
NO_PERMISSION = (
    "The token lists plants but may not read this device: only Growatt can grant that; ask its regional service. If "
    "the device is not yours, check its serial number"
)
_NOT_AGAIN = "Read the setting back before sending it again: the cloud may report an error although it was applied"

_V1_REFUSALS = {
    10001: ("the cloud reports an internal error", "Try again in some minutes"),
    10002: ("the cloud does not know this plant or device", "Check the id or serial number"),
    10003: ("the cloud does not know this plant or device, or refuses the date", "Check the serial number and dates"),
    10004: ("the cloud refuses the dates", "A query covers at most 7 days"),
    10005: ("the cloud does not know this device", "Check the serial number and the family"),
    10013: ("a page has at most 100 rows", "Use a smaller page"),
    10014: ("a list has at most 250 pages", "Use larger pages"),
}
_V1_WRITE_REFUSALS = {
    10001: "the setting failed",
    10002: "the device belongs to another regional server",
    10003: "the device is offline",
    10004: "the serial number is missing",
    10005: "the datalogger is offline",
    10006: "the device has no such setting",
    10007: "a value is missing",
    10008: "a value is out of range",
    10009: "a time has the wrong format",
    10011: "the token has no permission for this device",
    # Quirk: 10012 means "too often" on a read and "no such device" on a write (docs/clouds/growatt.md).
    10012: "the cloud does not know this device",
    10013: "the end is before the start",
}
_V4_REFUSALS = {
    1: "the cloud reports an internal error",
    3: "the token has no permission for this device",
    4: "the cloud does not know this device",
    5: "the device is offline",
    6: "the device did not set or return the value",
    7: "the device is of another type",
    12: "the token has no permission for this device",
    16: "the device did not respond",
    18: "the device did not respond in time",
    101: "the token has no permission",
}
PERMISSION_CODES = frozenset((3, 12, 101, 10011))
"""Codes of a token without permission."""
_TOO_OFTEN, _WRONG_HOST, _V4_BAD_TOKEN, _PERMISSION = 10012, -1, 2, 10011
_V4_TOO_OFTEN = frozenset((100, 102))
UNWRAPPED = frozenset(("v1_check_serial", "v1_vpp_state_of_charge"))
"""Calls without an envelope."""
_WHOLE = frozenset(("v1_batch_data", "v1_inverter_batch_data"))
"""Calls whose result is the whole answer."""


def parse(call: Call[Any], response: Response) -> Any:
    """Return the content of a response; raise the error it reports."""
    if http.is_html(response) and response.status < 300:
        # Quirk: a host of another region, or a wrong path, answers with the portal's login page and status 200.
        raise wrong_host("the login page")
    http.raise_for_status(response)
    answer = http.parse_json(response)
    if not isinstance(answer, dict):
        raise Unreadable("the answer is not an object", excerpt=excerpt(response.body))
    if call.endpoint.name in UNWRAPPED and parse_number(answer.get("error_code", 0)) == 0:
        return answer
    is_v4 = "new-api/" in call.endpoint.route.path
    member = "code" if is_v4 else "error_code"
    code = parse_number(answer.get(member))
    if code is None:
        raise Unreadable(f"the answer has no {member!r}", excerpt=excerpt(response.body))
    if code != 0:
        raise _refusal(call, int(code), str(answer.get("message" if is_v4 else "error_msg") or ""), is_v4=is_v4)
    content = answer if call.endpoint.name in _WHOLE else answer.get("data")
    member = call.endpoint.route.result_path
    if member:
        content = content.get(member) if isinstance(content, dict) else None
    return content


def wrong_host(evidence: str) -> SessionExpired:
    """Return the error of a host that does not serve this token; the client then searches its region again."""
    return SessionExpired(f"this server does not serve the token ({evidence})", advice=HOW_TO_CREATE)


def _refusal(call: Call[Any], code: int, reason: str, *, is_v4: bool) -> CloudError:
    is_command = call.endpoint.route.command
    if code == _WRONG_HOST:
        return wrong_host("use another domain")
    if (is_v4 and code in _V4_TOO_OFTEN) or (not is_v4 and code == _TOO_OFTEN and not is_command):
        return too_often(f"this call was sent too often ({code})", INTERVAL + MARGIN)
    if is_v4 and code == _V4_BAD_TOKEN:
        return SessionExpired(f"the token is not valid ({code})", advice=HOW_TO_CREATE)
    if not is_v4 and code == _PERMISSION and call.endpoint.name == "v1_plant_list":
        # This call needs no permission but the token's own.
        return SessionExpired(f"the token is not valid here ({code})", advice=HOW_TO_CREATE)
    if is_v4:
        message, advice = _V4_REFUSALS.get(code, "the cloud refused the request"), ""
    elif is_command:
        message, advice = _V1_WRITE_REFUSALS.get(code, "the cloud refused the setting"), ""
    elif code == _PERMISSION:
        message, advice = "the token has no permission for this plant or device", ""
    else:
        message, advice = _V1_REFUSALS.get(code, ("the cloud refused the request", ""))
    if code in PERMISSION_CODES:
        advice = NO_PERMISSION
    elif is_command:
        advice = _NOT_AGAIN
    error = RequestRefused(f"{message} ({code})", advice=advice)
    error.code, error.reason = str(code), excerpt(reason)
    return error
