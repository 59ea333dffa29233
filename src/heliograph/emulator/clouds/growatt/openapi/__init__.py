"""The emulated token API of Growatt (V1 and V4): tokens, envelopes, intervals and errors by call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.emulator import device_faults
from heliograph.emulator.api import EmulatedResponse
from heliograph.emulator.clouds.growatt import html
from heliograph.emulator.clouds.growatt.context import json_response
from heliograph.emulator.clouds.growatt.openapi import (  # noqa: F401 - each module registers its calls
    devices,
    meters,
    parameters,
    plants,
)
from heliograph.emulator.clouds.growatt.openapi.context import (
    OPENAPI_ROUTER,
    Enveloped,
    OpenApiCall,
    OpenApiFailure,
    token_of,
    too_early,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.core.endpoint import Endpoint
    from heliograph.emulator.api import EmulatedAccount, EmulatedRequest, RequestContext

PREFIXES = ("v1/", "v4/")
FAULTS = {
    "too_often": "the token API refuses every read as too frequent",
    "no_permission": "tokens list plants and devices, but may not read devices",
    "token_replaced": "tokens are no longer valid, as if new ones had been created",
    "empty_devices": "device lists of the token API are empty, with a count of 1",
    "write_reports_error": "a write by token reports a system error although it is applied",
}
"""Faults of the token API, with descriptions."""


def account_of(request: EmulatedRequest, context: RequestContext) -> EmulatedAccount | None:
    """Return the account of a request's token."""
    token = request.headers.get("token", "")
    return next((account for account in context.accounts("growatt") if token == token_of(account)), None)


def handle(request: EmulatedRequest, context: RequestContext) -> EmulatedResponse:
    """Return the response to one request of the token API."""
    path = request.path
    if path.startswith("v4/") and not path.startswith("v4/new-api/"):
        # Every V1 path is answered under v4/ as well.
        request = request._replace(path="v1/" + path.removeprefix("v4/"))
    # Empty parameters mean their default.
    request = request._replace(arguments={key: value for key, value in request.arguments.items() if value != ""})
    found = OPENAPI_ROUTER.match(request)
    if found is None or context.fault("html") is not None:
        return html.LOGIN
    endpoint, arguments = found
    is_v4 = "new-api/" in endpoint.route.path
    try:
        answer = _answer(endpoint, arguments, account_of(request, context), context, is_v4=is_v4)
        code, message = 0, "SUCCESSFUL_OPERATION" if is_v4 else ""
    except OpenApiFailure as failure:
        answer, code, message = "", failure.code, failure.message
    if isinstance(answer, EmulatedResponse):
        return answer
    if is_v4:
        return json_response({"code": code, "data": answer if code == 0 else None, "message": message})
    beside = answer.beside if isinstance(answer, Enveloped) else {}
    return json_response({"data": answer, **beside, "error_code": code, "error_msg": message})


def _answer(
    endpoint: Endpoint[..., Any],
    arguments: Mapping[str, str],
    account: EmulatedAccount | None,
    context: RequestContext,
    *,
    is_v4: bool,
) -> Any:
    if account is None or context.fault("token_replaced") is not None:
        raise OpenApiFailure(2 if is_v4 else 10011, "TOKEN_IS_INVALID" if is_v4 else "error_permission_denied")
    if too_early(endpoint, arguments, account, context):
        raise OpenApiFailure(102 if is_v4 else 10012, "FREQUENTLY_ACCESS" if is_v4 else "error_frequently_access")
    device_faults.apply_due_changes(account, context.now())
    return OPENAPI_ROUTER.handler(endpoint)(OpenApiCall(arguments, account, context, endpoint.name))
