"""Each text of an error or repair is shown by some test, and each error of the library has one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from custom_components.heliograph import problems
from custom_components.heliograph.control import translated_errors
from homeassistant.exceptions import HomeAssistantError
from homeassistant.setup import async_setup_component
from reached_texts import REACHED

FOLDER = Path(__file__).parent
TRANSLATIONS = FOLDER.parents[1] / "custom_components" / "heliograph" / "translations"
ENGLISH = json.loads((TRANSLATIONS / "en.json").read_text("utf-8"))
NOT_EMULATED = {"cloud_error", "login_failed", "no_plants", "store_error"}
"""Errors of forms that no emulated cloud causes; their texts are chosen by the table that the test below checks."""


@pytest.mark.parametrize(("kind", "key"), [pytest.param(kind, key, id=key) for kind, key in problems._KEYS])
async def test_an_error_of_the_library_is_translated_with_its_reason(hass, kind, key):
    assert await async_setup_component(hass, "heliograph", {})
    with pytest.raises(HomeAssistantError) as raised, translated_errors():
        raise kind("the reason of the cloud")
    assert raised.value.translation_key == key
    assert ENGLISH["config"]["error"][key]
    text = str(raised.value)
    assert text == ENGLISH["exceptions"][key]["message"].format(problem="the reason of the cloud")


@pytest.mark.slow
def test_every_text_is_shown_by_a_test(request):
    """Runs last; see conftest.py."""
    if {item.path for item in request.session.items} < set(FOLDER.glob("test_*.py")):
        pytest.skip("only some of the tests were chosen, so not every text is shown")
    assert ENGLISH["exceptions"].keys() - REACHED["exceptions"] == set()
    assert ENGLISH["issues"].keys() - REACHED["issues"] == set()
    assert ENGLISH["config"]["error"].keys() - REACHED["config.error"] == NOT_EMULATED
    assert ENGLISH["options"]["error"].keys() - REACHED["options.error"] == set()
