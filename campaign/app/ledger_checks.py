"""Whether a command uses the ledger that knows what was sent: a new one, another one or a copy would have everybody sent to again."""

import asyncio
import shlex
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_never

from campaign.app.lists import CheckedList, results_path
from campaign.app.session import Session
from campaign.domain.ledger_identity import Difference, Displaced
from campaign.domain.places import Place, named
from campaign.reporter.owner import owner_of
from campaign.reporter.reasons import printable
from campaign.reporter.target import Format, failed_path, same_file
from campaign.settings import Settings


async def check_known(work: Session, given: CheckedList, source: str) -> None:
    """That the list was not sent already by a campaign that this ledger does not know.

    Args:
        work: with the ledger.
        given: the list.
        source: what the list was named by.

    Raises:
        UsageError: its results are here, and nobody says that it is to be sent again.
    """
    name, place = given.spec.name, work.reader.place
    if work.reader.campaign(name) is not None:
        return
    results = await asyncio.to_thread(earlier_results, source, work.settings, campaign=name, of_results=bool(given.layout.results))
    # Another process may have done all of it since the ledger was asked.
    if results is not None and work.reader.campaign(name) is None:
        work.require(
            unknown_in_words(results, name, place), "Send to all of them again?", _ways_out(results), code="ledger_without_campaign"
        )
    if given.layout.results:
        work.front.tell(
            "resumed_from_file",
            f"The ledger {place} does not know the campaign “{name}”: it goes on from {given.table.name} alone, which knows what was sent "
            "until it was written.",
            ledger=place,
        )


async def check_same_ledger(work: Session) -> None:
    """That the ledger is no copy of one that may still be sent from; to be called when something is to be sent.

    Raises:
        UsageError: it is, and nobody says that from now on it is the one that is sent from.
    """
    displaced = work.reader.displaced()
    if displaced is not None:
        if displaced.matters(time.time()) and not work.settings.moved_here:
            work.require(
                _in_words(displaced, work.reader.place),
                "Send from this one from now on?",
                _move(work.front.words),
                code="ledger_displaced",
            )
        before = displaced.before
        work.front.tell(
            "ledger_moved_here",
            f"From now on the ledger is {work.reader.place}. Send nothing more from {before.path} on {before.host}: it can't know of this.",
            ledger=work.reader.place,
            difference=displaced.difference.value,
        )
    await work.ledger.move_here()


def unknown_in_words(results: Place, name: str, ledger: str) -> str:
    """What it means that a campaign's results are here, and the ledger does not know the campaign."""
    return (
        f"{results} holds results of the campaign “{printable(name)}”, and the ledger {ledger} does not know that campaign: its passes may "
        "have been sent this message already."
    )


def earlier_results(source: str, settings: Settings, *, campaign: str, of_results: bool) -> Place | None:
    """A file with results of this campaign, where its results are to go or beside its list.

    Args:
        source: the list.
        settings: which say where the results go.
        campaign: its name.
        of_results: the list is a results file itself: only what went on from it counts.
    """
    for place in dict.fromkeys(_places(source, settings, of_results=of_results)):
        if (source == "-" or not same_file(place, named(source))) and owner_of(place) == campaign:
            return place
    return None


def _places(source: str, settings: Settings, *, of_results: bool) -> Iterator[Place]:
    """What knows most first."""
    unnamed = settings.model_copy(update={"results": None})
    yield from _in_any_format(results_path(source, unnamed, results_file=True))
    target = results_path(source, settings, results_file=of_results)
    yield target
    if not of_results:
        beside = results_path(source, unnamed)
        yield from _in_any_format(beside)
        yield from (failed_path(target), failed_path(beside))


def _in_any_format(place: Place) -> Iterator[Place]:
    # An object is asked for over the network: only under its usual name.
    return (place.with_suffix(suffix) for suffix in Format) if isinstance(place, Path) else iter([place])


def _ways_out(results: Place) -> str:
    way = "Name the ledger that it was sent from with --ledger or CAMPAIGN_LEDGER."
    if not results.stem.endswith(".failed"):
        again = ["campaign", "run", str(results)]
        if results.stem.endswith(".resumed"):
            again += ["--results", str(results.with_name(f"{results.stem}-again.csv"))]
        way += f" If that is lost, go on from the results: {shlex.join(again)}"
    return f"{way} To send to everybody again, give it another --name."


def _in_words(displaced: Displaced, place: str) -> str:
    before, when = displaced.before, datetime.fromtimestamp(displaced.last_run_at, tz=UTC)
    match displaced.difference:
        case Difference.OTHER_MACHINE:
            what = f"The ledger {place} comes from another machine."
        case Difference.CLONED_MACHINE:
            what = f"The ledger {place} comes from another machine, of which this one is a clone."
        case Difference.COPIED_FILE:
            what = f"The ledger {place} is a copy, or was moved or restored."
        case _:
            assert_never(displaced.difference)
    return (
        f"{what} Until now it was {before.path} on {before.host}; its last run was at {when:%Y-%m-%d %H:%M} UTC. If that one has sent "
        "since, this one does not know it, and would send the same again."
    )


def _move(words: Sequence[str]) -> str:
    way = "If nothing is sent from that one any more, add --moved-here to the command, once"
    at = words.index("--") if "--" in words else len(words)
    return f"{way}: {shlex.join(['campaign', *words[:at], '--moved-here', *words[at:]])}" if words else f"{way}."
