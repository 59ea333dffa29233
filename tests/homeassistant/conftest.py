"""Fixtures of the tests with Home Assistant's core; without it, only the file that says so is collected."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from importlib.util import find_spec

import pytest

READY = find_spec("pytest_homeassistant_custom_component") is not None

if READY:
    # Before the plugin's own folder of custom components is importable, which would hide ours.
    import custom_components.heliograph  # noqa: F401
    import reached_texts
    from custom_components.heliograph import account_source, control
    from emulator_process import EmulatorProcess
    from entries import ShiftedClock
    from homeassistant.util import loop as loop_util
    from store_server import StoreServer

    from homeassistant import block_async_io, config_entries
else:
    collect_ignore_glob = ["test_[!m]*.py", "emulator_process.py", "entries.py", "reached_texts.py", "store_server.py"]


@pytest.fixture(scope="module")
def emulator():
    """Run both emulated clouds at noon with a clock that only the test advances."""
    with EmulatorProcess() as process:
        yield process


@pytest.fixture(autouse=READY)
def _local_sockets(socket_enabled):
    """Allow connections to 127.0.0.1, where the emulator listens; the plugin allows no other address."""


@pytest.fixture(autouse=READY)
def config_folder(request, tmp_path):
    """Let Home Assistant load our integration, and give it an empty folder of its own."""
    logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)  # the plugin has each statement printed
    if "recorder_mock" in request.fixturenames:
        request.getfixturevalue("recorder_mock")  # must be the first
    request.getfixturevalue("enable_custom_integrations")
    folder = tmp_path / "config"
    (folder / ".storage").mkdir(parents=True)
    request.getfixturevalue("hass").config.config_dir = str(folder)
    return folder


@pytest.fixture(autouse=READY)
def _reached_texts(monkeypatch):
    """Record the texts of errors and repairs that are shown."""
    reached_texts.record(monkeypatch)


def pytest_collection_modifyitems(items):
    """Run the test last that checks which texts the others have shown."""
    items.sort(key=lambda item: item.name == "test_every_text_is_shown_by_a_test")


@pytest.fixture
def core_detection(hass, monkeypatch):
    """Switch on what Home Assistant's own developers do: asyncio's debug mode and the detection of blocking calls.

    In tests, core leaves out files, certificates and imports by default.
    """
    monkeypatch.setattr(block_async_io, "_IN_TESTS", False)
    monkeypatch.setattr(loop_util, "_PREVIOUSLY_REPORTED", set())
    hass.loop.set_debug(True)
    block_async_io.enable()
    yield
    for call in block_async_io._BLOCKED_CALLS.calls:
        setattr(call.object, call.function, call.original_func)
    block_async_io._BLOCKED_CALLS.calls.clear()
    hass.loop.set_debug(False)


@pytest.fixture
def blocking_calls(core_detection, caplog):
    """Return a function that lists the blocking calls that core has reported."""

    def found():
        return [record.getMessage() for record in caplog.records if "blocking call" in record.getMessage().lower()]

    return found


@pytest.fixture(scope="module")
def live_emulator():
    """Run both emulated clouds at the current time: the account door polls by the clock of this machine."""
    now = datetime.now(UTC).replace(microsecond=0)
    with EmulatorProcess("--speed", "1", start=now) as process:
        yield process


@pytest.fixture
def fresh_emulator():
    """Run both emulated clouds for one test: a token may ask the same question once in five minutes."""
    with EmulatorProcess("--speed", "1", start=datetime.now(UTC).replace(microsecond=0)) as process:
        yield process


@pytest.fixture(scope="module")
def home_server(tmp_path_factory):
    """Serve a home with three days of history up to now."""
    server = StoreServer(tmp_path_factory.mktemp("home"))
    server.fill_today()
    with server:
        yield server


@pytest.fixture(autouse=READY)
def _no_delay_of_reloads(monkeypatch):
    """Let core reload an entry as soon as one of its entities is enabled, instead of half a minute later."""
    monkeypatch.setattr(config_entries, "RELOAD_AFTER_UPDATE_DELAY", 0)


@pytest.fixture
def shifted_clock(monkeypatch):
    """Return the clock of all account entries, which the test moves."""
    one = ShiftedClock()
    monkeypatch.setattr(account_source, "Clock", lambda: one)
    monkeypatch.setattr(control, "CHECK_SECONDS", 0.1)
    return one


@pytest.fixture
def persistent_database():
    """Let the recorder write a file, as everywhere: one in memory is locked as a whole, for 10 seconds at most."""
    return True


@pytest.fixture(autouse=READY)
def _no_traceback(caplog):
    """Check that the integration has logged no traceback, and that core has reported no use of a deprecated API."""
    yield
    records = caplog.get_records("call")
    assert [one.getMessage() for one in records if one.exc_info and one.levelno >= logging.WARNING] == []
    reported = [one.getMessage() for one in records if "Detected that custom integration" in one.getMessage()]
    assert [one for one in reported if "'heliograph'" in one and "blocking call" not in one] == []
