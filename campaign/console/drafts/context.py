"""The shared state of the wizard's pages: the drafts, and the processes that read lists: a few at once, one per draft and task."""

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import web
from pydantic import TypeAdapter

from campaign.console.access import Person, Role, can_control, person_of
from campaign.console.console import Console
from campaign.console.drafts.draft import Draft, MessageSource
from campaign.console.drafts.inspection import CHECKED, PREVIEW, ListCheck, ListPreview, WorkerTask, as_json, kept_check, kept_preview
from campaign.console.drafts.store import DraftStore, write_atomically
from campaign.console.subprocesses import environment
from campaign.settings import Settings

AT_ONCE: Final = 2
MOST_SECONDS: Final = 3600.0
LINE_BYTES: Final = 1 << 20
MODULE: Final = "campaign.console.drafts.worker"


@dataclass(slots=True, kw_only=True, eq=False)
class RunningTask:
    """`done` of `of` is the progress, 0 of 0 while unknown; `answer` is the last output with a result."""

    key: str
    done: int = 0
    of: int = 0
    answer: dict[str, Any] = field(default_factory=dict)
    broken: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class TaskRunner:
    """Runs tasks in processes. `words` are the command line of a process, before its module."""

    def __init__(self, settings: Settings, words: tuple[str, ...]) -> None:
        self._settings = settings
        self._words = words
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._jobs: dict[tuple[str, str], tuple[RunningTask, asyncio.Task[None]]] = {}

    def running(self, draft: str, task: str, key: str) -> RunningTask | None:
        """The running task of a draft with this key; None if there is none."""
        job, _ = self._jobs.get((draft, task), (None, None))
        return job if job is not None and job.key == key and not job.ended.is_set() else None

    def start(self, draft: str, order: WorkerTask, broke: Callable[[], None]) -> RunningTask:
        """Start a task, unless it already runs; the same task with another key is cancelled.

        `broke` is called, in a thread, if the process fails or takes too long: it may have run out of memory.
        """
        if (running := self.running(draft, order.task, order.key)) is not None:
            return running
        self.give_up(draft, order.task)
        job = RunningTask(key=order.key)
        task = asyncio.get_running_loop().create_task(self._run(job, order, broke))
        self._jobs[draft, order.task] = (job, task)
        task.add_done_callback(lambda _: self._forget(draft, order.task, job))
        return job

    def give_up(self, draft: str, *tasks: str) -> None:
        """Cancel the given tasks of a draft, or all of them."""
        for (whose, task), (_, running) in list(self._jobs.items()):
            if whose == draft and (not tasks or task in tasks):
                running.cancel()

    async def close(self) -> None:
        tasks = [task for _, task in self._jobs.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, draft: str, task: str, job: RunningTask) -> None:
        job.ended.set()
        if self._jobs.get((draft, task), (None, None))[0] is job:
            del self._jobs[draft, task]

    async def _run(self, job: RunningTask, order: WorkerTask, broke: Callable[[], None]) -> None:
        async with self._slots:
            try:
                async with asyncio.timeout(MOST_SECONDS):
                    code = await self._process(job, order)
            except TimeoutError:
                code = None
        if code != 0:
            job.broken = True
            await asyncio.to_thread(broke)

    async def _process(self, job: RunningTask, order: WorkerTask) -> int:
        # The process reads files of strangers, and needs no token, so it gets none.
        env = environment(self._settings) | {"PASSENTRY_API_KEY": "", "PASSENTRY_API_KEY_FILE": ""}
        words = (*self._words, "-m", MODULE)
        process = await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=env, limit=LINE_BYTES)
        try:
            await self._talk(process, job, order)
            return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _talk(self, process: Process, job: RunningTask, order: WorkerTask) -> None:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the process has no pipes")
        with contextlib.suppress(ConnectionError):
            process.stdin.write(orjson.dumps(TypeAdapter(WorkerTask).dump_python(order, mode="json")))
            await process.stdin.drain()
            process.stdin.close()
        async for line in process.stdout:
            message = json.loads(line)
            job.done, job.of = message.get("done", job.done), message.get("of", job.of)
            if "error" in message:
                job.answer = message


_BROKE: Final = "The list could not be read within the memory and time limits. Split it into several, or save it as .csv."


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftContext:
    """`looked` and `found` return what is known about a draft, or start the task that finds it out.

    `testing` are the ids of the drafts with a running test.
    """

    console: Console
    store: DraftStore
    jobs: TaskRunner
    testing: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, console: Console) -> "DraftContext":
        return cls(console=console, store=DraftStore(console.folder), jobs=TaskRunner(console.settings, (sys.executable, "-P")))

    def folder(self, draft: Draft) -> Path:
        return self.store.folder_of(draft.id)

    def list_path(self, draft: Draft) -> Path:
        """The path of its list; only for drafts that have one."""
        if draft.list is None:
            raise ValueError("the draft has no list")
        return self.folder(draft) / draft.list.file

    def names(self, draft: Draft) -> dict[str, str]:
        """The names that people gave its files, by path."""
        given = [upload for upload in (draft.list, *draft.excludes) if upload is not None]
        return {str(self.folder(draft) / upload.file): upload.name for upload in given}

    async def looked(self, draft: Draft) -> ListPreview | RunningTask | None:
        """The preview of its list, or the task that makes it; None without a list."""
        if draft.list is None:
            return None
        key = draft.list_key
        if (found := await asyncio.to_thread(kept_preview, self.folder(draft), key)) is not None:
            return found
        order = self._order(draft, "look", key, {"header_row": draft.header_row} if draft.header_row else {})
        return self.jobs.start(draft.id, order, self._broken(draft, PREVIEW, ListPreview(key=key, error=_BROKE)))

    async def found(self, draft: Draft) -> ListCheck | RunningTask:
        """The check of the draft, or the task that makes it."""
        key = draft.checkable
        if (found := await asyncio.to_thread(kept_check, self.folder(draft), key)) is not None:
            return found
        order = self._order(draft, "check", key, self.flags(draft))
        return self.jobs.start(draft.id, order, self._broken(draft, CHECKED, ListCheck(key=key, error=_BROKE, by_status={})))

    def look_through(self, draft: Draft, part: Path, name: str) -> RunningTask:
        """Start to validate a list of excluded passes; the task's `answer` says what is wrong with it."""
        order = WorkerTask(
            task=f"exclude {part.name}", folder="", source=str(part), key=part.name, flags=self.flags(draft), names={str(part): name}
        )
        return self.jobs.start(draft.id, order, lambda: None)

    def flags(self, draft: Draft) -> dict[str, Any]:
        """Its settings on top of the console's, by name, for a check or a run; with the message if it was written here."""
        flags: dict[str, Any] = {
            # A ledger URL that may have a password is in the environment instead.
            "ledger": self.console.settings.public_ledger or None,
            "id_column": draft.column or None,
            "header_row": draft.header_row or None,
            "exclude": [str(self.folder(draft) / upload.file) for upload in draft.excludes] or None,
            "message": draft.message if draft.words is MessageSource.WRITTEN else None,
            **draft.controls,
        }
        return {name: value for name, value in flags.items() if value is not None}

    def _order(self, draft: Draft, task: str, key: str, flags: dict[str, Any]) -> WorkerTask:
        source = str(self.list_path(draft))
        return WorkerTask(task=task, folder=str(self.folder(draft)), source=source, key=key, flags=flags, names=self.names(draft))

    def _broken(self, draft: Draft, name: str, instead: ListPreview | ListCheck) -> Callable[[], None]:
        # Stored like an answer, as another try on such a list would fail again.
        return lambda: write_atomically(self.folder(draft) / name, as_json(instead)) if self.folder(draft).is_dir() else None


DRAFTS: Final = web.AppKey("drafts", DraftContext)


def context_of(request: web.Request) -> DraftContext:
    return request.app[DRAFTS]


async def draft_of(request: web.Request) -> Draft:
    """The draft of a page.

    Raises:
        HTTPNotFound: there is none, or it is somebody else's: the person need not know that it exists.
    """
    draft = await asyncio.to_thread(context_of(request).store.find, request.match_info["draft"])
    if draft is None or not may_see(person_of(request), draft):
        raise web.HTTPNotFound
    return draft


def may_see(person: Person, draft: Draft) -> bool:
    """Whether this person may see and change a draft."""
    return person.role >= Role.SENDER and can_control(person, draft.owner)
