"""Looks campaigns up for whoever names one."""

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

from campaign.app.ledgers import open_reader
from campaign.domain.errors import UsageError
from campaign.ledger.port import CampaignRecord, Control, LedgerReader
from campaign.settings import Settings


@contextmanager
def reading(settings: Settings) -> Iterator[LedgerReader]:
    reader = open_reader(settings)
    try:
        yield reader
    finally:
        reader.close()


def find(reader: LedgerReader, name: str) -> CampaignRecord:
    """The campaign of this name.

    Raises:
        UsageError: there is none; names the ones there are, the one that may be meant first.
    """
    record = reader.campaign(name)
    if record is not None:
        return record
    if Path(name).suffix.lower() in {".csv", ".parquet", ".xlsx", ".jsonl", ".gz", ".bz2", ".zst"}:
        raise UsageError(
            f"There is no file {name}, nor a campaign of that name. A failed-rows file is removed once none of its rows needs anyone.",
            code="unknown_campaign",
            campaign=name,
        )
    names = [found.spec.name for found in reader.campaigns()]
    known = (
        f"{_meant(name, names)}There are: {', '.join(names[:20])}. The ledger is {reader.place}."
        if names
        else (
            f"The ledger {reader.place} has none yet: start one with campaign run LIST, or name another ledger with --ledger or "
            "CAMPAIGN_LEDGER."
        )
    )
    raise UsageError(f"There is no campaign named “{name}”. {known}", code="unknown_campaign", campaign=name)


def _meant(name: str, names: list[str]) -> str:
    by_loose_name = {known.casefold(): known for known in names}
    near = get_close_matches(name.casefold(), list(by_loose_name), n=1)
    return f"Did you mean “{by_loose_name[near[0]]}”? " if near else ""


def find_whole(reader: LedgerReader, name: str) -> CampaignRecord:
    """`find`, of those whose list was read to its end.

    Raises:
        UsageError: there is none, or it is half staged; says what to do.
    """
    record = find(reader, name)
    if record.control is Control.STAGING:
        if any(runner.alive for runner in reader.runners(record.id)):
            raise UsageError(
                f"The campaign “{name}” is being staged by another process: wait until that has read its list, or stop it there.",
                code="being_staged",
                campaign=name,
            )
        raise UsageError(
            f"The list of “{name}” was not read to its end, and nothing of it was sent. Run the same command again: campaign run LIST ...",
            code="half_staged",
            campaign=name,
        )
    return record
