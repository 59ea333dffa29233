"""`Orders` and `AsyncOrders`: the requests sent, the journal written before them, and the outcome of each failure."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import pydoc
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import pytest

from heliograph.errors import ConfigError, InvalidValue, RequestRefused, StoreError, Throttled, Unreachable
from heliograph.settings import AsyncOrders, ChangeState, Journal, OrderKind, Orders, Permissions, schedule
from heliograph.settings.api import BaseOrders
from support.paths import ROOT
from support.settings_fakes import (
    DEVICE,
    FREE,
    INITIAL,
    NOW,
    SETTINGS,
    FakeClient,
    FakeClock,
    make_journal,
    make_orders,
)

HOUR = 3600.0


@pytest.fixture
def client():
    return FakeClient(FakeClock())


@pytest.fixture
def orders(client, tmp_path):
    return make_orders(client, tmp_path)


def advance(client, seconds):
    client.clock.moment += seconds


def time_after(seconds):
    return datetime.fromtimestamp(NOW + seconds, UTC)


def test_set_reads_sends_once_and_reads_back(client, orders):
    order = orders.set(DEVICE, "charge_stop_soc", 90)
    assert order.state is ChangeState.APPLIED
    assert client.written == [("charge_stop_soc", {"value": 90.0})]
    assert client.reads == 2
    (recorded,) = orders.log()
    assert (recorded.id, recorded.state, recorded.changes) == (order.id, ChangeState.APPLIED, order.changes)
    (change,) = recorded.changes
    assert (change.old, change.new, change.read) == ({"value": 100.0}, {"value": 90.0}, {"value": 90.0})
    assert (recorded.account, recorded.program, recorded.device, recorded.kind) == (
        "home",
        "tests",
        "DEV1",
        OrderKind.SET,
    )


def test_async_orders_set_and_undo(client, tmp_path):
    class AsyncFakeClient:
        allow_commands = True
        settings_of = staticmethod(client.settings_of)

        async def read_settings(self, device):
            return client.read_settings(device)

        async def write_setting(self, device, name, values):
            return client.write_setting(device, name, values)

    async def set_and_undo():
        async with AsyncOrders(AsyncFakeClient(), journal=make_journal(tmp_path), clock=client.clock) as orders:
            order = await orders.set(DEVICE, "charge_stop_soc", 90)
            back = await orders.undo(DEVICE)
            return order.state, back.state, (await orders.look(DEVICE)).current["charge_stop_soc"]

    assert asyncio.run(set_and_undo()) == ("applied", "applied", {"value": 100.0})


def test_set_does_not_send_values_the_device_already_has(client, orders):
    assert orders.set(DEVICE, "charge_stop_soc", "100") is None
    order = orders.set_all(DEVICE, {"charge_stop_soc": 100, "charge_power_limit": 70})
    assert [change.setting for change in order.changes] == ["charge_power_limit"]
    assert client.written == [("charge_power_limit", {"value": 70.0})]


def test_set_keeps_parameters_that_are_not_given(client, orders):
    orders.set(DEVICE, "time_window_1", {"end": "04:30"})
    assert client.written == [("time_window_1", {**INITIAL["time_window_1"], "end": "04:30"})]


def test_journal_is_written_before_each_request(client, tmp_path):
    events = []
    journal = make_journal(tmp_path)
    send = client.write_setting

    def record_events(device, name, values):
        events.append([json.loads(line)["event"] for line in journal.path.read_text().splitlines()])
        send(device, name, values)

    client.write_setting = record_events
    make_orders(client, tmp_path).set_all(DEVICE, {"charge_stop_soc": 90, "charge_power_limit": 70})
    assert events == [["ordered", "sending"], ["ordered", "sending", "answered", "sending"]]


def test_journal_lines_are_synced_to_disk_before_each_request(client, orders, monkeypatch):
    flushed, at_sending = [], []
    flush, send = os.fsync, client.write_setting
    monkeypatch.setattr(os, "fsync", lambda handle: (flushed.append(handle), flush(handle)))
    monkeypatch.setattr(client, "write_setting", lambda *order: (at_sending.append(len(flushed)), send(*order)))
    orders.set(DEVICE, "charge_stop_soc", 90)
    lines = len(orders.journal.path.read_text().splitlines())
    assert (at_sending, len(flushed), lines) == ([3], 5, 4), "ordered and its folder, sending; answered, ended"


def test_unusable_journal_prevents_sending(client, tmp_path):
    place = tmp_path / "elsewhere"
    place.write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="Nothing is sent that cannot be recorded"):
        make_orders(client, place).set(DEVICE, "charge_stop_soc", 90)
    assert client.written == []


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize(
    ("lines", "states"),
    [(2, ["unknown", "unsent"]), (3, ["unknown", "unsent"]), (4, ["unknown", "unknown"]), (5, ["applied", "unknown"])],
)
def test_disk_full_after_sending_returns_the_order_with_its_states(lines, states, client, orders, monkeypatch):
    written = orders.journal._append
    left = iter(range(lines))

    def full(line):
        if next(left, None) is None:
            raise OSError(28, "No space left on device")
        written(line)

    monkeypatch.setattr(orders.journal, "_append", full)
    order = orders.set_all(DEVICE, {"charge_stop_soc": 90, "charge_power_limit": 70})
    assert [str(one.state) for one in order.changes] == states
    assert len(client.written) == 2 - states.count("unsent")
    monkeypatch.setattr(orders.journal, "_append", written)
    orders.look(DEVICE)
    last = orders.log()[-1]
    assert [one.state for one in last.changes] == ["applied" if one != "unsent" else "unsent" for one in states]


def test_journal_files_are_owner_only(orders):
    orders.set(DEVICE, "charge_stop_soc", 90)
    assert [path.stat().st_mode & 0o777 for path in orders.journal.folder.iterdir()] == [0o600] * 3


def test_journal_refuses_symlinks(client, tmp_path):
    (tmp_path / "toy-0123.jsonl").symlink_to(tmp_path / "victim")
    with pytest.raises(StoreError):
        make_orders(client, tmp_path).set(DEVICE, "charge_stop_soc", 90)
    assert not (tmp_path / "victim").exists()
    assert client.written == []


def test_journal_refuses_a_linked_folder_where_others_can_write(client, tmp_path):
    shared, elsewhere = tmp_path / "shared", tmp_path / "elsewhere"
    elsewhere.mkdir()
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "orders").symlink_to(elsewhere)
    with pytest.raises(StoreError, match="symbolic link"):
        make_orders(client, shared / "orders").set(DEVICE, "charge_stop_soc", 90)
    assert list(elsewhere.iterdir()) == []
    assert client.written == []


@pytest.mark.parametrize(
    ("behaviours", "state", "why"),
    [
        (["applied"], "applied", ""),
        (["late 50"], "applied", ""),
        (["late 900"], "pending", "accepted by the cloud"),
        (["never"], "pending", "accepted by the cloud"),
        (["clamped"], "unknown", "neither"),
        (["refused"], "refused", "inv_set_failure"),
        (["refused but applied"], "applied", "rejected by the cloud"),
        (["no response, applied"], "applied", ""),
        (["no response, lost"], "unknown", "unknown whether the cloud received it"),
        (["not connected"], "refused", "no connection"),
        (["throttled"], "refused", "too much"),
    ],
)
def test_set_state_for_each_kind_of_failure(behaviours, state, why, client, orders):
    client.behaviours = list(behaviours)
    order = orders.set(DEVICE, "charge_stop_soc", 90)
    assert order.state == state
    assert why in order.changes[0].why
    assert orders.log()[0].state == state
    assert len(client.written) == (0 if behaviours[0] in {"not connected", "throttled"} else 1)


@pytest.mark.parametrize(
    ("way", "then"),
    [("late 900", "applied"), ("never", "refused"), ("no response, lost", "refused"), ("clamped", "unknown")],
)
def test_open_order_is_reconciled_by_the_next_look_and_not_sent_again(way, then, client, orders):
    client.behaviours = [way]
    orders.set(DEVICE, "charge_stop_soc", 90)
    assert len(orders.look(DEVICE).open_orders) == 1
    advance(client, HOUR)
    assert orders.look(DEVICE).open_orders == ()
    assert orders.log()[0].state == then
    assert len(client.written) == 1


def test_refused_order_becomes_applied_if_the_change_arrives_late(client, orders):
    client.behaviours = ["late 7200"]
    orders.set(DEVICE, "charge_stop_soc", 90)
    advance(client, HOUR)
    orders.look(DEVICE)
    assert orders.log()[0].state is ChangeState.REFUSED
    advance(client, 2 * HOUR)
    orders.look(DEVICE)
    assert orders.log()[0].state is ChangeState.APPLIED


def test_unreadable_setting_is_unknown_without_read_back(client, orders):
    order = orders.set(DEVICE, "unreadable", 7)
    assert (order.state, order.open, client.reads) == (ChangeState.UNKNOWN, False, 1)
    assert "cannot be read back" in order.changes[0].why
    assert orders.set(DEVICE, "unreadable", 9).changes[0].old == {"value": 7.0}
    assert orders.undo(DEVICE).changes[0].new == {"value": 7.0}
    with pytest.raises(ConfigError, match="is unknown"):
        orders.undo(DEVICE)


def test_read_back_stops_early_for_a_setting_that_was_never_reported(client, orders):
    client.values["charge_stop_soc"] = None
    client.behaviours = ["deaf"]
    before = client.clock.now()
    order = orders.set(DEVICE, "charge_stop_soc", 90)
    assert (order.state, client.clock.now() - before) == (ChangeState.PENDING, 4.0)


def test_set_all_stops_at_the_first_failure_and_marks_the_rest_unsent(client, orders):
    client.behaviours = ["applied", "refused"]
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


def test_set_all_swaps_two_windows_through_a_temporary_value(client, orders):
    one, two = INITIAL["time_window_1"], INITIAL["time_window_2"]
    order = orders.set_all(DEVICE, {"time_window_1": two, "time_window_2": one})
    assert [change.setting for change in order.changes] == ["time_window_2", "time_window_1", "time_window_2"]
    assert order.state is ChangeState.APPLIED
    assert (client.values["time_window_1"], client.values["time_window_2"]) == (two, one)
    back = orders.undo(DEVICE)
    assert back.state is ChangeState.APPLIED
    assert (client.values["time_window_1"], client.values["time_window_2"]) == (one, two)


def test_set_rejects_overlapping_windows_before_sending(client, orders):
    with pytest.raises(InvalidValue, match="overlaps"):
        orders.set(DEVICE, "time_window_3", {"start": "04:00", "end": "05:30"})
    assert client.written == []


def test_clock_that_advances_is_not_an_external_change(client, orders):
    assert orders.set(DEVICE, "clock", "2026-05-28 12:00:00").state is ChangeState.APPLIED
    client.values["clock"] = {"value": "2026-05-28 15:00:00"}
    assert orders.look(DEVICE).external_changes == ()


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
def test_set_all_rejects_invalid_values_before_sending(wanted, words, client, orders):
    with pytest.raises(ConfigError, match=words):
        orders.set_all(DEVICE, wanted)
    assert client.written == []
    assert orders.log() == ()


def test_permissions_limit_the_settings_that_are_written(client, tmp_path):
    for rights in ({"writes": ()}, {"writes": ("charge_power_limit",)}):
        with pytest.raises(ConfigError, match="may not write charge_stop_soc"):
            make_orders(client, tmp_path, **rights).set(DEVICE, "charge_stop_soc", 90)
    with pytest.raises(ConfigError, match="grid_code = true"):
        make_orders(client, tmp_path).set(DEVICE, "grid_voltage_high", 60)
    with pytest.raises(ConfigError, match="Heliograph never writes it"):
        Permissions(writes=True, grid_code=True).check(one for one in SETTINGS if one.risk == "dangerous")
    assert client.written == []
    assert (
        make_orders(client, tmp_path, writes=("charge_stop_soc",)).set(DEVICE, "charge_stop_soc", 90).state == "applied"
    )
    assert make_orders(client, tmp_path, grid_code=True).set(DEVICE, "grid_voltage_high", 60).state == "applied"


def test_read_only_client_can_look_and_plan_but_records_no_order(client, tmp_path):
    first = make_orders(client, tmp_path).set(DEVICE, "charge_stop_soc", 90)
    client.allow_commands = False
    orders = make_orders(client, tmp_path)
    before = orders.journal.path.read_bytes()
    assert orders.plan(DEVICE, {"charge_stop_soc": 80}).steps
    for order in (
        lambda: orders.set(DEVICE, "charge_stop_soc", 80),
        lambda: orders.undo(order=first.id),
        lambda: orders.curtail(DEVICE, {"charge_power_limit": 50}, time_after(600)),
    ):
        with pytest.raises(ConfigError, match="read-only client; create it with allow_commands=True"):
            order()
    assert orders.journal.path.read_bytes() == before
    assert not orders.journal.marker.exists()
    assert len(client.written) == 1


def test_writes_per_day_limits_the_writes_of_a_device(client, tmp_path):
    orders = make_orders(client, tmp_path, writes_per_day=3)
    for value in (90, 80, 70):
        orders.set(DEVICE, "charge_stop_soc", value)
    with pytest.raises(Throttled, match="3 are allowed") as caught:
        orders.set(DEVICE, "charge_stop_soc", 60)
    assert len(client.written) == 3
    advance(client, caught.value.retry_after + 1)
    assert orders.set(DEVICE, "charge_stop_soc", 60).state is ChangeState.APPLIED


def test_undo_of_a_clock_is_rejected(client, orders):
    plan = orders.plan(DEVICE, {"clock": "2026-05-28 12:30:00"})
    assert "clock could not be undone" in plan.notes[0]
    orders.carry(plan)
    advance(client, 7200)
    with pytest.raises(ConfigError, match="clock: it is a clock, and its previous time is out of date"):
        orders.undo(DEVICE)
    assert len(client.written) == 1


def test_writes_per_day_does_not_count_unsent_changes(client, tmp_path):
    orders = make_orders(client, tmp_path, writes_per_day=1)
    client.behaviours = ["throttled"] * 3
    for _ in range(3):
        assert orders.set(DEVICE, "charge_stop_soc", 90).state is ChangeState.REFUSED
    assert orders.set(DEVICE, "charge_stop_soc", 90).state is ChangeState.APPLIED


def test_undo_of_a_device_undoes_one_order_at_a_time(client, orders):
    orders.set(DEVICE, "charge_stop_soc", 90)
    last = orders.set(DEVICE, "charge_stop_soc", 80)
    undone = orders.undo(DEVICE)
    assert (undone.kind, undone.undoes, client.values["charge_stop_soc"]) == (OrderKind.UNDO, last.id, {"value": 90.0})
    orders.undo(DEVICE)
    assert client.values["charge_stop_soc"] == {"value": 100.0}
    with pytest.raises(ConfigError, match="no change to undo"):
        orders.undo(DEVICE)


def test_undo_of_irreversible_order_lists_alternatives_and_undoes_none_of_them(client, orders):
    first = orders.set(DEVICE, "charge_stop_soc", 90)
    second = orders.set(DEVICE, "charge_power_limit", 70)
    unreadable = orders.set(DEVICE, "unreadable", 7)
    once = [orders.set(DEVICE, "restart", "now") for _ in range(2)][-1]
    sent = len(client.written)
    can = rf"undo {second.id}: {second.id} \(charge_power_limit\), {first.id} \(charge_stop_soc\)"
    with pytest.raises(ConfigError, match=rf"change {once.id} cannot .* restart: it is a one-time action.* {can}$"):
        orders.undo(DEVICE)
    with pytest.raises(
        ConfigError, match=rf"change {unreadable.id} cannot .* unreadable: the previous value is unknown.* {can}$"
    ):
        orders.undo(order=unreadable.id)
    assert len(client.written) == sent
    plan = orders.plan_undo(order=second.id)
    assert [f"change {one} is skipped and stays" in "".join(plan.notes) for one in (unreadable.id, once.id)] == [
        True
    ] * 2
    assert orders.carry(plan).state is ChangeState.APPLIED
    assert client.written[sent:] == [("charge_power_limit", {"value": 80.0})]


def test_undo_without_alternatives_advises_to_set_the_values(client, orders):
    orders.set(DEVICE, "restart", "now")
    assert "restart could not be undone: it is a one-time action" in orders.plan(DEVICE, {"restart": "now"}).notes[0]
    with pytest.raises(
        ConfigError, match="No other change of this device can be undone either: set the values you want"
    ):
        orders.undo(DEVICE)
    with pytest.raises(ConfigError, match="could not be restored: restart"):
        orders.curtail(DEVICE, {"restart": "now"}, time_after(600))


def test_look_reports_external_changes(client, orders):
    order = orders.set(DEVICE, "charge_stop_soc", 90)
    client.values["charge_stop_soc"] = {"value": 33.0}
    (found,) = orders.look(DEVICE).external_changes
    assert (found.setting, found.order, found.found) == ("charge_stop_soc", order.id, {"value": 33.0})
    plan = orders.plan_undo(DEVICE)
    assert "has been changed again" in plan.notes[0]
    assert orders.carry(plan).changes[0].old == {"value": 33.0}


def test_undo_of_a_pending_order_is_sent_although_the_device_shows_the_old_value(client, orders):
    client.behaviours = ["late 900"]
    order = orders.set(DEVICE, "charge_stop_soc", 90)
    assert (order.state, client.values["charge_stop_soc"]) == (ChangeState.PENDING, {"value": 100.0})
    plan = orders.plan_undo(DEVICE)
    assert [step.new for step in plan.steps] == [{"value": 100.0}]
    assert not plan.notes
    assert [step.new for step in orders.plan(DEVICE, {"charge_stop_soc": 100}).steps] == [{"value": 100.0}]
    assert orders.carry(plan).state is ChangeState.APPLIED
    assert [values["value"] for _, values in client.written] == [90.0, 100.0]
    assert orders.set(DEVICE, "charge_stop_soc", 100) is None


def test_carry_refuses_an_outdated_plan(client, orders, tmp_path):
    plan = orders.plan(DEVICE, {"charge_stop_soc": 90})
    make_orders(client, tmp_path).set(DEVICE, "charge_stop_soc", 50)
    with pytest.raises(RequestRefused, match="have changed since they were shown"):
        orders.carry(plan)
    slow = orders.plan(DEVICE, {"charge_stop_soc": 90})
    advance(client, HOUR)
    client.values["charge_stop_soc"] = {"value": 20.0}
    with pytest.raises(RequestRefused, match="have changed since they were shown"):
        orders.carry(slow)
    assert [value["value"] for _, value in client.written] == [50.0]


def test_second_order_waits_for_the_first_and_reads_its_result(client, tmp_path):
    first = make_orders(client, tmp_path)
    steps = BaseOrders.set.function(first, DEVICE, "charge_stop_soc", 90)
    step = steps.send(None)
    while type(step).__name__ != "WriteSetting":
        step = steps.send(first._perform(step))
    with pytest.raises(Throttled, match="another program has been changing"):
        make_orders(client, tmp_path, lock_timeout=2).set(DEVICE, "charge_stop_soc", 50)

    def finished():
        nonlocal step
        client.clock.on_sleep = lambda: None
        try:
            while True:
                step = steps.send(first._perform(step))
        except StopIteration:
            return

    client.clock.on_sleep = finished
    second = make_orders(client, tmp_path).set(DEVICE, "charge_stop_soc", 50)
    assert second.changes[0].old == {"value": 90.0}
    assert [order.state for order in first.log()] == ["applied", "applied"]


def test_read_back_continues_after_failed_reads(client, orders):
    client.read_errors = [None, Unreachable("no answer"), Unreachable("no answer")]
    assert orders.set(DEVICE, "charge_stop_soc", 90).state is ChangeState.APPLIED
    client.read_errors = [None, Throttled("slow down")]
    assert orders.set(DEVICE, "charge_stop_soc", 80).state is ChangeState.PENDING
    assert orders.look(DEVICE).open_orders == ()
    assert orders.log()[-1].state is ChangeState.APPLIED


def test_restore_sets_the_old_value_at_the_end_of_a_curtailment(client, orders):
    wanted = {"active_power_rate": {"value": 50, "remember": False}}
    order = orders.curtail(DEVICE, wanted, time_after(HOUR))
    assert order.state is ChangeState.APPLIED
    assert orders.journal.marker.exists()
    assert (orders.curtailments()[0].id, orders.due()) == (order.id, ())
    with pytest.raises(ConfigError, match="already curtailed by change"):
        orders.curtail(DEVICE, wanted, time_after(HOUR))
    advance(client, HOUR)
    (due,) = orders.due()
    assert orders.restore(due).state is ChangeState.APPLIED
    assert client.values["active_power_rate"]["value"] == 100.0
    assert (orders.curtailments(), orders.due(), orders.journal.marker.exists()) == ((), (), False)


def test_restore_of_a_pending_curtailment_is_sent(client, orders):
    client.behaviours = ["late 3000"]
    orders.curtail(DEVICE, {"charge_power_limit": 10}, time_after(600))
    advance(client, 600)
    orders.restore(orders.due()[0])
    assert client.written[1:] == [("charge_power_limit", {"value": 80.0})]


def test_restore_keeps_external_changes(client, orders):
    orders.curtail(DEVICE, {"charge_power_limit": 10}, time_after(600))
    client.values["charge_power_limit"] = {"value": 55.0}
    advance(client, 600)
    assert orders.restore(orders.due()[0]) is None
    assert (orders.curtailments(), client.values["charge_power_limit"]) == ((), {"value": 55.0})
    assert "left unchanged" in orders.log()[0].released


def test_plan_notes_that_a_curtailed_setting_will_not_be_restored(client, orders):
    client.behaviours = ["late 700"]
    limit = orders.curtail(DEVICE, {"charge_power_limit": 10}, time_after(600))
    advance(client, 60)
    assert orders.plan(DEVICE, {"charge_stop_soc": 90}).notes == ()
    plan = orders.plan(DEVICE, {"charge_power_limit": 40})
    (note,) = plan.notes
    assert f"charge_power_limit is curtailed by change {limit.id} and will not be restored after this" in note
    assert f"heliograph settings undo {limit.id}" in note
    assert orders.carry(plan).state is ChangeState.APPLIED
    assert orders.plan(DEVICE, {"charge_power_limit": 30}).notes == ()
    advance(client, 600)
    assert [orders.restore(one) for one in orders.due()] == [None]
    assert client.written[-1] == ("charge_power_limit", {"value": 40.0})
    assert orders.curtailments() == ()


@pytest.mark.parametrize("way", ["deaf", "refused", "no response"])
def test_failed_order_does_not_cancel_the_restore_of_a_curtailment(way, client, orders):
    orders.curtail(DEVICE, {"charge_power_limit": 10}, time_after(2 * HOUR))
    client.behaviours = [way]
    orders.set(DEVICE, "charge_power_limit", 40)
    advance(client, HOUR)
    orders.look(DEVICE)
    assert orders.plan(DEVICE, {"charge_power_limit": 40}).notes
    advance(client, HOUR)
    assert [orders.restore(one).state for one in orders.due()] == [ChangeState.APPLIED]
    assert client.values["charge_power_limit"] == {"value": 80.0}


def test_undo_of_a_curtailment_has_no_note_about_its_restore(client, orders):
    order = orders.curtail(DEVICE, {"charge_power_limit": 10}, time_after(600))
    assert orders.plan_undo(order=order.id).notes == ()


def test_failed_restore_is_retried_with_increasing_delay(client, orders):
    orders.curtail(DEVICE, {"charge_power_limit": 10}, time_after(600))
    advance(client, 600)
    for wait in (120, 240):
        (due,) = orders.due()
        client.behaviours = ["refused"]
        assert orders.restore(due).state is ChangeState.REFUSED
        assert orders.due() == ()
        advance(client, wait)
    orders.restore(orders.due()[0])
    assert (client.values["charge_power_limit"], orders.curtailments()) == ({"value": 80.0}, ())


def test_refused_curtailment_is_not_open(client, orders):
    client.behaviours = ["refused"]
    orders.curtail(DEVICE, {"charge_power_limit": 10}, time_after(600))
    assert (orders.curtailments(), orders.journal.marker.exists()) == ((), False)


def test_undo_of_a_curtailment_ends_it(client, orders):
    orders.curtail(DEVICE, {"charge_power_limit": 10}, time_after(600))
    orders.undo(DEVICE)
    assert (orders.curtailments(), client.values["charge_power_limit"]) == ((), {"value": 80.0})


def test_curtail_rejects_settings_that_could_not_be_restored(client, orders, tmp_path):
    with pytest.raises(ConfigError, match="it could not be restored: unreadable could not be undone"):
        orders.curtail(DEVICE, {"unreadable": 1}, time_after(600))
    with pytest.raises(ConfigError, match="must be in the future"):
        orders.curtail(DEVICE, {"charge_power_limit": 10}, time_after(-1))
    with pytest.raises(Throttled):
        make_orders(client, tmp_path, writes_per_day=1).curtail(DEVICE, {"charge_power_limit": 10}, time_after(600))
    assert client.written == []


def test_journal_survives_an_unterminated_line(orders):
    orders.set(DEVICE, "charge_stop_soc", 90)
    with orders.journal.path.open("a") as file:
        file.write('{"v":1,"order":"abc')
    orders.set(DEVICE, "charge_stop_soc", 80)
    contents = orders.journal.read()
    assert ([str(order.state) for order in contents.orders.values()], contents.unreadable_lines) == (
        ["applied", "applied"],
        1,
    )


def test_curtailment_with_a_damaged_first_line_keeps_the_marker(orders):
    order = orders.curtail(DEVICE, {"charge_power_limit": 10}, time_after(600))
    first, *rest = orders.journal.path.read_text().splitlines(keepends=True)
    orders.journal.path.write_text(first[: len(first) // 2] + "\n" + "".join(rest))
    assert orders.journal.read().incomplete == {order.id}
    orders.set(DEVICE, "charge_stop_soc", 90)
    assert orders.journal.marker.exists()


def test_journal_of_another_version_is_rejected(client, tmp_path):
    make_journal(tmp_path).path.write_text('{"v":2,"order":"abc","event":"ordered"}\n')
    with pytest.raises(StoreError, match="another version"):
        make_orders(client, tmp_path).set(DEVICE, "charge_stop_soc", 90)
    assert client.written == []


def test_client_bug_leaves_the_order_open_until_the_next_look(client, tmp_path):
    orders = make_orders(client, tmp_path)
    client.write_setting = lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        orders.set(DEVICE, "charge_stop_soc", 90)
    assert orders.log()[0].state is ChangeState.SENT
    advance(client, timedelta(hours=1).total_seconds())
    orders.look(DEVICE)
    assert orders.log()[0].state is ChangeState.REFUSED


def test_two_accounts_have_separate_journals(client, tmp_path):
    make_orders(client, tmp_path).set(DEVICE, "charge_stop_soc", 90)
    other = make_orders(client, tmp_path, journal=Journal(tmp_path, "toy-4567"))
    assert other.log() == ()


def test_calls_are_declared_once_and_have_the_signature_of_their_form():
    assert set(vars(Orders)) - set(vars(AsyncOrders)) == {"__enter__", "__exit__"}
    client = FakeClient(FakeClock())
    blocking = make_orders(client, Path("unused"))
    awaited = AsyncOrders(client, journal=blocking.journal)
    for call in ("look", "plan", "schedule", "carry", "set", "set_all", "plan_undo", "undo", "curtail", "restore"):
        assert not inspect.iscoroutinefunction(getattr(blocking, call))
        assert inspect.iscoroutinefunction(getattr(awaited, call))
        assert getattr(awaited, call).__doc__ == getattr(Orders, call).__doc__
    signature = "(device: 'Device', wanted: 'Mapping[str, Value | Mapping[str, Value]]') -> 'Plan'"
    assert str(inspect.signature(blocking.plan)) == str(inspect.signature(awaited.plan)) == signature
    assert "set(self, device: 'Device', setting: 'str', value" in pydoc.plain(pydoc.render_doc(Orders))
    assert Orders.undo.__qualname__ == "BaseOrders.undo"


def test_type_checker_knows_both_forms_of_each_call():
    source = Path(__file__).with_name("typed_api.py")
    expected = [
        (number, code)
        for number, line in enumerate(source.read_text().splitlines(), 1)
        for code in (line.partition("  # ")[2].split(", ") if "  # " in line else [])
    ]
    cache = ROOT / ".mypy_cache" / "tests"
    options = ["--strict", "--follow-imports=silent", "--cache-dir", str(cache), "--no-error-summary"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(source)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    errors = [line.partition(":")[2] for line in done.stdout.splitlines() if ": error:" in line]
    assert sorted((int(one.split(":")[0]), one.rsplit("[", 1)[1].rstrip("]")) for one in errors) == sorted(expected)


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("orders", "Orders", Orders),
        ("orders", "AsyncOrders", AsyncOrders),
        ("orders", "State", ChangeState),
        ("orders", "Kind", OrderKind),
        ("orders", "Rights", Permissions),
        ("schedule", "Schedule", schedule.Schedule),
        ("schedule", "without_midnight", schedule.split_at_midnight),
        ("schedule", "in_order", schedule.write_sequence),
    ],
)
def test_old_modules_are_deprecated_aliases(module, old, new):
    alias = import_module(f"heliograph.{module}")
    assert old in dir(alias)
    with pytest.warns(DeprecationWarning, match=f"heliograph.{module}.{old} is deprecated; use heliograph.settings"):
        assert getattr(alias, old) is new
    with pytest.raises(AttributeError, match="nothing_like_it"):
        alias.nothing_like_it  # noqa: B018 - reading it must fail
