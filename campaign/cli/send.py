"""`run`, `check`, `resume`, `retry`, `verify`, `test`: parse, call, print."""

import shlex
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from campaign.cli.flags import takes
from campaign.cli.options import LOOKING, MESSAGE, SENDING

if TYPE_CHECKING:
    from campaign.app.runs import Finished, Front
    from campaign.ledger.port import CampaignRecord
    from campaign.settings import Settings

JOB_SUFFIX: Final = ".toml"

List = Annotated[str, typer.Argument(help="The list: .csv, .parquet, .xlsx, a results file, or - for CSV on stdin.", metavar="LIST")]
ListOrJob = Annotated[
    str, typer.Argument(help="The list: .csv, .parquet, .xlsx, a results file, or - for CSV on stdin; or a job: .toml.", metavar="LIST|JOB")
]
Campaign = Annotated[str, typer.Argument(help="The campaign's name.", metavar="NAME")]


@takes("name", *MESSAGE, *SENDING, "dry_run", "results", *LOOKING)
def run(source: ListOrJob, *, settings: "Settings") -> None:
    from campaign.app.runs import run_list

    if source.lower().endswith(JOB_SUFFIX):
        _run_job(source, settings)
    elif settings.dry_run:
        _check(source, settings)
    else:
        _finish(run_list(source, settings, _front(settings)), settings)


@takes(*MESSAGE, "rate", "json_output", "log_level")
def check(source: ListOrJob, *, settings: "Settings") -> None:
    if source.lower().endswith(JOB_SUFFIX):
        _run_job(source, settings, dry=True)
    else:
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
    from campaign.cli.logs import tell
    from campaign.cli.progress import RunProgress
    from campaign.cli.signals import listen

    if (file := settings.open_token_file) is not None:
        tell("token_file_is_open", f"Others may read the token in {file}. Close it with: chmod 600 {shlex.quote(str(file))}")

    def confirm(record: "CampaignRecord", messages: int, sample: str) -> bool:
        return _confirm(record, messages, sample, settings)

    return Front(confirm=confirm, watch=RunProgress, listen=listen, tell=tell)


def _confirm(record: "CampaignRecord", messages: int, sample: str, settings: "Settings") -> bool:
    from campaign.cli.signals import interruptible
    from campaign.domain.durations import words
    from campaign.domain.errors import UsageError
    from campaign.reporter.reasons import printable

    if not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask on. Add --yes to send without being asked; nothing was sent.")
    what = "1 message to a pass" if messages == 1 else f"{messages:,} messages to the passes"
    time = f", which takes about {words(max(1.0, messages / settings.rate))}" if settings.rate else ""
    typer.echo(f"This sends {what} of {printable(record.spec.list_name)}{time}. The first one reads:", err=True)
    typer.echo(f"  {printable(sample)}", err=True)
    with interruptible():
        try:
            return typer.confirm("Send?", err=True)
        except typer.Abort:
            raise KeyboardInterrupt from None


def _finish(work: "Coroutine[Any, Any, Finished]", settings: "Settings") -> None:
    from campaign.cli import logs
    from campaign.cli.loop import run_loop
    from campaign.cli.output import print_view

    finished = run_loop(work)
    logs.run_ended(finished.view)
    print_view(finished.view, as_json=settings.json_output, note=finished.note, brief=finished.brief)
    raise typer.Exit(finished.view.exit_code)


def _run_job(file: str, settings: "Settings", *, dry: bool = False) -> None:
    from datetime import UTC, datetime

    from campaign.app.jobs import SendOrder, carry_out, order_of, settings_of, too_early
    from campaign.cli import logs
    from campaign.cli.jobs import print_idle, read
    from campaign.domain.errors import UsageError

    job, now = read(file), datetime.now(UTC)
    ready = settings_of(job, settings, now=now)
    logs.configure(ready.log_level)
    if dry or ready.dry_run:
        order = order_of(job, ready, now=now)
        if not isinstance(order, SendOrder):
            raise UsageError(f"{file}: a job that retries can't be tried without sending. Nothing was sent.")
        _check(order.source, order.settings)
    if idle := too_early(job, ready, now=now):
        print_idle(idle, as_json=ready.json_output)
        raise typer.Exit(0)
    _finish(carry_out(job, ready, _front(ready), now=now), ready)


def _check(source: str, settings: "Settings") -> NoReturn:
    from campaign.app.checking import check as look_through
    from campaign.cli.loop import run_loop
    from campaign.cli.output import print_checked

    checked = run_loop(look_through(source, settings))
    print_checked(checked, as_json=settings.json_output)
    raise typer.Exit(checked.exit_code)
