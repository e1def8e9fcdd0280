"""Checks that a command uses the ledger that knows what was sent: with a new ledger, another one or a copy, all would be sent to again."""

import asyncio
import shlex
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import assert_never

from campaign.app.confirmation import new_in_words
from campaign.app.lists.list_source import CheckedList, ListSource
from campaign.app.open_ledger import other_ledger
from campaign.app.results.comparison import campaign_of, has_rows_to_send, overtaken_row, resume_from
from campaign.app.results.known_results import SENT_AGAIN, check_not_newer, fingerprint
from campaign.app.results.owner import first_rows, holds_results, may_hold_results_of, owner_of
from campaign.app.results.places import is_list, own_place, places_of_campaign, results_places, with_folders
from campaign.app.results.sending_marker import RESULTS_OF, check_not_sent_elsewhere
from campaign.app.sending.access import account_key
from campaign.app.session import Session
from campaign.domain.errors import UsageError
from campaign.domain.ledger_identity import Difference, Displaced
from campaign.domain.lists.locations import Location, place_of
from campaign.domain.lists.sheet import place as row_in_words
from campaign.domain.model import Counts
from campaign.domain.status import MAY_HAVE_ARRIVED, Status
from campaign.domain.text.lines import rows as rows_in_words
from campaign.domain.text.lines import sanitize_for_terminal, utc_minute
from campaign.insights import command_line, iso
from campaign.ledger.ledger_errors import other_api
from campaign.ledger.port import CampaignRecord, DesiredState, LedgerReader
from campaign.loader.messages.template import Template
from campaign.reporter.files.target import failed_path
from campaign.sender.api.api_url import ApiUrl
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
        return {key: known.spec.settings.get(key, "") for key in (SENT_AGAIN, RESULTS_OF)}
    places = results_places(source, work.settings, of_results=bool(given.layout.results))
    own = own_place(source)
    await asyncio.to_thread(check_not_sent_elsewhere, chain(own, places), name, work.reader, given=own if given.layout.results else ())
    agreed: dict[str, str] = {}
    if given.layout.results:
        await asyncio.to_thread(_check_whose_results, work, given, source)
    results = await asyncio.to_thread(
        earlier_results, source, work.settings, campaign=name, of_results=bool(given.layout.results), reader=work.reader
    )
    # Another process may have staged and sent the campaign since the ledger was read.
    if results is not None and _is_new(work.reader.campaign(name)):
        work.require(
            unknown_in_words(results, name, place),
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


def _check_whose_results(work: Session, given: CheckedList, source: ListSource) -> None:
    """Check that results which are to be sent as a campaign of their own are not those of one that this ledger may still send.

    Their attempts show whose they are, whatever name they or the command give.
    """
    record = campaign_of(given.table.frames(), work.reader, given.results_of)
    if work.settings.name is None:
        record = record or _written_to(source, work.reader)
    if record is None or not _sends_the_same(given, record):
        return
    name, ledger = record.spec.name, work.settings.ledger_to_name
    own, told, other = map(sanitize_for_terminal, (name, given.results_of, given.spec.name))
    twice = f"rows would be sent as “{own}” and as “{other}”. Nothing was sent."
    is_cancelled, has_ended = record.desired_state is DesiredState.CANCELLED, work.reader.pending_work(record.id).finished
    if work.settings.name is None:
        code, again = "campaign_renamed", command_line("retry", name, "--rows", str(source), ledger=ledger)
        why = (
            f"but its delivery_campaign says “{told}”: {twice} A spreadsheet may have changed it: write “{own}” there again, or keep "
            f"results as .xlsx, where it stays. If the file was run under another name before, give that --name again. To send the failed "
            f"rows that the file names, as they are in the ledger: {again}"
        )
    elif not is_cancelled and not has_ended:
        code, again, end = "campaign_goes_on", command_line("resume", name, ledger=ledger), command_line("cancel", name, ledger=ledger)
        why = (
            f"of which rows are left: {twice} To send them: {again}. To send them as another campaign, copy this file, end this one "
            f"({end}), and run the copy."
        )
    elif (overtaken := overtaken_row(given.table.frames(), work.reader, record)) is not None:
        code, newest = "results_overtaken", command_line("report", name, "--output", "FILE", ledger=ledger)
        row, status = overtaken
        where = row_in_words(row, record.spec.lines.of(row))
        why = (
            f"but older ones: {where} is {status.info.label} there, and was sent since: {twice} The newest results: {newest}. If the file "
            "is another ledger's, go on from it with a new ledger, given with --ledger."
        )
    elif not is_cancelled and has_rows_to_send(given.table.frames()):
        code, again = "campaign_goes_on", command_line("retry", str(source), ledger=ledger)
        why = f"of which rows may be sent again: {twice} To do so: {again}"
    else:
        return
    raise UsageError(f"{source} holds results of this ledger's campaign “{own}”, {why}", code=code, campaign=name)


def _sends_the_same(given: CheckedList, record: CampaignRecord) -> bool:
    """Whether a file of results has the messages of its campaign, and not other ones."""
    return given.messages is None or record.spec.message_sha256 in given.same_messages


def _written_to(source: ListSource, reader: LedgerReader) -> CampaignRecord | None:
    """The campaign that writes its results to this file."""
    for record in reader.campaigns():
        own = record.spec.settings.get("results", "")
        if own and any(is_list(place, source) for place in (place_of(own), failed_path(place_of(own)))):
            return record
    return None


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


def warn_of_same_content(work: Session, record: CampaignRecord, messages: Collection[str]) -> None:
    """Warn if a campaign of another name has sent the same list and message. This is no error, as a person may want to send both."""
    if record.started_at:
        return
    if (found := same_content(work.reader, record.content_sha256, messages)) is not None:
        details = {"before": found.campaign, "sent": found.sent, "started_at": iso(found.started_at)}
        work.warn("same_content", found.in_words(), count=found.sent, example=found.campaign, in_summary=True, **details)


def warn_of_same_message(work: Session, record: CampaignRecord, given: CheckedList) -> None:
    """Warn if a campaign of another list has rows left to be sent with the same template, perhaps to the same passes."""
    if record.started_at or not isinstance(given.messages, Template):
        return
    for other in work.reader.campaigns():
        is_another = other.id != record.id and other.content_sha256 != record.content_sha256
        if (
            not is_another
            or other.finished_at
            or other.desired_state is DesiredState.CANCELLED
            or other.spec.message_sha256 not in given.same_messages
        ):
            continue
        if left := work.reader.counts(other.id).open:
            name = sanitize_for_terminal(other.spec.name)
            sentence = f"The campaign “{name}” has the same message, and {rows_in_words(left)} left: a pass that is in both gets it twice."
            work.warn("same_message", sentence, count=left, example=other.spec.name, in_summary=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentBefore:
    """A campaign that has sent a list and its message before, with the number of its rows that may have arrived."""

    campaign: str
    sent: int
    started_at: float
    is_own: bool = False

    def in_words(self) -> str:
        then = "A run sends none of them again." if self.is_own else "This one sends them again."
        return (
            f"The campaign “{sanitize_for_terminal(self.campaign)}” had the same list and message: {rows_in_words(self.sent)} of it "
            f"{'was' if self.sent == 1 else 'were'} sent, from {utc_minute(self.started_at)} on. {then}"
        )


def same_content(reader: LedgerReader, content_sha256: str, messages: Collection[str], *, name: str | None = None) -> SentBefore | None:
    """The campaign, perhaps only of a name, that has sent a list with this content; `messages` are the hashes of its messages."""
    for other in reader.campaigns():
        if (
            name in {None, other.spec.name}
            and other.started_at
            and other.content_sha256 == content_sha256
            and other.spec.message_sha256 in messages
        ):
            by_status = reader.counts(other.id).by_status
            if sent := sum(by_status[status] for status in MAY_HAVE_ARRIVED):
                return SentBefore(campaign=other.spec.name, sent=sent, started_at=other.started_at)
    return None


async def check_same_ledger(
    work: Session,
    record: CampaignRecord,
    *,
    results: Location | None = None,
    new_ids: Mapping[str, int] | None = None,
) -> None:
    """Check that the ledger is no copy of one that may still be sent from; called before anything of the campaign is sent.

    `results` is where this run writes. `new_ids` are the rows whose ids are about to be corrected, by the key of their new pass.

    Raises:
        UsageError: it is a copy, and nobody agrees to send from it from now on; or another ledger is sending
            the campaign; or its results know more than the ledger.
    """
    displaced = work.reader.displaced()
    if displaced is not None and displaced.matters(time.time()) and not work.settings.moved_here:
        work.require(
            _in_words(displaced, work.reader.place),
            "Send from this one from now on?",
            _move(work.ui.words),
            code="ledger_displaced",
            option="--moved-here",
        )
    if sentence := other_token(record, work.settings, lambda: work.reader.counts(record.id)):
        work.warn("other_token", sentence, count=1, example=record.spec.name, in_summary=True)
    await asyncio.to_thread(_check_not_behind_results, work, record, results, new_ids)
    if displaced is not None:
        before = displaced.before
        work.ui.tell(
            "ledger_moved_here",
            f"From now on the ledger is {work.reader.place}. Send nothing more from {before.path} on {before.host}: it can't know of this.",
            ledger=work.reader.place,
            difference=displaced.difference.value,
        )
    await work.ledger.move_here()


def check_same_api(record: CampaignRecord, settings: Settings) -> None:
    """Check that passes are read where the campaign was sent: another API, such as a simulator, shows none of its messages.

    Raises:
        UsageError: the settings name another one.
    """
    if record.api not in {"", api := ApiUrl.of(settings.api_url).place}:
        raise other_api(record.api, api)


def other_token(record: CampaignRecord, settings: Settings, counts: Callable[[], Counts]) -> str:
    """A sentence if the campaign would go on with another token; else empty, also if all that came of it yet are refusals of the old one.

    The new token may replace the old one, or belong to another organisation, which has other passes. `counts` takes long for many rows.

    Raises:
        UsageError: there is no token, or it can't be one.
    """
    if not record.account or record.account == account_key(settings) or not (record.retry_is_open or _was_tried(counts())):
        return ""
    return (
        f"The campaign “{sanitize_for_terminal(record.spec.name)}” was last started with another PASSENTRY_API_KEY, or PASSENTRY_API_URL "
        "was written in another way. It goes on with this one: make sure that it is of the same organisation."
    )


def _was_tried(counts: Counts) -> bool:
    """Whether more than refusals of the token came of a campaign."""
    again = counts.reasons(Status.PENDING).keys() - {"", "http_401"}
    return bool(again) or counts.rows > counts.left_out + counts.by_status[Status.PENDING]


def _check_not_behind_results(
    work: Session,
    record: CampaignRecord,
    results: Location | None,
    new_ids: Mapping[str, int] | None,
) -> None:
    places = places_of_campaign(record, work.settings, source=work.source, results=results)
    check_not_sent_elsewhere(places, record.spec.name, work.reader)
    for place, belongs in places.items():
        if problem := check_not_newer(place, work.reader, record, work.compared, new_ids, belongs=belongs):
            sentence = f"Whether the results know more than the ledger can't be seen, as they can't be read: {problem}"
            work.ui.tell("results_not_compared", sentence, results=str(place))


def unknown_in_words(results: Location, name: str, ledger: str) -> str:
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


def _in_words(displaced: Displaced, place: str) -> str:
    before = displaced.before
    match displaced.difference:
        case Difference.OTHER_MACHINE:
            what = f"The ledger {place} comes from another machine or database server."
        case Difference.CLONED_MACHINE:
            what = f"The ledger {place} comes from another machine, of which this one is a clone."
        case Difference.COPIED_FILE:
            what = f"The ledger {place} is a copy, or was moved or restored."
        case _:
            assert_never(displaced.difference)
    return (
        f"{what} Until now it was {before.path} on {before.host}; its last run was at {utc_minute(displaced.last_run_at)}. If that one "
        "has sent since, this one does not know it, and would send the same again."
    )


def _move(words: Sequence[str]) -> str:
    way = "If nothing is sent from that one any more, add --moved-here to the command, once"
    at = words.index("--") if "--" in words else len(words)
    return f"{way}: {shlex.join(['campaign', *words[:at], '--moved-here', *words[at:]])}" if words else f"{way}."
