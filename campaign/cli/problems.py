"""How an error reaches a person: a sentence on a terminal, an event of the log elsewhere."""

import sys
import traceback

from campaign.domain.errors import CampaignError
from campaign.domain.problems import fault_of, problem_of
from campaign.reporter.reasons import printable


def say(problem: CampaignError) -> None:
    """In words, on stderr."""
    # File names and columns are of other people's making.
    sys.stderr.write(f"campaign: {printable(str(problem))}\n")


def tell_problem(error: Exception) -> int:
    """Tell why a run broke off; returns its exit code."""
    import structlog

    problem = problem_of(error)
    log = structlog.get_logger()
    if problem is None:
        if sys.stderr.isatty():
            traceback.print_exception(error)
            return 1
        lines = [printable(line) for part in traceback.format_exception(error) for line in part.splitlines()]
        detail = f"A fault of the program: {type(fault_of(error)).__name__}. What was sent is safe in the ledger; please report it."
        log.error("run_broke_off", detail=detail, code="internal_error", exit_code=1, exception=lines)
        return 1
    if sys.stderr.isatty():
        say(problem)
    else:
        log.error("run_broke_off", detail=str(problem), code=problem.code, exit_code=problem.exit_code)
    return problem.exit_code
