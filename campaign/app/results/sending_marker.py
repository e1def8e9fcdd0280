"""The file beside a campaign's results that names the ledger from which it is being sent, so that no other ledger sends it too.

It is there from before the first claim until the results are written; it stays after a kill, and while a batch may be sent or turn up.
No results file, and no list, has its suffix.
"""

import json
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from campaign.atomic import AtomicFile
from campaign.domain.errors import UsageError
from campaign.domain.lists.locations import Location
from campaign.domain.text.lines import sanitize_for_terminal
from campaign.ledger.port import CampaignRecord

SUFFIX: Final = ".sending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """The content of the file. `mark` is that of the campaign in its ledger; the rest is for people."""

    mark: str
    campaign: str
    ledger: str
    host: str
    since: str


_UNREADABLE: Final = Marker(mark="", campaign="", ledger="", host="", since="")


def marker_path(results: Location) -> Path | None:
    """The marker of results, or of the failed rows beside them, in any format; None for an object in a store."""
    if not isinstance(results, Path):
        return None
    # The results replace the target of a link.
    real = Path(os.path.realpath(results))
    return real.with_name(real.stem.removesuffix(".failed") + SUFFIX)


def mark_as_sending(results: Location, record: CampaignRecord, ledger: str) -> bool | None:
    """Create the marker; False if this ledger's is there already, None if there can't be one.

    There can't be one for an object in a store, in a folder that can't be written or has no hard links, or where another campaign has one.

    Raises:
        UsageError: there is one of another ledger.
        DiskFullError: it does not fit, and nor would the results.
    """
    path = marker_path(results)
    if path is None:
        return None
    since = f"{datetime.now(tz=UTC):%Y-%m-%d %H:%M} UTC"
    marker = Marker(mark=record.spec.mark, campaign=record.spec.name, ledger=ledger, host=socket.gethostname(), since=since)
    with suppress(UsageError), AtomicFile(path) as draft:
        draft.file.write(json.dumps(asdict(marker), indent=1).encode() + b"\n")
        draft.sync()
        # Other users must be able to read it.
        if draft.commit_if_new(mode=0o644):
            return True
    check_not_sent_elsewhere([path], record.spec.name, record.spec.mark)
    found = _read(path)
    return False if found is not None and found.mark == record.spec.mark else None


def remove_marker(results: Location, record: CampaignRecord) -> None:
    """Remove the marker, if it is this ledger's."""
    path = marker_path(results)
    if path is not None and (found := _read(path)) is not None and found.mark == record.spec.mark:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def check_not_sent_elsewhere(places: Iterable[Location], campaign: str, mark: str = "") -> None:
    """Check that no other ledger is sending the campaign, whose results may be in `places`.

    `mark` is the campaign's in this ledger; empty if the ledger does not know it.

    Raises:
        UsageError: another one is, or was until it was killed.
    """
    own = dict.fromkeys(filter(None, map(marker_path, places)))
    # Results in the same folder may have another name there.
    others = [path for folder in dict.fromkeys(path.parent for path in own) for path in _markers_in(folder) if path not in own]
    for path in (*own, *others):
        found = _read(path)
        if found is _UNREADABLE and path not in own:
            continue
        if found is not None and (found is _UNREADABLE or (found.campaign == campaign and found.mark != mark)):
            raise UsageError(_in_words(found, path, campaign), code="sent_from_elsewhere", option="--ledger", marker=str(path))


def _markers_in(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in sorted(os.listdir(folder)) if name.endswith(SUFFIX)]  # noqa: PTH208 - only names are needed
    except OSError:
        return []


def _read(path: Path) -> Marker | None:
    try:
        found = json.loads(path.read_bytes())
        return Marker(**{name: str(found[name]) for name in Marker.__slots__})
    except (OSError, ValueError, KeyError, TypeError):
        return _UNREADABLE if os.path.isfile(path) else None  # noqa: PTH113 - pathlib's raises in a shut folder


def _in_words(found: Marker, path: Path | None, campaign: str) -> str:
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
