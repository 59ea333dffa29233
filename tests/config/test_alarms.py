"""The table [alarms] of the configuration file."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from heliograph.alarms.model import RULES
from heliograph.config import load
from heliograph.config.alarms import ALARM_RULES, AlarmsConfig
from heliograph.errors import ConfigError


def parse(tmp_path, text):
    path = tmp_path / "config.toml"
    path.write_text(text)
    path.chmod(0o600)
    return load(path, {}).alarms


def test_every_rule_can_be_ignored():
    assert tuple(RULES) == ALARM_RULES


def test_table_is_optional(tmp_path):
    assert parse(tmp_path, "") == AlarmsConfig()


def test_all_keys(tmp_path):
    (tmp_path / "urls").write_text("ntfy://a/b\nmailto://c:d@e\n")
    (tmp_path / "urls").chmod(0o600)
    found = parse(
        tmp_path,
        """[alarms]
        notify_file = "urls"
        quiet_hours = "22:00-07:30"
        zone = "Europe/Berlin"
        digest = "30 min"
        severity = "info"
        ignore = ["export_limit"]
        """,
    )
    assert found.services.reveal().split() == ["ntfy://a/b", "mailto://c:d@e"]
    assert (found.quiet, found.zone, found.digest) == ((1320, 450), ZoneInfo("Europe/Berlin"), timedelta(minutes=30))
    assert (found.severity, found.ignore) == ("info", ("export_limit",))
    assert "ntfy" not in repr(found)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('quiet_hours = "22-7"', 'line 2: quiet_hours must be two times of day, like "22:00-07:00"'),
        ('quiet_hours = "24:00-07:00"', "must be two times of day"),
        ('ignore = ["offlin"]', "has no rule 'offlin'"),
        ('severity = "bad"', "must be one of error, warning, info"),
        ('notfy = "x"', "Did you mean notify?"),
        ('zone = "Mars"', "is not a zone"),
    ],
)
def test_invalid_key_names_file_line_and_remedy(tmp_path, line, message):
    with pytest.raises(ConfigError) as caught:
        parse(tmp_path, f"[alarms]\n{line}\n")
    assert message in str(caught.value)
