"""A fake client with one device whose cloud fails on demand, and a fake clock, for tests of setting changes."""

from __future__ import annotations

from heliograph.errors import RequestRefused, Throttled, Unreachable
from heliograph.model import Device
from heliograph.settings import Journal, Orders
from heliograph.settings.definition import Parameter, Setting, validate

NOW = 1_780_000_000.0
DEVICE = Device(vendor="toy", plant="1", id="DEV1", family="toy")


def percent(name, **options):
    return Parameter(name=name, kind="number", unit="%", low=0, high=100, step=1, **options)


def window(number):
    parts = (
        Parameter(name="mode", kind="choice", choices=("load-first", "battery-first")),
        Parameter(name="start", kind="time"),
        Parameter(name="end", kind="time"),
        Parameter(name="enabled", kind="switch"),
    )
    name = f"time_window_{number}"
    return Setting(name=name, title=name, parameters=parts, group="time_windows", disjoint="always")


SETTINGS = (
    Setting(name="charge_stop_soc", title="Charge until", parameters=(percent("value"),)),
    Setting(name="charge_power_limit", title="Charge with", parameters=(percent("value"),)),
    Setting(
        name="active_power_rate",
        title="Output power",
        parameters=(percent("value"), Parameter(name="remember", kind="switch", readable=False)),
    ),
    Setting(name="unreadable", title="Not readable", parameters=(percent("value"),), readable=False),
    Setting(
        name="restart",
        title="One-time action",
        parameters=(Parameter(name="value", kind="choice", choices=("now",), readable=False),),
        readable=False,
    ),
    Setting(name="clock", title="Clock", parameters=(Parameter(name="value", kind="moment"),)),
    *(window(number) for number in (1, 2, 3)),
    Setting(name="grid_voltage_high", title="Grid", parameters=(percent("value"),), risk="grid-code"),
    Setting(name="reset", title="Reset", parameters=(percent("value"),), risk="dangerous"),
)
FREE = {"mode": "load-first", "start": "00:00", "end": "00:00", "enabled": False}
INITIAL = {
    "charge_stop_soc": {"value": 100.0},
    "charge_power_limit": {"value": 80.0},
    "active_power_rate": {"value": 100.0, "remember": True},
    "unreadable": {"value": 5.0},
    "restart": None,
    "clock": {"value": "2026-05-28 12:00:00"},
    "time_window_1": {"mode": "battery-first", "start": "01:00", "end": "05:00", "enabled": True},
    "time_window_2": {"mode": "load-first", "start": "06:00", "end": "09:00", "enabled": False},
    "time_window_3": dict(FREE),
    "grid_voltage_high": {"value": 50.0},
    "reset": {"value": 0.0},
}


class FakeClock:
    """A clock that advances by sleeping, without waiting; `on_sleep` is called after each sleep."""

    def __init__(self):
        self.moment = NOW
        self.on_sleep = lambda: None

    def now(self):
        return self.moment

    def sleep(self, seconds):
        self.moment += seconds
        self.on_sleep()

    async def async_sleep(self, seconds):
        self.sleep(seconds)


class FakeClient:
    """A client with one device. `behaviours` apply to the next writes, one each; later writes are applied at once."""

    allow_commands = True

    def __init__(self, clock):
        self.clock = clock
        self.values = {name: values and dict(values) for name, values in INITIAL.items()}
        self.behaviours = []
        self.read_errors = []
        self.delayed = []
        self.written = []
        self.reads = 0

    def settings_of(self, device):
        return SETTINGS if device.family == "toy" else ()

    def arrive(self):
        due = [one for one in self.delayed if one[0] <= self.clock.now()]
        self.delayed = [one for one in self.delayed if one[0] > self.clock.now()]
        for _, name, values in due:
            self.values[name] = dict(values)

    def read_settings(self, device):
        self.reads += 1
        self.arrive()
        if self.read_errors and (error := self.read_errors.pop(0)):
            raise error
        rows = {one.name: one for one in SETTINGS}
        return {
            name: {one.name: values[one.name] if one.readable else None for one in rows[name].parameters}
            if rows[name].readable and values is not None
            else None
            for name, values in self.values.items()
        }

    def write_setting(self, device, name, values):
        behaviour = self.behaviours.pop(0) if self.behaviours else "applied"
        setting = next(one for one in SETTINGS if one.name == name)
        if behaviour == "not connected":
            error = Unreachable("no connection")
            error.sent = False
            raise error
        if behaviour == "throttled":
            raise Throttled("too much")
        self.written.append((name, validate(setting, values)))
        if behaviour in {"applied", "refused but applied", "no response, applied"}:
            self.values[name] = dict(values)
        if behaviour.startswith("late "):
            self.delayed.append((self.clock.now() + float(behaviour[5:]), name, values))
        if behaviour == "clamped":
            self.values[name] = {**values, "value": 16.0} if "value" in values else dict(FREE)
        if behaviour.startswith("refused"):
            raise RequestRefused("inv_set_failure")
        if behaviour.startswith("no response"):
            raise Unreachable("no answer in time")


def make_journal(folder):
    return Journal(folder, "toy-0123")


def make_orders(client, folder, *, journal=None, **options):
    return Orders(
        client,
        journal=journal or make_journal(folder),
        clock=client.clock,
        account="home",
        program="tests",
        **options,
    )
