"""Context of one emulated call of the web portal: the requested plant and device."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from heliograph.emulator.api import Router
from heliograph.emulator.clouds.growatt.context import DEVICE_TYPES, UNKNOWN_DEVICE, GrowattDevice, GrowattFailure
from heliograph.vendors.growatt.portal.api import PortalCalls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.emulator.api import EmulatedAccount, EmulatedPlant, RequestContext

PORTAL_ROUTER = Router(PortalCalls)

_SERIALS = ("mixSn", "spaSn", "storageSn", "tlxSn", "invSn", "maxSn", "hpsSn", "deviceSn", "ammerSn")


class PortalCallContext(NamedTuple):
    """One request of one account, its arguments merged."""

    arguments: Mapping[str, str]
    account: EmulatedAccount
    context: RequestContext

    def main_device(self, plant: EmulatedPlant) -> GrowattDevice:
        """Return a plant's main device."""
        return GrowattDevice(plant, plant.devices[0], plant.households[0], self.context)

    def require_plant(self) -> EmulatedPlant:
        """Return the requested plant; raise the failure if the account has none of this id."""
        for plant in self.account.plants:
            if plant.id == self.arguments.get("plantId"):
                return plant
        raise GrowattFailure(UNKNOWN_DEVICE)

    def require_device(self, kind: str) -> GrowattDevice:
        """Return the requested device of a type; raise the failure if the account has none."""
        serial = next((self.arguments[key] for key in _SERIALS if self.arguments.get(key)), None)
        plant_id = self.arguments.get("plantId")
        for plant in self.account.plants:
            fits = plant.devices[0] == serial and plant_id in (None, plant.id)
            if fits and DEVICE_TYPES[plant.family] == kind:
                return self.main_device(plant)
        raise GrowattFailure(UNKNOWN_DEVICE)

    def page(self, name: str = "currPage") -> int:
        """Return the number of the requested page."""
        text = self.arguments.get(name, "1")
        return max(1, int(text)) if text.isdecimal() else 1
