"""InfluxDB output: one line of line protocol per sample, also for compatible databases."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from heliograph.errors import ConfigError
from heliograph.metrics import METRICS, published_value
from heliograph.metrics.device import DEVICE_METRICS
from heliograph.outputs.http import SinkEndpoint, header_secret
from heliograph.outputs.sink import SinkRejected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from heliograph.config import InfluxConfig
    from heliograph.local_time import Clock
    from heliograph.outputs.sink import SampleBatch
    from heliograph.store.base import Series

_MEASUREMENT = re.compile(r"[^\W_][\w.:/-]*")
_SPECIAL = re.compile(r"[,= ]")
_DROPPED = re.compile(rb"dropped[ =:]*(\d{1,9})")
_CONTROL_IN_STRING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")


class InfluxSink:
    """Writes to a bucket (version 2) or database (version 1)."""

    batch_size = 5000
    pause = 1.0
    max_age: float | None = None

    def __init__(self, config: InfluxConfig, clock: Clock) -> None:
        if not _MEASUREMENT.fullmatch(config.measurement):
            raise ConfigError(f"an InfluxDB measurement must be one plain word; got {config.measurement!r}")
        self._measurement = config.measurement
        self.device_metrics = config.device_metrics
        self._clock = clock
        self._headers = {"content-type": "text/plain; charset=utf-8"}
        url = config.url.rstrip("/")
        secrets: list[str] = []
        if config.bucket:
            query = urlencode({"org": config.org or "", "bucket": config.bucket, "precision": "s"})
            url = f"{url}/api/v2/write?{query}"
        else:
            url = f"{url}/write?{urlencode({'db': config.database or '', 'precision': 's'})}"
        if config.token is not None:
            secrets = [header_secret(config.token)]
            self._headers["authorization"] = f"Token {secrets[0]}"
        elif config.username and config.password is not None:
            password = config.password.reveal()
            credentials = b64encode(f"{config.username}:{password}".encode()).decode()
            secrets = [password, credentials]
            self._headers["authorization"] = f"Basic {credentials}"
        self._endpoint = SinkEndpoint(url, *secrets)
        self.name = f"influx {self._endpoint.host}/{config.bucket or config.database}/{config.measurement}"

    def wants(self, series: Series) -> bool:
        """Return True: all plants and devices are sent."""
        return True

    async def send(self, batch: SampleBatch) -> None:
        """Write all samples in one request; a repeated sample overwrites its point."""
        lines = (*line_protocol(batch, self._measurement), *money_lines(batch, self._measurement))
        body = "\n".join(lines).encode()
        if not body:
            return
        response = await self._endpoint.post(self._headers, body, self._clock.now)
        # Quirk: partial writes store the other points and return 400 (1.x: "partial write: … dropped=3") or 422 (2.x).
        if response.status == 422 or (response.status == 400 and b"partial" in response.body.lower()):
            dropped = _DROPPED.search(response.body)
            # The count excludes lines that could not be parsed.
            raise SinkRejected(self._endpoint.describe(response), rejected=max(int(dropped[1]), 1) if dropped else 1)
        self._endpoint.raise_for_status(response)


def line_protocol(batch: SampleBatch, measurement: str) -> Iterator[str]:
    """Yield a line for each sample with at least one known value."""
    for sample in batch.samples:
        fields = [
            f"{name}={float(value)!r}"
            for name in METRICS
            if (value := published_value(sample.values.get(name))) is not None
        ]
        fields += _device_fields(batch.measurements.get((sample.series, sample.measured_at), {}))
        if fields:
            yield f"{measurement}{_tags(sample.series, batch)} {','.join(fields)} {sample.measured_at}"


def _device_fields(measurements: Mapping[str, float | str | None]) -> Iterator[str]:
    """Yield the fields of device metrics; texts are strings."""
    for name, value in measurements.items():
        if name not in DEVICE_METRICS or name in METRICS:
            continue  # of another version
        if isinstance(value, str):
            yield f'{name}="{escape_string(value)}"'
        elif (number := published_value(value)) is not None:
            yield f"{name}={float(number)!r}"


def escape_string(value: str) -> str:
    r"""Escape a string field for the line protocol.

    >>> print(escape_string('say "x\\y"'))
    say \"x\\y\"
    """
    return _CONTROL_IN_STRING.sub(" ", value).strip().replace("\\", "\\\\").replace('"', '\\"')


def money_lines(batch: SampleBatch, measurement: str) -> Iterator[str]:
    """Yield a line for the money of each day, at its midnight: a later one overwrites it."""
    for one in batch.money:
        known = ((name, value) for name, value in one.values.items() if value is not None)
        fields = ",".join(f"{name}={round(value, 4)!r}" for name, value in known)
        if fields:
            yield f"{measurement}_money{_tags(one.series, batch, currency=one.currency)} {fields} {one.since}"


def _tags(series: Series, batch: SampleBatch, **more: str) -> str:
    vendor, plant, device = series
    info = batch.series_info.get(series._replace(device=""))
    # Sorted by name, as the protocol recommends; tags without a value must be omitted.
    tags = {**more, "device": device, "plant": plant, "plant_name": info.name if info else None, "vendor": vendor}
    return "".join(f",{name}={cleaned}" for name, value in tags.items() if (cleaned := escape_tag(value or "")))


def escape_tag(value: str) -> str:
    r"""Escape a tag value for the line protocol.

    The protocol cannot represent a backslash before a special character or at the end, nor a line break: backslashes
    become slashes, and control characters spaces.

    >>> escape_tag("Roof, east = 5 kW\\")
    'Roof\\,\\ east\\ \\=\\ 5\\ kW/'
    """
    plain = _CONTROL.sub(" ", value).strip().replace("\\", "/")
    return _SPECIAL.sub(r"\\\g<0>", plain)
