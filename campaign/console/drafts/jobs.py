"""Looks and checks that are under way: processes of their own, a few at once, one for each draft and task."""

import asyncio
import contextlib
import json
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from pydantic import TypeAdapter

from campaign.console.drafts.order import Order
from campaign.console.launch import environment
from campaign.settings import Settings

AT_ONCE: Final = 2
MOST_SECONDS: Final = 3600.0
LINE_BYTES: Final = 1 << 20
MODULE: Final = "campaign.console.drafts.work"


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """`done` of `of` is how far it is, 0 of 0 while that is not known; `answer` what it printed last."""

    key: str
    done: int = 0
    of: int = 0
    answer: dict[str, Any] = field(default_factory=dict)
    broken: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Jobs:
    """What is under way.

    Args:
        settings: the console's.
        words: of the process, before its module.
    """

    def __init__(self, settings: Settings, words: tuple[str, ...]) -> None:
        self._settings = settings
        self._words = words
        self._room = asyncio.Semaphore(AT_ONCE)
        self._jobs: dict[tuple[str, str], tuple[Job, asyncio.Task[None]]] = {}

    def running(self, draft: str, task: str, key: str) -> Job | None:
        """The job of a draft, if it is under way."""
        job, _ = self._jobs.get((draft, task), (None, None))
        return job if job is not None and job.key == key and not job.ended.is_set() else None

    def start(self, draft: str, order: Order, broke: Callable[[], None]) -> Job:
        """Have it done, unless it is being done; one of the same task with another key is given up.

        `broke` is called, in a thread, if the process ends without an answer: it ran out of memory, perhaps.
        """
        if (running := self.running(draft, order.task, order.key)) is not None:
            return running
        self.give_up(draft, order.task)
        job = Job(key=order.key)
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

    def _forget(self, draft: str, task: str, job: Job) -> None:
        job.ended.set()
        if self._jobs.get((draft, task), (None, None))[0] is job:
            del self._jobs[draft, task]

    async def _run(self, job: Job, order: Order, broke: Callable[[], None]) -> None:
        async with self._room:
            try:
                async with asyncio.timeout(MOST_SECONDS):
                    code = await self._process(job, order)
            except TimeoutError:
                code = None
        if code != 0:
            job.broken = True
            await asyncio.to_thread(broke)

    async def _process(self, job: Job, order: Order) -> int:
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

    async def _talk(self, process: Process, job: Job, order: Order) -> None:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the process has no pipes")
        with contextlib.suppress(ConnectionError):
            process.stdin.write(orjson.dumps(TypeAdapter(Order).dump_python(order, mode="json")))
            await process.stdin.drain()
            process.stdin.close()
        async for line in process.stdout:
            told = json.loads(line)
            job.done, job.of = told.get("done", job.done), told.get("of", job.of)
            if "error" in told:
                job.answer = told
