"""The verbs of battery planners: each is a change with an end, at which the old values return by themselves.

A verb that is repeated changes nothing: a planner may call it every few minutes. The journal names verb and limits, by
which a repeated call is recognised, also after a restart.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from heliograph.settings.battery import BatteryAction, battery_settings

from .control import PROGRAM, check_outcome, translated_errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from heliograph.model import Device
    from heliograph.settings import Order, SettingsSnapshot
    from heliograph.settings.definition import Value

    from .control import DeviceControl

VERBS: dict[str, BatteryAction | None] = {
    "charge_start": "charge",
    "charge_stop": None,
    "discharge_start": "discharge",
    "discharge_stop": None,
    "charge_freeze": "freeze-charge",
    "discharge_freeze": "freeze-discharge",
    "release": None,
}
"""The battery action of each verb; None for those that end one."""
_ENDS = {
    "charge_stop": ("charge_start", "charge_freeze"),
    "discharge_stop": ("discharge_start", "discharge_freeze"),
    "release": tuple(verb for verb, action in VERBS.items() if action),
}
"""The verbs that each verb ends."""
_SAME = timedelta(minutes=1)
"""Ends that differ by less are the same: a planner's clock and ours are not in step."""

_LOCKS: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
"""One verb at a time per device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannerCall:
    """One call of a verb; `power` and `stop_soc` in %."""

    verb: str
    device: Device
    zone: tzinfo
    until: datetime | None
    default_until: datetime
    """The end if none is given; a running change of the same kind is then left to its own end."""
    power: float | None = None
    stop_soc: float | None = None

    @property
    def program(self) -> str:
        """The text that names this call in the journal."""
        limits = [f"{name}={value:g}" for name in ("power", "stop_soc") if (value := getattr(self, name)) is not None]
        return " ".join((f"{PROGRAM}:", self.verb, *limits))


async def run_verb(control: DeviceControl, call: PlannerCall) -> Order | None:
    """Carry out a verb; None if nothing had to be changed. Raises `HomeAssistantError`."""
    lock = _LOCKS.setdefault(call.device.id, asyncio.Lock())
    async with lock:
        with translated_errors():
            running = [
                one
                for one in await control.orders.curtailments_async()
                if one.device == call.device.id and _verb_of(one) is not None
            ]
            if call.verb in _ENDS:
                return await _end(control, [one for one in running if _verb_of(one) in _ENDS[call.verb]])
            if any(_is_same(one, call) for one in running):
                return None
            ended = await _end(control, running)
            check_outcome(ended)
            return await _start(control, call)


async def _start(control: DeviceControl, call: PlannerCall) -> Order | None:
    action = VERBS[call.verb]
    until = call.until or call.default_until
    if action is None:
        return None

    def wanted(snapshot: SettingsSnapshot) -> Mapping[str, Mapping[str, Value]]:
        return battery_settings(
            action,
            tuple(snapshot.settings.values()),
            snapshot.current,
            datetime.fromtimestamp(control.clock.now(), UTC).astimezone(call.zone),
            until.astimezone(call.zone),
            power=call.power,
            stop_soc=call.stop_soc,
        )

    orders = await asyncio.to_thread(control.orders_of, call.program)
    return await control.run(orders.curtail(call.device, wanted, until))


async def _end(control: DeviceControl, running: list[Order]) -> Order | None:
    """Put the old values back, of the newest change first."""
    restored = None
    for one in reversed(running):
        restored = await control.run(control.orders.restore(one)) or restored
    return restored


def _verb_of(order: Order) -> str | None:
    """Return the verb that made a change; None if it was something else."""
    prefix, _, rest = order.program.partition(": ")
    verb = rest.partition(" ")[0]
    return verb if prefix == PROGRAM and VERBS.get(verb) is not None else None


def _is_same(order: Order, call: PlannerCall) -> bool:
    if order.program != call.program or order.until is None:
        return False
    if call.until is None:
        return True
    return abs(datetime.fromtimestamp(order.until, UTC) - call.until) < _SAME
