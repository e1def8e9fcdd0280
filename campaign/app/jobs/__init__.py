"""Job files: one TOML file with everything that an unattended run needs."""

from campaign.app.jobs.job import Command, Job, read_job
from campaign.app.jobs.resolve import Order, RetryOrder, SendOrder, order_of, settings_of
from campaign.app.jobs.run import carry_out, too_early
from campaign.app.jobs.schema import JobError, JobMistake
from campaign.app.jobs.validate import JobCheck, check_folder

__all__ = [
    "Command",
    "Job",
    "JobCheck",
    "JobError",
    "JobMistake",
    "Order",
    "RetryOrder",
    "SendOrder",
    "carry_out",
    "check_folder",
    "order_of",
    "read_job",
    "settings_of",
    "too_early",
]
