"""`jobs check`, and the messages of `run` about a job file."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from campaign.cli.options import with_options
from campaign.domain.status import Status
from campaign.domain.text.lines import rows, sanitize_for_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from campaign.app.jobs.job import Job
    from campaign.app.jobs.validate import JobCheck
    from campaign.settings import Settings


app = typer.Typer(help="Validate job files.", no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """Validate job files; campaign run JOB.toml starts one."""


@with_options("json_output", "log_level")
def check(
    folder: Annotated[Path, typer.Argument(help="The folder of the job files.", metavar="DIR")],
    *,
    settings: "Settings",
) -> None:
    from campaign.app.jobs.validate import check_folder
    from campaign.cli.process import run_loop
    from campaign.cli.screen.output import print_json

    found = run_loop(check_folder(folder, settings, now=datetime.now(UTC)))
    if settings.json_output:
        print_json([one.as_json() for one in found])
    else:
        sys.stdout.write("\n".join(_table(found)) + "\n")
    raise typer.Exit(2 if any(one.problems for one in found) else 0)


app.command("check", help="Validate every job of a folder, with its list and message; sends nothing.")(check)


def read(file: str) -> "Job":
    """Read a job file; prints every mistake in it on its own line.

    Raises:
        InputError: it can't be read.
        typer.Exit: it has mistakes.
    """
    from campaign.app.jobs.job import read_job
    from campaign.app.jobs.schema import JobError

    try:
        return read_job(Path(file))
    except JobError as error:
        sys.stderr.write("".join(f"{line}\n" for line in map(sanitize_for_terminal, (f"campaign: {error.lines[0]}", *error.lines[1:]))))
        raise typer.Exit(error.exit_code) from None


def print_idle(sentence: str, *, as_json: bool) -> None:
    """Print that there is nothing to do, if there is no campaign to show: one line, or one JSON object."""
    import structlog

    from campaign.cli.screen.output import print_json

    structlog.get_logger().info("nothing_to_do", detail=sentence)
    if as_json:
        print_json({"campaign": None, "state": None, "exit_code": 0})
    else:
        sys.stdout.write(sanitize_for_terminal(sentence) + "\n")


def _table(found: "Sequence[JobCheck]") -> list[str]:

    width = max(len(sanitize_for_terminal(one.file)) for one in found)
    lines: list[str] = []
    for one in found:
        texts = [sanitize_for_terminal(text) for text in one.problems or (_good(one), *_warnings(one))]
        lines.append(f"{sanitize_for_terminal(one.file):<{width}}  {'wrong' if one.problems else 'ok':<5}  {texts[0]}")
        lines += (f"{'':<{width}}         {text}" for text in texts[1:])
    wrong = sum(bool(one.problems) for one in found)
    counted = f"{len(found)} {'job' if len(found) == 1 else 'jobs'}"
    lines += ["", f"{counted}, {wrong} of them wrong. Nothing was sent." if wrong else f"{counted}, none of them wrong. Nothing was sent."]
    return lines


def _good(one: "JobCheck") -> str:

    if one.checked is None:
        chosen = one.selection.in_words() if one.selection is not None else ""
        of = f", of {one.rows}" if one.rows else ""
        return f"campaign “{one.campaign}”: sends again what is {chosen}{of}"
    sendable = one.checked.counts.by_status[Status.PENDING]
    return f"campaign “{one.campaign}”: {rows(one.checked.counts.rows)} of {one.checked.list_name}, {sendable:,} can be sent"


def _warnings(one: "JobCheck") -> "Iterator[str]":
    """What a person is asked to check before a run, which nobody sees when the job starts unattended."""
    from campaign.domain.lists.lint_findings import LintKind
    from campaign.domain.text.reasons import finding_in_words

    if (checked := one.checked) is None:
        return
    for finding in checked.findings:
        if finding.kind is not LintKind.LINK:
            what = finding_in_words(finding, lock_screen=checked.lock_screen)
            yield f"Check this: {what}: {finding.where(checked.lines, most=3)}."
