"""How a declared call becomes a request: the path, its arguments, and what travels in the body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from heliograph.session import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.endpoint import Call, Fields


def compose(base: str, call: Call[Any], headers: Mapping[str, str]) -> Request:
    """Return the request of a call: the path's own arguments first, then its fields where they travel."""
    route, fields = call.endpoint.route, call.fields
    path = route.path
    if "{" in path:
        inside = {name: quote(str(value), safe="") for name, value in fields.items() if f"{{{name}}}" in path}
        path = path.format(**inside)
        fields = {name: value for name, value in fields.items() if name not in inside}
    arguments: Fields = dict(route.fixed)
    body: bytes | None = None
    if route.where == "query":
        arguments.update(fields)
    elif route.where == "form":
        body = urlencode(fields, doseq=True).encode()
        headers = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    elif route.where == "json":
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
