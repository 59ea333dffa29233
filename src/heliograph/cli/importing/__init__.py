"""`heliograph import`: earlier energies from files of other programs into the store; sends no requests."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from heliograph import history
from heliograph.cli.importing.cells import DATE_ORDERS
from heliograph.cli.importing.days import IN_KWH, VALUE_KINDS, ReadRules
from heliograph.cli.importing.tables import FILE_FORMATS, read_source
from heliograph.cli.importing.understood import parse_map, understand
from heliograph.cli.options import add_command, add_store_option, store_location
from heliograph.cli.terminal import print_json, printable
from heliograph.errors import ConfigError
from heliograph.local_time import parse_zone
from heliograph.store import open_store
from heliograph.store.base import ImportBatch, ImportedEnergy

if TYPE_CHECKING:
    from argparse import Namespace

    from heliograph.cli.importing.understood import UnderstoodFile
    from heliograph.history import StoredPlant
    from heliograph.store.base import ImportSummary, Store

_EXAMPLES = """\
  heliograph import years.csv --dry-run                  show what was understood; store nothing
  heliograph import years.csv --map pv_energy="Yield (kWh)" --dates dmy
  heliograph import outputs.csv --plant "Home"           PVOutput's outputs
  heliograph import statistics.json --map pv_energy=sensor.pv_energy_total
  heliograph import --list
  heliograph import --undo 20261129-101500

imported energies are shown where no energy was measured, and never replace one.
"""
_DECIMALS = {"comma": ",", "point": "."}


def add_import(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "import", _EXAMPLES, import_file, accounts=False)
    parser.set_defaults(late=("file",))
    parser.add_argument("file", nargs="?", metavar="FILE", help="CSV, PVOutput outputs, or Home Assistant statistics")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--dry-run", action="store_true", help="show what was understood, and store nothing")
    action.add_argument("--list", action="store_true", help="list the imports")
    action.add_argument("--undo", metavar="ID", help="delete the values of an import")
    parser.add_argument("--plant", metavar="ID", help="the id or name of the plant (needed if there are several)")
    parser.add_argument("--format", choices=FILE_FORMATS, help="default: by the contents of the file")
    parser.add_argument(
        "--map", action="append", default=[], metavar="ENERGY=COLUMN", help="the column of an energy; may be repeated"
    )
    parser.add_argument("--time-column", metavar="NAME", help="the column with the day or time (default: by its name)")
    parser.add_argument(
        "--unit", choices=tuple(IN_KWH), help="unit of the energies (default: by the column name, or kWh)"
    )
    parser.add_argument("--decimal", choices=tuple(_DECIMALS), help="decimal mark (default: by the numbers)")
    parser.add_argument("--dates", choices=DATE_ORDERS, help="order of day, month and year (default: by the dates)")
    parser.add_argument("--zone", metavar="ZONE", help="time zone of times without an offset (default: the plant's)")
    parser.add_argument("--values", choices=VALUE_KINDS, help="energy of each line, or reading of a counter")
    parser.add_argument("--incomplete", action="store_true", help="import days of which the file has only a part, too")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_store_option(parser)


def import_file(options: Namespace) -> int:
    """Import a file, or list or undo imports."""
    if (options.file is None) is not (options.list or options.undo is not None):
        raise ConfigError("give the FILE to import, or --list, or --undo ID")
    with open_store(store_location(options), create=False) as store:
        if options.list:
            _print_imports(store.imports(), as_json=options.json)
        elif options.undo is not None:
            _undo(store, options.undo, as_json=options.json)
        else:
            _import(store, options)
    return 0


def _import(store: Store, options: Namespace) -> None:
    plant = _plant(store, options.plant)
    zone = None if options.zone is None else parse_zone("--zone", options.zone)
    decimal = None if options.decimal is None else _DECIMALS[options.decimal]
    rules = ReadRules(options.unit, decimal, options.dates, options.values, zone, options.incomplete)
    path = Path(options.file).expanduser()
    source = read_source(path, options.format, options.time_column)
    now = time.time()
    file = understand(source, store, plant, rules, parse_map(options.map), now)
    import_id = None
    if not options.dry_run:
        import_id = _store(store, file, path.name, int(now))
    if options.json:
        print_json({"import": import_id, **file.as_dict()})
    else:
        _print_understood(file)
        _print_end(file, import_id)


def _plant(store: Store, wanted: str | None) -> StoredPlant:
    plants = history.stored_plants(store, wanted)
    if len(plants) > 1:
        names = ", ".join(f"{one.series.plant} ({one.name})" if one.name else one.series.plant for one in plants)
        raise ConfigError(f"there are several plants; select the one of this file with --plant: {names}")
    return plants[0]


def _store(store: Store, file: UnderstoodFile, name: str, now: int) -> str:
    taken = {one.batch.id for one in store.imports()}
    moment = now
    while (import_id := f"{datetime.fromtimestamp(moment, UTC):%Y%m%d-%H%M%S}") in taken:
        moment += 1
    series = file.plant.series
    values = [
        ImportedEnergy(series, day, energy, kwh, import_id)
        for energy, column in file.columns.items()
        for day, kwh in column.values.items()
    ]
    store.add_import(ImportBatch(series, import_id, now, name), values)
    return import_id


def _undo(store: Store, import_id: str, *, as_json: bool) -> None:
    count = store.undo_import(import_id, int(time.time()))
    if as_json:
        print_json({"import": import_id, "deleted_values": count})
    else:
        print(f"Import {import_id} is undone, values deleted: {count}. Measured values were not changed.")


def _print_imports(imports: tuple[ImportSummary, ...], *, as_json: bool) -> None:
    if as_json:
        print_json([_import_dict(one) for one in imports])
        return
    if not imports:
        print("Nothing was imported.")
    for one in imports:
        state = "undone" if one.batch.undone_at is not None else f"{one.values} values, {one.first} to {one.last}"
        print(f"{one.batch.id}  plant {printable(one.batch.series.plant)}  {state}  {printable(one.batch.source)}")


def _import_dict(one: ImportSummary) -> dict[str, Any]:
    batch = one.batch
    return {
        "import": batch.id,
        "vendor": batch.series.vendor,
        "plant": batch.series.plant,
        "source": batch.source,
        "imported_at": _iso(batch.imported_at),
        "undone_at": None if batch.undone_at is None else _iso(batch.undone_at),
        "first": None if one.first is None else f"{one.first}",
        "last": None if one.last is None else f"{one.last}",
        "values": one.values,
    }


def _iso(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _print_understood(file: UnderstoodFile) -> None:
    plant, source = file.plant, file.source
    title = plant.name or plant.series.plant
    column = printable(source.time_column)
    print(f"{source.format}, days of {printable(title)} in {plant.zone}, by the column {column!r}")
    for energy, one in file.columns.items():
        unit = f"{one.unit}{' (assumed)' if one.unit_is_assumed else ''}"
        what = "counter readings" if one.kind == "counter" else "energies"
        mark = "comma" if one.decimal == "," else "point"
        print(f"\n  {energy} from {printable(one.column)!r}: {what} in {unit}, decimal {mark}, dates {one.dates}")
        values = one.values
        first, last = min(values), max(values)
        print(f"    {len(values)} days, {first} to {last}; {sum(values.values()):,.1f} kWh in total")
        usual = median(values.values())
        print(f"    first {values[first]:g} kWh, last {values[last]:g} kWh, usual day {usual:.4g} kWh")
        if one.gaps:
            print(f"    lines without a value: {one.gaps}")
        if one.left_out:
            count, day = len(one.left_out), one.left_out[0]
            print(f"    incomplete days, left out: {count}, the first {day} (--incomplete imports them)")
        if measured := file.measured[energy]:
            print(f"    days that were measured: {measured}; their measured values are shown")
    if file.ignored:
        print(f"\n  not imported: {', '.join(printable(name) for name in file.ignored)}")


def _print_end(file: UnderstoodFile, import_id: str | None) -> None:
    if import_id is None:
        print("\nDry run: nothing was stored.")
    else:
        print(f"\nValues imported: {file.value_count()}. To undo this: heliograph import --undo {import_id}")
