"""`heliograph recipe`: a ready configuration of another program for the user's plants; sends no requests."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from heliograph.cli.options import add_command, add_store_option, load_config, store_location
from heliograph.cli.recipes.plants import TOKEN, RecipeContext, load_plants
from heliograph.cli.recipes.programs import RECIPES
from heliograph.cli.terminal import print_error, print_json
from heliograph.config.outputs import ServeConfig
from heliograph.config.table import did_you_mean
from heliograph.errors import ConfigError
from heliograph.outputs.mqtt.topics import Topics
from heliograph.store import open_store

if TYPE_CHECKING:
    from argparse import Namespace

    from heliograph.config import Config

_EXAMPLES = """\
  heliograph recipe                                      list the recipes
  heliograph recipe evcc > meters.yaml
  heliograph recipe node-red --plant "Home" --url http://192.168.1.20:8765 > flows.json
  heliograph recipe grafana-dashboard > heliograph.json

notes are printed on standard error, so that the output can be written to a file.
"""


def add_recipe(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "recipe", _EXAMPLES, recipe, accounts=False)
    parser.set_defaults(late=("name",))
    parser.add_argument("name", nargs="?", metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument("--plant", metavar="ID", help="the id or name of one plant (default: all)")
    parser.add_argument("--url", help="address of the page as the other program reaches it (default: as configured)")
    parser.add_argument("--json", action="store_true", help="print the files as JSON, or the list of recipes")
    add_store_option(parser)


def recipe(options: Namespace) -> int:
    """Print a recipe, or list all."""
    if options.name is None:
        _list(as_json=options.json)
        return 0
    if options.name not in RECIPES:
        guess = did_you_mean(options.name, tuple(RECIPES))
        raise ConfigError(f"there is no recipe {options.name!r}; there are {', '.join(RECIPES)}{guess}")
    config = load_config(options)
    serve = config.serve or ServeConfig()
    url = _base_url(options.url) if options.url else _configured_url(serve)
    topics = Topics(config.mqtt.topic if config.mqtt else "heliograph")
    _, write, reads = RECIPES[options.name]
    with open_store(store_location(options), create=False) as store:
        plants = load_plants(store, options.plant, url if reads == "page" else "", topics, int(time.time()))
    found = write(RecipeContext(plants, url, serve.token is not None))
    if options.json:
        print_json({"recipe": options.name, "files": [file._asdict() for file in found]})
        return 0
    for file in found:
        if len(found) > 1:
            mark = "//" if options.name == "openhab" else "#"
            print(f"{mark} file: {file.name}")
        print(file.text, end="" if file is found[-1] else "\n")
    for note in _notes(config, serve, options, reads, has_token=any(TOKEN in file.text for file in found)):
        print_error(note)
    return 0


def _list(*, as_json: bool) -> None:
    if as_json:
        print_json([{"recipe": name, "prints": what} for name, (what, *_) in RECIPES.items()])
        return
    width = max(map(len, RECIPES))
    for name, (what, *_) in RECIPES.items():
        print(f"{name:{width}}  {what}")


def _base_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ConfigError(f"--url {text!r} is not like http://192.168.1.20:8765")
    return text.rstrip("/")


def _configured_url(serve: ServeConfig) -> str:
    host = socket.gethostname() if serve.host in ("0.0.0.0", "::", "") else serve.host  # noqa: S104 - compared only
    return f"http://{f'[{host}]' if ':' in host else host}:{serve.port}"


def _notes(config: Config, serve: ServeConfig, options: Namespace, reads: str, *, has_token: bool) -> list[str]:
    notes = []
    if reads == "mqtt" and config.mqtt is None:
        notes.append(
            "these entities exist once [mqtt] is configured and the collector runs; see docs/home-assistant.md"
        )
    if reads == "mqtt":
        notes.append("an entity that was renamed in Home Assistant has another ID there")
    if reads == "page" and config.serve is None:
        notes.append("the page must run: heliograph run, or heliograph serve")
    if reads == "page" and serve.is_local_only and not options.url:
        notes.append("this address works on this machine only; for another one, set host and token under [serve]")
    if has_token:
        notes.append(f"replace {TOKEN} by the token of the page")
    return notes
