"""Error responses as `application/problem+json` (RFC 9457): status and one sentence."""

from __future__ import annotations

from http import HTTPStatus
from json import dumps
from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_DETAIL = 300


class Problem(Exception):
    """An error response to a request."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers

    def response(self) -> Response:
        """Return the response; the detail is limited in length, and JSON escapes text from requests."""
        detail = self.detail if len(self.detail) <= _MAX_DETAIL else self.detail[: _MAX_DETAIL - 1] + "…"
        body = {"type": "about:blank", "title": HTTPStatus(self.status).phrase, "status": self.status, "detail": detail}
        headers = {"Cache-Control": "no-store", **(self.headers or {})}
        return Response(dumps(body), self.status, headers, media_type="application/problem+json")
