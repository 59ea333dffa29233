"""Plain tables for the command line without rich: the part of rich's interface that the commands use, unstyled."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import zip_longest
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any
from unicodedata import combining, east_asian_width

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FEWEST = 8
"""The least width of a column that is shortened or wrapped."""
_GAP = "  "


class PlainText:
    """A text without style."""

    def __init__(self, plain: str = "", style: str = "") -> None:
        self.plain = plain

    @classmethod
    def assemble(cls, *parts: str | tuple[str, str]) -> PlainText:
        """Return the texts of all parts, which may have styles."""
        return cls("".join(part if isinstance(part, str) else part[0] for part in parts))

    @property
    def cell_len(self) -> int:
        """Return the number of columns that the text takes on a terminal."""
        return _columns(self.plain)

    def append(self, text: str, style: str = "") -> None:
        """Append a text."""
        self.plain += text

    def join(self, parts: Iterable[PlainText]) -> PlainText:
        """Return the parts, separated by this text."""
        return PlainText(self.plain.join(part.plain for part in parts))

    def split(self) -> list[PlainText]:
        """Return the lines."""
        return [PlainText(line) for line in self.plain.split("\n")]

    def __add__(self, other: PlainText) -> PlainText:
        return PlainText(self.plain + other.plain)

    def __bool__(self) -> bool:
        return bool(self.plain)

    def __str__(self) -> str:
        return self.plain


@dataclass(slots=True)
class PlainColumn:
    """A column of a table: wrapped if `overflow` is "fold", else shortened."""

    heading: str
    justify: str = "left"
    overflow: str = "ellipsis"
    min_width: int | None = None
    max_width: int | None = None


class PlainTable:
    """A table with a heading; options of style are ignored."""

    def __init__(self, **style: Any) -> None:
        self.columns: list[PlainColumn] = []
        self._ruled = style.get("box") is not None
        self._rows: list[list[list[str]] | None] = []

    def add_column(self, heading: str = "", *, no_wrap: bool = False, **options: Any) -> None:
        """Add a column."""
        self.columns.append(PlainColumn(heading, **options))

    def add_row(self, *cells: str | PlainText) -> None:
        """Add a row; cells may have several lines."""
        self._rows.append([str(cell).split("\n") for cell in cells])

    def add_section(self) -> None:
        """Draw a line above the next row."""
        self._rows.append(None)

    def lines(self, width: int) -> Iterator[str]:
        """Yield the lines of the table in a terminal of this width."""
        heading = [column.heading.split("\n") for column in self.columns]
        rows = [heading, *([None] if self._ruled else []), *self._rows]
        widths = self._widths([row for row in rows if row], width)
        for row in rows:
            if row is None:
                yield "-" * (sum(widths) + len(_GAP) * (len(widths) - 1))
                continue
            cells = [
                [part for line in cell for part in _fit(line, room, folds=column.overflow == "fold")]
                for cell, room, column in zip(row, widths, self.columns, strict=False)
            ]
            for line in zip_longest(*cells, fillvalue="") if cells else [()]:
                padded = (
                    " " * (room - _columns(part)) + part
                    if column.justify == "right"
                    else part + " " * (room - _columns(part))
                    for part, room, column in zip(line, widths, self.columns, strict=False)
                )
                yield _GAP.join(padded).rstrip()

    def _widths(self, rows: list[list[list[str]]], width: int) -> list[int]:
        """Return the widths of the columns: the last one that wraps, or else the first one, is made to fit."""
        widths = []
        for place, column in enumerate(self.columns):
            natural = max(_columns(line) for row in rows for line in (row[place] if place < len(row) else [""]))
            widths.append(max(min(natural, column.max_width or natural), column.min_width or 0))
        flexible = max((place for place, column in enumerate(self.columns) if column.overflow == "fold"), default=0)
        excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
        if excess > 0:
            widths[flexible] = max(widths[flexible] - excess, _FEWEST)
        return widths


class PlainGroup:
    """Several things, one below another."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def lines(self, width: int) -> Iterator[str]:
        """Yield the lines of all parts."""
        for part in self.parts:
            yield from part.lines(width) if hasattr(part, "lines") else str(part).split("\n")


class PlainConsole:
    """Standard output; a terminal is treated like a pipe, nothing is drawn in place."""

    is_terminal = False

    def __init__(self, **style: Any) -> None:
        self.width, self.height = get_terminal_size()
        self.encoding = sys.stdout.encoding or "utf-8"

    def print(self, content: Any = "", **style: Any) -> None:
        """Print a text, a table or a group."""
        for line in PlainGroup(content).lines(self.width):
            print(line)


def _columns(text: str) -> int:
    """Return the number of columns that a text takes on a terminal.

    >>> _columns("Süd"), _columns("屋根"), _columns("e\u0301")
    (3, 4, 1)
    """
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "FW" else 1 for char in text)


def _fit(line: str, room: int, *, folds: bool) -> Iterator[str]:
    """Yield a line in parts that fit, or its beginning.

    >>> list(_fit("north roof", 7, folds=False)), list(_fit("north roof", 7, folds=True))
    (['north …'], ['north', 'roof'])
    """
    if _columns(line) <= room:
        yield line
    elif folds:
        from textwrap import wrap  # noqa: PLC0415 - for wide cells only

        yield from wrap(line, room)
    else:
        short = line
        while _columns(short) >= room:
            short = short[:-1]
        yield f"{short}…"
