"""`heliograph fleet serve`, `triage`, `tenant`, `member` and `token`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.cli.fleet.options import add_fleet_command

if TYPE_CHECKING:
    from argparse import ArgumentParser

_WORK = "heliograph.cli.fleet.serving"
_SERVE = """\
  heliograph fleet serve --trusted-proxy 127.0.0.1 --name fleet.example.com
  heliograph fleet serve --host 0.0.0.0 --trusted-proxy 10.0.0.2 --header X-Forwarded-Email --name fleet.example.com
  curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8770/api/v1/fleet/plants

People sign in at a proxy (oauth2-proxy, Authelia and others) that reports their name in a header. The header is
accepted only if the connection comes from a trusted proxy, which has to remove it from what browsers send.
"""
_TRIAGE = """\
  heliograph fleet triage                     evaluate the alarm rules of all plants every ten minutes
  heliograph fleet triage --shards 0-127      half of the fleet; a second process takes the others
  heliograph fleet triage --once
"""
_TENANT = """\
  heliograph fleet tenant add acme --contact office@acme.example
  heliograph fleet tenant list --json
"""
_MEMBER = """\
  heliograph fleet member set acme ada@acme.example --role admin
  heliograph fleet member remove acme ada@acme.example
  heliograph fleet member list acme
"""
_TOKENS = """\
  heliograph fleet token new acme dashboard --role viewer --days 365
  heliograph fleet token list acme
  heliograph fleet token revoke acme 12
"""
_ROLES = ("viewer", "operator", "setter", "admin")


def add_commands(subcommands: Any) -> None:
    """Add the subcommands."""
    _add_serve(subcommands)
    triage = add_fleet_command(
        subcommands, "triage", "evaluate the alarm rules of all plants", _TRIAGE, f"{_WORK}:update_triage"
    )
    triage.add_argument("--shards", metavar="FIRST-LAST", help="the shards of this process (default: all)")
    triage.add_argument("--interval", metavar="SECONDS", type=float, default=600.0, help="time between two evaluations")
    triage.add_argument("--once", action="store_true", help="evaluate once, then exit")
    _add_tenant(_group(subcommands, "tenant", "add and list tenants", _TENANT))
    _add_member(_group(subcommands, "member", "add, change and remove members of a tenant", _MEMBER))
    _add_token(_group(subcommands, "token", "create and revoke API tokens", _TOKENS))


def _add_serve(subcommands: Any) -> None:
    serve = add_fleet_command(
        subcommands, "serve", "serve the triage page and its API", _SERVE, f"{_WORK}:serve_page", json=False
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", type=int, default=8770, help="port to listen on; 0 takes a free one (default: 8770)")
    serve.add_argument(
        "--name", action="append", default=[], help="host name by which browsers reach the page; repeatable"
    )
    serve.add_argument(
        "--trusted-proxy",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="address or network of a proxy; repeatable",
    )
    serve.add_argument(
        "--header", default="X-Forwarded-User", help="header with the person's name (default: X-Forwarded-User)"
    )
    serve.add_argument("--egress", default="default", metavar="NAME", help="egress of accounts imported on the page")
    # Not from the environment: the server has the key only if admins are to import accounts on the page.
    serve.add_argument("--key-file", metavar="FILE", help="file with the fleet's key, to import accounts on the page")
    serve.add_argument("--key-command", metavar="COMMAND", help="command that prints the key, instead of the file")


def _group(subcommands: Any, name: str, sentence: str, examples: str) -> Any:
    parser: ArgumentParser = add_fleet_command(subcommands, name, sentence, examples, f"{_WORK}:", database=False)
    return parser.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)


def _add_tenant(subcommands: Any) -> None:
    add = add_fleet_command(subcommands, "add", "add a tenant", _TENANT, f"{_WORK}:add_tenant", json=True)
    add.add_argument("tenant", metavar="NAME")
    add.add_argument("--contact", help="whom to call")
    add_fleet_command(subcommands, "list", "list the tenants", _TENANT, f"{_WORK}:list_tenants", json=True)


def _add_member(subcommands: Any) -> None:
    for name, sentence in (("set", "add a member, or change its role"), ("remove", "remove a member")):
        parser = add_fleet_command(subcommands, name, sentence, _MEMBER, f"{_WORK}:{name}_member", json=True)
        parser.add_argument("tenant", metavar="TENANT")
        parser.add_argument("subject", metavar="PERSON", help="the name that the proxy reports")
        if name == "set":
            parser.add_argument("--role", choices=_ROLES, default="viewer", help="default: viewer")
    listing = add_fleet_command(subcommands, "list", "list the members", _MEMBER, f"{_WORK}:list_members", json=True)
    listing.add_argument("tenant", metavar="TENANT")


def _add_token(subcommands: Any) -> None:
    new = add_fleet_command(
        subcommands, "new", "create a token and print it, once", _TOKENS, f"{_WORK}:new_token", json=True
    )
    new.add_argument("tenant", metavar="TENANT")
    new.add_argument("token_name", metavar="NAME")
    new.add_argument("--role", choices=_ROLES, default="viewer", help="default: viewer")
    new.add_argument("--days", type=int, help="days for which it is valid (default: no end)")
    revoke = add_fleet_command(subcommands, "revoke", "revoke a token", _TOKENS, f"{_WORK}:revoke_token", json=True)
    revoke.add_argument("tenant", metavar="TENANT")
    revoke.add_argument("number", metavar="NUMBER", type=int, help="the number of heliograph fleet token list")
    listing = add_fleet_command(
        subcommands, "list", "list the valid tokens", _TOKENS, f"{_WORK}:list_tokens", json=True
    )
    listing.add_argument("tenant", metavar="TENANT")
