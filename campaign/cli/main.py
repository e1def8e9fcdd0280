"""The command's first screen and its way out: every error a person can cause ends here as a sentence and an exit code."""

import logging
import sys
from collections.abc import Callable
from typing import Annotated, Final

import typer

from campaign.cli import again, figures, jobs, keep, look, rehearse, send, serve, users
from campaign.cli.group import Commands, group_of
from campaign.cli.libraries import TakeIn
from campaign.cli.problems import say
from campaign.domain.errors import CampaignError
from campaign.domain.problems import problem_of

Entries = tuple[tuple[str, Callable[..., None], str], ...]
_PANELS: Final[dict[str, Entries]] = {
    "1. Look first": (
        ("check", send.check, "Look a list and its message through; sends nothing."),
        ("test", send.send_to_self, "Send one row's message to your own pass."),
    ),
    "2. Send": (
        ("run", send.run, "Send a message to every pass of a list, or go on where a run stopped."),
        ("stage", send.stage, "Only the first half of run: read a list into the ledger, for other processes to send."),
        ("send", send.send, "Only the second half: help to send a campaign that was staged, from this or any machine."),
        ("status", look.status, "Where a campaign stands, or all of them; live with --watch."),
        ("pause", look.pause, "Make whoever is sending a campaign stop, until it is resumed."),
        ("resume", send.resume, "Go on with a campaign that was stopped or paused."),
        ("cancel", look.cancel, "Stop a campaign for good; what is not sent yet is skipped."),
    ),
    "3. Afterwards": (
        ("report", look.report, "Write the results of a campaign to a file."),
        ("verify", send.verify, "Find out, by reading the passes, what became of unknown rows; sends nothing."),
        ("retry", again.retry, "Send the failed rows of a campaign again, or those that were mended in its failed-rows file."),
        ("compare", figures.compare, figures.COMPARE),
        ("stats", figures.stats, figures.STATS),
    ),
    "4. Keep": (
        ("list", keep.list_all, "All campaigns of the ledger, newest first."),
        ("show", keep.show, "All that is known of a campaign: its list, its settings, and who ran it when."),
        ("forget", keep.forget, "Remove the rows of campaigns that ended long ago: customers' data must not stay for ever."),
    ),
    "In a browser": (("serve", serve.serve, "The console: a promotion from a browser, on this machine or for a team."),),
    "Rehearse, without PassEntry": (
        ("demo", rehearse.demo, "A sample campaign from start to end, on this machine alone."),
        ("simulate", rehearse.simulate, "A stand-in for PassEntry on this machine, with its limits and any fault."),
    ),
}
_GROUPS: Final[dict[str, tuple[tuple[str, typer.Typer], ...]]] = {
    "2. Send": (("jobs", jobs.app),),
    "In a browser": (("user", users.app),),
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
    help="Send one message to every wallet pass of a list: never twice, and nothing lost.\n\n"
    "Start with “campaign check LIST --message TEXT”, which sends nothing; then “campaign run” with the same words. "
    "If anything stops it, run the same command again: it goes on where it was.",
    epilog="campaign COMMAND --help tells more.\n\nEach option is also a variable: --max-attempts is CAMPAIGN_MAX_ATTEMPTS, also in a file "
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
    """Run the command line and leave with the exit code of the design."""
    logging.getLogger().addHandler(TakeIn())
    try:
        app()
    except (CampaignError, BaseExceptionGroup) as error:
        problem = problem_of(error)
        if problem is None:
            raise
        say(problem)
        sys.exit(problem.exit_code)
