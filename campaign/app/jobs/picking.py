"""The list that a job means: a file, or the newest of those that match a pattern, unless it is too old; on this machine or in a store."""

import glob
import os
from datetime import datetime
from pathlib import Path
from typing import Final

from campaign import remote
from campaign.domain.durations import words
from campaign.domain.errors import InputError
from campaign.domain.places import Place, Url, named

_OURS: Final = (".results", ".resumed", ".failed")


def pick_list(text: str, *, folder: Path, max_age_seconds: float | None, now: datetime, job: str, key: str = "list") -> Place:
    """The file itself or, where `*`, `?` or `[...]` stand in it, the newest match; of two of the same moment the last by name.

    Results that a run wrote beside its list are no lists, though newer and of much the same name.

    Args:
        text: a path or a pattern, relative to `folder`, or a URL.
        folder: where the job file is.
        max_age_seconds: how long ago the list may have been written; None for any time.
        now: aware.
        job: the job file, for messages.
        key: what the job calls it, for messages.

    Raises:
        UsageError: it is a URL that can't be used.
        InputError: there is none, or it is older than that, or its store can't be asked.
    """
    place = named(text)
    ages = _objects(place) if isinstance(place, Url) else _files(text, folder)
    if not ages:
        alone = place if isinstance(place, Url) else under(folder, text)
        missing = f"No list matches “{text}”" if glob.has_magic(text) else f"There is no list {alone}"
        raise InputError(f"{missing}. Put one there, or correct “{key}”; nothing was sent.", code="no_list", file=job, source=text)
    written, newest = max(ages, key=lambda age: (age[0], age[1].name))
    age_seconds = now.timestamp() - written / 1e9
    if max_age_seconds is not None and age_seconds > max_age_seconds:
        raise InputError(
            f"The list {newest} is {words(age_seconds)} old, and “max_age” allows {words(max_age_seconds)}. "
            f"Put this time's list there; nothing was sent.",
            code="list_too_old",
            file=job,
            source=newest,
        )
    return newest


def under(folder: Path, text: str) -> Path:
    """A path of a job file, which is relative to the folder of the file; a leading `~` is the home folder."""
    return Path(os.path.normpath(folder / _at_home(text)))


def _at_home(text: str) -> str:
    return os.path.expanduser(text)  # noqa: PTH111 - pathlib's raises where there is no such user


def _files(text: str, folder: Path) -> list[tuple[int, Place]]:
    """When each was written, in Unix nanoseconds, and the file."""
    place = under(folder, text)
    found = [place]
    if not place.is_file():
        names = glob.glob(_at_home(text), root_dir=folder, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        found = [match for name in names if (match := under(folder, name)).is_file() and _is_list(match)]
    return [(written, path) for path in found if (written := _written(path)) is not None]


def _objects(url: Url) -> list[tuple[int, Place]]:
    """When each was written, in Unix nanoseconds, and the object."""
    if (itself := remote.find(url)) is not None:
        return [(itself.written_ns, url)]
    if not glob.has_magic(url.key):
        return []
    hidden = url.name.startswith(".")
    return [
        (found.written_ns, found.url)
        for found in remote.matching(url)
        if _is_list(found.url) and (hidden or not found.url.name.startswith("."))
    ]


def _is_list(place: Place) -> bool:
    # ~$ is what Excel puts beside a file that someone has open.
    return not place.stem.endswith(_OURS) and not place.name.startswith("~$")


def _written(path: Path) -> int | None:
    """When it was, in Unix nanoseconds; None if it is gone meanwhile."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
