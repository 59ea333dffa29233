"""A seeded sample of `make fuzz`: no mutated response of a cloud crashes, freezes or poisons a command."""

from __future__ import annotations

import asyncio
import json
import math
import tempfile
import tracemalloc
from importlib import import_module
from pathlib import Path

import pytest

from heliograph.collect.plausibility import CheckedSample
from support.fuzz_runs import Run, Target, sampled
from support.fuzzing import COMMANDS, DIALECTS, Fuzzer
from support.mutating_proxy import Case
from support.mutations import ALPHABET, mutated, places

SEED = 20_260_621
RUNS = {"growatt": 180, "sems-plus": 130, "sems-portal": 110}


@pytest.fixture
def memory_folder(tmp_path):
    """A folder on a memory file system if there is one."""
    if not Path("/dev/shm").is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_mutated_responses_cause_only_our_errors_and_plausible_rows(dialect, memory_folder):
    async def campaign():
        async with Fuzzer.started(dialect, memory_folder) as fuzzer:
            targets = await fuzzer.targets()
            assert {target.command for target in targets} >= set(COMMANDS) - {"settings"}
            verdicts = {}
            for run in sampled(targets, RUNS[dialect.name], SEED):
                if verdict := await fuzzer.run(run):
                    verdicts[str(run)] = verdict
            return verdicts

    assert asyncio.run(campaign()) == {}


def test_login_with_deeply_nested_session_value_raises_only_our_errors(memory_folder):
    case = Case("/api/v2/Common/CrossLogin", "value", ("data", "uid"), "nested 600", True)
    dialect = next(one for one in DIALECTS if one.name == "sems-portal")

    async def verdict():
        async with Fuzzer.started(dialect, memory_folder) as fuzzer:
            return await fuzzer.run(Run(dialect.name, "login", "", case))

    assert asyncio.run(verdict()) == []


def test_every_place_of_a_response_can_be_replaced_by_every_mutation():
    body = {"a": [{"b": 1}, {"b": "2"}], "c": None}
    found = list(places(body))
    assert found == [(), ("a",), ("a", 0), ("a", 0, "b"), ("a", 1), ("a", 1, "b"), ("c",)]
    for place in found:
        for mutation in ALPHABET:
            assert isinstance(mutated(body, place, mutation), bytes)
    assert body == {"a": [{"b": 1}, {"b": "2"}], "c": None}


def test_mutation_writes_what_json_cannot_express():
    by_name = {mutation.name: mutation for mutation in ALPHABET}
    assert json.loads(mutated({"a": 1}, ("a",), by_name["1e400"])) == {"a": math.inf}
    assert mutated({"a": 1}, ("a",), by_name["NaN"]) == b'{"a":NaN}'
    assert json.loads(mutated({"a": 1, "b": 2}, ("a",), by_name["missing"])) == {"b": 2}
    assert mutated({"a": 1}, ("a",), by_name["lone surrogate"]) == rb'{"a":"\ud800"}'


def test_sample_contains_every_target_and_no_run_twice():
    targets = [Target("d", "now", "f", f"call{number}", "value", ((), ("a",)), ("null", "NaN")) for number in range(3)]
    runs = list(sampled(targets, 7, 1))
    assert {run.case.call for run in runs[:3]} == {"call0", "call1", "call2"}
    assert len(set(runs)) == 7
    assert runs == list(sampled(targets, 7, 1))
    assert len(list(sampled(targets, 100, 1))) == 12


def test_sample_of_many_mutations_needs_little_memory():
    places = tuple((number,) for number in range(5_000))
    target = Target("d", "now", "f", "call", "value", places, tuple(map(str, range(100))))
    tracemalloc.start()
    try:
        assert len(list(sampled([target], 100, 1))) == 100
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def negative(sample):
    return CheckedSample(sample._replace(values={**sample.values, "pv_power": -1.0}), ())


def raising(*_):
    raise ValueError("oops")


BROKEN = [
    (
        "growatt",
        "heliograph.collect.batch.check_sample",
        raising,
        "collect",
        None,
        "foreign exception: ValueError: oops",
    ),
    (
        "growatt",
        "heliograph.web.page.routes.plant_page",
        raising,
        "collect",
        None,
        "foreign exception: logged ValueError: oops",
    ),
    ("growatt", "heliograph.collect.batch.check_sample", negative, "collect", None, "absurd: pv_power = -1.0"),
    ("growatt", "support.fuzzing.MAX_CPU", 0.0, "now", None, "hang: "),
    ("growatt", "support.fuzzing.MAX_REQUESTS", 1, "now", None, "hang: "),
    (
        "sems-portal",
        "heliograph.vendors.goodwe.servers.is_trusted",
        lambda *_: True,
        "login",
        Case("/api/v2/Common/CrossLogin", "value", ("api",), "foreign address"),
        "token leak: a request to evil.example",
    ),
]
"""Faults put into the program, by dialect: what is replaced by what, the run, and what its verdict begins with."""


@pytest.mark.parametrize(("name", "place", "fault", "command", "case", "expected"), BROKEN)
def test_fuzzer_notices_a_fault_of_the_program(name, place, fault, command, case, expected, memory_folder, monkeypatch):
    dialect = next(one for one in DIALECTS if one.name == name)

    async def verdict():
        async with Fuzzer.started(dialect, memory_folder) as fuzzer:
            run = Run(name, command, next(iter(fuzzer.plants)), case)
            import_module(place.rpartition(".")[0])
            monkeypatch.setattr(place, fault)
            return await fuzzer.run(run)

    found = asyncio.run(verdict())
    assert any(text.startswith(expected) for text in found), found
