"""Events, facts and oddities in a store of either engine."""

from heliograph.model import EventKind
from heliograph.store.base import Batch, KnownFact, Oddity, Series, StoredEvent
from heliograph.store.copying import all_batches, recent_batches
from support.store_rows import NOON, ROOF, SAMPLE

BOX, OTHER = Series("growatt", "11", "TLX1"), Series("goodwe", "11")
FAULT = StoredEvent(BOX, NOON, EventKind.FAULT, "302", NOON + 9, None, "no AC connection", "check the wiring", "poll")


def test_events_are_read_by_plant_and_time_newest_first(store):
    later = FAULT._replace(started_at=NOON + 60, series=ROOF, code="")
    store.write(Batch(events=[FAULT, later, FAULT._replace(series=OTHER)]))
    assert store.events(NOON, NOON + 61, ROOF) == (later, FAULT)
    assert store.events(NOON, NOON + 60, BOX) == (FAULT,)
    assert len(store.events(0, NOON + 61)) == 3
    assert store.events(NOON, NOON + 61, ROOF, 1) == (later,)


def test_end_of_an_event_is_added_and_never_removed(store):
    store.write(Batch(events=[FAULT]))
    store.write(Batch(events=[FAULT._replace(seen_at=NOON + 99, ended_at=NOON + 90, text="", advice="")]))
    store.write(Batch(events=[FAULT._replace(seen_at=NOON + 200)]))
    assert store.events(0, NOON + 1) == (FAULT._replace(seen_at=NOON + 200, ended_at=NOON + 90),)


def test_hostile_texts_are_stored(store):
    hostile = FAULT._replace(code="\0\ud800", text="<b>'; DROP TABLE event;--", advice="\ud800")
    store.write(Batch(events=[hostile]))
    (found,) = store.events(0, NOON + 1)
    assert (found.code, found.text) == ("\N{REPLACEMENT CHARACTER}?", hostile.text)


def test_newest_fact_replaces_the_one_before(store):
    store.write(Batch(facts=[KnownFact(BOX, "firmware", "1.0", NOON), KnownFact(ROOF, "plant", "", NOON)]))
    store.write(Batch(facts=[KnownFact(BOX, "firmware", "1.1", NOON + 5)]))
    assert store.facts(ROOF) == (KnownFact(ROOF, "plant", "", NOON), KnownFact(BOX, "firmware", "1.1", NOON + 5))
    assert store.facts(OTHER) == ()
    assert len(store.facts()) == 2


def test_oddities_are_added_up(store):
    odd = Oddity(BOX, "text for the number vpv1", "much", 1, NOON)
    store.write(Batch(oddities=[odd, odd._replace(seen_at=NOON + 1)]))
    store.write(Batch(oddities=[odd._replace(times=3, seen_at=NOON + 9, example="more")]))
    assert store.oddities() == (odd._replace(times=5, seen_at=NOON + 9, example="more"),)


def test_migration_adds_events_to_an_older_store(place):
    with place.open() as store:
        store.write(Batch(samples=[SAMPLE]))
    for table in ("event", "fact", "oddity"):
        place.run(f"DROP TABLE {table}")
    place.set_version(8)
    with place.open() as store:
        assert (store.events(0, NOON), store.facts(), store.oddities()) == ((), (), ())
        store.write(Batch(events=[FAULT]))
        assert (len(store.events(0, NOON + 1)), len(store.latest())) == (1, 1)


def test_copies_of_a_store_have_its_events(store):
    batch = Batch(events=[FAULT], facts=[KnownFact(BOX, "firmware", "1", 1)], oddities=[Oddity(BOX, "x", "y", 2, 3)])
    store.write(batch)
    for copy in (all_batches, recent_batches):
        parts = list(copy(store))
        assert [row for part in parts for row in part.events] == batch.events
        assert [row for part in parts for row in part.facts] == batch.facts
        assert [row for part in parts for row in part.oddities] == batch.oddities
