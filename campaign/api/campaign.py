"""`Campaign`: one campaign by its name, with the functions of `calls` as methods."""

from collections.abc import Mapping
from typing import Any, Unpack

import pandas as pd

from campaign.api import options as opt
from campaign.api.call import Call, List, Numbers, OnProgress, Words, cancel_call, pause_call
from campaign.api.calls import acheck, aresults, aresume, aretry, arun, astatus, averify, check, results, resume, retry, run, status, verify
from campaign.api.options import CheckOptions, ResumeOptions, RetryOptions, RunOptions, VerifyOptions, check_options
from campaign.api.result import Checked, Result


class Campaign:
    """One campaign.

    Each method calls the function of its name, with the same arguments and errors. It takes from `options` those that it has; options of
    the method itself come first.

    Args:
        name: the campaign's name. The campaign need not exist yet.
        options: options of any of the functions, such as `ledger`, `token` or `rate`.
    """

    def __init__(self, name: str, /, **options: Unpack[RunOptions]) -> None:
        check_options(options, sorted(opt.ALL - {"name"}), function="Campaign")
        self.name = name
        self._options: dict[str, Any] = dict(options)

    def __repr__(self) -> str:
        return f"Campaign({self.name!r})"

    def check(self, rows: List, /, **options: Unpack[CheckOptions]) -> Checked:
        return check(rows, name=self.name, **self._with(opt.CHECK, options))

    async def acheck(self, rows: List, /, **options: Unpack[CheckOptions]) -> Checked:
        return await acheck(rows, name=self.name, **self._with(opt.CHECK, options))

    def run(self, rows: List, /, *, progress: OnProgress | None = None, **options: Unpack[RunOptions]) -> Result:
        return run(rows, name=self.name, dry_run=False, progress=progress, **self._with(opt.RUN, options))

    async def arun(self, rows: List, /, *, progress: OnProgress | None = None, **options: Unpack[RunOptions]) -> Result:
        return await arun(rows, name=self.name, dry_run=False, progress=progress, **self._with(opt.RUN, options))

    def resume(self, *, progress: OnProgress | None = None, **options: Unpack[ResumeOptions]) -> Result:
        return resume(self.name, progress=progress, **self._with(opt.RESUME, options))

    async def aresume(self, *, progress: OnProgress | None = None, **options: Unpack[ResumeOptions]) -> Result:
        return await aresume(self.name, progress=progress, **self._with(opt.RESUME, options))

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
        return retry(self.name, corrected, progress=progress, **which, **self._with(opt.RETRY, options))

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
        return await aretry(self.name, corrected, progress=progress, **which, **self._with(opt.RETRY, options))

    def verify(self, *, progress: OnProgress | None = None, **options: Unpack[VerifyOptions]) -> Result:
        return verify(self.name, progress=progress, **self._with(opt.VERIFY, options))

    async def averify(self, *, progress: OnProgress | None = None, **options: Unpack[VerifyOptions]) -> Result:
        return await averify(self.name, progress=progress, **self._with(opt.VERIFY, options))

    def status(self) -> Result:
        return status(self.name, **self._with(opt.LEDGER, {}))

    async def astatus(self) -> Result:
        return await astatus(self.name, **self._with(opt.LEDGER, {}))

    def results(self, *, status: Words = None) -> pd.DataFrame:
        return results(self.name, status=status, **self._with(opt.LEDGER, {}))

    async def aresults(self, *, status: Words = None) -> pd.DataFrame:
        return await aresults(self.name, status=status, **self._with(opt.LEDGER, {}))

    def pause(self) -> None:
        """Stop sending, in every process, until the campaign is resumed."""
        pause_call(self.name, self._with(opt.CONTROL, {})).now()

    async def apause(self) -> None:
        await pause_call(self.name, self._with(opt.CONTROL, {})).later()

    def cancel(self, *, yes: bool = False) -> None:
        """Stop the campaign for good: rows that are not sent yet are skipped, and unreleased batches are cancelled at PassEntry."""
        self._cancelling(yes=yes).now()

    async def acancel(self, *, yes: bool = False) -> None:
        await self._cancelling(yes=yes).later()

    def _cancelling(self, *, yes: bool) -> Call[None]:
        return cancel_call(self.name, self._with(opt.CONTROL, {}), yes=yes or bool(self._options.get("yes")))

    def _with(self, known: tuple[str, ...], options: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in self._options.items() if name in known} | dict(options)
