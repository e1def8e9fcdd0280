"""The file or object beside a campaign's results that names the ledger from which it is being sent, so that no other ledger sends it too.

It is there from before the first claim until the results are written; it stays after a kill, and while a batch may be sent or turn up.
A ledger that does not know the runner that it names is older than the run.
No results file, and no list, has its suffix. Where another campaign has the place, as its results have the same name in another format, a
hash of the campaign's name comes before the suffix.
"""

import hashlib
import json
import os
import socket
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from campaign import object_store
from campaign.app.results.owner import holds_results, owner_of
from campaign.app.sending.batches import is_in_batches
from campaign.atomic import AtomicFile, writing
from campaign.domain.errors import CampaignError, InputError, UsageError
from campaign.domain.lists.locations import Location, ObjectUrl
from campaign.domain.text.lines import sanitize_for_terminal
from campaign.ledger.port import CampaignRecord, Ledger, LedgerReader
from campaign.reporter.files.target import Format

SUFFIX: Final = ".sending"

RESULTS_OF: Final = "results_of"
"""The campaign's setting with the name of the campaign from whose results it goes on."""

_STORE_SECONDS: Final = 4.0
"""How long a request to a store may take while the ledger waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """The content of the file. `mark` is that of the campaign in its ledger.

    `runner` is the last one that the ledger knew then. `results_of` is the campaign whose results it goes on from, under another name. Both
    may be empty, as in a file of an earlier version. The rest is for people; `ledger` and `host` also choose the words of a refusal.
    """

    mark: str
    campaign: str
    ledger: str
    host: str
    since: str
    runner: str = ""
    results_of: str = ""


_UNREADABLE: Final = Marker(mark="", campaign="", ledger="", host="", since="")


def marker_path(results: Location) -> Location:
    """The marker of results, or of the failed rows beside them, in any format."""
    # The results replace the target of a link.
    real = Path(os.path.realpath(results)) if isinstance(results, Path) else results
    return real.with_name(real.stem.removesuffix(".failed") + SUFFIX)


def mark_as_sending(results: Location, record: CampaignRecord, reader: LedgerReader) -> Location | None:
    """Create the marker, and return its place; None if this ledger's is there already, which is renewed, or there can't be one.

    A runner of this process must be registered. There can't be a marker in a store that can't create an object only if there is none, or in
    a folder that can't be written.

    Raises:
        UsageError: there is one of another ledger, or of a newer one.
        InputError: a store can't be read.
        DiskFullError: it does not fit, and nor would the results.
    """
    since = f"{datetime.now(tz=UTC):%Y-%m-%d %H:%M} UTC"
    runner = _runners(reader, record)[0]
    marker = Marker(
        mark=record.spec.mark,
        campaign=record.spec.name,
        ledger=reader.place,
        host=socket.gethostname(),
        since=since,
        runner=runner,
        results_of=record.spec.settings.get(RESULTS_OF, ""),
    )
    content = json.dumps(asdict(marker), indent=1).encode() + b"\n"
    for place in _places(results, record.spec.name):
        with suppress(UsageError):
            if _create(place, content):
                return place
        check_not_sent_elsewhere([place], record.spec.name, reader)
        if (found := _read(place)) is not None and (found.mark, found.campaign) == (record.spec.mark, record.spec.name):
            # A copy of the ledger may know the runner that it names.
            with suppress(UsageError), AtomicFile(place) as draft:
                draft.file.write(content)
                draft.sync()
                draft.commit()
            break
    return None


def remove_marker(place: Location, record: CampaignRecord, reader: LedgerReader) -> None:
    """Remove the marker at this place, if it is this ledger's."""
    with suppress(OSError, InputError, UsageError):
        found = _read(place, seconds=_STORE_SECONDS)
        if found is None or found.mark != record.spec.mark or not _is_known(found, reader, record):
            return
        if isinstance(place, ObjectUrl):
            object_store.remove(place, seconds=_STORE_SECONDS)
        else:
            place.unlink(missing_ok=True)


def remove_markers(results: Location, record: CampaignRecord, reader: LedgerReader, *, others: bool = True) -> None:
    """Remove this ledger's markers of the results, and with `others` those that its runs with other results have left in their folder.

    After a kill such a one stays until the results beside it are written again: until then they lack what was sent.
    """
    own = _places(results, record.spec.name)
    beside = [path for path in _markers_beside(own) if isinstance(path, Path)] if others and isinstance(results, Path) else []
    for place in own:
        remove_marker(place, record, reader)
    for path in beside:
        if path not in own and not _has_older_results(path, record.spec.name):
            remove_marker(path, record, reader)


async def unmark(record: CampaignRecord, ledger: Ledger, reader: LedgerReader, results: Location | None, *, others: bool = True) -> None:
    """Remove the campaign's markers, unless another process of this ledger still sends or was killed, or a batch may still be sent.

    Those that a copy of the ledger sees are its original's, as the two have one mark.
    """

    def work() -> None:
        may_send = any(not runner.ended_at for runner in reader.runners(record.id)) or is_in_batches(reader, record)
        if results is not None and not may_send and reader.displaced() is None:
            remove_markers(results, record, reader, others=others)

    # A marker that stays does no harm: the next run of this ledger removes it.
    with suppress(CampaignError):
        await ledger.while_none_registers(record.id, work)


def check_not_sent_elsewhere(places: Iterable[Location], campaign: str, reader: LedgerReader, *, given: Iterable[Location] = ()) -> None:
    """Check that no other ledger is sending the campaign, whose results may be in `places`.

    `given` are results to go on from: whatever is being sent into them has the same rows, also if a person has given the campaign another
    name.

    Raises:
        UsageError: another one is, or was until it was killed; or this one was, and has been set back since.
        InputError: a store can't be read.
    """
    record = reader.campaign(campaign)
    asked = {campaign, record.spec.settings.get(RESULTS_OF, "") if record is not None else ""} - {""}
    own = dict.fromkeys(map(marker_path, places))
    # Results in the same folder may have another name there.
    others = [path for path in dict.fromkeys(_markers_beside(own)) if path not in own]
    under_any_name = set(map(marker_path, given))
    for path in (*own, *others):
        found = _read(path)
        if found is None or (found is _UNREADABLE and not _is_of(path, own, campaign)):
            continue
        names = {found.campaign, found.results_of} - {""}
        if found is not _UNREADABLE and names.isdisjoint(asked) and not _is_of(path, under_any_name, found.campaign):
            continue
        # It may be that of another campaign of this ledger, with the same rows.
        _check_is_own(found, path, reader.campaign(found.campaign), reader, campaign=found.campaign or campaign)


def check_not_sent_into(results: Location, record: CampaignRecord, reader: LedgerReader) -> None:
    """Check, before a command that sends nothing replaces results, that no other ledger is sending into them, nor the one that this copies.

    Raises:
        UsageError: one is, or was until it was killed; or this one was, and has been set back since.
        InputError: a store can't be read.
    """
    for path in _places(results, record.spec.name):
        found = _read(path)
        if found is None or found.campaign != record.spec.name:
            continue
        _check_is_own(found, path, record, reader, campaign=record.spec.name)
        if reader.displaced() is not None:
            raise UsageError(_displaced_in_words(found, path, reader), code="sent_from_elsewhere", option="--moved-here", marker=str(path))


def _check_is_own(found: Marker, path: Location, record: CampaignRecord | None, reader: LedgerReader, *, campaign: str) -> None:
    """Check that a marker is of this ledger, and of a run that it knows; raises UsageError. `record` is the campaign of its name here."""
    is_own = record is not None and found.mark == record.spec.mark
    if record is not None and is_own and _is_known(found, reader, record):
        return
    # A ledger that was put back from before the campaign was staged has it under another mark, or not at all.
    if is_own or (found.ledger, found.host) == (reader.place, socket.gethostname()):
        raise UsageError(_older_in_words(found, path, reader), code="ledger_behind_run", option="--ledger", marker=str(path))
    raise UsageError(_in_words(found, path, campaign), code="sent_from_elsewhere", option="--ledger", marker=str(path))


def _runners(reader: LedgerReader, record: CampaignRecord) -> list[str]:
    """The campaign's runners, newest first. In another copy of the ledger another runner may have the same number."""
    return [f"{runner.id} {runner.started_at}" for runner in reader.runners(record.id)]


def _is_known(found: Marker, reader: LedgerReader, record: CampaignRecord) -> bool:
    """Whether the ledger knows the run that made the marker, or a later one."""
    return not found.runner or found.runner in _runners(reader, record)


def _places(results: Location, campaign: str) -> tuple[Location, Location]:
    """Where the marker of a campaign may be, the usual place first."""
    path = marker_path(results)
    return path, _beside(path, campaign)


def _beside(path: Location, campaign: str) -> Location:
    """Where the marker of a campaign is if another campaign's is at `path`."""
    return path.with_name(f"{path.stem}.{_short_hash(campaign)}{SUFFIX}")


def _short_hash(campaign: str) -> str:
    # The same in all ledgers, so that only one of them can create the marker.
    return hashlib.sha256(campaign.encode(errors="surrogatepass")).hexdigest()[:8]


def _is_of(path: Location, markers: Collection[Location], campaign: str) -> bool:
    """Whether a marker of the campaign at `path` is one of these, or beside one of them."""
    return path in markers or any(path == _beside(one, campaign) for one in markers)


def _has_older_results(path: Path, campaign: str) -> bool:
    """Whether there are results of a campaign that were written before its marker was created, so that they may lack what was sent."""
    stem = path.stem.removesuffix(f".{_short_hash(campaign)}")
    with suppress(OSError):
        created = path.stat().st_mtime_ns
        beside = [path.with_name(f"{stem}{suffix}") for suffix in Format]
        older = [file for file in beside if file.is_file() and file.stat().st_mtime_ns <= created]
        return any(holds_results(file) and owner_of(file) in {campaign, ""} for file in older)
    return True


def _create(path: Location, content: bytes) -> bool:
    if isinstance(path, ObjectUrl):
        # A store that ignores the condition would replace the marker of another ledger.
        return object_store.read(path) is None and object_store.create(path, content) and object_store.read(path) == content
    with suppress(UsageError), AtomicFile(path) as draft:
        draft.file.write(content)
        draft.sync()
        # Other users must be able to read it.
        return draft.commit_if_new(mode=0o644)
    return _create_without_links(path, content)


def _create_without_links(path: Path, content: bytes) -> bool:
    with writing(path):
        try:
            with path.open("xb") as file:
                try:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    # A half-written one is nobody's.
                    path.unlink()
                    raise
        except FileExistsError:
            return False
    return True


def _markers_beside(own: Iterable[Location]) -> Iterator[Location]:
    """The markers in the folders of these; of a store's folder, which may hold anything, only those whose names begin as these do."""
    for folder in dict.fromkeys(path.parent for path in own if isinstance(path, Path)):
        with suppress(OSError):
            yield from (folder / name for name in sorted(os.listdir(folder)) if name.endswith(SUFFIX))  # noqa: PTH208 - only names are needed
    for beginning in dict.fromkeys(path.with_name(path.name.split(".")[0]) for path in own if isinstance(path, ObjectUrl)):
        yield from (url for url in object_store.named_like(beginning) if url.name.endswith(SUFFIX))


def _read(path: Location, *, seconds: float = object_store.PATIENCE_SECONDS) -> Marker | None:
    if isinstance(path, ObjectUrl):
        content = object_store.read(path, seconds=seconds)
        return None if content is None else _parsed(content)
    try:
        return _parsed(path.read_bytes())
    except OSError:
        return _UNREADABLE if os.path.isfile(path) else None  # noqa: PTH113 - pathlib's raises in a shut folder


def _parsed(content: bytes) -> Marker:
    try:
        found = json.loads(content)
        return Marker(**{name: str(found[name]) for name in Marker.__slots__ if name in found})
    except (ValueError, TypeError):
        return _UNREADABLE


def _in_words(found: Marker, path: Location, campaign: str) -> str:
    unreadable = f"another ledger: {path} says so, and can't be read"
    which = unreadable if found is _UNREADABLE else f"another ledger, {_run_in_words(found, path)}"
    return (
        f"The campaign “{sanitize_for_terminal(campaign)}” is being sent from {which}, or that run was killed, or has left "
        "batches at PassEntry. Nothing was sent. Use that ledger (--ledger or CAMPAIGN_LEDGER), or wait until its run has ended and its "
        "results are here. After a kill, or with batches left, run the same command there again. "
        f"Only if that ledger is lost: nobody knows what it has sent; to send all the same, remove {path}."
    )


def _displaced_in_words(found: Marker, path: Location, reader: LedgerReader) -> str:
    return (
        f"The results of the campaign “{sanitize_for_terminal(found.campaign)}” are not replaced: it is being sent from "
        f"{_run_in_words(found, path)}, or that run was killed, and {reader.place} is a copy of that ledger, or was moved. "
        "If it was moved, and nothing is sent from the other one any more, run the campaign once with --moved-here."
    )


def _older_in_words(found: Marker, path: Location, reader: LedgerReader) -> str:
    return (
        f"The ledger {reader.place} does not know the last run of the campaign “{sanitize_for_terminal(found.campaign)}”, from "
        f"{_run_in_words(found, path)}. It is older than that run, or another one, and would send the same again. Nothing was sent. "
        "Put the newer ledger back, or name it with --ledger or CAMPAIGN_LEDGER, and run the same command again. Only if it is lost: "
        f"nobody knows what that run has sent; to send all the same, remove {path}."
    )


def _run_in_words(found: Marker, path: Location) -> str:
    ledger, host, since = map(sanitize_for_terminal, (found.ledger, found.host, found.since))
    return f"{ledger} on {host}, since {since} ({path})"
