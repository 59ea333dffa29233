"""Sealed secrets: what opens with which key, key files, and rotation."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.redact import Secret
from heliograph.errors import ConfigError, StoreError
from heliograph.fleet.database import Database
from heliograph.fleet.secrets import BlindIndex, Sealed, SecretBox, add_key, open_index, parse_keys, read_keys
from support.fleet_database import KEY

CONTEXT = ("the password of account 7", "growatt")
BOX = SecretBox({1: KEY})


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_sealed_text_opens_with_its_context_only(text):
    sealed = BOX.seal(Secret(text), CONTEXT)
    assert BOX.open(sealed, CONTEXT).reveal() == text
    for context in (("the password of account 8", "growatt"), ("the token of account 7", "growatt"), CONTEXT[:1]):
        with pytest.raises(StoreError, match="does not open with key 1"):
            BOX.open(sealed, context)


@given(st.binary(max_size=60))
def test_any_other_data_does_not_open(data):
    with pytest.raises(StoreError, match="does not open"):
        BOX.open(Sealed(1, data), CONTEXT)


def test_sealed_texts_differ_each_time_and_contain_no_text():
    first, second = (BOX.seal(Secret("hunter2"), CONTEXT) for _ in range(2))
    assert first != second
    assert b"hunter2" not in first.data
    assert len(first.data) == len("hunter2") + 28


def test_last_key_seals_and_all_open():
    both = SecretBox({1: KEY, 2: bytes(32)})
    assert both.seal(Secret("x"), CONTEXT).key_number == 2
    assert both.open(BOX.seal(Secret("x"), CONTEXT), CONTEXT).reveal() == "x"
    with pytest.raises(StoreError, match="sealed with key 2, and the key file has 1"):
        BOX.open(both.seal(Secret("x"), CONTEXT), CONTEXT)
    with pytest.raises(ConfigError, match="fleet key new"):
        SecretBox({})


def test_deferred_secret_is_opened_when_it_is_revealed():
    sealed = BOX.seal(Secret("hunter2"), CONTEXT)
    secret = BOX.deferred(sealed, CONTEXT)
    assert secret.value_if_loaded() == ""
    assert secret.reveal() == secret.value_if_loaded() == "hunter2"


def test_blind_index_finds_equal_user_names_of_one_server():
    index = BlindIndex(Secret("AAAA"))
    key = index.of("growatt", "https://server/", "Ada@example.org")
    assert key == index.of("growatt", "https://server/", " ada@EXAMPLE.org ")
    others = [("goodwe", "https://server/", "ada@example.org"), ("growatt", "https://other/", "ada@example.org")]
    assert key not in {index.of(*other) for other in others}
    assert key != BlindIndex(Secret("AAAB")).of("growatt", "https://server/", "ada@example.org")


def test_key_file_is_private_and_grows_by_one_key(tmp_path):
    file = tmp_path / "deep" / "fleet.key"
    assert add_key(file) == 1
    first = read_keys(file)
    assert add_key(file) == 2
    assert read_keys(file)[1] == first[1]
    assert read_keys(file).keys() == {1, 2}
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="others can read it; run: chmod 600"):
        read_keys(file)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "contains no key"),
        ("# nothing\n", "contains no key"),
        ("1 c2hvcnQ=", "line 1 is no key"),
        ("hunter2", "line 1 is no key"),
        ("1 " + "A" * 43 + "=\n1 " + "A" * 43 + "=", "line 2 is no key"),
        ("x " + "A" * 43 + "=", "line 1 is no key"),
    ],
)
def test_text_that_is_no_key_file_is_rejected_without_quoting_it(text, why):
    with pytest.raises(ConfigError, match=why) as error:
        parse_keys(text, "fleet.key")
    assert "hunter2" not in str(error.value)
    assert "c2hvcnQ" not in str(error.value)


@given(st.text())
def test_any_text_is_a_key_file_or_a_configuration_error(text):
    with suppress(ConfigError):
        assert all(len(key) == 32 for key in parse_keys(text, "here").values())


def test_keys_come_from_a_file_or_a_command_or_are_missing(tmp_path):
    add_key(tmp_path / "key")
    add_key(tmp_path / "key")
    command = [sys.executable, "-c", f"print(open({str(tmp_path / 'key')!r}).read())"]
    assert read_keys(None, command) == read_keys(tmp_path / "key")
    with pytest.raises(ConfigError, match="the key command failed with exit code 3"):
        read_keys(None, [sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(ConfigError, match="no key is given"):
        read_keys(None)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_keys(tmp_path / "missing")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not a key file"):
        read_keys(tmp_path / "binary")


def test_index_is_the_same_for_every_key_of_the_fleet_and_refuses_others(fleet):
    async def indexes():
        database = Database(fleet.url)
        try:
            first = await open_index(database, BOX)
            both = await open_index(database, SecretBox({1: KEY, 2: bytes(32)}))
            second = await open_index(database, SecretBox({2: bytes(32)}))
            with pytest.raises(StoreError, match="does not open this fleet's secrets, which were sealed with key 2, 1"):
                await open_index(database, SecretBox({3: bytes(range(32, 64)), 1: bytes(range(1, 33))}))
            return {one.of("growatt", "", "ada") for one in (first, both, second)}
        finally:
            await database.close()

    assert len(asyncio.run(indexes())) == 1
