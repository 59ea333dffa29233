"""Log output of long-running commands: one event per line on standard error, as text or JSON."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from heliograph.eventlog import LogEvent

FORMATS = ("text", "json")


def log_to_stderr(format_name: str) -> None:
    """Log to standard error from now on."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter(as_json=format_name == "json"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class LineFormatter(logging.Formatter):
    """Formats every log record as one line."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        facts = _facts(record)
        if self._as_json:
            return json.dumps(facts, default=str)
        at, level = facts.pop("at"), facts.pop("level")
        return f"{at} {level} {LogEvent(**facts)}"


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    message = record.msg
    event = message.facts if isinstance(message, LogEvent) else {"event": "log.message", "text": record.getMessage()}
    facts = {"at": at, "level": record.levelname.lower(), **event}
    if record.exc_info and (error := record.exc_info[1]) is not None:
        # Type and location only: the text of a foreign exception may contain secrets.
        facts |= {"error": type(error).__name__, "where": _where(error)}
    return facts


def _where(error: BaseException) -> str:
    """Return file and line where an exception was raised."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return "" if frame is None else f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}"
