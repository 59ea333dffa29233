"""Everything as Prometheus reads it: text made of `metrics.py`, in base units; a gap has no line."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from heliograph.collect.freshness import Freshness
from heliograph.metrics import METRICS, published_value
from heliograph.model import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from heliograph.current import AccountStatus, DeviceState, PlantState
    from heliograph.metrics import Metric
    from heliograph.outputs.sink import SinkProgress

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_UNITS = {"W": ("watts", 1.0), "kWh": ("joules", 3.6e6), "%": ("ratio", 0.01), "V": ("volts", 1.0)}
_UNITS |= {"A": ("amperes", 1.0), "Hz": ("hertz", 1.0), "°C": ("celsius", 1.0)}
"""What a unit is called in Prometheus, and what to multiply by; only base units have a name there."""
_LONGEST = 128
"""Letters of a label: a name is there to be read."""

Labels = str
"""Written once for all the lines of a plant."""


class MetricLine(NamedTuple):
    """One value of a family."""

    labels: Labels
    value: float | None


class MetricFamily(NamedTuple):
    """Values of one name."""

    name: str
    kind: str
    meaning: str
    lines: Iterable[MetricLine]


def exposition(
    plants: Sequence[PlantState], accounts: Sequence[AccountStatus], sinks: Sequence[SinkProgress] = ()
) -> str:
    """Return everything that is known now."""
    families = [*_of_plants(plants), *_of_devices(plants), *_of_accounts(accounts), *_of_sinks(sinks)]
    return "".join(text for family in families for text in _told(family))


def metric_name(metric: Metric) -> str:
    """Return what a metric is called in Prometheus.

    >>> [named(METRICS[name]) for name in ("pv_power", "pv_energy_today", "pv_energy_total", "battery_soc")]
    ['pv_power_watts', 'pv_energy_today_joules', 'pv_energy_joules_total', 'battery_soc_ratio']
    """
    unit, _ = _UNITS[metric.unit]
    if metric.kind == "total":
        return f"{metric.name.removesuffix('_total')}_{unit}_total"
    return f"{metric.name}_{unit}"


def _of_plants(plants: Sequence[PlantState]) -> Iterator[MetricFamily]:
    labelled = [(_labels(vendor=one.series.vendor, plant=one.series.plant, name=one.title), one) for one in plants]
    yield from _metrics("heliograph_", "", labelled)
    yield _status("plant", labelled)
    yield MetricFamily(
        "heliograph_plant_freshness",
        "gauge",
        "1 for what the age of the newest sample means, 0 for the others.",
        (
            MetricLine(f'{labels},freshness="{fresh}"', float(one.freshness is fresh))
            for labels, one in labelled
            for fresh in Freshness
        ),
    )
    yield MetricFamily(
        "heliograph_sample_timestamp_seconds",
        "gauge",
        "When the newest sample was measured.",
        (MetricLine(labels, one.measured_at) for labels, one in labelled),
    )
    yield MetricFamily(
        "heliograph_fetched_timestamp_seconds",
        "gauge",
        "When the newest sample was fetched from the cloud.",
        (MetricLine(labels, one.fetched_at) for labels, one in labelled),
    )


def _of_devices(plants: Sequence[PlantState]) -> Iterator[MetricFamily]:
    """Yield devices under names of their own: a sum over plants does not count them twice."""
    labelled = [
        (_labels(vendor=one.series.vendor, plant=one.series.plant, device=one.series.device, name=one.title), one)
        for plant in plants
        for one in plant.devices
    ]
    yield from _metrics("heliograph_device_", "Of one device: ", labelled)
    yield _status("device", labelled)


def _status(of: str, labelled: Sequence[tuple[Labels, PlantState | DeviceState]]) -> MetricFamily:
    return MetricFamily(
        f"heliograph_{of}_status",
        "gauge",
        "1 for the status the cloud tells, 0 for the others.",
        (
            MetricLine(f'{labels},status="{status}"', float(one.status is status))
            for labels, one in labelled
            if one.status is not None
            for status in Status
        ),
    )


def _metrics(
    prefix: str, of: str, labelled: Sequence[tuple[Labels, PlantState | DeviceState]]
) -> Iterator[MetricFamily]:
    for metric in METRICS.values():
        kind = "counter" if metric.kind == "total" else "gauge"
        meaning = f"{of}{metric.meaning}."
        lines = [MetricLine(labels, _scaled(metric, one.values.get(metric.name))) for labels, one in labelled]
        yield MetricFamily(prefix + metric_name(metric), kind, meaning[:1].upper() + meaning[1:], lines)


def _scaled(metric: Metric, value: float | None) -> float | None:
    known = published_value(value)
    # Twelve digits are more than any meter has, and fewer than show how a float was multiplied.
    return None if known is None else float(f"{known * _UNITS[metric.unit][1]:.12g}")


def _of_accounts(accounts: Sequence[AccountStatus]) -> Iterator[MetricFamily]:
    labelled = [(_labels(account=one.name, vendor=one.vendor), one) for one in accounts]
    budgets = [(labels, one.budget) for labels, one in labelled if one.budget is not None]

    def family(name: str, meaning: str, lines: Iterable[MetricLine]) -> MetricFamily:
        return MetricFamily(f"heliograph_account_{name}", "gauge", meaning, lines)

    yield family(
        "problem",
        "1 while the last poll failed or the account cannot be used, else 0.",
        (MetricLine(labels, float(one.problem is not None)) for labels, one in labelled),
    )
    yield family(
        "requests_used",
        "Requests sent in 24 hours.",
        (MetricLine(labels, one.requests_used) for labels, one in budgets),
    )
    yield family(
        "requests_limit",
        "Requests that may be sent in 24 hours.",
        (MetricLine(labels, one.requests_limit) for labels, one in budgets),
    )
    yield family(
        "requests_reserve",
        "Requests of these that are kept for a person.",
        (MetricLine(labels, one.reserve) for labels, one in budgets),
    )
    yield family("logins_used", "Logins of 24 hours.", (MetricLine(labels, one.logins_used) for labels, one in budgets))
    yield family(
        "logins_limit",
        "Logins that 24 hours may have.",
        (MetricLine(labels, one.logins_limit) for labels, one in budgets),
    )
    yield family(
        "pause_until_timestamp_seconds",
        "Until when the account is held back, by what holds it; absent while nothing does.",
        (
            MetricLine(f'{labels},kind="{one.pause.kind}"', _epoch(one.pause.until))
            for labels, one in budgets
            if one.pause is not None
        ),
    )


def _of_sinks(sinks: Sequence[SinkProgress]) -> Iterator[MetricFamily]:
    labelled = [(_labels(sink=one.name), one) for one in sinks]
    yield MetricFamily(
        "heliograph_sink_samples_total",
        "counter",
        "Samples handed over since the program began; to a broker, messages.",
        (MetricLine(labels, one.sent) for labels, one in labelled),
    )
    yield MetricFamily(
        "heliograph_sink_problem",
        "gauge",
        "1 while the sink takes nothing, else 0.",
        (MetricLine(labels, float(one.problem is not None)) for labels, one in labelled),
    )
    yield MetricFamily(
        "heliograph_sink_sample_timestamp_seconds",
        "gauge",
        "When the newest sample that was handed over was measured.",
        (MetricLine(labels, one.newest) for labels, one in labelled),
    )


def _labels(**texts: str) -> Labels:
    return ",".join([f'{name}="{_text(text)}"' for name, text in texts.items()])


def _epoch(moment: datetime) -> float:
    return float(int(moment.timestamp()))


def _told(family: MetricFamily) -> Iterator[str]:
    lines = [one for one in family.lines if one.value is not None and isfinite(one.value)]
    if lines:
        yield f"# HELP {family.name} {family.meaning}\n# TYPE {family.name} {family.kind}\n"
    for labels, value in lines:
        yield f"{family.name}{{{labels}}} {value!r}\n"


def _text(text: str) -> str:
    r"""Escape a label; what could break a line, a terminal or a parser that ends at a zero is replaced.

    >>> print(_text('a"b\\c\nd\x00\x1b[2Je'))
    a\"b\\c d��[2Je
    """
    shown = "".join(
        sign if sign.isprintable() else " " if sign.isspace() else "\N{REPLACEMENT CHARACTER}" for sign in text
    )
    cut = shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
    return cut.replace("\\", "\\\\").replace('"', '\\"')
