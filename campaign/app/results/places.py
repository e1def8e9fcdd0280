"""Where results of a campaign may be: where it writes them, and under any name in the folders of its files."""

import os
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from itertools import chain
from pathlib import Path

from campaign import object_store
from campaign.app.lists.list_source import ListSource, message_fingerprint, results_path
from campaign.domain.lists.locations import Location, parse_location, place_of
from campaign.domain.lists.query import is_query
from campaign.ledger.port import CampaignRecord
from campaign.loader.formats.file_format import UNPACKED_SUFFIXES
from campaign.reporter.files.target import failed_path, same_file
from campaign.settings import Settings


class Belongs(Enum):
    """When the rows of a file count as a campaign's."""

    BY_PLACE = auto()
    """The campaign's results are written there: also if a person has removed or changed its name in them."""
    BY_NAME = auto()
    """If the file names the campaign; or one that the ledger does not know, and shares an attempt with the ledger."""
    BY_ATTEMPT = auto()
    """If the file names one of these, and shares an attempt with the ledger."""


def results_places(source: ListSource, settings: Settings, *, of_results: bool = False) -> Iterator[Location]:
    """The places where results of a list's campaign may be, the one that probably knows most first.

    With `of_results`, the list is a results file itself, so only results of a run that went on from it count.
    """
    unnamed = settings.model_copy(update={"results": None})
    resumed, beside = (results_path(source, unnamed, results_file=results_file) for results_file in (True, False))
    target = results_path(source, settings, results_file=of_results)
    if resumed is not None:
        yield from _in_any_format(resumed)
    if target is not None:
        yield target
        yield from _in_any_format(target)
    if not of_results and beside is not None:
        yield from _in_any_format(beside)
    if not of_results:
        yield from (failed_path(place) for place in (target, beside) if place is not None)


def _in_any_format(place: Location) -> Iterator[Location]:
    if isinstance(place, Path):
        return (place.with_suffix(suffix) for suffix in UNPACKED_SUFFIXES)
    # To list them takes one request, and to ask for each of them two.
    others = (url for url in object_store.named_like(place.with_name(place.stem)) if url.stem == place.stem)
    return chain([place], (url for url in others if url.suffix.lower() in UNPACKED_SUFFIXES))


def own_places(source: ListSource | None) -> list[Location]:
    """The place of the list itself, which may be a results file; empty if it has none."""
    return [parse_location(source)] if isinstance(source, str) and source != "-" else []


def is_list(place: Location, source: ListSource) -> bool:
    return any(same_file(place, own) for own in own_places(source))


def places_of_campaign(
    record: CampaignRecord, settings: Settings, *, source: ListSource | None = None, results: Location | None = None
) -> dict[Location, Belongs]:
    """The places where results of a campaign that the ledger knows may be.

    `source` is its list, or its rows in a file, if the person named them; `results` is where this run writes.
    """
    stored = record.spec.settings.get("results", "")
    named = settings.model_copy(update={"name": record.spec.name})
    known = record.spec.list_place or ("" if is_query(record.spec.list_name) or not stored else record.spec.list_name)
    lists = [one for one in (source, known) if one]
    written = [place.absolute() for place in (results, settings.results) if place] + ([place_of(stored)] if stored else [])
    is_of_results = record.spec.message_sha256 == message_fingerprint(record.spec.id_column, None)
    # What was named may be results, whatever its file is called; an object is read over the network.
    found: list[Location] = [
        place for one in lists for place in own_places(one) if is_of_results or (one == source and isinstance(place, Path))
    ]
    found += [place for one in lists for place in results_places(one, named)]
    for place in written:
        found += [place, *_in_any_format(place), failed_path(place)]
    unnamed = named.model_copy(update={"results": None})
    usual = {own.absolute() for one in lists if (own := results_path(one, unnamed)) is not None}
    is_apart = bool(settings.ledger) and not is_of_results and any(place.absolute() not in usual for place in written)
    return with_folders(found, is_apart=is_apart)


def with_folders(places: Iterable[Location], *, is_apart: bool = False) -> dict[Location, Belongs]:
    """These places, and all files in their folders that may be results: another ledger may have written its own under any name.

    The others count by name. With `is_apart`, as the person has named both the ledger and a place for its results, they count by attempt,
    but for those where runs from any results file have written, which are named after that file. Folders of a store may hold anything, so
    of these only such objects are listed, and only if their names begin as those of `places` do.
    """
    found = dict.fromkeys(places, Belongs.BY_PLACE)
    folders = dict.fromkeys(place.parent for place in found if isinstance(place, Path))
    begun = dict.fromkeys(place.with_name(place.name.split(".")[0]) for place in found if not isinstance(place, Path))
    others: list[Location] = [path for folder in folders for path in _files_in(folder)]
    others += [url for beginning in begun for url in object_store.named_like(beginning) if ".resumed" in url.name]
    for place in others:
        if place.suffix.lower() in UNPACKED_SUFFIXES:
            by_name = ".resumed" in place.name or not is_apart
            found.setdefault(place, Belongs.BY_NAME if by_name else Belongs.BY_ATTEMPT)
    return found


def _files_in(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in sorted(os.listdir(folder))]  # noqa: PTH208 - only names are needed
    except OSError:
        return []
