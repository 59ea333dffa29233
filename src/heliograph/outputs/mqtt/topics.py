"""MQTT topics and device IDs, safe for any plant ID that a cloud may send."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from heliograph.store.base import Series

_PLAIN = re.compile(r"[A-Za-z0-9-]{1,64}")
_SPECIAL = re.compile(r"[^A-Za-z0-9]+")
_MAX_LENGTH = 100
_COMMAND = "set"


class Topics(NamedTuple):
    """The topics of one Heliograph instance, below a common root."""

    root: str

    @property
    def status(self) -> str:
        """Topic of this program's status: online, or offline as the last will."""
        return f"{self.root}/status"

    @property
    def probe(self) -> str:
        """Topic on which this program detects the end of the retained messages."""
        return f"{self.root}/probe"

    @property
    def filters(self) -> tuple[str, ...]:
        """Topic filters for all retained messages of this program except its status."""
        rests = ("+/+/state", "+/+/availability", "+/+/+/state", "+/+/settings", "+/+/+/settings")
        return tuple(f"{self.root}/{rest}" for rest in rests)

    @property
    def command_filters(self) -> tuple[str, ...]:
        """Topic filters for all commands to this program."""
        return tuple(f"{self.root}/{rest}/{_COMMAND}/#" for rest in ("+/+", "+/+/+"))

    def state(self, series: Series) -> str:
        """Return the topic of a plant's or device's current values."""
        return "/".join((self.root, *_levels(series), "state"))

    def availability(self, series: Series) -> str:
        """Return the topic of a plant's availability, shared by its devices."""
        return "/".join((self.root, *_levels(series)[:2], "availability"))

    def settings(self, series: Series) -> str:
        """Return the topic of the settings of a plant or device, as read back."""
        return "/".join((self.root, *_levels(series), "settings"))

    def command(self, series: Series, setting: str, parameter: str = "") -> str:
        """Return the topic of commands that change a setting, or one parameter of it."""
        rest = (setting, parameter) if parameter else (setting,)
        return "/".join((self.root, *_levels(series), _COMMAND, *rest))

    def is_command(self, topic: str) -> bool:
        """Return True if a topic matches the filters of commands."""
        return topic.startswith(f"{self.root}/") and f"/{_COMMAND}/" in topic

    def result(self, command_topic: str) -> str:
        """Return the topic on which the result of a command is reported."""
        return f"{command_topic.rpartition(f'/{_COMMAND}/')[0]}/result"

    def account(self, name: str) -> str:
        """Return the topic of an account."""
        return f"{self.root}/accounts/{topic_level(name)}/state"

    def node_id(self, series: Series) -> str:
        """Return the unique ID of a plant or device."""
        return "_".join((topic_level(self.root), *_levels(series)))

    def account_node_id(self, name: str) -> str:
        """Return the unique ID of an account."""
        return "_".join((topic_level(self.root), "accounts", topic_level(name)))

    def owns(self, node_id: str) -> bool:
        """Return True if the ID belongs to this Heliograph instance."""
        return node_id.partition("_")[0] == topic_level(self.root)


def topic_level(text: str) -> str:
    """Return a text as one topic level: unchanged if plain, else its plain characters and a hash.

    >>> topic_level("1234567")
    '1234567'
    >>> topic_level("a/b+#") == topic_level("a-b")
    False
    """
    if _PLAIN.fullmatch(text):
        return text
    from hashlib import blake2b  # noqa: PLC0415 - only for unusual IDs

    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{_SPECIAL.sub('-', text)[:32].strip('-')}-{digest}".lstrip("-")


def display_text(text: str, max_length: int = _MAX_LENGTH) -> str:
    r"""Return a name from a cloud as one line of limited length that every database accepts.

    >>> display_text("Roof\n\x00 🌞 \ud800")
    'Roof   🌞'
    """
    return "".join(char if char.isprintable() else " " for char in text[:max_length]).strip()


def _levels(series: Series) -> tuple[str, ...]:
    return tuple(topic_level(part) for part in series[: 3 if series.device else 2])
