"""Orders of real programs, which are killed at every step, and of two at once."""

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

told = json.loads(sys.argv[1])

class Waiting(Clock):
    def sleep(self, seconds):
        print("waits", flush=True)
        if sys.stdin.readline() == "die\\n":
            os.kill(os.getpid(), signal.SIGKILL)

class Dying(Orders):
    def _do(self, step):
        told["steps"] -= 1
        if told["steps"] == 0 and told["how"] == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = super()._do(step)
        if told["steps"] == 0 and told["how"] == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

client = Growatt(told["username"], told["password"], server=told["server"], allow_commands=True)
orders = Dying(client, clock=Waiting())
order = orders.set_all(Device(**told["device"]), told["wanted"])
print(order.state, flush=True)
"""
WANTED = {"charge_stop_soc": 91, "discharge_power_limit": 77}


class House:
    def __init__(self, box, server):
        self.box, self.server = box, server
        site = box.plants["tlx-battery"]
        self.device = Device(vendor="growatt", plant=site.id, id=site.devices[0], family="tlx")
        self.who = {"username": box.holder.username, "password": box.holder.password, "server": server}

    def program(self, steps=0, how="", wanted=WANTED):
        device = {name: getattr(self.device, name) for name in ("vendor", "plant", "id", "family")}
        return python(PROGRAM, json.dumps({**self.who, "device": device, "wanted": wanted, "steps": steps, "how": how}))

    def orders(self, ahead=0.0, **more):
        who = self.who
        client = Growatt(who["username"], who["password"], server=who["server"], allow_commands=True)

        class Ahead(Clock):
            def now(self):
                return super().now() + ahead

            def sleep(self, seconds):
                """Nobody waits in a test."""

        return Orders(client, clock=Ahead(), **more)

    @property
    def has(self):
        return self.box.plants["tlx-battery"].settings.get("tlx", {})


@pytest.fixture
def house():
    box = EmulatedCloud(NOON)
    with serve_in_thread(box.emulator) as ready:
        yield House(box, ready["growatt"])


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
@pytest.mark.parametrize(("steps", "how"), [(n, how) for n in (1, 2, 3, 4, 5) for how in ("before", "after")][:-1])
def test_a_program_that_is_killed_at_any_step_leaves_nothing_unknown(steps, how, house):
    """The steps are: read, write, write, pause, read."""
    program = house.program(steps, how)
    program.communicate(b"\n" * 9, timeout=60)
    assert program.returncode == -signal.SIGKILL
    sent = dict(house.has)
    taken = {name: name in sent for name in ("charge_stop_soc", "discharge_power")}
    orders = house.orders(ahead=3600.0)
    assert orders.look(house.device).open == ()
    assert house.has == sent
    if steps == 1:
        assert orders.log() == ()
        return
    (order,) = orders.log()
    states = [change.state for change in order.changes]
    first = ChangeState.APPLIED if taken["charge_stop_soc"] else ChangeState.REFUSED
    second = (
        ChangeState.APPLIED if taken["discharge_power"] else ChangeState.UNSENT if steps == 2 else ChangeState.REFUSED
    )
    assert states == [first, second]
    # The same intent again sends what is left of it, and only that.
    again = orders.set_all(house.device, WANTED)
    left = [name for name, there in zip(WANTED, taken.values(), strict=True) if not there]
    assert [change.setting for change in (again.changes if again else [])] == left
    assert (house.has["charge_stop_soc"], house.has["discharge_power"]) == ("91", "77")


def test_two_programs_order_one_after_the_other_and_the_second_sees_the_firsts_result(house):
    house.box.fault(sluggish="1")
    first = house.program(wanted={"charge_stop_soc": 91})
    try:
        assert first.stdout.readline() == b"waits\n"
        with pytest.raises(Throttled, match="another program has been ordering"):
            house.orders(patience=1.0).set(house.device, "charge_stop_soc", 70)
        house.box.wait(minutes=10)
        out, _ = first.communicate(b"\n", timeout=60)
        assert out == b"applied\n"
    finally:
        first.kill()
        first.communicate()
    house.box.fault(sluggish=None)
    order = house.orders().set(house.device, "charge_stop_soc", 70)
    assert order.changes[0].old == {"value": 91.0}
    assert [one.state for one in house.orders().log()] == ["applied", "applied"]


def test_the_example_of_the_page_runs(house, capsys):
    page = (DOCS / "orders.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    who = house.who
    account = f'"{who["username"]}", "{who["password"]}", server="{who["server"]}"'
    example = example.replace('"me", "secret"', account).replace("1234567", house.device.plant)
    space = {}
    exec(compile(example, "docs/orders.md", "exec"), space)
    assert capsys.readouterr().out.count("'applied'") == 4


def test_the_turn_of_a_killed_program_is_free_at_once(house):
    first = house.program(wanted={"charge_stop_soc": 91})
    assert first.stdout.readline() == b"waits\n"
    first.communicate(b"die\n", timeout=60)
    order = house.orders(patience=0.0).set(house.device, "charge_stop_soc", 70)
    assert (order.changes[0].old, order.state) == ({"value": 91.0}, "applied")
    assert [one.state for one in house.orders().log()] == ["applied", "applied"]
