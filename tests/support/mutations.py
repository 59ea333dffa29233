"""Mutations of JSON responses: an alphabet of hostile values, and every place of a response one can be put at."""

from __future__ import annotations

import json
import math
from typing import NamedTuple

_PLACEHOLDER = "\x02raw\x02"
_MOST_ITEMS = 3
"""Items of a list that are mutated: the first, the middle and the last one."""
_MOST_MEMBERS = 120
"""Members of an object that are all mutated; larger ones are charts, keyed by time."""


class Raw(str):
    """Text that is written into the response as it is: JSON that `json.dumps` does not write."""

    __slots__ = ()


class Mutation(NamedTuple):
    """A hostile value, or a function that makes one of the original value."""

    name: str
    make: object

    def apply(self, value):
        return self.make(value) if callable(self.make) else self.make


def _negative(value):
    return -value if isinstance(value, int | float) and not isinstance(value, bool) else f"-{value}"


def _shifted(value):
    """Return a number or a numeric text a billion times as large."""
    try:
        return type(value)(float(value) * 1e9) if isinstance(value, int | float) else f"{float(value) * 1e9}"
    except (TypeError, ValueError):
        return f"{value}{value}"


WRONG_TYPES = (
    Mutation("null", None),
    Mutation("true", True),
    Mutation("false", False),
    Mutation("zero", 0),
    Mutation("empty text", ""),
    Mutation("word", "hostile"),
    Mutation("empty list", lambda _: []),
    Mutation("empty object", lambda _: {}),
    Mutation("in a list", lambda value: [value]),
    Mutation("in an object", lambda value: {"value": value}),
    Mutation("text of it", lambda value: value if isinstance(value, str) else json.dumps(value)),
    Mutation("forty of it", lambda value: [value] * 40),
    Mutation("missing", None),
)
NUMBERS = (
    Mutation("NaN", math.nan),
    Mutation("-Infinity", -math.inf),
    Mutation("1e400", Raw("1e400")),
    Mutation("1e30", 1e30),
    Mutation("-1e30", -1e30),
    Mutation("text 1e63", "1e63"),
    Mutation("text 1e400", "1e400"),
    Mutation("text NaN", "NaN"),
    Mutation("400 digits", 10**400),
    Mutation("5000 digits", Raw("9" * 5000)),
    Mutation("-1", -1),
    Mutation("65536", 65536),
    Mutation("2^63", 2**63),
    Mutation("negative", _negative),
    Mutation("billionfold", _shifted),
    Mutation("offset 3.333", "3.333"),
    Mutation("offset 99", 99),
    Mutation("Arabic digits", "١٢٣"),
    Mutation("unit", "12 apples"),
)
TEXTS = (
    Mutation("nested 600", Raw("[" * 600 + "]" * 600)),
    Mutation("nested 100,000", Raw('{"a":' * 100_000 + "1" + "}" * 100_000)),
    Mutation("lone surrogate", "\ud800"),
    Mutation("100 kB letters", "x" * 100_000),
    Mutation("100 kB digits", "1" * 100_000),
    Mutation("100 kB blanks", "1" + " " * 100_000 + "!"),
    Mutation("100 kB addresses", "a@" * 50_000),
    Mutation("blanks", "   "),
    Mutation("2,000 blanks", "1" + " " * 2000 + "!"),
    Mutation("control characters", "\x1b[2J\x07\r\nX: 1\x00"),
    Mutation("HTML", "<script>alert(1)</script>"),
    Mutation("right to left", "\u202eevil\u2066"),
    Mutation("path", "../../etc/passwd"),
    Mutation("format", "{0.__class__} %s %(x)s"),
    Mutation("foreign address", "https://evil.example/api/"),
    Mutation("address of another host", "//127.0.0.2:9/"),
    Mutation("similar address", "https://semsportal.com.evil.example/"),
    Mutation("broken address", "http://[::1"),
)
TIMES = (
    Mutation("year 1970", "1970-01-01 00:00:00"),
    Mutation("year 2099", "2099-01-01 00:00:00"),
    Mutation("year 9999", "9999-12-31 23:59:59"),
    Mutation("year 1", "0001-01-01 00:00:00"),
    Mutation("US time of 2099", "12/31/2099 23:59:59"),
    Mutation("day of 2099", "2099-01-01"),
    Mutation("minute 24:61", "24:61"),
    Mutation("epoch 0", 0),
    Mutation("epoch of 2099", 4_070_908_800_000),
    Mutation("epoch of 9999", 253_402_300_799_000),
    Mutation("Java date of 2099", {"time": 4_070_908_800_000}),
    Mutation("Java date of NaN", {"time": math.nan}),
)
ALPHABET = (*WRONG_TYPES, *NUMBERS, *TEXTS, *TIMES)
"""All mutations; the inputs that once broke something are among them."""

BODIES = {
    "empty": b"",
    "half": lambda body: body[: len(body) // 2],
    "twice": lambda body: body + body,
    "byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "UTF-16": lambda body: body.decode("utf-8", "replace").encode("utf-16"),
    "not UTF-8": lambda body: body.replace(b'"', b'"\xff', 1),
    "web page": b"<html><body>login</body></html>",
    "inverter page": b"<script>inv=JSON.parse('{" * 4000,
    "null": b"null",
    "text": b'"ok"',
    "number": b"507",
    "1.9 MB of zeros": b"[" + b"0," * 950_000 + b"0]",
    "2.1 MB": b"[" + b"0," * 1_050_000 + b"0]",
}
"""Bodies instead of the response, by name."""

HEADERS = {
    "date 1970": [("Date", "Thu, 01 Jan 1970 00:00:00 GMT")],
    "date 2099": [("Date", "Thu, 01 Jan 2099 00:00:00 GMT")],
    "date 9999": [("Date", "Fri, 31 Dec 9999 23:59:59 GMT")],
    "date of nothing": [("Date", "x" * 5000)],
    "bytes above 127": [("Date", "\xff"), ("Set-Cookie", "a=\xff"), ("Location", "\xff"), ("Retry-After", "\xff")],
    "cookies": [("Set-Cookie", f"c{number}={'v' * 900}") for number in range(20)],
    "cookie of another host": [("Set-Cookie", "JSESSIONID=evil; Domain=evil.example; Max-Age=0")],
    "retry after years": [("Retry-After", "9" * 12)],
}
"""Headers that replace those of the response, by name."""

STATUSES = (301, 302, 307, 400, 401, 403, 404, 405, 429, 500, 502, 503, 599)


def places(body):
    """Yield every place of a parsed response, the response itself first; of long lists only some items."""
    yield ()
    yield from _inner(body, ())


def _inner(value, path):
    if isinstance(value, dict):
        names = list(value)
        if len(names) > _MOST_MEMBERS:
            names = [names[0], names[len(names) // 2], names[-1]]
    elif isinstance(value, list):
        names = sorted({0, len(value) // 2, len(value) - 1})[:_MOST_ITEMS] if value else []
    else:
        return
    for name in names:
        yield (*path, name)
        yield from _inner(value[name], (*path, name))


def mutated(body, path, mutation):
    """Return a response as bytes with the value at a place replaced; the parsed original is not changed."""
    text = json.dumps(_replaced(body, path, mutation), separators=(",", ":"))
    if isinstance(mutation.make, Raw):
        text = text.replace(json.dumps(_PLACEHOLDER), mutation.make)
    return text.encode()


def _replaced(value, path, mutation):
    if not path:
        return _PLACEHOLDER if isinstance(mutation.make, Raw) else mutation.apply(value)
    copy = value.copy()
    if len(path) == 1 and mutation.name == "missing":
        del copy[path[0]]
    else:
        copy[path[0]] = _replaced(value[path[0]], path[1:], mutation)
    return copy
