"""Fixtures of the command line's tests."""

from support.cli_home import home  # noqa: F401 - a fixture
