"""What went wrong, as `application/problem+json` (RFC 9457): a status, and one sentence for a person."""

from __future__ import annotations

from http import HTTPStatus
from json import dumps
from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 300


class Problem(Exception):
    """A request that cannot be answered as it was asked."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers

    def response(self) -> Response:
        """Return it as an answer; what somebody else wrote is escaped by JSON, and cut where it is endless."""
        detail = self.detail if len(self.detail) <= _LONGEST else self.detail[: _LONGEST - 1] + "…"
        told = {"type": "about:blank", "title": HTTPStatus(self.status).phrase, "status": self.status, "detail": detail}
        headers = {"Cache-Control": "no-store", **(self.headers or {})}
        return Response(dumps(told), self.status, headers, media_type="application/problem+json")
