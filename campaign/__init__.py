"""Bulk notifications to wallet passes: claimed before they are sent, settled after, never sent twice by the runner's own decision.

From Python: `check`, `run`, `resume`, `retry`, `verify`, `status` and `results`, each also as a coroutine (`arun`, ...), and `Campaign`.
Page: docs/developers/python.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from campaign.api.background import Interrupted, Progress
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
    from campaign.api.result import Checked, Result
    from campaign.domain.errors import (
        CampaignError,
        DiskFullError,
        InputError,
        LedgerDamagedError,
        LedgerError,
        LedgerPlaceError,
        LedgerVersionError,
        OtherContentError,
        SafeguardError,
        StoppedError,
        TemplateError,
        TokenRefusedError,
        UsageError,
    )

__all__ = [
    "Campaign",
    "CampaignError",
    "Checked",
    "DiskFullError",
    "InputError",
    "Interrupted",
    "LedgerDamagedError",
    "LedgerError",
    "LedgerPlaceError",
    "LedgerVersionError",
    "OtherContentError",
    "Progress",
    "Result",
    "SafeguardError",
    "StoppedError",
    "TemplateError",
    "TokenRefusedError",
    "UsageError",
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

_MODULES = {
    "Campaign": "campaign.api.campaign",
    "Checked": "campaign.api.result",
    "Interrupted": "campaign.api.background",
    "Progress": "campaign.api.background",
    "Result": "campaign.api.result",
}


def __getattr__(name: str) -> Any:
    # The command imports this package, too, and needs none of these: its first screen must not wait for them.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _MODULES.get(name, "campaign.domain.errors" if name.endswith("Error") else "campaign.api.calls")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
