"""`Orders` in real processes that are killed at every step, and in two processes at the same time."""

from __future__ import annotations

import json
import os
import re
import signal

import pytest

from heliograph.emulator.server import serve_in_thread
from heliograph.errors import Throttled
from heliograph.model import Device
from heliograph.settings import ChangeState, Clock, Orders
from heliograph.vendors.growatt import Growatt
from support.growatt_emulator import NOON, EmulatedCloud
from support.paths import DOCS
from support.subprocesses import python

PROGRAM = """
import json, os, signal, sys
from heliograph.model import Device
from heliograph.settings import Clock, Orders
from heliograph.vendors.growatt import Growatt

arguments = json.loads(sys.argv[1])

class WaitingClock(Clock):
    def sleep(self, seconds):
        print("waits", flush=True)
        if sys.stdin.readline() == "die\\n":
            os.kill(os.getpid(), signal.SIGKILL)

class DyingOrders(Orders):
    def _perform(self, instruction):
        arguments["steps"] -= 1
        if arguments["steps"] == 0 and arguments["how"] == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = super()._perform(instruction)
        if arguments["steps"] == 0 and arguments["how"] == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

client = Growatt(arguments["username"], arguments["password"], server=arguments["server"], allow_commands=True)
orders = DyingOrders(client, clock=WaitingClock())
order = orders.set_all(Device(**arguments["device"]), arguments["wanted"])
print(order.state, flush=True)
"""
WANTED = {"charge_stop_soc": 91, "discharge_power_limit": 77}


class DeviceFixture:
    def __init__(self, box, server):
        self.box, self.server = box, server
        plant = box.plants["tlx-battery"]
        self.device = Device(vendor="growatt", plant=plant.id, id=plant.devices[0], family="tlx")
        self.account = {"username": box.holder.username, "password": box.holder.password, "server": server}

    def program(self, steps=0, how="", wanted=WANTED):
        device = {name: getattr(self.device, name) for name in ("vendor", "plant", "id", "family")}
        return python(
            PROGRAM, json.dumps({**self.account, "device": device, "wanted": wanted, "steps": steps, "how": how})
        )

    def orders(self, ahead=0.0, **more):
        account = self.account
        client = Growatt(account["username"], account["password"], server=account["server"], allow_commands=True)

        class ShiftedClock(Clock):
            def now(self):
                return super().now() + ahead

            def sleep(self, seconds):
                """Return at once."""

        return Orders(client, clock=ShiftedClock(), **more)

    @property
    def written(self):
        return self.box.plants["tlx-battery"].settings.get("tlx", {})


@pytest.fixture
def house():
    box = EmulatedCloud(NOON)
    with serve_in_thread(box.emulator) as ready:
        yield DeviceFixture(box, ready["growatt"])


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
@pytest.mark.parametrize(("steps", "how"), [(n, how) for n in (1, 2, 3, 4, 5) for how in ("before", "after")][:-1])
def test_killed_program_leaves_an_order_that_is_reconciled(steps, how, fixture):
    """The steps are: read, write, write, pause, read."""
    program = fixture.program(steps, how)
    program.communicate(b"\n" * 9, timeout=60)
    assert program.returncode == -signal.SIGKILL
    sent = dict(fixture.written)
    applied = {name: name in sent for name in ("charge_stop_soc", "discharge_power")}
    orders = fixture.orders(ahead=3600.0)
    assert orders.look(fixture.device).open_orders == ()
    assert fixture.written == sent
    if steps == 1:
        assert orders.log() == ()
        return
    (order,) = orders.log()
    states = [change.state for change in order.changes]
    first = ChangeState.APPLIED if applied["charge_stop_soc"] else ChangeState.REFUSED
    second = (
        ChangeState.APPLIED if applied["discharge_power"] else ChangeState.UNSENT if steps == 2 else ChangeState.REFUSED
    )
    assert states == [first, second]
    # The same intent again sends what is left of it, and only that.
    again = orders.set_all(fixture.device, WANTED)
    missing = [name for name, is_applied in zip(WANTED, applied.values(), strict=True) if not is_applied]
    assert [change.setting for change in (again.changes if again else [])] == missing
    assert (fixture.written["charge_stop_soc"], fixture.written["discharge_power"]) == ("91", "77")


def test_two_programs_change_a_device_one_after_the_other(fixture):
    fixture.box.fault(sluggish="1")
    first = fixture.program(wanted={"charge_stop_soc": 91})
    try:
        assert first.stdout.readline() == b"waits\n"
        with pytest.raises(Throttled, match="another program has been changing"):
            fixture.orders(lock_timeout=1.0).set(fixture.device, "charge_stop_soc", 70)
        fixture.box.wait(minutes=10)
        out, _ = first.communicate(b"\n", timeout=60)
        assert out == b"applied\n"
    finally:
        first.kill()
        first.communicate()
    fixture.box.fault(sluggish=None)
    order = fixture.orders().set(fixture.device, "charge_stop_soc", 70)
    assert order.changes[0].old == {"value": 91.0}
    assert [one.state for one in fixture.orders().log()] == ["applied", "applied"]


def test_documentation_example_runs(fixture, capsys):
    page = (DOCS / "orders.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    known = fixture.account
    account = f'"{known["username"]}", "{known["password"]}", server="{known["server"]}"'
    example = example.replace('"me", "secret"', account).replace("1234567", fixture.device.plant)
    space = {}
    exec(compile(example, "docs/orders.md", "exec"), space)
    assert capsys.readouterr().out.count("'applied'") == 4


def test_device_lock_of_a_killed_program_is_released(fixture):
    first = fixture.program(wanted={"charge_stop_soc": 91})
    assert first.stdout.readline() == b"waits\n"
    first.communicate(b"die\n", timeout=60)
    order = fixture.orders(lock_timeout=0.0).set(fixture.device, "charge_stop_soc", 70)
    assert (order.changes[0].old, order.state) == ({"value": 91.0}, "applied")
    assert [one.state for one in fixture.orders().log()] == ["applied", "applied"]
