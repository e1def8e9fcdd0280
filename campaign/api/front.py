"""The side that a program sees: nobody is asked, what there is to say goes to Python's own log, and progress to a function."""

import asyncio
import logging
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Never, Self

from campaign.api.background import LOOK_SECONDS, Background
from campaign.app.question import Question
from campaign.app.sending import send
from campaign.app.session import Front, Sender
from campaign.app.tally import Tally
from campaign.domain.durations import words
from campaign.domain.errors import UsageError
from campaign.domain.model import Counts, Settlement, Status

_LOG: Final = logging.getLogger("campaign")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run is; as text one line.

    Attributes:
        campaign: its name.
        rows: of the list.
        done: rows that are settled.
        counts: rows by status.
        rate_per_second: attempts that ended a second, over the last ten seconds.
        eta_seconds: how long the rest takes at this rate; None if nothing moves.
    """

    campaign: str
    rows: int
    done: int
    counts: dict[str, int]
    rate_per_second: float
    eta_seconds: float | None

    def __str__(self) -> str:
        left = "" if self.eta_seconds is None else f", about {words(max(1.0, self.eta_seconds))} left"
        return f"{self.campaign}: {self.done:,} of {self.rows:,} rows done, {self.rate_per_second:.1f}/s{left}"


class Watch:
    """`app.session.Front.watch`: keeps what is news, for another thread to take."""

    def __init__(self) -> None:
        self._latest: Progress | None = None
        self._campaign = ""
        self._tally = Tally(Counts(by_status={}), 0.0)
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, campaign: str, counts: Counts) -> Self:
        self._campaign, self._tally = campaign, Tally(counts, time.monotonic())
        return self

    def __enter__(self) -> Self:
        self._tick()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._note()

    def news(self) -> Progress | None:
        """Where the run is, unless that was said already."""
        news, self._latest = self._latest, None
        return news

    def settled(self, settlement: Settlement) -> None:
        self._tally.settled(settlement.outcome.status, time.monotonic())

    def event(self, name: str, **details: Any) -> None:
        match name:
            case "standing":
                self._tally.stands(details["counts"], time.monotonic())
            case "read_back":
                self._tally.read_back(Status(details["status"]), time.monotonic())
            case "rows_of_a_dead_runner":
                self._tally.lost(details["rows"])
            case _:
                _LOG.info("%s %s", name, details, extra={"event": name, "details": details})

    def _tick(self) -> None:
        self._note()
        self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._tick)

    def _note(self) -> None:
        now, tally = time.monotonic(), self._tally
        self._latest = Progress(
            campaign=self._campaign,
            rows=tally.rows,
            done=tally.rows - tally.open,
            counts={status.value: tally.by_status[status] for status in Status},
            rate_per_second=tally.rate_per_second(now),
            eta_seconds=tally.eta_seconds(now),
        )


def front(background: Background[Any], watch: Watch, *, sender: Sender = send) -> Front:
    """The front of one call."""
    return Front(confirm=_confirm, agree=lambda *_: False, watch=watch, listen=background.listen, tell=tell, sender=sender)


def tell(event: str, sentence: str, /, *, level: str = "warning", **details: object) -> None:
    """`app.session.Tell`, to the logger “campaign”, which the caller sets up or not."""
    _LOG.log(logging.getLevelNamesMapping()[level.upper()], "%s", sentence, extra={"event": event, "details": details})


def _confirm(question: Question) -> Never:
    raise needs_yes(f"This would send {question.messages:,} messages; nothing was sent.", messages=question.messages)


def needs_yes(what: str, **values: object) -> UsageError:
    """What the command would ask a person."""
    return UsageError(f"{what} Say yes=True to do it.", code="needs_yes", option="--yes", **values)
