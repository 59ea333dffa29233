"""InfluxDB, and whatever else takes its line protocol: one line a sample."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from heliograph.errors import ConfigError
from heliograph.metrics import METRICS, published_value
from heliograph.outputs.http import SinkEndpoint, header_secret
from heliograph.outputs.sink import SinkRejected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heliograph.config import InfluxConfig
    from heliograph.local_time import Clock
    from heliograph.outputs.changefeed import SampleBatch
    from heliograph.store.base import Series, StoredSample

_MEASUREMENT = re.compile(r"[^\W_][\w.:/-]*")
_SPECIAL = re.compile(r"[,= ]")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")


class InfluxSink:
    """One bucket (version 2) or database (version 1)."""

    size = 5000
    pause = 1.0
    reach: float | None = None

    def __init__(self, wanted: InfluxConfig, clock: Clock) -> None:
        if not _MEASUREMENT.fullmatch(wanted.measurement):
            raise ConfigError(f"an InfluxDB measurement is one plain word, not {wanted.measurement!r}")
        self._measurement = wanted.measurement
        self._clock = clock
        self._headers = {"content-type": "text/plain; charset=utf-8"}
        where = wanted.url.rstrip("/")
        secrets: list[str] = []
        if wanted.bucket:
            query = urlencode({"org": wanted.org or "", "bucket": wanted.bucket, "precision": "s"})
            where = f"{where}/api/v2/write?{query}"
        else:
            where = f"{where}/write?{urlencode({'db': wanted.database or '', 'precision': 's'})}"
        if wanted.token is not None:
            secrets = [header_secret(wanted.token)]
            self._headers["authorization"] = f"Token {secrets[0]}"
        elif wanted.username and wanted.password is not None:
            password = wanted.password.reveal()
            both = b64encode(f"{wanted.username}:{password}".encode()).decode()
            secrets = [password, both]
            self._headers["authorization"] = f"Basic {both}"
        self._door = SinkEndpoint(where, *secrets)
        self.name = f"influx {self._door.host}/{wanted.bucket or wanted.database}/{wanted.measurement}"

    def wants(self, series: Series) -> bool:
        """Take every plant and device."""
        return True

    async def send(self, news: SampleBatch) -> None:
        """Write all samples at once; the same sample again is the same point."""
        body = "\n".join(line_protocol(news, self._measurement)).encode()
        if not body:
            return
        reply = await self._door.post(self._headers, body, self._clock.now)
        # Quirk: partial writes keep the rest, and say so with 400 (1.x: "partial write: … dropped=3") or 422 (2.x).
        if reply.status == 422 or (reply.status == 400 and b"partial" in reply.body.lower()):
            dropped = re.search(rb"dropped[ =:]*(\d{1,9})", reply.body)
            # What could not be parsed is not counted.
            raise SinkRejected(self._door.describe(reply), rejected=max(int(dropped[1]), 1) if dropped else 1)
        self._door.raise_for_status(reply)


def line_protocol(news: SampleBatch, measurement: str) -> Iterator[str]:
    """Yield the line of each sample of which anything is known."""
    for entry in news.samples:
        fields = ",".join(
            f"{name}={float(value)!r}"
            for name in METRICS
            if (value := published_value(entry.values.get(name))) is not None
        )
        if fields:
            yield f"{measurement}{_tags(entry, news)} {fields} {entry.measured_at}"


def _tags(entry: StoredSample, news: SampleBatch) -> str:
    vendor, plant, device = entry.series
    known = news.series_info.get(entry.series._replace(device=""))
    # In the order of their names, as the protocol advises; one without a value must not be there at all.
    tags = {"device": device, "plant": plant, "plant_name": known.name if known else None, "vendor": vendor}
    return "".join(f",{name}={cleaned}" for name, value in tags.items() if (cleaned := escape_tag(value or "")))


def escape_tag(value: str) -> str:
    r"""Return a tag's value as the line protocol writes it.

    It has no way to write a backslash before a special character or at the end, nor the end of a line: backslashes
    become slashes, and control characters spaces.

    >>> escaped("Roof, east = 5 kW\\")
    'Roof\\,\\ east\\ \\=\\ 5\\ kW/'
    """
    plain = _CONTROL.sub(" ", value).strip().replace("\\", "/")
    return _SPECIAL.sub(r"\\\g<0>", plain)
