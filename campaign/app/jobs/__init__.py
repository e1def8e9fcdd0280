"""Job files: everything a run needs in one TOML file, for runs that start by themselves."""

from campaign.app.jobs.carrying import carry_out, too_early
from campaign.app.jobs.folder import JobCheck, check_folder
from campaign.app.jobs.job import Command, Job, read_job
from campaign.app.jobs.mistakes import JobError, Mistake
from campaign.app.jobs.orders import Order, RetryOrder, SendOrder, order_of, settings_of

__all__ = [
    "Command",
    "Job",
    "JobCheck",
    "JobError",
    "Mistake",
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
