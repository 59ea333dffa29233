"""Masking of secrets and private data in every kind of text, and a check that our fixtures contain none."""

from __future__ import annotations

import json
import re
import traceback
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import redact
from heliograph.core.redact import EXCERPT_LENGTH, MASK, Secret, SecretMasker, excerpt, mask_secrets
from heliograph.errors import ConfigError
from support.paths import FIXTURES

KEYS = [key for part in redact._KEYS.split("|") for key in sorted({part, part.upper(), part.title()})]


@pytest.mark.parametrize("key", KEYS)
def test_every_secret_key_is_masked_in_json_and_in_forms(key):
    for text in (
        json.dumps({key: "hunter2", "code": 0}),
        json.dumps({"a": [{key: "hunter2"}]}, separators=(",", ":")),
        json.dumps({key: 'quo"ted hunter2 \\'}),
        json.dumps({"data": json.dumps({key: "hunter2", "code": 0})}),
        f'{{"{key}" : "hunter2',
        f"a=1&{key}=hunter2&b=2",
        f"{key}=hunter2; path=/",
    ):
        assert "hunter2" not in mask_secrets(text), text
        assert MASK in mask_secrets(text)
    assert "51.47" not in mask_secrets(json.dumps({key: 51.47}))
    assert "51.47" not in mask_secrets(json.dumps({key: -51.47}))


@pytest.mark.parametrize("value", [None, b"hunter2", 4711])
def test_secret_rejects_a_value_that_is_no_text_without_showing_it(value):
    with pytest.raises(ConfigError, match=f"a password is a text, not {type(value).__name__}") as caught:
        Secret(value)
    assert str(value) not in str(caught.value).replace("NoneType", "")


def test_mask_secrets_keeps_other_text():
    text = '{"code": 0, "plantName": "Roof", "latency": 5, "tokens": "x"}'
    assert mask_secrets(text) == text


def test_e_mail_is_masked_anywhere_in_a_text():
    for mail in ("me@example.com", "first.last+tag@mail.example.co.uk", "a_b@x-y.org"):
        assert mail not in mask_secrets(f"Dear {mail}, you have not logged in")
        assert mail.split("@")[0] not in mask_secrets(mail)


def test_values_of_html_forms_are_masked():
    for page in (
        '<input name="userName" value="hunter2">',
        "<input value='hunter2' type=password>",
        '<input value="hunt',
    ):
        assert "hunt" not in mask_secrets(page)


@given(st.text(max_size=40), st.sampled_from(["password", "token", "email"]), st.integers(0, 60))
def test_text_cut_anywhere_shows_no_part_of_a_secret(before, key, cut):
    text = json.dumps({"note": before, key: "SsSsSsSs@SsSs.SsSs"})
    start = text.index("SsSs")
    assert "SsSs" not in mask_secrets(text[: start + cut])


def test_excerpt_of_a_long_answer_shows_no_half_secret():
    for place in range(4080, 4110):
        body = json.dumps({"token": "x" * (place - 60), "note": "of hunter2@example.com"})
        assert "hunter2" not in excerpt(body)


def test_excerpt_is_one_short_line_safe_for_a_terminal():
    shown = excerpt(b"\x1b[31mred\x07\r\n\tnext\x9b line\x00" + b"x" * 500)
    assert len(shown) == EXCERPT_LENGTH
    assert shown.isprintable()
    assert shown.startswith("[31mred next")


@given(st.binary(max_size=300) | st.text(max_size=300))
def test_excerpt_never_raises_and_has_no_control_characters(body):
    shown = excerpt(body)
    assert len(shown) <= EXCERPT_LENGTH
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]", shown)


def test_secret_is_masked_except_by_reveal():
    secret = Secret("hunter2")
    shown = (
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r}",
        f"{[secret]} %s" % secret,
    )
    assert not any("hunter2" in one for one in shown)
    assert secret.reveal() == "hunter2"
    assert not hasattr(secret, "__dict__")
    assert "hunter2" not in "".join(traceback.format_exception(ValueError(secret)))


@pytest.mark.parametrize("secret", ["Ärger-ΟΔΟΣ", "S\u0131FFRE \u017fesam", "izm\u0130r hunter", "p%20ss/wörd"])
def test_masker_finds_a_known_secret_in_any_case(secret):
    masker = SecretMasker([secret])
    for text in (secret, secret.swapcase().replace("i\u0307", "i")):
        assert masker.mask(f"İ {text} ς") == f"İ {MASK} ς"
    assert masker.mask("another text") == "another text"


def test_masker_leaves_no_part_of_secrets_that_overlap():
    masker = SecretMasker(["hunter", "terrace2", "race"])
    assert masker.mask("a hunterrace2 b") == f"a {MASK} b"
    assert masker.mask("hunterhunter race") == f"{MASK}{MASK} {MASK}"


def test_masker_keeps_no_copy_of_a_secret():
    def kept(letter):
        before = tracemalloc.get_traced_memory()[0]
        SecretMasker([letter * 100_000]).mask(f"of {letter}")
        after, peak = tracemalloc.get_traced_memory()
        return after - before, peak - before

    tracemalloc.start()
    try:
        kept("a")
        remains, peak = kept(" ")  # three characters in a URL
    finally:
        tracemalloc.stop()
    assert remains < 100_000
    assert peak < 10_000_000


# Recordings contain pseudonyms of the same shape; tests/cli/test_record.py checks what is replaced.
WRITTEN = sorted(path for path in FIXTURES.rglob("*.*") if "recordings" not in path.parts)


@pytest.mark.parametrize("file", WRITTEN, ids=lambda path: path.relative_to(FIXTURES).as_posix())
def test_fixtures_contain_nothing_private(file):
    text = file.read_text(encoding="utf-8")
    for mail in re.findall(r"[\w.+-]+@[\w.-]+", text):
        assert mail.endswith(("@example.com", "@example.invalid"))
    assert not re.search(r"(?i)\b[0-9a-f]{32}\b|bearer|jsessionid", text)
    assert not re.search(r'"(?i:(?:plant_)?(?:lat|lng)|latitude|longitude)"\s*:\s*"?-?[1-9]', text)
    assert not re.search(r'"(?i:token|cpowerToken|password|pwd)"\s*:\s*"(?!example)[^"]', text)
