"""Tables of prices: files of the user, and files of fetched prices, which the collector keeps for later years."""

from __future__ import annotations

import asyncio
import logging
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from heliograph.core.files import write_atomic
from heliograph.core.redact import redact_url
from heliograph.core.session import Request
from heliograph.errors import ConfigError, HeliographError
from heliograph.eventlog import LogEvent
from heliograph.tariffs.prices import parse_prices
from heliograph.tariffs.tariff import PriceSource, PriceTable
from heliograph.transports import send_async

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heliograph.local_time import Clock
    from heliograph.tariffs.tariff import Tariff

_log = logging.getLogger(__name__)

_MAX_FILE = 64_000_000
"""Bytes of a file of prices."""
_KNOWN_AHEAD = 12 * 3600
"""Seconds for which prices are known before they are fetched again: those of a day are published the day before."""
_CHECK_SECONDS = 3600
"""Seconds between two checks, and so between two requests to one source."""
_OK = 200


class PriceFiles:
    """Reads tables of prices, each again when its file has changed."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._read: dict[PriceSource, tuple[tuple[int, int], PriceTable]] = {}

    def load(self, source: PriceSource) -> PriceTable:
        """Return the prices of a source; raises `ConfigError` if the file cannot be read."""
        path = self.path(source)
        try:
            status = path.stat()
            version = status.st_mtime_ns, status.st_size
            if source in self._read and self._read[source][0] == version:
                return self._read[source][1]
            if status.st_size > _MAX_FILE:
                raise ConfigError(f"{path} is larger than {_MAX_FILE // 1_000_000} MB; keep the years you need")
            text = path.read_text("utf-8")
        except FileNotFoundError:
            if source.is_url:
                raise ConfigError(
                    f"no prices of {redact_url(source.location)} are stored yet; heliograph run or collect fetches them"
                ) from None
            raise ConfigError(f"the file of prices {path} does not exist") from None
        except UnicodeDecodeError:
            raise ConfigError(f"{path} is not UTF-8 text") from None
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
        table = PriceTable(parse_prices(text, STORED if source.is_url else source, str(path)))
        self._read[source] = version, table
        return table

    def path(self, source: PriceSource) -> Path:
        """Return the file of a source; fetched prices have one in the data folder."""
        if not source.is_url:
            return Path(source.location)
        # The factor and the keys are part of the name: prices of another unit are another table.
        digest = blake2b(repr(source).encode(), digest_size=6).hexdigest()
        return (self._folder or Path()) / f"prices-{digest}.csv"

    def add(self, source: PriceSource, prices: dict[int, float]) -> int:
        """Add fetched prices to the file of a source, and return how many are new or changed."""
        try:
            path = self.path(source)
            known = parse_prices(path.read_text("utf-8"), STORED, str(path)) if path.exists() else {}
            changed = {time: price for time, price in prices.items() if known.get(time) != price}
            if changed:
                rows = sorted({**known, **changed}.items())
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_atomic(path, "time,price\n" + "".join(f"{time},{price!r}\n" for time, price in rows))
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from None
        return len(changed)


STORED = PriceSource("")
"""The format of files of fetched prices: prices per kWh by epoch seconds."""


async def fetch_prices(source: PriceSource, clock: Clock) -> dict[int, float]:
    """Return the prices that a source has now, with one request; raises `HeliographError`."""
    where = redact_url(source.location)
    response = await send_async(
        Request("GET", source.location, {"accept": "application/json, text/csv"}), clock=clock.now
    )
    if response.status != _OK:
        raise ConfigError(f"{where} returned status {response.status}; check prices")
    try:
        text = response.body.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{where} returned no text") from None
    return parse_prices(text, source, where)


async def keep_prices(tariffs: Iterable[Tariff], folder: Path, clock: Clock, stop: asyncio.Event) -> None:
    """Fetch the prices of all URLs until stopped: each at most once an hour, and only if prices are missing."""
    files = PriceFiles(folder)
    sources = list(dict.fromkeys(one.source for one in tariffs if one.source is not None and one.source.is_url))
    reasons: dict[PriceSource, str] = {}
    while not stop.is_set():
        for source in sources:
            try:
                if (added := await _update(files, source, clock)) is not None:
                    _log.info(LogEvent("prices.fetched", source=redact_url(source.location), prices=added))
                reasons.pop(source, None)
            except HeliographError as error:
                if reasons.get(source) != str(error):
                    reasons[source] = str(error)
                    _log.warning(LogEvent("prices.failed", source=redact_url(source.location), why=str(error)))
        await clock.wait(clock.now() + _CHECK_SECONDS, stop)


async def _update(files: PriceFiles, source: PriceSource, clock: Clock) -> int | None:
    """Fetch the prices of a source unless they are known for long enough; return how many were added."""
    if files.path(source).exists():
        table = await asyncio.to_thread(files.load, source)
        if table.end - clock.now() > _KNOWN_AHEAD:
            return None
    return await asyncio.to_thread(files.add, source, await fetch_prices(source, clock))
