"""The process that reads lists: a list may be huge, or hostile, and neither its memory nor its work may be the pages'.

    python -m campaign.console.drafts.work < ORDER

The order is one JSON object. A line on stdout tells how far it is; what was found is put into the draft's folder, whole.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import TypeAdapter

from campaign.app.checking import Checked, check
from campaign.app.controls import Exclusions
from campaign.console.drafts.findings import CHECKED, LOOKED, PROBLEMS, Finding, Found, Looked, Specimen, as_json
from campaign.console.drafts.looking import look
from campaign.console.drafts.shelf import write_whole
from campaign.console.drafts.wording import without_paths
from campaign.domain.errors import CampaignError
from campaign.domain.model import Status
from campaign.reporter.concerns import concern_in_words
from campaign.reporter.reasons import reason_in_words
from campaign.settings import Settings

TOLD_EVERY_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to do: `look` at the list, `check` it with its message, or look through a `file` of passes to leave out.

    `flags` are settings above the environment's; `names` what people call the files, by their paths.
    """

    task: str
    folder: str
    source: str
    key: str
    flags: Mapping[str, Any]
    names: Mapping[str, str]


def main() -> None:
    """Do what stdin says."""
    order = TypeAdapter(Order).validate_json(sys.stdin.buffer.read())
    folder = Path(order.folder)
    match order.task:
        case "look":
            write_whole(folder / LOOKED, as_json(_look(order)))
        case "check":
            write_whole(folder / CHECKED, as_json(_check(order, folder)))
        case _:
            sys.stdout.write(json.dumps({"error": _exclude(order)}) + "\n")


def _look(order: Order) -> Looked:
    try:
        return look(Path(order.source), order.key)
    except CampaignError as error:
        # It can't be used, so there is no reason to keep what may be a gigabyte of customers' data.
        Path(order.source).unlink(missing_ok=True)
        return Looked(key=order.key, error=without_paths(str(error), order.names))


def _check(order: Order, folder: Path) -> Found:
    problems = folder / PROBLEMS
    try:
        settings = Settings.read(**order.flags)
        found = asyncio.run(check(order.source, settings, problem_rows=problems, progress=_Teller()))
    except CampaignError as error:
        return Found(key=order.key, error=without_paths(str(error), order.names), by_status={})
    return _found(found, order.key)


def _found(checked: Checked, key: str) -> Found:
    counts = checked.counts
    return Found(
        key=key,
        rows=counts.rows,
        sendable=counts.by_status[Status.PENDING],
        by_status=counts.by_status,
        problems=tuple(
            Finding(kind=found.kind, words=reason_in_words(found.kind), count=found.count, rows=found.rows, example=found.example)
            for found in checked.problems
        ),
        concerns=tuple(
            Finding(
                kind=found.kind,
                words=concern_in_words(found, lock_screen=checked.lock_screen),
                count=found.count,
                rows=found.rows,
                example=found.example,
            )
            for found in checked.concerns
        ),
        samples=tuple(Specimen(row=sample.row, message=sample.message, length=sample.length) for sample in checked.samples),
        problem_rows=counts.by_status[Status.INVALID] + counts.by_status[Status.SKIPPED],
    )


def _exclude(order: Order) -> str:
    """Why a list of passes to leave out can't be used; empty if it can."""
    try:
        Exclusions((Path(order.source),))
    except CampaignError as error:
        return without_paths(str(error), order.names)
    return ""


class _Teller:
    """Tells how far the check is, not more often than anybody looks."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, done: int, of: int) -> None:
        if (now := time.monotonic()) >= self._next:
            self._next = now + TOLD_EVERY_SECONDS
            sys.stdout.buffer.write(orjson.dumps({"done": done, "of": of}) + b"\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
