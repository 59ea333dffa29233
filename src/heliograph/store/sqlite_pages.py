"""Reads the records of a damaged SQLite file without SQLite, page by page: a damaged page hides no other.

The format is described at sqlite.org/fileformat2.html. The file is opened for reading only.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DEFAULT_PAGE_SIZE = 4096
_MAGIC = b"SQLite format 3\0"
_TABLE_LEAF, _INDEX_LEAF, _INDEX_INTERIOR = 0x0D, 0x0A, 0x02
_FIXED_SIZES = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 7: 8, 8: 0, 9: 0}
"""Bytes of a value by its serial type, below 12."""
_MAX_RECORD = 1 << 24

Value = int | float | str | bytes | None


class Record(NamedTuple):
    """The values of one row, and its rowid in a table that has one."""

    values: tuple[Value, ...]
    rowid: int | None = None


class PageReader:
    """Reads all records of a file and of its write-ahead log; counts the pages that are not readable."""

    def __init__(self, file: Path) -> None:
        """Read the header and the log; raises OSError if the file cannot be read."""
        self._file = file.open("rb")
        head = self._file.read(100)
        size = int.from_bytes(head[16:18], "big") if head.startswith(_MAGIC) else 0
        # A power of two; another value is damaged, and ours have the default.
        self.page_size = size if size >= 512 and not size & (size - 1) else _DEFAULT_PAGE_SIZE
        reserved = head[20] if head.startswith(_MAGIC) and size == self.page_size else 0
        self._usable = self.page_size - reserved
        self.unreadable = 0
        self._log = _pages_of_log(file.with_name(f"{file.name}-wal"), self.page_size)
        self.pages = max(-(-file.stat().st_size // self.page_size), *self._log, 0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def records(self) -> Iterator[Record]:
        """Yield every record of every page that is in use, in the order of the pages."""
        unused = self._free_pages()
        for number in range(1, self.pages + 1):
            if number not in unused:
                yield from self._records_of(number)

    def _page(self, number: int) -> bytes:
        if number in self._log:
            return self._log[number]
        try:
            self._file.seek((number - 1) * self.page_size)
            return self._file.read(self.page_size)
        except OSError:  # a sector that the disk cannot read
            self.unreadable += 1
            return b""

    def _free_pages(self) -> set[int]:
        """Return the pages of the free list, which contain rows that were moved or deleted."""
        found: set[int] = set()
        trunk = int.from_bytes(self._page(1)[32:36], "big")
        while 1 < trunk <= self.pages and trunk not in found:
            found.add(trunk)
            words = struct.unpack(f">{self.page_size // 4}I", self._page(trunk).ljust(self.page_size, b"\0"))
            found.update(words[2 : 2 + min(words[1], len(words) - 2)])
            trunk = words[0]
        return found

    def _records_of(self, number: int) -> Iterator[Record]:
        page, start = self._page(number), 100 if number == 1 else 0
        if len(page) < start + 12 or page[start] not in {_TABLE_LEAF, _INDEX_LEAF, _INDEX_INTERIOR}:
            return
        kind, cells = page[start], int.from_bytes(page[start + 3 : start + 5], "big")
        pointers = start + (12 if kind == _INDEX_INTERIOR else 8)
        readable = True
        for place in range(pointers, min(pointers + 2 * cells, len(page) - 1), 2):
            try:
                yield self._cell(page, int.from_bytes(page[place : place + 2], "big"), kind)
            except (ValueError, IndexError, struct.error):
                readable = False
        self.unreadable += not readable

    def _cell(self, page: bytes, at: int, kind: int) -> Record:
        at += 4 * (kind == _INDEX_INTERIOR)  # the number of a child page
        size, at = _varint(page, at)
        rowid = None
        if kind == _TABLE_LEAF:
            rowid, at = _varint(page, at)
        if not 0 < size <= _MAX_RECORD:
            raise ValueError(size)
        return Record(_values(self._payload(page, at, size, kind)), rowid)

    def _payload(self, page: bytes, at: int, size: int, kind: int) -> bytes:
        usable = self._usable
        longest = usable - 35 if kind == _TABLE_LEAF else (usable - 12) * 64 // 255 - 23
        if size <= longest:
            return page[at : at + size]
        shortest = (usable - 12) * 32 // 255 - 23
        local = shortest + (size - shortest) % (usable - 4)
        local = local if local <= longest else shortest
        parts, rest = [page[at : at + local]], size - local
        following, seen = int.from_bytes(page[at + local : at + local + 4], "big"), set[int]()
        while rest > 0:
            if not 1 < following <= self.pages or following in seen:
                raise ValueError(following)
            seen.add(following)
            overflow = self._page(following)
            parts.append(overflow[4 : 4 + min(rest, usable - 4)])
            following, rest = int.from_bytes(overflow[:4], "big"), rest - (usable - 4)
        return b"".join(parts)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a variable-length integer and the position after it."""
    value = 0
    for place in range(8):
        value = value << 7 | data[at + place] & 0x7F
        if data[at + place] < 0x80:
            return value, at + place + 1
    value = value << 8 | data[at + 8]
    return value - (1 << 64) * (value >> 63), at + 9


def _values(record: bytes) -> tuple[Value, ...]:
    """Return the values of a record; raises ValueError if it is not one."""
    head, at = _varint(record, 0)
    values: list[Value] = []
    place = head
    while at < head:
        kind, at = _varint(record, at)
        size = (kind - 12) // 2 if kind >= 12 else _FIXED_SIZES.get(kind, -1)
        data = record[place : place + size]
        if size < 0 or len(data) != size:
            raise ValueError(kind)
        place += size
        values.append(_value(kind, data))
    if at != head or place != len(record):
        raise ValueError(head)
    return tuple(values)


def _value(kind: int, data: bytes) -> Value:
    if kind == 0:
        return None
    if kind == 7:
        (number,) = struct.unpack(">d", data)
        return float(number)
    if kind >= 12:
        return data.decode() if kind % 2 else data
    return kind - 8 if kind in {8, 9} else int.from_bytes(data, "big", signed=True)


def _pages_of_log(log: Path, page_size: int) -> dict[int, bytes]:
    """Return the committed pages of a write-ahead log, without the frames whose checksum is wrong."""
    try:
        data = log.read_bytes()
    except OSError:
        return {}
    head = data[:32]
    magic = int.from_bytes(head[:4], "big")
    if len(head) < 32 or magic & ~1 != 0x377F0682:
        return {}
    order = ">" if magic & 1 else "<"
    found: dict[int, bytes] = {}
    pending: dict[int, bytes] = {}
    before = head[24:32]
    for start in range(32, len(data) - page_size - 23, 24 + page_size):
        frame, page = data[start : start + 24], data[start + 24 : start + 24 + page_size]
        if frame[8:16] != head[16:24]:  # of an earlier log in the same file
            break
        # The checksum continues that of the frame before, which is in that frame: a damaged one spoils no other.
        if _checksum(frame[:8] + page, before, order) == frame[16:24]:
            pending[int.from_bytes(frame[:4], "big")] = page
            if int.from_bytes(frame[4:8], "big"):
                found |= pending
                pending = {}
        before = frame[16:24]
    return found


def _checksum(data: bytes, before: bytes, order: str) -> bytes:
    one, two = struct.unpack(">2I", before)
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return struct.pack(">2I", one, two)
