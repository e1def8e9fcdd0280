"""How an error reaches a person: a sentence on a terminal, an event of the log elsewhere."""

import sys
import traceback

import structlog

from campaign.domain.errors import CampaignError
from campaign.reporter.reasons import printable


def first_problem(error: BaseException) -> CampaignError | None:
    """The error for a person in an error, or in a group of them; None if there is none, and it is a fault of the program."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for inner in error.exceptions if (found := first_problem(inner))), None)
    return error if isinstance(error, CampaignError) else None


def say(problem: CampaignError) -> None:
    """In words, on stderr."""
    # File names and columns are of other people's making.
    sys.stderr.write(f"campaign: {printable(str(problem))}\n")


def log_problem(error: Exception) -> int:
    """Tell why a run broke off; returns the exit code."""
    problem = first_problem(error)
    if problem is None:
        lines = [line for part in traceback.format_exception(error) for line in part.splitlines()]
        detail = "A fault of the program; please report it with this event. What was sent is safe in the ledger."
        structlog.get_logger().error("run_broke_off", detail=detail, exit_code=1, exception=lines)
        return 1
    structlog.get_logger().error("run_broke_off", detail=str(problem), exit_code=problem.exit_code)
    return problem.exit_code
