"""Notifications: what is due, the message, and its delivery by a process of its own."""

import asyncio
import json
import sys
from dataclasses import replace
from datetime import UTC, timedelta

import pytest

from heliograph.alarms.model import Alarm, AlarmResponse, AlarmSubject
from heliograph.alarms.monitor import stored_alarms
from heliograph.alarms.notify import (
    AlarmNotifier,
    FailedService,
    SentNotice,
    change_of,
    due_alarms,
    failed_services,
    message_of,
    sent_notices,
)
from heliograph.config.alarms import AlarmsConfig
from heliograph.core.redact import Secret
from heliograph.outputs.sink import SinkProgress
from heliograph.store import open_store
from heliograph.store.threaded import StoreThread

NOON = 1_780_000_000 // 86400 * 86400 + 12 * 3600
CONFIG = AlarmsConfig(services=Secret("ntfy://secret-token@example.com/topic"), zone=UTC)
LATER = NOON + 600


def alarm(rule="offline", plant="7", raised_at=NOON, **known):
    subject = AlarmSubject("growatt", plant)
    return Alarm(rule=rule, subject=subject, title=f"Plant {plant}", judged_at=NOON, raised_at=raised_at, **known)


def due(*alarms, now=LATER, config=CONFIG, sent=()):
    return [one.title for one in due_alarms(alarms, dict(sent), config, now)]


def test_raised_alarm_is_due_after_the_digest_time():
    assert due(alarm(), now=NOON + 599) == []
    assert due(alarm()) == ["Plant 7"]


def test_announced_alarm_is_not_due_again_until_it_is_over():
    one = alarm()
    sent = {one.key: SentNotice(NOON, LATER)}
    assert due(one, now=LATER + 86400, sent=sent.items()) == []
    over = replace(one, cleared_at=NOON + 7200)
    assert due(over, now=NOON + 8000, sent=sent.items()) == ["Plant 7"]
    assert due(over, now=NOON + 8000) == []


def test_alarm_that_comes_and_goes_is_announced_once_in_six_hours():
    one = alarm(raised_at=NOON + 3600)
    sent = {one.key: SentNotice(NOON, LATER)}.items()
    assert due(one, now=NOON + 5 * 3600, sent=sent) == []
    assert due(one, now=NOON + 7 * 3600, sent=sent) == ["Plant 7"]


def test_acknowledged_alarm_is_not_due_and_a_snoozed_one_is_at_its_end():
    assert due(alarm(response=AlarmResponse(at=NOON + 5))) == []
    snoozed = alarm(response=AlarmResponse(at=NOON + 5, until=NOON + 86400))
    assert due(snoozed) == []
    sent = {snoozed.key: SentNotice(NOON, LATER)}.items()
    assert due(snoozed, now=NOON + 86400 + 600, sent=sent) == ["Plant 7"]


@pytest.mark.parametrize(("hour", "expected"), [(12, 1), (21, 1), (22, 0), (23, 0), (30, 0), (31, 1)])
def test_nothing_is_due_in_quiet_hours(hour, expected):
    now = NOON + (hour - 12) * 3600
    config = replace(CONFIG, quiet=(22 * 60, 7 * 60))
    assert len(due(alarm(raised_at=now - 3600), now=now, config=config)) == expected


def test_less_severe_alarms_are_not_due():
    assert due(alarm("export_limit"), alarm("low_yield")) == ["Plant 7"]
    assert due(alarm("low_yield"), config=replace(CONFIG, severity="error")) == []


def test_message_has_one_paragraph_per_cause_however_many_plants():
    alarms = [alarm(plant=str(number)) for number in range(30)] + [alarm("fault", "x", seen="Box reports fault 117")]
    message = message_of(alarms, UTC)
    assert message.title == "Heliograph: 2 messages"
    assert len(message.body.split("\n\n")) == 2
    assert "Plant 7 and 22 more, since 12:00." in message.body
    assert "Seen: Box reports fault 117." in message.body


def test_message_about_the_end_names_the_cause():
    message = message_of([alarm(cleared_at=LATER)], UTC)
    assert message == ("Heliograph: over: no data from the plant", "Over: no data from the plant (Plant 7).")


def test_message_masks_secrets_that_a_cloud_repeats():
    message = message_of([alarm("account_locked", seen='answered {"pwd": "hunter2"}')], UTC)
    assert "hunter2" not in message.body


ECHO = """
import json, sys
data = json.load(sys.stdin)
open(sys.argv[1], "a").write(json.dumps(data) + "\\n")
for number in range(1, len(data["services"]) + 1):
    print(json.dumps([number, True, ""]))
"""
HANG = ("sh", "-c", "cat > /dev/null; echo '[1, true, \"\"]'; exec sleep 600")
"""A shell, because it starts within the short timeout on a busy machine too."""
REPEAT = "import json, sys; print(json.dumps([0, False, 'cannot reach ' + json.load(sys.stdin)['services'][0]]))"


def program(code, *words):
    return (sys.executable, "-c", code, *map(str, words))


def announce(notifier, path, *rounds):
    """Announce alarms at each (time, alarms) with one store."""

    async def main():
        store = StoreThread(lambda: open_store(path))
        try:
            return [await notifier.announce(alarms, store, now) for now, *alarms in rounds]
        finally:
            await store.close()

    return asyncio.run(main())


def test_announced_alarms_are_stored_and_not_repeated_after_a_restart(tmp_path):
    received, path, one = tmp_path / "received", tmp_path / "store.sqlite", alarm()
    command = program(ECHO, received)
    assert announce(AlarmNotifier(CONFIG, command), path, (LATER, one), (LATER + 300, one)) == [True, False]
    assert announce(AlarmNotifier(CONFIG, command), path, (LATER + 600, one)) == [False]
    (line,) = received.read_text().splitlines()
    assert json.loads(line)["services"] == ["ntfy://secret-token@example.com/topic"]
    with open_store(path) as store:
        assert sent_notices(store) == {one.key: SentNotice(change_of(one, LATER), LATER)}


def test_hanging_service_is_given_up_and_the_others_count(tmp_path):
    config = replace(CONFIG, services=Secret("ntfy://a/b\nmailto://c:d@e"))
    notifier = AlarmNotifier(config, HANG, timeout=4.0)
    assert announce(notifier, tmp_path / "store.sqlite", (LATER, alarm())) == [True]
    assert [(one.name, one.accepted, one.problem) for one in notifier.results] == [
        ("service 1 (ntfy)", True, ""),
        ("service 2 (mailto)", False, "the service did not answer"),
    ]


def test_services_that_fail_are_counted_until_they_accept_a_message(tmp_path):
    path = tmp_path / "store.sqlite"
    notifier = AlarmNotifier(CONFIG, program(REPEAT))
    announce(notifier, path, (LATER, alarm()), (LATER + 900, alarm()))
    with open_store(path) as store:
        assert failed_services(store) == (FailedService("service 1 (ntfy)", 2, LATER + 900, "cannot reach ***"),)
        assert stored_alarms(store) == ()
    notifier.command = program(ECHO, tmp_path / "received")
    announce(notifier, path, (LATER + 1800, alarm()))
    with open_store(path) as store:
        assert failed_services(store) == ()


def test_failed_message_is_repeated_later_and_its_reason_has_no_address(tmp_path, caplog):
    notifier = AlarmNotifier(CONFIG, program(REPEAT), progress=SinkProgress("alarm messages"))
    rounds = [(LATER, alarm()), (LATER + 300, alarm())]
    assert announce(notifier, tmp_path / "store.sqlite", *rounds) == [False, False]
    assert "secret-token" not in caplog.text + str(notifier.results)
    assert "cannot reach ***" in caplog.text
    assert notifier.progress == SinkProgress("alarm messages", problem="service 1 (ntfy): cannot reach ***")
    notifier.command = program(ECHO, tmp_path / "received")
    assert announce(notifier, tmp_path / "store.sqlite", (LATER + 900, alarm())) == [True]
    assert notifier.progress == SinkProgress("alarm messages", sent=1)


def test_sending_program_that_cannot_start_work_is_a_failed_message(tmp_path):
    notifier = AlarmNotifier(CONFIG, program("raise SystemExit(3)"))
    assert announce(notifier, tmp_path / "store.sqlite", (LATER, alarm())) == [False]


def test_digest_of_zero_announces_at_once():
    assert due(alarm(), now=NOON, config=replace(CONFIG, digest=timedelta())) == ["Plant 7"]
