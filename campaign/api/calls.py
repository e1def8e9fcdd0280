"""`check`, `run`, `resume`, `retry`, `verify`, `status`, `results`, each also as a coroutine, and `Campaign`.

A list is a path, a URL, a query, a pandas DataFrame, or any object with `__arrow_c_stream__` (polars, DuckDB, pyarrow). Text stays
unchanged, integers are exact, dates are ISO 8601, missing values are empty. docs/developers/python.md has the whole table.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from os import PathLike, fspath
from typing import Any, Generic, Literal, TypeAlias, TypeVar, Unpack, overload

import pandas as pd

from campaign.api import options as opt
from campaign.api.background import Background, Progress, ProgressWatch, needs_yes, user_interface
from campaign.api.options import (
    CheckOptions,
    LedgerOptions,
    ResumeOptions,
    RetryOptions,
    RunOptions,
    VerifyOptions,
    check_options,
    settings_of,
)
from campaign.api.result import Checked, Result
from campaign.app import retry as retries
from campaign.app import run as runs
from campaign.app.campaigns import all_campaigns
from campaign.app.lists import check as checks
from campaign.app.open_ledger import find, reading
from campaign.app.results import report
from campaign.app.session import Finished, Front
from campaign.domain.errors import CampaignError, UsageError, problem_of
from campaign.domain.lists.locations import place_of
from campaign.domain.model import Status
from campaign.domain.retry_selection import Selection, parts_of, selection_of
from campaign.engine.sender import sender_of
from campaign.insights import view
from campaign.ledger.port import DesiredState
from campaign.loader.given import ArrowStream, given, is_given
from campaign.settings import Settings

T = TypeVar("T")
List: TypeAlias = str | PathLike[str] | pd.DataFrame | ArrowStream
"""A list, of one of the kinds in the module's docstring."""

Words: TypeAlias = str | Iterable[str] | None
Numbers: TypeAlias = int | Iterable[int] | None
OnProgress = Callable[[Progress], object]
"""Called about twice a second, in the thread that waits. An exception stops the run as Ctrl-C does, and reaches the caller."""


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Raise an error for a person by itself, not in a group with others that were cancelled, and add the `argument` that it is about."""
    try:
        yield
    except (CampaignError, BaseExceptionGroup) as error:
        problem = problem_of(error)
        if problem is None:
            raise
        about: dict[str, object] = vars(problem)["values"]
        if (option := str(about.get("option", ""))).startswith("--"):
            about["argument"] = option.removeprefix("--").replace("-", "_")
        if problem is error:
            raise
        raise problem from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """The body of a call, for its own thread, and the callback for progress."""

    body: Callable[[Background[T], ProgressWatch], T]
    progress: OnProgress | None = None

    def now(self) -> T:
        with _plain_errors():
            return self._background().wait()

    async def later(self) -> T:
        with _plain_errors():
            return await self._background().awaited()

    def _background(self) -> Background[T]:
        watch = ProgressWatch()
        return Background(lambda background: self.body(background, watch), partial(_look, watch, self.progress))


def _look(watch: ProgressWatch, progress: OnProgress | None) -> None:
    if progress is not None and (news := watch.news()) is not None:
        progress(news)


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
    return _check(rows, {"name": name, **options}, reach=reach).now()


async def acheck(rows: List, /, *, name: str | None = None, reach: bool = False, **options: Unpack[CheckOptions]) -> Checked:
    """`check` as a coroutine."""
    return await _check(rows, {"name": name, **options}, reach=reach).later()


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
    return _check(rows, given_options, function="run").now() if dry_run else _run(rows, given_options, progress).now()


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
    return await (_check(rows, given_options, function="run").later() if dry_run else _run(rows, given_options, progress).later())


def resume(name: str, /, *, progress: OnProgress | None = None, **options: Unpack[ResumeOptions]) -> Result:
    """Resume a campaign that stopped or was paused. Arguments and errors are as for `run`."""
    return _resume(name, options, progress).now()


async def aresume(name: str, /, *, progress: OnProgress | None = None, **options: Unpack[ResumeOptions]) -> Result:
    """`resume` as a coroutine."""
    return await _resume(name, options, progress).later()


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

    Args:
        name: the campaign's name.
        corrected: rows of the campaign, such as `Result.failed`, with corrections; only these are sent. Keep `delivery_row` and
            `delivery_campaign`. `message` or `template` is needed if columns other than the id were changed.
        rows: a list; only rows of the campaign whose passes are in it are sent.
        status: one or several of `failed` (default), `not_delivered` and `unknown`. An unknown row may then be sent twice.
        reason: only rows with one of these `delivery_reason`.
        http_status: only rows with one of these `delivery_http_status`.
        progress: as for `run`.
        options: the options of `campaign retry`, by the names of its flags.

    Raises:
        UsageError: as for `run`; with code `other_campaign`, the corrected rows belong to another campaign.
        InputError: a corrected row matches no row of the campaign, or can't be sent; nothing was sent.
    """
    return _retry(name, corrected, rows, _selected(status, reason, http_status), options, progress=progress).now()


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
    return await _retry(name, corrected, rows, _selected(status, reason, http_status), options, progress=progress).later()


def verify(name: str, /, *, progress: OnProgress | None = None, **options: Unpack[VerifyOptions]) -> Result:
    """Read the passes of unknown rows to find out whether the message arrived; sends nothing."""
    return _verify(name, options, progress).now()


async def averify(name: str, /, *, progress: OnProgress | None = None, **options: Unpack[VerifyOptions]) -> Result:
    """`verify` as a coroutine."""
    return await _verify(name, options, progress).later()


@overload
def status(name: str, /, **options: Unpack[LedgerOptions]) -> Result: ...
@overload
def status(name: None = None, /, **options: Unpack[LedgerOptions]) -> tuple[Result, ...]: ...
@_plain_errors()
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


@_plain_errors()
def results(name: str, /, *, status: Words = None, **options: Unpack[LedgerOptions]) -> pd.DataFrame:
    """The rows of a campaign in the form of `Result.results`, in the list's order; with `status`, only rows with one of these statuses.

    Raises:
        UsageError: there is no such campaign or status, or the campaign's rows were removed.
    """
    settings = settings_of(options, opt.LEDGER, function="results")
    return report.results(name, settings, statuses=_statuses(_words(status)))


async def aresults(name: str, /, *, status: Words = None, **options: Unpack[LedgerOptions]) -> pd.DataFrame:
    """`results` as a coroutine."""
    return await asyncio.to_thread(lambda: results(name, status=status, **options))


def _check(rows: List, options: Mapping[str, Any], *, function: str = "check", reach: bool = False) -> Call[Checked]:
    settings, excluded = _asked(options, opt.RUN if function == "run" else opt.CHECK, function=function)

    def body(background: Background[Checked], watch: ProgressWatch) -> Checked:
        with ExitStack() as stack:
            source, ready = stack.enter_context(_source(rows)), stack.enter_context(_excluding(settings, excluded))
            if reach or (function == "run" and ready.only_reachable):
                return Checked.of(background.run(checks.check(source, ready, reach=watch, stop=background.listen())))
            return Checked.of(background.run(checks.check(source, ready)))

    return Call(body=body)


def _run(rows: List, options: Mapping[str, Any], progress: OnProgress | None) -> Call[Result]:
    settings, excluded = _asked(options, opt.RUN, function="run")

    def body(background: Background[Result], watch: ProgressWatch) -> Result:
        with ExitStack() as stack:
            source, ready = stack.enter_context(_source(rows)), stack.enter_context(_excluding(settings, excluded))
            sender = stack.enter_context(sender_of(ready))
            return _result(background.run(runs.run_list(source, ready, user_interface(background, watch, sender=sender))), settings)

    return Call(body=body, progress=progress)


def _resume(name: str, options: Mapping[str, Any], progress: OnProgress | None) -> Call[Result]:
    return _on_campaign(partial(runs.resume, name), options, opt.RESUME, progress, function="resume")


def _verify(name: str, options: Mapping[str, Any], progress: OnProgress | None) -> Call[Result]:
    return _on_campaign(partial(runs.read_back, name), options, opt.VERIFY, progress, function="verify")


def _on_campaign(
    work: Callable[[Settings, Front], Any],
    options: Mapping[str, Any],
    known: Sequence[str],
    progress: OnProgress | None,
    *,
    function: str,
) -> Call[Result]:
    settings, excluded = _asked(options, known, function=function)

    def body(background: Background[Result], watch: ProgressWatch) -> Result:
        with _excluding(settings, excluded) as ready:
            return _result(background.run(work(ready, user_interface(background, watch))), settings)

    return Call(body=body, progress=progress)


def _retry(
    name: str, corrected: List | None, rows: List | None, selection: Selection, options: Mapping[str, Any], *, progress: OnProgress | None
) -> Call[Result]:
    settings, excluded = _asked(options, opt.RETRY, function="retry")
    if corrected is not None and rows is not None:
        raise UsageError(
            "rows selects rows of a campaign, and corrected rows are all sent. Give one of them.",
            code="rows_of_a_file",
            option="--rows",
        )

    def body(background: Background[Result], watch: ProgressWatch) -> Result:
        with ExitStack() as stack:
            source, ready = stack.enter_context(_source(corrected)), stack.enter_context(_excluding(settings, excluded))
            named = stack.enter_context(_source(rows))
            work = retries.retry(source or name, selection, ready, user_interface(background, watch), rows=named, of=name if source else "")
            return _result(background.run(work), settings)

    return Call(body=body, progress=progress)


def control(name: str, wanted: DesiredState, options: Mapping[str, Any]) -> Call[None]:
    """Pause or cancel a campaign, no matter which process sends it."""
    settings = settings_of(options, opt.CONTROL, function="control")

    def body(background: Background[None], _: ProgressWatch) -> None:
        background.run(runs.control(name, wanted, settings))

    return Call(body=body)


def _result(finished: Finished, settings: Settings) -> Result:
    return Result.of(finished.view, settings, note=finished.note, details=finished.details)


def _asked(options: Mapping[str, Any], known: Sequence[str], *, function: str) -> tuple[Settings, list[Any]]:
    """The settings, and the excluded lists that are in memory."""
    with _plain_errors():
        excluded = options.get("exclude")
        several = [excluded] if isinstance(excluded, str | PathLike) or is_given(excluded) else list(excluded or ())
        files = [one for one in several if not is_given(one)]
        settings = settings_of({**options, **({"exclude": files or None} if "exclude" in options else {})}, known, function=function)
        return settings, [one for one in several if is_given(one)]


@contextmanager
def _source(rows: Any) -> Iterator[Any]:
    """A list in the form that the use cases take; None for None."""
    match rows:
        case None:
            yield None
        case str() | PathLike():
            yield fspath(rows)
        case _ if is_given(rows):
            with given(rows) as source:
                yield source
        case _:
            raise UsageError(
                f"A {type(rows).__name__} is not a list. Give a path, a URL, a DataFrame, or another table with __arrow_c_stream__.",
                code="no_list",
                type=type(rows).__name__,
            )


@contextmanager
def _excluding(settings: Settings, rows: list[Any]) -> Iterator[Settings]:
    with ExitStack() as stack:
        files = [place_of(stack.enter_context(given(one)).path) for one in rows]
        yield settings.model_copy(update={"exclude": (*settings.exclude, *files)}) if files else settings


def _selected(status: Words, reason: Words, http_status: Numbers) -> Selection:
    """The rows to retry."""
    with _plain_errors():
        numbers = [http_status] if isinstance(http_status, int) else http_status or ()
        return selection_of(_words(status), _words(reason), [str(number) for number in numbers])


def _words(given_words: Words) -> list[str]:
    return parts_of(given_words) if isinstance(given_words, str) else list(given_words or ())


def _statuses(names: list[str]) -> list[Status]:
    if unknown := [name for name in names if name not in set(Status)]:
        possible = ", ".join(Status)
        raise UsageError(f"There is no status {unknown[0]}. There are: {possible}.", code="bad_value", option="--status")
    return list(map(Status, names))


class Campaign:
    """One campaign.

    Each method calls the function of its name, with the same arguments and errors. It takes from `options` those that it has; options of
    the method itself come first.

    Args:
        name: the campaign's name. The campaign need not exist yet.
        options: options of any of the functions, such as `ledger`, `token` or `rate`.
    """

    def __init__(self, name: str, /, **options: Unpack[RunOptions]) -> None:
        check_options(options, sorted(opt.ALL - {"name"}), function="Campaign")
        self.name = name
        self._options: dict[str, Any] = dict(options)

    def __repr__(self) -> str:
        return f"Campaign({self.name!r})"

    def check(self, rows: List, /, **options: Unpack[CheckOptions]) -> Checked:
        return check(rows, name=self.name, **self._with(opt.CHECK, options))

    async def acheck(self, rows: List, /, **options: Unpack[CheckOptions]) -> Checked:
        return await acheck(rows, name=self.name, **self._with(opt.CHECK, options))

    def run(self, rows: List, /, *, progress: OnProgress | None = None, **options: Unpack[RunOptions]) -> Result:
        return run(rows, name=self.name, dry_run=False, progress=progress, **self._with(opt.RUN, options))

    async def arun(self, rows: List, /, *, progress: OnProgress | None = None, **options: Unpack[RunOptions]) -> Result:
        return await arun(rows, name=self.name, dry_run=False, progress=progress, **self._with(opt.RUN, options))

    def resume(self, *, progress: OnProgress | None = None, **options: Unpack[ResumeOptions]) -> Result:
        return resume(self.name, progress=progress, **self._with(opt.RESUME, options))

    async def aresume(self, *, progress: OnProgress | None = None, **options: Unpack[ResumeOptions]) -> Result:
        return await aresume(self.name, progress=progress, **self._with(opt.RESUME, options))

    def retry(
        self,
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
        which: dict[str, Any] = {"rows": rows, "status": status, "reason": reason, "http_status": http_status}
        return retry(self.name, corrected, progress=progress, **which, **self._with(opt.RETRY, options))

    async def aretry(
        self,
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
        which: dict[str, Any] = {"rows": rows, "status": status, "reason": reason, "http_status": http_status}
        return await aretry(self.name, corrected, progress=progress, **which, **self._with(opt.RETRY, options))

    def verify(self, *, progress: OnProgress | None = None, **options: Unpack[VerifyOptions]) -> Result:
        return verify(self.name, progress=progress, **self._with(opt.VERIFY, options))

    async def averify(self, *, progress: OnProgress | None = None, **options: Unpack[VerifyOptions]) -> Result:
        return await averify(self.name, progress=progress, **self._with(opt.VERIFY, options))

    def status(self) -> Result:
        return status(self.name, **self._with(opt.LEDGER, {}))

    async def astatus(self) -> Result:
        return await astatus(self.name, **self._with(opt.LEDGER, {}))

    def results(self, *, status: Words = None) -> pd.DataFrame:
        return results(self.name, status=status, **self._with(opt.LEDGER, {}))

    async def aresults(self, *, status: Words = None) -> pd.DataFrame:
        return await aresults(self.name, status=status, **self._with(opt.LEDGER, {}))

    def pause(self) -> None:
        """Stop sending, in every process, until the campaign is resumed."""
        control(self.name, DesiredState.PAUSED, self._with(opt.CONTROL, {})).now()

    async def apause(self) -> None:
        await control(self.name, DesiredState.PAUSED, self._with(opt.CONTROL, {})).later()

    def cancel(self, *, yes: bool = False) -> None:
        """Stop the campaign for good: rows that are not sent yet are skipped, and unreleased batches are cancelled at PassEntry."""
        self._cancelling(yes=yes).now()

    async def acancel(self, *, yes: bool = False) -> None:
        await self._cancelling(yes=yes).later()

    def _cancelling(self, *, yes: bool) -> Call[None]:
        if not yes and not self._options.get("yes"):
            raise needs_yes(f"This would cancel “{self.name}” for good; nothing was changed.")
        return control(self.name, DesiredState.CANCELLED, self._with(opt.CONTROL, {}))

    def _with(self, known: tuple[str, ...], options: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in self._options.items() if name in known} | dict(options)
