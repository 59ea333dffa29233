"""Prometheus text exposition of all current values, in base units; unknown values have no line."""

from __future__ import annotations

import re
from math import isfinite
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from heliograph.alarms.model import RULES
from heliograph.collect.freshness import Freshness
from heliograph.metrics import METRICS, published_value
from heliograph.metrics.device import DEVICE_METRICS
from heliograph.model import Status
from heliograph.tariffs.money import MONEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from heliograph.alarms.model import Alarm, AlarmState
    from heliograph.current import AccountStatus, DeviceState, PlantState
    from heliograph.metrics import Metric
    from heliograph.metrics.device import DeviceMetric
    from heliograph.outputs.sink import SinkProgress
    from heliograph.store.base import Series
    from heliograph.tariffs.reader import MoneyToday

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_UNITS = {"W": ("watts", 1.0), "kWh": ("joules", 3.6e6), "%": ("ratio", 0.01), "V": ("volts", 1.0)}
_UNITS |= {"A": ("amperes", 1.0), "Hz": ("hertz", 1.0), "°C": ("celsius", 1.0)}
"""Base unit of each unit in Prometheus, and the factor to it."""
_DEVICE_UNITS = {
    **_UNITS,
    "": ("", 1.0),
    "mA": ("amperes", 0.001),
    "VA": ("voltamperes", 1.0),
    "var": ("vars", 1.0),
    "kΩ": ("ohms", 1000.0),
    "h": ("seconds", 3600.0),
    "Ah": ("coulombs", 3600.0),
    "kWp": ("watts", 1000.0),
}
_MAX_LABEL = 128

Labels = str
"""Formatted labels, shared by all lines of a plant."""


class MetricLine(NamedTuple):
    """One labelled value of a metric."""

    labels: Labels
    value: float | None


class MetricFamily(NamedTuple):
    """All values of one metric name."""

    name: str
    kind: str
    meaning: str
    lines: Iterable[MetricLine]


def exposition(
    plants: Sequence[PlantState],
    accounts: Sequence[AccountStatus],
    sinks: Sequence[SinkProgress] = (),
    alarms: Mapping[Alarm, AlarmState] = MappingProxyType({}),
    money: Mapping[Series, MoneyToday] = MappingProxyType({}),
) -> str:
    """Return the current values of all plants, devices, accounts and sinks, and the alarms that are not over.

    `money` is that of today, of the plants with a tariff.
    """
    families = [*_of_plants(plants), *_of_money(plants, money), *_of_devices(plants)]
    families += [*_of_accounts(accounts), *_of_sinks(sinks)]
    families.append(_of_alarms(alarms))
    return "".join(text for family in families for text in _format(family))


def metric_name(metric: Metric) -> str:
    """Return the Prometheus name of a metric.

    >>> [metric_name(METRICS[name]) for name in ("pv_power", "pv_energy_today", "pv_energy_total", "battery_soc")]
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
        "1 for the current freshness, 0 for the others.",
        (
            MetricLine(f'{labels},freshness="{fresh}"', float(one.freshness is fresh))
            for labels, one in labelled
            for fresh in Freshness
        ),
    )
    yield MetricFamily(
        "heliograph_value_provisional",
        "gauge",
        "1 for a counter that no second reading has confirmed, or that is calculated from the power since.",
        (MetricLine(f'{labels},metric="{name}"', 1.0) for labels, one in labelled for name in sorted(one.provisional)),
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
        "When the newest sample was fetched from the vendor API.",
        (MetricLine(labels, one.fetched_at) for labels, one in labelled),
    )
    polls = [(labels, one.poll) for labels, one in labelled if one.poll is not None]
    yield MetricFamily(
        "heliograph_polled_timestamp_seconds",
        "gauge",
        "When the vendor API last answered for the plant.",
        (MetricLine(labels, one.polled_at) for labels, one in polls),
    )
    yield MetricFamily(
        "heliograph_next_poll_timestamp_seconds",
        "gauge",
        "When the next poll of the plant is planned.",
        (MetricLine(labels, one.next_at) for labels, one in polls),
    )
    yield MetricFamily(
        "heliograph_poll_interval_seconds",
        "gauge",
        "Stated interval between two polls of the plant now.",
        (MetricLine(labels, one.interval) for labels, one in polls),
    )


def _of_money(plants: Sequence[PlantState], money: Mapping[Series, MoneyToday]) -> Iterator[MetricFamily]:
    labelled = [
        (_labels(vendor=one.series.vendor, plant=one.series.plant, name=one.title, currency=today.currency), today)
        for one in plants
        if (today := money.get(one.series)) is not None
    ]
    for name, meaning in MONEY.items():
        unit, factor = ("_grams", 1000.0) if name == "co2" else ("", 1.0)
        values = [(labels, today.values[name]) for labels, today in labelled]
        lines = [MetricLine(labels, None if one is None else round(one * factor, 4)) for labels, one in values]
        text = f"Since plant-local midnight: {meaning.replace(' in kg', '')}."
        yield MetricFamily(f"heliograph_{name}_today{unit}", "gauge", text, lines)


def _of_devices(plants: Sequence[PlantState]) -> Iterator[MetricFamily]:
    """Yield device metrics under separate names, so that a sum over plants does not count them twice."""
    labelled = [
        (_labels(vendor=one.series.vendor, plant=one.series.plant, device=one.series.device, name=one.title), one)
        for plant in plants
        for one in plant.devices
    ]
    yield from _metrics("heliograph_device_", "Of one device: ", labelled)
    yield from _measurements(labelled)
    yield _status("device", labelled)


def _measurements(labelled: Sequence[tuple[Labels, DeviceState]]) -> Iterator[MetricFamily]:
    """Yield the device metrics; a numbered part, such as an input, is the label `part`."""
    families: dict[str, tuple[str, list[MetricLine]]] = {}
    for labels, device in labelled:
        for name, value in device.measurements.items():
            metric = DEVICE_METRICS[name]
            if isinstance(value, float | int):
                unit, factor = _DEVICE_UNITS[metric.unit]
                kind = "counter" if metric.kind == "total" else "gauge"
                lines = families.setdefault(device_metric_name(metric, unit), (kind, []))[1]
                lines.append(MetricLine(f'{labels},part="{metric.part}"', float(f"{value * factor:.12g}")))
    for family, (kind, lines) in sorted(families.items()):
        yield MetricFamily(family, kind, "Of one part of a device, see docs/metrics.md.", lines)


def device_metric_name(metric: DeviceMetric, unit: str) -> str:
    """Return the Prometheus name of a device metric, without the part that is a label.

    >>> [device_metric_name(DEVICE_METRICS[name], "volts") for name in ("pv12_voltage", "meter_phase2_voltage")]
    ['heliograph_device_part_voltage_volts', 'heliograph_device_part_voltage_volts']
    """
    what = metric.name.removeprefix(f"{metric.part}_") if metric.name != metric.part else metric.part
    what = re.sub(r"^(?:[a-z]+_)?phase[123]_|[0-9]+$", "", what)
    if metric.kind == "total":
        return "_".join(filter(None, ("heliograph_device_part", what.removesuffix("_total"), unit, "total")))
    return "_".join(filter(None, ("heliograph_device_part", what, unit)))


def _status(of: str, labelled: Sequence[tuple[Labels, PlantState | DeviceState]]) -> MetricFamily:
    return MetricFamily(
        f"heliograph_{of}_status",
        "gauge",
        "1 for the status reported by the vendor API, 0 for the others.",
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
    rounded = published_value(value)
    # Twelve digits exceed the precision of any meter and hide the rounding errors of the multiplication.
    return None if rounded is None else float(f"{rounded * _UNITS[metric.unit][1]:.12g}")


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
        "Requests sent in the last 24 hours.",
        (MetricLine(labels, one.requests_used) for labels, one in budgets),
    )
    yield family(
        "requests_limit",
        "Requests allowed in 24 hours.",
        (MetricLine(labels, one.requests_limit) for labels, one in budgets),
    )
    yield family(
        "requests_reserve",
        "Requests reserved for interactive use.",
        (MetricLine(labels, one.reserve) for labels, one in budgets),
    )
    yield family(
        "logins_used", "Logins in the last 24 hours.", (MetricLine(labels, one.logins_used) for labels, one in budgets)
    )
    yield family(
        "logins_limit",
        "Logins allowed in 24 hours.",
        (MetricLine(labels, one.logins_limit) for labels, one in budgets),
    )
    yield family(
        "pause_until_timestamp_seconds",
        "End of the current pause by its kind; absent without a pause.",
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
        "Samples sent since the program started; for MQTT, messages.",
        (MetricLine(labels, one.sent) for labels, one in labelled),
    )
    yield MetricFamily(
        "heliograph_sink_problem",
        "gauge",
        "1 while the sink is unavailable or rejects samples, else 0.",
        (MetricLine(labels, float(one.problem is not None)) for labels, one in labelled),
    )
    yield MetricFamily(
        "heliograph_sink_sample_timestamp_seconds",
        "gauge",
        "When the newest sample sent was measured.",
        (MetricLine(labels, one.newest) for labels, one in labelled),
    )


def _of_alarms(alarms: Mapping[Alarm, AlarmState]) -> MetricFamily:
    labelled = (
        _labels(
            vendor=one.subject.vendor,
            plant=one.subject.plant,
            account=one.subject.account,
            name=one.title,
            rule=one.rule,
            severity=RULES[one.rule].severity,
            state=state,
        )
        for one, state in alarms.items()
    )
    meaning = "1 for each alarm of a plant or an account that is not over."
    return MetricFamily("heliograph_alarm", "gauge", meaning, (MetricLine(labels, 1.0) for labels in labelled))


def _labels(**texts: str) -> Labels:
    return ",".join([f'{name}="{_escape(text)}"' for name, text in texts.items()])


def _epoch(moment: datetime) -> float:
    return float(int(moment.timestamp()))


def _format(family: MetricFamily) -> Iterator[str]:
    lines = [one for one in family.lines if one.value is not None and isfinite(one.value)]
    if lines:
        yield f"# HELP {family.name} {family.meaning}\n# TYPE {family.name} {family.kind}\n"
    for labels, value in lines:
        yield f"{family.name}{{{labels}}} {value!r}\n"


def _escape(text: str) -> str:
    r"""Escape a label value and replace control characters.

    >>> print(_escape('a"b\\c\nd\x00\x1b[2Je'))
    a\"b\\c d��[2Je
    """
    printable = "".join(
        char if char.isprintable() else " " if char.isspace() else "\N{REPLACEMENT CHARACTER}" for char in text
    )
    cut = printable if len(printable) <= _MAX_LABEL else printable[: _MAX_LABEL - 1] + "…"
    return cut.replace("\\", "\\\\").replace('"', '\\"')
