"""The error tree: old names, messages, and the time a lock ends."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta

import pytest

from heliograph import errors


def test_account_locked_has_an_end_even_where_the_vendor_reports_none():
    before = datetime.now(UTC)
    locked = errors.AccountLocked("the account is locked", vendor="growatt", advice="Wait")
    assert locked.until - before >= timedelta(seconds=locked.retry_after)
    named = errors.AccountLocked("the account is locked", until=datetime(2026, 6, 21, tzinfo=UTC))
    assert pickle.loads(pickle.dumps(named)).until == named.until == datetime(2026, 6, 21, tzinfo=UTC)
    assert str(locked) == "growatt: the account is locked. Wait"


@pytest.mark.parametrize(
    ("old", "new"), [("Invalid", "InvalidValue"), ("NothingKept", "StoreMissing"), ("Refused", "RequestRefused")]
)
def test_errors_accept_their_old_names_with_a_warning(old, new):
    with pytest.warns(DeprecationWarning, match=f"heliograph.errors.{old} is now {new}"):
        assert getattr(errors, old) is getattr(errors, new)


def test_errors_module_rejects_unknown_names():
    with pytest.raises(AttributeError, match="no attribute 'Absent'"):
        _ = errors.Absent


def test_cloud_error_quotes_an_answer_but_not_the_markup_of_a_web_page():
    quoted = errors.Unreadable("HTTP 404", advice="Wait", excerpt='{"code": 7}')
    page = errors.Blocked("a block page (HTTP 405)", advice="Wait", excerpt="<!doctypehtml><html lang='zh-cn'>")
    assert str(quoted) == 'HTTP 404 (answer: {"code": 7}). Wait'
    assert str(page) == "a block page (HTTP 405). Wait"
    assert page.excerpt.startswith("<!doctypehtml>")
