"""Fixtures of the fleet's tests."""

from support.fleet_fixtures import own_database  # noqa: F401 - a fixture
