"""A call is declared once and is three things: a declaration, a blocking method, an awaitable one."""

from __future__ import annotations

import asyncio
import inspect
import pydoc
import subprocess
import sys
from textwrap import dedent
from urllib.parse import urlencode

import pytest

from heliograph.core.endpoint import (
    AsyncClientBase,
    Call,
    Endpoint,
    Fields,
    FlowGenerator,
    RawClientBase,
    SyncClientBase,
    command,
    composite,
    endpoints,
    operations,
    query,
    without_none,
)
from heliograph.core.http import _encode_form, build_request
from heliograph.core.payload import Payload, list_of, text
from support.paths import ROOT


class Lamp(Payload):
    """One lamp."""

    name = text("n")


class AcmeCalls:
    """The toy vendor."""

    @query("GET", "lamps.do", list_of(Lamp), op="list")
    def lamps(self, room: str, floor: int | None = None) -> Fields:
        """All lamps of a room."""
        return {"room": room} | without_none(floor=floor)

    lamp_list = lamps.alias("lamp_list")

    @query("POST", "v1/{site}/lamp/{lamp}", Lamp, result_path="obj", dialect="2")
    def lamp(self, site: str, lamp: str, note: str = "") -> Fields:
        """One lamp."""
        return {"site": site, "lamp": lamp, "note": note}

    @query("POST", "lamp.do", Lamp, encoding="query", op="one")
    def lamp_by_query(self, lamp: str) -> Fields:
        """One lamp, with arguments in the query of a POST."""
        return {"lamp": lamp}

    @query("POST", "lamp.json", Lamp, encoding="json")
    def lamp_by_json(self, lamp: str, rooms: list[int]) -> Fields:
        """One lamp, with arguments in JSON."""
        return {"lamp": lamp, "rooms": rooms}

    @command("POST", "switch.do", Lamp, op="set")
    def switch(self, lamp: str, on: bool) -> Fields:
        """Switch a lamp."""
        return {"lamp": lamp, "on": int(on)}

    @command("POST", "rename.do", Lamp, encoding="multipart", op="name")
    def rename(self, lamp: str, name: str) -> Fields:
        """Name a lamp."""
        return {"lamp": lamp, "name": name}

    @composite
    def first_lamp(self, room: str) -> FlowGenerator[Lamp]:
        """The first lamp of a room."""
        found = yield AcmeCalls.lamps.flow(room)
        lamp: Lamp = found[0]
        return lamp


class Plain(AcmeCalls, SyncClientBase):
    """A blocking client that never sends."""

    def perform(self, plan):
        return ("blocking", plan())


class Awaited(AcmeCalls, AsyncClientBase):
    """An async client that never sends."""

    async def perform(self, plan):
        await asyncio.sleep(0)
        return ("async", plan())


def test_operation_on_its_declaring_class_is_the_declaration():
    assert isinstance(AcmeCalls.lamps, Endpoint)
    assert (AcmeCalls.lamps.name, AcmeCalls.lamps.route.verb, AcmeCalls.lamps.route.path) == (
        "lamps",
        "GET",
        "lamps.do",
    )
    assert AcmeCalls.lamps.route.fixed == {"op": "list"}
    assert AcmeCalls.lamps.returns == "tuple[Lamp, ...]"


def test_operation_on_a_client_class_is_a_function_and_on_an_async_one_a_coroutine_function():
    assert inspect.isfunction(Plain.lamps)
    assert not inspect.iscoroutinefunction(Plain.lamps)
    assert inspect.iscoroutinefunction(Awaited.lamps)
    assert inspect.iscoroutinefunction(Awaited().lamps)
    assert Plain.lamps(Plain(), "attic")[1].fields == {"room": "attic"}
    assert Plain.lamps is Plain.lamps


def test_help_of_a_client_shows_arguments_result_types_and_docstrings():
    shown = pydoc.plain(pydoc.render_doc(Awaited))
    assert "async lamps(self, room: 'str', floor: 'int | None' = None) -> 'tuple[Lamp, ...]'" in shown
    assert "async first_lamp(self, room: 'str') -> 'Lamp'" in shown
    assert "All lamps of a room." in shown
    assert "lamps(self, room: 'str', floor: 'int | None' = None) -> 'Any'" in pydoc.plain(pydoc.render_doc(Raw))


def test_operation_on_a_blocking_client_is_a_method():
    kind, call = Plain().lamps("attic", floor=3)
    assert (kind, call.endpoint, call.fields) == ("blocking", AcmeCalls.lamps, {"room": "attic", "floor": 3})


def test_operation_on_an_async_client_is_awaitable():
    waiting = Awaited().lamps("attic")
    assert inspect.isawaitable(waiting)
    kind, call = asyncio.run(_awaited(waiting))
    assert (kind, call.fields) == ("async", {"room": "attic"})


async def _awaited(waiting):
    return await waiting


def test_operation_rejects_wrong_arguments_before_sending():
    for wrong in ((), ("attic", 1, 2)):
        with pytest.raises(TypeError):
            Plain().lamps(*wrong)


def test_flow_is_created_for_every_call():
    assert Plain().lamps("attic")[1] is not Plain().lamps("attic")[1]
    assert next(AcmeCalls.first_lamp.flow("attic")).endpoint is AcmeCalls.lamps


class Raw(AcmeCalls, RawClientBase):
    """A client that returns answers as sent."""


@pytest.mark.parametrize("client", [Plain(), Awaited()])
def test_operation_has_signature_docstring_and_name_on_a_client(client):
    assert str(inspect.signature(client.lamps)) == "(room: 'str', floor: 'int | None' = None) -> 'tuple[Lamp, ...]'"
    assert inspect.getdoc(client.lamps) == "All lamps of a room."
    assert client.lamps.__name__ == "lamps"
    assert repr(client.lamps).startswith("<bound method AcmeCalls.lamps of ")
    assert inspect.signature(client.first_lamp).return_annotation == "Lamp"


def test_alias_is_the_same_call():
    assert AcmeCalls.lamp_list.name == "lamp_list"
    assert AcmeCalls.lamp_list.route == AcmeCalls.lamps.route
    assert Plain().lamp_list("attic")[1].fields == {"room": "attic"}


def test_operations_are_listed_in_the_order_of_the_file():
    names = ["lamps", "lamp_list", "lamp", "lamp_by_query", "lamp_by_json", "switch", "rename"]
    assert [row.name for row in endpoints(AcmeCalls)] == names
    assert [row.name for row in operations(Plain)] == [*names, "first_lamp"]
    assert [row.name for row in endpoints(AcmeCalls) if row.route.command] == ["switch", "rename"]


BASE = "https://acme.example.com/"


def wire(call: Call) -> tuple:
    sent = build_request(BASE, call, {"User-Agent": "test"})
    assert sent.headers["User-Agent"] == "test"
    return sent.verb, sent.url, sent.headers.get("Content-Type"), sent.body


def test_build_request_puts_fields_of_a_get_into_the_query_after_constant_ones():
    assert wire(AcmeCalls.lamps.flow("attic", 3)) == ("GET", BASE + "lamps.do?op=list&room=attic&floor=3", None, None)


def test_build_request_puts_fields_of_a_post_into_the_form_and_constant_ones_into_the_query():
    form = "application/x-www-form-urlencoded"
    assert wire(AcmeCalls.switch.flow("L1", on=True)) == ("POST", BASE + "switch.do?op=set", form, b"lamp=L1&on=1")


def test_build_request_of_a_post_with_query_encoding_has_an_empty_body():
    assert wire(AcmeCalls.lamp_by_query.flow("L1")) == ("POST", BASE + "lamp.do?op=one&lamp=L1", None, b"")


def test_build_request_as_json_keeps_types():
    sent = wire(AcmeCalls.lamp_by_json.flow("L1", [1, 2]))
    assert sent == ("POST", BASE + "lamp.json", "application/json", b'{"lamp":"L1","rooms":[1,2]}')


def test_build_request_as_multipart_sends_each_field_as_a_part_without_file_name():
    verb, url, kind, body = wire(AcmeCalls.rename.flow("L1", "a\r\n--b=ü"))
    boundary = kind.removeprefix("multipart/form-data; boundary=")
    assert (verb, url) == ("POST", BASE + "rename.do?op=name")
    assert body.decode().split(f"--{boundary}") == [
        "",
        '\r\nContent-Disposition: form-data; name="lamp"\r\n\r\nL1\r\n',
        '\r\nContent-Disposition: form-data; name="name"\r\n\r\na\r\n--b=ü\r\n',
        "--\r\n",
    ]


def test_build_request_moves_fields_named_in_the_path_there():
    verb, url, _, body = wire(AcmeCalls.lamp.flow("s1", "L1", "hi"))
    assert (verb, url, body) == ("POST", BASE + "v1/s1/lamp/L1?dialect=2", b"note=hi")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"a": "", "b_c": "1.5~x-"},
        {"a": 1, "b": 2.5, "c": None, "d": True},
        {"a": "x&b=1", "b": "="},
        {"a": "é", "b": "\ud800", "c": "a b+c%"},
        {"a": ["1", "2"], "b": [], "c": ("x",), "d": b"y"},
        {"a b": "1"},
        {"a": "1\n"},
    ],
)
def test_form_with_and_without_special_characters_is_encoded_as_by_the_standard_library(fields):
    assert _encode_form(fields) == urlencode(fields, doseq=True, errors="replace")


def test_build_request_percent_encodes_everything():
    assert wire(AcmeCalls.lamps.flow("a b&c=ü"))[1] == BASE + "lamps.do?op=list&room=a+b%26c%3D%C3%BC"
    assert wire(AcmeCalls.switch.flow("a&b", on=False))[3] == b"lamp=a%26b&on=0"
    assert wire(AcmeCalls.lamp.flow("../x", "a/b?c#d"))[1] == BASE + "v1/..%2Fx/lamp/a%2Fb%3Fc%23d?dialect=2"


def test_build_request_sends_lone_surrogates_as_question_marks():
    assert wire(AcmeCalls.lamps.flow("a\ud800"))[1] == BASE + "lamps.do?op=list&room=a%3F"
    assert wire(AcmeCalls.switch.flow("a\ud800", on=False))[3] == b"lamp=a%3F&on=0"
    assert wire(AcmeCalls.lamp.flow("s1", "L\ud800"))[1] == BASE + "v1/s1/lamp/L%3F?dialect=2"
    assert wire(AcmeCalls.rename.flow("L1", "a\ud800"))[3].count(b"\r\na?\r\n") == 1


def test_without_none_drops_missing_arguments():
    assert without_none(a=None, b=0, c="", d=False) == {"b": 0, "c": "", "d": False}


TYPED = """
    from collections.abc import Coroutine
    import asyncio
    from typing import Any, assert_type
    from heliograph.core.endpoint import AsyncClientBase, Endpoint, Fields, FlowGenerator, RawClientBase, SyncClientBase
    from heliograph.core.endpoint import composite, query
    from heliograph.core.payload import Payload, list_of

    class Lamp(Payload): ...

    class Calls:
        @query("GET", "lamps.do", list_of(Lamp))
        def lamps(self, room: str, floor: int | None = None) -> Fields:
            return {"room": room, "floor": floor}

        @query("GET", "lamp.do", Lamp)
        def lamp(self, name: str) -> Fields:
            return {"name": name}

        @composite
        def first(self, room: str) -> FlowGenerator[Lamp]:
            found = yield Calls.lamps.flow(room)
            lamp: Lamp = found[0]
            return lamp

    class Plain(Calls, SyncClientBase): ...
    class Awaited(Calls, AsyncClientBase): ...
    class Raw(Calls, RawClientBase): ...

    async def right(plain: Plain, awaited: Awaited, raw: Raw) -> None:
        declared: Endpoint[..., Lamp] = Calls.lamp
        assert_type(plain.lamps("attic", floor=3), tuple[Lamp, ...])
        assert_type(plain.lamp("L1"), Lamp)
        assert_type(plain.first("attic"), Lamp)
        assert_type(raw.lamp("L1"), Any)
        waiting = assert_type(awaited.lamp("L1"), Coroutine[object, None, Lamp])
        assert_type(await asyncio.create_task(waiting), Lamp)
        assert_type(await asyncio.gather(awaited.lamp("L1"), awaited.first("a")), tuple[Lamp, Lamp])
        assert_type(await awaited.lamps("attic"), tuple[Lamp, ...])
        assert_type(await awaited.first("attic"), Lamp)

    async def wrong(plain: Plain, awaited: Awaited) -> None:
        plain.lamp(5)  # arg-type
        plain.lamp()  # call-arg
        plain.lamps("attic", flor=1)  # call-arg
        awaited.lamps("attic", "third")  # arg-type, unused-coroutine
        forgotten: Lamp = awaited.lamp("L1")  # assignment
        plain.lamb("L1")  # attr-defined
"""


def test_mypy_infers_the_results_of_each_client_and_reports_mistakes(tmp_path):
    source = tmp_path / "typed.py"
    source.write_text(dedent(TYPED))
    lines = source.read_text().splitlines()
    expected = [(at, why) for at, line in enumerate(lines, 1) for why in _marked(line)]
    root = ROOT
    check = "import sys; from mypy import api; out, err, code = api.run(sys.argv[1:]); sys.exit(err or print(out))"
    options = ["--strict", "--config-file=", "--follow-imports=silent"]
    options += ["--cache-dir", str(root / ".mypy_cache" / "tests"), "--no-error-summary", str(source)]
    done = subprocess.run([sys.executable, "-c", check, *options], capture_output=True, text=True, cwd=root, check=True)
    found = [line.partition(":")[2] for line in done.stdout.splitlines() if ": error:" in line]
    assert sorted((int(line.split(":")[0]), line.rsplit("[", 1)[1].rstrip("]")) for line in found) == sorted(expected)


def _marked(line: str) -> list[str]:
    return line.partition("  # ")[2].split(", ") if "  # " in line else []
