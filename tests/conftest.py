"""Fixtures of all tests, the Hypothesis profile, and the line about skipped tests at the end of a run."""

import logging
from collections import Counter

import pytest
from hypothesis import settings

from support.fleet_tables import fleet, fleet_database  # noqa: F401 - fixtures
from support.mqtt_broker import Broker, program
from support.paths import TESTS
from support.postgres_server import postgres, server  # noqa: F401 - fixtures
from support.store_fixtures import place, store  # noqa: F401 - fixtures

settings.register_profile("heliograph", deadline=None, derandomize=True, database=None)
settings.load_profile("heliograph")

SLOW = {
    "alarms/test_notify.py",
    "alarms/test_send.py",
    "bench/test_first_day.py",
    "bench/test_freshness.py",
    "bench/test_month.py",
    "bench/test_torture.py",
    "bench/test_year.py",
    "cli/test_cli.py",
    "cli/test_completion.py",
    "cli/test_doctor_token.py",
    "cli/test_export.py",
    "cli/test_login.py",
    "cli/test_login_token.py",
    "cli/test_newcomer.py",
    "cli/test_optional_packages.py",
    "cli/test_recipe.py",
    "cli/test_recipe_programs.py",
    "cli/test_run.py",
    "cli/test_secret_leaks.py",
    "cli/test_settings.py",
    "cli/test_setup.py",
    "collect/test_backfill.py",
    "collect/test_collect.py",
    "collect/test_collect_process.py",
    "collect/test_counters.py",
    "collect/test_event_watcher.py",
    "collect/test_live_before_history.py",
    "core/test_blocking_calls.py",
    "core/test_endpoint.py",
    "core/test_hostile_values.py",
    "core/test_loop_imports.py",
    "core/test_regular_expressions.py",
    "core/test_typing.py",
    "emulator/recording/test_recorder.py",
    "emulator/recording/test_replay.py",
    "emulator/test_data_faults.py",
    "emulator/test_faults.py",
    "fleet/page/test_access.py",
    "fleet/page/test_browser.py",
    "fleet/page/test_onboarding.py",
    "fleet/page/test_pages.py",
    "fleet/page/test_sign_in.py",
    "fleet/page/test_triage.py",
    "fleet/page/test_triage_update.py",
    "fleet/test_acceptance.py",
    "fleet/test_account_commands.py",
    "fleet/test_archive.py",
    "fleet/test_csv_import.py",
    "fleet/test_database_commands.py",
    "fleet/test_egress.py",
    "fleet/test_fence.py",
    "fleet/test_gap_fill.py",
    "fleet/test_keeper_invariants.py",
    "fleet/test_procrastinate_engine.py",
    "fleet/test_sample_writer.py",
    "fleet/test_state_store.py",
    "fleet/test_watchdog.py",
    "fleet/test_worker_start.py",
    "fuzz/test_mutated_responses.py",
    "keeper/test_growattserver.py",
    "keeper/test_processes.py",
    "keeper/test_state_machine.py",
    "outputs/test_changefeed.py",
    "outputs/test_collect_outputs.py",
    "outputs/test_delivery.py",
    "outputs/test_mqtt_commands.py",
    "outputs/test_mqtt_publisher.py",
    "outputs/test_prometheus.py",
    "outputs/test_soak.py",
    "peers/test_growatt_public_api.py",
    "peers/test_growattserver.py",
    "peers/test_growattserver_tokens.py",
    "peers/test_npm_growatt.py",
    "peers/test_pygoodwe.py",
    "release/test_addon.py",
    "release/test_metadata.py",
    "settings/test_api.py",
    "settings/test_catalogues.py",
    "settings/test_growatt.py",
    "settings/test_processes.py",
    "settings/test_schedule.py",
    "settings/test_state_machine.py",
    "store/test_damage.py",
    "store/test_killed.py",
    "store/test_postgres_server.py",
    "store/test_store_model.py",
    "tariffs/test_spread.py",
    "transports/test_default.py",
    "transports/test_transports.py",
    "vendors/growatt/openapi/test_both.py",
    "vendors/test_add_a_vendor.py",
    "vendors/test_live.py",
    "web/test_api.py",
    "web/test_api_fuzz.py",
    "web/test_auth.py",
    "web/test_browser.py",
    "web/test_browser_money.py",
    "web/test_browser_prefix.py",
    "web/test_live.py",
    "web/test_money.py",
    "web/test_page.py",
    "web/test_prefix.py",
    "web/test_serve.py",
    "web/test_server.py",
}
"""Files whose tests are left out by `make quick`: programs, browsers, servers and long property tests."""

LONGEST = {TESTS / "fleet/test_acceptance.py"}
"""Files that take minutes; at the end of a run, one process would wait for the other."""

PACKAGES = ("chromium", "fish", "mosquitto", "openssl", "prometheus", "zsh")
"""System packages that enable tests; a skip's reason names the package it needs."""


@pytest.fixture(autouse=True)
def _home_folder(tmp_path_factory, monkeypatch):
    """Give every test an empty HELIOGRAPH_HOME, so that none reads or writes the user's folders."""
    monkeypatch.setenv("HELIOGRAPH_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(autouse=True)
def _logger_levels():
    """Restore the levels of our loggers, which some commands raise, and logging that a benchmark has disabled."""
    disabled, before = logging.root.manager.disable, _levels()
    yield
    for name, level in _levels().items():
        # A logger that did not exist before may have been created by the command that raised its level.
        if level != before.get(name, logging.NOTSET):
            logging.getLogger(name).setLevel(before.get(name, logging.NOTSET))
    logging.disable(disabled)


def _levels():
    loggers = list(logging.root.manager.loggerDict.items())
    return {
        name: one.level for name, one in loggers if name.startswith("heliograph") and isinstance(one, logging.Logger)
    }


@pytest.fixture
def broker(tmp_path):
    """Run an MQTT broker that accepts every client."""
    started = Broker(program(), tmp_path)
    started.start()
    yield started
    started.stop()


def is_slow(path):
    """Return whether a file's tests are marked slow."""
    return path.is_relative_to(TESTS) and path.relative_to(TESTS).as_posix() in SLOW


def pytest_ignore_collect(collection_path, config):
    """Import no slow file whose tests would be left out anyway."""
    return True if config.option.markexpr == "not slow" and is_slow(collection_path) else None


def pytest_collection_modifyitems(items):
    """Mark the tests of slow files, and run the longest files first: xdist gives each file to one process."""
    items.sort(key=lambda item: item.path not in LONGEST)
    for item in items:
        if is_slow(item.path):
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session):
    """Print one line at the end: how many tests were skipped, why, and which system packages would enable them."""
    result = yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and not hasattr(session.config, "workerinput"):
        reporter.write_line(skip_summary([report.longrepr[2] for report in reporter.stats.get("skipped", ())]))
    return result


def skip_summary(reasons):
    """Return the closing line for a list of skip reasons."""
    reasons = [reason.removeprefix("Skipped: ") for reason in reasons]
    if not reasons:
        return "skipped: none"
    missing = [name for name in PACKAGES if any(name in reason.lower() for reason in reasons)]
    counts = "; ".join(f"{count}x {reason}" for reason, count in Counter(reasons).most_common())
    return f"skipped: {len(reasons)} ({counts})" + (
        f"; to enable: apt-get install {' '.join(missing)}" if missing else ""
    )
