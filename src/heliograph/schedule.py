"""Deprecated alias of `heliograph.settings.schedule` under its old name, available for one more release."""

from __future__ import annotations

from typing import Any

_NAMES = {
    "Mode": "Mode",
    "Schedule": "Schedule",
    "Window": "Window",
    "from_settings": "from_settings",
    "in_order": "write_sequence",
    "is_part": "is_schedule_setting",
    "to_settings": "to_settings",
    "without_midnight": "split_at_midnight",
}


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from warnings import warn  # noqa: PLC0415 - only needed when the alias is used

    from heliograph.settings import schedule  # noqa: PLC0415 - as above

    new = _NAMES[name]
    warn(f"{__name__}.{name} is deprecated; use {schedule.__name__}.{new}", DeprecationWarning, stacklevel=2)
    return getattr(schedule, new)


def __dir__() -> list[str]:
    return sorted(_NAMES)
