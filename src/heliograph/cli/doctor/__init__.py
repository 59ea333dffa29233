"""`heliograph doctor`: what stands between an account and its data, and what to do about it.

Without `--try` nothing is sent; with it, still no login is.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heliograph.cli.options import add_command
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from heliograph.cli.doctor.account import AccountDiagnosis
    from heliograph.cli.doctor.result import Section
    from heliograph.config import Account, Config
    from heliograph.errors import ConfigError

_EXAMPLES = """\
  heliograph doctor
  heliograph doctor goodwe --try
  heliograph doctor --bundle report.txt     what an issue needs to be understood, without what is nobody's business
"""


def add_doctor(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "doctor", _EXAMPLES, doctor)
    parser.add_argument("vendor", choices=tuple(VENDORS), nargs="?", help="the accounts of this cloud only")
    parser.add_argument("--try", action="store_true", dest="tried", help="ask the cloud, with the stored session only")
    parser.add_argument("--bundle", metavar="FILE", type=Path, help="write it all, masked, for a public issue")


def doctor(options: Namespace) -> int:
    """Look at everything, tell it, and return whether a problem was found."""
    from heliograph.cli.doctor.result import format_section  # noqa: PLC0415 - help needs no doctors
    from heliograph.cli.terminal import printable  # noqa: PLC0415

    sections: list[Section] = []
    patients: list[AccountDiagnosis] = []
    for section in _sections(options, patients):
        sections.append(section)
        print(*map(printable, format_section(section)), sep="\n")
    if not options.tried:
        print("Nothing was sent; --try asks the cloud, with the stored session only")
    if options.bundle:
        from heliograph.cli.doctor import bundle  # noqa: PLC0415 - few want one

        bundle.write_bundle(options.bundle, sections, patients, options.config)
        print(printable(f"{options.bundle} is written. It is masked; read it before you post it"))
    return int(any(check.verdict == "problem" for section in sections for check in section.checks))


def _sections(options: Namespace, patients: list[AccountDiagnosis]) -> Iterator[Section]:
    from heliograph.cli.doctor import environment  # noqa: PLC0415
    from heliograph.cli.doctor.result import Section  # noqa: PLC0415

    config = _configuration(options)
    yield Section("This machine", tuple(environment.check_environment(config)))
    for account in _accounts(options, config):
        yield _examined(account, patients, tried=options.tried)


def _configuration(options: Namespace) -> Config | ConfigError:
    from heliograph.config import load  # noqa: PLC0415
    from heliograph.errors import ConfigError  # noqa: PLC0415

    try:
        return load(options.config, os.environ)
    except ConfigError as error:
        return error


def _accounts(options: Namespace, config: Config | ConfigError) -> tuple[Account, ...]:
    """Return the accounts that are meant; one that was named has to be there."""
    from heliograph.errors import ConfigError  # noqa: PLC0415

    if isinstance(config, ConfigError) or not (config.accounts or options.account):
        return ()
    chosen = config.select_accounts(options.account, options.server)
    found = tuple(one for one in chosen if options.vendor in (None, one.vendor))
    if not found:
        raise ConfigError(f"there is no account of {options.vendor} here; heliograph --help tells how to name one")
    return found


def _examined(account: Account, patients: list[AccountDiagnosis], *, tried: bool) -> Section:
    from heliograph.cli.doctor import online  # noqa: PLC0415
    from heliograph.cli.doctor.account import AccountDiagnosis  # noqa: PLC0415
    from heliograph.cli.doctor.result import Section, problem, warning  # noqa: PLC0415
    from heliograph.cli.settings.recover import open_order_lines  # noqa: PLC0415
    from heliograph.cli.status import account_title  # noqa: PLC0415
    from heliograph.errors import ConfigError, StoreError  # noqa: PLC0415

    try:
        patient = AccountDiagnosis(account)
    except ConfigError as error:
        return Section(account_title(account), (problem("server", str(error)),))
    except StoreError as error:
        return Section(account_title(account), (problem("memory", str(error)),))
    patients.append(patient)
    found = [patient.check_password(online=tried), *patient.checks()]
    found += online.check_online(patient) if tried else patient.check_clock()
    try:
        found += [warning("orders", line) for line in open_order_lines(account)]
    except StoreError as error:
        found.append(problem("orders", str(error)))
    return Section(account_title(account), tuple(found), patient.recent_events())
