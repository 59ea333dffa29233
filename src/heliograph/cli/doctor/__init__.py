"""`heliograph doctor`: diagnoses accounts and this machine, and says how to fix problems.

Nothing is sent without `--online`; it never logs in.
"""

from __future__ import annotations

import os
from argparse import SUPPRESS
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from heliograph.cli.clients import create_client
from heliograph.cli.doctor import bundle, environment, online, store
from heliograph.cli.doctor.account import AccountDiagnosis
from heliograph.cli.doctor.result import Section, Verdict, format_section, ok, problem, warning
from heliograph.cli.options import add_command, add_store_option, store_location
from heliograph.cli.settings.recover import open_order_lines
from heliograph.cli.status import account_title
from heliograph.cli.terminal import as_typed, paint, print_json, printable, wrap
from heliograph.config import load
from heliograph.errors import ConfigError, StoreError
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from heliograph.config import Account, Config

_EXAMPLES = """\
  heliograph doctor
  heliograph doctor goodwe --online
  heliograph doctor --bundle report.txt     a report for an issue, with personal data masked
  heliograph doctor --repair                rescue the data of a damaged store; stop the collector first
"""


def add_doctor(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "doctor", _EXAMPLES, doctor)
    parser.add_argument(
        "vendor", choices=tuple(VENDORS), nargs="?", help="check accounts of this cloud only (default: all)"
    )
    parser.add_argument("--online", action="store_true", help="contact the cloud, with the stored session only")
    parser.add_argument("--try", action="store_true", dest="online", help=SUPPRESS)  # the former name
    parser.add_argument("--repair", action="store_true", help="repair a damaged store; its file stays, renamed")
    parser.add_argument("--json", action="store_true", help="print the result of --repair as one object")
    add_store_option(parser)
    parser.add_argument("--bundle", metavar="FILE", type=Path, help="write a masked report for a public issue")


def doctor(options: Namespace) -> int:
    """Run all checks and print them, or repair the store; exit code 1 if a problem was found."""
    if options.repair:
        report = store.repair(store_location(options), datetime.now(UTC))
        if options.json:
            print_json(store.report_dict(report))
        else:
            print(*map(printable, store.report_lines(report)), sep="\n")
        return 0
    if options.json:
        raise ConfigError("--json needs --repair")
    sections: list[Section] = []
    diagnoses: list[AccountDiagnosis] = []
    for section in _sections(options, diagnoses):
        sections.append(section)
        _print_section(section)
    if not options.online:
        print("Nothing was sent; --online also contacts the cloud, with the stored session only")
    if options.bundle:
        bundle.write_bundle(options.bundle, sections, diagnoses, options.config)
        print(printable(f"Report written to {options.bundle}, with personal data masked; read it before you post it"))
    return int(any(check.verdict == "problem" for section in sections for check in section.checks))


def _print_section(section: Section) -> None:
    """Print a section, wrapped and with coloured verdicts at a terminal."""
    for line in format_section(section):
        text = wrap(printable(as_typed(line)))
        verdict = text[2:9].rstrip()
        is_check = text.startswith("  ") and verdict in get_args(Verdict)
        print(f"  {paint(text[2:9], verdict)}{text[9:]}" if is_check else text)


def _sections(options: Namespace, diagnoses: list[AccountDiagnosis]) -> Iterator[Section]:
    config: Config | ConfigError
    try:
        config = load(options.config, os.environ)
    except ConfigError as error:
        config = error
    # With a broken configuration the place of the store is not known.
    stored = () if isinstance(config, ConfigError) else store.check_store(store_location(options))
    yield Section("This machine", (*environment.check_environment(config), *stored))
    for account in _accounts(options, config):
        if account.token is None or not account.has_password:
            yield _account_section(account, account_title(account), diagnoses, contact=options.online)
            if account.portal:
                yield from _sources_section(account)
            continue
        for opened, secret in ((account.token_account(), "token"), (account.password_account(), "password")):
            title = f"{account_title(account)}, by {secret}"
            yield _account_section(opened, title, diagnoses, contact=options.online)
        yield from _sources_section(account)


def _accounts(options: Namespace, config: Config | ConfigError) -> tuple[Account, ...]:
    """Return the selected accounts; raise `ConfigError` if a named one does not exist."""
    if isinstance(config, ConfigError) or not (config.accounts or options.account):
        return ()
    selected = config.select_accounts(options.account, options.server)
    found = tuple(account for account in selected if options.vendor in (None, account.vendor))
    if not found:
        raise ConfigError(f"no {options.vendor} account is configured; run: heliograph login {options.vendor}")
    return found


def _sources_section(account: Account) -> Iterator[Section]:
    """Yield which API answers which question of an account with several."""
    try:
        client = create_client(account)
        choices = tuple(ok(label, text) for label, text in VENDORS[account.vendor].source_rows(client))
    except (ConfigError, StoreError):  # reported by the sections above
        return
    yield Section(f"{account_title(account)}, which API answers", choices)


def _account_section(account: Account, title: str, diagnoses: list[AccountDiagnosis], *, contact: bool) -> Section:
    try:
        diagnosis = AccountDiagnosis(account)
    except ConfigError as error:
        return Section(title, (problem("server", str(error)),))
    except StoreError as error:
        return Section(title, (problem("state file", str(error)),))
    diagnoses.append(diagnosis)
    checks = [diagnosis.check_secret(online=contact), *diagnosis.checks()]
    checks += online.check_online(diagnosis) if contact else diagnosis.check_clock()
    try:
        checks += [warning("settings", line) for line in open_order_lines(account)]
    except StoreError as error:
        checks.append(problem("settings", str(error)))
    return Section(title, tuple(checks), diagnosis.recent_events())
