"""Writes the results of a campaign, and the failed rows beside them."""

from contextlib import suppress
from typing import TYPE_CHECKING

from campaign.app.results.known_results import check_not_newer
from campaign.app.results.places import Belongs
from campaign.app.results.sending_marker import check_not_sent_into
from campaign.app.results.writable import check_not_anothers
from campaign.domain.errors import InputError, LedgerError, SafeguardError, UsageError
from campaign.domain.lists.locations import Location
from campaign.domain.model import Counts
from campaign.insights import command_line
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


def check_replaceable(
    reader: LedgerReader, record: CampaignRecord, results: Location, compared: dict[Location, object] | None = None
) -> None:
    """Check that results, and the failed rows beside them, are no other campaign's, and know no more than the ledger."""
    for place in (results, failed_path(results)):
        check_not_newer(place, reader, record, compared, belongs=Belongs.BY_PLACE)
        # Another campaign may have written its results there since this run began.
        check_not_anothers(place, record.spec.name)


def write_checked(
    reader: LedgerReader, record: CampaignRecord, results: Location, compared: dict[Location, object], *, sent: bool, ledger: str
) -> None:
    """Write the results at the end of a command, unless those that are there must not be replaced. `ledger` is as in `command_line`.

    Raises:
        UsageError, InputError: they must not, or can't be read; nothing was sent.
        SafeguardError: they were not written, and something may have been sent.
    """
    try:
        if not sent:
            check_not_sent_into(results, record, reader)
        check_replaceable(reader, record, results, compared)
    except (UsageError, InputError) as error:
        if not sent:
            raise
        raise _not_written(record, f"{results} was left as it is. {error}", ledger=ledger) from error
    try:
        write(reader, record, results)
    except (UsageError, InputError, LedgerError) as error:
        raise _not_written(record, str(error), ledger=ledger) from error


def _not_written(record: CampaignRecord, why: str, *, ledger: str) -> SafeguardError:
    """The error that replaces one whose exit code says that nothing was sent."""
    export = command_line("report", record.spec.name, "--output", "FILE", ledger=ledger)
    return SafeguardError(f"{why} What was sent is safe in the ledger: {export}", code="results_not_written")


class _OutdatedError(Exception):
    """The ledger has changed while results were written."""
