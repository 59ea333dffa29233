"""Clients of Growatt's official token API, generations V1 and V4, blocking and async.

A token needs no password and no login and cannot be locked; its calls have fixed intervals instead.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from heliograph.client import AccountClient, AsyncClient, BlockingClient
from heliograph.core.effects import import_flow
from heliograph.core.endpoint import CompositeOperation, FlowGenerator, composite
from heliograph.core.redact import Secret
from heliograph.core.session import ENSURE_SESSION
from heliograph.errors import Throttled
from heliograph.keeper.limits import Limits
from heliograph.vendors.base import LivePoll
from heliograph.vendors.growatt.auth import resolve_server
from heliograph.vendors.growatt.composite import EventOperations, HistoryOperations, SnapshotOperations
from heliograph.vendors.growatt.openapi.api import OpenApiCalls
from heliograph.vendors.growatt.openapi.auth import GrowattTokenProtocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.core.session import Session
    from heliograph.model import Device
    from heliograph.settings.definition import Setting, Values

__all__ = ["AsyncGrowattToken", "GrowattToken", "OpenApiCalls"]


class GrowattTokenSnapshots(SnapshotOperations):
    """Plants and snapshots by the token API."""

    _package = __name__


class GrowattTokenHistory(HistoryOperations):
    """History by the token API."""

    _package = __name__


class GrowattTokenEvents(EventOperations):
    """The fault log by the token API."""

    _package = __name__


class SharedPoll(CompositeOperation[..., LivePoll]):
    """A live poll that takes over what another program has just fetched, while the vendor allows no equal call."""

    def flow_of(self, client: Any, *args: Any, **kwargs: Any) -> FlowGenerator[LivePoll]:
        try:
            found: LivePoll = yield self.flow(*args, **kwargs)
        except Throttled as error:
            plants = kwargs.get("plants", args[1] if len(args) > 1 else ())
            saved: LivePoll | None = None if error.account_wide else client.just_fetched(plants)
            if saved is None:
                raise
            return saved
        return found


class GrowattTokenData(GrowattTokenSnapshots, GrowattTokenHistory, GrowattTokenEvents):
    """Plants, snapshots, history, fault log and settings of a token."""

    live = SharedPoll(SnapshotOperations.live.function).owned_by(GrowattTokenSnapshots)

    @composite
    def access_problem(self) -> FlowGenerator[str]:
        """Why the token reports no devices, with the remedy; empty if it may read the first device.

        No newest measurements are fetched, so that a poll may follow at once.
        """
        yield from import_flow(f"{__name__}.snapshots")
        from heliograph.vendors.growatt.openapi import snapshots  # noqa: PLC0415

        session: Session = yield ENSURE_SESSION
        return (yield from snapshots.access_problem(session))

    @composite
    def read_settings(self, device: Device) -> FlowGenerator[Mapping[str, Values | None]]:
        """The current values of all settings of a device; None for settings that cannot be read.

        An equal call is allowed every five minutes; a MIN has three calls that report its settings, an SPH two.
        """
        yield from import_flow(f"{__name__}.settings")
        from heliograph.vendors.growatt.openapi import settings  # noqa: PLC0415

        session: Session = yield ENSURE_SESSION
        return (yield from settings.read_settings(session, device))

    @composite
    def write_setting(self, device: Device, name: str, values: Mapping[str, object]) -> FlowGenerator[None]:
        """Write one setting: the values are validated and sent once, without a retry.

        `RequestRefused`: the vendor API rejected it. `Unreachable` and `Unreadable`: the outcome is unknown, also after
        an error of the cloud, which may have been applied. No error means that the vendor API accepted it.
        """
        from heliograph.vendors.growatt.openapi import settings  # noqa: PLC0415

        yield from settings.write_setting(device, name, values)

    @staticmethod
    def settings_of(device: Device) -> tuple[Setting, ...]:
        """The settings of a device of this family; nothing is sent."""
        from heliograph.vendors.growatt.openapi import settings  # noqa: PLC0415

        return settings.settings_of(device)


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

    def just_fetched(self, plants: Sequence[str]) -> LivePoll | None:
        """Return the snapshots that programs of the account fetched within the vendor's interval; None if some lack."""
        from heliograph.vendors.growatt.openapi import limits, live  # noqa: PLC0415

        if self._guard is None:
            return None
        file, now = self._guard.snapshot_file, self._clock()
        saved = [file.find(plant, self.session.zone) for plant in plants or (None,)]
        found = [one for one in saved if one is not None and 0 <= now - one.at < limits.INTERVAL + limits.MARGIN]
        snapshots = tuple(snapshot for one in found for snapshot in one.snapshots)
        return LivePoll(snapshots, live.load_of(snapshots)) if len(found) == len(saved) else None

    def missing_values(self) -> dict[str, str]:
        """Return why values of a plant are missing, with the remedy, by plant id; nothing is sent."""
        from heliograph.vendors.growatt.openapi import snapshots  # noqa: PLC0415

        return snapshots.missing_values(self.stored_session())

    @staticmethod
    def resolve_server(server: str) -> str:
        return resolve_server(server)


class GrowattToken(_TokenAccount, OpenApiCalls, GrowattTokenData, BlockingClient):
    """A blocking client of one Growatt API token; its regional server is found by itself."""


class AsyncGrowattToken(_TokenAccount, OpenApiCalls, GrowattTokenData, AsyncClient):
    """An async client of one Growatt API token: the same methods, awaited."""
