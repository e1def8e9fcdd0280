"""Checks that results of a campaign know no more than the ledger, before they are replaced or rows are sent."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Final

from campaign import object_store
from campaign.app.lists.list_source import as_file_name
from campaign.app.results.comparison import Comparison, shares_attempt
from campaign.app.results.owner import FirstRows, first_rows, may_hold_results_of, owner_in
from campaign.app.results.places import Belongs
from campaign.domain.errors import InputError, UsageError
from campaign.domain.lists.locations import Location, place_of
from campaign.domain.status import ENDED
from campaign.domain.text.lines import sanitize_for_terminal
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.loader.source import Source
from campaign.reporter.files.target import same_file

SENT_AGAIN: Final = "sent_again"
"""The campaign's setting with the hashes of results despite which a person has agreed to send again."""


def fingerprint(place: Location) -> str:
    """The hash that identifies the content of a results file; empty if it can't be read."""
    with suppress(InputError):
        source = Source.find(place)
        source.close()
        return source.sha256
    return ""


def check_not_newer(
    place: Location,
    reader: LedgerReader,
    record: CampaignRecord,
    compared: dict[Location, object] | None = None,
    new_ids: Mapping[str, int] | None = None,
    *,
    belongs: Belongs = Belongs.BY_NAME,
) -> str:
    """Check that a campaign's results do not know more than the ledger; returns why they can't be read to their end, or an empty text.

    They are read only if they are this campaign's, and the ledger has rows that may be sent: about other rows they can't know more. Files
    that were `compared` before are not read again unless they have changed. `new_ids` are the rows whose ids are about to be corrected, by
    the key of their new pass.

    Raises:
        UsageError: they know more, or may know more and can't be read. They are the only proof of what was sent, so nothing may replace
            them, and nothing may be sent.
    """
    version = _version(place)
    if version is None or (compared is not None and compared.get(place) == version):
        return ""
    problem = ""
    rows, of_another = first_rows(place), _is_of_another_ledger(place, record)
    owner = owner_in(rows)
    if _is_of(rows, record, reader, by_place=of_another or belongs is Belongs.BY_PLACE) and _may_send(reader, record):
        if of_another and not owner:
            raise _not_readable(place, record)
        comparison = Comparison(place, reader, record, new_ids or {}, is_of_campaign=belongs is not Belongs.BY_ATTEMPT)
        is_agreed, problem = _compare(place, record, comparison)
        # Whoever never sent the campaign has not written the file.
        is_anothers = of_another or (belongs is Belongs.BY_PLACE and not record.started_at and not place.stem.endswith(".failed"))
        if is_anothers and not is_agreed and (problem or (not owner and not comparison.rows)):
            raise _not_readable(place, record)
    if compared is not None:
        compared[place] = version
    return problem


def _is_of(rows: FirstRows | None, record: CampaignRecord, reader: LedgerReader, *, by_place: bool) -> bool:
    """Whether a file with these first rows counts as results of the campaign.

    Where its results are written, a person may have removed its name. Elsewhere another ledger may have gone on under another name.
    """
    if not rows:
        return rows is not None and by_place
    if owner_in(rows) == record.spec.name:
        return True
    may_be = may_hold_results_of(rows, record.spec.name, reader)
    return may_be and (by_place or shares_attempt(rows, reader, record))


def _compare(place: Location, record: CampaignRecord, comparison: Comparison) -> tuple[bool, str]:
    """Compare a file, unless a person has agreed to send again despite it; returns whether one has, and why it can't be read to its end."""
    try:
        source = Source.find(place)
        if source.sha256 in record.spec.settings.get(SENT_AGAIN, "").split():
            source.close()
            return True, ""
        comparison.read(source)
    except InputError as error:
        return False, str(error)
    return False, ""


def is_there(place: Location) -> bool:
    """Whether there is a file, or an object; raises InputError if a store can't be read."""
    return _version(place) is not None


def _version(place: Location) -> object:
    """A value that changes when the file changes; None if there is no file."""
    if not isinstance(place, Path):
        return object_store.find(place)
    try:
        found = place.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _is_of_another_ledger(place: Location, record: CampaignRecord) -> bool:
    """Whether a file is named as results of a run from this campaign's results, and this ledger did not write it.

    Its failed rows, which may be none, are not looked at.
    """
    own = record.spec.settings.get("results", "")
    is_named = ".resumed" in place.name and not place.stem.endswith(".failed")
    if not isinstance(place, Path) or not is_named or (own and same_file(place, place_of(own))):
        return False
    of_campaign = [as_file_name(record.spec.name), *(PurePath(one).name for one in (record.spec.list_place, record.spec.list_name, own))]
    return place.name.split(".")[0] in {name.split(".")[0] for name in of_campaign}


def _not_readable(place: Location, record: CampaignRecord) -> UsageError:
    return UsageError(
        f"{place} can't be read as results. A run of another ledger, perhaps of another user, may have written it: if they "
        f"are of the campaign “{sanitize_for_terminal(record.spec.name)}”, this ledger would send the same again. Make the file readable "
        "for you, with the columns that the run wrote, or, if it is of another campaign, move it away.",
        code="results_not_readable",
        results=str(place),
    )


def _may_send(reader: LedgerReader, record: CampaignRecord) -> bool:
    by_status = reader.counts(record.id).by_status
    return any(count for status, count in by_status.items() if status not in ENDED)
