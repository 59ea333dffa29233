"""Webhook output: samples as signed JSON, posted to a URL until accepted."""

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
    from heliograph.outputs.sink import SampleBatch
    from heliograph.store.base import Series, SeriesInfo, StoredSample


class WebhookSink:
    """Posts samples to one URL."""

    batch_size = 100
    pause = 1.0
    max_age: float | None = None

    def __init__(self, config: WebhookConfig, clock: Clock) -> None:
        self._clock = clock
        self._plants = frozenset(config.plants)
        self._secret = "" if config.secret is None else config.secret.reveal()
        # For some receivers the URL alone grants write access, so path and query are secrets too.
        self._endpoint = SinkEndpoint(config.url, self._secret, *_secret_parts(config.url))
        self.name = f"webhook {self._endpoint.host} {sha256(config.url.encode()).hexdigest()[:8]}"

    def wants(self, series: Series) -> bool:
        """Return True for the configured plants and their devices; for all if none is configured."""
        return not self._plants or series.plant in self._plants

    async def send(self, batch: SampleBatch) -> None:
        """Post all samples in one request; a retry has the same id."""
        now = self._clock.now()
        samples = [_sample(sample, batch.series_info.get(sample.series)) for sample in batch.samples]
        content = json.dumps(samples, sort_keys=True).encode()
        message = {
            "id": sha256(self.name.encode() + content).hexdigest()[:32],
            "sent_at": _iso(now),
            "samples": samples,
        }
        body = json.dumps(message, ensure_ascii=False).encode()
        headers = {"content-type": "application/json"}
        if self._secret:
            headers["heliograph-signature"] = signature(self._secret, int(now), body)
        self._endpoint.raise_for_status(await self._endpoint.post(headers, body, self._clock.now))


def _secret_parts(url: str) -> Iterator[str]:
    """Yield the URL and all its parts that may grant write access."""
    parts = urlsplit(url)
    yield from (url, parts.path[1:], parts.query, *parts.path.split("/"))
    yield from (value for _, value in parse_qsl(parts.query))


def signature(secret: str, now: int, body: bytes) -> str:
    """Return the header that authenticates a body and the time it was sent.

    >>> signature("hunter2", 1782036000, b"{}")[:30]
    't=1782036000,v1=f04ef869ef5108'
    """
    return f"t={now},v1={hmac.new(secret.encode(), f'{now}.'.encode() + body, sha256).hexdigest()}"


def _sample(sample: StoredSample, info: SeriesInfo | None) -> dict[str, Any]:
    return {
        "vendor": sample.series.vendor,
        "plant": sample.series.plant,
        "device": sample.series.device or None,
        "name": info.name if info else None,
        "measured_at": _iso(sample.measured_at),
        "fetched_at": _iso(sample.fetched_at),
        "quality": str(sample.quality),
        "status": sample.status and str(sample.status),
        "values": {name: published_value(value) for name, value in sample.values.items()},
    }


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
