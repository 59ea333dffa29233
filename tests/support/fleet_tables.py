"""Fixtures of a fleet in a real database; its modules need the extra `fleet` and are imported on use."""

import pytest


@pytest.fixture(scope="session")
def fleet_database(postgres):
    """The tables of a fleet, in a database of their own."""
    from support.fleet_database import new_fleet

    with new_fleet(postgres) as fleet:
        yield fleet


@pytest.fixture
def fleet(fleet_database):
    """A fleet with four shards and no account."""
    fleet_database.empty()
    return fleet_database
