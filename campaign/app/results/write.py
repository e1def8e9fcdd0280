"""Writes the results of a campaign, and the failed rows beside them."""

from contextlib import suppress
from typing import TYPE_CHECKING

from campaign.domain.lists.locations import Location
from campaign.domain.model import Counts
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.reporter.files.target import failed_path

if TYPE_CHECKING:
    from campaign.reporter.files.results import Written


def write(reader: LedgerReader, record: CampaignRecord, results: Location) -> "Written":
    """Write the results file, and the failed rows beside it."""
    from campaign.reporter.files.results import write_results

    spec, failed = record.spec, failed_path(results)
    while True:
        counts = reader.counts(record.id)

        def check(counts: Counts = counts) -> None:
            """Check that no other process has ended since, and may have written newer results. One that still sends writes them then."""
            if reader.counts(record.id) != counts and not any(runner.alive for runner in reader.runners(record.id)):
                raise _OutdatedError

        with suppress(_OutdatedError):
            parts = reader.result_columns(record.id)
            written = write_results(results, campaign=spec.name, columns=spec.columns, parts=parts, failed=failed, check=check)
            check()
            return written


class _OutdatedError(Exception):
    """The ledger has changed while results were written."""
