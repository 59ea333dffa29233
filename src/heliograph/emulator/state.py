"""The state of an emulator: world, accounts, faults, log and firewall."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from heliograph.emulator.fault_values import parse_login_interval
from heliograph.emulator.faults import FaultSwitches
from heliograph.emulator.log import RequestLog
from heliograph.emulator.ratelimit import Firewall
from heliograph.emulator.world import build_accounts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from heliograph.emulator.api import EmulatedAccount, EmulatedPlant, Emulation
    from heliograph.emulator.world import World

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_LOGINS = 100_000


class ConcurrentLogins:
    """Logins of other clients (fault `rival`): at every multiple of the fault's seconds, independent of requests."""

    def __init__(self, faults: FaultSwitches) -> None:
        self._faults = faults
        self._seen: dict[str, datetime] = {}

    def due(self, username: str, now: datetime) -> Iterator[datetime]:
        """Yield the login times since the last call for this account, or since the fault was switched on."""
        text = self._faults.value("rival")
        if text is None:
            return
        every = parse_login_interval(text)
        on = self._faults.last_switched("rival").at
        last = max(on, self._seen.get(username, on))
        self._seen[username] = now
        first, end = (last - _EPOCH) // every + 1, (now - _EPOCH) // every + 1
        for number in range(max(first, end - _MAX_LOGINS), end):
            yield _EPOCH + number * every


class EmulatorState:
    """The world of an emulator with its accounts, faults and counters."""

    def __init__(
        self,
        world: World,
        emulations: Sequence[Emulation],
        accounts: int = 2,
        faults: Mapping[str, Any] | None = None,
        extra_plants: Collection[str] = (),
    ) -> None:
        self.world = world
        self.emulations = tuple(emulations)
        descriptions = {name: text for emulation in self.emulations for name, text in emulation.faults().items()}
        self.faults = FaultSwitches(faults, descriptions, world.clock.now)
        self.accounts: tuple[EmulatedAccount, ...] = build_accounts(
            world, self.emulations, accounts, self.faults.value, extra_plants
        )
        self.accounts_by_vendor = {
            emulation.vendor: tuple(account for account in self.accounts if account.vendor == emulation.vendor)
            for emulation in self.emulations
        }
        self.log = RequestLog(self.accounts, self.accounts_by_vendor, world.clock.now)
        self.firewall = Firewall()
        self.other_logins = ConcurrentLogins(self.faults)
        self.second_port: int | None = None
        """Port of the second region, once it is served."""
        self._plants = {plant.id: (account, plant) for account in self.accounts for plant in account.plants}

    def now(self) -> datetime:
        """Return the simulated time in UTC."""
        return self.world.clock.now()

    def plant(self, plant_id: str) -> tuple[EmulatedAccount, EmulatedPlant] | None:
        """Return a plant and its account."""
        return self._plants.get(plant_id)
