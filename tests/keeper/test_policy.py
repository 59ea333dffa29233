"""The rules of the keeper: whether a request is allowed, given the history of the account."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from itertools import pairwise

import pytest

from heliograph import keeper
from heliograph.core import http
from heliograph.core.protocol import RELOGIN_DELAY
from heliograph.errors import (
    AccountLocked,
    Blocked,
    CloudError,
    InvalidCredentials,
    LoginFailed,
    RequestRefused,
    SessionExpired,
    TermsNotAccepted,
    Throttled,
    Unreachable,
)
from heliograph.keeper import policy
from heliograph.keeper.limits import DAY, Limits
from heliograph.keeper.policy import HOUR, MINUTE
from heliograph.keeper.state import BUCKET_SECONDS, AccountState
from heliograph.vendors.goodwe import GoodWe
from heliograph.vendors.growatt import Growatt
from support.paths import DOCS

NOON = 1_782_036_000.0
LIMITS = Limits(requests=180, logins=8, reserve=20, login_reserve=2)


@pytest.fixture
def book():
    found = AccountState()
    found.advance_to(NOON)
    return found


def rejection(book, now, *, is_login=False, interactive=False, forced=False, password="hunter2", limits=LIMITS):
    """Return the error that delays or rejects a request, or None."""
    book.advance_to(now)
    try:
        request = {"is_login": is_login, "interactive": interactive, "forced": forced}
        policy.check(book, now, limits, **request, fingerprint=lambda: password)
    except CloudError as error:
        return error
    return None


def wait(book, now, **options):
    """Return the wait before a request in seconds."""
    error = rejection(book, now, **options)
    return 0.0 if error is None else error.retry_after


def record_error(book, now, error, password="hunter2"):
    book.advance_to(now)
    policy.on_error(book, now, error, lambda: password)


def fail_login(book, now, error=None):
    book.advance_to(now)
    policy.on_send(book, now, is_login=True)
    record_error(book, now, error or LoginFailed("no"))


def log_in(book, now, password="right"):
    book.advance_to(now)
    policy.on_send(book, now, is_login=True)
    policy.on_login(book, now, lambda: password)


def throttled(kind, seconds=None):
    error = kind("slow down")
    if seconds is not None:
        error.retry_after = seconds
    return error


def notes(book):
    return "\n".join(sentence for _, sentence in book.notes)


def test_new_account_may_log_in_at_once(book):
    assert rejection(book, NOON, is_login=True) is None


def test_lock_ends_after_its_duration_and_a_margin(book):
    record_error(book, NOON, throttled(AccountLocked, 24 * HOUR))
    over = NOON + 24 * HOUR + policy.LOCK_MARGIN
    for moment in (NOON, NOON + 24 * HOUR, over - 1):
        for opens in (False, True):
            for interactive in (False, True):
                error = rejection(book, moment, is_login=opens, interactive=interactive)
                assert isinstance(error, AccountLocked)
                assert error.until.timestamp() == over
                assert error.retry_after == over - moment
    assert rejection(book, over, is_login=True) is None


def test_lock_duration_is_limited_to_a_week(book):
    record_error(book, NOON, throttled(AccountLocked, 8760 * HOUR))
    assert wait(book, NOON) == policy.MAX_LOCK


def test_rate_limit_waits_for_the_reported_time(book):
    record_error(book, NOON, throttled(Throttled))
    assert wait(book, NOON) == 300.0
    assert wait(book, NOON, interactive=True) == 300.0
    assert rejection(book, NOON + 300) is None


def test_repeated_rate_limit_waits_longer(book):
    now, waits = NOON, []
    for _ in range(6):
        record_error(book, now, throttled(Throttled))
        waits.append(wait(book, now))
        now += waits[-1] + MINUTE
        policy.on_success(book)
    assert waits == [300, 600, 1200, 2400, 3600, 3600]


def test_block_page_waits_hours_and_longer_if_repeated(book):
    now, waits = NOON, []
    for _ in range(4):
        record_error(book, now, Blocked("a page"))
        waits.append(wait(book, now, interactive=True))
        now += waits[-1] + HOUR
        policy.on_success(book)
    assert waits == [4 * HOUR, 8 * HOUR, 16 * HOUR, DAY]


def test_block_after_a_quiet_time_starts_with_the_short_wait(book):
    record_error(book, NOON, Blocked("a page"))
    later = NOON + 4 * HOUR + policy.ERROR_MEMORY
    record_error(book, later, Blocked("a page"))
    assert wait(book, later) == 4 * HOUR


def test_rate_limit_does_not_extend_the_first_block(book):
    for _ in range(5):
        record_error(book, NOON, throttled(Throttled))
    record_error(book, NOON, Blocked("a page"))
    assert wait(book, NOON) == 4 * HOUR


def test_failed_logins_wait_longer_each_time(book):
    now, waits = NOON, []
    for _ in range(5):
        fail_login(book, now)
        book.failed_by_person = False
        waits.append(wait(book, now, is_login=True, limits=Limits(1000, 1000, 0)))
        now += waits[-1]
    assert waits == [60, 120, 240, 480, 960]
    book.failures = 1000
    assert wait(book, now, is_login=True, limits=Limits(1000, 1000, 0)) <= policy.MAX_LOGIN_WAIT


def test_failure_that_needs_the_user_waits_an_hour(book):
    fail_login(book, NOON, TermsNotAccepted("terms"))
    error = rejection(book, NOON, is_login=True)
    assert error.retry_after == HOUR
    assert "terms" in error.message
    assert rejection(book, NOON + HOUR, is_login=True) is None


def test_reads_with_a_valid_session_continue_after_a_failed_login(book):
    fail_login(book, NOON)
    assert rejection(book, NOON) is None


def test_successful_login_ends_the_waits(book):
    fail_login(book, NOON)
    log_in(book, NOON + HOUR)
    assert book.failures == 0
    assert rejection(book, NOON + HOUR + 1, is_login=True) is None


def test_refused_password_is_not_sent_again(book):
    fail_login(book, NOON, InvalidCredentials("501"))
    for moment in (NOON, NOON + DAY, NOON + 1000 * DAY):
        assert isinstance(rejection(book, moment, is_login=True), InvalidCredentials)
        assert isinstance(rejection(book, moment, is_login=True, interactive=True), InvalidCredentials)


def test_another_password_is_tried_at_once(book):
    fail_login(book, NOON, InvalidCredentials("501"))
    assert rejection(book, NOON + 1, is_login=True, password="new") is None


def test_two_wrong_passwords_are_each_sent_once(book):
    for password in ("old", "older"):
        assert rejection(book, NOON, is_login=True, password=password) is None
        policy.on_send(book, NOON, is_login=True)
        record_error(book, NOON, InvalidCredentials("501"), password)
    for password in ("old", "older"):
        assert isinstance(rejection(book, NOON, is_login=True, password=password), InvalidCredentials)


def test_accepted_password_does_not_clear_other_refused_ones(book):
    fail_login(book, NOON, InvalidCredentials("501"))
    log_in(book, NOON + 1)
    assert book.refused_at is None
    assert isinstance(rejection(book, NOON + 2, is_login=True), InvalidCredentials)
    assert rejection(book, NOON + 2, is_login=True, password="right") is None


def test_refused_passwords_are_limited(book):
    for number in range(50):
        record_error(book, NOON, InvalidCredentials("501"), str(number))
    assert book.refused_passwords == [str(number) for number in range(40, 50)]


def test_forced_login_with_a_refused_password_is_allowed(book):
    for password in ("mine", "theirs"):
        record_error(book, NOON, InvalidCredentials("501"), password)
    assert rejection(book, NOON, is_login=True, password="mine", forced=True) is None
    assert isinstance(rejection(book, NOON, is_login=True, password="mine"), InvalidCredentials)
    log_in(book, NOON, "mine")
    assert rejection(book, NOON, is_login=True, password="mine") is None
    assert isinstance(rejection(book, NOON, is_login=True, password="theirs"), InvalidCredentials)


def test_forced_login_respects_locks_blocks_and_quota(book):
    fail_login(book, NOON)
    assert rejection(book, NOON, is_login=True, forced=True) is None
    book.logins = [NOON] * LIMITS.logins
    assert isinstance(rejection(book, NOON, is_login=True, forced=True), Throttled)
    for error in (throttled(AccountLocked, HOUR), Blocked("a page")):
        fail_login(book, NOON)
        failures = book.failures
        record_error(book, NOON, error)
        assert isinstance(rejection(book, NOON, is_login=True, forced=True), type(error))
        assert book.failures == failures > 0, "a rejected forced login does not reset the failures"


def end_session_early(book, now):
    log_in(book, now)
    book.advance_to(now + MINUTE)
    policy.on_session_expired(book, now + MINUTE)


def test_first_early_session_end_is_renewed_at_once(book):
    end_session_early(book, NOON)
    assert rejection(book, NOON + MINUTE, is_login=True) is None
    assert "ended after 1 min: another login" in notes(book)


def test_repeated_early_session_ends_back_off_with_the_reason(book):
    now, waits = NOON, []
    for _ in range(5):
        end_session_early(book, now)
        error = rejection(book, now + MINUTE, is_login=True, limits=Limits(1000, 1000, 0))
        waits.append(error.retry_after if error else 0.0)
        now += MINUTE + waits[-1]
    assert waits == [0, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR]
    assert "5 times within 6 hours" in error.message


def test_session_of_an_hour_does_not_count_as_ended_early(book):
    for number in range(6):
        log_in(book, NOON + number * HOUR)
        policy.on_session_expired(book, NOON + (number + 1) * HOUR - MINUTE)
    assert book.deaths == []


def test_early_session_ends_expire(book):
    end_session_early(book, NOON)
    end_session_early(book, NOON + 2 * MINUTE)
    many = Limits(1000, 1000, 0)
    assert wait(book, NOON + 3 * MINUTE, is_login=True, limits=many) > 0
    end_session_early(book, NOON + 2 * MINUTE + policy.ERROR_MEMORY)
    assert rejection(book, NOON + 3 * MINUTE + policy.ERROR_MEMORY, is_login=True, limits=many) is None


def test_logins_are_spread_over_the_day_after_half(book):
    now, times = NOON, []
    while now < NOON + DAY:
        if rejection(book, now, is_login=True) is None:
            log_in(book, now)
            times.append(now - NOON)
        now += MINUTE
    assert times == [0, MINUTE, 2 * MINUTE, *(2 * MINUTE + number * 4 * HOUR for number in (1, 2, 3))]


HALF_DAYS = LIMITS._replace(enough_logins=2)


def sessions(book, *times, ended):
    """Open sessions at these hours after NOON; the last one ends early."""
    for hours in times:
        log_in(book, NOON + hours * HOUR)
    book.advance_to(NOON + ended * HOUR)
    policy.on_session_expired(book, NOON + ended * HOUR)


@pytest.fixture
def utc(monkeypatch):
    """Give this machine the time zone UTC: NOON is at 10:00."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("second", "ended", "allowed"),
    [
        (12, 23, 24),  # the first of the two is a day old
        (12, 20.5, 24),  # from 6 o'clock on it waits four hours at most, and here less
        (12, 14, 20),  # midnight; it waits until the morning
        (23, 24.5, 24.5),  # the first is a day old already
    ],
)
def test_third_login_of_a_day_waits_while_sessions_last_half_a_day(book, utc, second, ended, allowed):
    sessions(book, 0, second, ended=ended)
    now = NOON + ended * HOUR
    assert now + wait(book, now, is_login=True, limits=HALF_DAYS) == NOON + allowed * HOUR
    assert wait(book, now, is_login=True, limits=HALF_DAYS, interactive=True) == 0
    assert wait(book, now, is_login=True) == 0


def test_third_login_of_a_day_waits_four_hours_by_day_at_most(book, utc):
    sessions(book, 10, 22, ended=23)  # logins at 20:00 and 8:00, the end at 9:00
    now = NOON + 23 * HOUR
    error = rejection(book, now, is_login=True, limits=HALF_DAYS)
    assert error.retry_after == policy.EARLY_END_WAIT
    assert "2 logins of 24 hours are used, which suffice while sessions last half a day" in error.message


def test_third_login_of_a_day_does_not_wait_where_sessions_are_short(book, utc):
    sessions(book, 0, 9, ended=14)
    assert wait(book, NOON + 14 * HOUR, is_login=True, limits=HALF_DAYS) == 0


def test_at_most_two_logins_a_day_while_sessions_last_half_a_day(book, utc):
    now, until, logins = NOON, NOON, []
    while now < NOON + 20 * DAY:
        if now >= until and rejection(book, now, is_login=True, limits=HALF_DAYS) is None:
            if logins:
                policy.on_session_expired(book, now)
            log_in(book, now)
            logins.append(now)
            until = now + 12 * HOUR
        now += 18 * MINUTE
    assert len(logins) == 2 * 20
    assert all(third - first >= DAY for first, third in zip(logins, logins[2:], strict=False))


def test_login_reserve_is_for_interactive_use(book):
    book.logins = [NOON] * 6
    error = rejection(book, NOON, is_login=True)
    assert "6 of 8 logins" in error.message
    assert error.retry_after == DAY
    assert rejection(book, NOON, is_login=True, interactive=True) is None
    book.logins = [NOON] * 8
    assert rejection(book, NOON, is_login=True, interactive=True).retry_after == DAY


def test_request_reserve_is_for_interactive_use(book):
    for _ in range(160):
        assert rejection(book, NOON) is None
        policy.on_send(book, NOON, is_login=False)
    error = rejection(book, NOON)
    assert "160 of 180 requests of 24 hours are used, and 20 are reserved for interactive use" in error.message
    assert error.retry_after == DAY + BUCKET_SECONDS
    assert rejection(book, NOON, interactive=True) is None


def test_requests_become_available_after_a_day(book):
    for number in range(160):
        policy.on_send(book, NOON + number * 10, is_login=False)
    now = NOON + 1600
    until = now + wait(book, now)
    assert until == NOON + BUCKET_SECONDS + DAY
    assert rejection(book, until) is None
    assert book.requests_used == 160 - 30


def test_refusal_always_has_a_positive_retry_after(book):
    for number in range(400):
        policy.on_send(book, NOON + number * 250, is_login=False)
    for number in range(400):
        error = rejection(book, NOON + number * 777)
        assert error is None or error.retry_after > 0


def test_limits_reserve_takes_at_most_half(book):
    tiny = Limits(requests=10, logins=2, reserve=20, login_reserve=2)
    assert (tiny.usable_requests(interactive=False), tiny.usable_logins(interactive=False)) == (5, 1)
    assert (tiny.usable_requests(interactive=True), tiny.usable_logins(interactive=True)) == (10, 2)
    none = Limits(0, 0, 0, 0)
    assert (none.usable_requests(interactive=False), none.usable_logins(interactive=False)) == (1, 1)
    assert rejection(book, NOON, is_login=True, limits=tiny) is None


def test_interrupted_login_counts_as_failed(book):
    policy.on_send(book, NOON, is_login=True)
    later = NOON + 10
    book.advance_to(later)
    policy.on_interrupted_login(book, later)
    assert len(book.logins) == 1
    error = rejection(book, later, is_login=True)
    assert error.retry_after == 50
    assert "its outcome is unknown" in error.message


def test_interrupted_login_of_long_ago_causes_no_wait(book):
    policy.on_send(book, NOON, is_login=True)
    book.advance_to(NOON + 7 * DAY)
    policy.on_interrupted_login(book, NOON + 7 * DAY)
    assert rejection(book, NOON + 7 * DAY, is_login=True) is None


def test_refund_undoes_the_count(book):
    for opens in (False, True):
        policy.on_send(book, NOON, is_login=opens)
        policy.refund(book, is_login=opens)
        assert (book.requests_used, book.logins, book.trying) == (0, [], False)
    gone = Unreachable("no connection")
    gone.sent = False
    record_error(book, NOON, gone)
    assert book.failures == 0
    assert rejection(book, NOON, is_login=True) is None


def test_missing_responses_back_off_after_two(book):
    waits = []
    for _ in range(9):
        record_error(book, NOON, Unreachable("no response"))
        waits.append(wait(book, NOON))
    assert waits == [0, 0, 30, 60, 120, 240, 480, 900, 900]


def test_interactive_request_is_allowed_while_unreachable(book):
    for _ in range(4):
        record_error(book, NOON, Unreachable("no response"))
    assert rejection(book, NOON) is not None
    assert rejection(book, NOON, interactive=True) is None
    policy.on_success(book)
    assert rejection(book, NOON) is None


def test_response_resets_the_count_of_misses(book):
    for error in (Unreachable("x"), Unreachable("x"), RequestRefused("no"), Unreachable("x"), Unreachable("x")):
        record_error(book, NOON, error)
    assert rejection(book, NOON) is None


def test_session_expired_after_a_login_counts_as_ended_early(book):
    for number in range(3):
        now = NOON + number * 2 * MINUTE
        log_in(book, now)
        policy.on_session_expired(book, now)
        record_error(book, now, SessionExpired("still"))
    assert wait(book, now, is_login=True) >= 30 * MINUTE


def test_success_resets_the_count_of_misses(book):
    for _ in range(5):
        record_error(book, NOON, Unreachable("x"))
        record_error(book, NOON, Unreachable("x"))
        assert rejection(book, NOON) is None
        policy.on_success(book)


def test_success_does_not_end_a_lock(book):
    record_error(book, NOON, throttled(AccountLocked, HOUR))
    policy.on_success(book)
    assert isinstance(rejection(book, NOON + MINUTE), AccountLocked)


MOMENTS = [-1000 * DAY, -DAY, -61.0, -1.0]


@pytest.mark.parametrize("step", MOMENTS)
def test_clock_going_back_keeps_all_waits(book, step):
    record_error(book, NOON, throttled(AccountLocked, 24 * HOUR))
    left = wait(book, NOON + HOUR)
    assert wait(book, NOON + HOUR + step) >= left
    assert wait(book, NOON + HOUR + step) < left + 61


@pytest.mark.parametrize("step", MOMENTS)
def test_clock_going_back_releases_no_quota(book, step):
    for _ in range(6):
        policy.on_send(book, NOON, is_login=True)
    book.advance_to(NOON + step)
    assert (book.requests_used, len(book.logins)) == (6, 6)
    assert wait(book, NOON + step, is_login=True) == pytest.approx(DAY, abs=61)


def test_clock_starting_in_1970_keeps_a_lock(book):
    record_error(book, NOON, throttled(AccountLocked, 24 * HOUR))
    for boot in (30.0, 45.0):  # two power cuts in a row
        assert wait(book, boot) > 24 * HOUR
    assert wait(book, NOON + HOUR) == 23 * HOUR + policy.LOCK_MARGIN
    assert rejection(book, NOON + 25 * HOUR) is None


@pytest.mark.parametrize("step", [MINUTE, DAY, 1000 * DAY, 100 * 365 * DAY])
def test_clock_changes_keep_the_state_valid(book, step):
    log_in(book, NOON)
    record_error(book, NOON, throttled(AccountLocked, 24 * HOUR))
    for moment in (NOON + step, NOON, NOON + step, NOON + 2 * step):
        rejection(book, moment, is_login=True)
        policy.budget(book, moment, LIMITS)
    assert rejection(book, NOON + 3 * step + 30 * DAY, is_login=True) is None


def test_budget_reports_usage_and_back_off(book):
    log_in(book, NOON)
    policy.on_send(book, NOON + HOUR, is_login=False)
    book.session = {"alive": True}
    found = policy.budget(book, NOON + HOUR, LIMITS)
    assert (found.requests_used, found.requests_limit, found.reserve) == (2, 180, 20)
    assert (found.logins_used, found.logins_limit) == (1, 8)
    assert found.opened_at.timestamp() == found.last_login.timestamp() == NOON
    assert found.pause is found.next_free is None
    assert [sentence for _, sentence in found.notes] == ["logged in"]


def test_budget_reports_a_login_wait_only_without_session(book):
    fail_login(book, NOON)
    assert policy.budget(book, NOON, LIMITS).pause.kind == "login"
    book.session = {"alive": True}
    assert policy.budget(book, NOON, LIMITS).pause is None


def test_budget_reports_the_next_free_request(book):
    for _ in range(160):
        policy.on_send(book, NOON, is_login=False)
    assert policy.budget(book, NOON, LIMITS).next_free.timestamp() == NOON + BUCKET_SECONDS + DAY


def test_notes_are_limited_and_not_repeated(book):
    for number in range(100):
        book.add_note(NOON, f"note {number}")
    book.add_note(NOON + 1, "note 99")
    assert len(book.notes) == 30
    assert book.notes[-1] == [NOON + 1, "note 99"]


def test_pacing_allows_requests_in_every_hour(book):
    answered = []
    for turn in range(3 * 288):
        now = NOON + turn * 300
        book.advance_to(now)
        with suppress(Throttled):
            policy.check_pacing(book, now, LIMITS)
            answered.append(now)
        if now not in answered[-1:]:
            continue
        for _ in range(2):  # two requests per poll
            assert rejection(book, now) is None
            policy.on_send(book, now, is_login=False)
    hours = [sum(start <= now < start + HOUR for now in answered) for start in (NOON + n * HOUR for n in range(72))]
    assert min(hours) >= 2
    assert max(hours[1:]) <= 13
    assert sum(hours[:24]) * 2 <= 160


def paced_rounds(book, days, lost=lambda now: False, size=2):
    """Return when a script that cron starts every five minutes received the answers of all requests of a round."""
    complete = []
    for now in (NOON + turn * 300.0 for turn in range(days * 288)):
        book.advance_to(now)
        with suppress(Throttled):
            policy.check_pacing(book, now, LIMITS)
            for _ in range(size):
                policy.check(book, now, LIMITS, is_login=False, interactive=False, fingerprint=str)
                policy.on_send(book, now, is_login=False)
                if lost(now):
                    policy.on_error(book, now, Unreachable("no response"), str)
                    break
                policy.on_success(book)
            else:
                complete.append(now)
    return complete


def gaps(times):
    return [later - earlier for earlier, later in pairwise(times)]


def test_pacing_spreads_rounds_evenly_and_never_cuts_one_short(book):
    complete = paced_rounds(book, 5)
    assert max(gaps(complete)) <= 25 * MINUTE
    assert len(complete) * 2 == sum(gap > 0 for gap in gaps(complete)) * 2 + 2
    rounds_a_day = [sum(NOON + day * DAY <= at < NOON + (day + 1) * DAY for at in complete) for day in range(5)]
    assert min(rounds_a_day) >= 72, "the quota of 160 requests allows 80 rounds"
    assert max(gaps(complete[-72:])) <= 20 * MINUTE


def test_pacing_lets_a_round_that_failed_be_repeated_at_once(book):
    def lost(now):
        return 2 * DAY <= now - NOON < 3 * DAY and int(now / 300) % 5 < 2

    complete = paced_rounds(book, 5, lost)
    assert max(gaps(complete)) <= 35 * MINUTE


def test_pacing_does_not_interrupt_a_started_flow(book):
    policy.check_pacing(book, NOON, LIMITS)
    for _ in range(60):
        assert rejection(book, NOON) is None
        policy.on_send(book, NOON, is_login=False)
    with pytest.raises(Throttled):
        policy.check_pacing(book, NOON, LIMITS)


def spelled(value):
    if value < 1:
        return f"{value:.0%}".replace("%", " %")
    for unit, seconds in (("days", DAY), ("h", HOUR), ("min", MINUTE)):
        if value % seconds == 0 and (value > DAY or unit != "days") and value != http.DEFAULT_RETRY_AFTER:
            return f"{value / seconds:.0f} {unit}"
    return f"{value:.0f} s"


def test_docs_keeper_lists_the_figures_of_the_code():
    page = (DOCS / "keeper.md").read_text(encoding="utf-8")
    known = {
        "BLOCK": Blocked.retry_after,
        "BUCKET_SECONDS": BUCKET_SECONDS,
        "DEFAULT_RETRY_AFTER": http.DEFAULT_RETRY_AFTER,
    }
    known |= {"PATIENCE": keeper.PATIENCE, "RELOGIN_DELAY": RELOGIN_DELAY, **vars(policy)}
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| ((?:`[A-Z_]+`,? ?)+) \|", page, re.MULTILINE)
    named = set()
    for figure, constants in rows:
        names = re.findall(r"`([A-Z_]+)`", constants)
        named.update(names)
        if names != ["BUCKET_SECONDS"]:
            assert figure == " to ".join(spelled(known[name]) for name in names), names
    described_in_text = {"TOLERATED_MISSES", "MAX_REFUSED_PASSWORDS", "MAX_SEQUENCE"}
    described_in_text |= {"DAY", "HOUR", "MINUTE", "UTC", "TYPE_CHECKING", "MORNING", "EVENING"}
    assert {name for name in vars(policy) if name.isupper()} - described_in_text <= named
    for vendor, kind in (("Growatt", Growatt), ("GoodWe", GoodWe)):
        requests, logins, reserve, login_reserve, _ = kind.default_limits
        assert f"| {vendor} | {requests} | {reserve} | {logins} | {login_reserve} |" in page


def test_pacing_debt_is_limited_to_half_an_hour(book):
    for _ in range(120):
        policy.on_send(book, NOON, is_login=False)
    with pytest.raises(Throttled) as caught:
        policy.check_pacing(book, NOON, LIMITS)
    assert 30 * MINUTE <= caught.value.retry_after <= 45 * MINUTE
