"""API calls of the SEMS Portal, declared once each.

The API is undocumented; paths and fields are those of working public clients, collected in
docs/clouds/goodwe.md. Parameter names and paths are case-insensitive; every call is a POST.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.core.endpoint import Fields, FlowGenerator, command, composite, without_none
from heliograph.core.http import MAX_PAGES, endless_list_error
from heliograph.core.payload import list_of
from heliograph.vendors.goodwe.calls import json_query
from heliograph.vendors.goodwe.legacy import payloads
from heliograph.vendors.goodwe.legacy.charts_api import GoodWeChartCalls

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE_SIZE = 14
"""Plants per page, as requested by the portal's web page."""

Version = int | str


def api_version(version: Version) -> str:
    """Return the API version of a call as written in the path.

    >>> api_version(3), api_version("v2")
    ('v3', 'v2')
    """
    name = f"v{str(version).lower().removeprefix('v')}"
    if name not in {"v1", "v2", "v3"}:
        raise ValueError(f"version must be v1, v2 or v3; got {version!r}")
    return name


class GoodWeCalls(GoodWeChartCalls):
    """The calls of one SEMS Portal account."""

    @json_query("{version}/Common/CrossLogin", payloads.SemsLogin, is_login=True)
    def cross_login(self, username: str, password: str, version: Version = "v2") -> Fields:
        """Common/CrossLogin: log in; clients with credentials do this automatically."""
        return {"version": api_version(version), "account": username, "pwd": password}

    # Plants

    @json_query("{version}/PowerStation/GetMonitorDetailByPowerstationId", payloads.MonitorDetail)
    def monitor_detail(self, plant_id: str, version: Version = "v3") -> Fields:
        """PowerStation/GetMonitorDetailByPowerstationId: full current state of one plant.

        The three versions return the same structure; v3 is the one maintained clients used last.
        """
        return {"version": api_version(version), "powerStationId": plant_id}

    @json_query("PowerStation/GetPowerStationIdByOwner", payloads.owned_plant)
    def plant_id_by_owner(self) -> Fields:
        """PowerStation/GetPowerStationIdByOwner: id of the first plant owned by the account."""
        return {}

    @json_query("PowerStationMonitor/QueryPowerStationMonitorForApp", list_of(payloads.SemsPlantRow))
    def plant_list_page(self, page: int = 1) -> Fields:
        """PowerStationMonitor/QueryPowerStationMonitorForApp: one page of the account's plants."""
        # Quirk: the app sends numbers as text here, and empty filters too.
        return {
            "page_size": str(PAGE_SIZE),
            "orderby": "",
            "powerstation_status": "",
            "key": "",
            "page_index": str(page),
            "powerstation_id": "",
            "powerstation_type": "",
        }

    @composite
    def plant_list(self) -> FlowGenerator[tuple[payloads.SemsPlantRow, ...]]:
        """All plants of the account with today's and lifetime energy, page by page until the last."""
        plants: dict[str, payloads.SemsPlantRow] = {}
        for page in range(1, MAX_PAGES + 1):
            rows: tuple[payloads.SemsPlantRow, ...] = yield GoodWeCalls.plant_list_page.flow(page)
            new = {row.id: row for row in rows if row.id and row.id not in plants}
            plants |= new
            # Stops the loop if the server ignores the page number.
            if len(rows) < PAGE_SIZE or not new:
                return tuple(plants.values())
        raise endless_list_error("goodwe", "plant_list")

    # Commands: sent once, and only by a client with allow_commands=True.

    @command("POST", "PowerStation/SaveRemoteControlInverter", payloads.SemsCommandResult, encoding="json")
    def save_remote_control(self, serial_num: str, settings: Mapping[str, str], moment: str | None = None) -> Fields:
        """PowerStation/SaveRemoteControlInverter: write settings of one inverter, applied minutes later.

        `InverterStatus` is "1" restart, "2" stop or "4" start, `ActivePowerLimit` a percentage.
        """
        # Quirk: a member is applied only if its mark is set as well.
        marks = {f"{name}SettingMark": "1" for name in settings}
        return {"InverterSN": serial_num, **settings, **marks, **without_none(InverterRemotingLastSetDate=moment)}
