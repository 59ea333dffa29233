"""SEMS+ in a box: from a request below its gateway to an answer in its envelope."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from heliograph.emulator.clouds.goodwe import (  # noqa: F401 - importing them fills PLUS
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

_MORE = {
    "100004": {"translationCode": "parameter_error", "errorMsg": "parameter error."},
    "C0602": {"translationCode": "account_login_abnormal"},
}


def match_call(asked: EmulatedRequest, stage: RequestContext) -> tuple[Endpoint[..., Any], dict[str, str]] | None:
    """Return the declared call of a path and its arguments, whose names are in lower case from here on."""
    base = BASE.fullmatch(asked.path)
    # Quirk: where there is no SEMS+ yet, none of its paths exists.
    if base is None or stage.fault("classic") is not None:
        return None
    found = PLUS_ROUTER.match(asked._replace(path=base[1]))
    return None if found is None else (found[0], {name.lower(): value for name, value in found[1].items()})


def respond(
    call: Endpoint[..., Any], arguments: dict[str, str], asked: EmulatedRequest, stage: RequestContext
) -> dict[str, Any]:
    """Return what SEMS+ says to one call."""
    try:
        return plus_envelope(0, "success", _data(call, arguments, asked, stage))
    except GoodWeFailure as refusal:
        return plus_envelope(refusal.code, refusal.message) | _MORE.get(str(refusal.code), {})


def _data(call: Endpoint[..., Any], arguments: dict[str, str], asked: EmulatedRequest, stage: RequestContext) -> Any:
    if call.route.is_login:
        return PLUS_ROUTER.handler(call)(arguments, auth.parse_token(asked) or {}, asked, stage)
    holder = plus_auth.require_plus_account(asked, stage)
    auth.check_rate_limit(holder, stage)
    auth.apply_due_commands(call, holder, stage)
    if stage.fault("empty") is not None:
        return {}
    return PLUS_ROUTER.handler(call)(GoodWeCallContext(arguments, holder, stage, asked.origin))
