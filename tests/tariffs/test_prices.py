"""Tables of prices in CSV and JSON, and what is wrong with those that are rejected."""

import json
from zoneinfo import ZoneInfo

import pytest

from heliograph.errors import ConfigError
from heliograph.tariffs.prices import parse_prices
from heliograph.tariffs.tariff import PriceSource

FILE = PriceSource("prices.csv")
NOON = 1_782_036_000


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("time,price\n2026-06-21T10:00:00Z,-0.05\n2026-06-21T13:00+02:00,0.1\n\n", FILE),
        ("\ufefftime;price;x\n1782036000;-0,05;1\n1782039600000;0,1;2\n", FILE),
        ("start\tEUR/MWh\n2026-06-21 12:00\t-50\n2026-06-21 13:00\t100\n",
         FILE._replace(time="start", value="EUR/MWh", factor=0.001, zone=ZoneInfo("Europe/Berlin"))),
        (json.dumps({"data": [{"start_timestamp": 1782036000000, "marketprice": -50},
                              {"start_timestamp": 1782039600000, "marketprice": 100.0}]}),
         PriceSource("https://x", "data", "start_timestamp", "marketprice", 0.001)),
        (json.dumps({"unix_seconds": [NOON, NOON + 3600], "price": [-0.05, 0.1]}),
         PriceSource("https://x", time="unix_seconds")),
        (json.dumps([{"time": "2026-06-21T10:00:00Z", "price": "-0.05"}, {"time": NOON + 3600, "price": 0.1}]), FILE),
    ],
)  # fmt: skip
def test_prices_of_several_formats_are_the_same(text, source):
    assert parse_prices(text, source, "it") == {NOON: pytest.approx(-0.05), NOON + 3600: pytest.approx(0.1)}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it has no column 'time'; it has no line. Set prices_time and prices_value"),
        ("when,price\n", "it has no column 'time'; it has when, price. Set prices_time and prices_value"),
        ("time,price\n", "it has no prices"),
        ("time,price\n2026-06-21T10:00Z,85\n",
         ("it, line 2: 85 per kWh is not a price; set prices_factor, "
          "for example 0.001 for prices per MWh or 0.01 for cents")),
        ("time,price\n2026-06-21T10:00,0.1\n", "it, line 2: '2026-06-21T10:00' has no UTC offset; set prices_zone"),
        ("time,price\n21.6.2026,0.1\n", "it, line 2: '21.6.2026' is not a time like 2026-06-21T14:00+02:00"),
        ("time,price\n2026-06-21T10:00Z,nan\n", "it, line 2: 'nan' is not a price"),
        ("time,price\n2026-06-21T10:00Z\n", "it, line 2: '' is not a price"),
        ("time,price\n1782036000,0.1\n2026-06-21T10:00Z,0.2\n",
         "it, line 3: there are two prices for '2026-06-21T10:00Z'; remove one"),
        ("{", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ('{"data": 1}', "it has no list of prices at 'its top level'; set prices_list"),
        ('[{"time": true, "price": 1}]', "it, price 1: 'True' is not a time like 2026-06-21T14:00+02:00"),
        ('[{"time": -1, "price": 1}]', "it, price 1: '-1' is not a time in seconds or milliseconds since 1970"),
        ('[{"time": 1e999, "price": 1}]', "it, price 1: 'inf' is not a time in seconds or milliseconds since 1970"),
        ('[{"time": 1782036000, "price": null}]', "it, price 1: 'None' is not a price"),
    ],
)  # fmt: skip
def test_unusable_prices_are_rejected_with_their_place(text, why):
    with pytest.raises(ConfigError) as caught:
        parse_prices(text, FILE, "it")
    assert str(caught.value) == why
