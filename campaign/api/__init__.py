"""The runner from Python: the command's use cases, on lists in memory, with results as DataFrames. It decides nothing itself."""

from campaign.api.background import Interrupted
from campaign.api.calls import (
    acheck,
    aresults,
    aresume,
    aretry,
    arun,
    astatus,
    averify,
    check,
    results,
    resume,
    retry,
    run,
    status,
    verify,
)
from campaign.api.campaign import Campaign
from campaign.api.front import Progress
from campaign.api.result import Checked, Result

__all__ = [
    "Campaign",
    "Checked",
    "Interrupted",
    "Progress",
    "Result",
    "acheck",
    "aresults",
    "aresume",
    "aretry",
    "arun",
    "astatus",
    "averify",
    "check",
    "results",
    "resume",
    "retry",
    "run",
    "status",
    "verify",
]
