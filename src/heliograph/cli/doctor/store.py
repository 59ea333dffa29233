"""Check and repair of the store by doctor."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heliograph.alarms.notify import failed_services
from heliograph.cli.doctor.result import ok, problem, warning
from heliograph.cli.status import shown_store
from heliograph.errors import ConfigError, StoreError, StoreMissing
from heliograph.store import open_store
from heliograph.store.recovery import close_unchanged, connect_read_only, integrity_check, repair_command
from heliograph.store.repair import repair_store
from heliograph.store.sqlite_file import store_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from heliograph.cli.doctor.result import Check
    from heliograph.store.base import Oddity
    from heliograph.store.repair import CopiedFile, RepairReport

_MAX_KINDS = 8


def check_store(where: str) -> Iterator[Check]:
    """Check that the store can be opened and read, and is not damaged; nothing to report if there is none."""
    try:
        with open_store(where, create=False) as store:
            plants = sum(not info.series.device for info in store.series())
            oddities, failed = store.oddities(), failed_services(store)
            store.latest()
            damaged = store.damaged_file
            name = getattr(store, "file", damaged)
            # A page that none of these reads need may be damaged too.
            damage = _structural_error(name) if name is not None and damaged is None else None
    except StoreMissing:
        return
    except (StoreError, ConfigError) as error:
        yield problem("store", str(error))
        return
    if damage is not None and name is not None:
        yield problem("store", f"{name} is damaged ({damage}); stop the collector, then run: {repair_command(name)}")
    elif damaged is None:
        yield ok("store", f"{plants} plant{'s' * (plants != 1)} in {shown_store(where)}")
        yield from oddity_checks(oddities)
        for one in failed:
            messages = "the last message" if one.times == 1 else f"the last {one.times:,} messages"
            at = f"{datetime.fromtimestamp(one.at, UTC):%Y-%m-%d}"
            text = (
                f"{one.name} did not accept {messages} about alarms, last on {at}: {one.problem}; check its address, "
            )
            yield warning("messages", text + "then run: heliograph alarms test")
    else:
        text = f"{damaged} is damaged; new samples are stored in {name}; stop the collector, then run: "
        yield problem("store", text + repair_command(damaged))


def oddity_checks(oddities: Sequence[Oddity]) -> Iterator[Check]:
    """Report what could not be used in the answers of the clouds, per kind; nothing if there is none."""
    kinds: dict[str, list[Oddity]] = {}
    for one in oddities:
        kinds.setdefault(one.what, []).append(one)
    for what, found in list(kinds.items())[:_MAX_KINDS]:
        times, newest = sum(one.times for one in found), max(found, key=lambda one: one.seen_at)
        at = f"{datetime.fromtimestamp(newest.seen_at, UTC):%Y-%m-%d}"
        places = f" of {len(found)} devices" if len(found) > 1 else ""
        often = "once" if times == 1 else f"{times:,} times"
        text = f"{what}: {often} in the answers{places}, last on {at}, as {newest.example!r}; it is left out"
        yield warning("answers", text)
    if len(kinds) > _MAX_KINDS:
        yield warning("answers", f"{len(kinds) - _MAX_KINDS} further kinds of values that could not be used")
    if kinds:
        advice = "a recording helps to support them (docs/record.md): heliograph record"
        yield ok("answers", advice)


def _structural_error(file: Path) -> str | None:
    """Read all pages of a file, and return the first error; None if it is sound."""
    with store_errors(file):
        database = connect_read_only(file)
        try:
            return integrity_check(database)
        finally:
            close_unchanged(database)


def repair(where: str, now: datetime) -> RepairReport:
    """Repair a store in a file; raises `ConfigError` for another one."""
    scheme, colon, rest = where.partition("://")
    if colon and scheme != "sqlite":
        raise ConfigError(f"{shown_store(where)} is a database server, which repairs itself; nothing was changed")
    return repair_store(Path(rest.removeprefix("/") if colon else where).expanduser(), now)


def report_lines(report: RepairReport) -> Iterator[str]:
    """Yield the result of a repair as lines."""
    if not report.finished:
        yield f"{report.path} is not damaged; nothing was changed"
        return
    for file in report.files:
        yield f"{file.name}: {_counts(file)}"
    yield f"{report.path} is repaired: {report.samples:,} samples"
    if report.set_aside:
        yield (
            f"the former files are in {report.path.parent}, and may be deleted when you miss nothing: "
            f"{', '.join(report.set_aside)}"
        )


def report_dict(report: RepairReport) -> dict[str, Any]:
    """Return the result of a repair, JSON-ready."""
    return {
        "store": str(report.path),
        "repaired": report.finished,
        "samples": report.samples,
        "files": [file._asdict() for file in report.files],
        "set_aside": list(report.set_aside),
    }


def _counts(file: CopiedFile) -> str:
    text = f"{file.samples:,} samples and {file.days:,} days read"
    if file.damage is not None:
        text += f"; damaged ({file.damage}), {file.unreadable_pages} pages unreadable"
    if file.unknown_rows:
        text += f", {file.unknown_rows:,} rows of plants whose name is lost"
    return text
