"""What tests of orders share: a device with a cloud before it that does everything wrong on demand, and its clock."""

from __future__ import annotations

from heliograph.errors import RequestRefused, Throttled, Unreachable
from heliograph.model import Device
from heliograph.settings import Journal, Orders
from heliograph.settings.definition import Parameter, Setting, validate

NOW = 1_780_000_000.0
DEVICE = Device(vendor="toy", plant="1", id="DEV1", family="toy")


def percent(name, **more):
    return Parameter(name=name, kind="number", unit="%", low=0, high=100, step=1, **more)


def window(number):
    parts = (
        Parameter(name="mode", kind="choice", choices=("load-first", "battery-first")),
        Parameter(name="start", kind="time"),
        Parameter(name="end", kind="time"),
        Parameter(name="enabled", kind="switch"),
    )
    name = f"time_window_{number}"
    return Setting(name=name, title=name, parameters=parts, group="time_windows", apart="always")


SETTINGS = (
    Setting(name="charge_stop_soc", title="Charge until", parameters=(percent("value"),)),
    Setting(name="charge_power_limit", title="Charge with", parameters=(percent("value"),)),
    Setting(
        name="active_power_rate",
        title="Output power",
        parameters=(percent("value"), Parameter(name="remember", kind="switch", readable=False)),
    ),
    Setting(name="blind", title="Cannot be read", parameters=(percent("value"),), readable=False),
    Setting(
        name="restart",
        title="Done once",
        parameters=(Parameter(name="value", kind="choice", choices=("now",), readable=False),),
        readable=False,
    ),
    Setting(name="clock", title="Clock", parameters=(Parameter(name="value", kind="moment"),)),
    *(window(number) for number in (1, 2, 3)),
    Setting(name="grid_voltage_high", title="Grid", parameters=(percent("value"),), risk="grid-code"),
    Setting(name="reset", title="Reset", parameters=(percent("value"),), risk="dangerous"),
)
FREE = {"mode": "load-first", "start": "00:00", "end": "00:00", "enabled": False}
HAS = {
    "charge_stop_soc": {"value": 100.0},
    "charge_power_limit": {"value": 80.0},
    "active_power_rate": {"value": 100.0, "remember": True},
    "blind": {"value": 5.0},
    "restart": None,
    "clock": {"value": "2026-05-28 12:00:00"},
    "time_window_1": {"mode": "battery-first", "start": "01:00", "end": "05:00", "enabled": True},
    "time_window_2": {"mode": "load-first", "start": "06:00", "end": "09:00", "enabled": False},
    "time_window_3": dict(FREE),
    "grid_voltage_high": {"value": 50.0},
    "reset": {"value": 0.0},
}


class Machine:
    """The clock of the machine, which nobody waits for."""

    def __init__(self):
        self.moment = NOW
        self.before = lambda: None

    def now(self):
        return self.moment

    def sleep(self, seconds):
        self.moment += seconds
        self.before()

    async def pause(self, seconds):
        self.sleep(seconds)


class Toy:
    """A client of one device. `ways` are what becomes of the next orders, in their turn; then all are taken at once."""

    allow_commands = True

    def __init__(self, clock):
        self.clock = clock
        self.has = {name: values and dict(values) for name, values in HAS.items()}
        self.ways = []
        self.unread = []
        self.coming = []
        self.written = []
        self.reads = 0
        self.unheard = 0

    def settings_of(self, device):
        return SETTINGS if device.family == "toy" else ()

    def arrive(self):
        due = [one for one in self.coming if one[0] <= self.clock.now()]
        self.coming = [one for one in self.coming if one[0] > self.clock.now()]
        for _, name, values in due:
            self.has[name] = dict(values)

    def read_settings(self, device):
        self.reads += 1
        self.arrive()
        if self.unread and (error := self.unread.pop(0)):
            raise error
        rows = {one.name: one for one in SETTINGS}
        return {
            name: {one.name: values[one.name] if one.readable else None for one in rows[name].parameters}
            if rows[name].readable and values is not None
            else None
            for name, values in self.has.items()
        }

    def write_setting(self, device, name, values):
        way = self.ways.pop(0) if self.ways else "taken"
        setting = next(one for one in SETTINGS if one.name == name)
        if way == "not connected":
            nobody = Unreachable("no connection")
            nobody.sent = False
            raise nobody
        if way == "throttled":
            raise Throttled("too much")
        self.written.append((name, validate(setting, values)))
        if way in {"taken", "refused but taken", "silence, taken"}:
            self.has[name] = dict(values)
        if way.startswith("late "):
            self.coming.append((self.clock.now() + float(way[5:]), name, values))
        if way == "clamped":
            self.has[name] = {**values, "value": 16.0} if "value" in values else dict(FREE)
        if way.startswith("refused"):
            raise RequestRefused("inv_set_failure")
        if way.startswith("silence"):
            raise Unreachable("no answer in time")


def journal(folder):
    return Journal(folder, "toy-0123")


def desk(toy, folder, *, rest=None, **more):
    return Orders(toy, journal=rest or journal(folder), clock=toy.clock, account="home", program="tests", **more)
