"""The command's first screen and its exit: every error that a person can cause ends here as a sentence and an exit code.

Commands are built only when they are needed, and the first screen does not load rich: both are slower than all else that it does.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator, MutableMapping
from itertools import groupby
from operator import attrgetter
from typing import Annotated, Any, Final, NamedTuple, cast

import typer
from typer.core import TyperGroup

from campaign.cli import campaigns, console, demo, jobs, probe, send, stats
from campaign.cli.logs.setup import StdlibLogHandler
from campaign.domain.errors import CampaignError, UsageError, problem_of


class HelpEntry(NamedTuple):
    """The entry of a command on the first screen."""

    panel: str
    name: str
    text: str


class Commands(MutableMapping[str, Any]):
    """The commands by name, in the order of the first screen; the values are typer's command objects."""

    def __init__(self) -> None:
        self._unbuilt: dict[str, Callable[[], Any]] = {}
        self._built: dict[str, Any] = {}
        self.said: list[HelpEntry] = []

    def add(self, name: str, function: Callable[..., None], *, text: str, panel: str) -> None:
        alone = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
        alone.command(name, help=text)(function)
        self.add_group(name, alone, text=text, panel=panel)

    def add_removed(self, name: str, instead: str) -> None:
        """Add a command of an earlier version: with any arguments, it says what to do instead."""
        alone = typer.Typer(add_completion=False)
        anything = {"ignore_unknown_options": True, "allow_extra_args": True}

        @alone.command(name, hidden=True, add_help_option=False, context_settings=anything)
        def removed() -> None:
            raise UsageError(f"campaign {name} was removed. {instead}", code="removed_command", command=name)

        self._unbuilt[name] = lambda: typer.main.get_command(alone)

    def add_group(self, name: str, group: typer.Typer, *, text: str, panel: str) -> None:
        self._unbuilt[name] = lambda: typer.main.get_command(group)
        self.said.append(HelpEntry(panel, name, text.partition("\n\n")[0]))

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            self._built[name] = self._unbuilt[name]()
        return self._built[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._unbuilt[name] = lambda: command

    def __delitem__(self, name: str) -> None:
        del self._unbuilt[name]
        self._built.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._unbuilt)

    def __len__(self) -> int:
        return len(self._unbuilt)


def group_of(commands: Commands) -> type[TyperGroup]:
    """A class for a group with these commands."""

    class Group(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes | {"commands": cast("dict[str, Any]", commands)})

        def list_commands(self, ctx: Any) -> list[str]:
            del ctx
            return list(commands)

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            if not args and not ctx.resilient_parsing:
                # typer would use rich to print this, and this screen does not load rich.
                typer.echo(ctx.get_help(), color=ctx.color)
                ctx.exit(2)
            return super().parse_args(ctx, args)

        def format_help(self, ctx: Any, formatter: Any) -> None:
            self.format_usage(ctx, formatter)
            self.format_help_text(ctx, formatter)
            self.format_options(ctx, formatter)
            self.format_epilog(ctx, formatter)

        def format_commands(self, ctx: Any, formatter: Any) -> None:
            del ctx
            # click removes the codes unless stdout is a terminal, but a dumb terminal would print them as text.
            bold = os.environ.get("TERM") != "dumb"
            for panel, of_panel in groupby(commands.said, attrgetter("panel")):
                with formatter.section(panel):
                    formatter.write_dl([(typer.style(said.name, bold=True) if bold else said.name, said.text) for said in of_panel])

    return Group


Entries = tuple[tuple[str, Callable[..., None], str], ...]
_PANELS: Final[dict[str, Entries]] = {
    "1. Check first": (
        ("check", send.check, "Validate a list and its message; sends nothing."),
        ("test", send.send_to_self, "Send one row's message to your own pass."),
        ("probe", probe.probe, "Try PassEntry's batches with one message to your own pass."),
    ),
    "2. Send": (
        ("run", send.run, "Send a message to every pass of a list, or resume a run that stopped."),
        ("stage", send.stage, "Read a list into the ledger without sending, for other processes to send."),
        ("send", send.send, "Send a staged campaign. Run it on several machines to share the work."),
        ("status", campaigns.status, "The status of a campaign, or of all; live with --watch."),
        ("pause", campaigns.pause, "Stop sending a campaign, in every process, until it is resumed."),
        ("resume", send.resume, "Continue a campaign that was stopped or paused."),
        ("cancel", campaigns.cancel, "Stop a campaign for good; rows not sent yet are skipped."),
    ),
    "3. Afterwards": (
        ("report", campaigns.report, "Write the results of a campaign to a file."),
        ("verify", send.verify, "Read the passes of unknown rows to find out whether the message arrived; sends nothing."),
        ("retry", send.retry, "Send failed rows again, as they are or corrected in the failed-rows file."),
        ("compare", stats.compare, stats.COMPARE),
        ("stats", stats.stats, stats.STATS),
    ),
    "4. Manage": (
        ("list", campaigns.list_all, "All campaigns of the ledger, newest first."),
        ("show", campaigns.show, "Details of a campaign: its list, its settings, and its runs."),
        ("forget", campaigns.forget, "Purge the rows of campaigns that ended long ago, and keep their counts."),
    ),
    "In a browser": (("serve", console.serve, "Start the console: send campaigns from a browser, on this machine or for a team."),),
    "Try it, without PassEntry": (
        ("demo", demo.demo, "Run a sample campaign from start to end, on this machine alone."),
        ("simulate", demo.simulate, "Run a simulator of PassEntry on this machine, with its limits and any fault."),
    ),
}
_GROUPS: Final[dict[str, tuple[tuple[str, typer.Typer], ...]]] = {
    "2. Send": (("jobs", jobs.app),),
    "In a browser": (("user", console.app),),
}
_REMOVED: Final = {
    "export": "To resume a campaign on another ledger: campaign pause NAME, then campaign run RESULTS --ledger ANOTHER.",
    "import": "A file of campaign export is read by version 0.1.0 only: import it with that version, then go on from the results file: "
    "campaign run RESULTS --ledger ANOTHER.",
}


def _all_commands() -> Commands:
    commands = Commands()
    for panel, entries in _PANELS.items():
        for name, command, text in entries:
            commands.add(name, command, text=text, panel=panel)
        for name, group in _GROUPS.get(panel, ()):
            commands.add_group(name, group, text=str(group.info.help), panel=panel)
    for name, instead in _REMOVED.items():
        commands.add_removed(name, instead)
    return commands


app = typer.Typer(
    name="campaign",
    cls=group_of(_all_commands()),
    help="Send one message to every wallet pass of a list: no duplicates, and nothing lost.\n\n"
    "Start with “campaign check LIST --message TEXT”, which sends nothing; then “campaign run” with the same options. "
    "If anything stops it, run the same command again: it resumes.",
    epilog="campaign COMMAND --help shows more.\n\nEach option is also a variable: --max-attempts is CAMPAIGN_MAX_ATTEMPTS, also in a file "
    ".env. The token is read from PASSENTRY_API_KEY.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"campaign {version('campaign')}")
        raise typer.Exit


@app.callback()
def _first(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=lambda value: _version(wanted=value))
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line, and exit with the documented exit code."""
    logging.getLogger().addHandler(StdlibLogHandler())
    try:
        app()
    except (CampaignError, BaseExceptionGroup) as error:
        problem = problem_of(error)
        if problem is None:
            raise
        from campaign.cli.screen.output import print_error

        print_error(problem)
        sys.exit(problem.exit_code)
