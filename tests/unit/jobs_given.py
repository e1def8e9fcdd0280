"""Job files of tests, and what is wrong with them."""

from pathlib import Path

from campaign.app.jobs.job import read_job
from campaign.app.jobs.schema import JobError, JobMistake


def write_job(folder: Path, text: str, name: str = "job.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(path: Path) -> tuple[JobMistake, ...]:
    """The mistakes of a job file; none if it is fine."""
    try:
        read_job(path)
    except JobError as error:
        return error.mistakes
    return ()
