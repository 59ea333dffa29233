"""Terminal output: text made safe to print, errors, JSON, and the encoding fallback."""

from __future__ import annotations

import codecs
import os
import sys
from argparse import RawDescriptionHelpFormatter
from io import TextIOWrapper
from typing import Any, TextIO

from heliograph.errors import ConfigError, HeliographError

DEBUG = "HELIOGRAPH_DEBUG"
_HANDLER = "heliograph.ascii"
# One character each, so that columns stay aligned.
_ASCII = {"▼": "v", "▲": "^", "·": ".", "…": "~", "–": "-", "—": "-", "−": "-", "█": "#", "\u202f": " ", "\xa0": " "}


def printable(text: str) -> str:
    r"""Replace control characters, invisible characters and text direction marks.

    >>> printable("Sun\x1b[2J House\n2"), printable("[red]"), printable("a\u202eb")
    ('Sun�[2J House 2', '[red]', 'a�b')
    """
    return "".join(char if char.isprintable() else " " if char.isspace() else "�" for char in text)


_COLOURS = {"ok": "32", "warning": "33", "problem": "31;1", "dim": "2"}


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """Return a text in a style's colour (ok, warning, problem, dim) if the stream is a terminal without NO_COLOR."""
    target = stream or sys.stdout
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not target.isatty():
        return text
    return f"\x1b[{_COLOURS[style]}m{text}\x1b[0m"


def wrap(text: str, stream: TextIO | None = None, hanging: int = 2) -> str:
    """Wrap a line at words to the width of the terminal, with a hanging indent; unchanged if there is no terminal."""
    if not (stream or sys.stdout).isatty():
        return text
    from shutil import get_terminal_size  # noqa: PLC0415 - for terminals only
    from textwrap import fill  # noqa: PLC0415

    width = max(40, get_terminal_size().columns)
    if len(text) <= width:
        return text
    indent = text[: len(text) - len(text.lstrip())]
    return fill(
        text.strip(),
        width,
        initial_indent=indent,
        subsequent_indent=indent + hanging * " ",
        break_long_words=False,
        break_on_hyphens=False,
    )


class WrappedHelp(RawDescriptionHelpFormatter):
    """Formats help with the lines of its examples, wrapped at words at a terminal."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(map(wrap, super()._fill_text(text, width, indent).splitlines()))


def print_wrapped(*lines: str) -> None:
    """Print lines, wrapped at words at a terminal."""
    for line in lines:
        print(wrap(printable(as_typed(line))))


def as_typed(text: str) -> str:
    """Return a text in which commands of this program are as they are typed in this installation."""
    if "heliograph " not in text:
        return text
    from heliograph.core.installation import own_commands  # noqa: PLC0415 - hints only

    return own_commands(text)


def print_error(text: str, *, lines: bool = False) -> None:
    """Print one line on stderr, or several with `lines`."""
    messages = as_typed(text).splitlines() if lines else [as_typed(text)]
    first, *rest = map(printable, messages or [""])
    for line in (f"heliograph: {first}", *rest):
        print(wrap(line, sys.stderr), file=sys.stderr)


def report_failure(error: Exception, about: str = "") -> int:
    """Print an error as one line and return its exit code; with HELIOGRAPH_DEBUG raise it instead."""
    if os.environ.get(DEBUG):
        if excerpt := getattr(error, "excerpt", ""):  # of a web page the error's text quotes nothing
            error.add_note(f"answer: {excerpt}")
        raise error
    if isinstance(error, ConfigError):
        print_error(f"{about}{error}", lines=True)  # may contain an example file; a cloud's error may quote a server
        return 2
    if isinstance(error, HeliographError):
        print_error(f"{about}{error}")
        return 1
    if isinstance(error, ModuleNotFoundError) and error.name == "h11":
        from heliograph.core.installation import extra_command  # noqa: PLC0415 - errors only

        print_error(f"the emulator needs {error.name}, which is not installed: {extra_command('emulator')}")
        return 2
    from heliograph.core.limits import limit_reached  # noqa: PLC0415 - errors only

    if (why := limit_reached(error)) or (isinstance(error, OSError) and (why := error.strerror or "")):
        print_error(f"{about}{why}")
        return 1
    # The text of a foreign exception may contain secrets, so only its type is shown.
    print_error(f"{about}internal error ({type(error).__name__}); please report it with the output of {DEBUG}=1")
    return 1


def print_json(data: Any) -> None:
    """Print JSON without control characters, in ASCII unless the output encoding is UTF-8."""
    import json  # noqa: PLC0415 - keeps --help fast

    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(data, indent=2, ensure_ascii=not unicode, default=str)
    print("".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text))


def set_encoding_fallback() -> None:
    """Replace characters that stdout and stderr cannot encode with ASCII equivalents."""
    codecs.register_error(_HANDLER, _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: return the replacement and the position to continue from."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_ASCII.get(char, "?") for char in error.object[error.start : error.end]), error.end
