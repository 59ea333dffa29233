"""Every call of the classic SEMS Portal we use, declared once.

The vendor publishes no description; paths and fields are those of working public clients, collected in
docs/clouds/goodwe.md. Parameter names and paths are matched without regard to case, every call is a POST.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.core.endpoint import Fields, FlowGenerator, command, composite, query, without_none
from heliograph.core.payload import list_of
from heliograph.vendors.goodwe.legacy import payloads as said
from heliograph.vendors.goodwe.legacy.charts_api import GoodWeChartCalls

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE_SIZE = 14
"""Plants per page, as the portal's own page asks for."""

Version = int | str


def generation(version: Version) -> str:
    """Return a generation of a call as it stands in the path.

    >>> generation(3), generation("v2")
    ('v3', 'v2')
    """
    name = f"v{str(version).lower().removeprefix('v')}"
    if name not in {"v1", "v2", "v3"}:
        raise ValueError(f"this call has the versions v1, v2 and v3, not {version!r}")
    return name


class GoodWeCalls(GoodWeChartCalls):
    """The calls of one SEMS Portal account."""

    @query("POST", "{version}/Common/CrossLogin", said.SemsLogin, encoding="json", result_path="data", is_login=True)
    def cross_login(self, username: str, password: str, version: Version = "v2") -> Fields:
        """Common/CrossLogin: open a session; clients made with credentials do it by themselves."""
        return {"version": generation(version), "account": username, "pwd": password}

    # Plants

    @query(
        "POST",
        "{version}/PowerStation/GetMonitorDetailByPowerstationId",
        said.MonitorDetail,
        encoding="json",
        result_path="data",
    )
    def monitor_detail(self, plant_id: str, version: Version = "v3") -> Fields:
        """PowerStation/GetMonitorDetailByPowerstationId: everything about one plant, now.

        The three versions answer the same tree; v3 is the one maintained clients were on last.
        """
        return {"version": generation(version), "powerStationId": plant_id}

    @query("POST", "PowerStation/GetPowerStationIdByOwner", said.owned_plant, encoding="json", result_path="data")
    def plant_id_by_owner(self) -> Fields:
        """PowerStation/GetPowerStationIdByOwner: the id of the first plant this account owns."""
        return {}

    @query(
        "POST",
        "PowerStationMonitor/QueryPowerStationMonitorForApp",
        list_of(said.SemsPlantRow),
        encoding="json",
        result_path="data",
    )
    def plant_list_page(self, page: int = 1) -> Fields:
        """PowerStationMonitor/QueryPowerStationMonitorForApp: one page of the account's plants."""
        # Quirk: the app sends its numbers as text here, and every filter even when it is empty.
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
    def plant_list(self) -> FlowGenerator[tuple[said.SemsPlantRow, ...]]:
        """All plants of the account with today's and lifetime energy, page by page until the last."""
        found: dict[str, said.SemsPlantRow] = {}
        page = 1
        while True:
            rows: tuple[said.SemsPlantRow, ...] = yield GoodWeCalls.plant_list_page.flow(page)
            new = {row.id: row for row in rows if row.id and row.id not in found}
            found |= new
            # A server that ignores the page number would otherwise be asked for ever.
            if len(rows) < PAGE_SIZE or not new:
                return tuple(found.values())
            page += 1

    # Orders. Each is sent once, and only by a client that allows commands.

    @command("POST", "PowerStation/SaveRemoteControlInverter", said.SemsCommandResult, encoding="json")
    def save_remote_control(self, serial_num: str, settings: Mapping[str, str], moment: str | None = None) -> Fields:
        """PowerStation/SaveRemoteControlInverter: settings of one inverter, carried out minutes later.

        `InverterStatus` is "1" restart, "2" stop or "4" start, `ActivePowerLimit` a percentage.
        """
        # Quirk: a member counts only when its mark is set as well.
        marks = {f"{name}SettingMark": "1" for name in settings}
        return {"InverterSN": serial_num, **settings, **marks, **without_none(InverterRemotingLastSetDate=moment)}
