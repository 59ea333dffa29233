"""The table of `heliograph settings show`: name, current value and allowed values, in groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from heliograph.cli.drawing import Table, Text
from heliograph.cli.settings import format as fmt
from heliograph.cli.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from heliograph.settings.definition import Setting, Values
    from heliograph.settings.models import Change, Order
    from heliograph.settings.permissions import Permissions
    from heliograph.settings.plan import SettingsSnapshot

    LatestChanges = Mapping[str, tuple[Order, Change]]

GRID_CODE = "Grid code"
_GROUPS = {
    "Export": ("export", "failsafe", "anti_backflow"),
    "Battery": ("charge", "soc", "battery", "window", "load_first", "grid_first", "backup", "peak", "off_grid_stop"),
}
_OTHER = "Inverter"
_ORDER = ("Battery", "Export", _OTHER, GRID_CODE)
_MAX_NOW = 24


class SettingRow(NamedTuple):
    """One row of the table; `marks` are shown below it."""

    name: str
    now: str
    allowed: str
    marks: tuple[str, ...] = ()


def settings_table(
    snapshot: SettingsSnapshot, latest: LatestChanges, permissions: Permissions, *, show_all: bool
) -> Table:
    """Return the table; without `show_all`, empty windows and unused grid code settings are one row each."""
    groups: dict[str, list[SettingRow]] = {}
    external = {one.setting for one in snapshot.external_changes}
    folded: dict[str, list[str]] = {}
    for name, setting in snapshot.settings.items():
        group, values = group_of(setting), snapshot.current[name]
        is_notable = permissions.allows(setting) or name in latest or name in external
        rows = groups.setdefault(group, [])
        if show_all:
            only = len(setting.parameters) == 1
            found = _rows(setting, values, _marks(setting, snapshot, latest, permissions), hidden=())
            rows += [row._replace(allowed=f"{setting.title}: {row.allowed}") if only else row for row in found]
        elif group == GRID_CODE and not is_notable:
            folded.setdefault(GRID_CODE, []).append(name)
        elif setting.group and _is_empty(values, "") and name not in latest and name not in external:
            folded.setdefault(group, []).append(name)
        else:
            marks = _marks(setting, snapshot, latest, permissions)
            rows += _rows(setting, values, marks, hidden=_empty_slots(setting, values))
    for group, names in folded.items():
        what = "grid code settings" if group == GRID_CODE else "time windows, none of them on"
        label = names[0] if len(names) == 1 else f"{names[0]} …"
        groups[group].append(SettingRow(label, "", f"{len(names)} {what}; --all shows them"))
    return _table([(group, groups[group]) for group in _ORDER if group in groups])


def group_of(setting: Setting) -> str:
    """Return the group under which a setting is listed."""
    if setting.risk == "grid-code":
        return GRID_CODE
    matching = (group for group, words in _GROUPS.items() if any(word in setting.name for word in words))
    return next(matching, _OTHER)


def _rows(
    setting: Setting, values: Values | None, marks: tuple[str, ...], hidden: Sequence[str]
) -> Iterator[SettingRow]:
    """Yield a row; for several parameters one with the title and one each. `hidden` are endings of empty windows."""
    if len(setting.parameters) == 1:
        only = setting.parameters[0]
        yield SettingRow(setting.name, fmt.format_values(setting, values), only.allowed, marks)
        return
    yield SettingRow(setting.name, fmt.MISSING_VALUE if values is None else "", setting.title, marks)
    for parameter in setting.parameters:
        if not parameter.name.endswith(tuple(hidden)):
            value = None if values is None else values.get(parameter.name)
            now = "" if values is None else fmt.format_value(setting, parameter.name, value)
            yield SettingRow(f"  .{parameter.name}", now, parameter.allowed)
    if hidden:
        names = ", ".join(ending.removeprefix("_") for ending in hidden)
        yield SettingRow("  …", "", f"windows without times or off: {names}; --all shows them")


def _empty_slots(setting: Setting, values: Values | None) -> tuple[str, ...]:
    """Return the endings of the parameters of empty windows, like "_2"; none if the setting has a single window."""
    if values is None or setting.slots == 1:
        return ()
    return tuple(f"_{slot}" for slot in range(1, setting.slots + 1) if _is_empty(values, f"_{slot}"))


def _is_empty(values: Values | None, ending: str) -> bool:
    """Return whether a window is off, or has no length."""
    if values is None:
        return False
    enabled = values.get(f"enabled{ending}")
    if enabled is not None:
        return enabled is False
    start, end = values.get(f"start{ending}"), values.get(f"end{ending}")
    return start is not None and start == end


def _marks(
    setting: Setting, snapshot: SettingsSnapshot, latest: LatestChanges, permissions: Permissions
) -> tuple[str, ...]:
    """Return what is special about a setting: permission, latest change, changes by other programs."""
    marks = []
    if not setting.readable:
        marks.append("cannot be read back")
    if permissions.allows(setting):
        marks.append("writable")
    changed = next((one for one in snapshot.external_changes if one.setting == setting.name), None)
    if changed is not None:
        expected = fmt.format_values(setting, changed.expected)
        marks.append(f"changed by another program since change {changed.order}, which set {expected}")
    elif setting.name in latest:
        order, change = latest[setting.name]
        marks.append(f"{change.state} by change {order.id}")
    return tuple(marks)


def _table(groups: Sequence[tuple[str, Sequence[SettingRow]]]) -> Table:
    table = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("Setting", no_wrap=True)
    table.add_column("Now", overflow="fold", max_width=_MAX_NOW)
    table.add_column("Allowed", overflow="fold")
    for group, rows in groups:
        table.add_row()
        table.add_row(Text(group, "bold"))
        for row in rows:
            about = Text(printable(row.allowed), "dim")
            if row.marks:
                about.append(f"  [{'; '.join(row.marks)}]", "not dim yellow")
            table.add_row(Text(printable(row.name)), Text(printable(row.now)), about)
    return table
