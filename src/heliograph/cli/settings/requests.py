"""What a change would send, for --dry-run: the commands of its plan, taken apart without sending any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.endpoint import Call
from heliograph.session import LOGGED_IN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heliograph.model import Device
    from heliograph.orders import Difference


def requests(client: Any, device: Device, step: Difference) -> list[dict[str, Any]]:
    """Return the command that would be sent, or the question that has to be asked before it can be known."""
    plan = type(client).write_setting.plan(device, step.setting.name, step.new)
    return [_told(call) for call in _first(plan, client.session)]


def _first(plan: Any, session: Any) -> Iterator[Call[Any]]:
    if isinstance(plan, Call):
        yield plan
        return
    wanted = plan.send(None)
    while wanted is LOGGED_IN:
        wanted = plan.send(session)
    yield from _first(wanted, session)
    plan.close()


def _told(call: Call[Any]) -> dict[str, Any]:
    route = call.endpoint.route
    return {
        "call": call.endpoint.name,
        "verb": route.verb,
        "path": route.path,
        "fields": {**route.fixed, **call.fields},
    }
