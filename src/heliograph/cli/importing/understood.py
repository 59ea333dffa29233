"""The detected contents of a file: which column is which energy, and whether its values are plausible."""

from __future__ import annotations

from datetime import date
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.cli.importing.days import DayColumn, ReadRules, read_days
from heliograph.config.table import did_you_mean
from heliograph.errors import ConfigError
from heliograph.local_time import EARLIEST_YEAR, day_at
from heliograph.metrics import ENERGIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.cli.importing.tables import SourceFile
    from heliograph.history import StoredPlant
    from heliograph.store.base import Store

_SYNONYMS = {
    "pv_energy": ("generat", "produc", "yield", "solar", "pv", "erzeug", "ertrag"),
    "load_energy": ("consum", "used", "load", "verbrauch"),
    "grid_import_energy": ("import", "bought", "purchase", "bezug"),
    "grid_export_energy": ("export", "sold", "feed", "einspeis"),
}
_MAX_DAILY_YIELD = 14.0
"""kWh a day per kWp; the best days on earth stay below 10, and modules are often more than their stated size."""
_MAX_RATIO = 50.0
"""Two units of energy differ by a factor of 1000."""
_ENOUGH_DAYS = 5


class UnderstoodFile(NamedTuple):
    """The energies of a file by day, and the days that are left out."""

    source: SourceFile
    plant: StoredPlant
    columns: Mapping[str, DayColumn]
    """By energy."""
    ignored: Sequence[str]
    """The names of the other columns."""
    today: date
    measured: Mapping[str, int]
    """By energy, the days that have a measured value, which is shown instead of the imported one."""

    def value_count(self) -> int:
        """Return the number of values to import."""
        return sum(len(column.values) for column in self.columns.values())

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {
            "format": self.source.format,
            "vendor": self.plant.series.vendor,
            "plant": self.plant.series.plant,
            "zone": str(self.plant.zone),
            "time_column": self.source.time_column,
            "energies": [
                {
                    "energy": energy,
                    "column": one.column,
                    "unit": one.unit,
                    "unit_assumed": one.unit_is_assumed,
                    "decimal": one.decimal,
                    "dates": one.dates,
                    "values": one.kind,
                    "first": f"{min(one.values)}",
                    "last": f"{max(one.values)}",
                    "days": len(one.values),
                    "gaps": one.gaps,
                    "incomplete": [f"{day}" for day in one.left_out],
                    "already_measured": self.measured[energy],
                    "sum": round(sum(one.values.values()), 3),
                    "median": round(median(one.values.values()), 3),
                }
                for energy, one in self.columns.items()
            ],
            "ignored_columns": list(self.ignored),
        }


def understand(
    source: SourceFile, store: Store, plant: StoredPlant, rules: ReadRules, chosen: Mapping[str, str], now: float
) -> UnderstoodFile:
    """Return the energies of a file; `chosen` names the column of an energy. Raises `ConfigError`."""
    wanted = _columns(source, chosen)
    today = day_at(int(now), plant.zone)
    (size,) = (info.peak_power for info in store.series() if info.series == plant.series)
    columns, measured = {}, {}
    for energy, name in wanted.items():
        read = read_days(source.columns[name], rules, plant.zone)
        if read.lines and max(read.lines) > today:
            day = max(read.lines)
            raise ConfigError(
                f"line {read.lines[day]}: {day} is in the future; check the order of day and month (--dates)"
            )
        read.values.pop(today, None)  # today is not over
        if not read.values:
            raise ConfigError(f"{name!r} has no energy of a complete day; --incomplete imports parts of days as well")
        columns[energy] = read
        known = store.days(plant.series, min(read.values), max(read.values), [energy])
        measured[energy] = sum(one.values[energy] is not None and one.day in read.values for one in known)
        _check_size(energy, read, store, plant, size, today)
    used = {column.column for column in columns.values()}
    return UnderstoodFile(
        source, plant, columns, [name for name in source.columns if name not in used], today, measured
    )


def parse_map(entries: Sequence[str]) -> dict[str, str]:
    """Return the column of each energy from options like "pv_energy=Produced (kWh)"."""
    found: dict[str, str] = {}
    for entry in entries:
        energy, equals, column = entry.partition("=")
        energy, column = energy.strip(), column.strip()
        if not equals or not column:
            raise ConfigError(f"--map {entry!r} is not like pv_energy=COLUMN")
        if energy not in ENERGIES:
            raise ConfigError(
                f"there is no energy {energy!r}; there are {', '.join(ENERGIES)}{did_you_mean(energy, ENERGIES)}"
            )
        if energy in found:
            raise ConfigError(f"--map names two columns for {energy}")
        found[energy] = column
    return found


def _columns(source: SourceFile, chosen: Mapping[str, str]) -> dict[str, str]:
    for energy, name in chosen.items():
        if name not in source.columns:
            raise ConfigError(
                f"there is no column {name!r} for {energy}; the columns are: {', '.join(source.columns)}"
                f"{did_you_mean(name, tuple(source.columns))}"
            )
    found = dict(chosen) or dict(source.known) or _guess(source)
    if not found:
        raise ConfigError(
            f"no column is known; name them like --map pv_energy={next(iter(source.columns), 'COLUMN')!r}. "
            f"The columns are: {', '.join(source.columns)}; the energies: {', '.join(ENERGIES)}"
        )
    return {energy: found[energy] for energy in ENERGIES if energy in found}


def _guess(source: SourceFile) -> dict[str, str]:
    """Return the columns by their names: those of `export`, or one that only one column's name contains."""
    exact = {energy: energy for energy in ENERGIES if energy in source.columns}
    if exact or source.format != "csv":
        return exact
    found: dict[str, str] = {}
    for energy, words in _SYNONYMS.items():
        names = [name for name in source.columns if any(word in name.lower() for word in words)]
        if len(names) > 1:
            raise ConfigError(
                f"{' and '.join(map(repr, names))} may be {energy}; say which: --map {energy}={names[0]!r}"
            )
        if names and names[0] not in found.values():
            found[energy] = names[0]
    return found


def _check_size(
    energy: str, read: DayColumn, store: Store, plant: StoredPlant, size: float | None, today: date
) -> None:
    """Raise `ConfigError` if the unit cannot be right: too much for the plant's size, or unlike its measured days."""
    day, most = max(read.values.items(), key=lambda item: item[1])
    if energy == "pv_energy" and size is not None and most > _MAX_DAILY_YIELD * size:
        raise ConfigError(
            f"line {read.lines[day]}: {most:g} kWh of solar energy on {day} is more than a plant of {size:g} kWp can "
            f"produce in a day; if {read.column!r} is in Wh, add --unit Wh"
        )
    past = [
        value
        for one in store.days(plant.series, date(EARLIEST_YEAR, 1, 1), today, [energy])
        if one.final and (value := one.values[energy])
    ]
    new = [value for value in read.values.values() if value]
    if min(len(past), len(new)) < _ENOUGH_DAYS:
        return
    usual, here = median(past), median(new)
    if not 1 / _MAX_RATIO < here / usual < _MAX_RATIO:
        unit = "Wh" if here > usual else "MWh"
        raise ConfigError(
            f"{read.column!r} has {here:g} kWh on a usual day, and {usual:g} kWh of {energy} were measured on one; if "
            f"it is in {unit}, add --unit {unit}"
        )
