"""`serve`, the console in a browser, and `user ...`, who may use it."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from campaign.cli.options import NETWORK, with_options
from campaign.domain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from campaign.console.store import Store
    from campaign.settings import Settings


_WHERE = "Where it listens"
Folder = Annotated[
    Path | None,
    typer.Option(help="The folder for users, uploads and drafts. Default: console, beside the ledger.", metavar="DIR", show_default=False),
]


@with_options("ledger", *NETWORK, "log_level", "log_file")
def serve(
    *,
    host: Annotated[
        str | None,
        typer.Option(
            help="The address to listen at. Default 127.0.0.1, this machine alone; any other needs users.",
            metavar="HOST",
            rich_help_panel=_WHERE,
        ),
    ] = None,
    port: Annotated[
        str | None, typer.Option(help="The port. Default 8321; 0 takes any free one.", metavar="NUMBER", rich_help_panel=_WHERE)
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="A certificate with its chain, in PEM, to serve HTTPS.", metavar="FILE", rich_help_panel=_WHERE)
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's key.", metavar="FILE", rich_help_panel=_WHERE)] = None,
    behind_proxy: Annotated[
        bool | None, typer.Option("--behind-proxy", help="A proxy in front of it serves HTTPS.", rich_help_panel=_WHERE, show_default=False)
    ] = None,
    folder: Folder = None,
    require_approval: Annotated[
        str | None, typer.Option(help="Campaigns with more recipients need approval by a second person.", metavar="NUMBER")
    ] = None,
    most_upload: Annotated[str | None, typer.Option(help="The largest upload. Default 1GB.", metavar="SIZE")] = None,
    settings: "Settings",
) -> None:
    check_installed()
    from campaign.cli.process import run_loop
    from campaign.console.app import serve as run
    from campaign.console.console_settings import ConsoleSettings

    console_settings = ConsoleSettings.read(
        host=host,
        port=port,
        folder=folder,
        require_approval=require_approval,
        tls_cert=tls_cert,
        tls_key=tls_key,
        behind_proxy=behind_proxy,
        most_upload=most_upload,
    )

    def ready(url: str, link: str) -> None:
        once = "\nThe link works once, for one browser; campaign user link makes another." if link != url else ""
        sys.stdout.write(f"The console is at {link}{once}\nPress Ctrl-C to stop it; campaigns that are being sent continue.\n")
        sys.stdout.flush()

    raise typer.Exit(run_loop(run(console_settings, settings, lambda found: ready(found.url, found.link))))


def check_installed() -> None:
    """Check that the extra is installed; raises UsageError, which says how to install it, if not."""
    from importlib.util import find_spec

    if find_spec("cryptography") is None:
        raise UsageError("The console is not installed. Install it: pip install 'campaign[console]'", code="extra_missing", extra="console")


T = TypeVar("T")
PASSWORD_VARIABLE = "CAMPAIGN_CONSOLE_PASSWORD"  # noqa: S105 - a variable's name
BY = "command line"

app = typer.Typer(help="Who may use the console.", no_args_is_help=True, add_completion=False)


class RoleName(StrEnum):
    VIEWER = "viewer"
    SENDER = "sender"
    APPROVER = "approver"


UserName = Annotated[str, typer.Argument(help="The user's name.", metavar="NAME")]
RoleOption = Annotated[
    RoleName, typer.Option(help="viewer: sees counts; sender: also sends; approver: also controls all campaigns, and approves.")
]


@app.callback()
def _group() -> None:
    """Who may use the console.

    Passwords are typed, or read from stdin or CAMPAIGN_CONSOLE_PASSWORD. Changes take effect at once.
    """


@with_options("ledger", "log_level")
def add_user(name: UserName, role: RoleOption, *, folder: Folder = None, settings: "Settings") -> None:
    check_installed()
    from campaign.console.auth import users
    from campaign.console.auth.users import Passwords

    hashed = Passwords().hashed(_new_password(name))
    _change(settings, folder, lambda store: users.add(store, name, role.value, hashed), f"added user as {role.value}", name)
    typer.echo(f"“{name}” may log in as {role.value}.")


@with_options("ledger", "json_output", "log_level")
def list_users(*, folder: Folder = None, settings: "Settings") -> None:
    check_installed()
    from campaign.cli.screen.output import print_json
    from campaign.console.auth import users

    found = _on_store(settings, folder, users.everyone)
    if settings.json_output:
        print_json([{"name": user.name, "role": user.role.name.lower(), "since": user.since} for user in found])
    else:
        none = "There are no users. Add the first: campaign user add NAME --role approver"
        typer.echo("\n".join(f"{user.role.name.lower():<10}{user.name}" for user in found) if found else none)


@with_options("ledger", "log_level")
def set_role(name: UserName, role: RoleOption, *, folder: Folder = None, settings: "Settings") -> None:
    check_installed()
    from campaign.console.auth import users

    _change(settings, folder, lambda store: users.set_role(store, name, role.value), f"gave role {role.value}", name)
    typer.echo(f"“{name}” is now {role.value}.")


@with_options("ledger", "log_level")
def set_password(name: UserName, *, folder: Folder = None, settings: "Settings") -> None:
    check_installed()
    from campaign.console.auth import users
    from campaign.console.auth.users import Passwords

    hashed = Passwords().hashed(_new_password(name))
    _change(settings, folder, lambda store: users.set_password(store, name, hashed), "changed password", name)
    typer.echo(f"“{name}” has a new password and is logged out everywhere.")


@with_options("ledger", "log_level")
def remove_user(name: UserName, *, folder: Folder = None, settings: "Settings") -> None:
    check_installed()
    from campaign.console.auth import users

    _change(settings, folder, lambda store: users.remove(store, name), "removed user", name)
    typer.echo(f"“{name}” is removed and logged out everywhere.")


@with_options("ledger", "log_level")
def new_link(*, folder: Folder = None, settings: "Settings") -> None:
    check_installed()
    from campaign.console.auth.sessions import another_link

    typer.echo(_on_store(settings, folder, another_link))


for command, called, says in (
    (add_user, "add", "Add a user."),
    (list_users, "list", "List users and their roles."),
    (set_role, "role", "Change a user's role."),
    (set_password, "password", "Change a user's password, and log them out."),
    (remove_user, "remove", "Remove a user, and log them out."),
    (new_link, "link", "Make a new one-time link, for a console without users on this machine."),
):
    app.command(called, help=says)(command)


def _change(settings: "Settings", folder: "Folder", work: "Callable[[Store], Awaitable[None]]", action: str, name: str) -> None:
    from campaign.console import audit_log

    async def change(store: "Store") -> None:
        await work(store)
        await audit_log.record(store, BY, action, name)

    _on_store(settings, folder, change)


def _on_store(settings: "Settings", folder: "Folder", work: "Callable[[Store], Awaitable[T]]") -> T:
    from campaign.cli.process import run_loop
    from campaign.console.console_settings import ConsoleSettings
    from campaign.console.store import open_store

    async def run() -> T:
        store = open_store(ConsoleSettings.read(folder=folder).folder_beside(settings))
        try:
            return await work(store)
        finally:
            store.close()

    return run_loop(run())


def _new_password(name: str) -> str:
    import getpass
    import os

    from campaign.console.auth.users import check_password

    given = os.environ.get(PASSWORD_VARIABLE)
    if given is None and not sys.stdin.isatty():
        given = sys.stdin.readline().rstrip("\r\n")
    if given is None:
        given = getpass.getpass(f"New password of {name}: ", stream=sys.stderr)
        check_password(given)
        if getpass.getpass("The same again: ", stream=sys.stderr) != given:
            raise UsageError("The two passwords differ. Nothing was changed.", code="passwords_differ")
    check_password(given)
    return given
