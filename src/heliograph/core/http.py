"""HTTP encoding of declared calls, and the checks every response passes first: status and JSON."""

from __future__ import annotations

import json
import re
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

DEFAULT_RETRY_AFTER = 300.0
"""Seconds to wait if the server gives no time; every maintained client uses this value."""
MAX_RETRY_AFTER = 24 * 3600.0
MAX_PAGES = 200
"""Pages of one list, at least 2,800 plants; a server that invents rows on every page must not be read without end."""
_decode = json.JSONDecoder().decode
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*")
"""Characters that are sent as they are."""
_SERVER_ERRORS = frozenset((500, 502, 503, 504))


def build_request(base: str, call: Call[Any], headers: Mapping[str, str]) -> Request:
    r"""Return the HTTP request of a call: constant arguments in the query, fields in the path and by their encoding.

    Lone surrogates, which a response may contain as "\ud800" and no encoding can express, are sent as "?".
    """
    route, fields = call.endpoint.route, call.fields
    path = route.path
    if "{" in path:
        in_path = {
            name: quote(str(value), safe="", errors="replace")
            for name, value in fields.items()
            if f"{{{name}}}" in path
        }
        path = path.format(**in_path)
        fields = {name: value for name, value in fields.items() if name not in in_path}
    arguments: Fields = dict(route.fixed)
    body: bytes | None = None
    if route.encoding == "query":
        arguments.update(fields)
    elif route.encoding == "form":
        body = _encode_form(fields).encode()
        headers = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    elif route.encoding == "json":
        body = json.dumps(fields, separators=(",", ":")).encode()
        headers = {**headers, "Content-Type": "application/json"}
    else:
        body, content_type = _encode_multipart(fields)
        headers = {**headers, "Content-Type": content_type}
    if route.verb == "POST" and body is None:
        body = b""
    query = f"?{_encode_form(arguments)}" if arguments else ""
    return Request(route.verb, base + path + query, headers, body)


def _encode_form(fields: Fields) -> str:
    """Return fields as in the query of a URL; a list is sent as several fields of the same name."""
    # Most names and values need no encoding: finding that out takes a fifth of the time of `urlencode`.
    if _PLAIN.fullmatch("".join([f"{name}{value}" for name, value in fields.items()])):
        return "&".join([f"{name}={value}" for name, value in fields.items()])
    return urlencode(fields, doseq=True, errors="replace")


def _encode_multipart(fields: Fields) -> tuple[bytes, str]:
    from hashlib import sha256  # noqa: PLC0415 - one call in fifty is a multipart form

    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    boundary = sha256("".join(parts).encode(errors="replace")).hexdigest()[:32]
    body = "".join(f"--{boundary}\r\n{part}" for part in parts) + f"--{boundary}--\r\n"
    return body.encode(errors="replace"), f"multipart/form-data; boundary={boundary}"


def raise_for_status(response: Response) -> None:
    """Raise the error of a response whose HTTP status alone means that there is no answer."""
    if response.status >= 300:
        raise _status_error(response)


def _status_error(response: Response) -> CloudError:
    status, shown = response.status, excerpt(response.body)
    if status in (403, 405):
        # Quirk: 405 with a Chinese page is the firewall before both clouds (noah-mqtt issue 51).
        return Blocked(
            f"the vendor's firewall rejects requests from this address with a block page (HTTP {status})",
            advice="Send nothing for some hours, then poll less often",
            excerpt=shown,
        )
    if status == 429:
        return throttled_error("429", parse_number(response.headers.get("retry-after")))
    if status in _SERVER_ERRORS:
        return Unreachable(f"server error ({status})", advice="Try again in some minutes", excerpt=shown)
    return Unreadable(
        f"HTTP {status} for a known call",
        advice="Check the server's address; if it is correct, the vendor API changed this path",
        excerpt=shown,
    )


def throttled_error(code: str, seconds: float | None) -> Throttled:
    """Return the error of a rate limit, with the server's waiting time or the default."""
    error = Throttled(f"too many requests ({code})")
    error.retry_after = seconds if seconds is not None and 0 < seconds <= MAX_RETRY_AFTER else DEFAULT_RETRY_AFTER
    error.advice = f"Wait {error.retry_after:.0f} s; do not log in again meanwhile"
    return error


def endless_list_error(vendor: str, call: str) -> Unreadable:
    """Return the error of a list that is not over after `MAX_PAGES` pages."""
    return Unreadable(
        f"the list has more than {MAX_PAGES} pages",
        vendor=vendor,
        call=call,
        advice="Check the server's address; if the account has that many plants, report it",
    )


def is_html(response: Response) -> bool:
    """Return True if the body is a web page."""
    return response.body.lstrip()[:1] == b"<"


def parse_json(response: Response) -> Any:
    """Return the body parsed as JSON; raises Unreadable if it is a page, empty or not JSON."""
    try:
        return _decode(response.body.decode())
    except (ValueError, RecursionError):  # RecursionError: nested without end
        is_page = is_html(response)
    with suppress(ValueError, RecursionError):
        return json.loads(response.body)  # in another encoding, which it finds out
    # Raised outside of the handler: the error of the JSON parser holds the whole answer and would be our context.
    if is_page:
        raise Unreadable(
            "the answer is a web page, not data",
            advice="Check the server's address; it may be a proxy or a maintenance page",
            excerpt=excerpt(response.body),
        )
    raise Unreadable(
        "the answer is not JSON, or only half of it" if response.body.strip() else "the answer is empty",
        advice="Try again in a minute; if it stays, the device may not support this call",
        excerpt=excerpt(response.body),
    )
