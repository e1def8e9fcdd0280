"""Checks, before a list is staged, that no campaign that this ledger does not know has sent it: all would be sent to again."""

import asyncio
from itertools import chain

from campaign.app.confirmation import new_in_words
from campaign.app.ledger_checks.given_results import check_own_results, check_whose_results
from campaign.app.lists.list_source import CheckedList, ListSource
from campaign.app.open_ledger import other_ledger
from campaign.app.results.comparison import resume_from
from campaign.app.results.known_results import SENT_AGAIN, fingerprint
from campaign.app.results.owner import first_rows, holds_results, may_hold_results_of, owner_of
from campaign.app.results.places import is_list, own_places, results_places, with_folders
from campaign.app.results.sending_marker import RESULTS_OF, check_not_sent_elsewhere
from campaign.app.session import Session
from campaign.domain.lists.locations import Location
from campaign.domain.text.lines import sanitize_for_terminal
from campaign.ledger.port import CampaignRecord, DesiredState, LedgerReader
from campaign.settings import Settings


async def check_known(work: Session, given: CheckedList, source: ListSource) -> dict[str, str]:
    """Check that no campaign that this ledger does not know has sent the list already.

    Returns:
        The settings that the campaign has to remember about this.

    Raises:
        UsageError: another ledger is sending it; or its results exist, and nobody agrees to send it again.
    """
    name, place = given.spec.name, work.reader.place
    known = work.reader.campaign(name)
    if known is not None and not _is_new(known):
        if given.layout.results and given.results_of == name:
            await asyncio.to_thread(check_own_results, work, given, known)
        return {key: known.spec.settings.get(key, "") for key in (SENT_AGAIN, RESULTS_OF)}
    places = results_places(source, work.settings, of_results=given.layout.results)
    own = own_places(source)
    await asyncio.to_thread(check_not_sent_elsewhere, chain(own, places), name, work.reader, given=own if given.layout.results else ())
    agreed: dict[str, str] = {}
    if given.layout.results:
        await asyncio.to_thread(check_whose_results, work, given, source)
    results = await asyncio.to_thread(
        earlier_results, source, work.settings, campaign=name, of_results=given.layout.results, reader=work.reader
    )
    # Another process may have staged and sent the campaign since the ledger was read.
    if results is not None and _is_new(work.reader.campaign(name)):
        work.require(
            _unknown_in_words(results, name, place),
            "Send to all of them again?",
            _ways_out(results, given, ledger=work.settings.ledger_to_name),
            code="ledger_without_campaign",
            option="--name",
        )
        agreed = {SENT_AGAIN: await asyncio.to_thread(_fingerprints, work, given, source)}
    if given.results_of not in {"", name}:
        agreed[RESULTS_OF] = given.results_of
    await asyncio.to_thread(_warn_of_new_ledger, work, given, source)
    if given.layout.results:
        work.ui.tell(
            "resumed_from_file",
            f"The ledger {place} does not know the campaign “{name}”: it goes on from {given.table.name} alone, which knows what was sent "
            "until it was written.",
            ledger=place,
        )
    return agreed


def _is_new(record: CampaignRecord | None) -> bool:
    """Whether a campaign is not in the ledger yet, or not whole."""
    return record is None or record.desired_state is DesiredState.STAGING


def _unknown_in_words(results: Location, name: str, ledger: str) -> str:
    """A sentence that a campaign's results exist, and the ledger does not know the campaign."""
    owner = owner_of(results)
    why = f" (it names “{sanitize_for_terminal(owner)}”)" if owner else " (it names no campaign, or can't be read)"
    holds, why = ("holds", "") if owner == name else ("may hold", why)
    return (
        f"{results} {holds} results of the campaign “{sanitize_for_terminal(name)}”{why}, and the ledger {ledger} does not know the "
        f"campaign “{sanitize_for_terminal(name)}”: its passes may have been sent this message already."
    )


def earlier_results(
    source: ListSource, settings: Settings, *, campaign: str, of_results: bool, reader: LedgerReader | None
) -> Location | None:
    """A file with results of this campaign, in the place of its results or beside its list; None if there is none.

    With `of_results`, the list is a results file itself, so only results of a run that went on from it count. `reader` is that of the
    ledger, if there is one.
    """
    for place in dict.fromkeys(results_places(source, settings, of_results=of_results)):
        if not is_list(place, source) and may_hold_results_of(first_rows(place), campaign, reader):
            return place
    return None


def _ways_out(results: Location, given: CheckedList, *, ledger: str) -> str:
    ways = "Name the ledger that it was sent from with --ledger or CAMPAIGN_LEDGER. To send to everybody again, give it another --name."
    go_on = resume_from(results, id_column=given.spec.id_column, columns=given.layout.columns, ledger=ledger)
    return f"{ways} If that ledger is lost, go on from the results: {go_on}" if go_on and owner_of(results) else ways


def _fingerprints(work: Session, given: CheckedList, source: ListSource) -> str:
    named = work.settings.model_copy(update={"name": given.spec.name})
    places = with_folders([*results_places(source, named, of_results=False)])
    return " ".join(fingerprint(place) for place in places if owner_of(place) == given.spec.name)


def _warn_of_new_ledger(work: Session, given: CheckedList, source: ListSource) -> None:
    """Warn that the ledger is new if there are signs that another one was sent from."""
    if work.reader.campaigns():
        return
    ledger = work.reader.place
    if (results := given.table.name if given.layout.results else _any_results(source, work.settings)) is not None:
        sign, seen = f"{results} holds results of a campaign.", str(results)
    elif (other := other_ledger(work.settings)) is not None:
        sign, seen = f"There is another one: {other}.", str(other)
    else:
        return
    work.warn("new_ledger", f"{new_in_words(ledger)} {sign}", count=1, example=seen, in_summary=True, ledger=ledger, seen=seen)


def _any_results(source: ListSource, settings: Settings) -> Location | None:
    """Results of any campaign in the place of those of this campaign or of the list; None if there are none."""
    unnamed = settings.model_copy(update={"name": None, "results": None})
    places = chain(results_places(source, settings, of_results=False), results_places(source, unnamed, of_results=False))
    return next((place for place in dict.fromkeys(places) if holds_results(place)), None)
