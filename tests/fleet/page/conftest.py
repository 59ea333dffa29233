"""Fixtures of the triage page's tests."""

from support.fleet_page import page_fleet, scene, two_tenants  # noqa: F401 - fixtures
