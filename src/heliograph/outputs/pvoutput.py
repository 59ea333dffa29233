"""PVOutput.org output: five-minute statuses of one plant in its local time, within 60 requests per hour.

Source: https://pvoutput.org/help/api_specification.html, except where another is named.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from heliograph.errors import ConfigError
from heliograph.local_time import zone_from_name
from heliograph.outputs.http import SinkEndpoint, header_secret, parse_integer
from heliograph.outputs.sink import RetryLater, SinkRejected

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from heliograph.config import PvOutputConfig
    from heliograph.core.redact import Secret
    from heliograph.local_time import Clock
    from heliograph.outputs.sink import SampleBatch
    from heliograph.store.base import Series, StoredSample

_HOUR = 3600
_REQUESTS = 60
"""Requests per hour and key; donors have 300, which is not assumed."""
_MAX_AGE = 14 * 24 * 3600.0
# Daily energy in Wh and power in W, of generation and consumption. Without `c1` energies count from midnight.
_COLUMNS = (("pv_energy_today", 1000), ("pv_power", 1), ("load_energy_today", 1000), ("load_power", 1))


class PvOutputKey:
    """The rate limit of an API key, shared by its systems."""

    def __init__(self, systems: int = 1) -> None:
        self.pause = _HOUR / _REQUESTS * systems
        """Seconds between two requests of one system, so that all systems together respect the limit."""
        self.available_at = 0.0

    def update_limits(self, headers: Mapping[str, str], now: float, *, spent: bool) -> None:
        """Update `available_at` from response headers; other programs may use the same key."""
        if spent or parse_integer(headers.get("x-rate-limit-remaining")) == 0:
            # Quirk: the window is the hour of the clock ("reset=2026-01-04 00:00:00 (288s)", sigenergy2mqtt #90).
            reset = parse_integer(headers.get("x-rate-limit-reset")) or now - now % _HOUR + _HOUR
            self.available_at = min(max(reset, now + 1), now + _HOUR)


class PvOutputSink:
    """Sends one plant to one PVOutput system."""

    batch_size = 30
    max_age: float | None = _MAX_AGE

    def __init__(self, config: PvOutputConfig, secret: Secret, key: PvOutputKey, clock: Clock) -> None:
        if not config.system.isascii() or not config.system.isdigit():
            raise ConfigError(f"a PVOutput system must be a number; got {config.system!r}")
        self.name = f"pvoutput {config.system}"
        self._plant = config.plant
        self.pause = key.pause
        self._key = key
        self._clock = clock
        self._endpoint = SinkEndpoint(f"{config.url.rstrip('/')}/service/r2/addbatchstatus.jsp", secret.reveal())
        self._headers = {
            "x-pvoutput-apikey": header_secret(secret),
            "x-pvoutput-systemid": config.system,
            "x-rate-limit": "1",
            "content-type": "application/x-www-form-urlencoded",
        }

    def wants(self, series: Series) -> bool:
        """Return True for the plant itself, not for its devices."""
        return series.plant == self._plant and not series.device

    async def send(self, batch: SampleBatch) -> None:
        """Add statuses; a repeated one is an update."""
        now = self._clock.now()
        accepted = [sample for sample in batch.samples if sample.measured_at > now - _MAX_AGE]
        rows = format_statuses(accepted, _zone(batch))
        if not rows:
            return
        if now < self._key.available_at:
            raise RetryLater("the hourly request limit is used up", self._key.available_at - now)
        response = await self._endpoint.post(
            self._headers, urlencode({"data": ";".join(rows)}).encode(), self._clock.now
        )
        spent = response.status == 403 and b"exceeded" in response.body.lower()
        self._key.update_limits(response.headers, response.received_at, spent=spent)
        if spent:
            raise RetryLater("the hourly request limit is used up", self._key.available_at - response.received_at)
        self._endpoint.raise_for_status(response)
        # The body is "date,time,outcome;…" with outcome 0: not added, 1: added, 2: updated.
        rejected = sum(row.strip().endswith(b",0") for row in response.body.split(b";"))
        if rejected:
            why = f"{self._endpoint.host} did not add statuses: {self._endpoint.describe(response)}"
            raise SinkRejected(why, rejected)


def format_statuses(samples: Sequence[StoredSample], zone: tzinfo) -> list[str]:
    """Return one status for each five minutes of local time, from the last sample in it.

    The hour that is repeated in autumn is sent once, from its second pass: the daily energies continue from there, and
    a repeated delivery contains the same values.
    """
    found = {}
    for sample in sorted(samples, key=lambda sample: sample.measured_at):
        local = datetime.fromtimestamp(sample.measured_at, UTC).astimezone(zone)
        if local.fold == 0 and local.replace(fold=1).utcoffset() != local.utcoffset():
            continue
        values = [_number(sample.values.get(name), scale) for name, scale in _COLUMNS]
        if any(values):
            slot = local.replace(minute=local.minute - local.minute % 5)
            found[f"{slot:%Y%m%d,%H:%M}"] = ",".join(values).rstrip(",")
    return [f"{slot},{values}" for slot, values in found.items()]


def _number(value: float | None, scale: int) -> str:
    return "" if value is None else str(max(round(value * scale), 0))


def _zone(batch: SampleBatch) -> tzinfo:
    info = batch.series_info.get(batch.samples[0].series)
    return zone_from_name(info.zone if info else None)
