"""The flow of a call whose result may be a saved snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core.effects import FileAccess, import_flow
from heliograph.errors import StoreError, Throttled
from heliograph.keeper.limits import SHARED_SECONDS, UPLOAD_INTERVAL

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from heliograph.core.endpoint import Flow, FlowGenerator
    from heliograph.keeper.guard import AccountGuard


def cached_snapshots(
    guard: AccountGuard,
    fetch: Callable[[], Flow[Any]],
    plant: str | None,
    max_age: float | None,
    zone: tzinfo | None,
    clock: Callable[[], float],
) -> FlowGenerator[Any]:
    """Return the saved snapshot of a plant, or those of all plants, if young enough; otherwise fetch and save them.

    `max_age` is in seconds, None for the interval of uploads, or half an hour for what a collector has polled while the
    budget allows no request.
    """
    yield from import_flow("heliograph.keeper.snapshot_file")
    file, now = guard.snapshot_file, clock()
    limit = UPLOAD_INTERVAL if max_age is None else max_age
    saved = (yield FileAccess(lambda: file.find(plant, zone))) if limit > 0 else None
    if saved is not None and 0 <= now - saved[0] < limit:
        return saved[1] if plant is None else saved[1][0]
    try:
        fetched = yield fetch()
    except Throttled as error:
        if (saved := (yield FileAccess(lambda: file.find(plant, zone)))) is not None and now > saved[0]:
            age = now - saved[0]
            if max_age is None and saved.is_stored and age < SHARED_SECONDS and type(error) is Throttled:
                # A collector polls this account at its own rhythm: there is nothing newer.
                return saved.snapshots if plant is None else saved.snapshots[0]
            error.advice += f". max_age={age + 60:.0f} returns the saved snapshot of {age / 60:.0f} min ago"
        raise
    try:
        added = fetched if plant is None else (fetched,)
        at, is_all, interactive = clock(), plant is None, guard.interactive
        yield FileAccess(lambda: file.add(added, at, zone, is_all=is_all, interactive=interactive))
    except StoreError as error:
        # The snapshot is valid; only the other programs of the account do not get it.
        import logging  # noqa: PLC0415 - rarely needed

        from heliograph.eventlog import LogEvent  # noqa: PLC0415

        logging.getLogger(__name__).warning(LogEvent("snapshots.not_saved", why=error))
    return fetched
