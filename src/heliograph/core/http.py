"""How a declared call becomes a request: the path, its arguments, and what travels in the body."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from heliograph.core.parsing import parse_number
from heliograph.core.redact import excerpt
from heliograph.core.session import Request
from heliograph.errors import Blocked, Throttled, Unreachable, Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.core.endpoint import Call, Fields
    from heliograph.core.session import Response
    from heliograph.errors import CloudError


def build_request(base: str, call: Call[Any], headers: Mapping[str, str]) -> Request:
    """Return the request of a call: the path's own arguments first, then its fields where they travel."""
    route, fields = call.endpoint.route, call.fields
    path = route.path
    if "{" in path:
        inside = {name: quote(str(value), safe="") for name, value in fields.items() if f"{{{name}}}" in path}
        path = path.format(**inside)
        fields = {name: value for name, value in fields.items() if name not in inside}
    arguments: Fields = dict(route.fixed)
    body: bytes | None = None
    if route.encoding == "query":
        arguments.update(fields)
    elif route.encoding == "form":
        body = urlencode(fields, doseq=True).encode()
        headers = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    elif route.encoding == "json":
        import json  # noqa: PLC0415 - the clouds that take forms never need it here

        body = json.dumps(fields, separators=(",", ":")).encode()
        headers = {**headers, "Content-Type": "application/json"}
    else:
        body, content_type = _multipart(fields)
        headers = {**headers, "Content-Type": content_type}
    if route.verb == "POST" and body is None:
        body = b""
    query = "?" + urlencode(arguments, doseq=True) if arguments else ""
    return Request(route.verb, base + path + query, headers, body)


def _multipart(fields: Fields) -> tuple[bytes, str]:
    from hashlib import sha256  # noqa: PLC0415 - one call in fifty is a multipart form

    lines = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    boundary = sha256("".join(lines).encode()).hexdigest()[:32]
    body = "".join(f"--{boundary}\r\n{line}" for line in lines) + f"--{boundary}--\r\n"
    return body.encode(), f"multipart/form-data; boundary={boundary}"


DEFAULT_RETRY_AFTER = 300.0
"""Seconds every maintained client waits when a cloud asks to slow down and does not say for how long."""
MAX_RETRY_AFTER = 24 * 3600.0
_INSIDE = frozenset((500, 502, 503, 504))


def raise_for_status(reply: Response) -> None:
    """Raise when the HTTP status alone already tells why there is no answer."""
    if reply.status >= 300:
        raise _by_status(reply)


def _by_status(reply: Response) -> CloudError:
    status, shown = reply.status, excerpt(reply.body)
    if status in (403, 405):
        # Quirk: 405 with a Chinese page is the firewall before both clouds (noah-mqtt issue 51).
        return Blocked(
            f"the cloud's firewall blocks this address ({status})",
            advice="Stop asking for some hours, then ask less often",
            excerpt=shown,
        )
    if status == 429:
        return throttled_error("429", parse_number(reply.headers.get("retry-after")))
    if status in _INSIDE:
        return Unreachable(f"the cloud failed inside ({status})", advice="Try again in some minutes", excerpt=shown)
    return Unreadable(
        f"HTTP {status} for a known call",
        advice="Check that the server's address is the cloud's; if it is, the path has changed",
        excerpt=shown,
    )


def throttled_error(code: str, seconds: float | None) -> Throttled:
    """Return the error of a cloud that asked to slow down, for as long as it said."""
    error = Throttled(f"too many requests ({code})")
    error.retry_after = seconds if seconds is not None and 0 < seconds <= MAX_RETRY_AFTER else DEFAULT_RETRY_AFTER
    error.advice = f"Wait {error.retry_after:.0f} s; do not log in again meanwhile"
    return error


def is_html(reply: Response) -> bool:
    """Tell whether a body is a web page."""
    return reply.body.lstrip()[:1] == b"<"


def parse_json(reply: Response) -> Any:
    """Return a body read as JSON, or raise what it is instead."""
    if is_html(reply):
        raise Unreadable(
            "the answer is a web page, not data",
            advice="Check the server's address; a proxy or a maintenance page may stand before it",
            excerpt=excerpt(reply.body),
        )
    with suppress(ValueError, RecursionError):  # nested without end is no answer either
        return json.loads(reply.body)
    # Raised out here, for the error of the JSON reader holds the whole answer and would hang on ours.
    raise Unreadable(
        "the answer is not JSON, or only half of it" if reply.body.strip() else "the answer is empty",
        advice="Try again in a minute; if it stays, the device may not know this call",
        excerpt=excerpt(reply.body),
    )
