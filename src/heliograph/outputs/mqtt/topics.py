"""Where things stand at an MQTT broker: topics and ids that no cloud's words can break out of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from heliograph.store.base import Series

_PLAIN = re.compile(r"[A-Za-z0-9-]{1,64}")
_ODD = re.compile(r"[^A-Za-z0-9]+")
_LONGEST = 100


class Topics(NamedTuple):
    """The topics of one Heliograph, which begin with a name of its own."""

    root: str

    @property
    def status(self) -> str:
        """Whether this program runs: online, or offline, which the broker says when it hears nothing more."""
        return f"{self.root}/status"

    @property
    def probe(self) -> str:
        """Where this program asks the broker whether it has sent all it holds."""
        return f"{self.root}/probe"

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to for everything this program keeps here, but for its status."""
        return tuple(f"{self.root}/{rest}" for rest in ("+/+/state", "+/+/availability", "+/+/+/state"))

    def state(self, series: Series) -> str:
        """What is true of a plant or device."""
        return "/".join((self.root, *_levels(series), "state"))

    def availability(self, series: Series) -> str:
        """Whether a plant is heard when it should be; its devices share it."""
        return "/".join((self.root, *_levels(series)[:2], "availability"))

    def account(self, name: str) -> str:
        """What is true of an account."""
        return f"{self.root}/accounts/{topic_level(name)}/state"

    def node_id(self, series: Series) -> str:
        """Return an id for a plant or device; no two have the same."""
        return "_".join((topic_level(self.root), *_levels(series)))

    def account_node_id(self, name: str) -> str:
        """Return an id for an account."""
        return "_".join((topic_level(self.root), "accounts", topic_level(name)))

    def owns(self, node: str) -> bool:
        """Tell whether an id is of this Heliograph."""
        return node.partition("_")[0] == topic_level(self.root)


def topic_level(text: str) -> str:
    """Return a text as one level of a topic: as it is when plain, else its plain letters and a hash of all of it.

    >>> level("1234567")
    '1234567'
    >>> level("a/b+#") == level("a-b")
    False
    """
    if _PLAIN.fullmatch(text):
        return text
    from hashlib import blake2b  # noqa: PLC0415 - ids are plain but for hostile ones

    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{_ODD.sub('-', text)[:32].strip('-')}-{digest}".lstrip("-")


def display_text(text: str, most: int = _LONGEST) -> str:
    r"""Return a cloud's name for a screen: one line, not endless, and text that every database takes.

    >>> shown("Roof\n\x00 🌞 \ud800")
    'Roof   🌞'
    """
    return "".join(sign if sign.isprintable() else " " for sign in text[:most]).strip()


def _levels(series: Series) -> tuple[str, ...]:
    return tuple(topic_level(part) for part in series[: 3 if series.device else 2])
