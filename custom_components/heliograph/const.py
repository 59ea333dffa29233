"""Names of the integration that several of its modules use."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from homeassistant.const import Platform

DOMAIN: Final = "heliograph"
MINIMUM_CORE: Final = "2025.4.0"
"""The oldest Home Assistant that is supported; `hacs.json` names it too."""

PLATFORMS: Final = (
    Platform.BINARY_SENSOR,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
    Platform.TIME,
)

CONF_DOOR: Final = "door"
DOOR_API: Final = "api"
"""The entry reads a Heliograph that runs elsewhere."""
DOOR_ACCOUNT: Final = "account"
"""The entry polls an account of a cloud itself."""

CONF_VENDOR: Final = "vendor"
CONF_SERVER: Final = "server"

CONF_INTERVAL: Final = "interval"
CONF_PLANTS: Final = "plants"
CONF_WRITES: Final = "writes"
CONF_WRITES_PER_DAY: Final = "writes_per_day"

REFRESH_INTERVAL: Final = timedelta(seconds=60)
"""Between two reads of the whole state: values become unknown by age, without a change."""
