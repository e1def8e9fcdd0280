"""The commands that people give, each in a process of its own, and the list that they give them."""

import asyncio
import csv
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import apsw

from campaign.app import control, retry, run
from campaign.app.campaign_settings import remembered
from campaign.app.session import UserInterface
from campaign.domain.errors import CampaignError, LedgerError, problem_of
from campaign.domain.model import Counts, Settlement, StagedRow
from campaign.domain.retry_selection import Selection
from campaign.domain.status import CORRECTABLE, Status
from campaign.ledger.port import CampaignSpec, DesiredState
from campaign.ledger.sqlite import SqliteLedger, SqliteReader
from campaign.sender.stop import StopRequest
from campaign.settings import Settings, Via
from tests.simulation import ledger
from tests.simulation.machine import Process, outside, start
from tests.simulation.network import ENTITY
from tests.simulation.plan import QUIET_SECONDS, Kind, Plan
from tests.simulation.retries import Decision

NAME: Final = "promo"
TIMEOUT_SECONDS: Final = 5.0
MOST_RUNNERS: Final = 5

THINKS: Final = 0.3
"""How often a person thinks about the question of a retry, while others go on."""


@dataclass(frozen=True, slots=True)
class Runner:
    """A process with a command in it; `held` are the passes of the rows that it had claimed when it was suspended."""

    process: Process
    task: "asyncio.Task[Any]"
    stop: StopRequest
    held: set[str] = field(default_factory=set)

    @property
    def alive(self) -> bool:
        return not self.process.killed and not self.task.done()


Retry = Callable[[Settings, UserInterface], Awaitable[Any]]


@dataclass(eq=False)
class Watcher:
    """An observer that writes into the trace."""

    trace: Callable[[str], None]

    def settled(self, settlement: Settlement) -> None:
        outcome = settlement.outcome
        self.trace(f"row {settlement.claim.row} attempt {settlement.claim.fencing_token}: {outcome.status.value} {outcome.reason}")

    def event(self, name: str, **details: object) -> None:
        self.trace(f"{name} {details}" if details else name)


class Commands:
    """Begins them. `problems` are ends that none of them may have; `cancelled_at` is by the loop's clock."""

    def __init__(self, plan: Plan, folder: Path, staged: list[StagedRow], luck: random.Random, trace: Callable[[str], None]) -> None:
        self._plan = plan
        self._folder = folder
        self._staged = staged
        self._luck = luck
        self._trace = trace
        self._number = 0
        self._files = 0
        self._asked_for: dict[bool, Settings] = {}
        self._last_retry: tuple[Retry, frozenset[Status]] | None = None
        self.runners: list[Runner] = []
        self.problems: list[str] = []
        self.cancelled_at: float | None = None

    @property
    def _list(self) -> Path:
        return self._folder / f"{NAME}.csv"

    @property
    def ledger(self) -> Path:
        return self._folder / "campaign.db"

    @property
    def results(self) -> Path:
        return self._folder / f"{NAME}.results.csv"

    def write_list(self) -> None:
        with self._list.open("w", newline="", encoding="utf-8") as lines:
            csv.writer(lines).writerows([("pass_id", "message"), *((row.pass_id, row.message) for row in self._staged)])

    def alive(self) -> list[Runner]:
        return [runner for runner in self.runners if runner.alive]

    def _settings(self, *, yes: bool = True) -> Settings:
        if yes not in self._asked_for:
            self._asked_for[yes] = self._given_settings(yes=yes)
        return self._asked_for[yes]

    def _given_settings(self, *, yes: bool) -> Settings:
        plan = self._plan
        return Settings.model_validate(
            {
                "ledger": str(self.ledger),
                "rate": plan.rate if plan.rate is not None else "unlimited",
                "concurrency": plan.concurrency,
                "via": Via.BATCH if plan.by_batches else Via.SINGLE,
                "entity": ENTITY if plan.by_batches else None,
                "max_attempts": plan.max_attempts,
                "on_unknown": plan.on_unknown,
                "quiet_period": QUIET_SECONDS,
                "timeout": TIMEOUT_SECONDS,
                "baseline": plan.baseline,
                "window": plan.window,
                # To wait for hours takes a turn of the loop ten times a second of them.
                "no_wait": True,
                "time_zone": "UTC",
                "daily_cap": 0,
                "yes": yes,
                "PASSENTRY_API_KEY": "token",
                "PASSENTRY_API_URL": "http://127.0.0.1:1",
            }
        )

    def _ui(self, stop: StopRequest, process: Process, again: frozenset[Status]) -> UserInterface:
        @contextmanager
        def watch(name: str, counts: Counts) -> Iterator[Watcher]:
            del name, counts
            yield Watcher(self._trace)

        def tell(event: str, sentence: str, /, *, level: str = "warning", **details: object) -> None:
            del sentence, level
            self._trace(f"{event} {details}")

        return UserInterface(
            confirm=lambda _: self._agrees(process, again), agree=lambda *_: False, watch=watch, listen=lambda: stop, tell=tell
        )

    def _agrees(self, process: Process, statuses: frozenset[Status]) -> bool:
        """A person is asked, and says yes, perhaps after a while."""
        loop = asyncio.get_running_loop()
        connection = apsw.Connection(str(self.ledger))
        found: list[tuple[int, str]] = list(connection.execute("SELECT row, status FROM rows"))
        connection.close()
        rows = frozenset(row for row, status in found if status in statuses)
        ledger.RUN.retries.decisions.append(Decision(process=process.name, statuses=statuses, rows=rows, asked_at=loop.time()))
        self._trace(f"is asked about {len(rows)} rows")
        if self._luck.random() < THINKS:
            process.suspended = True
            loop.call_later(self._luck.choice((0.1, 3.0, 30.0)) * self._luck.random(), self._answer, process, context=outside())
        return True

    def _answer(self, process: Process) -> None:
        if process.suspended:
            asyncio.get_running_loop().resume(process)  # type: ignore[attr-defined]  # a virtual loop

    def _begin(self, what: str, command: Retry, again: frozenset[Status] | None = None) -> Runner:
        self._number += 1
        process = Process(f"{what} {self._number}")
        stop = StopRequest()

        async def whole() -> str:
            try:
                finished = await command(self._settings(yes=again is None), self._ui(stop, process, again or frozenset()))
            except (CampaignError, BaseExceptionGroup) as raised:
                # As the command line does.
                if (error := problem_of(raised)) is None:
                    raise
                self._trace(f"ended with {type(error).__name__} {error.code}: {error}")
                if error.code in {"fault", ""} and not isinstance(error, LedgerError):
                    self.problems.append(f"{what}: {error}")
                return error.code or type(error).__name__
            finally:
                ledger.release(process)
            self._trace(f"ended: {finished.view.state.value if finished else ''}")
            return ""

        runner = Runner(process, start(process, whole), stop)
        self.runners.append(runner)
        self._trace(f"begins: {process.name}")
        return runner

    def run(self) -> Runner:
        return self._begin("run", lambda settings, ui: run.run_list(str(self._list), settings, ui))

    def resume(self) -> Runner:
        """The same command again, or the one that it names where it was broken off."""
        if self._plan.from_list and (self._luck.random() < 0.5 or self.control_now() in {None, DesiredState.STAGING}):
            return self.run()
        return self._begin("resume", lambda settings, ui: run.resume(NAME, settings, ui))

    def join(self) -> Runner:
        return self._begin("send", lambda settings, ui: run.join(NAME, settings, ui))

    def ask(self, kind: Kind) -> None:
        """What a person wants."""
        match kind:
            case Kind.START if len(self.alive()) < MOST_RUNNERS:
                self.join()
            case Kind.RESUME:
                self.resume()
            case Kind.PAUSE | Kind.CANCEL:
                self.control(DesiredState.PAUSED if kind is Kind.PAUSE else DesiredState.CANCELLED)
            case Kind.VERIFY:
                self.verify()
            case _:
                self._ask_again(kind)

    def _ask_again(self, kind: Kind) -> None:
        match kind:
            case Kind.RETRY_FAILED:
                self._retry(Status.FAILED)
            case Kind.RETRY_UNKNOWN:
                self._retry(Status.UNKNOWN)
            case Kind.RETRY_NOT_DELIVERED:
                self._retry(Status.NOT_DELIVERED)
            case Kind.RETRY_LIST:
                self._retry_list(self._luck.choice((Status.NOT_DELIVERED, Status.NOT_DELIVERED, Status.UNKNOWN)))
            case Kind.RETRY_FILE:
                self._retry_file()
            case Kind.CORRECT:
                self._correct()
            case Kind.REPEAT:
                self.repeat()
            case _:
                pass

    def repeat(self) -> Runner | None:
        """The last retry once more, if there was one."""
        if self._last_retry is None:
            return None
        command, statuses = self._last_retry
        return self._begin("retry", command, again=statuses)

    def _again(self, command: Retry, statuses: frozenset[Status]) -> None:
        self._last_retry = command, statuses
        self.repeat()

    def _retry(self, status: Status) -> None:
        async def command(settings: Settings, ui: UserInterface) -> Any:
            return await retry.retry(NAME, Selection(statuses=frozenset({status})), settings, ui)

        self._again(command, frozenset({status}))

    def _retry_list(self, status: Status) -> None:
        """Of some of the rows, which a list names."""
        some = self._luck.sample(self._staged, self._luck.randint(1, len(self._staged)))
        listed = self._written("listed", ["pass_id"], ([row.pass_id] for row in some))

        async def command(settings: Settings, ui: UserInterface) -> Any:
            return await retry.retry(NAME, Selection(statuses=frozenset({status})), settings, ui, rows=str(listed))

        self._again(command, frozenset({status}))

    def _retry_file(self) -> None:
        """Of the rows of a results file as it may be, of which somebody has left some."""
        some = sorted(self._luck.sample(self._staged, self._luck.randint(1, len(self._staged))), key=lambda row: row.row)
        columns = ["pass_id", "message", "delivery_campaign", "delivery_row", "delivery_status"]
        rows = ([row.pass_id, row.message, NAME, str(row.row), Status.NOT_DELIVERED] for row in some)
        statuses = frozenset({Status.NOT_DELIVERED})
        self._again(self._of_file(self._written("results", columns, rows), statuses), statuses)

    def _written(self, name: str, columns: list[str], rows: Iterable[list[str]]) -> Path:
        """A new file of a person's."""
        self._files += 1
        file = self._folder / f"{name} {self._files}.csv"
        with file.open("w", newline="", encoding="utf-8") as lines:
            csv.writer(lines).writerows([columns, *rows])
        return file

    def _of_file(self, file: Path, statuses: frozenset[Status]) -> Retry:
        async def command(settings: Settings, ui: UserInterface) -> Any:
            return await retry.retry(str(file), Selection(statuses=statuses), settings, ui)

        return command

    def _correct(self) -> None:
        """Somebody changes the texts in the failed-rows file, and sends it."""
        failed = self._folder / f"{NAME}.results.failed.csv"
        if not failed.exists():
            return
        with failed.open(newline="", encoding="utf-8-sig") as lines:
            found = list(csv.DictReader(lines))
        rows = [row | {"message": f"{row['message']} Corrected {self._files}."} for row in found]
        corrected = self._written("corrected", list(rows[0]) if rows else [], (list(row.values()) for row in rows))
        self._again(self._of_file(corrected, frozenset()), CORRECTABLE)

    def control(self, wanted: DesiredState) -> Runner:
        async def command(settings: Settings, ui: UserInterface) -> Any:
            del ui
            if wanted is DesiredState.PAUSED:
                await control.pause(NAME, settings)
                return
            done = await control.cancel(NAME, settings)
            if self.cancelled_at is None and not done.finished:
                self.cancelled_at = asyncio.get_running_loop().time()

        return self._begin(wanted.value, command)

    def verify(self) -> Runner:
        return self._begin("verify", lambda settings, ui: run.read_back(NAME, settings, ui))

    @contextmanager
    def reader(self) -> Iterator[SqliteReader]:
        reader = SqliteReader(self.ledger)
        try:
            yield reader
        finally:
            reader.close()

    def control_now(self) -> DesiredState | None:
        if not self.ledger.exists():
            return None
        with self.reader() as reader:
            record = reader.campaign(NAME)
            return None if record is None else record.desired_state

    async def stage(self, now: datetime) -> None:
        """Without a list: it takes a fifth of the time, and has no results file."""
        store = SqliteLedger(self.ledger)
        try:
            settings = remembered(self._settings(), now=now, own_zones=False)
            columns = ("pass_id", "message")
            spec = CampaignSpec(
                name=NAME, list_name="list", list_sha256="a", message_sha256="b", columns=columns, id_column="pass_id", settings=settings
            )
            record = await store.create(spec)
            await store.stage(record.id, self._staged)
            await store.finish_staging(record.id, content_sha256="c")
        finally:
            await store.close()
