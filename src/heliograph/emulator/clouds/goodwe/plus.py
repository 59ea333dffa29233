"""Request handling of the emulated SEMS+: routing, authentication and response envelope."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from heliograph.emulator.clouds.goodwe import (  # noqa: F401 - each module registers its calls
    auth,
    plus_auth,
    plus_devices,
    plus_remote,
    plus_stations,
    plus_statistics,
)
from heliograph.emulator.clouds.goodwe.context import GoodWeCallContext, GoodWeFailure
from heliograph.emulator.clouds.goodwe.plus_context import PLUS_ROUTER, plus_envelope

if TYPE_CHECKING:
    from heliograph.core.endpoint import Endpoint
    from heliograph.emulator.api import EmulatedRequest, RequestContext

BASE = re.compile(r"/*web/+sems/+(.*)", re.IGNORECASE)

_EXTRA_MEMBERS = {
    "100004": {"translationCode": "parameter_error", "errorMsg": "parameter error."},
    "C0602": {"translationCode": "account_login_abnormal"},
}


def match_call(request: EmulatedRequest, context: RequestContext) -> tuple[Endpoint[..., Any], dict[str, str]] | None:
    """Return the declared call of a request and its arguments, with lower-case names."""
    base = BASE.fullmatch(request.path)
    # Quirk: before SEMS+ existed, none of its paths did.
    if base is None or context.fault("classic") is not None:
        return None
    match = PLUS_ROUTER.match(request._replace(path=base[1]))
    return None if match is None else (match[0], {name.lower(): value for name, value in match[1].items()})


def respond(
    endpoint: Endpoint[..., Any], arguments: dict[str, str], request: EmulatedRequest, context: RequestContext
) -> dict[str, Any]:
    """Return the response of SEMS+ to one call."""
    try:
        return plus_envelope(0, "success", _data(endpoint, arguments, request, context))
    except GoodWeFailure as failure:
        return plus_envelope(failure.code, failure.message) | _EXTRA_MEMBERS.get(str(failure.code), {})


def _data(
    endpoint: Endpoint[..., Any], arguments: dict[str, str], request: EmulatedRequest, context: RequestContext
) -> Any:
    if endpoint.route.is_login:
        return PLUS_ROUTER.handler(endpoint)(arguments, auth.parse_token(request) or {}, request, context)
    account = plus_auth.require_plus_account(request, context)
    auth.check_rate_limit(account, context)
    auth.apply_due_commands(endpoint, account, context)
    if context.fault("empty") is not None:
        return {}
    return PLUS_ROUTER.handler(endpoint)(GoodWeCallContext(arguments, account, context, request.origin))
