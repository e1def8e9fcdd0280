"""The file or object beside a campaign's results that names the ledger from which it is being sent, so that no other ledger sends it too.

It is there from before the first claim until the results are written; it stays after a kill, and while a batch may be sent or turn up.
No results file, and no list, has its suffix.
"""

import json
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from campaign import object_store
from campaign.atomic import AtomicFile
from campaign.domain.errors import InputError, UsageError
from campaign.domain.lists.locations import Location, ObjectUrl
from campaign.domain.text.lines import sanitize_for_terminal
from campaign.ledger.port import CampaignRecord

SUFFIX: Final = ".sending"

_STORE_SECONDS: Final = 4.0
"""How long a request to a store may take while the ledger waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """The content of the file. `mark` is that of the campaign in its ledger; the rest is for people."""

    mark: str
    campaign: str
    ledger: str
    host: str
    since: str


_UNREADABLE: Final = Marker(mark="", campaign="", ledger="", host="", since="")


def marker_path(results: Location) -> Location:
    """The marker of results, or of the failed rows beside them, in any format."""
    # The results replace the target of a link.
    real = Path(os.path.realpath(results)) if isinstance(results, Path) else results
    return real.with_name(real.stem.removesuffix(".failed") + SUFFIX)


def mark_as_sending(results: Location, record: CampaignRecord, ledger: str) -> bool | None:
    """Create the marker; False if this ledger's is there already, None if there can't be one.

    There can't be one in a store that can't create an object only if there is none, in a folder that can't be written or has no hard links,
    or where another campaign has one.

    Raises:
        UsageError: there is one of another ledger.
        InputError: a store can't be read.
        DiskFullError: it does not fit, and nor would the results.
    """
    path = marker_path(results)
    since = f"{datetime.now(tz=UTC):%Y-%m-%d %H:%M} UTC"
    marker = Marker(mark=record.spec.mark, campaign=record.spec.name, ledger=ledger, host=socket.gethostname(), since=since)
    with suppress(UsageError):
        if _create(path, json.dumps(asdict(marker), indent=1).encode() + b"\n"):
            return True
    check_not_sent_elsewhere([path], record.spec.name, record.spec.mark)
    found = _read(path)
    return False if found is not None and found.mark == record.spec.mark else None


def remove_marker(results: Location, record: CampaignRecord) -> None:
    """Remove the marker, if it is this ledger's."""
    path = marker_path(results)
    with suppress(OSError, InputError, UsageError):
        if (found := _read(path, seconds=_STORE_SECONDS)) is None or found.mark != record.spec.mark:
            return
        if isinstance(path, ObjectUrl):
            object_store.remove(path, seconds=_STORE_SECONDS)
        else:
            path.unlink(missing_ok=True)


def check_not_sent_elsewhere(places: Iterable[Location], campaign: str, mark: str = "", *, given: Iterable[Location] = ()) -> None:
    """Check that no other ledger is sending the campaign, whose results may be in `places`.

    `mark` is the campaign's in this ledger; empty if the ledger does not know it. `given` are results to go on from: whatever is being sent
    into them has the same rows, also if a person has given the campaign another name.

    Raises:
        UsageError: another one is, or was until it was killed.
        InputError: a store can't be read.
    """
    own = dict.fromkeys(map(marker_path, places))
    # Results in the same folder may have another name there.
    others = [path for path in dict.fromkeys(_markers_beside(own)) if path not in own]
    under_any_name = set(map(marker_path, given))
    for path in (*own, *others):
        found = _read(path)
        if found is _UNREADABLE and path not in own:
            continue
        if found is not None and (found is _UNREADABLE or (found.mark != mark and (found.campaign == campaign or path in under_any_name))):
            raise UsageError(
                _in_words(found, path, found.campaign or campaign), code="sent_from_elsewhere", option="--ledger", marker=str(path)
            )


def _create(path: Location, content: bytes) -> bool:
    if isinstance(path, ObjectUrl):
        # A store that ignores the condition would replace the marker of another ledger.
        return object_store.read(path) is None and object_store.create(path, content) and object_store.read(path) == content
    with AtomicFile(path) as draft:
        draft.file.write(content)
        draft.sync()
        # Other users must be able to read it.
        return draft.commit_if_new(mode=0o644)


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
        return Marker(**{name: str(found[name]) for name in Marker.__slots__})
    except (ValueError, KeyError, TypeError):
        return _UNREADABLE


def _in_words(found: Marker, path: Location, campaign: str) -> str:
    if found is _UNREADABLE:
        who = f"another ledger: {path} says so, and can't be read"
    else:
        ledger, host = sanitize_for_terminal(found.ledger), sanitize_for_terminal(found.host)
        who = f"another ledger, {ledger} on {host}, since {sanitize_for_terminal(found.since)} ({path})"
    return (
        f"The campaign “{sanitize_for_terminal(campaign)}” is being sent from {who}, or that run was killed, or has left batches at "
        "PassEntry. Nothing was sent. Use that ledger (--ledger or CAMPAIGN_LEDGER), or wait until its run has ended and its results are "
        "here. After a kill, or with batches left, run the same "
        f"command there again. Only if that ledger is lost: nobody knows what it has sent; to send all the same, remove {path}."
    )
