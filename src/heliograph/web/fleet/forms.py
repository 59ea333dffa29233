"""Forms: fields of a request's body, also uploaded files, with a limit of size."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import HTTP
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from heliograph.web.problem import Problem

if TYPE_CHECKING:
    from starlette.requests import Request

_MAX_FORM = 64 * 1024
MAX_UPLOAD = 32 * 1024 * 1024
"""Bytes of a form with a file: some 200,000 accounts."""


async def read_form(request: Request, *, upload: bool = False) -> dict[str, str]:
    """Return the fields of a form, of a repeated one the last; a file is its text. Raises `Problem`."""
    kind = request.headers.get("content-type", "")
    is_upload = kind.startswith("multipart/form-data") and upload
    if not is_upload and kind.partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise Problem(415, "send a form")
    limit, body = MAX_UPLOAD if is_upload else _MAX_FORM, bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise Problem(413, f"the form is larger than {limit // 1024} kB")
    if is_upload:
        return _multipart(kind, bytes(body))
    try:
        fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise Problem(400, "the form has too many fields") from None
    return {name: value.replace("\0", "") for name, value in fields.items()}


def _multipart(kind: str, body: bytes) -> dict[str, str]:
    message = message_from_bytes(b"Content-Type: " + kind.encode("latin-1") + b"\r\n\r\n" + body, policy=HTTP)
    found: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str):
            content = part.get_payload(decode=True)
            try:
                found[name] = bytes(content).decode("utf-8-sig") if isinstance(content, bytes) else ""
            except UnicodeDecodeError:
                raise Problem(400, f"{name} is not UTF-8 text; save the file as CSV in UTF-8") from None
    return found
