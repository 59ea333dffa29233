"""The [[tariff]] tables of the configuration, and the message for each mistake."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from heliograph.config import load
from heliograph.errors import ConfigError
from heliograph.tariffs.tariff import PriceSource, Tariff, TimeWindow

WHOLE = """\
[[tariff]]
from = 2025-01-01
currency = "EUR"
import = 0.31
export = 0.08
standing = 0.45
vat = 19
co2 = 380
plants = ["11"]
windows = [
  {from = "22:00", to = "06:00", import = 0.22},
  {from = "12:00", to = "24:00", days = "weekends", export = -0.01},
]

[[tariff]]
from = "2026-03-01T12:30:00+01:00"
currency = "EUR"
prices = "spot.csv"
prices_factor = 0.001
prices_zone = "Europe/Berlin"
surcharge = 0.14
"""
FIRST = '[[tariff]]\nfrom = 2025-01-01\ncurrency = "EUR"\n'
WINDOWS = FIRST + "windows = "


def loaded(folder, text):
    path = folder / "config.toml"
    path.write_text(text)
    return load(path, {})


def test_tariffs_of_the_file(tmp_path):
    first, second = loaded(tmp_path, WHOLE).tariffs
    assert first == Tariff(
        start=date(2025, 1, 1),
        currency="EUR",
        import_price=0.31,
        export_price=0.08,
        standing=0.45,
        vat=19.0,
        co2=380.0,
        plants=("11",),
        windows=(TimeWindow(1320, 360, "all", 0.22), TimeWindow(720, 1440, "weekends", None, -0.01)),
    )
    source = PriceSource(str(tmp_path / "spot.csv"), factor=0.001, zone=ZoneInfo("Europe/Berlin"))
    assert (second.source, second.surcharge) == (source, 0.14)
    assert second.starts_at(UTC) == datetime(2026, 3, 1, 11, 30, tzinfo=UTC).timestamp()


def test_windows_may_be_tables_and_errors_name_the_line_of_the_right_tariff(tmp_path):
    text = FIRST + '[[tariff.windows]]\nfrom = "22:00"\nto = "06:00"\nimport = 0.2\n' + FIRST.replace("2025", "2026")
    with pytest.raises(ConfigError, match="line 8: import is missing from this tariff"):
        loaded(tmp_path, text)


def test_file_without_tariffs_has_none(tmp_path):
    assert loaded(tmp_path, "").tariffs == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[[tariff]]\ncurrency = "EUR"\nimport = 1', "line 1: from must be the first day of the tariff"),
        ('[[tariff]]\nfrom = "soon"\ncurrency = "EUR"\nimport = 1', "line 2: from must be the first day of the tariff"),
        (FIRST.replace("2025", "0001"), "line 2: from must be the first day of the tariff"),
        ("[[tariff]]\nfrom = 2025-01-01\nimport = 1", "line 1: currency is missing from this tariff"),
        ('[[tariff]]\nfrom = 2025-01-01\ncurrency = "€"\nimport = 1', "line 3: currency must be a code of"),
        (FIRST, "line 1: import is missing from this tariff; give import, export, co2 or prices"),
        (FIRST + 'import = "0,31"', "line 4: import must be a number from -1e+06 to 1e+06, with a decimal point"),
        (FIRST + "import = nan", "line 4: import must be a number"),
        (FIRST + "import = true", "line 4: import must be a number"),
        (FIRST + "vat = -1\nimport = 1", "line 4: vat must be a number from 0 to 100"),
        (FIRST + "imports = 1", "Did you mean import?"),
        (FIRST + "import = 1\nsurcharge = 1", "line 5: surcharge needs prices"),
        (FIRST + 'prices = "a.csv"\nimport = 1', "line 5: import is not possible together with prices"),
        (FIRST + 'prices = "http://example.com/a"', "line 4: prices must begin with https://"),
        (FIRST + 'prices = "https://a:b@example.com/a"', "line 4: prices must not contain a password"),
        (FIRST + 'prices = "https:///a"', "line 4: prices must be a file, or an address"),
        (FIRST + 'prices = "a.csv"\nprices_zone = "Berlin"', "line 5: prices_zone must be a time zone"),
        (FIRST + "windows = 1", "line 4: windows must be a list"),
        (WINDOWS + '[{from = "22:00", to = "06:00"}]', "line 4: windows has a window without import and export"),
        (WINDOWS + '[{from = "22:00", to = "06:05", import = 1}]', "line 4: windows needs from and to at quarters"),
        (WINDOWS + '[{from = "22:00", to = "22:00", import = 1}]', "line 4: windows has a window whose end is"),
        (WINDOWS + '[{from = "1:00", to = "22:00", import = 1}]', "line 4: windows needs from and to at quarters"),
        (WINDOWS + '[{from = "22:00", to = "06:00", day = "all", import = 1}]', "line 4: windows has the unknown key"),
        (WINDOWS + '[{from = "22:00", to = "06:00", days = "sundays", import = 1}]', "line 4: windows has days"),
        ((FIRST + "import = 1\n") * 2, "line 6: from 2025-01-01 is used by two tariffs of the same plants"),
        (FIRST + "import = 1\n" + '[[tariff]]\nfrom = 2026-01-01\ncurrency = "CHF"\nimport = 1',
         "line 7: currency is CHF, and an earlier tariff of the same plants has EUR"),
        ("[tariff]\nimport = 1", "line 1: tariff is a list of tables; write [[tariff]] with two brackets"),
    ],
)  # fmt: skip
def test_mistake_in_a_tariff_is_reported_with_its_line(tmp_path, text, why):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)
