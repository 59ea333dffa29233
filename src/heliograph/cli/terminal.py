"""Putting things on a terminal or into a pipe: whatever a server wrote is harmless once it passed here."""

from __future__ import annotations

import codecs
import os
import sys
from io import TextIOWrapper
from typing import Any

from heliograph.errors import ConfigError, HeliographError

DEBUG = "HELIOGRAPH_DEBUG"
_EMULATOR_NEEDS = ("h11", "astral")


def printable(text: str) -> str:
    r"""Replace what could move a cursor, hide or turn around text.

    >>> printable("Sun\x1b[2J House\n2"), printable("[red]"), printable("a\u202eb")
    ('Sun�[2J House 2', '[red]', 'a�b')
    """
    return "".join(sign if sign.isprintable() else " " if sign.isspace() else "�" for sign in text)


def print_error(text: str, *, lines: bool = False) -> None:
    """Say one line on stderr, or several of our own."""
    said = "\n".join(map(printable, text.splitlines())) if lines else printable(text)
    print(f"heliograph: {said}", file=sys.stderr)


def report_failure(error: Exception, about: str = "") -> int:
    """Say what failed in one line and return the exit code it stands for; the variable above raises it instead."""
    if os.environ.get(DEBUG):
        raise error
    if isinstance(error, ConfigError):
        print_error(f"{about}{error}", lines=True)  # it may show an example file; a cloud's error may quote a server
        return 2
    if isinstance(error, HeliographError):
        print_error(f"{about}{error}")
        return 1
    if isinstance(error, ModuleNotFoundError) and error.name in _EMULATOR_NEEDS:
        print_error(f"the emulator needs {error.name}, which is not installed; run: pip install 'heliograph[emulator]'")
        return 2
    if isinstance(error, OSError) and error.strerror:  # a full disk, a closed terminal: the system's own words
        print_error(f"{about}{error.strerror}")
        return 1
    # Its text is not ours and may hold anything, so only its kind is told.
    print_error(f"{about}this should not have happened ({type(error).__name__}); please report it with {DEBUG}=1")
    return 1


def print_json(data: Any) -> None:
    """Print JSON that no terminal obeys and every encoding can carry."""
    import json  # noqa: PLC0415 - tables need none

    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(data, indent=2, ensure_ascii=not unicode, default=str)
    print("".join(sign if sign.isprintable() or sign == "\n" else json.dumps(sign)[1:-1] for sign in text))


_NAME = "heliograph.plain"
# One letter each: columns stay where they are.
_SIGNS = {"▼": "v", "▲": "^", "·": ".", "…": "~", "–": "-", "—": "-", "−": "-", "█": "#", "\u202f": " ", "\xa0": " "}


def set_encoding_fallback() -> None:
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
