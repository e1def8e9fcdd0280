"""Whether a campaign's file may come into a ledger that knows the campaign."""

from collections.abc import Iterable

from campaign.domain.errors import UsageError
from campaign.insights import has_sent
from campaign.ledger.port import CampaignRecord, LedgerReader, RunnerRecord


def check_may_come(reader: LedgerReader, record: CampaignRecord, runners: Iterable[RunnerRecord]) -> None:
    """That nobody would be told twice.

    Args:
        reader: of the ledger that the campaign comes into.
        record: the campaign as its file has it.
        runners: whoever has sent it until the file was made.

    Raises:
        UsageError: the campaign is here, or was sent from here since the file was made.
    """
    known = {_who(runner) for runner in runners}
    for other in reader.campaigns():
        # When it was made goes with a campaign wherever it goes; only one that was handed over may come back, and not as it was before.
        if (other.created_at, other.spec.list_sha256) != (record.created_at, record.spec.list_sha256):
            continue
        if not other.exported_at:
            raise UsageError(
                f"This campaign is in the ledger already, as “{other.spec.name}”; from two, people would be told twice.",
                code="already_imported",
                campaign=other.spec.name,
            )
        if any(has_sent(runner) and _who(runner) not in known for runner in reader.runners(other.id)):
            raise UsageError(
                f"The file is older than what this ledger has sent of the campaign, as “{other.spec.name}”: from it, people would be told "
                f"twice. Import what was exported last, which was {other.exported_to}.",
                code="older_export",
                campaign=other.spec.name,
            )


def _who(runner: RunnerRecord) -> tuple[str, int, float]:
    return runner.host, runner.pid, runner.started_at
