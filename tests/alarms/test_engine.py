from heliograph.alarms.engine import MAX_STEP, next_alarm
from heliograph.alarms.model import AlarmResponse, AlarmState, AlarmSubject, Judgement, alarm_from_row, response_row
from heliograph.store.base import AlarmRow

ROOF = AlarmSubject("growatt", "7")
MINUTE = 60


def after(alarm, pairs, rule="offline"):
    """Judge at each (minute, holds) and return the alarm."""
    for minute, holds in pairs:
        alarm = next_alarm(alarm, Judgement(rule, holds, f"seen at {minute}"), ROOF, "Roof", minute * MINUTE)
    return alarm


def test_alarm_is_raised_after_its_condition_held_for_the_stated_time():
    pending = after(None, [(0, True), (5, True), (10, True)])
    assert (pending.raised_at, pending.state(600)) == (None, None)
    raised = after(pending, [(15, True)])
    assert (raised.raised_at, raised.seen, raised.state(900)) == (900, "seen at 15", AlarmState.RAISED)


def test_pending_alarm_ends_when_its_condition_does_not_hold():
    assert after(None, [(0, True), (10, True), (12, False)]) is None
    assert after(None, [(0, True), (10, True), (12, False), (14, True), (20, True)]).raised_at is None


def test_raised_alarm_is_cleared_only_after_the_stated_time():
    raised = after(None, [(0, True), (15, True)])
    assert after(raised, [(20, False), (25, True), (30, False), (40, False)]).is_active
    cleared = after(raised, [(20, False), (35, False)])
    assert (cleared.state(2100), cleared.cleared_at) == (AlarmState.CLEARED, 2100)


def test_alarm_does_not_change_while_nothing_can_be_judged():
    raised = after(None, [(0, True), (15, True)])
    assert after(raised, [(20, None), (600, None)]) == raised
    assert after(None, [(0, None)]) is None


def test_time_without_judgements_counts_only_in_part():
    day = after(None, [(0, True), (600, True)], "no_yield")
    assert (day.raised_at, day.progress) == (None, 1 + MAX_STEP)


def test_acknowledgement_is_valid_until_the_next_occurrence():
    raised = after(None, [(0, True), (15, True)])
    row, answer = raised.row(), response_row(raised.key, AlarmResponse(at=1000))
    seen = alarm_from_row(AlarmRow(row.key, answer.written_at, row.contents, answer.response))
    assert seen.state(2000) is AlarmState.ACKNOWLEDGED
    again = after(seen, [(20, False), (35, False), (60, True), (75, True)])
    assert again.state(75 * MINUTE) is AlarmState.RAISED


def test_snoozed_alarm_is_raised_again_at_its_end():
    raised = after(None, [(0, True), (15, True)])
    row, answer = raised.row(), response_row(raised.key, AlarmResponse(at=1000, until=5000))
    snoozed = alarm_from_row(AlarmRow(row.key, 1000, row.contents, answer.response))
    assert [snoozed.state(at) for at in (4999, 5000)] == [AlarmState.SNOOZED, AlarmState.RAISED]


def test_stored_alarm_that_cannot_be_read_is_left_out():
    raised = after(None, [(0, True), (15, True)])
    assert alarm_from_row(raised.row()) == raised
    for contents in ("", "[]", "{", '{"rule": "unknown", "subject": ["growatt"], "title": "", "judged_at": 1}', None):
        assert alarm_from_row(AlarmRow("x", 1, contents, None)) is None
