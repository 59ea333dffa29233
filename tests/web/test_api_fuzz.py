"""Fuzz tests of the API: generated valid and invalid requests; every response conforms to the OpenAPI document."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings

from heliograph.web.openapi import document
from support.website import home, hostile, served, written

schemathesis = pytest.importorskip("schemathesis")

EVENT_STREAM = "/api/v1/events/live"
SCHEMA = schemathesis.openapi.from_dict(document())
OPERATIONS = {one.ok().label: one.ok() for one in SCHEMA.get_all_operations() if one.ok().path != EVENT_STREAM}
PLANT_OPERATIONS = [label for label in OPERATIONS if "{plant}" in label]
POSITIVE, NEGATIVE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
EXCLUDED_CHECKS = [
    schemathesis.checks.unsupported_method,  # tested separately
    schemathesis.checks.ignored_auth,  # this site has no token
    # The schema cannot express that `from` is before `to`, nor the longest range.
    schemathesis.checks.positive_data_acceptance,
]
FUZZ_SETTINGS = settings(max_examples=20, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with served(written(tmp_path_factory.mktemp("web") / "samples.sqlite", home(), hostile())) as site:
        yield site


def send_generated_requests(site, label, mode, path=None):
    """Send generated requests to one path, validate each response and return the status codes."""
    codes = set()

    @FUZZ_SETTINGS
    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode))
    def send(case):
        if path:
            case.path_parameters = path
        codes.add(
            case.call_and_validate(base_url=site.address.rstrip("/"), excluded_checks=EXCLUDED_CHECKS).status_code
        )

    send()
    return codes


@pytest.mark.parametrize("label", OPERATIONS)
def test_api_valid_requests_conform_to_openapi(site, label):
    codes = send_generated_requests(site, label, POSITIVE)
    assert codes <= {200, 400, 404}
    if label not in PLANT_OPERATIONS:
        assert 200 in codes


@pytest.mark.parametrize("label", PLANT_OPERATIONS)
def test_api_valid_requests_of_existing_plant_succeed(site, label):
    assert 200 in send_generated_requests(site, label, POSITIVE, {"vendor": "growatt", "plant": "11"})


@pytest.mark.parametrize("label", [label for label, one in OPERATIONS.items() if list(one.query)])
def test_api_invalid_requests_are_rejected_with_400(site, label):
    path = {"vendor": "growatt", "plant": "11"} if label in PLANT_OPERATIONS else None
    assert 400 in send_generated_requests(site, label, NEGATIVE, path)


def test_openapi_document_is_served_and_its_paths_exist(site):
    response = site.ask("/api/v1/openapi.json")
    assert response.json == json.loads(json.dumps(document()))
    for path in response.json["paths"]:
        if path != EVENT_STREAM:
            assert site.ask(path.replace("{vendor}", "growatt").replace("{plant}", "11")).status == 200


def test_openapi_document_has_every_route():
    from heliograph.web import api, openapi
    from heliograph.web.live import EventHub

    routes = [*api.routes(None, EventHub(None)), openapi.route()]
    assert {one.path_format for one in routes} == set(document()["paths"])
