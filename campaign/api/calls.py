"""`check`, `run`, `resume`, `retry`, `verify`, `status`, `results`, each also as a coroutine, and `Campaign`.

A list is a path, a URL, a query, a pandas DataFrame, or any object with `__arrow_c_stream__` (polars, DuckDB, pyarrow). Text stays
unchanged, integers are exact, dates are ISO 8601, missing values are empty. docs/developers/python.md has the whole table.
"""

import asyncio
from typing import Literal, Unpack, overload

import pandas as pd

from campaign.api import options as opt
from campaign.api.call import (
    List,
    Numbers,
    OnProgress,
    Words,
    check_call,
    plain_errors,
    resume_call,
    retry_call,
    run_call,
    selected,
    statuses,
    verify_call,
    words_of,
)
from campaign.api.options import CheckOptions, LedgerOptions, ResumeOptions, RetryOptions, RunOptions, VerifyOptions, settings_of
from campaign.api.result import Checked, Result
from campaign.app.campaigns import all_campaigns
from campaign.app.open_ledger import find, reading
from campaign.app.results import report
from campaign.insights import view


def check(rows: List, /, *, name: str | None = None, reach: bool = False, **options: Unpack[CheckOptions]) -> Checked:
    """Validate a list and its messages as `run` would; sends nothing.

    Args:
        rows: the list.
        name: the campaign's name; by default the list's file name.
        reach: read the passes, too, and count in `Checked.reach` how many are in a wallet. Readings are reused for 6 hours.
        options: the options of `campaign check`, by the names of its flags, and `exclude`.

    Raises:
        InputError: the list or a template can't be used; with `file`, `row` and `column`.
        UsageError: an option is not valid; with `code` and `argument`.
        SafeguardError, LedgerError: with `reach`, the passes can't be read; the same call goes on.
        Interrupted: Ctrl-C.
    """
    return check_call(rows, {"name": name, **options}, reach=reach).now()


async def acheck(rows: List, /, *, name: str | None = None, reach: bool = False, **options: Unpack[CheckOptions]) -> Checked:
    """`check` as a coroutine."""
    return await check_call(rows, {"name": name, **options}, reach=reach).later()


@overload
def run(
    rows: List,
    /,
    *,
    name: str | None = None,
    dry_run: Literal[False] = False,
    progress: OnProgress | None = None,
    **options: Unpack[RunOptions],
) -> Result: ...
@overload
def run(
    rows: List, /, *, name: str | None = None, dry_run: Literal[True], progress: OnProgress | None = None, **options: Unpack[RunOptions]
) -> Checked: ...
def run(
    rows: List,
    /,
    *,
    name: str | None = None,
    dry_run: bool = False,
    progress: OnProgress | None = None,
    **options: Unpack[RunOptions],
) -> Result | Checked:
    """Send a message to every pass of a list, or resume an earlier call: the same list, message and name are the same campaign.

    Args:
        rows: the list.
        name: the campaign's name; a list without a file needs one.
        dry_run: send nothing; the same as `check`.
        progress: called about twice a second with a `Progress`, in the thread that waits.
        options: the options of `campaign run`, by the names of its flags: `message`, `template`, `rate` (sends a second), `limit`,
            `window`, `exclude`, `results`, `ledger`, ... `yes=True` is needed to send. `token` and `api_url` default to the environment.

    Raises:
        InputError: the list or a template can't be used; with `file`, `row` and `column`. Nothing was sent.
        UsageError: an option is not valid, or the command would ask a question; with `code` and `argument`. Nothing was sent.
        OtherContentError: the campaign of this name has another list or message.
        SafeguardError, LedgerError: the run stopped, or can't begin; the same call goes on.
        Interrupted: Ctrl-C; with the `result` so far. The same call goes on.
    """
    given_options = {"name": name, **options}
    return check_call(rows, given_options, function="run").now() if dry_run else run_call(rows, given_options, progress).now()


@overload
async def arun(
    rows: List,
    /,
    *,
    name: str | None = None,
    dry_run: Literal[False] = False,
    progress: OnProgress | None = None,
    **options: Unpack[RunOptions],
) -> Result: ...
@overload
async def arun(
    rows: List, /, *, name: str | None = None, dry_run: Literal[True], progress: OnProgress | None = None, **options: Unpack[RunOptions]
) -> Checked: ...
async def arun(
    rows: List,
    /,
    *,
    name: str | None = None,
    dry_run: bool = False,
    progress: OnProgress | None = None,
    **options: Unpack[RunOptions],
) -> Result | Checked:
    """`run` as a coroutine. If it is cancelled, the sends under way settle first, for up to 10 s; a second cancel ends it at once."""
    given_options = {"name": name, **options}
    return await (check_call(rows, given_options, function="run").later() if dry_run else run_call(rows, given_options, progress).later())


def resume(name: str, /, *, progress: OnProgress | None = None, **options: Unpack[ResumeOptions]) -> Result:
    """Resume a campaign that stopped or was paused. Arguments and errors are as for `run`."""
    return resume_call(name, options, progress).now()


async def aresume(name: str, /, *, progress: OnProgress | None = None, **options: Unpack[ResumeOptions]) -> Result:
    """`resume` as a coroutine."""
    return await resume_call(name, options, progress).later()


def retry(
    name: str,
    corrected: List | None = None,
    /,
    *,
    rows: List | None = None,
    status: Words = None,
    reason: Words = None,
    http_status: Numbers = None,
    progress: OnProgress | None = None,
    **options: Unpack[RetryOptions],
) -> Result:
    """Send the failed rows of a campaign again, unchanged or corrected, and those that are still pending.

    A retry that was stopped goes on by the same call: until it has ended, it sends no row twice.

    Args:
        name: the campaign's name.
        corrected: rows of the campaign, such as `Result.failed`, with corrections; only these are sent. Keep `delivery_row` and
            `delivery_campaign`. `message` or `template` is needed if columns other than the id were changed.
        rows: a list; only rows of the campaign whose passes are in it are sent.
        status: one or several statuses of rows that can be sent again, such as `not_delivered`; by default `failed`. Rows that are
            `unknown` may then be sent twice.
        reason: only rows with one of these `delivery_reason`.
        http_status: only rows with one of these `delivery_http_status`.
        progress: as for `run`.
        options: the options of `campaign retry`, by the names of its flags.

    Raises:
        UsageError: as for `run`; with code `other_campaign`, the corrected rows belong to another campaign.
        InputError: a corrected row matches no row of the campaign, or can't be sent; nothing was sent.
    """
    return retry_call(name, corrected, rows, selected(status, reason, http_status), options, progress=progress).now()


async def aretry(
    name: str,
    corrected: List | None = None,
    /,
    *,
    rows: List | None = None,
    status: Words = None,
    reason: Words = None,
    http_status: Numbers = None,
    progress: OnProgress | None = None,
    **options: Unpack[RetryOptions],
) -> Result:
    """`retry` as a coroutine."""
    return await retry_call(name, corrected, rows, selected(status, reason, http_status), options, progress=progress).later()


def verify(name: str, /, *, progress: OnProgress | None = None, **options: Unpack[VerifyOptions]) -> Result:
    """Read the passes of unknown rows to find out whether the message arrived; sends nothing."""
    return verify_call(name, options, progress).now()


async def averify(name: str, /, *, progress: OnProgress | None = None, **options: Unpack[VerifyOptions]) -> Result:
    """`verify` as a coroutine."""
    return await verify_call(name, options, progress).later()


@overload
def status(name: str, /, **options: Unpack[LedgerOptions]) -> Result: ...
@overload
def status(name: None = None, /, **options: Unpack[LedgerOptions]) -> tuple[Result, ...]: ...
@plain_errors()
def status(name: str | None = None, /, **options: Unpack[LedgerOptions]) -> Result | tuple[Result, ...]:
    """The state of a campaign, or without a name the states of all campaigns, newest first."""
    settings = settings_of(options, opt.LEDGER, function="status")
    if name is None:
        return tuple(Result.of(seen, settings) for seen in all_campaigns(settings))
    with reading(settings) as reader:
        return Result.of(view(reader, find(reader, name), ledger=settings.ledger_to_name), settings)


@overload
async def astatus(name: str, /, **options: Unpack[LedgerOptions]) -> Result: ...
@overload
async def astatus(name: None = None, /, **options: Unpack[LedgerOptions]) -> tuple[Result, ...]: ...
async def astatus(name: str | None = None, /, **options: Unpack[LedgerOptions]) -> Result | tuple[Result, ...]:
    """`status` as a coroutine."""
    return await asyncio.to_thread(lambda: status(name, **options))


@plain_errors()
def results(name: str, /, *, status: Words = None, **options: Unpack[LedgerOptions]) -> pd.DataFrame:
    """The rows of a campaign in the form of `Result.results`, in the list's order; with `status`, only rows with one of these statuses.

    Raises:
        UsageError: there is no such campaign or status, or the campaign's rows were removed.
    """
    settings = settings_of(options, opt.LEDGER, function="results")
    return report.results(name, settings, statuses=statuses(words_of(status)))


async def aresults(name: str, /, *, status: Words = None, **options: Unpack[LedgerOptions]) -> pd.DataFrame:
    """`results` as a coroutine."""
    return await asyncio.to_thread(lambda: results(name, status=status, **options))
