"""The format of a state file: three copies of an account's state in one JSON text, each with a number and a checksum.

    {"format":2,"sum":"…","book":null,"copies":[null
    ,{"copy":41,"durable":1,"sum":"…","book":{…}}
    ,{"copy":43,"durable":0,"sum":"…","book":{…}}
    ,{"copy":42,"durable":0,"sum":"…","book":{…}}
    ]}

The copy with the highest number and a valid checksum is the state. Copies are padded to whole pages, so that one is
overwritten in place without a change of another. The first line never changes: a program that does not know the format
finds a valid checksum over another number, and neither reads nor replaces the file.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import NamedTuple

from heliograph.keeper.state import COMPACT, AccountState

FORMAT = 2
FIRST_FORMAT = 1
COPIES = 3
PAGE = 4096
_HEAD = b',{"copy":%16d,"durable":%d,"sum":"%s","book":'
_HEAD_LENGTH = len(_HEAD % (0, 0, b"0" * 64))
_TAIL = b"]}\n"


class NewerFormatError(Exception):
    """The file was written by a version of the program with another format."""


class StoredCopy(NamedTuple):
    """One copy of the state in a file."""

    number: int
    """0 if nothing was written there."""
    durable: bool
    start: int
    head: bytes
    """Number and checksum: two copies with the same head have the same content."""

    @property
    def is_damaged(self) -> bool:
        """True if the copy is known to be damaged; `read_copy` finds damage of the others."""
        return self.number == 0 and not self.head.startswith(_BLANK)


class Layout(NamedTuple):
    """The copies in a file, newest first, and the length of each in bytes."""

    copies: list[StoredCopy]
    length: int


def checksum(form: int, text: str) -> str:
    """Return the checksum of a state; other formats must compute it the same way, or they are taken for damaged."""
    return sha256(f"{form} {text}".encode()).hexdigest()


_FIRST_LINE = f'{{"format":{FORMAT},"sum":"{checksum(FORMAT, "null")}","book":null,"copies":[null'
_FIRST_PAGE = _FIRST_LINE.encode().ljust(PAGE - 1) + b"\n"
_BLANK = b",null"


def read_layout(data: bytes) -> Layout | None:
    """Return where the copies are in a file, or None if it is not a whole file of this format."""
    length, rest = divmod(len(data) - PAGE - len(_TAIL), COPIES)
    if length <= 0 or rest or length % PAGE or not data.startswith(_FIRST_PAGE):
        return None
    copies = [_read_head(data, PAGE + index * length) for index in range(COPIES)]
    return Layout(sorted(copies, reverse=True), length)


def is_unchanged(data: bytes, layout: Layout) -> bool:
    """Return whether a file still has these copies: the same numbers and checksums at the same places."""
    first, second, third = layout.copies
    return (
        len(data) == PAGE + COPIES * layout.length + len(_TAIL)
        and data.startswith(_FIRST_PAGE)
        and data.startswith(first.head, first.start)
        and data.startswith(second.head, second.start)
        and data.startswith(third.head, third.start)
    )


def _read_head(data: bytes, start: int) -> StoredCopy:
    head = data[start : start + _HEAD_LENGTH]
    try:
        return StoredCopy(int(head[9:25]), head[36:37] == b"1", start, head)
    except ValueError:  # nothing was written there, or it is damaged
        return StoredCopy(0, False, start, head)


def read_copy(data: bytes, copy: StoredCopy, length: int) -> AccountState | None:
    """Return the state in a copy, or None if it is damaged."""
    text = data[copy.start + _HEAD_LENGTH : copy.start + length].rstrip(b" \n")
    if not text.endswith(b"}") or copy.head != _head(copy.number, copy.durable, text[:-1]):
        return None
    return AccountState.from_dict(json.loads(text[:-1]))


def write_copy(number: int, durable: bool, state_text: str) -> tuple[bytes, bytes]:
    """Return a copy of a state, and its head."""
    text = state_text.encode("ascii")
    head = _head(number, durable, text)
    return head + text + b"}", head


def pad_copy(copy: bytes, length: int) -> bytes:
    """Return a copy with the length that it has in a file."""
    return copy.ljust(length - 1) + b"\n"


def new_file(copy: bytes) -> bytes:
    """Return a file with one copy, with room for copies of more than that length."""
    length = PAGE * (1 + 3 * len(copy) // (2 * PAGE))
    return b"".join((_FIRST_PAGE, pad_copy(copy, length), *[pad_copy(_BLANK, length)] * (COPIES - 1), _TAIL))


def _head(number: int, durable: bool, book: bytes) -> bytes:
    digest = sha256(b"%d %d %d " % (FORMAT, number, durable) + book).hexdigest()
    return _HEAD % (number, durable, digest.encode("ascii"))


def read_older(data: bytes) -> AccountState | None:
    """Return the state in a file of the first format, or of the time before checksums; None if it is damaged.

    Raises NewerFormatError for any other format.
    """
    try:
        stored = json.loads(data)
        if "sum" not in stored:
            return AccountState.from_unchecked(stored)
        if stored["sum"] != checksum(stored["format"], json.dumps(stored["book"], separators=COMPACT)):
            return None
        if stored["format"] == FIRST_FORMAT:
            return AccountState.from_dict(stored["book"])
        if stored["format"] == FORMAT:  # of this format, but not whole
            return None
    except (ValueError, TypeError, KeyError, RecursionError):  # not JSON, or not a state file
        return None
    raise NewerFormatError
