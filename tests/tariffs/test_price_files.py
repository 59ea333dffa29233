"""Fetched prices: kept for later years, fetched rarely, and never replaced by a failure."""

import asyncio
import json
from datetime import date

import pytest

from heliograph.cli.supervisor import background_tasks
from heliograph.config import Config
from heliograph.errors import ConfigError
from heliograph.tariffs.price_files import PriceFiles, keep_prices
from heliograph.tariffs.tariff import PriceSource, Tariff
from support.http_service import NOON, ManualClock, Service, response


@pytest.fixture
def service():
    running = Service()
    yield running
    running.close()


def tariff_of(service, **keys):
    source = PriceSource(f"{service.url}/prices?token=hush", "data", "start", "price", 0.001, **keys)
    return Tariff(start=date(2026, 1, 1), currency="EUR", source=source)


def answer(first, hours, price=100):
    rows = [{"start": (NOON + 3600 * n) * 1000, "price": price + n} for n in range(first, first + hours)]
    return response(body=json.dumps({"data": rows}))


def run(tariff, folder, hours):
    async def bounded():
        stop = asyncio.Event()
        await asyncio.wait_for(keep_prices([tariff, tariff], folder, ManualClock(end=NOON + 3600 * hours), stop), 60)

    asyncio.run(bounded())


def test_prices_are_fetched_only_while_less_than_half_a_day_is_known_and_kept(service, tmp_path):
    tariff = tariff_of(service)
    service.reply = lambda _: answer(0, 24) if len(service.requests) == 1 else answer(24, 24, 500)
    run(tariff, tmp_path, 24)
    assert len(service.requests) == 2
    table = PriceFiles(tmp_path).load(tariff.source)
    assert (table.at(NOON), table.at(NOON + 47 * 3600)) == (pytest.approx(0.1), pytest.approx(0.547))
    assert table.at(NOON + 48 * 3600) is None
    run(tariff, tmp_path, 1)
    assert len(service.requests) == 2
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "reply",
    [
        lambda _: response(503, "down"),
        lambda _: response(302, location="http://127.0.0.1:1/"),
        lambda _: response(body="<html>"),
        lambda _: response(body=b"\xff\xfe\x00"),
        lambda _: response(body=json.dumps({"data": [{"start": NOON, "price": 1e9}]})),
        lambda _: response(body=b" " * 3_000_000),
        lambda _: None,
    ],
)
def test_failing_source_is_reported_once_and_leaves_known_prices(service, tmp_path, caplog, reply):
    tariff = tariff_of(service)
    PriceFiles(tmp_path).add(tariff.source, {NOON: 0.1})
    service.reply = reply
    run(tariff, tmp_path, 3)
    assert len(service.requests) >= 3
    warnings = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "prices.failed" in warnings[0]
    assert "hush" not in caplog.text
    assert PriceFiles(tmp_path).load(tariff.source).at(NOON) == 0.1


def test_prices_that_were_never_fetched_are_explained_without_the_query(tmp_path):
    with pytest.raises(ConfigError, match="heliograph run or collect fetches them") as caught:
        PriceFiles(tmp_path).load(PriceSource("https://example.com/prices?token=hush"))
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("location", "names"), [("https://example.com/p", ["queues", "prices"]), ("p.csv", ["queues"])]
)
def test_collector_fetches_prices_of_urls_only(tmp_path, location, names):
    tariff = Tariff(start=date(2026, 1, 1), currency="EUR", source=PriceSource(location))
    config = Config(path=tmp_path / "config.toml", accounts=(), tariffs=(tariff,))
    tasks = background_tasks(config, [], [], [], None, "", ManualClock())
    assert [task.name for task in tasks if task.name != "alarms"] == names
