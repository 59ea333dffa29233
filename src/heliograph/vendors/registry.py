"""The registry of all vendors."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from heliograph.vendors.base import VendorInfo

if TYPE_CHECKING:
    from heliograph.vendors.base import AsyncSolarClient, SolarClient, VendorDiagnostics
    from heliograph.vendors.goodwe import AsyncGoodWe, GoodWe
    from heliograph.vendors.goodwe import diagnostics as goodwe_diagnostics
    from heliograph.vendors.growatt import AsyncGrowatt, Growatt
    from heliograph.vendors.growatt import diagnostics as growatt_diagnostics
    from heliograph.vendors.growatt.openapi import AsyncGrowattToken, GrowattToken
    from heliograph.vendors.growatt.openapi import diagnostics as token_diagnostics

    def _clients(growatt: Growatt, token: GrowattToken, goodwe: GoodWe) -> SolarClient:
        return growatt or token or goodwe  # the type checker compares every vendor with the contract

    def _async_clients(growatt: AsyncGrowatt, token: AsyncGrowattToken, goodwe: AsyncGoodWe) -> AsyncSolarClient:
        return growatt or token or goodwe

    _diagnostics: tuple[VendorDiagnostics, ...] = (growatt_diagnostics, token_diagnostics, goodwe_diagnostics)

__all__ = ["VENDORS", "VendorInfo"]

# Zones of one country each; the rest of the Americas and Asia registers on the European server by default.
_NORTH_AMERICA = (
    *(f"America/{city}" for city in ("New_York", "Detroit", "Chicago", "Denver", "Boise", "Phoenix", "Los_Angeles")),
    *(f"America/{city}" for city in ("Anchorage", "Toronto", "Montreal", "Winnipeg", "Edmonton", "Vancouver")),
    *(f"America/{city}" for city in ("Halifax", "Indiana/", "Kentucky/", "North_Dakota/")),
    *("Pacific/Honolulu", "US/", "Canada/"),
)
_MAINLAND_CHINA = ("Asia/Shanghai", "Asia/Chongqing", "Asia/Urumqi", "PRC")

# Quirk: accounts that are polled more often are blocked. Growatt's values change every 3 minutes, and noah-mqtt went to
# 180 s after bans (noah-mqtt #68, #78); GoodWe's inverters upload every 5 to 8, and 60 s cost two users their access
# (goodwe-sems-home-assistant #75).
VENDORS = {
    "growatt": VendorInfo(
        name="growatt",
        title="Growatt",
        client="heliograph.vendors.growatt:Growatt",
        async_client="heliograph.vendors.growatt:AsyncGrowatt",
        settings="heliograph.vendors.growatt.settings",
        diagnostics="heliograph.vendors.growatt.diagnostics",
        emulator="heliograph.emulator.clouds.growatt",
        regions=("eu", "us", "cn", "au", "smten", "atess", "mobile-eu", "mobile-us", "mobile-cn", "mobile-au"),
        min_interval=timedelta(minutes=3),
        min_interval_reason="its values change no faster, and faster polling gets accounts blocked",
        # Polling every 11 minutes is safe, every 10 minutes is sometimes blocked (Home Assistant issue 167430).
        usual_interval=timedelta(minutes=11),
        token_client="heliograph.vendors.growatt.openapi:GrowattToken",  # noqa: S106 - a class
        async_token_client="heliograph.vendors.growatt.openapi:AsyncGrowattToken",  # noqa: S106 - a class
        token_diagnostics="heliograph.vendors.growatt.openapi.diagnostics",  # noqa: S106 - a module
        portal_client="heliograph.vendors.growatt.portal:GrowattPortal",
        sources="heliograph.vendors.growatt.sources",
        fault_codes="heliograph.vendors.growatt.fault_codes",
        recording="heliograph.vendors.growatt.recording",
        # An equal call is allowed every five minutes; ten seconds are for clocks that differ.
        token_interval=timedelta(minutes=5, seconds=10),
        fixed_utc_offset=True,
        zone_regions=(("us", _NORTH_AMERICA), ("cn", _MAINLAND_CHINA), ("au", ("Australia/", "Pacific/Auckland"))),
    ),
    "goodwe": VendorInfo(
        name="goodwe",
        title="GoodWe",
        client="heliograph.vendors.goodwe:GoodWe",
        async_client="heliograph.vendors.goodwe:AsyncGoodWe",
        settings="heliograph.vendors.goodwe.settings",
        diagnostics="heliograph.vendors.goodwe.diagnostics",
        emulator="heliograph.emulator.clouds.goodwe",
        fault_codes="heliograph.vendors.goodwe.fault_codes",
        recording="heliograph.vendors.goodwe.recording",
        regions=("global", "eu", "us", "au", "hk", "cn"),
        min_interval=timedelta(minutes=1),
        min_interval_reason="inverters upload every five minutes, and faster polling gets accounts blocked",
        usual_interval=timedelta(minutes=10),
    ),
}
"""All vendors by name, in the order of menus and of emulated accounts."""
