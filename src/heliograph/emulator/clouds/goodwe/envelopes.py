"""Response envelopes of the emulated SEMS Portal, one per server generation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON_TYPE = "application/json; charset=utf-8"
JSON_HEADERS = (
    ("Cache-Control", "no-cache"),
    ("Pragma", "no-cache"),
    ("Expires", "-1"),
    ("X-AspNet-Version", "4.0.30319"),
    ("X-Powered-By", "ASP.NET"),
    ("Access-Control-Allow-Origin", "*"),
)

_FUNCTIONS = ["ADD", "VIEW", "EDIT", "DELETE", "INVERTER_A", "INVERTER_E", "INVERTER_D"]
_LANGUAGE_VERSION = 179


def monitor_service(
    code: int | str,
    words: str,
    data: Any,
    *,
    language: str = "en",
    arguments: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the envelope of logins and plant lists: the code is a number."""
    return {
        # Quirk: hasError is false even for a wrong password.
        "hasError": code not in (0, 100005),
        "code": int(code) if str(code).isdigit() else code,
        "msg": words,
        "data": data,
        "translationCode": "code_0",
        "components": _components("https://eu-xxzx.semsportal.com", None),
    }


def app_service(
    code: int | str,
    words: str,
    data: Any,
    *,
    language: str = "en",
    arguments: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the envelope of plant data: the code is text."""
    return {
        "language": language,
        "function": _FUNCTIONS if code == 0 else None,
        "hasError": code != 0,
        "msg": words,
        "code": str(code),
        "data": data,
        "components": _components(None, arguments),
    }


def _components(socket: str | None, arguments: Mapping[str, str] | None) -> dict[str, Any]:
    plant = (arguments or {}).get("powerstationid")
    # Quirk: the request is echoed as JSON text, in the server's spelling.
    echo = json.dumps({"model": {"PowerStationId": plant}}, separators=(",", ":")) if plant else None
    return {"para": echo, "langVer": _LANGUAGE_VERSION, "timeSpan": 8, "msgSocketAdr": socket}
