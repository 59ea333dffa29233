"""The device classes of growattServer's token API: MIN and SPH."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from heliograph.growattserver.api import GrowattParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import time

    Settings = Mapping[str, Any]

_MODES = {0: "Load First", 1: "Battery First", 2: "Grid First"}
_MISSING = ("null", None, "")
_MAX_DAYS = timedelta(days=7)


def date_range(start: date | None, end: date | None) -> tuple[date, date]:
    """Return the days of a query; a missing one is the other, and today without both."""
    start, end = start or end, end or start
    today = datetime.now().astimezone().date()
    return start or today, end or today


class TokenCalls(Protocol):
    """The part of the client that devices use."""

    def fetch(self, operation: str, path: str, /, **params: Any) -> Any:
        """Send a GET and return the data of the answer."""

    def submit(self, operation: str, path: str, fields: Mapping[str, Any]) -> Any:
        """Send a POST and return the data of the answer."""


class AbstractDevice:
    """One device of a token; subclasses name their calls."""

    DEVICE_TYPE_ID: ClassVar[int]
    _family: ClassVar[str]
    """The family in the paths of the API."""
    _title: ClassVar[str]
    _parameters: ClassVar[int]
    """The number of values of a write."""

    def __init__(self, api: TokenCalls, device_sn: str) -> None:
        """Create the device of a serial number; nothing is sent."""
        self.api = api
        self.device_sn = device_sn

    def detail(self) -> Any:
        """Return identity and settings."""
        path = f"device/{self._family}/{self._family}_data_info"
        return self.api.fetch(f"getting {self._title} inverter details", path, device_sn=self.device_sn)

    def energy(self) -> Any:
        """Return the newest measurements."""
        path = f"device/{self._family}/{self._family}_last_data"
        serial = {f"{self._family}_sn": self.device_sn}
        return self.api.submit(f"getting {self._title} inverter energy data", path, serial)

    def energy_history(
        self,
        start_date: date | None = None,
        end_date: date | None = None,
        timezone: str | None = None,
        page: int | None = None,
        limit: int | None = None,
    ) -> Any:
        """Return the measurements of at most 7 days."""
        start, end = date_range(start_date, end_date)
        if end - start > _MAX_DAYS:
            raise GrowattParameterError("date interval must not exceed 7 days")
        fields = {
            f"{self._family}_sn": self.device_sn,
            "start_date": f"{start:%Y-%m-%d}",
            "end_date": f"{end:%Y-%m-%d}",
            "timezone_id": timezone,
            "page": page,
            "perpage": limit,
        }
        path = f"device/{self._family}/{self._family}_data"
        return self.api.submit(f"getting {self._title} inverter energy history", path, fields)

    def write_parameter(self, parameter_id: str, parameter_values: object = None) -> Any:
        """Write one parameter: one value, a list of values, or values by position."""
        values = dict.fromkeys(range(1, self._parameters + 1), "")
        if isinstance(parameter_values, str | int | float | bool):
            values[1] = str(parameter_values)
        elif isinstance(parameter_values, list):
            values |= {place: str(value) for place, value in enumerate(parameter_values, 1) if place in values}
        elif isinstance(parameter_values, dict):
            values |= {int(place): str(value) for place, value in parameter_values.items() if int(place) in values}
        numbered = {f"param{place}": value for place, value in values.items()}
        return self._write(f"writing parameter {parameter_id}", parameter_id, numbered)

    def validate_read_parameter_input(
        self, parameter_id: str | None, start_address: int | None, end_address: int | None
    ) -> None:
        """Raise unless exactly one of parameter and first register is given."""
        del end_address
        if parameter_id is None and start_address is None:
            raise GrowattParameterError("specify either parameter_id or start_address/end_address")
        if parameter_id is not None and start_address is not None:
            raise GrowattParameterError("specify either parameter_id or start_address/end_address - not both.")

    def _read(self, path: str, parameter_id: str | None, start: int | None, end: int | None) -> Any:
        if parameter_id is not None:
            start = end = 0
        name = "set_any_reg" if parameter_id is None else parameter_id
        fields = {"device_sn": self.device_sn, "paramId": name, "startAddr": start, "endAddr": end}
        return self.api.submit(f"reading parameter {name}", path, fields)

    def _write(self, operation: str, parameter: str, values: Mapping[str, str]) -> Any:
        fields = {f"{self._family}_sn": self.device_sn, "type": parameter, **values}
        return self.api.submit(operation, f"{self._family}Set", fields)


class Min(AbstractDevice):
    """A MIN device."""

    DEVICE_TYPE_ID = 7
    _family, _title, _parameters = "tlx", "MIN", 19

    def settings(self) -> Any:
        """Return the settings."""
        return self.api.fetch("getting MIN inverter settings", "device/tlx/tlx_set_info", device_sn=self.device_sn)

    def read_parameter(
        self, parameter_id: str | None, start_address: int | None = None, end_address: int | None = None
    ) -> Any:
        """Return one parameter, or registers."""
        self.validate_read_parameter_input(parameter_id, start_address, end_address)
        return self._read("readMinParam", parameter_id, start_address, end_address or start_address)

    def write_time_segment(
        self, segment_id: int, batt_mode: int, start_time: time, end_time: time, enabled: bool = True
    ) -> Any:
        """Write one of nine time segments."""
        if not 1 <= segment_id <= 9:
            raise GrowattParameterError("segment_id must be between 1 and 9")
        if batt_mode not in _MODES:
            raise GrowattParameterError("batt_mode must be between 0 and 2")
        times = (start_time.hour, start_time.minute, end_time.hour, end_time.minute)
        values = [str(value) for value in (batt_mode, *times, int(bool(enabled)))]
        values += [""] * (self._parameters - len(values))
        numbered = {f"param{place}": value for place, value in enumerate(values, 1)}
        return self._write(f"writing time segment {segment_id}", f"time_segment{segment_id}", numbered)

    def read_time_segments(self, settings_data: Settings | None = None) -> list[dict[str, Any]]:
        """Return the nine time segments of the settings, fetched unless given."""
        settings = self.settings() if settings_data is None else settings_data
        segments = []
        for number in range(1, 10):
            mode = _integer(settings.get(f"time{number}Mode"))
            segments.append(
                {
                    "segment_id": number,
                    "batt_mode": mode,
                    "mode_name": _MODES.get(-1 if mode is None else mode, "Unknown"),
                    "start_time": _clock(settings.get(f"forcedTimeStart{number}", "0:0")),
                    "end_time": _clock(settings.get(f"forcedTimeStop{number}", "0:0")),
                    "enabled": _integer(settings.get(f"forcedStopSwitch{number}", 0)) == 1,
                }
            )
        return segments


class Sph(AbstractDevice):
    """An SPH device ("mix")."""

    DEVICE_TYPE_ID = 5
    _family, _title, _parameters = "mix", "SPH", 18

    def read_parameter(
        self, parameter_id: str | None = None, start_address: int | None = None, end_address: int | None = None
    ) -> Any:
        """Return one parameter, or registers; unlike for a MIN, a missing last register is not sent."""
        self.validate_read_parameter_input(parameter_id, start_address, end_address)
        return self._read("readMixParam", parameter_id, start_address, end_address)

    def write_ac_charge_times(
        self, charge_power: int, charge_stop_soc: int, mains_enabled: bool, periods: Sequence[Mapping[str, Any]]
    ) -> Any:
        """Write charge power, stop state of charge and three periods."""
        _check_percent(charge_power=charge_power, charge_stop_soc=charge_stop_soc)
        values = [charge_power, charge_stop_soc, int(bool(mains_enabled)), *_period_values(periods)]
        return self._write_periods("writing AC charge time periods", "mix_ac_charge_time_period", values)

    def write_ac_discharge_times(
        self, discharge_power: int, discharge_stop_soc: int, periods: Sequence[Mapping[str, Any]]
    ) -> Any:
        """Write discharge power, stop state of charge and three periods."""
        _check_percent(discharge_power=discharge_power, discharge_stop_soc=discharge_stop_soc)
        values = [discharge_power, discharge_stop_soc, *_period_values(periods)]
        return self._write_periods("writing AC discharge time periods", "mix_ac_discharge_time_period", values)

    def _write_periods(self, operation: str, parameter: str, values: Sequence[object]) -> Any:
        # Only the used values are sent here, unlike in `write_parameter`.
        return self._write(operation, parameter, {f"param{place}": str(value) for place, value in enumerate(values, 1)})

    def read_ac_charge_times(self, settings_data: Settings | None = None) -> dict[str, Any]:
        """Return charge power, stop state of charge and periods of the settings, fetched unless given."""
        settings = self.detail() if settings_data is None else settings_data
        return {
            "charge_power": _value(settings, "chargePowerCommand", 0),
            "charge_stop_soc": _value(settings, "wchargeSOCLowLimit", 100),
            "mains_enabled": _value(settings, "acChargeEnable", 0) == 1,
            "periods": _periods(settings, "Charge"),
        }

    def read_ac_discharge_times(self, settings_data: Settings | None = None) -> dict[str, Any]:
        """Return discharge power, stop state of charge and periods of the settings, fetched unless given."""
        settings = self.detail() if settings_data is None else settings_data
        return {
            "discharge_power": _value(settings, "disChargePowerCommand", 0),
            "discharge_stop_soc": _value(settings, "wdisChargeSOCLowLimit", 10),
            "periods": _periods(settings, "Discharge"),
        }


def _check_percent(**values: int) -> None:
    for name, value in values.items():
        if not 0 <= value <= 100:
            raise GrowattParameterError(f"{name} must be between 0 and 100")


def _period_values(periods: Sequence[Mapping[str, Any]]) -> list[int]:
    if len(periods) != 3:
        raise GrowattParameterError("periods must contain exactly 3 period definitions")
    values: list[int] = []
    for period in periods:
        start, end = period["start_time"], period["end_time"]
        values += [start.hour, start.minute, end.hour, end.minute, int(bool(period["enabled"]))]
    return values


def _periods(settings: Settings, kind: str) -> list[dict[str, Any]]:
    return [
        {
            "period_id": number,
            "start_time": _clock(settings.get(f"forced{kind}TimeStart{number}", "0:0")),
            "end_time": _clock(settings.get(f"forced{kind}TimeStop{number}", "0:0")),
            "enabled": _integer(settings.get(f"forced{kind}StopSwitch{number}", 0)) == 1,
        }
        for number in (1, 2, 3)
    ]


def _value(settings: Settings, key: str, default: int) -> int:
    value = settings.get(key, default)
    return default if value in _MISSING else int(value)


def _integer(value: Any) -> int | None:
    try:
        return None if value in _MISSING else int(value)
    except (ValueError, TypeError):
        return None


def _clock(value: Any) -> str:
    """Return "H:M" as "HH:MM"; 00:00 if it is missing or no time."""
    try:
        hour, minute, *_ = ("0:0" if value in _MISSING else value).split(":")
        return f"{int(hour):02d}:{int(minute):02d}"
    except ValueError:
        return "00:00"
