"""Runs a protocol generator without a network on prepared responses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from heliograph.core.effects import Effect, resume
from heliograph.core.session import Response

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from heliograph.core.session import Request, Sleep

NOON = 1_782_036_000.0  # 2026-06-21 10:00 UTC


class Cut(Exception):
    """The flow sent more requests than there are responses."""


class Leftover(Exception):
    """The flow ended before all responses were used."""


def reply(
    body: Any = b"{}",
    status: int = 200,
    *,
    cookies: tuple[str, ...] = (),
    at: float = NOON,
    **headers: str,
) -> Response:
    """Return one response; a body other than bytes is encoded as JSON, `retry_after` becomes a header."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, cookies, raw, at)


def next_request(flow: Generator[Any, Any, Any], outcome: Any) -> Request | Sleep:
    """Resume a flow, perform its effects as a blocking client does, and return its next request or sleep."""
    step = resume(flow, outcome)
    while isinstance(step, Effect):
        try:
            outcome = step.perform()
        except Exception as error:  # noqa: BLE001 - the flow decides
            outcome = error
        step = resume(flow, outcome)
    return step


def script(
    flow: Generator[Any, Any, Any],
    replies: Iterable[Response | Exception],
    sent: list[Request] | None = None,
) -> tuple[list[Request], Any]:
    """Run a flow on these responses and return its requests and its result.

    An exception among the responses is thrown into the flow, as a client does. Pass `sent` to see the requests of a
    flow that raises.
    """
    requests: list[Request] = [] if sent is None else sent
    left = list(replies)
    try:
        requests.append(next_request(flow, None))
        while left:
            requests.append(next_request(flow, left.pop(0)))
    except StopIteration as done:
        if left:
            raise Leftover(f"{len(left)} replies were not used") from None
        return requests, done.value
    raise Cut(f"no reply for {requests[-1].verb} {requests[-1].url}")
