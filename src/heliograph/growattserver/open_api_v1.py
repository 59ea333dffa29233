"""The token API (V1) with the interface of growattServer's `OpenApiV1`."""

from __future__ import annotations

import platform
import warnings
from datetime import date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from heliograph.growattserver.api import GrowattApi, GrowattV1ApiError
from heliograph.growattserver.devices import AbstractDevice, Min, Sph, date_range

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import time

__all__ = ["AbstractDevice", "DeviceType", "Min", "OpenApiV1", "Sph"]


class DeviceType(Enum):
    """Device types of the token API."""

    INVERTER = 1
    STORAGE = 2
    OTHER = 3
    MAX = 4
    SPH = Sph.DEVICE_TYPE_ID
    SPA = 6
    MIN = Min.DEVICE_TYPE_ID
    PCS = 8
    HPS = 9
    PBD = 10


class OpenApiV1(GrowattApi):
    """growattServer's client of the token API."""

    def __init__(self, token: str) -> None:
        """Create a client of one token; nothing is sent."""
        system = f"{platform.system()} {platform.release()}; {platform.machine()}"
        super().__init__(agent_identifier=f"Python/{platform.python_version()} ({system})")
        self._api_url: str | None = None
        self.session.headers.update({"token": token})

    @property
    def api_url(self) -> str:
        """The URL of all calls: as assigned, else below `server_url`.

        growattServer computes it once, so that a `server_url` assigned later has no effect on it (its issue 122).
        """
        return f"{self.server_url}v1/" if self._api_url is None else self._api_url

    @api_url.setter
    def api_url(self, url: str) -> None:
        self._api_url = url

    def get_url(self, page: str) -> str:
        """Return the URL of a page."""
        return self.api_url + page

    def process_response(self, response: Mapping[str, Any], operation_name: str = "API operation") -> Any:
        """Return the data of an answer; raises `GrowattV1ApiError` for an error, also without an error code."""
        code = response.get("error_code")
        if code != 0:
            raise GrowattV1ApiError(
                f"Error during {operation_name}",
                error_code=1 if code is None else code,
                error_msg=response.get("error_msg", "Unknown error"),
            )
        return response.get("data")

    def fetch(self, operation: str, path: str, /, **params: Any) -> Any:
        """Send a GET and return the data of the answer; parameters without a value are not sent."""
        response = self.session.get(self.get_url(path), params=_with_value(params))
        return self.process_response(response.json(), operation)

    def submit(self, operation: str, path: str, fields: Mapping[str, Any]) -> Any:
        """Send a POST and return the data of the answer; fields without a value are not sent."""
        response = self.session.post(self.get_url(path), data=_with_value(fields))
        return self.process_response(response.json(), operation)

    def plant_list(self) -> Any:  # type: ignore[override]
        """Return the plants of the token."""
        empty = dict.fromkeys(("page", "perpage", "search_type", "search_keyword"), "")
        response = self.session.get(self.get_url("plant/list"), data=empty)  # in the body of a GET, as growattServer
        return self.process_response(response.json(), "getting plant list")

    def plant_details(self, plant_id: int | str) -> Any:
        """Return the facts of one plant."""
        return self.fetch("getting plant details", "plant/details", plant_id=plant_id)

    def plant_energy_overview(self, plant_id: int | str) -> Any:
        """Return the energies of one plant."""
        return self.fetch("getting plant energy overview", "plant/data", plant_id=plant_id)

    def plant_power_overview(self, plant_id: int | str, day: str | date | None = None) -> Any:
        """Return the power of one plant over a day, by default today on this machine."""
        day = datetime.now().astimezone().date() if day is None else day
        return self.fetch("getting plant power overview", "plant/power", plant_id=plant_id, date=str(day))

    def plant_energy_history(
        self,
        plant_id: int | str,
        start_date: date | None = None,
        end_date: date | None = None,
        time_unit: str = "day",
        page: int | None = None,
        perpage: int | None = None,
    ) -> Any:
        """Return the energies of one plant by day, month or year; a range that is too long warns and is sent."""
        start, end = date_range(start_date, end_date)
        years = end.year - start.year
        if time_unit == "day" and (end - start).days > 7:
            warnings.warn("Date interval must not exceed 7 days in 'day' mode.", RuntimeWarning, stacklevel=2)
        elif time_unit == "month" and years > 1:
            message = "Start date must be within same or previous year in 'month' mode."
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        elif time_unit == "year" and years > 20:
            warnings.warn("Date interval must not exceed 20 years in 'year' mode.", RuntimeWarning, stacklevel=2)
        dates = {"start_date": f"{start:%Y-%m-%d}", "end_date": f"{end:%Y-%m-%d}", "time_unit": time_unit}
        pages = {"page": page, "perpage": perpage}
        return self.fetch("getting plant energy history", "plant/energy", plant_id=plant_id, **dates, **pages)

    def device_list(self, plant_id: int | str) -> Any:
        """Return the devices of one plant."""
        return self.fetch("getting device list", "device/list", plant_id=plant_id, page="", perpage="")

    def get_device(self, device_sn: str, device_type: int) -> AbstractDevice | None:
        """Return the device of a serial number; None with a warning for a type other than MIN and SPH."""
        for kind in (Min, Sph):
            if device_type == kind.DEVICE_TYPE_ID:
                return kind(self, device_sn)
        warnings.warn(f"Device for type id: {device_type} has not been implemented yet.", stacklevel=2)
        return None

    # The functions below are those of the device classes, under growattServer's older names.

    def min_detail(self, device_sn: str) -> Any:
        """Return identity and settings of a MIN."""
        return Min(self, device_sn).detail()

    def min_energy(self, device_sn: str) -> Any:
        """Return the newest measurements of a MIN."""
        return Min(self, device_sn).energy()

    def min_energy_history(
        self,
        device_sn: str,
        start_date: date | None = None,
        end_date: date | None = None,
        timezone: str | None = None,
        page: int | None = None,
        limit: int | None = None,
    ) -> Any:
        """Return the measurements of a MIN over at most 7 days."""
        return Min(self, device_sn).energy_history(start_date, end_date, timezone, page, limit)

    def min_settings(self, device_sn: str) -> Any:
        """Return the settings of a MIN."""
        return Min(self, device_sn).settings()

    def min_read_parameter(
        self,
        device_sn: str,
        parameter_id: str | None,
        start_address: int | None = None,
        end_address: int | None = None,
    ) -> Any:
        """Return one parameter of a MIN, or registers."""
        return Min(self, device_sn).read_parameter(parameter_id, start_address, end_address)

    def min_write_parameter(self, device_sn: str, parameter_id: str, parameter_values: object = None) -> Any:
        """Write one parameter of a MIN."""
        return Min(self, device_sn).write_parameter(parameter_id, parameter_values)

    def min_write_time_segment(
        self,
        device_sn: str,
        segment_id: int,
        batt_mode: int,
        start_time: time,
        end_time: time,
        enabled: bool = True,
    ) -> Any:
        """Write one time segment of a MIN."""
        return Min(self, device_sn).write_time_segment(segment_id, batt_mode, start_time, end_time, enabled)

    def min_read_time_segments(self, device_sn: str, settings_data: Mapping[str, Any] | None = None) -> Any:
        """Return the time segments of a MIN."""
        return Min(self, device_sn).read_time_segments(settings_data)

    def sph_detail(self, device_sn: str) -> Any:
        """Return identity and settings of an SPH."""
        return Sph(self, device_sn).detail()

    def sph_energy(self, device_sn: str) -> Any:
        """Return the newest measurements of an SPH."""
        return Sph(self, device_sn).energy()

    def sph_energy_history(
        self,
        device_sn: str,
        start_date: date | None = None,
        end_date: date | None = None,
        timezone: str | None = None,
        page: int | None = None,
        limit: int | None = None,
    ) -> Any:
        """Return the measurements of an SPH over at most 7 days."""
        return Sph(self, device_sn).energy_history(start_date, end_date, timezone, page, limit)

    def sph_read_parameter(
        self,
        device_sn: str,
        parameter_id: str | None = None,
        start_address: int | None = None,
        end_address: int | None = None,
    ) -> Any:
        """Return one parameter of an SPH, or registers."""
        return Sph(self, device_sn).read_parameter(parameter_id, start_address, end_address)

    def sph_write_parameter(self, device_sn: str, parameter_id: str, parameter_values: object = None) -> Any:
        """Write one parameter of an SPH."""
        return Sph(self, device_sn).write_parameter(parameter_id, parameter_values)

    def sph_write_ac_charge_times(
        self,
        device_sn: str,
        charge_power: int,
        charge_stop_soc: int,
        mains_enabled: bool,
        periods: Sequence[Mapping[str, Any]],
    ) -> Any:
        """Write the charge periods of an SPH."""
        return Sph(self, device_sn).write_ac_charge_times(charge_power, charge_stop_soc, mains_enabled, periods)

    def sph_write_ac_discharge_times(
        self, device_sn: str, discharge_power: int, discharge_stop_soc: int, periods: Sequence[Mapping[str, Any]]
    ) -> Any:
        """Write the discharge periods of an SPH."""
        return Sph(self, device_sn).write_ac_discharge_times(discharge_power, discharge_stop_soc, periods)

    def sph_read_ac_charge_times(self, device_sn: str, settings_data: Mapping[str, Any] | None = None) -> Any:
        """Return the charge periods of an SPH."""
        return Sph(self, device_sn).read_ac_charge_times(settings_data)

    def sph_read_ac_discharge_times(self, device_sn: str, settings_data: Mapping[str, Any] | None = None) -> Any:
        """Return the discharge periods of an SPH."""
        return Sph(self, device_sn).read_ac_discharge_times(settings_data)


def _with_value(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}
