"""The API is asked everything its own document allows, and much it forbids; every answer has to fit the document."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings

from heliograph.web.openapi import document
from support.website import home, hostile, served, written

schemathesis = pytest.importorskip("schemathesis")

ENDLESS = "/api/v1/events/live"
SCHEMA = schemathesis.openapi.from_dict(document())
OPERATIONS = {one.ok().label: one.ok() for one in SCHEMA.get_all_operations() if one.ok().path != ENDLESS}
OF_A_PLANT = [label for label in OPERATIONS if "{plant}" in label]
POSITIVE, NEGATIVE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
NOT_MEANT = [
    schemathesis.checks.unsupported_method,  # a test of its own
    schemathesis.checks.ignored_auth,  # this one asks for none
    # No schema says that `from` comes before `to`, nor how far they may be apart.
    schemathesis.checks.positive_data_acceptance,
]
MANY = settings(max_examples=20, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with served(written(tmp_path_factory.mktemp("web") / "samples.sqlite", home(), hostile())) as site:
        yield site


def asked(site, label, mode, path=None):
    """Ask one path in many ways and hold each answer to the document; return how they ended."""
    codes = set()

    @MANY
    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode))
    def ask(case):
        if path:
            case.path_parameters = path
        codes.add(case.call_and_validate(base_url=site.address.rstrip("/"), excluded_checks=NOT_MEANT).status_code)

    ask()
    return codes


@pytest.mark.parametrize("label", OPERATIONS)
def test_api_valid_requests_conform_to_openapi(site, label):
    codes = asked(site, label, POSITIVE)
    assert codes <= {200, 400, 404}
    if label not in OF_A_PLANT:
        assert 200 in codes


@pytest.mark.parametrize("label", OF_A_PLANT)
def test_api_valid_requests_of_existing_plant_succeed(site, label):
    assert 200 in asked(site, label, POSITIVE, {"vendor": "growatt", "plant": "11"})


@pytest.mark.parametrize("label", [label for label, one in OPERATIONS.items() if list(one.query)])
def test_api_invalid_requests_are_rejected_with_400(site, label):
    path = {"vendor": "growatt", "plant": "11"} if label in OF_A_PLANT else None
    assert 400 in asked(site, label, NEGATIVE, path)


def test_openapi_document_is_served_and_its_paths_exist(site):
    answer = site.ask("/api/v1/openapi.json")
    assert answer.json == json.loads(json.dumps(document()))
    for path in answer.json["paths"]:
        if path != ENDLESS:
            assert site.ask(path.replace("{vendor}", "growatt").replace("{plant}", "11")).status == 200


def test_openapi_document_has_every_route():
    from heliograph.web import api, openapi
    from heliograph.web.live import EventHub

    there = [*api.routes(None, EventHub(None)), openapi.route()]
    assert {one.path_format for one in there} == set(document()["paths"])
