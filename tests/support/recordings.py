"""tools/fixture.py as a module, for tests that record emulated accounts."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location

from support.paths import TESTS


def load_tool():
    """Return the module tools/fixture.py."""
    if "fixture_tool" not in sys.modules:
        spec = spec_from_file_location("fixture_tool", TESTS.parent / "tools" / "fixture.py")
        module = module_from_spec(spec)
        sys.modules["fixture_tool"] = module
        spec.loader.exec_module(module)
    return sys.modules["fixture_tool"]
