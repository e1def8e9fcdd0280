"""A campaign's results, as a file in any format, as a page, or as a DataFrame."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from campaign.app.open_ledger import check_here, find_whole, reading
from campaign.app.results.sending_marker import check_not_sent_into
from campaign.app.results.writable import check_writable_of
from campaign.app.results.write import check_replaceable, write
from campaign.domain.errors import UsageError
from campaign.domain.lists.locations import Location, parse_location
from campaign.domain.status import Status
from campaign.insights import view
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.reporter.files.target import format_of
from campaign.setting_types import given_path
from campaign.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from campaign.reporter.files.results import Written


def write_report(reader: LedgerReader, record: CampaignRecord, place: Location, *, by: str = "", ledger: str = "") -> None:
    """Write the page to a file.

    Raises:
        UsageError: the place can't be written, or the page can't be divided by `by`.
        DiskFullError: no space left.
    """
    from campaign.reporter.figures import figures
    from campaign.reporter.page import check_page_writable, write_page

    check_page_writable(place)
    write_page(place, figures(reader, view(reader, record, ledger=ledger), by=by))


def is_page(output: str) -> bool:
    return output.lower().endswith(".html")


def report(name: str, output: str, settings: Settings, *, by: str = "") -> "Written | None":
    """Write a campaign's results, or its page, for which it returns None; `by` is a column of the list that divides a page.

    Raises:
        UsageError: there is no such campaign, or the output can't be written; nothing was changed.
        DiskFullError: no space left.
    """
    if by and not is_page(output):
        raise UsageError(
            "--by divides the rows on the page alone. Give --output a name that ends in .html.", code="only_for_pages", option="--by"
        )
    with reading(settings) as reader:
        record = find_kept(reader, name)
        place = parse_location(output)
        place = given_path("--output", place) if isinstance(place, Path) else place
        if is_page(output):
            write_report(reader, record, place, by=by, ledger=settings.ledger_to_name)
            return None
        format_of(place, also=", and a page to read in .html")
        check_writable_of(record, place)
        check_not_sent_into(place, record, reader)
        check_replaceable(reader, record, place)
        return write(reader, record, place)


def results(name: str, settings: Settings, *, statuses: Iterable[Status] = ()) -> "pd.DataFrame":
    """The rows of a campaign, or those of these statuses, in the form of `reporter.frames`.

    Raises:
        UsageError: there is no such campaign.
    """
    from campaign.reporter.frames import frame_of, schema_of, tables

    with reading(settings) as reader:
        record = find_kept(reader, name)
        schema = schema_of(record.spec.columns)
        parts = reader.result_columns(record.id, frozenset(statuses) or None)
        return frame_of(tables(parts, schema=schema, campaign=name), schema=schema)


def find_kept(reader: LedgerReader, name: str) -> CampaignRecord:
    """The campaign of this name; raises UsageError if there is none, it is half staged, or its rows were purged."""
    record = find_whole(reader, name)
    if record.purged_at:
        check_here(record)
    return record
