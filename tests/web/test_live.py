"""Server-sent events over a real socket: what changed comes, once, to whoever listens, until it is time to stop."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from functools import partial

import pytest

try:
    import resource
except ImportError:  # Windows
    resource = None

from heliograph.config import ServeConfig
from heliograph.store import open_store
from heliograph.store.base import Batch, Series, SeriesInfo
from heliograph.store.threaded import StoreThread
from heliograph.web import live as module
from heliograph.web.app import make_app
from heliograph.web.live import EventHub
from heliograph.web.state import StateCache
from support.website import HOME, NOON, ZONE, Still, accounts, entry, home, hostile, served, written

LIVE = "/api/v1/events/live"


class Events:
    """A stream, read event by event."""

    def __init__(self, site, path=LIVE, **headers):
        self.connection, self.answer = site.stream(path, **headers)

    def next(self):
        """Return the next event: its name, its number and its data."""
        found, end = {}, time.monotonic() + 10
        for line in self.answer:
            assert time.monotonic() < end
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name in ("event", "id", "data"):
                found[name] = value
            elif not name and found:
                return found["event"], int(found["id"]), json.loads(found["data"])
        raise EOFError

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()


@pytest.fixture
def store(tmp_path):
    return written(tmp_path / "samples.sqlite", home())


def later(store, seconds, power, series=HOME):
    return written(store, Batch(samples=[entry(series, NOON + seconds, pv_power=power)]))


def test_new_client_gets_current_state_then_changes(store):
    with served(store) as site, Events(site) as events:
        assert events.answer.headers["Content-Type"].startswith("text/event-stream")
        assert events.answer.headers["Cache-Control"] == "no-store"
        name, first, data = events.next()
        assert name == "now"
        assert [one["plant"] for one in data["plants"]] == ["11"]
        assert data["plants"][0] == site.ask("/api/v1/plants/growatt/11").json
        assert events.next()[0] == "accounts"
        later(store, 300, 2222.0)
        site.clock.moment += 300
        name, second, data = events.next()
        assert name == "now"
        assert data["plants"][0]["values"]["pv_power"] == 2222.0
        assert second > first


def test_events_have_only_changed_and_requested_plants(store):
    other = Series("goodwe", "22")
    written(
        store, Batch(samples=[entry(other, NOON, pv_power=1.0)], series_info=[SeriesInfo(other, "Other", None, ZONE)])
    )
    with served(store) as site, Events(site) as all_of_them, Events(site, f"{LIVE}?vendor=goodwe&plant=22") as one:
        assert len(all_of_them.next()[2]["plants"]) == 2
        assert [plant["name"] for plant in one.next()[2]["plants"]] == ["Other"]
        assert [all_of_them.next()[0], one.next()[0]] == ["accounts", "accounts"]
        later(store, 300, 7.0)
        written(store, Batch(samples=[entry(other, NOON + 240, pv_power=2.0)]))
        site.clock.moment += 300
        assert {plant["plant"] for plant in all_of_them.next()[2]["plants"]} == {"11", "22"}
        (found,) = one.next()[2]["plants"]
        assert found["values"]["pv_power"] == 2.0


@pytest.mark.parametrize("how", ["header", "query"])
def test_reconnecting_client_gets_missed_changes(store, how):
    other = Series("goodwe", "22")
    written(
        store, Batch(samples=[entry(other, NOON, pv_power=1.0)], series_info=[SeriesInfo(other, "Other", None, ZONE)])
    )
    with served(store) as site, Events(site) as stays:
        with Events(site) as events:
            events.next()
            _, number, _ = events.next()
        assert [stays.next()[0], stays.next()[0]] == ["now", "accounts"]
        later(store, 300, 7.0)
        site.clock.moment += 300
        stays.next()
        again = {"Last-Event-ID": str(number)} if how == "header" else {}
        with Events(site, LIVE if again else f"{LIVE}?after={number}", **again) as events:
            name, _, data = events.next()
            assert name == "now"
            assert [plant["plant"] for plant in data["plants"]] == ["11"]


def test_the_number_of_an_event_means_the_same_after_a_restart(store):
    with served(store) as site, Events(site) as events:
        _, number, _ = events.next()
    later(store, 600, 9.0)
    with served(store, clock=Still(NOON + 600)) as site, Events(site, Last_Event_ID=str(number)) as events:
        assert events.next()[2]["plants"][0]["values"]["pv_power"] == 9.0


@pytest.mark.parametrize("word", ["", "-1", "1e9", "x" * 1000, "9" * 400, "\xb2"])
def test_invalid_last_event_id_is_ignored(store, word):
    with served(store) as site, Events(site, Last_Event_ID=word) as events:
        assert events.next()[0] == "now"


def test_a_name_with_lines_in_it_cannot_make_an_event(tmp_path):
    with served(written(tmp_path / "s.sqlite", hostile())) as site, Events(site) as events:
        name, _, data = events.next()
        assert name == "now"
        assert len(data["plants"]) == 10
        assert events.next()[0] == "accounts"


def test_number_of_event_clients_is_limited(store, monkeypatch):
    monkeypatch.setattr(module, "MAX_CLIENTS", 2)
    with served(store) as site:
        with Events(site) as one, Events(site) as other:
            assert [one.next()[0], other.next()[0]] == ["now", "now"]
            refused = site.ask(LIVE)
            assert refused.status == 503
            assert refused.headers["Retry-After"] == "30"
            assert refused.json["detail"] == "too many event clients are connected"
        end = time.monotonic() + 10
        while True:
            connection, answer = site.stream(LIVE)
            connection.close()
            if answer.status == 200:
                break
            assert time.monotonic() < end


def test_number_of_event_clients_is_limited_when_all_connect_at_once(store, monkeypatch):
    monkeypatch.setattr(module, "MAX_CLIENTS", 2)
    statuses, responded = [], asyncio.Event()

    async def send(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
            if len(statuses) == 10:
                responded.set()

    async def stay_connected():
        await asyncio.Event().wait()

    async def story():
        aside = StoreThread(partial(open_store, store, create=False))
        app = make_app(StateCache(aside, accounts, clock=Still()), ServeConfig())
        scope = {"type": "http", "method": "GET", "path": LIVE, "raw_path": LIVE.encode(), "query_string": b""}
        scope |= {"headers": [(b"host", b"localhost")], "http_version": "1.1", "scheme": "http", "root_path": ""}
        running = [asyncio.create_task(app(dict(scope), stay_connected, send)) for _ in range(10)]
        await asyncio.wait_for(responded.wait(), 20)
        assert app.state.live.clients == statuses.count(200) == 2
        for one in running:
            one.cancel()
        await asyncio.wait(running)
        assert app.state.live.clients == 0
        await aside.close()

    asyncio.run(story())
    assert statuses.count(503) == 8


@pytest.mark.skipif(resource is None, reason="limits of POSIX")
def test_a_thousand_event_clients_at_once_leave_the_page_usable(store):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("the system allows fewer than 4,096 open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))

    async def connect(site):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(f"GET {LIVE} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return writer, await reader.readline()

    async def flood(site):
        found = await asyncio.wait_for(asyncio.gather(*(connect(site) for _ in range(1000))), 100)
        healthy = await asyncio.to_thread(site.ask, "/healthz")
        for writer, _ in found:
            writer.close()
        return [line for _, line in found], healthy.status

    try:
        with served(store) as site:
            lines, status = asyncio.run(flood(site))
            # The connections are closed: the next client gets its stream.
            end = time.monotonic() + 60
            while True:
                connection, answer = site.stream(LIVE)
                connection.close()
                if answer.status == 200:
                    break
                assert time.monotonic() < end
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    accepted = lines.count(b"HTTP/1.1 200 OK\r\n")
    assert accepted <= module.MAX_CLIENTS
    assert lines.count(b"HTTP/1.1 503 Service Unavailable\r\n") == 1000 - accepted
    assert status in (200, 503)  # 503: all connections were taken


def test_streams_end_at_once_when_it_is_time_to_stop(store):
    with served(store) as site:
        streams = [Events(site) for _ in range(20)]
        for one in streams:
            one.next()
        silent, _ = site.stream(LIVE)  # which reads nothing
        begun = time.monotonic()
    assert time.monotonic() - begun < 2
    for one in streams:
        while True:
            try:
                one.next()
            except EOFError:
                break
        one.connection.close()
    silent.close()


def test_events_are_uncompressed_and_immediate(store):
    with served(store) as site, Events(site, Accept_Encoding="gzip") as events:
        assert events.answer.headers["Content-Encoding"] is None
        assert events.next()[0] == "now"


def watched(store, clock, **options):
    aside = StoreThread(partial(open_store, store, create=False))
    source = StateCache(aside, accounts, clock=clock, timer=lambda: clock.moment)
    return aside, EventHub(source, poll_interval=0.01, **options)


async def connected(live):
    with live.connected():
        async for text in live.events(0, lambda _: True):
            yield text


async def until(stream, word):
    async with asyncio.timeout(20):
        async for text in stream:
            if word in text:
                return text
    raise AssertionError(word)


def test_a_silent_stream_has_a_heart_that_beats(store):
    async def listen():
        aside, live = watched(store, Still(), keepalive=0.01)
        stream = connected(live)
        assert (await until(stream, "event: now")).endswith("\n\n")
        await until(stream, "event: accounts")
        assert [await anext(stream) for _ in range(3)] == [":\n\n"] * 3
        await stream.aclose()
        await aside.close()

    asyncio.run(listen())


def test_a_stream_that_is_closed_ends_without_waiting_for_its_next_beat(store):
    async def listen():
        aside, live = watched(store, Still())
        stream = connected(live)
        await until(stream, "event: accounts")
        ending = asyncio.create_task(anext(stream, "over"))
        await asyncio.sleep(0)
        await live.close()
        assert await asyncio.wait_for(ending, 5) == "over"
        assert live.clients == 0
        await aside.close()

    asyncio.run(listen())


def test_state_is_not_polled_without_clients(store):
    async def listen():
        aside, live = watched(store, Still())
        assert live._poll_task is None
        stream = connected(live)
        await until(stream, "event: now")
        task = live._poll_task
        await stream.aclose()
        assert live._poll_task is None
        await asyncio.wait([task])
        assert task.cancelled()
        await aside.close()

    asyncio.run(listen())


def test_a_clock_set_back_holds_nothing_back(store):
    async def listen():
        aside, live = watched(store, clock := Still())
        stream = connected(live)
        first = await until(stream, "event: now")
        later(store, 300, 7.0)
        clock.moment -= 7200
        second = await until(stream, "event: now")
        assert "T10:05:00Z" in second  # its power is not current: by this clock it is from the future
        numbers = [int(text.partition("id: ")[2].partition("\n")[0]) for text in (first, second)]
        assert numbers[0] < numbers[1]
        await stream.aclose()
        await aside.close()

    asyncio.run(listen())


def test_unavailable_store_ends_no_stream(tmp_path):
    where = tmp_path / "samples.sqlite"
    where.write_text("no database " * 100)

    async def listen():
        aside, live = watched(where, clock := Still(), keepalive=0.01)
        stream = connected(live)
        assert "retry" in await anext(stream)
        assert await anext(stream) == ":\n\n"
        where.unlink()
        written(where, home())
        clock.moment += 2
        await until(stream, "event: now")
        await stream.aclose()
        await aside.close()

    asyncio.run(listen())


def test_slow_client_does_not_block_others(store):
    before = threading.active_count()
    with served(store) as site:
        silent, _ = site.stream(LIVE)
        with Events(site) as events:
            events.next()
        assert site.ask("/api/v1/plants").status == 200
        silent.close()
    assert threading.active_count() < before + 20
