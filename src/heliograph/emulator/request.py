"""HTTP request parsing: path, arguments and cookies, merged like in servlet containers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from heliograph.emulator.api import EmulatedRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_FIELDS = 1000


class BadRequest(Exception):
    """The request is malformed; the message says why."""


def parse_request(verb: str, target: str, headers: Mapping[str, str], body: bytes, origin: str) -> EmulatedRequest:
    """Parse a request; `headers` is keyed in lower case. The first of two arguments of the same name wins."""
    try:
        parts = urlsplit(target if "://" in target else "/" + target.lstrip("/"))
        pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise BadRequest(f"invalid URL: {error}") from error
    arguments: dict[str, str] = {}
    for name, value in [*pairs, *_body_fields(headers.get("content-type", ""), body)]:
        arguments.setdefault(name, value)
    return EmulatedRequest(
        verb, unquote(parts.path.lstrip("/")), arguments, headers, _cookies(headers.get("cookie", "")), origin
    )


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Parse a body that must be a JSON object."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON") from error
    if not isinstance(document, dict):
        raise BadRequest("the body is not a JSON object")
    return document


def _body_fields(content_type: str, body: bytes) -> list[tuple[str, str]]:
    kind = content_type.partition(";")[0].strip().lower()
    if not body:
        return []
    if kind == "application/json" or (not kind and body.lstrip()[:1] == b"{"):
        return [(name, _text(value)) for name, value in parse_json_object(body).items() if value is not None]
    if kind == "multipart/form-data":
        return _multipart(content_type, body)
    if kind not in {"", "application/x-www-form-urlencoded"}:
        return []
    try:
        return parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise BadRequest(f"invalid form: {error}") from error


def _text(value: Any) -> str:
    """Return a JSON value as argument text.

    >>> _text("a"), _text(1), _text(True), _text({"a": []})
    ('a', '1', 'true', '{"a":[]}')
    """
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _multipart(content_type: str, body: bytes) -> list[tuple[str, str]]:
    from email.parser import BytesParser  # noqa: PLC0415 - few calls use multipart
    from email.policy import HTTP  # noqa: PLC0415

    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    fields = []
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            fields.append((name, payload.decode(errors="replace")))
    return fields


def _cookies(header: str) -> dict[str, str]:
    """Parse a Cookie header.

    >>> _cookies('JSESSIONID=A1; x="y"; junk')
    {'JSESSIONID': 'A1', 'x': '"y"'}
    """
    pairs = (pair.partition("=") for pair in header.split(";"))
    return {name.strip(): value.strip() for name, equals, value in pairs if equals and name.strip()}
