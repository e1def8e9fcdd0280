"""Validates a folder of jobs, as if each started now; nothing is sent."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from campaign.app.campaign_settings import remembered
from campaign.app.jobs.job import Job, read_job
from campaign.app.jobs.resolve import RetryOrder, SendOrder, order_of, rows_of, settings_of
from campaign.app.jobs.schema import JobError, JobMistake
from campaign.app.lists.exclusions import Exclusions
from campaign.app.lists.list_source import default_name
from campaign.app.preflight.check import Checked, check
from campaign.domain.errors import CampaignError, InputError
from campaign.domain.retry_selection import Selection
from campaign.loader.table import open_table
from campaign.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCheck:
    """One job of a folder. `problems` are sentences; there is none if the job can run. `checked` is the result for its list, if it sends
    one; `selection` is the rows that a retry sends again.
    """

    file: str
    command: str = ""
    campaign: str = ""
    selection: Selection | None = None
    rows: str | None = None
    checked: Checked | None = None
    mistakes: tuple[JobMistake, ...] = ()
    problem: str = ""

    @property
    def problems(self) -> tuple[str, ...]:
        return (*map(str, self.mistakes), *((self.problem,) if self.problem else ()))

    def as_json(self) -> dict[str, Any]:
        return {
            "job": self.file,
            "ok": not self.problems,
            "command": self.command or None,
            "campaign": self.campaign or None,
            "statuses": sorted(self.selection.statuses) if self.selection else [],
            "reasons": sorted(self.selection.reasons) if self.selection else [],
            "http_statuses": sorted(self.selection.http_statuses) if self.selection else [],
            "rows_file": self.rows,
            "mistakes": [mistake.as_json() for mistake in self.mistakes],
            "problem": self.problem or None,
            "check": self.checked.as_json() if self.checked is not None else None,
        }


async def check_folder(folder: Path, settings: Settings, *, now: datetime) -> list[JobCheck]:
    """Validate every job file of a folder; the results are in the order of the names.

    Raises:
        InputError: it is no folder, or has no job files.
    """
    return [await _check(path, settings, now) for path in await asyncio.to_thread(_jobs, folder)]


def _jobs(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError("There is no such folder. Give one that holds job files.", code="no_folder", file=folder)
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".toml" and path.is_file())
    if not files:
        raise InputError("There are no job files here; their names end in .toml.", code="no_jobs", file=folder)
    return files


async def _check(path: Path, settings: Settings, now: datetime) -> JobCheck:
    try:
        job = read_job(path)
    except JobError as error:
        return JobCheck(file=path.name, mistakes=error.mistakes)
    except InputError as error:
        return JobCheck(file=path.name, problem=error.problem)
    try:
        return await _order(job, settings, now)
    except CampaignError as error:
        return JobCheck(file=path.name, command=job.command, problem=str(error).removeprefix(f"{path}: "))


async def _order(job: Job, settings: Settings, now: datetime) -> JobCheck:
    match order_of(job, settings_of(job, settings, now=now), now=now):
        case SendOrder(source=source, settings=ready):
            # A run refuses this, too, but the check of the list does not find it: an end that is over, an exclusion that can't be read.
            remembered(ready, now=now, own_zones=True)
            await asyncio.to_thread(Exclusions, ready.exclude, ready.id_column or "")
            checked = await check(source, ready)
            return JobCheck(file=job.file.name, command=job.command, campaign=ready.name or default_name(source), checked=checked)
        case RetryOrder() as order:
            rows = await asyncio.to_thread(rows_of, order, job, now=now)
            if rows is not None:
                (await asyncio.to_thread(open_table, rows)).close()
            return JobCheck(file=job.file.name, command=job.command, campaign=order.campaign, selection=order.selection, rows=rows)
