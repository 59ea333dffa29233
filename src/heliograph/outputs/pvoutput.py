"""PVOutput.org: five-minute statuses of one plant by its own wall clock, within 60 requests an hour.

Facts are those of https://pvoutput.org/help/api_specification.html unless said otherwise.
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
    from heliograph.outputs.changefeed import SampleBatch
    from heliograph.store.base import Series, StoredSample

_HOUR = 3600
_REQUESTS = 60
"""An hour and key; donors have 300, which is not assumed."""
_REACH = 14 * 24 * 3600.0
# Energy of the day in Wh and power in W, of generation and of consumption. Without `c1` energies count from midnight.
_COLUMNS = (("pv_energy_today", 1000), ("pv_power", 1), ("load_energy_today", 1000), ("load_power", 1))


class PvOutputKey:
    """One API key, whose requests all of its systems share."""

    def __init__(self, systems: int = 1) -> None:
        self.pause = _HOUR / _REQUESTS * systems
        """Seconds between two requests of one system, so that all of them together keep the limit."""
        self.available_at = 0.0

    def update_limits(self, headers: Mapping[str, str], now: float, *, spent: bool) -> None:
        """Learn from an answer when the key may be used again; others may use it too."""
        if spent or parse_integer(headers.get("x-rate-limit-remaining")) == 0:
            # Quirk: its hours are those of the clock ("reset=2026-01-04 00:00:00 (288s)", sigenergy2mqtt #90).
            reset = parse_integer(headers.get("x-rate-limit-reset")) or now - now % _HOUR + _HOUR
            self.available_at = min(max(reset, now + 1), now + _HOUR)


class PvOutputSink:
    """One system there, which is one plant here."""

    size = 30
    reach: float | None = _REACH

    def __init__(self, wanted: PvOutputConfig, secret: Secret, key: PvOutputKey, clock: Clock) -> None:
        if not wanted.system.isascii() or not wanted.system.isdigit():
            raise ConfigError(f"a PVOutput system is a number, not {wanted.system!r}")
        self.name = f"pvoutput {wanted.system}"
        self._plant = wanted.plant
        self.pause = key.pause
        self._key = key
        self._clock = clock
        self._door = SinkEndpoint(f"{wanted.url.rstrip('/')}/service/r2/addbatchstatus.jsp", secret.reveal())
        self._headers = {
            "x-pvoutput-apikey": header_secret(secret),
            "x-pvoutput-systemid": wanted.system,
            "x-rate-limit": "1",
            "content-type": "application/x-www-form-urlencoded",
        }

    def wants(self, series: Series) -> bool:
        """Take the plant as a whole, none of its devices."""
        return series.plant == self._plant and not series.device

    async def send(self, news: SampleBatch) -> None:
        """Add these statuses; the same one again is an update."""
        now = self._clock.now()
        fresh = [entry for entry in news.samples if entry.measured_at > now - _REACH]
        rows = format_statuses(fresh, _zone(news))
        if not rows:
            return
        if now < self._key.available_at:
            raise RetryLater("the hour's requests are used", self._key.available_at - now)
        reply = await self._door.post(self._headers, urlencode({"data": ";".join(rows)}).encode(), self._clock.now)
        spent = reply.status == 403 and b"exceeded" in reply.body.lower()
        self._key.update_limits(reply.headers, reply.received_at, spent=spent)
        if spent:
            raise RetryLater("the hour's requests are used", self._key.available_at - reply.received_at)
        self._door.raise_for_status(reply)
        # The answer is "date,time,outcome;…", where 0 is not added, 1 added and 2 updated.
        left_out = sum(one.strip().endswith(b",0") for one in reply.body.split(b";"))
        if left_out:
            raise SinkRejected(f"{self._door.host} left out statuses: {self._door.describe(reply)}", rejected=left_out)


def format_statuses(entries: Sequence[StoredSample], zone: tzinfo) -> list[str]:
    """Return the statuses of samples, one for each five minutes of the wall clock: the last of them.

    The hour that comes twice in autumn is told once, by its second pass: the day's energies go on from there, and
    what is sent twice is then the same both times.
    """
    found = {}
    for entry in sorted(entries, key=lambda one: one.measured_at):
        wall = datetime.fromtimestamp(entry.measured_at, UTC).astimezone(zone)
        if _comes_again(wall):
            continue
        values = [_number(entry.values.get(name), scale) for name, scale in _COLUMNS]
        if any(values):
            slot = wall.replace(minute=wall.minute - wall.minute % 5)
            found[f"{slot:%Y%m%d,%H:%M}"] = ",".join(values).rstrip(",")
    return [f"{slot},{values}" for slot, values in found.items()]


def _comes_again(wall: datetime) -> bool:
    return wall.fold == 0 and wall.replace(fold=1).utcoffset() != wall.utcoffset()


def _number(value: float | None, scale: int) -> str:
    return "" if value is None else str(max(round(value * scale), 0))


def _zone(news: SampleBatch) -> tzinfo:
    known = news.series_info.get(news.samples[0].series)
    return zone_from_name(known.zone if known else None)
