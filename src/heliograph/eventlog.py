"""Structured log records of the collector: one event per line, as key=value or as JSON."""

from __future__ import annotations

import json
import re
from typing import Any

_BARE = re.compile(r"[\w.,:;/+@%()-]+", re.ASCII)


class LogEvent:
    """Message of a log record: an event name with fields, formatted only when the record is written."""

    __slots__ = ("facts",)

    def __init__(self, event: str, **facts: Any) -> None:
        self.facts = {"event": event, **facts}

    def __str__(self) -> str:
        r"""Return the event as one line.

        >>> str(LogEvent("gapfill.done", plant="11", reason="no\ndata", saved=True, remaining=1.0))
        'event=gapfill.done plant=11 reason="no\\ndata" saved=true remaining=1'
        """
        return " ".join(f"{name}={_format(value)}" for name, value in self.facts.items())


class EventLogger:
    """The logger of a module that most programs import and few log from: `logging` is imported with the first event."""

    def __init__(self, name: str) -> None:
        self._name = name

    def info(self, event: LogEvent) -> None:
        """Log an event at level INFO."""
        self._log("INFO", event)

    def warning(self, event: LogEvent) -> None:
        """Log an event at level WARNING."""
        self._log("WARNING", event)

    def _log(self, level: str, event: LogEvent) -> None:
        import logging  # noqa: PLC0415 - takes as long as the rest of a client's import

        logging.getLogger(self._name).log(getattr(logging, level), event, stacklevel=3)


def _format(value: Any) -> str:
    """Return a value as one token; control characters of server texts are escaped."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=not text.isprintable())
