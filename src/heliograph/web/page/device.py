"""The page of one device: inputs and phases side by side, temperatures, battery, states, and every reported value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import htpy as h

from heliograph.metrics import METRICS, display_name
from heliograph.metrics.device import DEVICE_METRICS
from heliograph.web.page.device_chart import WORDS, day_section
from heliograph.web.page.format import GAP, age, device_badge, energy, percent, power
from heliograph.web.page.layout import badge, document, events_url_for, figure, plant_path
from heliograph.web.paths import encode_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from heliograph.current import DeviceState, PlantState
    from heliograph.web.page.device_chart import DeviceDay
    from heliograph.web.state import SystemState

Values = dict[str, float | str | None]


class PartGroup(NamedTuple):
    """Parts that are shown as the rows of one table, their common quantities as columns."""

    title: str
    part: str
    """The name of a part without its number."""
    row: str
    """The name of a row."""


_GROUPS = (
    PartGroup("PV inputs", "pv", "PV"),
    PartGroup("Strings", "string", "String"),
    PartGroup("Phases", "phase", "Phase"),
    PartGroup("Batteries", "battery", "Battery"),
    PartGroup("Meter", "meter", "Phase"),
    PartGroup("Backup output", "backup", "Phase"),
)
_COLUMNS = {
    "voltage": "Voltage",
    "current": "Current",
    "power": "Power",
    "energy_today": "Today",
    "energy_total": "Total",
    "soc": "Charge",
    "temperature": "Temperature",
    "state_of_health": "Health",
    "charge_energy_total": "Charged",
    "discharge_energy_total": "Discharged",
}
_DECIMALS = {"V": 1, "A": 2, "W": 0, "Hz": 2, "°C": 1, "kWh": 1, "mA": 0, "kΩ": 0, "h": 0, "VA": 0, "var": 0, "%": 0}


def device_path(plant: PlantState, device: DeviceState) -> str:
    """Return the address of a device's page."""
    return f"{plant_path(plant.series)}/device/{encode_id(device.series.device)}"


def device_page(plant: PlantState, device: DeviceState, system: SystemState, day: DeviceDay) -> str:
    """Return the page of one device."""
    state = device_badge(device, plant, system.at)
    return document(
        device.title,
        [
            h.div(".head")[
                h.p(".back")[h.a(href=plant_path(plant.series))[plant.title]],
                h.h1[device.title],
                h.p(".under")[
                    badge(state) if state else None,
                    h.span[device.family] if device.family else None,
                    device.measured_at is not None and h.span[f"measured {age(system.at - device.measured_at)}"],
                    h.span(".id")[f"{device.series.vendor} {device.series.device}"],
                ],
            ],
            [*_powers_and_energies(device.values), *_sections(device.measurements), *_raw(device.raw)]
            or h.p(".hint")["The vendor API reports no values of this device."],
            (day.diagrams or day.view.chosen) and day_section(day, f"{device_path(plant, device)}?at=", _number),
        ],
        events_url=events_url_for(system.at, plant.series),
    )


_FORMATS: dict[str, Callable[[float | None], str]] = {"W": power, "kWh": energy, "%": percent}


def _powers_and_energies(values: Mapping[str, float | None]) -> Iterable[h.Element]:
    known = [(name, metric) for name, metric in METRICS.items() if values.get(name) is not None]
    if known:
        yield h.section(".card", aria_labelledby="powers")[
            h.h2(id="powers")["Powers and energies"],
            h.dl(".facts.columns")[
                [
                    h.div[h.dt[display_name(name, WORDS)], h.dd[figure(_FORMATS[metric.unit](values[name]))]]
                    for name, metric in known
                ]
            ],
        ]


def _sections(measurements: Mapping[str, float | str | None]) -> list[h.Element]:
    tables = [_table(group, measurements) for group in _GROUPS]
    shown = {name for name in measurements if _number_of(DEVICE_METRICS[name].part)}
    rest = [name for name in DEVICE_METRICS if name in measurements and name not in shown]
    facts = [name for name in rest if DEVICE_METRICS[name].kind == "text"]
    return [
        *(table for table in tables if table is not None),
        *_list("Values", (name for name in rest if name not in facts), measurements),
        *_list("State", facts, measurements),
    ]


def _table(group: PartGroup, measurements: Mapping[str, float | str | None]) -> h.Element | None:
    rows: dict[int, dict[str, str]] = {}
    units: dict[str, str] = {}
    for name, value in measurements.items():
        metric = DEVICE_METRICS[name]
        number = _number_of(metric.part)
        if number is not None and metric.part.rstrip("0123456789") == group.part:
            quantity = re.sub(r"^(?:[a-z]+_)?(?:phase)?[0-9]*_", "", name.removeprefix(metric.part))
            rows.setdefault(number, {})[quantity] = format_measurement(name, value, unit=False)
            units[quantity] = metric.unit
    columns = [quantity for quantity in _COLUMNS if quantity in units]
    if not rows:
        return None
    anchor = group.part
    return h.section(".card", aria_labelledby=anchor)[
        h.h2(id=anchor)[group.title],
        h.div(".wide")[
            h.table(".figures.parts")[
                h.thead[
                    h.tr[
                        h.th(scope="col")[group.row],
                        [h.th(scope="col")[_COLUMNS[one], h.small[units[one]]] for one in columns],
                    ]
                ],
                h.tbody[
                    [
                        h.tr[
                            h.th(scope="row")[str(number)],
                            [h.td[figure(rows[number].get(one, GAP))] for one in columns],
                        ]
                        for number in sorted(rows)
                    ]
                ],
            ]
        ],
    ]


def _list(title: str, names: Iterable[str], measurements: Mapping[str, float | str | None]) -> Iterable[h.Element]:
    listed = list(names)
    if listed:
        anchor = title.lower()
        yield h.section(".card", aria_labelledby=anchor)[
            h.h2(id=anchor)[title],
            h.dl(".facts.columns")[
                [
                    h.div[h.dt[display_name(name, WORDS)], h.dd[figure(format_measurement(name, measurements[name]))]]
                    for name in listed
                ]
            ],
        ]


def _raw(numbers: Mapping[str, float]) -> Iterable[h.Element]:
    if numbers:
        yield h.section(".card", aria_labelledby="raw")[
            h.h2(id="raw")["As the vendor sends it"],
            h.p(".hint")["This kind of device is unknown: names and units are the vendor's."],
            h.dl(".facts.columns")[
                [h.div[h.dt[name], h.dd[figure(f"{value:g}".replace("-", "−"))]] for name, value in numbers.items()]
            ],
        ]


def _number_of(part: str) -> int | None:
    """Return the number of a part that is a row of a table."""
    name = part.rstrip("0123456789")
    return int(part[len(name) :]) if name != part and any(name == group.part for group in _GROUPS) else None


def _number(value: float, unit: str) -> str:
    """Return a number with its unit, if there is one, in few digits.

    >>> _number(2397.8, "W"), _number(-6.44, ""), _number(49.984, "Hz")
    ('2 398 W', '−6.44', '50 Hz')
    """
    number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{number.replace(',', ' ').replace('-', '−')} {unit}".strip()


def format_measurement(name: str, value: float | str | None, *, unit: bool = True) -> str:
    """Return a device metric as the page shows it, with its unit unless the heading has it.

    >>> format_measurement("pv1_voltage", 381.26), format_measurement("phase1_current", None)
    ('381.3 V', '–')
    """
    if value is None:
        return GAP
    if isinstance(value, str):
        return value
    wanted = DEVICE_METRICS[name].unit
    number = f"{value:,.{_DECIMALS.get(wanted, 2)}f}".replace(",", " ") if wanted else f"{value:g}"
    return f"{number.replace('-', '−')} {wanted if unit else ''}".strip()
