"""`run`, `check`, `resume`, `retry`, `verify`, `test`: parse, call, print."""

import shlex
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from campaign.cli.flags import takes
from campaign.cli.options import LOOKING, MESSAGE, SENDING

if TYPE_CHECKING:
    from campaign.app.runs import Finished, Front
    from campaign.settings import Settings

List = Annotated[str, typer.Argument(help="The list: .csv, .parquet, .xlsx, a results file, or - for CSV on stdin.", metavar="LIST")]
Campaign = Annotated[str, typer.Argument(help="The campaign's name.", metavar="NAME")]


@takes("name", *MESSAGE, *SENDING, "dry_run", "results", *LOOKING)
def run(source: List, *, settings: "Settings") -> None:
    from campaign.app.runs import run_list

    if settings.dry_run:
        _check(source, settings)
    else:
        _finish(run_list(source, settings, _front(settings)), settings)


@takes(*MESSAGE, "rate", *LOOKING)
def check(source: List, *, settings: "Settings") -> None:
    _check(source, settings)


@takes(*SENDING, "results", *LOOKING)
def resume(name: Campaign, *, settings: "Settings") -> None:
    from campaign.app import runs

    _finish(runs.resume(name, settings, _front(settings)), settings)


@takes(*SENDING, "results", *LOOKING)
def retry(
    target: Annotated[str, typer.Argument(help="The campaign's name, or a results file.", metavar="NAME|RESULTS")],
    *,
    status: Annotated[
        list[str] | None,
        typer.Option(help="Which rows: failed (default), not_delivered, unknown. May be given several times.", metavar="STATUS"),
    ] = None,
    settings: "Settings",
) -> None:
    from campaign.app import runs
    from campaign.domain.errors import UsageError
    from campaign.domain.lifecycle import RETRYABLE
    from campaign.domain.model import Status

    wanted = [part.strip() for given in status or ["failed"] for part in given.split(",")]
    if unknown := [part for part in wanted if part not in RETRYABLE]:
        raise UsageError(f"--status {unknown[0]}: rows can be sent again that are {', '.join(sorted(RETRYABLE))}.")
    _finish(runs.retry(target, frozenset(map(Status, wanted)), settings, _front(settings)), settings)


@takes("results", *LOOKING)
def verify(name: Campaign, *, settings: "Settings") -> None:
    from campaign.app import runs

    _finish(runs.read_back(name, settings, _front(settings)), settings)


@takes(*MESSAGE, "yes", "timeout", *LOOKING)
def send_to_self(
    source: List,
    to: Annotated[str, typer.Option(help="Your own pass, which gets the message.", metavar="PASS_ID")],
    *,
    row: Annotated[
        int | None, typer.Option(help="Which row's message; without it, the first that has one.", min=1, metavar="NUMBER")
    ] = None,
    settings: "Settings",
) -> None:
    from campaign.app.trial import send_test

    _finish(send_test(source, to, row, settings, _front(settings)), settings)


def _front(settings: "Settings") -> "Front":
    from campaign.app.runs import Front
    from campaign.cli.ask import confirm
    from campaign.cli.logs import tell
    from campaign.cli.progress import RunProgress
    from campaign.cli.signals import listen

    if (file := settings.open_token_file) is not None:
        tell("token_file_is_open", f"Others may read the token in {file}. Close it with: chmod 600 {shlex.quote(str(file))}")

    return Front(confirm=confirm, watch=RunProgress, listen=listen, tell=tell)


def _finish(work: "Coroutine[Any, Any, Finished]", settings: "Settings") -> None:
    from campaign.cli import logs
    from campaign.cli.loop import run_loop
    from campaign.cli.output import print_view

    finished = run_loop(work)
    logs.run_ended(finished.view)
    print_view(finished.view, as_json=settings.json_output, note=finished.note)
    raise typer.Exit(finished.view.exit_code)


def _check(source: str, settings: "Settings") -> None:
    from campaign.app.checking import check as look_through
    from campaign.cli.loop import run_loop
    from campaign.cli.output import print_checked

    checked = run_loop(look_through(source, settings))
    print_checked(checked, as_json=settings.json_output)
    raise typer.Exit(checked.exit_code)
