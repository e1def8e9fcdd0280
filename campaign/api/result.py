"""The results of calls."""

from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Self

from campaign.api.options import with_arguments
from campaign.app.preflight.check import Checked as Findings
from campaign.app.results import report
from campaign.domain.status import NEEDS_ATTENTION, Status
from campaign.insights import CampaignView
from campaign.settings import Settings

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Result:
    """The state of a campaign.

    Attributes:
        campaign: the campaign's name.
        state: `staged`, `sending`, `waiting`, `paused`, `finished`, `stopped` or `cancelled`.
        exit_code: the command's exit code: 0 all settled without failure, 3 rows need attention, 4 stopped by a safeguard, 5 rows left.
        counts: rows by status, with every status.
        rows: the number of rows in the list.
        note: what the call did not do, and why, as sentences, also why rows are left; empty if there is nothing to say.
        results_file: the file that results were written to; None if there is none. The ledger has them, too.
        json: the output of the command with `--json`.
    """

    campaign: str
    state: str
    exit_code: int
    counts: dict[str, int]
    rows: int
    note: str = ""
    results_file: str | None = None
    json: dict[str, Any] = field(default_factory=dict, repr=False)
    _settings: Settings = field(repr=False, compare=False)

    @classmethod
    def of(cls, view: CampaignView, settings: Settings, *, note: str = "", details: dict[str, Any] | None = None) -> Self:
        found = view.as_json() | (details or {})
        said = [note, "" if found["why"] in note else found["why"]]
        return cls(
            campaign=view.record.spec.name,
            state=view.state.value,
            exit_code=view.exit_code,
            counts={status.value: view.counts.by_status.get(status, 0) for status in Status},
            rows=view.counts.rows,
            note=with_arguments(" ".join(filter(None, said))),
            results_file=view.results or None,
            json=found,
            _settings=settings,
        )

    @cached_property
    def results(self) -> "pd.DataFrame":
        """Every row, in the list's order: the columns of the list as text, then `delivery_*`, typed. Read from the ledger on first access.

        Times are `datetime64[ms, UTC]`, `delivery_latency_ms` is milliseconds, statuses and reasons are categories, numbers are nullable.

        Raises:
            CampaignError: the ledger can't be read, or the campaign's rows were removed.
        """
        return report.results(self.campaign, self._settings)

    @cached_property
    def failed(self) -> "pd.DataFrame":
        """`results` of the rows that need attention: failed, unknown or invalid. Correct it, and pass it to `retry`."""
        return report.results(self.campaign, self._settings, statuses=NEEDS_ATTENTION)

    def report(self, output: str | PathLike[str], *, by: str = "") -> None:
        """Write the results to a file: .csv, .parquet, .jsonl or .xlsx, or .html for a page.

        Args:
            output: the file, also as a URL of a store.
            by: a column of the list to divide the page by.

        Raises:
            UsageError: the file can't be written there; nothing was changed.
            DiskFullError: no space is left.
        """
        report.report(self.campaign, fspath(output), self._settings, by=by)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The findings about a list, of which nothing was sent.

    Attributes:
        counts: rows by status at the start of a run; `pending` can be sent.
        rows: the number of rows in the list.
        exit_code: 0, or 3 if rows can't be sent.
        estimated_seconds: how long sending takes at `rate`; 0 without pacing.
        reach: with `check(reach=True)`, how many passes are `in_wallet`, `issued`, `removed`, ...; else None.
        json: the output of the command with `--json`.
    """

    counts: dict[str, int]
    rows: int
    exit_code: int
    estimated_seconds: float
    reach: dict[str, int] | None = None
    json: dict[str, Any] = field(repr=False)

    @classmethod
    def of(cls, found: Findings) -> Self:
        return cls(
            counts={status.value: found.counts.by_status[status] for status in Status},
            rows=found.counts.rows,
            exit_code=found.exit_code,
            estimated_seconds=found.estimated_seconds,
            reach=None if found.reach is None else {place.value: count for place, count in found.reach.counts.items()},
            json=found.as_json(),
        )

    @cached_property
    def problems(self) -> "pd.DataFrame":
        """Why rows can't be sent or are skipped: `kind`, `count`, `first_rows` (counted from 1), `first_lines`, `example`."""
        return self._frame("problems", ("kind", "count", "first_rows", "first_lines", "example"))

    @cached_property
    def warnings(self) -> "pd.DataFrame":
        """Lint findings in messages that can be sent: `kind`, `count`, `first_rows`, `first_lines`, `example`."""
        return self._frame("warnings", ("kind", "count", "first_rows", "first_lines", "example"))

    @cached_property
    def samples(self) -> "pd.DataFrame":
        """The first messages: `row`, `line`, `pass_id`, `message`, `length` (in characters as people count them)."""
        return self._frame("samples", ("row", "line", "pass_id", "message", "length"))

    def _frame(self, key: str, columns: tuple[str, ...]) -> "pd.DataFrame":
        import pandas as pd  # noqa: PLC0415 - slow to load, and needed only for a DataFrame

        return pd.DataFrame([{name: one.get(name) for name in columns} for one in self.json[key]], columns=list(columns))
