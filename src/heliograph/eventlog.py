"""What the collector says while it runs: one event a line, as key=value or as JSON."""

from __future__ import annotations

import json
import re
from typing import Any

_BARE = re.compile(r"[\w.,:;/+@%()-]+", re.ASCII)


class LogEvent:
    """One thing that happened, and its facts; a log record's message, put into words only where it is shown."""

    __slots__ = ("facts",)

    def __init__(self, event: str, **facts: Any) -> None:
        self.facts = {"event": event, **facts}

    def __str__(self) -> str:
        r"""Return the event as one line.

        >>> str(LogEvent("healed", plant="11", why="no\nluck", kept=True, left=1.0))
        'event=healed plant=11 why="no\\nluck" kept=true left=1'
        """
        return " ".join(f"{name}={_word(value)}" for name, value in self.facts.items())


def _word(value: Any) -> str:
    """Return a value that is one word; whatever a server wrote moves no cursor and begins no line."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=not text.isprintable())
