"""A campaign's page, for the command and the console."""

from campaign.domain.locations import Place
from campaign.insights import view
from campaign.ledger.port import CampaignRecord, LedgerReader


def write_report(reader: LedgerReader, record: CampaignRecord, place: Place, *, by: str = "", ledger: str = "") -> None:
    """Write the page to a file.

    Raises:
        UsageError: the place can't be written, or there is nothing to divide by as `by` says.
        DiskFullError: no space left.
    """
    from campaign.reporter.analysis import figures
    from campaign.reporter.page import check_page_writable, write_page

    check_page_writable(place)
    write_page(place, figures(reader, view(reader, record, ledger=ledger), by=by))
