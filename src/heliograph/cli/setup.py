"""`heliograph setup`: asks for accounts, MQTT, page and service, writes the configuration, and starts the collector.

It can be run again: tables that are configured already are kept and not asked for.
"""

from __future__ import annotations

import secrets
import socket
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heliograph.cli import service
from heliograph.cli.accounts import (
    add_to_config,
    enter_secret,
    find_account,
    load_or_empty,
    new_account,
    offer_password,
    print_line,
    print_verified,
    save_secrets,
    wants_token,
)
from heliograph.cli.login import NOT_SAVED, add_login_options
from heliograph.cli.options import add_command
from heliograph.cli.prompt import create_prompt
from heliograph.cli.terminal import print_error
from heliograph.config import ServeConfig
from heliograph.config.edit import append_tables, toml_string
from heliograph.core.installation import extra_command
from heliograph.errors import ConfigError
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from argparse import Namespace

    from heliograph.cli.prompt import Prompt
    from heliograph.config import Config

_EXAMPLES = """\
  heliograph setup
  heliograph setup goodwe                        add another account
  heliograph setup growatt --username me --password-stdin --mqtt 192.168.1.5 --no-start < secret
"""
_TLS_PORT, _PORT = 8883, 1883
_BROKER_SECONDS = 5


def add_setup(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "setup", _EXAMPLES, setup)
    parser.add_argument("vendor", nargs="?", choices=tuple(VENDORS), help="the cloud of a new account (default: ask)")
    add_login_options(parser)
    parser.add_argument("--mqtt", metavar="HOST[:PORT]", help="MQTT broker; an empty text for none (default: ask)")
    parser.add_argument("--mqtt-username", metavar="NAME", help="user name at the broker (default: ask)")
    parser.add_argument(
        "--mqtt-password-file", metavar="FILE", type=Path, help="file with the broker's password (default: ask)"
    )
    parser.add_argument("--port", type=int, help="port of the page (default: ask; without a terminal 8765)")
    parser.add_argument("--service", action="store_true", default=None, help="install the systemd service")
    parser.add_argument("--no-service", action="store_false", dest="service", help="do not install the service")
    parser.add_argument("--start", action="store_true", default=None, help="start `heliograph run` at the end")
    parser.add_argument("--no-start", action="store_false", dest="start", help="do not start it")
    parser.add_argument("--yes", action="store_true", help="ask nothing; use the defaults of what no option answers")
    parser.set_defaults(late=("vendor",))


def setup(options: Namespace) -> int:
    """Ask and save step by step: what was saved before an error or Ctrl-C stays, and setup continues there."""
    prompt = create_prompt(defaults=options.yes)
    options.vendor = options.vendor and _vendor(options.vendor)
    config = load_or_empty(options)
    print_line(f"Configuration: {config.path}")
    for account in config.accounts:
        title = VENDORS[account.vendor].title
        opened_by = account.username if account.has_password else "API token"
        print_line(f"Account {account.name} is configured: {title}, {opened_by}")
    while _wants_account(config, options, prompt):
        _add_account(config, options, prompt)
        config = load_or_empty(options)
        options.vendor = options.username = options.account = options.server = options.timezone = None
        options.token = options.token_stdin = False
        if not prompt.interactive:
            break
    _set_up_mqtt(config, options, prompt)
    _set_up_page(config, options, prompt)
    if config.path.exists():
        config.path.chmod(0o600)  # it may contain passwords now
    config = load_or_empty(options)
    return _start(config, options, prompt)


def _wants_account(config: Config, options: Namespace, prompt: Prompt) -> bool:
    if options.vendor is not None:
        known = find_account(config, options)
        if known is not None and options.username is None and options.account is None and prompt.interactive:
            print_line(f"There is a {options.vendor} account already; the new one needs a name.")
            options.account = prompt.text("Name of the new account", "--account NAME")
            return True
        return known is None
    if config.accounts:
        return prompt.confirm("Add another account?", default=False)
    return True


def _add_account(config: Config, options: Namespace, prompt: Prompt) -> None:
    if options.vendor is None:
        options.vendor = prompt.text(f"Cloud ({' or '.join(VENDORS)})", "heliograph setup VENDOR", check=_vendor)
    names = {account.name for account in config.accounts}
    if options.account is None and options.vendor in names:
        options.account = prompt.text("Name of the new account", "--account NAME")
    by_token = wants_token(None, options, prompt)
    account = new_account(config, options, prompt, by_token=by_token)
    account, verified = enter_secret(account, options, prompt, NOT_SAVED, by_token=by_token)
    if verified is not None:
        print_verified(verified)
    if by_token:
        account = offer_password(account, options, prompt, NOT_SAVED)
    saved = save_secrets(account, token=by_token, password=account.has_password)
    for line in (*saved, *add_to_config(config.path, account)):
        print_line(line)


def _vendor(text: str) -> str:
    name = text.strip().lower()
    if name not in VENDORS:
        raise ConfigError(f"{name[:40]!r} is not one of {', '.join(VENDORS)}")
    return name


def _set_up_mqtt(config: Config, options: Namespace, prompt: Prompt) -> None:
    if config.mqtt is not None:
        print_line(f"MQTT is configured: {config.mqtt.host}")
        return
    if find_spec("aiomqtt") is None:
        if options.mqtt:
            raise ConfigError(f"MQTT needs aiomqtt, which is not installed: {extra_command('mqtt')}")
        return
    where = options.mqtt
    if where is None:
        where = prompt.text("MQTT broker for Home Assistant, HOST or HOST:PORT; Enter for none", "--mqtt", "", _broker)
    if not where:
        return
    host, _, port_text = _broker(where).rpartition(":")
    port = int(port_text)
    lines = ["[mqtt]", f"host = {toml_string(host)}", f"port = {port}"]
    if port == _TLS_PORT:
        lines.append("tls = true")
    lines += _broker_login(options, prompt)
    append_tables(config.path, "\n".join(lines) + "\n", "MQTT")
    print_line(f"MQTT added to {config.path}")
    try:
        socket.create_connection((host, port), _BROKER_SECONDS).close()
    except OSError as error:
        print_error(f"no connection to {host} port {port} ({error.strerror or error}); it is tried again while running")


def _broker_login(options: Namespace, prompt: Prompt) -> list[str]:
    """Return the lines of the configuration for user name and password."""
    lines = []
    username = options.mqtt_username or prompt.text("MQTT user name; Enter for none", "--mqtt-username", "")
    if username:
        lines.append(f"username = {toml_string(username)}")
    if options.mqtt_password_file is not None:
        lines.append(f"password_file = {toml_string(str(options.mqtt_password_file.absolute()))}")
    elif username and prompt.interactive:
        password = prompt.secret("MQTT password; Enter for none", "password")
        if password.reveal():
            lines.append(f"password = {toml_string(password.reveal())}")
    return lines


def _broker(text: str) -> str:
    """Return HOST:PORT; an empty text stays empty."""
    host, _, port = text.strip().rpartition(":") if ":" in text else (text.strip(), "", str(_PORT))
    if not text.strip():
        return ""
    # A host of digits only is a port that was typed at the wrong question.
    if not host or host.isdecimal() or " " in host or "/" in host or not host.isprintable() or not port.isdecimal():
        raise ConfigError("a broker is written HOST or HOST:PORT, like 192.168.1.5")
    if not 0 < int(port[:6]) < 65536:
        raise ConfigError("a port is a number from 1 to 65535")
    return f"{host}:{int(port)}"


def _set_up_page(config: Config, options: Namespace, prompt: Prompt) -> None:
    if config.serve is not None:
        print_line(f"The page is configured: port {config.serve.port}")
        return
    if find_spec("starlette") is None:
        print_line(f"The page needs further packages: {extra_command('web')}")
        return
    port = options.port
    if port is None:
        port = int(prompt.text("Port of the page", "--port", str(ServeConfig.port), _port))
    _port(str(port))
    lines = ["[serve]", f"port = {port}"]
    if prompt.confirm("May other devices in your network open the page, with a token?", default=False):
        token = secrets.token_urlsafe(24)
        lines += ['host = "0.0.0.0"', f"token = {toml_string(token)}"]
        append_tables(config.path, "\n".join(lines) + "\n", "the page")
        print_line(f"Token of the page, which is also in {config.path}: {token}")
    else:
        append_tables(config.path, "\n".join(lines) + "\n", "the page")
    print_line(f"Page added to {config.path}")


def _port(text: str) -> str:
    if not text.strip().isdecimal() or not 0 <= int(text.strip()[:6]) < 65536:
        raise ConfigError("a port is a number from 1 to 65535, or 0 for a free one")
    return text.strip()


def _start(config: Config, options: Namespace, prompt: Prompt) -> int:
    """Install the service or run the collector, as the user wants; otherwise print the next step."""
    from heliograph.cli.main import run as run_command  # noqa: PLC0415 - `main` imports the commands

    port = config.serve.port if config.serve else ServeConfig.port
    page = f"http://127.0.0.1:{port}/"
    wanted = options.service
    if wanted is None:
        # A system unit runs as another user than root, who has to run setup: see docs/collecting.md.
        offered = service.is_available() and not service.is_root()
        wanted = offered and prompt.confirm("Start at boot, as a systemd service?", default=False)
    chosen = [] if options.config is None else ["--config", str(options.config)]
    if wanted:
        code = run_command(["service", "install", *chosen])
        if not code:
            print_line(f"Page: {page}")
        return code
    start = options.start
    if start is None:
        start = prompt.confirm("Start collecting now? Ctrl-C stops it.", default=prompt.interactive)
    if not start:
        print_line(f"Everything is saved. Start with: heliograph run; the page is then at {page}")
        return 0
    return run_command(["run", *chosen])
