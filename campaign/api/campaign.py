"""A campaign by its name, with options that hold for every call about it."""

from collections.abc import Mapping
from typing import Any, Unpack

import pandas as pd

from campaign.api import calls
from campaign.api import options as opt
from campaign.api.calls import List, Numbers, OnProgress, Words
from campaign.api.front import needs_yes
from campaign.api.options import CheckOptions, ResumeOptions, RetryOptions, RunOptions, VerifyOptions, check_options
from campaign.api.result import Checked, Result
from campaign.ledger.port import Control


class Campaign:
    """One campaign.

    Each method is the function of its name, which has the arguments and the errors. Options that a method does not have are left to those
    that have them; what is given to a method counts before what the campaign has.

    Args:
        name: the campaign's; it need not be there yet.
        options: those of any of the functions, such as `ledger`, `token` or `rate`.
    """

    def __init__(self, name: str, /, **options: Unpack[RunOptions]) -> None:
        check_options(options, sorted(opt.ALL - {"name"}), function="Campaign")
        self.name = name
        self._options: dict[str, Any] = dict(options)

    def __repr__(self) -> str:
        return f"Campaign({self.name!r})"

    def check(self, rows: List, /, **options: Unpack[CheckOptions]) -> Checked:
        return calls.check(rows, name=self.name, **self._with(opt.CHECK, options))

    async def acheck(self, rows: List, /, **options: Unpack[CheckOptions]) -> Checked:
        return await calls.acheck(rows, name=self.name, **self._with(opt.CHECK, options))

    def run(self, rows: List, /, *, progress: OnProgress | None = None, **options: Unpack[RunOptions]) -> Result:
        return calls.run(rows, name=self.name, dry_run=False, progress=progress, **self._with(opt.RUN, options))

    async def arun(self, rows: List, /, *, progress: OnProgress | None = None, **options: Unpack[RunOptions]) -> Result:
        return await calls.arun(rows, name=self.name, dry_run=False, progress=progress, **self._with(opt.RUN, options))

    def resume(self, *, progress: OnProgress | None = None, **options: Unpack[ResumeOptions]) -> Result:
        return calls.resume(self.name, progress=progress, **self._with(opt.RESUME, options))

    async def aresume(self, *, progress: OnProgress | None = None, **options: Unpack[ResumeOptions]) -> Result:
        return await calls.aresume(self.name, progress=progress, **self._with(opt.RESUME, options))

    def retry(
        self,
        corrected: List | None = None,
        /,
        *,
        rows: List | None = None,
        status: Words = None,
        reason: Words = None,
        http_status: Numbers = None,
        progress: OnProgress | None = None,
        **options: Unpack[RetryOptions],
    ) -> Result:
        which: dict[str, Any] = {"rows": rows, "status": status, "reason": reason, "http_status": http_status}
        return calls.retry(self.name, corrected, progress=progress, **which, **self._with(opt.RETRY, options))

    async def aretry(
        self,
        corrected: List | None = None,
        /,
        *,
        rows: List | None = None,
        status: Words = None,
        reason: Words = None,
        http_status: Numbers = None,
        progress: OnProgress | None = None,
        **options: Unpack[RetryOptions],
    ) -> Result:
        which: dict[str, Any] = {"rows": rows, "status": status, "reason": reason, "http_status": http_status}
        return await calls.aretry(self.name, corrected, progress=progress, **which, **self._with(opt.RETRY, options))

    def verify(self, *, progress: OnProgress | None = None, **options: Unpack[VerifyOptions]) -> Result:
        return calls.verify(self.name, progress=progress, **self._with(opt.VERIFY, options))

    async def averify(self, *, progress: OnProgress | None = None, **options: Unpack[VerifyOptions]) -> Result:
        return await calls.averify(self.name, progress=progress, **self._with(opt.VERIFY, options))

    def status(self) -> Result:
        return calls.status(self.name, **self._with(opt.LEDGER, {}))

    async def astatus(self) -> Result:
        return await calls.astatus(self.name, **self._with(opt.LEDGER, {}))

    def results(self, *, status: Words = None) -> pd.DataFrame:
        return calls.results(self.name, status=status, **self._with(opt.LEDGER, {}))

    async def aresults(self, *, status: Words = None) -> pd.DataFrame:
        return await calls.aresults(self.name, status=status, **self._with(opt.LEDGER, {}))

    def pause(self) -> None:
        """Stop sending, in every process, until it is resumed."""
        calls.control(self.name, Control.PAUSED, self._with(opt.LEDGER, {})).now()

    async def apause(self) -> None:
        await calls.control(self.name, Control.PAUSED, self._with(opt.LEDGER, {})).later()

    def cancel(self, *, yes: bool = False) -> None:
        """Stop it for good: what is not sent yet is skipped."""
        self._cancelling(yes=yes).now()

    async def acancel(self, *, yes: bool = False) -> None:
        await self._cancelling(yes=yes).later()

    def _cancelling(self, *, yes: bool) -> calls.Call[None]:
        if not yes and not self._options.get("yes"):
            raise needs_yes(f"This would cancel “{self.name}” for good; nothing was changed.")
        return calls.control(self.name, Control.CANCELLED, self._with(opt.LEDGER, {}))

    def _with(self, known: tuple[str, ...], options: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in self._options.items() if name in known} | dict(options)
