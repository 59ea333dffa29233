"""What all tests share: properties are drawn the same way in every run, and no slow machine fails them."""

import pytest
from hypothesis import settings

from support.postgres_server import postgres, server  # noqa: F401 - likewise
from support.store_fixtures import place, store  # noqa: F401 - fixtures

settings.register_profile("heliograph", deadline=None, derandomize=True, database=None)
settings.load_profile("heliograph")


@pytest.fixture(autouse=True)
def _a_home_of_its_own(tmp_path_factory, monkeypatch):
    """Let no test see what another one's accounts are remembered by, and none write to this user's folders."""
    monkeypatch.setenv("HELIOGRAPH_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def broker(tmp_path):
    """A broker that lets everybody in."""
    from support.mqtt_broker import Broker, program

    ours = Broker(program(), tmp_path)
    ours.start()
    yield ours
    ours.stop()
