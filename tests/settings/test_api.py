"""An order's road: what is sent, what is written down before, and what every failure ends as."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from heliograph.errors import ConfigError, InvalidValue, RequestRefused, StoreError, Throttled, Unreachable
from heliograph.settings import AsyncOrders, ChangeState, Journal, OrderKind, Permissions
from support.settings_fakes import DEVICE, FREE, HAS, NOW, SETTINGS, Machine, Toy, desk, journal

HOUR = 3600.0


@pytest.fixture
def toy():
    return Toy(Machine())


@pytest.fixture
def orders(toy, tmp_path):
    return desk(toy, tmp_path)


def later(toy, seconds):
    toy.clock.moment += seconds


def moment(seconds):
    return datetime.fromtimestamp(NOW + seconds, UTC)


def test_a_setting_is_looked_at_sent_once_and_read_back(toy, orders):
    order = orders.set(DEVICE, "charge_stop_soc", 90)
    assert order.state is ChangeState.APPLIED
    assert toy.written == [("charge_stop_soc", {"value": 90.0})]
    assert toy.reads == 2
    (kept,) = orders.log()
    assert (kept.id, kept.state, kept.changes) == (order.id, ChangeState.APPLIED, order.changes)
    (change,) = kept.changes
    assert (change.old, change.new, change.read) == ({"value": 100.0}, {"value": 90.0}, {"value": 90.0})
    assert (kept.account, kept.program, kept.device, kept.kind) == ("home", "tests", "DEV1", OrderKind.SET)


def test_the_awaited_form_goes_the_same_road(toy, tmp_path):
    class Awaited:
        allow_commands = True
        settings_of = staticmethod(toy.settings_of)

        async def read_settings(self, device):
            return toy.read_settings(device)

        async def write_setting(self, device, name, values):
            return toy.write_setting(device, name, values)

    async def ordered():
        async with AsyncOrders(Awaited(), journal=journal(tmp_path), clock=toy.clock) as orders:
            order = await orders.set(DEVICE, "charge_stop_soc", 90)
            back = await orders.undo(DEVICE)
            return order.state, back.state, (await orders.look(DEVICE)).current["charge_stop_soc"]

    assert asyncio.run(ordered()) == ("applied", "applied", {"value": 100.0})


def test_what_the_device_has_already_is_not_sent(toy, orders):
    assert orders.set(DEVICE, "charge_stop_soc", "100") is None
    order = orders.set_all(DEVICE, {"charge_stop_soc": 100, "charge_power_limit": 70})
    assert [change.setting for change in order.changes] == ["charge_power_limit"]
    assert toy.written == [("charge_power_limit", {"value": 70.0})]


def test_parameters_that_are_not_mentioned_stay_as_the_device_has_them(toy, orders):
    orders.set(DEVICE, "time_window_1", {"end": "04:30"})
    assert toy.written == [("time_window_1", {**HAS["time_window_1"], "end": "04:30"})]


def test_everything_is_written_down_before_it_is_sent(toy, tmp_path):
    told = []
    rest = journal(tmp_path)
    send = toy.write_setting

    def sent(device, name, values):
        told.append([json.loads(line)["event"] for line in rest.path.read_text().splitlines()])
        send(device, name, values)

    toy.write_setting = sent
    desk(toy, tmp_path).set_all(DEVICE, {"charge_stop_soc": 90, "charge_power_limit": 70})
    assert told == [["ordered", "sending"], ["ordered", "sending", "answered", "sending"]]


def test_every_line_is_on_the_disk_before_anything_is_sent(toy, orders, monkeypatch):
    flushed, at_sending = [], []
    flush, send = os.fsync, toy.write_setting
    monkeypatch.setattr(os, "fsync", lambda handle: (flushed.append(handle), flush(handle)))
    monkeypatch.setattr(toy, "write_setting", lambda *order: (at_sending.append(len(flushed)), send(*order)))
    orders.set(DEVICE, "charge_stop_soc", 90)
    lines = len(orders.journal.path.read_text().splitlines())
    assert (at_sending, len(flushed), lines) == ([3], 5, 4), "ordered and its folder, sending; answered, ended"


def test_what_cannot_be_written_down_is_not_sent(toy, tmp_path):
    place = tmp_path / "elsewhere"
    place.write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="Nothing is sent that cannot be written down"):
        desk(toy, place).set(DEVICE, "charge_stop_soc", 90)
    assert toy.written == []


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize(
    ("lines", "states"),
    [(2, ["unknown", "unsent"]), (3, ["unknown", "unsent"]), (4, ["unknown", "unknown"]), (5, ["applied", "unknown"])],
)
def test_a_disk_that_fills_after_something_was_sent_is_no_reason_to_say_that_nothing_was(
    lines, states, toy, orders, monkeypatch
):
    written = orders.journal._append
    left = iter(range(lines))

    def full(line):
        if next(left, None) is None:
            raise OSError(28, "No space left on device")
        written(line)

    monkeypatch.setattr(orders.journal, "_append", full)
    order = orders.set_all(DEVICE, {"charge_stop_soc": 90, "charge_power_limit": 70})
    assert [str(one.state) for one in order.changes] == states
    assert len(toy.written) == 2 - states.count("unsent")
    monkeypatch.setattr(orders.journal, "_append", written)
    orders.look(DEVICE)
    last = orders.log()[-1]
    assert [one.state for one in last.changes] == ["applied" if one != "unsent" else "unsent" for one in states]


def test_the_journal_is_its_owners_alone(orders):
    orders.set(DEVICE, "charge_stop_soc", 90)
    assert [path.stat().st_mode & 0o777 for path in orders.journal.folder.iterdir()] == [0o600] * 3


def test_a_journal_that_is_a_link_is_not_written_to(toy, tmp_path):
    (tmp_path / "toy-0123.jsonl").symlink_to(tmp_path / "victim")
    with pytest.raises(StoreError):
        desk(toy, tmp_path).set(DEVICE, "charge_stop_soc", 90)
    assert not (tmp_path / "victim").exists()
    assert toy.written == []


@pytest.mark.parametrize(
    ("ways", "state", "why"),
    [
        (["taken"], "applied", ""),
        (["late 50"], "applied", ""),
        (["late 900"], "pending", "the cloud took it"),
        (["never"], "pending", "the cloud took it"),
        (["clamped"], "unknown", "neither"),
        (["refused"], "refused", "inv_set_failure"),
        (["refused but taken"], "applied", "the cloud said no"),
        (["silence, taken"], "applied", ""),
        (["silence, lost"], "unknown", "not known whether the cloud heard it"),
        (["not connected"], "refused", "no connection"),
        (["throttled"], "refused", "too much"),
    ],
)
def test_each_failure_ends_in_its_state(ways, state, why, toy, orders):
    toy.ways = list(ways)
    order = orders.set(DEVICE, "charge_stop_soc", 90)
    assert order.state == state
    assert why in order.changes[0].why
    assert orders.log()[0].state == state
    assert len(toy.written) == (0 if ways[0] in {"not connected", "throttled"} else 1)


@pytest.mark.parametrize(
    ("way", "then"),
    [("late 900", "applied"), ("never", "refused"), ("silence, lost", "refused"), ("clamped", "unknown")],
)
def test_what_was_open_is_judged_at_the_next_look_and_never_sent_again(way, then, toy, orders):
    toy.ways = [way]
    orders.set(DEVICE, "charge_stop_soc", 90)
    assert len(orders.look(DEVICE).open) == 1
    later(toy, HOUR)
    assert orders.look(DEVICE).open == ()
    assert orders.log()[0].state == then
    assert len(toy.written) == 1


def test_what_was_given_up_for_lost_may_come_late(toy, orders):
    toy.ways = ["late 7200"]
    orders.set(DEVICE, "charge_stop_soc", 90)
    later(toy, HOUR)
    orders.look(DEVICE)
    assert orders.log()[0].state is ChangeState.REFUSED
    later(toy, 2 * HOUR)
    orders.look(DEVICE)
    assert orders.log()[0].state is ChangeState.APPLIED


def test_a_setting_that_cannot_be_read_back_is_unknown_and_is_not_asked_for_again(toy, orders):
    order = orders.set(DEVICE, "blind", 7)
    assert (order.state, order.open, toy.reads) == (ChangeState.UNKNOWN, False, 1)
    assert "cannot be read back" in order.changes[0].why
    assert orders.set(DEVICE, "blind", 9).changes[0].old == {"value": 7.0}
    assert orders.undo(DEVICE).changes[0].new == {"value": 7.0}
    with pytest.raises(ConfigError, match="is not known"):
        orders.undo(DEVICE)


def test_a_device_that_tells_nothing_is_not_waited_for(toy, orders):
    toy.has["charge_stop_soc"] = None
    toy.ways = ["deaf"]
    before = toy.clock.now()
    order = orders.set(DEVICE, "charge_stop_soc", 90)
    assert (order.state, toy.clock.now() - before) == (ChangeState.PENDING, 4.0)


def test_a_sequence_that_stops_half_way_names_what_was_not_sent(toy, orders):
    toy.ways = ["taken", "refused"]
    wanted = {"charge_stop_soc": 90, "charge_power_limit": 70, "time_window_3": {**FREE, "end": "00:30"}}
    order = orders.set_all(DEVICE, wanted)
    assert [(change.setting, str(change.state)) for change in order.changes] == [
        ("charge_stop_soc", "applied"),
        ("charge_power_limit", "refused"),
        ("time_window_3", "unsent"),
    ]
    assert (order.state, order.partial) == (ChangeState.REFUSED, True)
    again = orders.set_all(DEVICE, wanted)
    assert [change.setting for change in again.changes] == ["charge_power_limit", "time_window_3"]


def test_windows_that_change_places_make_room_for_each_other(toy, orders):
    one, two = HAS["time_window_1"], HAS["time_window_2"]
    order = orders.set_all(DEVICE, {"time_window_1": two, "time_window_2": one})
    assert [change.setting for change in order.changes] == ["time_window_2", "time_window_1", "time_window_2"]
    assert order.state is ChangeState.APPLIED
    assert (toy.has["time_window_1"], toy.has["time_window_2"]) == (two, one)
    back = orders.undo(DEVICE)
    assert back.state is ChangeState.APPLIED
    assert (toy.has["time_window_1"], toy.has["time_window_2"]) == (one, two)


def test_windows_that_would_overlap_are_refused_before_anything_is_sent(toy, orders):
    with pytest.raises(InvalidValue, match="overlaps"):
        orders.set(DEVICE, "time_window_3", {"start": "04:00", "end": "05:30"})
    assert toy.written == []


def test_a_clock_goes_on_between_being_set_and_being_read(toy, orders):
    assert orders.set(DEVICE, "clock", "2026-05-28 12:00:00").state is ChangeState.APPLIED
    toy.has["clock"] = {"value": "2026-05-28 15:00:00"}
    assert orders.look(DEVICE).foreign == ()


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"charge_stop_soc": 101}, "0 to 100"),
        ({"charge_stop_so": 50}, r"'charge_stop_so'\. Did you mean charge_stop_soc\? It has"),
        ({"charge_stop_soc": []}, "0 to 100"),
        ({"charge_stop_soc": [90]}, "0 to 100"),
        ({"elephant": 50}, r"'elephant'\. It has"),
        ({"time_window_1": 5}, "time_window_1.mode"),
        ({"time_window_1": {"colour": 5}}, "colour"),
        ({"reset": 1}, "reset can damage the device .* never writes it"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_is_sent(wanted, words, toy, orders):
    with pytest.raises(ConfigError, match=words):
        orders.set_all(DEVICE, wanted)
    assert toy.written == []
    assert orders.log() == ()


def test_only_what_is_allowed_is_written(toy, tmp_path):
    for rights in ({"writes": ()}, {"writes": ("charge_power_limit",)}):
        with pytest.raises(ConfigError, match="may not write charge_stop_soc"):
            desk(toy, tmp_path, **rights).set(DEVICE, "charge_stop_soc", 90)
    with pytest.raises(ConfigError, match="grid_code = true"):
        desk(toy, tmp_path).set(DEVICE, "grid_voltage_high", 60)
    with pytest.raises(ConfigError, match="Heliograph never writes it"):
        Permissions(writes=True, grid_code=True).check(one for one in SETTINGS if one.risk == "dangerous")
    assert toy.written == []
    assert desk(toy, tmp_path, writes=("charge_stop_soc",)).set(DEVICE, "charge_stop_soc", 90).state == "applied"
    assert desk(toy, tmp_path, grid_code=True).set(DEVICE, "grid_voltage_high", 60).state == "applied"


def test_a_client_that_sends_no_orders_looks_and_plans_and_writes_nothing_down(toy, tmp_path):
    first = desk(toy, tmp_path).set(DEVICE, "charge_stop_soc", 90)
    toy.allow_commands = False
    orders = desk(toy, tmp_path)
    before = orders.journal.path.read_bytes()
    assert orders.flow(DEVICE, {"charge_stop_soc": 80}).steps
    for order in (
        lambda: orders.set(DEVICE, "charge_stop_soc", 80),
        lambda: orders.undo(order=first.id),
        lambda: orders.curtail(DEVICE, {"charge_power_limit": 50}, moment(600)),
    ):
        with pytest.raises(ConfigError, match="client that only reads; make it with allow_commands=True"):
            order()
    assert orders.journal.path.read_bytes() == before
    assert not orders.journal.marker.exists()
    assert len(toy.written) == 1


def test_a_device_is_written_so_often_a_day_and_no_oftener(toy, tmp_path):
    orders = desk(toy, tmp_path, writes_per_day=3)
    for value in (90, 80, 70):
        orders.set(DEVICE, "charge_stop_soc", value)
    with pytest.raises(Throttled, match="3 are allowed") as caught:
        orders.set(DEVICE, "charge_stop_soc", 60)
    assert len(toy.written) == 3
    later(toy, caught.value.retry_after + 1)
    assert orders.set(DEVICE, "charge_stop_soc", 60).state is ChangeState.APPLIED


def test_a_clock_is_not_set_back_to_a_moment_that_is_over(toy, orders):
    plan = orders.flow(DEVICE, {"clock": "2026-05-28 12:30:00"})
    assert "clock could not be undone" in plan.notes[0]
    orders.execute(plan)
    later(toy, 7200)
    with pytest.raises(ConfigError, match="clock: it goes on, and what it was before is wrong"):
        orders.undo(DEVICE)
    assert len(toy.written) == 1


def test_what_was_turned_away_wears_nothing(toy, tmp_path):
    orders = desk(toy, tmp_path, writes_per_day=1)
    toy.ways = ["throttled"] * 3
    for _ in range(3):
        assert orders.set(DEVICE, "charge_stop_soc", 90).state is ChangeState.REFUSED
    assert orders.set(DEVICE, "charge_stop_soc", 90).state is ChangeState.APPLIED


def test_an_order_is_taken_back_once_and_the_one_before_it_next(toy, orders):
    orders.set(DEVICE, "charge_stop_soc", 90)
    last = orders.set(DEVICE, "charge_stop_soc", 80)
    undone = orders.undo(DEVICE)
    assert (undone.kind, undone.undoes, toy.has["charge_stop_soc"]) == (OrderKind.UNDO, last.id, {"value": 90.0})
    orders.undo(DEVICE)
    assert toy.has["charge_stop_soc"] == {"value": 100.0}
    with pytest.raises(ConfigError, match="no order to take back"):
        orders.undo(DEVICE)


def test_an_order_that_cannot_be_taken_back_names_those_that_can_and_takes_none_of_them_back_by_itself(toy, orders):
    first = orders.set(DEVICE, "charge_stop_soc", 90)
    second = orders.set(DEVICE, "charge_power_limit", 70)
    blind = orders.set(DEVICE, "blind", 7)
    once = [orders.set(DEVICE, "restart", "now") for _ in range(2)][-1]
    sent = len(toy.written)
    can = rf"undo {second.id}: {second.id} \(charge_power_limit\), {first.id} \(charge_stop_soc\)"
    with pytest.raises(ConfigError, match=rf"order {once.id} cannot .* restart: it is done once, .* {can}$"):
        orders.undo(DEVICE)
    with pytest.raises(
        ConfigError, match=rf"order {blind.id} cannot .* blind: what it was before is not known.* {can}$"
    ):
        orders.undo(order=blind.id)
    assert len(toy.written) == sent
    plan = orders.plan_undo(order=second.id)
    assert [f"order {one} is passed over and stays" in "".join(plan.notes) for one in (blind.id, once.id)] == [True] * 2
    assert orders.execute(plan).state is ChangeState.APPLIED
    assert toy.written[sent:] == [("charge_power_limit", {"value": 80.0})]


def test_where_no_order_can_be_taken_back_it_is_said_what_to_do(toy, orders):
    orders.set(DEVICE, "restart", "now")
    assert "restart could not be undone: it is done once" in orders.flow(DEVICE, {"restart": "now"}).notes[0]
    with pytest.raises(ConfigError, match="Nor can any other order to it: set what you want instead"):
        orders.undo(DEVICE)
    with pytest.raises(ConfigError, match="could not be restored: restart"):
        orders.curtail(DEVICE, {"restart": "now"}, moment(600))


def test_somebody_else_who_writes_is_noticed(toy, orders):
    order = orders.set(DEVICE, "charge_stop_soc", 90)
    toy.has["charge_stop_soc"] = {"value": 33.0}
    (found,) = orders.look(DEVICE).foreign
    assert (found.setting, found.order, found.found) == ("charge_stop_soc", order.id, {"value": 33.0})
    plan = orders.plan_undo(DEVICE)
    assert "has been changed again" in plan.notes[0]
    assert orders.execute(plan).changes[0].old == {"value": 33.0}


def test_what_is_still_on_its_way_to_a_device_is_overtaken_and_not_taken_for_done(toy, orders):
    toy.ways = ["late 900"]
    order = orders.set(DEVICE, "charge_stop_soc", 90)
    assert (order.state, toy.has["charge_stop_soc"]) == (ChangeState.PENDING, {"value": 100.0})
    plan = orders.plan_undo(DEVICE)
    assert [step.new for step in plan.steps] == [{"value": 100.0}]
    assert not plan.notes
    assert [step.new for step in orders.flow(DEVICE, {"charge_stop_soc": 100}).steps] == [{"value": 100.0}]
    assert orders.execute(plan).state is ChangeState.APPLIED
    assert [values["value"] for _, values in toy.written] == [90.0, 100.0]
    assert orders.set(DEVICE, "charge_stop_soc", 100) is None


def test_a_plan_that_was_overtaken_is_not_carried_out(toy, orders, tmp_path):
    plan = orders.flow(DEVICE, {"charge_stop_soc": 90})
    desk(toy, tmp_path).set(DEVICE, "charge_stop_soc", 50)
    with pytest.raises(RequestRefused, match="changed by somebody else"):
        orders.execute(plan)
    slow = orders.flow(DEVICE, {"charge_stop_soc": 90})
    later(toy, HOUR)
    toy.has["charge_stop_soc"] = {"value": 20.0}
    with pytest.raises(RequestRefused, match="changed by somebody else"):
        orders.execute(slow)
    assert [value["value"] for _, value in toy.written] == [50.0]


def test_a_second_order_waits_for_the_first_and_sees_its_result(toy, tmp_path):
    first = desk(toy, tmp_path)
    steps = first._set(DEVICE, {"charge_stop_soc": 90})
    step = steps.send(None)
    while type(step).__name__ != "Write":
        step = steps.send(first._do(step))
    with pytest.raises(Throttled, match="another program has been ordering"):
        desk(toy, tmp_path, patience=2).set(DEVICE, "charge_stop_soc", 50)

    def finished():
        nonlocal step
        toy.clock.before = lambda: None
        try:
            while True:
                step = steps.send(first._do(step))
        except StopIteration:
            return

    toy.clock.before = finished
    second = desk(toy, tmp_path).set(DEVICE, "charge_stop_soc", 50)
    assert second.changes[0].old == {"value": 90.0}
    assert [order.state for order in first.log()] == ["applied", "applied"]


def test_reads_that_fail_do_not_end_the_waiting(toy, orders):
    toy.unread = [None, Unreachable("no answer"), Unreachable("no answer")]
    assert orders.set(DEVICE, "charge_stop_soc", 90).state is ChangeState.APPLIED
    toy.unread = [None, Throttled("slow down")]
    assert orders.set(DEVICE, "charge_stop_soc", 80).state is ChangeState.PENDING
    assert orders.look(DEVICE).open == ()
    assert orders.log()[-1].state is ChangeState.APPLIED


def test_a_curtailment_ends_with_the_old_value(toy, orders):
    wanted = {"active_power_rate": {"value": 50, "remember": False}}
    order = orders.curtail(DEVICE, wanted, moment(HOUR))
    assert order.state is ChangeState.APPLIED
    assert orders.journal.marker.exists()
    assert (orders.curtailments()[0].id, orders.due()) == (order.id, ())
    with pytest.raises(ConfigError, match="curtailed already"):
        orders.curtail(DEVICE, wanted, moment(HOUR))
    later(toy, HOUR)
    (due,) = orders.due()
    assert orders.restore(due).state is ChangeState.APPLIED
    assert toy.has["active_power_rate"]["value"] == 100.0
    assert (orders.curtailments(), orders.due(), orders.journal.marker.exists()) == ((), (), False)


def test_a_curtailment_that_may_still_be_on_its_way_is_ended_by_an_order_all_the_same(toy, orders):
    toy.ways = ["late 3000"]
    orders.curtail(DEVICE, {"charge_power_limit": 10}, moment(600))
    later(toy, 600)
    orders.restore(orders.due()[0])
    assert toy.written[1:] == [("charge_power_limit", {"value": 80.0})]


def test_what_somebody_else_has_set_during_a_curtailment_is_left_to_them(toy, orders):
    orders.curtail(DEVICE, {"charge_power_limit": 10}, moment(600))
    toy.has["charge_power_limit"] = {"value": 55.0}
    later(toy, 600)
    assert orders.restore(orders.due()[0]) is None
    assert (orders.curtailments(), toy.has["charge_power_limit"]) == ((), {"value": 55.0})
    assert "left to it" in orders.log()[0].released


def test_an_order_that_ends_the_restoring_of_a_curtailment_says_so_and_is_not_overwritten(toy, orders):
    toy.ways = ["late 700"]
    limit = orders.curtail(DEVICE, {"charge_power_limit": 10}, moment(600))
    later(toy, 60)
    assert orders.flow(DEVICE, {"charge_stop_soc": 90}).notes == ()
    plan = orders.flow(DEVICE, {"charge_power_limit": 40})
    (note,) = plan.notes
    assert f"charge_power_limit is curtailed by order {limit.id}; after this it is not restored" in note
    assert f"heliograph settings undo {limit.id}" in note
    assert orders.execute(plan).state is ChangeState.APPLIED
    assert orders.flow(DEVICE, {"charge_power_limit": 30}).notes == ()
    later(toy, 600)
    assert [orders.restore(one) for one in orders.due()] == [None]
    assert toy.written[-1] == ("charge_power_limit", {"value": 40.0})
    assert orders.curtailments() == ()


@pytest.mark.parametrize("way", ["deaf", "refused", "silence"])
def test_an_order_that_a_device_never_took_ends_no_restoring(way, toy, orders):
    orders.curtail(DEVICE, {"charge_power_limit": 10}, moment(2 * HOUR))
    toy.ways = [way]
    orders.set(DEVICE, "charge_power_limit", 40)
    later(toy, HOUR)
    orders.look(DEVICE)
    assert orders.flow(DEVICE, {"charge_power_limit": 40}).notes
    later(toy, HOUR)
    assert [orders.restore(one).state for one in orders.due()] == [ChangeState.APPLIED]
    assert toy.has["charge_power_limit"] == {"value": 80.0}


def test_taking_a_curtailment_back_needs_no_word_about_its_end(toy, orders):
    order = orders.curtail(DEVICE, {"charge_power_limit": 10}, moment(600))
    assert orders.plan_undo(order=order.id).notes == ()


def test_a_curtailment_that_cannot_be_ended_stays_open_and_is_tried_again_ever_more_rarely(toy, orders):
    orders.curtail(DEVICE, {"charge_power_limit": 10}, moment(600))
    later(toy, 600)
    for wait in (120, 240):
        (due,) = orders.due()
        toy.ways = ["refused"]
        assert orders.restore(due).state is ChangeState.REFUSED
        assert orders.due() == ()
        later(toy, wait)
    orders.restore(orders.due()[0])
    assert (toy.has["charge_power_limit"], orders.curtailments()) == ({"value": 80.0}, ())


def test_a_curtailment_that_was_refused_is_not_open(toy, orders):
    toy.ways = ["refused"]
    orders.curtail(DEVICE, {"charge_power_limit": 10}, moment(600))
    assert (orders.curtailments(), orders.journal.marker.exists()) == ((), False)


def test_taking_a_curtailment_back_ends_it(toy, orders):
    orders.curtail(DEVICE, {"charge_power_limit": 10}, moment(600))
    orders.undo(DEVICE)
    assert (orders.curtailments(), toy.has["charge_power_limit"]) == ((), {"value": 80.0})


def test_what_could_not_be_restored_is_not_curtailed(toy, orders, tmp_path):
    with pytest.raises(ConfigError, match="it could not be restored: blind could not be undone"):
        orders.curtail(DEVICE, {"blind": 1}, moment(600))
    with pytest.raises(ConfigError, match="an end that is still to come"):
        orders.curtail(DEVICE, {"charge_power_limit": 10}, moment(-1))
    with pytest.raises(Throttled):
        desk(toy, tmp_path, writes_per_day=1).curtail(DEVICE, {"charge_power_limit": 10}, moment(600))
    assert toy.written == []


def test_what_a_dying_program_left_of_a_line_swallows_nothing(orders):
    orders.set(DEVICE, "charge_stop_soc", 90)
    with orders.journal.path.open("a") as file:
        file.write('{"v":1,"order":"abc')
    orders.set(DEVICE, "charge_stop_soc", 80)
    book = orders.journal.read()
    assert ([str(order.state) for order in book.orders.values()], book.unreadable_lines) == (["applied", "applied"], 1)


def test_a_curtailment_whose_first_line_is_damaged_is_named_and_not_taken_for_over(orders):
    order = orders.curtail(DEVICE, {"charge_power_limit": 10}, moment(600))
    first, *rest = orders.journal.path.read_text().splitlines(keepends=True)
    orders.journal.path.write_text(first[: len(first) // 2] + "\n" + "".join(rest))
    assert orders.journal.read().lost == {order.id}
    orders.set(DEVICE, "charge_stop_soc", 90)
    assert orders.journal.marker.exists()


def test_a_journal_of_another_version_is_not_written_to(toy, tmp_path):
    journal(tmp_path).path.write_text('{"v":2,"order":"abc","event":"ordered"}\n')
    with pytest.raises(StoreError, match="another version"):
        desk(toy, tmp_path).set(DEVICE, "charge_stop_soc", 90)
    assert toy.written == []


def test_a_mistake_in_the_client_leaves_the_order_open_and_the_next_look_judges_it(toy, tmp_path):
    orders = desk(toy, tmp_path)
    toy.write_setting = lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        orders.set(DEVICE, "charge_stop_soc", 90)
    assert orders.log()[0].state is ChangeState.SENT
    later(toy, timedelta(hours=1).total_seconds())
    orders.look(DEVICE)
    assert orders.log()[0].state is ChangeState.REFUSED


def test_the_same_device_of_two_accounts_has_two_journals(toy, tmp_path):
    desk(toy, tmp_path).set(DEVICE, "charge_stop_soc", 90)
    other = desk(toy, tmp_path, rest=Journal(tmp_path, "toy-4567"))
    assert other.log() == ()
