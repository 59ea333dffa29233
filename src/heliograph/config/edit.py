"""Adding tables to the configuration file; existing text is never changed."""

from __future__ import annotations

import json
import os
import tomllib
from typing import TYPE_CHECKING

from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def append_tables(path: Path, text: str, what: str) -> None:
    """Append TOML text, which is `what` to the user, to the file, which is created readable by its owner only.

    Raises `ConfigError` with the text for the user to add if the file cannot be written or would not be valid TOML.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = path.read_text("utf-8-sig") if path.exists() else ""
        gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
        tomllib.loads(before + gap + text)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write(gap + text)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the result would not be valid TOML"
        # Only keys that are no secrets: the message may end in a log.
        shown = "\n".join(line for line in text.splitlines() if not line.startswith(("password", "token")))
        raise ConfigError(f"cannot add {what} to {path} ({reason}); add it yourself:\n\n{shown}\n") from None


def toml_string(text: str) -> str:
    r"""Quote printable text for TOML, whose basic strings are like JSON's.

    >>> toml_string('the "barn"')
    '"the \\"barn\\""'
    """
    return json.dumps(text, ensure_ascii=False)
