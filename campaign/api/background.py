"""Runs a use case in its own thread with its own event loop, waits for it, and reports its progress.

It works inside a running loop, as in a notebook, and never blocks a loop that awaits it. If something ends the wait early, such as Ctrl-C,
the requests under way settle first, and then it reaches the caller. There are no questions. Notes go to Python's `logging`, and progress
to a function.
"""

import asyncio
import contextvars
import logging
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Generic, Never, Self, TypeVar

from campaign.api.options import with_arguments
from campaign.app.confirmation import Question
from campaign.app.progress import Tally
from campaign.app.sending.send import send
from campaign.app.session import Sender, UserInterface
from campaign.domain.errors import StoppedError, UsageError
from campaign.domain.model import Counts, Settlement
from campaign.domain.status import Status
from campaign.domain.text.durations import words
from campaign.sender.stop import StopRequest

T = TypeVar("T")

LOOK_SECONDS: Final = 0.5
AT_ONCE_SECONDS: Final = 1.0
"""After a second Ctrl-C, the time to record that the sends under way are unknown. Without it, the ledger would find out later."""


class Interrupted(KeyboardInterrupt):
    """Raised after Ctrl-C, once the sends under way have settled. The same call goes on.

    Attributes:
        result: the state of the campaign, a `Result`; None if nothing was sent.
    """

    def __init__(self, result: Any = None) -> None:
        super().__init__("Interrupted. What was under way has settled; the same call goes on.")
        self.result = result


class Background(Generic[T]):
    """One call.

    Args:
        body: called in the thread; it runs coroutines with `run`.
        look: called every half second, and at the end, in the thread that waits.
    """

    def __init__(self, body: "Callable[[Background[T]], T]", look: Callable[[], object] = lambda: None) -> None:
        self._body = body
        self._look = look
        self._done: Future[T] = Future()
        self._lock = threading.Lock()
        self._asked = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._stop: StopRequest | None = None

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on a loop in this thread. Only the body calls it."""
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            return runner.run(self._watched(work))

    def listen(self) -> StopRequest:
        """`app.session.UserInterface.listen`."""
        self._stop = StopRequest()
        return self._stop

    def wait(self) -> T:
        """Start, and return the result of the body.

        Raises:
            Interrupted: Ctrl-C.
        """
        with _ctrl_c_raises():
            try:
                self._start()
                while not wait([self._done], LOOK_SECONDS).done:
                    self._look()
                self._look()
            except BaseException as interruption:
                self._settle()
                if isinstance(interruption, KeyboardInterrupt):
                    raise self._interrupted() from interruption
                raise
        return self._done.result()

    async def awaited(self) -> T:
        """The same for a caller in an event loop. If it is cancelled, the requests under way settle first."""
        self._start()
        done = asyncio.wrap_future(self._done)
        try:
            while not (await asyncio.wait([done], timeout=LOOK_SECONDS))[0]:
                self._look()
            self._look()
        except BaseException:
            self._ask_to_stop()
            try:
                await asyncio.wait([done])
            except asyncio.CancelledError:
                self._ask_to_stop()
                await asyncio.wait([done], timeout=AT_ONCE_SECONDS)
            raise
        finally:
            # After an interrupted wait its error no longer matters, but must be fetched, or asyncio reports it.
            if done.done() and not done.cancelled():
                done.exception()
        return done.result()

    def _start(self) -> None:
        context = contextvars.copy_context()
        threading.Thread(target=lambda: context.run(self._do), name="campaign", daemon=True).start()

    def _do(self) -> None:
        try:
            self._done.set_result(self._body(self))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            self._done.set_exception(error)

    async def _watched(self, work: Coroutine[Any, Any, T]) -> T:
        with self._lock:
            self._loop, self._task, asked = asyncio.get_running_loop(), asyncio.current_task(), self._asked
        if asked:
            work.close()
            raise StoppedError("Interrupted before the start; nothing was sent.", code="interrupted")
        try:
            return await work
        finally:
            with self._lock:
                self._loop = None

    def _settle(self) -> None:
        """Wait until the sends under way have settled; a second interruption ends them at once."""
        self._ask_to_stop()
        try:
            while not wait([self._done], LOOK_SECONDS).done:
                pass
        except BaseException:
            self._ask_to_stop()
            with suppress(KeyboardInterrupt):
                wait([self._done], AT_ONCE_SECONDS)
            raise

    def _interrupted(self) -> BaseException:
        error = self._done.exception()
        if error is None:
            return Interrupted(self._done.result())
        return Interrupted() if isinstance(error, StoppedError | asyncio.CancelledError) else error

    def _ask_to_stop(self) -> None:
        with self._lock:
            self._asked += 1
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._heed, self._asked)

    def _heed(self, asked: int) -> None:
        if self._stop is None:
            if self._task is not None:
                self._task.cancel()
            return
        self._stop.gently.set()
        if asked > 1:
            self._stop.now.set()


@contextmanager
def _ctrl_c_raises() -> Iterator[None]:
    """Install Python's SIGINT handler: that of a loop in this thread can't run while the thread waits here."""
    before = signal.getsignal(signal.SIGINT)
    in_a_loop = asyncio._get_running_loop() is not None  # noqa: SLF001 - the public function raises without a loop
    if not in_a_loop or threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - there is none for Windows
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


_LOG: Final = logging.getLogger("campaign")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of a run; as text, one line.

    Attributes:
        campaign: the campaign's name.
        rows: the number of rows in the list.
        done: the number of settled rows.
        counts: rows by status.
        rate_per_second: attempts that ended per second, over the last ten seconds.
        eta_seconds: how long the rest takes at this rate; None if there is no progress.
    """

    campaign: str
    rows: int
    done: int
    counts: dict[str, int]
    rate_per_second: float
    eta_seconds: float | None

    def __str__(self) -> str:
        left = "" if self.eta_seconds is None else f", about {words(max(1.0, self.eta_seconds))} left"
        pace = "reading back" if self.done == self.rows and self.counts["unknown"] else f"{self.rate_per_second:.1f}/s{left}"
        return f"{self.campaign}: {self.done:,} of {self.rows:,} rows done, {pace}"


class ProgressWatch:
    """`app.session.UserInterface.watch`: keeps the newest progress, for another thread to take."""

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

    def latest(self) -> Progress | None:
        """The newest progress; None if it was taken already."""
        news, self._latest = self._latest, None
        return news

    def settled(self, settlement: Settlement) -> None:
        self._tally.settled(settlement.outcome.status, time.monotonic())

    def event(self, name: str, **details: Any) -> None:
        if not self._tally.event(name, details, time.monotonic()):
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


def user_interface(background: Background[Any], watch: ProgressWatch, *, sender: Sender = send) -> UserInterface:
    return UserInterface(confirm=_confirm, agree=lambda *_: False, watch=watch, listen=background.listen, tell=tell, sender=sender)


def tell(event: str, sentence: str, /, *, level: str = "warning", **details: object) -> None:
    """`app.session.Tell`: writes to the logger “campaign”, which the caller may configure."""
    _LOG.log(logging.getLevelNamesMapping()[level.upper()], "%s", with_arguments(sentence), extra={"event": event, "details": details})


def _confirm(question: Question) -> Never:
    raise needs_yes(f"This would send {question.messages:,} messages; nothing was sent.", messages=question.messages)


def needs_yes(what: str, **values: object) -> UsageError:
    """The error in place of a question that the command would ask."""
    return UsageError(f"{what} Say yes=True to do it.", code="needs_yes", option="--yes", **values)
