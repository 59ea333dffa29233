"""Replay: serves a bundle over HTTP as the vendor did, at the recorded time."""

from __future__ import annotations

import json
import logging
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from heliograph.core.pseudonyms import ORIGIN
from heliograph.core.redact import mask_secrets
from heliograph.emulator.api import EmulatedResponse
from heliograph.emulator.app import EmulatedDelivery
from heliograph.emulator.clock import SimulatedClock
from heliograph.emulator.request import BadRequest, parse_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.emulator.api import EmulatedRequest
    from heliograph.emulator.recording.bundle import Bundle, Exchange

_log = logging.getLogger(__name__)

USER = "replay"
"""User name, password and token of the replayed account; any other is accepted as well."""
_TIME = re.compile(r"\d{4}(?:-\d{1,2}(?:-\d{1,2})?)?(?:[T ]\d{1,2}:\d{2}(?::\d{2})?)?|\d{10}(?:\d{3})?")


class Replay:
    """The recorded responses of one bundle; a request that was not recorded is answered with 404."""

    def __init__(self, bundle: Bundle, speed: float = 1.0) -> None:
        self.bundle = bundle
        self.clock = SimulatedClock(datetime.fromisoformat(bundle.recorded_at), speed)
        self.second_port: int | None = None
        self._by_route: dict[tuple[str, str], list[Exchange]] = {}
        for exchange in bundle.exchanges:
            self._by_route.setdefault((exchange.verb, exchange.path), []).append(exchange)

    def now(self) -> datetime:
        """Return the recorded time, which advances."""
        return self.clock.now()

    def ready_info(self, url: str, second: str = "") -> dict[str, Any]:
        """Return the content of the ready line: where the account is served."""
        account = {"vendor": self.bundle.vendor, "username": USER, "password": USER, "token": USER}
        return {
            "url": url,
            "server": url + self.bundle.server_path,
            "dialect": self.bundle.dialect,
            "recorded_at": self.bundle.recorded_at,
            "accounts": [account],
        }

    def deliver(
        self, verb: str, target: str, headers: Mapping[str, str], body: bytes, origin: str, client: str = ""
    ) -> EmulatedDelivery:
        """Return the recorded response to a request."""
        try:
            request = parse_request(verb, target, headers, body, origin)
        except BadRequest as error:
            return EmulatedDelivery(EmulatedResponse(f"{error}\n".encode(), 400, "text/plain"))
        found = self._find(request)
        if found is None or (found.body is None and found.status < 400):
            fields = "&".join(f"{name}={value}" for name, value in request.arguments.items())
            why = "was not recorded" if found is None else "was answered with a page, which is not in the recording"
            line = mask_secrets(f"{verb} /{request.path}{'?' if fields else ''}{fields} {why}")
            _log.warning("replay: %s", line)
            return EmulatedDelivery(EmulatedResponse(f"{line}\n".encode("utf-8", "replace"), 404, "text/plain"))
        text = "" if found.body is None else json.dumps(found.body, ensure_ascii=False)
        cookies = tuple(("Set-Cookie", f"{name}={USER}; Path=/") for name in found.cookies)
        content = text.replace(ORIGIN, origin).encode("utf-8", "replace")
        return EmulatedDelivery(EmulatedResponse(content, found.status, headers=cookies))

    def _find(self, request: EmulatedRequest) -> Exchange | None:
        """Return the newest recorded exchange with the same arguments; times may differ if none has the same."""
        rows = self._by_route.get((request.verb, request.path), [])
        wanted = dict(request.arguments)
        for is_equal in (_same, _same_but_times):
            found = [row for row in rows if row.is_login or is_equal(row.fields, wanted)]
            if found:
                return next((row for row in reversed(found) if row.status < 400), found[-1])
        return None


def _same(recorded: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return dict(recorded) == wanted


def _same_but_times(recorded: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return recorded.keys() == wanted.keys() and all(
        value == wanted[name] or (_TIME.fullmatch(value) is not None and _TIME.fullmatch(wanted[name]) is not None)
        for name, value in recorded.items()
    )
