"""Clients of Growatt's official token API, generations V1 and V4, blocking and async.

A token needs no password and no login and cannot be locked; its calls have fixed intervals instead.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from heliograph.client import AccountClient, AsyncClient, BlockingClient, snapshot_operation
from heliograph.core.endpoint import FlowGenerator, composite
from heliograph.core.redact import Secret
from heliograph.core.session import ENSURE_SESSION
from heliograph.keeper.limits import Limits
from heliograph.local_time import parse_day, period_range
from heliograph.vendors.growatt.auth import resolve_server
from heliograph.vendors.growatt.openapi.api import OpenApiCalls
from heliograph.vendors.growatt.openapi.auth import GrowattTokenProtocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from heliograph.core.session import Session
    from heliograph.model import Device, HistoryCost, PeriodEnergy, Plant, Sample, Snapshot
    from heliograph.settings.definition import Setting, Values
    from heliograph.vendors.base import LivePoll, PollRhythm

__all__ = ["AsyncGrowattToken", "GrowattToken", "OpenApiCalls"]


class GrowattTokenData:
    """Plants, snapshots and history of a token in the common model."""

    @composite
    def plants(self) -> FlowGenerator[tuple[Plant, ...]]:
        """All plants of the token."""
        from heliograph.model import Plant  # noqa: PLC0415
        from heliograph.vendors.growatt.openapi import snapshots  # noqa: PLC0415

        session: Session = yield ENSURE_SESSION
        names = yield from snapshots.plants(session)
        return tuple(Plant(vendor=snapshots.VENDOR, id=id_, name=name) for id_, name in names.items())

    @snapshot_operation
    def snapshot(self, plant_id: str, *, max_age: float | None = None) -> FlowGenerator[Snapshot]:
        """The current snapshot of one plant."""
        from heliograph.vendors.growatt.openapi import snapshots  # noqa: PLC0415

        session: Session = yield ENSURE_SESSION
        (snapshot,) = yield from snapshots.snapshots(session, (str(plant_id),))
        return snapshot

    @snapshot_operation
    def snapshots(self, *, max_age: float | None = None) -> FlowGenerator[tuple[Snapshot, ...]]:
        """The current snapshots of all plants of the token."""
        from heliograph.vendors.growatt.openapi import snapshots  # noqa: PLC0415

        session: Session = yield ENSURE_SESSION
        return (yield from snapshots.snapshots(session))

    @composite
    def live(self, rhythm: PollRhythm, plants: Sequence[str] = ()) -> FlowGenerator[LivePoll]:
        """The current values of these plants (default: all); every poll reports powers and counters alike."""
        from heliograph.vendors.growatt.openapi import snapshots  # noqa: PLC0415

        session: Session = yield ENSURE_SESSION
        return (yield from snapshots.live(session, tuple(plants)))

    @composite
    def day_curve(self, plant_id: str, day: date | str) -> FlowGenerator[tuple[Sample, ...]]:
        """A plant's powers over one plant-local day; older than 95 days, its AC output only."""
        from heliograph.vendors.growatt.openapi import history  # noqa: PLC0415

        local_day = parse_day(day)
        session: Session = yield ENSURE_SESSION
        return (yield from history.day_curve(session, plant_id, local_day))

    @composite
    def period_energies(self, plant_id: str, period: str = "") -> FlowGenerator[tuple[PeriodEnergy, ...]]:
        """Yields of the days of a month ("2026-06"), the months of a year ("2026"), or of 20 years ("")."""
        from heliograph.vendors.growatt.openapi import history  # noqa: PLC0415

        period_range(period)  # an invalid period is rejected before a request
        session: Session = yield ENSURE_SESSION
        return (yield from history.period_energies(session, plant_id, period))

    @composite
    def first_day(self, plant_id: str) -> FlowGenerator[date | None]:
        """The day a plant was created in the cloud; None if not reported."""
        from heliograph.vendors.growatt.openapi import history  # noqa: PLC0415

        session: Session = yield ENSURE_SESSION
        return (yield from history.first_day(session, plant_id))

    @composite
    def history_cost(self, plant_id: str) -> FlowGenerator[HistoryCost]:
        """Requests needed for a plant's history."""
        from heliograph.vendors.growatt.openapi import history  # noqa: PLC0415

        session: Session = yield ENSURE_SESSION
        return (yield from history.history_cost(session, plant_id))

    @composite
    def access_problem(self) -> FlowGenerator[str]:
        """Why the token reports no devices, with the remedy; empty if it may read the first device.

        No newest measurements are fetched, so that a poll may follow at once.
        """
        from heliograph.vendors.growatt.openapi import snapshots  # noqa: PLC0415

        session: Session = yield ENSURE_SESSION
        return (yield from snapshots.access_problem(session))

    @composite
    def read_settings(self, device: Device) -> FlowGenerator[Mapping[str, Values | None]]:
        """No settings are read through the token API yet."""
        yield ENSURE_SESSION
        return {}

    @composite
    def write_setting(self, device: Device, name: str, values: Mapping[str, object]) -> FlowGenerator[None]:
        """No settings are written through the token API yet; use the declared calls."""
        from heliograph.errors import ConfigError  # noqa: PLC0415

        yield ENSURE_SESSION
        raise ConfigError(f"the setting {name} cannot be written with a token; configure user name and password too")


class _TokenAccount(AccountClient):
    """One token."""

    cloud = GrowattTokenProtocol
    default_limits = Limits(requests=2000, logins=20, reserve=100, login_reserve=8)
    """No daily limit is documented, only intervals between equal calls; finding the region counts as logins."""

    def __init__(self, token: str | Secret, **options: Any) -> None:
        """Create a client of one token; the options are those of `Growatt`, without user name and password."""
        secret = token if isinstance(token, Secret) else Secret(token)
        super().__init__(self.account_name(secret), secret, **options)

    @staticmethod
    def account_name(token: Secret) -> str:
        """Return the name of a token's account state: it identifies the token without revealing it."""
        return "token-" + sha256(token.reveal().encode()).hexdigest()[:12]

    @staticmethod
    def resolve_server(server: str) -> str:
        return resolve_server(server)

    def settings_of(self, device: Device) -> tuple[Setting, ...]:
        """Return no settings: none is read through the token API yet."""
        return ()


class GrowattToken(_TokenAccount, OpenApiCalls, GrowattTokenData, BlockingClient):
    """A blocking client of one Growatt API token; its regional server is found by itself."""


class AsyncGrowattToken(_TokenAccount, OpenApiCalls, GrowattTokenData, AsyncClient):
    """An async client of one Growatt API token: the same methods, awaited."""
