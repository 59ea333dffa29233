"""Emulated accounts for the compatibility tests: stopped at a summer noon, or at the current time."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from heliograph import growattserver
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime.fromisoformat("2026-06-21T12:02:00+02:00")


@contextmanager
def account(vendor: str, start: datetime, **options: Any) -> Iterator[SimpleNamespace]:
    """Run both emulated clouds with a stopped clock and return one vendor's first account."""
    emulator = build_emulator(EmulatorOptions(start=start, speed=0, accounts=2, **options))
    with serve_in_thread(emulator) as ready:
        user = next(one for one in emulator.accounts if one.vendor == vendor)
        yield SimpleNamespace(
            emulator=emulator,
            ready=ready,
            url=ready["url"] + "/",
            username=user.username,
            password=user.password,
            plant={plant.family: plant.id for plant in user.plants},
            device={plant.family: plant.devices[0] for plant in user.plants},
            plants={plant.family: plant for plant in user.plants},
        )


@pytest.fixture(scope="session")
def growatt_at() -> Iterator[SimpleNamespace]:
    with account("growatt", NOON) as at:
        # Fixtures of the session must not write to the user's folder.
        api = growattserver.GrowattApi(keeper=None)
        api.server_url = at.url
        at.user_id = api.login(at.username, at.password)["userId"]
        yield at


@pytest.fixture(scope="session")
def growatt_today() -> Iterator[SimpleNamespace]:
    with account("growatt", datetime.now(UTC), zone=UTC) as at:
        yield at


@pytest.fixture(scope="session")
def goodwe_at() -> Iterator[SimpleNamespace]:
    with account("goodwe", NOON) as at:
        yield at


# Programs of their own, which run where a peer's version is installed that conflicts with this environment.
collect_ignore = ["reads_sems_plus.py", "reads_token_api.py"]
