"""How a program that runs for years tells what happens: one event a line on standard error, as text or as JSON."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from heliograph.eventlog import LogEvent

FORMATS = ("text", "json")


def log_to_stderr(form: str) -> None:
    """Show what is logged from now on."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter(as_json=form == "json"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class LineFormatter(logging.Formatter):
    """One line a record, whoever wrote it."""

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
    said = record.msg.facts if isinstance(record.msg, LogEvent) else {"event": "said", "text": record.getMessage()}
    facts = {"at": at, "level": record.levelname.lower(), **said}
    if record.exc_info and (error := record.exc_info[1]) is not None:
        # Where, not what: the text of an error that is not ours may hold anything.
        facts |= {"error": type(error).__name__, "where": _where(error)}
    return facts


def _where(error: BaseException) -> str:
    """Return the innermost place of an error's way through the program."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return "" if step is None else f"{step.tb_frame.f_code.co_filename}:{step.tb_lineno}"
