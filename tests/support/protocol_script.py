"""A conversation played without a network: given these replies, what does it send?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from heliograph.core.session import Response

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from heliograph.core.session import Request

NOON = 1_782_036_000.0  # 2026-06-21 10:00 UTC


class Cut(Exception):
    """The conversation wanted another reply than the script holds."""


class Leftover(Exception):
    """The conversation ended before the script did."""


def reply(
    body: Any = b"{}",
    status: int = 200,
    *,
    cookies: tuple[str, ...] = (),
    at: float = NOON,
    **headers: str,
) -> Response:
    """Return one reply of a cloud; anything but bytes is sent as JSON, `retry_after` names a header."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, cookies, raw, at)


def script(
    talk: Generator[Request, Response, Any],
    replies: Iterable[Response | Exception],
    sent: list[Request] | None = None,
) -> tuple[list[Request], Any]:
    """Carry a conversation over these replies and return what it sent and its result.

    An exception among the replies is thrown in, as a driver does. Pass `sent` to see the requests of a
    conversation that ends in an error.
    """
    requests: list[Request] = [] if sent is None else sent
    left = list(replies)
    try:
        requests.append(next(talk))
        while left:
            answer = left.pop(0)
            requests.append(talk.throw(answer) if isinstance(answer, Exception) else talk.send(answer))
    except StopIteration as done:
        if left:
            raise Leftover(f"{len(left)} replies were never asked for") from None
        return requests, done.value
    raise Cut(f"no reply for {requests[-1].verb} {requests[-1].url}")
