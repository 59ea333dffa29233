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
from heliograph.emulator.clouds.goodwe.context import Ask, Failed
from heliograph.emulator.clouds.goodwe.plus_context import PLUS, envelope

if TYPE_CHECKING:
    from heliograph.core.endpoint import Endpoint
    from heliograph.emulator.api import Asked, Stage

BASE = re.compile(r"/*web/+sems/+(.*)", re.IGNORECASE)

_MORE = {
    "100004": {"translationCode": "parameter_error", "errorMsg": "parameter error."},
    "C0602": {"translationCode": "account_login_abnormal"},
}


def matched(asked: Asked, stage: Stage) -> tuple[Endpoint[..., Any], dict[str, str]] | None:
    """Return the declared call of a path and its arguments, whose names are in lower case from here on."""
    base = BASE.fullmatch(asked.path)
    # Quirk: where there is no SEMS+ yet, none of its paths exists.
    if base is None or stage.fault("classic") is not None:
        return None
    found = PLUS.match(asked._replace(path=base[1]))
    return None if found is None else (found[0], {name.lower(): value for name, value in found[1].items()})


def answer(call: Endpoint[..., Any], arguments: dict[str, str], asked: Asked, stage: Stage) -> dict[str, Any]:
    """Return what SEMS+ says to one call."""
    try:
        return envelope(0, "success", _data(call, arguments, asked, stage))
    except Failed as refusal:
        return envelope(refusal.code, refusal.words) | _MORE.get(str(refusal.code), {})


def _data(call: Endpoint[..., Any], arguments: dict[str, str], asked: Asked, stage: Stage) -> Any:
    if call.route.opens:
        return PLUS.function(call)(arguments, auth.token_of(asked) or {}, asked, stage)
    holder = plus_auth.holder_of(asked, stage)
    auth.slow_down(holder, stage)
    auth.order_or_catch_up(call, holder, stage)
    if stage.fault("empty") is not None:
        return {}
    return PLUS.function(call)(Ask(arguments, holder, stage, asked.origin))
