"""The one test of this folder that runs everywhere: it says why the others did not."""

from __future__ import annotations

from importlib.util import find_spec

import pytest


def test_tests_with_home_assistant_are_run():
    if find_spec("pytest_homeassistant_custom_component") is None:
        pytest.skip("tests with Home Assistant's core need Python 3.13: make test-ha PYTHON=python3.13")
