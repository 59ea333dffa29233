"""Drop-in replacement for the growattServer package: same names, same requests, same answers.

    from heliograph import growattserver as growattServer

It adds a time-out to every request and detailed errors. They are CloudErrors and also the classes that scripts already
catch: requests.RequestException and json.JSONDecodeError.

It also protects the account (docs/keeper.md): from the first `login` on, requests are counted, a session that is stored
and valid is used instead of another login, and locks, blocks and refused passwords are remembered, all of this together
with the other programs of this user. `GrowattApi(keeper=None)` turns that off.
"""

from __future__ import annotations

from heliograph.growattserver.api import (
    BATT_MODE_BATTERY_FIRST,
    BATT_MODE_GRID_FIRST,
    BATT_MODE_LOAD_FIRST,
    GrowattApi,
    GrowattError,
    GrowattParameterError,
    GrowattV1ApiError,
    GrowattV1ApiErrorCode,
    name,
)
from heliograph.growattserver.open_api_v1 import DeviceType, OpenApiV1
from heliograph.vendors.growatt.params import Timespan, hash_password

__all__ = [
    "BATT_MODE_BATTERY_FIRST",
    "BATT_MODE_GRID_FIRST",
    "BATT_MODE_LOAD_FIRST",
    "DeviceType",
    "GrowattApi",
    "GrowattError",
    "GrowattParameterError",
    "GrowattV1ApiError",
    "GrowattV1ApiErrorCode",
    "OpenApiV1",
    "Timespan",
    "hash_password",
    "name",
]
