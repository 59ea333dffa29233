"""The rules: each judges a plant or an account at one time, and says what was seen. Pure."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from heliograph.alarms.history import MIN_DAYS, SLOT, SLOTS_PER_DAY
from heliograph.alarms.model import Judgement
from heliograph.collect.freshness import Freshness
from heliograph.metrics.codes import present_code
from heliograph.model import Status
from heliograph.store.base import MAX_AHEAD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from heliograph.alarms.history import HalfHour, SlotHistory
    from heliograph.alarms.views import AccountView, PlantView

_HOUR = 3600
_REPORTING = {Freshness.LIVE, Freshness.STALE}

BRIGHT = 0.15
"""Part of the day's highest best yield from which a slot counts as daylight."""
LOW_DAYS = 7
"""Days on which no two hours may reach `LOW_PART` of the best, for an alarm without neighbours."""
LOW_PART = 0.55
NEIGHBOUR_DAYS = 3
"""Days in a row on which a plant must stay below `NEIGHBOUR_PART` of what the others lead to expect."""
NEIGHBOUR_PART = 0.75
USUAL_DAYS = range(8, 22)
"""Days ago that show which plants have the same weather."""
SIMILAR = 0.06
"""The most that their daily yields, as parts of their best, may differ on average."""
RECOVERED_PART = 0.85
"""Part from which a low yield is over; between the limits an alarm stays as it is."""
MIN_NEIGHBOURS = 3
EVENT_DAYS = 7
"""Days after its beginning in which a fault of the vendor's log that is not over is a present one."""
REPEATED = 3
"""Entries of one fault within a day, each over at once, that are a present fault."""


def judge_plant(plant: PlantView) -> Iterator[Judgement]:
    """Yield the judgement of every rule about a plant."""
    yield _offline(plant)
    yield _clock(plant)
    yield _fault(plant)
    yield _no_yield(plant)
    yield _low_yield(plant)
    yield _low_among_neighbours(plant)
    yield _battery_not_charging(plant)
    yield _battery_stuck(plant)
    yield _counter_stalled(plant)
    yield _export_limit(plant)


def judge_account(account: AccountView) -> Iterator[Judgement]:
    """Yield the judgement of every rule about an account; none if its budget is unknown."""
    if (budget := account.budget) is None:
        return
    pause = budget.pause
    locked = pause is not None and pause.kind in {"locked", "blocked"}
    seen = f"{pause.kind} until {pause.until:%Y-%m-%d %H:%M} UTC: {pause.why}" if locked and pause else ""
    yield Judgement("account_locked", locked, seen)
    refused = budget.refused_at
    yield Judgement("login_refused", refused is not None, f"refused on {refused:%Y-%m-%d %H:%M} UTC" if refused else "")
    used = f"{budget.requests_used} of {budget.daily} requests in 24 hours"
    # The first days of an account use nearly all of it, as planned; the reserve for people is beyond it.
    yield Judgement("quota", budget.free <= 0, used)


def _offline(plant: PlantView) -> Judgement:
    fresh = plant.freshness
    if fresh is Freshness.OFFLINE_UNEXPECTED:
        age = None if plant.measured_at is None else plant.now - plant.measured_at
        if age is not None and age - plant.arrival_delay < _HOUR:
            # Data arrives, only with an old time.
            return Judgement("offline", holds=False)
        return Judgement("offline", True, "no data at all" if age is None else f"no data for {_duration(age)}")
    return Judgement("offline", False if fresh in _REPORTING else None)


def _clock(plant: PlantView) -> Judgement:
    if plant.ahead is not None and plant.ahead > MAX_AHEAD:
        return Judgement("clock", True, f"data is {_duration(plant.ahead)} ahead of the time")
    if plant.arrival_delay > 40 * 60:
        return Judgement("clock", True, f"new data is always {_duration(int(plant.arrival_delay))} old")
    return Judgement("clock", False if plant.freshness in _REPORTING else None)


def _fault(plant: PlantView) -> Judgement:
    if seen_in_log := _fault_in_log(plant):
        return Judgement("fault", True, seen_in_log)
    if plant.freshness not in _REPORTING:
        return Judgement("fault", None)
    for device in plant.devices:
        code = present_code(device.fault_code)
        if code or device.status is Status.FAULT:
            text = f": {device.fault_text}" if device.fault_text else ""
            return Judgement("fault", True, _one_line(f"{device.title} reports fault {code or '(no code)'}{text}"))
    return Judgement("fault", plant.status is Status.FAULT, "the cloud shows the plant as faulty")


def _fault_in_log(plant: PlantView) -> str:
    """Return what the vendor's fault log shows to be wrong now; empty if nothing is."""
    counts: dict[tuple[str, str], int] = {}
    for event in plant.faults:
        age = plant.now - event.started_at
        is_open = event.ended_at is None and 0 <= age < EVENT_DAYS * 24 * _HOUR
        if 0 <= age < 24 * _HOUR:
            counts[event.device, event.code] = counts.get((event.device, event.code), 0) + 1
        if is_open or counts.get((event.device, event.code), 0) >= REPEATED:
            text = f" ({event.text})" if event.text else ""
            often = "" if is_open else f" {REPEATED} times within a day"
            return _one_line(f"the vendor's log has fault {event.code or '(no code)'}{text}{often}")
    return ""


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text[:300])


def _no_yield(plant: PlantView) -> Judgement:
    number = plant.now // SLOT
    power, best = plant.values.get("pv_power"), plant.history.best(number)
    if plant.freshness not in _REPORTING or power is None or best is None:
        return Judgement("no_yield", None)
    if not _is_bright(plant) or _is_curtailed_now(plant):
        return Judgement("no_yield", None)
    seen = f"{power:.0f} W; at this time of day it has reached {best:.0f} W"
    return Judgement("no_yield", power <= 0.01 * best, seen)


def _is_bright(plant: PlantView) -> bool:
    """Return whether the plant can have a good part of the day's yield at this time of day."""
    number = plant.now // SLOT
    best = plant.history.best(number)
    return best is not None and best > BRIGHT * plant.history.peak(plant.history.day_of(number))


def _is_curtailed_now(plant: PlantView) -> bool:
    recent = plant.history.recent
    return bool(recent) and recent[-1][1].is_curtailed


def _low_yield(plant: PlantView) -> Judgement:
    """Judge the last days by their best two hours: no plant is in cloud for a week."""
    history, today = plant.history, plant.history.day_of(plant.now // SLOT)
    parts = [part for day in range(today - LOW_DAYS, today) if (part := best_part(history, day)) is not None]
    if len(parts) < LOW_DAYS - 1 or not _is_bright(plant):
        return Judgement("low_yield", None)
    if fleet_is_low(plant.neighbours, today):
        return Judgement("low_yield", None)
    seen = f"at most {max(parts):.0%} of the best days' power on the last {len(parts)} days"
    return Judgement("low_yield", _is_low(max(parts), LOW_PART), seen)


def _is_low(part: float, limit: float) -> bool | None:
    return True if part < limit else False if part > RECOVERED_PART else None


def fleet_is_low(neighbours: Sequence[SlotHistory], today: int) -> bool:
    """Return whether most of at least three other plants have been low too: that is the weather."""
    parts = [
        max((part for day in range(today - LOW_DAYS, today) if (part := best_part(one, day)) is not None), default=None)
        for one in neighbours
    ]
    known = [part for part in parts if part is not None]
    return len(known) >= MIN_NEIGHBOURS and median(known) < LOW_PART * 1.2


def best_part(history: SlotHistory, day: int) -> float | None:
    """Return the best two hours of a day, as a part of the best days' power at the same time; None if unknown."""
    key = "best_part", day
    if key not in history.day_parts:
        history.day_parts[key] = _best_part(history, day)
    return history.day_parts[key]


def _best_part(history: SlotHistory, day: int) -> float | None:
    floor = history.peak(day) * 0.3
    pairs = [(history.pv(one), history.best(one)) for one in history.slots_of(day)]
    found = None
    for start in range(SLOTS_PER_DAY - 3):
        yielded = expected = 0.0
        for power, best in pairs[start : start + 4]:
            if power is None or best is None or best < floor or not floor:
                break
            yielded += power
            expected += best
        else:
            found = max(found or 0.0, yielded / expected)
    return found


def _low_among_neighbours(plant: PlantView) -> Judgement:
    history, today = plant.history, plant.history.day_of(plant.now // SLOT)
    if not _is_bright(plant):
        return Judgement("low_among_neighbours", None)
    similar = similar_plants(history, plant.neighbours, today)
    parts = [part_of_neighbours(history, similar, day) for day in range(today - LOW_DAYS, today)]
    known = [part for part in parts if part is not None][-NEIGHBOUR_DAYS:]
    if len(known) < NEIGHBOUR_DAYS:
        return Judgement("low_among_neighbours", None)
    seen = f"at most {max(known):.0%} of the yield that {len(similar)} plants lead to expect, on {len(known)} days"
    return Judgement("low_among_neighbours", _is_low(max(known), NEIGHBOUR_PART), seen)


def similar_plants(history: SlotHistory, neighbours: Sequence[SlotHistory], today: int) -> list[SlotHistory]:
    """Return the plants whose daily yields went along with this plant's: they have the same weather."""
    if history.similar is None or history.similar[0] != today:
        found = [one for one in neighbours if _went_along(history, one, today)]
        history.similar = today, found if len(found) >= MIN_NEIGHBOURS else []
    return history.similar[1]


def _went_along(one: SlotHistory, other: SlotHistory, today: int) -> bool:
    pairs = [(_day_part(one, today - ago), _day_part(other, today - ago)) for ago in USUAL_DAYS]
    known = [abs(left - right) for left, right in pairs if left is not None and right is not None]
    return len(known) >= MIN_DAYS and sum(known) / len(known) < SIMILAR


def _day_part(history: SlotHistory, day: int) -> float | None:
    """Return the yield of a day as a part of the best at the same times; None without enough hours."""
    key = "day_part", day
    if key not in history.day_parts:
        pairs = [(history.pv(one), history.best(one)) for one in history.slots_of(day)]
        known = [(power, best) for power, best in pairs if power is not None and best is not None]
        expected = sum(best for _, best in known)
        enough = expected > 4 * history.peak(day) > 0
        history.day_parts[key] = sum(power for power, _ in known) / expected if enough else None
    return history.day_parts[key]


def part_of_neighbours(history: SlotHistory, neighbours: Sequence[SlotHistory], day: int) -> float | None:
    """Return a day's yield as a part of the expected one; None without enough neighbours, hours or light.

    Expected is the plant's own best at the same time, times the median of that ratio among the neighbours.
    """
    key = "part_of_neighbours", day
    if key not in history.day_parts:
        history.day_parts[key] = _part_of_neighbours(history, neighbours, day)
    return history.day_parts[key]


def _part_of_neighbours(history: SlotHistory, neighbours: Sequence[SlotHistory], day: int) -> float | None:
    yielded = expected = best_sum = 0.0
    for number in history.slots_of(day):
        power, best = history.pv(number), history.best(number)
        if power is None or not best:
            continue
        ratios = [pv / top for one in neighbours if (pv := one.pv(number)) is not None and (top := one.best(number))]
        if len(ratios) < MIN_NEIGHBOURS:
            continue
        yielded += power
        expected += best * median(ratios)
        best_sum += best
    # Half an hour of snow or fog says nothing about a day, and on a dark day all yields are small.
    enough = best_sum > 4 * history.peak(day) and expected > 0.2 * best_sum
    return yielded / expected if enough else None


def _battery_not_charging(plant: PlantView) -> Judgement:
    soc, battery, grid = (plant.values.get(name) for name in ("battery_soc", "battery_power", "grid_power"))
    if plant.freshness not in _REPORTING or soc is None or battery is None or grid is None:
        return Judgement("battery_not_charging", None)
    seen = f"{-grid:.0f} W exported while the battery has {soc:.0f} % and is not charging"
    return Judgement("battery_not_charging", grid < -500 and soc < 90 and battery > -50, seen)


def _battery_stuck(plant: PlantView) -> Judgement:
    """Judge the last 24 hours of a battery that has been in use: it should discharge while power is imported."""
    slots = [slot for _, slot in plant.history.recent][-SLOTS_PER_DAY:]
    known = [slot for slot in slots if slot.soc_low is not None and slot.soc_high is not None]
    if plant.freshness not in _REPORTING or len(known) < SLOTS_PER_DAY * 0.8:
        return Judgement("battery_stuck", None)
    low = min(slot.soc_low for slot in known if slot.soc_low is not None)
    high = max(slot.soc_high for slot in known if slot.soc_high is not None)
    ranges = plant.history.soc_ranges(plant.history.day_of(plant.now // SLOT) - 1, 14)
    usual_low = min((one for one, _ in ranges), default=low)
    if high - low >= 1:
        return Judgement("battery_stuck", holds=False)
    imported = sum(max(0.0, slot.grid or 0.0) for slot in slots) * SLOT / 3.6e6
    in_use = len(ranges) >= MIN_DAYS and max(top - bottom for bottom, top in ranges) > 20
    if not in_use or low <= usual_low + 5:
        # Empty in winter, or not used as a battery.
        return Judgement("battery_stuck", None)
    seen = f"{low:.0f} % for 24 hours while {imported:.1f} kWh were imported"
    return Judgement("battery_stuck", imported >= 1.0, seen)


def _counter_stalled(plant: PlantView) -> Judgement:
    """Judge the last three hours; the counter restarts at midnight."""
    slots = list(plant.history.recent)[-6:]
    first, last = (slots[0][1], slots[-1][1]) if slots else (None, None)
    if plant.freshness not in _REPORTING or first is None or last is None or slots[-1][0] - slots[0][0] != 5:
        return Judgement("counter_stalled", None)
    energy = _energy(slot for _, slot in slots[1:])
    if first.counter_high is None or last.counter_high is None or energy is None or energy < 0.5:
        return Judgement("counter_stalled", None)
    growth = last.counter_high - first.counter_high
    seen = f"{growth:.1f} kWh counted while the power amounts to {energy:.1f} kWh"
    return Judgement("counter_stalled", 0 <= growth < 0.1 * energy, seen)


def _energy(slots: Iterator[HalfHour]) -> float | None:
    powers = [slot.pv for slot in slots]
    known = [power for power in powers if power is not None]
    return sum(known) * SLOT / 3.6e6 if len(known) == len(powers) else None


def _export_limit(plant: PlantView) -> Judgement:
    """Judge the last two days: an export that is level for hours at its maximum is held there."""
    recent = list(plant.history.recent)
    highest = max((-(slot.grid or 0.0) for _, slot in recent), default=0.0)
    if plant.freshness not in _REPORTING or len(recent) < 1.5 * SLOTS_PER_DAY or highest < 500:
        return Judgement("export_limit", None)
    level = [number for number, slot in recent if _is_level(slot, highest)]
    days = {plant.history.day_of(number) for number in level}
    seen = f"{highest:.0f} W exported without change for {len(level) / 2:.0f} of the last 48 hours"
    return Judgement("export_limit", len(level) >= 8 and len(days) >= 2, seen)


def _is_level(slot: HalfHour, highest: float) -> bool:
    if slot.grid is None or slot.grid_range is None:
        return False
    return -slot.grid > 0.99 * highest and slot.grid_range < 0.01 * highest


def _duration(seconds: int) -> str:
    """Return a duration in words.

    >>> _duration(5400), _duration(200_000)
    ('1 h 30 min', '55 h 33 min')
    """
    hours, rest = divmod(seconds, _HOUR)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min"
