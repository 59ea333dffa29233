"""Alarms as the monitor stores them."""

from heliograph.alarms.model import Alarm, AlarmSubject
from heliograph.store.base import Batch


def raised(rule="no_yield", plant="11", at=1000, **known):
    """Return an alarm of a plant of Growatt that was raised at a time."""
    subject = known.pop("subject", AlarmSubject("growatt", plant))
    title = known.pop("title", "Home")
    return Alarm(rule=rule, subject=subject, title=title, judged_at=at, raised_at=at, **known)


def store_alarms(store, *alarms):
    """Store alarms."""
    store.write(Batch(alarms=[one.row() for one in alarms]))
