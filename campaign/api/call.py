"""A call as a value: its settings, its lists, and its body, which runs in a thread with a loop of its own."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from os import PathLike, fspath
from typing import Any, Generic, TypeAlias, TypeVar

import pandas as pd

from campaign.api import options as opt
from campaign.api.background import Background, Progress, ProgressWatch, needs_yes, user_interface
from campaign.api.options import settings_of
from campaign.api.result import Checked, Result
from campaign.app import control
from campaign.app import retry as retries
from campaign.app import run as runs
from campaign.app.preflight import check as checks
from campaign.app.session import CommandResult, UserInterface
from campaign.domain.errors import CampaignError, UsageError, problem_of
from campaign.domain.lists.locations import place_of
from campaign.domain.retry_selection import Selection, parts_of, selection_of
from campaign.domain.status import Status
from campaign.engine.sender import sender_of
from campaign.loader.in_memory import ArrowStream, as_source
from campaign.settings import Settings

T = TypeVar("T")
List: TypeAlias = str | PathLike[str] | pd.DataFrame | ArrowStream
"""A list, of one of the kinds in the module's docstring."""

Words: TypeAlias = str | Iterable[str] | None
Numbers: TypeAlias = int | Iterable[int] | None
OnProgress = Callable[[Progress], object]
"""Called about twice a second, in the thread that waits. An exception stops the run as Ctrl-C does, and reaches the caller."""


@contextmanager
def plain_errors() -> Iterator[None]:
    """Raise an error for a person by itself, not in a group with others that were cancelled, and name arguments in it, not flags.

    Its `argument` is the one that it is about.
    """
    try:
        yield
    except (CampaignError, BaseExceptionGroup) as error:
        problem = problem_of(error)
        if problem is None:
            raise
        about: dict[str, object] = vars(problem)["values"]
        if (option := str(about.get("option", ""))).startswith("--"):
            about["argument"] = option.removeprefix("--").replace("-", "_")
        problem.args = (opt.with_arguments(str(problem)),)
        if problem is error:
            raise
        raise problem from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """The body of a call, for its own thread, and the callback for progress."""

    body: Callable[[Background[T], ProgressWatch], T]
    progress: OnProgress | None = None

    def now(self) -> T:
        with plain_errors():
            return self._background().wait()

    async def later(self) -> T:
        with plain_errors():
            return await self._background().awaited()

    def _background(self) -> Background[T]:
        watch = ProgressWatch()
        return Background(lambda background: self.body(background, watch), partial(_look, watch, self.progress))


def _look(watch: ProgressWatch, progress: OnProgress | None) -> None:
    if progress is not None and (news := watch.latest()) is not None:
        progress(news)


def check_call(rows: List, options: Mapping[str, Any], *, function: str = "check", reach: bool = False) -> Call[Checked]:
    settings, excluded = _asked(options, opt.RUN if function == "run" else opt.CHECK, function=function)

    def body(background: Background[Checked], watch: ProgressWatch) -> Checked:
        with ExitStack() as stack:
            source, ready = stack.enter_context(_source(rows)), stack.enter_context(_excluding(settings, excluded))
            if reach or (function == "run" and ready.only_reachable):
                return Checked.of(background.run(checks.check(source, ready, reach=watch, stop=background.listen())))
            return Checked.of(background.run(checks.check(source, ready)))

    return Call(body=body)


def run_call(rows: List, options: Mapping[str, Any], progress: OnProgress | None) -> Call[Result]:
    settings, excluded = _asked(options, opt.RUN, function="run")

    def body(background: Background[Result], watch: ProgressWatch) -> Result:
        with ExitStack() as stack:
            source, ready = stack.enter_context(_source(rows)), stack.enter_context(_excluding(settings, excluded))
            sender = stack.enter_context(sender_of(ready))
            return _result(background.run(runs.run_list(source, ready, user_interface(background, watch, sender=sender))), settings)

    return Call(body=body, progress=progress)


def resume_call(name: str, options: Mapping[str, Any], progress: OnProgress | None) -> Call[Result]:
    return _on_campaign(partial(runs.resume, name), options, opt.RESUME, progress, function="resume")


def verify_call(name: str, options: Mapping[str, Any], progress: OnProgress | None) -> Call[Result]:
    return _on_campaign(partial(runs.read_back, name), options, opt.VERIFY, progress, function="verify")


def _on_campaign(
    work: Callable[[Settings, UserInterface], Any],
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


def retry_call(
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


def pause_call(name: str, options: Mapping[str, Any]) -> Call[None]:
    """Pause a campaign, no matter which process sends it."""
    settings = settings_of(options, opt.CONTROL, function="pause")

    def body(background: Background[None], _: ProgressWatch) -> None:
        background.run(control.pause(name, settings))

    return Call(body=body)


def cancel_call(name: str, options: Mapping[str, Any], *, yes: bool) -> Call[None]:
    """Cancel a campaign, no matter which process sends it."""
    settings = settings_of(options, opt.CONTROL, function="cancel")

    def agree() -> None:
        if not yes:
            raise needs_yes(f"This would cancel “{name}” for good; nothing was changed.")

    def body(background: Background[None], _: ProgressWatch) -> None:
        background.run(control.cancel(name, settings, agree=agree))

    return Call(body=body)


def _result(finished: CommandResult, settings: Settings) -> Result:
    return Result.of(finished.view, settings, note=finished.note, details=finished.details)


def _asked(options: Mapping[str, Any], known: Sequence[str], *, function: str) -> tuple[Settings, list[Any]]:
    """The settings, and the excluded lists that are in memory."""
    with plain_errors():
        excluded = options.get("exclude")
        several = [excluded] if isinstance(excluded, str | PathLike | ArrowStream) else list(excluded or ())
        files = [one for one in several if not isinstance(one, ArrowStream)]
        settings = settings_of({**options, **({"exclude": files or None} if "exclude" in options else {})}, known, function=function)
        return settings, [one for one in several if isinstance(one, ArrowStream)]


@contextmanager
def _source(rows: Any) -> Iterator[Any]:
    """A list in the form that the use cases take; None for None."""
    match rows:
        case None:
            yield None
        case str() | PathLike():
            yield fspath(rows)
        case ArrowStream():
            with as_source(rows) as source:
                yield source
        case _:
            raise UsageError(
                f"A {type(rows).__name__} of Python can't be read as a list of passes. Give a path, a URL, a DataFrame, or another table "
                "with __arrow_c_stream__.",
                code="no_list",
                type=type(rows).__name__,
            )


@contextmanager
def _excluding(settings: Settings, rows: list[Any]) -> Iterator[Settings]:
    with ExitStack() as stack:
        files = [place_of(stack.enter_context(as_source(one)).path) for one in rows]
        yield settings.model_copy(update={"exclude": (*settings.exclude, *files)}) if files else settings


def selected(status: Words, reason: Words, http_status: Numbers) -> Selection:
    """The rows to retry."""
    with plain_errors():
        numbers = [http_status] if isinstance(http_status, int) else http_status or ()
        return selection_of(words_of(status), words_of(reason), [str(number) for number in numbers])


def words_of(given_words: Words) -> list[str]:
    return parts_of(given_words) if isinstance(given_words, str) else list(given_words or ())


def statuses(names: list[str]) -> list[Status]:
    if unknown := [name for name in names if name not in set(Status)]:
        possible = ", ".join(Status)
        raise UsageError(f"There is no status {unknown[0]}. There are: {possible}.", code="bad_value", option="--status")
    return list(map(Status, names))
