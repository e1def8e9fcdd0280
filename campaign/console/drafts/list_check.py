"""Checks a list with its message, and lists of excluded passes, in the process that reads lists."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Final

import orjson

from campaign.app.lists.exclusions import Exclusions
from campaign.app.preflight.check import Checked, check
from campaign.console.drafts.inspection import PROBLEMS, Finding, ListCheck, Specimen, WorkerTask, without_paths
from campaign.domain.errors import CampaignError
from campaign.domain.lists.sheet import place, places
from campaign.domain.status import Status
from campaign.domain.text.reasons import finding_in_words, reason_in_words
from campaign.settings import Settings

PRINTED_EVERY_SECONDS: Final = 0.5


def inspect(order: WorkerTask) -> ListCheck:
    """The findings of `campaign check`."""
    problems = Path(order.folder) / PROBLEMS
    try:
        settings = Settings.read(**order.flags)
        found = asyncio.run(check(order.source, settings, problem_rows=problems, progress=_ProgressPrinter()))
    except CampaignError as error:
        return ListCheck(key=order.key, error=without_paths(str(error), order.names), by_status={})
    return _list_check(found, order.key)


def _list_check(checked: Checked, key: str) -> ListCheck:
    counts = checked.counts
    return ListCheck(
        key=key,
        rows=counts.rows,
        sendable=counts.by_status[Status.PENDING],
        by_status=counts.by_status,
        problems=tuple(
            Finding(
                kind=found.kind,
                words=reason_in_words(found.kind),
                count=found.count,
                places=places(found.rows, checked.lines, count=found.count),
                example=found.example,
            )
            for found in checked.problems
        ),
        concerns=tuple(
            Finding(
                kind=found.kind,
                words=finding_in_words(found, lock_screen=checked.lock_screen),
                count=found.count,
                places=found.where(checked.lines),
                example=found.example,
            )
            for found in checked.findings
        ),
        samples=tuple(
            Specimen(place=place(sample.row, checked.lines.of(sample.row)), message=sample.message, length=sample.length)
            for sample in checked.samples
        ),
        content_sha256=checked.content_sha256,
        messages=checked.messages,
        problem_rows=counts.left_out,
    )


def exclude(order: WorkerTask) -> str:
    """Why a list of excluded passes can't be used; empty if it can."""
    try:
        Exclusions((Path(order.source),), str(order.flags.get("id_column") or ""))
    except CampaignError as error:
        return without_paths(str(error), order.names)
    return ""


class _ProgressPrinter:
    """Prints the progress of the check, at most every PRINTED_EVERY_SECONDS."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, done: int, of: int) -> None:
        if (now := time.monotonic()) >= self._next:
            self._next = now + PRINTED_EVERY_SECONDS
            sys.stdout.buffer.write(orjson.dumps({"done": done, "of": of}) + b"\n")
            sys.stdout.flush()
