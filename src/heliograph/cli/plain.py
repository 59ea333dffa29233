"""Output for terminals that know few letters: a sign their encoding cannot carry becomes one of ASCII that tells it."""

from __future__ import annotations

import codecs
import sys
from io import TextIOWrapper

_NAME = "heliograph.plain"
# One letter each: columns stay where they are.
_SIGNS = {"▼": "v", "▲": "^", "·": ".", "…": "~", "–": "-", "—": "-", "−": "-", "█": "#", "\u202f": " ", "\xa0": " "}


def make_plain() -> None:
    """Let both streams write what they can: a sign is not worth a crash on an old terminal."""
    codecs.register_error(_NAME, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_NAME)


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for the signs that cannot be written, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_SIGNS.get(sign, "?") for sign in error.object[error.start : error.end]), error.end
