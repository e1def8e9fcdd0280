"""`user ...`: who may use the console."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from campaign.cli.flags import takes
from campaign.cli.serve import Folder, check_installed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from campaign.console.store import Store
    from campaign.settings import Settings

T = TypeVar("T")
PASSWORD_VARIABLE = "CAMPAIGN_CONSOLE_PASSWORD"  # noqa: S105 - a variable's name
BY = "command line"

app = typer.Typer(help="Who may use the console.", no_args_is_help=True, add_completion=False)


class RoleName(StrEnum):
    VIEWER = "viewer"
    SENDER = "sender"
    APPROVER = "approver"


UserName = Annotated[str, typer.Argument(help="The user's name.", metavar="NAME")]
RoleOption = Annotated[RoleName, typer.Option(help="viewer: counts; sender: sends, too; approver: sees and steers all, and approves.")]


@app.callback()
def _group() -> None:
    """Who may use the console.

    Passwords are typed, or for scripts read from stdin or CAMPAIGN_CONSOLE_PASSWORD. All of it takes effect at once.
    """


@takes("ledger", "log_level")
def add(name: UserName, role: RoleOption, *, folder: Folder = None, settings: "Settings") -> None:
    check_installed()
    from campaign.console.door import users
    from campaign.console.door.passwords import Passwords

    hashed = Passwords().hashed(_new_password(name))
    _change(settings, folder, lambda store: users.add(store, name, role.value, hashed), f"added user as {role.value}", name)
    typer.echo(f"“{name}” may log in, as {role.value}.")


@takes("ledger", "json_output", "log_level")
def list_users(*, folder: Folder = None, settings: "Settings") -> None:
    check_installed()
    from campaign.cli.output import print_json
    from campaign.console.door import users

    found = _on_store(settings, folder, users.everyone)
    if settings.json_output:
        print_json([{"name": user.name, "role": user.role.name.lower(), "since": user.since} for user in found])
    else:
        none = "There are no users. Add the first: campaign user add NAME --role approver"
        typer.echo("\n".join(f"{user.role.name.lower():<10}{user.name}" for user in found) if found else none)


@takes("ledger", "log_level")
def role(name: UserName, role: RoleOption, *, folder: Folder = None, settings: "Settings") -> None:
    check_installed()
    from campaign.console.door import users

    _change(settings, folder, lambda store: users.set_role(store, name, role.value), f"gave role {role.value}", name)
    typer.echo(f"“{name}” is now {role.value}.")


@takes("ledger", "log_level")
def password(name: UserName, *, folder: Folder = None, settings: "Settings") -> None:
    check_installed()
    from campaign.console.door import users
    from campaign.console.door.passwords import Passwords

    hashed = Passwords().hashed(_new_password(name))
    _change(settings, folder, lambda store: users.set_password(store, name, hashed), "changed password", name)
    typer.echo(f"“{name}” has a new password, and is logged out everywhere.")


@takes("ledger", "log_level")
def remove(name: UserName, *, folder: Folder = None, settings: "Settings") -> None:
    check_installed()
    from campaign.console.door import users

    _change(settings, folder, lambda store: users.remove(store, name), "removed user", name)
    typer.echo(f"“{name}” is removed, and logged out everywhere.")


@takes("ledger", "log_level")
def link(*, folder: Folder = None, settings: "Settings") -> None:
    check_installed()
    from campaign.console.door.links import another_link

    typer.echo(_on_store(settings, folder, another_link))


for command, called, says in (
    (add, "add", "Let somebody in."),
    (list_users, "list", "All users, and their roles."),
    (role, "role", "Give a user another role."),
    (password, "password", "Give a user another password; ends their sessions."),
    (remove, "remove", "Let a user in no more; ends their sessions."),
    (link, "link", "Another one-time link, for a console without users on this machine."),
):
    app.command(called, help=says)(command)


def _change(settings: "Settings", folder: "Folder", work: "Callable[[Store], Awaitable[None]]", action: str, name: str) -> None:
    from campaign.console import trail

    async def change(store: "Store") -> None:
        await work(store)
        await trail.note(store, BY, action, name)

    _on_store(settings, folder, change)


def _on_store(settings: "Settings", folder: "Folder", work: "Callable[[Store], Awaitable[T]]") -> T:
    from campaign.cli.loop import run_loop
    from campaign.console.keeping import open_store
    from campaign.console.serving import Serving

    async def run() -> T:
        store = open_store(Serving.read(folder=folder).folder_beside(settings))
        try:
            return await work(store)
        finally:
            store.close()

    return run_loop(run())


def _new_password(name: str) -> str:
    import getpass
    import os

    from campaign.console.door.passwords import check_password
    from campaign.domain.errors import UsageError

    given = os.environ.get(PASSWORD_VARIABLE)
    if given is None and not sys.stdin.isatty():
        given = sys.stdin.readline().rstrip("\r\n")
    if given is None:
        given = getpass.getpass(f"New password of {name}: ", stream=sys.stderr)
        check_password(given)
        if getpass.getpass("The same again: ", stream=sys.stderr) != given:
            raise UsageError("The two were not the same. Nothing was changed.", code="passwords_differ")
    check_password(given)
    return given
