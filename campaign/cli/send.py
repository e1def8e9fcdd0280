"""`run`, `check`, `stage`, `send`, `resume`, `verify`, `test`, `retry`: parse, call, print."""

import shlex
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from campaign.cli.options import ENGINE, LOOKING, MESSAGE, NETWORK, SENDING, WATCHED, with_options
from campaign.domain.errors import UsageError
from campaign.domain.status import RETRYABLE, Status
from campaign.domain.text.lines import either

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from campaign.app.confirmation import Question
    from campaign.app.lists.list_source import ListSource
    from campaign.app.preflight.check import Checked
    from campaign.app.session import CommandResult, UserInterface
    from campaign.cli.screen.run_monitor import RunMonitor
    from campaign.settings import Settings


JOB_SUFFIX: Final = ".toml"

List = Annotated[
    str,
    typer.Argument(
        help="The list: .csv, .parquet, .xlsx, .ods and others, a results file, duckdb:SELECT..., or - for CSV on stdin.", metavar="LIST"
    ),
]
ListOrJob = Annotated[
    str,
    typer.Argument(
        help="The list: .csv, .parquet, .xlsx, .ods and others, a results file, duckdb:SELECT..., or - for CSV on stdin; or a job: .toml.",
        metavar="LIST|JOB",
    ),
]
Campaign = Annotated[str, typer.Argument(help="The campaign's name.", metavar="NAME")]


@with_options("name", *MESSAGE, *SENDING, *NETWORK, *ENGINE, "dry_run", "results", *LOOKING, *WATCHED)
def run(source: ListOrJob, *, settings: "Settings") -> None:
    from campaign.app.lists.list_source import default_name, find_list
    from campaign.app.run import run_list

    if source.lower().endswith(JOB_SUFFIX):
        _run_job(source, settings)
    elif settings.dry_run:
        _check(source, settings, reach=settings.only_reachable)
    else:
        rows = find_list(source, settings)
        run_reported(lambda ui: run_list(rows, settings, ui), settings, settings.name or default_name(rows), by_engine=True)


@with_options(*MESSAGE, "rate", *NETWORK, *LOOKING)
def check(
    source: ListOrJob,
    *,
    reach: Annotated[
        bool,
        typer.Option(
            "--reach", help="Read the passes, too, and count how many are in a wallet. If it is interrupted, the same command goes on."
        ),
    ] = False,
    settings: "Settings",
) -> None:
    if source.lower().endswith(JOB_SUFFIX):
        _run_job(source, settings, dry=True, reach=reach)
    else:
        _check(source, settings, reach=reach)


@with_options(*SENDING, *NETWORK, "results", *LOOKING, *WATCHED)
def resume(name: Campaign, *, settings: "Settings") -> None:
    from campaign.app import run as runs

    run_reported(lambda ui: runs.resume(name, settings, ui), settings, name)


@with_options("name", *MESSAGE, *SENDING, "results", *LOOKING, "log_file")
def stage(source: List, *, settings: "Settings") -> None:
    from campaign.app.lists.list_source import default_name, find_list
    from campaign.app.run import stage_list

    rows = find_list(source, settings)
    run_reported(lambda ui: stage_list(rows, settings, ui), settings, settings.name or default_name(rows))


@with_options(
    *(*SENDING, *NETWORK, *ENGINE, *LOOKING, *WATCHED),
    results="Results file: .csv, .parquet, .jsonl or .xlsx. Default: as staged, if that folder can be written here.",
)
def send(name: Campaign, *, shard: Annotated[str | None, typer.Option(hidden=True)] = None, settings: "Settings") -> None:
    from campaign.app import run as runs
    from campaign.cli.logs.setup import tell

    if shard is not None:
        tell("removed_option", "--shard was removed: all processes share a campaign's rows by themselves. Leave it out.", option="--shard")
    run_reported(lambda ui: runs.join(name, settings, ui), settings, name, by_engine=True)


@with_options(*NETWORK, "results", *LOOKING, *WATCHED)
def verify(name: Campaign, *, settings: "Settings") -> None:
    from campaign.app import run as runs

    run_reported(lambda ui: runs.read_back(name, settings, ui), settings, name)


@with_options(*MESSAGE, "yes", "timeout", *NETWORK, *LOOKING, "log_file")
def send_to_self(
    source: List,
    to: Annotated[str, typer.Option(help="Your own pass, which gets the message.", metavar="PASS_ID")],
    *,
    row: Annotated[
        int | None,
        typer.Option(
            help="The row whose message is sent, counted below the header. Default: the first that has one.", min=1, metavar="NUMBER"
        ),
    ] = None,
    line: Annotated[int | None, typer.Option(help="The row by its line in the spreadsheet.", min=1, metavar="NUMBER")] = None,
    settings: "Settings",
) -> None:
    from campaign.app.preflight.test_send import send_test

    # The person is present, so a test writes no metrics and sends no notices.
    alone = settings.model_copy(update={"metrics_file": None, "notify": ()})
    run_reported(lambda ui: send_test(source, to, settings, ui, row=row, line=line), alone, "test")


def _ui(settings: "Settings", monitor: "RunMonitor") -> "UserInterface":
    from campaign.app.session import UserInterface
    from campaign.cli.logs.setup import tell
    from campaign.cli.screen.terminal import agree, confirm, listen

    if (file := settings.open_token_file) is not None:
        tell("token_file_is_open", f"Other users can read the token in {file}. Restrict it with: chmod 600 {shlex.quote(str(file))}")

    return UserInterface(confirm=confirm, agree=agree, watch=monitor.watch, listen=listen, tell=tell, words=tuple(sys.argv[1:]))


def run_reported(
    work: "Callable[[UserInterface], Coroutine[Any, Any, CommandResult]]", settings: "Settings", campaign: str, *, by_engine: bool = False
) -> None:
    """Run a use case, and report how it ended: on stdout, in the log, the metrics file and notices.

    `campaign` is its name, as far as it is known before it is found. With `by_engine`, the engine of the settings sends.
    """
    from campaign.cli.logs import setup as logs
    from campaign.cli.process import run_loop
    from campaign.cli.screen.output import print_view, report_error
    from campaign.cli.screen.run_monitor import RunMonitor

    monitor = RunMonitor(settings, campaign)
    try:
        monitor.check()
        ui = _ui(settings, monitor)
        if by_engine:
            from campaign.engine.sender import sender_of

            with sender_of(settings) as sender:
                finished = run_loop(work(replace(ui, sender=sender)))
        else:
            finished = run_loop(work(ui))
    except Exception as error:  # noqa: BLE001 - a fault of the program ends a run, too, and must be reported
        exit_code = report_error(error)
        monitor.failed(error, exit_code)
        raise typer.Exit(exit_code) from None
    logs.run_ended(finished.view)
    print_view(finished.view, as_json=settings.json_output, note=finished.note, brief=finished.brief, details=finished.details)
    monitor.finished(finished)
    raise typer.Exit(finished.view.exit_code)


def _run_job(file: str, settings: "Settings", *, dry: bool = False, reach: bool = False) -> None:
    from datetime import UTC, datetime

    from campaign.app.jobs.resolve import SendOrder, order_of, settings_of
    from campaign.app.jobs.run import carry_out, too_early
    from campaign.cli.jobs import print_idle, read
    from campaign.cli.logs import setup as logs

    job, now = read(file), datetime.now(UTC)
    ready = settings_of(job, settings, now=now)
    logs.configure(ready.log_level, file=ready.log_file)
    if dry or ready.dry_run:
        order = order_of(job, ready, now=now)
        if not isinstance(order, SendOrder):
            raise UsageError(f"{file}: a retry job can't be checked without sending. Nothing was sent.", code="retry_not_dry")
        _check(order.source, order.settings, reach=reach or (ready.dry_run and ready.only_reachable))
    if idle := too_early(job, ready, now=now):
        print_idle(idle, as_json=ready.json_output)
        raise typer.Exit(0)
    run_reported(lambda ui: carry_out(job, ready, ui, now=now), ready, ready.name or job.file.stem, by_engine=True)


def _check(source: "ListSource", settings: "Settings", *, reach: bool) -> NoReturn:
    from campaign.app.preflight.check import check as look_through
    from campaign.cli.logs import setup as logs
    from campaign.cli.process import run_loop
    from campaign.cli.screen.output import print_checked

    async def checked_with_reach() -> "Checked":
        from campaign.cli.screen.run_monitor import ReadingProgress
        from campaign.cli.screen.terminal import listen

        stop = listen("Stopping: what was read is kept.")
        with ReadingProgress() as observer:
            return await look_through(source, settings, reach=observer, stop=stop)

    if reach:
        logs.configure(settings.log_level, file=settings.log_file)
    checked = run_loop(checked_with_reach() if reach else look_through(source, settings))
    if checked.earlier_results is not None:
        sentence = (
            f"{checked.earlier_results} holds results of this campaign, or may hold them, but the ledger does not know it: it may "
            "have been sent already."
        )
        logs.tell("unknown_campaign", sentence, results=str(checked.earlier_results))
    if checked.sent_before is not None:
        found = checked.sent_before
        logs.tell(
            "sent_before" if found.is_own else "same_content",
            found.in_words(),
            **{"campaign" if found.is_own else "before": found.campaign},
        )
    print_checked(checked, as_json=settings.json_output)
    raise typer.Exit(checked.exit_code)


_PANEL = "Which rows"
_STATUSES = either([f"{status} (default)" if status is Status.FAILED else status for status in sorted(RETRYABLE)])
_TWICE = "Some of these messages may have arrived. Passes that have the message get it a second time."


def _several(text: str, metavar: str) -> Any:
    return Annotated[
        list[str] | None, typer.Option(help=f"{text} Separate several by commas, or repeat.", metavar=metavar, rich_help_panel=_PANEL)
    ]


@with_options("message", "template", "templates", "id_column", "max_length", *SENDING, *NETWORK, "results", *LOOKING, *WATCHED)
def retry(
    target: Annotated[
        str,
        typer.Argument(
            help="The campaign's name, or its results or failed-rows file, corrected or unchanged. A retry that was stopped goes on: "
            "until it has ended, it sends no row twice.",
            metavar="NAME|RESULTS",
        ),
    ],
    *,
    rows: Annotated[
        str | None,
        typer.Option(help="Only rows whose pass is in this list.", metavar="FILE", rich_help_panel=_PANEL),
    ] = None,
    status: _several(f"{_STATUSES}.", "STATUS") = None,  # type: ignore[valid-type]  # typer reads it when run
    reason: _several("Only rows with this delivery_reason.", "REASON") = None,  # type: ignore[valid-type]  # (same)
    http_status: _several("Only rows with this HTTP status.", "CODE") = None,  # type: ignore[valid-type]  # (same)
    settings: "Settings",
) -> None:
    from campaign.app import retry as retries
    from campaign.domain.retry_selection import selection_of

    selection = selection_of(_parts(status), _parts(reason), _parts(http_status))
    warns = Status.UNKNOWN in selection.statuses

    def again(ui: "UserInterface") -> "Coroutine[Any, Any, CommandResult]":
        return retries.retry(target, selection, settings, _warning(ui) if warns else ui, rows=rows)

    run_reported(again, settings, _label(target))


def _label(target: str) -> str:
    """The run's name in notices and metrics until its campaign is found: never a URL, which may hold a secret."""
    from campaign.domain.lists.locations import place_of

    try:
        place_of(target)
    except ValueError:
        return "retry"
    return target


def _warning(ui: "UserInterface") -> "UserInterface":
    def confirm(question: "Question") -> bool:
        typer.echo(_TWICE, err=True)
        return ui.confirm(question)

    return replace(ui, confirm=confirm)


def _parts(given: list[str] | None) -> list[str]:
    from campaign.domain.retry_selection import parts_of

    return [part for text in given or [] for part in parts_of(text)]
