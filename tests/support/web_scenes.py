"""Scenes of plants at night, in full sun, locked, stale or by the thousand; for tests and screenshots."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from time import time
from typing import NamedTuple
from zoneinfo import ZoneInfo

from heliograph.alarms.model import AlarmSubject
from heliograph.current import AccountStatus
from heliograph.emulator.main import EmulatorOptions, build_emulator, load_emulations
from heliograph.keeper import Backoff, Budget
from heliograph.local_time import Clock, day_start
from heliograph.metrics import ENERGIES
from heliograph.model import EventKind, Quality, Status
from heliograph.store.base import (
    Batch,
    Day,
    PollStatus,
    Repair,
    Series,
    SeriesInfo,
    StoredEvent,
    StoredMeasurements,
    StoredSample,
)
from heliograph.tariffs.tariff import Tariff, TimeWindow
from support.alarm_rows import raised, store_alarms

ZONE = ZoneInfo("Europe/Berlin")
TODAY = date(2026, 6, 21)
STEP = 300
SEED = 7


class Running(Clock):
    """Clock that runs in real time from a given moment and can be set."""

    def __init__(self, moment: float) -> None:
        self.go(moment)

    def now(self) -> float:
        return self._ahead + time()

    def go(self, moment: float) -> None:
        self._ahead = moment - time()


class Scene(NamedTuple):
    """The time, the accounts and the tariffs a server is started with."""

    now: float
    accounts: tuple[AccountStatus, ...] = ()
    tariffs: tuple[Tariff, ...] = ()


def at(hour: int, minute: int = 0, day: date = TODAY) -> int:
    """Return the timestamp of a local time of the plants."""
    return int(datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE).timestamp())


def town(now: float):
    """Return the simulated homes of both vendors by family, up to a moment."""
    start = datetime.fromtimestamp(now, UTC).astimezone(ZONE)
    box = build_emulator(EmulatorOptions(start=start, speed=0, accounts=2, zone=ZONE, seed=SEED), load_emulations())
    return {(account.vendor, site.family): site.truth for account in box.accounts for site in account.plants}


def hybrid(now: float):
    """Return a home with a battery and a meter."""
    return town(now)[("goodwe", "hybrid")][0]


HOME = Series("goodwe", "6ad3f1c2-0b58-4b6e-9d6f-3f5d5b1a7c02")
ROOF = Series("growatt", "1840213")


def fill(store, home, series: Series, name: str, since: date, until: float, devices=(), zone: str = "Europe/Berlin"):
    """Store the history of a home up to a moment, as the collector does."""
    known = [SeriesInfo(series, name, None, zone, peak_power=home.peak_power / 1000)]
    known += [SeriesInfo(series._replace(device=one[0]), one[1], one[2], zone) for one in devices]
    store.write(Batch(series_info=known))
    day = since
    while (start := day_start(day, ZONE)) < until:
        energies = home.energies(day.isoformat())
        curve = [(int(moment.timestamp()), values) for moment, values in home.curve(day.isoformat())]
        if not home.battery_capacity:
            curve = [(moment, values) for moment, values in curve if values["pv_power"] > 0]
        samples = [
            StoredSample(series, moment, moment + 40, Quality.LIVE, Status.ONLINE, values)
            for moment, values in curve
            if start <= moment <= until
        ]
        final = start + 86400 * 1.5 < until
        flowed = {key: energies.get(key) for key in ENERGIES}
        store.write(
            Batch(samples=samples, days=[Day(series, day, flowed, Quality.LIVE, final, int(min(until, start + 86400)))])
        )
        day += timedelta(days=1)
    last = store.latest(series)[0]
    now_known = home.values(datetime.fromtimestamp(last.measured_at, UTC))
    entries = [last._replace(values=now_known, fetched_at=last.fetched_at + 1)]
    entries += [
        last._replace(series=series._replace(device=one[0]), values=now_known, status=one[3]) for one in devices
    ]
    store.write(Batch(samples=entries))


def polled(series: Series, moment: float, interval: int = 720, reason: str = "", next_at: float | None = None) -> Batch:
    """Return the status of a plant that was last polled at this moment."""
    planned = moment + interval if next_at is None else next_at
    return Batch(polls=[PollStatus(series, int(moment), interval, int(planned), reason)])


def inverter(status: Status = Status.ONLINE):
    """Return a device as serial number, name, family and status."""
    return [("9010KETU21AW0001", "GW10K-ET", "hybrid", status)]


def budget(now: float, used: int = 61, logins: int = 1, pause: Backoff | None = None) -> Budget:
    """Return the request budget of an account."""
    moment = datetime.fromtimestamp(now, UTC)
    notes = ((moment - timedelta(hours=6, minutes=12), "logged in"),)
    return Budget(
        requests_used=used,
        requests_limit=180,
        reserve=36,
        logins_used=logins,
        logins_limit=4,
        next_free=pause.until if pause else None,
        opened_at=moment - timedelta(hours=6, minutes=12) if pause is None else None,
        last_login=moment - timedelta(hours=6, minutes=12),
        pause=pause,
        notes=(*notes, (pause.until - timedelta(hours=24), pause.why)) if pause else notes,
    )


def locked(now: float) -> Backoff:
    """Return the pause of an account that the vendor has locked for a day."""
    until = datetime.fromtimestamp(now, UTC) + timedelta(hours=20, minutes=12)
    return Backoff("locked", until, "the cloud locked the account after too many logins by another program")


# Each scene fills a store and returns the time and the accounts.


def full_sun(store) -> Scene:
    now = at(13, 7)
    fill(store, hybrid(now), HOME, "Haus am See", date(2026, 5, 18), now - 120, inverter())
    store.write(
        Batch(
            repairs=[
                Repair(HOME, at(6, 5), "pv_energy_total", 0.0, 21034.2, "a total fell; the cloud says 0 in the morning")
            ]
        )
    )
    store.write(polled(HOME, now - 90))
    return Scene(now, (AccountStatus(name="home", vendor="goodwe", budget=budget(now)),))


def money(store) -> Scene:
    """Full sun with a tariff whose price changed in June, and which is cheaper at night since then."""
    prices = {"currency": "EUR", "export_price": 0.0811, "co2": 380.0}
    night = TimeWindow(22 * 60, 6 * 60, import_price=0.1933)
    return full_sun(store)._replace(
        tariffs=(
            Tariff(start=date(2026, 1, 1), import_price=0.3142, standing=0.49, **prices),
            Tariff(start=date(2026, 6, 10), import_price=0.2875, standing=0.41, vat=19.0, windows=(night,), **prices),
        )
    )


_PV = ("voltage", "current", "power", "energy_today", "energy_total")
HYBRID_MEASURED = {
    **{f"pv{n}_{name}": value for n, row in {
        1: (412.6, 7.31, 3016.1, 14.2, 10512.4), 2: (398.1, 6.9, 2746.9, 12.9, 9874.0),
    }.items() for name, value in zip(_PV, row, strict=True)},
    **{f"phase{n}_{name}": value for n, row in {
        1: (233.1, 8.1, 1888.2), 2: (231.8, 8.2, 1900.4), 3: (234.0, 8.0, 1871.5),
    }.items() for name, value in zip(_PV[:3], row, strict=True)},
    "grid_frequency": 49.98, "power_factor": 0.998, "temperature": 47.3, "module_temperature": 51.0,
    "battery_voltage": 331.7, "battery_current": -6.4, "battery_temperature": 23.9, "battery_state_of_health": 100.0,
    "battery_cycles": 412.0, "backup_power": 0.0, "bus_voltage": 366.1, "isolation_resistance": 3135.0,
    "leakage_current": 12.0, "operating_time": 6759.0, "rated_power": 10000.0, "work_mode": "Battery first",
    "fault_code": "0", "fault_text": None, "firmware": "GJ1.0", "model": "GW10K-ET",
}  # fmt: skip
"""Measurements of a hybrid with two PV inputs, three phases and a battery."""


def devices(store) -> Scene:
    """A hybrid, and a three-phase inverter with twelve PV inputs."""
    now = at(13, 7)
    fill(store, hybrid(now), HOME, "Haus am See", at_day(now), now - 120, inverter())
    large = [("MAX0000001", "Roof east and west", "max", Status.ONLINE)]
    fill(store, hybrid(now), ROOF, "Workshop", at_day(now), now - 120, large)
    twelve: dict[str, float | str | None] = {}
    for n in range(1, 13):
        share = 0.6 if n == 7 else 1.0  # one is shaded
        twelve |= {f"pv{n}_voltage": 598.0 - n, f"pv{n}_current": round(9.1 * share - n / 50, 2)}
        twelve |= {f"pv{n}_power": round(5440 * share - 31 * n), f"pv{n}_energy_total": 21034.2 * share - 110 * n}
    twelve |= {name: value for name, value in HYBRID_MEASURED.items() if name.startswith(("phase", "grid", "temp"))}
    when = now - 120
    for past in range(now - now % 900 - 8 * 3600, now - 900, 900):
        # A day of few clouds, for the lines of the day.
        share = 1 - ((now - past) / (9 * 3600)) ** 2 * (0.9 if past % 3600 else 1.0)
        for series, found in (
            (HOME._replace(device="9010KETU21AW0001"), HYBRID_MEASURED),
            (ROOF._replace(device="MAX0000001"), twelve),
        ):
            values = {
                name: value * share if isinstance(value, float | int) and name.endswith(("power", "current")) else value
                for name, value in found.items()
            }
            store.write(Batch(measurements=[StoredMeasurements(series, past, past + 40, values)]))
    store.write(
        Batch(
            measurements=[
                StoredMeasurements(HOME._replace(device="9010KETU21AW0001"), when, when + 40, HYBRID_MEASURED),
                StoredMeasurements(ROOF._replace(device="MAX0000001"), when, when + 40, twelve),
            ]
        )
    )
    return Scene(now, (AccountStatus(name="home", vendor="goodwe", budget=budget(now)),))


def at_day(moment: float) -> date:
    return datetime.fromtimestamp(moment, ZONE).date()


def night(store) -> Scene:
    now = at(23, 42)
    fill(store, hybrid(now), HOME, "Haus am See", date(2026, 6, 14), now - 120, inverter(Status.STANDBY))
    store.write(polled(HOME, now - 90, 3600))
    return Scene(now, (AccountStatus(name="home", vendor="goodwe", budget=budget(now, 112)),))


def asleep(store) -> Scene:
    now = at(23, 42)
    home = town(now)["growatt", "inverter"][0]
    fill(store, home, ROOF, "Scheune", date(2026, 6, 14), now - 120, [("ABC1234567", None, "inverter", Status.OFFLINE)])
    store.write(polled(ROOF, now - 90, 3600))
    return Scene(now, (AccountStatus(name="barn", vendor="growatt", budget=budget(now, 98)),))


def roof(store) -> Scene:
    now = at(13, 7)
    home = town(now)["growatt", "inverter"][0]
    fill(store, home, ROOF, "Scheune", date(2026, 6, 14), now - 120, [("ABC1234567", None, "inverter", Status.ONLINE)])
    store.write(polled(ROOF, now - 90))
    return Scene(now, (AccountStatus(name="barn", vendor="growatt", budget=budget(now, 98)),))


def stale(store) -> Scene:
    now = at(13, 7)
    fill(store, hybrid(now), HOME, "Haus am See", date(2026, 6, 14), at(9, 20), inverter(Status.FAULT))
    store.write(polled(HOME, now - 90))
    return Scene(now, (AccountStatus(name="home", vendor="goodwe", budget=budget(now)),))


def alarm(store) -> Scene:
    """Full sun on one of two strings: an alarm that no person has answered, and events of the inverter."""
    scene = full_sun(store)
    series, seen = HOME._replace(device=inverter()[0][0]), "String 2 has yielded 31 % of string 1 since Thursday"
    subject, since = AlarmSubject(HOME.vendor, HOME.plant), at(9, 40)
    store_alarms(store, raised("low_yield", at=since, subject=subject, title="Haus am See", seen=seen))
    store.write(
        Batch(
            events=(
                StoredEvent(series, at(8, 10), EventKind.FAULT, "0x0010", since, at(8, 25), "Isolation failure"),
                StoredEvent(series, at(3), EventKind.FIRMWARE, "1.12", since, None, "Firmware 1.12, was 1.11"),
            )
        )
    )
    return scene


def locked_account(store) -> Scene:
    now = at(13, 7)
    fill(store, hybrid(now), HOME, "Haus am See", date(2026, 6, 14), at(12, 25), inverter())
    until = locked(now).until
    reason = f"locked until {until.astimezone(ZONE):%H:%M}"
    store.write(polled(HOME, at(12, 26), reason=reason, next_at=until.timestamp()))
    return Scene(now, (AccountStatus(name="home", vendor="goodwe", budget=budget(now, 180, 4, locked(now))),))


def empty(store) -> Scene:
    return Scene(at(13, 7))


def year(store) -> Scene:
    now = at(23, 55, date(2026, 12, 31))
    fill(store, hybrid(now), HOME, "Haus am See", date(2026, 1, 1), now, inverter())
    store.write(polled(HOME, now - 90))
    return Scene(now, (AccountStatus(name="home", vendor="goodwe", budget=budget(now)),))


_STREETS = ("Am Hang", "Bergstraße", "Deichweg", "Eichenallee", "Gartenweg", "Hofgasse", "Kirchplatz", "Lindenweg")


def fleet(store, many: int = 1000) -> Scene:
    now = at(13, 7)
    homes = town(now)
    kinds = [
        (vendor, own[0].peak_power / 1000, _today(own[0], now))
        for (vendor, _), own in sorted(homes.items())
        if own[0].peak_power
    ]
    samples, known = [], []
    for number in range(many):
        vendor, peak_power, curve = kinds[number % len(kinds)]
        series = Series(vendor, f"{2_100_000 + number * 37}")
        name = f"{_STREETS[number % len(_STREETS)]} {1 + number // len(_STREETS)}"
        size = 0.6 + (number * 7919 % 100) / 125
        account = {"goodwe": "south", "growatt": "north"}[vendor]
        known.append(SeriesInfo(series, name, None, "Europe/Berlin", account, round(peak_power * size, 2)))
        late = {3: 4800, 17: 6 * 3600}.get(number % 41, 60 + number % 240)
        status = Status.FAULT if number % 97 == 5 else Status.ONLINE
        samples += [
            StoredSample(series, moment - late % 300, moment, Quality.LIVE, status, _sized(values, size))
            for moment, values in curve
            if moment <= now - late
        ]
    for start in range(0, len(samples), 5000):
        store.write(Batch(samples=samples[start : start + 5000]))
    polls = [PollStatus(one.series, now - 60, 720, now + 660) for one in known]
    store.write(Batch(series_info=known, polls=polls))
    return Scene(
        now,
        (
            AccountStatus(name="south", vendor="goodwe", budget=budget(now, 96)),
            AccountStatus(name="north", vendor="growatt", budget=budget(now, 151)),
        ),
    )


def _today(home, now: int):
    """Return the half-hourly samples of a home today and the sample of the current step."""
    moments = [*range(day_start(TODAY, ZONE) + 5 * 3600, now, 1800), now - now % STEP]
    return [(moment, home.values(datetime.fromtimestamp(moment, UTC))) for moment in moments]


def _sized(values, size: float):
    return {name: value if name.endswith("soc") else round(value * size, 3) for name, value in values.items()}


SCENES = {
    "full-sun": full_sun,
    "night": night,
    "asleep": asleep,
    "roof": roof,
    "stale": stale,
    "alarm": alarm,
    "locked": locked_account,
    "empty": empty,
    "fleet": fleet,
    "year": year,
    "devices": devices,
    "money": money,
}
