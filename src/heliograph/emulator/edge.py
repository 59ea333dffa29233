"""The firewall before a cloud: who asked too often, by address, and for how long that is remembered."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from heliograph.doors import Door, Window

if TYPE_CHECKING:
    from datetime import datetime

    from heliograph.emulator.values import Limit

_MOST_CALLERS = 1000


class Edge:
    """A door for every caller and limit; the callers of long ago are forgotten."""

    def __init__(self) -> None:
        self._callers: OrderedDict[tuple[str, str, Limit], tuple[Window, Door]] = OrderedDict()

    def turns_away(self, vendor: str, client: str, limit: Limit, now: datetime) -> bool:
        """Count a request, and tell whether its caller is shut out; to ask on keeps it so."""
        caller = (vendor, client, limit)
        if caller not in self._callers:
            self._callers[caller] = Window(limit.span), Door(limit.pause)
        self._callers.move_to_end(caller)
        if len(self._callers) > _MOST_CALLERS:
            self._callers.popitem(last=False)
        window, door = self._callers[caller]
        return door.knock(now, window, limit.most, prolongs=True) is not None
