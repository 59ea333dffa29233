"""The Sink protocol, its errors, and the types that sinks and their delivery loop exchange."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from heliograph.errors import HeliographError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.outputs.money import PlantMoney
    from heliograph.store.base import Series, SeriesInfo, StoredSample


class RetryLater(HeliographError):
    """The sink is unavailable; `seconds` is the delay it asks for, or None."""

    def __init__(self, why: str, seconds: float | None = None) -> None:
        super().__init__(why)
        self.seconds = seconds


class SinkRejected(HeliographError):
    """The sink rejects the samples for good; `rejected` of them if it accepted the others, None if it rejected all."""

    def __init__(self, why: str, rejected: int | None = None) -> None:
        super().__init__(why)
        self.rejected = rejected


class SampleBatch(NamedTuple):
    """Changed samples and the metadata of their series."""

    samples: Sequence[StoredSample]
    series_info: Mapping[Series, SeriesInfo]
    money: Sequence[PlantMoney] = ()
    """The money of the days of these samples; only for a sink that is configured with tariffs."""
    measurements: Mapping[tuple[Series, int], Mapping[str, float | str | None]] = MappingProxyType({})
    """The device metrics measured with these samples, by series and time, if the sink sends them."""


class Sink(Protocol):
    """A service that samples are sent to. After an outage or a restart it may receive a sample twice."""

    name: str
    """Name of its reader in the store: the same after every restart, contains no secret."""
    batch_size: int
    """Maximum number of samples per request."""
    pause: float
    """Seconds between two requests."""
    max_age: float | None
    """Age in seconds up to which samples are accepted; None: no limit."""

    def wants(self, series: Series) -> bool:
        """Return True if samples of this series are sent to the sink."""

    async def send(self, batch: SampleBatch) -> None:
        """Send all samples; raises `RetryLater` or `SinkRejected`."""


@runtime_checkable
class SendsDeviceMetrics(Protocol):
    """A sink that can send device metrics."""

    device_metrics: bool
    """Whether it does."""


@dataclass(slots=True)
class SinkProgress:
    """Delivery state of a sink or MQTT broker, for the status page and metrics."""

    name: str
    sent: int = 0
    """Samples (MQTT: messages) sent since the program started."""
    skipped: int = 0
    """Samples the sink rejected."""
    newest: int | None = None
    """Time of the newest sample sent."""
    problem: str | None = None
