"""What the wizard's pages have at hand besides the console: the drafts, and the processes that read lists: a few at once, one for each
draft and task.
"""

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
    """`done` of `of` is how far it is, 0 of 0 while that is not known; `answer` what it printed last."""

    key: str
    done: int = 0
    of: int = 0
    answer: dict[str, Any] = field(default_factory=dict)
    broken: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class TaskRunner:
    """What is under way.

    Args:
        settings: the console's.
        words: of the process, before its module.
    """

    def __init__(self, settings: Settings, words: tuple[str, ...]) -> None:
        self._settings = settings
        self._words = words
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._jobs: dict[tuple[str, str], tuple[RunningTask, asyncio.Task[None]]] = {}

    def running(self, draft: str, task: str, key: str) -> RunningTask | None:
        """The job of a draft, if it is under way."""
        job, _ = self._jobs.get((draft, task), (None, None))
        return job if job is not None and job.key == key and not job.ended.is_set() else None

    def start(self, draft: str, order: WorkerTask, broke: Callable[[], None]) -> RunningTask:
        """Have it done, unless it is being done; one of the same task with another key is given up.

        `broke` is called, in a thread, if the process ends without an answer: it ran out of memory, perhaps.
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
        """End what is under way for a draft."""
        for (whose, task), (_, running) in list(self._jobs.items()):
            if whose == draft and (not tasks or task in tasks):
                running.cancel()

    async def close(self) -> None:
        """End everything."""
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
        # It reads what strangers gave: it needs no token, so it has none.
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
            told = json.loads(line)
            job.done, job.of = told.get("done", job.done), told.get("of", job.of)
            if "error" in told:
                job.answer = told


_BROKE: Final = "The list could not be read within the memory and time limits. Split it into several, or save it as .csv."


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftContext:
    """`looked` and `found` give what is known of a draft, and have it found out if that is not under way yet.

    `testing` are the drafts of which a test is under way.
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
        """Where its list is; only for drafts that have one."""
        if draft.list is None:
            raise ValueError("the draft has no list")
        return self.folder(draft) / draft.list.file

    def names(self, draft: Draft) -> dict[str, str]:
        """What people call its files, by path."""
        given = [upload for upload in (draft.list, *draft.excludes) if upload is not None]
        return {str(self.folder(draft) / upload.file): upload.name for upload in given}

    async def looked(self, draft: Draft) -> ListPreview | RunningTask | None:
        """What its list is, or the look that is under way; None without a list."""
        if draft.list is None:
            return None
        key = draft.list_key
        if (found := await asyncio.to_thread(kept_preview, self.folder(draft), key)) is not None:
            return found
        order = self._order(draft, "look", key, {"header_row": draft.header_row} if draft.header_row else {})
        return self.jobs.start(draft.id, order, self._broken(draft, PREVIEW, ListPreview(key=key, error=_BROKE)))

    async def found(self, draft: Draft) -> ListCheck | RunningTask:
        """What a check of it says, or the check that is under way."""
        key = draft.checkable
        if (found := await asyncio.to_thread(kept_check, self.folder(draft), key)) is not None:
            return found
        order = self._order(draft, "check", key, self.flags(draft))
        return self.jobs.start(draft.id, order, self._broken(draft, CHECKED, ListCheck(key=key, error=_BROKE, by_status={})))

    def look_through(self, draft: Draft, part: Path, name: str) -> RunningTask:
        """Have a list of passes to leave out looked through; its `answer` says what is wrong with it."""
        order = WorkerTask(
            task=f"exclude {part.name}", folder="", source=str(part), key=part.name, flags=self.flags(draft), names={str(part): name}
        )
        return self.jobs.start(draft.id, order, lambda: None)

    def flags(self, draft: Draft) -> dict[str, Any]:
        """Its settings above the console's own, by name, for a check or a run; the message itself where it is written here."""
        flags: dict[str, Any] = {
            # Where it may hold a password it is named by the environment.
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
        # Kept like an answer: to look at such a list again and again would break it again and again.
        return lambda: write_atomically(self.folder(draft) / name, as_json(instead)) if self.folder(draft).is_dir() else None


DRAFTS: Final = web.AppKey("drafts", DraftContext)


def context_of(request: web.Request) -> DraftContext:
    return request.app[DRAFTS]


async def draft_of(request: web.Request) -> Draft:
    """The draft that a page is of.

    Raises:
        HTTPNotFound: there is none, or it is somebody else's: who may not see it need not know that it is there.
    """
    draft = await asyncio.to_thread(context_of(request).store.find, request.match_info["draft"])
    if draft is None or not may_see(person_of(request), draft):
        raise web.HTTPNotFound
    return draft


def may_see(person: Person, draft: Draft) -> bool:
    """Whether a draft is this person's to look at and to change."""
    return person.role >= Role.SENDER and can_control(person, draft.owner)
