"""The command's first screen and its way out: every error a person can cause ends here as a sentence and an exit code."""

import sys

import typer

from campaign.cli import look, rehearse, send
from campaign.domain.errors import CampaignError
from campaign.reporter.reasons import printable

app = typer.Typer(
    name="campaign",
    help="Send one message to every wallet pass of a list: never twice, and nothing lost.\n\n"
    "Start with [bold]campaign check LIST --message TEXT[/bold], which sends nothing; then [bold]campaign run[/bold] with the same words. "
    "If anything stops it, run the same command again: it goes on where it was.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (send, look, rehearse):
    module.add_to(app)


def main() -> None:
    """Run the command line and leave with the exit code of the design."""
    try:
        app()
    except (CampaignError, BaseExceptionGroup) as error:
        problem = first_problem(error)
        if problem is None:
            raise
        # File names and columns are of other people's making.
        sys.stderr.write(f"campaign: {printable(str(problem))}\n")
        sys.exit(problem.exit_code)


def first_problem(error: BaseException) -> CampaignError | None:
    """The error for a person in an error, or in a group of them; None if there is none, and it is a fault of the program."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for inner in error.exceptions if (found := first_problem(inner))), None)
    return error if isinstance(error, CampaignError) else None
