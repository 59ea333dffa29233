"""A webhook: samples as JSON to an address of yours, signed, and again until they are taken."""

from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from heliograph.metrics import published_value
from heliograph.outputs.http import SinkEndpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heliograph.config import WebhookConfig
    from heliograph.local_time import Clock
    from heliograph.outputs.changefeed import SampleBatch
    from heliograph.store.base import Series, SeriesInfo, StoredSample


class WebhookSink:
    """One address that is posted to."""

    size = 100
    pause = 1.0
    reach: float | None = None

    def __init__(self, wanted: WebhookConfig, clock: Clock) -> None:
        self._clock = clock
        self._plants = frozenset(wanted.plants)
        self._secret = "" if wanted.secret is None else wanted.secret.reveal()
        # Whoever knows the address of some receivers may write to them: path and query are secrets too.
        self._door = SinkEndpoint(wanted.url, self._secret, *_telling(wanted.url))
        self.name = f"webhook {self._door.host} {sha256(wanted.url.encode()).hexdigest()[:8]}"

    def wants(self, series: Series) -> bool:
        """Take the plants it was made for, with their devices; all, if none is named."""
        return not self._plants or series.plant in self._plants

    async def send(self, news: SampleBatch) -> None:
        """Post them; what is tried again has the same id."""
        now = self._clock.now()
        samples = [_sample(entry, news.series_info.get(entry.series)) for entry in news.samples]
        content = json.dumps(samples, sort_keys=True).encode()
        whole = {"id": sha256(self.name.encode() + content).hexdigest()[:32], "sent_at": _iso(now), "samples": samples}
        body = json.dumps(whole, ensure_ascii=False).encode()
        headers = {"content-type": "application/json"}
        if self._secret:
            headers["heliograph-signature"] = signature(self._secret, int(now), body)
        self._door.raise_for_status(await self._door.post(headers, body, self._clock.now))


def _telling(url: str) -> Iterator[str]:
    """Yield what of an address lets others write there, whole and in parts."""
    parts = urlsplit(url)
    yield from (url, parts.path[1:], parts.query, *parts.path.split("/"))
    yield from (value for _, value in parse_qsl(parts.query))


def signature(secret: str, now: int, body: bytes) -> str:
    """Return the header that proves who sent a body, and when.

    >>> signature("hunter2", 1782036000, b"{}")[:30]
    't=1782036000,v1=f04ef869ef5108'
    """
    return f"t={now},v1={hmac.new(secret.encode(), f'{now}.'.encode() + body, sha256).hexdigest()}"


def _sample(entry: StoredSample, known: SeriesInfo | None) -> dict[str, Any]:
    return {
        "vendor": entry.series.vendor,
        "plant": entry.series.plant,
        "device": entry.series.device or None,
        "name": known.name if known else None,
        "measured_at": _iso(entry.measured_at),
        "fetched_at": _iso(entry.fetched_at),
        "quality": str(entry.quality),
        "status": entry.status and str(entry.status),
        "values": {name: published_value(value) for name, value in entry.values.items()},
    }


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
