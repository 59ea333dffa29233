"""Replacement of private data in recorded responses by pseudonyms of the same shape.

Texts are replaced unless they are known to be harmless: numbers, times, units, and texts of keys such as `model`. Each
run of letters and digits has one pseudonym in the whole recording, so ids that refer to each other still do.
"""

from __future__ import annotations

import hmac
import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from secrets import token_bytes
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

ORIGIN = "https://replay.invalid"
"""Replaces scheme and host of the vendor's own servers."""

_SHORTEST = 3
"""Letters and digits of the shortest private value: shorter ones are counts or codes, which identify no person."""

_PRIVATE_WORDS = re.compile(
    "password|pwd|passwordcrc|token|auth|cookie|session|secret|apikey|account|username|owner|installer|email|mail|"
    "phone|phonenum|mobile|tel|telephone|contact|name|alias|nick|nickname|address|city|country|county|province|street|"
    "zip|zipcode|postcode|post|postal|location|place|lat|lng|lon|latitude|longitude|gps|map|ip|mac|ssid|wifi|imei|iccid|"
    "sim|sn|serial|serialnum|serialno|datalog|datalogger|collector|company|agent|dealer|distributor|org|organization|"
    "photo|pic|picture|img|image|url|link|logo|avatar|weather|sunrise|sunset|birthday|gender|remark|note|"
    "memo|description|cid|adm|area|region|domain|host|server|uid|uuid|guid|id|ids|pid"
)
_PRIVATE_ENDING = re.compile(
    r"(?<!gr)(?<!val)(?<!hybr)id$|ids$|sn$|mail$|phone$|address$|(?<!capa)city$|country$|latitude$|longitude$|token$|"
    r"password$|account$|^user$|owner$|(?:user|plant|station|device|alias|nick)name$|serialnum(?:ber)?$|datalog(?:ger)?\w{0,3}$"
)
_COORDINATE = re.compile(r"(?:^|_)(?:lat|lng|lon)$|latitude|longitude|(?:Lat|Lng|Lon)$")
_PUBLIC_WORDS = re.compile(
    "version|firmware|fw|model|unit|units|status|state|type|mode|currency|language|lang|dimension|direction|level|code|"
    "category|kind|dtc|precision|format|protocol|battery|alarm|warning|fault|error|standard|safety"
)
_PUBLIC_NAMES = re.compile(
    "modelname|typename|unitname|statusname|stat(?:e|us)text|warntext|errortext|devicetypename|targetname|functionname|msg|message|result|"
    "translationcode|errormsg|language|eventid|eventname|eventsolution|solution|alarmmessage|warningnameen"
)
"""Keys, in lower case without underscores, whose texts are kept although one of their words is private."""
_IDENTIFIER_WORDS = re.compile("key|item|items|column|field|lost|subtype")
"""Words of keys whose texts are kept if they look like the name of a measurement or of a state."""
_IDENTIFIER = re.compile(r"[A-Za-z](?:[\w.:/-](?!\d{3})){0,40}")
_TIME_WORDS = re.compile("time|timestamp|date|day|month|year|at|last|updated?|created?|calendar")
_SUN_WORDS = re.compile("sr|ss|mr|ms|sunrise|sunset")

_UNITS = r"(?:[kMGmμ]?(?:Wh?|VA?h?|Ah?|Hz|varh?|Wp|Ω)|%|℃|°C|°|min|h|s|dBm?|kg|t|C|EUR|USD|GBP|CNY|AUD|[€$£¥])"
_HARMLESS = re.compile(
    rf"(?:[-+~/.,:;|()_\s]|{_UNITS}(?![A-Za-z])|\d++)*+|"
    r"\d{4}-\d{1,2}(?:-\d{1,2})?(?:[T ]\d{1,2}:\d{2}(?::\d{2})?(?:\.\d{1,6})?)?(?:Z| ?(?:GMT)?[+-]\d{1,2}:?\d{0,2})?|"
    r"(?:Etc/)?(?:GMT|UTC)(?:[+-]\d{1,2}(?::?\d{2})?)?|"
    r"(?:Power|SOC|Generation Today): ?-?\d+(?:\.\d+)?(?:k?Wh?|%)|"
    r"(?:true|false|null|none|yes|no|ok|success|successful|normal|online|offline)",
    re.IGNORECASE,
)
"""Numbers with units, times, offsets from UTC, and a few answers."""
_ZONE_NAME = re.compile(
    r"(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)/[\w/+-]{2,40}", re.ASCII
)
_DECIMAL = re.compile(r"-?\d+\.\d+(?:[Ee][-+]?\d+)?")
_FAMILIES = re.compile(
    "tlx|min|mic|mod|mid|neo|mix|sph|spa|max|wit|storage|spf|noah|nexa|inv|inverter|hybrid|bat|battery|solar|pcs|hps|pbd|"
    "boost|growatt|goodwe|plant|grid|load|meter|datalogger"
)
"""Words that clouds use for families of devices; a plant that is named like one must not make the others unreadable."""
_DIALLED = re.compile(r"\+?[\d ,/()-]+")
_MANY_DIGITS = 7
"""Digits of a whole number, with or without spaces, from which it may be an id or a telephone number."""
_IP_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?")
_ANSWER = re.compile(r"[a-z ._]{1,24}|操作成功|\d{1,6}", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_EPOCH = re.compile(r"1[4-9]\d{8}(?:\d{3})?|20\d{8}(?:\d{3})?")
# The lookbehind lets a match begin only where such characters begin, else the search takes quadratic time.
_SECRET_SHAPE = re.compile(
    r"(?<![^\s@])[^\s@]++@[^\s@]+\.\w|[0-9a-f]{8}-[0-9a-f]{4}-|[0-9a-f]{24,}|[A-Za-z0-9+/]{40,}|://", re.IGNORECASE
)
_SERIAL_SHAPE = re.compile(r"(?=(?:\D*\d){4})[A-Z0-9]{9,}")
_SHORTEST_COORDINATE = 5
"""Characters of a number up to which it may equal a coordinate or an id by chance."""
_LONGEST_PUBLIC = 80
_HEXADECIMAL = re.compile(r"(?=.*\d)[0-9a-f]{4,}|(?=.*\d)[0-9A-F]{4,}")
_RUN = re.compile(r"[^\W_]+")


class Pseudonyms:
    """Pseudonyms of one recording: `learn` every response first, then `mask` each of them.

    >>> names = Pseudonyms(key=b"example")
    >>> names.learn({"plantName": "Rosenweg 7b", "pac": 812.5})
    >>> masked = names.mask({"plantName": "Rosenweg 7b", "pac": 812.5})
    >>> masked["pac"], len(masked["plantName"]), masked["plantName"] == "Rosenweg 7b"
    (812.5, 11, False)
    """

    def __init__(
        self,
        secrets: Iterable[str] = (),
        *,
        keep: Iterable[str] = (),
        is_vendor_url: Callable[[str], bool] = lambda _: False,
        key: bytes | None = None,
        recorded_at: datetime | None = None,
    ) -> None:
        """`secrets` are known private texts; texts of keys in `keep` stay; `key` makes the pseudonyms repeatable.

        The name of a time zone, which is a place, is replaced by its offset from UTC at `recorded_at`.
        """
        self._recorded_at = recorded_at or datetime.now(UTC)
        self._key = key or token_bytes(32)
        self._keep = frozenset(name.lower() for name in keep)
        self._is_vendor_url = is_vendor_url
        self._values: set[str] = set()
        self._known: set[str] = set()
        self._runs: set[str] = set()
        self.masked: Counter[str] = Counter()
        """How many values of each key were replaced."""
        self.kept: dict[str, set[str]] = {}
        """The texts that were kept, by key; a person should read them."""
        for secret in secrets:
            self._add(secret, is_known=True)

    def _add(self, text: str, *, is_known: bool = False) -> None:
        letters = sum(map(len, _RUN.findall(text)))
        if letters >= _SHORTEST:
            self._values.add(text.casefold())
            if is_known and not _FAMILIES.fullmatch(text.casefold()):
                self._known.add(text.casefold())
            runs = {run.casefold() for run in _RUN.findall(text) if len(run) > _SHORTEST}
            # Names in responses may be labels of measurements, whose words are also in codes.
            self._runs |= {
                run
                for run in runs
                if (is_known and not _FAMILIES.fullmatch(run))
                or (not run.isalpha() and len(run) >= _SHORTEST_COORDINATE)
            }

    def learn(self, data: Any, key: str = "") -> None:
        """Collect the private values of JSON-ready data."""
        if isinstance(data, dict):
            for name, value in data.items():
                if _looks_private(name):
                    self._add(name)
                self.learn(value, _key_of(data, str(name)))
        elif isinstance(data, list):
            for item in data:
                self.learn(item, key)
        elif isinstance(data, str) and (inner := _inner_json(data)) is not None:
            self.learn(inner, key)
        elif isinstance(data, str | int | float) and not isinstance(data, bool):
            text = str(data)
            # Model and firmware may have the shape of a serial number.
            has_shape = _SECRET_SHAPE.search(text) if _is_public_key(key) else _looks_private(text)
            if _COORDINATE.search(key) or (
                not (_PLAIN_TIME.fullmatch(text) or _DECIMAL.fullmatch(text) or _is_epoch(text, key))
                and (has_shape or _is_private(key))
            ):
                self._add(text)

    def mask(self, data: Any, key: str = "") -> Any:
        """Return JSON-ready data with every private value replaced."""
        if isinstance(data, dict):
            return {self._mask_name(name): self.mask(value, _key_of(data, name)) for name, value in data.items()}
        if isinstance(data, list):
            return [self.mask(item, key) for item in data]
        if data is None or isinstance(data, bool):
            return data
        if isinstance(data, int | float):
            return self._mask_number(data, key)
        inner = _inner_json(data)
        if inner is not None:
            return json.dumps(self.mask(inner, key), ensure_ascii=False)
        return self._mask_text(data, key)

    def mask_sent(self, text: str) -> str:
        """Return an argument of a request, or a part of its path: only what is private in the responses is replaced."""
        inner = _inner_json(text)
        if inner is not None:
            return json.dumps(self._mask_sent_json(inner), separators=(",", ":"), ensure_ascii=False)
        return self._mask_name(text)

    def _mask_sent_json(self, data: Any) -> Any:
        if isinstance(data, dict):
            return {self.mask_sent(str(name)): self._mask_sent_json(value) for name, value in data.items()}
        if isinstance(data, list):
            return [self._mask_sent_json(item) for item in data]
        return self.mask_sent(data) if isinstance(data, str) else data

    def _mask_name(self, name: str) -> str:
        folded = name.casefold()
        # Words without a digit are names of members and of calls, which labels in the responses repeat.
        is_private = folded in self._known or (folded in self._values and any(map(str.isdigit, name)))
        return self.pseudonym(name) if is_private or _looks_private(name) else name

    def _mask_number(self, number: float, key: str) -> float:
        text = str(number)
        if _COORDINATE.search(key):
            self.masked[key] += 1
            return float(self._coordinate(text))
        digits = sum(letter.isdigit() for letter in text)
        is_known = text in self._values and len(text) > _SHORTEST_COORDINATE
        is_id = _is_private(key) and digits >= _SHORTEST and isinstance(number, int)
        is_long = isinstance(number, int) and digits >= _MANY_DIGITS and not _is_epoch(text, key)
        if not (is_known or is_id or is_long):
            return number
        self.masked[key] += 1
        masked = self.pseudonym(text)
        return int(masked) if isinstance(number, int) else float(masked)

    def _mask_text(self, text: str, key: str) -> str:
        if self._is_vendor_url(text):
            return ORIGIN + "/".join(map(self.mask_sent, urlsplit(text).path.split("/")))
        if _COORDINATE.search(key) and _DECIMAL.fullmatch(text):
            self.masked[key] += 1
            return self._coordinate(text)
        if self._is_harmless(text, key):
            return text
        if self._is_public(text, key):
            masked = _RUN.sub(lambda run: self._pseudonym_if_private(run[0]), text)
            if masked == text:
                self.kept.setdefault(key, set()).add(text)
                return text
        self.masked[key] += 1
        return self._offset_of_zone(text) or self.pseudonym(text)

    def _offset_of_zone(self, text: str) -> str | None:
        """Return the zone without a place that has the offset of this IANA zone; None for other texts.

        Quirk: SEMS+ names the zone of a plant (capture of a plant list); without one a replay has no time.
        """
        if _ZONE_NAME.fullmatch(text) is None:
            return None
        try:
            offset = self._recorded_at.astimezone(ZoneInfo(text)).utcoffset()
        except (ValueError, OSError, KeyError):  # invalid name, not a file, unknown
            return None
        hours = None if offset is None else offset / timedelta(hours=1)
        # The sign of these names is the opposite of the offset's.
        return f"Etc/GMT{-int(hours):+d}" if hours is not None and hours == int(hours) else None

    def _is_harmless(self, text: str, key: str) -> bool:
        if _PLAIN_TIME.fullmatch(text) and not _has_word(key, _SUN_WORDS):
            return True
        if _DECIMAL.fullmatch(text) and not _COORDINATE.search(key):
            return not (text in self._values and len(text) > _SHORTEST_COORDINATE)
        is_short = len(text) < _SHORTEST_COORDINATE and text.isdecimal()
        if text.casefold() in self._values and not is_short and not _FAMILIES.fullmatch(text.casefold()):
            return False
        if _is_private(key):
            return sum(letter.isalnum() for letter in text) < _SHORTEST and text.strip("-. 0123456789") == ""
        digits = sum(map(str.isdigit, text))
        is_long = digits >= _MANY_DIGITS and _DIALLED.fullmatch(text) is not None and not _is_epoch(text, key)
        return not is_long and _IP_ADDRESS.fullmatch(text) is None and _HARMLESS.fullmatch(text) is not None

    def _is_public(self, text: str, key: str) -> bool:
        if key.lower() in self._keep:
            return True
        name = key.lower().replace("_", "")
        if name in {"msg", "message", "errormsg", "result"}:
            return _ANSWER.fullmatch(text) is not None
        if _has_word(key, _IDENTIFIER_WORDS) and _IDENTIFIER.fullmatch(text) and text.casefold() not in self._known:
            return True
        return _is_public_key(key) and len(text) <= _LONGEST_PUBLIC and not _SECRET_SHAPE.search(text)

    def _pseudonym_if_private(self, run: str) -> str:
        return self._pseudonym_of_run(run) if run.casefold() in self._runs else run

    def pseudonym(self, text: str) -> str:
        """Return the pseudonym of a text: every run of letters and digits is replaced, the rest stays."""
        return _RUN.sub(lambda run: self._pseudonym_of_run(run[0]), text)

    def _pseudonym_of_run(self, run: str) -> str:
        for attempt in range(100):
            stream = self._stream(f"{attempt} {run.casefold()}")
            letters = 6 if _HEXADECIMAL.fullmatch(run) else 26
            masked = "".join(
                _replace(letter, next(stream), letters, first=place == 0) for place, letter in enumerate(run)
            )
            if masked != run:
                return masked
        return "x" * len(run)

    def _coordinate(self, text: str) -> str:
        """Return another coordinate with the same number of digits."""
        whole, _, decimals = text.lstrip("-").partition(".")
        low, high = {1: (1, 9), 2: (10, 79)}.get(len(whole), (100, 179))
        stream = self._stream(f"coordinate {text}")
        masked = str(low + (next(stream) * 256 + next(stream)) % (high - low + 1))
        fraction = "".join(_replace(digit, next(stream), first=True) for digit in decimals)
        return ("-" if text.startswith("-") else "") + masked + (f".{fraction}" if fraction else "")

    def _stream(self, text: str) -> Iterator[int]:
        block = 0
        while True:
            yield from hmac.digest(self._key, f"{block} {text}".encode("utf-8", "replace"), "sha256")
            block += 1


_PLAIN_TIME = re.compile(r"(?:\d{4}[-/]\d{1,2}[-/]\d{1,2}[T ]?)?(?:\d{1,2}:\d{2}(?::\d{2})?)?|\d{4}-\d{2}")


def _replace(letter: str, number: int, letters: int = 26, *, first: bool) -> str:
    """Return a character of the same class; no leading zero, so that numbers keep their length."""
    if letter.isascii():
        if letter.isdigit():
            return str(1 + number % 9 if first and letter != "0" else number % 10)
        base = "A" if letter.isupper() else "a"
        return chr(ord(base) + number % letters)
    if letter.isdecimal():
        return str(number % 10)
    return "äöüéèñçø"[number % 8] if letter.islower() else "ÄÖÜÉÈÑÇØ"[number % 8] if letter.isupper() else "某"


def _key_of(data: Mapping[str, Any], name: str) -> str:
    """Return the key of a member, which is beside it in a list of named values.

    >>> _key_of({"code": "modelType", "data": "GW10K-ET"}, "data"), _key_of({"code": 0, "data": "1"}, "data")
    ('modelType', 'data')
    """
    found = data.get("code", data.get("key")) if name in {"data", "value"} else None
    return found if isinstance(found, str) else name


def _has_word(key: str, words: re.Pattern[str]) -> bool:
    """Return whether one of the words of a key matches.

    >>> _has_word("plantId", re.compile("id")), _has_word("PV_owner_name", re.compile("owner"))
    (True, True)
    """
    return any(words.fullmatch(word.lower()) for word in _WORD.findall(key))


def _is_private(key: str) -> bool:
    name = key.lower().replace("_", "")
    if _PUBLIC_NAMES.fullmatch(name):
        return False
    return _has_word(key, _PRIVATE_WORDS) or _PRIVATE_ENDING.search(name) is not None


def _is_public_key(key: str) -> bool:
    is_public = _has_word(key, _PUBLIC_WORDS) and not _is_private(key)
    return is_public or _PUBLIC_NAMES.fullmatch(key.lower().replace("_", "")) is not None


def _looks_private(text: str) -> bool:
    """Return whether a text of any key looks like an id, a serial number, a token or an address."""
    return bool(_SECRET_SHAPE.search(text)) or _SERIAL_SHAPE.fullmatch(text) is not None


def _is_epoch(text: str, key: str) -> bool:
    return _EPOCH.fullmatch(text) is not None and _has_word(key, _TIME_WORDS)


_MOST_BRACKETS = 500
"""Brackets of a JSON text inside a response that is read as JSON; a longer one is replaced as a text."""


def _inner_json(text: str) -> Any:
    """Return the object or list that a text contains as JSON, None for any other text."""
    if text[:1] not in {"{", "["} or text.count("{") + text.count("[") > _MOST_BRACKETS:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
